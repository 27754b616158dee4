"""What the page knows from the start: the model, the methods and what they cost, the layers, the images, the colors."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cost import Cost
from vizcnn.errors import UnsupportedModelError, VizcnnError
from vizcnn.explorer.asked import default_method, explained_of, image_of
from vizcnn.explorer.studio import Studio
from vizcnn.plugins import registry
from vizcnn.plugins.plugin import FAMILIES, Plugin
from vizcnn.render import style as look
from vizcnn.report.page import color_tables

MAX_NAMES = 5000
"""Classes of an output whose names are told; of others the page has their numbers."""

_SIMPLE = (bool, int, float, str, type(None))

_KINDS = {2: "signal", 3: "image"}
"""What an input is by its axes; of four axes it is a clip or a volume."""


FILES = {
    "image": "image/*,.npy",
    "signal": ".npy",
    "video": "video/*,.gif,.webp,.tif,.tiff,.npy",
    "volume": ".tif,.tiff,.gif,.npy",
}
"""Files that an input may be in, as a browser's window for choosing one takes them."""


def facts_of(studio: Studio) -> dict[str, Any]:
    """Return what the page knows from the start.

    Parameters
    ----------
    studio : Studio
        The model and its images.

    Returns
    -------
    dict
    """
    if not studio.has_model:
        return {"model": None, **_of_all(studio)}
    model = studio.model
    if studio.sources:  # a model whose layers are only made when it sees an image shows them from now on
        with suppress(VizcnnError):
            image_of(studio, {})
    plugins = [plugin for plugin in map(registry.get, registry.names()) if plugin.explains]
    return {
        "model": {
            "name": model.name,
            "source": model.source,
            "input": model.input_shape,
            "kind": kind_of(model),
            "files": FILES[kind_of(model)],
            "labels": model.labels,
            "notes": studio.notes,
            "outputs": _outputs(model),
            "explains": explained_of(model),
        },
        "methods": [_method(studio, plugin) for plugin in plugins if not plugin.missing_needs(model)],
        "others": [
            {"name": plugin.name, "family": plugin.family, "missing": plugin.missing_needs(model)}
            for plugin in plugins
            if plugin.missing_needs(model)
        ],
        "families": FAMILIES,
        "default_method": default_method(studio),
        "layers": [
            {"path": info.path, "channels": info.output_shape[-1]}
            for info in model.layers
            if info.rank == 2 and info.is_spatial and info.output_shape and not info.is_container
        ],
        **_of_all(studio),
    }


def _of_all(studio: Studio) -> dict[str, Any]:
    """Return what the page knows whether there is a model or not."""
    return {
        "name": studio.name,
        "error": studio.error,
        "images": len(studio.sources),
        "changes": studio.changes,
        "kept": studio.kept.kind if studio.kept is not None else None,
        "colors": {
            "sequential": look.SEQUENTIAL,
            "diverging": look.DIVERGING,
            "gray": look.GRAY,
            "opacity": look.ALPHA,
            "signs": look.colors_of_signs(),
            "tables": color_tables(),
        },
    }


def kind_of(model: ModelAdapter) -> str:
    """Return what the model takes: "image", "signal", "video" or "volume"."""
    axes = len(model.input_shape)
    return "video" if model.is_video else "volume" if axes == 4 else _KINDS.get(axes, "image")


def _outputs(model: ModelAdapter) -> list[dict[str, Any]]:
    try:
        names = list(model.output_shapes)
    except UnsupportedModelError:  # it is not known before its first image
        return []
    return [_output(model, name) for name in names]


def _output(model: ModelAdapter, name: str) -> dict[str, Any]:
    head = model.head(name)
    return {
        "name": name,
        "shape": model.output_shapes[name],
        "is_classes": head.is_classes,
        "is_map": len(head.positions) == 2,
        "is_main": name == model.output_name(None),
        "count": head.num_classes,
        "names": head.names if head.num_classes <= MAX_NAMES else None,
    }


def _cost(studio: Studio, plugin: Plugin) -> dict[str, Any] | None:
    """Return what a method costs as it is usually called, where the size of an input is known."""
    shape = studio.model.shown_shape
    try:
        cost = None if None in shape else plugin.cost_on(studio.model, [int(length or 1) for length in shape])
    except VizcnnError:  # an option that this input is too small for
        cost = None
    return None if cost is None else told_cost(cost)


def told_cost(cost: Cost) -> dict[str, Any]:
    """Return a cost as the page takes it."""
    return {"runs": cost.runs, "gradients": cost.gradients, "text": str(cost)}


def _method(studio: Studio, plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "family": plugin.family,
        "summary": plugin.summary,
        "interpretation": plugin.interpretation,
        "takes_layer": "layer" in plugin.options,
        "cost": _cost(studio, plugin),
        "options": [
            {"name": option, "default": default, "choices": plugin.choices(option), "kind": type(default).__name__}
            for option, default in plugin.options.items()
            if option not in ("layer", "layers", "fuse") and isinstance(default, _SIMPLE) and default is not None
        ],
    }
