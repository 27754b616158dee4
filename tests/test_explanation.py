"""Several methods on the same images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.made import attributions
from vizcnn.errors import LayerError, MethodError, OptionError
from vizcnn.explanation import Explanation

IMAGES = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    positive = keras.initializers.RandomUniform(0, 1, seed=0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu", kernel_initializer=positive, name="early"),
            layers.Conv2D(4, 3, activation="relu", kernel_initializer=positive, name="late"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax", kernel_initializer=positive),
        ]
    )


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*args: Any, **options: Any) -> Any:
        pytest.fail("something was computed")

    monkeypatch.setattr("vizcnn.adapter.keras.runner.Runner.run", run)


def test_each_method_answers_what_it_answers_alone(model):
    explanation = vz.explain(model, IMAGES, 1, methods=["saliency", "gradcam"])
    assert list(explanation) == ["saliency", "gradcam"]
    assert len(explanation) == 2
    for name in explanation:
        np.testing.assert_array_equal(explanation[name].values, getattr(vz, name)(model, IMAGES, 1).values)


def test_saliency_and_gradcam_are_the_default(model):
    assert list(vz.explain(model, IMAGES)) == ["saliency", "gradcam"]


@pytest.mark.parametrize(
    "methods", ["saliency:rule=guided", ("saliency", {"rule": "guided"}), ["saliency:rule=guided"]]
)
def test_options_as_text_and_as_a_pair_are_the_same(model, methods):
    explanation = vz.explain(model, IMAGES, methods=methods)
    assert list(explanation) == ["saliency:rule=guided"]
    expected = vz.saliency(model, IMAGES, rule="guided").values
    np.testing.assert_array_equal(explanation["saliency:rule=guided"].values, expected)


def test_one_method_with_several_options(model):
    explanation = vz.explain(model, IMAGES, methods=["saliency", "saliency:reduce=sum", ("gradcam", {"relu": False})])
    assert list(explanation) == ["saliency", "saliency:reduce=sum", "gradcam:relu=False"]
    assert [result.signed for result in explanation.results.values()] == [False, True, True]


def test_layer_goes_to_the_methods_that_look_at_one(model):
    explanation = vz.explain(model, IMAGES, methods=["saliency", "gradcam", "gradcam:layer=late"], layer="early")
    assert [result.layer for result in explanation.results.values()] == [None, "early", "late"]


def test_images_are_shared(model):
    explanation = vz.explain(model, IMAGES)
    assert explanation["saliency"].images is explanation["gradcam"].images


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"methods": []}, OptionError, "`methods` must name at least one method; got none"),
        ({"methods": ["saliency", "gradcan"]}, MethodError, "got 'gradcan'. Did you mean 'gradcam'?"),
        ({"methods": ["saliency", 3]}, MethodError, "must be a name, or a pair of a name and its options; got 3"),
        ({"methods": ["saliency", "gradcam:rule=guide"]}, OptionError, "got 'guide'. Did you mean 'guided'?"),
        ({"methods": ["saliency", ("gradcam", {"rul": "guided"})]}, OptionError, "no option 'rul'. Did you mean 'rule'?"),
        ({"methods": ["saliency", "gradcam:guided"]}, OptionError, "form 'name:option=value,option=value'; got 'gradcam:guided'"),
        ({"methods": ["saliency", "gradcam:layer=lete"]}, LayerError, "got 'lete'. Did you mean 'late'?"),
        ({"methods": ["saliency", "gradcam"], "layer": "lete"}, LayerError, "got 'lete'. Did you mean 'late'?"),
        ({"methods": ["saliency"], "layer": "late"}, OptionError, "`layer` 'late' is for methods that look at a layer; none"),
    ],
)  # fmt: skip
def test_error_comes_before_anything_is_computed(model, options, error, text):
    with pytest.raises(error, match=text):
        vz.explain(model, IMAGES, **options)


def test_notes_are_kept_by_method():
    explanation = Explanation({"saliency": attributions(notes=("a note",)), "gradcam": attributions()})
    assert explanation.notes == {"saliency": ("a note",)}


def test_explanation_draws_what_was_computed(model):
    grid = vz.explain(model, IMAGES, 2, methods=["gradcam"]).plot(colorbar=False)
    assert grid.shape == (2, 2)
    assert grid[0, 1].get_title() == "gradcam\nlate"
    assert "class 2" in grid[1, 0].get_title()
