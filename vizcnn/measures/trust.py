"""How far maps can be trusted, measured: the numbers that `vizcnn.algorithms.trust` reads back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

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
    ROAD,
    SENSITIVITY,
    STANDARD_ERROR,
    difference,
)
from vizcnn.errors import CapabilityError, Note
from vizcnn.measures import registry
from vizcnn.targets.score import Score

NUM_RANDOM, MANY_RANDOM, SMALL = 2, 8, 64 * 64
"""Random maps, whose spread says what chance can do; and of images below so many pixels, where it can do more for less."""

GAP = "completeness gap"
"""What methods that add up call what is missing from it."""

NUM_NOISES = 3
"""Noisy images that a method is asked about which says nothing itself of how far its maps would be the same again."""


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
        Seed of the random maps, and of the order among pixels of equal values.
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
        return KeptPixels(self.model, inputs, self.score, fills, nulls, num_random=len(random), seed=seed)

    def metrics(self, known: Mapping[str, np.ndarray]) -> list[tuple[str, dict[str, Any]]]:
        """Return the metrics whose numbers are part of it, with their options.

        Parameters
        ----------
        known : mapping of str to ndarray, shape (N,)
            The numbers that there are of the maps.

        Returns
        -------
        list of (str, dict)
            Without those that the model can't answer, and those that are known.
        """
        repeatability = {} if {GAP, STANDARD_ERROR} & known.keys() else {SENSITIVITY: {"num_samples": NUM_NOISES}}
        asked: dict[str, dict[str, Any]] = {ROAD: {}, RANDOMIZATION: {}, **repeatability}
        return [(name, asked[name]) for name in asked if name not in known and self._can_answer(name)]

    def _can_answer(self, name: str) -> bool:
        try:
            registry.INSTALLED.check_needs(registry.get(name), self.model)
        except CapabilityError:
            return False
        return True

    def measure(
        self, maps: np.ndarray, known: Mapping[str, np.ndarray] = MappingProxyType({})
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return what keeping the first and the last pixels of maps says of them, and what else costs no run of the model.

        Parameters
        ----------
        maps : ndarray, shape (N, H, W)
            The maps of one method.
        known : mapping of str to ndarray, shape (N,), default {}
            The numbers that there are of the maps.

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
        if GAP in known:
            rise = np.abs(maps.reshape(len(maps), -1).sum(axis=1, dtype=np.float64) - known[GAP])
            share = np.abs(known[GAP]) / np.where(rise > 0, rise, np.nan)
            measures[COMPLETENESS] = share.astype(np.float32)
        return measures, {f"{CURVES} {fill}": curves[:, at] for at, fill in enumerate(FILLS)}


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
    num_maps = num_methods + 2 + _num_random(sample_shape[:-1]) / 2  # a random map is asked about at half of the shares
    of_road = num_methods * len(registry.get(ROAD).options["shares"])
    runs = round(2 * (len(FILLS) * num_maps * NUM_SHARES + of_road))
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
