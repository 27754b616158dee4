"""The layer that takes the place of a Lambda whose arithmetic was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from vizcnn.adapter.loading.lambdas import names
from vizcnn.adapter.loading.lambdas.program import Program, renumbered
from vizcnn.adapter.loading.lambdas.values import TooLarge, check_size


def evaluated(program: Program, inputs: Any, mask: Any) -> Any:
    """Return what a program computes of its inputs.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If a step isn't one of those that are read, or makes more than any model needs.
    """
    values: dict[int, Any] = dict(enumerate((inputs, mask)))
    for step in program.steps:
        computes = names.function_of(step.function)
        if computes is None:
            raise ValueError(f"{step.function} isn't arithmetic that can be read")
        args, kwargs = renumbered(step.args, values), renumbered(dict(step.kwargs), values)
        try:
            values[len(values)] = check_size(computes(*args, **kwargs))
        except TypeError as error:
            raise ValueError(f"of {step.function}: {error}") from error
    return renumbered(program.result, values)


class LambdaExpression(keras.layers.Layer):  # type: ignore[misc]
    """Arithmetic that was read of the Python function in a Lambda, which isn't run.

    Parameters
    ----------
    program : mapping
        What it computes of its inputs, as `Program.to_json` wrote it.
    text : str, default ""
        The same for people.
    mask_program : mapping, default None
        What it makes of its inputs and their mask as the mask of its output. None: there is none.
    **options : object
        Those of any layer.
    """

    def __init__(
        self, program: Mapping[str, Any], text: str = "", mask_program: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.text = text
        self._program = Program.from_json(program)
        self._mask_program = None if mask_program is None else Program.from_json(mask_program)
        self._refused: ValueError | None = None
        self.supports_masking = True  # so that Keras doesn't warn of a mask that ends here, as it did in the original

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Compute it."""
        if self._refused is not None:
            raise self._refused
        try:
            return evaluated(self._program, inputs, mask)
        except TooLarge as error:
            self._refused = error  # Keras on PyTorch would try once more, and in memory
            raise

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return the mask of the output."""
        return None if self._mask_program is None else evaluated(self._mask_program, inputs, mask)

    def get_config(self) -> dict[str, Any]:
        """Return what it is made of."""
        mask_program = None if self._mask_program is None else self._mask_program.to_json()
        own = {"program": self._program.to_json(), "text": self.text, "mask_program": mask_program}
        return {**super().get_config(), **own}
