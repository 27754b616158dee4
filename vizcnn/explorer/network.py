"""Questions about the model itself: how it is put together, and what its layers make of an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.adapter import LayerInfo, ModelAdapter
from vizcnn.errors import CapabilityError, LayerError, UnsupportedModelError, VizcnnError
from vizcnn.explorer import answers
from vizcnn.explorer.app import Questions
from vizcnn.explorer.asked import as_seen, layer_of, unit_of, whole
from vizcnn.explorer.seen import Maps, Seen, given_image
from vizcnn.plugins import registry
from vizcnn.render.image import to_display
from vizcnn.render.signals import lay_out_slices

MAPS_PER_PAGE = 64

CHANNEL_BY_CHANNEL = frozenset({"activation", "normalization", "dropout", "identity"})
"""Roles of layers whose channels are those before, each by itself."""

MOST_FIRING = 8
"""Channels that are told of each place of a map."""

_MOST_EXACT = 1 << 20
"""Numbers up to which maps are sent in full; of more than that, half of their digits."""


def routes(questions: Questions) -> list[Route]:
    """Return what the page can ask about the model and its layers.

    Parameters
    ----------
    questions : Questions
        Asks the studio.

    Returns
    -------
    list of Route
    """
    network = _Network(questions)

    def facts(ask: Callable[[Any], Any]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return await questions.facts(request, lambda: ask(request.query_params))

        return endpoint

    def arrays(ask: Callable[[Any], bytes]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return await questions.answer(request, lambda: ask(request.query_params))

        return endpoint

    return [
        Route("/api/layers", facts(network.layers)),
        Route("/api/diagram", facts(network.diagram)),
        Route("/api/layer", facts(network.layer)),
        Route("/api/seen", arrays(network.seen)),
        Route("/api/maps", arrays(network.maps)),
        Route("/api/channel", arrays(network.channel)),
        Route("/api/firing", arrays(network.firing)),
        Route("/api/kernels", arrays(network.kernels)),
    ]


class _Network:
    """Answers in the worker's thread."""

    def __init__(self, questions: Questions) -> None:
        self.studio = questions.studio
        self.shown = Seen(questions.studio)

    def layers(self, asked: Any) -> dict[str, Any]:
        model = self.shown.ready(asked.get("image"))
        infos = model.layers
        try:
            model.connections  # noqa: B018 - which takes a run where layers are made as they see their input
        except UnsupportedModelError as error:
            return {"layers": [], "why_none": str(error)}
        return {
            "layers": [
                {
                    "path": info.path,
                    "kind": info.kind,
                    "role": info.role,
                    "shape": _shape(info),
                    "parameters": info.num_params,
                    "depth": info.depth,
                    "is_container": info.is_container,
                }
                for info in infos
            ],
            "parameters": model.num_params,
            "source": model.source,
            "why_none": None
            if infos
            else f"What is inside this model can't be seen, only what it answers: it is {model.source}.",
        }

    def diagram(self, asked: Any) -> dict[str, Any]:
        model = self.shown.ready(asked.get("image"))
        architecture = registry.get("architecture").function(model)
        laid_out: dict[str, Any] = architecture.layout(
            fold=asked.get("fold", "auto"), width=whole(asked, "width", 8, 2, 40)
        )
        return laid_out

    def layer(self, asked: Any) -> dict[str, Any]:
        model = self.shown.ready(asked.get("image"))
        info = layer_of(model, asked)
        connections = model.connections
        return {
            "path": info.path,
            "name": info.name,
            "kind": info.kind,
            "role": info.role,
            "activation": info.activation,
            "shape": _shape(info),
            "parameters": info.num_params,
            "is_container": info.is_container,
            "inside": [other.path for other in model.layers if other.path.startswith(f"{info.path}/")],
            "before": [a for a, b in connections if b == info.path],
            "after": [b for a, b in connections if a == info.path],
            "channels": info.output_shape[-1] if info.output_shape and len(info.output_shape) > 1 else None,
            "kernels_at": _kernels_at(model, info),
            "can": [name for name in ("top_patches", "activation_maximization", "diagnose") if _can(model, name)],
            "field": self._field(model, info, asked.get("image")),
        }

    def _field(self, model: ModelAdapter, info: LayerInfo, image: str | None) -> dict[str, Any] | None:
        """Return what the layer's cells see, as far as that can be told."""
        shape = self.shown.sample_shape(image)
        if shape is None or info.is_container:
            return None
        try:
            reach = model.reach(info, shape)
        except (CapabilityError, LayerError, UnsupportedModelError):
            return None
        return {
            "extent": reach.extent,
            "stride": reach.stride,
            "size": reach.size,
            "sees_all": reach.sees_all,
            "is_exact": reach.is_exact,
            "low": reach.low,
            "high": reach.high,
            "centers": reach.centers,
        }

    def seen(self, asked: Any) -> bytes:
        """Return the image at the model's size, to which receptive fields refer; of a signal its values."""
        images = given_image(self.studio, asked.get("image"))
        row = as_seen(images)
        about = {"name": images.names[0], "shape": images.sample_shape}
        if row.ndim == 2:
            return answers.arrays({**about, "kind": "signal"}, {"values": row.T.copy()})
        if row.ndim == 4:
            return answers.arrays({**about, "kind": "volume"}, {"pixels": to_display(lay_out_slices(row))})
        return answers.arrays({**about, "kind": "image"}, {"pixels": to_display(row)})

    def maps(self, asked: Any) -> bytes:
        """Return a page of the layer's maps on an image."""
        maps = self._maps(asked)
        start = whole(asked, "start", 0, 0, max(0, maps.channels - 1))
        order = maps.by_activity() if asked.get("sort") == "active" else np.arange(maps.channels)
        numbers = order[start : start + MAPS_PER_PAGE].astype(np.int32)
        about = {"kind": maps.kind, "channels": maps.channels, "low": maps.low, "high": maps.high, "shape": maps.shape}
        return answers.arrays(about, {"maps": _sent(maps.pictures(numbers)), "numbers": numbers})

    def channel(self, asked: Any) -> bytes:
        """Return one channel's map on an image, in full."""
        maps = self._maps(asked)
        unit = unit_of(asked, maps.channels)
        means = maps.means()
        about = {
            "kind": maps.kind,
            "channels": maps.channels,
            "low": maps.low,
            "high": maps.high,
            "shape": maps.shape,
            "mean": means[unit],
            "rank": int((means > means[unit]).sum()),
        }
        return answers.arrays(about, {"maps": maps.pictures(np.array([unit])).astype(np.float32)})

    def firing(self, asked: Any) -> bytes:
        """Return the channels with the highest values at each place of the layer's map."""
        maps = self._maps(asked)
        if maps.kind != "maps":
            raise LayerError(f"`layer` {maps.path!r} has no map of rows and columns to point at.")
        count = min(MOST_FIRING, maps.channels)
        order = np.argsort(-maps.values, axis=-1, kind="stable")[..., :count]
        values = np.take_along_axis(maps.values, order, axis=-1)
        return answers.arrays({}, {"channels": order.astype(np.int32), "values": _sent(values)})

    def kernels(self, asked: Any) -> bytes:
        """Return a page of the layer's kernels as pictures, by number."""
        model = self.studio.model
        found = registry.get("filters").function(model, layer_of(model, asked).path)
        pictures, _, signed = found.pictures("auto")
        order = list(found.order)
        by_number = np.empty_like(pictures)
        by_number[order] = pictures
        start = whole(asked, "start", 0, 0, max(0, len(order) - 1))
        about = {
            "signed": signed,
            "end": float(np.abs(pictures).max()) or 1.0,
            "kernels": len(order),
            "shape": found.values.shape,
            "is_mean": signed and found.values.shape[2] > 1 and not found.is_depthwise,
            "in_color": pictures.ndim == 4,
        }
        numbers = np.arange(start, min(len(order), start + MAPS_PER_PAGE), dtype=np.int32)
        return answers.arrays(about, {"kernels": by_number[numbers].astype(np.float32), "numbers": numbers})

    def _maps(self, asked: Any) -> Maps:
        model = self.shown.ready(asked.get("image"))
        return self.shown.maps(layer_of(model, asked).path, asked.get("image"))


