"""Which layer's map is explained where none is named: the last one worth it, never one that is no picture of the input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import keras

from vizcnn.adapter.keras.attention import attention_layers, last_pairs
from vizcnn.adapter.keras.calls import Call
from vizcnn.adapter.keras.forward_pass import ForwardPass
from vizcnn.adapter.keras.maps import Layout
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.randomness import user_seeds_kept
from vizcnn.adapter.keras.taps import Taps
from vizcnn.adapter.layers import LAST_SPATIAL
from vizcnn.adapter.placement import Placement
from vizcnn.errors import LayerError
from vizcnn.targets.score import Score

# Layers that move, drop or scale values, so that their maps say nothing that the layer before doesn't say.
_NOT_A_MAP = ("Pooling", "Padding", "Cropping", "Dropout", "Noise", "Flatten", "Reshape", "Permute", "UpSampling", "Resizing",
              "Rescaling", "CenterCrop", "Identity", "Cast", "GetItem", "Random", "Softmax")  # fmt: skip

# Operations of that very name: a Conv2DTranspose and an EinsumDense make maps.
_NO_MAPS = frozenset({"Transpose", "Swapaxes", "Moveaxis", "Split", "Matmul", "Einsum"})

Place = Callable[[str, tuple[int, ...], tuple[int, ...]], Placement | None]
"""Tells where a layer's map of a size lies in inputs of a shape, as `ModelAdapter.placement`."""


def default_layer(view: ModelView, score: Score, place: Place) -> str:
    """See `ModelAdapter.default_layer`; only traced, nothing is compiled or run."""
    while True:
        layer, shape = traced_layer(view, score)
        if not is_unfit(view, layer, shape, 2, view.known_sample_shape(), place):
            return layer


def of_every_copy(view: ModelView, path: str, score: Score, place: Place) -> str:
    """Return the layer that changed copies are differentiated by: one for all of them, and known to be of each."""
    if path == LAST_SPATIAL:
        return default_layer(view, score, place)
    _, shape = traced_layer(view, score, path)
    check_rows(path, shape[0], 2)
    return path


def is_unfit(
    view: ModelView, layer: str, shape: Sequence[int | None], count: int, sample_shape: tuple[int, ...], place: Place
) -> bool:
    """Tell whether a layer's map (N, h, w, K) of `count` inputs is no picture of them, and pass over it from then on."""
    unfit = shape[0] not in (None, count)  # windows, say, folded into the batch
    if not unfit and view.state.attends and None not in shape[1:]:
        where = place(layer, tuple(int(size or 0) for size in shape[1:]), sample_shape)
        unfit = where is not None and not where.is_possible
    if unfit:
        view.state.unfit[layer] = None
    return unfit


def check_rows(layer: str, rows: int | None, count: int) -> None:
    """Refuse a layer that doesn't return a row for each of `count` inputs."""
    if rows not in (None, count):
        raise LayerError(
            f"`layer` {layer!r} returns {rows} rows for {count} inputs, as where windows are folded into the "
            f"batch, so its maps are of no input; name a layer outside of that."
        )


def differentiated(run: ForwardPass, path: str, total: Any) -> tuple[str, Any, Any]:
    """Return a layer's address, its map, and the gradient of the score by that.

    Parameters
    ----------
    run : ForwardPass
        A run of the model, while it is traced.
    path : str
        The layer's address; `LAST_SPATIAL`: the last map worth explaining that the score depends on.
    total : tensor
        The sum of the scores.

    Returns
    -------
    (str, tensor, tensor)
        The map and the gradient of shape (N, h, w, K), or as the layer returns it where it is none.

    Raises
    ------
    LayerError
        If the score doesn't depend on the layer, or on any map.
    """
    layout, backend, name = run.layout, run.view.backend, run.view.name
    if path != LAST_SPATIAL:
        tensor = run.layer(path, cast=False)
        gradient = backend.gradient(total, tensor)
        if gradient is None:
            raise LayerError(f"The score doesn't depend on layer {path!r} of model {name!r}; name one before it.")
        return path, layout.of(tensor), layout.of(gradient)
    for call in _last_maps(run, layout, unfit=run.view.state.unfit):
        gradient = backend.gradient(total, call.output)
        if gradient is not None:
            return call.address, layout.of(call.output), layout.of(gradient)
    raise LayerError(_no_map(run, layout, total))


