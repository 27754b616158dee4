"""A saved result is read back, or refused with the reason: whatever somebody made of the file."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.made import attributions, spray
from vizcnn.adapter.base import Prediction
from vizcnn.errors import ResultError
from vizcnn.results import FeatureMaps, Images, Kernels, load_result

ROWS = np.linspace(0, 1, 2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


def results() -> dict[str, Any]:
    """Return a result of each kind."""
    cnn = vz.assets.digits_cnn()
    return {
        "attributions": attributions(
            2,
            extras={"class_map": np.zeros((2, 3, 3), np.int32)},
            class_labels=("cat", "dog"),
            options={"patch_size": (2, 2), "stride": (1, 1)},
            top_classes=((("cat", 0.75),), (("cat", 0.75),)),
        ),
        "kernels": Kernels(ROWS, "conv", "tiny", order=(1, 0, 2)),
        "feature maps": FeatureMaps({"a/b": ROWS, "c": ROWS}, [ROWS[0], ROWS[1]], "tiny", ("x", "y")),
        "images": Images(
            ROWS,
            np.zeros(2, np.float32),
            ("cat", "dog"),
            (Prediction(0, "cat", 0.5), Prediction(1, "dog", None)),
            np.zeros((3, 2), np.float32),
            np.empty(0, np.float32),
            "tiny",
            "activation_maximization",
        ),
        "diagnosis": vz.diagnose(cnn, vz.assets.digits()[:2]),
        "spray": spray(),
    }


RESULTS = results()


def tampered(folder: Path, kind: str, change: Callable[[dict[str, Any], dict[str, np.ndarray]], object]) -> Path:
    """Save a result of that kind, and again after a change of what its file holds."""
    path = RESULTS[kind].save(folder / "result.npz")
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays.pop("about")))
    change(about, arrays)
    np.savez(path, about=np.array(json.dumps(about)), **arrays)
    return path


@pytest.mark.parametrize("kind", RESULTS)
def test_result_of_each_kind_is_read_back(tmp_path: Path, kind: str) -> None:
    again = load_result(tampered(tmp_path, kind, lambda about, arrays: None))
    assert json.dumps(again._about(), default=str) == json.dumps(RESULTS[kind]._about(), default=str)
    for (name, one), (other, two) in zip(again._arrays(), RESULTS[kind]._arrays(), strict=True):
        assert name == other
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "method", ["saliency", "gradcam", "occlusion", "filters", "activations", "activation_maximization"]
)
def test_what_a_method_returns_is_read_back(tmp_path: Path, method: str) -> None:
    cnn, digit = vz.assets.digits_cnn(), vz.assets.digits()[3]
    given: dict[str, Any] = {"filters": {}, "activation_maximization": {"target": "3", "steps": 2}}
    options = given.get(method, {"images": digit})
    result = getattr(vz, method)(cnn, **options)
    again = load_result(result.save(tmp_path / "result.npz"))
    for (name, one), (other, two) in zip(again._arrays(), result._arrays(), strict=True):
        assert name == other
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("attributions", lambda a, x: x.update(values=x["values"][:1]), "`raw` has shape .* doesn't fit N = 1"),
        ("attributions", lambda a, x: x.update(values=np.zeros((2, 0, 4), "f")), "`values` has shape"),
        ("attributions", lambda a, x: x.update(values=np.zeros(2, "f")), "`values` has shape"),
        ("attributions", lambda a, x: x.update(values=x["values"].astype(complex)), "no numbers"),
        ("attributions", lambda a, x: x.update(values=x["values"].astype("U5")), "text in place of numbers"),
        ("attributions", lambda a, x: x.update(values=x["values"] > 0), "`values` holds bool"),
        ("attributions", lambda a, x: x.update(scores=np.zeros(3, "f")), "`scores` has shape"),
        ("attributions", lambda a, x: x.update(values=np.array(3.0)), "`values` has shape"),
        ("attributions", lambda a, x: x.pop("raw"), "`raw` is missing"),
        ("attributions", lambda a, x: x.update(extra=np.zeros(3)), "`extra` is not a part of it"),
        ("attributions", lambda a, x: x.update({"../raw": np.zeros(3)}), "`../raw` is not a part of it"),
        ("attributions", lambda a, x: x.update({"images 7": np.zeros((4, 6, 3))}), "`images 7` is not a part of it"),
        ("attributions", lambda a, x: x.update({"images 0": np.zeros((4, 6, 0))}), "image 0 has shape"),
        ("attributions", lambda a, x: x.update({"images 0": np.zeros(6)}), "image 0 has shape"),
        (
            "attributions",
            lambda a, x: x.update({"extras class_map": np.full((2, 3, 3), 7)}),
            "`class_map` names 7 of 2",
        ),
        ("attributions", lambda a, x: x.update({"extras class_map": np.zeros((2, 3, 3))}), "`class_map` holds float64"),
        ("attributions", lambda a, x: x.update(model=np.zeros(3)), "`model` is not an array"),
        ("attributions", lambda a, x: a.update(images=3), "`images 2` is missing"),
        ("attributions", lambda a, x: a.update(images=10**12), "`images` holds something else"),
        ("attributions", lambda a, x: a.update(images=-1), "`images` holds something else"),
        ("attributions", lambda a, x: a.update(images=True), "`images` holds something else"),
        ("attributions", lambda a, x: a.update(images=["0", "0"]), "`images` holds something else"),
        ("attributions", lambda a, x: a.update(names=["a"]), "`names` holds 1 values"),
        ("attributions", lambda a, x: a.update(names=[1, 2]), "`names` holds something else"),
        ("attributions", lambda a, x: a.update(names="ab"), "`names` holds something else"),
        ("attributions", lambda a, x: a.update(target=["cat"] * 3), "`target` holds 3 values"),
        ("attributions", lambda a, x: a.update(classes=[1.5, 2]), "`classes` holds something else"),
        ("attributions", lambda a, x: a.update(probabilities=["0.5", 1]), "`probabilities` holds something else"),
        ("attributions", lambda a, x: a.update(predictions=[[1, "cat"]] * 2), "`predictions` holds something else"),
        ("attributions", lambda a, x: a.update(predictions=[[1, "cat", 0.5]]), "`predictions` holds 1 values"),
        ("attributions", lambda a, x: a.update(signed="yes"), "`signed` holds something else"),
        ("attributions", lambda a, x: a.update(options=[1]), "`options` holds something else"),
        ("attributions", lambda a, x: a.update(options={"stride": "two"}), "`stride` holds something else"),
        ("attributions", lambda a, x: a.update(top_classes=[[["cat"]]] * 2), "`top_classes` holds something else"),
        ("attributions", lambda a, x: a.update(__class__="os"), "`__class__` is not a part of it"),
        ("attributions", lambda a, x: a.pop("method"), "`method` is missing"),
        ("attributions", lambda a, x: a.update(kind="kernels"), "`layer` holds something else|`order` is missing"),
        ("attributions", lambda a, x: a.update(kind="models"), "it doesn't say what it is"),
        ("attributions", lambda a, x: a.update(kind=["kernels"]), "it doesn't say what it is"),
        ("kernels", lambda a, x: a.update(order=[0, 99]), "`order` names 99 of 5"),
        ("kernels", lambda a, x: a.update(order=[0, -1]), "`order` names -1 of 5"),
        ("kernels", lambda a, x: x.update(values=ROWS[0]), "`values` has shape"),
        ("spray", lambda a, x: x.pop("clusters 1 mean_map"), "`clusters 1 mean_map` is missing"),
        ("spray", lambda a, x: a.update(clusters=a["clusters"][:1]), "`clusters 1 [a-z_]*` is not a part of it"),
        ("spray", lambda a, x: a.update(clusters=3), "`clusters` holds something else"),
        ("spray", lambda a, x: a["clusters"][0].pop(), "`clusters` holds something else"),
        ("spray", lambda a, x: a["clusters"][0].__setitem__(2, 4), "`images` has shape .* doesn't fit 4"),
        ("spray", lambda a, x: a["clusters"][0][-1][0].pop(), "`clusters` holds something else"),
        ("spray", lambda a, x: a["clusters"][0].__setitem__(4, [0, 2, 1, 3]), "`region` .* isn't one of an image"),
        ("spray", lambda a, x: x.update({"embeddings a/b": np.zeros((9, 2), "f")}), "`embeddings` has shape"),
        ("spray", lambda a, x: a.update(eigenvalues=[]), "`eigenvalues a/b` is not a part of it"),
        ("feature maps", lambda a, x: a.update(maps=["a/b"]), "`maps c` is not a part of it"),
        ("feature maps", lambda a, x: a.update(maps=["a/b", "a/b"]), "`maps` holds something else"),
        ("feature maps", lambda a, x: x.update({"maps c": ROWS[:1]}), "`maps c` has shape"),
        ("images", lambda a, x: x.update(frames=np.zeros((2, 1, 3, 4, 5), "f")), "`frames` has shape"),
        ("images", lambda a, x: x.update(history=np.zeros(3, "f")), "`history` has shape"),
        ("diagnosis", lambda a, x: x.update(dead=x["dead"] + 1000), "`units` are fewer"),
        ("diagnosis", lambda a, x: x.update(units=x["units"][:2]), "`units` has shape"),
        ("diagnosis", lambda a, x: a.update(findings=[["dead"]]), "`findings` holds something else"),
        ("diagnosis", lambda a, x: a.update(images_seen="two"), "`images_seen` holds something else"),
    ],
)
def test_file_that_was_changed_is_refused(tmp_path: Path, kind: str, change: Any, reason: str) -> None:
    with pytest.raises(ResultError, match=rf"`path` '.*result.npz' isn't a result that vizcnn saved: .*({reason})"):
        load_result(tampered(tmp_path, kind, change))


def packed(folder: Path, members: dict[str, bytes]) -> Path:
    """Write a result whose file has these members in place of its own or beside them."""
    path = RESULTS["kernels"].save(folder / "result.npz")
    with zipfile.ZipFile(path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()} | members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in whole.items():
            archive.writestr(name, content)
    return path


def stored(header: str, content: bytes = b"") -> bytes:
    """Return an .npy file with that header."""
    text = header.encode() + b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"values.npy": saved(np.array([print, {}], dtype=object))}, "holds objects of Python"),
        ({"about.npy": saved(np.array(print, dtype=object))}, "holds objects of Python"),
        (
            {"values.npy": stored("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,)}")},
            "doesn't hold the 1099511627776 values that it promises",
        ),
        (
            {"values.npy": stored("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}", bytes(12))},
            "doesn't hold the -1x3 values that it promises",
        ),
        ({"values.npy": stored("{'descr': '<f4', 'fortran_order': False, 'shape': (nan,)}")}, ""),
        ({"values.npy": stored("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", bytes(8))}, "no numbers"),
        ({"values.npy": b"no array"}, ""),
        ({"model.pkl": b"\x80\x04."}, "it must hold .npy files, each once"),
        ({"values.npy": bytes(2 * 2**20)}, ""),
    ],
)
def test_array_that_is_none_is_refused(tmp_path: Path, members: dict[str, bytes], reason: str) -> None:
    with pytest.raises(ResultError, match=f"isn't a result that vizcnn saved: .*{reason}"):
        load_result(packed(tmp_path, members))


def test_file_that_would_fill_the_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = np.zeros((500, 500), np.float32)
    path = packed(tmp_path, {"exciting.npy": saved(zeros)})
    monkeypatch.setattr("vizcnn.results.files._MOST", 2**19)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(ResultError, match=r"it would take 0\.0 GiB from 0\.0 MiB"):
        load_result(path)


def test_sizes_that_no_compression_reaches_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, {})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 2**32 - 2)  # the size of the last member, unpacked
    path.write_bytes(content)
    with pytest.raises(ResultError, match="the sizes that it gives can't be true"):
        load_result(path)


def test_same_member_twice_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path, {})
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("values.npy", b"other")
    with pytest.raises(ResultError, match="each once"):
        load_result(path)


# What is no file ----------------------------------------------------------------------------------------------------------


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "result.npz")
    with pytest.raises(ResultError, match="isn't a result that vizcnn saved: it is a pipe"):
        load_result(tmp_path / "result.npz")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_device_is_not_read(path: str) -> None:
    with pytest.raises(ResultError, match="isn't a result that vizcnn saved: it is a device"):
        load_result(path)


def test_folder_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="it is a folder"):
        load_result(tmp_path)


@pytest.mark.parametrize("suffix", [".npz", ".png", ".svg"])
def test_pipe_is_not_written_to_and_stays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    os.mkfifo(path)
    with pytest.raises(ResultError, match="can't be written: it is a pipe, not a file"):
        attributions().save(path)
    assert path.is_fifo()


def test_device_behind_a_link_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "result.png").symlink_to("/dev/null")
    with pytest.raises(ResultError, match="can't be written: it is a device, not a file"):
        attributions().save(tmp_path / "result.png")
