"""`vizcnn serve` and `vz.serve`: the link at once, the page before any framework, and an end whenever it is wanted."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from typer.testing import CliRunner

import vizcnn as vz
from tests.browser.visit import DESK
from tests.explorer.look import Look, ask
from tests.test_import import FRAMEWORKS
from vizcnn.cli import app
from vizcnn.errors import InputError, OptionError
from vizcnn.explorer import Server, serve
from vizcnn.explorer.studio import Studio

LINK = re.compile(r"http://127\.0\.0\.1:\d+/[\w-]{32}/")

BUSY = """
import sys, time, urllib.request
from vizcnn.cli.serve import run_server
from vizcnn.explorer.server import Server
from vizcnn.explorer.studio import Studio

server = Server(Studio("slow", lambda: time.sleep(600)))
server._workers[0].ask("long", lambda: time.sleep(600))
assert b"vizcnn explorer" in urllib.request.urlopen(server.url).read()
loaded = {name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:])
print(sorted(loaded), flush=True)
run_server(server, no_browser=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_before_anything_heavy_is_loaded_and_ends_while_it_works(number: signal.Signals) -> None:
    heavy = [*FRAMEWORKS, "matplotlib", "pandas", "scipy"]
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY, *heavy], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "[]\n"
    assert LINK.fullmatch(process.stdout.readline().strip())
    start = time.monotonic()
    process.send_signal(number)
    rest, complaints = process.communicate(timeout=30)
    assert (process.returncode, rest, complaints) == (0, "", "")
    assert time.monotonic() - start < 8  # of two seconds for what can't be ended


def test_the_page_is_painted_while_the_model_is_loaded(browser: Browser) -> None:
    halt = threading.Event()
    with Server(Studio("slow", lambda: halt.wait() and None)) as server:  # type: ignore[arg-type, func-returns-value, return-value]
        page = browser.new_page(viewport=DESK)
        times = []
        for _ in range(5):
            page.goto(server.url)
            expect(page.locator("#status")).to_have_text("The model is being loaded …")
            times.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        assert min(times) < 300
        assert ask(server, "api/facts").status == 503
        page.close()
        halt.set()


def test_a_model_that_cannot_be_loaded_is_told_on_the_page(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"nothing of a model")
    with serve(tmp_path / "model.keras", open_browser=False) as server:
        page = browser.new_page(viewport=DESK)
        page.goto(server.url)
        expect(page.locator("#status")).to_contain_text(
            "isn't a Keras model: it begins with b'nothing '", timeout=30_000
        )
        assert "Traceback" not in page.locator("#status").inner_text()
        page.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing.keras"], "`model` file 'missing.keras' doesn't exist."),
        ([str(vz.assets.DIGITS_CNN), "missing.png"], "`images` file 'missing.png' doesn't exist."),
        ([str(vz.assets.DIGITS_CNN), "."], "`images` folder '.' holds no image"),
        ([str(vz.assets.DIGITS_CNN), "--port", "70000"], "`port` must be a free one of this machine; 70000 is not"),
    ],
)
def test_what_cannot_be_opened_is_told_in_one_line(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["serve", *words])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"vizcnn: {told}")


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"`port` must be a free one of this machine; {port} is not"):
            Server(Studio("any", lambda: None), port=port)  # type: ignore[arg-type, return-value]


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(OptionError, match=r"needs uvicorn, which isn't installed: pip install 'vizcnn\[serve\]'"):
        serve(vz.assets.DIGITS_CNN, open_browser=False)


def test_serve_takes_folders_and_files_together() -> None:
    cnn, folder = vz.assets.digits_cnn(), vz.assets.digits()[0].parent
    with vz.serve(cnn, [folder, vz.assets.digits()[3]], open_browser=False) as server:
        assert LINK.fullmatch(server.url)
        assert urllib.request.urlopen(server.url).status == 200
        while (answer := ask(server, "api/facts")).status == 503:
            time.sleep(0.05)
        assert answer.facts["images"] == 11


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no image"):
        serve(vz.assets.DIGITS_CNN, tmp_path, open_browser=False)


def test_a_notebook_shows_it_in_a_frame_and_only_then_it_may_be_framed(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for notebook in (True, False):
        monkeypatch.setattr("vizcnn.progress.in_notebook", lambda notebook=notebook: notebook)
        with serve(vz.assets.DIGITS_CNN) as server:
            policy = ask(server, "").headers["Content-Security-Policy"]
            shown = server._repr_html_()
        if notebook:
            assert "frame-ancestors http://127.0.0.1:* http://localhost:*" in policy
            assert shown is not None
            assert f'<iframe src="{server.url}" title="vizcnn explorer"' in shown
            assert opened == []
        else:
            assert "frame-ancestors 'none'" in policy
            assert shown is None
            assert opened == [server.url]


def test_a_killed_server_tells_the_page(browser: Browser, digits: Server) -> None:
    with serve(vz.assets.digits_cnn(), open_browser=False) as server, Look(browser, server, allowed=".") as look:
        server.close()
        expect(look.page.locator("#status")).to_contain_text("has vizcnn serve ended?")
