"""Ask PAIR's saliency: `python -m tests.golden.of_saliency`, in the environment that `make golden` sets up."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import saliency.core as pair
import torch

from tests.golden import store
from tests.golden.model import TARGETS, from_torch, given, to_torch, torch_model


def main() -> None:
    """Write what PAIR's saliency gives."""
    model, arrays = torch_model(), given()

    def gradients(images: np.ndarray, call_model_args: Any = None, expected_keys: Any = None) -> dict[str, np.ndarray]:
        inputs = to_torch(images).requires_grad_()
        (gradient,) = torch.autograd.grad(model(inputs)[:, call_model_args].sum(), inputs)
        return {pair.base.INPUT_OUTPUT_GRADIENTS: from_torch(gradient)}

    found: dict[str, tuple[str, np.ndarray]] = {}
    pairs = list(zip(arrays.images.astype(np.float64), TARGETS, strict=True))

    def keep(name: str, setting: str, method: Any, **options: Any) -> None:
        maps = [method(image, gradients, label, **options) for image, label in pairs]
        found[name] = (setting, np.stack(maps))

    keep("GradientSaliency", "", pair.GradientSaliency().GetMask)
    ways = [
        pair.IntegratedGradients().GetMask(image, gradients, label, x_baseline=other, x_steps=50)
        for (image, label), (other, _) in zip(pairs, pairs[::-1], strict=True)
    ]
    found["IntegratedGradients"] = ("x_steps=50, baseline an image", np.stack(ways))
    for name, magnitude in (("mean", False), ("square", True)):
        fields = iter(np.concatenate([arrays.noise, arrays.noise]))

        def given_noise(mean: float, deviation: float, shape: Any, fields: Any = fields) -> np.ndarray:
            return deviation * next(fields)

        with mock.patch.object(np.random, "normal", given_noise):
            keep(
                f"SmoothGrad, {name}",
                f"12 samples of given noise, stdev_spread=.15, magnitude={magnitude}",
                pair.GradientSaliency().GetSmoothedMask,
                nsamples=len(arrays.noise),
                magnitude=magnitude,
            )

    quantile = np.quantile

    def old_quantile(values: np.ndarray, share: float, interpolation: str) -> Any:  # the argument's former name
        return quantile(values, share, method=interpolation)

    with mock.patch.object(np, "quantile", old_quantile):
        keep("GuidedIG", "x_steps=50, baseline 0", pair.GuidedIG().GetMask, x_steps=50)
        keep(
            "GuidedIG, wide",
            "x_steps=50, fraction=.1, max_dist=.2, baseline 0",
            pair.GuidedIG().GetMask,
            x_steps=50,
            fraction=0.1,
            max_dist=0.2,
        )
    keep("BlurIG", "max_sigma=3, steps=2000", pair.BlurIG().GetMask, max_sigma=3, steps=2000, batch_size=100)

    # Regions that overlap: the segments, each one wider, and the six.
    masks = [arrays.segments == label for label in range(9)] + [arrays.sixths == label for label in range(6)]
    parameters = pair.XRAIParameters(steps=50)
    parameters.return_ig_attributions = True
    parameters.experimental_params["min_pixel_diff"] = 1
    details = [
        pair.XRAI().GetMaskWithDetails(image, gradients, label, segments=masks, extra_parameters=parameters)
        for image, label in pairs
    ]
    setting = "15 segments that overlap, steps=50, min_pixel_diff=1"
    found["XRAI"] = (setting, np.stack([each.attribution_mask for each in details]))
    found["XRAI, its attributions"] = (setting, np.stack([np.mean(each.ig_attribution, axis=0) for each in details]))
    store.keep("saliency", found, ("torch", "scikit-image", "scipy", "numpy"))


if __name__ == "__main__":
    main()
