"""Images that a program holds or makes: arrays, a Keras `PyDataset`, a `tf.data.Dataset`; with labels or without."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from vizcnn.errors import InputError
from vizcnn.runs.source import Entry, Source


class Elements(Source):
    """Images that are gone through from the first to the last, again and again.

    Parameters
    ----------
    kind : str
        What they are.
    batches : callable
        Begins anew, and yields images (H, W, C) or batches of them, with their labels or None.
    """

    in_order = True
    travels = False

    def __init__(self, kind: str, batches: Callable[[], Iterator[tuple[np.ndarray, Any]]]) -> None:
        self._kind, self._batches = kind, batches
        self._lock = threading.Lock()
        self._expected: set[int] = set()
        self._kept: dict[int, np.ndarray] = {}
        self._next = 0
        self._images: Iterator[tuple[np.ndarray, str | None]] = iter(())

    @property
    def about(self) -> dict[str, Any]:
        """See `Source.about`."""
        return {"kind": self._kind}

    def entries(self) -> Iterator[Entry]:
        """See `Source.entries`; it goes through all of them once, and remembers what each was."""
        for number, (image, label) in enumerate(self._singly()):
            yield Entry(f"{number}-{_digest(image)}", label)

    def expect(self, entry: Entry) -> None:
        """See `Source.expect`; it is kept where another one is read before it, so that nothing is gone through again."""
        with self._lock:
            self._expected.add(_parts(entry)[0])

    def read(self, entry: Entry) -> np.ndarray:
        """See `Source.read`; what comes in another order than before is no dataset that can be gone on with."""
        number, digest = _parts(entry)
        with self._lock:
            if number < self._next and number not in self._kept:
                self._next = 0
            if self._next == 0:
                self._images = self._singly()
            while self._next <= number:
                passed, _ = next(self._images, (None, None))
                if passed is None:
                    raise InputError(f"`source` gave {self._next} images, and more before. {_STEADY}")
                if self._next == number or self._next in self._expected:
                    self._kept[self._next] = passed
                self._next += 1
            image = self._kept.pop(number)
            self._expected.discard(number)
        if _digest(image) != digest:
            raise InputError(f"`source` gave another image {number} than before. {_STEADY}")
        return image

    def _singly(self) -> Iterator[tuple[np.ndarray, str | None]]:
        for images, labels in self._batches():
            if images.ndim == 3:
                yield images, _label(labels)
            elif images.ndim == 4:
                given = [None] * len(images) if labels is None else labels
                yield from ((image, _label(label)) for image, label in zip(images, given, strict=True))
            else:
                raise InputError(f"`source` must hold images (H, W, C) or batches of them; got shape {images.shape}.")


_STEADY = "It must give the same images in the same order each time: leave out `shuffle`, and random changes."


def elements_of(source: Any) -> Elements | None:
    """Return the source that an object is; None where it is none.

    Parameters
    ----------
    source : (x, y), ndarray, PyDataset or tf.data.Dataset
        The object.

    Returns
    -------
    Elements or None

    Raises
    ------
    InputError
        If it never ends.
    """
    if isinstance(source, np.ndarray):
        return Elements("array", lambda: iter([(source, None)]))
    if isinstance(source, tuple) and len(source) == 2 and all(hasattr(part, "shape") for part in source):
        return Elements("array", lambda: iter([_pair(source)]))
    if hasattr(source, "as_numpy_iterator"):
        if int(source.cardinality()) == -1:
            raise InputError("`source` must end; got a tf.data.Dataset that repeats for ever. Give dataset.take(1000).")
        return Elements("tf.data", lambda: map(_pair, source.as_numpy_iterator()))
    if hasattr(source, "__getitem__") and hasattr(source, "num_batches"):
        return Elements("PyDataset", lambda: (_pair(source[number]) for number in range(source.num_batches)))
    return None


def _pair(element: Any) -> tuple[np.ndarray, Any]:
    """Return images and labels of what a dataset gives: (x,), (x, y), (x, y, weights), or x alone."""
    parts = element if isinstance(element, tuple | list) else (element,)
    return np.asarray(parts[0]), None if len(parts) < 2 else np.asarray(parts[1])


def _label(label: Any) -> str | None:
    """Return a label as text; of one value for each class the class with the highest."""
    if label is None:
        return None
    array = np.asarray(label)
    if array.size > 1:
        return str(int(array.argmax()))
    value = array.reshape(-1)[0].item()
    return (
        value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else str(int(value) if value == int(value) else value)
    )


def _parts(entry: Entry) -> tuple[int, str]:
    """Return the number of an image and its hash, by which it is called."""
    number, _, digest = entry.key.partition("-")
    return int(number), digest


def _digest(image: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=8).hexdigest()
