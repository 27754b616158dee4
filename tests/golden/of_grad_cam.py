"""Ask pytorch-grad-cam: `python -m tests.golden.of_grad_cam`, in the environment that `make golden` sets up."""

from __future__ import annotations

import sys
from functools import partialmethod
from typing import Any
from unittest import mock

# For drawing and for detectors only; its wheels go with one build of PyTorch each, and fail with another.
# ruff: noqa: E402
sys.modules.update(
    {name: mock.MagicMock() for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")}
)

import numpy as np
import pytorch_grad_cam as pgc
import torch
import tqdm
from pytorch_grad_cam.metrics import cam_mult_image, road
from pytorch_grad_cam.utils.model_targets import (
    ClassifierOutputSoftmaxTarget,
    ClassifierOutputTarget,
    FinerWeightedTarget,
)

from tests.golden import store
from tests.golden.metrics import EXPLAINED, maps, shown_through
from tests.golden.model import TARGETS, given, to_torch, torch_model


class Detached(FinerWeightedTarget):
    """Its target of Finer-CAM, with probabilities that are numbers."""

    def __call__(self, outputs: Any) -> Any:
        shares = torch.softmax(outputs, dim=-1).detach()[self.comparison_categories]
        rivals = outputs[self.comparison_categories]
        return (shares * (outputs[self.main_category] - self.alpha * rivals)).sum() / shares.sum()


def main() -> None:
    """Write what pytorch-grad-cam gives."""
    store.keep("grad-cam", of_methods() | of_metrics(), ("torch", "numpy", "opencv-python-headless"))


def of_methods() -> dict[str, tuple[str, np.ndarray]]:
    """Return its maps."""
    tqdm.tqdm.__init__ = partialmethod(tqdm.tqdm.__init__, disable=True)
    images = to_torch(given().images)
    logits = torch_model()(images).detach().numpy()
    found: dict[str, tuple[str, np.ndarray]] = {}

    def keep(name: str, method: type, targets: Any = None, setting: str = "", double: bool = True) -> None:
        model = torch_model(double)
        maps: list[np.ndarray] = []
        with method(model=model, target_layers=[model.relu3]) as cam:
            original = cam.get_cam_image

            def kept(*args: Any, **kwargs: Any) -> np.ndarray:
                maps.append(original(*args, **kwargs))
                return maps[-1]

            targets = targets or [ClassifierOutputTarget(label) for label in TARGETS]
            with mock.patch.object(cam, "get_cam_image", kept):
                shown = cam(images if double else images.float(), targets)
        found[name] = (f"layer relu3{setting}, before the negative part is cut", maps[0])
        found[f"{name}, shown"] = (f"layer relu3{setting}, enlarged, from 0 to 1", shown)

    for method in ("GradCAM", "GradCAMPlusPlus", "HiResCAM", "LayerCAM", "XGradCAM", "EigenCAM", "EigenGradCAM", "FEM"):
        keep(method, getattr(pgc, method))
    keep("ScoreCAM", pgc.ScoreCAM)
    keep("AblationCAM", pgc.AblationCAM, double=False)

    rivals = []
    for row, label in zip(logits, TARGETS, strict=True):
        order = np.argsort(np.abs(row - row[label]))
        rivals.append([int(each) for each in order[1:4]])
    for name, target in (("FinerCAM", FinerWeightedTarget), ("FinerCAM, detached", Detached)):
        targets = [target(label, others, 1.0) for label, others in zip(TARGETS, rivals, strict=True)]
        keep(
            name,
            pgc.GradCAM,
            targets,
            f", three rivals, alpha 1{', their probabilities numbers' * (target is Detached)}",
        )

    model = torch_model()
    with pgc.FullGrad(model, []) as cam:
        parts: list[np.ndarray] = []
        original = cam.compute_cam_per_layer

        def kept(*args: Any) -> np.ndarray:
            parts.append(original(*args))
            return parts[-1]

        with mock.patch.object(cam, "compute_cam_per_layer", kept):
            shown = cam(images, [ClassifierOutputTarget(label) for label in TARGETS])
    found["FullGrad"] = ("the sum of its maps, each from 0 to 1", parts[0][:, 0])
    found["FullGrad, shown"] = ("from 0 to 1", shown)
    return found


def of_metrics() -> dict[str, tuple[str, np.ndarray]]:
    """Return its numbers of maps."""
    model, images = torch_model(double=False), to_torch(given().images, double=False)
    targets = [ClassifierOutputSoftmaxTarget(label) for label in EXPLAINED]
    percentiles = [25, 50, 75]
    found = {}
    for name in ("ROADCombined", "ROADMostRelevantFirstAverage", "ROADLeastRelevantFirstAverage"):
        with mock.patch.object(torch, "randn_like", torch.zeros_like):
            numbers = getattr(road, name)(percentiles=percentiles)(images, maps().astype(np.float32), targets, model)
        found[name] = ("percentiles 25, 50 and 75, without noise", numbers)
    for name in ("DropInConfidence", "IncreaseInConfidence"):
        numbers = getattr(cam_mult_image, name)()(images, shown_through().astype(np.float32), targets, model)
        found[name] = ("maps from 0 to 1", numbers)
    return found


if __name__ == "__main__":
    main()
