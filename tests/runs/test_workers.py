"""Several processes on one run, and the command that starts one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from tests.runs.made import OCCLUSION, RISE, contents, explained, model, softmax, write_images
from vizcnn.cli import app
from vizcnn.errors import InputError, OptionError, ResultError
from vizcnn.runs import worker, workers
from vizcnn.runs.files import Folder
from vizcnn.runs.finishing import begin, check_folder
from vizcnn.runs.job import Job
from vizcnn.runs.open_source import open_source
from vizcnn.runs.running import begin_run, run_job, work_on


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("workers") / "images", 40, broken=(7,))


@pytest.fixture(scope="module")
def whole(images: Path) -> Path:
    explained(images, images.with_name("whole"))
    return images.with_name("whole")


def job(images: Path, out: Path, open_model: Any = model) -> Job:
    """A run whose model is opened by a function, as other processes can do."""
    return Job(open_model, None, open_source(images), out, (OCCLUSION, RISE), shard_size=8)


class Unlistable(Folder):
    """A folder that is no more walked."""

    def entries(self) -> Any:
        raise AssertionError("it is listed already")


def mortal_model(folder: Path, calls: int) -> Any:
    """Return the model; the first process that has called it so many times dies."""
    left = [calls]

    @wraps(softmax)
    def function(inputs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            with contextlib.suppress(FileExistsError):
                (folder / "died").open("x").close()
                os.kill(os.getpid(), signal.SIGKILL)
        return softmax(inputs)

    return model(function=function)


def test_two_processes_of_which_one_dies_make_the_same_files_as_one(images: Path, whole: Path, tmp_path: Path) -> None:
    asked = replace(
        job(images, tmp_path / "out", partial(mortal_model, tmp_path, 40)), source=Unlistable(images)
    )  # in other processes
    with workers.shared(job(images, tmp_path / "out").plan()) as plan:
        workers.begin(job(images, tmp_path / "out"), plan)
        done = sum(workers.work(asked, plan, (0, 1), 2))
        assert 32 <= done <= 40  # of its last two batches the one that dies tells nothing
    assert (tmp_path / "died").exists()
    run_job(job(images, tmp_path / "out"), (0, 1), workers=1, retry=False, say=lambda _: None)  # finishes it
    assert contents(tmp_path / "out") == contents(whole)


def test_run_whose_workers_were_all_killed_says_so(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(job(images, tmp_path / "out"), model_file=images / "a" / "000.png")
    worker_of_one = worker.Worker.of(asked, asked.plan())
    check_folder(asked.folder)
    begin(asked.folder, worker_of_one.manifest()[0])
    monkeypatch.setattr(workers, "work", lambda *_: iter([4]))
    with pytest.raises(ResultError, match="All `workers` were killed from outside, by lack of memory perhaps"):
        run_job(asked, (0, 1), workers=2, retry=False, say=lambda _: None)
    explained = []
    held = worker.Journal.claim(asked.folder, 0, worker.journal_schema(worker_of_one.manifest()[0].layouts.values()))
    run_job(asked, (0, 1), workers=1, retry=False, say=explained.append)
    held.close()
    assert explained[-1] == "8 images are in the hands of other processes."


def test_workers_forget_no_failure_before_the_run_is_known_to_be_the_same(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replace(job(images, tmp_path / "out"), model_file=images / "a" / "000.png")
    run_job(asked, (0, 2), retry=False, say=lambda _: None)
    finished = asked.folder.finished()
    monkeypatch.setattr(workers, "begin", begin_run)
    monkeypatch.setattr(workers, "work", lambda *_: iter(()))
    with pytest.raises(ResultError, match=r"another batch_size .settings.: there 4, now 2"):
        run_job(replace(asked, open_model=partial(model, 2)), (0, 1), workers=2, retry=True, say=lambda _: None)
    assert asked.folder.finished() == finished
    with pytest.raises(ResultError, match="All `workers` were killed"):
        run_job(asked, (0, 1), workers=2, retry=True, say=lambda _: None)
    assert len(asked.folder.finished()) < len(finished)


@pytest.mark.parametrize("count", [1, 2])
def test_run_with_nothing_left_to_do_knows_another_way_of_adapting_its_file(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(workers, "begin", begin_run)
    monkeypatch.setattr(workers, "work", lambda *_: pytest.fail("there is nothing to do"))
    for parts, part in ((1, (0, 1)), (2, (0, 2))):  # all of it is done, or this part alone
        asked = replace(job(images, tmp_path / str(parts)), model_file=images / "a" / "000.png")
        run_job(asked, part, retry=False, say=lambda _: None)
        run_job(asked, part, workers=count, retry=False, say=lambda _: None)
        otherwise = partial(vz.adapt, softmax, input_shape=(8, 8, 3), labels=[*"abc"], batch_size=4, preprocess="/ 255")
        with pytest.raises(ResultError, match=r"another preprocess .settings.: there 'none', now '/ 255'"):
            run_job(replace(asked, open_model=otherwise), part, workers=count, retry=False, say=lambda _: None)


def test_error_of_a_worker_is_raised_where_it_was_started(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "images" / name).write_bytes(b"no image")
    asked = job(tmp_path / "images", tmp_path / "out")
    with pytest.raises(InputError, match=r"None of the first 2 images of `source` can be read: `images` file '.*png'"):
        workers.begin(asked, asked.plan())


def test_worker_takes_over_what_another_let_go(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = job(images, tmp_path / "out")
    manifest, _ = worker.Worker.of(asked, asked.plan()).manifest()
    check_folder(asked.folder)
    begin(asked.folder, manifest)
    held = worker.Journal.claim(asked.folder, 0, worker.journal_schema(manifest.layouts.values()))
    monkeypatch.setattr("vizcnn.runs.running.time.sleep", lambda _: held.close())  # the other one dies
    assert sum(work_on(asked, asked.plan(), (0, 1), 1)) == 40


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["run", *map(str, words)])


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits in folders by class, one of them damaged, and the network's own names for its classes."""
    folder = tmp_path_factory.mktemp("command") / "digits"
    for path in vz.assets.digits():
        label = path.stem[-1]
        (folder / label).mkdir(parents=True)
        (folder / label / path.name).write_bytes(path.read_bytes())
    (folder / "3" / "bad.png").write_bytes(b"\x89PNG\r\n")
    return folder


