"""Ask captum: `python -m tests.golden.of_captum`, in the environment that `make golden` sets up."""

from __future__ import annotations

import warnings
from typing import Any
from unittest import mock

import captum.attr as attr
import numpy as np
import torch
from captum.metrics import infidelity, sensitivity_max

from tests.golden import store
from tests.golden.metrics import EXPLAINED, maps, moved, squares
from tests.golden.model import TARGETS, from_torch, given, to_torch, torch_model


def main() -> None:
    """Write what captum gives."""
    warnings.simplefilter("ignore")
    store.keep("captum", of_methods() | of_metrics(), ("torch", "numpy"))


def of_methods() -> dict[str, tuple[str, np.ndarray]]:
    """Return its maps."""
    model, arrays = torch_model(), given()
    images = to_torch(arrays.images)
    target = torch.tensor(TARGETS)
    other = images.flip(0)
    found: dict[str, tuple[str, np.ndarray]] = {}

    def keep(name: str, setting: str, values: Any) -> None:
        found[name] = (setting, from_torch(values))

    keep("Saliency", "abs=True", attr.Saliency(model).attribute(images, target=target))
    keep("Saliency, signed", "abs=False", attr.Saliency(model).attribute(images, target=target, abs=False))
    keep("InputXGradient", "", attr.InputXGradient(model).attribute(images, target=target))
    keep("GuidedBackprop", "", attr.GuidedBackprop(model).attribute(images, target=target))
    keep("Deconvolution", "", attr.Deconvolution(model).attribute(images, target=target))

    ig = attr.IntegratedGradients(model)
    for setting, options in {
        "gausslegendre, 50 steps, baseline 0": {},
        "gausslegendre, 50 steps, baseline 0.5": {"baselines": 0.5},
        "gausslegendre, 50 steps, baseline an image": {"baselines": other},
        "riemann_trapezoid, 50 steps, baseline an image": {"method": "riemann_trapezoid", "baselines": other},
    }.items():
        keep(f"IntegratedGradients, {setting}", setting, ig.attribute(images, target=target, **options))

    tunnel = attr.NoiseTunnel(attr.Saliency(model))
    for kind in ("smoothgrad", "smoothgrad_sq", "vargrad"):
        maps = []
        for image, label in zip(images, TARGETS, strict=True):
            deviation = 0.15 * float(image.max() - image.min())
            noise = to_torch(arrays.noise) * deviation
            with mock.patch.object(torch, "normal", lambda mean, std, noise=noise: noise):
                maps.append(
                    tunnel.attribute(
                        image[None], target=label, nt_type=kind, nt_samples=len(noise), stdevs=deviation, abs=False
                    )
                )
        keep(f"NoiseTunnel, {kind}", f"{kind}, 12 samples of given noise, stdevs .15 of the range", torch.cat(maps))

    for interpolation in ("nearest", "bilinear"):
        maps = attr.GuidedGradCam(model, model.relu3).attribute(images, target=target, interpolate_mode=interpolation)
        keep(f"GuidedGradCam, {interpolation}", f"layer relu3, interpolate_mode={interpolation}", maps)
    keep("LayerGradCam", "layer relu3", attr.LayerGradCam(model, model.relu3).attribute(images, target=target))

    occlusion = attr.Occlusion(model)
    for setting, window, strides in (
        ("4 x 4, stride 4", (3, 4, 4), (3, 4, 4)),
        ("5 x 5, stride 2", (3, 5, 5), (3, 2, 2)),
    ):
        maps = occlusion.attribute(images, sliding_window_shapes=window, strides=strides, baselines=0, target=target)
        keep(f"Occlusion, {setting}", f"{setting}, baseline 0", maps)
    cells = torch.arange(16).reshape(4, 4)
    mask = cells.repeat_interleave(4, 0).repeat_interleave(4, 1)[None, None]
    keep(
        "FeatureAblation",
        "feature_mask of 4 x 4 cells, baseline 0",
        attr.FeatureAblation(model).attribute(images, feature_mask=mask, baselines=0, target=target),
    )
    mask = torch.from_numpy(arrays.sixths.astype(np.int64))[None, None]
    keep(
        "ShapleyValues",
        "feature_mask of six segments, all orders, baseline 0",
        attr.ShapleyValues(model).attribute(images, feature_mask=mask, baselines=0, target=target),
    )
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 (its own)
    maps = [
        attr.KernelShap(model.float()).attribute(
            image[None].float(),
            feature_mask=mask,
            baselines=0.0,
            target=label,
            n_samples=3000,
            perturbations_per_eval=100,
        )
        for image, label in zip(images, TARGETS, strict=True)
    ]
    keep("KernelShap", "feature_mask of six segments, 3,000 samples, baseline 0", torch.cat(maps))
    return found


def of_metrics() -> dict[str, tuple[str, np.ndarray]]:
    """Return its numbers of maps."""
    model, arrays = torch_model(), given()
    images, target = to_torch(arrays.images), torch.tensor(EXPLAINED)
    hidden = to_torch(squares()[..., None])
    in_one_channel = to_torch(maps()[..., None] * [1, 0, 0])

    def hide(copies: Any) -> tuple[Any, Any]:
        taken = hidden.repeat(len(images), 3, 1, 1)
        return taken, copies * (1 - taken)

    def explain(inputs: Any, target: Any) -> Any:
        if isinstance(inputs, tuple):
            return tuple(explain(each, target) for each in inputs)
        return attr.Saliency(model).attribute(inputs, target=target).amax(dim=1)

    found = {}
    for normalize in (False, True):
        numbers = infidelity(
            model, hide, images, in_one_channel, target=target, n_perturb_samples=len(hidden), normalize=normalize
        )
        setting = f"{len(hidden)} given squares, baseline 0, normalize={normalize}"
        found[f"infidelity, normalize={normalize}"] = (setting, numbers.numpy())
    noisy = to_torch(np.concatenate([moved(image) for image in arrays.images]))
    numbers = sensitivity_max(explain, images, lambda copies: noisy, n_perturb_samples=len(arrays.noise), target=target)
    found["sensitivity_max"] = (f"Saliency, {len(arrays.noise)} given noises", numbers.numpy())
    return found


if __name__ == "__main__":
    main()
