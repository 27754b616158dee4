"""How far maps can be trusted, measured: the numbers that `vizcnn.algorithms.trust` reads back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import baselines
from vizcnn.algorithms.kept_pixels import NUM_SHARES, KeptPixels, between_curves
from vizcnn.algorithms.null_maps import center_map, edge_maps, random_map
from vizcnn.algorithms.ranks import is_flat, map_similarity
from vizcnn.algorithms.trust import (
    COMPLETENESS,
    CURVES,
    EDGES,
    FILLS,
    MAX_LIKENESS,
    RANDOMIZATION,
    SENSITIVITY,
    STANDARD_ERROR,
    difference,
)
from vizcnn.errors import Note
from vizcnn.targets.score import Score

METRICS = ("randomization",)
"""The metrics whose numbers are part of it."""

NUM_RANDOM, MANY_RANDOM, SMALL = 2, 8, 64 * 64
"""Random maps, whose spread says what chance can do; and of images below so many pixels, where it can do more for less."""

NUM_NOISES, RADIUS = 3, 0.02
"""Draws of noise that the image is changed by, and how large it is, as a share of the image's range."""


class TrustOfBatch:
    """Measures the maps of several methods on the same images; what they share is computed once.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    inputs : ndarray, shape (N, H, W, C)
        The images, as the model takes them.
    score : Score
        What was explained.
    seed : int, default 0
        Seed of the random maps, of the order among pixels of equal values, and of the noise.
    """

    def __init__(self, model: ModelAdapter, inputs: np.ndarray, score: Score, *, seed: int = 0) -> None:
        self.model, self.inputs, self._given, self._seed = model, inputs, score, seed

    @cached_property
    def score(self) -> Score:
        """What was explained, predicted classes settled."""
        if not self._given.open_choices:
            return self._given
        return self.model.with_predicted_classes(self.inputs, self._given, self.model.outputs(self.inputs))

    @cached_property
    def _edges(self) -> np.ndarray:
        return edge_maps(self.inputs)

    @cached_property
    def _kept(self) -> KeptPixels:
        inputs, seed = self.inputs, self._seed
        size = inputs.shape[1:-1]
        fills = [baselines(inputs, fill, [length / 10 for length in size]) for fill in FILLS]
        random = [random_map(size, seed + 1 + number)[None] for number in range(_num_random(size))]
        nulls = [self._edges, center_map(size)[None], *random]
        return KeptPixels(self.model, inputs, self.score, fills, nulls, seed=seed)

    def measure(self, maps: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return what keeping the first and the last pixels of maps says of them, and how like they are to the edges.

        Parameters
        ----------
        maps : ndarray, shape (N, H, W)
            The maps of one method.

        Returns
        -------
        (dict of ndarray, dict of ndarray)
            Measures and extras of a result. A number of a map that has one value everywhere is NaN, and so is the likeness to
            the edges of an image that has none.
        """
        curves, blank = self._kept.curves(maps), is_flat(maps)
        by_fill = np.where(blank[:, None], np.nan, between_curves(curves[:, :, 0])).astype(np.float32)
        likeness = np.where(blank | is_flat(self._edges), np.float32(np.nan), map_similarity(maps, self._edges))
        measures = {difference(fill): by_fill[:, at] for at, fill in enumerate(FILLS)} | {EDGES: likeness}
        return measures, {f"{CURVES} {fill}": curves[:, at] for at, fill in enumerate(FILLS)}

    def repeatability(
        self, maps: np.ndarray, known: Mapping[str, np.ndarray], again: Callable[..., np.ndarray] | None
    ) -> dict[str, np.ndarray]:
        """Return how far the maps would be the same again, by what is known of it, or else by asking again.

        Parameters
        ----------
        maps : ndarray, shape (N, H, W)
            The maps.
        known : mapping of str to ndarray, shape (N,)
            The numbers that the method gave its maps.
        again : callable or None
            ``again(inputs=)``, the method's maps of other inputs.

        Returns
        -------
        dict of ndarray
            One measure, NaN where it is undefined; none where nothing is known and there is nobody to ask.
        """
        if "completeness gap" in known:
            gap = known["completeness gap"]
            expected = np.abs(maps.reshape(len(maps), -1).sum(axis=1, dtype=np.float64) - gap)
            return {COMPLETENESS: _shares(np.abs(gap), expected)}
        if STANDARD_ERROR in known or again is None:
            return {}
        axes = tuple(range(1, self.inputs.ndim))
        radius = RADIUS * np.ptp(self.inputs, axis=axes, keepdims=True)
        changes = []
        for number in range(NUM_NOISES):
            generator = np.random.default_rng([self._seed, number])
            noise = generator.uniform(-1, 1, self.inputs.shape[1:]).astype(np.float32)
            others = again(inputs=self.inputs + radius * noise)
            changes.append(np.linalg.norm((others - maps).reshape(len(maps), -1), axis=1))
        return {SENSITIVITY: _shares(np.max(changes, axis=0), np.linalg.norm(maps.reshape(len(maps), -1), axis=1))}


def cost_of_trust(sample_shape: Sequence[int], num_methods: int) -> str:
    """Say what it will cost to measure how far maps can be trusted.

    Parameters
    ----------
    sample_shape : sequence of int
        The shape (H, W, C) of an input.
    num_methods : int
        How many methods are measured.

    Returns
    -------
    str

    Examples
    --------
    >>> from vizcnn.measures.trust import cost_of_trust
    >>> cost_of_trust((224, 224, 3), 2)
    '96 more runs of the model for each image, and up to 4 more of each method.'
    """
    num_maps = 2 + _num_random(sample_shape[:-1]) + num_methods
    runs = len(FILLS) * num_maps * 2 * NUM_SHARES
    return f"{runs} more runs of the model for each image, and up to {1 + NUM_NOISES} more of each method."


def _num_random(size: Sequence[int]) -> int:
    return NUM_RANDOM if np.prod(size) >= SMALL else MANY_RANDOM


_LIKE = {
    EDGES: (
        "edges",
        "The map of {images} is much like the image's edges (likeness {likeness.max:.2f} of 1): an edge filter draws nearly the "
        "same without asking the model.",
    ),
    RANDOMIZATION: (
        "model-independent",
        "The map of {images} stays much the same when the model's weights are drawn anew (likeness {likeness.max:.2f} of 1): it "
        "shows the image more than what the model has learned.",
    ),
}


def notes_on_likeness(measures: Mapping[str, np.ndarray], names: Sequence[str]) -> list[Note]:
    """Return notes on maps that are too like to something that knows nothing of what the model has learned.

    Parameters
    ----------
    measures : mapping of str to ndarray, shape (N,)
        The numbers of a result.
    names : sequence of str
        The names of its images.

    Returns
    -------
    list of Note
        Of the kinds "edges" and "model-independent"; quiet, since who asks for trust is told beside the map.
    """
    notes = []
    for measure, (kind, template) in _LIKE.items():
        likeness = measures.get(measure, np.zeros(len(names)))
        images = np.flatnonzero(likeness > MAX_LIKENESS[measure]).tolist()
        if images:
            notes.append(Note.about(images, names, kind, template, {"likeness": likeness[images].tolist()}, quiet=True))
    return notes


def _shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """Return parts by wholes, and no number where there is no whole."""
    return np.where(wholes > 0, parts / np.where(wholes > 0, wholes, 1), np.nan).astype(np.float32)
