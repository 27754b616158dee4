"""Which frames are taken of a clip: as many as a model takes, evenly spread, or in windows one after another."""

from __future__ import annotations

import numpy as np

from vizcnn.inputs.decoding import Decoding

MAX_TAKEN = 64
"""Frames that are taken of a clip where the model takes any number, and nobody said which."""


def evenly(count: int, length: int) -> list[int]:
    """Return `length` of `count` places, evenly spread, the first and the last among them; of fewer, some again.

    Parameters
    ----------
    count : int
        How many there are.
    length : int
        How many are taken.

    Returns
    -------
    list of int

    Examples
    --------
    >>> from vizcnn.inputs.chosen_frames import evenly
    >>> evenly(10, 4), evenly(2, 4)
    ([0, 3, 6, 9], [0, 0, 1, 1])
    """
    return [int(place + 0.5) for place in np.linspace(0, count - 1, length)]


def windows(count: int, length: int, stride: int) -> list[range]:
    """Return windows of `length` of `count` places, `stride` from one to the next, the last one at the end; of fewer, all.

    Parameters
    ----------
    count : int
        How many places there are.
    length : int
        How many are in a window.
    stride : int
        From the beginning of one to that of the next.

    Returns
    -------
    list of range

    Examples
    --------
    >>> from vizcnn.inputs.chosen_frames import windows
    >>> windows(10, 4, 4), windows(3, 4, 4)
    ([range(0, 4), range(4, 8), range(6, 10)], [range(0, 3)])
    """
    last = max(0, count - length)
    return [range(start, min(count, start + length)) for start in (*range(0, last, stride), last)]


def open_length(count: int, decoding: Decoding, *, is_array: bool = False) -> int:
    """Return how many frames are taken where a model takes any number: those that were asked for, or that a run can hold.

    Parameters
    ----------
    count : int
        How many there are to take from.
    decoding : Decoding
        What was asked for.
    is_array : bool, default False
        Whether all are held already.

    Returns
    -------
    int

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.inputs.chosen_frames import open_length
    >>> open_length(500, vz.inputs.Decoding()), open_length(500, vz.inputs.Decoding(frames=":"))
    (64, 500)
    """
    is_said = decoding.stride is None and (decoding.frames is not None or is_array)
    return count if is_said else min(count, MAX_TAKEN)
