"""Questions about a channel or a unit: its kernel, what excites it, what it prefers, and its health."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.reach import Reach
from vizcnn.algorithms.maximization import image_shape
from vizcnn.errors import LayerError, VizcnnError
from vizcnn.explorer import answers
from vizcnn.explorer.app import Questions
from vizcnn.explorer.asked import layer_of, unit_of, whole
from vizcnn.explorer.network import CHANNEL_BY_CHANNEL
from vizcnn.explorer.studio import Studio
from vizcnn.explorer.work import PATIENT
from vizcnn.inputs import ImageSet
from vizcnn.plugins import registry
from vizcnn.render.image import to_display
from vizcnn.results import Diagnosis, TopPatches
from vizcnn.targets import Channel

PATCHES = 9
"""Pieces of images that excite a channel most; and as many over its whole range."""

MIN_SPREAD = 4 * PATCHES
"""Images from which on others are shown: of fewer they would be the same."""

STEPS = 128
"""Steps in which the input that a channel prefers is made."""

MOST_SLICES = 64
"""Input channels of a kernel that are shown."""

_IMAGES = 100
"""Images that a model's health is told by."""

_BLOCK = 16
"""Channels whose patches are found at once: who looks at one looks at its neighbors next."""

_BLOCKS_KEPT = 4


def routes(questions: Questions) -> list[Route]:
    """Return what the page can ask about a channel or a unit.

    Parameters
    ----------
    questions : Questions
        Asks the studio.

    Returns
    -------
    list of Route
    """
    channels, lasts = _Channels(questions.studio), questions.studio.is_whole

    async def kernel(request: Request) -> Response:
        return await questions.answer(request, lambda: channels.kernel(request.query_params))

    async def patches(request: Request) -> Response:
        return await questions.answer(
            request, lambda: channels.patches(request.query_params), priority=PATIENT, lasts=lasts
        )

    async def preferred(request: Request) -> Response:
        return await questions.answer(request, lambda: channels.preferred(request.query_params), priority=PATIENT)

    async def health(request: Request) -> Response:
        return await questions.facts(
            request, lambda: channels.health(request.query_params), priority=PATIENT, lasts=lasts
        )

    return [
        Route("/api/kernel", kernel),
        Route("/api/patches", patches),
        Route("/api/preferred", preferred),
        Route("/api/health", health),
    ]


