"""Maps of what speaks for a decision: made when they are first asked for, kept, and measured."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.algorithms.cost import Cost
from vizcnn.errors import OptionError, VizcnnError
from vizcnn.explorer.asked import image_of, method_of, target_of
from vizcnn.explorer.studio import Studio
from vizcnn.inputs import ImageSet
from vizcnn.measures.run import measured, read_metrics, trusted
from vizcnn.measures.trust import TrustOfBatch
from vizcnn.plugins import door
from vizcnn.report.parts import LONGEST, trust_of
from vizcnn.results import Attributions
from vizcnn.stream import MethodCall, stream
from vizcnn.targets import resolve_on

MAX_RUNS = 1_000_000
"""Runs of the model that a map may take, runs back counted as three."""

MAX_MAPS = 64
"""Results that are kept, to be measured without being made again."""


@dataclass(frozen=True)
class Made:
    """A map, and what it was made of."""

    call: MethodCall
    images: ImageSet
    target: Any
    result: Attributions
    seconds: float


def cost_of(studio: Studio, call: MethodCall, images: ImageSet) -> Cost | None:
    """Return what a map of an image costs by a method; None where that doesn't tell.

    Parameters
    ----------
    studio : Studio
        The model.
    call : MethodCall
        The method, with its options.
    images : ImageSet
        The image.

    Returns
    -------
    Cost or None

    Raises
    ------
    OptionError
        If it is more than `MAX_RUNS`: nobody waits for that in a browser, and its numbers may not fit in memory.
    """
    cost = call.plugin.cost_on(studio.model, images.sample_shape, call.options)
    if cost is not None and cost.seconds(1.0) > MAX_RUNS:
        raise OptionError(
            f"{call.name} would take {cost} of the model; here a map may take up to {MAX_RUNS:,}, one back counting as three. "
            f"Give it smaller options, or ask for it by vizcnn explain."
        )
    return cost


class Maps:
    """Makes maps, and keeps the latest of them. It is asked on the worker's thread alone.

    Parameters
    ----------
    studio : Studio
        The model and its images.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._kept: OrderedDict[tuple[str, ...], Made] = OrderedDict()
        studio.forgets.append(self._kept.clear)

    def of(self, given: Mapping[str, str]) -> Made:
        """Return the map of an image by a method: of the parameters image, method, layer and target."""
        key = tuple(given.get(name, "") for name in ("image", "method", "layer", "target"))
        if key not in self._kept:
            self._kept[key] = self._make(given)
            while len(self._kept) > MAX_MAPS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _make(self, given: Mapping[str, str]) -> Made:
        studio = self._studio
        call, images = method_of(studio, given), image_of(studio, given)
        cost_of(studio, call, images)
        target = target_of(studio, given.get("target"))
        start = time.perf_counter()
        (batch,) = stream(studio.model, images, target, [call], longest=LONGEST)
        return Made(call, images, target, batch.results[call.name], time.perf_counter() - start)

    def trust(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return how far a map can be trusted, as the report shows it."""
        made, model = self.of(given), self._studio.model
        inputs, score = made.images.inputs(slice(0, 1)), resolve_on(made.target, model, made.images)
        options = made.call.plugin.checked_options(made.call.options)
        run = door.MethodRun.of(made.call.plugin, model, made.images, score, options)
        measuring = TrustOfBatch(model, inputs, score)
        result = trusted(made.result, measuring, method=run.maps, seeded="seed" in made.call.plugin.options)
        told = trust_of({made.call.name: result.trust[0]}) if result.trust else []
        return {"trust": told, "notes": [note for note in result.notes if note not in made.result.notes]}

    def insertion(self, given: Mapping[str, str], baseline: str, num_steps: int) -> tuple[Made, np.ndarray]:
        """Return a map, and what the model says of the explained class while the map's highest pixels are shown first."""
        made, model = self.of(given), self._studio.model
        inputs, score = made.images.inputs(slice(0, 1)), resolve_on(made.target, model, made.images)
        asked = read_metrics([("insertion", {"baseline": baseline, "num_steps": num_steps})])
        result = measured(made.result, model, inputs, score, asked)
        curves = [
            curve for name, curve in result.extras.items() if name.startswith("insertion") and name.endswith("curve")
        ]
        if not curves:
            raise VizcnnError("The map lies nowhere in the image, so that no part of it can be kept.")
        return made, curves[-1][0]
