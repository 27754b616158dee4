"""The folder of a run, and that of a training, in the explorer: what is shown is what they hold."""

from __future__ import annotations

import os
import shutil
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from typer.testing import CliRunner

import vizcnn as vz
from tests.browser.visit import DESK, PHONE
from tests.explorer.look import Answer, Look, ask
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.cli import app
from vizcnn.cli.model import ModelFile
from vizcnn.cli.serve import _opened
from vizcnn.errors import ModelFileError, OptionError, ResultError, silent
from vizcnn.explorer import Server, run_rows
from vizcnn.explorer.channels import _Channels
from vizcnn.explorer.known import facts_of
from vizcnn.explorer.records import Records, open_kept
from vizcnn.explorer.run_rows import RunImages
from vizcnn.explorer.studio import Studio
from vizcnn.explorer.tags import Tags
from vizcnn.explorer.training import Training
from vizcnn.inputs.pixels import Fetched
from vizcnn.runs import Run
from vizcnn.runs.embedding import embedding
from vizcnn.runs.redrawing import SourceAgain, model_of


def query(look: Look, words: str) -> None:
    look.go(f"#/{words}")


def paths(look: Look) -> list[str]:
    return look.page.locator(".rows tbody tr td:nth-child(3)").all_inner_texts()


def test_rows_are_filtered_and_sorted_as_the_table_is(browser: Browser, kept: Server, run: Run) -> None:
    table = run.table
    with Look(browser, kept, "#/run") as look:
        assert paths(look) == list(table["path"])
        look.page.get_by_role("button", name="probability", exact=True).click()
        look.settle()
        assert paths(look) == list(table.sort_values("probability", kind="stable")["path"])
        look.page.get_by_role("button", name="probability ↑").click()
        look.settle()
        assert paths(look) == list(table.sort_values("probability", ascending=False, kind="stable")["path"])
        look.page.get_by_label("mistakes only").check()
        look.settle()
        expect(look.page.get_by_text("2 images; 1 to 2 are shown.")).to_be_visible()
        assert {path.rpartition("/")[2] for path in paths(look)} == {"digit_3.png", "digit_8.png"}
        look.page.get_by_label("Path contains").fill("digit_8")
        look.page.keyboard.press("Tab")
        look.settle()
        assert len(paths(look)) == 1
        look.page.go_back()  # filters took the place of each other in the history
        row = ask(kept, "api/run/rows", text="digit_8").facts["rows"][0]
        told = table[table["path"].str.contains("digit_8")].iloc[0]
        assert row["gradcam.mass"] == pytest.approx(float(told["gradcam.mass"]))


def test_a_cell_of_the_confusion_matrix_opens_its_images_and_their_mean_map(
    browser: Browser, kept: Server, run: Run
) -> None:
    with Look(browser, kept, "#/run/confusion") as look:
        look.page.get_by_role("link", name="1 of 3 images of 5 were taken for 3").click()
        look.settle()
        assert [path.rpartition("/")[2] for path in paths(look)] == ["digit_3.png"]
        expect(look.page.get_by_text("Mean map of 1 image of 5 taken for 3, by gradcam")).to_be_visible()
        look.page.get_by_role("link", name="look at").click()
        look.settle()
        assert look.page.evaluate("location.hash").startswith("#/image?image=")
        expect(look.page.get_by_role("img", name="The image digit_3.png")).to_be_visible()
    facts = ask(kept, "api/run/confusion").facts
    names, counts = facts["names"], np.array(facts["counts"])
    assert counts.sum() == 10
    assert counts[names.index("5"), names.index("8")] == 1
    assert np.trace(counts) == 8


