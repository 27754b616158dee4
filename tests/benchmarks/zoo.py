"""What works on which kind of model: vizcnn's methods, and beside them tf-keras-vis and Xplique, as their documentation shows.

A cell is "yes" where a map comes out that is finite and not constant, "blank" where it is constant, and otherwise the error's
class. Run where all three are installed (`make bench-peers`):

    python -m tests.benchmarks.zoo [--markdown FILE]
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore
from xplique import attributions

import vizcnn as vz
from tests.benchmarks.timing import machine
from tests.zoo import ZOO, images

BEGIN, END = "<!-- zoo: begin -->", "<!-- zoo: end -->"

Method = Callable[[Any, np.ndarray], Any]


def _xplique(make: Callable[..., Any]) -> Method:
    def run(model: Any, x: np.ndarray) -> Any:
        classes = model(x[:1]).shape[-1]
        return make(model)(x, tf.one_hot([0] * len(x), classes))

    return run


METHODS: dict[str, Method] = {
    "vizcnn saliency": lambda model, x: vz.saliency(model, x).values,
    "vizcnn gradcam": lambda model, x: vz.gradcam(model, x, relu=False).values,
    "vizcnn occlusion": lambda model, x: vz.occlusion(model, x, patch_size=3).values,
    "vizcnn activations": lambda model, x: vz.activations(model, x).values,
    "tf-keras-vis saliency": lambda model, x: Saliency(model, ReplaceToLinear())(CategoricalScore(0), x),
    "tf-keras-vis gradcam": lambda model, x: Gradcam(model, ReplaceToLinear())(
        CategoricalScore(0), x, activation_modifier=None
    ),
    "xplique saliency": _xplique(attributions.Saliency),
    "xplique gradcam": _xplique(attributions.GradCAM),
    "xplique occlusion": _xplique(lambda model: attributions.Occlusion(model, patch_size=3, patch_stride=3)),
}


def verdict(method: Method, make: Callable[[], Any], shape: tuple[int, ...]) -> str:
    """Return what a method makes of a fresh model of a kind."""
    keras.utils.set_random_seed(0)
    scale = 255 if "uint8" in make.__name__ else 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.asarray(method(make(), images(3, shape) * scale))
    except Exception as error:  # noqa: BLE001 - which one is the answer
        return type(error).__name__
    return "yes" if np.isfinite(values).all() and np.ptp(values) > 0 else "blank"


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.zoo", description=__doc__.partition("\n")[0])
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    given = parser.parse_args()
    lines = ["| model | " + " | ".join(METHODS) + " |", "|---" * (len(METHODS) + 1) + "|"]
    for name, (make, shape, _) in ZOO.items():
        cells = [verdict(method, make, shape) for method in METHODS.values()]
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    about = machine("tensorflow", "keras", "tf-keras-vis", "xplique", "vizcnn")
    totals = [sum(line.split(" | ")[i + 1].strip(" |") == "yes" for line in lines[2:]) for i in range(len(METHODS))]
    lines.append("| **of " + str(len(ZOO)) + "** | " + " | ".join(f"**{total}**" for total in totals) + " |")
    text = "\n".join([about, "", *lines])
    print(text)
    if given.markdown:
        before, _, rest = given.markdown.read_text(encoding="utf-8").partition(BEGIN)
        given.markdown.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
