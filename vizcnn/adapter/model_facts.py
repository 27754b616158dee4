"""What is known of a model without asking it about an image: settings, notes, layers, shapes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.input_scaling import InputScaling
from vizcnn.adapter.labels import read_labels
from vizcnn.adapter.layers import LayerInfo, find_layer, io_node
from vizcnn.adapter.predictions import OutputReader
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.aliases import renamed
from vizcnn.errors import OptionError
from vizcnn.inputs import ImageSet, load
from vizcnn.inputs.decoding import Decoding
from vizcnn.inputs.preprocessing import Preprocess


class ModelFacts(OutputReader):
    """A model before it is shown anything.

    Parameters
    ----------
    name : str
        What to call the model in messages and titles.
    preprocess, labels, batch_size, image_size, num_runs, decoding, token_grid
        See `vizcnn.adapt`.

    Attributes
    ----------
    packages : tuple of str
        Packages that run it: the framework or the runtime.
    fixed_inputs : mapping of (int or str) to ndarray, shape (1, ...)
        Values of the inputs that aren't explained, by their positions or names.
    """

    packages: tuple[str, ...] = ()
    fixed_inputs: Mapping[Any, Array] = MappingProxyType({})
    source: str = "a model"
    origin = renamed("origin", "source")
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
        super().__init__(name, read_labels(labels))
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
        self.preprocess = resolve_preprocess(preprocess)
        if decoding is not None and not isinstance(decoding, Decoding):
            raise OptionError(f"`decoding` must be a vizcnn.inputs.Decoding or None; got {decoding!r}.")
        self.image_size = image_size
        self.decoding = decoding
        self.num_runs = num_runs or 1
        self._batch_size = batch_size

    @property
    @abstractmethod
    def capabilities(self) -> frozenset[str]:
        """What it can answer.

        Of "outputs", "scores", "layers", "kernels", "activations", "gradients", "biases", "attention", "receptive fields",
        "ascent" and "reinitialization".
        """

    @property
    @abstractmethod
    def layers(self) -> tuple[LayerInfo, ...]:
        """Every layer that computes, nested ones too, in the order in which the model holds them."""

    @property
    def connections(self) -> tuple[tuple[str, str], ...]:
        """Which layer feeds which: pairs (from, to) of paths.

        Where a layer is called again, that call is a ``path[1]`` of its own, so the graph has no circles. A layer that only
        holds others is left out for those inside it. The model's inputs and outputs take part as ``<name>``
        (`io_node`). Unless an adapter knows better, each layer feeds the next one.
        """
        first = [io_node(name) for name in self.input_shapes] or [io_node("input")]
        chain = [info.path for info in self.layers if not info.is_container]
        outputs = [io_node(name) for name in self.output_shapes]
        sources = [first, *([path] for path in chain)]
        targets = [*([path] for path in chain), outputs]
        return tuple((a, b) for froms, tos in zip(sources, targets, strict=True) for a in froms for b in tos)

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape (H, W, C) of one input, None where open; () while nothing is known.

        Of a model of signals it is (T, C), of one of volumes (D, H, W, C), of one of video (T, H, W, C).
        """

    @property
    def is_video(self) -> bool:
        """Whether inputs of four axes are clips (T, H, W, C) and no volumes: told by their colors, which scans don't have."""
        return len(self.input_shape) == 4 and self.input_shape[3] in (3, 4)

    @property
    def shown_shape(self) -> tuple[int | None, ...]:
        """Shape of the last inputs that it was made ready for, where that is known; else `input_shape`."""
        return self.input_shape

    @property
    def input_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Shape of each input for one sample (without the batch axis), by the input's name; empty while nothing is known."""
        return {"input": self.input_shape} if self.input_shape else {}

    @property
    def num_params(self) -> int:
        """How many weights the model has, shared ones counted once."""
        return sum(info.num_params for info in self.layers if info.depth == 0)

    @property
    def pixel_preprocess(self) -> Preprocess | None:
        """What becomes of pixels: `preprocess`; None where it is about the size of pictures alone."""
        return self.preprocess if self.preprocess is not None and self.preprocess.steps else None

    @property
    def input_range(self) -> tuple[float, float] | None:
        """Lowest and highest value that the model's inputs take, as far as that is known.

        Of `preprocess` what black and white become; without one what the model's own scaling is made for.
        """
        if self.pixel_preprocess is not None:
            return self.pixel_preprocess.output_range
        return self.input_scaling.range if self.input_scaling is not None else None

    @property
    def input_scaling(self) -> InputScaling | None:
        """What the model itself does to its inputs before its first weights; None where it does nothing that can be seen."""
        return None

    def fingerprint(self) -> Hashable:
        """Return what tells the model as it is now from what it becomes when it trains on; for this adapter alone.

        Returns
        -------
        hashable
            Equal for as long as its weights are. None where it has none that could change, or hides them.

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3)])
        >>> adapter = vz.adapt(model)
        >>> before = adapter.fingerprint()
        >>> model.set_weights([weights + 1 for weights in model.get_weights()])
        >>> adapter.fingerprint() == before
        False
        """
        return None

    def normalized_moments(self, inputs: Array) -> Array | None:
        """Return mean and mean square of each image's normalized values, where the model remembers what they were in training.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.

        Returns
        -------
        ndarray of float64, shape (N, K, 2), or None
            Of K channels: over the images of training they were zero and one. None where the model remembers nothing.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2)).normalized_moments(np.ones((1, 8, 8, 2)))
        """
        del inputs
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

    def load_images(self, images: Any, shape: Sequence[int | None] | None = None) -> ImageSet:
        """Load images as the model takes them.

        Parameters
        ----------
        images : path, image, array of shape (N, H, W, C), or a list
            The images.
        shape : sequence of (int or None), default None
            Shape (H, W, C) that they are brought to. None: `input_shape`.

        Returns
        -------
        ImageSet

        Raises
        ------
        InputError
            If they can't be read, or don't fit the model.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().load_images(vz.assets.digits()).sample_shape
        (28, 28, 1)
        """
        return load(
            images,
            self.input_shape if shape is None else shape,
            preprocess=self.preprocess,
            image_size=self.image_size,
            decoding=self.decoding,
        )

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
        return find_layer(layer, self.layers, self.name)
