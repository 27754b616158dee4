"""Maps and methods beside each other: the numbers are the metrics', what is done is kept, and no difference is called one."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

import vizcnn as vz
from vizcnn import cli, race
from vizcnn.errors import InputError, MethodError, OptionError
from vizcnn.measures import registry as metrics
from vizcnn.measures.metric import MetricBatch
from vizcnn.plugins import registry
from vizcnn.report import write_comparison
from vizcnn.results import AttributionBatch, Comparison

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

IMAGES = np.random.default_rng(0).uniform(0.2, 1, (12, 4, 5, 1)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).uniform(0, 1, (4, 5)).astype(np.float32)
WEIGHTS /= WEIGHTS.sum()
TRUE = IMAGES[..., 0] * WEIGHTS
"""What each pixel gives to the second class."""

NOISE = np.random.default_rng(2).normal(size=TRUE.shape).astype(np.float32)


def shares(inputs: np.ndarray) -> np.ndarray:
    """Return the probabilities of two classes: the weighted pixels for the second."""
    share = (inputs[..., 0] * WEIGHTS).sum(axis=(1, 2))
    return np.stack([1 - share, share], axis=-1)


@pytest.fixture(scope="module")
def model() -> Any:
    return vz.adapt(shares, input_shape=(4, 5, 1), labels=["no", "yes"], preprocess="none", batch_size=8)


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a test registers go with it, and nothing else be installed."""
    vz.methods()
    occlusion = registry.get("occlusion")
    monkeypatch.setattr(registry.INSTALLED, "entries", {"occlusion": occlusion})
    monkeypatch.setattr(metrics.INSTALLED, "entries", dict(metrics.INSTALLED.entries))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time, which only passes where a test lets it."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def method(name: str, run: Any) -> None:
    """Register a method whose maps are the true ones, and that does something else too."""

    @vz.register(name, needs={"outputs", "scores"})
    def explained(model: Any, inputs: Any, score: Any) -> AttributionBatch:
        run(len(inputs))
        return AttributionBatch(inputs[..., 0] * WEIGHTS)


# What is measured ---------------------------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_metric(model):
    found = vz.evaluate(model, IMAGES, TRUE, metrics=["deletion", "insertion:num_steps=5", "sparseness"], target="yes")
    score = vz.targets.resolve("yes", model, len(IMAGES))
    for at, (name, options) in enumerate((("deletion", {}), ("insertion", {"num_steps": 5}), ("sparseness", {}))):
        expected = metrics.get(name).run(model, IMAGES, score, TRUE, **options).values
        np.testing.assert_allclose(found.values[0, at], expected, rtol=1e-5)
    assert found.metrics == ("deletion", "insertion:num_steps=5", "sparseness")
    assert found.better == ("low", "high", "high")
    assert found.target == ("yes",) * 12


def test_maps_methods_and_results_are_taken_alone_and_by_name(model):
    result = vz.occlusion(model, IMAGES, patch_size=2, stride=1)
    found = vz.evaluate(model, IMAGES, {"a": result, "b": ("occlusion", {"patch_size": 2, "stride": 1}), "c": NOISE})
    assert found.methods == ("a", "b", "c")
    np.testing.assert_allclose(found.values[0], found.values[1], rtol=1e-5)
    assert not np.allclose(found.values[0], found.values[2])
    alone = [vz.evaluate(model, IMAGES, one) for one in (result, "occlusion:patch_size=2,stride=1", NOISE)]
    assert [one.methods for one in alone] == [("occlusion",), ("occlusion:patch_size=2,stride=1",), ("map",)]
    for one, expected in zip(alone, found.values, strict=True):
        np.testing.assert_allclose(one.values[0], expected, rtol=1e-5)


def test_one_map_of_one_image_and_small_maps_are_taken(model):
    assert vz.evaluate(model, IMAGES[0], TRUE[0]).values.shape == (1, 2, 1)
    small = np.arange(2 * 12).reshape(12, 1, 2)
    enlarged = vz.evaluate(model, IMAGES, np.repeat(small, 4, axis=1)[:, :, [0, 0, 0, 1, 1]], metrics="sparseness")
    assert vz.evaluate(model, IMAGES, small, metrics="sparseness").values.shape == enlarged.values.shape