def test_clusters_are_those_of_spray_and_their_images_are_opened(
    browser: Browser, kept: Server, tmp_path: Path
) -> None:
    digit = np.asarray(Image.open(vz.assets.digits()[3]))
    (tmp_path / "photos").mkdir()
    for number in range(24):
        shifted = np.roll(digit, (number % 3 - 1, number % 5 - 2), axis=(0, 1))
        Image.fromarray(shifted).save(tmp_path / "photos" / f"{number:02}.png")
    cnn = vz.assets.digits_cnn()
    many = vz.explain_dataset(cnn, tmp_path / "photos", tmp_path / "run", methods="hirescam", target="3")
    expected, records = vz.spray(many, model=cnn), Records(many)
    studio = Studio("digits_cnn.keras", lambda: (cnn, ()), RunImages(records), kept=records)
    with Server(studio) as server, Look(browser, server, "#/run/clusters") as look:
        assert studio.ready.wait(60)
        look.page.get_by_role("button", name="Look for clusters").click()
        expect(look.page.get_by_text(f"{len(expected)} clusters of 24 maps.")).to_be_visible(timeout=60_000)
        assert look.page.locator(".cluster > p").all_inner_texts() == [cluster.verdict for cluster in expected]
        first = look.page.locator(".cluster").first
        assert first.locator("img").count() == min(16, expected[0].size)
        assert first.locator("canvas").evaluate("canvas => [canvas.height, canvas.width]") == list(
            expected[0].mean_map.shape
        )
        look.assert_sound()
        first.locator("a").first.click()
        look.settle()
        assert f"image={expected[0].images[0]}" in look.page.evaluate("location.hash")
    answer = ask(kept, "api/run/clusters", method="gradcam")
    assert (answer.status, "must have 20 maps of a class" in answer.facts["error"]) == (422, True)


def test_a_lasso_chooses_images_whose_maps_are_alike_and_tags_are_kept(
    browser: Browser, kept: Server, run: Run
) -> None:
    with Look(browser, kept, "#/run/plane?method=saliency") as look:
        canvas = look.page.get_by_role("application")
        box = canvas.bounding_box()
        assert box is not None
        corners = [(1, 1), (box["width"] - 1, 1), (box["width"] - 1, box["height"] - 1), (1, box["height"] - 1), (1, 2)]
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        for at, (x, y) in enumerate(corners):
            look.page.mouse.move(box["x"] + x, box["y"] + y)
            if at == 0:
                look.page.mouse.down()
        look.page.mouse.up()
        expect(look.page.get_by_text("10 images are chosen")).to_be_visible()
        look.page.get_by_role("group", name="Choose all of a class").get_by_role("button", name="8").click()
        expect(look.page.get_by_text("1 image is chosen")).to_be_visible()
        look.page.get_by_label("Tag", exact=True).fill('odd, "very"')
        look.page.get_by_role("button", name="Tag the chosen images").click()
        expect(look.page.get_by_text(f"1 image is tagged, in {run.path / 'tags.csv'}.")).to_be_visible()
        lines = (run.path / "tags.csv").read_text(encoding="utf-8").splitlines()
        index = int(run.table.index[run.table["prediction"] == "8"][0])
        assert lines == ["index,path,tag", f'{index},5/digit_8.png,"odd, ""very"""']
        canvas.focus()
        for key in ("ArrowRight", "ArrowDown", "Enter"):
            look.page.keyboard.press(key)
        look.go("#/run")
        expect(look.page.locator("td.tags", has_text="odd")).to_have_count(1)


def test_tags_are_read_again_and_only_images_of_the_run_take_them(tmp_path: Path) -> None:
    tags = Tags(tmp_path, {0: "a.png", 7: 'b,"c".png'})
    tags.add(b"[7, 0, 7]", "odd")
    told = tags.add(b"[7]", "1=1")
    assert told == {"tags": {7: ["odd", "1=1"], 0: ["odd"]}, "file": str(tmp_path / "tags.csv")}
    assert Tags(tmp_path, {}).about()["tags"] == told["tags"]
    kept = Path(tags.file).read_bytes()
    for body, name in [
        (b"[1]", "a"),
        (b"[true]", "a"),
        (b"{}", "a"),
        (b"[" * 10**5, "a"),
        (b"[0]", " "),
        (b"[0]", "a\nb"),
        (b"[0]", "x" * 61),
        *((b"[0]", f" {sign}1") for sign in "=+-@"),  # a spreadsheet would run it
    ]:
        with pytest.raises(OptionError):
            tags.add(body, name)
    assert Path(tags.file).read_bytes() == kept


