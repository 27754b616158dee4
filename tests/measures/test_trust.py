"""Trust: against insertion, deletion and a loop, on planted evidence, and in all places where it is shown."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

import vizcnn as vz
from tests import planted
from tests.models import images
from vizcnn import cli
from vizcnn.algorithms.baselines import baselines
from vizcnn.algorithms.kept_pixels import NUM_SHARES, KeptPixels, between_curves
from vizcnn.algorithms.null_maps import center_map, edge_maps, null_maps, random_map
from vizcnn.algorithms.trust import FILLS, Trust
from vizcnn.measures import registry
from vizcnn.measures.trust import TrustOfBatch, cost_of_trust, notes_on_likeness
from vizcnn.report.page import render_page
from vizcnn.report.parts import _bar

SHAPE = (7, 8, 2)
BATCH = images(4, SHAPE)
MAPS = np.random.default_rng(1).normal(size=(4, *SHAPE[:2])).astype(np.float32)


def kept_of(cnn, nulls=()):
    score = vz.targets.resolve([1, 2, 0, 1], cnn, 4)
    return KeptPixels(cnn, BATCH, score, [baselines(BATCH, fill, (0.7, 0.8)) for fill in FILLS], nulls), score


# Insertion less deletion ---------------------------------------------------------------------------------------------------


def test_it_is_insertion_less_deletion_in_five_steps():
    def seen(inputs):
        share = 1 / (1 + np.exp(-np.tensordot(inputs**2, np.sin(np.arange(40)).reshape(5, 8), ((1, 2), (0, 1)))[:, 0]))
        return np.stack([1 - share, share], axis=-1)

    model = vz.adapt(seen, input_shape=(5, 8, 2), preprocess="none")
    batch, maps = images(3, (5, 8, 2)), np.random.default_rng(1).integers(0, 4, (3, 5, 8)).astype(np.float32)
    score = vz.targets.resolve([1, 0, 1], model, 3)
    measures, _ = TrustOfBatch(model, batch, score).measure(maps)
    for fill in FILLS:
        insertion, deletion = (
            registry.get(name).run(model, batch, score, maps, num_steps=NUM_SHARES + 1, baseline=fill).values
            for name in ("insertion", "deletion")
        )
        np.testing.assert_allclose(measures[f"insertion minus deletion ({fill})"], insertion - deletion, atol=1e-5)


def test_curves_are_those_of_a_loop_over_maps_fills_and_shares(cnn):
    edges = edge_maps(BATCH)
    kept, score = kept_of(cnn, nulls=[edges, center_map(SHAPE[:2])[None]])
    curves = kept.curves(MAPS)
    assert curves.shape == (4, 2, 3, 2, NUM_SHARES)
    for n, image in enumerate(BATCH):
        for f, fill in enumerate([image.mean(axis=(0, 1)), baselines(image[None], "blur", [0.7, 0.8])[0]]):
            for m, values in enumerate([MAPS[n], edges[n]]):
                order = np.argsort(-values.ravel(), kind="stable")
                for s, share in enumerate([0.2, 0.4, 0.6, 0.8]):
                    count = round(share * order.size)
                    for part, places in enumerate([order[:count], order[-count:]]):
                        seen = np.broadcast_to(fill, SHAPE).reshape(-1, 2).copy()
                        seen[places] = image.reshape(-1, 2)[places]
                        said = cnn.outputs(seen.reshape(1, *SHAPE))[0][0, score.classes[n]]
                        np.testing.assert_allclose(curves[n, f, m, part, s], said, rtol=1e-4)


def test_null_maps_are_asked_about_once(cnn):
    nulls = [edge_maps(BATCH)]
    kept, _ = kept_of(cnn, nulls=nulls)
    assert kept.runs == 2 * 2 * 2 * NUM_SHARES
    first = kept.curves(MAPS)
    assert kept.runs == 2 * 1 * 2 * NUM_SHARES
    second, alone = kept.curves(-MAPS), kept_of(cnn, nulls=nulls)[0].curves(-MAPS)
    np.testing.assert_array_equal(second[:, :, 1:], first[:, :, 1:])
    np.testing.assert_allclose(second, alone, rtol=1e-5)


def test_random_maps_are_asked_about_at_half_of_the_shares(cnn):
    nulls = [edge_maps(BATCH), random_map(SHAPE[:2], 1)[None]]
    score = vz.targets.resolve([1, 2, 0, 1], cnn, 4)
    fill = [baselines(BATCH, "mean", ())]
    whole, half = (KeptPixels(cnn, BATCH, score, fill, nulls, num_random=count) for count in (0, 1))
    assert (whole.runs, half.runs) == (3 * 2 * NUM_SHARES, (2 + 1 / 2) * 2 * NUM_SHARES)
    all_shares, some = whole.curves(MAPS), half.curves(MAPS)
    np.testing.assert_allclose(some[:, :, :2], all_shares[:, :, :2], rtol=1e-5)
    np.testing.assert_allclose(some[:, :, 2, :, 2:], all_shares[:, :, 2, :, 2:], rtol=1e-5)
    np.testing.assert_array_equal(some[:, :, 2, :, :2], some[:, :, 2, :, :1:-1])


def test_map_turned_around_has_the_opposite_number(cnn):
    kept, _ = kept_of(cnn)
    np.testing.assert_allclose(between_curves(kept.curves(MAPS)), -between_curves(kept.curves(-MAPS)), atol=1e-6)


# Planted evidence ----------------------------------------------------------------------------------------------------------

COUNT = 60


@pytest.fixture(scope="module")
def evidence():
    """Images of three causes in random places among what no class needs; what they show, and where the causes are."""
    generator = np.random.default_rng(0)

    def free(taken):
        while True:
            row, column = generator.integers(0, planted.SIDE - planted.PATCH + 1, 2).tolist()
            if all(max(abs(row - r), abs(column - c)) > planted.PATCH for r, c in taken):
                return row, column

    batch, classes, masks = [], [], []
    for index in range(COUNT):
        cause = index % 3  # red in the corner; red and green, anywhere; red, anywhere
        places = [(0, 0)] if cause == 0 else [free([])]
        places += [free(places)] if cause == 1 else []
        around = list(places)
        for _ in range(3):
            around.append(free(around))
        colors = [planted.RED, planted.GREEN][: len(places)] + [planted.BLUE] * 3
        image = planted._image(0.4, *zip(colors, around, strict=True))
        batch.append(image + generator.normal(0, 0.02, image.shape).astype(np.float32))
        classes.append(cause)
        masks.append(np.max([planted._square(place) for place in places], axis=0))
    return np.stack(batch), classes, np.stack(masks).astype(np.float32)


def trust_of(evidence, maps):
    batch, classes, _ = evidence
    model = planted.model()
    measures, extras = TrustOfBatch(model, batch, vz.targets.resolve(classes, model, COUNT)).measure(maps)
    return [Trust.of(measures, extras, index) for index in range(COUNT)]


def test_true_map_beats_all_null_maps(evidence):
    every = trust_of(evidence, evidence[2])
    beaten = [all(f.value > max(f.nulls.values()) for f in trust.faithfulness.values()) for trust in every]
    assert np.mean(beaten) >= 0.95
    assert np.mean([trust.verdict.kind == "better" for trust in every]) >= 0.9


def test_random_map_is_no_better_than_chance(evidence):
    maps = np.random.default_rng(7).random(evidence[2].shape).astype(np.float32)
    kinds = [trust.verdict.kind for trust in trust_of(evidence, maps)]
    assert np.mean([kind in ("chance", "worse") for kind in kinds]) >= 0.95


def test_smooth_map_is_better_by_luck_on_some_images_and_not_on_most(evidence):
    generator = np.random.default_rng(3)
    noise = [gaussian_filter(generator.random((planted.SIDE, planted.SIDE)), 2, mode="wrap") for _ in range(COUNT)]
    lucky = np.mean([trust.verdict.kind == "better" for trust in trust_of(evidence, np.float32(noise))])
    assert 0.05 < lucky < 1 / 3  # the how-to on trust says so


def test_null_maps_are_not_better_than_themselves(evidence):
    nulls = null_maps(evidence[0])
    for name in ("edges", "center"):
        kinds = {trust.verdict.kind for trust in trust_of(evidence, nulls[name])}
        assert kinds <= {name, "edges", "edges_by_fill", "chance", "chance_by_fill", "worse"}


def test_true_map_turned_around_is_worse_than_chance(evidence):
    kinds = [trust.verdict.kind for trust in trust_of(evidence, -evidence[2])]
    assert np.mean([kind == "worse" for kind in kinds]) >= 0.9


# What can't be told --------------------------------------------------------------------------------------------------------


def test_constant_map_is_blank(cnn):
    score = vz.targets.resolve(1, cnn, 4)
    measures, extras = TrustOfBatch(cnn, BATCH, score).measure(np.zeros_like(MAPS))
    trust = Trust.of(measures, extras, 0)
    assert trust.verdict.kind == "blank"
    assert trust.numbers["insertion minus deletion (mean)"] is None
    assert trust.others["edges"] is None


@pytest.mark.parametrize(
    "says",
    [
        lambda inputs: np.full((len(inputs), 2), 0.5, np.float32),
        lambda inputs: np.ones((len(inputs), 1), np.float32),  # one class, of which it is sure
        lambda inputs: np.stack([1 - 1e-9 * inputs.mean(axis=(1, 2, 3)), 1e-9 * inputs.mean(axis=(1, 2, 3))], axis=-1),
    ],
    ids=["constant", "one class", "saturated"],
)
def test_score_that_hardly_moves_tells_nothing(says):
    model = vz.adapt(says, input_shape=SHAPE, preprocess="none", batch_size=64)
    measures, extras = TrustOfBatch(model, BATCH, vz.targets.resolve(0, model, 4)).measure(MAPS)
    assert {Trust.of(measures, extras, index).verdict.kind for index in range(4)} == {"flat"}


# Beside the maps -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explained():
    digits = vz.assets.digits()
    return vz.explain(vz.assets.digits_cnn(), [digits[3], digits[5]], methods=["saliency", "gradcam"], trust=True)


def test_every_map_has_it_and_a_result_without_has_none(explained):
    assert [len(result.trust) for result in explained.results.values()] == [2, 2]
    assert vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3]).trust == ()


def test_it_is_that_of_each_image_alone(explained):
    alone = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[5], methods="gradcam", trust=True)["gradcam"]
    (one,), (_, other) = alone.trust, explained["gradcam"].trust
    assert one.verdict == other.verdict
    assert one.numbers == pytest.approx(other.numbers, abs=1e-4)


def test_it_survives_a_file_and_a_cut(explained, tmp_path):
    result = explained["saliency"]
    assert vz.load_result(result.save(tmp_path / "saliency.npz")).trust == result.trust
    assert result[1].trust == result.trust[1:]
    assert vz.Attributions.join([result[0], result[1]]).trust == result.trust


def test_caption_stands_under_the_picture_and_the_numbers_in_the_table(explained):
    result = explained["gradcam"]
    (first, _) = result.plot()
    assert first.get_xlabel() == result.trust[0].caption
    assert "insertion" not in first.get_title()
    assert result.caption(0).endswith(result.trust[0].caption)
    grid = explained.plot()
    assert [ax.get_xlabel() for ax in grid[1]] == ["", *(each.trust[1].caption for each in explained.results.values())]
    frame = result.to_frame()
    assert frame["verdict"].tolist() == [trust.verdict.kind for trust in result.trust]
    assert frame["insertion minus deletion (blur)"][0] == pytest.approx(
        result.trust[0].faithfulness["blur"].value, abs=1e-6
    )


# Randomization, repeatability, and notes -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_guided_saliency_is_called_out_by_its_own_randomization_number():
    digits = vz.assets.digits()
    both = vz.explain(vz.assets.digits_cnn(), digits, methods=["saliency:rule=guided", "smoothgrad"], trust=True)
    guided, smooth = both.results.values()
    assert all(trust.others["randomization"] > 0.5 for trust in guided.trust)
    assert all(trust.others["randomization"] < 0.5 for trust in smooth.trust)
    (note,) = [note for note in guided.notes if note.kind == "model-independent"]
    assert note.images == tuple(range(10))
    assert "stays much the same when the model's weights are drawn anew" in note
    assert "model-independent" not in {note.kind for note in smooth.notes}
    np.testing.assert_array_equal(
        guided.measures["randomization"],
        vz.explain(vz.assets.digits_cnn(), digits, methods="saliency:rule=guided", metrics="randomization")[
            "saliency:rule=guided"
        ].measures["randomization"],
    )


def test_notes_name_the_images_that_are_beyond_the_limits():
    measures = {"edges": np.array([0.61, 0.6, np.nan]), "randomization": np.array([0.5, 0.51, np.nan])}
    edges, independent = notes_on_likeness(measures, ["a", "b", "c"])
    assert (edges.kind, edges.images) == ("edges", (0,))
    assert (independent.kind, independent.images) == ("model-independent", (1,))
    assert notes_on_likeness({}, ["a"]) == []


def test_what_a_method_says_itself_of_its_repeatability_is_enough(cnn):
    trust = TrustOfBatch(cnn, BATCH, vz.targets.resolve(1, cnn, 4))
    maps = np.ones_like(BATCH[..., 0])  # each sums up to 56
    gap = np.array([0.0, 6.0, -14.0, 56.0], np.float32)
    measures, _ = trust.measure(maps, {"completeness gap": gap})
    np.testing.assert_allclose(measures["completeness"], [0, 6 / 50, 14 / 70, np.nan])
    asked = dict(trust.metrics({}))
    assert asked == {"road": {}, "randomization": {}, "max_sensitivity": {"num_samples": 3}}
    assert dict(trust.metrics({"completeness gap": gap})).keys() == {"road", "randomization"}
    assert dict(trust.metrics({"standard error": gap, "road": gap})).keys() == {"randomization"}


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_each_kind_of_method_has_a_number_of_its_repeatability():
    methods = ["gradcam", ("integrated_gradients", {"num_steps": 4}), ("smoothgrad", {"num_samples": 4})]
    results = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods=methods, trust=True).results
    names = [list(result.trust[0].numbers)[-1] for result in results.values()]
    assert names == ["max_sensitivity", "completeness", "standard error"]


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_black_box_has_all_but_randomization():
    model = vz.adapt(lambda inputs: inputs[:, 2, 3] + inputs[:, 4, 4] ** 2, input_shape=SHAPE, preprocess="none")
    result = vz.explain(model, BATCH, 1, methods="occlusion:patch_size=2,stride=1", trust=True).results.popitem()[1]
    assert all(trust.others["randomization"] is None for trust in result.trust)
    assert all(trust.numbers["insertion minus deletion (mean)"] is not None for trust in result.trust)
    assert [note.kind for note in result.notes if "randomization" in note] == ["undefined"]


# Command line and page -----------------------------------------------------------------------------------------------------

GUIDED = "saliency:rule=guided"


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the commands print of a digit, as text and as JSON, and the page that they write."""
    folder, three = tmp_path_factory.mktemp("trust"), vz.assets.digits()[3]
    asked = [str(vz.assets.DIGITS_CNN), str(three), "--trust", "-m", GUIDED]
    outputs = []
    for command, *more in (["explain", "-o", str(folder)], ["explain", "-o", str(folder), "--json"]):
        run = CliRunner().invoke(cli.app, [command, *asked, *more])
        assert run.exit_code == 0, run.output
        outputs.append(run)
    page = folder / "page.html"
    run = CliRunner().invoke(cli.app, ["report", *asked, "-m", "gradcam", "-o", str(page)])
    assert run.exit_code == 0, run.output
    return *outputs, page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def expected():
    return vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods=[GUIDED, "gradcam"], trust=True).trust


