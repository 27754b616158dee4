"""The health of a model's filters: what is dead, saturated, duplicate, constant, short-sighted or moved by biases alone."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import numpy as np

from vizcnn.adapter import LAST_SPATIAL, LayerInfo, ModelAdapter
from vizcnn.adapter.roles import CONVOLUTIONS
from vizcnn.algorithms.diagnosis import near_duplicates
from vizcnn.errors import CapabilityError, LayerError, VizcnnError
from vizcnn.plugins.register import register
from vizcnn.results.diagnosis import DiagnosisBatch, ModelMeasures, UnitStatistics

_RECTIFIED = frozenset({"relu", "relu6"})
_ENDS = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu6": (6.0,)}
_REACH = 0.01


@register("diagnose", family="model", needs={"activations", "layers"})
def diagnose(model: ModelAdapter, inputs: np.ndarray) -> DiagnosisBatch:
    """Examine the filters of a model on some images: a hundred tell more than one.

    Parameters
    ----------
    model, inputs : as in every method
        See `vizcnn.register`.

    Returns
    -------
    Diagnosis
        `findings`: what is wrong, each with the figure, what it usually means and what people try; none for a healthy model.
        The measures behind them, by layer: `units`, `dead`, `saturated`, `duplicate`, `variation`; `receptive_field`,
        `bias_share`.

    Raises
    ------
    LayerError
        If no layer has an activation.

    Notes
    -----
    Dead: a unit behind a ReLU that is zero everywhere, on all images; on fewer than 50 only a layer with most of its units
    dead is a finding, since a unit may be rare. Saturated: at least 95 % of a unit's values within 0.01 of an end of its
    sigmoid, tanh or ReLU6. Duplicate: a kernel whose cosine to an earlier one of its layer is above 0.98. The receptive field
    is that of a unit in the middle of the last map, as `vizcnn.receptive_field` tells it. The share of biases follows from
    the score s of a network of ReLUs being gradient times input plus what the biases give [1]_: ``|s - g x| / (|g x| + |s - g
    x|)``.

    References
    ----------
    .. [1] Srinivas and Fleuret, "Full-Gradient Representation for Neural Network Visualization", NeurIPS 2019.
       arXiv:1905.00780

    Examples
    --------
    >>> import keras, numpy as np, vizcnn as vz
    >>> conv = keras.layers.Conv2D(
    ...     4, 3, activation="relu", bias_initializer=keras.initializers.Constant(-9), name="conv"
    ... )
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), conv, keras.layers.Flatten(), keras.layers.Dense(2)])
    >>> finding = vz.diagnose(model, np.ones((2, 8, 8, 1))).findings[0]
    >>> finding.kind, finding.layer, finding.figure
    ('dead', 'conv', '4 of 4 units are zero everywhere on these 2 images')
    """
    looped = tuple(f"{info.path}/" for info in model.layers if info.role == "recurrent")
    activated = {
        info.path: info
        for info in model.layers
        if not info.is_container and _activation(info) and not info.path.startswith(looped)
    }
    if not activated:
        raise LayerError(f"Model {model.name!r} has no layer with an activation, so its health can't be told.")
    maps = model.activations(inputs, list(activated))
    units = {
        path: UnitStatistics.of(values, _ENDS.get(_activation(activated[path]), ()), _REACH)
        for path, values in maps.items()
    }
    return DiagnosisBatch(
        units=units,
        rectified=frozenset(path for path, info in activated.items() if _activation(info) in _RECTIFIED),
        bias=_bias_share(model, inputs),
        measure_model=partial(_measure_model, model, inputs[:1], activated),
    )


def _measure_model(model: ModelAdapter, inputs: np.ndarray, activated: Collection[str]) -> ModelMeasures:
    """Measure what doesn't take all images: kernels, and the receptive field."""
    kernels = {info.path: _duplicates(model, info) for info in model.layers if info.role in CONVOLUTIONS}
    # A convolution without an activation of its own still has kernels, told at the activation that follows it.
    duplicates = _at_activations(kernels, model.layers, activated)
    field_layer, field, pooled = _receptive_field(model, inputs)
    return ModelMeasures(duplicates, field, field_layer, pooled)


def _activation(info: LayerInfo) -> str:
    """Return the activation that a layer ends in; "" for none, and for the softmax of an output or an attention."""
    name = info.activation or (info.kind.lower() if info.role == "activation" else "")
    return "" if name == "softmax" else name


def _duplicates(model: ModelAdapter, info: LayerInfo) -> tuple[int, ...]:
    if info.role == "depthwise convolution" or "kernels" not in model.capabilities:
        return ()  # each kernel has a channel of its own to look at
    try:
        kernels = model.kernels(info.path)
    except LayerError:
        return ()
    return near_duplicates(kernels.swapaxes(2, 3) if info.role == "transposed convolution" else kernels)


def _at_activations(
    kernels: dict[str, tuple[int, ...]], layers: tuple[LayerInfo, ...], activated: Collection[str]
) -> dict[str, tuple[int, ...]]:
    """Hand what is known of each convolution on to the first activation from it on."""
    of_activations: dict[str, tuple[int, ...]] = {}
    duplicates: tuple[int, ...] = ()
    for info in layers:
        duplicates = kernels.get(info.path, duplicates)
        if info.path in activated and duplicates:
            of_activations[info.path], duplicates = duplicates, ()
    return of_activations


def _receptive_field(model: ModelAdapter, inputs: np.ndarray) -> tuple[str | None, tuple[int, ...] | None, bool]:
    """Return the last map's layer, how many pixels along each axis a unit in its middle sees, and whether it is pooled whole."""
    if not {"gradients", "receptive fields"} <= model.capabilities:
        return None, None, False
    try:
        grads = model.gradients(inputs[:1], of=LAST_SPATIAL)
        reach = model.reach(grads.layer, inputs.shape[1:])
    except VizcnnError:  # no map, or none that depends on the input
        return None, None, False
    if len(reach.grid) != len(reach.size) or not grads.gradients.any():
        return None, None, False
    middle = reach.box(tuple(cells // 2 for cells in reach.grid))
    return grads.layer, tuple(end - start for start, end in middle), _pools(grads.gradients)


def _pools(gradients: np.ndarray) -> bool:
    """Tell whether a score takes no notice of where in a map something is: its mean or its maximum over all positions."""
    rows = gradients.reshape(len(gradients), -1, gradients.shape[-1])
    mean = np.ptp(rows, axis=1).max() <= 1e-3 * np.abs(rows).max()
    largest = (rows != 0).sum(axis=1).max() <= 1
    return bool(mean or largest)


def _bias_share(model: ModelAdapter, inputs: np.ndarray) -> np.ndarray:
    if "gradients" not in model.capabilities:
        return np.empty(0)
    try:
        grads = model.gradients(inputs)
    except CapabilityError:
        return np.empty(0)
    by_inputs = (grads.gradients.astype(np.float64) * inputs).reshape(len(inputs), -1).sum(axis=1)
    rest = grads.scores - by_inputs
    total = np.abs(by_inputs) + np.abs(rest)
    return np.where(total > 0, np.abs(rest) / np.where(total > 0, total, 1), 0.0)
