"""A run of a Keras model, read: its outputs before and after their activation, and any layer on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
from keras.src.backend import compute_output_spec

from vizcnn.adapter.heads import PROBABILITIES, Head
from vizcnn.adapter.keras.attention import attends
from vizcnn.adapter.keras.calling import check_outputs
from vizcnn.adapter.keras.compiled import Traced
from vizcnn.adapter.keras.maps import Layout
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.positions import moves
from vizcnn.adapter.keras.randomness import user_seeds_kept
from vizcnn.adapter.keras.rules import RELU_FAMILY
from vizcnn.adapter.keras.structure import names_of, symbolic_outputs, tensors_of
from vizcnn.adapter.keras.taps import Taps
from vizcnn.adapter.layers import split_call
from vizcnn.errors import LayerError, Note, RuleError, TargetError
from vizcnn.targets.score import Score


class ForwardPass:
    """A run of the model, as the formulas of `vizcnn.targets` read it; `run` makes one.

    Parameters
    ----------
    view : ModelView
        The model.
    taps : Taps
        The record of the run.
    returned : any
        What the model returned; None where the run ended before.
    traced : Traced, default None
        Where it is written down that the run of a function was recorded.

    Attributes
    ----------
    flat : list of tensor
        Those that the model returned.
    undecided : frozenset of str
        Outputs that were taken for logits, as far as could be seen.
    """

    xp = keras.ops

    def __init__(self, view: ModelView, taps: Taps, returned: Any, traced: Traced | None = None) -> None:
        self._traced = traced
        self.view = view
        self.taps = taps
        self.undecided: frozenset[str] = frozenset()
        self.flat: list[Any] = tensors_of(returned)
        self._returned = returned
        self._backend = view.backend
        self._state = view.state

    @classmethod
    def run(cls, view: ModelView, tensor: Any, traced: Traced | None = None, **options: Any) -> Self:
        """Run the model on a batch, under taps.

        Parameters
        ----------
        view : ModelView
            The model.
        tensor : tensor, shape (N, H, W, C)
            The inputs.
        traced : Traced, default None
            Where the seeds that it draws are written to.
        **options
            As `Taps` takes them.

        Returns
        -------
        ForwardPass
        """
        if traced is not None:
            options["generators"] = traced.generators
        returned = None
        with view.taps(**options) as taps:
            returned = view.forward(tensor)
        return cls(view, taps, returned, traced)

    def record(self) -> Self:
        """Write down what a whole run tells of the model, the first time, and return the run."""
        if self._traced is not None and self._traced.recorded:
            return self
        state, taps = self._state, self.taps
        state.attends |= attends(taps)
        self.record_moves()
        for call in taps.calls:
            shape = getattr(call.output, "shape", None)
            if call.index == 0 and shape is not None:
                state.layer_shapes[call.path] = (None, *shape[1:]) if shape else ()
        if not state.activations:
            names, _ = symbolic_outputs(self.view.model)
            names = names or names_of(self._returned)
            check_outputs(self.view.name, names, self.flat)
            for name, tensor in zip(names, self.flat, strict=True):
                state.outputs[name] = tuple(tensor.shape[1:])
                ending = taps.ending(tensor)
                state.activations[name] = PROBABILITIES.get(ending.name) if ending else None
                if ending is not None:
                    state.endings[name] = ending.name, ending.axis
        if self._traced is not None:
            self._traced.recorded = True
        return self

    def record_moves(self) -> Self:
        """Write down which layers have their maps where the input's positions are, and return the run."""
        self._state.moved |= moves(self.view.model, self.taps.calls)
        return self

    @property
    def layout(self) -> Layout:
        """How the layers' outputs are maps."""
        return self.view.layout(self.taps)

    def scores(self, score: Score, params: Sequence[Any], traced: Traced | None = None) -> Any:
        """Return the scores (N,); what they took for granted is written to `traced`."""
        scores = self._backend.float32(score.formula(self, params))
        if traced is not None:
            traced.undecided = self.undecided
        return scores

    def returned(self) -> Any:
        """See `vizcnn.targets.score.ForwardPass`."""
        return self._returned

    def output(self, output: str) -> Any:
        """See `vizcnn.targets.score.ForwardPass`."""
        return self._backend.float32(self._tensor(output))

    def logits(self, output: str) -> Any:
        """See `vizcnn.targets.score.ForwardPass`."""
        tensor = self._tensor(output)
        ending = self.taps.ending(tensor)
        if ending is not None and ending.is_probability:
            return self._backend.float32(ending.logits)
        values = self._backend.float32(tensor)
        if self.head(output).is_two_sided and self.head(output).activation is not None:
            kept = keras.ops.clip(values, 1e-7, 1 - 1e-7)
            return keras.ops.log(kept) - keras.ops.log(1 - kept)
        if ending is None and output not in self._state.logarithm:
            self.undecided |= {output}
        if self._state.logarithm.get(output):
            return keras.ops.log(keras.ops.maximum(values, 1e-30))
        return values

    def head(self, output: str) -> Head:
        """See `vizcnn.targets.score.ForwardPass`."""
        return self.view.heads(output)

    def _tensor(self, output: str) -> Any:
        tensor = self.flat[list(self._state.outputs).index(output)]
        kind = keras.backend.standardize_dtype(tensor.dtype)
        if "float" not in kind:
            raise TargetError(
                f"`target` needs scores of classes, and output {output!r} holds whole numbers ({kind}), as after an argmax: how "
                f"sure the model was isn't in them. Name a layer before: vizcnn.targets.Neuron or Channel."
            )
        return tensor

    def layer(self, path: str, *, cast: bool = True) -> Any:
        """See `vizcnn.targets.score.ForwardPass`."""
        bare, index = split_call(path)
        calls = [call for call in self.taps.calls if call.path == bare]
        match = [call for call in calls if call.index == (index or 0)]
        if not match:
            count = f"is called {len(calls)} times" if calls else "is not called"
            raise LayerError(f"`layer` {path!r} can't be read: layer {bare!r} {count} in a run of the model.")
        tensor = match[0].output
        if not self._backend.is_traced(tensor):
            raise LayerError(f"`layer` {path!r} can't be read: it runs inside a loop, or returns more than one tensor.")
        return self._backend.float32(tensor) if cast else tensor

    def named_outputs(self) -> dict[str, Any]:
        """Return the outputs as what a compiled function returns."""
        return {f"output {i}": self._backend.float32(tensor) for i, tensor in enumerate(self.flat)}