def traced_layer(view: ModelView, score: Score, path: str = LAST_SPATIAL) -> tuple[str, tuple[int | None, ...]]:
    """Return the layer of which `differentiated` takes the map, and that map's shape; only traced, nothing is compiled or run.

    Parameters
    ----------
    view : ModelView
        The model.
    score : Score
        What is explained.
    path : str, default LAST_SPATIAL
        As `differentiated` takes it.

    Returns
    -------
    (str, tuple)
        The layer's address; the shape (2, h, w, K) of its map for two inputs.

    Raises
    ------
    LayerError
        If the score doesn't depend on the layer, or on any map.
    """
    sample, state = view.known_sample_shape(), view.state
    key = score.key, path, tuple(state.unfit)
    if key not in state.default_layers:
        maps: list[tuple[str, tuple[int | None, ...]]] = []

        def look(tensor: Any, *params: Any) -> Any:
            run = ForwardPass.run(view, tensor).record()
            scores = run.scores(score, params)
            address, values, _ = differentiated(run, path, keras.ops.sum(scores))
            maps[:] = [(address, tuple(values.shape))]
            return scores

        params = [keras.KerasTensor((2, *param.shape[1:]), str(param.dtype)) for param in score.params]
        with user_seeds_kept(view.backend):
            view.backend.trace(look, [keras.KerasTensor((2, *sample)), *params])
        state.default_layers[key] = maps[0]
    answer: tuple[str, tuple[int | None, ...]] = state.default_layers[key]
    return answer


def _no_map(run: ForwardPass, layout: Layout, total: Any) -> str:
    """Say that there is no map, and what there is instead."""
    name = run.view.name
    for address, size in _narrow_maps(run.taps, layout):
        if run.view.backend.gradient(total, run.layer(address, cast=False)) is not None:
            return (
                f"Model {name!r} has no layer with more than one row and column that its output depends on; its last map is "
                f"{'x'.join(map(str, size))}, that of layer={address!r}. Name that one."
            )
    kinds = Counter(type(call.operation).__name__ for call in run.taps.calls)
    return (
        f"Model {name!r} has no layer with more than one row and column that its output depends on, so there is nothing to "
        f"draw a class activation map from (its layers: {', '.join(kinds)}). Saliency and occlusion need no such layer."
    )


def _last_maps(run: ForwardPass, layout: Layout, *, unfit: Collection[str]) -> Iterator[Call]:
    """Yield the calls whose output is a map worth explaining, last first; of one tensor, the layer that made it.

    Parameters
    ----------
    run : ForwardPass
        A run of the model.
    layout : Layout
        How its outputs are maps.
    unfit : collection of str
        Addresses of calls that turned out to be no maps of the input.

    Yields
    ------
    Call
    """
    taps = run.taps
    inside = tuple(f"{call.path}/" for call in attention_layers(taps.calls))
    makers: dict[int, Call] = {}
    for call in taps.calls:
        if run.view.backend.is_traced(call.output) and not call.path.startswith(inside):
            makers.setdefault(id(call.output), call)
    known = taps.made_at_the_end(run.flat)
    for call in reversed(taps.calls):  # a map that is only resized to be the output, as a segmenter's, is one already
        if id(call.output) in known and _only_moves(call) and layout.size(call.output.shape):
            known |= {id(tensor) for tensor in call.inputs}
    fitting = [call for identity, call in reversed(makers.items()) if identity not in known and _is_map(call, layout)]
    attended = _attended(taps, layout, makers, fitting[:1])
    yield from (call for call in [*attended, *fitting] if call.address not in unfit)


def _narrow_maps(taps: Taps, layout: Layout) -> list[tuple[str, tuple[int | None, ...]]]:
    """Return addresses and sizes of maps with one row, or one column, last first: to be named where there are no others."""
    inside = tuple(f"{call.path}/" for call in attention_layers(taps.calls))
    maps = []
    for call in reversed(taps.calls):
        size = layout.size(getattr(call.output, "shape", ()))
        skipped = isinstance(call.operation, keras.Model) or _only_moves(call)
        if size and set(size) - {1} and not skipped and not call.path.startswith(inside):
            maps.append((call.address, size))
    return maps


def _is_map(call: Call, layout: Layout) -> bool:
    size = layout.size(call.output.shape)
    return layout.has_rows_and_columns(size) and not _only_moves(call)


def _only_moves(call: Call) -> bool:
    kind = type(call.operation).__name__
    return kind in _NO_MAPS or any(word in kind for word in _NOT_A_MAP)


def _attended(taps: Taps, layout: Layout, makers: dict[int, Call], last: list[Call]) -> list[Call]:
    """Return what went into the last attention over tokens: after it, only the class token may count for the score.

    Nothing where `last`, the last map, comes after it and has rows and columns again, as in the decoder of a segmenter.
    """
    layers = [call for call in attention_layers(taps.calls) if layout.is_tokens(call.inputs[0].shape)]
    end = next(at for at, call in enumerate(taps.calls) if call is layers[-1]) if layers else last_pairs(taps)
    later = {id(call) for call in taps.calls[end:]}
    if any(id(call) in later and not layout.is_tokens(call.output.shape) for call in last):
        return []
    maker = makers.get(id(layers[-1].inputs[0])) if layers else None
    if maker is not None:
        return [maker]
    end = last_pairs(taps)
    before = [
        call for call in taps.calls[: end or 0] if id(call.output) in makers and layout.is_tokens(call.output.shape)
    ]
    normalized = [call for call in before if "Normalization" in type(call.operation).__name__]
    added = [call for call in before if type(call.operation).__name__ == "Add"]
    return (normalized or added or before)[-1:]
