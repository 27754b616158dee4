"""The questions of `ModelAdapter`: checked and resolved once, then handed to the answers of a subclass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.models import functional, images
from vizcnn.adapter import LayerInfo, ModelAdapter


class Answers(ModelAdapter):
    """A model of one layer that notes what its answers are handed."""

    capabilities = frozenset({"outputs", "scores", "gradients", "activations", "kernels"})
    layers = (LayerInfo("block/conv", "Conv2D", (None, 4, 4, 2), 0),)
    input_shape = (4, 4, 1)
    output_shapes = {"output": (2,)}  # noqa: RUF012 - never changed

    def __init__(self) -> None:
        super().__init__("answers", labels=["up", "down"])
        self.handed: list[Any] = []

    def output_activation(self, output: str) -> None:
        return None

    def _scores_and_outputs(self, inputs: Any, score: Any) -> Any:
        self.handed.append((inputs.dtype, score.classes))
        return np.zeros(len(inputs), np.float32), (np.zeros((len(inputs), 2), np.float32),)

    def _gradients(self, inputs: Any, score: Any, path: Any, rule: str) -> Any:
        self.handed.append((score.names, path, rule))
        return vz.adapter.Gradients(inputs, inputs, np.zeros(len(inputs), np.float32), ())

    def _activations(self, inputs: Any, paths: Any) -> Any:
        self.handed.append(paths)
        return {}

    def _kernels(self, layer: Any) -> Any:
        self.handed.append(layer.path)
        return np.zeros((3, 3, 1, 2), np.float32)


class Older(Answers):
    """An adapter that was written when subclasses answered the public questions themselves."""

    def outputs(self, inputs: Any) -> Any:
        return (np.stack([inputs.sum(axis=(1, 2, 3)), -inputs.sum(axis=(1, 2, 3))], axis=1),)

    def scores(self, inputs: Any, target: Any = None) -> Any:
        score = vz.targets.resolve(target, self, len(inputs))
        return self.outputs(inputs)[0][np.arange(len(inputs)), score.params[0]]

    _scores_and_outputs = ModelAdapter._scores_and_outputs


def test_answers_are_handed_checked_inputs_a_score_and_paths() -> None:
    model, x = Answers(), np.zeros((2, 4, 4, 1))
    model.scores(x, ["down", 0])
    model.gradients(x, "up", of="conv", rule="deconv")
    model.activations(x, "conv")
    model.kernels("conv")
    assert model.handed == [(np.float32, (1, 0)), (("up", "up"), "block/conv", "relu"), ("block/conv",), "block/conv"]


@pytest.mark.parametrize("question", ["outputs", "scores", "scores_and_outputs", "gradients"])
def test_inputs_of_another_shape_are_refused_before_anything_runs(question: str) -> None:
    model = Answers()
    with pytest.raises(
        vz.errors.InputError,
        match=r"of model 'answers' must have shape \(N, H, W, C\) = \(N, 4, 4, 1\); got \(1, 5, 5, 1\)",
    ):
        getattr(model, question)(np.zeros((1, 5, 5, 1)))
    assert model.handed == []


def test_adapter_that_answers_the_public_questions_itself_still_works() -> None:
    scores, outputs = Older().scores_and_outputs(np.ones((1, 4, 4, 1), np.float32), "down")
    assert scores.tolist() == [-16]
    assert outputs[0].tolist() == [[16, -16]]


def test_question_without_an_answer_is_refused() -> None:
    box = vz.adapt(lambda batch: batch[:, 0, 0], input_shape=(4, 4, 2))
    x = np.zeros((1, 4, 4, 2))
    with pytest.raises(vz.errors.CapabilityError, match=r"a black box: function, doesn't answer `gradients`"):
        box.gradients(x, 0)


def test_keras_models_are_asked_the_same_way() -> None:
    adapter, x = vz.adapt(functional().model), images(2)
    np.testing.assert_array_equal(adapter.scores_and_outputs(x, 1)[0], adapter.scores(x, 1))
    with pytest.raises(vz.errors.InputError, match=r"must have shape \(N, H, W, C\)"):
        adapter.activations(x[:, :, :1], ["conv"])


@pytest.mark.parametrize(
    ("model", "option", "text"),
    [
        (
            "function",
            {"fixed_inputs": {"a": 1}},
            r"`fixed_inputs` must be left out for a function; got .* a Keras model or a SavedModel of several inputs",
        ),
        ("function", {"custom_objects": {"A": 1}}, "`custom_objects` must be left out for a function"),
        ("function", {"trusted": True}, "`trusted` must be left out for a function; got True. It is for a file"),
        ("function", {"architecture": "m.json"}, r"`architecture` .* a file that holds the weights"),
        (
            "keras",
            {"input_shape": (4, 4, 1)},
            r"`input_shape` .* for a Keras model; got \(4, 4, 1\). It is for a function",
        ),
        ("keras", {"trusted": True}, "`trusted` must be left out for a Keras model"),
        ("adapter", {"fixed_inputs": {"a": 1}}, "`fixed_inputs` must be left out for an adapter"),
        ("file", {"input_shape": (4, 4, 1)}, "`input_shape` must be left out for the file of a Keras model"),
    ],
)
def test_argument_that_would_be_ignored_is_refused(model: str, option: Any, text: str, tmp_path: Any) -> None:
    keras_model = functional().model
    if model == "file":
        keras_model.save(tmp_path / "m.keras")
    models = {
        "function": lambda batch: batch[:, 0, 0],
        "keras": keras_model,
        "adapter": Answers(),
        "file": tmp_path / "m.keras",
    }
    with pytest.raises(vz.errors.OptionError, match=text):
        vz.adapt(models[model], **option)
