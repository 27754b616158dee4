"""Runs the explorer: on this machine only, in threads of its own."""

from __future__ import annotations

import html
import os
import secrets
import socket
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizcnn.errors import OptionError
from vizcnn.explorer.studio import Origin, Studio

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from vizcnn.explorer.app import Questions

ADDRESS = "127.0.0.1"

MAX_CONNECTIONS = 200
"""Connections at a time; more are turned away."""

PAINT_SECONDS = 2.0
"""Seconds that loading the model waits for a browser to show the page first, as it lets nobody else run for a while."""


class Server:
    """A running explorer.

    Attributes
    ----------
    url : str
        The link to it, with its token.

    Examples
    --------
    >>> import vizcnn as vz
    >>> with vz.serve(vz.assets.digits_cnn(), vz.assets.digits(), open_browser=False) as server:
    ...     print(server.url)
    http://127.0.0.1:.../.../
    """

    def __init__(
        self, studio: Studio, *, port: int | None = None, framed: bool = False, paint_first: bool = False
    ) -> None:
        try:
            import uvicorn

            from vizcnn.explorer.app import Questions, build
            from vizcnn.explorer.guards import Guards
            from vizcnn.explorer.protocol import TimedProtocol
        except ModuleNotFoundError as error:
            raise OptionError(
                f"The explorer needs {error.name}, which isn't installed: pip install 'vizcnn[serve]'."
            ) from error
        from vizcnn.explorer.work import Worker

        self._socket = _bound(port)
        token = secrets.token_urlsafe(24)
        self.url = f"http://{ADDRESS}:{self._socket.getsockname()[1]}/{token}/"
        self._framed = framed
        self._workers = Worker(), Worker()
        questions = Questions(studio, *self._workers)
        app = build(questions)
        config = uvicorn.Config(
            Guards(app, token, framed=framed),
            http=TimedProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=65536,
        )
        self._server = uvicorn.Server(config)
        self._threads = [
            threading.Thread(
                target=self._server.run, kwargs={"sockets": [self._socket]}, name="vizcnn-serve-http", daemon=True
            ),
            threading.Thread(target=_load, args=(questions, app, paint_first), name="vizcnn-serve-load", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Wait until it is closed.

        Examples
        --------
        >>> import threading
        >>> import vizcnn as vz
        >>> server = vz.serve(vz.assets.digits_cnn(), open_browser=False)
        >>> threading.Timer(0.5, server.close).start()  # somebody closes it
        >>> server.wait()
        """
        while self._threads[0].is_alive():
            self._threads[0].join(0.2)

    def close(self, timeout: float = 5.0) -> bool:
        """End it: questions are dropped, connections closed.

        Parameters
        ----------
        timeout : float, default 5.0
            Seconds to wait for what can't be ended, such as one run of the model.

        Returns
        -------
        bool
            Whether nothing is at work any more.

        Examples
        --------
        >>> import vizcnn as vz
        >>> server = vz.serve(vz.assets.digits_cnn(), vz.assets.digits(), open_browser=False)
        >>> server.close()
        True
        """
        self._server.should_exit = True
        for worker in self._workers:
            worker.close()
        self._threads[0].join(timeout)
        ended = all(worker.join(timeout) for worker in self._workers)
        self._threads[1].join(0 if not ended else timeout)
        return ended and not any(thread.is_alive() for thread in self._threads)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.url}>"

    def _repr_html_(self) -> str | None:
        """Show the explorer in a notebook's cell, where it lets itself be framed."""
        if not self._framed:
            return None
        url = html.escape(self.url, quote=True)
        return (
            f'<iframe src="{url}" title="vizcnn explorer" width="100%" height="800" style="border: 0"></iframe>'
            f'<p><a href="{url}" target="_blank" rel="noreferrer">Open it in a window of its own</a></p>'
        )


def serve(model: Any, images: Any = (), *, port: int | None = None, open_browser: bool | None = None) -> Server:
    """Open the explorer in the browser: every question of the toolkit, a click each.

    Parameters
    ----------
    model : Keras model, path or ModelAdapter
        The model; a path is loaded while the page says so.
    images : path, array, or sequence of these, default ()
        Images to look at, folders too; others can be dropped on the page.
    port : int, default None
        The port on this machine. None: a free one.
    open_browser : bool, default None
        Whether the page is opened. None: yes, but in a notebook the explorer is shown in the cell, in a frame.

    Returns
    -------
    Server
        It runs until its `close`, or until Python ends. `url` is the link to it: whoever has that can ask, from this machine.

    Raises
    ------
    OptionError
        If the port is taken, or Starlette and uvicorn aren't installed.
    InputError
        If a folder holds no image.

    Examples
    --------
    >>> import vizcnn as vz
    >>> server = vz.serve(vz.assets.digits_cnn(), vz.assets.digits(), open_browser=False)
    >>> server
    <Server http://127.0.0.1:.../.../>
    >>> server.close()
    True
    """
    from vizcnn.adapter import as_adapter
    from vizcnn.inputs import image_files
    from vizcnn.progress import in_notebook

    entries: list[Any] = []
    for entry in images if isinstance(images, Sequence) and not isinstance(images, (str, bytes)) else [images]:
        entries += image_files([entry]) if isinstance(entry, (str, os.PathLike)) else [entry]
    origin, name = None, str(getattr(model, "name", "model"))
    if isinstance(model, (str, os.PathLike)):
        origin, name = Origin((f"model = vz.adapt({os.fspath(model)!r})",), (os.fspath(model),)), Path(model).name
    framed = in_notebook()
    studio = Studio(name, lambda: (as_adapter(model), ()), entries, origin=origin)
    server = Server(studio, port=port, framed=framed)
    if open_browser if open_browser is not None else not framed:
        webbrowser.open(server.url)
    return server


def _load(questions: Questions, app: Starlette, paint_first: bool) -> None:
    """Load what answers, then the model: the page is there before both."""
    if paint_first:
        questions.is_looked_at.wait(PAINT_SECONDS)
    from vizcnn.explorer import channels, decisions, network, network_exports, pictures, records
    from vizcnn.explorer.app import open_routes

    parts = (pictures, decisions, network, channels, network_exports, records)
    open_routes(app, [route for part in parts for route in part.routes(questions)])
    questions.studio.load()


def _bound(port: int | None) -> socket.socket:
    # Where the protocol is named asyncio sends what is small at once, and not 40 ms later with what comes next.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((ADDRESS, port or 0))
        bound.listen(128)  # who comes before the server runs waits
    except (OSError, OverflowError) as error:
        bound.close()
        raise OptionError(f"`port` must be a free one of this machine; {port} is not ({error}).") from error
    return bound
