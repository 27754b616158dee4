"""What a Keras model returns: names, shapes and endings of its outputs, and whether their numbers are probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.heads import LOGARITHMS, Traits, last_axis
from vizcnn.adapter.keras.compiled import Run
from vizcnn.adapter.keras.forward_pass import learn
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.structure import final_activations, symbolic_outputs
from vizcnn.adapter.losses import task_of
from vizcnn.adapter.predictions import looks_like_probabilities
from vizcnn.adapter.probe import extremes, is_within, read_as_probability


class OutputFacts:
    """What is known of a model's outputs.

    Parameters
    ----------
    view : ModelView
        The model.
    outputs : callable
        Runs the model on a batch of inputs.
    add_note : callable
        Keeps a note for all results.
    loss : default None
        What the model was trained by, as its file says; None: as the model was compiled.
    """

    def __init__(
        self,
        view: ModelView,
        *,
        outputs: Callable[[Array], Outputs],
        add_note: Callable[..., None],
        loss: Any = None,
    ) -> None:
        self._view = view
        self._run = outputs
        self._add_note = add_note
        self._loss = loss
        self._kinds_of_units: dict[str, str | None] = {}

    @property
    def shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """See `ModelAdapter.output_shapes`."""
        if not self._view.state.outputs:
            names, shapes = symbolic_outputs(self._view.model)
            if names:
                return dict(zip(names, shapes, strict=True))
            learn(self._view)
        return self._view.state.outputs

    def activation(self, output: str) -> str | None:
        """See `ModelAdapter.output_activation`."""
        if output not in self._view.state.activations:
            self._tell_activations()
        return self._view.state.activations.get(output)

    def _tell_activations(self) -> None:
        state, told = self._view.state, final_activations(self._view.model)
        if not told:  # only a run can tell, which takes a third of the first map's time
            learn(self._view)
            return
        state.outputs |= self.shapes
        state.activations |= told
        state.endings |= {name: (kind, 1) for name, kind in told.items()}

    def traits(self, output: str) -> Traits:
        """See `ModelAdapter.output_traits`."""
        activation = self.activation(output)
        ending, shape, loss = self._view.state.endings.get(output), self.shapes[output], self.trained_with
        known = self._view.state.traits.get(output)  # asked several times in a call
        if known is not None and known[0] == (activation, ending, shape) and known[1] is loss:
            return known[2]
        traits = self._traits(output, activation, ending, (None, *shape))
        self._view.state.traits[output] = (activation, ending, shape), loss, traits
        return traits

    def _traits(
        self, output: str, activation: str | None, ending: tuple[str, int | None] | None, shape: tuple[int | None, ...]
    ) -> Traits:
        name, axis = ending or (None, self._unit_axis(shape))
        if axis is None and len(shape) == 2:
            axis = 1  # a map that was flattened: in a row of numbers each is a unit
        kind = activation or LOGARITHMS.get(str(name))
        single = axis is None or shape[axis] == 1
        if name is None and single and kind is None:
            kind = self._kind_of_unit(output)
        constant = kind == "softmax" and single
        return Traits(
            "sigmoid" if constant else kind,
            axis,
            shape,
            is_logarithm=name in LOGARITHMS,
            task=task_of(self.trained_with, list(self.shapes), output),
            is_constant=constant,
        )

    @property
    def trained_with(self) -> Any:
        """The loss that the model, or its file, was compiled with."""
        loss = getattr(self._view.model, "loss", None)
        return self._loss if loss is None else loss

    def _kind_of_unit(self, output: str) -> str | None:
        """Tell by what one number can be whether it is a probability, where no activation is found that made it."""
        with self._view.lock:
            if output not in self._kinds_of_units:
                self._kinds_of_units[output] = None
                sample = self._view.sample_shape or self._view.input_shape
                noise = extremes(tuple(int(size or 1) for size in sample))
                place = list(self.shapes).index(output)
                if all(is_within(self._run(shown)[place]) for shown in (noise, -noise)):
                    self._kinds_of_units[output] = "sigmoid"
                    self._add_note(read_as_probability(self._view.name, output), "reading", quiet=True)
            return self._kinds_of_units[output]

    def _unit_axis(self, shape: tuple[int | None, ...]) -> int | None:
        """Return the axis of the units where no activation told it."""
        sample = self._view.sample_shape or ()
        if len(shape) == 3 and len(sample) == 3 and shape[1:] == sample[:2]:
            return None  # a map of one value, without an axis for it
        is_map = self._view.channels_first and len(shape) == self._view.rank + 2
        return 1 if is_map else last_axis(shape)

    # Probabilities whose logits are out of reach ----------------------------------------------------------------------

    @property
    def without_logits(self) -> frozenset[str]:
        """Outputs of which it is known that the logarithm is explained."""
        return frozenset(output for output, is_hidden in self._view.logarithm.items() if is_hidden)

    def decide(self, run: Run) -> bool:
        """Tell whether a run took the probabilities of some output for logits, and has to be done again."""
        return any(self._holds_probabilities(output, run) for output in run.traced.undecided)

    def _holds_probabilities(self, output: str, run: Run) -> bool:
        """Decide once whether an output holds probabilities whose logits are out of reach; their logarithm is explained then."""
        view = self._view
        with view.lock:
            first = output not in view.logarithm
            if first:
                place = list(view.state.outputs).index(output)
                values = view.heads(output).by_unit(np, run.outputs[place])
                view.logarithm[output] = looks_like_probabilities(values.reshape(-1, values.shape[-1]))
            hidden = view.logarithm[output]
        if first and hidden:
            self._add_note(
                f"The output {output!r} of model {view.name!r} holds probabilities, and the logits behind them can't be "
                f"reached: scores are log-probabilities. A softmax that is the model's last layer can be looked through.",
                "log-probability",
            )
        return hidden


def takes_bytes(model: Any) -> bool:
    """Tell whether all inputs of a model are bytes, as pixels are."""
    tensors = getattr(model, "inputs", None) or ()
    kinds = [keras.backend.standardize_dtype(tensor.dtype) for tensor in tensors]
    return bool(kinds) and all(kind == "uint8" for kind in kinds)
