"""Class activation maps: what all methods share that make one map of a layer's feature maps and their gradients."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vizcnn.adapter import LAST_SPATIAL, Gradients, ModelAdapter
from vizcnn.adapter.layers import is_map
from vizcnn.errors import LayerError, Note
from vizcnn.targets.score import Score

Rule = Literal["vanilla", "guided", "relu", "deconv", "rectified"]

_IN_ONE_THREAD, _WORTH_IT = 2**18, 16
"""Multiplications that OpenBLAS does in one thread at the most, and terms of a sum of products that are worth a call of it."""

_SQUARINGS, _ROUNDING = 64, 1e-12
"""How often a matrix is squared at the most, and how near to its own square it is left."""


def feature_maps(
    model: ModelAdapter, inputs: np.ndarray, score: Score, layer: str | None, rule: str = "vanilla"
) -> Gradients:
    """Return the feature maps of a layer and the gradients of the scores by them.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    inputs : ndarray, shape (N, H, W, C)
        Images, or signals, or volumes.
    score : Score
        What is explained.
    layer : str or None
        The layer; None: the last one with rows and columns.
    rule : str, default "vanilla"
        What ReLU does to the gradient between the score and the layer.

    Returns
    -------
    Gradients
        `values` and `gradients` (N, h, w, K).

    Raises
    ------
    LayerError
        If the layer has no rows and columns.
    """
    grads = model.gradients(inputs, score, of=LAST_SPATIAL if layer is None else layer, rule=rule)
    _check_map(model, str(grads.layer), grads.values)
    return grads


def activation_maps(model: ModelAdapter, inputs: np.ndarray, score: Score, layer: str | None) -> tuple[str, np.ndarray]:
    """Return the feature maps of a layer, without a gradient.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    inputs : ndarray, shape (N, H, W, C)
        Images, or signals, or volumes.
    score : Score
        What is explained.
    layer : str or None
        The layer; None: the last one with rows and columns.

    Returns
    -------
    (str, ndarray of float32, shape (N, h, w, K))
        The layer's path, and its maps.

    Raises
    ------
    LayerError
        If the layer has no rows and columns.
    """
    path = model.default_layer(score) if layer is None else model.layer(layer).path
    maps = model.activations(inputs, [path])[path]
    _check_map(model, path, maps)
    return path, maps


def _check_map(model: ModelAdapter, path: str, values: np.ndarray) -> None:
    if not is_map(values.shape, model.layer(path).rank):
        raise LayerError(
            f"`layer` {path!r} has no spatial map, its output has shape {values.shape[1:]}; name a layer before the "
            f"rows and columns are pooled or flattened away."
        )


def grad_cam(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Weigh maps (N, h, w, K) by their mean gradients, and add them up: (N, h, w), signed."""
    weights = gradients.mean(axis=places(maps), keepdims=True)
    cam: np.ndarray = (weights * maps).sum(axis=-1)
    return cam


def hires_cam(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Multiply maps by their gradients place by place, and add them up: (N, h, w), signed."""
    cam: np.ndarray = (gradients * maps).sum(axis=-1)
    return cam


def layer_cam(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Multiply maps by their positive gradients place by place, and add them up: (N, h, w), signed."""
    cam: np.ndarray = (np.maximum(gradients, 0) * maps).sum(axis=-1)
    return cam


def shown(cam: np.ndarray, relu: bool) -> np.ndarray:
    """Return a signed map as it is shown: with relu its positive part."""
    return np.maximum(cam, 0) if relu else cam


def places(maps: np.ndarray) -> tuple[int, ...]:
    """Return the axes of the places in maps (N, h, w, K)."""
    return tuple(range(1, maps.ndim - 1))


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide, 0 where the denominator is 0."""
    quotient: np.ndarray = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)
    return quotient


def first_component(maps: np.ndarray) -> np.ndarray:
    """Project maps on their first singular vector.

    Parameters
    ----------
    maps : ndarray, shape (N, h, w, K)
        The maps.

    Returns
    -------
    ndarray of float32, shape (N, h, w)
        Of each image the combination of its channels, the weights' squares adding up to 1, that has the largest sum of squares;
        its sign, which is open, such that the largest magnitude is positive.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.cam import first_component
    >>> first_component(np.array([[[[3.0, 4.0], [0.0, 0.0]]]])).round(3)
    array([[[5., 0.]]], dtype=float32)
    """
    rows = maps.reshape(len(maps), -1, maps.shape[-1]).astype(np.float64)
    columns = rows.transpose(0, 2, 1)
    # By the smaller of the two matrices of products: a layer has more channels than places, or the other way round.
    if rows.shape[1] <= rows.shape[2]:
        vectors = _first_vectors(_product(rows, columns))
        cam = (vectors * np.linalg.norm(columns @ vectors, axis=1, keepdims=True))[..., 0]
    else:
        cam = (rows @ _first_vectors(_product(columns, rows)))[..., 0]
    largest = np.take_along_axis(cam, np.abs(cam).argmax(axis=1)[:, None], axis=1)
    return np.asarray((cam * np.where(largest < 0, -1, 1)).reshape(maps.shape[:-1]), dtype=np.float32)


def _first_vectors(products: np.ndarray) -> np.ndarray:
    """Return the first eigenvector of each matrix of products (N, n, n), as (N, n, 1); zeros of one that is zero.

    Squared again and again, and divided by its trace, such a matrix becomes that of its first vector alone. LAPACK would find
    all of them, and call the threads of `_product`.
    """
    for _ in range(_SQUARINGS):
        traces = np.trace(products, axis1=1, axis2=2)
        products = products / np.where(traces > 0, traces, 1)[:, None, None]
        if (np.square(products).sum(axis=(1, 2)) > 1 - _ROUNDING)[traces > 0].all():  # it is its own square
            break
        products = _product(products, products)
    largest = np.diagonal(products, axis1=1, axis2=2).argmax(axis=1)[:, None, None]
    columns = np.take_along_axis(products, largest, axis=2)
    return ratio(columns, np.linalg.norm(columns, axis=1, keepdims=True))


def _product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Multiply matrices, in this thread alone unless they are large.

    NumPy's OpenBLAS would wake threads of its own, which then wait for more at full speed: for 25 ms the model's next run lacks
    their processors.
    """
    size = first.shape[-2] * second.shape[-1]
    step = _IN_ONE_THREAD // size
    if step < _WORTH_IT:
        return np.asarray(first @ second)
    parts = (slice(start, start + step) for start in range(0, first.shape[-1], step))
    return np.asarray(sum(first[..., part] @ second[..., part, :] for part in parts))


def coarse(cam: np.ndarray, layer: str | None) -> tuple[Note, ...]:
    """Return a note where a map (N, h, w) has one row or one column."""
    if 1 not in cam.shape[1:]:
        return ()
    text = (
        f"The map of layer {layer!r} is {'x'.join(map(str, cam.shape[1:]))} pixels, so it says little of where: name a layer "
        f"that comes earlier."
    )
    return (Note(text, "coarse"),)
