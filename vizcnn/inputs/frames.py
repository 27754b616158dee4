"""Frames of a clip, read one after another: of an animation or a file of pages, a video file, or a folder of pictures.

A video file is decoded by PyAV, an extra. It is told which container the file has by the bytes that this begins with, and given
the open file: so FFmpeg never goes by a playlist, or opens another file or an address.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from vizcnn.errors import InputError, VizcnnError
from vizcnn.inputs.decoding import AS_KERAS, Decoding
from vizcnn.inputs.pixels import Encoded, Header, measure, opened, pixels_of, stream_of

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv")
"""Video files that are taken from a folder."""

MAX_FRAMES = 1_000_000
"""Frames that a clip may have: nine hours."""

_CONTAINERS = tuple(
    (re.compile(pattern, re.DOTALL), name)
    for pattern, name in (
        (rb".{4}ftyp(?!hei|hev|mif1|msf1|avi[fs]|crx)|.{4}(moov|mdat|wide|free|skip)", "mov"),
        (rb"\x1aE\xdf\xa3", "matroska"),
        (rb"RIFF.{4}AVI ", "avi"),
        (rb"\0\0\x01\xba", "mpeg"),
        (rb"\0\0\x01\xb3", "mpegvideo"),
        (rb"G.{187}G.{187}G", "mpegts"),
        (rb"FLV\x01", "flv"),
        (rb"OggS", "ogg"),
        (rb"0&\xb2u\x8ef\xcf\x11", "asf"),
    )
)
"""What a video file begins with, to what FFmpeg calls its container."""


class FrameSource(Protocol):
    """What has frames: `Pages`, `Movie`, `Pictures` or `Arrays`."""

    name: str
    num_frames: int
    size: tuple[int, int]
    channels: int
    seconds: float | None

    def frames(self, channels: int, wanted: Collection[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the number and the pixels (H, W, C) of all frames in order, or of those that are wanted."""


def open_frames(source: Path | Encoded, decoding: Decoding = AS_KERAS) -> FrameSource:
    """Open a file as a clip.

    Parameters
    ----------
    source : Path or Encoded
        An animation (GIF, WebP, PNG), a file of several pages (TIFF), or a video.
    decoding : Decoding, default Decoding()
        How its pictures are read.

    Returns
    -------
    FrameSource

    Raises
    ------
    InputError
        If it can't be read, or is a video and PyAV isn't installed.
    """
    with stream_of(source) as stream:
        head = stream.read(512)
    container = next((name for pattern, name in _CONTAINERS if pattern.match(head)), None)
    return Pages(source, decoding) if container is None else Movie(source, container)


