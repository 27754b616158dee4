"""Names of classes are read from every form in which people keep them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.models import linear_model
from vizcnn.adapter.labels import read_labels


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
        ("labels.json", json.dumps(["cat", "dog"]), ("cat", "dog")),
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
        ("labels.json", b'{"cat": 0}', "as a mapping takes class indices to names; got {'cat': 0}"),
        ("labels.txt", b"\xff\xfe\x00", r"labels\.txt' can't be read"),
    ],
)
def test_bad_file_of_labels_says_why(tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(vz.errors.OptionError, match=match):
        read_labels(tmp_path / name)


def test_file_of_labels_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(vz.errors.OptionError, match=r"`labels` file '.*none\.txt' can't be read"):
        read_labels(tmp_path / "none.txt")


@pytest.mark.parametrize("labels", [3, object()], ids=["number", "object"])
def test_other_labels_are_rejected(labels: Any) -> None:
    with pytest.raises(vz.errors.OptionError, match="`labels` must be a list of names, a mapping or a path; got"):
        read_labels(labels)


def test_class_without_a_label_has_its_number() -> None:
    adapter = vz.adapt(linear_model(np.zeros((1, 3)), (1, 1, 1)), labels=["cat"])
    assert [adapter.label(i) for i in range(3)] == ["cat", "class 1", "class 2"]
