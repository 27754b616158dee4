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


def check_rule(rule: Any) -> str:
    """Return the gradient rule that a name means."""
    if rule not in RULES:
        raise OptionError(f"`rule` must be one of {listed(RULES)}; got {rule!r}.{did_you_mean(rule, RULES)}")
    return RULES[rule]
