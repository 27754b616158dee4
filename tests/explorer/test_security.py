"""Who may ask the explorer, and what it does with those who mean it ill: strangers, greedy and slow clients, hostile files."""

from __future__ import annotations

import io
import json
import socket
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import vizcnn as vz
from tests.explorer.look import Look, ask, explorer
from tests.explorer.opening import opened
from vizcnn.explorer import Server, app, protocol, work
from vizcnn.explorer.studio import MAX_UPLOAD
from vizcnn.progress import track

HOSTILE = '<img src=x onerror="window.ran = 1"><script>window.ran = 1</script>\'"&amp;'


def raw(server: Server, request: bytes) -> bytes:
    """Send bytes as they are, and return all that comes back; `PATH` stands for the path of the link, `HOST` for its host."""
    url = urlsplit(server.url)
    request = request.replace(b"PATH", url.path.encode()).replace(b"HOST", url.netloc.encode())
    with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def get(server: Server, target: str, *headers: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", *(headers or ("Host: HOST",)), "Connection: close", "", ""]
    return raw(server, "\r\n".join(lines).encode("latin-1"))


def starlette_of(server: Server) -> Any:
    return server._server.config.app._app  # type: ignore[union-attr]


@pytest.mark.parametrize("token", ["", "x" * 32, "TOKEN"[:4], "TOKENx", "token", "..", "%00"])
def test_another_token_is_turned_away(digits: Server, token: str) -> None:
    own = urlsplit(digits.url).path.strip("/")
    asked = token.replace("TOKEN", own).replace("token", own.swapcase()).replace("TOKE", own[:-1])
    for path in ("", "page/main.js", "api/facts", "api/events"):
        answer = get(digits, f"/{asked}/{path}")
        assert status(answer) == 404
        assert b"each time the explorer is started it has a new link" in answer
        assert b"content-security-policy: default-src 'none'" in answer.lower()


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:PORT", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil", ""],
)
def test_another_host_s_name_is_turned_away(digits: Server, host: str) -> None:
    host = host.replace("PORT", str(urlsplit(digits.url).port))
    for path in ("PATH", "PATHapi/facts"):
        answer = get(digits, path, f"Host: {host}")
        assert status(answer) in (400, 403)
        assert b"digits_cnn" not in answer


@pytest.mark.parametrize("headers", [(), ("Host: HOST", "Host: evil.example")])
def test_no_host_and_two_hosts_are_no_request(digits: Server, headers: tuple[str, ...]) -> None:
    assert status(get(digits, "PATH", *(headers or ("X: y",)))) == 400


@pytest.mark.parametrize("host", ["HOST", "localhost:PORT", "[::1]:PORT", "127.0.0.1"])
def test_this_machine_s_own_names_are_let_in(digits: Server, host: str) -> None:
    assert status(get(digits, "PATH", f"Host: {host.replace('PORT', str(urlsplit(digits.url).port))}")) == 200


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://127.0.0.1:1", "https://HOST", "http://HOST.evil", "http://[", "file://"],
)
def test_another_page_s_request_is_turned_away(digits: Server, origin: str) -> None:
    for method in ("GET", "POST"):
        head = f"{method} PATHapi/images?name=x HTTP/1.1\r\nHost: HOST\r\nOrigin: {origin}\r\n"
        request = f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n"
        assert status(raw(digits, request.encode())) == 403
    assert status(get(digits, "PATH", "Host: HOST", "Origin: http://HOST")) == 200


def test_every_answer_carries_the_policy(digits: Server) -> None:
    for path in ("", "page/main.js", "page/nothing.js", "api/facts", "api/nothing"):
        headers = ask(digits, path).headers
        assert headers["Content-Security-Policy"].startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'; "
        )
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"  # or a link out would tell the token
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "..\\app.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "..%252fapp.py",
        "main.js%00",
        ".",
    ],
)
def test_only_the_page_s_own_files_are_served(digits: Server, path: str) -> None:
    answer = get(digits, f"PATHpage/{path}")
    assert status(answer) == 404
    assert b"import" not in answer


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that nobody may look at."""
    path = tmp_path_factory.mktemp("private") / "canary.png"
    Image.new("L", (28, 28), 77).save(path)
    return path


def png_of(width: int, height: int) -> bytes:
    """Return a black picture of any size, as a small file."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(b"\0" * (1 + width // 8)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")


