"""Questions about changed copies of an image: parts that were painted over by hand, and the most important pixels alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.algorithms.baselines import baselines
from vizcnn.algorithms.curves import pixel_ranks
from vizcnn.errors import CapabilityError, OptionError
from vizcnn.explorer import answers
from vizcnn.explorer.app import Questions, received
from vizcnn.explorer.asked import as_seen, image_of, said_of
from vizcnn.explorer.maps import Maps
from vizcnn.inputs import ImageSet
from vizcnn.render.image import to_display

BRUSHES = ("mean", "blur", "noise")
"""What can be painted over a part, in the order of the numbers 1, 2, 3 by which a painting names them; 0 is the image."""

NUM_STEPS = 20
"""Steps in which the most important pixels are shown."""

MAX_PAINTING = 16_000_000
"""Bytes that a painting may have: pixels of the model's input."""

KEPT_ON = ("blur", "mean")
"""What is seen in place of the others."""


def routes(questions: Questions, maps: Maps) -> list[Route]:
    """Return what the page can ask about changed copies of an image.

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

    async def brushes(request: Request) -> Response:
        def ask() -> bytes:
            images = _paintable(image_of(studio, request.query_params))
            pixels = as_seen(images)[None]
            layers = {name: to_display(_filled(pixels, name)[0]) for name in BRUSHES}
            return answers.arrays({"brushes": BRUSHES}, {"pixels": to_display(pixels[0]), **layers})

        return await questions.answer(request, ask)

    async def painted(request: Request) -> Response:
        body = await received(request, MAX_PAINTING)
        given = request.query_params

        def ask() -> dict[str, Any]:
            images = _paintable(image_of(studio, given))
            return said_of(studio, images, images.preprocessed(repainted(images, body)[None]), given.get("target"))

        key = (request.url.path, request.url.query, hashlib.sha256(body).hexdigest())
        return await questions.facts(request, ask, key=key)

    async def keep_painted(request: Request) -> Response:
        body = await received(request, MAX_PAINTING)
        given = request.query_params

        def ask() -> dict[str, Any]:
            images = _paintable(image_of(studio, given))
            original = Path(studio.name_of(given.get("image") or "0"))
            name = f"{original.stem}, painted{original.suffix}"
            return {"image": studio.add_changed(images, repainted(images, body), name), "name": name}

        return await questions.facts(request, ask, key=object(), lasts=False)  # it is made anew

    async def kept(request: Request) -> Response:
        given = request.query_params
        on = given.get("on") or KEPT_ON[0]

        def ask() -> bytes:
            if on not in KEPT_ON:
                raise OptionError(f"`on` must be one of {', '.join(KEPT_ON)}; got {on!r}.")
            made, curve = maps.insertion(given, on, NUM_STEPS)
            pixels = as_seen(_paintable(made.images))[None]
            ranks = pixel_ranks(np.stack([made.result.map(0)]), 0)[0]
            about = {
                "target": made.result.target[0],
                "is_probability": made.result.probabilities[0] is not None,
                "curve": curve,
                "shares": np.rint(np.linspace(0, ranks.size, NUM_STEPS + 1)) / ranks.size,
            }
            shown = {"pixels": to_display(pixels[0]), "fill": to_display(_filled(pixels, on)[0]), "ranks": ranks}
            return answers.arrays(about, shown)

        return await questions.answer(request, ask)

    return [
        Route("/api/brushes", brushes),
        Route("/api/painted", painted, methods=["POST"]),
        Route("/api/images/painted", keep_painted, methods=["POST"]),
        Route("/api/kept", kept),
    ]


def repainted(images: ImageSet, painting: bytes) -> np.ndarray:
    """Return an image as the model sees it, parts of which are painted over.

    Parameters
    ----------
    images : ImageSet
        The image.
    painting : bytes
        For each pixel of the input the number of its brush, from 1 on, in the order of `BRUSHES`; 0: the image.

    Returns
    -------
    ndarray of float32, shape (H, W, C)
        Its pixels, which aren't preprocessed yet.

    Raises
    ------
    OptionError
        If it has another size.
    """
    pixels = as_seen(images)
    size = pixels.shape[:-1]
    if len(painting) != int(np.prod(size)):
        raise OptionError(f"A painting has a byte for each pixel, {int(np.prod(size))} of them; got {len(painting)}.")
    numbers = np.frombuffer(painting, dtype=np.uint8).reshape(*size, 1)
    fills = {number: _filled(pixels[None], name)[0] for number, name in enumerate(BRUSHES, 1) if number in numbers}
    for number, filled in fills.items():
        pixels = np.where(numbers == number, filled, pixels)
    return np.ascontiguousarray(pixels, dtype=np.float32)


def _filled(values: np.ndarray, name: str) -> np.ndarray:
    """Return what a brush paints, all over the image: as wide a blur as the metrics take."""
    fill = baselines(values, name, [length / 10 for length in values.shape[1:-1]])
    return np.broadcast_to(fill, values.shape)


def _paintable(images: ImageSet) -> ImageSet:
    if len(images.sample_shape) != 3:
        raise CapabilityError("Only images can be painted on; this model takes signals, clips or volumes.")
    return images
