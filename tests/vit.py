"""A tiny vision transformer, its attention written in several ways with the same weights, and the same once more in NumPy."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
from keras import layers, ops

import vizcnn as vz

SHAPE = (6, 6, 2)
WIDTH, HEADS, BLOCKS = 8, 2, 2


@keras.saving.register_keras_serializable("tiny vit")
class Extra(layers.Layer):
    """Put tokens of its own before those of the patches."""

    def __init__(self, count: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.count = count

    def build(self, shape: Any) -> None:
        self.tokens = self.add_weight(shape=(1, self.count, shape[-1]), initializer="normal")

    def call(self, x: Any) -> Any:
        return ops.concatenate([ops.repeat(self.tokens, ops.shape(x)[0], axis=0), x], axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable("tiny vit")
class ByHand(layers.Layer):
    """Attention of dense layers, by a softmax or by Keras's function that does it in one go."""

    def __init__(self, in_one_go: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.in_one_go = in_one_go
        self.dense = [layers.Dense(WIDTH, name=name) for name in ("query", "key", "value", "out")]

    def build(self, shape: Any) -> None:
        for dense in self.dense:
            dense.build(shape)

    def call(self, x: Any) -> Any:
        shape = (-1, x.shape[1], HEADS, WIDTH // HEADS)
        q, k, v = (ops.reshape(dense(x), shape) for dense in self.dense[:3])
        if self.in_one_go:
            mixed = ops.dot_product_attention(q, k, v)
        else:
            logits = ops.einsum("nqhd,nkhd->nhqk", q, k) * (WIDTH // HEADS) ** -0.5
            mixed = ops.einsum("nhqk,nkhd->nqhd", ops.softmax(logits), v)
        return self.dense[3](ops.reshape(mixed, (-1, x.shape[1], WIDTH)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "in_one_go": self.in_one_go}


@keras.saving.register_keras_serializable("tiny vit")
class Block(layers.Layer):
    """A whole block, with Keras's attention inside, which returns that beside the tokens, as KerasHub's do."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.norm = layers.LayerNormalization(name="norm")
        self.attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name="attention")
        self.mlp = layers.Dense(WIDTH, activation="tanh", name="mlp")

    def build(self, shape: Any) -> None:
        self.norm.build(shape)
        self.attention.build(shape, shape)
        self.mlp.build(shape)

    def call(self, x: Any) -> Any:
        y = self.norm(x)
        y, probabilities = self.attention(y, y, return_attention_scores=True)
        x = x + y
        return x + self.mlp(x), probabilities


def _keras(x: Any, number: int, **options: Any) -> Any:
    return layers.MultiHeadAttention(HEADS, WIDTH // HEADS, name=f"attention_{number}", **options)(x, x)


ATTENTION: dict[str, Any] = {
    "layer": _keras,
    "layer with dropout": lambda x, number: _keras(x, number, dropout=0.3),
    "by hand": lambda x, number: ByHand(name=f"by_hand_{number}")(x),
    "in one go": lambda x, number: ByHand(in_one_go=True, name=f"in_one_go_{number}")(x),
    "block": None,
}


def vit(kind: str = "layer", *, extra: int = 1, blocks: int = BLOCKS) -> Any:
    """Return a model of images of 2x2 patches and three classes; with extra tokens the first is read, else the mean."""
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = layers.Reshape((4, WIDTH))(layers.Conv2D(WIDTH, 3, strides=3, name="patches")(image))
    x = Extra(extra, name="extra")(x) if extra else x
    for number in range(blocks):
        if kind == "block":
            x, _ = Block(name=f"block_{number}")(x)
            continue
        x = x + ATTENTION[kind](layers.LayerNormalization(name=f"norm_{number}")(x), number)
        x = x + layers.Dense(WIDTH, activation="tanh", name=f"mlp_{number}")(x)
    x = x[:, 0] if extra else layers.GlobalAveragePooling1D()(x)
    model = keras.Model(image, layers.Dense(3, activation="softmax", name="head")(x))
    model.set_weights(
        [array.reshape(old.shape) for array, old in zip(numbers(extra, blocks), model.get_weights(), strict=True)]
    )
    return model


def adapted(kind: str = "layer", *, extra: int = 1, blocks: int = BLOCKS) -> vz.ModelAdapter:
    """Return such a model's adapter, the same one each time, with what was compiled for it."""
    return _adapted(kind, extra, blocks)


@cache  # which would take a default that is left out, and the same one that is said, for two
def _adapted(kind: str, extra: int, blocks: int) -> vz.ModelAdapter:
    return vz.adapt(vit(kind, extra=extra, blocks=blocks))


def numbers(extra: int = 1, blocks: int = BLOCKS) -> list[np.ndarray]:
    """Return its weights: of patches, extra tokens, then for each block norm, query, key, value, output and dense; the head."""
    random = np.random.default_rng(1)
    pair = [(WIDTH, WIDTH), (WIDTH,)]
    shapes = [(3, 3, 2, WIDTH), (WIDTH,), *([(1, extra, WIDTH)] if extra else [])]
    shapes += [*([(WIDTH,), (WIDTH,), *pair * 5] * blocks), (WIDTH, 3), (3,)]
    return [random.normal(0, 0.6, shape).astype(np.float32) for shape in shapes]


class Twin:
    """The same of one image, in float64; what is added to a layer's attention, `added`, is what is differentiated by."""

    def __init__(self, image: np.ndarray, *, extra: int = 1, blocks: int = BLOCKS) -> None:
        self.weights = [array.astype(np.float64) for array in numbers(extra, blocks)]
        self.image, self.extra, self.blocks = image.astype(np.float64), extra, blocks
        self.count = 4 + extra

    def run(
        self, target: int, added: dict[int, np.ndarray] | None = None, after: int | None = None
    ) -> tuple[float, Any]:
        """Return the logit of a class, read after the last block or that one, and each block's attention (heads, T, T)."""
        rest = iter(self.weights)
        kernel, bias = next(rest), next(rest)
        cut = self.image.reshape(2, 3, 2, 3, 2).transpose(0, 2, 1, 3, 4).reshape(4, 18)
        x = cut @ kernel.reshape(18, WIDTH) + bias
        x = np.concatenate([next(rest)[0], x]) if self.extra else x
        found = []
        for number in range(self.blocks):
            gamma, beta = next(rest), next(rest)
            y = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3) * gamma + beta
            q, k, v = (
                (y @ next(rest) + next(rest)).reshape(-1, HEADS, WIDTH // HEADS).swapaxes(0, 1) for _ in range(3)
            )
            logits = q @ k.swapaxes(1, 2) / np.sqrt(WIDTH // HEADS)
            attention = np.exp(logits - logits.max(axis=-1, keepdims=True))
            attention = attention / attention.sum(axis=-1, keepdims=True)
            found.append(attention)
            mixed = (attention + (added or {}).get(number, 0)) @ v
            kept = x + mixed.swapaxes(0, 1).reshape(-1, WIDTH) @ next(rest) + next(rest)
            left = kept + np.tanh(kept @ next(rest) + next(rest))
            x = x if after is not None and number > after else left
        kernel, bias = next(rest), next(rest)
        return float(((x[0] if self.extra else x.mean(axis=0)) @ kernel + bias)[target]), found

    def gradient(self, target: int, block: int, after: int | None = None, step: float = 1e-5) -> np.ndarray:
        """Return the gradient of the logit by a block's attention, by differences."""
        gradient = np.zeros((HEADS, self.count, self.count))
        for place in np.ndindex(gradient.shape):
            added = np.zeros_like(gradient)
            added[place] = step
            gradient[place] = self.run(target, {block: added}, after)[0] - self.run(target, {block: -added}, after)[0]
        return gradient / (2 * step)
