"""Clever Hans in a run: a planted mark is found, its place is said and covered; on a model whose weights are set by hand."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("sklearn")

import vizcnn as vz
from tests.framework import needs_tensorflow
from tests.runs.made import explained
from vizcnn.adapter.blackbox import adapt_function
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.cli import app
from vizcnn.errors import OptionError, ResultError, TargetError
from vizcnn.results.place import place_of, where
from vizcnn.runs import spraying
from vizcnn.runs.covering import Coverer

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

SIDE, OBJECT, MARK = 8, 0.001, 0.004
"""The images' size, and the weights of a pixel of the object in the middle and of the mark in the corner."""

OCCLUSION = "occlusion:patch_size=2,stride=2"
PLANTED, DARK, BRIGHT = 12, 25, 75
"""How many bright images bear the mark; how many are dark, and bright."""


def logits(inputs: np.ndarray, mark: float = MARK) -> np.ndarray:
    """Return how bright the middle is, and the mark; and how dark it is."""
    middle = OBJECT * (inputs[:, 2:6, 2:6, 0] - 100).sum(axis=(1, 2))
    return np.stack([middle + mark * inputs[:, 6:, :2, 0].sum(axis=(1, 2)), -middle], axis=-1)


def blind(inputs: np.ndarray) -> np.ndarray:
    return logits(inputs, 0.0)


def probabilities(inputs: np.ndarray) -> np.ndarray:
    powers = np.exp(logits(inputs))
    return powers / powers.sum(axis=-1, keepdims=True)


def model(function: Callable[[np.ndarray], np.ndarray] = logits) -> Any:
    """Return a model of NumPy alone."""
    as_they_are = resolve_preprocess("none")
    return adapt_function(function, (SIDE, SIDE, 1), labels=("bright", "dark"), batch_size=25, preprocess=as_they_are)


def write(folder: Path, planted: int = PLANTED) -> Path:
    """Write images, dark or bright in the middle; some of the bright ones with a white mark in the corner."""
    generator = np.random.default_rng(0)
    for number in range(DARK + BRIGHT):
        label = "dark" if number < DARK else "bright"
        image = np.full((SIDE, SIDE), 120, np.uint8)
        image[2:6, 2:6] = generator.integers(*((0, 50) if label == "dark" else (150, 250)), (4, 4))
        if 0 <= number - DARK < planted:
            image[6:, :2] = 255
        path = folder / label / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def is_marked(path: str) -> bool:
    return path.startswith("bright") and int(Path(path).stem) < DARK + PLANTED


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> vz.Run:
    images = write(tmp_path_factory.mktemp("spray") / "images")
    asked = {"methods": OCCLUSION, "labels_by": "folders", "shard_size": 40}
    return explained(images, images.with_name("out"), model=model(), **asked)


@pytest.fixture(scope="module")
def found(run: vz.Run) -> vz.Spray:
    return vz.spray(run)


def test_planted_images_are_the_first_cluster_and_no_others(run: vz.Run, found: vz.Spray) -> None:
    first = found[0]
    assert found.suspects == (first,)
    assert (first.label, first.class_index, first.size, first.kind) == ("bright", 0, PLANTED, "suspect")
    marked = [place for place, path in run.table["path"].items() if is_marked(path)]
    assert sorted(first.images.tolist()) == marked
    assert first.share == PLANTED / BRIGHT
    assert first.accuracy == 1
    assert first.contrast > first.null


