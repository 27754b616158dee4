"""What every question begins with: inputs that fit the model, or the error that says why they don't."""

from __future__ import annotations

from typing import Any

import numpy as np

from vizcnn.adapter.arrays import AXES, Array
from vizcnn.adapter.model_facts import ModelFacts
from vizcnn.errors import CapabilityError, InputError


class Questions(ModelFacts):
    """A model that is asked about inputs."""

    def _checked(self, inputs: Any) -> Array:
        """Return inputs as they are run, once they are known to fit the model, and the model is ready for them."""
        array = self._fitting(inputs)
        self.prepare(array.shape[1:])
        return array

    def _fitting(self, inputs: Any) -> Array:
        array = np.asarray(inputs, dtype=np.float32)
        want = self.input_shape or (None,) * 3
        fits = array.ndim == len(want) + 1 and all(w in (None, h) for w, h in zip(want, array.shape[1:], strict=True))
        if not fits or not len(array):
            axes = ", ".join(AXES[len(want)])
            raise InputError(f"The inputs of model {self.name!r} must have shape (N, {axes}) = (N, {str(want)[1:-1]}); got "
                             f"{array.shape}.")  # fmt: skip
        return array

    def _unanswered(self, question: str) -> CapabilityError:
        return CapabilityError(f"Model {self.name!r}, {self.source}, doesn't answer `{question}`.")
