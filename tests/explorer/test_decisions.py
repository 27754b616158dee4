"""Why the model decides as it does: what the page shows of an image is what Python says of it."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

import vizcnn as vz
from tests.browser.visit import DESK
from tests.explorer.look import Look, ask, explorer
from vizcnn.explorer import Server
from vizcnn.inputs import Geometry

PHONE = {"width": 390, "height": 800}


def arrays(body: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what `vizcnn.explorer.answers.arrays` wrote."""
    length = int.from_bytes(body[:4], "little")
    about, content = json.loads(body[4 : 4 + length]), body[4 + length :]
    found = {}
    for one in about["arrays"]:
        count = int(np.prod(one["shape"]))
        found[one["name"]] = np.frombuffer(content, one["dtype"], count, one["start"]).reshape(one["shape"])
    return about, found


# What is answered ------------------------------------------------------------------------------------------------


def test_classes_are_what_the_model_says(digits: Server) -> None:
    model = vz.assets.digits_cnn()
    inputs = model.load_images(vz.assets.digits()[3]).inputs(slice(None))
    said = ask(digits, "api/classes", image=3, target="3 minus 8").facts
    assert said["outputs"][0]["values"] == pytest.approx(model.outputs(inputs)[0][0].tolist(), rel=1e-5)
    assert said["outputs"][0]["predicted"] == 3
    assert said["score"]["value"] == pytest.approx(model.scores(inputs, vz.targets.Contrast(3, 8))[0], rel=1e-5)


@pytest.mark.parametrize(
    ("method", "layer", "target", "asked"),
    [
        ("gradcam", "", "", None),
        ("gradcam", "conv3", "8", 8),
        ("saliency:rule=guided", "conv3", "3 minus 8", vz.targets.Contrast(3, 8)),  # which looks at no layer
        ("gradcam", "", "channel:conv5:40", vz.targets.Channel("conv5", 40)),
    ],
)
def test_map_is_python_s(digits: Server, method: str, layer: str, target: str, asked: Any) -> None:
    about, found = arrays(ask(digits, "api/map", image=3, method=method, layer=layer, target=target).body)
    name, _, option = method.partition(":")
    options = {"rule": "guided"} if option else {"layer": layer} if layer else {}
    result = getattr(vz, name)(vz.assets.digits_cnn(), vz.assets.digits()[3], asked, **options)
    np.testing.assert_allclose(found["values"], result.values[0], rtol=1e-4, atol=1e-6)
    assert (about["layer"], about["target"], about["signed"]) == (result.layer, result.target[0], result.signed)


def test_map_lies_on_an_image_of_another_size() -> None:
    def model() -> Any:
        return vz.adapt(lambda inputs: inputs.mean(axis=(1, 2)), input_shape=(6, 6, 3), preprocess="0..1")

    image = np.random.default_rng(0).integers(0, 255, (8, 12, 3)).astype(np.uint8)
    with explorer("wide", model, [image]) as server:
        _, found = arrays(ask(server, "api/map", image=0, method="occlusion:patch_size=2").body)
    result = vz.occlusion(model(), image, patch_size=2)
    np.testing.assert_allclose(found["values"], result.on_picture(0), rtol=1e-4, atol=1e-5)
    assert Geometry.whole((8, 12), (6, 6)).on_picture(result.map(0)).shape == found["values"].shape


def test_trust_is_python_s(digits: Server) -> None:
    ((name, told),) = ask(digits, "api/trust", image=3, method="saliency").facts["trust"]
    explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", trust=True)
    (trust,) = explained["saliency"].trust
    assert (name, told["label"], told["sentence"]) == ("saliency", trust.label, trust.sentence)
    assert told["rows"][0][2][0]["text"] == f"{trust.faithfulness['mean'].value:.2f}"


def test_kept_curve_is_the_insertion_metric_s(digits: Server) -> None:
    about, found = arrays(ask(digits, "api/kept", image=3, method="saliency", on="mean").body)
    explained = vz.explain(
        vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", metrics="insertion:baseline=mean"
    )
    result = explained["saliency"]
    np.testing.assert_allclose(about["curve"], result.extras["insertion:baseline=mean curve"][0], atol=1e-5)
    assert found["ranks"].ravel()[result.values[0].argmax()] == 0
    assert sorted(found["ranks"].ravel().tolist()) == list(range(28 * 28))


