"""Each method a second time, in NumPy alone: the papers' formulas, one position after the other, no automatic gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.rounding import rounding

RULES = ("vanilla", "guided", "relu")
CLOSE = rounding(*(27, 18, 8) * 2, size=4)
"""Both convolutions of the network below and its head, there and back; what they sum is a few times as large as 1."""


# The formulas ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Relu:
    """The ReLU of Keras: x between threshold and cap, the cap above, a slope below."""

    cap: float = np.inf
    slope: float = 0.0
    threshold: float = 0.0

    def value(self, x: float) -> float:
        if x >= self.cap:
            return self.cap
        return x if x >= self.threshold else self.slope * (x - self.threshold)

    def derivative(self, x: float) -> float:
        if x >= self.cap:
            return 0.0
        return 1.0 if x >= self.threshold else self.slope

    def back(self, rule: str, gradient: float, x: float) -> float:
        """Hand a gradient on: Simonyan et al. 2013; Springenberg et al. 2014; Zeiler and Fergus 2014."""
        if rule == "vanilla":
            return gradient * self.derivative(x)
        if rule == "guided":
            return max(gradient, 0.0) * self.derivative(x)
        return max(gradient, 0.0)


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return y[i, j, k] = bias[k] + sum over r, s, c of x[i + r, j + s, c] kernel[r, s, c, k]."""
    kh, kw, channels, filters = kernel.shape
    y = np.zeros((x.shape[0] - kh + 1, x.shape[1] - kw + 1, filters))
    for i, j, k in np.ndindex(y.shape):
        y[i, j, k] = bias[k]
        for r, s, c in np.ndindex(kh, kw, channels):
            y[i, j, k] += x[i + r, j + s, c] * kernel[r, s, c, k]
    return y


