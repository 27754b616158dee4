"""A model that becomes another one while it is looked at: it trains on, or its layers are made as it sees its first image."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

import vizcnn as vz
from tests.explorer.look import Look, ask, explorer
from vizcnn.adapter.keras.adapter import KerasAdapter
from vizcnn.explorer import Server
from vizcnn.explorer.studio import Origin, Studio


def small(*first: Any) -> Any:
    layers, positive = keras.layers, keras.initializers.RandomUniform(0.1, 0.5, seed=0)  # no channel is dead
    conv = layers.Conv2D(3, 3, name="conv", activation="relu", kernel_initializer=positive)
    return keras.Sequential([*first, conv, layers.GlobalAveragePooling2D()])


@pytest.fixture(scope="module")
def model() -> Any:
    return small(keras.Input((8, 8, 1)))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((5, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def server(model: Any, images: np.ndarray) -> Iterator[Server]:
    with explorer("small", lambda: vz.adapt(model), list(images)) as server:
        yield server


def shift(model: Any) -> None:
    """Change all weights, as a step of training does."""
    model.set_weights([weights + 0.5 for weights in model.get_weights()])


def test_weights_that_change_are_seen_by_every_question(server: Server, model: Any, images: np.ndarray) -> None:
    adapter = vz.adapt(model)

    def asked() -> dict[str, np.ndarray]:
        said = ask(server, "api/classes", image=0).facts["outputs"][0]["values"]
        layer = {"image": 0, "layer": "conv", "unit": 1}
        return {
            "classes": np.array(said),
            "map": ask(server, "api/map", image=0, method="saliency", target=1).arrays[1]["values"],
            "channel": ask(server, "api/channel", **layer).arrays[1]["maps"][0],
            "kernel": ask(server, "api/kernel", **layer).arrays[1]["slices"][0],
            "patches": np.array(ask(server, "api/patches", **layer).arrays[0]["values"][:5]),
        }

    def by_python() -> dict[str, np.ndarray]:
        return {
            "classes": adapter.outputs(images[:1])[0][0],
            "map": vz.saliency(adapter, images[:1], 1).values[0],
            "channel": adapter.activations(images[:1], ["conv"])["conv"][0, ..., 1],
            "kernel": adapter.kernels("conv")[..., 0, 1],
            "patches": vz.top_patches(adapter, images, "conv", channels=1, num_patches=5).values[0],
        }

    seen = []
    for _ in range(2):
        seen.append(asked())
        for name, expected in by_python().items():
            np.testing.assert_allclose(seen[-1][name], expected, rtol=1e-4, atol=1e-5, err_msg=name)
        shift(model)
    for name, before in seen[0].items():
        assert not np.allclose(before, seen[1][name]), name


def test_answers_are_kept_as_long_as_the_weights_are(server: Server, model: Any) -> None:
    bodies = [ask(server, "api/map", image=1, method="saliency").body for _ in range(2)]
    assert bodies[0] == bodies[1]  # the seconds that it took too
    weights = model.get_weights()
    shift(model)
    assert ask(server, "api/map", image=1, method="saliency").body != bodies[0]
    model.set_weights(weights)
    assert ask(server, "api/map", image=1, method="saliency").body == bodies[0]


def test_a_model_that_stays_as_it_is_is_gone_through_once_a_question(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, own = [], KerasAdapter.fingerprint
    monkeypatch.setattr(KerasAdapter, "fingerprint", lambda adapter: (looked.append(1), own(adapter))[1])
    for _ in range(2):
        ask(server, "api/classes", image=3)
    looked.clear()
    for target in range(3):  # new ones, and ones that are answered already
        ask(server, "api/map", image=3, method="saliency", target=target)
        ask(server, "api/map", image=3, method="saliency", target=target)
    assert len(looked) == 6


def test_what_was_answered_while_the_weights_changed_is_not_kept(model: Any, images: np.ndarray) -> None:
    studio = Studio("small", lambda: (vz.adapt(model), ()), list(images))
    studio.load()
    found = ["what an earlier state told"]
    studio.forgets.append(found.clear)
    before = studio.state()
    studio.turn_to(before)
    found.append("told in the midst of the change")
    shift(model)
    assert not studio.is_still(before)
    studio.turn_to(before)  # which it may get back to
    assert found == []
    assert studio.changes == 1


def test_a_file_s_weights_stay_and_are_not_looked_at(model: Any) -> None:
    origin = Origin(("model = vz.adapt('small.keras')",), ("small.keras",))
    studio = Studio("small", lambda: (vz.adapt(model), ()), origin=origin)
    studio.load()
    before = studio.state()
    shift(model)
    assert studio.state() == before


def studio_of(fingerprint: Callable[[], Any]) -> Studio:
    model: Any = SimpleNamespace(notes=(), num_params=1, shown_shape=(8, 8, 1), fingerprint=fingerprint)
    studio = Studio("small", lambda: (model, ()))
    studio.load()
    return studio


def test_weights_that_a_training_has_for_itself_make_a_state_of_its_own() -> None:
    def taken() -> None:
        raise RuntimeError("Array has been deleted.")  # as JAX says it

    studio = studio_of(taken)
    assert not studio.is_still(studio.state())


def test_weights_are_looked_at_by_one_at_a_time() -> None:
    looking, most = [], []

    def look() -> int:
        looking.append(1)
        most.append(len(looking))
        time.sleep(0.005)
        looking.pop()
        return 0

    studio = studio_of(look)
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(lambda _: studio.state(), range(4)))
    assert set(most) == {1}
    assert len(set(states)) == 1


def test_the_page_says_that_the_model_has_changed(browser: Browser, server: Server, model: Any) -> None:
    weights = model.get_weights()
    with Look(browser, server, "#/image?image=2") as look:
        expect(look.page.locator("#status")).to_be_empty()
        shift(model)
        ask(server, "api/classes", image=2)  # somebody asks
        expect(look.page.locator("#status")).to_contain_text("The model has other weights now.")
        expect(look.page.locator("#status")).to_have_class("alone")
        look.page.get_by_role("button", name="Show it as it is").click()
        look.settle()
        expect(look.page.locator("#status")).to_be_empty()
        shown = [
            float(text)
            for text in look.page.locator(".classes td[title]").evaluate_all("all => all.map(one => one.title)")
        ]
        values = ask(server, "api/classes", image=2).facts["outputs"][0]["values"]
        assert shown == pytest.approx(sorted(values, reverse=True))
        model.set_weights(weights)  # as they were when the page was opened first
        ask(server, "api/classes", image=2)
        look.page.get_by_role("button", name="Show it as it is").click()
        look.settle()
        expect(look.page.locator("#status")).to_be_empty()


def test_a_model_that_is_made_by_its_first_image_is_told_of_anew() -> None:
    with explorer("unbuilt", lambda: vz.adapt(small())) as server:
        facts = ask(server, "api/facts").facts
        assert (facts["model"]["outputs"], facts["layers"]) == ([], [])
        assert ask(server, "api/layers").facts["layers"] == []
        file = io.BytesIO()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, format="PNG")
        image = ask(server, "api/images", file.getvalue(), name="black.png").facts["image"]
        assert ask(server, "api/classes", image=image).status == 200
        facts = ask(server, "api/facts").facts
        assert [output["count"] for output in facts["model"]["outputs"]] == [3]
        assert facts["layers"] == [{"path": "conv", "channels": 3}]
        assert [layer["path"] for layer in ask(server, "api/layers").facts["layers"]] == [
            "conv",
            "global_average_pooling2d",
        ]
        assert facts["changes"] == 0
