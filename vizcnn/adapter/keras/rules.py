"""The gradient rules: a ReLU that computes the same, and hands the gradient back otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

RELU_FAMILY = frozenset({"relu", "relu6", "leaky_relu"})
"""The activations that the guided and relu rules act on: max(x, 0) with a slope, a cap or a threshold."""


def acts_on(rule: str, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Tell whether a rule changes this activation; one with a slope is never dead, so "redirected_relu" leaves it."""
    if rule != "redirected_relu":
        return rule != "vanilla" and name in RELU_FAMILY
    slope = kwargs.get("negative_slope", args[1] if len(args) > 1 else 0)
    return name in ("relu", "relu6") and isinstance(slope, int | float) and slope == 0


def with_rule(rule: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Run a ReLU so that its gradient follows the rule; what it computes forward stays the same.

    guided: what comes back is cut to its positive part, then goes through the ReLU's own derivative (Springenberg et al.
    2015). relu: it is cut to its positive part and goes straight on (Zeiler and Fergus 2014, the "deconvnet"). redirected_relu: a
    sample that gets no gradient at all through this ReLU, all of its units being dead, gets the one that would wake them, as
    Lucid does (Olah et al. 2017).
    """
    if not args:
        (first, *_), kwargs = kwargs, dict(kwargs)
        args = (kwargs.pop(first),)

    def positive(*grads: Any, upstream: Any = None) -> Any:
        gradient = grads[0] if upstream is None else upstream
        return keras.ops.maximum(gradient, keras.ops.zeros_like(gradient))

    if rule == "redirected_relu":

        def waking(x: Any) -> Any:
            y = function(x, *args[1:], **kwargs)

            def backward(*grads: Any, upstream: Any = None) -> Any:
                gradient = grads[0] if upstream is None else upstream
                zeros = keras.ops.zeros_like(gradient)
                own = keras.ops.where(keras.ops.logical_and(y == x, y > 0), gradient, zeros)
                wake = keras.ops.where(keras.ops.logical_and(x <= 0, gradient < 0), gradient, zeros)  # of a loss
                axes = tuple(range(1, len(gradient.shape)))
                return keras.ops.where(keras.ops.any(own != 0, axis=axes, keepdims=True), own, wake)

            return y, backward

        return keras.ops.custom_gradient(waking)(args[0])

    if rule == "guided":

        def gate(x: Any) -> Any:
            return keras.ops.stop_gradient(x), positive

        return keras.ops.custom_gradient(gate)(function(*args, **kwargs))

    def rectified(x: Any) -> Any:
        return function(x, *args[1:], **kwargs), positive

    return keras.ops.custom_gradient(rectified)(args[0])
