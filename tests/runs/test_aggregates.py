"""What many images of a run have in common, and its mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from tests.runs.made import OCCLUSION, explained, model, write_images
from vizcnn.cli import app
from vizcnn.errors import OptionError, ResultError
from vizcnn.runs.aggregates import mean_maps
from vizcnn.runs.mistakes import BETWEEN, TAKEN, TRUE

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> vz.Run:
    images = write_images(tmp_path_factory.mktemp("aggregates") / "images", 30, broken=(4,))
    return explained(images, images.with_name("out"), methods=OCCLUSION, labels_by="folders")


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("by", ["label", "prediction", "cell"])
def test_mean_maps_are_those_of_all_maps_at_once(run: vz.Run, by: str, relative: bool) -> None:
    columns = ["label", "prediction"] if by == "cell" else [by]
    rows = run.table.dropna(subset=[f"{OCCLUSION}.scale"])
    found = run.mean_maps(by=by, relative=relative)
    groups = list(rows.groupby(columns))
    assert found.keys == tuple(key for key, _ in groups)
    assert found.counts.sum() == 29
    for at, (key, of_group) in enumerate(groups):
        maps = np.stack([run.maps(index) for index in of_group.index])
        if relative:
            maps /= np.abs(maps).max(axis=(1, 2), keepdims=True)
        np.testing.assert_allclose(found[key], maps.mean(axis=0), rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(found.variances[at], maps.var(axis=0), rtol=1e-3, atol=1e-9)


def test_mean_maps_leave_out_what_has_no_group_and_what_is_no_number() -> None:
    maps = np.array([[[1.0]], [[np.nan]], [[5.0]]])
    found = mean_maps(iter([([("a",), ("a",), None], maps)]))
    assert (found.keys, found.counts.tolist(), found.means.tolist()) == ((("a",),), [1], [[[1.0]]])
    assert len(mean_maps(iter([]))) == 0


@pytest.mark.parametrize("largest", [True, False])
def test_top_is_that_of_the_whole_table(run: vz.Run, largest: bool) -> None:
    rows, column = run.table, f"{OCCLUSION}.entropy"
    best = rows.sort_values(column, ascending=not largest).dropna(subset=[column])
    assert run.top(column, 5, largest=largest)["path"].tolist() == best["path"].head(5).tolist()
    of_labels = run.top(column, 2, by="label", largest=largest)
    assert of_labels["label"].tolist() == ["a", "a", "b", "b", "c", "c"]
    for label in "abc":
        assert (
            of_labels[of_labels["label"] == label]["path"].tolist()
            == best[best["label"] == label]["path"].head(2).tolist()
        )


def test_choices_of_aggregates_are_checked(run: vz.Run) -> None:
    with pytest.raises(OptionError, match="`by` must be one of 'label', 'prediction', 'cell'; got 'class'"):
        run.mean_maps(by="class")
    with pytest.raises(OptionError, match=r"`column` must be one of .*; got 'scores'. Did you mean 'score'"):
        run.top("scores")


def test_mistakes_are_the_surest_ones_with_three_maps_each(run: vz.Run) -> None:
    rows = run.table.dropna(subset=["predicted_class"])
    wrong = rows[rows["label_class"] != rows["predicted_class"]].sort_values("probability", ascending=False)
    mistakes = run.mistakes(4)
    assert mistakes.rows["path"].tolist() == wrong["path"].head(4).tolist()
    assert mistakes.results[TAKEN].target == tuple(wrong["prediction"].head(4))
    assert mistakes.results[TRUE].target == tuple(wrong["label"].head(4))
    path = Path(run.about["source"]["path"]) / wrong["path"].iloc[0]
    taken, true = wrong["prediction"].iloc[0], wrong["label"].iloc[0]
    for what, target in ((TAKEN, taken), (TRUE, true), (BETWEEN, vz.targets.Contrast(taken, true))):
        alone = vz.occlusion(model(), path, target, patch_size=4, stride=4)
        np.testing.assert_allclose(mistakes.results[what].values[0], alone.values[0], rtol=1e-5)
    difference = mistakes.results[TAKEN].values - mistakes.results[TRUE].values
    np.testing.assert_allclose(
        mistakes.results[BETWEEN].values, difference, atol=1e-5
    )  # occlusion is linear in the score


def test_mistakes_are_drawn_in_a_row_each(run: vz.Run) -> None:
    axes = run.mistakes(2).plot()
    assert axes.shape == (2, 4)
    first = run.mistakes(2).rows.iloc[0]
    assert (
        axes[0, 0]
        .get_title()
        .startswith(f"taken for {first['prediction']} {first['probability']:.2f}\nis {first['label']} ")
    )
    assert axes[0, 1].get_title().startswith(TAKEN)


def test_command_writes_the_mistakes_as_a_page_or_a_picture(tmp_path: Path) -> None:
    rows = [f"{path},{label}" for path, label in zip(vz.assets.digits()[:3], "019", strict=True)]  # the last is a two
    (tmp_path / "images.csv").write_text("\n".join(["path,label", *rows]))
    run = vz.explain_dataset(vz.assets.DIGITS_CNN, tmp_path / "images.csv", tmp_path / "run", methods="gradcam")
    for name in ("page.html", "picture.png"):
        done = CliRunner().invoke(app, ["failures", str(run.path), "--out", str(tmp_path / name)])
        assert (done.exit_code, done.stdout.strip()) == (0, str(tmp_path / name)), done.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(
        text in page for text in (TAKEN, TRUE, BETWEEN, "digit_2.png (true class: class 9)", "Mistakes of digits_cnn")
    )
    done = CliRunner().invoke(app, ["failures", str(run.path), "--out", str(tmp_path / "page.txt")])
    assert (done.exit_code, "must end in .html or .png" in done.stderr) == (2, True)


def test_run_without_mistakes_says_why(tmp_path: Path, run: vz.Run) -> None:
    images = write_images(tmp_path / "images", 4)
    unlabelled = explained(images, tmp_path / "out", methods=OCCLUSION)
    with pytest.raises(
        ResultError, match=r"The run knows no true classes, which mistakes are told by. Folders: `labels_by`"
    ):
        unlabelled.mistakes()
    names = run.table.dropna(subset=["prediction"])["prediction"]
    rows = [
        f"{Path(run.about['source']['path']) / path},{names[at]}" for at, path in run.table["path"][names.index].items()
    ]
    (tmp_path / "right.csv").write_text("\n".join(["path,label", *rows]))
    right = explained(tmp_path / "right.csv", tmp_path / "right", methods=OCCLUSION)
    with pytest.raises(
        ResultError, match="The run holds no mistake: each of 29 images with a true class is taken for it"
    ):
        right.mistakes()
    (right.path / "rows" / "00001.parquet").unlink()
    with pytest.raises(
        ResultError, match=r"no mistake so far: 21 of 29 images are done, 21 of them with a true class. Start it"
    ):
        right.mistakes()
    with pytest.raises(OptionError, match="`count` must be a number of mistakes, 1 or more; got 0"):
        right.mistakes(0)
