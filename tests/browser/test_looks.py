"""The report at phone and desk width, light, dark, in forced colors and on paper; and what it lets in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.visit import DESK, MAPS, METHODS, PHONE, Report, Visit, box_of, canvas, pixels, shot
from tests.made import attributions
from vizcnn.report import write_page

WIDTHS = pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
BACKGROUND = {"light": (255, 255, 255), "dark": (23, 23, 27)}
OPEN_ALL = "document.querySelectorAll('details').forEach(details => { details.open = true; })"
WIDTH = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
A4 = {"width": 680, "height": 1009}
"""In pixels, within margins of 15 mm."""


def every_control(page: Page) -> Iterator[str]:
    """Use each control once, and say which after each."""
    for name in ("map alone", "side by side", "map over image"):
        page.get_by_label(name).check()
        yield name
    page.get_by_label("Opacity").fill("30")
    yield "Opacity"
    for label in ("Explain", "Colors"):
        for name in page.get_by_label(label).locator("option").all_inner_texts():
            page.get_by_label(label).select_option(name)
            yield f"{label} {name}"
    for index in range(len(METHODS)):
        drawn = page.locator(MAPS).nth(index)
        drawn.click()
        drawn.press("ArrowRight")
        yield f"map {index}"
    for summary in page.locator("summary").all():
        summary.click()
    for link in page.get_by_role("link").all():
        link.click()
    yield "links and details"


def colors(picture: np.ndarray) -> int:
    return len(np.unique(picture[::5, ::5].reshape(-1, 3), axis=0))


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in found]


@WIDTHS
@SCHEMES
def test_axe_finds_nothing(browser: Browser, report: Report, scheme: str, size: dict[str, int]) -> None:
    with Visit(browser, report.path, viewport=size, color_scheme=scheme) as visit:
        visit.page.evaluate(OPEN_ALL)
        assert violations(visit.page) == []
        visit.page.get_by_label("side by side").check()
        visit.page.get_by_label("Explain").select_option("the second class")
        canvas(visit.page, 0, "gradcam").press("ArrowLeft")
        canvas(visit.page, 0, "gradcam").press("Enter")
        assert violations(visit.page) == []


def test_axe_would_find_a_lost_label_and_a_pale_text(page: Page) -> None:
    page.evaluate("document.querySelector('label[for=opacity]').remove()")
    page.evaluate("document.querySelector('h1').style.color = '#bbb'")
    assert {violation.partition(":")[0] for violation in violations(page)} == {"color-contrast", "label"}


def test_nothing_is_requested_and_the_console_is_clean_whatever_is_used(browser: Browser, report: Report) -> None:
    with Visit(browser, report.path) as visit:
        used = [name for name in every_control(visit.page) if not visit.assert_clean()]
    assert len(used) == 4 + 2 + 5 + len(METHODS) + 1
    assert {url.partition(",")[0] for url in visit.asked[1:]} <= {"data:image/png;base64", "data:image/jpeg;base64"}


@pytest.mark.parametrize(
    ("attempt", "refused"),
    [
        ("new Image().src = 'http://127.0.0.1:9/x.png'", "img-src"),
        ("fetch('http://127.0.0.1:9/').catch(() => 0)", "connect-src"),
        (
            "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))",
            "script-src",
        ),
        ("document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.ran = 1\">')", "script-src"),
        ("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')", "style-src"),
    ],
)
def test_the_page_s_policy_refuses(browser: Browser, report: Report, attempt: str, refused: str) -> None:
    page = browser.new_page()
    page.goto(report.path.as_uri())
    disposition, directive = page.evaluate(
        "attempt => new Promise(done => {"
        "document.addEventListener('securitypolicyviolation', one => done([one.disposition, one.effectiveDirective]));"
        "setTimeout(() => done(['nothing was refused', '']), 3000);"
        f"{attempt}; }})"
    )
    assert disposition == "enforce"
    assert directive.startswith(refused)
    assert page.evaluate("window.ran") is None
    page.close()


@pytest.mark.parametrize("width", [320, 390])
def test_nothing_has_to_be_scrolled_sideways(browser: Browser, report: Report, width: int) -> None:
    with Visit(browser, report.path, viewport={"width": width, "height": 700}) as visit:
        visit.page.evaluate(OPEN_ALL)
        for name in every_control(visit.page):
            assert visit.page.evaluate(WIDTH) == [width, width], name


@WIDTHS
def test_long_names_widen_nothing(browser: Browser, tmp_path: Path, size: dict[str, int]) -> None:
    long = "a" * 150
    result = attributions(
        model=long, layer=long, names=(long,), target=(long,), notes=(long,), top_classes=(((long, 0.5),),)
    )
    page = write_page({long: result}, tmp_path / "long.html", others={long: {long: result}}, about={long: long})
    with Visit(browser, page, viewport=size) as visit:
        visit.page.evaluate(OPEN_ALL)
        assert visit.page.evaluate(WIDTH) == [size["width"], size["width"]]


@WIDTHS
@SCHEMES
def test_screenshots(browser: Browser, report: Report, pictures: Path, scheme: str, size: dict[str, int]) -> None:
    with Visit(browser, report.path, viewport=size, color_scheme=scheme) as visit:
        whole = shot(visit.page, pictures / f"report-{size['width']}-{scheme}.png", full_page=True)
        assert whole.shape[1] == size["width"]
        assert whole.shape[0] > 2 * size["height"]
        assert tuple(whole[2, 2]) == BACKGROUND[scheme]
        assert colors(whole) > 200
        visit.page.get_by_label("side by side").check()
        canvas(visit.page, 1, "occlusion").press("Enter")
        canvas(visit.page, 1, "occlusion").press("ArrowLeft")
        large = shot(visit.page, pictures / f"enlarged-{size['width']}-{scheme}.png")
        assert large.shape[:2] == (size["height"], size["width"])
        box, map_ = box_of(canvas(visit.page, 1, "occlusion")), pixels(canvas(visit.page, 1, "occlusion"))
        side = box["height"] / len(map_)
        on_screen = large[int(box["y"] + 2.5 * side), int(box["x"] + 41.5 * side)].astype(int)
        assert np.abs(on_screen - map_[2, 41]).max() <= 2


def test_forced_colors_leave_maps_and_their_mark_as_they_are(browser: Browser, report: Report, pictures: Path) -> None:
    with Visit(browser, report.path, forced_colors="active", color_scheme="dark") as visit:
        canvas(visit.page, 0, "gradcam").press("ArrowLeft")
        spot = visit.page.locator(".spot:visible")
        assert spot.evaluate("one => getComputedStyle(one).borderColor") == "rgb(255, 255, 255)"
        assert colors(shot(visit.page, pictures / "forced-colors.png")) > 200
        assert violations(visit.page) == []


def test_paper_has_everything_unfolded_and_no_controls(browser: Browser, report: Report, pictures: Path) -> None:
    with Visit(browser, report.path, viewport=A4, color_scheme="dark") as visit:
        page = visit.page
        page.evaluate(
            "addEventListener('beforeprint', () => { window.shut = document.querySelectorAll('details:not([open])').length; })"
        )
        page.evaluate(
            "addEventListener('afterprint', () => { window.after = document.querySelectorAll('details[open]').length; })"
        )
        paper = page.pdf(format="A4", path=pictures / "report.pdf")
        assert page.evaluate("[window.shut, window.after]") == [0, 1]
        assert 4 <= len(re.findall(rb"/Type /Page\b", paper)) <= 7
        page.emulate_media(media="print")
        page.evaluate(OPEN_ALL)
        assert page.locator(".controls, button, #keys").filter(visible=True).count() == 0
        assert page.evaluate(WIDTH) == [A4["width"]] * 2
        assert (
            page.locator("body").evaluate("one => getComputedStyle(one).color") == "rgb(27, 27, 31)"
        )  # dark only on screen
        for figure in page.locator(".row figure").all():
            box = box_of(figure)
            for part in figure.locator("canvas, img, table, .scale, .high").filter(visible=True).all():
                inner = box_of(part)
                assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
        for drawn in page.locator(".drawn img").all():
            assert box_of(drawn)["height"] < A4["height"]


def test_without_scripts_the_page_says_what_is_missing(browser: Browser, report: Report) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(report.path.as_uri())
    assert page.get_by_text("The maps are drawn by a script").is_visible()
    assert page.get_by_alt_text("The image digit_0.png").is_visible()
    page.close()
