"""What a target asks of the model that it is resolved against; `vizcnn.ModelAdapter` says more of each answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from vizcnn.inputs.decoding import Decoding
from vizcnn.inputs.geometry import Geometry

_Kept = TypeVar("_Kept")


class Pictures(Protocol):
    """The images that are explained; `vizcnn.inputs.ImageSet` is one."""

    def __len__(self) -> int:
        """Return how many there are."""

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape (H, W, C) of the input that each becomes."""

    @property
    def geometry(self) -> Sequence[Geometry]:
        """Where each lies in its input; empty where all are stretched over it."""

    def shape_of(self, index: int) -> tuple[int, ...]:
        """Return the shape (H, W, C) of one as it is."""


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
    def activation(self) -> str | None:
        """The activation that makes its numbers probabilities."""

    @property
    def is_logarithm(self) -> bool:
        """Whether its numbers are logarithms of probabilities."""

    @property
    def is_classes(self) -> bool:
        """Whether its units are classes."""

    @property
    def is_mask(self) -> bool:
        """Whether it is a map of one object."""

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
    def shown_shape(self) -> tuple[int | None, ...]:
        """Shape of the last inputs that it was made ready for, where that is known; else `input_shape`."""

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

    def outputs_of_noise(self, sample_shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Return what it returns for a few images that are none."""

    def box_anchors(self, sample_shape: tuple[int, ...]) -> np.ndarray | None:
        """Return the boxes (A, 4) that its own are counted from, by center and size in pixels, where it carries them."""

    def remember(self, key: Hashable, find: Callable[[], _Kept]) -> _Kept:
        """Return what was found of it under that key, and find it first where nothing was."""

    def add_note(self, text: str, kind: str = "", *, quiet: bool = False) -> None:
        """Keep a note for all its pictures."""
