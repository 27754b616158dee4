"""Everything in the report can be done, seen and heard without a mouse."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import Page, expect

from tests.browser.visit import (
    COUNT,
    DESK,
    METHODS,
    SIZE,
    Report,
    assert_tells,
    box_of,
    canvas,
    figure,
    pixels,
)

WALK = [
    ("ArrowLeft", 0, -1),
    ("ArrowUp", -1, 0),
    ("ArrowRight", 0, 1),
    ("ArrowDown", 1, 0),
    ("Shift+ArrowUp", -10, 0),
    ("Shift+ArrowUp", -10, 0),
    ("ArrowUp", -1, 0),
    ("Shift+ArrowLeft", 0, -10),
    ("Shift+ArrowLeft", 0, -10),
    ("ArrowLeft", 0, -1),
    ("Shift+ArrowDown", 10, 0),
    ("Shift+ArrowRight", 0, 10),
    ("Shift+ArrowRight", 0, 10),
    ("Shift+ArrowRight", 0, 10),
    ("Shift+ArrowDown", 10, 0),
    ("Shift+ArrowDown", 10, 0),
]
NAME = "one => one.id || one.href || one.value || one.ariaLabel || one.textContent.trim()"
SEEN = """one => {
    const style = getComputedStyle(one), box = one.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return [style.outlineStyle, parseFloat(style.outlineWidth) >= 2, one.contains(top)];
}"""


def test_arrow_keys_read_values_show_where_and_stop_at_the_borders(page: Page, report: Report) -> None:
    told, drawn = figure(page, 2, "saliency"), canvas(page, 2, "saliency")
    drawn.focus()
    assert told.locator(".spot").is_hidden()
    row = column = SIZE // 2
    for key, down, across in WALK:
        page.keyboard.press(key)
        row, column = (min(SIZE - 1, max(0, at)) for at in (row + down, column + across))
        assert_tells(told, report.shown[0]["saliency"], 2, row, column)
        box, spot = box_of(drawn), box_of(told.locator(".spot"))
        assert abs((spot["x"] + spot["width"] / 2 - box["x"]) / box["width"] * SIZE - column - 0.5) < 0.2
        assert abs((spot["y"] + spot["height"] / 2 - box["y"]) / box["height"] * SIZE - row - 0.5) < 0.2
    assert (row, column) == (27, 27)
    page.keyboard.press("Tab")
    assert told.locator(".spot").is_hidden()


def test_enter_space_and_the_button_enlarge_and_shrink(page: Page) -> None:
    for sample, method in [(0, "saliency"), (1, "occlusion")]:
        drawn, button = canvas(page, sample, method), figure(page, sample, method).get_by_role("button")
        small = box_of(drawn)["width"]
        for focused in (drawn, button):
            for key in ("Enter", "Space"):
                focused.focus()
                page.keyboard.press(key)
                large = box_of(drawn)
                assert large["width"] > 1.5 * small
                assert large["y"] >= box_of(page.locator(".controls"))["height"]  # all of it is in sight
                assert large["y"] + large["height"] <= DESK["height"]
                expect(button).to_have_accessible_name(f"shrink {method} of digit_{sample}.png")
                page.keyboard.press(key)
                assert box_of(drawn)["width"] == small
                expect(button).to_have_accessible_name(f"enlarge {method} of digit_{sample}.png")


def test_details_open_and_close_from_the_keyboard(page: Page) -> None:
    summaries, opened = page.locator("summary").all(), "summary => summary.parentElement.open"
    assert [summary.evaluate(opened) for summary in summaries] == [False, True, False, False]
    for summary in summaries:
        before, inside = summary.evaluate(opened), summary.locator("xpath=following-sibling::*").first
        for key, wanted in [("Enter", not before), ("Space", before)]:
            summary.focus()
            page.keyboard.press(key)
            assert summary.evaluate(opened) is wanted
            assert inside.is_visible() is wanted


def test_tab_reaches_every_control_in_order_in_sight_and_outlined(page: Page) -> None:
    controls = page.locator("a, summary, input:not([type=radio]:not(:checked)), select, button, [tabindex]")
    names = [control.evaluate(NAME) for control in controls.all()]
    assert len(set(names)) == len(names) == COUNT + 1 + 4 + 2 * COUNT * len(METHODS) + 3
    for key, order in [("Tab", names), ("Shift+Tab", names[-2::-1])]:
        for name in order:
            page.keyboard.press(key)
            assert page.evaluate(f"({NAME})(document.activeElement)") == name
            assert page.evaluate(f"({SEEN})(document.activeElement)") == ["solid", True, True], name


def test_the_controls_work_from_the_keyboard(page: Page) -> None:
    before = pixels(canvas(page, 0, "saliency"))
    page.get_by_label("Opacity").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#opacity-value").inner_text() == "71 %"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("map alone").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("Explain").input_value() == "1"
    assert page.locator("#said").inner_text() == "The maps now explain the second class."
    page.keyboard.press("Tab")
    page.keyboard.press("v")
    assert page.get_by_label("Colors").input_value() == "viridis"
    assert np.abs(pixels(canvas(page, 0, "saliency")) - before).max() > 50


def test_links_at_the_top_lead_to_the_images(page: Page) -> None:
    for sample in range(COUNT):
        page.get_by_role("link", name=f"digit_{sample}.png").focus()
        page.keyboard.press("Enter")
        heading, controls = box_of(page.locator(f"#sample-{sample} h2")), box_of(page.locator(".controls"))
        assert controls["y"] + controls["height"] <= heading["y"] < DESK["height"] / 3


def test_a_screen_reader_hears_what_each_thing_is(page: Page, report: Report) -> None:
    page.locator("summary").first.click()  # what is folded away is still told
    result = report.shown[0]["gradcam"]
    low, high = (f"{number:.3g}" for number in (result.values[0].min(), result.values[0].max()))
    map_ = page.get_by_role("application", name="gradcam of digit_0.png")
    expect(map_).to_have_accessible_name(f"gradcam of digit_0.png for 0 (probability 1.00); values {low} to {high}")
    expect(map_).to_have_accessible_description(page.locator("#keys").text_content().replace("\n", " "))  # type: ignore[union-attr]
    expect(page.get_by_role("form", name="How the maps are drawn")).to_have_count(1)
    expect(page.get_by_role("slider", name="Opacity", exact=True)).to_have_count(1)
    expect(page.get_by_role("group", name="Show").get_by_role("radio")).to_have_count(3)
    for name in ("Explain", "Colors"):
        expect(page.get_by_role("combobox", name=name)).to_have_count(1)
    for sample in range(COUNT):
        region = page.get_by_role("region", name=f"digit_{sample}.png")
        expect(region.get_by_role("img", name=f"The image digit_{sample}.png")).to_have_count(1)
        expect(region.get_by_role("table", name="most probable classes").get_by_role("rowheader")).to_have_count(5)
        expect(region.get_by_role("application")).to_have_count(len(METHODS))
    expect(page.get_by_role("img", name="Architecture of 'digits_cnn.keras', 10 layers")).to_have_count(1)
