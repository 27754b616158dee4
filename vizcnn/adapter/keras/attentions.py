"""The attention of a run, layer by layer: the softmaxes over pairs of tokens, and the gradient of the score by each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.attention import AttentionFormula, Attentions, reading
from vizcnn.adapter.keras.attention import attention_layers, is_pairs
from vizcnn.adapter.keras.calls import Activation, Call
from vizcnn.adapter.keras.compiled import Traced
from vizcnn.adapter.keras.forward_pass import ForwardPass
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.positions import is_own
from vizcnn.adapter.keras.randomness import user_seeds_kept
from vizcnn.adapter.keras.runner import Runner
from vizcnn.errors import CapabilityError, Note, listed
from vizcnn.targets.score import Score

_MEMORY = 2 * 2**30
"""Bytes that the attention of one batch may take, with its gradients and what is made of them."""


@dataclass(frozen=True)
class Attended:
    """Where a run of a model attends from token to token.

    Attributes
    ----------
    places : tuple of int
        Which of the run's activations are the softmaxes of attention, in their order.
    paths : tuple of str
        The layers that they are of.
    num_tokens : int
        How many tokens there are.
    grid : tuple of int
        Rows and columns of their patches.
    layer : str or None
        The layer that makes the tokens, where there is one.
    blocks : tuple of str
        For each attention the call that returns the tokens as they leave its block; empty where these can't be told.
    notes : tuple of Note
        What the reader of a picture should know.
    floats : int
        Numbers that the attention of one sample has.
    """

    places: tuple[int, ...]
    paths: tuple[str, ...]
    num_tokens: int
    grid: tuple[int, ...]
    layer: str | None
    blocks: tuple[str, ...]
    notes: tuple[Note, ...]
    floats: int


def may_attend(view: ModelView) -> bool:
    """Tell whether a model may attend from token to token, as far as its layers say: code that nobody knows may."""
    if not view.is_complete:
        return True
    state = view.state
    if state.may_attend is None:  # it is asked on every call, and walks all layers
        state.may_attend = any(
            not is_own(one) or any(word in type(one).__name__ for word in ("Attention", "Softmax"))
            for one in (view.model, *view.operations.values())
        )
    return state.may_attend


def attentions(
    view: ModelView,
    runner: Runner,
    inputs: Array,
    score: Score,
    formula: AttentionFormula,
    *,
    gradients: bool,
    per_block: bool,
) -> Attentions:
    """See `ModelAdapter.attentions`; an error too where the score doesn't depend on the attention."""
    found = _attended(view)
    blocks = found.blocks if per_block and _can_be_read_early(view, found, score) else ()

    def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
        left: dict[str, Any] = {}
        overrides = {address: _leaves(view, found.num_tokens, left, address) for address in blocks[:-1]}
        run = ForwardPass.run(view, tensor, traced, plain_attention=True, overrides=overrides).record()
        scores = run.scores(score, params, traced)
        total = keras.ops.sum(scores)
        if left:
            early = _read_early(view, found, tensor, score, params, list(left.values()))
            total = total + keras.ops.sum(early)
        tensors = [run.taps.activations[place].output for place in _attended_in(run).places]
        wanted = tensors if gradients else tensors[-1:]
        slopes = view.backend.gradients(total, wanted)
        if all(slope is None for slope in slopes):
            raise CapabilityError(
                f"The score of {score.names[0] or 'the predicted class'!r} doesn't depend on the attention of model "
                f"{view.name!r}."
            )
        by_head = [_by_head(view, tensor) for tensor in tensors]
        full = [
            keras.ops.zeros_like(one) if slope is None else _by_head(view, slope)
            for one, slope in zip(by_head[-len(wanted) :], slopes, strict=True)
        ]
        made = [formula(keras.ops, one, full[n] if gradients else None) for n, one in enumerate(by_head)]
        reached = keras.ops.max(keras.ops.abs(full[-1]), axis=(1, 3))
        answers = {f"attention {n}": view.backend.float32(one) for n, one in enumerate(made)}
        return {**answers, "reached": reached, "scores": scores, **run.named_outputs()}

    key = "attentions", score.key, formula, gradients, blocks
    most = max(1, _MEMORY // (4 * 4 * found.floats))
    run = runner.run(key, build, inputs, score, most=most)
    values = tuple(run.arrays[f"attention {n}"] for n in range(len(found.paths)))
    for path, array in zip(found.paths, values, strict=True):
        if len(array) != len(inputs):
            raise _in_windows(view, path, f"{len(array)} rows for {len(inputs)} inputs")
    return Attentions(
        values,
        found.paths,
        reading(run.arrays["reached"], found.num_tokens - math.prod(found.grid)),
        found.grid,
        run.arrays["scores"],
        run.outputs,
        found.layer,
        per_block=bool(blocks),
        notes=found.notes,
    )


def _by_head(view: ModelView, tensor: Any) -> Any:
    """Return attention as (N, heads, T, T), in float32."""
    tensor = view.backend.float32(tensor)
    return tensor if len(tensor.shape) == 4 else tensor[:, None]


# What a run tells ---------------------------------------------------------------------------------------------------------------


def _attended(view: ModelView) -> Attended:
    """Return where a model attends, traced once and kept."""
    sample, state = view.known_sample_shape(), view.state
    if state.attended is None:
        found: list[Attended] = []

        def look(tensor: Any) -> Any:
            run = ForwardPass.run(view, tensor, plain_attention=True).record()
            found[:] = [_attended_in(run, rows=2)]
            return run.flat[0]

        with user_seeds_kept(view.backend):
            view.backend.trace(look, [keras.KerasTensor((2, *sample))])
        state.attended = found[0]
    attended: Attended = state.attended
    return attended


def _attended_in(run: ForwardPass, rows: int | None = None) -> Attended:
    """Return where a run attends; `rows` is how many inputs it is of, where that is known."""
    view, taps, layout = run.view, run.taps, run.layout
    at_the_end = taps.made_at_the_end(run.flat)
    softmaxes = [
        (place, activation, _path(taps.calls, activation))
        for place, activation in enumerate(taps.activations)
        if activation.name == "softmax"
        and view.backend.is_traced(activation.output)
        and id(activation.output) not in at_the_end
    ]
    pairs = [(place, one, path) for place, one, path in softmaxes if is_pairs(one.output.shape)]
    if not pairs:
        raise CapabilityError(_no_attention(run, [(path, tuple(one.output.shape)) for _, one, path in softmaxes]))
    for _, one, path in pairs:
        shape = tuple(one.output.shape)
        if len(shape) > 4 or (rows is not None and shape[0] not in (None, rows)):
            raise _in_windows(view, path, f"the shape {shape}" + (f" for {rows} inputs" if rows else ""))
    counts = {path: one.output.shape[-1] for _, one, path in pairs}
    if len(set(counts.values())) > 1:
        each = ", ".join(f"{path!r} {count}" for path, count in counts.items())
        raise CapabilityError(
            f"The attention layers of model {view.name!r} have different numbers of tokens ({each}), so what one looks at "
            f"can't be followed through the next. Grad-CAM and occlusion work on such models."
        )
    count = next(iter(counts.values()))
    grid = layout.size((None, count, 2))
    if count is None or grid is None:
        raise CapabilityError(
            f"Layer {pairs[0][2]!r} of model {view.name!r} attends among {count or 'an unknown number of'} tokens, which lie on "
            f"no known grid of patches. If they are patches of the whole input, give the `token_grid` "
            f"(vizcnn.adapt, or --token-grid)."
        )
    sizes = tuple(int(length or 0) for length in grid)
    others = {path: tuple(one.output.shape[-2:]) for _, one, path in softmaxes if _is_cross(one)}
    notes = [
        Note(f"Layer {path!r} attends from {a} tokens to {b} others, and is left out of the map.", "tokens")
        for path, (a, b) in others.items()
    ]
    paths = tuple(path for _, _, path in pairs)
    activations = [one for _, one, _ in pairs]
    return Attended(
        tuple(place for place, _, _ in pairs),
        paths,
        int(count),
        sizes,
        _maker(run, activations[0], sizes),
        _blocks(run, activations, int(count)),
        (*layout.notes(paths[0], (None, count, 2)), *notes),
        sum(math.prod(int(size or 1) for size in one.output.shape[1:]) for one in activations),
    )


def _path(calls: Sequence[Call], activation: Activation) -> str:
    """Return the attention layer that a softmax is in, or the layer that computes it."""
    around = [call.path for call in attention_layers(calls) if f"{activation.path}/".startswith(f"{call.path}/")]
    return min(around, key=len, default=activation.path)


def _is_cross(activation: Activation) -> bool:
    """Tell whether this is attention from some tokens to others: weights (N, heads, T, S)."""
    shape = activation.output.shape
    return len(shape) == 4 and shape[-1] != shape[-2]


def _no_attention(run: ForwardPass, softmaxes: Sequence[tuple[str, tuple[int | None, ...]]]) -> str:
    name = run.view.name
    layers = list(dict.fromkeys(call.path for call in attention_layers(run.taps.calls)))
    cross = {path: shape for path, shape in softmaxes if path in layers or len(shape) == 4}
    if cross:
        path, shape = next(iter(cross.items()))
        return (
            f"Model {name!r} attends from some tokens to others: layer {path!r} has weights of shape {shape}. A map needs "
            f"attention among the patches of the whole input, (N, heads, T, T)."
        )
    if layers:
        return (
            f"The attention layers of model {name!r} ({listed(layers)}) take no softmax over pairs of tokens that can be seen, "
            f"so what they look at isn't known. Grad-CAM and occlusion work on such models."
        )
    return f"Model {name!r} has no attention: nothing in it takes a softmax over pairs of tokens."


def _in_windows(view: ModelView, path: str, found: str) -> CapabilityError:
    return CapabilityError(
        f"The attention of model {view.name!r} isn't over the whole input: the weights of layer {path!r} have {found}, as where "
        f"windows, or heads, are folded into the batch. Grad-CAM and occlusion work on such models."
    )


def _maker(run: ForwardPass, first: Activation, grid: tuple[int, ...]) -> str | None:
    """Return the layer whose output is the tokens, or their map, that the first attention is over."""
    taps, layout = run.taps, run.layout
    inside = tuple(f"{call.path}/" for call in attention_layers(taps.calls))
    fitting = [
        call
        for call in taps.calls[: first.before]
        if run.view.backend.is_traced(call.output)
        and not call.path.startswith(inside)
        and layout.size(call.output.shape) == grid
    ]
    normalized = [call for call in fitting if "Normalization" in type(call.operation).__name__]
    return next((call.address for call in reversed(normalized or fitting)), None)


def _blocks(run: ForwardPass, attended: Sequence[Activation], count: int) -> tuple[str, ...]:
    """Return for each attention the last call before the next one that returns what its block leaves: all tokens.

    That is an addition, or a layer around the attention that is around no other; such a layer may return others beside them.
    """
    calls = run.taps.calls
    ends = [*(one.before for one in attended[1:]), len(calls)]
    paths = [one.path for one in attended]
    found: list[str] = []
    widths: set[int | None] = set()
    for one, end in zip(attended, ends, strict=True):
        others = [path for path in paths if path is not one.path]
        fitting = [
            (call.address, tokens)
            for call in calls[one.before : end]
            if (type(call.operation).__name__ == "Add" or _is_around(call.path, one.path))
            and not any(_is_around(call.path, path) for path in others)
            and (tokens := _tokens(run.view, call.output, count)) is not None
        ]
        for address, tokens in fitting[-1:]:
            found.append(address)
            widths.add(tokens.shape[2])
    return tuple(found) if len(found) == len(attended) and len(widths) == 1 else ()


def _tokens(view: ModelView, output: Any, count: int) -> Any:
    """Return the tensor of all tokens that a layer returns, alone or beside others; None where that isn't one."""
    fitting = [
        one
        for one in keras.tree.flatten(output)
        if view.backend.is_traced(one) and len(one.shape) == 3 and one.shape[1] == count
    ]
    return fitting[0] if len(fitting) == 1 else None


def _with_tokens(output: Any, tokens: Any, others: Any) -> Any:
    """Return what a layer returns, with other tokens in place of its own."""
    return keras.tree.map_structure(lambda one: others if one is tokens else one, output)


def _is_around(outer: str, inner: str) -> bool:
    return f"{inner}/".startswith(f"{outer}/")


# Reading the score from each block -------------------------------------------------------------------------------------------


def _leaves(view: ModelView, count: int, left: dict[str, Any], address: str) -> Callable[[Any, Any], Any]:
    """Return what writes down the tokens that leave a block, and lets no gradient through to them from later blocks."""

    def leave(taps: Any, output: Any) -> Any:
        del taps
        left[address] = tokens = _tokens(view, output, count)
        return _with_tokens(output, tokens, keras.ops.stop_gradient(tokens))

    return leave


def _read_early(
    view: ModelView, found: Attended, tensor: Any, score: Score, params: Sequence[Any], tokens: Sequence[Any]
) -> Any:
    """Return the scores that what follows the last block makes of the tokens of others, one block after another."""
    stacked = keras.ops.concatenate(tokens, axis=0)

    def take(taps: Any, output: Any) -> Any:
        del taps
        return _with_tokens(output, _tokens(view, output, found.num_tokens), stacked)

    run = ForwardPass.run(view, tensor, overrides={found.blocks[-1]: take})
    return run.scores(score, [keras.ops.concatenate([param] * len(tokens), axis=0) for param in params])


def _can_be_read_early(view: ModelView, found: Attended, score: Score) -> bool:
    """Tell whether the score depends on the input by the tokens that leave the last block alone, and can be read of others."""
    if len(found.blocks) < 2:
        return False
    known: dict[Any, bool] = view.state.joints
    key = "blocks", found.blocks, score.key
    if key not in known:
        known[key] = False

        def look(tensor: Any, *params: Any) -> Any:
            left: dict[str, Any] = {}
            last = found.blocks[-1]
            ForwardPass.run(view, tensor, overrides={last: _leaves(view, found.num_tokens, left, last)})
            scores = _read_early(view, found, tensor, score, params, [keras.ops.zeros_like(left[last])] * 2)
            round_it = view.backend.gradient(keras.ops.sum(scores), tensor)
            known[key] = round_it is None and scores.shape[0] in (None, 4)
            return scores

        symbols = [keras.KerasTensor((2, *param.shape[1:]), str(param.dtype)) for param in score.params]
        try:
            with user_seeds_kept(view.backend):
                view.backend.trace(look, [keras.KerasTensor((2, *view.known_sample_shape())), *symbols])
        except Exception:  # noqa: BLE001 - what follows the blocks takes no other number of rows
            known[key] = False
    return known[key]
