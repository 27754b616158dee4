"""What every metric keeps to, and how its numbers get beside every map; registering one is enough to have it tested here."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from tests.few import few, on_any_network
from tests.models import images
from vizcnn import cli
from vizcnn.errors import CapabilityError, MethodError, OptionError
from vizcnn.measures import registry
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.run import measured, read_metrics

SHAPE = (7, 8, 2)
BATCH = images(5, SHAPE)

every = pytest.mark.parametrize("metric", vz.metrics())


@pytest.fixture
def own_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the registry, so that what a test registers goes with it."""
    monkeypatch.setattr(registry.INSTALLED, "entries", {name: registry.get(name) for name in vz.metrics()})


@pytest.fixture
def brightest(own_metrics: None) -> list[Any]:
    """A metric that returns the largest value of a map, with all the arguments that it was given."""
    calls: list[Any] = []

    @vz.register_metric("brightest", better="high", needs={"outputs"})
    def run(model: Any, inputs: Any, score: Any, maps: Any, *, factor: float = 1.0, flip: bool = False) -> MetricBatch:
        """Return the largest value."""
        calls.append((inputs, score, maps, flip))
        return MetricBatch(factor * maps.max(axis=(1, 2)), {"rows": maps.sum(axis=2)})

    return calls


def regions_for(metric: Any, count: int) -> dict[str, Any]:
    """Return a region for each image, where a metric asks."""
    asks = isinstance(metric, str) and "regions" in registry.INSTALLED.parse(metric)[0].asks
    return {"regions": [[1, 1, 5, 6]] * count} if asks else {}


def explained(cnn: Any, metric: Any, **given: Any) -> vz.Attributions:
    given = regions_for(metric, len(BATCH)) | given if metric in vz.metrics() else given
    return vz.explain(cnn, BATCH, methods="saliency", metrics=metric, **given)["saliency"]


@every
def test_numbers_are_finite_and_the_same_again_however_the_images_are_cut(cnn, metric):
    result = explained(cnn, metric)
    assert result.measures[metric].shape == (5,)
    assert np.isfinite(result.measures[metric]).all()
    np.testing.assert_array_equal(explained(cnn, metric).measures[metric], result.measures[metric])
    alone = vz.explain(cnn, BATCH[4], methods="saliency", metrics=metric, **regions_for(metric, 1))["saliency"]
    np.testing.assert_allclose(alone.measures[metric][0], result.measures[metric][4], rtol=1e-4)


@every
def test_constant_map_and_constant_image_have_a_number_or_a_reason_why_not(cnn, metric):
    flat = np.full((1, *SHAPE), 0.5, np.float32)
    result = vz.saliency(cnn, flat, 1)
    blank = replace(result, values=np.zeros_like(result.values))

    def method(inputs: Any, score: Any, **other: Any) -> np.ndarray:
        return np.zeros(inputs.shape[:3], np.float32)

    region = np.ones((1, *SHAPE[:2]), bool)
    told = measured(
        blank, cnn, flat, vz.targets.resolve(1, cnn, 1), read_metrics(metric), method=method, regions=region
    )
    reasons = [note for note in told.notes if note.kind == "undefined"]
    assert np.isfinite(told.measures[metric][0]) != bool(reasons)
    assert all("no finite number" not in note for note in reasons)


@every
def test_metric_says_what_it_means(metric):
    assert registry.get(metric).summary.endswith(".")
    assert registry.get(metric).better in ("low", "high")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_numbers_stand_beside_the_maps_of_every_method(cnn, brightest):
    plugins = [vz.plugins.registry.get(name) for name in vz.methods() if "/" not in name]
    methods = [(plugin.name, few(plugin)) for plugin in plugins if on_any_network(plugin)]
    for method, result in vz.explain(cnn, BATCH, methods=methods, metrics="brightest").results.items():
        np.testing.assert_allclose(
            result.measures["brightest"], result.values.max(axis=(1, 2)), rtol=1e-6, err_msg=method
        )
        np.testing.assert_allclose(result.extras["brightest rows"], result.values.sum(axis=2), rtol=1e-5)
        assert f"brightest {float(result.measures['brightest'][2]):.3g}" in result.caption(2)