def test_regions_and_the_method_reach_the_metrics_that_ask(model):
    masks = np.zeros((12, 4, 5), dtype=bool)
    masks[:, :, :2] = True
    found = vz.evaluate(model, IMAGES, {"given": TRUE}, metrics=["relevance_mass", "max_sensitivity"], regions=masks)
    np.testing.assert_allclose(found.values[0, 0], TRUE[:, :, :2].sum(axis=(1, 2)) / TRUE.sum(axis=(1, 2)), rtol=1e-5)
    assert np.isnan(found.values[0, 1]).all()  # the method that made it can't be asked again
    assert {note.kind for note in found.notes} == {"undefined"}
    method, sensitivity = "occlusion:patch_size=2,stride=1", "max_sensitivity:num_samples=2"
    few, metrics = IMAGES[:2], [sensitivity, "pointing_game"]
    asked = vz.compare(model, few, methods=method, metrics=metrics, regions=masks[:2])
    expected = vz.explain(model, few, methods=method, metrics=sensitivity)[method].measures[sensitivity]
    np.testing.assert_allclose(asked.values[0, 0], expected, rtol=1e-4)
    assert (asked.values[1:, 0] == 0).sum() >= 2  # null maps that know nothing of the image don't change
    with pytest.raises(OptionError, match="`regions` must say where in each image the object is"):
        vz.compare(model, IMAGES, metrics="pointing_game")


def test_null_maps_are_rows_where_they_are_asked_for(model):
    found = vz.evaluate(model, IMAGES, {"true": TRUE}, nulls=True)
    assert found.methods == ("true", "edges", "center", "random")
    assert found.nulls == ("edges", "center", "random")
    assert [one.method for one in found.standings if one.is_null] == [one.method for one in found.standings][1:]


@pytest.mark.parametrize(
    ("maps", "error", "text"),
    [
        (TRUE[:3], OptionError, "must hold a map for each of 12 images; got 3 as 'map'"),
        (np.full_like(TRUE, np.nan), InputError, "must hold finite numbers; 'map' holds NaN"),
        (TRUE.reshape(12, 2, 2, 5), OptionError, r"must hold arrays of shape \(N, H, W\)"),
        (np.array(["a"]), OptionError, r"must hold arrays of shape \(N, H, W\)"),
        ({}, OptionError, "must hold maps or name a method; got none"),
        ("occlusio", MethodError, "Did you mean 'occlusion'"),
    ],
)
def test_what_is_no_map_is_refused(model, maps, error, text):
    with pytest.raises(error, match=text):
        vz.evaluate(model, IMAGES, maps)


def test_without_a_metric_there_is_nothing_to_measure(model):
    with pytest.raises(OptionError, match="`metrics` must name at least one"):
        vz.evaluate(model, IMAGES, TRUE, metrics=[])


# What follows -------------------------------------------------------------------------------------------------------------


def test_true_map_is_first_and_noise_is_no_better_than_chance(model):
    found = vz.evaluate(model, IMAGES, {"noise": NOISE, "true": TRUE, "again": TRUE}, target="yes", nulls=True)
    first, second, third = (one for one in found.standings if not one.is_null)
    assert {first.method, second.method} == {"true", "again"}
    assert second.is_tied
    assert not third.is_tied
    assert first.not_above == ()
    assert "random" in third.not_above
    assert found.agreements["rank"].is_repeatable
    assert any(said.startswith("No better than random: noise.") for said in found.verdicts)
    assert found.verdicts[0].startswith(f"{first.method} has the best mean rank")


def test_methods_that_differ_by_chance_are_said_not_to(model):
    chance = {name: np.random.default_rng(seed).normal(size=TRUE.shape) for seed, name in enumerate("abcd")}
    found = vz.evaluate(model, IMAGES, chance, target="yes")
    assert found.verdicts[0].startswith("No difference: two halves of the images order these methods otherwise")
    few = vz.evaluate(model, IMAGES[:3], {"a": TRUE[:3], "b": NOISE[:3]}, target="yes")
    assert few.verdicts == ("No difference can be told on 3 images: give 6 or more, 20 are better.",)


def test_one_map_is_measured_and_not_ranked(model):
    assert vz.evaluate(model, IMAGES, TRUE).verdicts == ()


# How long it takes --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("own")
def test_cost_is_told_by_the_first_images(model, clock):
    first = [True]

    def spend(count: int) -> None:
        clock[0] += count * 2.0 + 7.0 * first[0]  # 7 s to be compiled
        first[0] = False

    method("slow", spend)
    run = vz.comparison.prepare(model, IMAGES, methods="slow", metrics="sparseness", nulls=False)
    told = [(done, run.estimate) for done in run.steps()]
    assert [done for done, _ in told] == [1, *range(2, 13)]
    assert told[0][1] is None
    assert {estimate for _, estimate in told[1:]} == {clock[0]} == {12 * 2.0 + 7.0}
    assert run.result("compare", {}).seconds_of("slow") == 2.0


