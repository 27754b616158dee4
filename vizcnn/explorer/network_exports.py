"""What the network view shows, to keep: the diagram, a layer's maps and kernels, a channel's patches, as pictures or numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.explorer.app import Questions
from vizcnn.explorer.asked import layer_of, whole
from vizcnn.explorer.exports import MEDIA_TYPES, named, saved
from vizcnn.explorer.seen import given_image
from vizcnn.explorer.studio import Studio
from vizcnn.files import safe_name
from vizcnn.plugins import registry
from vizcnn.results.base import Picture

METHODS = {"diagram": "architecture", "maps": "activations", "kernels": "filters", "patches": "top_patches"}
"""What can be kept, and the method whose result it is."""


def routes(questions: Questions) -> list[Route]:
    """Return what the page can ask to keep of the network.

    Parameters
    ----------
    questions : Questions
        Asks the studio.

    Returns
    -------
    list of Route
    """
    studio, lasts = questions.studio, questions.studio.is_whole

    async def export(request: Request) -> Response:
        what, suffix = request.path_params["what"], f".{request.path_params['suffix']}"
        if what not in METHODS or suffix not in MEDIA_TYPES:
            raise HTTPException(404, f"What can be kept: {', '.join(METHODS)}, as {', '.join(MEDIA_TYPES)}.")
        given = request.query_params
        answer = await questions.answer(
            request, lambda: saved(_result(studio, what, given), suffix), media_type=MEDIA_TYPES[suffix], lasts=lasts
        )
        return named(answer, f"{safe_name(given.get('layer') or studio.name)}.{what}{suffix}")

    return [Route("/api/export/network/{what}.{suffix}", export)]


def _result(studio: Studio, what: str, given: Mapping[str, str]) -> Picture:
    model, method = studio.model, registry.get(METHODS[what]).function
    arguments: dict[str, Any] = {}
    if what == "maps":
        arguments = {"images": given_image(studio, given.get("image")), "layer": layer_of(model, given).path}
    elif what == "kernels":
        arguments = {"layer": layer_of(model, given).path}
    elif what == "patches":
        unit = whole(given, "unit", 0, 0, 10**6)
        arguments = {"images": studio.folder()[0], "layer": layer_of(model, given).path, "channels": unit}
    result: Picture = method(model, **arguments)
    return result
