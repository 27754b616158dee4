"""A run of a Keras model, read: its outputs before and after their activation, and any layer on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from vizcnn.adapter.base import split_call
from vizcnn.adapter.heads import Head
from vizcnn.adapter.keras.backends import current
from vizcnn.adapter.keras.rules import RELU_FAMILY
from vizcnn.adapter.keras.structure import tensors_of
from vizcnn.adapter.keras.taps import Taps
from vizcnn.adapter.placement import Placement
from vizcnn.errors import LayerError, RuleError, TargetError


@dataclass
class Facts:
    """What running a model, symbolically or not, has told of it.

    Attributes
    ----------
    outputs : dict
        Names of the outputs to their shapes, without the batch axis.
    activations : dict
        Names of the outputs to the softmax or sigmoid that they end in, or None.
    layer_shapes : dict
        Paths of layers to the shapes of their outputs.
    endings : dict
        Names of the outputs to the last activation on the way, where that is known, and the axis of the units.
    logarithm : dict
        Names of the outputs to whether they hold probabilities whose logits are out of reach.
    batch_sizes : dict
        Shapes of a sample, and how many layers' shapes were known then, to how many samples fit.
    moved : dict
        Addresses of calls to whether positions may have been moved on the way there.
    attends : bool
        Whether the model goes through attention.
    unfit : dict
        Addresses of calls that look like maps and are none of the input.
    placements : dict
        Layers, the sizes of their maps and the inputs' shapes to where maps lie; None where stretching puts them there.
    """

    outputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    activations: dict[str, str | None] = field(default_factory=dict)
    endings: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    layer_shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    logarithm: dict[str, bool] = field(default_factory=dict)
    batch_sizes: dict[tuple[tuple[int, ...], int], int] = field(default_factory=dict)
    moved: dict[str, bool] = field(default_factory=dict)
    attends: bool = False
    unfit: dict[str, None] = field(default_factory=dict)
    placements: dict[tuple[str, tuple[int, ...], tuple[int, ...]], Placement | None] = field(default_factory=dict)


class Reading:
    """A run of the model, as the formulas of `vizcnn.targets` read it."""

    xp = keras.ops

    def __init__(self, facts: Facts, taps: Taps, returned: Any, heads: Callable[[str], Head] | None = None) -> None:
        self._facts = facts
        self._heads = heads
        self._taps = taps
        self._returned = returned
        self._backend = current()
        self.undecided: frozenset[str] = frozenset()
        self.flat: list[Any] = tensors_of(returned)

    def returned(self) -> Any:
        """See `vizcnn.scores.Reading`."""
        return self._returned

    def output(self, output: str) -> Any:
        """See `vizcnn.scores.Reading`."""
        return self._backend.float32(self._tensor(output))

    def logits(self, output: str) -> Any:
        """See `vizcnn.scores.Reading`."""
        tensor = self._tensor(output)
        ending = self._taps.ending(tensor)
        if ending is not None and ending.is_probability:
            return self._backend.float32(ending.logits)
        values = self._backend.float32(tensor)
        if self.head(output).is_two_sided and self.head(output).activation is not None:
            kept = keras.ops.clip(values, 1e-7, 1 - 1e-7)
            return keras.ops.log(kept) - keras.ops.log(1 - kept)
        if ending is None and output not in self._facts.logarithm:
            self.undecided |= {output}
        if self._facts.logarithm.get(output):
            return keras.ops.log(keras.ops.maximum(values, 1e-30))
        return values

    def head(self, output: str) -> Head:
        """See `vizcnn.scores.Reading`."""
        if self._heads is None:
            raise RuntimeError("a reading of layers alone was asked for an output")
        return self._heads(output)

    def _tensor(self, output: str) -> Any:
        tensor = self.flat[list(self._facts.outputs).index(output)]
        kind = keras.backend.standardize_dtype(tensor.dtype)
        if "float" not in kind:
            raise TargetError(
                f"`target` needs scores of classes, and output {output!r} holds whole numbers ({kind}), as after an argmax: how "
                f"sure the model was isn't in them. Name a layer before: vizcnn.targets.Neuron or Channel."
            )
        return tensor

    def layer(self, path: str, *, cast: bool = True) -> Any:
        """See `vizcnn.scores.Reading`."""
        bare, index = split_call(path)
        found = [call for call in self._taps.calls if call.path == bare]
        match = [call for call in found if call.index == (index or 0)]
        if not match:
            count = f"is called {len(found)} times" if found else "is not called"
            raise LayerError(f"`layer` {path!r} can't be read: layer {bare!r} {count} in a run of the model.")
        tensor = match[0].output
        if not self._backend.belongs(tensor):
            raise LayerError(f"`layer` {path!r} can't be read: it runs inside a loop, or returns more than one tensor.")
        return self._backend.float32(tensor) if cast else tensor

    def named_outputs(self) -> dict[str, Any]:
        """Return the outputs as what a compiled function returns."""
        return {f"output {i}": self._backend.float32(tensor) for i, tensor in enumerate(self.flat)}


def rule_notes(rule: str, taps: Taps, ends: Sequence[Any], name: str) -> tuple[str, ...]:
    """Say which activations a rule left as they are; raise `RuleError` where it found none to replace."""
    if rule == "vanilla":
        return ()
    done, left = taps.rule_report(tuple(ends))
    others = ", ".join(f"{kind} ({count})" for kind, count in left.most_common())
    if not done:
        found = f"its activations are {others}" if others else "no activation was found"
        raise RuleError(
            f"`rule` {rule!r} changes how ReLU ({', '.join(sorted(RELU_FAMILY))}) hands the gradient on, and model {name!r} has "
            f"none of them: {found}. Use rule='vanilla'."
        )
    if left:
        return (
            f"Rule {rule!r} replaced {done.total()} activations (ReLU) and left {left.total()} as they are: {others}.",
        )
    return ()
