"""What a plugin may ask of a model. Every answer is float32 NumPy, channels last, batch first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vizcnn.adapter.labels import read_labels
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.errors import LayerError, OptionError, did_you_mean, listed

if TYPE_CHECKING:
    from vizcnn.scores import Score

Array: TypeAlias = np.ndarray
Outputs: TypeAlias = tuple[Array, ...]

LAST_SPATIAL = "<last spatial>"
"""For `ModelAdapter.gradients(of=...)`: the last layer with more than one row and column before they are pooled away."""

AXES = {2: "TC", 3: "HWC", 4: "DHWC"}
"""What the axes of one input are called, by their number: of a signal, an image, a volume."""

RULES = {"vanilla": "vanilla", "guided": "guided", "relu": "relu", "deconv": "relu", "rectified": "relu"}
"""Accepted names of the gradient rules, and the rule that each means."""


@dataclass(frozen=True)
class LayerInfo:
    """A layer that computes.

    Attributes
    ----------
    path : str
        Its address, the names of the layers that hold it and its own: ``mobilenet/conv_pw_13``.
    kind : str
        Its class: ``Conv2D``, or the operation's for a `keras.ops` node.
    output_shape : tuple or None
        As Keras gives it, batch axis first and None where open; None while unknown.
    num_params : int
        Weights in it, those of the layers that it holds included.
    depth : int
        How many layers hold it; 0 for the model's own.
    is_container : bool
        Whether it holds other layers.
    activation : str or None
        The activation inside it, if it has one that is not linear.
    rank : int
        How many axes a map has in its model: 2 of images, 1 of signals, 3 of volumes.
    """

    path: str
    kind: str
    output_shape: tuple[int | None, ...] | None
    num_params: int
    depth: int = 0
    is_container: bool = False
    activation: str | None = None
    rank: int = 2

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_spatial(self) -> bool:
        """Whether its output is a map with more than one row and column (True too where their number is open)."""
        shape = self.output_shape
        return shape is None or (len(shape) == self.rank + 2 and 1 not in shape[1:-1])


@dataclass(frozen=True)
class Gradients:
    """The gradient of each sample's score.

    Attributes
    ----------
    gradients : ndarray
        d score / d input, or / d the layer's output; the shape of `values`.
    values : ndarray
        What was differentiated by: the inputs, or the layer's output.
    scores : ndarray, shape (N,)
        The scores.
    outputs : tuple of ndarray
        What the model returned on the same run.
    layer : str or None
        The layer's path; None for the input.
    notes : tuple of str
        What the reader of a picture made of it should know.
    """

    gradients: Array
    values: Array
    scores: Array
    outputs: Outputs
    layer: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What the model says of one sample: class index, its label, and its probability where the output is one."""

    index: int
    label: str
    probability: float | None


