"""What is written below the boxes, in lines that stay within a column."""

from __future__ import annotations

from functools import lru_cache

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from vizcnn.render.diagram.boxes import INPUT, Box
from vizcnn.text import printable, shape_text, short

NAME, SMALL = 7.5, 6.5
"""Points: the size of names, and of what else is written."""

_TEXT_WIDTH = 1.02
_LINES = 3

_LETTERS = 120
"""Letters of a name from which on its middle is left out."""

_SHORT = {"BatchNormalization": "BN", "LayerNormalization": "LN", "ZeroPadding2D": "pad", "AveragePooling2D": "AvgPool",
          "GlobalAveragePooling2D": "GlobalAvgPool", "GlobalMaxPooling2D": "GlobalMaxPool", "MaxPooling2D": "MaxPool",
          "Concatenate": "Concat", "SpatialDropout2D": "Dropout",
          "DepthwiseConv2D": "DepthwiseConv", "SeparableConv2D": "SeparableConv"}  # fmt: skip


def texts_of(box: Box) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lines of a box's name, and those below it."""
    if box.ends:
        name = [*_wrapped(box.ends[0] + " …", bold=True), *_wrapped(box.ends[1], bold=True)]
    else:
        name = _wrapped(box.name, bold=True)
    if box.kind == INPUT:
        text = ["input"]
    elif box.is_closed and box.repeats == 1:
        layers = sum(box.contents.values())
        text = [*_wrapped(box.kind), f"{layers} layers", *_parameters(box)]
    elif box.is_block:
        text = _wrapped(_contents(box), limit=4)
    else:
        text = _wrapped(" + ".join(_short(part) for part in box.parts))
    return tuple(name), (*text, shape_text(box.shape, " × "))


def _contents(box: Box) -> str:
    """Say what is in a block: in each, where all that it repeats hold the same."""
    same = box.repeats > 1 and all(count % box.repeats == 0 for count in box.contents.values())
    counts = {kind: count // box.repeats if same else count for kind, count in box.contents.items()}
    # A no-break space holds a number and what it counts together.
    words = [f"{count}\u00a0{_short(kind)}" for kind, count in sorted(counts.items(), key=lambda item: -item[1])]
    return ("each " if same else "") + ", ".join([*words[:5], *(["…"] if len(words) > 5 else [])])


def _parameters(box: Box) -> list[str]:
    return [f"{_short_number(box.num_params)} parameters"] if box.num_params else []


def _short(part: str) -> str:
    kind, comma, activation = part.partition(", ")
    return _SHORT.get(kind, kind) + comma + activation


def _short_number(count: int) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return str(count)


def _wrapped(text: str, *, bold: bool = False, limit: int = _LINES) -> list[str]:
    """Break a text where words or parts of a name end, so that it stays within a column; what is too long ends in dots."""
    size = NAME if bold else SMALL
    text = short(printable(text), _LETTERS)
    pieces: list[str] = []
    word = ""
    for letter in text:
        word += letter
        if letter in " _-/":
            pieces.append(word)
            word = ""
    lines = [""]
    for piece in [*pieces, word]:
        rest = piece
        if lines[-1] and text_width((lines[-1] + rest).rstrip(), size, bold=bold) > _TEXT_WIDTH:
            lines.append("")
        while text_width(rest.rstrip(), size, bold=bold) > _TEXT_WIDTH:
            fitting = next(
                n for n in range(len(rest), 0, -1) if n == 1 or text_width(rest[:n], size, bold=bold) <= _TEXT_WIDTH
            )
            lines[-1], rest = rest[:fitting], rest[fitting:]
            lines.append("")
        lines[-1] += rest
    lines = [line.strip() for line in lines if line.strip()]
    return lines if len(lines) <= limit else [*lines[: limit - 1], lines[limit - 1][:-1] + "…"]


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a text in inches."""
    if not text:
        return 0.0
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(printable(text), font, ismath=False)
    return float(width) / 72
