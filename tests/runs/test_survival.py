"""A run that is stopped by whatever, and started again: nothing lost, nothing doubled, the same files."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import vizcnn as vz
from tests.runs.made import OCCLUSION, contents, explained, model, softmax, starts_until_whole, write_images
from vizcnn.errors import InputError, ResultError
from vizcnn.files import write_file
from vizcnn.runs import finishing, journal, local_storage, storage, worker
from vizcnn.runs.layout import RunFolder
from vizcnn.runs.local_storage import LocalStorage
from vizcnn.runs.manifest import Manifest, versions

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are forked, and killed as Unix does it")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("survival") / "images", 40, broken=(7, 20))


@pytest.fixture(scope="module")
def whole(images: Path) -> Path:
    """The folder of a run that nothing disturbed."""
    explained(images, images.with_name("undisturbed"))
    return images.with_name("undisturbed")


def disturbed(images: Path, out: Path, *ways: str) -> dict[str, tuple[int, list[int]]]:
    """Return how many attempts at a run were stopped in each way, and how they ended."""
    command = [sys.executable, "-m", "tests.runs.disturbed", str(images), str(out), *ways]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (line.split() for line in done.stdout.splitlines())
    return {how: (int(stopped), [int(code) for code in codes]) for how, stopped, *codes in lines}


def test_run_that_is_killed_interrupted_or_out_of_room_ends_in_the_same_files(images: Path, tmp_path: Path) -> None:
    ends = disturbed(images, tmp_path, "kill=3", "int=1", "full=2")
    for how, code in (("kill", -9), ("int", 130), ("full", 2)):
        stopped, codes = ends[how]
        assert stopped
        assert codes == [code] * stopped + [0] * (len(codes) - stopped)
        assert contents(tmp_path / how) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_run_that_is_killed_twenty_times_ends_in_the_same_files(images: Path, tmp_path: Path) -> None:
    assert disturbed(images, tmp_path, "kill=20")["kill"][0] > 5
    assert contents(tmp_path / "kill") == contents(tmp_path / "whole")


def test_run_stopped_after_every_batch_ends_in_the_same_files(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = starts_until_whole(lambda: explained(images, tmp_path), monkeypatch)
    assert starts == 11  # of 40 images in batches of four each once, and one that writes the last shard
    assert contents(tmp_path) == contents(whole)


def test_run_killed_as_it_begins_ends_in_the_same_files(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    for owner, name in ((finishing, "begin_arrays"), (Manifest, "write")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, stop)
            with pytest.raises(KeyboardInterrupt):
                explained(images, tmp_path)
    explained(images, tmp_path)
    assert contents(tmp_path) == contents(whole)


def test_second_start_does_what_is_missing_alone_and_says_so(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole, tmp_path / "out")
    (tmp_path / "out" / RunFolder.rows(2)).unlink()  # whatever the manifest says
    batches: list[int] = []
    real = worker.Explainer.batch
    monkeypatch.setattr(
        worker.Explainer, "batch", lambda self, start, *given: batches.append(start) or real(self, start, *given)
    )
    said: list[str] = []
    explained(images, tmp_path / "out", say=said.append)
    assert batches == [16, 20]
    assert re.fullmatch(
        r"32 of 40 images are explained already; 8 images to explain, which take about [\d.]+ kB\.", said[0]
    )
    assert contents(tmp_path / "out") == contents(whole)
    explained(images, tmp_path / "out", say=said.append)
    assert said[1:] == [f"All 40 images are explained already, in {str(tmp_path / 'out')!r}: nothing to do."]


def test_run_that_knows_nothing_of_later_settings_goes_on(images: Path, tmp_path: Path) -> None:
    twice = vz.adapt(softmax, input_shape=(8, 8, 3), labels=[*"abc"], batch_size=4, preprocess="none", num_runs=2)
    out = explained(images, tmp_path / "out", model=twice, methods=OCCLUSION, sample=16).path
    rows = out / "rows" / "00001.parquet"
    before = rows.read_bytes()

    def again(*later: str, **asked: Any) -> None:
        manifest = Manifest.read(RunFolder(out))
        assert manifest is not None
        for name in later:
            del manifest.about["settings"][name]
        manifest.about["complete"] = False
        manifest.write(RunFolder(out))
        rows.unlink()
        explained(images, out, methods=OCCLUSION, sample=16, **asked)

    with pytest.raises(ResultError, match=r"another num_runs \(settings\): there 2, now None"):
        again()
    rows.write_bytes(b"")
    again("target_files", "image_size", "num_runs", "token_grid", "fixed_inputs", "input_layer", model=twice)
    assert rows.read_bytes() == before


def test_finished_run_goes_with_other_versions_until_it_is_retried(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"methods": OCCLUSION, "sample": 4}
    explained(images, tmp_path / "out", **options)
    monkeypatch.setattr("vizcnn.runs.adapting.versions", lambda _: {"pillow": "99"})
    explained(images, tmp_path / "out", **options)
    with pytest.raises(ResultError, match=r"another numpy \(versions\)|another pillow \(versions\)"):
        explained(images, tmp_path / "out", retry=True, **options)
    said: list[str] = []
    explained(images, tmp_path / "out", say=said.append, **options)
    assert said == [f"All 4 images are explained already, in {str(tmp_path / 'out')!r}: nothing to do."]


def test_packages_that_are_installed_by_another_name_have_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2
    import PIL

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    found = versions(model())
    assert (found["pillow"], found["opencv-python-headless"]) == (PIL.__version__, cv2.__version__)


def test_parts_by_several_machines_make_the_same_files_as_one(images: Path, whole: Path, tmp_path: Path) -> None:
    for part in ("3/3", "1/3", "2/3"):
        assert not (tmp_path / "failures.jsonl").exists()
        explained(images, tmp_path, shard=part)
    assert contents(tmp_path) == contents(whole)


def test_torn_record_is_cut_off_and_computed_again(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(self: Any, batch: Any) -> None:
        real(self, batch)
        if self.count == 1:
            raise KeyboardInterrupt

    real = journal.Journal.append
    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, "append", append)
        with pytest.raises(KeyboardInterrupt):
            explained(images, tmp_path)
    path = tmp_path / RunFolder.journal(0)
    data = path.read_bytes()
    path.write_bytes(data + data[: len(data) // 2])  # the next one, half written
    explained(images, tmp_path)
    assert contents(tmp_path) == contents(whole)
    assert not path.exists()


def test_record_whose_bytes_were_lost_is_computed_again(tmp_path: Path) -> None:
    import pyarrow as pa

    schema = pa.schema({"a": pa.int32()})
    folder, path = RunFolder(tmp_path), tmp_path / RunFolder.journal(0)
    kept = journal.Journal.claim(folder, 0, schema)
    for number in range(3):
        kept.append(pa.RecordBatch.from_pydict({"a": [number]}, schema=schema))
    kept.close()
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    for lost in (bytes(data), bytes(data[: len(data) // 3 * 2]) + bytes(100)):  # and zeros that were never overwritten
        path.write_bytes(lost)
        again = journal.Journal.claim(folder, 0, schema)
        assert (again.count, again.table().to_pydict()) == (2, {"a": [0, 1]})
        assert journal.Journal.claim(folder, 0, schema) is None  # one process has it
        again.close()
    for most, kept in ((2, 2), (1, 0)):  # the latter of batches of another size
        again = journal.Journal.claim(folder, 0, schema, most)
        assert again.count == kept
        again.close()


def test_file_that_is_removed_by_whoever_had_it_is_claimed_by_one_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "lock", storage.take_lock
    held = [storage.claimed(path)]

    def let_go_before(number: int) -> bool:
        storage.let_go(held.pop(), path, remove=True)
        monkeypatch.setattr(storage, "take_lock", real)
        return real(number)

    monkeypatch.setattr(storage, "take_lock", let_go_before)  # between the opening and the lock
    held.append(storage.claimed(path))
    assert storage.claimed(path) is None

    class Closed:
        def close(self) -> None:
            held.pop(0).close()
            held.append(storage.claimed(path))

    storage.let_go(Closed(), path, remove=True)
    assert storage.claimed(path) is None  # the one who came in between has it
    held.pop().close()


def test_folder_that_is_removed_meanwhile_is_made_again_and_a_file_with_two_numbers_is_called_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "journal" / "lock", os.open

    def open_late(*arguments: Any) -> int:
        monkeypatch.setattr(os, "open", real)
        path.parent.rmdir()
        return real(*arguments)

    monkeypatch.setattr(os, "open", open_late)
    storage.claimed(path).close()
    monkeypatch.setattr(os.path, "samestat", lambda *_: False)
    monkeypatch.setattr(storage.time, "sleep", lambda _: None)
    with pytest.raises(OSError, match="what is opened there isn't what lies there"):
        storage.claimed(path)


def test_source_that_vanishes_stops_the_run_and_none_of_its_images_is_blamed(
    images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = shutil.copytree(images, tmp_path / "images")
    reference = explained(moved, tmp_path / "reference").path
    real = worker.Explainer.batch

    def batch(self: Any, start: int, *given: Any) -> Any:
        if start == 12:
            moved.rename(tmp_path / "elsewhere")
        return real(self, start, *given)

    with monkeypatch.context() as patch:
        patch.setattr(worker.Explainer, "batch", batch)
        with pytest.raises(InputError, match=r"isn't there any more. Bring it back, and start the run again"):
            explained(moved, tmp_path / "out")
    (tmp_path / "elsewhere").rename(moved)
    explained(moved, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(reference)


def test_run_of_another_model_source_or_setting_is_refused(images: Path, whole: Path) -> None:
    for message, options in (
        ("another methods .settings.: there {'occlusion", {"methods": ["rise"]}),
        ("another target .settings.: there None, now 'a'", {"target": "a"}),
        ("another sample .settings.: there None, now 5", {"sample": 5}),
        ("another batch_size .settings.: there 4, now 2", {"model": model(2)}),
    ):
        with pytest.raises(ResultError, match=message):
            explained(images, whole, **options)
    others = write_images(images.with_name("others"), 3)
    with pytest.raises(ResultError, match=r"another sha256 of its model's weights: there None, now 'ab'"):
        Manifest({"model": {"sha256": None}}).check_same({"model": {"sha256": "ab"}}, RunFolder(whole))
    with pytest.raises(ResultError, match=r"another path of its source: there '.*images', now '.*others'"):
        explained(others, whole)


def test_source_with_another_image_is_another_source(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 4)
    explained(images, tmp_path / "out")
    write_images(images, 5)
    with pytest.raises(ResultError, match=r"another source \(digest of its images\)"):
        explained(images, tmp_path / "out")


def test_folder_of_another_version_is_refused_before_the_model_is_loaded(
    images: Path, whole: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(whole, tmp_path / "out")
    (out / "manifest.json").write_text((out / "manifest.json").read_text().replace('"schema": 1', '"schema": 9'))
    with pytest.raises(ResultError, match=r"must have the schema version 1; got 9. It was written by vizcnn"):
        explained(images, out, model="no model.keras")


def test_folder_with_other_files_is_refused(images: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(ResultError, match=r"holds 'thesis.tex'. Name another one"):
        explained(images, tmp_path, model="no model.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("left", ["rows/00000.parquet", "journal/00000", "failures.jsonl"])
def test_folder_with_what_another_run_has_left_is_refused(images: Path, tmp_path: Path, left: str) -> None:
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).touch()
    with pytest.raises(ResultError, match=f"holds '{left.partition('/')[0]}'. Name another one"):
        explained(images, tmp_path, model="no model.keras")


def test_disk_that_cannot_hold_the_run_is_refused_before_it_begins(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**6, 10**6 - 5000, 5000))
    with pytest.raises(ResultError, match=r"with [\d.]+ kB free; the run needs about [\d.]+ kB. Free some"):
        explained(images, tmp_path / "out")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 192 KiB; not everybody may have one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("no tmpfs may be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_tidying_leaves_what_others_are_writing(tmp_path: Path) -> None:
    place = LocalStorage(tmp_path)
    write_file(tmp_path / "tags.csv", lambda file: place.tidy("journal"), (".csv",))
    assert (tmp_path / "tags.csv").exists()
    with pytest.raises(ResultError, match="No such file"):  # its own ones of then are put away
        write_file(tmp_path / "manifest.json", lambda file: place.tidy("journal"), (".json",))


def test_what_can_not_be_written_or_read_is_called_out_and_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = LocalStorage(tmp_path)
    (tmp_path / "rows").write_bytes(b"")
    with pytest.raises(ResultError, match=r"^`out` '.*00000\.parquet' can't be written: "):
        place.write("rows/00000.parquet", b"")

    def broken(*_: Any) -> Any:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(local_storage, "whole_records", broken)
        with pytest.raises(ResultError, match=r"^`out` '.*' can't be written: Input/output error") as kept:
            place.records("journal/00000")
    records = place.records("journal/00000")
    assert records is not None, kept
    records.close()


def fill(disk: Path) -> None:
    """Leave no room on a disk, whoever else is writing there."""
    with contextlib.suppress(OSError), (disk / "filler").open("ab", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def test_disk_that_fills_up_in_the_middle_is_told_and_loses_nothing(
    images: Path, whole: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = worker.Explainer.batch

    def batch(self: Any, start: int, *given: Any) -> Any:
        if start >= 16:
            fill(small_disk)
        return real(self, start, *given)

    with monkeypatch.context() as patch:
        patch.setattr(worker.Explainer, "batch", batch)
        with pytest.raises(ResultError, match="can't be written: No space left on device"):
            explained(images, small_disk / "out")
    (small_disk / "filler").unlink()
    explained(images, small_disk / "out")
    assert contents(small_disk / "out") == contents(whole)


def test_disk_that_is_too_small_from_the_first_is_refused(images: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 40_000))
    with pytest.raises(ResultError, match=r"with [\d.]+ kB free; the run needs about [\d.]+ kB. Free some"):
        explained(images, small_disk / "out")


def test_rows_which_say_that_a_shard_is_finished_reach_the_disk_after_its_maps(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    real = Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: events.append("on the disk"))
    monkeypatch.setattr(
        Path, "replace", lambda self, target: events.append(Path(target).parts[-1]) or real(self, target)
    )
    explained(images, tmp_path / "out", sample=8)
    assert events[-10:-4] == ["on the disk", "0", "on the disk", "0", "on the disk", "00000.parquet"]
    assert events[-4:] == ["on the disk", "failures.jsonl", "on the disk", "manifest.json"]