def _shape(info: LayerInfo) -> list[int | None] | None:
    return None if info.output_shape is None else list(info.output_shape[1:])


def _can(model: ModelAdapter, method: str) -> bool:
    try:
        registry.check_needs(registry.get(method), model)
    except VizcnnError:
        return False
    return True


def _kernels_at(model: ModelAdapter, info: LayerInfo) -> str | None:
    """Return the layer whose kernels make a layer's channels: itself, or what feeds it channel by channel."""
    infos = {one.path: one for one in model.layers}
    found: LayerInfo | None = info
    seen: set[str] = set()
    while found is not None and found.path not in seen and not _has_kernels(model, found):
        seen.add(found.path)
        before = [a for a, b in model.connections if b == found.path] if found.role in CHANNEL_BY_CHANNEL else []
        found = infos.get(before[0]) if len(before) == 1 else None
    return None if found is None or found.path in seen else found.path


def _has_kernels(model: ModelAdapter, info: LayerInfo) -> bool:
    if "kernels" not in model.capabilities or info.is_container:
        return False
    try:
        model.kernels(info)
    except VizcnnError:
        return False
    return True


def _sent(values: np.ndarray) -> np.ndarray:
    """Return values as they are sent: of many, half of their digits where these hold them."""
    half = values.size > _MOST_EXACT and float(np.abs(values).max()) < float(np.finfo(np.float16).max)
    return values.astype(np.float16 if half else np.float32)
