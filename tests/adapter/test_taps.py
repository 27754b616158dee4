"""What a run changes in a model is undone when the run ends, however it ends."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from tests.models import dense, functional, images, nested_twice, sequential, subclassed_called
from vizcnn.adapter.keras import block
from vizcnn.adapter.keras import taps as taps_module
from vizcnn.adapter.keras.forward_pass import ForwardPass
from vizcnn.adapter.keras.structure import walk
from vizcnn.adapter.keras.taps import Taps


class Broken(layers.Layer):
    """A layer that can't run."""

    def call(self, x: Any) -> Any:
        raise RuntimeError("this layer is broken")

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def _functions() -> list[Any]:
    """Every function that a run replaces for its length."""
    nn = importlib.import_module(f"keras.src.backend.{framework.BACKEND}.nn")
    return [
        framework.nn.relu,
        framework.softmax,
        nn.relu,
        nn.softmax,
        nn.batch_normalization,
        keras.src.tree.tree_api.tree_impl.map_structure,
        vars(keras.src.activations.activations.ReLU)["static_call"],
    ]


def _state(model: Any) -> list[set[str]]:
    return [set(vars(layer)) for layer in model._flatten_layers()]


def _raises(outputs: Any) -> Any:
    raise ZeroDivisionError("this target is broken")


@pytest.mark.parametrize("build", [nested_twice, subclassed_called])
def test_model_is_the_same_after_a_target_that_raises(build: Any) -> None:
    model, x = build().model, images()
    before, keys, functions = keras.ops.convert_to_numpy(model(x)), _state(model), _functions()
    with pytest.raises(ZeroDivisionError, match="this target is broken"):
        vz.adapt(model).gradients(x, _raises, rule="guided")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), before)
    assert _state(model) == keys
    assert _functions() == functions


def test_model_is_the_same_after_a_layer_that_raises() -> None:
    x = keras.Input((6, 5, 3))
    first = layers.Conv2D(2, 3, activation=framework.nn.relu, name="conv")(x)
    model, image = keras.Model(x, Broken(name="broken")(first)), images()
    keys, functions = _state(model), _functions()
    with pytest.raises(vz.errors.UnsupportedModelError, match="this layer is broken"):
        vz.adapt(model).gradients(image, 0, rule="guided")
    assert _state(model) == keys
    assert _functions() == functions
    assert model.get_layer("conv").activation is framework.nn.relu


def test_adapter_works_on_after_an_exception() -> None:
    adapter, x = vz.adapt(functional().model), images()
    expected = vz.adapt(functional().model).scores(x, 1)
    with pytest.raises(ZeroDivisionError):
        adapter.scores(x, _raises)
    np.testing.assert_array_equal(adapter.scores(x, 1), expected)


def test_trainable_state_and_weights_are_the_same_afterwards() -> None:
    x = keras.Input((6, 5, 3))
    y = layers.Dropout(0.5)(layers.BatchNormalization()(x))
    model = keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))
    before = [np.array(weight) for weight in model.get_weights()]
    vz.adapt(model).gradients(images() * 50, 0)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert all(layer.trainable for layer in model.layers)


def test_outputs_are_those_of_inference() -> None:
    x = keras.Input((2, 2, 1))
    y = layers.Dropout(0.9)(layers.BatchNormalization(epsilon=0.0)(x))
    model = keras.Model(x, layers.Flatten()(y))
    image = images(3, (2, 2, 1)) * 50
    (outputs,) = vz.adapt(model).outputs(image)
    np.testing.assert_allclose(outputs, image.reshape(3, 4), rtol=1e-6)  # mean 0, variance 1, nothing dropped


# Stopping early -------------------------------------------------------------------------------------------------------------


def test_nothing_past_the_last_layer_asked_for_is_run() -> None:
    x = keras.Input((6, 5, 3))
    y = layers.Rescaling(2.0, name="double")(layers.Rescaling(3.0, name="triple")(x))
    model = keras.Model(x, Broken(name="broken")(y))
    image = images()
    found = vz.adapt(model).activations(image, ["triple", "double"])
    np.testing.assert_allclose(found["triple"], 3 * image, rtol=1e-6)
    np.testing.assert_allclose(found["double"], 6 * image, rtol=1e-6)