def test_painting_is_what_the_model_is_shown(digits: Server) -> None:
    model = vz.assets.digits_cnn()
    inputs = model.load_images(vz.assets.digits()[3]).inputs(slice(None))
    painting = np.zeros((28, 28), np.uint8)
    painting[4:16] = 1
    painted = inputs.copy()
    painted[0, 4:16] = inputs.mean()
    said = ask(digits, "api/painted", painting.tobytes(), image=3).facts
    assert said["outputs"][0]["values"] == pytest.approx(model.outputs(painted)[0][0].tolist(), abs=1e-5)
    nothing = ask(digits, "api/painted", bytes(28 * 28), image=3).facts
    assert nothing["outputs"] == ask(digits, "api/classes", image=3).facts["outputs"]


def test_a_painted_picture_is_an_image_like_others(digits: Server) -> None:
    model, painting = vz.assets.digits_cnn(), np.zeros((28, 28), np.uint8)
    painting[4:16] = 1
    kept = ask(digits, "api/images/painted", painting.tobytes(), image=3).facts
    assert kept["name"] == "digit_3, painted.png"
    exported = ask(digits, "api/export/map.png", image=kept["image"], method="saliency", target=3).headers
    assert exported["Content-Disposition"] == 'attachment; filename="digit_3_ painted.saliency.png"'
    said = ask(digits, "api/painted", painting.tobytes(), image=3).facts
    assert ask(digits, "api/classes", image=kept["image"]).facts["outputs"] == said["outputs"]
    pixels = np.array(Image.open(vz.assets.digits()[3]), np.float32)[..., None]
    pixels[4:16] = pixels.mean()
    _, found = ask(digits, "api/map", image=kept["image"], method="saliency", target=3).arrays
    np.testing.assert_allclose(found["values"], vz.saliency(model, pixels[None], 3).values[0], rtol=1e-4, atol=1e-6)
    assert ask(digits, "api/map", image=3, target=f"like:{kept['image']};layer=average").status == 200


def test_what_was_cut_off_an_image_is_not_cut_off_a_painted_one_again() -> None:
    def model() -> Any:
        function = lambda inputs: inputs.mean(axis=(1, 2))  # noqa: E731
        return vz.adapt(function, input_shape=(8, 8, 3), preprocess="crop 16, / 255")

    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    painting = np.zeros((8, 8), np.uint8)
    painting[:4, :4], painting[6:, 6:] = 1, 3
    with explorer("cut", model, [image]) as server:
        key = ask(server, "api/images/painted", painting.tobytes(), image=0).facts["image"]
        said = ask(server, "api/painted", painting.tobytes(), image=0).facts["outputs"]
        assert (
            ask(server, "api/classes", image=key).facts["outputs"]
            == said
            != ask(server, "api/classes").facts["outputs"]
        )
        shown = [ask(server, "api/picture", image=one).arrays[1]["pixels"] for one in (key, 0)]
    assert [picture.shape for picture in shown] == [(8, 8, 3), (20, 30, 3)]


