"""What is looked at: a model, which is loaded in the background, and its images, given or uploaded."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vizcnn.errors import InputError, ResultError, VizcnnError

if TYPE_CHECKING:
    import numpy as np

    from vizcnn.adapter import ModelAdapter
    from vizcnn.inputs import ImageSet

MAX_UPLOAD = 64_000_000
"""Bytes that an uploaded file may have."""

MAX_UPLOADS, MAX_UPLOADED = 100, 512_000_000
"""How many uploads, and painted pictures, are kept, and how many bytes of them; the oldest go first."""

_UNREAD = (InputError, ResultError)
"""What is told of an image that can't be read, or of a run's that isn't what it was."""

OpenModel = Callable[[], tuple["ModelAdapter", Sequence[str]]]
"""Loads the model; returns what there is to say of it too."""


@dataclass(frozen=True)
class Origin:
    """How a model is opened elsewhere.

    Attributes
    ----------
    python : tuple of str
        Lines of Python after which ``model`` is the model.
    words : tuple of str
        Words of the command line: the file, and the options of loading it.
    """

    python: tuple[str, ...]
    words: tuple[str, ...]


class KeptFolder:
    """A folder with what was explained before, that is looked at beside the model."""

    kind: str
    """What the page knows it by."""

    @property
    def count(self) -> int:
        """How many images it holds so far."""
        return 0

    @property
    def is_complete(self) -> bool:
        """Whether it holds all that it ever will."""
        return True


class Later:
    """An image that is read when it is looked at."""

    name: str

    def open(self) -> Any:
        """Return what it is read from."""
        raise NotImplementedError


@dataclass(frozen=True)
class Upload:
    """An image that somebody brought, or made here.

    Attributes
    ----------
    name : str
        What it is called.
    content : bytes or ImageSet
        Its file; or what was made of another image.
    size : int
        Bytes.
    """

    name: str
    content: bytes | ImageSet
    size: int

    def open(self) -> Any:
        """Return what it is read from."""
        if not isinstance(self.content, bytes):
            return self.content
        file = io.BytesIO(self.content)
        file.name = self.name
        return file


class NotReadyError(VizcnnError):
    """The model isn't loaded yet."""