def test_tags_of_others_stay_and_what_was_deleted_by_hand_is_gone(tmp_path: Path) -> None:
    paths = {0: "a.png", 1: "é.png"}
    one, other = Tags(tmp_path, paths), Tags(tmp_path, paths)
    one.add(b"[1]", "one")
    other.add(b"[0, 1]", "other")
    assert one.add(b"[0]", "one")["tags"] == {0: ["other", "one"], 1: ["one", "other"]}
    lines = ["index,path,tag", "1,é.png,other", "", "7,later.png,=by hand"]
    Path(one.file).write_text("\r\n".join(lines), encoding="utf-8-sig")  # as Excel writes it
    assert one.about()["tags"] == {1: ["other"], 7: ["=by hand"]}
    one.add(b"[0]", "one")
    told = "index,path,tag\r\n0,a.png,one\r\n1,é.png,other\r\n7,later.png,=by hand\r\n"
    assert Path(one.file).read_bytes() == told.encode()


def test_two_explorers_that_tag_at_the_same_time_keep_both_tags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Tags._read
    monkeypatch.setattr(Tags, "_read", lambda tags: (read(tags), time.sleep(0.05))[0])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: Tags(tmp_path, {0: "a.png"}).add(b"[0]", name), ("one", "other")))
    assert sorted(Tags(tmp_path, {}).about()["tags"][0]) == ["one", "other"]


def test_a_run_that_goes_on_is_seen_as_far_as_it_has_come(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_rows, "LOOK_SECONDS", 0)
    shutil.copytree(run.path / "rows", tmp_path / "rows")
    first, *others = sorted((tmp_path / "rows").iterdir())
    kept = [(file, file.read_bytes()) for file in others]
    for file in others:
        file.unlink()
    records = Records(Run(tmp_path, {**run.about, "complete": False}))
    images = RunImages(records)
    assert (records.about()["count"], records.about()["all"], len(images)) == (4, 10, 4)
    kept[0][0].write_bytes(kept[0][1])
    assert (records.about()["count"], len(images)) == (8, 8)
    assert images[7].name == run.table.loc[7, "path"]
    for file in (first, kept[0][0]):
        file.unlink()
    assert (records.about()["count"], len(images), records.rows({})["rows"]) == (0, 0, [])
    assert records.confusion()["names"] == []


