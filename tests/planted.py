"""Planted evidence: a small model whose weights are set by hand, so that what causes each score is known.

`measure` tells how much of a method's map lies where the cause is. The table of all methods is written into the docs by
``python -m tests.planted --markdown docs/planted_evidence.md``.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

import vizcnn as vz
from vizcnn.errors import VizcnnWarning
from vizcnn.plugins import registry
from vizcnn.plugins.plugin import FAMILIES

SIDE, PATCH, MARGIN = 24, 6, 2
"""Pixels of the images, of the patches, and how far around a patch its map may reach: what a coarse map spills."""

RED, GREEN, BLUE, WHITE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.1, 0.1, 1.0), (1.0, 1.0, 1.0)

BEGIN, END = "<!-- planted: begin -->", "<!-- planted: end -->"

FINDS, PARTLY, BLIND = "finds", "partly", "blind"
MARKS = {FINDS: "●", PARTLY: "◐", BLIND: "○"}

CUTS = (0.2, 0.55)
"""How much better than an even map, 0 to 1, a map is from which on its method finds the cause partly, and finds it."""

EVEN_AS_NOISE = 1 / 3
"""How even the positive part of noise is."""

VARIANTS = (
    "saliency:rule=guided",
    "integrated_gradients:baseline=white",
    "occlusion:baseline=white",
    "occlusion:baseline=black",
)
"""Methods with options that change what they find; of all others the defaults are measured."""


# The images and their causes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cause:
    """What makes one class's score.

    Attributes
    ----------
    name : str
        Heading of its column.
    image : ndarray of float32, shape (24, 24, 3)
        An image that has it, in 0..1.
    corners : tuple of (int, int)
        Upper left corners of the patches that it is; () where it is the whole image.
    """

    name: str
    image: np.ndarray
    corners: tuple[tuple[int, int], ...]

    @property
    def masks(self) -> list[np.ndarray]:
        """Where its patches are, with a margin, one (24, 24) for each."""
        return [_square(corner, MARGIN) for corner in self.corners]


def _square(corner: tuple[int, int], margin: int = 0) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[tuple(slice(max(at - margin, 0), at + PATCH + margin) for at in corner)] = True
    return mask


def _image(background: float, *patches: tuple[tuple[float, ...], tuple[int, int]]) -> np.ndarray:
    image = np.full((SIDE, SIDE, 3), background, np.float32)
    for color, corner in patches:
        image[_square(corner)] = color
    return image


FIRST, SECOND, BESIDE = (3, 3), (14, 14), (3, 15)

CAUSES = (
    Cause("color in a corner", _image(0.4, (RED, (0, 0)), (RED, SECOND), (BLUE, BESIDE)), ((0, 0),)),
    Cause("two together", _image(0.4, (RED, FIRST), (GREEN, SECOND), (BLUE, BESIDE)), (FIRST, SECOND)),
    Cause("either of two", _image(0.4, (RED, FIRST), (RED, SECOND), (BLUE, BESIDE)), (FIRST, SECOND)),
    Cause("absence", _image(0.4, (RED, FIRST), (BLUE, BESIDE)), (SECOND,)),
    Cause("mean brightness", _image(0.5, (BLUE, BESIDE)), ()),
    Cause("black on black", _image(0.0, (WHITE, BESIDE)), ((14, 3),)),
)


def images() -> np.ndarray:
    """Return the image of each cause, (6, 24, 24, 3)."""
    return np.stack([cause.image for cause in CAUSES])


# The model --------------------------------------------------------------------------------------------------------------------

_RED, _GREEN, _BLUE, _LIGHT, _DARK = range(5)
_THRESHOLD = 0.1
"""How far a color must stand out, to be seen."""

_SCALE = 5.0
"""The logit of a class whose cause is there."""


@cache
def model() -> vz.ModelAdapter:
    """Return the model: a convolution that sees colors, a pool, a dense layer that reasons, and a softmax of six classes.

    The class of each cause has the logit 5 on its image. The channels are redness, greenness, blueness, which no class needs,
    lightness and darkness; the units of the dense layer are

    - the redness in the corner, and nowhere else;
    - redness and greenness, less what one of them alone comes to;
    - what is missing of the redness of one patch; it speaks against the class, and is 0 where there are two patches or one;
    - the lightness in a place beyond what is allowed there, which speaks against the class;
    - the mean lightness; and the darkness in a place.
    """
    image = keras.Input((SIDE, SIDE, 3), name="image")
    colors = layers.Conv2D(5, 3, padding="same", activation="relu", name="colors")
    maps = layers.AveragePooling2D(2, name="maps")(colors(image))
    logic = layers.Dense(6, activation="relu", name="logic")
    logits = layers.Dense(6, activation="softmax", name="classes")
    network = keras.Model(image, logits(logic(layers.Flatten(name="flatten")(maps))), name="planted")
    colors.set_weights(_color_weights())
    seen = keras.Model(image, maps).predict(images(), verbose=0)
    logic.set_weights(_logic_weights(seen))
    weights = np.diag([_SCALE, _SCALE, -_SCALE, -_SCALE, _SCALE, _SCALE]).astype(np.float32)
    logits.set_weights([weights, np.array([0, 0, _SCALE, _SCALE, 0, 0], np.float32)])
    return vz.adapt(network, preprocess="none")


def _color_weights() -> list[np.ndarray]:
    by_channel = np.full((3, 5), -0.5, np.float32)
    by_channel[[0, 1, 2], [_RED, _GREEN, _BLUE]] = 1
    by_channel[:, _LIGHT], by_channel[:, _DARK] = 1 / 3, -1 / 3
    kernel = np.broadcast_to(by_channel / 9, (3, 3, 3, 5))
    return [kernel, np.array([-_THRESHOLD] * 3 + [0, 0.5], np.float32)]


def _logic_weights(seen: np.ndarray) -> list[np.ndarray]:
    """Return weights such that each unit is 1 on the image of its cause, by what is seen of these images."""
    places = seen.shape[1:3]
    weights = np.zeros((*places, 5, 6))
    weights[:, :, _RED, 0] = _pooled(_square((0, 0), MARGIN))
    weights[:, :, :, 0] /= (weights[..., 0] * seen[0]).sum()
    for color in (_RED, _GREEN):
        weights[:, :, color, 1] = 1 / seen[1, ..., color].sum()
    weights[:, :, _RED, 2] = -2 / seen[2, ..., _RED].sum()
    weights[:, :, _LIGHT, 3] = 4 * _pooled(_square(SECOND)) / (PATCH / 2) ** 2
    weights[:, :, _LIGHT, 4] = 1 / seen[4, ..., _LIGHT].sum()
    weights[:, :, _DARK, 5] = _pooled(_square(CAUSES[5].corners[0]))
    weights[:, :, :, 5] /= (weights[..., 5] * seen[5]).sum()
    return [weights.reshape(-1, 6).astype(np.float32), np.array([0, -1, 1, -4 * 0.6, 0, 0], np.float32)]


def _pooled(mask: np.ndarray) -> np.ndarray:
    """Return the cells of the pool that lie in a mask of pixels, at least by half."""
    return mask.reshape(SIDE // 2, 2, SIDE // 2, 2).mean(axis=(1, 3)) >= 0.5


# What is measured -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """How much of a map lies where the cause is.

    Attributes
    ----------
    share : float
        Of the map's mass, of which no patch counts for more than its part; of the whole image how even the map is.
    area : float
        What an even map's share would be, or, of the whole image, how even noise is.
    """

    share: float
    area: float

    @property
    def better(self) -> float:
        """How much better than an even map, or than noise: 1 all of it, 0 nothing."""
        return (self.share - self.area) / (1 - self.area)

    @property
    def verdict(self) -> str:
        """One of `MARKS`."""
        return (BLIND, PARTLY, FINDS)[int(np.searchsorted(CUTS, self.better, side="right"))]


def found(cause: Cause, values: np.ndarray) -> Found:
    """Measure a map (24, 24), of what speaks for the class: its positive part."""
    mass = np.maximum(np.asarray(values, np.float64), 0)
    whole, masks = mass.sum() or 1.0, cause.masks
    if not masks:
        return Found(float(whole**2 / (mass.size * (np.square(mass).sum() or 1.0))), EVEN_AS_NOISE)
    shares = [min(mass[mask].sum() / whole, 1 / len(masks)) for mask in masks]
    return Found(float(sum(shares)), float(np.mean(sum(masks))))


def methods() -> list[str]:
    """Return what is measured: all methods of vizcnn that explain images without an attention, and `VARIANTS`, by family."""
    plugins = [registry.get(name) for name in registry.names()]
    own = [
        plugin.name
        for plugin in plugins
        if plugin.explains and plugin.package == "vizcnn" and plugin.family not in ("transformer", "guest")
    ]
    order = list(FAMILIES)
    return sorted([*own, *VARIANTS], key=lambda method: (order.index(registry.parse(method)[0].family), method))


@cache
def maps(method: str) -> np.ndarray:
    """Return a method's map of each cause's class on its image, (6, 24, 24)."""
    plugin, options = registry.parse(method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VizcnnWarning)  # of maps that are blank, which is what is asked
        result = plugin.function(model(), images(), list(range(len(CAUSES))), **options)
    return np.asarray(result.values)


@cache
def measure(method: str) -> tuple[Found, ...]:
    """Measure a method's map of each cause."""
    return tuple(found(*pair) for pair in zip(CAUSES, maps(method), strict=True))


