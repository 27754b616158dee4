"""Which images of a run are taken where not all of them are: always the same ones, whoever asks.

A sample is so many images, `count`, or all where there are fewer; what is returned are their positions, in rising order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.errors import InputError, OptionError

if TYPE_CHECKING:
    from vizcnn.runs.listing import Listing

BY = ("class", "confidence", "mistakes")
"""What a sample is taken by."""


def by_turns(groups: np.ndarray, count: int) -> np.ndarray:
    """Sample images by their groups, (N,): of each as many, as far as it has them, the first ones.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.runs.sampling import by_turns
    >>> by_turns(np.array([7, 7, 7, 3, 7, 7, 3]), 4).tolist()
    [0, 1, 3, 6]
    """
    order, places = np.argsort(groups, kind="stable"), np.arange(len(groups))
    begins = np.diff(groups[order], prepend=np.nan) != 0
    turns = np.empty_like(places)
    turns[order] = places - np.maximum.accumulate(np.where(begins, places, 0))
    return np.sort(np.argsort(turns, kind="stable")[:count])


def by_confidence(probabilities: np.ndarray, count: int) -> np.ndarray:
    """Sample images by turns from each tenth of the probabilities, (N,), 0 to 0.1 and so on; NaN, the unknown, comes last.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.runs.sampling import by_confidence
    >>> by_confidence(np.array([1.0, 0.97, np.nan, 0.95, 0.32]), 2).tolist()
    [0, 4]
    """
    is_known = ~np.isnan(probabilities)
    known, others = np.flatnonzero(is_known), np.flatnonzero(~is_known)
    if not len(known):
        raise OptionError(
            "`sample_by` 'confidence' needs a model that gives probabilities; take 'class' or 'mistakes'."
        )
    taken = known[by_turns(np.minimum((10 * probabilities[known]).astype(int), 9), count)]
    return np.sort(np.concatenate([taken, others[: count - len(taken)]]))


def mistakes_first(true: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, count: int) -> np.ndarray:
    """Sample images by true and predicted classes and probabilities, (N,): the surest mistakes, other ones, what is right.

    Those of which a class is NaN, unknown, come last.

    Returns
    -------
    ndarray of int

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.runs.sampling import mistakes_first
    >>> mistakes_first(np.array([1, 1, 1, 2]), np.array([1, 2, 1, 1]), np.array([0.9, 0.4, 0.8, 0.6]), 3).tolist()
    [0, 1, 3]
    """
    is_unknown = np.isnan(true) | np.isnan(predicted)
    is_mistake = ~is_unknown & (true != predicted)
    doubt = np.where(is_mistake, -np.nan_to_num(probabilities), 0)
    return np.sort(np.lexsort((doubt, np.where(is_mistake, 0, 1 + is_unknown)))[:count])


def sampled(order: np.ndarray, listing: Listing, predicted: Any, by: str, count: int) -> np.ndarray:
    """Return the places that a sample takes.

    Parameters
    ----------
    order : ndarray of int
        The places of all images in random order: the first ones of each group are taken.
    listing : Listing
        The images by their places.
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
        found = by_turns(listing.numbers("label")[order], count)
    else:
        if by == "mistakes":
            check_labels(listing)
        columns = ["label_class", "predicted_class", "probability"]
        true, predicted_class, probability = predicted.loc[order, columns].to_numpy(float).T
        found = (
            by_confidence(probability, count)
            if by == "confidence"
            else mistakes_first(true, predicted_class, probability, count)
        )
    return np.sort(order[found])


def check_labels(listing: Listing) -> None:
    """Make sure that images have labels.

    Raises
    ------
    InputError
        If none has.
    """
    if not listing.labels:
        raise InputError(
            "`sample_by` 'mistakes' needs true classes; `source` says none. Folders: `labels_by`; elsewhere a column 'label'."
        )
