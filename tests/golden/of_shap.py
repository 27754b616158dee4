"""Ask shap: `python -m tests.golden.of_shap`, in the environment that `make golden` sets up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import shap

from tests.golden import store
from tests.golden.model import TARGETS, given, logits_of, to_torch, torch_model

NUM_SAMPLES = 60


def main() -> None:
    """Write what shap gives."""
    logits, arrays = logits_of(torch_model()), given()
    pairs = list(zip(arrays.images, TARGETS, strict=True))
    found: dict[str, tuple[str, np.ndarray]] = {}

    maps = []
    for image, label in pairs:
        explainer = shap.KernelExplainer(of_segments(logits, image, label), np.zeros((1, 6)))
        maps.append(explainer.shap_values(np.ones((1, 6)), nsamples=2**6 - 2, l1_reg=0, silent=True)[0])
    found["KernelExplainer"] = ("six segments, all 62 coalitions, the hidden are 0", np.stack(maps))

    maps, alphas, starts = [], [], []
    choice, uniform = np.random.choice, np.random.uniform
    for image, label in pairs:
        drawn: dict[str, list[float]] = {"start": [], "alpha": []}

        def chosen(count: int, drawn: dict[str, list[float]] = drawn) -> Any:
            drawn["start"].append(choice(count))
            return drawn["start"][-1]

        def at(drawn: dict[str, list[float]] = drawn) -> float:
            drawn["alpha"].append(uniform())
            return drawn["alpha"][-1]

        explainer = shap.GradientExplainer(torch_model(double=False), to_torch(arrays.background, double=False))
        with mock.patch.object(np.random, "choice", chosen), mock.patch.object(np.random, "uniform", at):
            values = explainer.shap_values(to_torch(image[None], double=False), nsamples=NUM_SAMPLES, rseed=3)
        maps.append(np.moveaxis(values[0, ..., label], 0, -1))
        alphas.append(drawn["alpha"][:NUM_SAMPLES])
        starts.append(drawn["start"][:NUM_SAMPLES])
    setting = "60 samples, a background of four images"
    found["GradientExplainer"] = (setting, np.stack(maps))
    found["GradientExplainer, its points"] = ("how far from the background to the image", np.array(alphas))
    found["GradientExplainer, its starts"] = ("which image of the background", np.array(starts))

    maps = []
    for image, label in pairs:
        masker = shap.maskers.Image(np.zeros((4, 4, 1)), (4, 4, 1))
        explainer = shap.PartitionExplainer(of_cells(logits, image, label), masker)
        maps.append(explainer(np.ones((1, 4, 4, 1)), max_evals=2000, batch_size=16, silent=True).values[0, ..., 0])
    found["PartitionExplainer"] = ("4 x 4 cells, halved to the end, the hidden are 0", np.stack(maps))
    store.keep("shap", found, ("torch", "numpy"))


def of_segments(
    logits: Callable[[np.ndarray], np.ndarray], image: np.ndarray, label: int
) -> Callable[[np.ndarray], Any]:
    """Return the logit as a function of which of six segments are shown."""
    segments = given().sixths.astype(int)

    def score(shown: np.ndarray) -> np.ndarray:
        return logits(image * shown[:, segments][..., None])[:, label]

    return score


def of_cells(logits: Callable[[np.ndarray], np.ndarray], image: np.ndarray, label: int) -> Callable[[np.ndarray], Any]:
    """Return the logit as a function of which of 4 x 4 cells are shown."""

    def score(shown: np.ndarray) -> np.ndarray:
        return logits(image * shown.repeat(4, 1).repeat(4, 2))[:, label]

    return score


if __name__ == "__main__":
    main()
