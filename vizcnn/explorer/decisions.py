"""Questions about an image: what the model says of it, what speaks for that, and how far that can be trusted."""

from __future__ import annotations

import io
import time
from collections import deque
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.explorer import answers, changes, exports
from vizcnn.explorer.app import Questions
from vizcnn.explorer.asked import image_of, method_of, said_of
from vizcnn.explorer.known import facts_of, told_cost
from vizcnn.explorer.maps import Made, Maps, cost_of
from vizcnn.explorer.studio import Studio
from vizcnn.explorer.work import PATIENT
from vizcnn.inputs import Geometry
from vizcnn.measures.trust import cost_of_trust
from vizcnn.report.parts import map_of, picture_of
from vizcnn.stream import stream

_TIMED = 16
"""Images in a batch whose run is timed."""


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
    maps = Maps(studio)

    async def facts(request: Request) -> Response:
        return await questions.facts(request, lambda: facts_of(studio), lasts=False)  # they hold `changes`

    async def classes(request: Request) -> Response:
        given = request.query_params

        def ask() -> dict[str, Any]:
            images = image_of(studio, given)
            return said_of(studio, images, images.inputs(slice(0, 1)), given.get("target"))

        return await questions.facts(request, ask)

    async def cost(request: Request) -> Response:
        def ask() -> dict[str, Any]:
            images = image_of(studio, request.query_params)
            found = cost_of(studio, method_of(studio, request.query_params), images)
            return {"cost": None if found is None else told_cost(found)}

        return await questions.facts(request, ask)

    async def map_(request: Request) -> Response:
        return await questions.answer(request, lambda: _map(maps.of(request.query_params)))

    async def drawn(request: Request) -> Response:
        return await questions.answer(request, lambda: _drawn(maps.of(request.query_params)), media_type="image/png")

    async def trust(request: Request) -> Response:
        return await questions.facts(request, lambda: maps.trust(request.query_params))

    async def speed(request: Request) -> Response:
        def ask() -> dict[str, float]:
            return _speed(studio.model, image_of(studio, request.query_params).inputs(slice(0, 1)))

        # Of every image of a shape it is the same: whoever asks first waits.
        return await questions.facts(request, ask, key="speed", priority=PATIENT)

    async def warm(request: Request) -> Response:
        return await questions.facts(request, lambda: _warm(studio), key="warm", priority=PATIENT)

    return [
        Route("/api/facts", facts),
        Route("/api/warm", warm),
        Route("/api/speed", speed),
        Route("/api/classes", classes),
        Route("/api/cost", cost),
        Route("/api/map", map_),
        Route("/api/drawn", drawn),
        Route("/api/trust", trust),
        *changes.routes(questions, maps),
        *exports.routes(questions, maps),
    ]


def _warm(studio: Studio) -> dict[str, float]:
    """Have compiled what the first image takes, while there is none yet; return the seconds that it took."""
    model, start = studio.model, time.perf_counter()
    shape = model.input_shape
    if len(shape) == 3 and None not in shape:
        noise = np.random.default_rng(0).integers(0, 256, [int(length or 1) for length in shape]).astype(np.uint8)
        images = model.load_images(noise)
        model.prepare(images.sample_shape)
        said_of(studio, images, images.inputs(slice(0, 1)))
        deque(stream(model, images, None, [method_of(studio, {})]), maxlen=0)
    return {"seconds": time.perf_counter() - start}


def _speed(model: ModelAdapter, inputs: np.ndarray) -> dict[str, float]:
    """Return how many seconds a run of the model takes for an image among others, and a run there and back."""
    batch = np.repeat(inputs, min(_TIMED, model.batch_size_for(inputs.shape[1:])), axis=0)
    model.outputs(batch)  # which may be compiled first
    start = time.perf_counter()
    model.outputs(batch)
    run = (time.perf_counter() - start) / len(batch)
    return {"run": run, "gradient": GRADIENT.seconds(run)}


def _map(made: Made) -> bytes:
    result = made.result
    about: dict[str, Any] = {
        "method": made.call.name,
        "layer": result.layer,
        "target": result.target[0],
        "score": float(result.scores[0]),
        "predicted": result.predictions[0].label,
        "notes": [
            {"kind": getattr(note, "kind", ""), "text": str(note)}
            for note in result.notes
            if note not in made.images.notes
        ],
        "measurable": not result.alone,
        "cost_of_trust": cost_of_trust(made.images.sample_shape, 1),
        "seconds": made.seconds,
    }
    if len(made.images.sample_shape) == 2:
        return answers.arrays({**about, "signal": True}, {})
    pixels, frame = picture_of(result.images, 0)
    size = pixels.shape[:2]
    values, told = map_of(result, 0, size, frame)
    if values.shape != size and not result.alone:
        values = Geometry.whole(size, values.shape).on_picture(values, size)
    return answers.arrays({**about, **told, "signal": False}, {"values": values.astype(np.float32)})


def _drawn(made: Made) -> bytes:
    """Return the picture of a map as it is saved: of signals, which the page doesn't draw itself."""
    buffer = io.BytesIO()
    made.result.draw(buffer, ".png")
    return buffer.getvalue()
