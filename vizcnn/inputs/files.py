"""Files as they come from strangers: what may be opened at all, what a file is, and arrays read without trust in their header."""

from __future__ import annotations

import io
import math
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vizcnn.errors import InputError

MAX_BYTES = 4 * 2**30
"""Size of the values that are read from one file of arrays."""

_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}

_NUMPY = "an array of NumPy"

NPY = b"\x93NUMPY"
"""What an ``.npy`` file begins with."""

# What a file begins with, to what it is and what to do. Of formats that are images, the ones that Pillow can't read, or could
# only by starting another program.
_BEGINNINGS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), text)
    for pattern, text in (
        (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript (EPS) drawing. Save it as PNG"),
        (rb"%PDF", "a PDF document. Save its pages as PNG"),
        (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!doctype svg[^>]*>\s*)?<svg", "an SVG drawing. Save it as PNG"),
        (rb"\s*<(!doctype )?html", "a web page. Was the image's address downloaded, or a page about it?"),
        (rb"version https://git-lfs", "a pointer of git-LFS. Fetch the file itself: git lfs pull"),
        (rb".{128}DICM", "a DICOM file. Read it by pydicom, and give its `pixel_array`"),
        (rb"\x89HDF\r\n", "an HDF5 file. Read it by h5py (a MATLAB file too), and give the array"),
        (rb"MATLAB 5", "a MATLAB file. Read it by scipy.io.loadmat, and give the array"),
        (rb"\x93NUMPY", f"{_NUMPY}. Name it .npy"),
        (rb"\0\0[\x08\x09\x0b-\x0e][\x01-\x08]", "an IDX file. Read it by vizcnn.inputs.read_idx, and give the array"),
        (rb"SIMPLE  =", "a FITS file. Read it by astropy, and give the array"),
        (rb".{4}ftyp(hei|hev|mif1|msf1)", "a HEIC photo, which Pillow can't read. Save it as JPEG"),
        (rb".{4}ftypavi[fs]", "an AVIF image, which this Pillow can't read. Install a newer Pillow, or save it as PNG"),
        (
            rb".{4}ftypcrx|FUJIFILMCCD|IIRO|IIU\0|II\x1a\0\0\0HEAPCCDR",
            "a camera's raw file. Develop it to JPEG or TIFF",
        ),
        (
            rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI ",
            "a video. To explain its frames: vizcnn video MODEL FILE --out FILE.gif",
        ),
        (rb"\x1f\x8b|PK\x03\x04|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ", "a packed file. Unpack it first"),
    )
)

# These are TIFF files inside, and Pillow would read the small preview that they hold.
_RAW_SUFFIXES = (".3fr", ".arw", ".cr2", ".dng", ".erf", ".iiq", ".kdc", ".nef", ".nrw", ".pef", ".rwl", ".sr2", ".srf")


def check_file(path: str | os.PathLike[str], subject: str) -> None:
    """Make sure that a path is a file, before it is opened: opening a pipe or a device may wait for ever.

    Parameters
    ----------
    path : path
        The path.
    subject : str
        What it is, to begin the message with: "`images` file".

    Raises
    ------
    InputError
        If it doesn't exist, or is a folder, a named pipe, a device or a socket.
    """
    name = f"{subject} {os.fspath(path)!r}"
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise InputError(f"{name} doesn't exist.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{name} can't be opened: {getattr(error, 'strerror', None) or error}.") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{name} can't be opened: it is a folder.")
    if not stat.S_ISREG(mode):
        raise InputError(f"{name} can't be opened: it is {_SPECIAL.get(stat.S_IFMT(mode), 'no file')}. Give a file.")


def is_raw_photo(path: Path) -> bool:
    """Tell by its suffix whether a file is a camera's raw one, of which Pillow reads a preview."""
    return path.suffix.lower() in _RAW_SUFFIXES


def what_it_is(head: bytes) -> str:
    """Say what a file is that isn't an image, by the bytes that it begins with; "" where that isn't known."""
    if not head:
        return "it is empty"
    for pattern, text in _BEGINNINGS:
        if pattern.match(head):
            return f"it is {text}"
    return ""


def read_npy(path: str | os.PathLike[str], subject: str, *, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Read an ``.npy`` file of numbers; what its header promises is compared with the file before memory is used.

    Parameters
    ----------
    path : path
        The file.
    subject : str
        What it is, to begin a message with: "`images` file".
    max_bytes : int, default 4 GiB
        Largest size of the values.

    Returns
    -------
    ndarray
        Whole numbers, floats or booleans, in the machine's own byte order.

    Raises
    ------
    InputError
        If it can't be read, holds objects (a pickle), or fewer values than it promises.

    Examples
    --------
    >>> import pathlib, tempfile, numpy as np
    >>> from vizcnn.inputs.files import read_npy
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scan.npy"
    >>> np.save(path, np.eye(2, dtype=">u2"))
    >>> read_npy(path, "`images` file").tolist()
    [[1, 0], [0, 1]]
    """
    check_file(path, subject)
    return _read_npy(Path(path).open, f"{subject} {os.fspath(path)!r}", max_bytes)


def npy_of(data: bytes, subject: str) -> np.ndarray:
    """Read what an ``.npy`` file of numbers holds, as `read_npy` does.

    Parameters
    ----------
    data : bytes
        The file's bytes.
    subject : str
        What it is, to begin a message with.

    Returns
    -------
    ndarray
    """
    return _read_npy(lambda _: io.BytesIO(data), subject, MAX_BYTES)


def _read_npy(opened: Callable[[Any], Any], name: str, max_bytes: int) -> np.ndarray:
    try:
        with opened("rb") as file:
            shape, fortran, dtype = _read_header(file)
            if dtype.kind not in "fiub":
                raise InputError(f"{name} holds {dtype}, which are no numbers; save an array of numbers.")
            start = file.tell()
            size, rest = math.prod(shape) * dtype.itemsize, file.seek(0, os.SEEK_END) - start
            promised = f"{name} promises {size:,} bytes of values, shape {shape}"
            if size > rest:
                raise InputError(f"{promised}, but holds {rest:,}: it is cut off, or its header is wrong.")
            if size > max_bytes:
                raise InputError(f"{promised}; at most {max_bytes:,} are read. Give a part of it.")
            file.seek(start)
            values = np.empty(math.prod(shape), dtype)
            file.readinto(values.view(np.uint8))
    except InputError:
        raise
    except Exception as error:  # NumPy's reader of headers raises many kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{name} isn't an .npy file of numbers ({reason.rstrip('.')}).") from error
    array = values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"its format has the version {version}")
    # Version 3.0 differs from 2.0 in the encoding of field names alone, which numbers don't have.
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if any(length < 0 for length in shape):
        raise ValueError(f"its shape is {shape}")
    return shape, fortran, dtype
