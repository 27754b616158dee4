"""What stands between the address and the answers: this machine's own name, the token in the path, and the page's policy."""

from __future__ import annotations

import hmac
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""Names that this machine has for itself: a page of another host that points its name here is turned away."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
)

NO_SUCH_LINK = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>vizcnn explorer: not this link</title>
<h1>This link doesn't open the explorer</h1>
<p>Either a part of it is missing, or it is from an earlier start: each time the explorer is started it has a new link.
<p>Copy the whole of the last one, from where <code>vizcnn serve</code> printed it, or from <code>server.url</code> in Python.
</html>
"""
"""What is answered without the token."""

IN_NOTEBOOKS = "http://127.0.0.1:* http://localhost:*"
"""Pages of this machine that may show the explorer in a frame."""


class Guards:
    """Lets through what comes from this machine with the token, and puts the page's policy on each answer.

    Parameters
    ----------
    app : ASGI application
        What answers.
    token : str
        The first part of each path.
    framed : bool, default False
        Whether other pages of this machine, notebooks, may show it in a frame.
    """

    def __init__(self, app: ASGIApp, token: str, *, framed: bool = False) -> None:
        self._app = app
        self._token = token
        self._policy = POLICY.format(ancestors=IN_NOTEBOOKS if framed else "'none'")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or turn it away."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            await refused(scope, receive, guarded)
            return
        root = f"/{self._token}"
        inner = {**scope, "path": scope["path"][len(root) :], "root_path": ""}
        await self._app(inner, receive, guarded)

    def _refusal(self, scope: Scope) -> Any:
        headers = Headers(scope=scope)
        if _host(headers.get("host", "")) not in HOSTS:
            return PlainTextResponse("This address answers to this machine's own name only.", 403)
        if headers.get("origin", f"http://{headers['host']}") != f"http://{headers['host']}":
            return PlainTextResponse("Another page asked for this.", 403)
        first, slash, _ = scope["path"][1:].partition("/")
        if not slash or not hmac.compare_digest(first.encode(), self._token.encode()):
            return HTMLResponse(NO_SUCH_LINK, 404)
        return None


def _host(text: str) -> str:
    """Return a Host header without its port."""
    name, colon, port = text.rpartition(":")
    return name.lower() if colon and port.isdecimal() else text.lower()
