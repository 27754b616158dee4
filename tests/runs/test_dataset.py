"""What a run leaves in its folder, and that it is what each method says of each image."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas
import pyarrow.parquet
import pytest
import zarr
from typer.testing import CliRunner

import vizcnn as vz
from tests.runs.made import OCCLUSION, RISE, explained, model, write_images
from vizcnn.cli.app import app
from vizcnn.errors import InputError, MethodError, OptionError, ResultError
from vizcnn.plugins import registry
from vizcnn.results import AttributionBatch
from vizcnn.runs import dataset, explaining, running
from vizcnn.runs.layout import scaled
from vizcnn.runs.manifest import SCHEMA
from vizcnn.runs.statistics import statistics

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("dataset") / "images", 18)


@pytest.fixture(scope="module")
def run(images: Path) -> vz.Run:
    return explained(images, images.with_name("out"), metrics=["sparseness"], labels_by="folders")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> vz.Run:
    """The bundled CNN on its digits, by a method of a layer and one of pixels."""
    folder, methods = vz.assets.digits()[0].parent, ["gradcam", "saliency"]
    return vz.explain_dataset(vz.assets.digits_cnn(), folder, tmp_path_factory.mktemp("digits"), methods=methods)


def test_rows_and_maps_are_what_each_method_says_of_each_image_alone(images: Path, run: vz.Run) -> None:
    for index, row in run.table.iterrows():
        for method in (OCCLUSION, RISE):
            alone = vz.explain(model(), images / row["path"], methods=method, metrics="sparseness")[method]
            full = alone.raw[0] if method == OCCLUSION else alone.values[0]
            assert np.abs(run.maps(index, method) - full).max() <= np.abs(full).max() / 2000
            np.testing.assert_allclose(row[f"{method}.mass"], np.abs(alone.values).sum(), rtol=1e-5)
            np.testing.assert_allclose(row[f"{method}.sparseness"], alone.measures["sparseness"], rtol=1e-5)
            assert row[f"{method}.notes"].tolist() == sorted({note.kind for note in alone.notes})
        assert (row["prediction"], row["predicted_class"]) == (alone.predictions[0].label, alone.predictions[0].index)
        np.testing.assert_allclose(
            [row["score"], row["probability"]], [alone.scores[0], alone.predictions[0].probability], 1e-5
        )
        assert row["top_labels"].tolist() == [label for label, _ in alone.top_classes[0]]
        assert (row["label"], row["label_class"]) == (row["path"][0], "abc".index(row["path"][0]))


def test_maps_of_a_layer_are_kept_at_its_size_and_drawn_again_at_that_of_the_input(digits: vz.Run) -> None:
    about = digits.about["maps"]
    assert [(about[method]["resolution"], about[method]["shape"]) for method in about] == [
        ("layer", [14, 14]), ("input", [28, 28]),
    ]  # fmt: skip
    for index, row in digits.table.iterrows():
        again = digits.result(index)
        assert again.names == (row["path"],)
        assert again.values.shape == (1, 28, 28)
        np.testing.assert_allclose(digits.maps(index), again.raw[0], atol=np.abs(again.raw).max() / 2000)
        saliency = digits.result(index, "saliency")
        np.testing.assert_allclose(digits.maps(index, "saliency"), saliency.map(0), atol=saliency.values.max() / 2000)


def test_others_read_the_folder_by_their_own_readers(run: vz.Run) -> None:
    group = zarr.open_group(run.path / "maps", mode="r")
    assert sorted(group) == ["occlusion_patch_size_4_stride_4", "rise_num_samples_4_cells_2"]
    array = group["occlusion_patch_size_4_stride_4"]
    assert (array.shape, array.shards, array.dtype, array.metadata.zarr_format) == ((18, 2, 2), (8, 2, 2), "float16", 3)
    assert array.metadata.dimension_names == ("image", "row", "column")
    rows = pyarrow.parquet.read_table(run.path / "rows").to_pandas()
    assert rows["index"].tolist() == list(range(18))
    pandas.testing.assert_frame_equal(rows.set_index("index")[["path", "score"]], run.table[["path", "score"]])
    np.testing.assert_allclose(array[5] * rows[f"{OCCLUSION}.scale"][5], run.maps(5), rtol=1e-6)


def test_manifest_is_what_its_schema_says(run: vz.Run, digits: vz.Run) -> None:
    schema = json.loads(SCHEMA.read_text())
    for one in (run, digits):
        jsonschema.validate(json.loads((one.path / "manifest.json").read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**run.about, "schema": 2}, schema)
    right = run.table["label_class"] == run.table["predicted_class"]
    counts = run.about["counts"]
    assert (counts["images"], counts["labelled"], counts["correct"]) == (18, 18, int(right.sum()))
    assert counts["methods"][OCCLUSION] == {"failed": 0, "notes": {}}


def test_iteration_goes_through_all_images_with_their_maps(run: vz.Run) -> None:
    found = list(run.images())
    assert [image.row["path"] for image in found] == run.table["path"].tolist()
    np.testing.assert_array_equal([image.maps[RISE] for image in found], run.maps(slice(None), RISE))
    assert [len(rows) for rows in run.rows(["path"])] == [8, 8, 2]


def test_scaled_map_is_lost_by_no_more_than_is_said() -> None:
    generator = np.random.default_rng(0)
    maps = (generator.normal(size=(50, 20, 20)) ** 5 * 10.0 ** generator.uniform(-30, 30, (50, 1, 1))).astype(
        np.float32
    )
    shares, scale = scaled(maps)
    assert np.abs(shares).max(axis=(1, 2)).tolist() == [1.0] * 50
    again = shares.astype(np.float64) * scale[:, None, None].astype(np.float64)
    allowed = np.abs(maps) / 2048 + scale[:, None, None] / 2**25
    assert (np.abs(again - maps) <= allowed * (1 + 1e-5)).all()


def test_scaled_map_of_nothing_is_nothing_and_of_no_number_stays_none() -> None:
    shares, scale = scaled(np.array([[0.0, 0.0], [np.nan, -2.0]], np.float32))
    np.testing.assert_array_equal(shares, np.array([[0, 0], [np.nan, -1]], np.float16))
    assert scale.tolist() == [1, 2]


def test_statistics_by_hand() -> None:
    maps = np.zeros((3, 10, 10))
    maps[0, 0, 3] = -2  # one place, at the upper edge
    maps[1] = 1
    found = statistics(maps)
    assert found["mass"].tolist() == [2, 100, 0]
    np.testing.assert_allclose(found["positive"], [0, 1, np.nan])
    np.testing.assert_allclose(found["entropy"], [0, 1, np.nan], atol=1e-6)
    np.testing.assert_allclose(found["border"], [1, 0.36, np.nan], rtol=1e-6)
    np.testing.assert_allclose(found["centroid_row"], [0.05, 0.5, np.nan], rtol=1e-6)
    np.testing.assert_allclose(found["centroid_column"], [0.35, 0.5, np.nan], rtol=1e-6)


def test_statistics_of_what_is_not_finite_are_not_either() -> None:
    maps = np.ones((1, 4, 4))
    maps[0, 1, 1] = np.nan
    assert all(np.isnan(values[0]) for values in statistics(maps).values())


def test_statistics_of_no_maps_are_none() -> None:
    found = statistics(np.zeros((0, 4, 4)))
    assert [*found] == ["mass", "positive", "entropy", "border", "centroid_row", "centroid_column"]
    assert {(values.shape, values.dtype.name) for values in found.values()} == {((0,), "float32")}


def test_each_image_may_have_a_target_of_its_own(images: Path, tmp_path: Path) -> None:
    lines = ["path,target", "a/000.png,b", "b/001.png,2", "c/002.png,"]
    (images / "asked.csv").write_text("\n".join(lines))
    rows = explained(images / "asked.csv", tmp_path).table.set_index("path")
    assert rows.loc["a/000.png", "target"] == "b"
    assert rows.loc["b/001.png", "target"] == "c"
    alone = vz.explain(model(), images / "c" / "002.png", methods=OCCLUSION)[OCCLUSION]
    assert rows.loc["c/002.png", "target"] == alone.target[0]
    rows = explained(images / "asked.csv", tmp_path / "of the others", target="a").table.set_index("path")
    assert [rows.loc[path, "target"] for path in ("a/000.png", "b/001.png", "c/002.png")] == ["b", "c", "a"]


@pytest.fixture
def picky() -> Any:
    """A method that refuses one image, and one that refuses all."""
    registry.names()

    @vz.register("picky", needs={"outputs"})
    def picky(model: Any, inputs: Any, score: Any) -> AttributionBatch:
        if (inputs[:, 0, 0, 0] == 7).any():
            raise ZeroDivisionError("no sevens")
        return AttributionBatch(inputs.sum(axis=-1))

    @vz.register("never", needs={"outputs"})
    def never(model: Any, inputs: Any, score: Any) -> AttributionBatch:
        raise ZeroDivisionError("never")

    yield
    del registry.INSTALLED.entries["picky"], registry.INSTALLED.entries["never"]


def test_image_that_a_method_fails_on_costs_the_others_of_its_batch_nothing(tmp_path: Path, picky: None) -> None:
    from PIL import Image

    for value in range(12):
        Image.new("RGB", (8, 8), (value, 1, 1)).save(tmp_path / f"{value}.png")
    run = explained(tmp_path, tmp_path.with_name(f"{tmp_path.name} out"), methods=["picky", OCCLUSION])
    rows = run.table.set_index("path")
    assert rows["picky.error"].notna().sum() == 1
    assert rows.loc["7.png", "picky.error"] == "ZeroDivisionError: no sevens"
    assert rows["picky.mass"].drop("7.png").tolist() == [64 * (int(path[:-4]) + 2) for path in rows.index.drop("7.png")]
    assert rows[f"{OCCLUSION}.mass"].notna().all()
    assert run.about["counts"]["methods"]["picky"]["failed"] == 1


def test_method_that_works_on_no_image_stops_the_run_before_it_begins(
    images: Path, tmp_path: Path, picky: None
) -> None:
    with pytest.raises(ZeroDivisionError, match="never"):
        explained(images, tmp_path / "out", methods=["never"])
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_what_is_wrong_with_a_call_is_said_before_the_model_is_loaded(images: Path, tmp_path: Path) -> None:
    for error, message, options in (
        (MethodError, "'occlusionn'.* Did you mean 'occlusion'", {"methods": "occlusionn"}),
        (MethodError, "got 'deletions'", {"metrics": "deletions"}),
        (OptionError, "`shard` must be the part and their number.*got '3/2'", {"shard": "3/2"}),
        (OptionError, "`workers` must be at least 1; got 0", {"workers": 0}),
        (OptionError, "`shard_size` must be at least 1; got 0", {"shard_size": 0}),
        (OptionError, "`sample` must be at least 1; got 0", {"sample": 0}),
        (
            OptionError,
            "`sample_by` must be one of 'class', .*; got 'clas'. Did you mean 'class'",
            {"sample_by": "clas"},
        ),
        (OptionError, "`sample_by` 'mistakes' needs a `sample`: how many", {"sample_by": "mistakes"}),
        (InputError, "'mistakes' needs true classes; `source` says none", {"sample_by": "mistakes", "sample": 2}),
        (OptionError, "`labels_by` must be one of None, 'folders'; got 'names'", {"labels_by": "names"}),
        (OptionError, "`columns` is for tables and archives; `source` is a folder", {"columns": {"path": "file"}}),
    ):
        with pytest.raises(error, match=message):
            explained(images, tmp_path, **{"model": "no model.keras", **options})


def test_what_is_typed_amiss_is_said_before_the_model_is_loaded(images: Path, tmp_path: Path) -> None:
    for message, words in (
        ("'--column': must have the form ROLE=NAME; got 'path='", ["--column", "path="]),
        ("must name the column 'path' once; got 'a' and 'b'", ["--column", "path=a", "--column", "path=b"]),
        ("must have the form ROWSxCOLUMNS; got '4'", ["--token-grid", "4", "--workers", "2"]),
        ("`num_gpus` must be 0 or more; got nan", ["--executor", "ray", "--num-gpus", "nan"]),
    ):
        said = CliRunner().invoke(app, ["run", "no model.keras", str(images), "--out", str(tmp_path / "out"), *words])
        assert said.exit_code == 2
        assert message in " ".join(said.output.split())


def test_several_workers_need_the_file_of_the_model(images: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="`workers` 2 need the path of a model's file"):
        explained(images, tmp_path, workers=2)


def test_missing_extra_is_named(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(dataset.importlib.util, "find_spec", lambda name: None if name == "zarr" else real(name))
    with pytest.raises(ResultError, match=r"A run needs zarr, which isn't installed: pip install 'vizcnn\[run\]'"):
        explained(images, tmp_path, model="no model.keras")


def test_size_is_estimated_within_a_third(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 300)
    run = explained(images, tmp_path / "out", shard_size=256)
    from vizcnn.runs.job import Job
    from vizcnn.runs.manifest import Manifest
    from vizcnn.runs.open_source import open_source

    plan = Job(model, None, open_source(images), tmp_path / "out", (OCCLUSION, RISE), shard_size=256).plan()
    files = [
        *(run.path / "rows").rglob("*.parquet"),
        *(path for path in (run.path / "maps").rglob("*") if path.name == "0"),
    ]
    size = sum(path.stat().st_size for path in files if path.is_file())
    assert abs(running.estimated_bytes(plan, Manifest(run.about), [0, 1]) / size - 1) < 0.3


def test_maps_that_are_not_there_are_refused(run: vz.Run) -> None:
    with pytest.raises(OptionError, match="`index` must be the place of one of 18 images; got 18"):
        run.maps(18)
    with pytest.raises(OptionError, match=r"`method` must be one of 'occlusion:.*; got 'gradcam'"):
        run.maps(0, "gradcam")
    with pytest.raises(OptionError, match="slice without a step"):
        run.maps(slice(0, 8, 2))


def test_changed_image_is_not_passed_for_the_one_that_was_explained(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 2)
    run = explained(images, tmp_path / "out")
    path = images / run.table.loc[1, "path"]
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ResultError, match="isn't what it was when the run was made"):
        run.result(1)


def test_model_that_is_not_there_has_to_be_given(images: Path, run: vz.Run) -> None:
    opened = vz.open_run(run.path)
    with pytest.raises(ResultError, match=r"The model of the run, 'softmax', isn't there. Give it: `model`"):
        opened.result(0)
    assert len(opened.result(0, model=model())) == 1


def test_run_that_is_not_finished_is_read_as_far_as_it_is(images: Path, tmp_path: Path) -> None:
    explained(images, tmp_path, shard="2/3")
    run = vz.open_run(tmp_path)
    assert repr(run) == f"<Run of 'softmax' by {OCCLUSION!r}, {RISE!r}: 8 of 18 images>"
    assert not run.is_complete
    assert run.table.index.tolist() == list(range(8, 16))
    assert np.isnan(run.maps(slice(0, 18))).any(axis=(1, 2)).tolist() == [True] * 8 + [False] * 8 + [True] * 2
    with pytest.raises(ResultError, match="Image 3 of the run isn't explained yet"):
        run.result(3)


def test_images_of_a_model_without_a_size_are_brought_to_that_of_the_first(tmp_path: Path) -> None:
    from vizcnn.adapter.blackbox import adapt_function

    images = write_images(tmp_path / "images", 5)
    open_model = adapt_function(lambda inputs: inputs.mean(axis=(1, 2)), None, batch_size=4)
    run = explained(images, tmp_path / "out", model=open_model, methods=OCCLUSION)
    assert run.about["settings"]["input_shape"] == [8, 8, 3]


def test_every_batch_has_one_size_the_last_one_too(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def counted(adapter: Any, images: Any, *given: Any, **options: Any) -> Any:
        counts.append(len(images))
        return explaining_stream(adapter, images, *given, **options)

    explaining_stream = explaining.stream
    monkeypatch.setattr(explaining, "stream", counted)
    explained(images, tmp_path, methods=OCCLUSION)
    assert counts == [4] * 6  # one to see what maps there are, and two, two and one of three shards