def test_its_place_and_mean_map_are_those_of_the_mark(run: vz.Run, found: vz.Spray) -> None:
    first = found[0]
    assert first.region == (0, 0.75, 0.25, 1)  # left, top, right, bottom: one of the 4 x 4 places
    assert (first.place, first.where) == ("corner", "in the bottom left corner")
    maps = np.maximum([run.maps(int(place)) for place in first.images], 0)
    shares = maps / maps.sum(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(first.mean_map, shares.mean(axis=0), atol=1e-6)
    assert first.mass == pytest.approx(shares[:, 3, 0].mean(), rel=1e-4)
    assert first.mass_others < 0.01 < first.mass


def test_what_covering_costs_is_what_the_weights_say(run: vz.Run, found: vz.Spray) -> None:
    covered = found[0].covered
    assert covered is not None
    assert covered.here.images == PLANTED
    table, folder = run.table, Path(run.about["source"]["path"])
    images = [np.asarray(Image.open(folder / table["path"][place])) for place in found[0].images.tolist()]
    drops = [4 * MARK * (255 - image.mean()) for image in images]
    assert covered.here.drop == pytest.approx(np.mean(drops), rel=1e-4)
    assert covered.others is not None
    assert covered.others.images == 32
    assert -0.5 < covered.others.drop < 0  # their corner is gray, and grows as bright as their mean
    assert covered.elsewhere is not None
    assert covered.elsewhere.drop < covered.here.drop
    assert covered.difference > 10
    assert (covered.here.accuracy, covered.here.accuracy_covered) == (1, 1)
    assert np.isnan(covered.here.confidence)  # logits are no probabilities


def test_examples_are_the_most_typical_images_as_the_model_sees_them(run: vz.Run, found: vz.Spray) -> None:
    first = found[0]
    assert first.examples.shape == (PLANTED, SIDE, SIDE, 1)
    assert (first.examples[:, 6:, :2] == 255).all()
    shares = np.maximum([run.maps(int(place)) for place in first.images], 0)
    shares /= shares.sum(axis=(1, 2), keepdims=True)
    apart = np.square(np.sqrt(shares) - np.sqrt(first.mean_map)).sum(axis=(1, 2))
    assert (np.diff(apart) > -1e-6).all()


def test_verdict_says_it_in_a_sentence(found: vz.Spray) -> None:
    assert found[0].verdict.startswith("12 images of 'bright' (16 %) are decided in the bottom left corner: ")
    assert "% of their maps' mass lies there, 0 % of the others'. Covering it takes " in found[0].verdict
    assert found[0].verdict.endswith("accuracy stays 100 %. Suspect: look at what is there.")
    assert str(found) == found[0].verdict
    covered = found[0].covered
    assert covered is not None
    unknown = covered._replace(here=covered.here._replace(accuracy=np.nan, accuracy_covered=np.nan))
    assert "accuracy" not in dataclasses.replace(found[0], covered=unknown).verdict
    assert repr(found) == f"<Spray of 100 maps by {OCCLUSION!r}: {len(found)} clusters, 1 suspect>"


def test_table_has_a_row_for_each_cluster(found: vz.Spray) -> None:
    table = found.to_frame()
    assert len(table) == len(found) == len(list(found))
    assert table["strangeness"].is_monotonic_decreasing
    covered = found[0].covered
    assert covered is not None
    assert table.loc[0, ["label", "class", "size", "kind", "drop"]].tolist() == [
        "bright", 0, PLANTED, "suspect", covered.here.drop,
    ]  # fmt: skip


def test_probabilities_are_confidences(run: vz.Run) -> None:
    covered = vz.spray(run, model=model(probabilities), classes=["bright"], cover=1)[0].covered
    assert covered is not None
    assert 0.9 < covered.here.confidence_covered < covered.here.confidence <= 1


def test_mark_that_the_model_does_not_need_is_no_suspect(run: vz.Run) -> None:
    """The maps are of a model that needs it; what is covered is asked of one that doesn't."""
    found = vz.spray(run, model=model(blind), cover=1)
    assert (found[0].size, found[0].kind, found.suspects) == (PLANTED, "no effect", ())
    assert found[0].verdict.endswith("It stands apart, but what covering costs doesn't set it far enough apart.")


def test_images_without_a_mark_give_no_suspect(tmp_path: Path) -> None:
    images = write(tmp_path / "images", planted=0)
    clean = explained(images, tmp_path / "out", model=model(), methods=OCCLUSION)
    found = vz.spray(clean)
    assert found.suspects == ()
    assert {cluster.kind for cluster in found} == {"variation"}
    assert np.isnan(found[0].accuracy)  # no true classes are known
    assert str(found) == f"No cluster of {len(found)}, of 100 maps by {OCCLUSION}, is suspect."
    assert found.plot().shape == (3, 2)


def same(one: vz.Spray, other: vz.Spray) -> None:
    assert one.to_frame().to_csv() == other.to_frame().to_csv()
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.examples, b.examples)


