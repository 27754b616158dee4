"""Running a model from a layer on: what the layer returns is replaced by given activations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.keras.compiled import Traced
from vizcnn.adapter.keras.forward_pass import ForwardPass, learn
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.randomness import user_seeds_kept
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.layers import split_call
from vizcnn.errors import InputError, LayerError
from vizcnn.targets.score import Score


@dataclass(frozen=True)
class Joint:
    """Where a model is cut at a layer, for one score.

    Attributes
    ----------
    shape : tuple of int or None
        Shape (h, w, K) of the layer's activations, without the batch axis.
    is_whole : bool
        Whether the score depends on the input by this layer alone.
    """

    shape: tuple[int | None, ...]
    is_whole: bool


def scores_from(
    view: ModelView, runner: Runner, path: str, activations: Array, score: Score, inputs: Array | None
) -> Array:
    """See `ModelAdapter.scores_from`."""
    if not view.state.layer_shapes:
        learn(view)
    sample = view.known_sample_shape()
    joint = _joint(view, path, score, sample)
    want, have = joint.shape, activations.shape[1:]
    if len(want) != len(have) or any(w not in (None, h) for w, h in zip(want, have, strict=True)):
        raise InputError(
            f"`activations` must have shape (N, {', '.join(map(str, want))}), as layer {path!r} of model {view.name!r} has "
            f"them; got {activations.shape}."
        )
    if inputs is None and not joint.is_whole:
        raise InputError(
            f"`inputs` must be given, an input for each of the activations: the score depends on it by other ways than layer "
            f"{path!r} of model {view.name!r}; got None. Or name a layer that everything goes through."
        )
    around = [] if joint.is_whole or inputs is None else [inputs]

    def build(traced: Traced, *tensors: Any) -> dict[str, Any]:
        activations_in, rest = tensors[0], tensors[1:]
        # Where everything goes through the layer, nothing of what is computed of the zeros is used.
        tensor = rest[0] if around else keras.ops.zeros((keras.ops.shape(activations_in)[0], *sample))
        params = rest[len(around) :]
        run = _run_with(view, tensor, path, lambda _: activations_in, traced)
        return {"scores": run.scores(score, params, traced), **run.named_outputs()}

    key = "scores from", path, score.key, sample
    return runner.run_arrays(key, build, [activations, *around, *score.params]).arrays["scores"]


def _joint(view: ModelView, path: str, score: Score, sample: tuple[int, ...]) -> Joint:
    """Return what is known of the cut, traced once and kept."""
    key = path, score.key
    known: dict[Any, Joint] = view.state.joints
    if key not in known:
        joints: list[Joint] = []

        def look(tensor: Any, *params: Any) -> Any:
            plain = ForwardPass.run(view, tensor)
            shape = tuple(plain.layout.of(plain.layer(path, cast=False)).shape)
            if shape[0] not in (None, tensor.shape[0]):
                raise LayerError(
                    f"`layer` {path!r} returns {shape[0]} rows for {tensor.shape[0]} inputs; name a layer outside of that."
                )
            cut = _run_with(view, tensor, path, keras.ops.zeros_like)
            scores = cut.scores(score, params)
            round_it = view.backend.gradient(keras.ops.sum(scores), tensor)
            joints[:] = [Joint(shape[1:], round_it is None)]
            return scores

        params = [keras.KerasTensor((2, *p.shape[1:]), str(p.dtype)) for p in score.params]
        with user_seeds_kept(view.backend):
            view.backend.trace(look, [keras.KerasTensor((2, *sample)), *params])
        known[key] = joints[0]
    return known[key]


def _run_with(
    view: ModelView, tensor: Any, path: str, replacement: Callable[[Any], Any], traced: Traced | None = None
) -> ForwardPass:
    """Run the model with a layer's map replaced by what `replacement` makes of it."""
    bare, index = split_call(path)

    def put(taps: Any, output: Any) -> Any:
        layout = view.layout(taps)
        return layout.back(replacement(layout.of(output)), output)

    return ForwardPass.run(view, tensor, traced, overrides={f"{bare}[{index}]" if index else bare: put})
