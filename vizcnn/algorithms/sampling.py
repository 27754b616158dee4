"""What methods that draw samples have in common: how many, shares, and how far the map would differ with others."""

from __future__ import annotations

from typing import Any

import numpy as np

from vizcnn.errors import OptionError


def check_count(argument: str, value: Any, least: int = 1, reason: str = "") -> None:
    """Raise `OptionError` unless a value is a whole number from `least` on.

    Parameters
    ----------
    argument : str
        The argument's name.
    value : object
        Its value.
    least : int, default 1
        The smallest that is allowed.
    reason : str, default ""
        Why it is the smallest, as ", one for each segment".

    Raises
    ------
    OptionError
        If it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        rule = "a positive whole number" if least == 1 else f"a whole number from {least} on"
        raise OptionError(f"`{argument}` must be {rule}{reason}; got {value!r}.")


def check_share(argument: str, value: Any) -> None:
    """Raise `OptionError` unless a value is a number between 0 and 1.

    Parameters
    ----------
    argument : str
        The argument's name.
    value : object
        Its value.

    Raises
    ------
    OptionError
        If it is anything else.
    """
    if not _is_number(value) or not 0 < value < 1:
        raise OptionError(f"`{argument}` must be a number between 0 and 1; got {value!r}.")


def check_positive(argument: str, value: Any) -> None:
    """Raise `OptionError` unless a value is a positive number.

    Parameters
    ----------
    argument : str
        The argument's name.
    value : object
        Its value.

    Raises
    ------
    OptionError
        If it is anything else.
    """
    if not _is_number(value) or not 0 < value < np.inf:
        raise OptionError(f"`{argument}` must be a positive number; got {value!r}.")


def check_not_negative(argument: str, value: Any) -> None:
    """Raise `OptionError` unless a value is a number from 0 on.

    Parameters
    ----------
    argument : str
        The argument's name.
    value : object
        Its value.

    Raises
    ------
    OptionError
        If it is anything else.
    """
    if not _is_number(value) or not 0 <= value < np.inf:
        raise OptionError(f"`{argument}` must be a number that is not negative; got {value!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def share_of_map(errors: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Return how large the standard errors of a map are, as a share of the map.

    Parameters
    ----------
    errors, maps : ndarray, shape (N, ...)
        The standard error of each value, and the values.

    Returns
    -------
    ndarray of float32, shape (N,)
        The root mean square of the errors by that of the values; the errors' own where all values are zero.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.sampling import share_of_map
    >>> share_of_map(np.array([[0.5, 0.5]]), np.array([[3.0, 4.0]])).round(2)
    array([0.14], dtype=float32)
    """
    axes = tuple(range(1, maps.ndim))
    error, size = (np.square(array, dtype=np.float64).sum(axis=axes) for array in (errors, maps))
    return np.asarray(np.sqrt(error / np.where(size > 0, size, 1)), dtype=np.float32)