def test_images_of_a_run_are_read_as_they_are_needed_and_those_that_cannot_be_are_left_out(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, fetched = Records(run), []
    read = SourceAgain.read
    monkeypatch.setattr(SourceAgain, "read", lambda source, row: (fetched.append(row["path"]), read(source, row))[1])
    studio = Studio("digits", lambda: (vz.assets.digits_cnn(), ()), [*RunImages(records), Path("gone.png")])
    studio.load()
    images, places = studio.folder()
    assert places == list(range(10))
    assert all(type(source) is Fetched for source in images.sources)
    fetched.clear()
    images.inputs(slice(2, 4))
    assert fetched == list(run.table["path"][2:4])


def test_one_bad_image_of_a_run_leaves_the_others_there_and_those_that_come_are_seen(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_rows, "LOOK_SECONDS", 0)
    shutil.copytree(run.path / "rows", tmp_path / "rows")
    second = sorted((tmp_path / "rows").iterdir())[1]  # the others are by another process, which is ahead
    rows = second.read_bytes()
    second.unlink()
    changed, read = run.table["path"][2], SourceAgain.read

    def read_again(source: SourceAgain, row: pandas.Series) -> bytes | np.ndarray:
        if row["path"] == changed:
            raise ResultError("It has another hash.")
        return read(source, row)

    monkeypatch.setattr(SourceAgain, "read", read_again)
    records = Records(Run(tmp_path, {**run.about, "complete": False}))
    studio = Studio("digits", lambda: (vz.assets.digits_cnn(), ()), RunImages(records), kept=records)
    studio.load()
    channels = _Channels(studio)

    def patches() -> dict[str, Any]:
        with silent():  # of dead channels, as the worker is
            return Answer(200, None, channels.patches({"layer": "conv1", "unit": "0"})).arrays[0]

    assert studio.folder()[1] == [0, 1, 3, 8, 9]
    assert set(patches()["images"]) == {0, 1, 3, 8, 9}
    assert patches()["notes"] == ["5 images aren't there yet, or can't be read, and are left out."]
    second.write_bytes(rows)
    assert studio.folder()[1] == [0, 1, 3, 4, 5, 6, 7, 8, 9]
    assert set(patches()["images"]) == {0, 1, 3, 4, 5, 6, 7, 8, 9}
    assert patches()["notes"] == ["1 image isn't there yet, or can't be read, and is left out."]


def test_what_is_made_of_a_run_that_goes_on_is_made_again_and_of_the_rows_that_are_known(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Found(list[SimpleNamespace]):
        suspects = notes = ()
        clusters = property(list)
        num_images = property(lambda found: len(found[0].images))

    def spray(run: Run, method: str, *, model: object) -> Found:
        said = {"label": "0", "kind": "group", "is_suspect": False, "verdict": "", "region": ""}
        return Found([SimpleNamespace(images=[*run.table.index][::-1], mean_map=np.zeros((2, 2)), **said)])

    monkeypatch.setattr("vizcnn.explorer.records.spray", spray)
    shutil.copytree(run.path, tmp_path / "run")
    last = sorted((tmp_path / "run" / "rows").iterdir())[-1]
    rows, cell = last.read_bytes(), dict(run.table.loc[9, ["label", "prediction"]])
    last.unlink()
    records = Records(Run(tmp_path / "run", {**run.about, "complete": False}))
    studio = Studio("digits", lambda: (vz.assets.digits_cnn(), ()), kept=records)
    monkeypatch.setattr(run_rows, "LOOK_SECONDS", 1e9)
    with Server(studio) as server:
        assert studio.ready.wait(60)
        assert ask(server, "api/run").facts["count"] == 8
        assert ask(server, "api/run/mean", **cell).status == 422
        last.write_bytes(rows)  # as another process does, between two looks
        assert ask(server, "api/run/plane").arrays[1]["indices"].tolist() == list(range(8))
        assert ask(server, "api/run/clusters").arrays[0]["clusters"][0]["images"] == list(range(8))[::-1]
        monkeypatch.setattr(run_rows, "LOOK_SECONDS", 0)
        assert ask(server, "api/run/mean", **cell).status == 200
        assert ask(server, "api/run/clusters").arrays[0]["num_images"] == 10


def test_what_was_begun_of_fewer_rows_is_made_again(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_rows, "LOOK_SECONDS", 0)
    shutil.copytree(run.path / "rows", tmp_path / "rows")
    last = sorted((tmp_path / "rows").iterdir())[-1]
    rows = last.read_bytes()
    last.unlink()
    records, counts = Records(Run(tmp_path, {**run.about, "complete": False})), []

    def mean_maps(*_: object, **__: object) -> list[int]:
        counts.append(records.count)
        last.write_bytes(rows)  # the run comes further meanwhile, and another question sees it
        assert records.count == 10
        return [*counts]

    monkeypatch.setattr(Run, "mean_maps", mean_maps)
    assert [records.means("gradcam") for _ in range(3)] == [[8], [8, 10], [8, 10]]


def test_a_mistake_is_another_class_and_not_another_name_of_it() -> None:
    table = pandas.DataFrame(
        {
            "path": list("abc"),
            "label": ["0", "1", "owl"],
            "label_class": pandas.array([0, 1, None], dtype="Int32"),
            "prediction": ["class 0", "class 0", "class 0"],
            "predicted_class": pandas.array([0, 0, 0], dtype="Int32"),
        }
    )
    records = Records(SimpleNamespace(table=table, path=Path(), is_complete=True, about={}))  # type: ignore[arg-type]
    told = records.confusion()
    assert told["names"] == ["1", "class 0", "owl"]
    assert told["labels"] == ["1", "0", "owl"]
    assert told["counts"].tolist() == [[0, 1, 0], [0, 1, 0], [0, 1, 0]]


def test_a_run_s_model_is_opened_as_the_run_had_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("vizcnn.explorer.records.model_of", lambda *given: asked.append(given))
    _opened(ModelFile("model.keras", {"batch_size": 3, "trusted": False}), Records(run))
    assert asked == [(run.about, "model.keras", {"batch_size": 3})]


def test_an_option_takes_the_place_of_what_the_run_had_and_all_else_stays(run: Run) -> None:
    lost = {**run.about, "settings": {**run.about["settings"], "preprocess": {"object": "mine"}, "num_runs": 2}}
    model = model_of(lost, vz.assets.DIGITS_CNN, {"preprocess": "/ 255", "batch_size": 3})
    assert (model.preprocess, model.num_runs) == (resolve_preprocess("/ 255"), 2)
    assert model.labels == tuple(run.about["classes"])
    names = [f"digit {number}" for number in range(10)]
    assert model_of(run.about, model.model, {"labels": names}).labels == tuple(names)
    other = {**run.about, "model": {"file": str(vz.assets.DIGITS_CNN), "sha256": "0" * 64}}
    with pytest.raises(ResultError, match="has another hash"):
        model_of(other, vz.assets.DIGITS_CNN, {"labels": names})


def test_options_of_loading_are_those_of_the_model_that_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Studio] = []
    monkeypatch.setattr("vizcnn.explorer.server.Server", lambda studio, **_: studio)
    monkeypatch.setattr("vizcnn.cli.serve.run_server", lambda studio, **_: opened.append(studio))
    (tmp_path / "x.gradcam.0001.png").touch()
    words = ["serve", "--run", str(tmp_path), "--preprocess", "/ 255"]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, opened) == (2, [])
    assert "`preprocess` is of a model, and none lies in" in done.stderr
    file = shutil.copy(vz.assets.DIGITS_CNN, tmp_path)
    assert CliRunner().invoke(app, words).exit_code == 0
    opened[0].load()
    assert opened[0].model.preprocess == resolve_preprocess("/ 255")
    assert opened[0].origin is not None
    assert opened[0].origin.words == (str(file), "--preprocess", "/ 255")


