"""What all results share: they are drawn, saved, shown in a notebook, and most can be read again."""

from __future__ import annotations

import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self, get_args, get_type_hints

import numpy as np

from vizcnn.adapter.base import Prediction
from vizcnn.errors import ResultError
from vizcnn.files import PICTURES, write_file
from vizcnn.inputs import Geometry
from vizcnn.notes import noted, restored_note
from vizcnn.render.keywords import check_style
from vizcnn.results.checks import check_kind, check_notes
from vizcnn.results.files import read_npz, write_npz

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.inputs import ImageSet
    from vizcnn.targets.score import Score


_Pair = tuple[int, int]
_RECORDS: dict[str, tuple[Any, Any]] = {
    "predictions": (Prediction, tuple[int | None, str, float | None]),
    "geometry": (Geometry, tuple[_Pair, tuple[int, int, int, int], _Pair, _Pair, _Pair]),
}
"""Fields that are a record for each image, to the class of these and to what is kept of one."""


@dataclass(frozen=True)
class Context:
    """What the public door knows of a call, beside what the plugin answers."""

    model: ModelAdapter
    method: str
    images: ImageSet
    score: Score | None
    options: Mapping[str, Any]


class Picture(ABC):
    """What can be drawn, by matplotlib."""

    suffixes: ClassVar[tuple[str, ...]] = PICTURES
    """Kinds of files that `save` writes."""

    is_drawing: ClassVar[bool] = False
    """Whether it is drawn in lines on white, with no colors that stand for numbers: a dark page may turn it bright on black."""

    @abstractmethod
    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw it.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default None
            Where to draw; None: a new figure.
        **style
            How; each result says what it takes.

        Returns
        -------
        Axes or ndarray of Axes
            What was drawn on.

        Examples
        --------
        >>> import vizcnn as vz
        >>> axes = vz.filters(vz.assets.digits_cnn()).plot()
        >>> axes.get_title()
        'conv1: 16 kernels 3x3x1'
        """

    @abstractmethod
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """Write what `plot` draws, on a figure that pyplot doesn't know.

        Parameters
        ----------
        file : binary file
            Where to.
        suffix : str
            The kind of file, one of `suffixes`.
        **style
            As `plot` takes them.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> vz.filters(vz.assets.digits_cnn()).draw(file := io.BytesIO(), ".pdf")
        >>> file.getvalue()[:4]
        b'%PDF'
        """

    def save(self, path: str | os.PathLike[str], **style: Any) -> Path:
        """Write what `plot` draws, or, where the result has raw values, these with the suffix ``.npz``.

        Parameters
        ----------
        path : path
            Where to; the suffix decides what is written, and folders on the way are made.
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
        OptionError
            If a style is none that `plot` takes.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> result = vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[3])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     picture, numbers = result.save(f"{folder}/three.png", alpha=0.5), result.save(f"{folder}/three.npz")
        ...     picture.name, vz.load_result(numbers)
        ('three.png', <Attributions 'gradcam' of 'digits_cnn.keras', values (1, 28, 28), layer='conv5'>)
        """
        styles = getattr(self.draw, "styles", getattr(self.plot, "styles", style))
        check_style(style, styles)
        return write_file(path, lambda file: self._write(file, Path(path).suffix.lower(), style), self.suffixes)

    def _write(self, file: BinaryIO, suffix: str, style: Mapping[str, Any]) -> None:
        self.draw(file, suffix, **style)

    @property
    def _notebook_style(self) -> dict[str, Any]:
        """What `draw` is told of a picture for a notebook."""
        return {}

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.draw(buffer, ".png", **self._notebook_style)
        return buffer.getvalue()


class Result(Picture):
    """A dataclass with raw values, which can be saved as ``.npz`` and read again by `load_result`.

    What its fields hold decides how they are kept: arrays as they are, the rest as JSON. Sequences become tuples.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npz", *PICTURES)

    kind: ClassVar[str]
    """What it is called in its file."""

    collections: ClassVar[tuple[str, ...]] = ()
    """Fields that are a sequence of arrays, or a mapping of names to arrays."""

    added: ClassVar[tuple[str, ...]] = ()
    """Fields with a default that earlier versions didn't write."""

    kinds: ClassVar[dict[str, type[Result]]] = {}
    """All kinds, by name."""

    def __init_subclass__(cls, **extra: Any) -> None:
        super().__init_subclass__(**extra)
        if "kind" in vars(cls):
            Result.kinds[cls.kind] = cls

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary: arrays as they are, the rest as plain values.

        Returns
        -------
        dict
            The fields by name, and "kind".

        Examples
        --------
        >>> import vizcnn as vz
        >>> stored = vz.filters(vz.assets.digits_cnn()).to_dict()
        >>> stored["kind"], stored["layer"], stored["values"].shape
        ('kernels', 'conv1', (3, 3, 1, 16))
        """
        about, arrays = self._about(), dict(self._arrays())
        for name in self.collections:
            keys = about[name]
            parts = {key: arrays.pop(f"{name} {key}") for key in (range(keys) if isinstance(keys, int) else keys)}
            about[name] = list(parts.values()) if isinstance(keys, int) else parts
        return {**about, **arrays}

    def _about(self) -> dict[str, Any]:
        """Return all that is no array, and how many arrays the collections have, or their names."""
        about: dict[str, Any] = {"kind": self.kind}
        for name in (field.name for field in fields(self)):  # type: ignore[arg-type]
            value = getattr(self, name)
            if name in self.collections:
                about[name] = list(value) if isinstance(value, Mapping) else len(value)
            elif name in _RECORDS:
                about[name] = [list(vars(record).values()) for record in value]
            elif not isinstance(value, np.ndarray):
                about[name] = value
        return about

    def _arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        for name in (field.name for field in fields(self)):  # type: ignore[arg-type]
            value = getattr(self, name)
            if name in self.collections:
                items = value.items() if isinstance(value, Mapping) else enumerate(value)
                yield from ((f"{name} {key}", np.asarray(array)) for key, array in items)
            elif isinstance(value, np.ndarray):
                yield name, value

    def _write(self, file: BinaryIO, suffix: str, style: Mapping[str, Any]) -> None:
        if suffix == ".npz":
            about = np.array(json.dumps(self._stored_about(), default=_plain))
            write_npz(file, ((name, array) for part in ([("about", about)], self._arrays()) for name, array in part))
        else:
            super()._write(file, suffix, style)

    def _stored_about(self) -> dict[str, Any]:
        """Return `_about` with all that its notes know."""
        about = self._about()
        return about | {"notes": [noted(note).to_dict() for note in about["notes"]]} if "notes" in about else about

    @classmethod
    def from_arrays(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Make the result that was written as these.

        Parameters
        ----------
        about : mapping
            The fields that are no arrays, by name, and "kind"; of `collections` how many arrays they have, or their names.
        arrays : mapping of str to ndarray
            The fields that are, by name; those of a collection by ``"images 0"``.

        Returns
        -------
        Result

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> about = {"layer": "conv", "model": "tiny", "order": [1, 0]}
        >>> vz.Kernels.from_arrays(about, {"values": np.zeros((3, 3, 1, 2))})
        <Kernels of layer 'conv' of 'tiny', values (3, 3, 1, 2)>
        """
        values: dict[str, Any] = {name: tuples(value) for name, value in about.items() if name != "kind"}
        for name in cls.collections:
            keys = about.get(name, {})
            if isinstance(keys, int):
                values[name] = [arrays[f"{name} {key}"] for key in range(keys)]
            else:
                values[name] = {key: arrays[f"{name} {key}"] for key in keys}
        if "notes" in values:
            values["notes"] = tuple(map(restored_note, values["notes"]))
        for name in values.keys() & _RECORDS.keys():
            record, _ = _RECORDS[name]
            values[name] = tuple(record(*row) for row in values[name])
        names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        return cls(**values, **{name: array for name, array in arrays.items() if name in names})

    @classmethod
    def _check_stored(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError unless a file holds these fields and no others, each of its kind."""
        hints = get_type_hints(cls)
        expected = set()
        for one in fields(cls):  # type: ignore[arg-type]
            if one.name in arrays and one.name not in cls.collections:
                if np.ndarray not in (hints[one.name], *get_args(hints[one.name])):
                    raise ValueError(f"`{one.name}` is not an array")
                expected.add(one.name)
            elif one.name not in about:
                if one.name not in cls.added:
                    raise ValueError(f"`{one.name}` is missing")
            elif one.name in cls.collections:
                expected |= _names_in(one.name, about[one.name], len(arrays))
            elif one.name in _RECORDS:
                check_kind(one.name, tuples(about[one.name]), tuple[_RECORDS[one.name][1], ...])  # type: ignore[misc]
            elif one.name == "notes":
                check_notes(tuples(about["notes"]))
            else:
                check_kind(one.name, tuples(about[one.name]), hints[one.name])
        known = {"kind", *(one.name for one in fields(cls))}  # type: ignore[arg-type]
        strange = sorted({*about} - known) or sorted({*arrays} ^ expected)
        if strange:
            raise ValueError(f"`{strange[0]}` is {'missing' if strange[0] in expected else 'not a part of it'}")

    @classmethod
    def _upgrade(cls, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Make of what an earlier version wrote what this one writes."""

    def _check(self) -> None:
        """Raise ValueError where the fields don't fit each other."""


def _names_in(name: str, keys: Any, most: int) -> set[str]:
    """Return what the arrays of a collection are called in the file."""
    if isinstance(keys, list) and all(isinstance(key, str) for key in keys) and len(set(keys)) == len(keys):
        return {f"{name} {key}" for key in keys}
    if isinstance(keys, int) and not isinstance(keys, bool) and 0 <= keys <= most:
        return {f"{name} {key}" for key in range(keys)}
    raise ValueError(f"`{name}` holds something else than it should: {str(keys)[:80]!r}")


def load_result(path: str | os.PathLike[str]) -> Any:
    """Read a result that `save` wrote to an ``.npz`` file.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Result
        As it was saved.

    Raises
    ------
    ResultError
        If it isn't such a file.

    Examples
    --------
    >>> import tempfile, vizcnn as vz
    >>> result = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = vz.load_result(result.save(f"{folder}/three.npz"))
    >>> again.title(0), bool((again.values == result.values).all())
    ('3 1.00', True)
    """
    try:
        arrays = read_npz(path)
        about = _about_of(arrays)
        kind = Result.kinds[about["kind"]]
        kind._upgrade(about, arrays)
        kind._check_stored(about, arrays)
        result = kind.from_arrays(about, arrays)
        result._check()
    except FileNotFoundError:
        raise ResultError(f"`path` {str(path)!r} doesn't exist.") from None
    except Exception as error:  # NumPy and zipfile raise many kinds for a file that isn't one
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ResultError(f"`path` {str(path)!r} isn't a result that vizcnn saved: {reason}.") from error
    return result


def _about_of(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Take what is no array out of the others, and read it."""
    text = arrays.pop("about", np.empty(0))
    about = json.loads(str(text)) if text.shape == () and text.dtype.kind == "U" else None
    if not isinstance(about, dict) or not isinstance(about.get("kind"), str) or about["kind"] not in Result.kinds:
        raise ValueError("it doesn't say what it is")
    if any(array.dtype.kind == "U" for array in arrays.values()):
        raise ValueError("it holds text in place of numbers")
    return about


def _plain(value: Any) -> Any:
    """Return what JSON knows in place of NumPy's numbers and arrays, and the text of anything else."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)


def tuples(value: Any) -> Any:
    """Return what JSON holds, with tuples in place of lists."""
    if isinstance(value, list):
        return tuple(map(tuples, value))
    return {name: tuples(entry) for name, entry in value.items()} if isinstance(value, dict) else value
