"""Training that shows itself: a Keras callback that explains the same images after each epoch."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from vizcnn.adapter import ModelAdapter, adapt
from vizcnn.adapter.keras.training import Callback
from vizcnn.errors import Note, OptionError, PluginWarning, VizcnnWarning, warn
from vizcnn.explanation import collect
from vizcnn.files import file_stems, write_file
from vizcnn.inputs import ImageSet
from vizcnn.plugins import door
from vizcnn.render.raster import rasterize, read, write_gif, write_png
from vizcnn.results import Attributions
from vizcnn.results.panels import map_panel
from vizcnn.stream import Failure, read_methods, stream
from vizcnn.training.tensorboard import EventWriter

_MILLISECONDS = 400
_SHARE, _SECONDS = 0.5, 5.0
"""Share of the training's time, and seconds, from which on the callback says what it costs."""


class ExplainCallback(Callback):  # type: ignore[misc]  # Keras has no types
    """Explain a fixed set of images while a model is trained, after each epoch or every few.

    The maps go to TensorBoard, as images by method and image, and to a folder, with an animation over the epochs at the end of
    the training. Each method is compiled once in a whole training and sees the weights as they are. A method that fails is
    warned of once and left out; the training goes on.

    Parameters
    ----------
    images : path, image, array of shape (N, H, W, C), or a list
        The images: a few, the same each time.
    methods : sequence of str or (str, dict), default ("gradcam",)
        Names of methods that explain images, with options where they are wanted; see `vizcnn.explain`.
    target : optional
        What is explained, default None: the class that the model predicts at that time.
    every : int, default 1
        After each how many epochs; the last one is always explained.
    log_dir : path, default None
        TensorBoard's folder.
    folder : path, default None
        Where pictures and animations go.
    preprocess, labels : default None
        See `vizcnn.adapt`.

    Attributes
    ----------
    seconds : float
        What explaining took so far.
    share : float
        Its share of the training's time so far, 0 to 1; also in TensorBoard, as ``vizcnn/share of the time``.

    Raises
    ------
    OptionError
        If neither `log_dir` nor `folder` is given, they can't be written to, or `every` isn't positive.
    MethodError
        If a method doesn't exist, or explains no images.

    Examples
    --------
    >>> import keras, numpy as np, pathlib, tempfile
    >>> from vizcnn.callbacks import ExplainCallback
    >>> x, y = np.random.default_rng(0).uniform(size=(8, 8, 8, 1)), np.arange(8) % 2
    >>> conv = [
    ...     keras.layers.Conv2D(2, 3, activation="relu"),
    ...     keras.layers.GlobalAveragePooling2D(),
    ...     keras.layers.Dense(2),
    ... ]
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), *conv])
    >>> model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> history = model.fit(
    ...     x, y, epochs=2, verbose=0, callbacks=[ExplainCallback(x[:1], methods="saliency", folder=folder)]
    ... )
    >>> sorted(path.name for path in folder.iterdir())
    ['image.saliency.0001.png', 'image.saliency.0002.png', 'image.saliency.gif']
    """

    def __init__(
        self,
        images: Any,
        *,
        methods: Sequence[Any] = ("gradcam",),
        target: Any = None,
        every: int = 1,
        log_dir: str | os.PathLike[str] | None = None,
        folder: str | os.PathLike[str] | None = None,
        preprocess: Any = None,
        labels: Any = None,
    ) -> None:
        super().__init__()
        if log_dir is None and folder is None:
            raise OptionError("`log_dir` or `folder` must be given, or the maps go nowhere.")
        if not isinstance(every, int) or every < 1:
            raise OptionError(f"`every` must be a positive whole number; got {every!r}.")
        self._methods = {call.name: call for call in read_methods(methods)}
        self._images, self._target, self._every = images, target, every
        self._settings: Mapping[str, Any] = {"preprocess": preprocess, "labels": labels}
        self._folder = Path(folder) if folder is not None else None
        self._events = EventWriter(log_dir) if log_dir is not None else None
        self._adapter: ModelAdapter | None = None
        self._loaded: ImageSet | None = None
        self._frames: dict[Path, list[Path]] = {}
        self._kept: Path | None = None
        self._working = self._methods
        self._said: set[tuple[str, ...]] = set()
        self._explained = self._epoch = -1
        self._started = 0.0
        self.seconds = 0.0
        self.share = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget the training before.

        Parameters
        ----------
        logs : default None
            Not looked at; Keras gives it.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> callback = vz.callbacks.ExplainCallback(vz.assets.digits()[3], folder=tempfile.mkdtemp())
        >>> callback.on_train_begin()
        >>> callback.seconds, callback.share
        (0.0, 0.0)
        """
        self._working = dict(self._methods)
        self._frames, self._explained, self._epoch, self._said = {}, -1, -1, set()
        self._started, self.seconds, self.share = time.perf_counter(), 0.0, 0.0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Explain the images, where it is time to.

        Parameters
        ----------
        epoch : int
            The epoch that ended, from 0 on.
        logs : default None
            Not looked at; Keras gives it.

        Examples
        --------
        >>> import pathlib, tempfile, vizcnn as vz
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> callback = vz.callbacks.ExplainCallback(vz.assets.digits()[3], folder=folder)
        >>> callback.set_model(vz.assets.digits_cnn().model)  # as `fit` does
        >>> callback.on_epoch_end(0)
        >>> [path.name for path in folder.iterdir()]
        ['digit_3.gradcam.0001.png']
        """
        if (epoch + 1) % self._every == 0:
            self._explain(epoch)
        self._epoch = epoch

    def on_train_end(self, logs: Any = None) -> None:
        """Explain the images a last time, and write the animations.

        Parameters
        ----------
        logs : default None
            Not looked at; Keras gives it.

        Examples
        --------
        >>> import pathlib, tempfile, vizcnn as vz
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> callback = vz.callbacks.ExplainCallback(vz.assets.digits()[3], folder=folder, every=5)
        >>> callback.set_model(vz.assets.digits_cnn().model)  # as `fit` does
        >>> callback.on_epoch_end(0)  # not yet
        >>> callback.on_train_end()
        >>> sorted(path.name for path in folder.iterdir())
        ['digit_3.gradcam.0001.png', 'digit_3.gradcam.gif']
        """
        if self._epoch > self._explained:
            self._explain(self._epoch)
        if self._folder is not None:
            for path, frames in self._frames.items():
                with self._going_on(path.name):
                    write_file(path, partial(write_gif, map(read, frames), _MILLISECONDS), (".gif",))
                    for frame_file in frames:
                        frame_file.unlink(missing_ok=True)
        if self.share > _SHARE and self.seconds > _SECONDS:
            warn(
                [
                    f"Explaining took {self.seconds:.0f} s, {self.share:.0%} of the training's time: explain fewer images, or "
                    f"after every few epochs (`every`)."
                ]
            )

    def _explain(self, epoch: int) -> None:
        start = time.perf_counter()
        model = self.model  # on JAX this brings the weights back to the model
        if self._working and getattr(self._adapter, "model", None) is not model:
            with self._going_on("images"):
                self._adapter = adapt(model, **self._settings)
                self._loaded = door.load_images(self._adapter, self._images)
        for name, result in self._results().items():
            with self._going_on(name):
                self._show(name, result, epoch)
                self._say(name, result.notes)
        self._explained = epoch
        self.seconds += time.perf_counter() - start
        self.share = self.seconds / (time.perf_counter() - self._started)
        if self._events is not None:
            with self._going_on("log_dir"):
                self._events.number("vizcnn/share of the time", self.share, epoch)
                self._events.flush()

    def _results(self) -> Mapping[str, Attributions]:
        """Return what the methods that still work say now."""
        model, images, calls = self._adapter, self._loaded, list(self._working.values())
        if model is None or images is None or not calls:
            return {}

        results: Mapping[str, Attributions] = {}
        failures: list[Failure] = []
        with self._going_on("target"), warnings.catch_warnings():
            warnings.simplefilter("ignore", VizcnnWarning)  # after each epoch the same
            batches = stream(model, images, self._target, calls, on_failure=failures.append)
            results = collect(batches, len(images))[0].results
        for failure in failures:
            self._leave_out(failure.method or images.names[failure.images[0]], failure.error)
        return results

    def _show(self, name: str, result: Attributions, epoch: int) -> None:
        for index, stem in enumerate(self._stems(name, result.names)):
            pixels = rasterize(map_panel(result, index))
            if self._events is not None:
                self._events.image(f"{name}/{result.names[index]}", pixels, epoch)
            if self._folder is not None:
                path = self._folder / f"{stem}.{epoch + 1:04d}.png"
                write_file(path, partial(write_png, pixels), (".png",))
                self._frames.setdefault(self._folder / f"{stem}.gif", []).append(self._keep(pixels))

    def _stems(self, name: str, images: Sequence[str]) -> list[str]:
        """Return the beginning of the names of a method's files, for each image; no two alike, of other methods neither."""
        slug = dict(zip(self._methods, file_stems(list(self._methods), 80), strict=True))[name]
        return [f"{stem}.{slug}" for stem in file_stems([Path(image).stem for image in images])]

    def _keep(self, pixels: Any) -> Path:
        """Keep a picture for the animation, out of reach of other runs that write into the same folder."""
        if self._kept is None:
            self._kept = Path(tempfile.mkdtemp(prefix="vizcnn-"))
            weakref.finalize(self, shutil.rmtree, self._kept, ignore_errors=True)
        return write_file(self._kept / f"{secrets.token_hex(8)}.png", partial(write_png, pixels), (".png",))

    def _say(self, name: str, notes: Sequence[Note]) -> None:
        """Warn of what a method notices, once in a training, whatever its numbers are after other epochs."""
        reasons = [(name, note.kind or str(note), note.template) for note in notes]
        fresh = [note for note, reason in zip(notes, reasons, strict=True) if reason not in self._said]
        warn(f"{name}: {note}" for note in fresh if not note.quiet)
        self._said |= set(reasons)

    @contextmanager
    def _going_on(self, what: str) -> Iterator[None]:
        """Let the training go on without what fails."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is
            self._leave_out(what, error)

    def _leave_out(self, what: str, error: Exception) -> None:
        """Warn of what fails, once."""
        if what in self._working:
            del self._working[what]
        elif what in ("images", "target"):
            self._working = {}
        elif what == "log_dir":
            self._events = None
        reason = " ".join(str(error).split())
        text = f"ExplainCallback skips {what!r}: {type(error).__name__}: {reason}"
        warn([text] if (what, text) not in self._said else [], PluginWarning)
        self._said.add((what, text))