def memory() -> int:
    """Return the bytes that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
@pytest.mark.parametrize("told", [True, False])
def test_an_upload_of_a_gigabyte_is_refused_while_it_comes(digits: Server, told: bool) -> None:
    url, before, most, sent = urlsplit(digits.url), memory(), 0, 0
    chunk = b"\0" * 1_000_000
    head = "Content-Length: 1000000000" if told else "Transfer-Encoding: chunked"
    with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
        connection.sendall(
            f"POST {url.path}api/images?name=x HTTP/1.1\r\nHost: {url.netloc}\r\n{head}\r\n\r\n".encode()
        )
        try:
            for _ in range(1000):
                connection.sendall(chunk if told else b"f4240\r\n" + chunk + b"\r\n")
                sent, most = sent + len(chunk), max(most, memory() - before)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < MAX_UPLOAD + 30_000_000
    assert most < 300_000_000  # not the gigabyte; what this process compiles meanwhile counts too
    assert ask(digits, "api/facts").status == 200
    answer = raw(digits, b"POST PATHapi/images?name=x HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1000000000\r\n\r\n")
    assert status(answer) == 413
    assert b"larger than the 64 MB that are taken" in answer


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_picture_bomb_is_refused_before_it_is_decoded(digits: Server) -> None:
    bomb, before = png_of(50_000, 50_000), memory()
    assert len(bomb) < 3_000_000
    start = time.monotonic()
    answer = ask(digits, "api/images", bomb, name="bomb.png")
    assert answer.status == 422
    assert "50000" in answer.facts["error"].replace(",", "")
    assert time.monotonic() - start < 60  # not the minute that a browser would wait
    assert memory() - before < 300_000_000


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"PK\x03\x04", b"<svg onload=alert(1)>"]
)
def test_what_is_no_picture_is_refused_with_the_reason(digits: Server, content: bytes) -> None:
    answer = ask(digits, "api/images", content, name="../../etc/passwd")
    assert answer.status == 422
    assert answer.facts["error"]


def test_an_uploaded_file_s_name_opens_no_file(digits: Server, canary: Path) -> None:
    picture = io.BytesIO()
    Image.new("L", (28, 28), 3).save(picture, format="PNG")
    opened.clear()
    for name in (str(canary), "/etc/passwd", "..\\..\\x", "\0", "a" * 10_000, HOSTILE):
        answer = ask(digits, "api/images", picture.getvalue(), name=name)
        assert answer.status == 200
        assert answer.facts["name"] == name[:200]
    assert not [path for path in opened if "canary" in path or "passwd" in path]


def test_slow_clients_are_left(digits: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(app, "UPLOAD_SECONDS", 0.5)
    start = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        nothing = pool.submit(raw, digits, b"")
        half = pool.submit(raw, digits, b"GET PATH HTTP/1.1\r\nHost: HO")
        second = pool.submit(raw, digits, b"GET PATH HTTP/1.1\r\nHost: HOST\r\n\r\nGET PATH")
        upload = pool.submit(raw, digits, b"POST PATHapi/images HTTP/1.1\r\nHost: HOST\r\nContent-Length: 9\r\n\r\n12")
        assert ask(digits, "").status == 200  # meanwhile
        assert nothing.result() == half.result() == b""
        assert status(second.result()) == 200
        assert status(upload.result()) == 408
    assert time.monotonic() - start < 10


@pytest.fixture
def patient(digits: Server) -> Iterator[Server]:
    """The explorer with a question that takes as long as it is waited for, and tells how far it is: `/api/long?name=...`."""
    routes, worker = starlette_of(digits).router.routes, digits._workers[0]

    async def long(request: Request) -> Response:
        def work_on() -> dict[str, int]:
            last = int(request.query_params.get("parts", "10000"))
            for _ in track(range(last), last, "waiting"):
                time.sleep(0.005)
            return {"parts": last}

        from vizcnn.explorer.app import Questions

        return await Questions.facts(_Asking(worker), request, work_on, worker=worker)  # type: ignore[arg-type]

    routes.append(Route("/api/long", long))
    yield digits
    routes.pop()


class _Asking:
    def __init__(self, worker: work.Worker) -> None:
        self.worker = worker

    async def answer(self, *arguments: Any, **options: Any) -> Response:
        from vizcnn.explorer.app import Questions

        return await Questions.answer(self, *arguments, **options)  # type: ignore[arg-type]


def asks(server: Server, query: str) -> socket.socket:
    """Ask and don't wait."""
    url = urlsplit(server.url)
    connection = socket.create_connection((url.hostname, url.port), timeout=20)
    connection.sendall(
        f"GET {url.path}api/long?{query} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode()
    )
    return connection


