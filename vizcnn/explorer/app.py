"""The explorer's address: its page, and the questions that the page asks."""

from __future__ import annotations

import asyncio
import mimetypes
import threading
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from concurrent.futures import CancelledError
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from vizcnn.errors import VizcnnError
from vizcnn.explorer import answers
from vizcnn.explorer.studio import MAX_UPLOAD, NotReadyError, Studio
from vizcnn.explorer.work import URGENT, BusyError, Question, Worker

SHARED = ("look.css", "drawing.js")
"""Files of the page that the report is drawn with too."""

UPLOAD_SECONDS = 60.0
"""Seconds within which an upload must have come."""

MAX_AT_ONCE = 2
"""Uploads that are taken at a time; others wait."""

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
    reader : Worker
        Reads images to be shown, which don't wait for the model.

    Attributes
    ----------
    is_looked_at : threading.Event
        Set once a browser shows the page.
    """

    def __init__(self, studio: Studio, worker: Worker, reader: Worker) -> None:
        self.studio = studio
        self.worker = worker
        self.reader = reader
        self.is_looked_at = threading.Event()

    async def answer(
        self,
        request: Request,
        ask: Callable[[], bytes],
        *,
        key: Hashable | None = None,
        priority: int = URGENT,
        media_type: str = "application/octet-stream",
        worker: Worker | None = None,
        lasts: bool = True,
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
            Of `vizcnn.explorer.work`.
        media_type : str, default "application/octet-stream"
            What the answer is.
        worker : Worker, default None
            Who answers; None: the one that asks the model.
        lasts : bool, default True
            Whether the answer is kept.

        Returns
        -------
        Response
        """
        key = key or (request.url.path, request.url.query)
        if worker is None:
            question = await self._asked(key, ask, priority, lasts)
        else:
            question = worker.ask(key, ask, priority, lambda: lasts)
        worker = worker or self.worker
        try:
            answer = asyncio.wrap_future(question.future)
            answer.add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )  # also where nobody waits any more
            while not answer.done():
                await asyncio.wait([answer], timeout=_PULSE)
                if not answer.done() and (worker.is_closed or await request.is_disconnected()):
                    return Response(status_code=499)
            return Response(answer.result(), media_type=media_type)
        except (CancelledError, asyncio.CancelledError):
            return Response(status_code=499)
        finally:
            worker.leave(question)

    async def _asked(self, key: Hashable, ask: Callable[[], bytes], priority: int, lasts: bool) -> Question:
        """Ask the model as it is now: what it answered in another state is another answer.

        To tell the state, all weights are gone through. So a model that stays as it is is asked in the belief that it still
        does, and looked at once, afterwards; where it has become another one, it is asked again.
        """
        studio, worker = self.studio, self.worker
        believed = studio.believed() if priority == URGENT else None
        if believed is None or worker.keeps((key, believed)):
            state = await asyncio.to_thread(studio.state)

            def answer() -> bytes:
                studio.turn_to(state)
                return ask()

            return worker.ask((key, state), answer, priority, lambda: studio.is_still(state) and lasts)
        was_right = False

        def answer_as_believed() -> bytes:
            nonlocal was_right
            studio.turn_to(believed)
            found = ask()
            was_right = studio.is_still(believed)
            if not was_right:
                state = studio.state()
                studio.turn_to(state)
                found = ask()
                studio.is_still(state)
            return found

        return worker.ask((key, believed), answer_as_believed, priority, lambda: was_right and lasts)

    async def facts(self, request: Request, ask: Callable[[], Any], **options: Any) -> Response:
        """Do the same with facts, which are sent as JSON; see `answer`."""
        return await self.answer(request, lambda: answers.facts(ask()), media_type="application/json", **options)


def build(questions: Questions) -> Starlette:
    """Return the application: the page, the events and uploads, which need no model; `open_routes` adds what it can ask.

    Parameters
    ----------
    questions : Questions
        Asks the studio.

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
        questions.is_looked_at.set()
        return StreamingResponse(_events(questions), media_type="text/event-stream")

    at_once = asyncio.Semaphore(MAX_AT_ONCE)

    async def upload(request: Request) -> Response:
        async with at_once:
            content = await received(request, MAX_UPLOAD)
            name = request.query_params.get("name", "")[:200] or "picture"
            key = await asyncio.to_thread(studio.add, name, content)
        return Response(answers.facts({"image": key, "name": name}), media_type="application/json")

    async def not_yet(_: Request) -> Response:
        raise NotReadyError("The model is being loaded.")

    return Starlette(
        routes=[
            Route("/", index),
            Route("/page/{name:path}", page_file),
            Route("/api/events", events),
            Route("/api/images", upload, methods=["POST"]),
            Route("/api/{rest:path}", not_yet),
        ],
        exception_handlers={VizcnnError: _told, HTTPException: _told, Exception: _told},
    )


def open_routes(app: Starlette, routes: Sequence[Route]) -> None:
    """Let the application answer more.

    Parameters
    ----------
    app : Starlette
        What `build` returned.
    routes : sequence of Route
        The questions, each below ``/api``.
    """
    app.router.routes[-1:] = routes  # in place of what says that it is too early


async def received(request: Request, limit: int) -> bytes:
    """Return what a browser sends.

    Parameters
    ----------
    request : Request
        Who sends.
    limit : int
        Bytes that are taken.

    Returns
    -------
    bytes

    Raises
    ------
    HTTPException
        413 as soon as it is more than that; 408 where it takes longer than `UPLOAD_SECONDS`.
    """
    close = {"Connection": "close"}  # or the rest would be read
    too_large = HTTPException(413, f"The file is larger than the {limit // 1_000_000} MB that are taken.", close)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise too_large
    content = bytearray()
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for chunk in request.stream():
                content += chunk
                if len(content) > limit:
                    raise too_large
    except TimeoutError as error:
        raise HTTPException(408, f"The file didn't come within {UPLOAD_SECONDS:.0f} seconds.", close) from error
    return bytes(content)


async def _events(questions: Questions) -> AsyncIterator[bytes]:
    """Tell how far the model, and what is asked of it, is; one event whenever that changes."""
    studio, worker, last = questions.studio, questions.worker, None
    while not worker.is_closed:
        state = {
            "stage": studio.stage,
            "error": studio.error,
            "working": worker.progress(),
            "changes": studio.changes,
        }
        if state != last:
            yield b"data: " + answers.facts(state) + b"\n\n"
            last = state
        await asyncio.sleep(_PULSE)


async def _told(_: Request, error: Exception) -> Response:
    """Say what went wrong in one sentence."""
    headers = getattr(error, "headers", None)
    if isinstance(error, HTTPException):
        status, text = error.status_code, error.detail
    elif isinstance(error, (NotReadyError, BusyError)):
        status, text = 503, str(error)
    elif isinstance(error, VizcnnError):
        status, text = 422, str(error)
    else:
        status, text = 500, f"vizcnn failed: {type(error).__name__}: {error}"
    return Response(answers.facts({"error": text}), status, headers, media_type="application/json")


def _file(name: str) -> str:
    folder = ("report",) if name in SHARED else ("explorer", "page")
    return resources.files("vizcnn").joinpath(*folder, name).read_text(encoding="utf-8")  # without importing the report


def _files() -> set[str]:
    """Return the names of the page's files, those in folders with the folder's."""
    root = resources.files("vizcnn").joinpath("explorer", "page")
    names = set(SHARED)
    for entry in root.iterdir():
        names |= {f"{entry.name}/{inner.name}" for inner in entry.iterdir()} if entry.is_dir() else {entry.name}
    return names
