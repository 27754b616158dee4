"""A clip explained frame by frame, as pictures that come one after another: any length, in the memory of a batch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vizcnn.adapter import ModelAdapter, as_adapter
from vizcnn.errors import Note, OptionError
from vizcnn.files import ANIMATIONS, write_file
from vizcnn.inputs import load
from vizcnn.inputs.chosen_frames import evenly, open_length, windows
from vizcnn.inputs.clips import open_clip
from vizcnn.inputs.decoding import AS_KERAS, Decoding
from vizcnn.inputs.frames import FrameSource
from vizcnn.plugins import registry
from vizcnn.plugins.door import MethodRun
from vizcnn.progress import track
from vizcnn.render.animation import LONGEST, captioned, frames_of, painter_of, write_animation
from vizcnn.render.panels import Panel
from vizcnn.render.style import MapStyle
from vizcnn.resample import resize, shrink
from vizcnn.results import Attributions
from vizcnn.results.panels import map_panels
from vizcnn.stream import Method, MethodCall, read_methods

MAX_BATCH = 16
"""Frames that are explained at once."""

NUM_FOR_SCALE = 24
"""Frames, evenly spread over the clip, whose maps decide on the scale of colors that all frames share."""


def explain_video(
    model: Any,
    clip: Any,
    target: Any = None,
    *,
    method: Method = "gradcam",
    layer: str | None = None,
    frames: str | None = None,
    stride: int | None = None,
    longest: int = LONGEST,
) -> ExplainedVideo:
    """Explain a clip by a model of images, each frame for itself, or by a model of video.

    Nothing is computed before its pictures are asked for, and no more than a batch of frames is held.

    Parameters
    ----------
    model : keras.Model, path or ModelAdapter
        The model. One of video, (T, H, W, C), is given as many of the frames as it takes, evenly spread, or by `stride` all of
        them in windows.
    clip : path, folder, file's bytes or open file, Pillow image, or array of shape (T, H, W, C)
        The clip: an animation, a video (the extra ``video``), a folder of frames, or an array.
    target : optional
        What is explained, for all frames. None: the class that the model predicts of each.
    method : str or (str, dict), default "gradcam"
        The method, with options if wanted.
    layer : str, default None
        Path or name of the layer, for methods that look at one.
    frames : str, default None
        Which frames, "START:STOP" or "START:STOP:STEP" as in a slice. None: all.
    stride : int, default None
        Of a model of video: frames from one window to the next. Each frame is shown with the map of the window that it is nearest
        to the middle of. None: one window, evenly spread.
    longest : int, default 640
        Pixels, height or width, that the pictures are kept within.

    Returns
    -------
    ExplainedVideo

    Raises
    ------
    InputError
        If the clip can't be read, or is a still image.
    MethodError, OptionError, CapabilityError
        If there is no such method, or it doesn't work on the model.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> clip = np.stack([vz.inputs.read_image(file, 1) for file in vz.assets.digits()])
    >>> video = vz.explain_video(vz.assets.digits_cnn(), clip)
    >>> len(video), [picture.shape for picture in video][0]
    (10, (240, 224, 3))
    """
    adapter = as_adapter(model)
    if not isinstance(longest, int) or isinstance(longest, bool) or longest < 16:
        raise OptionError(f"`longest` must be a whole number of at least 16 pixels; got {longest!r}.")
    calls = read_methods(method, layer)
    if len(calls) != 1:
        raise OptionError(f"`method` must be one method; got {len(calls)}.")
    registry.check_needs(calls[0].plugin, adapter)
    decoding = adapter.decoding or AS_KERAS
    decoding = decoding if frames is None else replace(decoding, frames=frames)
    decoding = decoding if stride is None else replace(decoding, stride=stride)
    if decoding.stride is not None and len(adapter.input_shape) != 4:
        raise OptionError(
            f"`stride` is of models of video, that take several frames; got {stride!r} for one of images."
        )
    return ExplainedVideo(adapter, open_clip(clip, decoding), target, calls[0], decoding, longest)


class ExplainedVideo:
    """The pictures of a clip's frames with their maps, computed as they are asked for; `explain_video` makes one.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    source : FrameSource
        The clip.
    target : optional
        What is explained.
    call : MethodCall
        The method.
    decoding : Decoding
        Which frames, and how they are read.
    longest : int
        Pixels, height or width, that pictures are kept within.

    Attributes
    ----------
    notes : tuple of Note
        What is known so far that the viewer should know: of each kind the first.

    Examples
    --------
    >>> import numpy as np, tempfile, vizcnn as vz
    >>> clip = np.stack([vz.inputs.read_image(file, 1) for file in vz.assets.digits()])
    >>> video = vz.explain_video(vz.assets.digits_cnn(), clip, target="3", method="saliency", frames="2:5")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     video.save(f"{folder}/digits.gif").name
    'digits.gif'
    """

    def __init__(
        self, model: ModelAdapter, source: FrameSource, target: Any, call: MethodCall, decoding: Decoding, longest: int
    ) -> None:
        self._model, self._source, self._target, self._call = model, source, target, call
        self._decoding, self._longest = decoding, longest
        self._notes: dict[str, Note] = {}
        self._indices: Sequence[int] = decoding.frames_of(source.num_frames)
        self._windows: list[_Window] = []
        if len(model.input_shape) == 4:
            self._windows = _windows(self._indices, model.input_shape[0], decoding)
            self._indices = [index for window in self._windows for index in window.shown]

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What is known so far that the viewer should know: of each kind the first."""
        return tuple(self._notes.values())

    @property
    def seconds(self) -> float | None:
        """How long a picture is to be shown, as long as the clip's own frames; None where the clip doesn't say."""
        whole = self._decoding.frames_of(self._source.num_frames)
        own = self._source.seconds
        return own and own * whole.step * len(whole) / len(self)

    def __iter__(self) -> Iterator[np.ndarray]:
        if len(self._windows) == 1:
            (panel,) = map_panels(self._explained(self._source))
            yield from frames_of(panel, MapStyle(), longest=self._longest)
            return
        if self._windows:
            yield from self._of_windows()
            return
        panels = [panel for batch in self._batches(self._for_scale()) for panel in self._panels(batch)]
        painter = painter_of(panels)
        every = iter(panels) if len(panels) == len(self) else self._all_panels()
        size: tuple[int, int] | None = None
        for panel in every:
            frame = panel.pixels(self._longest)
            if frame is None or panel.values is None:
                raise OptionError(f"`method` {self._call.name!r} must have maps over images; it has none here.")
            size = size or (frame.shape[0], frame.shape[1])
            yield captioned(painter.paint(resize(frame, size), panel.values), panel.heading)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the pictures as they come, to a file that is there when it is whole.

        Parameters
        ----------
        path : path
            Where to: ``.gif``, or ``.mp4``, which needs the extra ``video``.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ResultError
            If the suffix is another, the file can't be written, or PyAV isn't installed and needed.

        Examples
        --------
        >>> import numpy as np, tempfile, vizcnn as vz
        >>> clip = np.stack([vz.inputs.read_image(file, 1) for file in vz.assets.digits()])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     vz.explain_video(vz.assets.digits_cnn(), clip).save(f"{folder}/digits.gif").stat().st_size > 10_000
        True
        """

        def write(file: BinaryIO) -> None:
            pictures = track(self, len(self), f"{self._call.name}, {len(self)} frames")
            write_animation(pictures, file, Path(path).suffix.lower(), self.seconds)

        return write_file(path, write, ANIMATIONS)

    def _of_windows(self) -> Iterator[np.ndarray]:
        """Yield the frames that each window shows; some windows decide on the scale of all."""
        length, count = len(self._windows[0].frames), len(self._windows)
        some = [self._windows[at] for at in evenly(count, min(count, max(2, NUM_FOR_SCALE // length)))]
        panels = [self._window_panel(clip) for _, clip in self._clips(some)]
        painter = painter_of(panels)
        held = dict(zip((window.frames for window in some), panels, strict=True)) if len(some) == count else {}
        every = ((w, held[w.frames]) for w in some) if held else self._window_panels()
        for window, panel in every:
            clip, values = panel.pixels(self._longest), panel.values
            if clip is None or values is None or clip.ndim != 4:
                raise OptionError(f"`method` {self._call.name!r} must have maps over frames; it has none here.")
            for at, index in enumerate(window.frames):
                if index in window.shown:
                    yield captioned(painter.paint(clip[at], values[at]), panel.heading)

    def _window_panels(self) -> Iterator[tuple[_Window, Panel]]:
        yield from ((window, self._window_panel(clip)) for window, clip in self._clips(self._windows))

    def _window_panel(self, clip: np.ndarray) -> Panel:
        (panel,) = map_panels(self._explained(clip, replace(self._decoding, frames=None, stride=None)))
        return replace(panel, image=np.stack([shrink(frame, self._longest) for frame in clip]))

    def _clips(self, wanted: Sequence[_Window]) -> Iterator[tuple[_Window, np.ndarray]]:
        """Yield windows with their frames (T, H, W, C); the clip is read once, and a window is held."""
        cut = load(self._source, self._model.input_shape, image_size=self._model.image_size, decoding=self._decoding)
        self._note(cut.notes)
        waiting, size = list(wanted), self._source.size
        held: dict[int, np.ndarray] = {}
        indices = sorted({index for window in waiting for index in window.frames})
        for index, frame in self._source.frames(self._model.input_shape[3] or self._source.channels, indices):
            held[index] = resize(frame, size)
            while waiting and index == waiting[0].frames[-1]:
                window = waiting.pop(0)
                yield window, np.stack([held[one] for one in window.frames])
                least = waiting[0].frames[0] if waiting else index
                held = {one: pixels for one, pixels in held.items() if one >= least}

    def _for_scale(self) -> list[int]:
        count = min(len(self), NUM_FOR_SCALE)
        return [self._indices[place] for place in evenly(len(self), count)]

    def _all_panels(self) -> Iterator[Panel]:
        for batch in self._batches(self._indices):
            yield from self._panels(batch)

    def _batches(self, indices: Sequence[int]) -> Iterator[list[np.ndarray]]:
        """Yield frames (H, W, C) of one size, a batch at a time."""
        channels = self._model.input_shape[2] if len(self._model.input_shape) == 3 else None
        size, most = self._source.size, MAX_BATCH
        batch: list[np.ndarray] = []
        for _, frame in self._source.frames(channels or self._source.channels, indices):
            batch.append(resize(frame, size))
            if len(batch) == most:
                yield batch
                batch = []
        if batch:
            yield batch

    def _panels(self, batch: Sequence[np.ndarray]) -> list[Panel]:
        """Return the frames of a batch with their maps; all that is held of them is as small as it is shown."""
        panels = map_panels(self._explained(np.stack(batch)))
        return [replace(panel, image=shrink(frame, self._longest)) for panel, frame in zip(panels, batch, strict=True)]

    def _explained(self, images: Any, decoding: Decoding | None = None) -> Attributions:
        model = self._model
        loaded = load(
            images,
            model.input_shape,
            preprocess=model.preprocess,
            image_size=model.image_size,
            decoding=decoding or self._decoding,
        )
        model.prepare(loaded.sample_shape)
        run = MethodRun.of(self._call.plugin, model, loaded, self._target, self._call.options)
        whole = slice(0, len(loaded))
        result = run.answer(whole, loaded.inputs(whole))
        self._note(result.notes)
        return result

    def _note(self, notes: Sequence[Note]) -> None:
        for note in notes:
            self._notes.setdefault(note.kind or str(note), note)


@dataclass(frozen=True)
class _Window:
    """Frames that a model of video is given at once.

    Attributes
    ----------
    frames : tuple of int
        Their numbers.
    shown : tuple of int
        Those that are shown with the map of this one: they are nearer to its middle than to that of another.
    """

    frames: tuple[int, ...]
    shown: tuple[int, ...]


def _windows(indices: Sequence[int], length: int | None, decoding: Decoding) -> list[_Window]:
    length = length or open_length(len(indices), decoding)
    if decoding.stride is None or len(indices) <= length:
        frames = tuple(indices[place] for place in evenly(len(indices), length))
        return [_Window(frames, frames)]
    indices, places = sorted(indices), windows(len(indices), length, decoding.stride)
    ends = [(one.stop + other.start) // 2 for one, other in pairwise(places)]
    shown = [range(max(place.start, start), min(place.stop, stop))
             for place, start, stop in zip(places, [0, *ends], [*ends, len(indices)], strict=True)]  # fmt: skip
    return [
        _Window(tuple(indices[at] for at in place), tuple(indices[at] for at in seen))
        for place, seen in zip(places, shown, strict=True)
    ]
