"""What the tests do with the explorer: run it, open a view of it in the browser, and ask it without one."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.visit import DESK
from vizcnn.explorer import Server
from vizcnn.explorer.studio import Studio

SIDEWAYS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
"""How wide the page is, and how much of that is seen."""


@contextmanager
def explorer(name: str, open_model: Callable[[], Any], images: Sequence[Any] = ()) -> Iterator[Server]:
    """Run an explorer whose model is loaded."""
    studio = Studio(name, lambda: (open_model(), ()), images)
    with Server(studio) as server:
        assert studio.ready.wait(60)
        assert studio.stage == "ready", studio.error
        yield server


class Look:
    """The page, with all that it says and asks for; on leaving, its console is clean and nothing came from outside.

    `allowed` are patterns of what the console may say after all: of a refused request the browser writes a line by itself.
    """

    def __init__(
        self, browser: Browser, server: Server, link: str = "", *, allowed: str = "(?!)", **options: Any
    ) -> None:
        self.page = browser.new_page(**{"viewport": DESK, **options})
        self.server = server
        self.said: list[str] = []
        self.asked: list[str] = []
        self._link, self._allowed = link, allowed
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def __enter__(self) -> Self:
        self.page.goto(self.server.url + self._link)
        self.settle()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self.page.close()
        if kind is None:
            self.assert_clean()

    def go(self, link: str) -> None:
        """Go to a view by its permanent link, ``#/...``, and wait until it is drawn."""
        self.page.evaluate("link => { location.hash = link; }", link)
        self.settle()

    def settle(self) -> None:
        """Wait until the view is drawn."""
        self.page.evaluate("() => new Promise(done => setTimeout(done))")  # the change of the link is heard
        self.page.wait_for_selector("main:not([aria-busy])", state="attached")

    def assert_clean(self) -> None:
        said = [text for text in self.said if not re.search(self._allowed, text)]
        assert not said, said
        assert [url for url in self.asked if not url.startswith((self.server.url, "data:", "blob:"))] == []

    def assert_sound(self) -> None:
        """Nothing sticks out sideways, and axe-core finds nothing to mend."""
        width, seen = self.page.evaluate(SIDEWAYS)
        assert width == seen, self.page.evaluate("location.hash")
        found = Axe().run(self.page).response["violations"]
        problems = [f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found]
        assert not problems, problems


class Answer(NamedTuple):
    """What the server answers."""

    status: int
    headers: Any
    body: bytes

    @property
    def facts(self) -> Any:
        return json.loads(self.body)

    @property
    def arrays(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The facts, and the arrays that stand behind them."""
        assert self.status == 200, self.body
        length = int.from_bytes(self.body[:4], "little")
        about, found = json.loads(self.body[4 : 4 + length]), {}
        for one in about.pop("arrays"):
            content = np.frombuffer(
                self.body, one["dtype"], int(np.prod(one["shape"])), offset=4 + length + one["start"]
            )
            found[one["name"]] = content.reshape(one["shape"])
        return about, found


def ask(
    server: Server, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, **parameters: Any
) -> Answer:
    """Ask below the server's link, without a browser; `body` makes it a POST."""
    url = f"{server.url}{path}" + (f"?{urlencode(parameters)}" if parameters else "")
    request = urllib.request.Request(url, body, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as refused:
        return Answer(refused.code, refused.headers, refused.read())