class _Channels:
    """Answers in the worker's thread."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._blocks: OrderedDict[tuple[str, int], TopPatches] = OrderedDict()
        self._diagnosis: Diagnosis | None = None
        self._images: ImageSet | None = None
        studio.forgets.append(self._forget)

    def _forget(self) -> None:
        self._blocks.clear()
        self._diagnosis = None

    def _folder(self) -> tuple[ImageSet, list[int], list[str]]:
        """Return the folder's images, their places, and what there is to say of the others; forget what was found of fewer."""
        images, places = self.studio.folder()
        if images is not self._images:
            self._forget()
        self._images = images
        unread = len(self.studio.sources) - len(places)
        image, isnt, are = ("image", "isn't", "is") if unread == 1 else ("images", "aren't", "are")
        why = "can't be read" if self.studio.is_whole else f"{isnt} there yet, or can't be read"
        said = f"{unread} {image} {why}, and {are} left out."
        return images, places, [said] if unread else []

    def kernel(self, asked: Mapping[str, str]) -> bytes:
        """Return the weights of one kernel, a picture for each input channel, the strongest first."""
        model = self.studio.model
        found = registry.get("filters").function(model, layer_of(model, asked).path)
        unit = unit_of(asked, len(found.order))
        depth = 1 if found.is_depthwise else found.values.shape[2]
        end = float(np.abs(found.values).max()) or 1.0
        if found.is_depthwise:
            kernel = found.values.reshape(*found.values.shape[:2], -1)[..., unit, None]
        else:
            kernel = found.values[..., unit]
        about = {"inputs": depth, "end": end, "low": float(kernel.min()), "high": float(kernel.max())}
        if depth == 3:
            pictures, _, _ = found.pictures("auto")
            slices, numbers = pictures[found.order.index(unit)][None], np.zeros(1, np.int32)
        else:
            order = np.argsort(-np.abs(kernel).sum(axis=(0, 1)), kind="stable")[:MOST_SLICES]
            slices, numbers = np.moveaxis(kernel, -1, 0)[order], order.astype(np.int32)
        return answers.arrays(about, {"slices": slices.astype(np.float32), "numbers": numbers})

    def patches(self, asked: Mapping[str, str]) -> bytes:
        """Return the pieces of the folder's images that excite a channel most, and others over its whole range."""
        model = self.studio.model
        path = layer_of(model, asked).path
        unit = whole(asked, "unit", 0, 0, 10**6)
        images, places, notes = self._folder()
        found = self._block(model, images, path, unit)
        row = found.channels.index(unit)
        patches = np.stack([to_display(patch) for patch in found.patches[row]])
        about = {
            "values": found.values[row],
            "images": np.asarray(places)[found.images[row]],
            "notes": notes,
            "names": found.names[row],
            "boxes": found.boxes[row],
            "ranks": found.ranks[row],
            "top": min(PATCHES, found.images_seen),
            "images_seen": found.images_seen,
            "is_dead": found.values[row, 0] <= 0
            and bool(np.ptp(found.values[row, : min(PATCHES, found.images_seen)]) == 0),
        }
        return answers.arrays(about, {"patches": patches})

    def preferred(self, asked: Mapping[str, str]) -> bytes:
        """Return the input that a channel answers to most, found by activation maximization."""
        model = self.studio.model
        path = layer_of(model, asked).path
        unit = whole(asked, "unit", 0, 0, 10**6)
        reach = self._reach(model, path)
        target = Channel(path, unit, "mean" if reach is None else "center")
        made = registry.get("activation_maximization").function(model, target, steps=STEPS)
        pixels = to_display(made.values[0])
        where = "Its mean value"
        if reach is not None:
            (top, bottom), (left, right) = reach.box(tuple(cells // 2 for cells in reach.grid))
            pixels, where = pixels[top:bottom, left:right], "The value of its cell in the middle, which sees this much,"
        start, end = float(made.history[0, 0]), float(made.scores[0])
        about = {
            "sentence": f"{where} rose from {start:.3g} to {end:.3g} in {STEPS} steps.",
            "notes": [str(note) for note in made.notes],
        }
        return answers.arrays(about, {"pixels": np.ascontiguousarray(pixels)})

    def _reach(self, model: ModelAdapter, path: str) -> Reach | None:
        """Return what the cells of a layer's map see, of a model of images; None where there is no map, or it isn't known."""
        try:
            reach = model.reach(path, image_shape(model))
        except VizcnnError:
            return None
        return reach if len(reach.grid) == len(reach.size) == 2 else None

    def health(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """Return how a unit fares on the folder's first images, in sentences."""
        model = self.studio.model
        path = layer_of(model, asked).path
        images, _, notes = self._folder()
        if self._diagnosis is None:
            try:
                self._diagnosis = registry.get("diagnose").function(model, images.part(slice(0, _IMAGES)))
            except LayerError as error:  # no layer has an activation
                return {"sentences": [str(error)], "told_at": None}
        told_at = _told_at(model, path, self._diagnosis.layers)
        unit = whole(asked, "unit", 0, 0, 10**6)
        if told_at is None:
            text = "No activation follows that could be dead or saturated, so there is nothing to tell of its health."
            return {"sentences": [text], "told_at": None}
        return {"sentences": [*self._diagnosis.unit_in_words(told_at, unit), *notes], "told_at": told_at}

    def _block(self, model: ModelAdapter, images: ImageSet, path: str, unit: int) -> TopPatches:
        key = (path, unit // _BLOCK)
        found = self._blocks.pop(key, None)
        if found is None:
            found = self._found(model, images, path, unit)
        self._blocks[key] = found
        while len(self._blocks) > _BLOCKS_KEPT:
            self._blocks.popitem(last=False)
        return found

    def _found(self, model: ModelAdapter, images: ImageSet, path: str, unit: int) -> TopPatches:
        shape = model.layer(path).output_shape
        if shape is None:
            model.prepare(images.sample_shape)
            shape = model.layer(path).output_shape
        count = shape[-1] if shape is not None else None
        if count is None:
            count = model.activations(images.inputs(slice(0, 1)), [path])[path].shape[-1]
        if unit >= count:
            raise LayerError(f"`layer` {path!r} has {count} channels, numbered from 0; got {unit}.")
        first = unit // _BLOCK * _BLOCK
        block = list(range(first, min(count, first + _BLOCK)))
        found: TopPatches = registry.get("top_patches").function(
            model, images, path, channels=block, num_patches=PATCHES, spread=PATCHES if len(images) >= MIN_SPREAD else 0
        )
        return found


def _told_at(model: ModelAdapter, path: str, layers: tuple[str, ...]) -> str | None:
    """Return the layer at whose activation a layer's health is told: itself, or what alone follows it unit by unit."""
    infos = {info.path: info for info in model.layers}
    seen: set[str] = set()
    while path not in layers:
        seen.add(path)
        after = [b for a, b in model.connections if a == path]
        info = infos.get(after[0]) if len(after) == 1 else None
        if info is None or info.path in seen or info.role not in CHANNEL_BY_CHANNEL:
            return None
        path = info.path
    return path
