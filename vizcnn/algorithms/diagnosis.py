"""What the measures of a network's filters say: findings, each with its figure, its usual meaning and what people try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vizcnn.aliases import warn_of_old

MIN_DUPLICATE_COSINE = 0.98
"""Cosine between two kernels of a layer from which on they count as near-duplicates."""

MIN_SATURATED_SHARE = 0.95
"""Share of a unit's values at an end of its activation from which on the unit counts as saturated."""

MIN_IMAGES = 50
"""Images from which on a unit that was never active counts as dead, and not as rare."""

_MIN_SHARE = 0.1  # of a layer's units: fewer are found in every trained network
_MIN_SHARE_ON_FEW = 0.5  # on few images a unit may only be rare, so that half of them must be silent
_MIN_VARIATION = 0.02
_MIN_FIELD_SHARE = 0.5
_MAX_BIAS_SHARE = 0.9


class Finding(NamedTuple):
    """Something that a model's filters suffer from.

    Attributes
    ----------
    kind : {"dead", "saturated", "duplicate", "constant", "receptive field", "bias"}
        What it is.
    layer : str or None
        Where; None: the whole model.
    figure : str
        What was measured.
    interpretation : str
        What it usually means.
    advice : str
        What people try.
    units : tuple of int
        The units or filters that it is about.

    Examples
    --------
    >>> import keras, numpy as np, vizcnn as vz
    >>> conv = keras.layers.Conv2D(
    ...     4, 3, activation="relu", bias_initializer=keras.initializers.Constant(-9), name="conv"
    ... )
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), conv, keras.layers.Flatten(), keras.layers.Dense(2)])
    >>> finding = vz.diagnose(model, np.ones((2, 8, 8, 1))).findings[0]
    >>> finding.kind, finding.layer, finding.units
    ('dead', 'conv', (0, 1, 2, 3))
    >>> finding.figure
    '4 of 4 units are zero everywhere on these 2 images'
    """

    kind: str
    layer: str | None
    figure: str
    interpretation: str
    advice: str
    units: tuple[int, ...] = ()

    @property
    def meaning(self) -> str:
        """Old name of `interpretation`."""
        warn_of_old("`meaning` is `interpretation`")
        return self.interpretation

    def __str__(self) -> str:
        where = f"{self.layer}: " if self.layer else ""
        return f"{where}{self.figure}. {self.interpretation} {self.advice}"


@dataclass(frozen=True)
class LayerDiagnosis:
    """The measures of one layer.

    Attributes
    ----------
    units : int
        How many it has: channels of a map, units of a dense layer.
    dead, saturated, duplicate : tuple of int
        Units that were never active; that were at an end of their activation nearly always; whose kernel nearly equals that of
        an earlier one.
    variation : float or None
        Standard deviation of a unit's values over data and positions, relative to their root mean square: the median over
        the units that are active; None where none is.
    """

    units: int
    dead: tuple[int, ...] = ()
    saturated: tuple[int, ...] = ()
    duplicate: tuple[int, ...] = ()
    variation: float | None = None


def near_duplicates(kernels: np.ndarray) -> tuple[int, ...]:
    """Return the filters whose kernel nearly equals an earlier one's, but for its length.

    Parameters
    ----------
    kernels : ndarray, shape (..., K)
        The kernels of a layer, one per last index. Those of fewer than nine numbers are alike by chance and don't count.

    Returns
    -------
    tuple of int
    """
    flat = kernels.reshape(-1, kernels.shape[-1]).astype(np.float64)
    norms = np.linalg.norm(flat, axis=0)
    if len(flat) < 9 or not norms.any():
        return ()
    nonzero = norms > 1e-6 * norms.max()
    unit = np.where(nonzero, flat / np.where(nonzero, norms, 1), 0)
    alike = np.triu(unit.T @ unit, 1) > MIN_DUPLICATE_COSINE
    return tuple(np.flatnonzero(alike.any(axis=0)).tolist())


