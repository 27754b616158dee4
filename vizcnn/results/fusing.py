"""One map of several layers, for every method whose map is of a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce, wraps
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

import numpy as np

from vizcnn.errors import LayerError, OptionError
from vizcnn.results.batch import AttributionBatch
from vizcnn.results.placing import laid_over

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.targets.score import Score

Fuse = Literal["mean", "max", "product"]
"""How the maps of several layers become one."""

_FUSED: dict[str, Callable[[list[np.ndarray]], np.ndarray]] = {
    "mean": lambda maps: np.mean(maps, axis=0),
    "max": lambda maps: reduce(_further, maps),
    "product": lambda maps: np.prod(maps, axis=0),
}


def over_layers(run: Callable[..., AttributionBatch]) -> Callable[..., AttributionBatch]:
    """Give a plugin's function that explains one `layer` the options `layers` and `fuse`.

    Parameters
    ----------
    run : callable
        ``run(model, inputs, score, *, layer=None, ...)``.

    Returns
    -------
    callable
        The same, but with `layers` it explains each of these, enlarges the maps to the input's size, divides each by its largest
        magnitude, and returns one.

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.layercam(cnn, digits[3], layers=["conv3", "conv5"], fuse="max")
    >>> result.raw.shape, float(result.values.max())
    ((1, 2, 28, 28), 1.0)
    """
    signature = inspect.signature(run)

    @wraps(run)
    def fused(
        model: ModelAdapter,
        inputs: np.ndarray,
        score: Score,
        *,
        layer: str | None = None,
        layers: Sequence[str] | None = None,
        fuse: Fuse = "mean",
        **options: Any,
    ) -> AttributionBatch:
        if layers is None:
            return run(model, inputs, score, layer=layer, **options)
        if layer is not None:
            raise OptionError(
                f"`layer` is one layer, `layers` are several, and only one of them may be given; got {layer!r} too."
            )
        if not layers:
            raise OptionError("`layers` must name at least one layer; got none.")
        return _one_of([run(model, inputs, score, layer=each, **options) for each in layers], model, inputs, fuse)

    given: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        given.append(parameter)
        if parameter.name == "layer":
            given += [
                parameter.replace(name="layers", annotation="Sequence[str] | None", default=None),
                parameter.replace(name="fuse", annotation="Fuse", default="mean"),
            ]
    fused.__signature__ = signature.replace(parameters=given)  # type: ignore[attr-defined]
    keywords = [name for name, parameter in signature.parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    holder = type("Options", (), {"__annotations__": {name: run.__annotations__[name] for name in keywords}})
    own = get_type_hints(holder, globalns=run.__globals__)
    fused.__annotations__ = {**own, "layers": Sequence[str] | None, "fuse": Fuse}
    return fused


def _one_of(parts: Sequence[AttributionBatch], model: ModelAdapter, inputs: np.ndarray, fuse: str) -> AttributionBatch:
    """Return one map of those of several layers."""
    maps, notes = [], []
    shapes = {part.layer: part.values.shape[1:] for part in parts if part.layer is not None}
    known = model.placements(shapes, inputs.shape[1:])
    for part in parts:
        placement = None if part.layer is None else known[part.layer]
        values, lies_nowhere, placed = laid_over(part.values, part.layer, placement, inputs.shape[1:-1])
        if lies_nowhere:
            raise LayerError(
                f"`layers` must have maps that lie in the image; that of {part.layer!r} lies nowhere in it."
            )
        largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
        maps.append(values / np.where(largest > 0, largest, 1))
        notes += [note for note in (*part.notes, *placed) if note not in notes]
    fused = _FUSED[fuse](maps)
    return replace(
        parts[0], values=fused, raw=np.stack(maps, axis=1), layer=None, notes=tuple(notes), extras={}, measures={}
    )


def _further(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return what is further from zero, with its sign."""
    return np.where(np.abs(second) > np.abs(first), second, first)