def test_metric_is_given_one_value_per_pixel_and_the_predicted_classes(cnn, brightest):
    result = vz.explain(cnn, BATCH, methods="saliency:reduce=none", metrics="brightest")["saliency:reduce=none"]
    inputs, scores, maps = (np.concatenate([call[i] for call in brightest]) for i in (0, 2, 2))
    np.testing.assert_array_equal(inputs, BATCH)
    np.testing.assert_allclose(maps, result.values.sum(axis=-1), rtol=1e-6)
    assert [index for call in brightest for index in call[1].classes] == [p.index for p in result.predictions]
    assert len(scores) == 5


def test_options_are_given_and_are_part_of_the_name(cnn, brightest):
    plain = explained(cnn, ["brightest", "brightest:factor=3", ("brightest", {"flip": True})])
    np.testing.assert_allclose(plain.measures["brightest:factor=3"], 3 * plain.measures["brightest"], rtol=1e-6)
    assert list(plain.measures) == ["brightest", "brightest:factor=3", "brightest:flip=True"]
    assert [call[3] for call in brightest[:3]] == [False, False, True]


def test_unknown_metric_or_option_is_refused_before_anything_runs(cnn, brightest):
    with pytest.raises(MethodError, match=r"`metric` must be one of .*; got 'brightes'\. Did you mean 'brightest'"):
        explained(cnn, "brightes")
    with pytest.raises(OptionError, match=r"Metric 'brightest' has no option 'factr'\. Did you mean 'factor'"):
        explained(cnn, "brightest:factr=2")
    with pytest.raises(OptionError, match="`flip` must be True or False; got 3"):
        explained(cnn, "brightest:flip=3")
    assert brightest == []


def test_metric_that_the_model_cannot_answer_is_refused(cnn, own_metrics):
    @vz.register_metric("psychic", better="high", needs={"thoughts"})
    def run(model: Any, inputs: Any, score: Any, maps: Any) -> MetricBatch:
        raise NotImplementedError

    with pytest.raises(
        CapabilityError, match=r"Metric 'psychic' needs thoughts, which model 'sequential.*' can't answer"
    ):
        explained(cnn, "psychic")


def test_wrong_number_of_numbers_is_named(cnn, own_metrics):
    @vz.register_metric("short", better="high")
    def run(model: Any, inputs: Any, score: Any, maps: Any) -> MetricBatch:
        return MetricBatch(np.zeros(1))

    with pytest.raises(ValueError, match="`measures` of metric 'short' must hold a number for each of 3 images"):
        explained(cnn, "short")


def test_maps_that_lie_nowhere_in_the_image_are_not_measured_and_say_so(cnn, brightest):
    result = replace(explained(cnn, ()), alone=True, layer="mixer")
    score = vz.targets.resolve(None, cnn, 5)
    told = measured(result, cnn, BATCH, score, read_metrics("brightest"))
    assert told.measures == {}
    assert told.notes[-1].kind == "unmeasured"
    assert (
        told.notes[-1] == "The maps of layer 'mixer' lie nowhere in the images, so they were not measured: brightest."
    )
    assert brightest == []


def test_metric_may_ask_the_method_once_more(cnn, own_metrics):
    @vz.register_metric("curious", better="high")
    def run(model: Any, inputs: Any, score: Any, maps: Any, again: Any) -> MetricBatch:
        """Return how the map changes with what it is asked of."""
        asked.append(again)
        np.testing.assert_allclose(again(), maps, rtol=1e-6)
        assert again.seeded
        other = again(inputs=2 * inputs, score=vz.targets.resolve(0, model, len(inputs)), seed=5)
        return MetricBatch(np.abs(other - maps).mean(axis=(1, 2)))

    asked: list[Any] = []
    name = "smoothgrad:num_samples=4,reduce=none"
    traces = cnn.num_traces
    result = vz.explain(cnn, BATCH, 1, methods=name, metrics="curious")[name]
    assert len(asked) == 2  # batches
    assert cnn.num_traces <= traces + 2  # one for each of both targets' formula, at the most
    other = vz.smoothgrad(cnn, 2 * BATCH, 0, num_samples=4, seed=5, reduce="none").values.sum(axis=-1)
    expected = np.abs(other - result.values.sum(axis=-1)).mean(axis=(1, 2))
    np.testing.assert_allclose(result.measures["curious"], expected, rtol=1e-4)


