"""What a model says of images of which a map's first pixels are kept, or its last: insertion less deletion, of several maps.

That is the area between two curves: of what is said when the first pixels of a map are shown on a fill, and when they are
hidden by it. Hiding the first pixels is keeping the last ones, so at every share it compares the part of the image that counts
most, by the map, with as large a part that counts least; the ends of both curves are the same, and drop out. For a map of chance
the two parts are of a kind, and it is 0 in the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Change, Rows
from vizcnn.algorithms.curves import pixel_ranks, said_of_copies
from vizcnn.targets.score import Score

NUM_SHARES = 4
"""Shares of pixels that are kept: 20, 40, 60 and 80 percent."""


class KeptPixels:
    """Images of which parts are kept, by the maps of several methods and by null maps, which are asked about once.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    inputs : ndarray, shape (N, H, W, C)
        The images.
    score : Score
        What was explained, predicted classes settled.
    fills : sequence of ndarray, shape (N, H, W, C) or (N, 1, 1, C)
        What is seen in place of hidden pixels, each in its turn.
    nulls : sequence of ndarray, shape (N, H, W) or (1, H, W)
        The null maps.
    num_random : int, default 0
        How many of them, the last ones, are maps of chance. These are asked about at the larger half of the shares, where chance
        can do most; what they give there stands for what they give at the shares of the rest.
    seed : int, default 0
        Seed of the order among pixels of equal values.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.kept_pixels import KeptPixels, between_curves
    >>> model = vz.adapt(lambda inputs: inputs.sum(axis=(1, 2)), input_shape=(1, 5, 1))
    >>> image, ramp = np.arange(5.0).reshape(1, 1, 5, 1), np.arange(5.0).reshape(1, 1, 5)
    >>> kept = KeptPixels(model, image, vz.targets.Class(0).score(model, 1), [np.zeros((1, 1, 1, 1))], [-ramp])
    >>> curves = kept.curves(ramp)
    >>> curves[0, 0, 0].tolist()  # the first, and the last pixels by the ramp
    [[4.0, 7.0, 9.0, 10.0], [0.0, 1.0, 3.0, 6.0]]
    >>> between_curves(curves).round(6).tolist()  # for and against
    [[[4.0, -4.0]]]
    """

    def __init__(
        self,
        model: ModelAdapter,
        inputs: np.ndarray,
        score: Score,
        fills: Sequence[np.ndarray],
        nulls: Sequence[np.ndarray],
        *,
        num_random: int = 0,
        seed: int = 0,
    ) -> None:
        self._model, self._inputs, self._score, self._seed = model, inputs, score, seed
        self._num_full = 1 + len(nulls) - num_random
        self._fills = np.stack([np.broadcast_to(fill, inputs.shape) for fill in fills], axis=1)
        ranks = (pixel_ranks(null, seed) for null in nulls)
        self._null_ranks = [np.broadcast_to(of_null, inputs.shape[:-1]) for of_null in ranks]
        self._of_nulls: np.ndarray | None = None

    @property
    def runs(self) -> int:
        """Runs of the model for each image that the next map takes."""
        return int(self._copies().sum())

    def _copies(self) -> np.ndarray:
        """Return which copies are made of an image, by fill, map, part and share."""
        num_maps = 1 + len(self._null_ranks) if self._of_nulls is None else 1
        copies = np.ones((self._fills.shape[1], num_maps, 2, NUM_SHARES), dtype=bool)
        copies[:, self._num_full :, :, : NUM_SHARES // 2] = False
        return copies

    def curves(self, maps: np.ndarray) -> np.ndarray:
        """Return what the model says of the parts of images.

        Parameters
        ----------
        maps : ndarray, shape (N, H, W)
            The maps.

        Returns
        -------
        ndarray, shape (N, fills, 1 + nulls, 2, NUM_SHARES)
            Of the maps and then of the null maps, the first pixels and the last ones, by the share that is kept: the probability
            of the explained class where the model gives one, else the score.
        """
        # The null maps' ranks travel along though they were asked about: so all maps are served by one compiled function.
        ranks = np.stack([pixel_ranks(maps, self._seed), *self._null_ranks], axis=1)
        copies = self._copies()
        fill, which, last, share = np.nonzero(copies)
        size = int(np.prod(maps.shape[1:]))
        kept = np.rint(size * (share + 1) / (NUM_SHARES + 1))
        begin = np.where(last, size - kept, 0)
        numbers = {"fill": fill, "map": which, "begin": begin, "end": begin + kept}
        numbers = {name: values.astype(np.int32) for name, values in numbers.items()}
        change = Change(
            "pixels kept",
            len(fill),
            lambda part: {name: values[part] for name, values in numbers.items()},
            _kept,
            name="parts of the images",
            remedy="Fewer methods take less.",
        )
        companions = {"ranks": ranks, "fills": self._fills}
        said = said_of_copies(self._model, self._inputs, self._score, change, companions)[1]
        curves = np.empty((len(maps), *copies.shape), dtype=said.dtype)
        curves[:, copies] = said
        random = curves[:, :, self._num_full :]
        random[..., : NUM_SHARES // 2] = random[..., : NUM_SHARES // 2 - 1 : -1]
        if self._of_nulls is None:
            self._of_nulls = curves[:, :, 1:]
            return curves
        return np.concatenate([curves, self._of_nulls], axis=2)


def between_curves(curves: np.ndarray) -> np.ndarray:
    """Return insertion less deletion: the area between the curves of what is kept first and last, by trapezoids.

    Parameters
    ----------
    curves : ndarray, shape (..., 2, S)
        As `KeptPixels.curves` returns them; at no pixels and at all of them both curves meet.

    Returns
    -------
    ndarray, shape (...)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.kept_pixels import between_curves
    >>> between_curves(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])).round(6).tolist()
    0.8
    """
    first, last = curves[..., 0, :], curves[..., 1, :]
    area: np.ndarray = (first - last).sum(axis=-1) / (curves.shape[-1] + 1)
    return area


def _kept(xp: Any, images: Any, companions: Rows, numbers: Rows) -> Any:
    ranks = companions.entries("ranks", numbers["map"])
    begin, end = (xp.reshape(numbers[name], (-1, *[1] * (len(ranks.shape) - 1))) for name in ("begin", "end"))
    is_kept = xp.logical_and(xp.greater_equal(ranks, begin), xp.less(ranks, end))
    return xp.where(is_kept[..., None], images, companions.entries("fills", numbers["fill"]))