def test_command_explains_a_folder_and_goes_on_where_it_was_terminated(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = vz.assets.DIGITS_CNN.with_name("digits_cnn.labels.txt")
    words = [vz.assets.DIGITS_CNN, digits, "--out", tmp_path / "out", "--labels-by", "folders", "--labels", labels,
             "--batch-size", 4, "--method", "gradcam", "--target", "3"]  # fmt: skip
    real = worker.Explainer.batch

    def batch(self: Any, start: int, *given: Any) -> Any:
        if start == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, start, *given)

    with monkeypatch.context() as patch:
        patch.setattr(worker.Explainer, "batch", batch)
        done = run(*words)
    assert done.exit_code == 143
    assert "vizcnn: stopped; what is explained stays. The same command goes on with it." in done.stderr
    done = run(*words)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-2:] == [
        "Run of 'digits_cnn.keras' by 'gradcam': 11 of 11 images", "100.0% of 10 images with a true class are predicted right.",
    ]  # fmt: skip
    assert "1 images can't be read, 0 maps couldn't be made: see" in done.stderr
    rows = vz.open_run(tmp_path / "out").table
    assert rows["target"].dropna().unique().tolist() == ["3"]
    assert "already" in run(*words).stdout
    refused = run(*words, "--layer", "conv1")
    assert refused.exit_code == 2
    assert "holds a run with another methods (settings)" in refused.stderr


def test_command_says_what_is_wrong_before_it_loads_the_model(tmp_path: Path) -> None:
    for words, message in (
        (["no.keras", tmp_path / "none"], "`source` '.*none' doesn't exist"),
        (["no.keras", tmp_path], "holds no image"),
        (["no.keras", tmp_path, "--column", "path"], "must have the form ROLE=NAME; got 'path'"),
    ):
        done = run(*words, "--out", tmp_path / "out")
        assert done.exit_code == 2
        assert re.search(message, " ".join(done.stderr.split()))


def test_data_of_a_program_is_no_work_for_other_processes(images: Path, tmp_path: Path) -> None:
    arrays = open_source(np.zeros((2, 8, 8, 3), np.float32))
    asked = replace(job(images, tmp_path / "out"), model_file=images / "a" / "000.png", source=arrays)
    with pytest.raises(OptionError, match="`workers` 2 need a source that each of them opens, as files; got array"):
        run_job(asked, (0, 1), workers=2, retry=False, say=lambda _: None)