class Pages:
    """The frames of an animation, or the pages of a file, that Pillow reads.

    Parameters
    ----------
    source : Path, Encoded or Pillow image
        The file; or an image that is open.
    decoding : Decoding
        How pictures are read.
    """

    def __init__(self, source: Path | Encoded | Image.Image, decoding: Decoding = AS_KERAS) -> None:
        self._source, self._decoding = source, replace(decoding, page=0)
        self.is_open = isinstance(source, Image.Image)
        self.name = getattr(source, "name", None) or str(getattr(source, "filename", None) or "image")
        with self._opened() as image:
            header = measure(image, self._decoding, str(self.name))
            self.seconds = float(image.info.get("duration") or 0) / 1000 or None
        self.num_frames, self.size, self.channels = header.num_pages, header.size, header.channels

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Image.Image]:
        if isinstance(self._source, Image.Image):
            yield self._source
            return
        with opened(self._source) as image:
            yield image

    def frames(self, channels: int, wanted: Collection[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `FrameSource`."""
        with self._opened() as image:
            for index in range(self.num_frames) if wanted is None else sorted(wanted):
                if isinstance(self._source, Image.Image) and not index:
                    image.seek(0)
                yield index, pixels_of(image, channels, str(self.name), replace(self._decoding, page=index))


class Pictures:
    """Picture files that are the frames of one clip.

    Parameters
    ----------
    name : str
        What to call the clip.
    files : sequence of Path
        The pictures, in order.
    decoding : Decoding
        How they are read.
    """

    seconds: float | None = None

    def __init__(self, name: str, files: Sequence[Path], decoding: Decoding = AS_KERAS) -> None:
        self.name, self._files, self._decoding = name, tuple(files), decoding
        header = self._header(0)
        self.num_frames, self.size, self.channels = len(files), header.size, header.channels

    def _header(self, index: int) -> Header:
        with opened(self._files[index]) as image:
            return measure(image, self._decoding, str(self._files[index]))

    def frames(self, channels: int, wanted: Collection[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `FrameSource`."""
        for index in range(self.num_frames) if wanted is None else sorted(wanted):
            with opened(self._files[index]) as image:
                yield index, pixels_of(image, channels, str(self._files[index]), self._decoding)


class Arrays:
    """The frames of a clip in an array.

    Parameters
    ----------
    name : str
        What to call the clip.
    clip : ndarray, shape (T, H, W, C)
        The frames.
    """

    seconds: float | None = None

    def __init__(self, name: str, clip: np.ndarray) -> None:
        self.name, self._clip = name, clip
        self.num_frames, self.size, self.channels = len(clip), (clip.shape[1], clip.shape[2]), clip.shape[3]

    def frames(self, channels: int, wanted: Collection[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `FrameSource`; the channels are the array's own."""
        del channels
        yield from (
            (index, self._clip[index]) for index in (range(self.num_frames) if wanted is None else sorted(wanted))
        )


class Movie:
    """The frames of a video file, decoded by PyAV; turned upright where the file says so, as players do.

    Parameters
    ----------
    source : Path or Encoded
        The file.
    container : str
        What FFmpeg calls its container.
    """

    def __init__(self, source: Path | Encoded, container: str) -> None:
        self._source, self._container = source, container
        self.name = source.name
        self.channels = 3
        with self._decoded() as (file, stream):
            first = next((_upright(frame) for frame in file.decode(stream)), None)
            rate = stream.average_rate or stream.guessed_rate
        if first is None:
            raise InputError(f"`images` file {str(source)!r} holds no frame.")
        self.size = first.shape[0], first.shape[1]
        self.seconds = 1 / float(rate) if rate else None
        self.num_frames = self._count()

    def _count(self) -> int:
        """Return how many frames there are, whatever the header says: packets are read, and not decoded."""
        count = 0
        with self._decoded() as (file, stream):
            for packet in file.demux(stream):
                count += bool(packet.size)
                if count > MAX_FRAMES:
                    raise InputError(
                        f"`images` file {str(self._source)!r} has more than {MAX_FRAMES:,} frames. Cut it first."
                    )
        return count

    def frames(self, channels: int, wanted: Collection[int] | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """See `FrameSource`."""
        wanted = wanted if wanted is None or isinstance(wanted, range) else frozenset(wanted)
        last = max(wanted, default=-1) if wanted is not None else None
        with self._decoded() as (file, stream):
            stream.thread_type = "AUTO"
            for index, frame in enumerate(file.decode(stream)):
                if wanted is None or index in wanted:
                    yield index, pixels_of(Image.fromarray(_upright(frame)), channels, str(self._source))
                if index == last:
                    return

    @contextlib.contextmanager
    def _decoded(self) -> Iterator[tuple[Any, Any]]:
        name = f"`images` file {str(self._source)!r}"
        try:
            import av
        except ModuleNotFoundError as error:
            raise InputError(
                f"{name} is a video, which needs PyAV: pip install 'vizcnn[video]'. Or give a GIF, a folder of its frames, or an "
                f"array."
            ) from error
        with stream_of(self._source) as stream:
            try:
                with av.open(stream, format=self._container) as file:
                    if not file.streams.video:
                        raise InputError(
                            f"{name} holds no pictures that can be read: it is damaged, or of sound alone."
                        )
                    video = file.streams.video[0]
                    _check_size(name, video.width, video.height)
                    yield file, video
            except VizcnnError:
                raise
            except MemoryError as error:
                raise InputError(f"{name} is too large for the memory. Shrink it first.") from error
            except (av.error.FFmpegError, ValueError, OSError, EOFError) as error:
                reason = " ".join(str(error).split()).rstrip(".")
                raise InputError(f"{name} is damaged, or no video that can be read: {reason}.") from error


def _check_size(name: str, width: int, height: int) -> None:
    most = 2 * (Image.MAX_IMAGE_PIXELS or 2**27)  # from which on Pillow refuses an image too
    if width * height > most:
        raise InputError(
            f"{name} has frames of {width:,} x {height:,} pixels, too large to open safely. Shrink it first."
        )


def _upright(frame: Any) -> np.ndarray:
    """Return a frame's pixels (H, W, 3), turned as the file says."""
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else np.asarray(pixels)