@pytest.mark.usefixtures("own")
def test_long_comparison_warns_of_it(model, clock):
    method("slow", lambda count: clock.__setitem__(0, clock[0] + 30.0 * count))
    with pytest.warns(vz.errors.VizcnnWarning, match=r"takes about 6 min on this machine; 2 are done\. `max_seconds`"):
        vz.compare(model, IMAGES, methods="slow", metrics="sparseness", nulls=False)


@pytest.mark.usefixtures("own")
def test_what_is_done_when_the_time_is_up_is_kept_and_said_to_be_partial(model, clock):
    method("slow", lambda count: clock.__setitem__(0, clock[0] + 2.0 * count))
    whole = vz.compare(model, IMAGES, methods="slow")
    assert not whole.is_partial
    part = vz.compare(model, IMAGES, methods="slow", max_seconds=9)
    assert part.is_partial
    assert part.verdicts[0] == "Partial: it was cut short after 4 of 12 images."
    np.testing.assert_array_equal(part.values, whole.values[..., :4])
    assert part.names == whole.names[:4]
    with pytest.raises(OptionError, match="`max_seconds` must be enough for one image by all methods; 1 s were not"):
        vz.compare(model, IMAGES, methods="slow", max_seconds=1)
    with pytest.raises(OptionError, match="`max_seconds` must be above 0"):
        vz.compare(model, IMAGES, methods="slow", max_seconds=0)


@pytest.mark.usefixtures("own")
def test_sampling_method_is_stopped_in_its_midst(clock):
    def slow(inputs: np.ndarray) -> np.ndarray:
        clock[0] += 1.0
        return shares(inputs)

    cnn = vz.adapt(slow, input_shape=(4, 5, 1), preprocess="none", batch_size=1)
    with pytest.raises(OptionError, match="were not"):
        vz.compare(cnn, IMAGES, methods="occlusion:patch_size=1,stride=1", max_seconds=5)
    assert clock[0] < 9  # and not 20


@pytest.mark.usefixtures("own")
def test_interrupt_keeps_what_is_done(model):
    count = itertools.count(1)

    def interrupted(images: int) -> None:
        if next(count) == 4:
            raise KeyboardInterrupt

    method("stopped", interrupted)
    found = vz.compare(model, IMAGES, methods="stopped")
    assert (len(found.names), found.is_partial) == (3, True)
    count = itertools.count(4)
    with pytest.raises(KeyboardInterrupt):
        vz.compare(model, IMAGES, methods="stopped")


@pytest.mark.usefixtures("own")
def test_slow_and_failing_methods_are_left_out_unless_they_are_named(model, clock):
    def fail(count: int) -> None:
        raise vz.errors.CapabilityError("It can't.")

    method("quick", lambda count: None)
    method("fails", fail)
    method("slow", lambda count: clock.__setitem__(0, clock[0] + (race.QUICK + 1) * count))
    found = vz.compare(model, IMAGES, nulls=False)
    assert set(found.methods) == {"quick", "occlusion"} - set(found.left_out)
    assert found.left_out["fails"] == "It can't."
    assert (
        found.left_out["slow"] == "It takes more than 5 s an image; name 'slow' in `methods` to have it all the same."
    )
    assert vz.compare(model, IMAGES[:2], methods=["slow", "quick"], nulls=False).methods == ("slow", "quick")
    with pytest.raises(vz.errors.CapabilityError, match="It can't"):
        vz.compare(model, IMAGES, methods=["fails", "quick"])


def test_methods_that_need_what_a_model_has_not_are_left_out_with_the_reason(model):
    left = vz.comparison.prepare(model, IMAGES).left_out
    assert left["gradcam"] == "Needs gradients, which this model can't answer."
    assert "occlusion" not in left


@pytest.mark.usefixtures("own")
def test_what_is_undefined_is_no_number_and_left_out_of_means(model):
    @vz.register_metric("every other", better="high")
    def every_other(model: Any, inputs: Any, score: Any, maps: Any) -> MetricBatch:
        return MetricBatch(np.where(inputs[:, 0, 0, 0] > IMAGES[0, 0, 0, 0], 1.0, np.nan))

    found = vz.evaluate(model, IMAGES, {"a": TRUE, "b": NOISE}, metrics=["every other", "sparseness"])
    assert np.isnan(found.values[:, 0, 0]).all()
    assert found.standings[0].means["every other"] == 1.0
    assert all(np.isfinite(one.rank) for one in found.standings)


