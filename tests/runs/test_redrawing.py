"""What is explained once more is what the run explained: by the same model, read in the same way, of the same target."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.runs.made import OCCLUSION, SIZE, explained, model, write_images
from vizcnn.adapter.blackbox import adapt_function
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.errors import ResultError
from vizcnn.runs import redrawing
from vizcnn.runs.archives import Tar
from vizcnn.runs.covering import Coverer
from vizcnn.runs.manifest import digest_of_files
from vizcnn.runs.redrawing import asked_of, images_of, model_of, target_of
from vizcnn.runs.worker import _plain_preprocess
from vizcnn.targets import Class, Contrast, Region

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


def test_model_that_is_another_one_now_is_not_asked(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_bytes(b"the model")
    about = {"model": {"name": "model.keras", "file": str(file), "sha256": digest_of_files(file)}}
    file.write_bytes(b"another one")
    for asked in (None, file, str(file)):
        with pytest.raises(
            ResultError, match=r"model.keras', isn't what it was: its file has another hash. Give the one it was"
        ):
            model_of(about, asked)
    file.unlink()
    with pytest.raises(ResultError, match=r"'model.keras', isn't there. Give it: `model`"):
        model_of(about, None)
    given = model()
    assert model_of(about, given) is given


def test_adapter_is_kept_for_as_long_as_the_file_holds_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrawing, "as_adapter", lambda path: [Path(path).read_bytes()])
    file = tmp_path / "model"
    about = {"model": {"name": "model"}, "settings": {}, "classes": []}

    def adapter(data: bytes, time: int) -> Any:
        file.write_bytes(data)
        os.utime(file, ns=(time, time))
        return model_of(about, file)

    first = adapter(b"one", 7)
    assert adapter(b"one", 8) is first
    assert adapter(b"two", 7) == [b"two"]  # though its time is that of the first


def test_file_of_a_model_is_read_as_the_run_read_it() -> None:
    settings: dict[str, Any] = {"preprocess": "/ 255", "decoding": None}
    about = {"model": {"file": str(vz.assets.DIGITS_CNN)}, "settings": settings, "classes": [*"abcdefghij"]}
    adapter = model_of(about, None)
    assert adapter.preprocess.name == "/ 255"
    assert adapter.head(adapter.output_name(None)).names == tuple("abcdefghij")
    assert model_of(about, str(vz.assets.DIGITS_CNN)) is adapter
    for settings["preprocess"] in ("own.py:function", {"object": "standardize"}):
        with pytest.raises(
            ResultError, match=r"The images of the run were read by .*, which its manifest can't give back. Give"
        ):
            model_of(about, None)


def test_run_keeps_how_images_are_decoded(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 2)
    decoding = vz.inputs.Decoding(upright=True, background="white")
    asked = adapt_function(lambda inputs: inputs.mean(axis=(1, 2)), (SIZE, SIZE, 3), decoding=decoding)
    settings = explained(images, tmp_path / "out", model=asked, methods=OCCLUSION).about["settings"]
    assert redrawing._read_by(settings) == (None, decoding)


def test_text_of_a_preprocessing_is_kept_and_not_what_somebody_calls_it() -> None:
    def standardize(image: np.ndarray) -> np.ndarray:
        return image - 1

    assert _plain_preprocess(resolve_preprocess(standardize)) == {"object": "standardize"}
    assert _plain_preprocess(vz.Preprocess("crop, / 255", name="mine")) == "crop, / 255"
    assert _plain_preprocess(None) is None


def two_outputs(inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is redder, or greener; and brighter at the left or at the right."""
    halves = inputs[:, :, :4].mean(axis=(1, 2, 3)), inputs[:, :, 4:].mean(axis=(1, 2, 3))
    return {"color": inputs.mean(axis=(1, 2))[:, :2], "side": np.stack(halves, axis=-1)}


@pytest.mark.parametrize("target", [{"side": 1}, Class(1, "side"), {"side": None}])
def test_class_of_another_output_is_explained_again_and_covered_there(tmp_path: Path, target: Any) -> None:
    images = write_images(tmp_path / "images", 3)
    asked = adapt_function(two_outputs, (SIZE, SIZE, 3), preprocess=resolve_preprocess("none"), batch_size=4)
    run = explained(images, tmp_path / "out", model=asked, methods=OCCLUSION, target=target)
    for index, row in run.table.iterrows():
        again = run.result(index)
        assert again.scores[0] == pytest.approx(row["score"], rel=1e-6)
        np.testing.assert_allclose(run.maps(index), again.raw[0], atol=np.abs(again.raw).max() / 2000)
    (row,) = run.table.head(1).to_dict("records")
    covered = Coverer.of(run.about, asked, {row["path"]}).check([{**row, "label_class": None}], [], (0, 0, 1, 1), 0)
    assert covered is not None
    pixels = asked.load_images([images / row["path"]]).inputs(slice(None))
    value = two_outputs(pixels)["side"][0, int(row["target_class"])]
    mean = pixels.mean(axis=(1, 2)).mean()
    assert covered.here.drop == pytest.approx(value - mean, abs=1e-3)
    assert np.isnan(covered.here.accuracy)  # no label says the side


def test_target_that_was_typed_is_read_again() -> None:
    settings = {"target": "a minus c", "input_shape": [SIZE, SIZE, 3]}
    asked = asked_of({"settings": settings}, model())
    assert asked == Contrast("a", "c")
    assert target_of(asked, {"target_class": None}) is asked
    assert target_of(asked, {"target_class": 1.0}) == 1  # the row had a target of its own
    for typed, index, target in (
        ("b", 1.0, 1),
        (None, 2.0, 2),
        (None, float("nan"), None),
        ("output=1", 1, {"output": 1}),
    ):
        assert (
            target_of(asked_of({"settings": {**settings, "target": typed}}, model()), {"target_class": index}) == target
        )
    assert target_of(Region(), {"target_class": 2}) == Region(index=2)
    with pytest.raises(ResultError, match=r"What the run explained, some\.function, can't be read from its manifest"):
        asked_of({"settings": {"target": {"object": "some.function"}}}, model())


def test_images_of_an_archive_are_found_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write_images(tmp_path / "images", 6)
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        tar.add(images, "images")
    source = Tar((tmp_path / "images.tar",), {})
    rows = []
    for entry in source.entries():
        data = source.read(entry)
        rows.append({"path": entry.key, "sha256": hashlib.sha256(data).hexdigest()})
    gone_through: list[Path] = []
    inside = Tar._inside

    def counted(self: Tar, file: Path) -> Any:
        gone_through.append(file)
        return inside(self, file)

    monkeypatch.setattr(Tar, "_inside", counted)
    assert len(images_of({"source": source.about}, rows[::-1])) == 6
    assert len(gone_through) == 1
