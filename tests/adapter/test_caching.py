"""Nothing is compiled twice, nothing is kept too long, and new weights are seen."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import keras
import numpy as np
import pytest

import vizcnn as vz
from tests import framework
from tests.models import BOTH_WAYS, functional, images, linear_model, nested, open_size, subclassed_called
from tests.rounding import assert_same_sums
from vizcnn.adapter import as_adapter
from vizcnn.targets import Channel, Class, Contrast


@pytest.fixture
def adapter() -> Any:
    return vz.adapt(functional().model, batch_size=4)


def _traces(adapter: Any, run: Any) -> int:
    before: int = adapter.num_traces
    run()
    return int(adapter.num_traces) - before


def test_first_run_is_compiled_once(adapter: Any) -> None:
    assert _traces(adapter, lambda: adapter.gradients(images(2), 0)) == 1
    assert _traces(adapter, lambda: adapter.gradients(images(2), 0)) == 0


@pytest.mark.parametrize("target", [None, 1, 2, [0, 1], [None, 2], Class(1), np.array([2, 0])], ids=repr)
def test_another_class_is_not_compiled_again(adapter: Any, target: Any) -> None:
    adapter.gradients(images(2), 0)
    assert _traces(adapter, lambda: adapter.gradients(images(2), target)) == 0


def test_another_channel_or_pair_of_classes_is_not_compiled_again(adapter: Any) -> None:
    x = images(2)
    adapter.scores(x, Channel("out", 0))
    adapter.scores(x, Contrast(0, 1))
    assert _traces(adapter, lambda: adapter.scores(x, Channel("out", 3))) == 0
    assert _traces(adapter, lambda: adapter.scores(x, Contrast(2, None))) == 0


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
def test_other_images_and_a_short_last_batch_are_not_compiled_again(adapter: Any, count: int) -> None:
    adapter.gradients(images(4), 0)
    assert _traces(adapter, lambda: adapter.gradients(images(count, seed=1), 0)) == 0


def test_two_rules_are_two_functions(adapter: Any) -> None:
    x = images(1)
    assert _traces(adapter, lambda: [adapter.gradients(x, 0, rule=rule) for rule in ("vanilla", "guided") * 2]) == 2


def test_two_layers_are_two_functions(adapter: Any) -> None:
    x = images(1)
    assert _traces(adapter, lambda: [adapter.gradients(x, 0, of=of) for of in ("conv1", "out") * 2]) == 2


def test_two_sizes_are_two_functions() -> None:
    adapter = vz.adapt(open_size().model)
    shapes = [(6, 5, 3), (7, 5, 3)] * 2
    assert _traces(adapter, lambda: [adapter.gradients(images(1, shape), 0) for shape in shapes]) == 2


def test_function_that_is_kept_is_compiled_once(adapter: Any) -> None:
    def target(outputs: Any) -> Any:
        return outputs[:, 0] - outputs[:, 1]

    x = images(1)
    assert _traces(adapter, lambda: [adapter.gradients(x, target) for _ in range(3)]) == 1


def test_functions_made_anew_are_forgotten_after_a_while(adapter: Any) -> None:
    from vizcnn.adapter.keras.compiled import CompiledFunctions

    functions = CompiledFunctions(adapter._view.backend, list)
    for number in range(200):
        functions.keep(number, lambda number=number: number)
    assert functions.keep(199, lambda: "made again") == 199
    assert functions.keep(0, lambda: "made again") == "made again"


def test_question_about_the_output_is_not_compiled_again(adapter: Any) -> None:
    def ask() -> None:
        assert adapter.output_activation("predictions") == "softmax"
        adapter.outputs(images(1))

    assert _traces(adapter, ask) == 1


def test_methods_of_a_bare_model_share_one_adapter() -> None:
    model = functional().model
    assert as_adapter(model) is as_adapter(model)
    vz.saliency(model, images(1), 0)
    assert _traces(as_adapter(model), lambda: vz.saliency(model, images(3), 1)) == 0


def test_new_weights_are_seen() -> None:
    model = linear_model(np.zeros((4, 2)), (2, 2, 1))
    adapter, x = vz.adapt(model), images(1, (2, 2, 1))
    adapter.gradients(x, 1)
    model.set_weights([np.arange(8, dtype=np.float32).reshape(4, 2), np.ones(2, np.float32)])
    taken = adapter.gradients(x, 1)
    np.testing.assert_array_equal(taken.gradients.ravel(), [1, 3, 5, 7])
    assert_same_sums(taken.scores, x.ravel() @ [1, 3, 5, 7] + 1, 5, size=17)


def test_training_between_two_runs_is_seen() -> None:
    model = linear_model(np.zeros((4, 2)), (2, 2, 1))
    adapter, x = vz.adapt(model), images(8, (2, 2, 1))
    adapter.gradients(x, 0)
    model.compile("sgd", "mse")
    model.fit(x, np.ones((8, 2)), epochs=2, verbose=0)
    assert_same_sums(adapter.gradients(x, 0).gradients[0].ravel(), model.get_weights()[0][:, 0], 2)


@pytest.mark.parametrize("build", [functional, nested, subclassed_called])
def test_model_dies_when_its_user_drops_it(build: Any) -> None:
    model = build().model
    vz.saliency(model, images(1), 0)
    vz.gradcam(model, images(1), 0, rule="guided", relu=False)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_adapter_made_by_the_user_keeps_its_model() -> None:
    adapter = vz.adapt(functional().model)
    gc.collect()
    assert adapter.model.name == "zoo"


def test_adapter_of_a_model_that_is_gone_says_so() -> None:
    model = functional().model
    adapter = as_adapter(model)
    del model
    gc.collect()
    with pytest.raises(vz.errors.UnsupportedModelError, match=r"model of this adapter is gone; keep a reference to it"):
        adapter.outputs(images(1))


# Memory --------------------------------------------------------------------------------------------------------------------


def _small_device(adapter: Any, monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let every compiled function run out of memory above `most` samples; return the sizes that were tried."""
    sizes, run = [], adapter._runner.functions.run

    def limited(key: Any, build: Any, arrays: list[np.ndarray], **options: Any) -> Any:
        sizes.append(len(arrays[0]))
        if len(arrays[0]) > most:
            raise framework.out_of_memory
        return run(key, build, arrays, **options)

    monkeypatch.setattr(adapter._runner.functions, "run", limited)
    return sizes