def test_model_that_catches_exceptions_does_not_catch_the_stop() -> None:
    class Careful(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.rest = layers.Rescaling(2.0, name="first"), Broken(name="rest")
            self.first.built = self.rest.built = self.built = True

        def call(self, x: Any) -> Any:
            try:
                return self.rest(self.first(x))
            except Exception as error:
                raise AssertionError("ran on") from error

    image = images(1)
    found = vz.adapt(Careful()).activations(image, ["first"])
    np.testing.assert_allclose(found["first"], 2 * image, rtol=1e-6)


def test_later_call_of_a_layer_is_reached_without_stopping_at_the_first() -> None:
    double = layers.Rescaling(2.0, name="double")
    x = keras.Input((6, 5, 3))
    image = images(1)
    found = vz.adapt(keras.Model(x, double(double(double(x))))).activations(image, ["double[1]"])
    np.testing.assert_allclose(found["double[1]"], 4 * image, rtol=1e-6)


# The block itself -----------------------------------------------------------------------------------------------------------


def _tappable(model: Any) -> dict[str, Any]:
    return {path: found.operation for path, found in walk(model)}


def test_other_threads_pass_through_an_open_block() -> None:
    model, x = sequential().model, images(1)
    expected = keras.ops.convert_to_numpy(model(x))
    got = []
    with Taps(_tappable(model), rule="guided") as taps:
        thread = threading.Thread(target=lambda: got.append(keras.ops.convert_to_numpy(model(x))))
        thread.start()
        thread.join()
        assert (taps.calls, taps.activations) == ([], [])
    np.testing.assert_array_equal(got[0], expected)


def test_calls_and_activations_are_recorded_in_order() -> None:
    model = sequential().model
    with Taps(_tappable(model)) as taps:
        model(images(1))
    assert [(call.path, call.index) for call in taps.calls] == [
        ("conv1", 0), ("conv2", 0), ("pool", 0), ("predictions", 0)]  # fmt: skip
    assert [(a.name, a.path, a.replaced) for a in taps.activations] == [
        ("relu", "conv1", False), ("relu", "conv2", False), ("softmax", "predictions", False)]  # fmt: skip


def test_block_that_is_left_by_an_exception_is_undone() -> None:
    model = keras.Sequential([keras.Input((4,)), dense("unit", (np.eye(4), np.zeros(4)), activation=framework.nn.relu)])
    keys, functions = _state(model), _functions()
    with pytest.raises(KeyError), Taps(_tappable(model)):
        raise KeyError
    assert (_state(model), _functions()) == (keys, functions)


# Interrupts -----------------------------------------------------------------------------------------------------------------


class _Interrupts:
    """Counts the lines that are run in the modules that change models, and interrupts at one of them."""

    FILES = frozenset({taps_module.__file__, block.__file__})

    def __init__(self, at: int | None = None) -> None:
        self.lines: list[tuple[str, int]] = []
        self._at = at

    def __enter__(self) -> _Interrupts:
        self._before = sys.gettrace()
        sys.settrace(self._calls)
        return self

    def __exit__(self, *_: Any) -> None:
        sys.settrace(self._before)

    def _calls(self, frame: Any, event: str, argument: Any) -> Any:
        return self._line if frame.f_code.co_filename in self.FILES else None

    def _line(self, frame: Any, event: str, argument: Any) -> Any:
        if event == "line":
            self.lines.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.lines) - 1 == self._at:
                raise KeyboardInterrupt
        return self._line


def test_interrupt_at_any_line_leaves_nothing_behind_that_lasts() -> None:
    unit = dense("unit", (np.eye(4), np.zeros(4)), activation=framework.nn.relu)
    model, x = keras.Sequential([keras.Input((4,)), unit, layers.ReLU()]), np.ones((1, 4), np.float32)

    def explain() -> None:
        with Taps(_tappable(model), rule="guided"):
            model(x)

    explain()
    keys, functions = _state(model), _functions()
    with _Interrupts() as all_lines:
        explain()
    order = {line: n for n, line in reversed(list(enumerate(all_lines.lines)))}
    instants = sorted(
        {*order.values(), *{line: n for n, line in enumerate(all_lines.lines)}.values()}
    )  # first and last
    assert len(instants) > 100
    at_once = reached = 0
    for instant in instants:
        # On PyTorch Keras itself catches whatever is raised within a function that has its own gradient, and goes on.
        try:
            with _Interrupts(instant):
                explain()
        except KeyboardInterrupt:
            reached += 1
        at_once += (_state(model), _functions()) == (keys, functions)
        assert _elsewhere(explain)  # no lock that another thread would wait for
        assert (_state(model), _functions()) == (keys, functions), all_lines.lines[instant]
        assert unit.activation is framework.nn.relu
    assert min(at_once, reached) > 0.97 * len(instants)


def _elsewhere(task: Any) -> bool:
    thread = threading.Thread(target=task, daemon=True)
    thread.start()
    thread.join(60)
    return not thread.is_alive()


def test_model_that_an_interrupt_left_tapped_runs_as_it_is() -> None:
    model, x = sequential().model, keras.ops.convert_to_tensor(images(1))
    expected, keys, functions = keras.ops.convert_to_numpy(model(x)), _state(model), _functions()

    def interrupted() -> None:
        taps = Taps(_tappable(model), rule="guided")
        taps.__enter__()  # and never left

    interrupted()
    assert _state(model) != keys
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x)), expected)
    assert (_state(model), _functions()) == (keys, functions)  # undone by the first layer that is called


