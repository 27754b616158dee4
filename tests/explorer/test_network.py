"""What the explorer says of a model's layers is what the library says; the page shows that, by pointer and by keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

import vizcnn as vz
from tests import models
from tests.browser.visit import DESK, PHONE
from tests.explorer.look import Look, ask, explorer
from vizcnn.errors import OptionError
from vizcnn.explorer import Server
from vizcnn.explorer.asked import whole

IMAGE = 4


@pytest.fixture(scope="module")
def cnn() -> vz.ModelAdapter:
    return vz.assets.digits_cnn()


@pytest.fixture(scope="module")
def maps(cnn: vz.ModelAdapter) -> np.ndarray:
    return vz.activations(cnn, vz.assets.digits()[IMAGE], "conv2").values[0]


def shown(value: float) -> str:
    """A number as the page writes it: three digits."""
    return f"{float(f'{value:.3g}'):g}"


# The answers --------------------------------------------------------------------------------------------------------------


def test_maps_are_the_activations_in_either_order(digits: Server, maps: np.ndarray) -> None:
    about, arrays = ask(digits, "api/maps", layer="conv2", image=IMAGE).arrays
    assert (about["kind"], about["channels"], about["shape"]) == ("maps", 32, [14, 14])
    assert (about["low"], about["high"]) == pytest.approx((maps.min(), maps.max()))
    np.testing.assert_allclose(arrays["maps"], maps.transpose(2, 0, 1), rtol=1e-5, atol=1e-6)
    _, arrays = ask(digits, "api/maps", layer="conv2", image=IMAGE, sort="active", start=30).arrays
    assert arrays["numbers"].tolist() == np.argsort(-maps.mean(axis=(0, 1)), kind="stable")[30:].tolist()
    about, arrays = ask(digits, "api/channel", layer="conv2", image=IMAGE, unit=19).arrays
    np.testing.assert_allclose(arrays["maps"][0], maps[..., 19], rtol=1e-5, atol=1e-6)
    means = maps.mean(axis=(0, 1))
    assert (about["mean"], about["rank"]) == (pytest.approx(means[19]), (means > means[19]).sum())


def test_the_channels_that_fire_at_a_place_are_those_with_the_highest_values(digits: Server, maps: np.ndarray) -> None:
    _, arrays = ask(digits, "api/firing", layer="conv2", image=IMAGE).arrays
    for row, column in ((0, 0), (7, 6), (13, 5)):
        best = sorted(range(32), key=lambda channel: -maps[row, column, channel])[:8]
        assert arrays["channels"][row, column].tolist() == best
        np.testing.assert_allclose(arrays["values"][row, column], maps[row, column, best], rtol=1e-5, atol=1e-6)


def test_a_layer_s_facts_are_the_library_s(digits: Server, cnn: vz.ModelAdapter) -> None:
    facts, info = ask(digits, "api/layer", layer="conv3", image=0).facts, cnn.layer("conv3")
    assert (facts["kind"], facts["role"], facts["shape"]) == ("Conv2D", "convolution", [14, 14, 32])
    assert (facts["parameters"], facts["before"], facts["after"]) == (info.num_params, ["conv2"], ["conv4"])
    field = vz.receptive_field(cnn, "conv3")
    assert (tuple(facts["field"]["extent"]), tuple(facts["field"]["stride"])) == (field.extent, field.stride)
    assert [[low, high + 1] for low, high in zip(facts["field"]["low"][0], facts["field"]["high"][0], strict=True)] == (
        field.spans[0].tolist()
    )
    assert facts["kernels_at"] == "conv3"
    assert ask(digits, "api/layer", layer="average").facts["field"] is None


def test_kernels_are_the_weights(digits: Server, cnn: vz.ModelAdapter) -> None:
    weights = vz.filters(cnn, "conv2").values
    about, arrays = ask(digits, "api/kernels", layer="conv2", start=20).arrays
    assert (about["kernels"], arrays["numbers"].tolist()) == (32, list(range(20, 32)))
    np.testing.assert_allclose(arrays["kernels"], weights.mean(axis=2).transpose(2, 0, 1)[20:], rtol=1e-5, atol=1e-7)
    about, arrays = ask(digits, "api/kernel", layer="conv2", unit=3).arrays
    assert about["inputs"] == 16
    np.testing.assert_array_equal(arrays["slices"], weights[:, :, arrays["numbers"], 3].transpose(2, 0, 1))
    assert arrays["numbers"][0] == np.abs(weights[..., 3]).sum(axis=(0, 1)).argmax()


def test_patches_and_health_are_the_library_s(digits: Server, cnn: vz.ModelAdapter) -> None:
    about, arrays = ask(digits, "api/patches", layer="conv2", unit=19).arrays
    found = vz.top_patches(cnn, vz.assets.digits(), "conv2", channels=19)
    assert (about["images"], about["names"]) == (found.images[0].tolist(), list(found.names[0]))
    assert about["values"] == pytest.approx(found.values[0].tolist())
    np.testing.assert_array_equal(arrays["patches"][..., 0], found.patches[0, ..., 0])
    health = ask(digits, "api/health", layer="conv2", unit=19).facts
    assert tuple(health["sentences"]) == vz.diagnose(cnn, vz.assets.digits()).unit_in_words("conv2", 19)
    assert ask(digits, "api/health", layer="average", unit=1).facts["told_at"] is None


def test_kernels_and_health_are_told_of_the_layers_about_it_that_keep_the_channels(nested: Server) -> None:
    assert ask(nested, "api/layer", layer="base/out").facts["kernels_at"] is None  # behind an addition
    assert ask(nested, "api/health", layer="base/add", unit=1).facts["told_at"] == "base/out"
    assert ask(nested, "api/health", layer="base/conv2", unit=1).facts["told_at"] is None  # an addition mixes in others


def test_the_kernels_of_an_activation_are_those_of_the_convolution_before_it() -> None:
    image = keras.Input((8, 8, 1))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(2, 3, name="conv")(image))
    x = keras.layers.ReLU(name="active")(x)
    model = keras.Model(image, keras.layers.Dense(2, name="end")(keras.layers.GlobalAveragePooling2D(name="mean")(x)))
    with explorer("behind", lambda: vz.adapt(model)) as server:
        found = {
            layer: ask(server, "api/layer", layer=layer).facts["kernels_at"] for layer in ("active", "conv", "mean")
        }
    assert found == {"active": "conv", "conv": "conv", "mean": None}


def test_the_diagram_is_the_architecture_s(digits: Server, cnn: vz.ModelAdapter) -> None:
    laid_out = ask(digits, "api/diagram", width=6).facts
    assert laid_out["boxes"] == vz.architecture(cnn).layout(width=6)["boxes"]


def test_links_that_ask_for_what_is_not_there_are_refused_in_a_sentence(digits: Server) -> None:
    for path, parameters, text in (
        ("layer", {"layer": "conv9"}, "Did you mean"),
        ("layer", {}, "The link names no layer."),
        ("maps", {"layer": "conv2"}, "No image was given"),
        (
            "channel",
            {"layer": "conv2", "image": 0, "unit": 32},
            "`unit` must be a whole number from 0 to 31; got '32'.",
        ),
        ("maps", {"layer": "conv2", "image": 0, "start": "-1"}, "`start` must be"),
        ("patches", {"layer": "conv2", "unit": 32}, "32 channels"),
        ("firing", {"layer": "average", "image": 0}, "no map of rows and columns"),
    ):
        answer = ask(digits, f"api/{path}", **parameters)
        assert (answer.status, text in answer.facts["error"]) == (422, True), answer.body


@pytest.mark.parametrize("text", ["1.5", "x", "9" * 5000, "٣", "-1", "11"])
def test_a_number_in_a_link_is_a_whole_one_in_its_range(text: str) -> None:
    with pytest.raises(OptionError, match="`n` must be a whole number from 0 to 10"):
        whole({"n": text}, "n", 0, 0, 10)
    assert (whole({"n": "10"}, "n", 0, 0, 10), whole({}, "n", 3, 0, 10)) == (10, 3)


def test_what_is_shown_can_be_kept(digits: Server, maps: np.ndarray, tmp_path: Path) -> None:
    answer = ask(digits, "api/export/network/maps.npz", layer="conv2", image=IMAGE)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="conv2.maps.npz"'
    (tmp_path / "maps.npz").write_bytes(answer.body)
    np.testing.assert_allclose(vz.load_result(tmp_path / "maps.npz").values[0], maps, rtol=1e-5, atol=1e-6)
    assert ask(digits, "api/export/network/diagram.svg").body.startswith(b"<?xml")
    for name, parameters in (("kernels.png", {}), ("patches.png", {"unit": 19})):
        assert ask(digits, f"api/export/network/{name}", layer="conv2", **parameters).body.startswith(b"\x89PNG")
    assert ask(digits, "api/export/network/weights.png").status == 404


# The page -----------------------------------------------------------------------------------------------------------------


def test_pointing_at_a_map_tells_its_value_and_what_its_cell_sees(look: Look, cnn: vz.ModelAdapter, maps: Any) -> None:
    look.go(f"#/layer/conv2?image={IMAGE}")
    canvas = look.page.get_by_role("link", name="channel 19, ").locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    canvas.hover(position={"x": box["width"] * 6.5 / 14, "y": box["height"] * 7.5 / 14})
    reading = look.page.locator(".reading")
    expect(reading).to_have_text(f"channel 19, row 7, column 6: {shown(maps[7, 6, 19])}")
    (top, bottom), (left, right) = vz.receptive_field(cnn, "conv2").box(7, 6)
    assert drawn(look.page) == [left, top, right - left, bottom - top]


def test_pointing_at_the_image_tells_which_channels_fire_there(look: Look, cnn: vz.ModelAdapter, maps: Any) -> None:
    look.go(f"#/layer/conv2?image={IMAGE}")
    place = look.page.get_by_role("application", name="Which channels fire")
    place.focus()
    place.press("ArrowLeft")  # from pixel (14, 14) to (14, 12): in the middle of what cells (7, 6) and (7, 5) see
    row, column = (
        int(np.abs(centers - at).argmin()) for centers, at in zip(cnn.reach("conv2").centers, (14, 12), strict=True)
    )
    best = np.argsort(-maps[row, column], kind="stable")[:8]
    lines = [f"channel {channel}: {shown(maps[row, column, channel])}" for channel in best]
    expect(look.page.locator(".firing li")).to_have_text(lines)
    (top, bottom), (left, right) = vz.receptive_field(cnn, "conv2").box(row, column)
    assert drawn(look.page) == [left, top, right - left, bottom - top]


def test_a_channel_s_map_is_read_by_keys_and_its_neighbors_are_reached_by_keys(look: Look, maps: Any) -> None:
    look.go(f"#/layer/conv2/unit/19?image={IMAGE}")
    canvas = look.page.get_by_role("application", name="Map for channel 19")
    canvas.focus()
    canvas.press("ArrowUp")
    expect(look.page.locator(".reading")).to_have_text(f"{maps[6, 7, 19]:#.3g} at row 6, column 7")
    look.page.keyboard.press("k")
    expect(look.page.locator("figcaption").first).to_contain_text(f"digit_{IMAGE - 1}.png")
    look.page.keyboard.press("j")
    look.page.keyboard.press("n")
    expect(look.page.get_by_role("heading", level=2)).to_have_text("conv2, channel 20 of 32")
    look.page.keyboard.press("p")
    expect(look.page.get_by_role("heading", level=2)).to_have_text("conv2, channel 19 of 32")
    look.page.go_back()
    expect(look.page.get_by_role("heading", level=2)).to_have_text("conv2, channel 20 of 32")


def test_a_layer_is_found_by_its_name(look: Look) -> None:
    look.go("#/layers")
    look.page.keyboard.press("f")
    look.page.keyboard.type("dens")
    expect(look.page.locator("#found-layers a")).to_have_text(["preds"])
    look.page.keyboard.press("Enter")
    expect(look.page.get_by_role("heading", level=2)).to_have_text("preds")
    expect(look.page.locator(".units tr")).to_have_count(10)


def test_a_window_that_widens_shows_the_diagram_again(look: Look) -> None:
    look.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    look.go("#/layer/conv2")
    expect(look.page.locator(".diagram")).to_be_hidden()
    look.page.set_viewport_size(DESK)  # type: ignore[arg-type]
    expect(look.page.locator(".diagram")).to_be_visible()


def test_boxes_of_the_diagram_are_walked_by_keys_and_open_their_layers(look: Look) -> None:
    look.go("#/layer/conv2")
    expect(look.page.locator(".diagram a[aria-current]")).to_have_attribute("href", "#/layer/conv2?image=0")
    look.page.locator(".diagram a[tabindex='0']").focus()
    look.page.keyboard.press("ArrowRight")
    look.page.keyboard.press("Enter")
    expect(look.page.get_by_role("heading", level=2)).to_have_text("conv3")
    assert look.page.evaluate("document.activeElement.getAttribute('aria-current')") == "page"  # the focus has stayed


def test_what_a_channel_prefers_is_made_in_the_background_and_can_be_stopped(browser: Browser, digits: Server) -> None:
    with Look(browser, digits, "#/layer/conv1/unit/2?image=0") as look:
        part = look.page.locator("section", has_text="The input it prefers")
        part.get_by_role("button", name="Stop").click()
        expect(part).to_contain_text("Stopped.")
        look.go("#/layer/conv1/unit/3?image=0")  # and stays so
        part.get_by_role("button", name="Make it").click()
        expect(part.get_by_role("img", name="The input it prefers")).to_be_visible(timeout=60_000)
        expect(part).to_contain_text("which sees this much, rose from")


def test_layers_of_a_nested_model_stand_behind_their_links(browser: Browser, nested: Server) -> None:
    with Look(browser, nested, "#/layer/base%2Fconv1/unit/2?image=1") as look:
        expect(look.page.get_by_role("heading", level=2)).to_have_text("base/conv1, channel 2 of 4")
        look.go("#/layer/base%2Fadd/unit/1")
        health = look.page.locator("section", has_text="Its health")
        expect(health).to_contain_text("at base/out.")
        health.get_by_role("link").click()
        expect(look.page.get_by_role("heading", level=2)).to_have_text("base/out, channel 1 of 4")
        look.go("#/layer/base/conv1")  # as some programs write it
        expect(look.page.get_by_role("heading", level=2)).to_have_text("base/conv1")


def test_calls_of_a_shared_layer_have_pages_of_their_own(browser: Browser) -> None:
    image = keras.Input((8, 8, 3), name="image")
    conv = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="conv")
    keras.utils.set_random_seed(0)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(conv(conv(image)))))
    adapter, picture = vz.adapt(model), models.images(1, (8, 8, 3))
    with explorer("shared", lambda: adapter, list(picture)) as server, Look(browser, server, "#/layers") as look:
        look.page.locator(".diagram a").nth(1).click()
        expect(look.page.get_by_role("heading", level=2)).to_have_text("conv[1]")
        assert look.page.evaluate("location.hash") == "#/layer/conv%5B1%5D?image=0"
        _, arrays = ask(server, "api/maps", layer="conv[1]", image=0).arrays
        inputs = adapter.load_images(picture).inputs(slice(0, 1))
        expected = adapter.activations(inputs, ["conv[1]"])["conv[1]"]
        np.testing.assert_allclose(arrays["maps"], expected[0].transpose(2, 0, 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("open_model", "link", "text"),
    [
        (lambda: vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2)), "#/layers", "can't be seen"),
        (lambda: vz.adapt(models.subclassed().model), "#/layers", "show it an image first"),
        pytest.param(vz.assets.digits_cnn, "#/layer/conv1", "No image was given", marks=pytest.mark.slow),
        (vz.assets.digits_cnn, "#/layer/conv1/unit/3", "a folder of images"),
    ],
    ids=["a black box", "not built yet", "no images", "no images for a channel"],
)
def test_what_cannot_be_shown_is_said_plainly(browser: Browser, open_model: Any, link: str, text: str) -> None:
    with explorer("model", open_model) as server, Look(browser, server, link) as look:
        expect(look.page.locator("main")).to_contain_text(text)


@pytest.mark.slow
def test_a_signal_s_layers_are_shown_as_strips(browser: Browser) -> None:
    signal = keras.Input((32, 2), name="signal")
    conv = keras.layers.Conv1D(3, 5, strides=2, activation="relu", name="conv")
    model = keras.Model(signal, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(conv(signal))))
    given = list(models.images(1, (32, 2)))
    with explorer("signal", lambda: vz.adapt(model), given) as server, Look(browser, server, "#/layer/conv") as look:
        expect(look.page.locator(".tiles.strips li")).to_have_count(3)
        look.page.locator(".tiles.strips canvas").nth(1).hover()
        assert drawn(look.page)[1::2] == [0, 2]  # over both channels of the signal
        look.go("#/layer/conv/unit/1")
        expect(look.page.locator("main")).to_contain_text("This model isn't of the kind")


@pytest.mark.parametrize(
    ("theme", "size"),
    [pytest.param("light", DESK, marks=pytest.mark.slow), ("dark", PHONE)],
    ids=["desk", "phone"],
)
def test_the_views_are_sound(browser: Browser, digits: Server, pictures: Any, theme: Any, size: Any) -> None:
    views = {
        "layers": "#/layers",
        "layer": f"#/layer/conv2?image={IMAGE}",
        "channel": f"#/layer/conv2/unit/19?image={IMAGE}",
    }
    with Look(browser, digits, viewport=size, color_scheme=theme) as look:
        for name, link in views.items():
            look.go(link)
            if name == "channel":
                expect(look.page.locator(".patches canvas")).to_have_count(9)
            look.assert_sound()
            look.page.screenshot(path=pictures / f"network_{name}_{theme}.png", full_page=True)


def drawn(page: Page) -> list[int]:
    """What is framed on the image: left, top, width, height in its pixels."""
    frame = page.locator(".over rect").last
    return [int(frame.get_attribute(name) or -1) for name in ("x", "y", "width", "height")]
