"""What the tests of metrics share."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from keras import layers

import vizcnn as vz


@pytest.fixture(scope="session")
def cnn() -> Any:
    """A small CNN of three classes."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((7, 8, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return vz.adapt(model, batch_size=3)