@pytest.mark.parametrize(
    "content",
    [
        b"index;path;tag\r\n0;a.png;odd\r\n",
        b"index,path,tag,remark\r\n0,a.png,odd,mine\r\n",
        b"index,path,tag\r\n0,a.png\r\n",
        b"index,path,tag\r\nfirst,a.png,odd\r\n",
        b'index,path,tag\r\n0,a.png,"odd',
        b"index,path,tag\r\n0,a.png,\xff\r\n",
        b"",
        None,
    ],
    ids=["semicolons", "another column", "a field is missing", "no number", "no end", "no UTF-8", "empty", "a folder"],
)
def test_a_table_of_another_form_is_told_of_and_left_as_it_is(tmp_path: Path, content: bytes | None) -> None:
    tags = Tags(tmp_path, {0: "a.png"})
    if content is None:
        Path(tags.file).mkdir()
    else:
        Path(tags.file).write_bytes(content)
    for asked in (tags.about, lambda: tags.add(b"[0]", "odd")):
        with pytest.raises(ResultError, match=r"tags\.csv' can't be read: "):
            asked()
    assert content is None or Path(tags.file).read_bytes() == content


def test_tags_that_cannot_be_read_leave_the_images_there(browser: Browser, kept: Server, run: Run) -> None:
    file = run.path / "tags.csv"
    before = file.read_bytes() if file.exists() else None
    file.write_bytes(b"\xff")
    try:
        with Look(browser, kept, "#/run", allowed="422") as look:
            expect(look.page.locator("table.rows tbody tr")).to_have_count(10)
            expect(look.page.get_by_role("form", name="Tags").get_by_role("status")).to_contain_text("can't be read")
    finally:
        file.unlink() if before is None else file.write_bytes(before)


def test_tags_are_not_kept_as_answers_that_nobody_can_ask_for(kept: Server) -> None:
    answers = kept._workers[1]._kept
    before = list(answers)
    assert ask(kept, "api/run/tags").status == ask(kept, "api/run/tags", b"[]", name="odd").status == 200
    assert list(answers) == before


def test_the_plane_is_that_of_numpy_s_singular_values(run: Run) -> None:
    found = embedding(run, "gradcam")
    maps = np.stack([run.maps(int(index), "gradcam") for index in found.indices]).astype(np.float64)
    rows = (maps / np.abs(maps).max(axis=(1, 2), keepdims=True)).reshape(len(maps), -1)
    left, values, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.points), np.abs(left[:, :2] * values[:2]), atol=1e-4)
    np.testing.assert_allclose(found.shares, (values**2 / (values**2).sum())[:2], atol=1e-6)
    assert len(embedding(run, count=5).indices) == 5


