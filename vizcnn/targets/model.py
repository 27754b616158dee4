"""What a target asks of the model that it is resolved against; `vizcnn.ModelAdapter` says more of each answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from vizcnn.inputs.pixels import Decoding


class Layer(Protocol):
    """A layer of it."""

    @property
    def path(self) -> str:
        """Its path."""

    @property
    def output_shape(self) -> tuple[int | None, ...] | None:
        """Shape of its output, (None, ..., K), where it is known."""


class Head(Protocol):
    """How an output of it is read."""

    @property
    def output(self) -> str:
        """Its name."""

    @property
    def names(self) -> tuple[str, ...]:
        """What its classes, or numbers, are called."""

    @property
    def num_classes(self) -> int:
        """How many classes there are to choose from."""

    @property
    def positions(self) -> tuple[int | None, ...]:
        """The axes that are no units: of a map its rows and columns."""

    def logits(self, xp: Any, values: Any) -> Any:
        """Return the logits of all classes, (N, ..., K)."""

    def values(self, xp: Any, values: Any) -> Any:
        """Return what the model says of each class, (N, K)."""

    def predicted(self, xp: Any, values: Any) -> Any:
        """Return the predicted class of what `values` returns, (N,)."""


class Model(Protocol):
    """A model with outputs and layers, which may be run for the embedding of a reference."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def labels(self) -> Sequence[str] | None:
        """What its classes are called."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape (H, W, C) of its input."""

    @property
    def output_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Shape of each of its outputs, by name."""

    @property
    def preprocess(self) -> Any:
        """What makes its inputs of pixels."""

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Rows and columns that images are resized to."""

    @property
    def decoding(self) -> Decoding | None:
        """How image files are decoded."""

    def output_name(self, output: str | int | None) -> str:
        """Return the name of an output, given by name, position, or None for that of the classes."""

    def output_activation(self, output: str) -> str | None:
        """Return the activation that an output ends in."""

    def head(self, output: str) -> Head:
        """Return how an output is read."""

    def layer(self, layer: Any) -> Layer:
        """Return a layer."""

    def prepare(self, sample_shape: tuple[int, ...]) -> None:
        """Be ready for images of a shape."""

    def outputs(self, inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return what it returns for a batch."""

    def activations(self, inputs: np.ndarray, layers: Sequence[Any]) -> dict[str, np.ndarray]:
        """Return the outputs of layers, by path."""
