"""Ask Xplique: `python -m tests.golden.of_xplique`, in the environment that `make golden` sets up."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf
from xplique import attributions, metrics
from xplique.attributions.global_sensitivity_analysis.replicated_designs import ReplicatedSampler
from xplique.attributions.global_sensitivity_analysis.samplers import Sampler
from xplique.metrics.randomization import ModelRandomizationStrategy

from tests.golden import store
from tests.golden.metrics import EXPLAINED, OTHER_CLASSES, maps, moved, order_of_cells, untrained
from tests.golden.model import CLASSES, TARGETS, given, keras_model


def main() -> None:
    """Write what Xplique gives."""
    tf.config.run_functions_eagerly(True)
    store.keep("xplique", of_methods() | of_metrics(), ("tensorflow", "keras", "numpy"))


def of_methods() -> dict[str, tuple[str, np.ndarray]]:
    """Return its maps."""
    model, arrays = keras_model(softmax=False), given()
    images, wanted = tf.constant(arrays.images), tf.one_hot(TARGETS, CLASSES)
    found: dict[str, tuple[str, np.ndarray]] = {}

    def keep(name: str, setting: str, maps: Any) -> None:
        maps = np.asarray(maps)
        found[name] = (setting, maps[..., 0] if maps.ndim == 4 else maps)

    keep("Saliency", "reducer max", attributions.Saliency(model, reducer="max")(images, wanted))
    ways = [
        attributions.IntegratedGradients(model, steps=50, reducer="sum", baseline_value=images[1 - at])(
            images[at : at + 1], wanted[at : at + 1]
        )
        for at in range(2)
    ]
    keep("IntegratedGradients", "50 steps, baseline an image, reducer sum", np.concatenate(ways))
    for name, method in (
        ("GradCAM", attributions.GradCAM),
        ("GradCAMPP", attributions.GradCAMPP),
        ("FEM", attributions.FEM),
    ):
        maps: list[Any] = []
        original = method._apply_weights

        def kept(weights: Any, features: Any, maps: list[Any] = maps, original: Any = original) -> Any:
            maps.append(original(weights, features))
            return maps[-1]

        # GradCAMPP calls the function of GradCAM by that name.
        owner = attributions.FEM if method is attributions.FEM else attributions.GradCAM
        with mock.patch.object(owner, "_apply_weights", staticmethod(kept)):
            shown = method(model, conv_layer="relu3")(images, wanted)
        keep(name, "layer relu3, before it is enlarged", maps[0])
        keep(f"{name}, shown", "layer relu3, enlarged", shown)

    for setting, patch, stride in (("4 x 4, stride 4", 4, 4), ("4 x 4, stride 2", 4, 2)):
        method = attributions.Occlusion(model, patch_size=patch, patch_stride=stride)
        keep(f"Occlusion, {setting}", f"{setting}, value 0", method(images, wanted))

    grids, (row, column) = arrays.grids[..., None].astype(bool), map(int, arrays.shift[0])

    def shifted(masks: Any, size: Any) -> Any:
        return masks[:, row : row + size[1], column : column + size[2]]

    with (
        mock.patch.object(attributions.Rise, "_get_masks", staticmethod(lambda *args: tf.constant(grids))),
        mock.patch.object(tf.image, "random_crop", shifted),
    ):
        rise = attributions.Rise(model, nb_samples=len(grids), grid_size=4, batch_size=None)
        keep("Rise", "120 given grids of 4 x 4, value 0", rise(images, wanted))

    for name, method, sampler, count in (
        ("Sobol", attributions.SobolAttributionMethod, GivenPoints(), 16),
        ("Hsic", attributions.HsicAttributionMethod, GivenMasks(binary=True), len(arrays.shown)),
    ):
        explainer = method(model, grid_size=4, nb_design=count, sampler=sampler, perturbation_function="inpainting")
        cells: list[np.ndarray] = []
        estimator = explainer.estimator

        def noted(*args: Any, cells: list[np.ndarray] = cells, estimator: Any = estimator) -> Any:
            cells.append(np.asarray(estimator(*args))[..., 0])
            return estimator(*args)

        with mock.patch.object(explainer, "estimator", noted):
            shown = explainer(images, wanted)
        setting = f"{count} given points of 4 x 4 cells, value 0"
        keep(name, f"{setting}, before it is enlarged", np.stack(cells))
        keep(f"{name}, shown", f"{setting}, enlarged", shown)
    return found


def of_metrics() -> dict[str, tuple[str, np.ndarray]]:
    """Return its numbers of maps; one for each image, where it gives their mean."""
    logits, probabilities, arrays = keras_model(softmax=False), keras_model(), given()
    images, wanted = arrays.images, tf.one_hot(EXPLAINED, CLASSES)
    rows = [slice(at, at + 1) for at in range(len(images))]
    given_maps = maps().astype(np.float32)
    found: dict[str, tuple[str, np.ndarray]] = {}

    def keep(name: str, setting: str, numbers: Any) -> None:
        found[name] = (setting, np.array([float(number) for number in numbers]))

    def of_each(metric: type, model: Any, **options: Any) -> list[float]:
        return [metric(model, images[row], wanted[row], **options)(given_maps[row]) for row in rows]

    for metric in (metrics.Deletion, metrics.Insertion):
        keep(metric.__name__, "16 steps, baseline 0", of_each(metric, probabilities, steps=16))
    hidden = order_of_cells() < 4
    with mock.patch.object(tf.random, "uniform", return_value=tf.constant(~hidden, tf.float32)):
        fidelity = of_each(metrics.MuFidelity, logits, grid_size=4, nb_samples=len(hidden))
    keep("MuFidelity", f"{len(hidden)} given choices of 4 of 4 x 4 cells, baseline 0", fidelity)
    for name in ("AverageDropMetric", "AverageIncreaseMetric", "AverageGainMetric"):
        keep(name, "", of_each(getattr(metrics, name), probabilities))
    for name in ("Complexity", "Sparseness"):
        keep(name, "", getattr(metrics, name)().detailed_evaluate(given_maps))

    explainer = attributions.Saliency(logits, reducer="max")
    stability = []
    for row in rows:
        metric = metrics.AverageStability(logits, images[row], wanted[row], nb_samples=1)
        metric.noisy_masks = tf.constant(moved(images[row][0])[:1] - images[row], tf.float32)
        stability.append(metric(explainer))
    keep("AverageStability", "Saliency, one given noise", stability)

    # The class itself isn't counted among the others.
    others = [other - (other > label) for other, label in zip(OTHER_CLASSES, EXPLAINED, strict=True)]
    numbers = []
    for row, other in zip(rows, others, strict=True):
        with mock.patch.object(tf.random, "uniform", return_value=tf.constant([other])):
            numbers.append(metrics.RandomLogitMetric(logits, images[row], wanted[row])(explainer))
    keep("RandomLogitMetric", "Saliency, given other classes", numbers)
    untrain = {"randomization_strategy": GivenWeights()}
    numbers = [metrics.ModelRandomizationMetric(logits, images[row], wanted[row], **untrain)(explainer) for row in rows]
    keep("ModelRandomizationMetric", "Saliency, given weights", numbers)
    return found


class GivenWeights(ModelRandomizationStrategy):
    """All weights as if before the training."""

    def randomize(self, model: Any) -> Any:
        model.set_weights([untrained(values) for values in model.get_weights()])
        return model


class GivenPoints(ReplicatedSampler):
    """Points A and B of the file, and those of A with one column of B after another."""

    def __call__(self, dimension: int, nb_design: int) -> np.ndarray:
        first, second = given().points
        swapped = self.build_replicated_design(tf.constant(first), tf.constant(second))
        return np.concatenate([first, second, np.asarray(swapped)])


class GivenMasks(Sampler):
    """Masks of the file."""

    def __call__(self, dimension: int, nb_design: int) -> np.ndarray:
        return given().shown.astype(np.float32)


if __name__ == "__main__":
    main()
