"""What is on the screen, to keep: the map as a picture or as numbers, the report, and what makes the same elsewhere."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.explanation import explain
from vizcnn.explorer.app import Questions
from vizcnn.explorer.asked import image_of, method_of, target_of
from vizcnn.explorer.maps import Maps, cost_of
from vizcnn.explorer.studio import Origin, Studio
from vizcnn.files import file_stems
from vizcnn.results.base import Picture
from vizcnn.stream import MethodCall
from vizcnn.targets.typed import MINUS

MEDIA_TYPES = {".png": "image/png", ".svg": "image/svg+xml", ".npz": "application/zip"}
"""Kinds of files that a map is saved as."""


def routes(questions: Questions, maps: Maps) -> list[Route]:
    """Return what the page can ask to keep.

    Parameters
    ----------
    questions : Questions
        Asks the studio.
    maps : Maps
        Makes the maps.

    Returns
    -------
    list of Route
    """
    studio = questions.studio

    async def map_(request: Request) -> Response:
        suffix = f".{request.path_params['suffix']}"
        if suffix not in MEDIA_TYPES:
            raise HTTPException(404, "A map is saved as png, svg or npz.")
        given = request.query_params
        answer = await questions.answer(
            request, lambda: saved(maps.of(given).result, suffix), media_type=MEDIA_TYPES[suffix]
        )
        return named(answer, f"{_stem(studio, given)}{suffix}")

    async def report(request: Request) -> Response:
        given = request.query_params
        answer = await questions.answer(
            request, lambda: report_of(studio, given, given.getlist("method")), media_type="text/html; charset=utf-8"
        )
        return named(answer, f"{_stem(studio, {**given, 'method': 'report'})}.html")

    async def code(request: Request) -> Response:
        return await questions.facts(request, lambda: code_of(studio, request.query_params))

    return [
        Route("/api/export/map.{suffix}", map_),
        Route("/api/export/report.html", report),
        Route("/api/export/code", code),
    ]


def saved(result: Picture, suffix: str) -> bytes:
    """Return the file that `save` writes of a result.

    Parameters
    ----------
    result : Picture
        The result.
    suffix : str
        The kind of file.

    Returns
    -------
    bytes
    """
    with tempfile.TemporaryDirectory() as folder:
        return result.save(Path(folder) / f"map{suffix}").read_bytes()


def report_of(studio: Studio, given: Mapping[str, str], methods: list[str]) -> bytes:
    """Return the report of an image by one or several methods.

    Parameters
    ----------
    studio : Studio
        The model and its images.
    given : mapping of str to str
        The parameters image, target and layer.
    methods : list of str
        The methods, as on the command line.

    Returns
    -------
    bytes
    """
    calls = [method_of(studio, {**given, "method": method}) for method in methods or [""]]
    images, asked = image_of(studio, given), [(call.plugin.name, call.options) for call in calls]
    for call in calls:
        cost_of(studio, call, images)
    explanation = explain(studio.model, images, target_of(studio, given.get("target")), methods=asked)
    with tempfile.TemporaryDirectory() as folder:
        return explanation.to_html(Path(folder) / "report.html").read_bytes()


@dataclass(frozen=True)
class _Asked:
    """A map as it was asked for, with its image's name in place of its number."""

    call: MethodCall
    image: str | None
    target: str | None
    typed: Any


def code_of(studio: Studio, given: Mapping[str, str]) -> dict[str, Any]:
    """Return what makes the same map elsewhere.

    Parameters
    ----------
    studio : Studio
        The model and its images.
    given : mapping of str to str
        The parameters image, method, layer and target.

    Returns
    -------
    dict
        "python" and "command"; "notes": what has to be put in by hand.
    """
    image = studio.place_of(given.get("image") or "0")
    target = given.get("target") or None
    asked = _Asked(method_of(studio, given), image, _placed(studio, target), target_of(studio, target))
    origin = studio.origin or Origin(("model = ...  # yours",), ("MODEL",))
    notes = []
    if studio.origin is None:
        notes.append("The explorer was given a model, not a file: put yours in its place.")
    if image is None:
        notes.append(
            "The image is no file on this machine: save the picture first if need be, and put its path in its place."
        )
    return {"python": _python(asked, origin), "command": _command(asked, origin), "notes": notes}


def _python(asked: _Asked, origin: Origin) -> str:
    lines = ["import vizcnn as vz"]
    target = "None"
    if asked.target is not None:
        simple = isinstance(asked.typed, (int, str, dict))
        target = repr(asked.typed) if simple else f"read_target({asked.target!r}, model)"
        lines += [] if simple else ["from vizcnn.targets.typed import read_target"]
    image = repr(asked.image or "IMAGE")
    name, options = asked.call.plugin.name, asked.call.options
    words = "".join(f", {option}={value!r}" for option, value in options.items())
    call = f"vz.{name}(model, {image}, {target}{words})"
    if not name.isidentifier():
        call = f"vz.explain(model, {image}, {target}, methods=[{(name, options)!r}])"
    return "\n".join([*lines, "", *origin.python, f"result = {call}", 'result.save("map.png")', ""])


def _command(asked: _Asked, origin: Origin) -> str:
    name, options = asked.call.plugin.name, dict(asked.call.options)
    layer = options.pop("layer", None)
    method = name + "".join(f"{',' if at else ':'}{key}={value}" for at, (key, value) in enumerate(options.items()))
    model, *settings = origin.words
    words = ["vizcnn", "explain", model, asked.image or "IMAGE", "--method", method]
    words += ["--layer", str(layer)] if layer is not None else []
    words += ["--target", asked.target] if asked.target is not None else []
    return shlex.join([*words, *settings, "--out", "maps"]) + "\n"


def _placed(studio: Studio, target: str | None) -> str | None:
    """Return a typed target with images' paths in place of their numbers."""
    if target is None:
        return None

    def placed(part: str) -> str:
        if not part.startswith("like:"):
            return part
        image, semicolon, rest = part.removeprefix("like:").partition(";")
        return f"like:{studio.place_of(image) or 'IMAGE'}{semicolon}{rest}"

    return MINUS.join(map(placed, target.split(MINUS)))


def _stem(studio: Studio, given: Mapping[str, str]) -> str:
    """Return how a file is called: by its image and method."""
    image = Path(studio.name_of(given.get("image") or "0")).stem
    method = given.get("method") or "map"
    (stem,) = file_stems([f"{image}.{method}"], 80)
    return stem


def named(answer: Response, name: str) -> Response:
    """Have the browser keep an answer as a file.

    Parameters
    ----------
    answer : Response
        The answer.
    name : str
        What the file is called.

    Returns
    -------
    Response
        The answer.
    """
    plain = name.encode("ascii", "replace").decode().replace('"', "'").replace("?", "_").replace(os.sep, "_")
    answer.headers["Content-Disposition"] = f'attachment; filename="{plain}"'
    return answer
