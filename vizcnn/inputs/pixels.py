"""Image files and Pillow images, read as pixels: by default as Keras's own loaders read them, which made the training data.

Long by the docstrings of what it offers.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from vizcnn.errors import InputError, OptionError
from vizcnn.inputs.decoding import AS_KERAS, Decoding
from vizcnn.inputs.files import check_file, is_raw_photo, what_it_is

FORMATS = (
    "PNG JPEG BMP DIB GIF TIFF WEBP AVIF JPEG2000 PPM PCX TGA ICO SGI".split()  # noqa: SIM905 - read as a line
)
"""Formats that are opened, whatever the file's name: all of pixels. For others Pillow may start another program."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
"""Files that are taken from a folder."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's modes, by the channels that a model takes."""

_ORIENTATION, _DNG_VERSION = 0x0112, 0xC612

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


_ACROSS = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}


@dataclass(frozen=True)
class Header:
    """What is known of an image before its pixels are read.

    Attributes
    ----------
    size : (int, int)
        Height and width.
    channels : int
        1 or 3.
    mode : str
        Pillow's.
    is_deep : bool
        Whether it holds numbers of more than 8 bits, which are kept.
    is_cut_to_8_bits : bool
        Whether it is a color image of 16 bits, of which Pillow reads the upper 8.
    has_alpha : bool
        Whether pixels may be transparent.
    orientation : int
        EXIF's, 1 to 8, where the pixels aren't turned by it yet; 1 is upright.
    was_turned : bool
        Whether Pillow turns it by its orientation, as it does with TIFF.
    num_pages : int
        Pages or frames.
    """

    size: tuple[int, int]
    channels: int
    mode: str
    is_deep: bool
    is_cut_to_8_bits: bool
    has_alpha: bool
    orientation: int
    was_turned: bool
    num_pages: int


@dataclass(frozen=True)
class Encoded:
    """The bytes of an image file that isn't on disk.

    Attributes
    ----------
    data : bytes
        What the file holds.
    name : str
        What to call it.
    """

    data: bytes = field(repr=False)
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class OpenedOnce(Encoded):
    """The bytes of an image file that one thread alone measures and then reads: its head is gone through once for both."""

    @cached_property
    def image(self) -> Image.Image:
        """The image, which stays open."""
        return _open(io.BytesIO(self.data), self.name)


class Fetched(Encoded):
    """The bytes of an image file that are fetched whenever they are asked for, and not kept.

    Parameters
    ----------
    fetch : callable
        Returns them.
    name : str
        What to call the file.
    """

    _fetch: Callable[[], bytes]

    def __init__(self, fetch: Callable[[], bytes], name: str) -> None:
        object.__setattr__(self, "_fetch", fetch)
        object.__setattr__(self, "name", name)

    @property
    def data(self) -> bytes:
        """What the file holds."""
        return self._fetch()

    __eq__, __hash__ = object.__eq__, object.__hash__  # by what they hold all would be fetched


