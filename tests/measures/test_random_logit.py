"""Random logit against the map of another class."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

import vizcnn as vz
from tests.models import images
from vizcnn.measures.metric import Again
from vizcnn.measures.random_logit import random_logit

SHAPE = (7, 8, 2)


def test_it_is_the_rank_correlation_with_the_map_of_another_class(cnn: Any) -> None:
    x = images(5, SHAPE)
    result = vz.explain(cnn, x, methods="saliency", metrics="random_logit:seed=1")["saliency"]
    further = int(np.random.default_rng(1).integers(1, 3))
    other = vz.saliency(cnn, x, target=[(index + further) % 3 for index in result.classes])
    pairs = zip(np.abs(result.values), np.abs(other.values), strict=True)
    expected = [abs(stats.spearmanr(one.ravel(), two.ravel()).statistic) for one, two in pairs]
    np.testing.assert_allclose(result.measures["random_logit:seed=1"], expected, rtol=1e-4)


def reasons(model: Any, target: Any, maps: Any = None) -> list[str]:
    x = images(1, (2, 2, 1))
    maps = x[..., 0] if maps is None else maps
    score = vz.targets.resolve(target, model, 1)
    again = Again(lambda inputs, score, **other: inputs[..., 0], x, score)
    found = random_logit(model, x, score, maps, again)
    return [reason for reason, which in found.undefined.items() if which[0]]


def test_without_another_class_there_is_no_number() -> None:
    one = vz.adapt(lambda inputs: abs(inputs.mean(axis=(1, 2))), input_shape=(2, 2, 1), labels=["no", "yes"])
    assert reasons(one, 1) == ["the model has one number, and so no other class"]
    three = vz.adapt(lambda inputs: inputs.mean(axis=(1, 2)).repeat(3, axis=1), input_shape=(2, 2, 1))
    assert reasons(three, 0) == []
    assert reasons(three, 0, np.zeros((1, 2, 2))) == ["it is the same everywhere"]
    assert reasons(three, lambda outputs: outputs[:, 0] + outputs[:, 1]) == ["what is explained is no class"]
