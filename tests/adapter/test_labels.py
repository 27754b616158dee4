"""Names of classes are read from every form in which people keep them."""

from __future__ import annotations

import json
import os
import pickle
import tracemalloc
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.models import linear_model
from vizcnn.adapter.label_files import LARGEST
from vizcnn.adapter.labels import read_labels

FOLDERS = tuple(sorted(map(str, range(11))))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["cat", "dog"], ("cat", "dog")),
        (("cat", "dog"), ("cat", "dog")),
        (np.array(["cat", "dog"]), ("cat", "dog")),
        ([3, 7], ("3", "7")),
        ({0: "cat", 1: "dog"}, ("cat", "dog")),
        ({"1": "dog", "0": "cat"}, ("cat", "dog")),
        ({0: "cat", 2: "dog"}, ("cat", "class 1", "dog")),
        ({"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}, ("tench", "goldfish")),
        ({0: 7, 1: 8}, ("7", "8")),  # numbers for names
        ({"0": "1", "1": "0"}, ("1", "0")),
        ({"cat": 0, "dog": 1}, ("cat", "dog")),  # class_indices of Keras's generators
        ({"dog": 1, "cat": 0}, ("cat", "dog")),
        ({"cat": "0", "dog": "1"}, ("cat", "dog")),
        ({"cat": np.int64(1), "dog": np.int64(0)}, ("dog", "cat")),
        ({name: i for i, name in enumerate(FOLDERS)}, FOLDERS),  # folders named 0 to 10, in the order of their names
        ({"id2label": {"0": "cat", "1": "dog"}, "label2id": {"cat": 0, "dog": 1}}, ("cat", "dog")),  # Hugging Face
        ({"nc": 2, "names": ["cat", "dog"]}, ("cat", "dog")),
        ([{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}], ("cat", "dog")),
        ([["n01440764", "tench"], ["n01443537", "goldfish"]], ("tench", "goldfish")),
        ([b"cat", b"dog"], ("cat", "dog")),
        ({"cat": 0, "dog": 1}.keys(), ("cat", "dog")),
        ({}, ()),
        (None, None),
    ],
    ids=repr,
)
def test_labels_are_read(given: Any, expected: tuple[str, ...] | None) -> None:
    assert read_labels(given) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("labels.txt", "cat\ndog\n", ("cat", "dog")),
        ("labels.txt", "\ufeffcat\r\n\r\n  Hund, großer \r\n", ("cat", "Hund, großer")),
        ("labels.txt", "0 cat\n1 dog\n", ("cat", "dog")),  # as Teachable Machine writes them
        ("labels.txt", "0: cat\n1: tiger cat\n", ("cat", "tiger cat")),
        ("labels.csv", "0,cat\n1,dog\n", ("cat", "dog")),
        ("labels.txt", "3 cats\n2 dogs\n", ("3 cats", "2 dogs")),  # numbers that are no indices belong to the name
        ("labels.txt", "1 dog\n0 cat\n", ("cat", "dog")),  # the numbers say the order, not the lines
        ("labels.csv", "index,label\n0,cat\n1,dog\n", ("cat", "dog")),
        ("labels.csv", 'id,name\n0,"crane, bird"\n1,dog\n', ("crane, bird", "dog")),
        ("labels.tsv", "cat\t0\ndog\t1\n", ("cat", "dog")),
        ("labels.csv", "dog,1\ncat,0\n", ("cat", "dog")),
        ("labels.yaml", "names:\n  - cat\n  - dog\n", ("cat", "dog")),
        ("labels.yaml", "names:\n  0: cat\n  1: dog\n", ("cat", "dog")),
        ("labels.txt", "cat 1\ncat 2\n", ("cat 1", "cat 2")),  # what follows a space belongs to the name
        ("labels.txt", "caf\u0085e\u2028\x0b\x1cx\ndog\n", ("caf\u0085e\u2028\x0b\x1cx", "dog")),
        ("labels.txt", "cat\rdog", ("cat", "dog")),
        ("labels.txt", "9" * 5000 + " cat\ndog\n", ("9" * 5000 + " cat", "dog")),
        ("labels.txt", "cat\ndog\n\n\r\n \n", ("cat", "dog")),
        ("labels.txt", '{"cat": 0, "dog": 1}', ("cat", "dog")),  # JSON under another name
        ("labels.txt", "[cat]\ndog\n", ("[cat]", "dog")),
        ("labels.json", json.dumps(["cat", "dog"]), ("cat", "dog")),
        ("labels.json", json.dumps({name: i for i, name in enumerate(FOLDERS)}), FOLDERS),
        ("labels.JSON", json.dumps({"1": ["n2", "dog"], "0": ["n1", "cat"]}), ("cat", "dog")),
    ],
)
def test_labels_are_read_from_a_file(tmp_path: Path, name: str, text: str, expected: tuple[str, ...]) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    assert read_labels(path) == read_labels(str(path)) == expected


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("labels.json", b"{cat", r"labels\.json' is not JSON"),
        ("labels.json", b'"cat"', "must hold a JSON list or object; got 'cat'"),
        ("labels.json", b'{"cat": "x"}', "takes class indices to names, or names to class indices; got {'cat': 'x'}"),
        ("labels.json", b'{"cat": 0, "0": "dog"}', "takes class indices to names, or names to class indices; got"),
        ("labels.json", b'{"cat": 0, "dog": 0}', "must give each class index one name; got {'cat': 0, 'dog': 0}"),
        ("labels.json", b'{"100000000": "x"}', "must number the classes from 0 on; got 1 name, of which .* 100000000"),
        ("labels.json", b'{"x": 100000000}', "must number the classes from 0 on; got 1 name, of which .* 100000000"),
        ("labels.json", b'{"0": [], "1": ["n", "x"]}', r"must have a name for each class; got \[\] for one"),
        ("labels.json", b'["cat", null]', "must have a name for each class; got None for one"),
        ("labels.json", b'["cat", {"id": 1}]', "must have a name for each class; got None for one"),
        ("labels.json", b"[" + b"9" * 5000 + b"]", "can't be read: it holds a number of thousands of digits"),
        ("labels.json", b"[" * 200_000, "can't be read: it is nested too deeply"),
        ("labels.json", b'"' + b"x" * 5000 + b'"', "must hold a JSON list or object; got 'x{60}'"),
        ("labels.json", b'["' + b"x" * LARGEST + b'"]', "must not be larger than 4,194,304 bytes; it has 4,194,308"),
        ("labels.txt", b"\xff\xfe\x00", r"labels\.txt' can't be read as text in UTF-8"),
        ("labels.txt", b"caf\xe9\n", r"can't be read as text in UTF-8: .* at byte 3\. Save it as UTF-8"),
        ("labels.txt", b"cat\0dog", "it holds NUL, so it is not text"),
        ("labels.pkl", pickle.dumps({"cat": 0}), "it is a pickle, which may run code .* Write the mapping as JSON"),
        ("labels.pickle", pickle.dumps({"cat": 0}, protocol=0), "it is a pickle, which may run code"),
        ("labels.npy", b"\x93NUMPY\x01\x00", "it is a NumPy file"),
        ("labels.xlsx", b"PK\x03\x04", "it is a zip archive or a spreadsheet"),
    ],
)
def test_bad_file_of_labels_says_why(tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(vz.errors.OptionError, match=match):
        read_labels(tmp_path / name)


def test_file_of_labels_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(vz.errors.OptionError, match=r"`labels` file '.*none\.txt' can't be read"):
        read_labels(tmp_path / "none.txt")


def test_labels_in_utf_16_are_read(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes("Hund\r\nKätzchen\r\n".encode("utf-16"))
    assert read_labels(tmp_path / "labels.txt") == ("Hund", "Kätzchen")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes")
def test_pipe_device_or_folder_is_no_file_of_labels(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in (
        (tmp_path / "pipe", "a pipe"),
        (Path("/dev/zero"), "a pipe or a device"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(vz.errors.OptionError, match=f"`labels` must be a file of names; got .*which is {kind}"):
            read_labels(path)


def test_path_with_a_nul_is_refused() -> None:
    with pytest.raises(vz.errors.OptionError, match=r"`labels` file .* can't be read"):
        read_labels("labels\0.txt")


@pytest.mark.parametrize(
    "labels",
    [3, object(), b"cat", {"cat", "dog"}, np.array("cat"), (n for n in "ab")],
    ids=["number", "object", "bytes", "set", "array of no axis", "generator"],
)
def test_other_labels_are_rejected(labels: Any) -> None:
    with pytest.raises(vz.errors.OptionError, match="`labels` must be a list of names, a mapping or a path; got"):
        read_labels(labels)


def test_class_without_a_label_has_its_number() -> None:
    adapter = vz.adapt(linear_model(np.zeros((1, 3)), (1, 1, 1)), labels=["cat"])
    assert [adapter.label(i) for i in range(3)] == ["cat", "class 1", "class 2"]


@pytest.mark.skipif("VIZCNN_TEST_DATA" not in os.environ, reason="of the hostile files")
@pytest.mark.parametrize(
    "name", ["hugeidx.json", "deep.json", "bigint.json", "longint.txt", "rowempty.json", "nel.txt"]
)
def test_hostile_file_of_labels_is_read_or_refused_in_little_memory(name: str) -> None:
    path = Path(os.environ["VIZCNN_TEST_DATA"], "hostile", name)
    if not path.exists():
        pytest.skip(f"{name} isn't there")
    tracemalloc.start()
    try:
        refused = name.endswith(".json")
        with pytest.raises(vz.errors.OptionError, match="`labels`") if refused else nullcontext():
            assert len(read_labels(path) or ()) in (1, 2)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()
