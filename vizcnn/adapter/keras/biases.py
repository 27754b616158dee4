"""What the biases of a model give to a score: the gradients by what each of them is added to, made small while they are taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.gradients import BiasTerms, FullGradients
from vizcnn.adapter.keras.attention import attention_layers
from vizcnn.adapter.keras.calls import Activation, Call
from vizcnn.adapter.keras.compiled import Run, Traced
from vizcnn.adapter.keras.forward_pass import ForwardPass
from vizcnn.adapter.keras.frames import is_frame_by_frame
from vizcnn.adapter.keras.gradient import no_gradient
from vizcnn.adapter.keras.maps import Layout
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.roles import CONVOLUTIONS
from vizcnn.targets.score import Score

_AFFINE = (keras.layers.BatchNormalization, keras.layers.Normalization, keras.layers.Rescaling)
"""Layers that are affine in inference, value by value: their bias is what they make of zero."""

_PRODUCTS = frozenset({"Multiply", "Dot", "Matmul", "Einsum", "Divide", "TrueDivide"})
"""Layers and operations that are linear in each of their inputs, and not in both."""

_CURVES = frozenset(
    {"Exp", "Expm1", "Log", "Log1p", "Sqrt", "Rsqrt", "Square", "Power", "Clip", "Reciprocal", "Softmax"}
)


@dataclass(frozen=True)
class Bias:
    """What a layer adds to its sums, in one call.

    Attributes
    ----------
    address : str
        The call's.
    tensor : tensor
        The sums, with the bias.
    values : tensor
        The bias, float32, in a shape that goes over the tensor's.
    shape : tuple of int or None
        Of what the layer returns, the frames of a video among its axes.
    """

    address: str
    tensor: Any
    values: Any
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Found:
    """What is known of the terms of a compiled function: address and number of channels of each, and what is in none of them."""

    terms: tuple[tuple[str, int], ...]
    left_out: tuple[str, ...]


def layers_with_bias(view: ModelView) -> frozenset[str]:
    """Return the paths of the layers that add a bias of their own: convolutions and dense layers of all kinds."""
    layers = {
        path: record.operation for path, record in view.records.items() if _adds(record.info.role, record.operation)
    }
    return frozenset(path for path, layer in layers.items() if callable(getattr(layer, "activation", None)))


def differentiate_by_biases(run: ForwardPass, score: Score, scores: Any, inputs: Any, traced: Traced) -> dict[str, Any]:
    """Return the gradient of the scores by the inputs, and what is made of those by the biases, as a compiled function does.

    Parameters
    ----------
    run : ForwardPass
        The run, with what is before the activations of `layers_with_bias`.
    score : Score
        What is explained.
    scores, inputs : tensor
        The scores, and the inputs of the run.
    traced : Traced
        Where `Found` is written to.

    Returns
    -------
    dict of str to tensor

    Raises
    ------
    CapabilityError
        If the score has no gradient by the inputs.
    """
    backend, layout, count = run.view.backend, run.layout, keras.ops.shape(inputs)[0]
    inside = tuple(f"{call.path}/" for call in attention_layers(run.taps.calls))
    biases, unknown = _biases(run)
    reduce = [
        _reduced(bias, None if bias.address.startswith(inside) else layout, count, backend.float32) for bias in biases
    ]
    gradient, *answers = backend.gradients(
        keras.ops.sum(scores), [inputs, *(bias.tensor for bias in biases)], [backend.float32, *reduce]
    )
    if gradient is None:
        raise no_gradient(run, score)
    known = [(bias, answer) for bias, answer in zip(biases, answers, strict=True) if answer is not None]
    traced.facts = Found(
        tuple((bias.address, _channels(bias, layout)) for bias, _ in known), tuple(_left_out(run, unknown))
    )
    terms = {f"{name} {at}": tensor for at, (_, answer) in enumerate(known) for name, tensor in answer.items()}
    return {"gradients": gradient, **terms}


def full_gradients(view: ModelView, runner: Runner, inputs: Array, score: Score) -> FullGradients:
    """See `ModelAdapter.full_gradients`."""

    def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
        named = layers_with_bias(view)
        run = ForwardPass.run(view, tensor, traced, before_activation=named).record()
        scores = run.scores(score, params, traced)
        terms = differentiate_by_biases(run, score, scores, tensor, traced)
        return {**terms, "scores": scores, **run.named_outputs()}

    return _answer(runner.run(("full gradients", score.key), build, inputs, score), inputs)


def _answer(run: Run, inputs: Array) -> FullGradients:
    """Return what a compiled function answered, as `ModelAdapter.full_gradients` does."""
    arrays, found = run.arrays, run.traced.facts
    terms = []
    for at, (address, channels) in enumerate(found.terms):
        sums = arrays.get(f"sums {at}")
        if sums is None or len(sums) != len(inputs):  # windows, say, folded into the batch
            terms.append(BiasTerms(address, arrays[f"totals {at}"]))
        else:
            ends = arrays[f"least {at}"], arrays[f"most {at}"]
            terms.append(BiasTerms(address, arrays[f"totals {at}"], sums, *ends, channels))
    return FullGradients(
        arrays["gradients"],
        inputs,
        arrays["scores"],
        run.outputs,
        notes=run.traced.notes,
        biases=tuple(terms),
        left_out=found.left_out,
    )


def _adds(role: str, operation: Any) -> bool:
    return (role in CONVOLUTIONS or role == "dense") and getattr(operation, "bias", None) is not None


def _biases(run: ForwardPass) -> tuple[list[Bias], Counter[str]]:
    """Return the biases of a run, and the kinds of those layers whose sums are out of sight."""
    biases: list[Bias] = []
    unknown: Counter[str] = Counter()
    for call in run.taps.calls:
        operation, role = call.operation, run.view.records[call.path].info.role
        traced = run.view.backend.is_traced(call.output)
        if _adds(role, operation):
            acts = getattr(operation, "activation", None) not in (None, keras.activations.linear)
            tensor = call.before if acts else call.output
            values = _over(operation, tensor) if tensor is not None and traced else None
            if values is None:
                unknown[type(operation).__name__] += 1
        else:
            tensor, values = call.output, _of_zero(call) if traced else None
        if values is not None:
            values = run.view.backend.float32(values)
            biases.append(Bias(call.address, tensor, values, tuple(call.output.shape)))
    return biases, unknown


def _over(operation: Any, tensor: Any) -> Any | None:
    """Return the bias of a layer in a shape that goes over what it is added to; None where it has none of such a kind."""
    bias, shape = keras.ops.convert_to_tensor(operation.bias), tuple(tensor.shape)
    if len(bias.shape) == 1 and getattr(operation, "data_format", None) == "channels_first" and len(shape) > 2:
        bias = keras.ops.reshape(bias, (-1, *[1] * (len(shape) - 2)))
    pairs = zip(reversed(bias.shape), reversed(shape[1:]), strict=False)
    fits = len(bias.shape) < len(shape) and all(a == 1 or b in (None, a) for a, b in pairs)
    return bias if fits else None


def _of_zero(call: Call) -> Any | None:
    """Return what a layer that is affine, value by value, makes of zero; None of any other layer, and where that is zero."""
    operation, (args, kwargs) = call.operation, call.arguments
    if isinstance(operation, _AFFINE):
        if isinstance(operation, keras.layers.Rescaling) and not np.any(np.asarray(operation.offset)):
            return None
        sizes = [1] * len(call.output.shape)
        if isinstance(operation, keras.layers.BatchNormalization):
            sizes[operation.axis] = call.output.shape[operation.axis]
        return operation.call(keras.ops.zeros(sizes, operation.compute_dtype))
    if _adds_constant(call):
        zero = keras.ops.zeros([1] * len(call.inputs[0].shape), call.inputs[0].dtype)
        return operation.call(*(zero if arg is call.inputs[0] else arg for arg in args), **kwargs)
    return None


def _adds_constant(call: Call) -> bool:
    operation, (args, _) = call.operation, call.arguments
    kind = type(operation).__name__ in ("Add", "Subtract") and not isinstance(operation, keras.Layer)
    return kind and len(call.inputs) == 1 and len(args) == 2 and any(arg is call.inputs[0] for arg in args)


def _is_map(layout: Layout, shape: Sequence[int | None]) -> bool:
    size = layout.size(shape)
    return bool(size) and any(length != 1 for length in size or ())


def _channels(bias: Bias, layout: Layout) -> int:
    return int(layout.channels(bias.shape) or 0)


def _reduced(
    bias: Bias, layout: Layout | None, count: Any, float32: Callable[[Any], Any]
) -> Callable[[Any], dict[str, Any]]:
    """Return what makes small of the gradient by a bias's sums what is asked of it."""

    def reduce(gradient: Any) -> dict[str, Any]:
        terms = float32(gradient) * bias.values
        totals = {"totals": keras.ops.sum(keras.ops.reshape(terms, (count, -1)), axis=1)}
        if layout is None or not _is_map(layout, bias.shape):
            return totals
        if len(bias.tensor.shape) != len(bias.shape):
            terms = keras.ops.reshape(terms, (-1, *bias.shape[1:]))
        sizes = keras.ops.abs(layout.of(terms))
        axes = tuple(range(1, len(sizes.shape)))
        ends = {"least": keras.ops.min(sizes, axis=axes), "most": keras.ops.max(sizes, axis=axes)}
        return {**totals, "sums": keras.ops.sum(sizes, axis=-1), **ends}

    return reduce


