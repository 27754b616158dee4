"""What a model was trained for, told by its loss: classes, or numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_CLASSES = re.compile(r"crossentropy|hinge|focal|ctc|bce|cce|kl_?divergence|kld", re.IGNORECASE)
_NUMBERS = re.compile(
    r"mean_?(squared|absolute)|^(mse|mae|mape|msle)$|huber|log_?cosh|poisson|tweedie|cosine", re.IGNORECASE
)

_NAMES = re.compile(
    r"(^|[_\W])(key_?points?|landmarks?|b?box(es)?|coord(inate)?s?|offsets?|embeddings?|features?|regression|regressor)([_\W\d]|$)",
    re.IGNORECASE,
)
"""Names of outputs that hold no classes."""


def task_of(loss: Any, outputs: Sequence[str], output: str) -> str | None:
    """Return what an output was trained for.

    Parameters
    ----------
    loss : str, function, keras.losses.Loss, mapping, sequence or None
        The loss, or one for each output; as it was given to `compile`, or as Keras stores it.
    outputs : sequence of str
        The names of its outputs.
    output : str
        One of them.

    Returns
    -------
    str or None
        "classes", "numbers", or None where there is no loss, or it says neither.
    """
    return task(_of_output(loss, outputs, output)) or task_by_name(output)


def task_by_name(output: str) -> str | None:
    """Return "numbers" where an output's name says that it holds coordinates or an embedding."""
    return "numbers" if _NAMES.search(output) else None


def task(loss: Any) -> str | None:
    """Return what a loss trains for: its name, its function, its object, or what Keras stores of it."""
    if isinstance(loss, Mapping):
        config = loss.get("config")
        loss = config if isinstance(config, str) else loss.get("class_name")
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", None) or type(loss).__name__
    if loss is None or not isinstance(name, str):
        return None
    return "classes" if _CLASSES.search(name) else "numbers" if _NUMBERS.search(name) else None


def _of_output(loss: Any, outputs: Sequence[str], output: str) -> Any:
    if isinstance(loss, Mapping) and "class_name" not in loss:
        return loss.get(output)
    if isinstance(loss, list | tuple):
        return loss[outputs.index(output)] if len(loss) == len(outputs) else None
    return loss
