"""Targets as they are typed, on the command line and in the explorer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from vizcnn.errors import TargetError
from vizcnn.targets import Channel, Class, Contrast, Neuron, Region, Similarity
from vizcnn.targets.typed import read_target


def model(*labels: str) -> Any:
    return vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 3), labels=list(labels) or None)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (None, None),
        ("2", 2),
        ("lynx", "lynx"),
        ("output=1", {"output": 1}),
        ("lynx minus tabby", Contrast("lynx", "tabby")),
        ("2 minus unit:head:1", Contrast(2, Neuron("head", (1,)))),
        ("2 minus 1 minus 0", Contrast(Contrast(2, 1), 0)),
        ("channel:block/conv:7", Channel("block/conv", 7)),
        ("channel:conv:7:center", Channel("conv", 7, "center")),
        ("unit:conv:3,4,7", Neuron("conv", (3, 4, 7))),
        ("region:", Region()),
        ("region:0,1,2,3:cat", Region((0, 1, 2, 3), "cat")),
        ("region::1", Region(None, 1)),
    ],
)
def test_text_means_target(text: str | None, target: Any) -> None:
    assert read_target(text, model("tabby", "lynx", "dog")) == target


def test_label_with_the_word_in_it_is_a_label() -> None:
    named = model("ten minus one", "ten", "one minus one")
    assert read_target("ten minus one", named) == "ten minus one"
    assert read_target("ten minus one minus ten", named) == Contrast("ten minus one", "ten")
    assert read_target("ten minus one minus one", named) == Contrast("ten", "one minus one")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("lynx minus wolf", "got 'wolf'"),
        ("channel:conv", "channel:LAYER:NUMBER must name a layer and a channel"),
        ("unit:conv:a", "unit:LAYER:ROW,COLUMN,CHANNEL must name a layer and a unit"),
        ("region:1,2", "must hold four whole numbers; got '1,2'"),
    ],
)
def test_text_that_means_nothing_is_refused(text: str, error: str) -> None:
    with pytest.raises(TargetError, match=error):
        read_target(text, model("tabby", "lynx", "dog"))


def test_prefix_is_read_by_who_asks() -> None:
    assert read_target("like:3 minus 1", model(), {"like": lambda text: Class(int(text))}) == Contrast(Class(3), 1)


def test_likeness_is_typed_with_its_layer() -> None:
    read = Similarity.read("a b.png;layer=conv")
    assert (read.reference, read.layer, read.output) == ("a b.png", "conv", None)
    for typed in ("a.png;rows=3", "a.png;layer", "a.png;layer="):
        with pytest.raises(TargetError, match="must be FILE, FILE;layer=LAYER or FILE;output=OUTPUT"):
            Similarity.read(typed)


def test_contrast_that_was_typed_is_the_difference_of_scores() -> None:
    black_box = model("tabby", "lynx", "dog")
    inputs = np.zeros((1, 4, 4, 3), np.float32)
    inputs[0, 0, 0] = 5, 7, 1
    assert black_box.scores(inputs, read_target("lynx minus dog", black_box)).tolist() == [6.0]