@pytest.mark.parametrize(
    ("path", "parameters", "error"),
    [
        ("map", {"target": "wolf"}, "label"),
        ("map", {"method": "gradcam:nothing=1"}, "no option"),
        ("map", {"method": "occlusion:baseline=/etc/passwd.png"}, "no file"),
        ("map", {"method": "occlusion:baseline=['a.png','b.png']"}, "can't be asked for here"),
        ("map", {"target": "like:/etc/passwd"}, "There is no image"),
        ("map", {"target": "box:1,2,3,4;anchors=/etc/passwd"}, "can't be named here"),
        ("map", {"layer": "../conv5"}, "layer"),
        ("map", {"image": "../../etc/passwd"}, "There is no image"),
        ("kept", {"on": "lava"}, "must be one of blur, mean"),
        ("images", {"start": "-1"}, "whole number"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(
    digits: Server, path: str, parameters: dict[str, str], error: str
) -> None:
    answer = ask(digits, f"api/{path}", **{"image": "3", **parameters})
    assert answer.status == 422
    assert error in answer.facts["error"]


def test_painting_of_another_size_is_refused(digits: Server) -> None:
    answer = ask(digits, "api/painted", bytes(5), image=3)
    assert (answer.status, answer.facts["error"]) == (422, "A painting has a byte for each pixel, 784 of them; got 5.")


def test_methods_tell_their_cost_and_why_others_cannot_answer(digits: Server) -> None:
    facts = ask(digits, "api/facts").facts
    costs = {method["name"]: method["cost"] for method in facts["methods"]}
    assert costs["rise"] == {"runs": 1000, "gradients": 0, "text": "1,000 runs"}
    assert {one["name"]: one["missing"] for one in facts["others"]}["legrad"].startswith("needs attention")


# What is shown ---------------------------------------------------------------------------------------------------


def test_a_class_that_is_chosen_is_explained_and_two_are_compared(look: Look) -> None:
    page = look.page
    look.go("#/image?image=3")
    expect(page.locator(".explained-line")).to_have_text("Why 3 (probability 1.00)?")
    page.get_by_role("button", name="8", exact=True).click()
    expect(page.locator(".explained-line")).to_contain_text("Why 8")
    page.get_by_role("button", name="Why not 3?", exact=True).click()
    expect(page.locator(".explained-line")).to_have_text("Why 8 rather than 3? The model says 3. The other way round")
    page.go_back()
    expect(page.locator(".explained-line")).to_contain_text("Why 8 (")
    page.keyboard.press("1")
    expect(page.locator(".explained-line")).to_contain_text("Why 3")
    page.get_by_role("button", name="5", exact=True).click(modifiers=["Shift"])
    page.get_by_role("button", name="8", exact=True).click(modifiers=["Shift"])
    expect(page.locator(".explained-line")).to_contain_text("Why 5 rather than 8?")
    page.get_by_role("button", name="vs 3").click()
    expect(page.locator(".explained-line")).to_contain_text("Why 5 rather than 3?")
    assert "target=5+minus+3" in page.url


def test_a_map_tells_its_values_to_the_arrow_keys(look: Look) -> None:
    look.go("#/image?image=3")
    values = vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[3]).values[0]
    look.page.locator(".main-map .stage canvas").focus()
    look.page.keyboard.press("ArrowUp")
    said = look.page.locator(".main-map .map output").inner_text()
    assert said.endswith("at row 13, column 14")
    assert float(said.split()[0]) == pytest.approx(values[13, 14], rel=5e-3)


def test_j_and_k_walk_through_the_folder(look: Look) -> None:
    look.go("#/image?image=3")
    for key, place in (("j", "5 of 10"), ("j", "6 of 10"), ("k", "5 of 10")):
        look.page.keyboard.press(key)
        expect(look.page.locator(".place")).to_have_text(place)
    expect(look.page.locator(".side figcaption b")).to_have_text("digit_4.png")


def test_an_image_can_be_chosen(look: Look) -> None:
    look.go("#/image?image=3")
    look.page.locator("#file").set_input_files(str(vz.assets.digits()[7]))
    expect(look.page.locator(".side figcaption b")).to_have_text("digit_7.png")
    expect(look.page.locator(".place")).to_have_text("1 of 11")
    assert re.search("image=u[0-9a-f]+", look.page.url)


GIVE = """([kind, name, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name));
  const event = kind === "drop" ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
  return event.defaultPrevented;
}"""
"""Drops or pastes a file; says whether the page took it, or leaves it to the browser, which would open it."""


def test_an_image_can_be_dropped_and_pasted_and_what_is_none_is_refused(browser: Browser, digits: Server) -> None:
    eight, seven = (list(vz.assets.digits()[number].read_bytes()) for number in (8, 7))
    with Look(browser, digits, "#/layers", allowed="422") as look:
        assert look.page.evaluate(GIVE, ["drop", "my eight.png", eight])  # whatever view is open
        expect(look.page.locator(".network")).to_be_visible()
        expect(look.page).to_have_url(re.compile("#/layers.image=u"))
        look.page.get_by_role("link", name="Image", exact=True).click()
        look.settle()
        dropped = look.page.url
        expect(look.page.locator(".explained-line")).to_contain_text("Why 8")
        look.page.evaluate(GIVE, ["paste", "image.png", seven])
        expect(look.page).not_to_have_url(dropped)
        look.settle()
        expect(look.page.locator(".explained-line")).to_contain_text("Why 7")
        assert look.page.evaluate(GIVE, ["drop", "words.png", list(b"no picture")])
        expect(look.page.locator(".decision > .wrong")).to_contain_text("words.png")
        expect(look.page.locator(".explained-line")).to_contain_text("Why 7")


def test_the_keys_are_told(look: Look) -> None:
    look.go("#/image?image=3")
    look.page.keyboard.press("?")
    expect(look.page.get_by_role("dialog", name="Keys")).to_be_visible()
    look.page.keyboard.press("j")  # is not meant for the page now
    look.page.keyboard.press("Escape")
    expect(look.page.get_by_role("dialog")).to_be_hidden()
    expect(look.page.locator(".place")).to_have_text("4 of 10")
    look.page.get_by_role("button", name="Keys").click()
    look.assert_sound()


def test_paint_moves_what_the_model_says(look: Look) -> None:
    page = look.page
    look.go("#/image/paint?image=3&target=3")
    expect(page.locator(".score-line")).to_have_text(re.compile("^0 % painted over"))
    box = page.locator(".painting canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=4)
    page.mouse.up()
    expect(page.locator(".score-line")).not_to_have_text(re.compile("^0 %"))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".score-line")).to_have_text(re.compile("^0 % painted over"))
    expect(page.get_by_role("button", name="Explain this picture")).to_be_disabled()
    page.locator(".painting canvas").focus()
    page.keyboard.press("Space")
    expect(page.locator(".score-line")).not_to_have_text(re.compile("^0 %"))
    page.get_by_role("button", name="Explain this picture").click()
    expect(page.locator(".side figcaption b")).to_have_text("digit_3, painted.png")
    expect(page.locator(".explained-line")).to_contain_text("Why 3")
    expect(page.locator(".place")).to_have_text(re.compile("^1 of"))
    page.go_back()
    expect(page.locator(".score-line")).to_be_visible()


def test_the_brush_goes_on_after_an_image_that_was_only_passed(look: Look) -> None:
    page, line = look.page, look.page.locator(".score-line")
    page.route("**/api/brushes?image=4", lambda _: None)  # which never comes
    page.evaluate("location.hash = '#/image/paint?image=4'")
    for name in ("Undo", "Clear", "Explain this picture"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    look.go("#/image/paint?image=3")
    for key, place in (("j", "5 of 10"), ("k", "4 of 10")):
        page.keyboard.press(key)
        expect(page.locator(".place")).to_have_text(place)
    page.locator(".painting canvas").focus()
    page.keyboard.press("Space")
    expect(line).not_to_have_text(re.compile("^0 %"))
    page.get_by_role("button", name="Clear").click()
    expect(line).to_have_text(re.compile("^0 %"))


COUNT_LISTENERS = """() => {
  const add = window.addEventListener;
  window.added = 0;
  window.addEventListener = (kind, listener, options) => {
    if (!options?.signal) window.added += 1;
    add.call(window, kind, listener, options);
  };
}"""
"""Counts those that stay when the view is left."""


def test_a_view_that_is_come_back_to_listens_to_the_keys_once(look: Look) -> None:
    look.go("#/layers")
    look.page.evaluate(COUNT_LISTENERS)
    for view in ("#/image", "#/layers", "#/image"):
        look.go(view)
    assert look.page.evaluate("window.added") == 0


def test_the_slider_walks_along_the_curve(look: Look) -> None:
    look.go("#/image/keep?image=3&method=saliency")
    curve = arrays(ask(look.server, "api/kept", image=3, method="saliency", on="blur").body)[0]["curve"]
    look.page.locator("#kept").fill("100")
    expect(look.page.locator(".score-line")).to_contain_text("with 100 % kept")
    shown = look.page.locator(".score-line").inner_text()
    assert float(re.findall(r"is ([\d.]+) with", shown)[0]) == pytest.approx(curve[-1], abs=1e-4)


def test_compared_maps_share_their_scale_where_that_is_asked_for(look: Look) -> None:
    look.go("#/image/compare?image=3&methods=gradcam|saliency&targets=3|8&scale=row")
    ends = look.page.locator(".grid .high").all_inner_texts()
    assert len(ends) == 4
    assert look.page.locator(".grid thead th").all_inner_texts() == ["3", "8"]
    assert ends[0] == ends[1] != ends[2] == ends[3]
    look.page.get_by_role("button", name="enlarge all maps").click()
    moved = look.page.locator(".grid .moved").evaluate_all("all => all.map(one => one.style.transform)")
    assert len(set(moved)) == 1
    assert "scale(1.5)" in moved[0]


def test_methods_are_chosen_with_their_options(look: Look) -> None:
    look.go("#/image?image=3&method=saliency")
    look.page.locator(".method .picker", has_text="Options").locator("summary").click()
    look.page.get_by_label("rule").select_option("guided")
    look.page.get_by_role("button", name="Apply").click()
    expect(look.page.locator(".method summary b").first).to_have_text("saliency:rule=guided")
    look.page.locator(".method summary").first.click()
    look.page.locator("[data-method=gradcam]").click()
    expect(look.page.locator(".method summary b").first).to_have_text("gradcam")
    expect(look.page.locator(".meaning")).to_have_text(vz.plugins.registry.get("gradcam").interpretation)


@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), pytest.param("dark", PHONE, marks=pytest.mark.slow)])
def test_nothing_sticks_out_and_everybody_can_read_it(browser: Browser, digits: Server, scheme: Any, size: Any) -> None:
    with Look(browser, digits, viewport=size, color_scheme=scheme) as look:
        for part in ("", "/compare", "/paint", "/keep"):
            look.go(f"#/image{part}?image=3&method=saliency")
            look.assert_sound()


