"""Which GPU a process of a run takes, and how much of its memory: said by variables, before a framework is there."""

from __future__ import annotations

import math
import os
from pathlib import Path

_JAX = 0.75
"""How much of a GPU's memory JAX takes at once, where nobody says otherwise."""

_DEVICES = Path("/dev")


def of_worker(turn: int, count: int) -> dict[str, str]:
    """Return the variables for one of several workers on this machine.

    Parameters
    ----------
    turn : int
        Which one.
    count : int
        How many there are.

    Returns
    -------
    dict
        Another GPU for each, or a share of one where there are more workers than GPUs; nothing without a GPU.

    Examples
    --------
    >>> import os
    >>> from vizcnn.runs.gpus import of_worker
    >>> os.environ["CUDA_VISIBLE_DEVICES"] = "0,1"
    >>> of_worker(1, count=2)
    {'CUDA_VISIBLE_DEVICES': '1'}
    >>> of_worker(2, count=3)["CUDA_VISIBLE_DEVICES"]
    '0'
    >>> del os.environ["CUDA_VISIBLE_DEVICES"]
    """
    names = _names()
    if not names:
        return {}
    chosen = {"CUDA_VISIBLE_DEVICES": names[turn % len(names)]} if len(names) > 1 else {}
    return {**chosen, **share(1 / math.ceil(count / len(names)))}


def share(part: float) -> dict[str, str]:
    """Return the variables by which a process takes a part of a GPU's memory, and leaves the rest to others.

    JAX and TensorFlow take nearly all of it at their start, and the second process would find none.

    Parameters
    ----------
    part : float
        The part, up to 1: all.

    Returns
    -------
    dict
        Variables that nobody has set yet.

    Examples
    --------
    >>> from vizcnn.runs.gpus import share
    >>> share(0.5)
    {'XLA_PYTHON_CLIENT_MEM_FRACTION': '0.375', 'TF_FORCE_GPU_ALLOW_GROWTH': 'true'}
    >>> share(1)
    {}
    """
    if part >= 1:
        return {}
    wanted = {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{_JAX * part:.3f}", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    return {name: value for name, value in wanted.items() if name not in os.environ}


def _names() -> list[str]:
    """Return the names of NVIDIA's GPUs, as CUDA_VISIBLE_DEVICES takes them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name]
    files = [*_DEVICES.glob("nvidia[0-9]*")]  # which keep their numbers in a container, where CUDA counts from 0
    return [str(number) for number in range(len(files))]
