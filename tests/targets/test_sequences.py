"""What a model reads by steps: the probability of a text is that of all its spellings, tried one by one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from tests.rounding import rounding
from vizcnn import cli
from vizcnn.adapter.changed import Change
from vizcnn.errors import TargetError
from vizcnn.targets import Character, Text

STEPS, CLASSES = 5, 4
KERNEL = np.random.default_rng(2).normal(size=(6, CLASSES)).astype(np.float32)
LABELS = ["a", "b", "c", "blank"]
CLOSE = rounding(6, CLASSES, STEPS * CLASSES, 64)


def pictures(count: int = 3) -> np.ndarray:
    return np.random.default_rng(4).normal(size=(count, 2, STEPS, 3)).astype(np.float32)


def logits_of(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 1, 3).reshape(len(x), STEPS, 6) @ KERNEL


def logs_of(x: np.ndarray) -> np.ndarray:
    values = logits_of(x).astype(np.float64)
    return values - np.log(np.exp(values).sum(axis=-1, keepdims=True))


def reader() -> Any:
    inputs = keras.Input((2, STEPS, 3))
    columns = keras.layers.Reshape((STEPS, 6))(keras.layers.Permute((2, 1, 3))(inputs))
    dense = keras.layers.Dense(CLASSES, use_bias=False, activation="softmax", name="characters")
    model = keras.Model(inputs, dense(columns))
    dense.set_weights([KERNEL])
    return model


@pytest.fixture(scope="module")
def crnn() -> Any:
    return vz.adapt(reader(), labels=LABELS, preprocess="none")


@pytest.fixture(scope="module")
def plain() -> Any:
    return vz.adapt(logits_of, input_shape=(2, STEPS, 3), labels=LABELS)


def spelled(path: Any, blank: int) -> tuple[int, ...]:
    """Return what a path spells: repetitions are one, blanks none."""
    return tuple(one for one, _ in itertools.groupby(path) if one != blank)


def by_all_paths(logs: np.ndarray, text: tuple[int, ...], blank: int = 3) -> float:
    """Return the log-probability of a text, as the sum over all paths there are."""
    paths = itertools.product(range(CLASSES), repeat=STEPS)
    return float(np.log(sum(np.exp(sum(logs[range(STEPS), path])) for path in paths if spelled(path, blank) == text)))


@pytest.mark.parametrize("text", ["a", "ab", "aa", "abca", "ccc"])
def test_text_is_the_sum_of_all_its_spellings(crnn: Any, plain: Any, text: str) -> None:
    want = [by_all_paths(logs, tuple("abc".index(one) for one in text)) for logs in logs_of(pictures())]
    for model in (crnn, plain):
        np.testing.assert_allclose(model.scores(pictures(), Text(text)), want, rtol=1e-4)


@pytest.mark.parametrize("blank", [0, -1])
def test_blank_may_be_said(plain: Any, blank: int) -> None:
    want = [by_all_paths(logs, (1, 2), blank % CLASSES) for logs in logs_of(pictures())]
    np.testing.assert_allclose(plain.scores(pictures(), Text([1, 2], blank=blank)), want, rtol=1e-4)


def test_text_has_the_loss_of_keras_as_its_negative(crnn: Any) -> None:
    logits = logits_of(pictures())
    lengths = np.full(3, STEPS, np.int32)
    loss = keras.ops.ctc_loss(np.array([[1, 2]] * 3, np.int32), logits, np.full(3, 2, np.int32), lengths, mask_index=3)
    np.testing.assert_allclose(crnn.scores(pictures(), Text("bc")), -keras.ops.convert_to_numpy(loss), rtol=1e-4)


def test_gradient_of_a_text_is_that_of_differences(crnn: Any) -> None:
    x = pictures(1)
    gradient = crnn.gradients(x, Text("ab")).gradients[0]
    for place in [(0, 0, 0), (1, 2, 1), (0, 4, 2)]:
        step = np.zeros_like(x[0])
        step[place] = 1e-3
        up, down = (by_all_paths(logs_of(x + sign * step)[0], (0, 1)) for sign in (1, -1))
        np.testing.assert_allclose(gradient[place], (up - down) / 2e-3, rtol=2e-2, atol=1e-4)


def test_what_is_read_is_the_default_and_kept_in_changed_copies(crnn: Any, plain: Any) -> None:
    x = pictures()
    change = Change("scaled", 2, lambda part: {"by": np.array([-1.0, 0.5], np.float32)[part]}, _scaled)
    paths = logs_of(x).argmax(axis=-1)
    want = [[sum(logs_of(by * x[i : i + 1])[0][range(STEPS), paths[i]]) for by in (-1.0, 0.5)] for i in range(len(x))]
    for model in (crnn, plain):
        np.testing.assert_allclose(model.changed_scores(x, Text(), change).copy_scores, want, rtol=1e-4)
    result = vz.saliency(crnn, x, Text())
    assert result.target == tuple(repr("".join("abc"[one] for one in spelled(path, 3))) for path in paths)


def test_what_is_read_is_explained_without_a_target(crnn: Any, plain: Any) -> None:
    for model in (crnn, plain):  # one by its softmax, the other by the name of its blank
        assert (
            vz.occlusion(model, pictures(), patch_size=1).target
            == vz.occlusion(model, pictures(), Text(), patch_size=1).target
        )
    unnamed = vz.adapt(logits_of, input_shape=(2, STEPS, 3))
    assert vz.occlusion(unnamed, pictures(1), patch_size=1).target[0].startswith("class")


def _scaled(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    return images * xp.reshape(numbers["by"], (-1, 1, 1, 1))


@pytest.mark.parametrize("index", [None, "c"])
@pytest.mark.parametrize("position", [0, 1])
def test_character_is_explained_at_its_step(crnn: Any, plain: Any, position: int, index: str | None) -> None:
    want = []
    for logits in logits_of(pictures()):
        path = logits.argmax(axis=-1)
        begins = [t for t in range(STEPS) if path[t] != 3 and (t == 0 or path[t] != path[t - 1])]
        step = begins[min(position, len(begins) - 1)]
        want.append(logits[step, path[step] if index is None else 2])
    for model in (crnn, plain):
        np.testing.assert_allclose(model.scores(pictures(), Character(position, index)), want, **CLOSE)


@pytest.mark.parametrize(
    ("target", "match"),
    [
        (Text("abcabc"), "`target` Text must have 1 to 5 characters, .*; got 'abcabc'"),
        (Text("aaaa"), "one more between two that are equal; got 'aaaa'"),
        (Text("ax"), "`target` must be a label of model .*; got 'x'"),
        (Text([0, 3]), "must be of characters other than the blank, class 3"),
        (Text("a", blank=9), "`blank` must be a class from 0 to 3; got 9"),
        (Character(5), "`position` must be a whole number from 0 to 4; got 5"),
    ],
)
def test_text_that_cannot_be_is_rejected(plain: Any, target: Any, match: str) -> None:
    with pytest.raises(TargetError, match=match):
        plain.scores(pictures(), target)


def test_model_that_does_not_read_is_rejected() -> None:
    model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(2, STEPS, 3))
    with pytest.raises(TargetError, match=r"must be of a model that reads by steps, .* has shape \(3,\)"):
        model.scores(pictures(), Text("a"))


def test_blank_can_be_typed_behind_a_text() -> None:
    assert Text.read("ab;blank=1") == Text("ab", blank=1)
    assert Text.read(";blank=-1") == Text(blank=-1)
    assert Text.read("a;b").text == "a;b"
    assert Character.read("2:a;blank=0") == Character(2, "a", blank=0)


def test_text_can_be_typed(tmp_path: Path) -> None:
    reader().save(tmp_path / "reader.keras")
    (tmp_path / "labels.txt").write_text("a\nb\nc\nblank\n")
    keras.utils.save_img(
        tmp_path / "picture.png", np.random.default_rng(0).integers(0, 255, (2, STEPS, 3)), scale=False
    )

    def run(target: str) -> Any:
        args = ["explain", tmp_path / "reader.keras", tmp_path / "picture.png", "--labels", tmp_path / "labels.txt"]
        options = ["--out", tmp_path / "out", "-m", "saliency", "--json", "--preprocess", "-1..1", "--target", target]
        return CliRunner().invoke(cli.app, [str(arg) for arg in (*args, *options)])

    assert '"target": "\'ab\'"' in run("text:ab").stdout
    assert '"target": "\'b\' as character 0"' in run("character:0:b").stdout
    assert "must begin with a whole number; got 'x'" in run("character:x").output
