"""Every map is drawn and read as its values say, with every control, by mouse and by finger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page

import vizcnn as vz
from tests.browser.visit import (
    COUNT,
    MAPS,
    METHODS,
    PHONE,
    SIZE,
    Report,
    Visit,
    assert_drawn,
    assert_tells,
    box_of,
    canvas,
    figure,
    image_of,
    pixels,
    shot,
)
from tests.made import attributions
from vizcnn.render.style import OFFERED
from vizcnn.report import write_page


def test_every_map_is_drawn_as_its_values_say(page: Page, report: Report) -> None:
    for sample in range(COUNT):
        image = image_of(page, sample)
        for method, result in report.shown[0].results.items():
            found = pixels(canvas(page, sample, method))
            assert np.ptp(found) > 100
            assert_drawn(found, result, sample, image, 0.7)


def test_the_image_in_the_page_is_the_image_that_was_given(page: Page) -> None:
    for sample, file in enumerate(vz.assets.digits()[:COUNT]):
        given = np.asarray(Image.open(file).convert("RGB")).astype(int)
        assert np.abs(image_of(page, sample) - given).mean() < 2  # it is a JPEG
        assert page.locator(f"#sample-{sample} h2").inner_text() == file.name


def test_the_box_of_a_detector_is_outlined_on_its_map(browser: Browser, tmp_path: Path) -> None:
    image = np.full((40, 60, 3), 128, dtype=np.uint8)
    plain = replace(attributions(size=(40, 60)), values=np.zeros((1, 40, 60), np.float32), images=[image])
    boxed = replace(plain, extras={"boxes": np.array([[[12.0, 8.0, 48.0, 32.0]]], np.float32)})
    with Visit(browser, write_page({"saliency": boxed, "smoothgrad": plain}, tmp_path / "boxes.html")) as visit:
        framed, bare = (pixels(visit.page.locator(MAPS).nth(at)).astype(int) for at in (0, 1))
    assert framed[20, [11, 12, 13]].mean(axis=-1).round().tolist() == [0, 255, 0]
    assert framed[32, 20:40].min() == 255
    changed = np.abs(framed - bare).max(axis=-1) > 20
    assert not changed[10:31, 14:47].any()
    assert not changed[:7].any()


def test_a_wide_image_in_color_is_drawn_and_read_at_its_place(browser: Browser, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(1, 5, 9)).astype(np.float32)
    image = np.full((5, 9, 3), (200, 40, 90), dtype=np.uint8)
    result = replace(attributions(size=(5, 9)), values=values, images=[image], signed=True)
    with Visit(browser, write_page({"saliency": result}, tmp_path / "wide.html")) as visit:
        drawn = visit.page.locator(MAPS)
        assert_drawn(pixels(drawn), result, 0, image_of(visit.page, 0), 0.7)
        box = box_of(drawn)
        assert abs(box["width"] / box["height"] - 9 / 5) < 0.02
        for row, column in [(0, 8), (4, 0), (2, 6)]:
            drawn.hover(position={"x": (column + 0.5) * box["width"] / 9, "y": (row + 0.5) * box["height"] / 5})
            assert_tells(visit.page.locator(".map"), result, 0, row, column)


def test_a_map_that_lies_nowhere_is_drawn_at_its_own_size_without_the_image(
    browser: Browser, pictures: Path, tmp_path: Path
) -> None:
    values = np.random.default_rng(0).normal(size=(1, 3, 7)).astype(np.float32)
    lies = attributions(size=(100, 150), signed=True)  # large enough for the browser to smooth
    alone = replace(lies, values=values, method="gradcam", layer="conv", signed=True, alone=True)
    both = {"saliency": lies, "gradcam": alone}
    with Visit(browser, write_page(both, tmp_path / "alone.html")) as visit:
        drawn, told = visit.page.locator(MAPS).nth(1), visit.page.locator(".map").nth(1)
        for mode in ("map over image", "map alone", "side by side"):
            visit.page.get_by_label(mode).check()
            found = pixels(drawn)
            assert_drawn(found, alone, 0, np.zeros((3, 7, 3)), None)
            box = box_of(drawn)
            assert abs(box["width"] / box["height"] - 7 / 3) < 0.02
            for row, column in [(0, 6), (2, 0), (1, 3)]:
                drawn.hover(position={"x": (column + 0.5) * box["width"] / 7, "y": (row + 0.5) * box["height"] / 3})
                assert_tells(told, alone, 0, row, column)
            on_screen = shot(visit.page, pictures / f"alone-{mode.replace(' ', '-')}.png").astype(int)
            corner = on_screen[int(box["y"] + box["height"] / 9), int(box["x"] + box["width"] / 21)]
            assert np.abs(corner - found[0, 0]).max() <= 2  # cells have edges
        drawn.press("ArrowRight")
        assert_tells(told, alone, 0, 1, 4)
        assert_drawn(pixels(visit.page.locator(MAPS).first)[:, 150:], lies, 0, image_of(visit.page, 0), None)


def test_opacity_goes_from_the_gray_image_to_the_full_color(page: Page, report: Report) -> None:
    image, slider = image_of(page, 2), page.get_by_label("Opacity")
    assert page.locator("#opacity-value").inner_text() == "70 %"
    for percent in (0, 35, 100):
        slider.fill(str(percent))
        assert page.locator("#opacity-value").inner_text() == f"{percent} %"
        assert slider.get_attribute("aria-valuetext") == f"{percent} %"
        assert_drawn(pixels(canvas(page, 2, "gradcam")), report.shown[0]["gradcam"], 2, image, percent / 100)
    slider.fill("0")
    assert np.abs(pixels(canvas(page, 2, "occlusion")) - image).max() <= 2


def test_maps_stand_alone_beside_their_image_and_over_it(page: Page, report: Report) -> None:
    image, result, drawn = image_of(page, 1), report.shown[0]["occlusion"], canvas(page, 1, "occlusion")
    page.get_by_label("map alone").check()
    assert_drawn(pixels(drawn), result, 1, image, None)
    assert page.get_by_label("Opacity").is_disabled()
    page.get_by_label("side by side").check()
    both = pixels(drawn)
    assert both.shape == (SIZE, 2 * SIZE, 3)
    assert np.abs(both[:, :SIZE] - image).max() <= 2
    assert_drawn(both[:, SIZE:], result, 1, image, None)
    page.get_by_label("map over image").check()
    assert_drawn(pixels(drawn), result, 1, image, 0.7)
    assert page.get_by_label("Opacity").is_enabled()


def test_the_choice_of_colors_recolors_from_the_values(page: Page, report: Report) -> None:
    image, first = image_of(page, 0), report.shown[0]
    page.get_by_label("map alone").check()
    choices = page.get_by_label("Colors").locator("option").all_inner_texts()
    assert choices == ["automatic", *OFFERED]
    for name in choices[1:]:
        page.get_by_label("Colors").select_option(name)
        for method in ("saliency", "occlusion"):
            assert_drawn(pixels(canvas(page, 0, method)), first[method], 0, image, None, name)
        bar = pixels(figure(page, 0, "saliency").locator(".bar"))
        ends = [matplotlib.colormaps[name](i, bytes=True)[:3] for i in (0, 255)]
        assert np.abs(bar[0, [0, -1]] - np.array(ends).astype(int)).max() <= 1
    page.get_by_label("Colors").select_option("")
    for method in METHODS:
        assert_drawn(pixels(canvas(page, 0, method)), first[method], 0, image, None)


def test_the_choice_of_class_changes_maps_captions_names_and_the_value_that_is_read(page: Page, report: Report) -> None:
    first, second = report.shown
    drawn, side = canvas(page, 0, "saliency"), box_of(canvas(page, 0, "saliency"))["width"]
    drawn.hover(position={"x": 8.5 * side / SIZE, "y": 18.5 * side / SIZE})
    for name, shown in [("the second class", second), ("the predicted class", first)]:
        page.get_by_label("Explain").select_option(name)
        assert page.locator("#said").inner_text() == f"The maps now explain {name}."
        for sample in range(COUNT):
            for method, result in shown.results.items():
                explained = f"{result.target[sample]} (probability {result.probabilities[sample]:.2f})"
                assert figure(page, sample, method).locator(".explained").inner_text() == explained
                label = canvas(page, sample, method).get_attribute("aria-label") or ""
                assert label.startswith(f"{method} of digit_{sample}.png for {explained}; values ")
        assert_drawn(pixels(drawn), shown["saliency"], 0, image_of(page, 0), 0.7)
        assert_tells(figure(page, 0, "saliency"), shown["saliency"], 0, 18, 8)  # though nothing moved


def test_a_mouse_reads_the_value_under_it_in_every_mode_and_size(page: Page, report: Report) -> None:
    told, drawn = figure(page, 1, "occlusion"), canvas(page, 1, "occlusion")
    for mode in ("map over image", "map alone", "side by side"):
        page.get_by_label(mode).check()
        halves = 2 if mode == "side by side" else 1
        for large in (False, True):
            box = box_of(drawn)
            for half in range(halves):
                for row, column in [(0, 0), (13, 5), (5, 20), (27, 27)]:
                    x = (half * SIZE + column + 0.5) * box["width"] / (halves * SIZE)
                    drawn.hover(position={"x": x, "y": (row + 0.5) * box["height"] / SIZE})
                    assert_tells(told, report.shown[0]["occlusion"], 1, row, column)
            assert told.locator(".spot").is_hidden()  # the pointer shows where
            drawn.click()
            after = box_of(drawn)
            assert (after["width"] < box["width"]) == large
            assert abs(after["width"] / after["height"] - halves) < 0.02
    page.mouse.move(2, 2)
    assert told.locator("output").inner_text().strip() == ""


def test_a_tap_reads_a_value_and_the_button_enlarges(browser: Browser, report: Report) -> None:
    with Visit(browser, report.path, viewport=PHONE, has_touch=True) as visit:
        told, drawn = figure(visit.page, 0, "gradcam"), canvas(visit.page, 0, "gradcam")
        small = box_of(drawn)
        drawn.tap(position={"x": small["width"] * 10.5 / SIZE, "y": small["height"] * 20.5 / SIZE})
        assert_tells(told, report.shown[0]["gradcam"], 0, 20, 10)
        assert told.locator(".spot").is_visible()
        assert box_of(drawn)["width"] == small["width"]
        visit.page.get_by_role("button", name="enlarge gradcam of digit_0.png").tap()
        assert box_of(drawn)["width"] > 1.5 * small["width"]
        visit.page.get_by_role("button", name="shrink gradcam of digit_0.png").tap()
        assert box_of(drawn)["width"] == small["width"]