def rule_notes(rule: str, run: ForwardPass) -> tuple[Note, ...]:
    """Say which activations a rule left as they are; raise `RuleError` where it found none to replace."""
    if rule == "vanilla":
        return ()
    replaced, kept = run.taps.rule_report(tuple(run.flat))
    others = ", ".join(f"{kind} ({count})" for kind, count in kept.most_common())
    if not replaced:
        activations = f"its activations are {others}" if others else "no activation was found"
        raise RuleError(
            f"`rule` {rule!r} changes how ReLU ({', '.join(sorted(RELU_FAMILY))}) hands the gradient on, and model "
            f"{run.view.name!r} has none of them: {activations}. Use rule='vanilla'."
        )
    if kept:
        return (
            Note(
                f"Rule {rule!r} replaced {replaced.total()} activations (ReLU) and left {kept.total()} as they are: {others}.",
                "rule",
            ),
        )
    return ()


def outputs_of(view: ModelView, tensor: Any, traced: Traced | None = None) -> dict[str, Any]:
    """Run the model on a batch and return its outputs as what a compiled function returns."""
    return ForwardPass.run(view, tensor, traced).record().named_outputs()


def learn(view: ModelView) -> None:
    """Run the model symbolically, for what can't be known otherwise."""
    shape = view.known_sample_shape()
    with user_seeds_kept(view.backend):
        compute_output_spec(lambda tensor: list(outputs_of(view, tensor).values()), keras.KerasTensor((1, *shape)))
