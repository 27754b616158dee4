"""Questions about the model itself: its layers, their channels, and what these react to."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.serve.app import Questions


def routes(questions: Questions) -> list[Route]:
    """Return what the page can ask about the model.

    Parameters
    ----------
    questions : Questions
        Asks the studio.

    Returns
    -------
    list of Route
    """

    async def layers(request: Request) -> Response:
        def ask() -> dict[str, Any]:
            return {
                "layers": [
                    {"path": layer.path, "role": layer.role, "shape": layer.output_shape}
                    for layer in questions.studio.model.layers
                ]
            }

        return await questions.facts(request, ask)

    return [Route("/api/layers", layers)]
