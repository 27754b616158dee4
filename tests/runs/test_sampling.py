"""A part of the images, taken by what the model says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vizcnn as vz
from tests.runs.made import OCCLUSION, contents, explained, model, softmax, starts_until_whole, write_images
from vizcnn.cli.run import _tell
from vizcnn.errors import OptionError, ResultError
from vizcnn.runs import running, workers
from vizcnn.runs.files import Folder
from vizcnn.runs.manifest import Manifest
from vizcnn.runs.running import work_on
from vizcnn.runs.sampling import by_confidence, by_turns, mistakes_first
from vizcnn.runs.worker import Worker

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("sampling") / "images", 40, broken=(7,))


def taken(images: Path, out: Path, by: str, **options: Any) -> vz.Run:
    asked = {"methods": OCCLUSION, "labels_by": "folders", "sample": 12, "sample_by": by}
    return explained(images, out, **{**asked, **options})


@pytest.fixture(scope="module")
def by_mistakes(images: Path) -> vz.Run:
    return taken(images, images.with_name("mistakes"), "mistakes")


def test_mistakes_come_first_the_surest_of_them(images: Path, by_mistakes: vz.Run) -> None:
    alone = vz.explain(model(), sorted(set(images.rglob("*.png")) - {images / "b" / "007.png"}), methods=OCCLUSION)
    said = {
        f"{'abc'[int(name[:3]) % 3]}/{name}": (predicted.label, predicted.probability)
        for name, predicted in zip(alone[OCCLUSION].names, alone[OCCLUSION].predictions, strict=True)
    }
    wrong = sorted((path for path in said if path[0] != said[path][0]), key=lambda path: -said[path][1])
    assert len(wrong) > 12
    assert set(by_mistakes.table["path"]) == set(wrong[:12])
    assert len(by_mistakes.mistakes(20)) == 12


def test_what_was_predicted_is_a_run_of_its_own(by_mistakes: vz.Run) -> None:
    of_all = vz.open_run(by_mistakes.path / "predictions")
    assert (len(of_all), of_all.methods, of_all.is_complete, len(of_all.failures)) == (40, (), True, 1)
    assert repr(of_all) == "<Run of 'softmax' by nothing: 40 of 40 images>"
    of_sample = by_mistakes.table.set_index("path")
    same = of_all.table.set_index("path").loc[of_sample.index]
    assert same["prediction"].tolist() == of_sample["prediction"].tolist()
    np.testing.assert_allclose(same["probability"], of_sample["probability"], rtol=1e-5)
    with pytest.raises(ResultError, match="holds no maps: its images were predicted, not explained"):
        of_all.maps(0)


def test_sample_by_confidence_has_of_each_tenth_as_many(images: Path, tmp_path: Path) -> None:
    run = taken(images, tmp_path, "confidence", labels_by=None, sample=9)
    tenths = lambda rows: np.minimum(rows["probability"].dropna() * 10, 9).astype(int).value_counts()  # noqa: E731
    have, of_sample = tenths(vz.open_run(tmp_path / "predictions").table), tenths(run.table)
    assert len(have) > 2
    rest = min(count for tenth, count in of_sample.items() if count < have[tenth])
    assert all(count in (have[tenth], rest, rest + 1) for tenth, count in of_sample.items())
    assert set(of_sample.index) == set(have.index)


def test_run_stopped_after_every_batch_takes_the_same_sample(
    images: Path, by_mistakes: vz.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = starts_until_whole(lambda: taken(images, tmp_path, "mistakes"), monkeypatch)
    assert starts == 14  # batches of four: of 40 predictions, of 12 explanations; and one that writes the last shard
    assert contents(tmp_path) == contents(by_mistakes.path)


def test_second_start_predicts_nothing_anew(images: Path, by_mistakes: vz.Run) -> None:
    said: list[str] = []
    before = contents(by_mistakes.path)
    taken(images, by_mistakes.path, "mistakes", say=said.append)
    assert said == [f"All 12 images are explained already, in {str(by_mistakes.path)!r}: nothing to do."]
    assert contents(by_mistakes.path) == before


def test_parts_of_several_machines_share_the_predictions(images: Path, by_mistakes: vz.Run, tmp_path: Path) -> None:
    for part in ("2/2", "1/2"):
        taken(images, tmp_path, "mistakes", shard=part)
    assert contents(tmp_path) == contents(by_mistakes.path)


def test_parts_begin_the_predictions_elsewhere(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(worker: Worker, manifest: Manifest, shards: list[int]) -> Any:
        raise Stopped(worker.job, shards)

    monkeypatch.setattr(Worker, "work", work)
    for part, order in (("1/1", [0, 1, 2, 3, 4]), ("1/2", [0, 1, 2, 3, 4]), ("2/2", [2, 3, 4, 0, 1])):
        with pytest.raises(Stopped) as stopped:
            taken(images, tmp_path, "mistakes", shard=part)
        job, shards = stopped.value.args
        assert shards == order
    for turn, order in ((0, [2, 3, 4, 0, 1]), (1, [3, 4, 0, 1, 2])):  # of the processes of the second machine
        with pytest.raises(Stopped) as stopped:
            next(work_on(job, job.plan(), (1, 2), turn))
        assert stopped.value.args[1] == order


class Stopped(Exception):
    """With a job, and the shards it would work on."""


def test_model_is_loaded_once_for_both(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    monkeypatch.setattr("vizcnn.runs.dataset.as_adapter", lambda given: loaded.append(given) or model())
    taken(images, tmp_path, "confidence", model=images / "a" / "000.png")
    assert len(loaded) == 1


def test_confidence_of_a_model_without_probabilities_is_refused(images: Path, tmp_path: Path) -> None:
    numbers = model(function=lambda inputs: 10 * np.log(softmax(inputs)))
    with pytest.raises(OptionError, match="'confidence' needs a model that gives probabilities; take 'class' or"):
        taken(images, tmp_path, "confidence", model=numbers)


def test_images_are_listed_once_for_both(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed, entries = [], Folder.entries
    monkeypatch.setattr(Folder, "entries", lambda source: listed.append(source) or entries(source))
    taken(images, tmp_path, "confidence")
    assert len(listed) == 1


def test_other_processes_are_given_one_listing_at_a_time(
    images: Path, by_mistakes: vz.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, shared = tmp_path / "temporary", []

    def work(job: Any, plan: Any, part: tuple[int, int], count: int) -> Any:
        shared.append([*temporary.iterdir()])
        return running.work_on(job, plan, part, count)

    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr("vizcnn.runs.dataset.as_adapter", lambda _: model())
    monkeypatch.setattr(workers, "begin", running.begin_run)
    monkeypatch.setattr(workers, "work", work)
    run = taken(images, tmp_path / "out", "mistakes", model=images / "a" / "000.png", workers=2)
    assert run.table["path"].tolist() == by_mistakes.table["path"].tolist()
    assert list(map(len, shared)) == [1, 1]  # of all images, and then of the sample
    assert not [*temporary.iterdir()]


def test_what_is_not_known_is_taken_last() -> None:
    nan = np.nan
    assert by_turns(np.array([2, 2, 1]), 9).tolist() == [0, 1, 2]
    assert by_confidence(np.array([nan, 0.95, nan, 1, 0]), 4).tolist() == [0, 1, 3, 4]
    rows = np.array([(nan, 1, 0.9), (1, nan, nan), (1, 1, 0.9), (1, 2, nan), (2, 1, 0.3)]).T
    assert [mistakes_first(*rows, count).tolist() for count in (1, 2, 3, 4)] == [[4], [3, 4], [2, 3, 4], [0, 2, 3, 4]]


_unsure = st.none() | st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.3, 0.95, 1.0])
_class = st.none() | st.integers(0, 3)


@given(st.lists(st.tuples(_class, _class, _unsure), min_size=1, max_size=30), st.integers(1, 30))
def test_sample_is_that_of_a_slow_one_by_one(rows: list[tuple[Any, Any, Any]], count: int) -> None:
    true, predicted, probabilities = np.array(rows, float).T

    def turns(groups: list[Any]) -> list[int]:
        return sorted(sorted(range(len(groups)), key=lambda at: groups[:at].count(groups[at]))[:count])

    def rank(row: tuple[Any, Any, Any]) -> tuple[float, ...]:
        if None in row[:2]:
            return (2,)
        return (0, -(row[2] or 0)) if row[0] != row[1] else (1,)

    groups = [-1 if row[0] is None else row[0] for row in rows]
    assert by_turns(np.array(groups), count).tolist() == turns(groups)
    assert mistakes_first(true, predicted, probabilities, count).tolist() == sorted(
        sorted(range(len(rows)), key=lambda at: rank(rows[at]))[:count]
    )
    known = [at for at, row in enumerate(rows) if row[2] is not None]
    if known:
        found = [known[at] for at in turns([min(int(10 * rows[at][2]), 9) for at in known])]
        others = [at for at in range(len(rows)) if at not in known][: count - len(found)]
        assert by_confidence(probabilities, count).tolist() == sorted(found + others)


def test_command_says_how_right_the_model_is_on_all_images_and_not_on_its_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = write_images(tmp_path / "images", 12)
    run = explained(images, tmp_path / "out", methods=OCCLUSION, labels_by="folders", sample=2, sample_by="mistakes")
    everything = vz.open_run(tmp_path / "out" / "predictions").table
    share = (everything["label_class"] == everything["predicted_class"]).mean()
    assert (run.table["label_class"] == run.table["predicted_class"]).mean() < share
    _tell(run)
    assert capsys.readouterr().out == f"{share:.1%} of 12 images with a true class are predicted right.\n"