class ModelAdapter(ABC):
    """A model, as plugins see it.

    Subclasses answer for one sort of model. They implement `outputs` and whatever else the model can answer, and name
    that in `capabilities`; the look-up of layers and the reading of outputs live here.

    Parameters
    ----------
    name : str
        What to call the model in messages and titles.
    preprocess, labels, batch_size, image_size
        See `vizcnn.adapt`.

    Attributes
    ----------
    origin : str
        What the model is, or what its file is and who wrote it.
    repairs : tuple of str
        What had to be repaired in that file.
    """

    origin: str = "a model"
    repairs: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        *,
        preprocess: str | Callable[[Array], Any] | None = None,
        labels: Any = None,
        batch_size: int | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        size: Any = batch_size
        if size is not None and (not isinstance(size, int | np.integer) or size < 1):
            raise OptionError(f"`batch_size` must be a positive integer or None; got {batch_size!r}.")
        if image_size is not None and (len(tuple(image_size)) != 2 or min(image_size) < 1):
            raise OptionError(f"`image_size` must be (height, width) in pixels; got {image_size!r}.")
        self.name = name
        self.preprocess = resolve_preprocess(preprocess)
        self.labels: tuple[str, ...] | None = read_labels(labels)
        self.image_size = image_size
        self._batch_size = batch_size

    # What a subclass answers ------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def capabilities(self) -> frozenset[str]:
        """Which of "outputs", "scores", "layers", "kernels", "activations", "gradients" and "ascent" this model can answer."""

    @property
    @abstractmethod
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every layer that computes, nested ones too, in the order in which the model holds them."""

    @property
    def connections(self) -> tuple[tuple[str, str], ...]:
        """Which layer feeds which: pairs (from, to) of paths.

        Where a layer is called again, that call is a ``path[1]`` of its own, so the graph has no circles. A layer that only
        holds others is left out for those inside it. The model's inputs and outputs take part as ``<name>``
        (`end_of_model`). Unless an adapter knows better, each layer feeds the next one.
        """
        first = [end_of_model(name) for name in self.input_shapes] or [end_of_model("input")]
        chain = [info.path for info in self.layers if not info.is_container]
        ends = [end_of_model(name) for name in self.output_shapes]
        sources = [first, *([path] for path in chain)]
        targets = [*([path] for path in chain), ends]
        return tuple((a, b) for froms, tos in zip(sources, targets, strict=True) for a in froms for b in tos)

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape (H, W, C) of one input, None where open; () while nothing is known.

        Of a model of signals it is (T, C), of one of volumes (D, H, W, C).
        """

    @property
    def input_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Shape of each input for one sample (without the batch axis), by the input's name; empty while nothing is known."""
        return {"input": self.input_shape} if self.input_shape else {}

    @property
    def num_params(self) -> int:
        """How many weights the model has, shared ones counted once."""
        return sum(info.num_params for info in self.layers if info.depth == 0)

    @property
    @abstractmethod
    def output_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Shape of each output for one sample (without the batch axis), by the output's name."""

    @abstractmethod
    def output_activation(self, output: str) -> str | None:
        """Return "softmax", "sigmoid" or None: the activation that the output of that name ends in."""

    @abstractmethod
    def outputs(self, inputs: Array) -> Outputs:
        """Return what the model returns for a batch (N, H, W, C), one array an output, in the order of `output_shapes`."""

    @abstractmethod
    def scores(self, inputs: Array, target: Any = None) -> Array:
        """Return one score per sample, shape (N,)."""

    def evaluate(self, inputs: Array, target: Any = None) -> tuple[Array, Outputs]:
        """Return the scores and what the model returns, from one run where the adapter can."""
        return self.scores(inputs, target), self.outputs(inputs)

    def kernels(self, layer: Any) -> Array:
        """Return the weights of a convolution, shape (kh, kw, C, K)."""
        raise NotImplementedError

    def activations(self, inputs: Array, layers: Sequence[Any]) -> dict[str, Array]:
        """Return the outputs of `layers` by path, computing nothing past the last one."""
        raise NotImplementedError

    def gradients(self, inputs: Array, target: Any = None, *, of: Any = None, rule: str = "vanilla") -> Gradients:
        """Return d score / d input, or / d the output of layer `of`, with that output."""
        raise NotImplementedError

    def ascend(
        self,
        score: Score,
        shape: tuple[int, int, int],
        *,
        steps: int,
        seed: int = 0,
        optimizer: Any = None,
        **plan: Any,
    ) -> Iterator[tuple[Array, Array]]:
        """Raise the score by changing the input; see `vizcnn.adapter.ascent`."""
        raise NotImplementedError

    @property
    def input_range(self) -> tuple[float, float] | None:
        """Lowest and highest value that the model's inputs take, as far as that is known."""
        return self.preprocess.output_range if self.preprocess is not None else None

    def prepare(self, sample_shape: tuple[int, ...]) -> None:
        """Get ready for inputs of shape (H, W, C); for models whose layers are only made when they see an input."""
        del sample_shape  # most models are ready

    def batch_size_for(self, sample_shape: tuple[int, ...]) -> int:
        """Return how many samples of that shape (H, W, C) go through the model at once."""
        return self._batch_size or 32

    # What follows from it ---------------------------------------------------------------------------------------------

    def layer(self, layer: Any) -> LayerInfo:
        """Return the layer that a path, a name or a layer object means.

        A name is enough where it is unique. ``name[1]`` is the second call of a layer that is called more than once; the
        call's number stays in the returned path.

        Returns
        -------
        LayerInfo

        Raises
        ------
        LayerError
            If there is none, or several of that name.
        """
        if not self.layers:
            raise LayerError(f"`layer` must name a layer, and model {self.name!r} shows none; got {layer!r}.")
        path, call = split_call(getattr(layer, "path", None) if isinstance(layer, LayerInfo) else layer)
        by_path = {info.path: info for info in self.layers}
        found = [by_path[path]] if path in by_path else [info for info in self.layers if info.name == path]
        if len(found) == 1:
            return found[0] if call is None else _with_path(found[0], f"{found[0].path}[{call}]")
        if found:
            raise LayerError(
                f"`layer` {path!r} is the name of {len(found)} layers of model {self.name!r}; give the path of one: "
                f"{listed(info.path for info in found)}."
            )
        maps = [info.path for info in self.layers if info.is_spatial and not info.is_container]
        raise LayerError(
            f"`layer` must name a layer of model {self.name!r}; got {layer!r}."
            f"{did_you_mean(path, [*by_path, *(info.name for info in self.layers)])} "
            f"Layers with feature maps: {listed(maps)}."
        )

    def output_name(self, output: str | int | None) -> str:
        """Return the name of an output given by name or position; None is the only one, or the first.

        Returns
        -------
        str

        Raises
        ------
        OptionError
            If there is no such output.
        """
        names = list(self.output_shapes)
        if output is None:
            return names[0]
        if isinstance(output, int) and not isinstance(output, bool) and -len(names) <= output < len(names):
            return names[output]
        if output in names:
            return str(output)
        hint = did_you_mean(output, names)
        raise OptionError(f"`output` must be one of {listed(names)} or its position; got {output!r}.{hint}")

    def num_classes(self, output: str | int | None = None) -> int:
        """Return how many classes an output tells apart: its last axis, or two where that is a single sigmoid unit."""
        name = self.output_name(output)
        units = self.output_shapes[name][-1:] or (1,)
        if units[0] == 1 and self.output_activation(name) == "sigmoid":
            return 2
        return int(units[0] or 0)

    def label(self, index: int) -> str:
        """Return the name of class `index`, or ``class 3`` where there is none."""
        return self.labels[index] if self.labels and index < len(self.labels) else f"class {index}"

    def predictions(self, outputs: Outputs, output: str | int | None = None) -> list[Prediction]:
        """Read the predicted class of each sample off what the model returned; maps are averaged over their positions."""
        return self.named_predictions(*self.class_values(outputs, output))

    def named_predictions(self, indices: Array, values: Array, probable: bool) -> list[Prediction]:
        """Return what `class_values` found as predictions with labels."""
        return [
            Prediction(int(i), self.label(int(i)), float(row[i]) if probable else None)
            for i, row in zip(indices, values, strict=True)
        ]

    def class_values(self, outputs: Outputs, output: str | int | None = None) -> tuple[Array, Array, bool]:
        """Return the predicted classes (N,), each class's value (N, K), and whether those are probabilities."""
        name = self.output_name(output)
        values = outputs[list(self.output_shapes).index(name)]
        values = values.reshape(len(values), -1, values.shape[-1]).mean(axis=1) if values.ndim > 1 else values[:, None]
        activation = self.output_activation(name)
        if values.shape[-1] == 1 and activation == "sigmoid":
            values = np.concatenate([1 - values, values], axis=1)
        probable = activation is not None or looks_like_probabilities(values)
        return values.argmax(axis=1), values, probable


