"""What methods return: arrays, what they are, and how they are shown, kept and read again."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self

import numpy as np

from vizcnn.adapter.base import Outputs, Prediction
from vizcnn.errors import ResultError
from vizcnn.gather import Gather
from vizcnn.notes import Watch, warn
from vizcnn.render.image import resize

if TYPE_CHECKING:
    from vizcnn.adapter.base import Gradients, ModelAdapter
    from vizcnn.inputs import ImageSet
    from vizcnn.scores import Score

PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".pdf", ".webp", ".tif", ".tiff")
"""Suffixes of the files that `save` draws; ``.npz`` keeps the raw values."""


@dataclass(frozen=True)
class Context:
    """What the public door knows of a call, beside what the plugin answers."""

    model: ModelAdapter
    method: str
    images: ImageSet
    score: Score | None
    options: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Maps:
    """What an attribution plugin returns for one batch.

    Attributes
    ----------
    values : ndarray, shape (N, h, w) or (N, h, w, C)
        The attributions; of another size than the input's, they are resized to it.
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
    """

    values: np.ndarray
    raw: np.ndarray | None = None
    signed: bool = False
    layer: str | None = None
    scores: np.ndarray | None = None
    outputs: Outputs | None = None
    notes: tuple[str, ...] = ()
    class_map: np.ndarray | None = None

    @classmethod
    def of(cls, taken: Gradients, values: np.ndarray, **fields: Any) -> Self:
        """Make maps out of gradients: scores, outputs, layer and notes come from them."""
        notes = (*taken.notes, *fields.pop("notes", ()))
        return cls(values, layer=taken.layer, scores=taken.scores, outputs=taken.outputs, notes=notes, **fields)

    @classmethod
    def collect(cls, parts: Iterable[tuple[slice, np.ndarray, Maps]], context: Context) -> Attributions:
        """Join the maps of all batches into one result."""
        if context.score is None:
            raise TypeError(f"Plugin {context.method!r} returns Maps, so its function must take a `score`.")
        count = len(context.images)
        values, raw, scores, classes = Gather(count), Gather(count), Gather(count), Gather(count)
        predictions: list[Prediction] = []
        explained: list[tuple[str, int | None, float | None]] = []
        notes = dict.fromkeys(context.notes)
        watch = Watch(context.model, context.images)
        last: Maps | None = None
        for part, inputs, maps in parts:
            score = context.score[part]
            outputs = maps.outputs if maps.outputs is not None else context.model.outputs(inputs)
            reached = maps.scores if maps.scores is not None else context.model.scores(inputs, score)
            batch = _explained(context.model, score, outputs)
            predictions += batch[0]
            explained += batch[1]
            small = np.asarray(maps.raw if maps.raw is not None else maps.values, dtype=np.float32)
            values.add(_at_size(maps.values, context.images.size))
            raw.add(small)
            scores.add(np.asarray(reached, dtype=np.float32))
            if maps.class_map is not None:
                classes.add(maps.class_map)
            notes |= dict.fromkeys(maps.notes)
            watch.see(context.images.names[part], inputs, maps.values, small, [p.probability for p in batch[0]])
            last = maps
        if last is None:
            raise RuntimeError("no batch was explained")
        suspicious = watch.notes()
        warn((*notes, *suspicious))
        said = tuple(dict.fromkeys((*context.images.notes, *notes, *suspicious)))
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
            options=dict(context.options),
            names=context.images.names,
            notes=said,
            class_map=classes.result() if last.class_map is not None else None,
        )


@dataclass(frozen=True, eq=False)
class Attributions:
    """How much each pixel of each image spoke for the target.

    Attributes
    ----------
    values : ndarray of float32, shape (N, H, W) or (N, H, W, C)
        At the input's size, never scaled for display: signed where the method is, in score units where it has them.
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

    kind: ClassVar[str] = "attributions"

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        layer = f", layer={self.layer!r}" if self.layer else ""
        notes = f", {len(self.notes)} note{'s' * (len(self.notes) > 1)}" if self.notes else ""
        return f"<Attributions {self.method!r} of {self.model!r}, values {self.values.shape}{layer}{notes}>"

    def title(self, index: int) -> str:
        """Return what image `index` was taken for, and what is explained where that is something else."""
        predicted, name = self.predictions[index], self.target[index]
        first = _with_probability(predicted.label, predicted.probability)
        if self.classes[index] == predicted.index and name == predicted.label:
            return first
        return f"predicted {first}\nexplained {_with_probability(name, self.probabilities[index])}"

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
        """
        from vizcnn.render import figure

        return figure.plot_attributions(self, ax, **style)

    def save(self, path: str | os.PathLike[str], **style: Any) -> Path:
        """Write a picture, or with the suffix ``.npz`` the raw values and all that is needed to draw them again.

        Parameters
        ----------
        path : path
            Where to; folders on the way are made.
        **style
            As `plot` takes them.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ResultError
            If the suffix is unknown, or the file can't be written.
        """
        if Path(path).suffix.lower() == ".npz":
            return write_file(path, self._write_npz)
        from vizcnn.render import figure

        suffix = Path(path).suffix
        return write_file(path, lambda file: figure.save_attributions(self, file, suffix, **style))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary: arrays as they are, the rest as plain values."""
        return {
            **self._described(),
            "values": self.values,
            "raw": self.raw,
            "scores": self.scores,
            "class_map": self.class_map,
            "images": [np.asarray(image) for image in self.images],
        }

    def _described(self) -> dict[str, Any]:
        plain = (
            "target",
            "classes",
            "probabilities",
            "model",
            "method",
            "layer",
            "signed",
            "options",
            "names",
            "notes",
        )
        described: dict[str, Any] = {"kind": self.kind, **{name: getattr(self, name) for name in plain}}
        described["predictions"] = [[p.index, p.label, p.probability] for p in self.predictions]
        return described

    def _write_npz(self, file: BinaryIO) -> None:
        # What numpy.savez_compressed writes, with one image in memory at a time.
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, array in self._arrays():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    def _arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        yield "about", np.array(json.dumps(self._described(), default=_plain))
        yield from (("values", self.values), ("raw", self.raw), ("scores", self.scores))
        if self.class_map is not None:
            yield "class_map", self.class_map
        yield from ((f"image {i}", np.asarray(image)) for i, image in enumerate(self.images))

    def _repr_png_(self) -> bytes:
        from vizcnn.render import figure

        buffer = io.BytesIO()
        figure.save_attributions(self, buffer, ".png", limit=figure.NOTEBOOK)
        return buffer.getvalue()

    @classmethod
    def from_arrays(cls, about: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Make the result that `_write_npz` wrote."""
        tuples = ("target", "classes", "probabilities", "names", "notes")
        fields: dict[str, Any] = {
            name: tuple(value) if name in tuples else value for name, value in about.items() if name != "kind"
        }
        options = {name: tuple(value) if isinstance(value, list) else value for name, value in about["options"].items()}
        fields["options"] = options
        fields["predictions"] = tuple(Prediction(*row) for row in about["predictions"])
        images = [arrays[f"image {i}"] for i in range(len(arrays["values"]))]
        fields |= {name: arrays[name] for name in ("values", "raw", "scores")}
        return cls(images=images, class_map=arrays.get("class_map"), **fields)


def load_result(path: str | os.PathLike[str]) -> Attributions:
    """Read a result that `save` wrote to an ``.npz`` file.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Attributions
        As it was saved.

    Raises
    ------
    ResultError
        If it isn't such a file.
    """
    try:
        # Opened here: NumPy leaves a file open that isn't one of its own.
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
        return Attributions.from_arrays(about, arrays)
    except FileNotFoundError:
        raise ResultError(f"`path` {str(path)!r} doesn't exist.") from None
    except Exception as error:  # NumPy and zipfile raise many kinds for a file that isn't one
        raise ResultError(f"`path` {str(path)!r} isn't a result that vizcnn saved: {error}.") from error


def write_file(
    path: str | os.PathLike[str], write: Callable[[BinaryIO], None], suffixes: Sequence[str] = (".npz", *PICTURES)
) -> Path:
    """Write a file whole or not at all: what was there before stays until the new one is complete."""
    file = Path(path)
    if file.suffix.lower() not in suffixes:
        raise ResultError(f"`path` must end in {' or '.join(suffixes)}; got {str(path)!r}.")
    partial = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as stream:
                write(stream)
            partial.replace(file)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    except OSError as error:
        raise ResultError(f"`path` {str(path)!r} can't be written: {error.strerror or error}.") from error
    return file


def _plain(value: Any) -> Any:
    """Return what JSON knows in place of NumPy's numbers and arrays, and the text of anything else."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)


def _at_size(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    values = np.asarray(values, dtype=np.float32)
    return values if values.shape[1:3] == size else np.stack([resize(value, size) for value in values])


def _explained(
    model: ModelAdapter, score: Score, outputs: Outputs
) -> tuple[list[Prediction], list[tuple[str, int | None, float | None]]]:
    """Return what the model predicts, and per sample the name, class and probability of what is explained."""
    indices, values, probable = model.class_values(outputs, score.output)
    predictions = model.named_predictions(indices, values, probable)
    explained: list[tuple[str, int | None, float | None]] = []
    for row, predicted, name, index in zip(values, predictions, score.names, score.classes, strict=True):
        chosen = predicted.index if index == -1 else index
        known = probable and chosen is not None
        explained.append((name or predicted.label, chosen, float(row[chosen]) if known else None))
    return predictions, explained


def _with_probability(name: str, probability: float | None) -> str:
    return name if probability is None else f"{name} {probability:.2f}"
