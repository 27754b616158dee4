"""Text from outside in figures: as it is, with no formulas made of it, and in a font that has its letters."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, BinaryIO

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from PIL import Image

from vizcnn.errors import warn
from vizcnn.text import printable, short

PLAIN: dict[str, Any] = {"parse_math": False, "usetex": False}
"""What keeps matplotlib from reading dollar signs and backslashes as a formula."""

_LETTERS, _LINES = 40, 3
"""Letters in a line of a title, and lines that one text takes of it."""

_SMALL = 6.5
"""Points of what stands under a picture."""

_COMMON = 0x250
"""Every font has the letters up to here."""


def set_title(axis: Axes, text: str) -> None:
    """Write a title, in lines that stay within a panel."""
    room = _LETTERS * _LINES
    lines = [short(line, room) for line in printable(text).splitlines()]
    wrapped = [part for line in lines for part in textwrap.wrap(line, _LETTERS)]
    axis.set_title("\n".join(wrapped), fontsize=9, **PLAIN)


def set_footnote(axis: Axes, text: str) -> None:
    """Write what stands under a picture, in small letters; nothing where there is none."""
    if text:
        axis.set_xlabel(printable(text), fontsize=_SMALL, **PLAIN)


def write_text(axis: Axes, x: float, y: float, text: str, **style: Any) -> Text:
    """Write text at a place."""
    return axis.text(x, y, printable(text), **style, **PLAIN)


def plain_legend(legend: Legend) -> None:
    """Take the labels of a legend as they are."""
    as_they_are(legend.get_texts())


def as_they_are(texts: Iterable[Text]) -> None:
    """Take texts that matplotlib has made already as they are."""
    for text in texts:
        text.set_usetex(False)
        text.set_parse_math(False)
        text.set_text(printable(text.get_text()))


def save(figure: Figure, file: BinaryIO, suffix: str, dpi: float) -> None:
    """Write a figure; letters that its font lacks are taken from another one, or said to be missing."""
    if any(ord(letter) > _COMMON for text in figure.findobj(Text) for letter in text.get_text()):
        _find_fonts(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")  # it was said
        if suffix.lower() == ".png":
            _lay_out(figure, dpi)
            _write_png(figure, file, dpi)
        else:
            figure.savefig(file, format=suffix.lstrip(".").lower(), dpi=dpi)


def _lay_out(figure: Figure, dpi: float) -> None:
    """Place the Axes of a figure of pixels once and for all; savefig would draw everything a first time for that."""
    engine = figure.get_layout_engine()
    if engine is not None:
        figure.set_dpi(dpi)
        for axis in figure.axes:
            if axis.get_title() and _is_free_above(axis):
                # A height of its own, the usual one: else matplotlib measures the numbers of the color bar, each time it looks.
                axis.set_title(axis.get_title(), y=1.0, fontsize=axis.title.get_fontsize())
        engine.execute(figure)
        figure.set_layout_engine(None)


def _is_free_above(axis: Axes) -> bool:
    """Tell whether nothing of an Axes may push its title up: a power of ten over its numbers or those of its color bar."""
    for one in (axis, *axis.child_axes):
        numbers = one.yaxis.get_major_formatter()
        numbers.set_locs(list(one.yaxis.get_majorticklocs()))
        ticks, label = one.xaxis.get_ticks_position(), one.xaxis.get_label_position()
        if numbers.get_offset() or ticks in ("top", "unknown") or label == "top":
            return False
    return True


def _write_png(figure: Figure, file: BinaryIO, dpi: float) -> None:
    """Write the pixels of a figure, without an opacity where there is none: in a fifth of matplotlib's time, and no larger."""
    stored = io.BytesIO()
    figure.savefig(stored, format="png", dpi=dpi, pil_kwargs={"compress_level": 0})
    with Image.open(stored) as image:
        opaque = image.getextrema()[-1] == (255, 255)
        pixels = image.convert("RGB") if opaque else image
        pixels.save(file, format="PNG", compress_type=zlib.Z_RLE, dpi=image.info["dpi"])


def _find_fonts(figure: Figure) -> None:
    missing: dict[str, None] = {}
    for text in figure.findobj(Text):
        lacking = frozenset(filter(str.isprintable, _lacking(text)))
        if lacking:
            family = _family_with(lacking)
            if family is None:
                missing |= dict.fromkeys(sorted(lacking))
            else:
                text.set_fontfamily([*text.get_fontfamily(), family])
    if missing:
        signs = ", ".join([*map(repr, list(missing)[:5]), *(["..."] if len(missing) > 5 else [])])
        warn(
            [
                f"No font that matplotlib finds has {signs}: boxes stand in their place. Install one that has them, and name it "
                f"in matplotlib.rcParams['font.family']."
            ]
        )


def _lacking(text: Any) -> set[str]:
    """Return the letters that the font of a text lacks."""
    rare = {letter for letter in text.get_text() if ord(letter) > _COMMON and not re.match(r"\s", letter)}
    return rare - {
        letter for letter in rare if ord(letter) in _letters_of(font_manager.findfont(text.get_fontproperties()))
    }


@lru_cache(maxsize=256)
def _letters_of(file: str) -> frozenset[int]:
    try:
        return frozenset(font_manager.get_font(file).get_charmap())
    except (OSError, RuntimeError):  # of pictures rather than outlines, which matplotlib can't draw
        return frozenset()


@lru_cache(maxsize=256)
def _family_with(letters: frozenset[str]) -> str | None:
    """Return a font on this machine that has these letters."""
    codes = set(map(ord, letters))
    fonts = (
        font for font in font_manager.fontManager.ttflist if font.style == "normal" and "Last Resort" not in font.name
    )
    return next((font.name for font in fonts if codes <= _letters_of(font.fname)), None)
