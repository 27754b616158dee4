"""Changed copies on Keras models: the compiled engine against the plain one, and what it must not do again."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from tests.models import BOTH_WAYS, ZOO, functional, images, linear_model
from tests.rounding import assert_same_sums
from vizcnn.adapter.changed import Change, Changed, Copies, PlainSteps, PredictedClass
from vizcnn.errors import OptionError

KINDS = ("sequential_never_called", "functional_of_a_dict", "nested_twice", "operations", "subclassed", "wrapped", "open_size",
         "without_softmax")  # fmt: skip
COUNT = 11
FACTORS = np.random.default_rng(1).normal(size=COUNT).astype(np.float32)
STEPS = images(3, seed=2) / 4


def shifted(xp: Any, inputs: Any, companions: Any, numbers: Any) -> Any:
    return inputs + companions["step"] * xp.reshape(numbers["factor"], (-1, 1, 1, 1))


def shift(count: int = COUNT) -> Change:
    return Change("shift", count, lambda part: {"factor": FACTORS[:count][part]}, shifted)


def gradient(xp: Any, copies: Copies) -> Any:
    return copies.gradients


def square(xp: Any, copies: Copies) -> Any:
    return copies.gradients * copies.gradients


def weighed(xp: Any, copies: Copies) -> Any:
    return (copies.inputs - copies.originals) * xp.reshape(copies.scores * copies.numbers["factor"], (-1, 1, 1, 1))


def by_layer(xp: Any, copies: Copies) -> Any:
    return xp.sum(copies.gradients * copies.values, axis=-1)


def asked(
    model: Any, x: np.ndarray, target: Any = None, *, count: int = COUNT, steps: Any = STEPS, **options: Any
) -> Changed:
    """Ask for gradients of shifted copies."""
    sums = {"gradient": gradient, "square": square, "weighed": weighed}
    options = {"sums": sums, "companions": {"step": steps[: len(x)]}, **options}
    return model.changed_gradients(x, target, shift(count), **options)


def plainly(model: Any, *args: Any, **options: Any) -> Changed:
    """Ask the same of the plain engine."""
    compiled, model._steps = model._steps, lambda: PlainSteps(model)
    try:
        return asked(model, *args, **options)
    finally:
        model._steps = compiled


def assert_same(changed: Changed, expected: Changed) -> None:
    assert_same_sums(changed.copy_scores, expected.copy_scores, *BOTH_WAYS)
    assert changed.sums.keys() == expected.sums.keys()
    for name, total in expected.sums.items():
        assert total.any()
        assert_same_sums(changed.sums[name], total, *BOTH_WAYS, COUNT, size=4 * float(np.abs(total).max()))
    assert changed.score.classes == expected.score.classes
    assert (changed.layer, changed.notes) == (expected.layer, expected.notes)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_engine_is_the_plain_one(kind: str) -> None:
    model, x = vz.adapt(ZOO[kind]().model, batch_size=4), images(3)
    model.prepare(x.shape[1:])
    each = {"class": PredictedClass(model.output_name(None))}
    changed, expected = (ask(model, x, each=each) for ask in (asked, plainly))
    assert_same(changed, expected)
    np.testing.assert_array_equal(changed.each["class"], expected.each["class"])
    np.testing.assert_array_equal(changed.scores, expected.scores)


@pytest.mark.parametrize("batch_size", [1, 3, 5, 16, 64])
def test_batch_size_changes_nothing(batch_size: int) -> None:
    x = images(3)
    assert_same(asked(vz.adapt(functional().model, batch_size=batch_size), x), plainly(vz.adapt(functional().model), x))


@pytest.mark.parametrize(("of", "rule"), [("conv1", "vanilla"), (None, "guided"), ("conv1", "guided")])
def test_gradients_of_layers_and_by_rules(of: Any, rule: str) -> None:
    model, x = vz.adapt(functional().model), images(2)
    options = {"of": of, "rule": rule, "sums": {"gradient": gradient} if of is None else {"map": by_layer}}
    changed, expected = (ask(model, x, 1, **options) for ask in (asked, plainly))
    assert changed.layer == of
    assert_same(changed, expected)


def of_a_step(xp: Any, copies: Copies) -> Any:
    before = copies.before
    rise = xp.reshape(copies.scores - 0.5 * before.scores, (-1, 1, 1, 1))
    return (copies.inputs - before.inputs) * (copies.gradients + 2 * before.gradients) * rise


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 16])
def test_each_copy_knows_the_one_before_of_its_image_and_the_first_itself(batch_size: int) -> None:
    model, x, targets = vz.adapt(functional().model, batch_size=batch_size), images(3), [0, 1, 2]
    options = {"sums": {"steps": of_a_step}, "in_steps": True}
    changed, plain = (ask(model, x, targets, **options) for ask in (asked, plainly))
    for at, (image, step, target) in enumerate(zip(x, STEPS, targets, strict=True)):
        way = np.stack([image + factor * step for factor in FACTORS])
        taken = model.gradients(way, target)
        first = [0, *range(COUNT - 1)]
        rises = (taken.scores - 0.5 * taken.scores[first]).reshape(-1, 1, 1, 1)
        each = (way - way[first]) * (taken.gradients + 2 * taken.gradients[first]) * rises
        for sums in (changed.sums["steps"], plain.sums["steps"]):
            assert_same_sums(sums[at], each.sum(axis=0), *BOTH_WAYS, COUNT, size=8 * float(np.abs(each).max()))


def test_copy_before_must_be_asked_for() -> None:
    with pytest.raises(OptionError, match="`in_steps` must be True where a formula asks for the copy before each"):
        plainly(vz.adapt(functional().model), images(1), sums={"steps": of_a_step})


def test_scores_alone_are_those_of_the_gradients() -> None:
    model, x = vz.adapt(functional().model), images(3)
    scores = model.changed_scores(x, 2, shift(), companions={"step": STEPS}, sums={"weighed": weighed})
    expected = plainly(model, x, 2)
    assert_same_sums(scores.copy_scores, expected.copy_scores, *BOTH_WAYS)
    assert_same_sums(scores.sums["weighed"], expected.sums["weighed"], *BOTH_WAYS, COUNT)


def test_one_trace_for_every_count_class_image_and_last_batch() -> None:
    model = vz.adapt(functional().model, batch_size=4)
    asked(model, images(1), 1)
    traces = model.num_traces
    for x, target, count in [
        (images(1), 2, COUNT), (images(1), None, 5), (images(3), [0, 1, 2], COUNT), (images(2), None, 1), (images(3), 0, 7)
    ]:  # fmt: skip
        asked(model, x, target, count=count)
    assert model.num_traces == traces == 2  # the images as they are, and the copies


def test_images_are_brought_to_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = vz.adapt(functional().model, batch_size=4), images(3)
    brought: list[int] = []
    run_batch = model._runner.run_batch

    def counted(key: Any, build: Any, arrays: Any, **options: Any) -> Any:
        brought.append(sum(array.nbytes for array in arrays if isinstance(array, np.ndarray)))
        return run_batch(key, build, arrays, **options)

    monkeypatch.setattr(model._runner, "run_batch", counted)
    asked(model, x)
    assert brought[0] == x.nbytes + 3 * 4  # the images as they are, and their classes
    assert max(brought[1:]) <= 4 * 4 * 3  # of a copy its image, its row and its number


def test_batch_is_halved_when_memory_runs_out_and_no_copy_is_lost_or_counted_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, x = vz.adapt(functional().model, batch_size=16), images(3)
    expected = asked(model, x)
    sizes, run = [], model._runner.functions.run

    def limited(key: Any, build: Any, arrays: Any, **options: Any) -> Any:
        if options.get("stays") is not None:
            sizes.append(len(arrays[1]))
            if len(arrays[1]) > 5:
                raise framework.out_of_memory
        return run(key, build, arrays, **options)

    monkeypatch.setattr(model._runner.functions, "run", limited)
    assert_same(asked(model, x), expected)
    assert sizes[:4] in ([12, 6, 3, 3], [16, 8, 4, 4])  # even, or full where each number of rows is compiled for
    assert model.batch_size_for(x.shape[1:]) == sizes[2]


def test_model_is_as_it_was_and_its_dropout_and_statistics_are_at_rest() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((6, 5, 3)), layers.Conv2D(4, 3, activation="tanh"), layers.BatchNormalization(), layers.Dropout(0.5),
        layers.Flatten(), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    before = [np.array(weight) for weight in model.get_weights()]
    adapter, x = vz.adapt(model), images(3)
    first, again = (asked(adapter, x, 1) for _ in range(2))
    np.testing.assert_array_equal(first.sums["gradient"], again.sums["gradient"])
    assert_same(first, plainly(adapter, x, 1))
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_second_of_two_outputs() -> None:
    inputs = keras.Input((6, 5, 3))
    flat = layers.Flatten()(layers.Conv2D(4, 3, activation="tanh")(inputs))
    kinds, parts = layers.Dense(3, activation="softmax", name="kind")(flat), layers.Dense(4, name="part")(flat)
    model, x = vz.adapt(keras.Model(inputs, {"kind": kinds, "part": parts})), images(3)
    target = vz.targets.Class(None, output="part")
    each = {"class": PredictedClass("part")}
    changed, expected = (ask(model, x, target, each=each) for ask in (asked, plainly))
    assert_same(changed, expected)
    np.testing.assert_array_equal(changed.each["class"], expected.each["class"])


def test_new_weights_count_at_once() -> None:
    model = linear_model(np.ones((4, 2), np.float32), (2, 2, 1))
    adapter, x = vz.adapt(model), images(1, (2, 2, 1))
    options = {"steps": images(1, (2, 2, 1)), "sums": {"gradient": gradient}}
    assert_same_sums(asked(adapter, x, 0, **options).sums["gradient"], np.full((1, 2, 2, 1), COUNT), COUNT)
    model.layers[-1].set_weights([np.full((4, 2), 3.0), np.zeros(2)])
    assert_same_sums(asked(adapter, x, 0, **options).sums["gradient"], np.full((1, 2, 2, 1), 3 * COUNT), COUNT)
