"""What methods that draw samples have in common: how many, shares, and how far the map would differ with others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vizcnn.adapter.changed import Arrays, Change, Changed
from vizcnn.errors import Note, OptionError
from vizcnn.targets.score import Score


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


# Until the error is small enough ------------------------------------------------------------------------------------------


def check_tolerance(tolerance: Any) -> None:
    """Raise `OptionError` unless a tolerance is None or a positive number.

    Parameters
    ----------
    tolerance : object
        Its value.

    Raises
    ------
    OptionError
        If it is anything else.
    """
    if tolerance is not None:
        check_positive("tolerance", tolerance)


def rounds(least: int, most: int, *, growth: float = 1.5) -> list[int]:
    """Return after how many samples it is looked whether they are enough.

    Parameters
    ----------
    least : int
        The first time: so many that their standard error is one. An even number.
    most : int
        The last time.
    growth : float, default 1.5
        How many times as many there are the next time; even numbers, as samples may come in pairs.

    Returns
    -------
    list of int

    Examples
    --------
    >>> from vizcnn.algorithms.sampling import rounds
    >>> rounds(16, 101)
    [16, 24, 36, 54, 80, 101]
    """
    counts, count = [], least
    while count * (1 + growth) / 2 < most:  # what would be left over goes along with the round before
        counts.append(count)
        count = 2 * round(count * growth / 2)
    return [*counts, most]


def sampled(
    question: Callable[..., Changed],
    inputs: np.ndarray,
    score: Score,
    change: Change,
    *,
    companions: Arrays,
    tolerance: float | None,
    error: Callable[[Changed, np.ndarray, np.ndarray], np.ndarray],
    stops: Sequence[int],
    **asked: Any,
) -> tuple[Changed, np.ndarray]:
    """Ask a model about changed copies, of each image until the map's standard error is small enough.

    Parameters
    ----------
    question : callable
        `ModelAdapter.changed_scores` or `changed_gradients`.
    inputs : ndarray, shape (N, H, W, C)
        The images.
    score : Score
        What is explained.
    change : Change
        All copies, from the first on: how many there are may have no part in what a copy is.
    companions : mapping of str to ndarray
        By name what belongs to each image.
    tolerance : float or None
        The standard error as a share of the map that is small enough; None: all copies are run.
    error : callable
        Takes what came back of some images, how many copies of each there were, and which images these are, (n,) each; returns
        that share, (n,).
    stops : sequence of int
        After how many copies it is looked, see `rounds`; the last one is all of them.
    **asked
        What else the question takes: `sums`, `rule`.

    Returns
    -------
    (Changed, ndarray of int, shape (N,))
        What came back, with sums and scores of as many copies of each image as were run, and how many these are. Scores of
        copies that weren't run are NaN.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.changes import add_noise
    >>> from vizcnn.algorithms.sampling import sampled
    >>> model = vz.adapt(lambda inputs: inputs.mean(axis=(1, 2)), input_shape=(4, 4, 1))
    >>> inputs, score = np.zeros((2, 4, 4, 1), np.float32), vz.targets.Class(0).score(model, 2)
    >>> def error(changed, counts, which):  # of the mean score
    ...     return changed.copy_scores.std(axis=1) / np.sqrt(counts)
    >>> companions = {"scale": np.array([0.1, 10.0])}  # the second one's scores vary a hundred times as much
    >>> options = {"companions": companions, "tolerance": 0.02, "stops": [16, 64, 256]}
    >>> sampled(model.changed_scores, inputs, score, add_noise(256, (4, 4, 1)), error=error, **options)[1]
    array([ 16, 256])
    """
    if tolerance is None:
        return question(inputs, score, change, companions=companions, **asked), np.full(len(inputs), change.count)
    everyone = left = np.arange(len(inputs))
    gathered = _Gathered(len(inputs), change.count)
    known: dict[str, Any] = {}
    for start, stop in itertools.pairwise([0, *stops]):
        found = question(
            inputs[left],
            score.take(left),
            _part(change, start, stop),
            companions={name: array[left] for name, array in companions.items()},
            **asked,
            **known,
        )
        gathered.add(left, start, found)
        share = error(gathered.changed(left, stop), gathered.counts[left], left)
        left = left[~(share <= tolerance)]
        if not len(left):
            break
        known = {"after": gathered.changed(left, stop)}
    return gathered.changed(everyone, change.count), gathered.counts


def _part(change: Change, start: int, stop: int) -> Change:
    """Return some of the copies of a change, as they are among all of them."""
    return replace(
        change,
        count=stop - start,
        numbers=lambda part: change.numbers(slice(start + part.start, start + part.stop)),
    )


class _Gathered:
    """What came back in several rounds."""

    def __init__(self, images: int, count: int) -> None:
        self.counts = np.zeros(images, dtype=int)
        self._scores = np.full((images, count), np.nan, dtype=np.float32)
        self._sums: dict[str, np.ndarray] = {}
        self._first: Changed | None = None

    def add(self, rows: np.ndarray, start: int, found: Changed) -> None:
        """Add a round of some images, whose copies are those from a number on; the first one is of all images."""
        if self._first is None:
            self._first = found
            self._sums = {name: np.zeros(total.shape) for name, total in found.sums.items()}
        stop = start + found.copy_scores.shape[1]
        self._scores[rows, start:stop] = found.copy_scores
        self.counts[rows] = stop
        for name, total in found.sums.items():
            self._sums[name][rows] += total

    def changed(self, rows: np.ndarray, count: int) -> Changed:
        """Return what is known of some images, as it comes back of their first copies asked about at once."""
        first = self._first
        if first is None:
            raise RuntimeError("nothing was asked yet")
        return replace(
            first,
            scores=first.scores[rows],
            outputs=tuple(output[rows] for output in first.outputs),
            score=first.score.take(rows),
            copy_scores=self._scores[rows, :count],
            sums={name: total[rows].astype(np.float32) for name, total in self._sums.items()},
        )


def samples_used(
    shares: np.ndarray, tolerance: float | None, counts: np.ndarray
) -> tuple[dict[str, np.ndarray], list[Note]]:
    """Return how many samples were used as a measure, and a note where they were not enough; nothing without a tolerance.

    Parameters
    ----------
    shares : ndarray, shape (N,)
        The standard errors of the maps, as shares of them.
    tolerance : float or None
        What they should be.
    counts : ndarray of int, shape (N,)
        How many samples there were of each image.

    Returns
    -------
    (dict of str to ndarray, list of Note)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.sampling import samples_used
    >>> samples_used(np.array([0.04, 0.3]), 0.05, np.array([24, 100]))[0]
    {'samples': array([ 24, 100])}
    """
    if tolerance is None:
        return {}, []
    short = np.flatnonzero(~(shares <= tolerance))
    template = (
        "The standard error of the map of {images} is still up to {share.max:.3g} of the map, above the `tolerance` of "
        f"{tolerance:.3g}: more `num_samples` make it smaller."
    )
    facts = {"share": shares[short].tolist()}
    notes = [Note.about(short, [""] * len(shares), "tolerance", template, facts)] if len(short) else []
    return {"samples": counts}, notes