def test_signals_have_their_picture_and_black_boxes_their_methods(browser: Browser) -> None:
    def box() -> Any:
        return vz.adapt(
            lambda inputs: np.stack([inputs[:, :8].mean(axis=(1, 2)), inputs[:, 8:].mean(axis=(1, 2))], axis=1),
            input_shape=(16, 2),
            labels=["<b>first</b>", "last"],
        )

    signal = np.random.default_rng(0).random((16, 2)).astype(np.float32)
    with explorer("a signal", box, [signal]) as server, Look(browser, server) as look:
        expect(look.page.get_by_role("button", name="<b>first</b>", exact=True)).to_be_visible()
        expect(look.page.locator(".drawn img")).to_be_visible()
        assert look.page.locator(".parts a").all_inner_texts() == ["Why", "Compare"]
        assert look.page.locator(".drawn img").evaluate("image => image.naturalWidth") > 100
        look.go("#/image/compare?image=0&methods=occlusion|rise:num_samples=20&targets=0|1")
        expect(look.page.locator(".grid .drawn img")).to_have_count(4)
        assert look.page.locator(".grid thead th").all_inner_texts() == ["<b>first</b>", "last"]


def test_without_images_the_page_asks_for_one(browser: Browser) -> None:
    with explorer("digits", vz.assets.digits_cnn) as server, Look(browser, server) as look:
        expect(look.page.locator(".nothing")).to_be_visible()
        look.page.locator("#file").set_input_files(str(vz.assets.digits()[7]))
        expect(look.page.locator(".explained-line")).to_contain_text("Why 7")


