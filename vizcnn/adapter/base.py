"""What a plugin may ask of a model. Every answer is float32 NumPy, channels last, batch first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vizcnn.adapter.changed import Arrays, Change, Changed, Formula, PlainSteps, Question, Steps, run
from vizcnn.adapter.heads import Head, Traits, last_axis, read_head, remarks, warnings
from vizcnn.adapter.input_scaling import InputScaling
from vizcnn.adapter.labels import read_labels
from vizcnn.adapter.losses import task_by_name
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.errors import LayerError, OptionError, VizcnnError, did_you_mean, listed, warn
from vizcnn.inputs.pixels import Decoding
from vizcnn.targets import resolve

if TYPE_CHECKING:
    from vizcnn.adapter.placement import Placement
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

    Examples
    --------
    >>> import vizcnn as vz
    >>> info = vz.assets.digits_cnn().layer("conv1")
    >>> info.kind, info.output_shape, info.activation, info.num_params
    ('Conv2D', (None, 28, 28, 16), 'relu', 160)
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

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn = vz.assets.digits_cnn()
    >>> inputs = vz.inputs.load(vz.assets.digits()[3], cnn.input_shape).inputs(slice(None))
    >>> taken = cnn.gradients(inputs, "3", of="conv5")
    >>> taken.layer, taken.gradients.shape, taken.scores.shape
    ('conv5', (1, 14, 14, 64), (1,))
    """

    gradients: Array
    values: Array
    scores: Array
    outputs: Outputs
    layer: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What the model says of one sample.

    Attributes
    ----------
    index : int or None
        The class with the highest value; None where the output holds no classes (a regression, coordinates).
    label : str
        Its label; ``class 3`` where the model has none, of a number the name of the output.
    probability : float or None
        Its probability, 0 to 1, where the output is one.

    Examples
    --------
    >>> import vizcnn as vz
    >>> predicted = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3]).predictions[0]
    >>> predicted.index, predicted.label, round(predicted.probability, 2)
    (3, '3', 1.0)
    """

    index: int | None
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
    preprocess, labels, batch_size, image_size, num_runs, decoding
        See `vizcnn.adapt`.

    Attributes
    ----------
    origin : str
        What the model is, or what its file is and who wrote it.
    repairs : tuple of str
        What had to be repaired in that file.

    Examples
    --------
    >>> import vizcnn as vz
    >>> def first_pixel(inputs):  # (N, H, W, C) to (N, C)
    ...     return inputs[:, 0, 0]
    >>> model = vz.adapt(first_pixel, input_shape=(8, 8, 2), labels=["red", "green"])
    >>> isinstance(model, vz.ModelAdapter), model.name, sorted(model.capabilities)
    (True, 'first_pixel', ['outputs', 'scores'])
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
        num_runs: int | None = None,
        decoding: Decoding | None = None,
        token_grid: tuple[int, int] | None = None,
    ) -> None:
        size: Any = batch_size
        if size is not None and (not isinstance(size, int | np.integer) or size < 1):
            raise OptionError(f"`batch_size` must be a positive integer or None; got {batch_size!r}.")
        runs: Any = num_runs
        if runs is not None and (isinstance(runs, bool) or not isinstance(runs, int | np.integer) or runs < 1):
            raise OptionError(f"`num_runs` must be a positive integer or None; got {num_runs!r}.")
        if image_size is not None and (len(tuple(image_size)) != 2 or min(image_size) < 1):
            raise OptionError(f"`image_size` must be (height, width) in pixels; got {image_size!r}.")
        if token_grid is not None and (len(tuple(token_grid)) != 2 or min(token_grid) < 1):
            raise OptionError(f"`token_grid` must be (rows, columns) of patches; got {token_grid!r}.")
        self.token_grid = None if token_grid is None else (int(token_grid[0]), int(token_grid[1]))
        self.name = name
        self.preprocess = resolve_preprocess(preprocess)
        self.labels: tuple[str, ...] | None = read_labels(labels)
        if decoding is not None and not isinstance(decoding, Decoding):
            raise OptionError(f"`decoding` must be a vizcnn.inputs.Decoding or None; got {decoding!r}.")
        self.image_size = image_size
        self.decoding = decoding
        self.num_runs = num_runs or 1
        self._batch_size = batch_size
        self._notes: dict[str, None] = {}
        self._heads: dict[tuple[str, tuple[str, ...] | None, Traits], Head] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of any picture of this model should know; running it may add to them."""
        return tuple(self._notes)

    def add_note(self, text: str, *, quiet: bool = False) -> None:
        """Keep a note for all results of this model, and warn of it the first time.

        Parameters
        ----------
        text : str
            The note, whole sentences.
        quiet : bool, default False
            Give no warning: it says how something was understood, and nothing needs to be done.

        Examples
        --------
        >>> import vizcnn as vz, warnings
        >>> cnn = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2))
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     for _ in range(2):
        ...         cnn.add_note("Its weights are random.")
        >>> cnn.notes, len(caught)
        (('Its weights are random.',), 1)
        """
        if text not in self._notes:
            self._notes[text] = None
            if not quiet:
                warn([text])

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
        """Return the activation that an output ends in.

        Parameters
        ----------
        output : str
            The output's name, one of `output_shapes`.

        Returns
        -------
        str or None
            "softmax" or "sigmoid"; None where it ends in another one, or in none.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().output_activation("output")
        'softmax'
        """

    def output_traits(self, output: str) -> Traits:
        """Return what is known of an output before its classes have names; adapters that know more say so.

        Parameters
        ----------
        output : str
            The output's name, one of `output_shapes`.

        Returns
        -------
        vizcnn.adapter.heads.Traits
            Here: its activation, and the last axis for that of the units.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().output_traits("output").num_classes
        10
        """
        shape = (None, *self.output_shapes[output])
        return Traits(self.output_activation(output), last_axis(shape), shape, task=task_by_name(output))

    @abstractmethod
    def outputs(self, inputs: Array) -> Outputs:
        """Return what the model returns for a batch.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.

        Returns
        -------
        tuple of ndarray
            One array an output, with N rows, in the order of `output_shapes`.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2))
        >>> model.outputs(np.ones((3, 8, 8, 2)))[0].tolist()
        [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
        """

    @abstractmethod
    def scores(self, inputs: Array, target: Any = None) -> Array:
        """Return one score per sample.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            Any form that `vizcnn.targets.resolve` takes, default None: the class that the model predicts.

        Returns
        -------
        ndarray of float32, shape (N,)
            Logits, where the target is a class and the adapter knows them.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2))
        >>> inputs = np.zeros((1, 8, 8, 2))
        >>> inputs[0, 0, 0] = 5, 7
        >>> model.scores(inputs, 0).tolist(), model.scores(inputs).tolist()
        ([5.0], [7.0])
        """

    def evaluate(self, inputs: Array, target: Any = None) -> tuple[Array, Outputs]:
        """Return the scores and what the model returns, from one run where the adapter can.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.

        Returns
        -------
        (ndarray, tuple of ndarray)
            As `scores` and `outputs` return them.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2))
        >>> scores, outputs = model.evaluate(np.ones((3, 8, 8, 2)), target=1)
        >>> scores.tolist(), outputs[0].shape
        ([1.0, 1.0, 1.0], (3, 2))
        """
        return self.scores(inputs, target), self.outputs(inputs)

    def kernels(self, layer: Any) -> Array:
        """Return the weights of a convolution.

        Parameters
        ----------
        layer : str, LayerInfo or Layer
            As `layer` takes it.

        Returns
        -------
        ndarray of float32, shape (kh, kw, C, K)

        Raises
        ------
        LayerError
            If there is no such layer, or it has no kernels.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().kernels("conv1").shape
        (3, 3, 1, 16)
        """
        raise NotImplementedError

    def activations(self, inputs: Array, layers: Sequence[Any]) -> dict[str, Array]:
        """Return the outputs of layers, computing nothing past the last one.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        layers : sequence of str
            Paths or names.

        Returns
        -------
        dict of str to ndarray of float32, shape (N, ..., K)
            By path.

        Raises
        ------
        LayerError
            If there is no such layer.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> maps = vz.assets.digits_cnn().activations(np.zeros((2, 28, 28, 1)), ["conv1", "average"])
        >>> {path: values.shape for path, values in maps.items()}
        {'conv1': (2, 28, 28, 16), 'average': (2, 64)}
        """
        raise NotImplementedError

    def gradients(self, inputs: Array, target: Any = None, *, of: Any = None, rule: str = "vanilla") -> Gradients:
        """Return the gradient of each sample's score by its input, or by the output of a layer.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.
        of : str or Layer, default None
            What to differentiate by: a layer's output; None: the input; `LAST_SPATIAL`: the last map.
        rule : {"vanilla", "guided", "relu"}, default "vanilla"
            What ReLU does to the gradient; see `vizcnn.saliency`.

        Returns
        -------
        Gradients
            With what was differentiated by, and the scores and outputs of the same run.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> taken = vz.assets.digits_cnn().gradients(np.zeros((2, 28, 28, 1)), target="3")
        >>> taken.gradients.shape, taken.scores.shape, taken.layer
        ((2, 28, 28, 1), (2,), None)
        """
        raise NotImplementedError

    def changed_scores(
        self,
        inputs: Array,
        target: Any,
        change: Change,
        *,
        companions: Arrays | None = None,
        sums: Mapping[str, Formula] | None = None,
        each: Mapping[str, Formula] | None = None,
    ) -> Changed:
        """Return the scores of many changed copies of each image, and sums over them.

        A predicted class is the one predicted of the unchanged image, whatever the copies are taken for. Memory holds one batch
        of copies, however many there are.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.
        change : vizcnn.adapter.changed.Change
            How the images are changed, and how many copies are made of each.
        companions : mapping of str to ndarray, default None
            By name what belongs to each image, N rows each: baselines, labels of segments, activation maps.
        sums : mapping of str to callable, default None
            Formulas ``formula(xp, copies)`` of what is summed over the copies of an image, one row per copy. They are known by
            what they equal: functions of a module, or frozen dataclasses with a ``__call__``.
        each : mapping of str to callable, default None
            Formulas of what is kept of each copy, beside its score.

        Returns
        -------
        vizcnn.adapter.changed.Changed
            With the scores and outputs of the unchanged images.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> from vizcnn.adapter.changed import Change
        >>> def row_hidden(xp, images, companions, numbers):
        ...     rows = xp.arange(images.shape[1])[None, :, None, None]
        ...     return xp.where(rows == xp.reshape(numbers["row"], (-1, 1, 1, 1)), 0.0, images)
        >>> change = Change("row hidden", 28, lambda part: {"row": np.arange(28)[part]}, row_hidden)
        >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
        >>> inputs = vz.inputs.load([digits[1], digits[7]], cnn.input_shape).inputs(slice(None))
        >>> changed = cnn.changed_scores(inputs, None, change)
        >>> changed.copy_scores.shape, changed.score.classes
        ((2, 28), (1, 7))
        """
        return self._changed(inputs, target, companions, change=change, sums=sums, each=each)

    def changed_gradients(
        self,
        inputs: Array,
        target: Any,
        change: Change,
        *,
        sums: Mapping[str, Formula],
        companions: Arrays | None = None,
        each: Mapping[str, Formula] | None = None,
        of: Any = None,
        rule: str = "vanilla",
    ) -> Changed:
        """Return sums over the gradients of many changed copies of each image.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.
        change : vizcnn.adapter.changed.Change
            How the images are changed, and how many copies are made of each.
        sums : mapping of str to callable
            As `changed_scores` takes them; ``copies.gradients`` holds the gradients.
        companions, each : default None
            As `changed_scores` takes them.
        of : str or Layer, default None
            What to differentiate by: a layer's output; None: the changed image.
        rule : {"vanilla", "guided", "relu"}, default "vanilla"
            What ReLU does to the gradient; see `vizcnn.saliency`.

        Returns
        -------
        vizcnn.adapter.changed.Changed

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> from vizcnn.adapter.changed import Change
        >>> def along(xp, images, companions, numbers):
        ...     return images * xp.reshape(numbers["alpha"], (-1, 1, 1, 1))
        >>> def gradient(xp, copies):
        ...     return copies.gradients
        >>> alphas = (np.arange(8, dtype=np.float32) + 0.5) / 8
        >>> path = Change("from black", 8, lambda part: {"alpha": alphas[part]}, along)
        >>> cnn = vz.assets.digits_cnn()
        >>> inputs = vz.inputs.load(vz.assets.digits()[3], cnn.input_shape).inputs(slice(None))
        >>> changed = cnn.changed_gradients(inputs, "3", path, sums={"gradient": gradient})
        >>> integrated = inputs * changed.sums["gradient"] / 8
        >>> gap = integrated.sum() - (changed.scores - cnn.scores(0 * inputs, changed.score))
        >>> bool(abs(gap[0]) < 0.1 * changed.scores[0])  # complete, but for the steps that were left out
        True
        """
        asked = {"change": change, "sums": sums, "each": each, "rule": check_rule(rule)}
        path = of if of in (None, LAST_SPATIAL) else self.layer(of).path
        return self._changed(inputs, target, companions, differentiates=True, of=path, **asked)

    def _changed(self, inputs: Array, target: Any, companions: Arrays | None, **asked: Any) -> Changed:
        inputs = np.asarray(inputs, dtype=np.float32)
        self.prepare(inputs.shape[1:])
        score = resolve(target, self, len(inputs))
        question = Question.checked(inputs, companions, score=score, **asked)
        return run(self, question, self._steps())

    def _steps(self) -> Steps:
        """Return what runs batches of changed copies; an adapter that can compile them has its own."""
        return PlainSteps(self)

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
        """Raise the score by changing the input; see `vizcnn.adapter.keras.ascent`.

        Parameters
        ----------
        score : Score
            What is to rise, one image per sample.
        shape : (int, int, int)
            Shape (H, W, C) of an image.
        steps : int
            How many steps.
        seed : int, default 0
            Seed of the start and of the transforms.
        optimizer : default None
            What makes the steps; None: as the adapter has it.
        **plan
            `parametrization`, `penalties`, `modifiers` and `transforms` of a `vizcnn.adapter.keras.ascent.Plan`, all four.

        Returns
        -------
        iterator of (ndarray, ndarray)
            Before each step the images (N, H, W, C) in 0..1 and their scores (N,); last the images, and scores of NaN.

        Examples
        --------
        >>> import vizcnn as vz
        >>> from vizcnn.transforms import NONE
        >>> cnn = vz.assets.digits_cnn()
        >>> plan = {"parametrization": "pixel", "penalties": (), "modifiers": (), "transforms": NONE}
        >>> made = cnn.ascend(vz.targets.Class("3").score(cnn, 1), (28, 28, 1), steps=2, **plan)
        >>> [images.shape for images, scores in made]
        [(1, 28, 28, 1), (1, 28, 28, 1), (1, 28, 28, 1)]
        """
        raise NotImplementedError

    def placement(self, layer: str, shape: tuple[int, ...], sample_shape: tuple[int, ...]) -> Placement | None:
        """Tell where the cells of a layer's map lie in the input.

        Parameters
        ----------
        layer : str
            The layer's path.
        shape : tuple of int
            Shape of its map, (h, w) or (h, w, K).
        sample_shape : tuple of int
            Shape (H, W, C) of one input.

        Returns
        -------
        Placement or None
            None where the map, stretched over the whole input, lies where it belongs to half a cell.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().placement("conv5", (14, 14), (28, 28, 1)) is None
        True
        """
        del layer, shape, sample_shape  # an adapter that knows better says so
        return None

    @property
    def input_range(self) -> tuple[float, float] | None:
        """Lowest and highest value that the model's inputs take, as far as that is known.

        Of `preprocess` what black and white become; without one what the model's own scaling is made for.
        """
        if self.preprocess is not None:
            return self.preprocess.output_range
        return self.input_scaling.range if self.input_scaling is not None else None

    @property
    def input_scaling(self) -> InputScaling | None:
        """What the model itself does to its inputs before its first weights; None where it does nothing that can be seen."""
        return None

    def prepare(self, sample_shape: tuple[int, ...]) -> None:
        """Get ready for inputs of a shape; for models whose layers are only made when they see an input.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape (H, W, C) of one input.

        Examples
        --------
        >>> import vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0])
        >>> model.prepare((8, 8, 2))
        >>> dict(model.output_shapes)
        {'output': (2,)}
        """
        del sample_shape  # most models are ready

    def batch_size_for(self, sample_shape: tuple[int, ...]) -> int:
        """Return how many samples go through the model at once.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape (H, W, C) of one input.

        Returns
        -------
        int
            The `batch_size` that the adapter was given; where it was given none, 32 or what the adapter finds.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.adapt(lambda inputs: inputs[:, 0, 0]).batch_size_for((8, 8, 2))
        32
        """
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

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().layer("conv5").output_shape
        (None, 14, 14, 64)
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
        """Return the name of an output given by name or position; None is the only one, or that of the classes.

        Of several outputs that is the first that the names of classes fit; without names the first, but for features beside
        probabilities (many numbers that no softmax or sigmoid makes).

        Returns
        -------
        str

        Raises
        ------
        OptionError
            If there is no such output.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(
        ...     lambda inputs: {"kind": inputs[:, 0, 0], "age": inputs[:, 0, 0, :1]}, input_shape=(8, 8, 2)
        ... )
        >>> model.prepare((8, 8, 2))
        >>> model.output_name(None), model.output_name(1)
        ('kind', 'age')
        """
        names = list(self.output_shapes)
        if output is None:
            return names[0] if len(names) == 1 else self._main_output(names)
        if isinstance(output, int) and not isinstance(output, bool) and -len(names) <= output < len(names):
            return names[output]
        if output in names:
            return str(output)
        hint = did_you_mean(output, names)
        raise OptionError(f"`output` must be one of {listed(names)} or its position; got {output!r}.{hint}")

    def num_classes(self, output: str | int | None = None) -> int:
        """Return how many classes an output tells apart: its units, or two where a single unit tells two classes apart.

        Parameters
        ----------
        output : str or int, default None
            The output, by name or position; None: the first.

        Returns
        -------
        int

        Raises
        ------
        OptionError
            If there is no such output.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().num_classes()
        10
        """
        return self.head(self.output_name(output)).num_classes

    def head(self, output: str) -> Head:
        """Return how an output is read: its classes and their names, or that it holds none.

        Parameters
        ----------
        output : str
            The output's name, one of `output_shapes`.

        Returns
        -------
        vizcnn.adapter.heads.Head

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().head("output").names[:3]
        ('0', '1', '2')
        """
        own = self.output_traits(output)
        key = output, self.labels, own
        if key not in self._heads:
            traits = {name: own if name == output else self.output_traits(name) for name in self.output_shapes}
            head, said = read_head(output, traits, self.labels)
            for text in (*said, *warnings(own, head)):
                self.add_note(f"Model {self.name!r}: {text}")
            for text in remarks(own, head):
                self.add_note(f"Model {self.name!r}: {text}", quiet=True)
            self._heads[key] = head
        return self._heads[key]

    def _main_output(self, names: Sequence[str]) -> str:
        """Return the output of the classes, of several."""
        try:
            traits = {name: self.output_traits(name) for name in names}
        except VizcnnError:  # too little is known of the model yet
            return names[0]
        count = len(self.labels or ())
        probable = any(own.activation is not None for own in traits.values())
        told = [name for name, own in traits.items() if own.units == 1 or own.activation is not None or not probable]
        fitting = [name for name in told if count and traits[name].num_classes == count]
        return (fitting or told)[0]

    def label(self, index: int, output: str | None = None) -> str:
        """Return the name of class `index`, or ``class 3`` where there is none.

        Parameters
        ----------
        index : int
            The class, from 0 on.
        output : str, default None
            Of which output; None: as `labels` has it, whatever the outputs are.

        Returns
        -------
        str

        Examples
        --------
        >>> import vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], labels=["cat", "dog"])
        >>> model.label(1), model.label(2)
        ('dog', 'class 2')
        """
        names = (self.labels or ()) if output is None else self.head(output).names
        return names[index] if index < len(names) else f"class {index}"

    def predictions(self, outputs: Outputs, output: str | int | None = None) -> list[Prediction]:
        """Read the predicted class of each sample off what the model returned; maps are averaged over their positions.

        Parameters
        ----------
        outputs : tuple of ndarray
            As `outputs` returns them.
        output : str or int, default None
            The output, by name or position; None: the first.

        Returns
        -------
        list of Prediction, N of them

        Raises
        ------
        OptionError
            If there is no such output.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> probabilities = np.full((1, 10), 0.0625)
        >>> probabilities[0, 4] = 0.4375
        >>> cnn.predictions((probabilities,))
        [Prediction(index=4, label='4', probability=0.4375)]
        """
        return self.named_predictions(*self.class_values(outputs, output), output=output)

    def named_predictions(
        self, indices: Array, values: Array, probable: bool, *, output: str | int | None = None
    ) -> list[Prediction]:
        """Return what `class_values` found as predictions with labels.

        Parameters
        ----------
        indices : ndarray of int, shape (N,)
            The predicted classes.
        values : ndarray, shape (N, K)
            Each class's value.
        probable : bool
            Whether those are probabilities.
        output : str or int, default None
            The output, by name or position; None: that of the classes.

        Returns
        -------
        list of Prediction, N of them

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], labels=["cat", "dog"], input_shape=(8, 8, 2))
        >>> model.named_predictions(np.array([1]), np.array([[0.25, 0.75]]), True)
        [Prediction(index=1, label='dog', probability=0.75)]
        """
        head = self.head(self.output_name(output))
        return [
            Prediction(int(i) if head.is_classes else None, head.names[int(i)], float(row[i]) if probable else None)
            for i, row in zip(indices, values, strict=True)
        ]

    def class_values(self, outputs: Outputs, output: str | int | None = None) -> tuple[Array, Array, bool]:
        """Return the predicted classes, each class's value, and whether those are probabilities.

        Parameters
        ----------
        outputs : tuple of ndarray
            As `outputs` returns them.
        output : str or int, default None
            The output, by name or position; None: the first.

        Returns
        -------
        (ndarray of int, ndarray, bool)
            The classes (N,), of a map of one object always that object; the values (N, K), maps averaged over their positions,
            and of a single unit those of both its classes; whether they are probabilities.

        Raises
        ------
        OptionError
            If there is no such output.

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> unit = keras.layers.Dense(1, activation="sigmoid")
        >>> model = vz.adapt(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), unit]))
        >>> indices, values, probable = model.class_values((np.array([[0.75]]),))
        >>> indices.tolist(), values.tolist(), probable
        ([1], [[0.25, 0.75]], True)
        """
        name = self.output_name(output)
        head = self.head(name)
        values = head.values(np, outputs[list(self.output_shapes).index(name)])
        probable = head.is_classes and (head.activation is not None or looks_like_probabilities(values))
        return head.predicted(np, values), values, probable


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
