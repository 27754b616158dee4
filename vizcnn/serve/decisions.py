"""Questions about an image: what the model says of it, and what speaks for that."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.plugins import registry
from vizcnn.render import style as look
from vizcnn.report.page import color_tables
from vizcnn.serve.app import Questions


def routes(questions: Questions) -> list[Route]:
    """Return what the page can ask about an image.

    Parameters
    ----------
    questions : Questions
        Asks the studio.

    Returns
    -------
    list of Route
    """
    studio = questions.studio

    async def facts(request: Request) -> Response:
        return await questions.facts(request, lambda: facts_of(questions))

    async def classes(request: Request) -> Response:
        image, top = request.query_params.get("image", "0"), 10

        def ask() -> dict[str, Any]:
            images = studio.image(image)
            model = studio.model
            outputs = model.outputs(images.inputs(slice(0, 1)))
            values, indices, are_probabilities = model.class_outputs(outputs)
            return {"classes": [], "top": top, "shape": [values.shape, indices.shape, are_probabilities]}

        return await questions.facts(request, ask)

    return [Route("/api/facts", facts), Route("/api/classes", classes)]


def facts_of(questions: Questions) -> dict[str, Any]:
    """Return what the page knows from the start: the model, the methods that it can answer, the images, the colors."""
    studio = questions.studio
    model = studio.model
    return {
        "model": {"name": model.name, "input": model.input_shape, "labels": model.labels, "notes": studio.notes},
        "methods": [
            {"name": name, "family": plugin.family, "summary": plugin.summary, "interpretation": plugin.interpretation}
            for name, plugin in ((name, registry.get(name)) for name in registry.names())
            if plugin.explains and plugin.needs <= model.capabilities
        ],
        "images": len(studio.sources),
        "colors": {
            "sequential": look.SEQUENTIAL,
            "diverging": look.DIVERGING,
            "gray": look.GRAY,
            "tables": color_tables(),
        },
    }