def findings(
    layers: Mapping[str, LayerDiagnosis],
    images: int,
    field: Sequence[int] | None,
    size: Sequence[int],
    field_layer: str | None,
    bias: np.ndarray,
) -> Iterator[Finding]:
    """Yield what is wrong; nothing for a healthy network.

    Parameters
    ----------
    layers : mapping
        Paths to measures.
    images : int
        On how many images they were taken.
    field : sequence of int or None
        Pixels along each axis that a unit in the middle of the last map depends on; None where there is no map.
    size : sequence of int
        The image's pixels along each axis.
    field_layer : str or None
        The layer with that map, where the score takes its mean or maximum; None where it sees the positions too.
    bias : ndarray, shape (N,)
        The biases' share of each image's logit; empty where it isn't known.

    Yields
    ------
    Finding
    """
    for path, layer in layers.items():
        yield from _of_layer(path, layer, images)
    if (
        field is not None
        and field_layer is not None
        and any(pixels < _MIN_FIELD_SHARE * whole for pixels, whole in zip(field, size, strict=True))
    ):
        yield Finding(
            "receptive field",
            field_layer,
            f"a unit in the middle of its map sees {_by(field)} of the image's {_by(size)} pixels",
            "The model decides by local texture and counts what it sees; it can't see how far parts lie from each other.",
            "Try more layers, stride or pooling before the head, dilated convolutions, or smaller images.",
        )
    if len(bias) and float(np.median(bias)) > _MAX_BIAS_SHARE:
        yield Finding(
            "bias",
            None,
            f"biases make {np.median(bias):.0%} of the predicted class's logit (median of {len(bias)} images)",
            "The image moves the logits little: the model says what is frequent, or its inputs are scaled otherwise than in "
            "training.",
            "Check the preprocessing and the balance of the classes; compare with the logits of a blank image.",
        )


def _of_layer(path: str, layer: LayerDiagnosis, images: int) -> Iterator[Finding]:
    if len(layer.dead) > (_MIN_SHARE if images >= MIN_IMAGES else _MIN_SHARE_ON_FEW) * layer.units:
        yield Finding(
            "dead",
            path,
            f"{len(layer.dead)} of {layer.units} units are zero everywhere on these {images} images",
            "A ReLU whose input is negative for everything passes no gradient and stays dead; on few images it may only be rare.",
            "Try a lower learning rate, He initialization, batch normalization, or LeakyReLU; or prune them. Give more images "
            "to be sure.",
            layer.dead,
        )
    if len(layer.saturated) > _MIN_SHARE * layer.units:
        yield Finding(
            "saturated",
            path,
            f"{len(layer.saturated)} of {layer.units} units are at an end of their activation {MIN_SATURATED_SHARE:.0%} of the "
            "time",
            "There the gradient is nearly zero, so they hardly learn, and saliency through them is blank.",
            "Try inputs and weights on a smaller scale, batch normalization before the activation, or ReLU.",
            layer.saturated,
        )
    if len(layer.duplicate) > _MIN_SHARE * layer.units:
        yield Finding(
            "duplicate",
            path,
            f"{len(layer.duplicate)} of {layer.units} kernels nearly equal another one (cosine above {MIN_DUPLICATE_COSINE})",
            "They see the same, so the layer is wider than what it has learned.",
            "Try fewer filters, weight decay, dropout or other initial values; duplicates can be pruned.",
            layer.duplicate,
        )
    if layer.variation is not None and layer.variation < _MIN_VARIATION:
        yield Finding(
            "constant",
            path,
            f"its values vary by {layer.variation:.2%} of their size, over images and positions alike",
            "What comes after it can't tell one image from another: the layers before have lost the image.",
            "Check the scale of the inputs, the initial values, and for a bias or a normalization that drowns the signal.",
        )


def _by(size: Sequence[int]) -> str:
    return "x".join(map(str, size))
