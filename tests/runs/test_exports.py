"""A run as other programs show it, read back by plain readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from tests.runs.made import OCCLUSION, explained, write_images
from vizcnn.cli import app
from vizcnn.errors import OptionError, ResultError
from vizcnn.runs.virelay import Analysis, _write_analyses

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> vz.Run:
    """The bundled digits with their labels, and a file that is no image."""
    folder = tmp_path_factory.mktemp("exports")
    rows = [f"{path},{path.stem[-1] if path.stem[-1] != '3' else ''}" for path in vz.assets.digits()]
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "images.csv").write_text("\n".join(["path,label", *rows, "broken.png,1"]))
    methods = ["gradcam", "saliency"]
    return vz.explain_dataset(
        vz.assets.DIGITS_CNN, folder / "images.csv", folder / "run", methods=methods, shard_size=4
    )


@pytest.fixture(scope="module")
def project(digits: vz.Run) -> Path:
    good = digits.table[digits.table["gradcam.scale"].notna()]
    analysis = Analysis(
        "class / 1",
        np.array(good.index[2:6]),
        {"spectral": np.arange(8).reshape(4, 2), "tsne": np.ones((4, 2))},
        {"kmeans-2": np.array([0, 1, 1, 0])},
        {"spectral": np.array([0.5, 0.25])},
    )
    return digits.to_virelay(digits.path.with_name("virelay"), analyses=[analysis])


def explained_rows(run: vz.Run) -> Any:
    return run.table[run.table["gradcam.scale"].notna()]


def test_virelay_gets_images_and_maps_as_they_are_explained(digits: vz.Run, project: Path) -> None:
    rows = explained_rows(digits)
    alone = vz.gradcam(vz.assets.DIGITS_CNN, rows["path"].tolist()).values
    assert len(alone) == 10
    with h5py.File(project.with_name("input.h5")) as images, h5py.File(project.with_name("attribution.h5")) as maps:
        assert (images["data"].dtype, maps["attribution"].dtype) == ("uint8", "float32")
        for number, (_, row) in enumerate(rows.iterrows()):
            pixels = np.asarray(Image.open(row["path"]))
            np.testing.assert_array_equal(images["data"][number], np.stack([pixels] * 3))
            shown = maps["attribution"][number].sum(axis=0)
            np.testing.assert_allclose(shown, alone[number], atol=alone[number].max() / 1000)
            known = {int(index): value for index, value in enumerate(maps["prediction"][number]) if value}
            assert known == pytest.approx(dict(zip(row["top_classes"], row["top_probabilities"], strict=True)))
        true = [10 if label is None or label != label else int(label) for label in rows["label"]]
        assert (images["label"][:].tolist(), maps["index"][:].tolist()) == (true, list(range(10)))
        assert maps["label"][:].tolist() == rows["target_class"].tolist()


def test_virelay_finds_all_files_by_its_project(project: Path) -> None:
    about = json.loads(project.read_text())["project"]  # JSON, which is YAML
    assert about["dataset"] == {
        "name": "images.csv", "type": "hdf5", "path": "input.h5", "input_width": 28, "input_height": 28,
        "up_sampling_method": "none", "down_sampling_method": "none",
    }  # fmt: skip
    assert about["attributions"]["attribution_strategy"] == "predicted_label"
    for name in ("input.h5", *about["attributions"]["sources"], *about["analyses"][0]["sources"], about["label_map"]):
        assert project.with_name(name).exists()
    labels = json.loads(project.with_name("label-map.json").read_text())
    assert labels[3] == {"index": 3, "word_net_id": "class 3", "name": "class 3"}
    assert labels[10]["name"] == "no true class"


def test_virelay_gets_clusters_by_the_numbers_of_its_images(project: Path) -> None:
    with h5py.File(project.with_name("analysis.h5")) as file:
        assert list(file) == ["class _ 1"]
        group = file["class _ 1"]
        assert group["index"][:].tolist() == [2, 3, 4, 5]
        assert group["cluster/kmeans-2"][:].tolist() == [0, 1, 1, 0]
        assert dict(group["cluster/kmeans-2"].attrs) == {"embedding": "spectral", "k": 2}
        assert group["embedding/spectral"].attrs["eigenvalue"].tolist() == [0.25, 0.5]
        assert group["embedding/tsne"].shape == (4, 2)


def test_virelay_gets_a_group_for_each_category_whatever_they_are_called(tmp_path: Path) -> None:
    analyses = [Analysis(name, np.array([4]), {"spectral": np.ones((1, 2))}, {}) for name in ("a/b", "a_b", "c")]
    _write_analyses(tmp_path / "analysis.h5", analyses, {4: 0})
    with h5py.File(tmp_path / "analysis.h5") as written:
        assert sorted(written) == ["a_b", "a_b-2", "c"]


def test_virelay_shows_all_images_on_a_plane_where_no_clusters_are_given(digits: vz.Run, tmp_path: Path) -> None:
    """Its front end fails on a project without an analysis."""
    project = digits.to_virelay(tmp_path / "out")
    (analysis,) = json.loads(project.read_text())["project"]["analyses"]
    assert analysis == {"analysis_method": "likeness of maps", "sources": ["analysis.h5"]}
    rows = explained_rows(digits)
    with h5py.File(project.with_name("analysis.h5")) as file:
        group = file["all images"]
        assert group["index"][:].tolist() == list(range(10))
        assert group["embedding/principal components"].shape == (10, 2)
        assert group["cluster/explained class"][:].tolist() == rows["target_class"].tolist()
        true = [-1 if label is None or label != label else int(label) for label in rows["label"]]
        assert group["cluster/true class"][:].tolist() == true


def test_virelay_gets_what_spray_found(digits: vz.Run, tmp_path: Path) -> None:
    places = explained_rows(digits).index.to_numpy()[[1, 4, 5, 7]]
    values = {
        "size": 2,
        "share": 0.5,
        "mean_map": np.eye(4),
        "region": (0, 0.75, 0.25, 1),
        "mass": 0.3,
        "mass_others": 0.0,
    }
    values |= {"contrast": 4.0, "null": 1.0, "purity": 0.9, "strangeness": 2.0, "place": "corner", "accuracy": 1.0}
    clusters = [vz.Cluster("class 3", 3, images=places[which], **values) for which in ([3, 0], [1, 2])]
    vectors = np.arange(8, dtype=np.float32).reshape(4, 2)
    eigenvalues = np.array([0, 0.5], np.float32)
    found = vz.Spray(tuple(clusters), "saliency", "tiny", 4, {"class 3": vectors}, {"class 3": eigenvalues})
    kept = found.save(tmp_path / "found.npz")
    command = ["export", str(digits.path), "--to", "virelay", "-o", str(tmp_path / "out"), "--clusters", str(kept)]
    assert CliRunner().invoke(app, command).exit_code == 0
    about = json.loads((tmp_path / "out" / "project.yaml").read_text())["project"]
    assert (about["attributions"]["attribution_method"], about["analyses"][0]["analysis_method"]) == (
        "saliency",
        "SpRAy",
    )
    with h5py.File(tmp_path / "out" / "analysis.h5") as file:
        group = file["class 3"]
        assert group["index"][:].tolist() == [1, 4, 5, 7]
        assert group["cluster/strangest first"][:].tolist() == [0, 1, 1, 0]
        np.testing.assert_array_equal(group["embedding/spectral"], vectors)
        assert group["embedding/spectral"].attrs["eigenvalue"].tolist() == [0.5, 0]
    with pytest.raises(OptionError, match="`analyses` must be of maps by 'gradcam'; got those of 'saliency'"):
        digits.to_virelay(tmp_path / "other", "gradcam", analyses=found)
    command[3:4], command[5] = ["fiftyone"], str(tmp_path / "other")
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, "`clusters` must be what 'vizcnn spray' found, for ViRelAy" in done.stderr) == (2, True)


def test_fiftyone_gets_classes_heatmaps_and_numbers(digits: vz.Run, tmp_path: Path) -> None:
    out = digits.to_fiftyone(tmp_path / "out", "saliency")
    samples = json.loads((out / "samples.json").read_text())["samples"]
    rows = explained_rows(digits)
    assert [sample["filepath"] for sample in samples] == rows["path"].tolist()
    assert "version" not in json.loads((out / "metadata.json").read_text())  # by which its importer takes plain samples
    for (index, row), sample in zip(rows.iterrows(), samples, strict=True):
        true = sample.get("ground_truth", {"label": None})["label"]  # in the words of the prediction, to be compared
        assert true == (f"class {row['label']}" if isinstance(row["label"], str) else None)
        assert sample["prediction"] == {
            "_cls": "Classification", "label": row["prediction"], "confidence": pytest.approx(row["probability"]),
        }  # fmt: skip
        assert sample["saliency_mass"] == pytest.approx(row["saliency.mass"])
        pixels, values = np.asarray(Image.open(sample["saliency"]["map_path"])), digits.maps(index, "saliency")
        assert (sample["saliency"]["_cls"], sample["saliency"]["range"]) == ("Heatmap", [0, 255])
        np.testing.assert_allclose(pixels / 255, values / values.max(), atol=0.5 / 255 + 1e-6)


def test_signed_heatmap_has_nothing_in_the_middle(tmp_path: Path) -> None:
    run = explained(write_images(tmp_path / "images", 4), tmp_path / "run", methods=OCCLUSION)
    out = run.to_fiftyone(tmp_path / "out")
    for sample in json.loads((out / "samples.json").read_text())["samples"]:
        heatmap = sample["occlusion_patch_size_4_stride_4"]
        values = run.maps(int(Path(heatmap["map_path"]).stem))
        pixels = np.asarray(Image.open(heatmap["map_path"])).astype(float)
        np.testing.assert_allclose((pixels - 128) / 127, values / np.abs(values).max(), atol=0.5 / 127 + 1e-6)
    next((tmp_path / "images").rglob("*.png")).unlink()
    with pytest.raises(
        ResultError, match=r"Image '.*png' isn't there any more; FiftyOne looks at images where they are"
    ):
        run.to_fiftyone(tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(digits: vz.Run, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    unknown = Analysis("1", np.array([99]), {}, {})
    arrays = explained(np.zeros((2, 8, 8, 3)), tmp_path / "run", methods=OCCLUSION)
    new, there = tmp_path / "new", tmp_path / "there"
    for error, message, call in (
        (ResultError, "`path` must be a new folder; .*there' is there already", lambda: digits.to_fiftyone(there)),
        (ResultError, "images that are files; those of the run lie in a array", lambda: arrays.to_fiftyone(new)),
        (OptionError, "a map; image 99 of the run has none", lambda: digits.to_virelay(new, analyses=[unknown])),
        (OptionError, "must be one of 'gradcam', 'saliency'; got 'lime'", lambda: digits.to_virelay(new, "lime")),
    ):
        with pytest.raises(error, match=message):
            call()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "there"]


def test_export_that_fails_in_the_middle_leaves_nothing(digits: vz.Run, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("vizcnn.runs.virelay._shown", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(ResultError, match="can't be written: No space left"):
        digits.to_virelay(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_command_exports_to_both(digits: vz.Run, tmp_path: Path) -> None:
    for program, written in (("virelay", "virelay/project.yaml"), ("fiftyone", "fiftyone")):
        done = CliRunner().invoke(app, ["export", str(digits.path), "--to", program, "-o", str(tmp_path / program)])
        assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / written)), done.stderr
    done = CliRunner().invoke(app, ["export", str(digits.path), "--to", "excel", "-o", str(tmp_path / "x")])
    assert (done.exit_code, "`to` must be one of 'virelay', 'fiftyone'; got 'excel'" in done.stderr) == (2, True)
