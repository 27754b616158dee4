"""Whether and where a run of a model went through attention."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from vizcnn.adapter.keras.calls import Call
from vizcnn.adapter.keras.taps import Taps


def attends(taps: Taps) -> bool:
    """Tell whether the run of a model went through attention: layers of that name, or a softmax over pairs of tokens."""
    return bool(attention_layers(taps.calls)) or last_pairs(taps) is not None


def attention_layers(calls: Sequence[Call]) -> list[Call]:
    """Return the calls of layers that are an attention."""
    return [
        call
        for call in calls
        if "Attention" in type(call.operation).__name__ and not isinstance(call.operation, keras.Model) and call.inputs
    ]


def last_pairs(taps: Taps) -> int | None:
    """Return how many calls were over when a softmax over pairs of tokens (..., T, T) was last taken."""
    pairs = [
        activation.before
        for activation in taps.activations
        if activation.name == "softmax" and is_pairs(getattr(activation.output, "shape", ()))
    ]
    return pairs[-1] if pairs else None


def is_pairs(shape: Sequence[int | None]) -> bool:
    """Tell whether weights are between all pairs of tokens: (..., T, T)."""
    return len(shape) >= 3 and shape[-1] == shape[-2] and shape[-1] != 1