def test_the_strip_of_ten_thousand_images_loads_those_that_are_seen(browser: Browser) -> None:
    image = vz.assets.digits()[3]
    with explorer("digits", vz.assets.digits_cnn, [image] * 10_000) as server, Look(browser, server) as look:
        look.go("#/image?image=7000")
        expect(look.page.locator(".place")).to_have_text("7,001 of 10,000")
        expect(look.page.locator("a.small[aria-current] img")).to_be_in_viewport()
        assert look.page.locator("a.small").count() < 60
        assert len([url for url in look.asked if "api/small" in url]) < 120


def test_what_would_take_hours_is_told_before_and_what_never_ends_is_refused(browser: Browser, digits: Server) -> None:
    refused = ask(digits, "api/map", image=3, method="rise:num_samples=1000000000")
    assert refused.status == 422
    assert "would take 1,000,000,000 runs of the model; here a map may take up to 1,000,000" in refused.facts["error"]
    assert ask(digits, "api/cost", image=3, method="rise:num_samples=700").facts["cost"]["runs"] == 700
    slow = {"run": 1.0, "gradient": 3.0}
    look = Look(browser, digits, "#/image?image=3&method=rise:num_samples=100", allowed="422")
    asked = {"error": "It is asked for."}  # which is as cheap as a test should be
    look.page.route("**/api/map*", lambda route: route.fulfill(status=422, json=asked))
    look.page.route("**/api/speed*", lambda route: route.fulfill(json=slow))
    with look:
        expect(look.page.get_by_text("rise takes 100 runs of the model here, about 2 min.")).to_be_visible()
        expect(look.page.locator(".main-map canvas").first).to_be_hidden()
        look.page.get_by_role("button", name="Make it").click()
        expect(look.page.get_by_text("It is asked for.")).to_be_visible()
        look.go("#/image/keep?image=3&method=saliency")
        picture, offer = look.page.locator(".painting"), look.page.get_by_role("button", name="Make it")
        expect(picture).to_be_visible()
        look.go("#/image/keep?image=3&method=rise:num_samples=99")  # neither stays under the name of the other
        expect(offer).to_be_visible()
        expect(picture).to_be_hidden()
        look.go("#/image/keep?image=3&method=saliency")
        expect(picture).to_be_visible()
        expect(offer).to_be_hidden()