# The table in the docs ---------------------------------------------------------------------------------------------------------


def table(methods: Iterable[str]) -> str:
    """Return the table of methods and causes in Markdown."""
    heads = ["method", *(cause.name for cause in CAUSES)]
    even = ["*an even map*", *(f"{100 * found(cause, np.ones((SIDE, SIDE))).share:.0f}" for cause in CAUSES)]
    rows = [[f"`{method}`", *map(_cell, measure(method))] for method in methods]
    lines = [heads, ["---", *["--:"] * len(CAUSES)], even, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(found: Found) -> str:
    return f"{100 * found.share:.0f} {MARKS[found.verdict]}"


def written(text: str) -> dict[str, list[tuple[int, str]]]:
    """Read the table of a page: for each method its shares, in percent, and verdicts."""
    verdicts = {mark: verdict for verdict, mark in MARKS.items()}
    rows: dict[str, list[tuple[int, str]]] = {}
    for line in text.partition(BEGIN)[2].partition(END)[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0].startswith("`"):
            rows[cells[0].strip("`")] = [
                (int(share), verdicts[mark]) for share, mark in (cell.split() for cell in cells[1:])
            ]
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, or write it into a page between its marks."""
    parser = argparse.ArgumentParser(description="Which method finds which planted cause.")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    given: Any = parser.parse_args(arguments)
    text = table(methods())
    if given.markdown:
        before, _, rest = given.markdown.read_text(encoding="utf-8").partition(BEGIN)
        given.markdown.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    else:
        print(text)  # noqa: T201


if __name__ == "__main__":
    main()