def test_a_training_is_walked_through_and_two_checkpoints_stand_side_by_side(browser: Browser, tmp_path: Path) -> None:
    for epoch in (1, 2, 5):
        Image.new("RGB", (20, 20), (40 * epoch, 0, 0)).save(tmp_path / f"a b.gradcam.{epoch:04d}.png")
    (tmp_path / "other.txt").write_text("no picture", encoding="utf-8")
    training = open_kept(tmp_path)
    assert isinstance(training, Training)
    assert training.model_file() is None
    with Server(Studio("digits", None, kept=training)) as server, Look(browser, server) as look:
        expect(look.page.get_by_role("navigation", name="Views")).to_have_text("Training")
        first, _ = look.page.get_by_role("slider", name="checkpoint").all()
        expect(look.page.get_by_role("img", name="a b.gradcam after epoch 1", exact=True)).to_be_visible()
        expect(look.page.get_by_role("img", name="a b.gradcam after epoch 5")).to_be_visible()
        first.focus()
        look.page.keyboard.press("ArrowRight")
        look.settle()
        expect(look.page.get_by_role("img", name="a b.gradcam after epoch 2")).to_be_visible()
        assert "left=2" in look.page.evaluate("location.hash")
        expect(look.page.get_by_role("slider", name="First checkpoint")).to_be_focused()
        for size in (PHONE, DESK):
            look.page.set_viewport_size(size)  # type: ignore[arg-type]
            look.assert_sound()
        picture = ask(server, "api/training/picture", series="a b.gradcam", epoch=5)
        assert picture.body == (tmp_path / "a b.gradcam.0005.png").read_bytes()
        answer = ask(server, "api/layers")
        assert (answer.status, answer.facts["error"]) == (422, "No model was given: vizcnn serve MODEL.")
        for series, epoch in [("other", 1), ("../a b.gradcam", 1), ("a b.gradcam", 3)]:
            assert ask(server, "api/training/picture", series=series, epoch=epoch).status == 422


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.slow), "dark"])
def test_everybody_can_read_a_run(browser: Browser, kept: Server, pictures: Path, scheme: str) -> None:
    with Look(browser, kept, "#/run", color_scheme=scheme) as look:
        for view in ("run", "run/confusion", "run/plane", "run?label=5&prediction=8"):
            look.go(f"#/{view}")
            for name, size in {"phone": PHONE, "desk": DESK}.items():
                look.page.set_viewport_size(size)  # type: ignore[arg-type]
                look.assert_sound()
                look.page.screenshot(path=pictures / f"{urllib.parse.quote(view, safe='')}-{name}-{scheme}.png")


def test_a_training_is_opened_with_its_latest_checkpoint(tmp_path: Path) -> None:
    for at, name in enumerate(("b.keras", "a.keras", "a.weights.h5")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    with pytest.raises(
        ResultError, match=r"holds models, and nothing that was explained. Open one: vizcnn serve .*a\.keras"
    ):
        open_kept(tmp_path)
    (tmp_path / "x.gradcam.0001.png").touch()
    assert open_kept(tmp_path).model_file() == str(tmp_path / "a.keras")


def test_a_training_whose_latest_checkpoint_cannot_be_loaded_is_walked_through_and_tells_so(tmp_path: Path) -> None:
    (tmp_path / "x.gradcam.0001.png").touch()

    def broken() -> None:
        raise ModelFileError("It is no model.")

    studio = Studio("a.keras", broken, kept=open_kept(tmp_path), is_needed=False)  # type: ignore[arg-type]
    studio.load()
    facts = facts_of(studio)
    assert (studio.stage, facts["model"], facts["error"]) == ("ready", None, "It is no model.")


def test_the_command_says_what_is_missing(tmp_path: Path, run: Run) -> None:
    for words, told in [
        ([], "`model` must be given: vizcnn serve MODEL"),
        (["--run", str(tmp_path / "none")], "isn't a folder."),
        (["--run", str(tmp_path)], "isn't the folder of a run: it holds no manifest.json."),
        (
            ["--run", str(run.path)],
            "The model of the run, 'digits_cnn.keras', isn't there. Give it: vizcnn serve MODEL --run",
        ),
    ]:
        done = CliRunner().invoke(app, ["serve", *words])
        assert done.exit_code == 2
        assert told in done.stderr