def test_a_region_of_the_map_is_drawn_on_the_image(browser: Browser) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(2, 3, padding="same", activation="softmax")])
    with (
        explorer("map", lambda: vz.adapt(model, preprocess="crop"), [np.ones((8, 16, 1))]) as server,
        Look(browser, server, "#/image?method=saliency") as look,
    ):
        look.page.get_by_text("Another class, a channel").click()
        canvas = look.page.locator(".side canvas").first
        box = canvas.bounding_box()
        assert box is not None
        cell, left = box["width"] / 16, box["x"] + box["width"] / 4  # the model sees the middle of it
        look.page.mouse.move(left + 1.5 * cell, box["y"] + 2.5 * cell)
        look.page.mouse.down()
        look.page.mouse.move(left + 4.5 * cell, box["y"] + 6.5 * cell)
        look.page.mouse.up()
        frame = look.page.locator(".region").bounding_box()
        assert frame == pytest.approx(
            {"x": left + cell, "y": box["y"] + 2 * cell, "width": 4 * cell, "height": 5 * cell}, abs=3
        )
        form = look.page.locator("form", has=look.page.get_by_text("a region of the model's map"))
        assert form.locator("input[type=number]").evaluate_all("all => all.map(one => one.value)") == [
            "2",
            "1",
            "7",
            "5",
        ]
        form.get_by_role("button", name="Explain").click()
        look.settle()
        assert look.page.evaluate("decodeURIComponent(location.hash)").endswith("target=region:2,1,7,5")
        form.get_by_label("top").fill("")
        form.get_by_role("button", name="Explain").click()
        expect(look.page.get_by_text("A region has four edges: give all of them, or none.")).to_be_visible()


def test_an_array_is_taken_as_an_image_too(digits: Server) -> None:
    file = io.BytesIO()
    np.save(file, np.zeros((28, 28), np.uint8))
    image = ask(digits, "api/images", file.getvalue(), name="scan.npy").facts["image"]
    about, arrays = ask(digits, "api/picture", image=image).arrays
    assert (about["name"], arrays["pixels"].shape) == ("scan.npy", (28, 28, 3))