# What is in no bias -------------------------------------------------------------------------------------------------------


def _left_out(run: ForwardPass, unknown: Counter[str]) -> Iterator[str]:
    """Yield what the score depends on by other ways than along straight lines through zero, and how often it is there."""
    calls = [call for call in run.taps.calls if _bends(call, run.view.records[call.path].info.role)]
    holders = {call.path for call in calls}
    calls = [call for call in calls if not _is_inside(call.path, holders)]
    ends = run.taps.made_at_the_end(run.flat)
    activations = [
        _shown(activation)
        for activation in run.taps.activations
        if id(activation.output) not in ends and not _is_inside(f"{activation.path}/", holders)
    ]
    kinds = Counter(filter(None, activations)) + Counter(type(call.operation).__name__ for call in calls) + unknown
    yield from (f"{kind} ({count})" for kind, count in kinds.most_common())
    if run.view.num_fixed_inputs:
        yield f"inputs that are held fixed ({run.view.num_fixed_inputs})"


def _is_inside(path: str, holders: Collection[str]) -> bool:
    return any(path.startswith(f"{holder}/") for holder in holders)


def _bends(call: Call, role: str) -> bool:
    """Tell whether a layer, apart from its activation, is neither affine nor straight on both sides of zero."""
    operation, kind = call.operation, type(call.operation).__name__
    if isinstance(operation, _AFFINE) or is_frame_by_frame(operation):
        return False
    if kind in _PRODUCTS:
        return len(call.inputs) > 1
    is_own = not type(operation).__module__.startswith("keras.") and role == "other"
    return is_own or kind in _CURVES or role in ("attention", "recurrent", "normalization")


def _shown(activation: Activation) -> str | None:
    """Return what an activation is called that isn't straight on both sides of zero; None of one that is."""
    args, kwargs = activation.options
    if activation.name == "relu":
        capped = kwargs.get("max_value", args[1] if len(args) > 1 else None) is not None
        shifted = kwargs.get("threshold", args[2] if len(args) > 2 else 0)
        return "relu with a limit" if capped or shifted else None
    return None if activation.name in ("leaky_relu", "PReLU", "linear") else activation.name