def test_batch_is_halved_when_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, x = vz.adapt(functional().model, batch_size=32), images(20)
    expected = adapter.gradients(x, 1).gradients
    sizes = _small_device(adapter, monkeypatch, 5)
    assert_same_sums(adapter.gradients(x, 1).gradients, expected, *BOTH_WAYS)
    assert sizes == [20, 16, 8, 4, 4, 4, 4, 4]
    assert adapter.batch_size_for((6, 5, 3)) == 4  # for good, rather than failing again each time


def test_memory_that_is_too_small_for_one_image_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = vz.adapt(functional().model)
    _small_device(adapter, monkeypatch, 0)
    with pytest.raises(type(framework.out_of_memory), match="OOM when allocating"):
        adapter.outputs(images(2))


def test_batch_size_of_a_large_model_is_smaller() -> None:
    def batch(size: int) -> int:
        model = keras.Sequential([keras.Input((size, size, 3)), keras.layers.Conv2D(64, 3), keras.layers.Conv2D(64, 3)])
        return vz.adapt(model).batch_size_for((size, size, 3))

    assert batch(32) in (16, 32, 64)  # the most that pays: on a processor, by backend, and on a GPU
    assert batch(1024) == 4  # 1020 * 1020 * 64 * 2 floats and their gradients are about 1 GB an image
    assert batch(4096) == 1


def test_a_larger_accelerator_takes_larger_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = vz.adapt(functional().model)._view.backend
    monkeypatch.setattr(type(backend), "_device_memory", 80 * 2**30)
    assert backend.batch_memory == 20 * 2**30
    model = keras.Sequential([keras.Input((1024, 1024, 3)), keras.layers.Conv2D(64, 3), keras.layers.Conv2D(64, 3)])
    assert vz.adapt(model).batch_size_for((1024, 1024, 3)) == 16
    monkeypatch.setattr(type(backend), "_device_memory", 2 * 2**30)
    assert backend.batch_memory == 4 * 2**30  # what it tries first; it halves where that is too much


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8"])
def test_batch_size_that_is_no_count_is_rejected(batch_size: Any) -> None:
    with pytest.raises(
        vz.errors.OptionError, match=f"`batch_size` must be a positive integer or None; got {batch_size!r}"
    ):
        vz.adapt(functional().model, batch_size=batch_size)


def test_no_batch_is_larger_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = vz.adapt(functional().model, batch_size=3)
    sizes = _small_device(adapter, monkeypatch, 3)
    adapter.outputs(images(8))
    assert sizes == [3, 3, 2]