# Tables, pictures, files --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(model: Any) -> Comparison:
    return vz.evaluate(model, IMAGES, {"<b>noise</b>": NOISE, "true": TRUE}, target="yes", nulls=True)


def test_table_has_a_row_for_each_map_or_for_each_method(compared):
    pytest.importorskip("pandas")
    table = compared.to_frame()
    assert len(table) == 5 * 12
    np.testing.assert_array_equal(table[table.method == "true"].insertion, compared.values[1, 1])
    by_method = compared.to_frame(by="method")
    assert by_method.method.tolist() == [one.method for one in compared.standings]
    assert by_method.deletion_low.tolist() == [one.ends["deletion"][0] for one in compared.standings]
    with pytest.raises(OptionError, match="`by` must be one of 'image', 'method'"):
        compared.to_frame(by="metric")


def test_comparison_is_read_again_as_it_was(compared, tmp_path):
    again = vz.load_result(compared.save(tmp_path / "c.npz"))
    np.testing.assert_array_equal(again.values, compared.values)
    assert again.standings == compared.standings
    assert again.verdicts == compared.verdicts


def test_picture_has_a_dot_and_an_interval_for_each_number(compared):
    axes = compared.plot(Figure().subplots(1, 3))
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert names == [one.method for one in compared.standings]
    drawn = {tuple(point) for line in axes[1].lines for point in zip(*line.get_data(), strict=True)}
    assert drawn == {(one.means["deletion"], row) for row, one in enumerate(compared.standings)}
    segments = [s for lines in axes[1].collections for s in lines.get_segments()]
    assert sorted(segment[:, 0].tolist() for segment in segments) == sorted(
        [*one.ends["deletion"]] for one in compared.standings
    )
    assert axes[1].get_xlabel().startswith("deletion\nlow is better")
    with pytest.raises(OptionError, match="`ax` must be one Axes per column, 3 in all"):
        compared.plot(Figure().subplots(1, 2))


def test_page_says_it_all_and_runs_nothing(compared, tmp_path):
    page = write_comparison(compared, tmp_path / "c.html", meanings={"deletion": "Low is good."}).read_text("utf-8")
    assert "<script" not in page
    assert "<b>noise</b>" not in page
    assert "&lt;b&gt;noise&lt;/b&gt;" in page
    for said in (*(verdict.replace("<b>", "&lt;b&gt;") for verdict in compared.verdicts[:1]), "Low is good."):
        assert said.replace("'", "&#39;") in page
    assert page.count("knows nothing of the model</small>") == 3
    assert f"{compared.standings[0].means['deletion']:.3f}" in page


# Command ------------------------------------------------------------------------------------------------------------------


def run(*args: object) -> Any:
    return CliRunner().invoke(cli.app, ["compare", *map(str, (vz.assets.DIGITS_CNN, *args))])


def test_command_prints_the_table_and_writes_the_page(tmp_path: Path) -> None:
    out, digits = tmp_path / "which.html", vz.assets.digits()[:3]
    said = run(*digits, "-m", "gradcam", "-o", out, "--metric", "insertion")
    assert said.exit_code == 0, said.output
    assert "4 maps by 1 metrics, 3 images: about " in said.stderr
    assert said.stdout.splitlines()[0].split() == ["method", "rank", "insertion", "s/image"]
    assert "command" in out.read_text(encoding="utf-8")


def test_command_gives_programs_the_same(tmp_path: Path) -> None:
    digits = vz.assets.digits()[:2]
    said = run(*digits, "-m", "gradcam", "--no-nulls", "--json", "--metric", "sparseness")
    assert said.exit_code == 0, said.output
    (line,) = said.stdout.splitlines()
    found = json.loads(line)
    expected = vz.compare(vz.assets.DIGITS_CNN, digits, methods="gradcam", nulls=False, metrics="sparseness")
    assert found["standings"][0]["means"] == {"sparseness": pytest.approx(expected.standings[0].means["sparseness"])}
    assert (found["is_partial"], found["agreements"]["rank"]["tau"]) == (False, None)


def test_command_refuses_a_file_that_it_cannot_write(tmp_path: Path) -> None:
    said = run(vz.assets.digits()[0], "-o", tmp_path / "which.txt")
    assert said.exit_code == 2
    assert "`out` must end in" in said.output
