"""The table of the docs of methods by metrics, on photographs and an ImageNet MobileNet: ``python -m tests.compared`` writes it.

`--all` takes all methods for images, those that sample with few samples, and all metrics that need no regions, those that ask for
many maps with few; but for `completeness`, which only some methods promise. What it will take is told before it starts;
`--max-seconds` keeps the images that were done by then.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import cv2
import numpy as np
from skimage import data
from sklearn.datasets import load_sample_images

import vizcnn as vz
from vizcnn.results import Comparison

PAGE = Path(__file__).parents[1] / "docs" / "compared.md"
MARK = "<!-- The rest is written by `python -m tests.compared`. -->\n"

METHODS = (
    "saliency", "saliency:rule=guided", "gradient_x_input", "smoothgrad:num_samples=20", "integrated_gradients:num_steps=20",
    "blur_ig:num_steps=20", "fullgrad", "gradcam", "gradcam_plus_plus", "hirescam", "layercam", "xgradcam", "eigencam",
    "eigengradcam", "fem", "guided_gradcam", "finercam", "scorecam:top=16", "occlusion:patch_size=32,stride=16",
)  # fmt: skip
MORE_METHODS = (
    "guided_ig:num_steps=20", "xrai:num_steps=20", "expected_gradients:num_samples=20", "ablationcam", "rise:num_samples=200",
    "lime:num_samples=200", "kernel_shap:num_samples=200", "partition_shap:num_samples=200",
    "sobol:num_segments=16,num_samples=8", "hsic:num_samples=200", "extremal_perturbation:num_steps=50",
)  # fmt: skip
METRICS = ("deletion", "insertion", "road", "average_drop", "randomization", "sparseness")
MORE_METRICS = (
    "mu_fidelity:num_samples=50", "infidelity:num_samples=50", "max_sensitivity:num_samples=2", "random_logit", "average_gain",
    "increase", "complexity",
)  # fmt: skip


def photographs(count: int) -> list[np.ndarray]:
    """Return squares out of the photographs that scikit-image and scikit-learn carry."""
    whole = [data.chelsea(), data.coffee(), data.astronaut(), data.rocket(), *load_sample_images().images]
    squares = [square(photograph, place) for place in (0.5, 0.0, 1.0) for photograph in whole]
    return squares[:count]


def square(photograph: np.ndarray, place: float) -> np.ndarray:
    short = min(photograph.shape[:2])
    top, left = (int((size - short) * place) for size in photograph.shape[:2])
    return cv2.resize(photograph[top : top + short, left : left + short], (224, 224), interpolation=cv2.INTER_AREA)


def table(compared: Comparison) -> str:
    """Return it as the page shows it."""
    heads = [
        "method",
        "mean rank",
        *(f"{name} ({better})" for name, better in zip(compared.metrics, compared.better, strict=True)),
    ]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for one in compared.standings:
        name = f"*{one.method}*" if one.is_null else f"`{one.method}`"
        cells = [f"{one.rank:.1f}", *("" if np.isnan(mean) else f"{mean:.3f}" for mean in one.means.values())]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    verdicts = "\n".join(f"- {verdict}" for verdict in compared.verdicts)
    return f"{len(compared.names)} photographs.\n\n" + "\n".join(lines) + f"\n\nWhat can be said of it:\n\n{verdicts}\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--max-seconds", type=float)
    asked = parser.parse_args()
    folder = Path(os.environ["VIZCNN_TEST_DATA"])
    cnn = vz.adapt(
        folder / "mobilenet_025_224_imagenet.keras", preprocess="mobilenet", labels=folder / "imagenet_class_index.json"
    )
    compared = vz.compare(
        cnn,
        photographs(asked.images),
        methods=(*METHODS, *MORE_METHODS) if asked.all else METHODS,
        metrics=(*METRICS, *MORE_METRICS) if asked.all else METRICS,
        max_seconds=asked.max_seconds,
    )
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(head + MARK + "\n" + table(compared), encoding="utf-8")


if __name__ == "__main__":
    main()
