"""Forms of an answer: facts as JSON; arrays behind the JSON that describes them, as the page's `api.js` reads them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

ALIGNED = 8
"""Bytes: each array begins at a multiple of it, so that the browser can look at it without a copy."""

DTYPES = ("float16", "float32", "uint8", "int32")


def facts(value: Any) -> bytes:
    """Return facts as JSON; numbers that aren't finite become null, and arrays lists.

    Parameters
    ----------
    value : dict, list, str, number or None
        The facts.

    Returns
    -------
    bytes
    """
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace")


def arrays(about: Mapping[str, Any], given: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays behind the facts about them.

    Parameters
    ----------
    about : mapping
        Facts; "arrays" is added to them: per array its name, dtype, shape and where it begins.
    given : mapping of str to ndarray
        The arrays, of a dtype of `DTYPES`.

    Returns
    -------
    bytes
        The length of the JSON in four bytes, least first; the JSON; the arrays.
    """
    described, parts, start = [], [], 0
    for name, array in given.items():
        if array.dtype.name not in DTYPES:
            raise TypeError(f"an array of {array.dtype} has no form in the browser")
        content = np.ascontiguousarray(array).tobytes()
        described.append({"name": name, "dtype": array.dtype.name, "shape": array.shape, "start": start})
        padding = -len(content) % ALIGNED
        parts += [content, b"\0" * padding]
        start += len(content) + padding
    head = facts({**about, "arrays": described})
    head += b" " * (-(len(head) + 4) % ALIGNED)
    return b"".join([len(head).to_bytes(4, "little"), head, *parts])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
