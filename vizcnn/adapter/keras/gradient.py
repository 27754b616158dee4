"""The gradient of a score, by the input or by a layer."""

from __future__ import annotations

from typing import Any

import keras

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.gradients import Gradients
from vizcnn.adapter.keras.compiled import Traced
from vizcnn.adapter.keras.default_layer import Place, check_rows, differentiated, is_unfit
from vizcnn.adapter.keras.forward_pass import ForwardPass, rule_notes
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.layers import LAST_SPATIAL
from vizcnn.errors import CapabilityError
from vizcnn.targets.score import Score


def gradients(
    view: ModelView, runner: Runner, inputs: Array, score: Score, path: str | None, rule: str, place: Place
) -> Gradients:
    """See `ModelAdapter.gradients`; `place` is as `default_layer` has it."""

    def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
        run = ForwardPass.run(view, tensor, traced, rule=rule).record()
        scores = run.scores(score, params, traced)
        values, gradient = differentiate(run, score, scores, tensor, path, rule, traced)
        answer = {"gradients": gradient, "scores": scores, **run.named_outputs()}
        return answer if path is None else {**answer, "values": values}

    key = ("gradients", score.key, path, rule)
    unfit = view.state.unfit
    run = runner.run((*key, tuple(unfit)), build, inputs, score)
    while path == LAST_SPATIAL and is_unfit(
        view, str(run.traced.layer), run.arrays["values"].shape, len(inputs), inputs.shape[1:], place
    ):
        run = runner.run((*key, tuple(unfit)), build, inputs, score)
    arrays, traced = run.arrays, run.traced
    values = arrays.get("values", inputs)
    check_rows(str(traced.layer), len(values), len(inputs))
    return Gradients(arrays["gradients"], values, arrays["scores"], run.outputs, traced.layer, traced.notes)


def differentiate(
    run: ForwardPass, score: Score, scores: Any, inputs: Any, path: str | None, rule: str, traced: Traced
) -> tuple[Any, Any]:
    """Return what was differentiated by, and the gradient of the scores by that, both in float32, in a run that is being traced.

    Parameters
    ----------
    run : ForwardPass
        The run, by that rule.
    score : Score
        What is explained.
    scores, inputs : tensor
        The scores, and the inputs of the run.
    path : str or None
        The layer to differentiate by, or `LAST_SPATIAL`; None: the inputs.
    rule : str
        What ReLU does to the gradient.
    traced : Traced
        Where the layer and the notes are written to.

    Returns
    -------
    (tensor, tensor)

    Raises
    ------
    CapabilityError
        If the score has no gradient by the inputs.
    """
    backend, total = run.view.backend, keras.ops.sum(scores)
    traced.notes = rule_notes(rule, run)
    if path is None:
        values, gradient = inputs, backend.gradient(total, inputs)
        if gradient is None:
            raise no_gradient(run, score)
    else:
        traced.layer, values, gradient = differentiated(run, path, total)
        traced.notes += run.layout.notes(traced.layer, run.layer(traced.layer, cast=False).shape)
    return backend.float32(values), backend.float32(gradient)


def no_gradient(run: ForwardPass, score: Score) -> CapabilityError:
    """Return the error of a score that the inputs don't move."""
    return CapabilityError(
        f"The score of {score.names[0] or 'the predicted class'!r} has no gradient by the input of model {run.view.name!r}: a "
        f"layer rounds or casts it away."
    )
