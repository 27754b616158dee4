"""What is explained once more is what the run explained: by the same model, read in the same way, of the same target."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import shutil
import sys
import tarfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.runs.made import OCCLUSION, SIZE, explained, model, softmax, write_images
from vizcnn.adapter.blackbox import adapt_function
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.errors import ResultError
from vizcnn.runs import redrawing
from vizcnn.runs.adapting import _plain_preprocess, arguments_of, files_of, known_of, settings_of
from vizcnn.runs.archives import Tar
from vizcnn.runs.covering import Coverer
from vizcnn.runs.manifest import Manifest, digest_of_files, plain
from vizcnn.runs.redrawing import asked_of, image_of, images_of, model_of, target_of
from vizcnn.runs.source import entries_of
from vizcnn.targets import Class, Contrast, Region, Similarity

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


def about_of(**known: Any) -> dict[str, Any]:
    """Return a manifest, as far as it is about a model."""
    return {"model": known, "settings": {"input_shape": [SIZE, SIZE, 3]}, "classes": []}


def test_model_that_is_another_one_now_is_not_asked(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_bytes(b"the model")
    about = about_of(name="model.keras", file=str(file), sha256=digest_of_files(file))
    file.write_bytes(b"another one")
    for asked in (None, file, str(file)):
        with pytest.raises(
            ResultError, match=r"model.keras', isn't what it was: its file has another hash. Give the one it was"
        ):
            model_of(about, asked)
    other = file.rename(tmp_path / "other.keras")
    with pytest.raises(ResultError, match=r"'model.keras', isn't there. Give it: `model`"):
        model_of(about, None)
    with pytest.raises(ResultError, match=r"model.keras', isn't what it was: '.*other.keras' has another hash"):
        model_of(about, other)
    about["classes"] = ["class 0", "class 1", "class 2"]
    given = vz.adapt(softmax, input_shape=(SIZE, SIZE, 3))
    assert model_of(about, given) is given


def test_adapter_is_kept_for_as_long_as_the_file_holds_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrawing, "as_adapter", lambda path: vz.adapt(lambda inputs: inputs.mean(axis=(1, 2))))
    file = tmp_path / "model"

    def adapter(data: bytes, time: int) -> Any:
        file.write_bytes(data)
        os.utime(file, ns=(time, time))
        return model_of({**about_of(name="model"), "classes": ["class 0", "class 1", "class 2"]}, file)

    first = adapter(b"one", 7)
    assert adapter(b"one", 8) is first
    assert adapter(b"two", 7) is not first  # though its time is that of the first


def test_file_of_a_model_is_read_as_the_run_read_it(tmp_path: Path) -> None:
    file = tmp_path / "digits.keras"
    shutil.copy(vz.assets.DIGITS_CNN, file)
    settings: dict[str, Any] = {**settings_of(vz.adapt(softmax)), "preprocess": "/ 255", "input_shape": [28, 28, 1]}
    about = {"model": {"file": str(file)}, "settings": settings, "classes": [*"abcdefghij"]}
    (tmp_path / "vizcnn.toml").write_text('preprocess = "crop, bgr"\nnum_runs = 3\nlabels = ["x"]\n')  # of a later day
    adapter = model_of(about, None)
    assert (adapter.preprocess.name, adapter.num_runs) == ("/ 255", 1)
    assert adapter.head(adapter.output_name(None)).names == tuple("abcdefghij")
    assert model_of(about, str(file)) is adapter
    for settings["preprocess"] in ("own.py:function", {"object": "standardize"}):
        with pytest.raises(
            ResultError, match=r"explained with `preprocess` .*, which its manifest can't give back. Give"
        ):
            model_of(about, None)


def test_model_that_was_adapted_in_another_way_is_not_asked(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 2)
    run = explained(images, tmp_path / "out", methods=OCCLUSION)
    for message, other in (
        (r"another list of classes: there \['a', 'b', 'c'\], now \['a', 'b', 'd'\]", {"labels": [*"abd"]}),
        (r"another preprocess \(settings\): there 'none', now '/ 255'", {"preprocess": "/ 255"}),
        (r"another num_runs \(settings\): there None, now 2", {"num_runs": 2}),
    ):
        given = {"labels": [*"abc"], "preprocess": "none", "batch_size": 4, **other}
        asked = vz.adapt(softmax, input_shape=(SIZE, SIZE, 3), **given)
        with pytest.raises(
            ResultError, match=f"`model` must be that of the run; it has {message}. Give the one it was"
        ):
            run.result(0, model=asked)
        with pytest.raises(ResultError, match=f"holds a run with {message}. Name another folder"):
            explained(images, tmp_path / "out", methods=OCCLUSION, model=asked)
    assert len(run.result(0, model=softmax)) == 1  # which is adapted as the run had it


def test_what_a_model_was_adapted_by_goes_into_its_manifest_and_comes_back() -> None:
    import keras

    image, age = keras.Input((SIZE, SIZE, 3), name="image"), keras.Input((2,), name="age")
    maps = keras.layers.Conv2D(2, 3, name="maps")(image)
    pooled = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(maps), age])
    network = keras.Model([image, age], keras.layers.Dense(3)(pooled))
    asked = vz.adapt(network, fixed_inputs={"age": [0.1, 7]}, input_layer="maps", num_runs=2, preprocess="crop, / 255")
    asked.prepare((6, 6, 2))
    settings = json.loads(json.dumps({**settings_of(asked), "input_shape": [6, 6, 2]}))
    assert (settings["input_layer"], settings["num_runs"], settings["preprocess"]) == ("maps", 2, "crop, / 255")
    classes = list(asked.head(asked.output_name(None)).names)
    again = model_of({"model": {}, "settings": settings, "classes": classes}, network)
    assert settings_of(again) == settings_of(asked)
    assert model_of({"model": {}, "settings": settings, "classes": classes}, network) is again
    np.testing.assert_array_equal(again.fixed_inputs[1], np.array([[0.1, 7]], np.float32))
    assert settings_of(vz.adapt(softmax)) == dict.fromkeys(settings_of(asked))  # nothing, of one that was given nothing


@pytest.mark.parametrize("settings", [{}, {"num_runs": 2, "preprocess": "/ 255"}, {"input_layer": "maps"}])
def test_adapter_of_a_network_is_kept_no_longer_than_the_network(settings: dict[str, Any]) -> None:
    import keras

    layers = [
        keras.Input((SIZE, SIZE, 3)),
        keras.layers.Conv2D(3, 3, name="maps"),
        keras.layers.GlobalAveragePooling2D(),
    ]
    network = keras.Sequential(layers)
    classes = [*"abc"]
    shape = (6, 6, 3) if settings.get("input_layer") else (SIZE, SIZE, 3)
    about = {"model": {}, "settings": {**settings, "input_shape": shape}, "classes": classes}
    adapter = model_of(about, network)
    assert adapter is model_of(about, network)
    images = np.zeros((1, SIZE, SIZE, 3))
    vz.explain(adapter, images, methods="saliency")
    gone = weakref.ref(network)
    del adapter, network, layers
    gc.collect()
    assert gone() is None


def beside(file: Path, number: int) -> None:
    """Write what is adapted beside a model: an input with more numbers than a manifest holds, and a setting."""
    file.with_name("vizcnn.toml").write_text(f"num_runs = 2\n[fixed_inputs]\nmore = {[number] * 1001}\n")


@pytest.fixture(scope="module")
def two_inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[vz.Run, Path]:
    """A run of a small model in a file, which takes another input too."""
    import keras

    image, more = keras.Input((SIZE, SIZE, 3)), keras.Input((1001,), name="more")
    pooled = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(image), more])
    folder = tmp_path_factory.mktemp("two inputs")
    file = folder / "two.keras"
    keras.Model([image, more], keras.layers.Dense(2)(pooled)).save(file)
    beside(file, 1)
    images = write_images(folder / "images", 1)
    return explained(images, folder / "out", model=str(file), methods=OCCLUSION), file


def test_settings_beside_the_model_tell_what_its_manifest_does_not(two_inputs: tuple[vz.Run, Path]) -> None:
    run, file = two_inputs
    older = {name: said for name, said in run.about["settings"].items() if name not in ("num_runs", "fixed_inputs")}
    for settings in (run.about["settings"], older):
        assert model_of({**run.about, "settings": settings}, None).num_runs == 2
    beside(file, 2)
    assert model_of({**run.about, "settings": older}, None).fixed_inputs[1][0, 0] == 2  # of which that run says nothing
    for text in (file.with_name("vizcnn.toml").read_text(), "num_runs = 2", "preprocess = 'own.py:function'"):
        file.with_name("vizcnn.toml").write_text(text)
        with pytest.raises(
            ResultError, match=r"explained with `fixed_inputs` 'array .1, 1001., sha256.*can't give back"
        ):
            model_of(run.about, None)


def test_finished_run_is_another_one_with_other_settings_beside_the_model(two_inputs: tuple[vz.Run, Path]) -> None:
    _, file = two_inputs
    asked = (file.with_name("images"), file.with_name("out"))
    beside(file, 2)
    with pytest.raises(ResultError, match=r"another fixed_inputs .settings.: there \{'1': \{'object': 'array"):
        explained(*asked, model=str(file), methods=OCCLUSION)
    beside(file, 1)
    explained(*asked, model=str(file), methods=OCCLUSION)


def test_weights_tell_a_model_that_is_given_from_that_of_the_file(two_inputs: tuple[vz.Run, Path]) -> None:
    import keras

    run, file = two_inputs
    network = keras.models.load_model(file)
    network.trainable = False
    given = vz.adapt(network, fixed_inputs={"more": np.ones(1001)}, num_runs=2)
    assert model_of(run.about, given) is given
    network.set_weights([weight + 1 for weight in network.get_weights()])
    with pytest.raises(ResultError, match="it has another sha256 of its model's weights: there '"):
        model_of(run.about, given)
    assert set(known_of(given, is_file=False)["model"]) == {"name", "sha256"}
    older = {name: said for name, said in run.about["model"].items() if name != "weights"}
    assert model_of({**run.about, "model": older}, given) is given


def test_weights_of_a_file_whose_hash_was_compared_are_not_read(
    two_inputs: tuple[vz.Run, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, file = two_inputs
    beside(file, 1)
    monkeypatch.setattr("vizcnn.runs.adapting.digest_of_weights", lambda _: pytest.fail("they are known"))
    for asked in (None, file):
        model_of(run.about, asked)
    explained(file.with_name("images"), file.with_name("out"), model=str(file), methods=OCCLUSION)


def test_file_that_a_target_reads_is_a_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "like.png"
    file.write_bytes(b"an image")
    like = Contrast(Similarity(str(file)), {"side": Similarity(np.zeros(3))})
    assert files_of([like, "a"]) == {str(file): digest_of_files(file)}
    settings = {"target": f"like:{file}", "input_shape": [SIZE, SIZE, 3], "target_files": files_of(like)}
    assert asked_of({"settings": settings}, model()).reference == str(file)
    file.write_bytes(b"another one")
    with pytest.raises(
        ResultError, match=r"What the run explained, 'like:.*', isn't what it was: '.*like.png' is gone, or"
    ):
        asked_of({"settings": settings}, model())
    large = np.zeros(10_000)
    there, other = (
        {"target": plain(Contrast("a", {"side": Similarity(array)}))}
        for array in (large, large + (np.arange(10_000) == 5000))
    )
    assert "target (settings)" in str(Manifest({"settings": there}).difference({"settings": other}))
    older = {"target": {"object": there["target"]["object"]}}
    assert Manifest({"settings": older}).difference({"settings": there}) is None  # it doesn't know the numbers


def test_run_keeps_how_images_are_decoded(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 2)
    decoding = vz.inputs.Decoding(upright=True, background="white")
    asked = adapt_function(lambda inputs: inputs.mean(axis=(1, 2)), (SIZE, SIZE, 3), decoding=decoding)
    settings = explained(images, tmp_path / "out", model=asked, methods=OCCLUSION).about["settings"]
    assert arguments_of(settings) == {"decoding": decoding}


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes as a name")
def test_image_whose_path_is_no_utf8_is_explained_and_found_again(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 1)
    odd = images / "\udcff"
    odd.mkdir()
    (images / "a" / "000.png").rename(odd / "\udcff.png")
    write_images(images, 1)
    run = explained(images, tmp_path / "out", methods=OCCLUSION, labels_by="folders")
    row = run.table[run.table["path"] == r"\udcff/\udcff.png"].iloc[0]
    assert row["label"] == r"\udcff"
    assert image_of(run.about, row).read() == (odd / "\udcff.png").read_bytes()
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        tar.add(images, "images")
    key = r"images.tar/images/\udcff/\udcff.png"
    assert entries_of(Tar((tmp_path / "images.tar",), {}), [key])[key].key.endswith("\udcff.png")
