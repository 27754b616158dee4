"""Every question of the routing table, with every parameter that it reads, is asked with what nobody should ask.

Which parameters those are is seen from what the question reads, so that neither a new question nor a new parameter is forgotten.
"""

from __future__ import annotations

import http.client
import io
import itertools
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlencode, urlsplit

import pytest
import starlette.requests
from PIL import Image
from starlette.datastructures import QueryParams

import vizcnn as vz
from tests.explorer.opening import opened
from vizcnn.explorer import Server, channels
from vizcnn.explorer.studio import Studio
from vizcnn.explorer.training import Training

VALID = {
    "image": "0",
    "layer": "conv3",
    "unit": "1",
    "method": "gradcam",
    "target": "3",
    "label": "5",
    "prediction": "3",
    "sort": "score",
    "series": "a.gradcam",
    "epoch": "1",
    "what": "maps",
    "suffix": "png",
    "on": "mean",
    "fold": "never",
    "name": "main.js",
}
"""What makes sense of a parameter; of others 2 does, or nothing."""

NEEDS = {"/api/run/clusters": 422}
"""What is answered where all makes sense, if that isn't 200: a class has fewer than 20 images here."""


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (28, 28), 3).save(file, format="PNG")
    return file.getvalue()


FOUND = {"kept": ("/api/run/rows", "sort"), "training": ("/api/training/picture", "epoch")}
"""A parameter that is surely found."""

NUMBERS = itertools.count()
"""A number for each search of parameters: no answer that is kept is found in their place, for which nothing would be read."""

BODIES = {
    "/api/painted": bytes(28 * 28),
    "/api/images/painted": bytes(28 * 28),
    "/api/images": _png(),
    "/api/run/tags": b"[]",
}
"""What is sent along."""


class Reading(QueryParams):
    """A request's parameters; who reads one is noted."""

    names: ClassVar[set[str]] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)

    def getlist(self, key: str) -> list[str]:
        self.names.add(key)
        return super().getlist(key)

    def __getitem__(self, key: str) -> str:
        self.names.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.names.add(str(key))
        return super().__contains__(key)


class Client:
    """Asks over one connection."""

    def __init__(self, server: Server) -> None:
        url = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)
        self._root = url.path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, path: str, query: str, body: bytes | None) -> tuple[int, bytes, Any]:
        target = self._root + path.lstrip("/") + ("?" + query if query else "")
        self._connection.request("GET" if body is None else "POST", target, body)
        answer = self._connection.getresponse()
        return answer.status, answer.read(), answer.headers


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that nobody may look at."""
    path = tmp_path_factory.mktemp("private") / "canary.0001.png"
    Image.new("L", (28, 28), 77).save(path)
    return path


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("training")
    Image.new("L", (28, 28)).save(folder / "a.gradcam.0001.png")
    studio = Studio("digits", lambda: (vz.assets.digits_cnn(), ()), vz.assets.digits(), kept=Training(folder))
    with Server(studio) as server:
        assert studio.ready.wait(60)
        yield server


def hostile(canary: Path) -> list[str]:
    """Return values that make no sense, or that make too much of it, as they stand in an address; the first ones first."""
    up = "../" * 12 + str(canary)[1:]
    values = [str(canary), up, f"like:{canary}", "9" * 400, "nan", "\0"]
    values += [canary.as_uri(), str(canary.parent), f"3 minus like:{canary}", f"box:1,1,9,9;anchors={canary}"]
    values += [f"occlusion:baseline={canary}", f"occlusion:baseline=['{canary}']", "../..", "..\\..", "%2e%2e%2f", "*"]
    values += ["-1", "1e999", "-inf", "1.5", "0x10", "٣", "2147483648", "1_0", "null", "[]", "{'a': 1}", "True"]
    values += ["", "a\0b", "x" * 5000, "<b>&'\"", "\r\nX: y"]
    return [urllib.parse.quote(text, safe="") for text in values] + ["%ff%fe", "%ED%A0%80"]


def questions_of(server: Server) -> list[Any]:
    routes = server._server.config.app._app.routes  # type: ignore[union-attr]
    return [route for route in routes if route.path != "/api/events"]  # which goes on for ever, and reads nothing


def paths_of(route: Any, value: str | None = None) -> list[str]:
    """Return the addresses of a question: its own parts as they make sense, or one of them a value."""
    parts = re.findall(r"{(\w+)(?::path)?}", route.path)
    choices = [{part: VALID[part] for part in parts}]
    if value is not None:
        choices = [{**choices[0], part: value} for part in parts]
    found = []
    for choice in choices:
        path = route.path
        for part, chosen in choice.items():
            path = re.sub(rf"{{{part}(:path)?}}", lambda _, chosen=chosen: chosen, path)
        found.append(path)
    return found


@pytest.mark.parametrize("count", [6, pytest.param(None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["kept", "training"])
def test_no_parameter_of_any_question_opens_a_file_or_breaks_it(
    kind: str, count: int | None, request: pytest.FixtureRequest, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "STEPS", 2)
    monkeypatch.setattr(starlette.requests, "QueryParams", Reading)
    server: Server = request.getfixturevalue(kind)
    canary.read_bytes()
    assert str(canary) in opened  # it would be seen
    opened.clear()
    found = {}
    with Client(server) as client:
        for route in questions_of(server):
            if kind == "kept" or "training" in route.path:
                found[route.path] = assert_answers(client, route, hostile(canary)[:count])
    path, parameter = FOUND[kind]
    assert parameter in found[path]
    assert not [path for path in opened if "private" in path]


def assert_answers(client: Client, route: Any, values: list[str]) -> set[str]:
    """Ask one question with what makes sense, and each parameter that it reads, which are returned, with what makes none."""
    body = BODIES.get(route.path) if "POST" in route.methods else None
    (path,) = paths_of(route)
    known: dict[str, str] = {}
    while True:
        Reading.names = set()
        status, answer, _ = client.ask(path, urlencode({**known, "asked": next(NUMBERS)}), body)
        if known.keys() >= Reading.names:
            break
        known |= {name: VALID.get(name, "2") for name in Reading.names}
    assert status == NEEDS.get(route.path, 200), (path, known, answer[:300])
    asked = [(other, urlencode(known)) for value in values for other in paths_of(route, value)]
    for name, value in itertools.product(known, values):
        others = urlencode({other: kept for other, kept in known.items() if other != name})
        asked.append((path, f"{others}&{name}={value}"))
    for target, query in asked:
        status, answer, headers = client.ask(target, query, body)
        assert status < 500, (target, query, answer[:300])
        assert headers["Content-Security-Policy"].startswith("default-src 'none'"), (target, query)
        assert headers["X"] is None
    return set(known)