def test_compiled_function_that_is_there_already_undoes_what_an_interrupt_left() -> None:
    model, x = sequential().model, images(1)
    adapter = vz.adapt(model)
    adapter.gradients(x, 0)
    keys, functions = _state(model), _functions()
    threading.Thread(target=Taps(_tappable(model)).__enter__).start()
    for _ in range(100):
        adapter.gradients(x, 0)
        if (_state(model), _functions()) == (keys, functions):
            break
    assert (_state(model), _functions()) == (keys, functions)


def test_block_inside_a_block_gives_way_to_the_outer_one() -> None:
    model = sequential().model
    with Taps(_tappable(model)) as outer:
        with Taps(_tappable(model)) as inner:
            model(images(1))
        model(images(1))
    assert len(inner.calls) == len(outer.calls) == 4


# What is done in less time on PyTorch -----------------------------------------------------------------------------------------


def _of_all_kinds(axes: int) -> Any:
    """A model with whatever Keras puts the channels of images first for, of one axis, two or three."""
    kinds = [f"Conv{axes}D", f"MaxPooling{axes}D", f"AveragePooling{axes}D", f"Conv{axes}DTranspose"]
    conv, highest, mean, transposed = (getattr(layers, kind) for kind in kinds)
    return keras.Sequential(
        [
            keras.Input((8,) * axes + (2,)),
            conv(4, 3, strides=2, padding="same", activation="relu"),
            layers.BatchNormalization(),
            highest(3, strides=1, padding="same"),
            mean(3, strides=1, padding="same"),
            transposed(3, 3),
            getattr(layers, f"GlobalAveragePooling{axes}D")(),
            layers.Dense(2),
        ]
    )


@framework.needs_torch
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_run_gives_the_numbers_that_keras_gives_alone(axes: int) -> None:
    keras.utils.set_random_seed(axes)
    model = _of_all_kinds(axes)
    inputs = np.random.default_rng(axes).normal(size=(2, *model.input_shape[1:])).astype(np.float32)
    tensor = framework.constant(inputs).requires_grad_()
    scores = model(tensor, training=False)[:, 1]
    scores.sum().backward()
    found = vz.adapt(model).gradients(inputs, 1)
    np.testing.assert_allclose(found.scores, scores.detach().numpy(), rtol=1e-5)
    np.testing.assert_allclose(found.gradients, tensor.grad.numpy(), rtol=1e-4, atol=1e-6 * np.ptp(found.gradients))


@framework.needs_torch
def test_channels_are_put_first_without_a_copy() -> None:
    nn = importlib.import_module("keras.src.backend.torch.nn")
    tensor = framework.constant(images(1))
    with Taps({}):
        inside = nn._transpose_spatial_inputs(tensor)
    assert inside.data_ptr() == tensor.data_ptr() != nn._transpose_spatial_inputs(tensor).data_ptr()
    np.testing.assert_array_equal(inside, nn._transpose_spatial_inputs(tensor))


@framework.needs_torch
def test_only_this_threads_run_is_apart_from_the_weights() -> None:
    model, x = keras.Sequential([keras.Input((2,)), layers.BatchNormalization()]), np.ones((1, 2), np.float32)
    found = {}
    with Taps({}):
        found["here"] = model(x).requires_grad
        other = threading.Thread(target=lambda: found.update(there=model(x).requires_grad))
        other.start()
        other.join()
    assert found == {"here": False, "there": True}


@framework.needs_torch
@pytest.mark.parametrize("structure", [(1, None), [2], {"b": 1, "a": (2, 3)}, {"b": 1, "a": None}, (), 5, ([1], 2)])
def test_structures_are_mapped_as_keras_maps_them(structure: Any) -> None:
    expected = keras.tree.map_structure(str, structure), keras.tree.is_nested(structure)
    left_out = keras.tree.map_structure(str, structure, none_is_leaf=False)
    with Taps({}):
        assert (keras.tree.map_structure(str, structure), keras.tree.is_nested(structure)) == expected
        assert keras.tree.map_structure(str, structure, none_is_leaf=False) == left_out


@framework.needs_torch
def test_run_that_is_not_the_first_is_not_written_down_again(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, x, written = vz.adapt(sequential().model), images(1), []
    record = ForwardPass.record_moves
    monkeypatch.setattr(ForwardPass, "record_moves", lambda run: written.append(run) or record(run))
    first, count = adapter.gradients(x, 0), len(written)
    again = adapter.gradients(x, 0)
    assert (count > 0, len(written)) == (True, count)
    np.testing.assert_array_equal(first.gradients, again.gradients)
