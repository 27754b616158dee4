"""Changed copies: what the engine of the sampling methods returns, against a loop that changes, asks and adds up."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.models import images
from tests.rounding import assert_same_sums
from vizcnn.adapter.changed import Change, Copies, PredictedClass
from vizcnn.errors import OptionError
from vizcnn.targets import Contrast, Region, WeightedSum

SHAPE = (4, 5, 2)


def shifted(xp: Any, inputs: Any, companions: Any, numbers: Any) -> Any:
    """Add the number of the copy times the companion of the image."""
    return inputs + companions["step"] * xp.reshape(numbers["factor"], (-1, 1, 1, 1))


def weighed(xp: Any, copies: Copies) -> Any:
    return copies.inputs * xp.reshape(copies.scores, (-1, 1, 1, 1))


def moved(xp: Any, copies: Copies) -> Any:
    return copies.inputs - copies.originals


FACTORS = np.random.default_rng(1).normal(size=11).astype(np.float32)
STEPS = images(3, SHAPE, seed=2)


def shift(count: int = 11, asked: list[slice] | None = None) -> Change:
    def numbers(part: slice) -> dict[str, np.ndarray]:
        if asked is not None:
            asked.append(part)
        return {"factor": FACTORS[:count][part]}

    return Change("shift", count, numbers, shifted)


def first_pixel(inputs: np.ndarray) -> np.ndarray:
    """Return two classes, each the value of a channel of the first pixel."""
    return inputs[:, 0, 0]


def black_box(function: Any = first_pixel, **settings: Any) -> Any:
    return vz.adapt(function, input_shape=SHAPE, **settings)


def looped(inputs: np.ndarray, steps: np.ndarray = STEPS) -> np.ndarray:
    """Return the changed copies (N, count, H, W, C), one after the other."""
    return np.array([[x + step * factor for factor in FACTORS] for x, step in zip(inputs, steps, strict=True)])


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 7, 32, 64])
def test_scores_and_sums_are_those_of_a_loop_whatever_the_batch_size(batch_size: int) -> None:
    x = images(3, SHAPE)
    copies = looped(x)
    changed = black_box(batch_size=batch_size).changed_scores(
        x,
        [0, 1, 1],
        shift(),
        companions={"step": STEPS},
        sums={"weighed": weighed, "moved": moved},
        each={"class": PredictedClass("output")},
    )
    scores = np.stack([copies[0, :, 0, 0, 0], copies[1, :, 0, 0, 1], copies[2, :, 0, 0, 1]])
    np.testing.assert_array_equal(changed.copy_scores, scores)
    np.testing.assert_array_equal(changed.each["class"], copies[:, :, 0, 0].argmax(axis=-1))
    assert_same_sums(changed.sums["weighed"], (copies * scores[..., None, None, None]).sum(axis=1), 11)
    assert_same_sums(changed.sums["moved"], (copies - x[:, None]).sum(axis=1), 11)


def test_unchanged_images_are_answered_beside_the_copies() -> None:
    x = images(3, SHAPE)
    changed = black_box().changed_scores(x, 1, shift(), companions={"step": STEPS})
    np.testing.assert_array_equal(changed.scores, x[:, 0, 0, 1])
    np.testing.assert_array_equal(changed.outputs[0], x[:, 0, 0])


def test_no_copies_at_all_are_refused() -> None:
    with pytest.raises(OptionError, match="`change` must make at least one copy of each image; got 0"):
        black_box().changed_scores(images(3, SHAPE), 1, shift(0), companions={"step": STEPS})


def test_predicted_class_in_a_sum_of_targets_is_that_of_the_unchanged_image() -> None:
    x = images(3, SHAPE)
    target = WeightedSum((Contrast(1, None), None), (1.0, 0.5))
    changed = black_box(batch_size=4).changed_scores(x, target, shift(), companions={"step": STEPS})
    predicted = x[:, 0, 0].argmax(axis=-1)
    values = looped(x)[:, :, 0, 0]
    of_predicted = np.take_along_axis(values, predicted[:, None, None], axis=-1)[..., 0]
    assert (values.argmax(axis=-1) != predicted[:, None]).any()  # some copies are taken for another
    np.testing.assert_allclose(changed.copy_scores, values[..., 1] - 0.5 * of_predicted, atol=1e-6)


def test_best_class_of_a_region_is_that_of_the_unchanged_image_and_names_the_result() -> None:
    x = images(3, SHAPE)
    x[..., 0] -= 0.3  # of the whole the class is 1, of the region it is 0
    x[:, 1, 2, 0] = x[:, 1, 2, 1] + 0.1
    model, target = black_box(lambda inputs: inputs, labels=["sky", "grass"]), Region((1, 2, 2, 3))
    changed = model.changed_scores(x, target, shift(), companions={"step": STEPS})
    copies = looped(x)[:, :, 1, 2]
    assert changed.score.classes == (0, 0, 0)
    assert (copies.argmax(axis=-1) != 0).any()
    np.testing.assert_allclose(changed.copy_scores, copies[..., 0], atol=1e-6)
    result = vz.occlusion(model, x, target, patch_size=2)
    assert result.target == ("sky",) * 3
    assert result.classes == (0, 0, 0)
    assert [predicted.label for predicted in result.predictions] == ["grass"] * 3


def test_predicted_class_is_that_of_the_unchanged_image() -> None:
    x = images(3, SHAPE)
    changed = black_box(batch_size=4).changed_scores(x, None, shift(), companions={"step": STEPS})
    predicted = x[:, 0, 0].argmax(axis=-1)
    assert changed.score.classes == tuple(predicted)
    copies = looped(x)[:, :, 0, 0]
    assert (copies.argmax(axis=-1) != predicted[:, None]).any()  # of the copies others are predicted
    np.testing.assert_array_equal(changed.copy_scores, [rows[:, c] for rows, c in zip(copies, predicted, strict=True)])


def test_batches_go_across_images_and_are_even_and_copies_come_once() -> None:
    sizes: list[int] = []

    def counted(inputs: np.ndarray) -> np.ndarray:
        sizes.append(len(inputs))
        return first_pixel(inputs)

    model = black_box(counted, batch_size=8, labels=["a", "b"])
    model.head("output")
    sizes.clear()
    model.changed_scores(images(3, SHAPE), 0, shift(), companions={"step": STEPS})
    assert sizes == [3, 8, 8, 6, 6, 5]  # the images as they are, then 3 x 11 copies


def test_numbers_are_asked_once_for_all_images_of_a_batch_and_in_order() -> None:
    asked: list[slice] = []
    black_box(batch_size=6).changed_scores(images(3, SHAPE), 0, shift(asked=asked), companions={"step": STEPS})
    assert asked == [slice(start, min(start + 2, 11)) for start in range(0, 11, 2)]


def test_more_images_than_a_batch_holds_are_explained_in_groups() -> None:
    x, steps = images(5, SHAPE), images(5, SHAPE, seed=3)
    changed = black_box(batch_size=2).changed_scores(x, 0, shift(), companions={"step": steps}, sums={"moved": moved})
    copies = looped(x, steps)
    np.testing.assert_array_equal(changed.copy_scores, copies[:, :, 0, 0, 0])
    assert_same_sums(changed.sums["moved"], (copies - x[:, None]).sum(axis=1), 11)


def test_memory_is_one_batch_whatever_the_count() -> None:
    shape, size = (64, 64, 3), 4
    x = images(1, shape)

    def noise(part: slice) -> dict[str, np.ndarray]:
        fields = [
            np.random.default_rng([0, k]).standard_normal(shape, dtype=np.float32) for k in range(*part.indices(400))
        ]
        return {"noise": np.stack(fields)}

    def noisy(xp: Any, inputs: Any, companions: Any, numbers: Any) -> Any:
        return inputs + numbers["noise"]

    model = vz.adapt(first_pixel, input_shape=shape, batch_size=size)
    peaks = []
    for count in (8, 400):
        tracemalloc.start()
        model.changed_scores(x, 0, Change("noise", count, noise, noisy), sums={"moved": moved})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 4 * size * x.nbytes  # drawing goes on beside; 400 copies would take 100 batches


def test_rows_that_do_not_fit_are_rejected() -> None:
    with pytest.raises(OptionError, match=r"`companions` must have one row per image; got 3 of 'step' for 2 images"):
        black_box().changed_scores(images(2, SHAPE), 0, shift(), companions={"step": STEPS})
    short = Change("short", 4, lambda part: {"factor": FACTORS[:1]}, shifted)
    with pytest.raises(OptionError, match=r"`numbers` must return one row per copy; got 1 of 'factor' for 4 copies"):
        black_box().changed_scores(images(3, SHAPE), 0, short, companions={"step": STEPS})
    given = {"companions": {"step": STEPS}}
    after = black_box().changed_scores(images(3, SHAPE), 0, shift(), **given)
    with pytest.raises(OptionError, match=r"`after` must be of the same images; it has 3, and `inputs` 2"):
        black_box().changed_scores(images(2, SHAPE), 0, shift(), after=after)


def test_an_interrupt_ends_it_and_the_next_question_is_answered() -> None:
    calls = []

    def interrupted(inputs: np.ndarray) -> np.ndarray:
        calls.append(len(inputs))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return first_pixel(inputs)

    model = black_box(interrupted, batch_size=4)
    with pytest.raises(KeyboardInterrupt):
        model.changed_scores(images(3, SHAPE), 0, shift(), companions={"step": STEPS})
    x = images(3, SHAPE)
    changed = model.changed_scores(x, 0, shift(), companions={"step": STEPS})
    np.testing.assert_array_equal(changed.copy_scores, looped(x)[:, :, 0, 0, 0])


def test_a_long_run_is_told_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vizcnn.progress.MIN_ANNOUNCED_SECONDS", 0.0)
    change = Change("shift", 11, shift().numbers, shifted, name="shifting", remedy="A smaller `count` takes fewer.")
    with pytest.warns(
        vz.errors.VizcnnWarning, match=r"Shifting takes 36 runs of the model, about .* A smaller `count`"
    ):
        black_box(batch_size=4).changed_scores(images(3, SHAPE), 0, change, companions={"step": STEPS})