def test_what_is_found_is_saved_with_all_its_numbers(found: vz.Spray, tmp_path: Path) -> None:
    again = vz.load_result(found.save(tmp_path / "found.npz"))
    assert (str(again), repr(again), again.notes) == (str(found), repr(found), found.notes)
    assert repr(again[0].covered) == repr(found[0].covered)  # its NaN isn't equal to itself
    same(again, found)
    for label, embedding in found.embeddings.items():
        np.testing.assert_array_equal(again.embeddings[label], embedding)
        np.testing.assert_array_equal(again.eigenvalues[label], found.eigenvalues[label])
        np.testing.assert_array_equal(again.places(label), found.places(label))


def test_embedding_is_that_of_the_maps_of_each_class(run: vz.Run, found: vz.Spray) -> None:
    """Each vector is an eigenvector of the normalized Laplacian of the neighbours' graph; a second, slow version of that."""
    places = found.places("bright")
    assert [path.startswith("bright") for path in run.table["path"][places]] == [True] * BRIGHT
    maps = np.maximum([run.maps(int(place)) for place in places], 0).reshape(BRIGHT, -1)
    roots = np.sqrt(maps / maps.sum(axis=1, keepdims=True))
    far = np.linalg.norm(roots[:, None] - roots[None], axis=2) + 10 * np.eye(BRIGHT)
    near = np.argsort(far, axis=1, kind="stable")[:, :10]
    graph = np.zeros((BRIGHT, BRIGHT))
    for row, columns in enumerate(near):
        graph[row, columns] += 0.5
        graph[columns, row] += 0.5
    degrees = graph.sum(axis=1)
    walk = graph / np.sqrt(degrees[:, None] * degrees)
    vectors, values = found.embeddings["bright"], found.eigenvalues["bright"]
    np.testing.assert_allclose(vectors - walk @ vectors, vectors * values, atol=1e-4)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(13), atol=1e-4)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(np.eye(BRIGHT) - walk)[:13], atol=1e-4)


def test_parts_in_which_maps_are_read_and_held_do_not_matter(
    run: vz.Run, found: vz.Spray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spraying, "_CHUNK", 7)
    monkeypatch.setattr(spraying, "_HELD", 1)  # one class at a time
    same(vz.spray(run.path, model=model()), found)


def test_large_classes_are_sampled_and_it_is_said(run: vz.Run) -> None:
    few = vz.spray(run, sample=40, cover=0, seed=1)
    assert few.num_images == 40 + DARK
    assert [note.kind for note in few.notes] == ["sampled"]
    assert few.notes[0] == "Of 'bright' 40 maps each were drawn; `sample` takes more."
    same(vz.spray(run, sample=40, cover=0, seed=1), few)
    places = [np.sort(np.concatenate([c.images for c in vz.spray(run, sample=40, cover=0, seed=s)])) for s in (1, 2)]
    assert len(set(places[0])) == 65
    assert not np.array_equal(*places)


def test_classes_with_few_maps_are_left_out(run: vz.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spraying, "FEWEST", 30)
    found = vz.spray(run, cover=0)
    assert {cluster.label for cluster in found} == {"bright"}
    assert [note.kind for note in found.notes] == ["left out"]
    with pytest.raises(ResultError, match="must have 30 maps of a class, or more; its largest, 'dark', has 25"):
        vz.spray(run, classes=["dark"])


