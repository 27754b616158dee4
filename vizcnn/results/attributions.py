"""Attributions: how much each pixel of an image spoke for a target."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self

import numpy as np

from vizcnn.adapter.base import Outputs, Prediction
from vizcnn.errors import ResultError, warn
from vizcnn.files import PICTURES, write_file
from vizcnn.gather import Gather
from vizcnn.notes import Watch
from vizcnn.render.style import MAP_STYLES, NOTEBOOK, takes_style
from vizcnn.results.base import Context, Result
from vizcnn.results.checks import Shapes, check_images, check_indices, check_kind
from vizcnn.results.placing import placed, stretched

if TYPE_CHECKING:
    from vizcnn.adapter.base import Gradients, ModelAdapter
    from vizcnn.scores import Score


TOP = 5
"""Classes that a result knows the probabilities of, the most probable ones."""


@dataclass(frozen=True)
class Maps:
    """What an attribution plugin returns for one batch.

    Attributes
    ----------
    values : ndarray, shape (N, h, w) or (N, h, w, C)
        The attributions; of another size than the input's, they are resized to it, and those of a layer that doesn't look at
        the whole input are put where it looks.
    raw : ndarray, default None
        What came before channels were reduced, or before the resizing; None: the values as they are here.
    signed : bool, default False
        Whether negative values mean something.
    layer : str, default None
        The layer that was explained.
    scores, outputs : default None
        From the run on the images themselves; None: the door runs the model once more for them.
    notes : tuple of str, default ()
        What the plugin noticed.
    class_map : ndarray of int, shape (N, rows, columns), default None
        The class predicted at each position of a method that changes the image there.
    options : mapping, default {}
        Options that the plugin had to decide, as it decided them.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.results import Maps
    >>> Maps(np.zeros((2, 7, 7)), signed=True).values.shape  # two images, seen through a layer of 7 x 7 places
    (2, 7, 7)
    """

    values: np.ndarray
    raw: np.ndarray | None = None
    signed: bool = False
    layer: str | None = None
    scores: np.ndarray | None = None
    outputs: Outputs | None = None
    notes: tuple[str, ...] = ()
    class_map: np.ndarray | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, taken: Gradients, values: np.ndarray, **fields: Any) -> Self:
        """Make maps out of gradients: scores, outputs, layer and notes come from them.

        Parameters
        ----------
        taken : Gradients
            What `ModelAdapter.gradients` answered.
        values : ndarray, shape (N, h, w) or (N, h, w, C)
            The attributions.
        **fields
            The other fields.

        Returns
        -------
        Maps

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> from vizcnn.results import Maps
        >>> cnn = vz.assets.digits_cnn()
        >>> taken = cnn.gradients(np.zeros((1, 28, 28, 1), np.float32), 3, of="conv5")
        >>> Maps.of(taken, taken.gradients.sum(axis=-1)).layer
        'conv5'
        """
        notes = (*taken.notes, *fields.pop("notes", ()))
        return cls(values, layer=taken.layer, scores=taken.scores, outputs=taken.outputs, notes=notes, **fields)

    @classmethod
    def collect(cls, parts: Iterable[tuple[slice, np.ndarray, Maps]], context: Context) -> Attributions:
        """Join the maps of all batches into one result, as the public function of a plugin does.

        Parameters
        ----------
        parts : iterable of (slice, ndarray, Maps)
            For each batch its place among the images, its inputs, and its maps.
        context : Context
            The model, the images and what was asked for.

        Returns
        -------
        Attributions

        Raises
        ------
        TypeError
            If the plugin's function takes no score.

        Examples
        --------
        >>> import vizcnn as vz
        >>> from vizcnn.results import Maps
        >>> @vz.register("bright", needs={"outputs"})
        ... def bright(model, inputs, score):
        ...     return Maps(inputs.mean(axis=-1))
        >>> bright(vz.assets.digits_cnn(), vz.assets.digits()).values.shape
        (10, 28, 28)
        """
        if context.score is None:
            raise TypeError(f"Plugin {context.method!r} returns Maps, so its function must take a `score`.")
        count = len(context.images)
        values, raw, scores, classes = Gather(count), Gather(count), Gather(count), Gather(count)
        predictions: list[Prediction] = []
        explained: list[tuple[str, int | None, float | None]] = []
        top: list[tuple[tuple[str, float], ...]] = []
        notes = dict.fromkeys(context.notes)
        watch = Watch(context.model, context.images)
        last: Maps | None = None
        alone = False
        for part, inputs, maps in parts:
            score = context.score[part]
            outputs = maps.outputs if maps.outputs is not None else context.model.outputs(inputs)
            reached = maps.scores if maps.scores is not None else context.model.scores(inputs, score)
            batch = _explained(context.model, score, outputs)
            predictions += batch[0]
            explained += batch[1]
            top += batch[2]
            small = np.asarray(maps.raw if maps.raw is not None else maps.values, dtype=np.float32)
            lying, alone, where = _where_it_lies(maps, context)
            values.add(lying)
            raw.add(small)
            scores.add(np.asarray(reached, dtype=np.float32))
            if maps.class_map is not None:
                classes.add(maps.class_map)
            notes |= dict.fromkeys((*maps.notes, *where))
            watch.see(context.images.names[part], inputs, maps.values, small, [p.probability for p in batch[0]])
            last = maps
        if last is None:
            raise RuntimeError("no batch was explained")
        suspicious = watch.notes()
        warn((*notes, *suspicious))
        said = tuple(dict.fromkeys((*context.images.notes, *context.model.notes, *notes, *suspicious)))
        return Attributions(
            values=values.result(),
            raw=raw.result(),
            scores=scores.result(),
            images=context.images,
            target=tuple(name for name, _, _ in explained),
            classes=tuple(index for _, index, _ in explained),
            probabilities=tuple(p for _, _, p in explained),
            predictions=tuple(predictions),
            model=context.model.name,
            method=context.method,
            layer=last.layer,
            signed=last.signed,
            options={**context.options, **last.options},
            names=context.images.names,
            notes=said,
            class_map=classes.result() if last.class_map is not None else None,
            class_labels=_labels(context) if last.class_map is not None else (),
            top_classes=tuple(top),
            alone=alone,
        )


@dataclass(frozen=True, eq=False)
class Attributions(Result):
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
    notes : tuple of str
        What the reader should know before trusting the maps.
    class_map : ndarray of int32, shape (N, rows, columns), or None
        Occlusion: the class that the model predicts while each position is hidden.
    class_labels : tuple of str
        Names of the classes in `class_map`.
    top_classes : tuple
        Per image the five most probable classes, pairs of name and probability; empty where there are no probabilities.
    alone : bool
        Whether the maps can't be laid over the images, since the layer's axes don't follow theirs: `values` are then at the
        layer's own size, and drawn without the images.

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
    notes: tuple[str, ...] = ()
    class_map: np.ndarray | None = None
    class_labels: tuple[str, ...] = ()
    top_classes: tuple[tuple[tuple[str, float], ...], ...] = ()
    alone: bool = False

    kind: ClassVar[str] = "attributions"
    collections: ClassVar[tuple[str, ...]] = ("images",)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        layer = f", layer={self.layer!r}" if self.layer else ""
        notes = f", {len(self.notes)} note{'s' * (len(self.notes) > 1)}" if self.notes else ""
        return f"<Attributions {self.method!r} of {self.model!r}, values {self.values.shape}{layer}{notes}>"

    def _check(self) -> None:
        shapes = Shapes()
        if self.values.ndim < 2 or self.raw.ndim < 1:
            raise ValueError(f"`values` has shape {self.values.shape}")
        shapes.check("values", self.values, "N", *[None] * (self.values.ndim - 1))
        shapes.check("raw", self.raw, "N", *[None] * (self.raw.ndim - 1))
        shapes.check("scores", self.scores, "N")
        for name in ("images", "target", "classes", "probabilities", "predictions"):
            shapes.count(name, getattr(self, name), "N")
        for name in ("names", "top_classes"):
            shapes.count(name, getattr(self, name), "N", empty=True)
        check_images(self.images)
        if any(
            not values.ndim <= image.ndim <= values.ndim + 1
            for image, values in zip(self.images, self.values, strict=True)
        ):
            raise ValueError("`images` have other axes than the maps")
        if self.class_map is not None:
            shapes.check("class_map", self.class_map, "N", *[None] * (self.values.ndim - 1), kinds="iu")
            if self.class_labels:
                check_indices("class_map", np.unique(self.class_map).tolist(), len(self.class_labels))
            for name in ("patch_size", "stride"):
                check_kind(name, self.options.get(name), int | tuple[int, ...] | None)

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

    def tally(self, index: int = 0) -> dict[str, int]:
        """Count for how many positions of the hidden patch each class was predicted; the most frequent first.

        Parameters
        ----------
        index : int, default 0
            Which image.

        Returns
        -------
        dict of str to int

        Raises
        ------
        ResultError
            If the method has no map of classes.

        Examples
        --------
        >>> import vizcnn as vz
        >>> hidden = vz.occlusion(vz.assets.digits_cnn(), vz.assets.digits()[3], patch_size=14, stride=7)
        >>> hidden.class_map.shape, hidden.tally()
        ((1, 3, 3), {'3': 8, '5': 1})
        """
        if self.class_map is None:
            raise ResultError(f"Method {self.method!r} has no map of predicted classes; occlusion has one.")
        counts = Counter(self.class_map[index].ravel().tolist())
        return {self.class_labels[cls]: count for cls, count in counts.most_common()}

    @takes_style("index", "alpha", "legend", "title")
    def plot_classes(self, ax: Any = None, **style: Any) -> Any:
        """Draw which class the model predicts while each position is hidden, over the images, with the tally as a legend.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default None
            Where to draw: one Axes for one image, a sequence for several. None: a new figure.
        **style
            `index` (draw this image alone), `alpha` (opacity; default 0.6), `legend`, `title` (both default True).

        Returns
        -------
        Axes or ndarray of Axes
            What was drawn on.

        Raises
        ------
        ResultError
            If the method has no map of classes.

        Examples
        --------
        >>> import vizcnn as vz
        >>> hidden = vz.occlusion(vz.assets.digits_cnn(), vz.assets.digits()[3], patch_size=14, stride=7)
        >>> [text.get_text() for text in hidden.plot_classes().get_legend().get_texts()]
        ['3 (nothing hidden): 8 of 9', '5: 1 of 9']
        """
        from vizcnn.render.class_map import plot_class_maps
        from vizcnn.results.panels import class_panels

        self._check_class_map_is_drawn()
        return plot_class_maps(class_panels(self, style.pop("index", None)), ax, **style)

    @takes_style("index", "alpha", "legend", "title")
    def save_classes(self, path: str | os.PathLike[str], **style: Any) -> Path:
        """Write the picture that `plot_classes` draws.

        Parameters
        ----------
        path : path
            Where to; folders on the way are made.
        **style
            As `plot_classes` takes them.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ResultError
            If the method has no map of classes, the suffix is unknown, or the file can't be written.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> hidden = vz.occlusion(vz.assets.digits_cnn(), vz.assets.digits()[3], patch_size=14, stride=7)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     hidden.save_classes(f"{folder}/hidden.png").name
        'hidden.png'
        """
        from vizcnn.render.class_map import save_class_maps
        from vizcnn.results.panels import class_panels

        self._check_class_map_is_drawn()
        panels = class_panels(self, style.pop("index", None))
        return write_file(
            path, lambda file: save_class_maps(panels, file, Path(path).suffix.lower(), **style), PICTURES
        )

    def _check_class_map_is_drawn(self) -> None:
        if self.class_map is None:
            raise ResultError(f"Method {self.method!r} has no map of predicted classes; occlusion has one.")
        if self.class_map.ndim != 3:
            raise ResultError(
                "Maps of classes are drawn over images; of signals and volumes `tally` counts the classes."
            )


def _labels(context: Context) -> tuple[str, ...]:
    output = context.model.output_name(context.score.output if context.score is not None else None)
    return context.model.head(output).names


def _where_it_lies(maps: Maps, context: Context) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """Return the maps at the input's size, whether they can't be brought there, and what is said of it."""
    size, sample_shape = context.images.size, context.images.sample_shape
    placement = maps.layer and context.model.placement(maps.layer, maps.values.shape[1:], sample_shape)
    if not placement:
        return stretched(maps.values, size), False, ()
    said = (placement.note(str(maps.layer)),)
    if not placement.is_known:
        return stretched(maps.values, size), False, said
    if not placement.is_possible:
        return np.asarray(maps.values, dtype=np.float32), True, said
    return placed(maps.values, placement), False, said


def _explained(
    model: ModelAdapter, score: Score, outputs: Outputs
) -> tuple[list[Prediction], list[tuple[str, int | None, float | None]], list[tuple[tuple[str, float], ...]]]:
    """Return what the model predicts, per sample the name, class and probability of what is explained, and the top classes."""
    indices, values, probable = model.class_values(outputs, score.output)
    head = model.head(model.output_name(score.output))
    predictions = model.named_predictions(indices, values, probable, output=head.output)
    explained: list[tuple[str, int | None, float | None]] = []
    for row, best, name, index in zip(values, indices, score.names, score.classes, strict=True):
        chosen = int(best) if index == -1 else index
        known = probable and chosen is not None
        of_class = chosen if head.is_classes else None
        explained.append((name or head.names[int(best)], of_class, float(row[chosen]) if known else None))
    if not probable:
        return predictions, explained, []
    # The five largest first, and only those sorted: of a thousand classes, half a millisecond per batch.
    rows, ranks = np.arange(len(values)), -values
    ranks[rows, indices] = np.nextafter(ranks[rows, indices], -np.inf)  # of equals the predicted class comes first
    some = np.sort(np.argpartition(ranks, min(TOP, values.shape[1]) - 1, axis=1)[:, :TOP], axis=1)
    order = np.argsort(np.take_along_axis(ranks, some, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(some, order, axis=1)
    top = [tuple((head.names[int(i)], float(row[i])) for i in order) for row, order in zip(values, best, strict=True)]
    return predictions, explained, top


def with_probability(name: str, probability: float | None) -> str:
    """Return a class's name with its probability, where there is one."""
    return name if probability is None else f"{name} {probability:.2f}"
