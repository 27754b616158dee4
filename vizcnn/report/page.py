"""The page: results as data that the browser draws, in a template that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import jinja2
import numpy as np
from PIL import Image

from vizcnn._version import __version__
from vizcnn.errors import ResultError
from vizcnn.files import write_file
from vizcnn.render import style as look
from vizcnn.render.image import colorize
from vizcnn.render.panels import ImageAt
from vizcnn.report.parts import in_words, map_of, picture_of, trust_of
from vizcnn.text import printable

if TYPE_CHECKING:
    from vizcnn.results import Attributions, Picture

_LEVELS = (255, 63, 31, 15)
_CHARACTERS = 48_000
"""What a map of 224x224 pixels may take of the page, so that fifty of them and ten images stay within 3 MB."""

_WIDEST, _HIGHEST = 1200, 2400
"""Pixels that a figure of another result is made to fit."""


def write_page(
    results: Mapping[str, Attributions],
    path: str | os.PathLike[str],
    *,
    meanings: Mapping[str, str] | None = None,
    about: Mapping[str, str] | None = None,
    figures: Mapping[str, Picture] | None = None,
    others: Mapping[str, Mapping[str, Attributions]] | None = None,
    title: str | None = None,
) -> Path:
    """Write results of several methods on the same images as one HTML file that needs nothing else.

    Parameters
    ----------
    results : mapping
        What each method is called, to its result.
    path : path
        Where to; it must end in ``.html``.
    meanings : mapping, default None
        What each method answers, in a sentence.
    about : mapping, default None
        What else makes it possible to do this again: the command, the file's hash.
    figures : mapping, default None
        Titles to other results, drawn as they draw themselves: the model's diagram, feature maps, a diagnosis.
    others : mapping, default None
        What else is explained, to the results of the same methods on the same images: the page can switch to it.
    title : str, default None
        What stands above the page. None: "Explanation of" the model.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        If the suffix is another, the file can't be written, or the results are of signals.
    """
    text = render_page(results, meanings=meanings, about=about, figures=figures, others=others, title=title)
    page = text.encode(errors="backslashreplace")

    def write(file: BinaryIO) -> None:
        file.write(page)

    return write_file(path, write, (".html",))


def render_page(
    results: Mapping[str, Attributions],
    *,
    meanings: Mapping[str, str] | None = None,
    about: Mapping[str, str] | None = None,
    figures: Mapping[str, Picture] | None = None,
    others: Mapping[str, Mapping[str, Attributions]] | None = None,
    title: str | None = None,
) -> str:
    """Return the page as text; see `write_page`."""
    first = next(iter(results.values()))
    if any(len(ImageAt(first.images, i).shape) == 2 for i in range(len(first))):
        raise ResultError("A report shows images and clips; results of signals can be saved as pictures.")
    style, script = assets("look.css", "page.css"), assets("drawing.js", "page.js")
    explanations = [results, *(others or {}).values()]
    if any(
        list(version) != list(results) or len(version[name]) != len(first)
        for version in explanations
        for name in results
    ):
        raise ResultError("The page's other explanations must have the same methods, on the same images.")
    samples = [_sample(explanations, index) for index in range(len(first))]
    return (
        environment()
        .get_template("page.html")
        .render(
            title=title or f"Explanation of {first.model}",
            samples=samples,
            explained=[_asked(first), *(others or {})],
            methods=[_method(name, result) for name, result in results.items()],
            meanings=once((name, meaning) for name, meaning in (meanings or {}).items() if meaning),
            color_maps=look.OFFERED,
            signs=look.colors_of_signs(),
            opacity=round(100 * look.ALPHA),
            data={
                "samples": [{key: sample[key] for key in ("width", "height", "maps")} for sample in samples],
                "tables": color_tables(),
                "sequential": look.SEQUENTIAL,
                "diverging": look.DIVERGING,
                "gray": look.GRAY,
            },
            notes=_notes(results),
            figures=[_figure(title, picture) for title, picture in (figures or {}).items()],
            about={**(about or {}), **versions()},
            style=style,
            script=script,
            style_hash=hash_of(style),
            script_hash=hash_of(script),
        )
    )


def _figure(title: str, picture: Picture) -> dict[str, Any]:
    """Return what the page shows of another result, and whether it is a drawing, whose lines are turned bright on a dark page."""
    text = str(picture).strip("<>")
    return {"title": title, "picture": drawn(picture), "text": text, "is_drawing": picture.is_drawing}


def environment() -> jinja2.Environment:
    """Return what fills the templates: nothing from outside becomes a part of the page."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(asset), autoescape=True, undefined=jinja2.StrictUndefined, finalize=_shown
    )


