"""Parts that the report and the explorer show alike, as data: an image's pixels, a map's values, how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.algorithms.reduction import one_per_place
from vizcnn.algorithms.trust import COMPLETENESS, RANDOMIZATION, ROAD, SENSITIVITY, STANDARD_ERROR, Trust
from vizcnn.render.image import limits, to_display
from vizcnn.render.panels import ImageAt
from vizcnn.render.signals import lay_out_slices
from vizcnn.resample import resize, shrink
from vizcnn.results.panels import outlined

if TYPE_CHECKING:
    from vizcnn.results import Attributions

LONGEST = 448
"""Pixels, height or width, above which images and maps are made smaller for the page."""

_FRAME = 160
"""The same of the frames of a clip, or the slices of a volume, of which several are shown."""


def picture_of(images: Sequence[np.ndarray], index: int) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Return an image as it is shown.

    Parameters
    ----------
    images : sequence of ndarray
        Images, clips or volumes; an `ImageSet` is one.
    index : int
        Which one.

    Returns
    -------
    (ndarray of uint8, shape (H, W, 3), (int, int) or None)
        Its pixels; and of a clip or a volume, whose frames or slices are laid out side by side, the size of one of these.
    """
    image, frame = ImageAt(images, index).pixels(LONGEST), None
    if image.ndim == 4:
        image = shrink(image, _FRAME)
        frame = (image.shape[1], image.shape[2])
        image = lay_out_slices(image)
    return to_display(image), frame


def map_of(
    result: Attributions, index: int, size: Sequence[int], frame: tuple[int, int] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return a map where it lies on the image as that is shown.

    Parameters
    ----------
    result : Attributions
        The maps.
    index : int
        Which one.
    size : (int, int)
        Height and width of the image as it is shown.
    frame : (int, int), default None
        Those of a frame or slice, where several are laid out side by side.

    Returns
    -------
    (ndarray of float32, shape (H, W), dict)
        The values; and what is to be known of them: "explained", "measured", the lowest and the highest, "low" and "high", the
        ends of the scale of colors, "vmin" and "vmax", whether it is "signed", "boxes" that are outlined, and of a map that lies
        nowhere in its image, "alone", its size.
    """
    if frame is not None:
        values = _of_frames(result, index, frame)
    else:
        values = np.atleast_2d(one_per_place(result.values[index], 2))
        if result.geometry and not result.alone:
            values = result.geometry[index].on_picture(values, size, outside=np.nan)
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    small = resize(finite, (size[0], size[1])) if max(size) < max(values.shape) and not result.alone else finite
    vmin, vmax = limits(values, signed=result.signed)
    return small, {
        "explained": in_words(result.target[index], result.probabilities[index]),
        "measured": result.measured(index),
        "low": float(small.min()),
        "high": float(small.max()),
        "vmin": vmin,
        "vmax": vmax,
        "signed": result.signed,
        "boxes": outlined(result, index),
        # A map that lies nowhere in its image has a size of its own, and is drawn without it.
        "alone": {"height": small.shape[0], "width": small.shape[1]} if result.alone else None,
    }


def in_words(name: str, probability: float | None) -> str:
    """Return a class's name with its probability, where there is one."""
    return name if probability is None else f"{name} (probability {probability:.2f})"


def _of_frames(result: Attributions, index: int, frame: tuple[int, int]) -> np.ndarray:
    """Return the maps of a clip's frames, or a volume's slices, side by side as these are."""
    values = result.map(index)
    if result.alone:
        return np.atleast_2d(values if values.ndim < 3 else lay_out_slices(values))
    if result.geometry:
        geometry = result.geometry[index]
        values = np.stack([geometry.on_picture(one, frame, outside=np.nan) for one in values])
    return lay_out_slices(values, frame)


_ROWS = {"": "this map", "edges": "the image's edges", "center": "its middle", "random": "chance"}
"""What the page calls the map and the null maps."""

_PAINTED = {"mean": "mean color", "blur": "blurred"}
"""What it calls what is painted over hidden pixels."""

_OTHERS = {
    ROAD: "marked less unmarked parts, by another way of painting over (ROAD)",
    RANDOMIZATION: "likeness to the map of a model that has learned nothing",
    COMPLETENESS: "share of the score that its values miss",
    STANDARD_ERROR: "how far other random samples would change it",
    SENSITIVITY: "how far a change that can't be seen changes it",
}
"""What it calls the other numbers."""


def trust_of(by_method: Mapping[str, Trust]) -> list[tuple[str, dict[str, Any]]]:
    """Return how far the maps of an image can be trusted, as it is shown: the bars of all methods have one scale.

    Parameters
    ----------
    by_method : mapping of str to Trust
        Methods to what was measured of their maps.

    Returns
    -------
    list of (str, dict)
        Per method "label" and "sentence"; "fills", what was painted over hidden pixels; "rows", of the map and of the null maps
        what each is called, whether it is the map, and a bar for each fill; and "others", names and bars of the other numbers.
    """
    rows = {
        name: {row: [of.nulls[row] if row else of.value for of in trust.faithfulness.values()] for row in _ROWS}
        for name, trust in by_method.items()
    }
    scale = (
        max((abs(value) for of_map in rows.values() for values in of_map.values() for value in values), default=0)
        or 1.0
    )
    return [
        (
            name,
            {
                "label": trust.label,
                "sentence": trust.sentence,
                "fills": [_PAINTED.get(fill, fill) for fill in trust.faithfulness],
                "rows": [
                    (
                        _ROWS[row],
                        not row,
                        [_bar(None if trust.is_blank and not row else value, scale) for value in values],
                    )
                    for row, values in rows[name].items()
                ],
                "others": [
                    (_OTHERS[number], _bar(trust.numbers[number])) for number in trust.numbers if number in _OTHERS
                ],
            },
        )
        for name, trust in by_method.items()
    ]


def _bar(value: float | None, scale: float = 1.0) -> dict[str, Any]:
    """Return a number with the bar that shows it: its left end and its length, where 0 lies at 0 and the ends at -1 and 1."""
    if value is None:
        return {"text": "undefined", "left": 0, "length": 0}
    end = min(1.0, max(-1.0, value / scale))
    return {"text": f"{value:.2f}", "left": round(min(0.0, end), 3), "length": round(abs(end), 3)}