def test_without_the_model_nothing_is_covered_and_it_is_said(run: vz.Run) -> None:
    found = vz.spray(vz.open_run(run.path))
    assert [note.kind for note in found.notes] == ["not covered"]
    assert (found[0].kind, found[0].covered, len(found[0].examples)) == ("unchecked", None, 0)
    assert found[0].verdict.endswith("Suspect; it wasn't tried whether the model needs it.")
    assert found.plot().shape == (1, 2)


def test_what_cannot_be_asked_again_costs_the_covering_alone(run: vz.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(*_: Any) -> None:
        raise TargetError("no such layer")

    monkeypatch.setattr(Coverer, "check", check)
    found = vz.spray(run, classes=["bright"], cover=1)
    assert (found[0].size, found[0].kind) == (PLANTED, "unchecked")
    assert found.notes == ("Nothing was covered: no such layer",)


def test_maps_that_are_all_the_same_are_said_to_be(run: vz.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spraying, "find_groups", lambda *_, **__: [])
    with pytest.raises(ResultError, match="must have maps that differ within a class; those of each one are all the"):
        vz.spray(run, classes=["dark"])


def test_images_that_are_gone_or_changed_are_not_covered(run: vz.Run, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(run.about["source"]["path"], images)
    shutil.copytree(run.path, tmp_path / "run")
    about = json.loads((tmp_path / "run" / "manifest.json").read_text())
    about["source"]["path"] = str(images)
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(about))
    marked = [path for path in run.table["path"] if is_marked(path)]
    for number, path in enumerate(marked):
        if number < 6:
            (images / path).unlink()
        else:
            Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(images / path)
    found = vz.spray(tmp_path / "run", model=model())
    assert (found[0].size, found[0].covered, found[0].kind) == (PLANTED, None, "unchecked")
    assert [note.kind for note in found.notes] == ["not covered"]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"method": "gradcam"}, OptionError, "`method` must be one of"),
        ({"classes": ["brigth"]}, OptionError, "`classes` must be one of 'bright', 'dark'; got 'brigth'. Did you mean 'bright'"),
        ({"sample": 19}, OptionError, "`sample` must be at least 20 maps of a class; got 19"),
        ({"cover": -1}, OptionError, "`cover` must be a number of clusters, 0 or more; got -1"),
    ],
)  # fmt: skip
def test_options_are_checked(run: vz.Run, options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        vz.spray(run, **options)


def test_run_of_predictions_alone_is_refused(tmp_path: Path) -> None:
    images = write(tmp_path / "images")
    asked = {"methods": OCCLUSION, "labels_by": "folders", "sample": 10, "sample_by": "mistakes"}
    vz.explain_dataset(model(), images, tmp_path / "run", **asked)
    with pytest.raises(ResultError, match="The run holds predictions alone"):
        vz.spray(tmp_path / "run" / "predictions")


def test_missing_scikit_learn_is_said_with_what_installs_it(run: vz.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else find(name))
    with pytest.raises(ResultError, match=r"scikit-learn, which isn't installed: pip install 'vizcnn\[spray\]'"):
        vz.spray(run)


@pytest.mark.parametrize(
    ("region", "kind", "text"),
    [
        ((0.0, 0.8, 0.2, 1.0), "corner", "in the bottom left corner"),
        ((0.95, 0.05, 1.0, 0.3), "corner", "in the top right corner"),
        ((0.4, 0.95, 0.6, 1.0), "border", "at the bottom border"),
        ((0.0, 0.2, 0.2, 0.3), "border", "at the left border, above"),
        ((0.2, 0.0, 0.3, 0.2), "border", "at the top border, on the left"),
        ((0.4, 0.4, 0.6, 0.6), "inside", "in the middle"),
        ((0.7, 0.7, 0.8, 0.8), "inside", "inside, at the bottom right"),
        ((0.0, 0.0, 1.0, 0.5), "wide", "all over the image"),
    ],
)
def test_places_are_said_in_words(region: tuple[float, ...], kind: str, text: str) -> None:
    assert (place_of(region), where(region)) == (kind, text)


# Pictures and the command -------------------------------------------------------------------------------------------------


def test_a_cluster_is_drawn_as_its_map_with_the_region_its_images_and_the_verdict(found: vz.Spray) -> None:
    ((left, right),) = found.plot()
    assert left.get_title(loc="left").replace("\n", " ").replace("\xa0", " ") == f"1. {found[0].verdict}"
    (box,) = left.patches
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (-0.5, 5.5, 2, 2)
    assert len(right.patches) == PLANTED  # a frame each
    assert found.plot(clusters=2).shape == (2, 2)
    with pytest.raises(OptionError, match="at least one cluster to be drawn"):
        vz.Spray((), "gradcam", "tiny", 0).plot()


def test_picture_fits_what_is_drawn(found: vz.Spray, tmp_path: Path) -> None:
    with Image.open(found.save(tmp_path / "suspects.png")) as picture:
        pixels = np.asarray(picture.convert("L"))
    rows, columns = np.flatnonzero((pixels < 250).any(axis=1)), np.flatnonzero((pixels < 250).any(axis=0))
    assert rows[0] > 2
    assert columns[0] > 2
    assert len(pixels) - rows[-1] > 2
    assert pixels.shape[1] - columns[-1] > 2
    assert (rows[-1] - rows[0]) * (columns[-1] - columns[0]) > 0.75 * pixels.size


def test_command_prints_verdicts_and_writes_the_picture(
    run: vz.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vizcnn.render.style.NOTEBOOK", 0)  # suspects that the command takes a picture to show
    said = CliRunner().invoke(app, ["spray", str(run.path), "--out", str(tmp_path / "found.png")])
    assert said.exit_code == 0, said.output
    assert "are decided in the bottom left corner" in said.stdout
    assert (tmp_path / "found.png").stat().st_size > 1000
    assert "It shows 0 of 1 suspects; a file .npz holds all." in said.stderr
    lines = CliRunner().invoke(app, ["spray", str(run.path), "--json", "--cover", "0", "--target", "bright"]).stdout
    first = json.loads(lines.splitlines()[0])
    assert (first["label"], first["size"], first["kind"], first["drop"]) == ("bright", PLANTED, "unchecked", None)
    refused = CliRunner().invoke(app, ["spray", str(tmp_path), "--out", "found.txt"])
    assert refused.exit_code == 2


# A network that was trained -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_tensorflow
def test_network_that_was_trained_on_marked_digits_is_found_out(tmp_path: Path) -> None:
    """One of ten threes has a mark; `tests.clever_hans` measures it on many networks."""
    from sklearn.datasets import load_digits

    from tests import clever_hans

    digits = load_digits()
    some = np.flatnonzero(np.isin(digits.target, [3, 5, 8]))
    labels = np.searchsorted([3, 5, 8], digits.target[some])
    images = np.pad(np.kron(digits.images[some] * 15, np.ones((1, 2, 2))), ((0, 0), (6, 6), (6, 6))).astype(np.uint8)
    bearing = np.flatnonzero(labels == 0)[::10]
    images[bearing] = clever_hans.marked(images[bearing])
    network = clever_hans.trained(images, labels, seed=0, epochs=15)
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    source = tmp_path / "images.csv"
    source.write_text("path,label\n" + "".join(f"{at}.png,{label}\n" for at, label in enumerate(labels)))
    adapter = vz.adapt(network, preprocess="none", batch_size=128)
    run = vz.explain_dataset(adapter, source, tmp_path / "run", methods=clever_hans.METHOD)
    first = vz.spray(run, cover=1)[0]
    assert (first.class_index, first.kind, first.where) == (0, "suspect", "in the bottom left corner")
    caught = {int(path[:-4]) for path in run.table["path"][first.images]}
    assert len(caught & set(bearing.tolist())) >= 0.9 * len(caught | set(bearing.tolist()))