class Studio:
    """A model, its images, and what is known of both.

    Parameters
    ----------
    name : str
        What the model is called before it is loaded.
    open_model : callable or None
        Loads it, and returns what there is to say of it too; None: there is none, and only what was kept is looked at.
    images : sequence, default ()
        The images of the folder: whatever `vizcnn.inputs.load` takes, each an entry.
    origin : Origin, default None
        How the model is opened elsewhere; None: it is no file.
    kept : KeptFolder, default None
        The folder of a run or a training that is looked at too; see `vizcnn.explorer.records`.
    is_needed : bool, default True
        Whether nothing is shown where the model can't be loaded; else that is told, and what was kept is looked at alone.

    Attributes
    ----------
    error : str or None
        Why the model can't be loaded.
    changes : int
        How often the model was seen to have other weights than before.
    forgets : list of callable
        Called on the thread that asks the model, before it asks another model than what was found was found of.
    """

    def __init__(
        self,
        name: str,
        open_model: OpenModel | None,
        images: Sequence[Any] = (),
        *,
        origin: Origin | None = None,
        kept: KeptFolder | None = None,
        is_needed: bool = True,
    ) -> None:
        self.name = name
        self.origin = origin
        self.kept = kept
        self.sources = images
        self.stage = "loading"
        self.notes: list[str] = []
        self.error: str | None = None
        self._model: ModelAdapter | None = None
        self._shape: tuple[int, ...] | None = None
        self._uploads: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()
        self._open_model = open_model
        self._is_needed = is_needed
        self.ready = threading.Event()
        self.changes = 0
        self.forgets: list[Callable[[], None]] = []
        self._last: tuple[Hashable, ...] | None = None
        self._stays = False
        self._turned_to: Hashable = None
        self._state_lock = threading.Lock()
        self._folder: tuple[tuple[int, int], ImageSet, list[int]] | None = None
        self._folder_lock = threading.Lock()

    def load(self) -> None:
        """Load the model; what goes wrong is told on the page, not raised."""
        if self._open_model is None:
            self.stage = "ready"
            self.ready.set()
            return
        try:
            model, notes = self._open_model()
        except VizcnnError as error:
            self._do_without(str(error))
        except Exception:  # noqa: BLE001 - a thread of its own: nobody else would tell it
            self._do_without(traceback.format_exc(limit=-1).strip())
        else:
            self._model, self.stage = model, "ready"
            self.notes = [*notes, *(str(note) for note in model.notes)]
        self.ready.set()

    def _do_without(self, error: str) -> None:
        self.error = error
        if not self._is_needed:
            self._open_model = None
        self.stage = "failed" if self._is_needed else "ready"  # last: who sees it finds the rest as it is

    @property
    def has_model(self) -> bool:
        """Whether there is a model, loaded or not yet."""
        return self._open_model is not None

    @property
    def model(self) -> ModelAdapter:
        """The model; `NotReadyError` while it is loaded."""
        if not self.has_model:
            raise InputError("No model was given: vizcnn serve MODEL.")
        if self._model is None:
            raise NotReadyError(self.error or "The model is being loaded.")
        return self._model

    def state(self) -> Hashable:
        """Return what tells the model as it is now from what it is when its layers are made or it trains on.

        A model that comes from a file is nobody else's, so that its weights stay.
        """
        model = self._model
        if model is None:
            return None
        with self._state_lock:  # all weights are read: by one at a time, who then tells whether they have changed
            try:
                state = model.num_params, model.shown_shape, model.fingerprint() if self.origin is None else None
            except (VizcnnError, RuntimeError):  # a training has the weights for itself, which JAX tells as the latter
                self._stays = False
                return object()
            last, self._last = self._last, state
            self._stays = last == state
            if last is not None and last[0] == state[0] and last[2] != state[2]:
                self.changes += 1
        return state

    def believed(self) -> Hashable | None:
        """Return the state that the model was seen in last, where it was in that before too; else None.

        What is found of it in the belief that it still is has to be checked, by `is_still`.
        """
        return self._last if self._stays else None

    def turn_to(self, state: Hashable) -> None:
        """Forget what was found of the model in another state; on the thread that asks it."""
        if state != self._turned_to:
            for forget in self.forgets:
                forget()
        self._turned_to = state

    def is_still(self, state: Hashable) -> bool:
        """Tell whether the model is in that state; else what was found meanwhile is found of neither."""
        same = self.state() == state
        if not same:
            self._turned_to = object()
        return same

    def image(self, key: str) -> ImageSet:
        """Return one image, as the model takes it.

        Parameters
        ----------
        key : str
            Its place in the folder, or what `add` returned.

        Returns
        -------
        ImageSet

        Raises
        ------
        InputError
            If there is none, or it can't be read.
        """
        return self._read(self.source(key))

    def source(self, key: str) -> Any:
        """Return what an image is read from: a path, an array, an open file with a name, or an `ImageSet`.

        Parameters
        ----------
        key : str
            As `image` takes it.

        Returns
        -------
        path, array, binary file or ImageSet
        """
        with self._lock:
            uploaded = self._uploads.get(key)
            if uploaded is not None:
                self._uploads.move_to_end(key)
        if uploaded is not None:
            return uploaded.open()
        if key.isdecimal() and int(key) < len(self.sources):
            return opened(self.sources[int(key)])
        raise InputError(
            f"There is no image {key!r} here; of those that were uploaded or painted the latest {MAX_UPLOADS} are kept, up to "
            f"{MAX_UPLOADED // 1_000_000} MB."
        )

    @property
    def is_whole(self) -> bool:
        """Whether all images of the folder are there; of a run that goes on there are more and more."""
        return self.kept is None or self.kept.is_complete

    def folder(self) -> tuple[ImageSet, list[int]]:
        """Return all images of the folder that can be read; they are read as they are needed.

        Returns
        -------
        (ImageSet, list of int)
            The images, and their places in the folder.

        Raises
        ------
        InputError
            If there are none, or none can be read.
        """
        if not self.sources:
            raise InputError("That takes a folder of images: vizcnn serve MODEL IMAGES.")
        with self._folder_lock:
            counts = len(self.sources), 0 if self.kept is None else self.kept.count
            if self._folder is None or self._folder[0] != counts:
                self._folder = counts, *self._readable()
            return self._folder[1:]

    def _readable(self) -> tuple[ImageSet, list[int]]:
        there, good = {}, {}
        for number, source in enumerate(self.sources):
            with suppress(*_UNREAD):
                there[number] = opened(source)
        with suppress(*_UNREAD):
            return self._read([*there.values()]), [*there]
        for number, source in there.items():
            with suppress(*_UNREAD):
                self._read(source)
                good[number] = source
        return self._read([*good.values()]), [*good]

    def place_of(self, key: str) -> str | None:
        """Return the path of an image; None where it is no file.

        Parameters
        ----------
        key : str
            As `image` takes it.

        Returns
        -------
        str or None
        """
        source = self.sources[int(key)] if key.isdecimal() and int(key) < len(self.sources) else None
        return os.fspath(source) if isinstance(source, (str, os.PathLike)) else None

    def name_of(self, key: str) -> str:
        """Return what an image is called.

        Parameters
        ----------
        key : str
            As `image` takes it.

        Returns
        -------
        str
        """
        with self._lock:
            uploaded = self._uploads.get(key)
        return uploaded.name if uploaded is not None else os.path.basename(self.place_of(key) or f"image {key}")

    def add(self, name: str, content: bytes) -> str:
        """Keep an uploaded file; return what it is asked for by.

        Parameters
        ----------
        name : str
            What the file is called.
        content : bytes
            The file.

        Returns
        -------
        str

        Raises
        ------
        InputError
            If it is no image that the model takes.
        """
        upload = Upload(name, content, len(content))
        images = self._read(upload.open())
        images.preview(0, 1)
        if all(hasattr(source, "dtype") for source in images.sources):  # of an .npy file, whose arrays have no names
            upload = replace(upload, content=replace(images, names=(name,) * len(images)))
        return self._keep(f"u{hashlib.sha256(content).hexdigest()[:16]}", upload)

    def add_changed(self, images: ImageSet, pixels: np.ndarray, name: str) -> str:
        """Keep a changed copy of an image, as the model sees it; return what it is asked for by.

        Parameters
        ----------
        images : ImageSet
            The image.
        pixels : ndarray of float32
            The copy, of its `sample_shape`.
        name : str
            What the copy is called.

        Returns
        -------
        str
        """
        # Nothing is cut off or fitted once more: it has the model's size.
        changed = replace(images, sources=[pixels], names=(name,), notes=(), file_ranges={}, geometry=())
        key = f"c{hashlib.sha256(pixels.tobytes()).hexdigest()[:16]}"
        return self._keep(key, Upload(name, changed, pixels.nbytes))

    def _keep(self, key: str, upload: Upload) -> str:
        with self._lock:
            self._uploads[key] = upload
            while len(self._uploads) > MAX_UPLOADS or sum(one.size for one in self._uploads.values()) > MAX_UPLOADED:
                self._uploads.popitem(last=False)
        return key

    def _read(self, source: Any) -> ImageSet:
        images = self.model.load_images(source, self._shape)
        if None in self.model.input_shape and self._shape is None:
            self._shape = images.sample_shape  # the first image decides, as it does on the command line
        return images


def opened(source: Any) -> Any:
    """Return what an image is read from: of one that a run keeps, that."""
    return source.open() if isinstance(source, Later) else source
