"""The explorer's address: its page, and the questions that the page asks."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import CancelledError
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from vizcnn.errors import VizcnnError
from vizcnn.report import page as report_page
from vizcnn.serve import answers
from vizcnn.serve.studio import MAX_UPLOAD, NotReadyError, Studio
from vizcnn.serve.work import URGENT, Worker

SHARED = ("look.css", "drawing.js")
"""Files of the page that the report is drawn with too."""

_PULSE = 0.2
"""Seconds after which it is looked whether somebody still waits."""


class Questions:
    """Answers requests by asking the studio, on the worker's thread.

    Parameters
    ----------
    studio : Studio
        What is looked at.
    worker : Worker
        Asks the model.
    """

    def __init__(self, studio: Studio, worker: Worker) -> None:
        self.studio = studio
        self.worker = worker

    async def answer(
        self,
        request: Request,
        ask: Callable[[], bytes],
        *,
        key: Hashable | None = None,
        priority: int = URGENT,
        media_type: str = "application/octet-stream",
    ) -> Response:
        """Ask on the worker's thread; the question is dropped once the browser has left.

        Parameters
        ----------
        request : Request
            Who asks.
        ask : callable
            Gives the answer's bytes.
        key : hashable, default None
            What tells the question from others; None: its path and query.
        priority : int, default URGENT
            Of `vizcnn.serve.work`.
        media_type : str, default "application/octet-stream"
            What the answer is.

        Returns
        -------
        Response
        """
        question = self.worker.ask(key or (request.url.path, request.url.query), ask, priority)
        try:
            answer = asyncio.wrap_future(question.future)
            while not answer.done():
                await asyncio.wait([answer], timeout=_PULSE)
                if not answer.done() and await request.is_disconnected():
                    return Response(status_code=499)
            return Response(answer.result(), media_type=media_type)
        except (CancelledError, asyncio.CancelledError):
            return Response(status_code=499)
        finally:
            self.worker.leave(question)

    async def facts(self, request: Request, ask: Callable[[], Any], **options: Any) -> Response:
        """Do the same with facts, which are sent as JSON; see `answer`."""
        return await self.answer(request, lambda: answers.facts(ask()), media_type="application/json", **options)


def build(questions: Questions, routes: list[Route]) -> Starlette:
    """Return the application: the page, the events, uploads, and the routes of what it can ask.

    Parameters
    ----------
    questions : Questions
        Asks the studio.
    routes : list of Route
        The questions, each below ``/api``.

    Returns
    -------
    Starlette
    """
    studio = questions.studio

    async def index(_: Request) -> Response:
        return Response(_file("index.html"), media_type="text/html; charset=utf-8")

    async def page_file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _files():
            raise HTTPException(404, "There is no such file.")
        return Response(_file(name), media_type=f"{mimetypes.guess_type(name)[0] or 'text/plain'}; charset=utf-8")

    async def events(_: Request) -> Response:
        return StreamingResponse(_events(questions), media_type="text/event-stream")

    async def upload(request: Request) -> Response:
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > MAX_UPLOAD:
                raise HTTPException(413, f"The file is larger than the {MAX_UPLOAD // 1_000_000} MB that are taken.")
        name = request.query_params.get("name", "")[:200] or "picture"
        key = await asyncio.to_thread(studio.add, name, bytes(content))
        return Response(answers.facts({"image": key, "name": name}), media_type="application/json")

    return Starlette(
        routes=[
            Route("/", index),
            Route("/page/{name:path}", page_file),
            Route("/api/events", events),
            Route("/api/images", upload, methods=["POST"]),
            *routes,
        ],
        exception_handlers={VizcnnError: _told, HTTPException: _told, Exception: _told},
    )


async def _events(questions: Questions) -> AsyncIterator[bytes]:
    """Tell how far the model, and what is asked of it, is; one event whenever that changes."""
    studio, worker, last = questions.studio, questions.worker, None
    while not worker.is_closed:
        state = {"stage": studio.stage, "error": studio.error, "working": worker.progress()}
        if state != last:
            yield b"data: " + answers.facts(state) + b"\n\n"
            last = state
        await asyncio.sleep(_PULSE)


async def _told(_: Request, error: Exception) -> Response:
    """Say what went wrong in one sentence."""
    if isinstance(error, HTTPException):
        status, text = error.status_code, error.detail
    elif isinstance(error, NotReadyError):
        status, text = 503, str(error)
    elif isinstance(error, VizcnnError):
        status, text = 422, str(error)
    else:
        status, text = 500, f"vizcnn failed: {type(error).__name__}: {error}"
    return Response(answers.facts({"error": text}), status, media_type="application/json")


def _file(name: str) -> str:
    if name in SHARED:
        return report_page.asset(name)
    return resources.files("vizcnn.serve").joinpath("page").joinpath(name).read_text(encoding="utf-8")


def _files() -> set[str]:
    """Return the names of the page's files, those in folders with the folder's."""
    root = resources.files("vizcnn.serve").joinpath("page")
    names = set(SHARED)
    for entry in root.iterdir():
        names |= {f"{entry.name}/{inner.name}" for inner in entry.iterdir()} if entry.is_dir() else {entry.name}
    return names
