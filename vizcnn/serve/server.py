"""Runs the explorer: on this machine only, in a thread of its own."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Sequence
from typing import Any

from vizcnn.errors import OptionError
from vizcnn.serve.studio import Studio

ADDRESS = "127.0.0.1"


class Server:
    """A running explorer.

    Attributes
    ----------
    url : str
        The link to it, with its token.
    """

    def __init__(self, studio: Studio, *, port: int | None = None, framed: bool = False) -> None:
        try:
            import uvicorn

            from vizcnn.serve import decisions, network
            from vizcnn.serve.app import Questions, build
            from vizcnn.serve.guards import Guards
        except ModuleNotFoundError as error:
            raise OptionError(
                f"The explorer needs {error.name}, which isn't installed: pip install 'vizcnn[serve]'."
            ) from error
        from vizcnn.serve.work import Worker

        self._socket = _bound(port)
        token = secrets.token_urlsafe(24)
        self.url = f"http://{ADDRESS}:{self._socket.getsockname()[1]}/{token}/"
        self._worker = Worker()
        questions = Questions(studio, self._worker)
        routes = [*decisions.routes(questions), *network.routes(questions)]
        config = uvicorn.Config(
            Guards(build(questions, routes), token, framed=framed),
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=65536,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="vizcnn-serve-http", daemon=True
        )
        self._thread.start()
        threading.Thread(target=studio.load, name="vizcnn-serve-load", daemon=True).start()

    def wait(self) -> None:
        """Wait until it is closed."""
        while self._thread.is_alive():
            self._thread.join(0.2)

    def close(self, timeout: float = 10.0) -> None:
        """End it: questions are dropped, connections closed."""
        self._server.should_exit = True
        self._worker.close()
        self._thread.join(timeout)
        self._worker.join(timeout)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def serve(model: Any, images: Any = (), *, port: int | None = None, open_browser: bool = True) -> Server:
    """Open the explorer in the browser: every question of the toolkit, a click each.

    Parameters
    ----------
    model : Keras model, path or ModelAdapter
        The model.
    images : path, array, or sequence of these, default ()
        Images to look at; others can be dropped on the page.
    port : int, default None
        The port on this machine. None: a free one.
    open_browser : bool, default True
        Whether the page is opened.

    Returns
    -------
    Server
        It runs until its `close`, or until Python ends.

    Raises
    ------
    OptionError
        If the port is taken, or Starlette and uvicorn aren't installed.

    """
    from vizcnn.adapter import as_adapter

    entries = list(images) if isinstance(images, Sequence) and not isinstance(images, str) else [images]
    studio = Studio(getattr(model, "name", None) or str(model), lambda: (as_adapter(model), ()), entries)
    server = Server(studio, port=port)
    if open_browser:
        webbrowser.open(server.url)
    return server


def _bound(port: int | None) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((ADDRESS, port or 0))
        bound.listen(128)  # who comes before the server runs waits
    except (OSError, OverflowError) as error:
        bound.close()
        raise OptionError(f"`port` must be a free one of this machine; {port} is not ({error}).") from error
    return bound
