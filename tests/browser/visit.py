"""What the tests do on a page: open it, read its pixels, and say what they should be."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any, NamedTuple, Self

import matplotlib
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FloatRect, Locator, Page

import vizcnn as vz
from vizcnn.render.style import default_cmap

METHODS = ["saliency", "saliency:rule=guided", "gradcam", "occlusion"]
COUNT, SIZE = 3, 28
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
MAPS = ".stage canvas"


class Report(NamedTuple):
    """The page, and what it opens with and what its choice of class switches to."""

    path: Path
    shown: list[vz.Explanation]


class Visit:
    """A page that is opened, with all that it says and asks for; on leaving, its console was clean and it asked for nothing."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.page = browser.new_page(**{"viewport": DESK, **options})
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.home = path.as_uri()

    def __enter__(self) -> Self:
        self.page.goto(self.home)
        self.page.wait_for_selector("html[data-ready]")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self.page.close()
        if kind is None:
            self.assert_clean()

    def assert_clean(self) -> None:
        assert self.said == []
        assert [url for url in self.asked if not url.startswith("data:")] == [self.home]


def figure(page: Page, sample: int, method: str) -> Locator:
    return page.locator(f".map[data-sample='{sample}'][data-map='{METHODS.index(method)}']")


def canvas(page: Page, sample: int, method: str) -> Locator:
    return figure(page, sample, method).locator(MAPS)


def box_of(element: Locator) -> FloatRect:
    box = element.bounding_box()
    assert box is not None
    return box


def pixels(drawn: Locator) -> np.ndarray:
    return _decoded(drawn.evaluate("canvas => canvas.toDataURL('image/png')"))


def image_of(page: Page, sample: int) -> np.ndarray:
    return _decoded(page.locator(f"#sample-{sample} .image img").get_attribute("src") or "")


def shot(page: Page, path: Path, **options: Any) -> np.ndarray:
    page.screenshot(path=path, **options)
    return np.asarray(Image.open(path).convert("RGB"))


def _decoded(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")).astype(int)


def assert_drawn(
    found: np.ndarray, result: Any, sample: int, image: np.ndarray, opacity: float | None, cmap: str = ""
) -> None:
    """Compare pixels with a second computation, for the values and for those half a step of 256 away.

    Without an opacity the map stands alone.
    """
    values = result.values[sample].astype(float)
    end = float(np.percentile(np.abs(values), 99))
    vmin, step = -end if result.signed else 0.0, np.ptp(values) / 255
    colors = matplotlib.colormaps[cmap or default_cmap(signed=result.signed)]
    table = np.array([colors(i, bytes=True)[:3] for i in range(256)], dtype=float)
    gray = (image @ [0.299, 0.587, 0.114])[..., None]
    drawn = []
    for near in np.linspace(-0.5, 0.5, 21) * step:
        color = table[np.rint(255 * np.clip((values + near - vmin) / (end - vmin), 0, 1)).astype(int)]
        share = 1.0 if opacity is None else opacity * np.clip(2 * np.abs(values + near) / end, 0, 1)[..., None]
        drawn.append((1 - share) * gray + share * color)
    assert found.shape == drawn[0].shape
    assert (found >= np.min(drawn, axis=0) - 2).all()
    assert (found <= np.max(drawn, axis=0) + 2).all()


def assert_tells(told: Locator, result: Any, sample: int, row: int, column: int) -> None:
    """Compare the value and the place that a figure tells with the result's own, to half a step and three digits."""
    said = re.fullmatch(r"(\S+) at row (\d+), column (\d+)", told.locator("output").inner_text())
    assert said is not None
    assert (int(said[2]), int(said[3])) == (row, column)
    step = float(np.ptp(result.values[sample])) / 255
    assert float(said[1]) == pytest.approx(float(result.values[sample, row, column]), rel=6e-3, abs=0.51 * step)
