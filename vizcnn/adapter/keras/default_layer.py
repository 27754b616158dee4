"""Which layer's map is explained where none is named: the last one worth it, never one that is no picture of the input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import keras

from vizcnn.adapter.keras.maps import Layout
from vizcnn.adapter.keras.taps import Call, Taps

# Layers that move, drop or scale values, so that their maps say nothing that the layer before doesn't say.
_NOT_A_MAP = ("Pooling", "Padding", "Cropping", "Dropout", "Noise", "Flatten", "Reshape", "Permute", "UpSampling", "Resizing",
              "Rescaling", "CenterCrop", "Identity", "Cast", "GetItem", "Random", "Softmax")  # fmt: skip

# Operations of that very name: a Conv2DTranspose and an EinsumDense make maps.
_NO_MAPS = frozenset({"Transpose", "Swapaxes", "Moveaxis", "Split", "Matmul", "Einsum"})


def attends(taps: Taps) -> bool:
    """Tell whether the run of a model went through attention: layers of that name, or a softmax over pairs of tokens."""
    return bool(_attention_layers(taps.calls)) or _last_pairs(taps) is not None


def last_maps(
    taps: Taps,
    ends: Iterable[Any],
    layout: Layout,
    *,
    belongs: Callable[[Any], bool],
    unfit: Collection[str] = (),
) -> Iterator[Call]:
    """Yield the calls whose output is a map worth explaining, last first; of one tensor, the layer that made it.

    Parameters
    ----------
    taps : Taps
        The record of a run.
    ends : iterable of tensor
        What the model returned.
    layout : Layout
        How outputs are maps.
    belongs : callable
        Tells whether a tensor is one of the run itself.
    unfit : collection of str, default ()
        Addresses of calls that turned out to be no maps of the input.

    Yields
    ------
    Call
    """
    inside = tuple(f"{call.path}/" for call in _attention_layers(taps.calls))
    makers: dict[int, Call] = {}
    for call in taps.calls:
        if belongs(call.output) and not call.path.startswith(inside):
            makers.setdefault(id(call.output), call)
    known = taps.made_at_the_end(ends)
    attended = _attended(taps, layout, makers)
    fitting = [call for identity, call in reversed(makers.items()) if identity not in known and _is_map(call, layout)]
    yield from (call for call in [*attended, *fitting] if call.address not in unfit)


def narrow_maps(taps: Taps, layout: Layout) -> list[tuple[str, tuple[int | None, ...]]]:
    """Return addresses and sizes of maps with one row, or one column, last first: to be named where there are no others."""
    inside = tuple(f"{call.path}/" for call in _attention_layers(taps.calls))
    found = []
    for call in reversed(taps.calls):
        size = layout.size(getattr(call.output, "shape", ()))
        skipped = isinstance(call.operation, keras.Model) or _only_moves(call)
        if size and set(size) - {1} and not skipped and not call.path.startswith(inside):
            found.append((call.address, size))
    return found


def _is_map(call: Call, layout: Layout) -> bool:
    size = layout.size(call.output.shape)
    return layout.has_rows_and_columns(size) and not _only_moves(call)


def _only_moves(call: Call) -> bool:
    kind = type(call.operation).__name__
    return kind in _NO_MAPS or any(word in kind for word in _NOT_A_MAP)


def _attention_layers(calls: Sequence[Call]) -> list[Call]:
    return [
        call
        for call in calls
        if "Attention" in type(call.operation).__name__ and not isinstance(call.operation, keras.Model) and call.inputs
    ]


def _last_pairs(taps: Taps) -> int | None:
    """Return how many calls were over when a softmax over pairs of tokens (..., T, T) was last taken."""
    pairs = [
        activation.before
        for activation in taps.activations
        if activation.name == "softmax" and _is_pairs(getattr(activation.output, "shape", ()))
    ]
    return pairs[-1] if pairs else None


def _is_pairs(shape: Sequence[int | None]) -> bool:
    return len(shape) >= 3 and shape[-1] == shape[-2] and shape[-1] != 1


def _attended(taps: Taps, layout: Layout, makers: dict[int, Call]) -> list[Call]:
    """Return what went into the last attention over tokens: after it, only the class token may count for the score."""
    layers = [call for call in _attention_layers(taps.calls) if layout.is_tokens(call.inputs[0].shape)]
    maker = makers.get(id(layers[-1].inputs[0])) if layers else None
    if maker is not None:
        return [maker]
    end = _last_pairs(taps)
    before = [
        call for call in taps.calls[: end or 0] if id(call.output) in makers and layout.is_tokens(call.output.shape)
    ]
    normalized = [call for call in before if "Normalization" in type(call.operation).__name__]
    added = [call for call in before if type(call.operation).__name__ == "Add"]
    return (normalized or added or before)[-1:]
