"""Questions about images as they are shown: which there are, small ones for the strip, and the one that is looked at."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.explorer import answers
from vizcnn.explorer.app import Questions
from vizcnn.explorer.asked import whole
from vizcnn.inputs import ImageSet
from vizcnn.render.image import to_display
from vizcnn.report.parts import picture_of
from vizcnn.resample import shrink

SMALL = 96
"""Pixels, height or width, of an image in the strip."""

MAX_NAMES = 200
"""Images that one answer names."""


def routes(questions: Questions) -> list[Route]:
    """Return what the page can ask about images.

    Parameters
    ----------
    questions : Questions
        Asks the studio.

    Returns
    -------
    list of Route
    """
    studio = questions.studio

    async def images(request: Request) -> Response:
        start = whole(request.query_params, "start", 0, 0, max(0, len(studio.sources) - 1))
        return await questions.facts(
            request, lambda: names_from(questions, start), worker=questions.reader, lasts=studio.is_whole
        )

    async def small(request: Request) -> Response:
        key = request.query_params.get("image", "0")
        answer = await questions.answer(
            request, lambda: _small(studio.image(key)), media_type="image/jpeg", worker=questions.reader
        )
        # An image stays what it is as long as this explorer runs, whose token is in the address.
        answer.headers["Cache-Control"] = "private, max-age=3600"
        return answer

    async def picture(request: Request) -> Response:
        key = request.query_params.get("image", "0")
        return await questions.answer(request, lambda: _picture(studio.image(key)), worker=questions.reader)

    return [Route("/api/images", images), Route("/api/small", small), Route("/api/picture", picture)]


def names_from(questions: Questions, start: int) -> dict[str, Any]:
    """Return what some of the folder's images are called, and how many there are."""
    sources = questions.studio.sources
    part = sources[start : start + MAX_NAMES]
    return {
        "start": start,
        "count": len(sources),
        "names": [_name(source, start + at) for at, source in enumerate(part)],
    }


def _name(source: Any, index: int) -> str:
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else f"image {index}"


def _small(images: ImageSet) -> bytes:
    pixels = to_display(shrink(picture_of(images, 0)[0], SMALL)) if _is_picture(images) else _of_signal(images)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=80)
    return buffer.getvalue()


def _picture(images: ImageSet) -> bytes:
    """Return an image's pixels; of a signal, which has none, only what there is to say of it."""
    about = {"name": images.names[0], "shape": images.shape_of(0), "notes": list(images.notes), "count": len(images)}
    if not _is_picture(images):
        return answers.arrays({**about, "signal": True}, {})
    pixels, frame = picture_of(images, 0)
    return answers.arrays({**about, "signal": False, "frame": frame, "window": _window(images)}, {"pixels": pixels})


def _window(images: ImageSet) -> list[float]:
    """Return top, left, bottom and right of the model's input, as shares of the picture's height and width.

    Of a picture that is padded they lie outside it, of one that is cropped within.
    """
    if not images.geometry:
        return [0.0, 0.0, 1.0, 1.0]
    geometry = images.geometry[0]
    return [float(edge) for edge in (geometry.to_picture([(0, 0), geometry.size]) / geometry.picture).ravel()]


def _is_picture(images: ImageSet) -> bool:
    return len(images.sample_shape) > 2


def _of_signal(images: ImageSet) -> np.ndarray:
    """Return a signal's curve as a small picture."""
    values = np.asarray(images.preview(0, SMALL), dtype=np.float64).mean(axis=-1)
    at = np.linspace(0, len(values) - 1, SMALL).astype(int)
    low, high = float(values.min()), float(values.max())
    rows = np.rint((1 - (values[at] - low) / ((high - low) or 1.0)) * (SMALL - 1)).astype(int)
    pixels = np.full((SMALL, SMALL, 3), 255, dtype=np.uint8)
    for column, (first, second) in enumerate(zip(rows, np.append(rows[1:], rows[-1]), strict=True)):
        pixels[min(first, second) : max(first, second) + 1, column] = 0
    return pixels