def test_who_leaves_frees_the_worker_and_not_for_who_stays(patient: Server) -> None:
    with asks(patient, "parts=10000"):
        time.sleep(0.3)
    start = time.monotonic()
    assert ask(patient, "api/long", parts=1).facts == {"parts": 1}
    assert time.monotonic() - start < 5  # of fifty
    with ThreadPoolExecutor(1) as pool:
        stays = pool.submit(ask, patient, "api/long", parts=100)
        time.sleep(0.1)
        with asks(patient, "parts=100"):
            time.sleep(0.1)
        assert stays.result().facts == {"parts": 100}


def test_more_questions_than_can_wait_are_told_to_come_later(patient: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MAX_WAITING", 3)
    waiting = [asks(patient, f"parts={5000 + at}") for at in range(3)]
    time.sleep(0.3)
    answer = ask(patient, "api/long", parts=2)
    assert (answer.status, answer.facts) == (
        503,
        {"error": "3 questions wait already: try again when some are answered."},
    )
    for connection in waiting:
        connection.close()
    time.sleep(1)
    assert ask(patient, "api/long", parts=2).status == 200


def test_several_browsers_ask_at_once(digits: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ask(digits, "api/layers").body, range(24)))
    assert len(set(found)) == 1
    assert json.loads(found[0])["layers"]


def test_a_tab_that_is_not_seen_keeps_no_connection(look: Look) -> None:
    connections = look.server._server.server_state.connections
    assert len(connections) > 0
    hide = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    for hidden in (True, False):
        before = sum(one.scope is not None and one.scope["path"].endswith("/api/events") for one in connections)
        look.page.evaluate(f"{hide} document.dispatchEvent(new Event('visibilitychange')); }}", hidden)
        wanted, end = before + (-1 if hidden else 1), time.monotonic() + 5
        while sum(one.scope is not None and one.scope["path"].endswith("/api/events") for one in connections) != wanted:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_hostile_names_stay_text(browser: Browser, tmp_path: Path) -> None:
    name = HOSTILE.replace("/", "∕")[:100] + ".png"
    Image.new("L", (28, 28), 200).save(tmp_path / name)
    labels = [f"{HOSTILE} {index}" for index in range(10)]
    cnn = lambda: vz.adapt(vz.assets.DIGITS_CNN, labels=labels)  # noqa: E731
    with explorer(HOSTILE, cnn, [tmp_path / name]) as server:
        for link in (
            "",
            "#/layers",
            f"#/{quote(HOSTILE, safe='')}?image={quote(HOSTILE)}",
            f"#/layer/{quote(HOSTILE, safe='')}",
        ):
            with Look(browser, server, link, allowed="Failed to load resource") as look:
                assert look.page.evaluate("window.ran") is None
                assert look.page.locator("img[src=x]").count() == 0