def end_of_model(name: str) -> str:
    """Return how `ModelAdapter.connections` writes an input or output of the model."""
    return f"<{name}>"


def looks_like_probabilities(values: Array, *, atol: float = 2e-3) -> bool:
    """Tell whether rows of (N, K) are distributions over two classes or more."""
    return bool(
        values.shape[-1] > 1 and (values >= 0).all() and np.allclose(values.sum(axis=-1), 1.0, rtol=0, atol=atol)
    )


def check_rule(rule: Any) -> str:
    """Return the gradient rule that a name means."""
    if rule not in RULES:
        raise OptionError(f"`rule` must be one of {listed(RULES)}; got {rule!r}.{did_you_mean(rule, RULES)}")
    return RULES[rule]


def split_call(layer: Any) -> tuple[str, int | None]:
    """Take ``conv[1]`` apart into the path and the number of the call."""
    if not isinstance(layer, str):
        raise LayerError(f"`layer` must be a layer's path or name; got {layer!r}.")
    if layer.endswith("]") and "[" in layer:
        path, _, number = layer[:-1].rpartition("[")
        if number.isdigit():
            return path, int(number)
    return layer, None


def slices(count: int, size: int) -> Iterable[slice]:
    """Yield slices of at most `size` that cover `count` samples."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _with_path(info: LayerInfo, path: str) -> LayerInfo:
    return replace(info, path=path)
