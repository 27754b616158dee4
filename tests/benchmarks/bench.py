"""Time vizcnn beside tf-keras-vis and beside the bare compiled TensorFlow that it can't beat (`floors`).

All sides run in one process, in turn, and must agree on the numbers before they are timed. Usage:

    python -m tests.benchmarks.bench [--quick] [--model NAME] [--markdown FILE]
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.utils.model_modifiers import GuidedBackpropagation, ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

import vizcnn as vz
from tests.benchmarks import floors
from tests.benchmarks.floors import LAYERS, MODELS, RULES
from tests.benchmarks.timing import Limit, Table, arguments, assert_close, in_turn, machine, report, seconds
from tests.benchmarks.workloads import TARGET, images

SIDES = ("vizcnn", "floor", "tf-keras-vis")


def limits(most: float, least: float) -> list[Limit]:
    """Return the limits of a table of warm calls."""
    return [
        Limit("vizcnn / floor", "vizcnn", "floor", most=most),
        Limit("tf-keras-vis / vizcnn", "tf-keras-vis", "vizcnn", least=least),
    ]


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("bench", __doc__, MODELS)
    names = given.models

    warm = ("model", "batch", "rule")
    saliency = Table("Saliency, warm", warm, SIDES, limits(1.1, 4))
    gradcam = Table("Grad-CAM, warm", warm, SIDES, limits(1.1, 6))
    first = Table(
        "First call on a model: set-up, tracing, compiling, one image",
        ("model", "method"),
        SIDES,
        [Limit("vizcnn / tf-keras-vis", "vizcnn", "tf-keras-vis", most=1.0)],
    )
    for name in names:
        print(f"{name}: warm calls")
        model = floors.lively_model(name)
        adapter = vz.adapt(model)
        for rule in RULES:
            for count in (1, 8):
                saliency.add((name, count, rule), time_saliency(model, adapter, rule, images(count), quick=given.quick))
                gradcam.add(
                    (name, count, rule), time_gradcam(model, adapter, name, rule, images(count), quick=given.quick)
                )
                gc.collect()
    for name in names:
        print(f"{name}: first calls")
        for method in ("saliency", "gradcam"):
            first.add((name, method), time_first(name, method, rounds=2 if given.quick else 7))
    about = machine("tensorflow", "keras", "numpy", "tf-keras-vis", "vizcnn")
    report(about, [saliency, gradcam, first], given.markdown, "bench")


def time_saliency(model: Any, adapter: Any, rule: str, inputs: np.ndarray, *, quick: bool) -> dict[str, float]:
    """Time saliency of a batch: the gradient's largest magnitude over the channels; the floor leaves out even that."""
    floor = floors.saliency(model, rule)
    # tf-keras-vis has no rule "relu", and its guided modifier passes over layers such as ReLU(6): it gets the floor's copy.
    if rule == "vanilla":
        theirs = Saliency(model, ReplaceToLinear())
    elif rule == "guided" and not any(type(layer).__name__ == "ReLU" for layer in model.layers):
        theirs = Saliency(model, [GuidedBackpropagation(), ReplaceToLinear()])
    else:
        theirs = Saliency(floors.logits_model(model, rule))
    score = CategoricalScore(TARGET)

    def ours() -> Any:
        return vz.saliency(adapter, inputs, target=TARGET, rule=rule)

    def other() -> Any:
        return theirs(score, inputs, normalize_map=False)

    what = f"saliency, {model.name}, {rule}"
    assert_close(ours().raw, floor(inputs), f"{what}, vizcnn and floor")
    assert_close(ours().values, other(), f"{what}, vizcnn and tf-keras-vis")
    return in_turn({"vizcnn": ours, "floor": lambda: floor(inputs), "tf-keras-vis": other}, quick=quick)


def time_gradcam(
    model: Any, adapter: Any, name: str, rule: str, inputs: np.ndarray, *, quick: bool
) -> dict[str, float]:
    """Time Grad-CAM of a batch: vizcnn and tf-keras-vis enlarge the map to the input's size, the floor doesn't."""
    layer = LAYERS[name]
    floor = floors.gradcam(model, layer, rule)
    theirs = Gradcam(model, ReplaceToLinear()) if rule == "vanilla" else Gradcam(floors.logits_model(model, rule))
    score = CategoricalScore(TARGET)

    def ours() -> Any:
        return vz.gradcam(adapter, inputs, target=TARGET, rule=rule)

    def other(**options: Any) -> Any:
        return theirs(
            score, inputs, penultimate_layer=layer, seek_penultimate_conv_layer=False, normalize_cam=False, **options
        )

    result, what = ours(), f"Grad-CAM, {model.name}, {rule}"
    assert result.layer == layer, f"{what}: vizcnn took layer {result.layer}"
    assert_close(result.raw, floor(inputs)[-1], f"{what}, vizcnn and floor")
    signed = other(expand_cam=False, activation_modifier=None)
    assert_close(result.raw, signed, f"{what}, vizcnn and tf-keras-vis")
    return in_turn({"vizcnn": ours, "floor": lambda: floor(inputs), "tf-keras-vis": other}, quick=quick)


def time_first(name: str, method: str, *, rounds: int) -> dict[str, float]:
    """Time the first call on fresh models: for each side, all that comes between a model and its first map."""
    inputs, score, layer = images(1), CategoricalScore(TARGET), LAYERS[name]

    def ours(model: Any) -> None:
        getattr(vz, method)(vz.adapt(model), inputs, target=TARGET)

    def floor(model: Any) -> None:
        (floors.saliency(model) if method == "saliency" else floors.gradcam(model, layer))(inputs)

    def theirs(model: Any) -> None:
        if method == "saliency":
            Saliency(model, ReplaceToLinear())(score, inputs)
        else:
            Gradcam(model, ReplaceToLinear())(score, inputs, penultimate_layer=layer, seek_penultimate_conv_layer=False)

    sides: dict[str, Callable[[Any], None]] = {"vizcnn": ours, "floor": floor, "tf-keras-vis": theirs}
    taken: dict[str, list[float]] = {side: [] for side in sides}
    order = list(sides)
    for _ in range(rounds):
        for side in order:
            model = MODELS[name]()
            gc.collect()
            taken[side].append(seconds(lambda side=side, model=model: sides[side](model)))
        order.reverse()
    return {side: statistics.median(values) for side, values in taken.items()}


if __name__ == "__main__":
    main()
