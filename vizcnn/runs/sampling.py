"""Which images of a run are taken where not all of them are: always the same ones, whoever asks.

A sample is so many images, `count`, or all where there are fewer; what is returned are their positions, in rising order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from vizcnn.errors import InputError, OptionError

BY = ("class", "confidence", "mistakes")
"""What a sample is taken by."""


def by_turns(groups: Iterable[Any], count: int) -> np.ndarray:
    """Sample images by their groups: of each as many, as far as it has them, the first ones.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> from vizcnn.runs.sampling import by_turns
    >>> by_turns("aaabaab", 4).tolist()
    [0, 1, 3, 6]
    """
    of_group: dict[Any, int] = defaultdict(int)
    turns = []
    for group in groups:
        turns.append(of_group[group])
        of_group[group] += 1
    return np.sort(np.argsort(turns, kind="stable")[:count])


def by_confidence(probabilities: Sequence[float | None], count: int) -> np.ndarray:
    """Sample images by turns from each tenth of the probabilities, 0 to 0.1 and so on; those that have none come last.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> from vizcnn.runs.sampling import by_confidence
    >>> by_confidence([1.0, 0.97, None, 0.95, 0.32], 2).tolist()
    [0, 4]
    """
    known = np.array([at for at, value in enumerate(probabilities) if value is not None], dtype=int)
    if not len(known):
        raise OptionError(
            "`sample_by` 'confidence' needs a model that gives probabilities; take 'class' or 'mistakes'."
        )
    tenths = [min(int(10 * (probabilities[at] or 0)), 9) for at in known]
    taken = known[by_turns(tenths, count)]
    others = np.setdiff1d(np.arange(len(probabilities)), known)
    return np.sort(np.concatenate([taken, others[: count - len(taken)]]))


def mistakes_first(rows: Iterable[tuple[int | None, int | None, float | None]], count: int) -> np.ndarray:
    """Sample images by (true class, predicted class, probability): the surest mistakes, other ones, what is right, the unknown.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> from vizcnn.runs.sampling import mistakes_first
    >>> mistakes_first([(1, 1, 0.9), (1, 2, 0.4), (1, 1, 0.8), (2, 1, 0.6)], 3).tolist()
    [0, 1, 3]
    """

    def rank(row: tuple[int | None, int | None, float | None]) -> tuple[int, float]:
        true, predicted, probability = row
        if true is None or predicted is None:
            return 2, 0
        return (0, -(probability or 0)) if true != predicted else (1, 0)

    ranks = [rank(row) for row in rows]
    return np.sort(np.array(sorted(range(len(ranks)), key=ranks.__getitem__)[:count], dtype=int))


def sampled(order: np.ndarray, labels: Sequence[str | None] | None, predicted: Any, by: str, count: int) -> np.ndarray:
    """Return the places that a sample takes.

    Parameters
    ----------
    order : ndarray of int
        The places of all images in random order: the first ones of each group are taken.
    labels : sequence of (str or None) or None
        The label of each image, by its place.
    predicted : pandas.DataFrame or None
        "label_class", "predicted_class" and "probability" of each image by its place, where it is taken by these.
    by : {"class", "confidence", "mistakes"}
        What it is taken by.
    count : int
        How many.

    Returns
    -------
    ndarray of int

    Raises
    ------
    InputError, OptionError
        If images have no label to be mistaken, or no probability.
    """
    if by == "class":
        found = by_turns([None if labels is None else labels[place] for place in order], count)
    else:
        rows = predicted.loc[order].astype(object)
        rows = rows.where(rows.notna(), None)
        if by == "confidence":
            found = by_confidence(rows["probability"].tolist(), count)
        else:
            check_labels(labels)
            found = mistakes_first(
                rows[["label_class", "predicted_class", "probability"]].itertuples(index=False), count
            )
    return np.sort(order[found])


def check_labels(labels: Sequence[str | None] | None) -> None:
    """Make sure that images have labels.

    Raises
    ------
    InputError
        If none has.
    """
    if labels is None:
        raise InputError(
            "`sample_by` 'mistakes' needs true classes; `source` says none. Folders: `labels_by`; elsewhere a column 'label'."
        )
