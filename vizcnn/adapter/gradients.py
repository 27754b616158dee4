"""Gradients as an adapter returns them, and the rules that they are taken by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.errors import Note, OptionError, did_you_mean, listed

RULES = {"vanilla": "vanilla", "guided": "guided", "relu": "relu", "deconv": "relu", "rectified": "relu"}
"""Accepted names of the gradient rules, and the rule that each means."""


@dataclass(frozen=True)
class Gradients:
    """The gradient of each sample's score.

    Attributes
    ----------
    gradients : ndarray
        d score / d input, or / d the layer's output; the shape of `values`.
    values : ndarray
        What was differentiated by: the inputs, or the layer's output.
    scores : ndarray, shape (N,)
        The scores.
    outputs : tuple of ndarray
        What the model returned on the same run.
    layer : str or None
        The layer's path; None for the input.
    notes : tuple of Note
        What the reader of a picture made of it should know.

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn = vz.assets.digits_cnn()
    >>> inputs = vz.inputs.load(vz.assets.digits()[3], cnn.input_shape).inputs(slice(None))
    >>> grads = cnn.gradients(inputs, "3", of="conv5")
    >>> grads.layer, grads.gradients.shape, grads.scores.shape
    ('conv5', (1, 14, 14, 64), (1,))
    """

    gradients: Array
    values: Array
    scores: Array
    outputs: Outputs
    layer: str | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class BiasTerms:
    """What the bias of one layer gives to each score: bias times gradient, place by place and channel by channel.

    Attributes
    ----------
    layer : str
        The layer's path, with the number of the call from the second one on.
    totals : ndarray, shape (N,)
        The sum of all terms of a sample, in units of its score.
    sums : ndarray, shape (N, h, w), or None
        The terms' magnitudes, summed over the channels; None where the layer's output is no map with several places.
    least, most : ndarray, shape (N,), or None
        The smallest and the largest magnitude of a sample's terms.
    channels : int
        How many channels are summed.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> first, *_, last = vz.assets.digits_cnn().full_gradients(np.zeros((2, 28, 28, 1)), "3").biases
    >>> first.layer, first.sums.shape, first.channels, last.layer, last.sums
    ('conv1', (2, 28, 28), 16, 'preds', None)
    """

    layer: str
    totals: Array
    sums: Array | None = None
    least: Array | None = None
    most: Array | None = None
    channels: int = 0


@dataclass(frozen=True)
class FullGradients(Gradients):
    """The gradient of each sample's score by the input, and what the biases give: see `ModelAdapter.full_gradients`.

    Attributes
    ----------
    gradients, values : ndarray, shape (N, H, W, C)
        d score / d input, and the inputs.
    scores, outputs, layer, notes
        As `Gradients` has them.
    biases : tuple of BiasTerms
        One for each call of a layer that adds a bias on which the score depends.
    left_out : tuple of str
        What else of the model gives to the score, as "silu (3)": layers that are neither affine nor, as a ReLU, straight on both
        sides of zero.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> full = vz.assets.digits_cnn().full_gradients(np.zeros((2, 28, 28, 1)), "3")
    >>> full.gradients.shape, len(full.biases), full.left_out
    ((2, 28, 28, 1), 6, ())
    """

    biases: tuple[BiasTerms, ...] = ()
    left_out: tuple[str, ...] = ()


def check_rule(rule: Any) -> str:
    """Return the gradient rule that a name means."""
    if rule not in RULES:
        raise OptionError(f"`rule` must be one of {listed(RULES)}; got {rule!r}.{did_you_mean(rule, RULES)}")
    return RULES[rule]
