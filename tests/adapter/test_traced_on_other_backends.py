"""What JAX traces and keeps, and what PyTorch runs again for the gradient, is left as it was, and rules reach it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from tests.models import CLOSE, CONV1, CONV2, DENSE, conv, dense, images, reference

WRAPPERS: dict[str, Any] = {"remat": keras.remat}
if framework.BACKEND == "jax":
    import jax

    WRAPPERS |= {"jit": jax.jit, "checkpoint": jax.checkpoint, "both": lambda f: jax.jit(jax.checkpoint(f))}
elif framework.BACKEND == "torch":
    from torch.utils.checkpoint import checkpoint

    WRAPPERS["reentrant"] = lambda f: lambda x: checkpoint(f, x, use_reentrant=True)


class Wrapped(layers.Layer):
    """The convolutions of `tests.models`, run by a function that something wraps."""

    def __init__(self, wrapper: Any) -> None:
        super().__init__(name="features")
        self.first, self.second = conv("conv1", CONV1, activation="relu"), conv("conv2", CONV2)
        self.run = wrapper(self.features)

    def build(self, shape: Any) -> None:
        self.first.build(shape)
        self.second.build((*shape[:-1], 4))

    def features(self, x: Any) -> Any:
        first = self.first(x)
        return keras.ops.relu(first + self.second(first))

    def call(self, x: Any) -> Any:
        return self.run(x)


@pytest.mark.filterwarnings("ignore:[\\s\\S]*None of the inputs have requires_grad")
@pytest.mark.parametrize("name", WRAPPERS)
def test_each_rule_gives_its_own_map_whichever_was_first(name: str) -> None:
    head = [layers.GlobalAveragePooling2D(), dense("predictions", DENSE, activation="softmax")]
    model = keras.Sequential([keras.Input((6, 5, 3)), Wrapped(WRAPPERS[name]), *head])
    x = images(2)
    for rule in (
        "guided",
        "vanilla",
        "relu",
    ):  # each by an adapter of its own, so that only the model could keep anything
        taken = vz.adapt(model).gradients(x, 1, rule=rule)
        np.testing.assert_allclose(taken.gradients, reference(x, 1, rule=rule).by_input, **CLOSE)
        assert taken.notes == ()
