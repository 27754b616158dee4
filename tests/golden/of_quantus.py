"""Ask Quantus: `python -m tests.golden.of_quantus`, in the environment that `make golden` sets up."""

from __future__ import annotations

import warnings
from itertools import cycle
from typing import Any
from unittest import mock

import captum.attr as attr
import numpy as np
import quantus
import torch
from quantus.functions.perturb_func import noisy_linear_imputation
from quantus.functions.similarity_func import correlation_spearman

from tests.golden import store
from tests.golden.metrics import EXPLAINED, HIDDEN, OTHER_CLASSES, REGIONS, SIDE, maps, moved
from tests.golden.model import CLASSES, given, torch_model

SETTINGS: dict[str, Any] = {"disable_warnings": True, "display_progressbar": False, "normalise": False}


def main() -> None:
    """Write what Quantus gives."""
    warnings.simplefilter("ignore")
    store.keep("quantus", of_maps() | of_a_model(), ("torch", "numpy", "scipy"))


def of_maps() -> dict[str, tuple[str, np.ndarray]]:
    """Return its numbers that ask no model, and how it fills pixels in."""
    x = given().images.transpose(0, 3, 1, 2)
    found: dict[str, tuple[str, np.ndarray]] = {}
    for name, values, options in (
        ("Sparseness", np.abs(maps()), {"abs": True}),
        ("Complexity", np.abs(maps()), {"abs": True}),
        ("PointingGame", maps(), {"abs": False}),
        ("RelevanceMassAccuracy", np.abs(maps()), {"abs": True}),
        ("RelevanceRankAccuracy", maps(), {"abs": False}),
    ):
        metric = getattr(quantus, name)(**options, **SETTINGS)
        numbers = metric.evaluate_batch(x_batch=x, a_batch=values[:, None], s_batch=REGIONS[:, None])
        found[name] = (f"abs={options['abs']}, normalise=False", np.asarray(numbers, dtype=np.float64))
    filled = [noisy_linear_imputation(image, np.flatnonzero(HIDDEN), noise=0.0) for image in x]
    found["noisy_linear_imputation"] = ("noise=0", np.stack(filled).transpose(0, 2, 3, 1))
    return found


def of_a_model() -> dict[str, tuple[str, np.ndarray]]:
    """Return its numbers that ask a model."""
    model, images = torch_model(double=False), given().images
    x, y = images.transpose(0, 3, 1, 2), np.array(EXPLAINED)
    batch = {"model": model, "x_batch": x, "y_batch": y, "channel_first": True}
    found: dict[str, tuple[str, np.ndarray]] = {}

    infidelity = quantus.Infidelity(perturb_patch_sizes=[SIDE], n_perturb_samples=1, perturb_baseline=0.0, **SETTINGS)
    numbers = infidelity(**batch, a_batch=maps()[:, None].astype(np.float32))
    found["Infidelity"] = (f"perturb_patch_sizes=[{SIDE}], baseline 0", np.array(numbers))

    batch |= {"a_batch": explain(model, x, y), "explain_func": explain}
    noisy = cycle(np.stack([moved(image) for image in images], axis=1).astype(np.float32).transpose(0, 1, 4, 2, 3))
    sensitivity = quantus.MaxSensitivity(
        nr_samples=len(given().noise), perturb_func=lambda arr, indices, **words: next(noisy), **SETTINGS
    )
    found["MaxSensitivity"] = (f"Saliency, {len(given().noise)} given noises", np.array(sensitivity(**batch)))

    # The class itself isn't counted among the others.
    others = np.array([other - (other > label) for other, label in zip(OTHER_CLASSES, EXPLAINED, strict=True)])
    by_logit = quantus.RandomLogit(num_classes=CLASSES, similarity_func=correlation_spearman, abs=True, **SETTINGS)
    with mock.patch.object(np.random, "randint", return_value=others):
        found["RandomLogit"] = ("Saliency, Spearman, given other classes", np.array(by_logit(**batch)))

    for order in ("top_down", "bottom_up"):
        randomized = quantus.MPRT(layer_order=order, abs=True, **SETTINGS)
        with (
            mock.patch.object(torch.nn.Conv2d, "reset_parameters", turn_around),
            mock.patch.object(torch.nn.Linear, "reset_parameters", turn_around),
        ):
            by_layer = randomized(**batch)
        curve = np.stack([numbers for layer, numbers in by_layer.items() if layer != "original"], axis=1)
        found[f"MPRT, {order}"] = (f"Saliency, given weights, {order}", curve)
    return found


def explain(model: Any, inputs: Any, targets: Any, **words: Any) -> np.ndarray:
    """Return the magnitudes of the gradient, their largest over the channels."""
    x, y = torch.as_tensor(inputs, dtype=torch.float32), torch.as_tensor(np.asarray(targets))
    magnitudes: np.ndarray = attr.Saliency(model).attribute(x, target=y).amax(dim=1, keepdim=True).numpy()
    return magnitudes


def turn_around(layer: Any) -> None:
    """Give a layer the weights that stand for those before its training."""
    with torch.no_grad():
        for weight in (layer.weight, layer.bias):
            weight.copy_(weight.flip(list(range(weight.ndim))))


if __name__ == "__main__":
    main()
