"""Attributions: how much each pixel of an image spoke for a target.

Long by the docstrings of its public methods; cutting, joining, panels, tables and the class map stand in modules beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isnan
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from vizcnn.adapter.base import Prediction
from vizcnn.algorithms.reduction import one_per_place
from vizcnn.algorithms.trust import Trust, is_of_trust
from vizcnn.errors import Note, OptionError, ResultError
from vizcnn.files import ANIMATIONS
from vizcnn.inputs import Geometry
from vizcnn.notes import noted, notes_of_part
from vizcnn.render.keywords import takes_style
from vizcnn.render.style import MAP_STYLES, NOTEBOOK, MapStyle
from vizcnn.results.base import Result
from vizcnn.results.checks import Shapes, check_images
from vizcnn.results.class_map import WithClassMap
from vizcnn.results.notebook import told_below
from vizcnn.results.rows import RowJoin, part_of_rows
from vizcnn.results.table import to_frame

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Attributions(WithClassMap, Result):
    """How much each pixel of each image spoke for the target.

    Attributes
    ----------
    values : ndarray of float32, shape (N, H, W) or (N, H, W, C)
        At the input's size, never scaled for display: signed where the method is, in score units where it has them. Of signals
        (N, T), of volumes (N, D, H, W).
    raw : ndarray of float32
        What came before the channels were reduced (saliency: the gradient) or before the map was enlarged (Grad-CAM: the
        signed map at the layer's size).
    scores : ndarray of float32, shape (N,)
        The score of the target.
    images : sequence of ndarray
        The images, each at its own resolution.
    target : tuple of str
        What is explained, per image.
    classes : tuple of int or None
        The class that is explained, where it is one.
    probabilities : tuple of float or None
        Its probability, where the model gives one.
    predictions : tuple of Prediction
        What the model says of each image.
    model, method, layer : str
        Where it comes from; `layer` is None where the method looks at the input alone.
    signed : bool
        Whether negative values mean something.
    options : dict
        The method's options.
    names : tuple of str
        File names of the images, or ``image 0``.
    notes : tuple of Note
        What the reader should know before trusting the maps.
    class_labels : tuple of str
        Names of the model's classes, where an array of `extras` holds their indices.
    top_classes : tuple
        Per image the five most probable classes, pairs of name and probability; empty where there are no probabilities.
    top_indices : tuple
        Per image the classes of the five highest outputs, by index, the highest first; empty where none are predicted.
    alone : bool
        Whether the maps can't be laid over the images, since the layer's axes don't follow theirs: `values` are then at the
        layer's own size, and drawn without the images.
    measures : dict of str to ndarray of float32, shape (N,)
        Numbers that belong to each map, by name.
    extras : dict of str to ndarray, shape (N, ...)
        Arrays that belong to each map, by name. Occlusion: "class_map" (N, rows, columns), the class that the model predicts
        while each position is hidden; also `class_map`, which is None for other methods.
    geometry : tuple of Geometry
        Where each image lies in its input, and the way back: what preprocessing cut off, how it scaled, what it filled up. Empty
        where images are stretched over the whole input.
    is_video : bool
        Whether the images are clips (T, H, W, C), drawn as strips of frames.

    Examples
    --------
    >>> import vizcnn as vz
    >>> result = vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[:2], target="1")
    >>> result.values.shape, result.raw.shape, result.layer
    ((2, 28, 28), (2, 14, 14), 'conv5')
    >>> [predicted.label for predicted in result.predictions], result.target
    (['0', '1'], ('1', '1'))
    """

    values: np.ndarray
    raw: np.ndarray
    scores: np.ndarray
    images: Sequence[np.ndarray]
    target: tuple[str, ...]
    classes: tuple[int | None, ...]
    probabilities: tuple[float | None, ...]
    predictions: tuple[Prediction, ...]
    model: str
    method: str
    layer: str | None = None
    signed: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    class_labels: tuple[str, ...] = ()
    top_classes: tuple[tuple[tuple[str, float], ...], ...] = ()
    alone: bool = False
    measures: dict[str, np.ndarray] = field(default_factory=dict)
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    top_indices: tuple[tuple[int, ...], ...] = ()
    geometry: tuple[Geometry, ...] = ()
    is_video: bool = False

    kind: ClassVar[str] = "attributions"
    suffixes: ClassVar[tuple[str, ...]] = (*Result.suffixes, *ANIMATIONS)
    added: ClassVar[tuple[str, ...]] = ("top_indices", "measures", "extras", "geometry", "is_video")
    collections: ClassVar[tuple[str, ...]] = ("images", "measures", "extras")
    rows: ClassVar[tuple[str, ...]] = (
        "values", "raw", "scores", "images", "target", "classes", "probabilities", "predictions", "names", "top_classes",
        "top_indices", "measures", "extras", "geometry",
    )  # fmt: skip
    """Fields with an entry for each image."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "notes", tuple(map(noted, self.notes)))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, which: int | slice) -> Attributions:
        """Return the result of some of the images, or of one, with the notes that concern them; arrays are not copied."""
        if not isinstance(which, slice | int | np.integer) or isinstance(which, bool):
            raise OptionError(f"A result takes the place of one image, or a slice of them; got {which!r}.")
        count = range(len(self))
        part = which if isinstance(which, slice) else slice(count[which], count[which] + 1)
        places, names = count[part], self.image_names[part]
        rows = {name: part_of_rows(getattr(self, name), part) for name in self.rows}
        return replace(self, **rows, notes=notes_of_part(self.notes, places, names))

    def __iter__(self) -> Iterator[Attributions]:
        return (self[index] for index in range(len(self)))

    @property
    def image_names(self) -> tuple[str, ...]:
        """Names of the images: `names`, or ``image 0``."""
        return self.names or tuple(f"image {index}" for index in range(len(self)))

    @classmethod
    def join(cls, parts: Iterable[Attributions], count: int | None = None) -> Attributions:
        """Return one result of several on different images: of one method and model, with the same options.

        Parameters
        ----------
        parts : iterable of Attributions
            The results.
        count : int, default None
            How many images they have together. None: they are counted, and all held in memory for that.

        Returns
        -------
        Attributions
            What the method answers to all images at once, notes included. Arrays above 64 MiB lie in a temporary file.

        Raises
        ------
        ResultError
            If there is none, or they differ in what belongs to all their images.

        Examples
        --------
        >>> import vizcnn as vz
        >>> result = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits())
        >>> vz.Attributions.join([result[:3], result[3:]]).names == result.names
        True
        """
        if count is None:
            parts = list(parts)
            count = sum(map(len, parts))
        join = cls.joining(count)
        for part in parts:
            join.add(part)
            del part  # before the next one is asked for
        if join.length != count:
            raise ResultError(f"`count` must be the number of images of all parts, {join.length}; got {count}.")
        return join.result()

    @classmethod
    def joining(cls, most: int) -> RowJoin[Attributions]:
        """Return a join that is fed one result after another, by `add`, and gives the whole by `result`.

        Parameters
        ----------
        most : int
            How many images there will be, at most.

        Returns
        -------
        RowJoin

        Examples
        --------
        >>> import vizcnn as vz
        >>> join = vz.Attributions.joining(10)
        >>> for digit in vz.assets.digits()[:2]:
        ...     join.add(vz.saliency(vz.assets.digits_cnn(), digit))
        >>> join.result()
        <Attributions 'saliency' of 'digits_cnn.keras', values (2, 28, 28)>
        """
        return RowJoin(most, cls.rows)

    def __repr__(self) -> str:
        layer = f", layer={self.layer!r}" if self.layer else ""
        notes = f", {len(self.notes)} note{'s' * (len(self.notes) > 1)}" if self.notes else ""
        return f"<Attributions {self.method!r} of {self.model!r}, values {self.values.shape}{layer}{notes}>"

    @classmethod
    def _upgrade(cls, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        # Before there were `extras`, the class map was a field of its own.
        if about.get("class_map", "") is None:
            del about["class_map"]
        elif "class_map" in arrays:
            about["extras"] = ["class_map"]
            arrays["extras class_map"] = arrays.pop("class_map")

    def _write(self, file: BinaryIO, suffix: str, style: Mapping[str, Any]) -> None:
        if not len(self):
            raise ResultError("A result of no images can't be saved.")
        if suffix in ANIMATIONS:
            self._animate(file, suffix, **style)
        else:
            super()._write(file, suffix, style)

    def _animate(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """Write the frames of a clip with their maps, in one scale of colors."""
        from vizcnn.render.animation import frames_of, write_animation
        from vizcnn.results.panels import map_panels

        panels = map_panels(self, style.pop("index", None))
        if len(panels) > 1:
            raise ResultError(
                f"`path` ending in {suffix} takes one clip; this result has {len(panels)}. Save one: save(path, index=0)."
            )
        title, _ = style.pop("title", True), style.pop("limit", None)
        write_animation(frames_of(panels[0], MapStyle(**style), title=title), file, suffix)

    def _check(self) -> None:
        shapes = Shapes()
        if self.values.ndim < 2 or self.raw.ndim < 1:
            raise ValueError(f"`values` has shape {self.values.shape}")
        shapes.check("values", self.values, "N", *[None] * (self.values.ndim - 1))
        shapes.check("raw", self.raw, "N", *[None] * (self.raw.ndim - 1))
        shapes.check("scores", self.scores, "N")
        for name in ("images", "target", "classes", "probabilities", "predictions"):
            shapes.count(name, getattr(self, name), "N")
        for name in ("names", "top_classes", "top_indices", "geometry"):
            shapes.count(name, getattr(self, name), "N", empty=True)
        for name, array in (*self.measures.items(), *self.extras.items()):
            shapes.check(name, array, "N", *[None] * (array.ndim - 1), kinds="fiub")
        if any(array.ndim != 1 for array in self.measures.values()):
            raise ValueError("`measures` hold more than a number for each image")
        if any(note.images and note.images[-1] >= len(self.values) for note in self.notes):
            raise ValueError("`notes` are about more images than there are")
        check_images(self.images)
        frame = slice(2, 4) if any(image.ndim == 4 for image in self.images) else slice(1, 3)
        if any(not self.alone and geometry.size != self.values.shape[frame] for geometry in self.geometry):
            raise ValueError("`geometry` has another size than the maps")
        if any(
            not values.ndim <= image.ndim <= values.ndim + 1
            for image, values in zip(self.images, self.values, strict=True)
        ):
            raise ValueError("`images` have other axes than the maps")
        self._check_class_map(shapes)

    def map(self, index: int) -> np.ndarray:
        """Return the map of an image with its channels summed; `on_picture` lays it where it is drawn.

        Parameters
        ----------
        index : int
            Which image.

        Returns
        -------
        ndarray of float32, shape (H, W)
            Of a signal (T,), of a volume (D, H, W).

        Examples
        --------
        >>> import vizcnn as vz
        >>> result = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3], reduce="none")
        >>> result.values.shape, result.map(0).shape
        ((1, 28, 28, 1), (28, 28))
        """
        values: np.ndarray = self.values[index]
        sample_shape = getattr(self.images, "sample_shape", None) or self.images[index].shape
        return values if self.alone else one_per_place(values, len(sample_shape) - 1)

    def on_picture(self, index: int) -> np.ndarray:
        """Return the map of an image where it belongs on it: back through the cropping or padding of `preprocess`.

        Parameters
        ----------
        index : int
            Which image.

        Returns
        -------
        ndarray of float32, shape (H, W)
            At the image's own size; 0 where the model sees nothing of it.

        Raises
        ------
        ResultError
            If the image is a signal or a volume, or the map lies nowhere in it.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 1), preprocess="crop")
        >>> result = vz.occlusion(model, np.ones((4, 8, 1)), patch_size=1, stride=1, baseline=0.0)
        >>> result.values.shape, result.on_picture(0).shape, np.argwhere(result.on_picture(0)).tolist()
        ((1, 4, 4), (4, 8), [[0, 2]])
        """
        values, size = self.map(index), self.images[index].shape[:-1]
        if self.alone or len(size) != 2:
            raise ResultError(f"Method {self.method!r} must have maps over images to lay on them; it has none here.")
        geometry = self.geometry[index] if self.geometry else Geometry.whole(size, values.shape)
        return geometry.on_picture(values, size)

    def title(self, index: int) -> str:
        """Return what an image was taken for, and what is explained where that is something else.

        Parameters
        ----------
        index : int
            Which image.

        Returns
        -------
        str
            One line or two, with the probabilities where there are some.

        Examples
        --------
        >>> import vizcnn as vz
        >>> print(vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3], target="8").title(0))
        predicted 3 1.00
        explained 8 0.00
        """
        predicted, name = self.predictions[index], self.target[index]
        first = with_probability(predicted.label, predicted.probability)
        if self.classes[index] == predicted.index and name == predicted.label:
            return first
        return f"predicted {first}\nexplained {with_probability(name, self.probabilities[index])}"

    def caption(self, index: int) -> str:
        """Return what stands at the map of an image: its title, its measures, and how far it can be trusted.

        Parameters
        ----------
        index : int
            Which image.

        Returns
        -------
        str
            The lines of `title`, one of `measures` where there are some, and those of `trust` where it was asked for.

        Examples
        --------
        >>> import dataclasses, numpy as np, vizcnn as vz
        >>> result = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3])
        >>> print(dataclasses.replace(result, measures={"gap": np.array([0.5])}).caption(0))
        3 1.00
        gap 0.5
        """
        trust = self.trust[index].caption if self.trust else ""
        return "\n".join(filter(None, (self.title(index), self.measured(index), trust)))

    @cached_property
    def trust(self) -> tuple[Trust, ...]:
        """How far the map of each image can be trusted; empty where nobody asked for it."""
        return tuple(filter(None, (Trust.of(self.measures, self.extras, index) for index in range(len(self)))))

    def measured(self, index: int) -> str:
        """Return the measures of an image in words, without those that `trust` tells; "" where there are none.

        Parameters
        ----------
        index : int
            Which image.

        Returns
        -------
        str
            Names and numbers.

        Examples
        --------
        >>> import dataclasses, numpy as np, vizcnn as vz
        >>> result = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3])
        >>> dataclasses.replace(result, measures={"gap": np.array([0.5]), "standard_error": np.array([2.0])}).measured(
        ...     0
        ... )
        'gap 0.5, standard error 2'
        """
        told = {name for name in self.measures if self.trust and is_of_trust(name)}
        return in_words({name: float(values[index]) for name, values in self.measures.items() if name not in told})

    def to_frame(self) -> pandas.DataFrame:
        """Return a table with a row for each image; needs pandas.

        Returns
        -------
        pandas.DataFrame
            Columns: the image's name; target, its class, probability and score; prediction, its class and probability; each
            of the measures; the kind of the verdict, where `trust` was asked for; notes.

        Raises
        ------
        ResultError
            If pandas isn't installed.

        Examples
        --------
        >>> import vizcnn as vz
        >>> table = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[:2], target="1").to_frame()
        >>> table[["name", "target", "prediction"]].values.tolist()
        [['digit_0.png', '1', '0'], ['digit_1.png', '1', '1']]
        """
        return to_frame(self)

    @takes_style("index", *MAP_STYLES, "title")
    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw the maps over their images.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default None
            Where to draw: one Axes for one image, a sequence for several. None: a new figure.
        **style
            `index` (draw this image alone), `overlay` (False: the map alone), `cmap`, `vmin`, `vmax`, `percentile` (of
            magnitudes, where the scale ends; default 99), `alpha` (highest opacity; default 0.7), `colorbar`,
            `title` (both default True).

        Returns
        -------
        Axes or ndarray of Axes
            What was drawn on.

        Examples
        --------
        >>> import vizcnn as vz
        >>> axes = vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[:2]).plot(cmap="viridis")
        >>> [ax.get_title() for ax in axes]
        ['0 1.00', '1 1.00']
        """
        from vizcnn.render.maps import plot_maps
        from vizcnn.results.panels import map_panels

        return plot_maps(map_panels(self, style.pop("index", None)), ax, **style)

    @takes_style("index", *MAP_STYLES, "title", "limit")
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> result = vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[3])
        >>> result.draw(file := io.BytesIO(), ".png", overlay=False)
        >>> file.getvalue()[1:4]
        b'PNG'
        """
        from vizcnn.render.maps import save_maps
        from vizcnn.results.panels import map_panels

        index, limit = style.pop("index", None), style.pop("limit", None)
        panels = map_panels(self, index, limit)
        save_maps(panels, file, suffix, count=len(self) if index is None else None, **style)

    @property
    def _notebook_style(self) -> dict[str, Any]:
        return {"limit": NOTEBOOK}

    def _repr_html_(self) -> str | None:
        if not self.trust:
            return None
        names = self.image_names if len(self) > 1 else [""]
        return told_below(self._repr_png_(), list(zip(names, self.trust, strict=True))[:NOTEBOOK])


def in_words(measures: Mapping[str, float]) -> str:
    """Return measures as a line: their names and numbers."""
    said = {name: "undefined" if isnan(value) else f"{value:.3g}" for name, value in measures.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in said.items())


def with_probability(name: str, probability: float | None) -> str:
    """Return a class's name with its probability, where there is one."""
    return name if probability is None else f"{name} {probability:.2f}"