def test_maps_that_were_given_cannot_be_asked_for_again(cnn, own_metrics):
    @vz.register_metric("curious", better="high")
    def run(model: Any, inputs: Any, score: Any, maps: Any, again: Any) -> MetricBatch:
        raise NotImplementedError

    told = measured(explained(cnn, ()), cnn, BATCH, vz.targets.resolve(1, cnn, 5), read_metrics("curious"))
    assert np.isnan(told.measures["curious"]).all()
    assert told.notes[-1].kind == "undefined"
    assert "the map was given, and the method that made it can't be asked again" in told.notes[-1]


def test_number_that_is_none_is_undefined_and_says_why(cnn, own_metrics):
    @vz.register_metric("shy", better="high")
    def run(model: Any, inputs: Any, score: Any, maps: Any) -> MetricBatch:
        values = inputs[:, 0, 0, 0] / 0
        return MetricBatch(np.where(values > 0, values, 1.0), undefined={"it is dark": inputs[:, 0, 0, 0] > 9})

    image = np.ones((3, *SHAPE), np.float32)
    image[1] = -1
    image[2] = 10
    with np.errstate(divide="ignore"), pytest.warns(vz.errors.VizcnnWarning, match="shy is undefined"):
        result = vz.explain(cnn, image, methods="saliency", metrics="shy")["saliency"]
    assert np.isnan(result.measures["shy"]).tolist() == [True, False, True]
    assert [(note.images, note) for note in result.notes if note.kind == "undefined"] == [
        ((0,), "shy is undefined for the map of 1 of 3 images (image 0): it came out as no finite number."),
        ((2,), "shy is undefined for the map of 1 of 3 images (image 2): it is dark."),
    ]
    assert result.measured(0) == "shy undefined"
    assert result.measured(1) == "shy 1"


# Command line and page ----------------------------------------------------------------------------------------------------


def run(*args: object) -> Any:
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


def test_command_prints_the_number_of_each_map(tmp_path):
    three = str(vz.assets.digits()[3])
    said = run(
        "explain", vz.assets.DIGITS_CNN, three, "-o", tmp_path, "-m", "gradcam", "--metric", "deletion", "--json"
    )
    assert said.exit_code == 0, said.output
    expected = vz.explain(vz.assets.DIGITS_CNN, three, methods="gradcam", metrics="deletion")["gradcam"]
    (measures,) = json.loads(said.stdout.splitlines()[-1])["measures"].values()
    assert measures == {"deletion": pytest.approx(float(expected.measures["deletion"][0]), rel=1e-5)}


def test_page_has_the_numbers_of_each_class_and_says_what_they_mean(tmp_path):
    out = tmp_path / "page.html"
    said = run(
        "report", vz.assets.DIGITS_CNN, vz.assets.digits()[3], "-o", out, "-m", "saliency", "--metric", "deletion"
    )
    assert said.exit_code == 0, said.output
    page = out.read_text(encoding="utf-8")
    assert "Low where few pixels, those that the map calls the most important, carry the decision." in page
    first, second = dict.fromkeys(
        re.findall(r"deletion (0\.\d+)", page)
    )  # of the most probable class, and of the second
    expected = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", metrics="deletion")
    assert float(first) == pytest.approx(float(expected["saliency"].measures["deletion"][0]), rel=0.01)
    assert first != second


def test_unknown_metric_is_refused_on_the_command_line(tmp_path):
    said = run("explain", vz.assets.DIGITS_CNN, vz.assets.digits()[3], "-o", tmp_path, "--metric", "deltion")
    assert said.exit_code == 2
    assert "Did you mean 'deletion'?" in said.output


def test_metrics_are_listed_with_their_options():
    said = run("methods").stdout
    assert "deletion: Return the area under the curve" in said
    assert "Low numbers are better." in said
    assert "num_steps=20" in run("methods", "deletion").stdout