@contextlib.contextmanager
def opened(source: Path | Encoded) -> Iterator[Image.Image]:
    """Open a file as a Pillow image; what goes wrong then is told with its name."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, OpenedOnce):
            image = source.image
        else:
            image = stack.enter_context(_open(stack.enter_context(stream_of(source)), str(source)))
        if image.format == "TIFF" and _DNG_VERSION in image.tag_v2:  # type: ignore[attr-defined]
            raise InputError(f"`images` file {str(source)!r} is a camera's raw file (DNG). Develop it to JPEG or TIFF.")
        yield image


def measure(image: Image.Image, decoding: Decoding, name: str) -> Header:
    """Return what is known of an image before its pixels are read."""
    with _blaming(name):
        num_pages = int(getattr(image, "n_frames", 1))
        _turn_to_page(image, decoding, name)
        orientation = _orientation(image)
        is_tiff = image.format == "TIFF"
        swapped = decoding.upright and not is_tiff and orientation >= 5
        mode = image.mode
        return Header(
            size=(image.width, image.height) if swapped else (image.height, image.width),
            channels=1 if mode in ("1", "L", "LA") or mode[0] in "IF" else 3,
            mode=mode,
            is_deep=mode[0] in "IF",
            is_cut_to_8_bits=mode[0] not in "IF" and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())),
            has_alpha=_has_alpha(image),
            orientation=1 if is_tiff else orientation,
            was_turned=is_tiff and orientation > 1,
            num_pages=num_pages,
        )


def pixels_of(
    image: Image.Image,
    channels: int,
    name: str,
    decoding: Decoding = AS_KERAS,
    size_hint: tuple[int, int] | None = None,
) -> np.ndarray:
    """Return the pixels (H, W, C) of an image: uint8, or its own numbers where they have more bits.

    Parameters
    ----------
    image : Pillow image
        The image.
    channels : int
        1, 3 or 4.
    name : str
        What to call it where it can't be read.
    decoding : Decoding
        How.
    size_hint : (int, int), default None
        Height and width that will do: of a much larger file no more pixels are made than that takes, by averages of 2x2, 3x3 ...
        None: all.

    Returns
    -------
    ndarray, shape (H, W, channels)
        uint8, uint16, int32 or float32.

    Raises
    ------
    InputError
        If it is damaged, holds NaN, or has no such page.
    """
    with _blaming(name):
        _turn_to_page(image, decoding, name)
        turn = _TURNS.get(_orientation(image)) if decoding.upright and image.format != "TIFF" else None
        if size_hint is not None and turn in _ACROSS:
            size_hint = size_hint[::-1]
        if size_hint is not None:
            image.draft(None, (size_hint[1], size_hint[0]))  # a JPEG is then decoded at a half, a quarter or an eighth
        if image.mode[0] not in "IF":
            image = _converted(image, channels, decoding, size_hint)
        if turn is not None:
            image = image.transpose(turn)
        if image.mode[0] in "IF":
            return _own_numbers(image, channels, name)
        pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def reduction(size: tuple[int, int], size_hint: tuple[int, int]) -> int:
    """Return by how much an image can be made smaller, both ways, and still have `wanted` height and width."""
    return max(1, min(have // max(want, 1) for have, want in zip(size, size_hint, strict=True)))


def read_image(path: str | os.PathLike[str], channels: int = 3, *, decoding: Decoding = AS_KERAS) -> np.ndarray:
    """Read a file as pixels, by default as Keras's own loaders do.

    Parameters
    ----------
    path : path
        The file.
    channels : int, default 3
        1 (gray), 3 (RGB) or 4 (RGBA): what it is converted to.
    decoding : Decoding, default Decoding()
        What becomes of orientation, transparency and pages.

    Returns
    -------
    ndarray, shape (H, W, channels)
        uint8; uint16, int32 or float32, with the file's own numbers, where they have more bits.

    Raises
    ------
    InputError
        If the file isn't there, isn't an image, or is too large to be one in good faith.

    Examples
    --------
    >>> import vizcnn as vz
    >>> pixels = vz.inputs.read_image(vz.assets.digits()[3])
    >>> pixels.shape, pixels.dtype
    ((28, 28, 3), dtype('uint8'))
    """
    with opened(Path(path)) as image:
        return pixels_of(image, channels, str(path), decoding)


def _open(stream: BinaryIO, name: str) -> Image.Image:
    try:
        with _quiet():
            # Not by its path: Pillow would map the file into memory, and of a turned TIFF file mix up the rows.
            return Image.open(stream, formats=_formats())
    except UnidentifiedImageError:
        stream.seek(0)
        what = what_it_is(stream.read(512))
        raise InputError(
            f"`images` file {name!r} isn't an image that Pillow can read{': ' if what else ''}{what}."
        ) from None
    except Image.DecompressionBombError as error:
        raise InputError(f"`images` file {name!r} is too large to open safely: {error} Shrink it first.") from None
    except Exception as error:  # a damaged header makes Pillow raise many kinds
        raise InputError(f"`images` file {name!r} can't be opened: {_reason(error)}.") from error


@contextlib.contextmanager
def stream_of(source: Path | Encoded) -> Iterator[BinaryIO]:
    """Open the bytes of a file, whatever it is."""
    if isinstance(source, Encoded):
        yield io.BytesIO(source.data)
        return
    check_file(source, "`images` file")
    if is_raw_photo(source):
        raise InputError(f"`images` file {str(source)!r} is a camera's raw file. Develop it to JPEG or TIFF.")
    try:
        file = source.open("rb")
    except OSError as error:
        raise InputError(f"`images` file {str(source)!r} can't be opened: {error.strerror or error}.") from error
    with file:
        yield file


@cache
def _formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that this Pillow knows."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextlib.contextmanager
def _blaming(name: object) -> Iterator[None]:
    """Say which file it is that Pillow can't read to its end."""
    try:
        with _quiet():
            yield
    except (InputError, OptionError):
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"`images` file {str(name)!r} is too large to open safely: {error} Shrink it first.") from None
    except MemoryError as error:
        raise InputError(f"`images` file {str(name)!r} is too large for the memory. Shrink it first.") from error
    except Exception as error:  # damaged pixels make Pillow raise many kinds
        raise InputError(f"`images` file {str(name)!r} is damaged: {_reason(error)}.") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings of large and odd files from users, who are told by errors and notes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return (
        text
        if text and isinstance(error, OSError | ValueError | SyntaxError)
        else f"{type(error).__name__} {text}".strip()
    )


def _turn_to_page(image: Image.Image, decoding: Decoding, name: str) -> None:
    if decoding.page:
        try:
            image.seek(decoding.page)
        except EOFError:
            raise InputError(
                f"`images` file {name!r} has no page {decoding.page}; its pages are 0 to {getattr(image, 'n_frames', 1) - 1}."
            ) from None


def _converted(image: Image.Image, channels: int, decoding: Decoding, size_hint: tuple[int, int] | None) -> Image.Image:
    if channels < 4 and decoding.background is not None and _has_alpha(image):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, decoding.background), image)
    if image.mode != MODES[channels]:
        image = image.convert(MODES[channels])
    factor = 1 if size_hint is None else reduction((image.height, image.width), size_hint)
    return image.reduce(factor) if factor > 1 else image


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where there is none that makes sense."""
    # Of a PNG without EXIF before its pixels, Pillow would read all pixels to look for it behind them.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        value: Any = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - EXIF is written by everybody, and the pixels don't need it
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _own_numbers(image: Image.Image, channels: int, name: str) -> np.ndarray:
    values = np.asarray(image)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if not np.isfinite(values).all():
        raise InputError(f"`images` file {name!r} holds NaN or infinity. Clean it before explaining.")
    return np.repeat(values[..., None], channels, axis=-1)
