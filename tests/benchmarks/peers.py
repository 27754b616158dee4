"""Time other libraries beside vizcnn and the bare compiled model, in an environment where all of them import.

Xplique pins TensorFlow <= 2.20, so its times are compared as ratios to the floor measured beside it. Usage:

    python -m tests.benchmarks.peers [--quick] [--markdown FILE]
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from xplique.attributions import GradCAM, GuidedBackprop, Saliency

import vizcnn as vz
from tests.benchmarks import floors, peers_occlusion
from tests.benchmarks.floors import LAYERS, MODELS
from tests.benchmarks.timing import Limit, Table, arguments, assert_close, in_turn, machine, report
from tests.benchmarks.workloads import TARGET, images

SIDES = ("vizcnn", "floor", "xplique")
AHEAD = [Limit("xplique / vizcnn", "xplique", "vizcnn", least=1.0)]


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("peers", __doc__)
    occlusion = peers_occlusion.table()
    table = Table("Xplique 2.0.2, warm", ("model", "batch", "method"), SIDES, AHEAD)
    for name in MODELS:
        model = floors.lively_model(name)
        occlusion.add((name,), peers_occlusion.measure(model, quick=given.quick))
        adapter = vz.adapt(model)
        for count in (1, 8):
            for method in ("saliency", "guided", "gradcam"):
                table.add((name, count, method), _time(model, adapter, name, method, images(count), quick=given.quick))
    about = machine("tensorflow", "keras", "numpy", "xplique", "tf-explain", "captum", "torch", "vizcnn")
    report(about, [table, occlusion], given.markdown, "peers")


def _time(model: Any, adapter: Any, name: str, method: str, inputs: np.ndarray, *, quick: bool) -> dict[str, float]:
    """Time one method on a batch. Xplique is given a model that ends in logits: it ignores its own option for that."""
    logits = floors.logits_model(model)
    wanted = tf.one_hot([TARGET] * len(inputs), logits.output_shape[-1])
    size = len(inputs)
    if method == "gradcam":
        floor, theirs = floors.gradcam(model, LAYERS[name]), GradCAM(logits, batch_size=size, conv_layer=LAYERS[name])

        def ours() -> Any:
            return vz.gradcam(adapter, inputs, TARGET)
    else:
        rule = "guided" if method == "guided" else "vanilla"
        maker = GuidedBackprop if method == "guided" else Saliency
        floor, theirs = floors.saliency(model, rule), maker(logits, batch_size=size)

        def ours() -> Any:
            return vz.saliency(adapter, inputs, TARGET, rule=rule)

        assert_close(ours().raw, floor(inputs), f"{method}, {name}, vizcnn and floor")
        if method == "saliency":
            assert_close(ours().values, np.asarray(theirs(inputs, wanted))[..., 0], f"{name}, vizcnn and Xplique")
    return in_turn(
        {"vizcnn": ours, "floor": lambda: floor(inputs), "xplique": lambda: theirs(inputs, wanted)}, quick=quick
    )


if __name__ == "__main__":
    main()
