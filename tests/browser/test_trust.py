"""How far maps can be trusted, on the page: at each width and in each scheme, and only of the class that it was measured of."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

import vizcnn as vz
from tests.browser.test_looks import SCHEMES, WIDTH, WIDTHS, violations
from tests.browser.visit import Visit, box_of


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cnn, digit = vz.assets.digits_cnn(), vz.assets.digits()[3]
    methods = ["saliency:rule=guided", "gradcam"]
    first, second = (
        vz.explain(cnn, digit, methods=methods, metrics="deletion", target=t, trust=t is None) for t in (None, 9)
    )
    return first.to_html(tmp_path_factory.mktemp("trust") / "trust.html", others={"the second class": second})


@WIDTHS
@SCHEMES
def test_nothing_sticks_out_and_everybody_can_read_it(
    browser: Browser, trusted: Path, scheme: str, size: dict[str, int]
) -> None:
    with Visit(browser, trusted, viewport=size, color_scheme=scheme) as visit:
        page = visit.page
        assert page.evaluate(WIDTH) == [size["width"]] * 2
        assert violations(page) == []
        row = page.locator(".judged").first
        for part in row.locator("p, table, svg").all():
            inner, outer = box_of(part), box_of(row)
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1


def test_it_goes_with_the_class_that_it_was_measured_of(browser: Browser, trusted: Path) -> None:
    with Visit(browser, trusted) as visit:
        page = visit.page
        measured = page.locator(".measured").first
        first = measured.inner_text()
        assert page.locator(".trust").is_visible()
        page.select_option("#explained", "1")
        assert not page.locator(".trust").is_visible()
        assert measured.inner_text() != first  # as the numbers of metrics do
        page.select_option("#explained", "0")
        assert page.locator(".trust").is_visible()
        assert measured.inner_text() == first


def test_bars_are_as_long_as_their_numbers(browser: Browser, trusted: Path) -> None:
    with Visit(browser, trusted) as visit:
        cells = visit.page.locator(".numbers").first.locator("td:has(svg)").all()
        shown = [(float(cell.inner_text()), box_of(cell.locator(".bar-of"))["width"]) for cell in cells]
        (_, longest) = max(shown, key=lambda pair: abs(pair[0]))
        largest = max(abs(number) for number, _ in shown)
        for number, width in shown:
            assert width == pytest.approx(longest * abs(number) / largest, abs=0.6)