def _shown(value: Any) -> Any:
    """Return what a field of the template shows: text from outside without what can't be shown."""
    return printable(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def once(pairs: Iterable[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """Return each text once, with the names of all methods that say it."""
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(text, []).append(name)
    return [(names, text) for text, names in texts.items()]


def _notes(results: Mapping[str, Attributions]) -> list[tuple[str, str]]:
    notes = once((name, note) for name, result in results.items() for note in result.notes)
    return [("all" if len(names) == len(results) else ", ".join(names), note) for names, note in notes]


def _sample(versions: Sequence[Mapping[str, Attributions]], index: int) -> dict[str, Any]:
    first = next(iter(versions[0].values()))
    pixels, frame = picture_of(first.images, index)
    return {
        "name": first.names[index],
        "title": _said(first, index),
        "top": _top(first, index),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "image": _url(pixels, "JPEG", quality=88),
        "trust": trust_of({name: result.trust[index] for name, result in versions[0].items() if result.trust}),
        "maps": [
            [_map(version[name], index, pixels.shape[:2], len(versions), frame) for version in versions]
            for name in versions[0]
        ],
    }


def _said(result: Attributions, index: int) -> str:
    predicted = result.predictions[index]
    prediction = f"the model predicts {in_words(predicted.label, predicted.probability)}"
    if "\n" not in result.title(index):
        return prediction
    return f"{prediction}; the pictures explain {in_words(result.target[index], result.probabilities[index])}"


def _asked(result: Attributions) -> str:
    """Return what the page calls the explanation that it opens with."""
    predicted = all("\n" not in result.title(index) for index in range(len(result)))
    return "the predicted class" if predicted else "as asked"


def _top(result: Attributions, index: int) -> Sequence[tuple[str, float]]:
    """Return the most probable classes; only the predicted one, where no more is known."""
    if result.top_classes:
        return result.top_classes[index]
    predicted = result.predictions[index]
    return [] if predicted.probability is None else [(predicted.label, predicted.probability)]


def _map(
    result: Attributions, index: int, size: tuple[int, ...], versions: int, frame: tuple[int, int] | None
) -> dict[str, Any]:
    """Return a map as the browser takes it: steps between its lowest and its highest value, and the scale's ends."""
    values, about = map_of(result, index, size, frame)
    scaled = (values - about["low"]) / ((about["high"] - about["low"]) or 1.0)
    return {"values": _steps(scaled, _CHARACTERS // versions), **about}


def _steps(scaled: np.ndarray, most: int) -> str:
    """Return values 0..1 as a picture of 256 gray levels, or of as many fewer as noise has to make do with."""
    picture = ""
    for levels in _LEVELS:
        picture = _url(np.rint(np.rint(scaled * levels) / levels * 255).astype(np.uint8), "PNG", optimize=True)
        if len(picture) <= most * max(1.0, scaled.size / 224**2):
            break
    return picture


def _method(name: str, result: Attributions) -> dict[str, Any]:
    options = ", ".join(f"{option}={value!r}" for option, value in result.options.items())
    return {"name": name, "layer": result.layer, "options": options}


def _url(pixels: np.ndarray, form: str, **options: Any) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def drawn(picture: Picture) -> str:
    """Return what a result draws, no wider than a page."""
    buffer = io.BytesIO()
    picture.draw(buffer, ".png")
    with Image.open(buffer) as whole:
        image = whole.convert("RGB")
    image.thumbnail((_WIDEST, _HIGHEST))
    return _url(np.asarray(image), "JPEG", quality=75)


def color_tables() -> dict[str, str]:
    """Return the color maps that a page offers: 256 colors of each, three bytes a color, as base64."""
    steps = np.linspace(0, 1, 256)[None]
    return {
        name: base64.b64encode(colorize(steps, cmap=name, vmin=0, vmax=1).astype(np.uint8).tobytes()).decode()
        for name in look.OFFERED
    }


def versions() -> dict[str, str]:
    """Return what was computed with what."""
    return {"vizcnn": __version__, "Python": platform.python_version(), "NumPy": np.__version__}


def asset(name: str) -> str:
    """Return a file that lies beside this one."""
    return resources.files("vizcnn.report").joinpath(name).read_text(encoding="utf-8")


def assets(*names: str) -> str:
    """Return several of them as one text."""
    return "\n".join(map(asset, names))


def hash_of(text: str) -> str:
    """Return what the page's policy allows this text by."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
