"""Occlusion of the same windows by vizcnn, tf-explain, Xplique and Captum, beside as many bare forward passes."""

from __future__ import annotations

from typing import Any

import captum.attr
import numpy as np
import tensorflow as tf
import torch
import xplique.attributions
from tf_explain.core.occlusion_sensitivity import OcclusionSensitivity

import vizcnn as vz
from tests.benchmarks import floors
from tests.benchmarks.timing import Limit, Table, assert_close, in_turn
from tests.benchmarks.workloads import SIZE, TARGET, images

PATCH, BATCH, BASELINE = 32, 16, 0.5
OTHERS = ("tf-explain", "xplique", "captum")
BARE = "bare forwards"


def table() -> Table:
    """Return the empty table."""
    limits = [Limit(f"{other} / vizcnn", other, "vizcnn", least=1.0) for other in OTHERS]
    title = f"Occlusion, {(SIZE // PATCH) ** 2} windows of {PATCH}x{PATCH}"
    return Table(title, ("model",), ("vizcnn", BARE, *OTHERS), limits)


def measure(model: Any, *, quick: bool) -> dict[str, float]:
    """Time all sides on one image, after those with the same baseline were found to agree.

    tf-explain has a gray of its own and no strides, so the windows don't overlap. Captum is given the compiled Keras model as
    its forward function, between a copy from PyTorch and one back.
    """
    inputs, adapter, logits = images(1), vz.adapt(model, batch_size=BATCH), floors.logits_model(model)
    wanted = tf.one_hot([TARGET], logits.output_shape[-1])
    run = tf.function(lambda batch: logits(batch, training=False))
    hidden = np.repeat(inputs, (SIZE // PATCH) ** 2, axis=0)
    xplique_map = xplique.attributions.Occlusion(
        logits, batch_size=BATCH, patch_size=PATCH, patch_stride=PATCH, occlusion_value=BASELINE
    )
    explainer = OcclusionSensitivity(batch_size=BATCH)
    channels_first = torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy())

    def forward(batch: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(run(tf.constant(batch.permute(0, 2, 3, 1).contiguous().numpy())).numpy())

    captum_map = captum.attr.Occlusion(forward)

    def ours() -> Any:
        return vz.occlusion(adapter, inputs, TARGET, patch_size=PATCH, stride=PATCH, baseline=BASELINE)

    def by_captum() -> Any:
        window = (3, PATCH, PATCH)
        return captum_map.attribute(channels_first, window, window, BASELINE, TARGET, perturbations_per_eval=BATCH)

    values = ours().values
    assert_close(values, np.asarray(xplique_map(inputs, wanted))[..., 0], "occlusion, vizcnn and Xplique")
    assert_close(values, by_captum().numpy()[:, 0], "occlusion, vizcnn and Captum")
    sides = {
        "vizcnn": ours,
        BARE: lambda: [run(tf.constant(hidden[start : start + BATCH])) for start in range(0, len(hidden), BATCH)],
        "tf-explain": lambda: explainer.explain((inputs, None), logits, TARGET, PATCH),
        "xplique": lambda: xplique_map(inputs, wanted),
        "captum": by_captum,
    }
    return in_turn(sides, quick=quick)