def convolve_back(gradient: np.ndarray, kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Give every y[i, j, k]'s gradient back to each x that went into it, in proportion to its weight."""
    by_x = np.zeros(shape)
    for i, j, k in np.ndindex(gradient.shape):
        for r, s, c in np.ndindex(kernel.shape[:3]):
            by_x[i + r, j + s, c] += gradient[i, j, k] * kernel[r, s, c, k]
    return by_x


def each(function: Any, *arrays: np.ndarray) -> np.ndarray:
    result = np.zeros(arrays[0].shape)
    for position in np.ndindex(result.shape):
        result[position] = function(*(array[position] for array in arrays))
    return result


def enlarge(cam: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Interpolate bilinearly between the centers of the cells; beyond the outermost centers, take the nearest."""
    result = np.zeros(size)
    for i, j in np.ndindex(size):
        row = min(max((i + 0.5) * cam.shape[0] / size[0] - 0.5, 0), cam.shape[0] - 1)
        column = min(max((j + 0.5) * cam.shape[1] / size[1] - 0.5, 0), cam.shape[1] - 1)
        for r, s in np.ndindex(cam.shape):
            result[i, j] += max(1 - abs(row - r), 0) * max(1 - abs(column - s), 0) * cam[r, s]
    return result


# The network: convolution, ReLU, convolution, ReLU, mean or flatten, dense, softmax --------------------------------------


@dataclass(frozen=True)
class Network:
    first: tuple[np.ndarray, np.ndarray]
    second: tuple[np.ndarray, np.ndarray]
    dense: tuple[np.ndarray, np.ndarray]
    relu: Relu = Relu()
    pool: bool = True

    def forward(self, x: np.ndarray) -> dict[str, np.ndarray]:
        steps = {"before1": convolve(x, *self.first)}
        steps["map1"] = each(self.relu.value, steps["before1"])
        steps["before2"] = convolve(steps["map1"], *self.second)
        steps["map2"] = each(self.relu.value, steps["before2"])
        weights, bias = self.dense
        logits = np.array(bias, dtype=np.float64)
        for k in range(len(logits)):
            for n, (i, j, c) in enumerate(np.ndindex(steps["map2"].shape)):
                weight = weights[c, k] / self._positions(steps) if self.pool else weights[n, k]
                logits[k] += steps["map2"][i, j, c] * weight
        return {**steps, "logits": logits}

    def backward(self, x: np.ndarray, index: int, rule: str) -> dict[str, np.ndarray]:
        """Return the gradients of a logit by both maps and by the input, as the rule has them."""
        steps = self.forward(x)
        weights = self.dense[0]
        by_map2 = np.zeros(steps["map2"].shape)
        for n, (i, j, c) in enumerate(np.ndindex(by_map2.shape)):
            by_map2[i, j, c] = weights[c, index] / self._positions(steps) if self.pool else weights[n, index]
        by_before2 = each(lambda g, value: self.relu.back(rule, g, value), by_map2, steps["before2"])
        by_map1 = convolve_back(by_before2, self.second[0], steps["map1"].shape)
        by_before1 = each(lambda g, value: self.relu.back(rule, g, value), by_map1, steps["before1"])
        return {"map1": by_map1, "map2": by_map2, "input": convolve_back(by_before1, self.first[0], x.shape)}

    def gradcam(self, x: np.ndarray, index: int, rule: str, name: str) -> np.ndarray:
        """Weigh each channel by the mean of its gradient (Selvaraju et al. 2017, equations 1 and 2, before the ReLU)."""
        maps, gradient = self.forward(x)[name], self.backward(x, index, rule)[name]
        cam = np.zeros(maps.shape[:2])
        for c in range(maps.shape[2]):
            alpha = sum(gradient[i, j, c] for i, j in np.ndindex(cam.shape)) / cam.size
            for i, j in np.ndindex(cam.shape):
                cam[i, j] += alpha * maps[i, j, c]
        return cam

    def keras(self, shape: tuple[int, ...], fused: bool) -> Any:
        """Build it in Keras, ReLU inside the convolutions or as layers; the layers "map1" and "map2" end in it."""
        steps: list[Any] = [keras.Input(shape)]
        for number, (kernel, bias) in enumerate((self.first, self.second), start=1):
            name = f"map{number}"
            if fused:
                steps.append(layers.Conv2D(len(bias), kernel.shape[:2], activation="relu", name=name))
            else:
                cap = None if np.isinf(self.relu.cap) else self.relu.cap
                relu = layers.ReLU(
                    max_value=cap, negative_slope=self.relu.slope, threshold=self.relu.threshold, name=name
                )
                steps += [layers.Conv2D(len(bias), kernel.shape[:2]), relu]
        steps.append(layers.GlobalAveragePooling2D() if self.pool else layers.Flatten())
        model = keras.Sequential([*steps, layers.Dense(self.dense[0].shape[1], activation="softmax")])
        model.set_weights([*self.first, *self.second, *self.dense])
        return model

    @staticmethod
    def _positions(steps: dict[str, np.ndarray]) -> int:
        return steps["map2"].shape[0] * steps["map2"].shape[1]


def by_hand(*shape: int) -> np.ndarray:
    """Weights in quarters from -0.75 to 0.75, spread so that no two filters are alike."""
    n = np.arange(np.prod(shape))
    return (((n * n + 3 * n) % 7 - 3) / 4).reshape(shape).astype(np.float32)


def network(channels: int, relu: Relu = Relu(), *, pool: bool = True) -> Network:
    dense = np.array([[1.5, -1.0, 0.5], [-0.5, 2.0, -1.5]], np.float32)
    if not pool:
        dense = by_hand(8, 3)
    first = by_hand(3, 3, channels, 2), np.array([0.25, -0.5], np.float32)
    second = by_hand(3, 3, 2, 2), np.array([1.0, 0.5], np.float32)
    return Network(first, second, (dense, np.array([0.1, -0.2, 0.3], np.float32)), relu, pool)


def image(channels: int) -> np.ndarray:
    return 2 * np.sin(np.arange(36 * channels) ** 1.4).reshape(6, 6, channels).astype(np.float32)


RELUS = {
    "plain": Relu(),
    "with a cap": Relu(cap=2.5),
    "with a slope": Relu(slope=0.2),
    "with a threshold": Relu(threshold=0.5),
    "with all three": Relu(cap=2.5, slope=0.2, threshold=0.5),
}


# The comparisons ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RELUS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_example_reaches_every_part_of_its_relu(kind: str, channels: int) -> None:
    relu, steps = RELUS[kind], network(channels, RELUS[kind]).forward(image(channels))
    for before in (steps["before1"], steps["before2"]):
        assert min(np.abs(before - relu.threshold).min(), np.abs(before - relu.cap).min()) > 0.01  # no unit on a kink
        assert (before < relu.threshold).any()
        assert ((before > relu.threshold) & (before < relu.cap)).any()
        assert np.isinf(relu.cap) or (before > relu.cap).any()


@pytest.mark.parametrize("kind", RELUS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_saliency_equals_the_formulas(kind: str, channels: int) -> None:
    slow, x = network(channels, RELUS[kind]), image(channels)
    cnn = vz.adapt(slow.keras(x.shape, fused=False))
    for rule in RULES:
        for index in range(3):
            expected = slow.backward(x, index, rule)["input"]
            result = vz.saliency(cnn, x, index, rule=rule)
            np.testing.assert_allclose(result.raw[0], expected, **CLOSE)
            np.testing.assert_allclose(result.values[0], np.abs(expected).max(axis=-1), **CLOSE)
            np.testing.assert_allclose(result.scores[0], slow.forward(x)["logits"][index], **CLOSE)


@pytest.mark.parametrize("kind", RELUS)
@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_gradcam_equals_the_formulas_at_both_layers(kind: str) -> None:
    slow, x = network(3, RELUS[kind]), image(3)
    cnn = vz.adapt(slow.keras(x.shape, fused=False))
    for rule in RULES:
        for name in ("map1", "map2"):
            cam = slow.gradcam(x, 1, rule, name)
            result = vz.gradcam(cnn, x, 1, layer=name, rule=rule)
            np.testing.assert_allclose(result.raw[0], cam, **CLOSE)
            np.testing.assert_allclose(result.values[0], enlarge(np.maximum(cam, 0), (6, 6)), **CLOSE)


@pytest.mark.parametrize("pool", [True, False], ids=["mean", "flatten"])
@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_relu_inside_the_convolutions_and_either_head_follow_the_formulas(pool: bool) -> None:
    slow, x = network(1, pool=pool), image(1)
    cnn = vz.adapt(slow.keras(x.shape, fused=True))
    for rule in RULES:
        by_input = slow.backward(x, 2, rule)["input"]
        np.testing.assert_allclose(vz.saliency(cnn, x, 2, rule=rule).raw[0], by_input, **CLOSE)
        for name in ("map1", "map2"):
            cam = slow.gradcam(x, 2, rule, name)
            np.testing.assert_allclose(vz.gradcam(cnn, x, 2, layer=name, rule=rule).raw[0], cam, **CLOSE)


def test_the_rules_differ_on_this_example() -> None:
    slow, x = network(3, RELUS["with all three"]), image(3)
    maps = [slow.backward(x, 1, rule)["input"] for rule in RULES]
    assert min(np.abs(maps[a] - maps[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 0.1


# One example worked through -------------------------------------------------------------------------------------------
#
# image      kernel     before ReLU   after ReLU   weight of each place in the logit of class 0
#  1  2  0    1 -1        1   8        1   8         1  -2
#  0  1  3    0  2       -1   2        0   2         3   4
#  2  0  2
#
# The logit is 1·1 - 2·8 + 3·0 + 4·2 = -7. What comes back through ReLU, and its kernels laid over the image:
#
# vanilla   1 -2     1 -3  2      guided   1  0     1 -1  0      relu   1  0     1 -1  0
#           0  4     0  6 -8               0  4     0  6 -4             3  4     3  3 -4
#                    0  0  8                        0  0  8                      0  6  8

WORKED_IMAGE = np.array([[1, 2, 0], [0, 1, 3], [2, 0, 2]], np.float32)[..., None]
WORKED = {
    "vanilla": [[1, -3, 2], [0, 6, -8], [0, 0, 8]],
    "guided": [[1, -1, 0], [0, 6, -4], [0, 0, 8]],
    "relu": [[1, -1, 0], [3, 3, -4], [0, 6, 8]],
}


@pytest.fixture(scope="module")
def worked() -> Any:
    model = keras.Sequential([keras.Input((3, 3, 1)), layers.Conv2D(1, 2, activation="relu", name="conv")])
    model.add(layers.Flatten())
    model.add(layers.Dense(2, activation="softmax"))
    kernel, dense = np.array([[1, -1], [0, 2]], np.float32), np.array([[1, 0], [-2, 0], [3, 0], [4, 0]], np.float32)
    model.set_weights([kernel[..., None, None], np.zeros(1), dense, np.zeros(2)])
    return vz.adapt(model)


@pytest.mark.parametrize("rule", RULES)
def test_saliency_of_the_worked_example(worked: Any, rule: str) -> None:
    result = vz.saliency(worked, WORKED_IMAGE, 0, rule=rule)
    np.testing.assert_allclose(result.raw[0, ..., 0], WORKED[rule], **CLOSE)
    np.testing.assert_allclose(result.values[0], np.abs(WORKED[rule]), **CLOSE)
    np.testing.assert_allclose(result.scores, [-7], **CLOSE)


def test_gradcam_of_the_worked_example(worked: Any) -> None:
    """The mean weight is (1 - 2 + 3 + 4) / 4 = 1.5; the center of the 3x3 map lies between all four cells."""
    result = vz.gradcam(worked, WORKED_IMAGE, 0)
    np.testing.assert_allclose(result.raw, [[[1.5, 12], [0, 3]]], **CLOSE)
    np.testing.assert_allclose(result.values, [[[1.5, 6.75, 12], [0.75, 4.125, 7.5], [0, 1.5, 3]]], **CLOSE)
    assert result.layer == "conv"