def test_command_tells_the_cost_and_says_it_in_plain_words(said, expected):
    text, words = said[0], " ".join(said[0].stdout.split())
    (trust,) = expected[GUIDED]
    assert cost_of_trust((28, 28, 1), 1) in text.stderr
    assert "much like an untrained model's map" in words
    assert trust.sentence in words
    assert all(line in words for line in trust.lines)
    assert words.count("max sensitivity") == 1  # not among the measures too


def test_command_gives_programs_all_of_it(said, expected):
    line = json.loads(said[1].stdout.splitlines()[-1])
    (told,) = line["trust"].values()
    assert told.keys() == expected[GUIDED][0].to_dict().keys()
    assert told["verdict"] == expected[GUIDED][0].verdict.kind
    assert told["numbers"]["randomization"] == pytest.approx(expected[GUIDED][0].numbers["randomization"], abs=1e-4)
    assert "model-independent" in line["note_kinds"]


def test_page_says_it_of_each_method_with_bars(said, expected):
    page = html.unescape(said[2])
    assert "How far can these maps be trusted?" in page
    for method, (trust,) in expected.items():
        assert f"<h4>{method}: {trust.label}</h4>" in page
        assert trust.sentence in page
        for fill in trust.faithfulness.values():
            assert f"</svg> {fill.value:.2f}" in page
    lengths = [float(length) for length in re.findall(r'class="bar-of" x="\S+" y="0.1" width="([\d.]+)"', page)]
    assert max(lengths) == 1
    assert "style=" not in page.partition("<body>")[2].partition("<script")[0]  # which the page's policy forbids


def test_page_of_others_says_nothing_of_trust():
    plain = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency")
    assert "trusted" not in render_page(plain.results).partition("<body>")[2].partition("<script")[0]


def test_bars_begin_at_zero_and_stay_within_their_ends():
    bars = [_bar(value, 0.5) for value in (0.25, -0.5, 0.8, None)]
    assert [(bar["left"], bar["length"], bar["text"]) for bar in bars] == [
        (0.0, 0.5, "0.25"), (-1.0, 1.0, "-0.50"), (0.0, 1.0, "0.80"), (0, 0, "undefined"),
    ]  # fmt: skip


def test_cost_counts_every_run_but_those_of_the_methods(cnn):
    score = vz.targets.resolve(1, cnn, 4)
    kept = TrustOfBatch(cnn, BATCH, score)._kept
    first = kept.runs
    kept.curves(MAPS)
    road = 2 * 4  # shares, from both ends
    assert cost_of_trust(SHAPE, 2).startswith(f"{first + kept.runs + 2 * road} more runs")
    assert int(cost_of_trust((224, 224, 3), 1).split()[0]) < 100
