"""Old names work for one more minor version, and warn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import vizcnn as vz
import vizcnn.adapter.base
import vizcnn.health
import vizcnn.results
import vizcnn.scores
import vizcnn.targets
import vizcnn.transforms
from vizcnn.algorithms.diagnosis import Finding
from vizcnn.cli import app
from vizcnn.errors import OptionError, RenamedWarning
from vizcnn.plugins import registry
from vizcnn.targets import Channel

BOX = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2))
FINDING = Finding("bias", None, "biases make 95%", "The image moves the logits little.", "Check the preprocessing.")


@pytest.mark.parametrize(
    ("owner", "old", "now"),
    [
        (vizcnn.results, "Maps", vizcnn.results.AttributionBatch),
        (vizcnn.results, "LayerMaps", vizcnn.results.FeatureMapBatch),
        (vizcnn.health, "Finding", Finding),
        (FINDING, "meaning", "The image moves the logits little."),
        (registry.get("saliency"), "origin", "vizcnn.plugins.saliency"),
        (registry.get("saliency"), "meaning", registry.get("saliency").interpretation),
        (registry, "register", vizcnn.register),
        (vizcnn.adapter.base, "end_of_model", vizcnn.adapter.base.io_node),
        (vizcnn.targets, "Mix", vizcnn.targets.WeightedSum),
        (vizcnn.targets.score, "Reading", vizcnn.targets.score.ForwardPass),
        (vizcnn.scores, "Reading", vizcnn.scores.ForwardPass),
        (BOX, "evaluate", BOX.scores_and_outputs),
        (BOX, "class_values", BOX.class_outputs),
        (BOX, "origin", "a black box: function"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_old_name_gives_the_same_and_warns(owner: Any, old: str, now: Any) -> None:
    with pytest.warns(
        DeprecationWarning, match=f"{old}.* now; the old name goes with the next minor version"
    ) as messages:
        assert getattr(owner, old) == now
    assert len(messages) == 1
    assert messages[0].filename == __file__


OLD_REDUCE = (
    r"`reduce` 'signed' of method 'saliency' is called 'sum' now; the old name goes with the next minor version"
)


@pytest.fixture(scope="module")
def cnn() -> Any:
    return vz.assets.digits_cnn()


def test_old_value_of_an_option_gives_the_same_and_warns_once(cnn: Any) -> None:
    with pytest.warns(RenamedWarning, match=OLD_REDUCE) as messages:
        old = vz.saliency(cnn, vz.assets.digits()[3], reduce="signed")
    assert len(messages) == 1
    assert messages[0].filename == __file__
    now = vz.saliency(cnn, vz.assets.digits()[3], reduce="sum")
    np.testing.assert_array_equal(old.values, now.values)
    assert old.options == now.options == {"rule": "vanilla", "reduce": "sum"}


def test_old_value_is_taken_where_methods_are_named(cnn: Any) -> None:
    with pytest.warns(RenamedWarning, match=OLD_REDUCE) as messages:
        explanation = vz.explain(cnn, vz.assets.digits()[3], methods="saliency:reduce=signed")
    assert len(messages) == 1
    assert explanation["saliency:reduce=signed"].options["reduce"] == "sum"


def test_options_that_an_earlier_version_saved_reproduce_the_result(cnn: Any, tmp_path: Path) -> None:
    result = vz.saliency(cnn, vz.assets.digits()[3], reduce="sum")
    result.options["reduce"] = "signed"
    stored = vz.load_result(result.save(tmp_path / "old.npz"))
    with pytest.warns(RenamedWarning, match=OLD_REDUCE):
        again = vz.saliency(cnn, vz.assets.digits()[3], **stored.options)
    np.testing.assert_array_equal(again.values, result.values)


def test_old_name_of_an_option_gives_the_same_and_warns_once(cnn: Any) -> None:
    with pytest.warns(
        RenamedWarning, match="Option `exciting` of method 'filters' is called `preferred_inputs` now"
    ) as messages:
        old = vz.filters(cnn, "conv1", exciting=2, steps=2)
    assert len(messages) == 1
    now = vz.filters(cnn, "conv1", preferred_inputs=2, steps=2)
    np.testing.assert_array_equal(old.preferred_inputs, now.preferred_inputs)
    with pytest.warns(DeprecationWarning, match="`exciting` is `preferred_inputs` now"):
        assert old.exciting is old.preferred_inputs


def test_option_by_both_of_its_names_is_rejected(cnn: Any) -> None:
    with pytest.raises(
        OptionError, match="`preferred_inputs` must be given once; got `exciting` too, which is its old name"
    ):
        vz.filters(cnn, "conv1", exciting=2, preferred_inputs=3)


def test_option_that_a_strangers_plugin_renamed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.INSTALLED, "entries", dict(registry.INSTALLED.entries))

    @vz.register("loud", needs={"outputs"}, aliases={"volume": "gain"})
    def loud(model: Any, inputs: np.ndarray, score: Any, *, gain: float = 1.0) -> Any:
        return vizcnn.results.AttributionBatch(gain * inputs.mean(axis=-1))

    digit = vz.assets.digits()[3]
    with pytest.warns(RenamedWarning, match="Option `volume` of method 'loud' is called `gain` now"):
        old = loud(vz.assets.digits_cnn(), digit, volume=3.0)
    np.testing.assert_array_equal(old.values, loud(vz.assets.digits_cnn(), digit, gain=3.0).values)


def test_kernels_of_an_earlier_version_are_read(cnn: Any, tmp_path: Path) -> None:
    kernels = vz.filters(cnn, "conv1", preferred_inputs=2, steps=2)
    np.savez(
        tmp_path / "old.npz",
        about=np.array(
            '{"kind": "kernels", "layer": "conv1", "model": "tiny", "order": [], "options": {"exciting": 2}}'
        ),
        values=kernels.values,
        exciting=kernels.preferred_inputs,
    )
    stored = vz.load_result(tmp_path / "old.npz")
    np.testing.assert_array_equal(stored.preferred_inputs, kernels.preferred_inputs)
    assert stored.options == {"preferred_inputs": 2}


def test_old_option_of_the_command_line_is_taken_and_noted(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["filters", str(vz.assets.DIGITS_CNN), "--layer", "conv1", "--exciting", "1", "--out", str(tmp_path)]
    )
    assert result.exit_code == 0
    assert "Option `exciting` of method 'filters' is called `preferred_inputs` now" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("old", "now"),
    [
        ({"where": "centre"}, "center"),
        ({"where": "everywhere"}, "mean"),
        ({"position": "centre"}, "center"),
        ({"where": "center"}, "center"),
    ],
)
def test_old_position_of_a_channel_is_taken(old: dict[str, str], now: str) -> None:
    with pytest.warns(RenamedWarning, match="is called `position` now, 'mean' or 'center'"):
        channel = Channel("conv1", 2, **old)
    assert channel == Channel("conv1", 2, now)
    with pytest.warns(DeprecationWarning, match="`where` is `position` now"):
        assert channel.where == now


def two_inputs() -> keras.Model:
    image, age = keras.Input((4, 4, 1), name="image"), keras.Input((1,), name="age")
    joined = keras.layers.concatenate([keras.layers.Flatten()(image), age])
    return keras.Model([image, age], keras.layers.Dense(2)(joined))


def test_old_name_of_fixed_inputs_is_taken_and_warns_once() -> None:
    model, images = two_inputs(), np.ones((1, 4, 4, 1), np.float32)
    with pytest.warns(RenamedWarning, match="`fixed` is called `fixed_inputs` now") as messages:
        old = vz.adapt(model, fixed={"age": [3.0]})
    assert [message.filename for message in messages] == [__file__]
    now = vz.adapt(model, fixed_inputs={"age": [3.0]})
    np.testing.assert_array_equal(old.scores(images, 0), now.scores(images, 0))


def test_old_arguments_of_the_keras_adapter_are_taken_and_warn() -> None:
    with pytest.warns(RenamedWarning) as messages:
        adapter = vz.KerasAdapter(two_inputs(), fixed={"age": [3.0]}, origin="a gift", hold=True)
    assert [str(message.message).partition(" now")[0] for message in messages] == [
        "`fixed` is called `fixed_inputs`",
        "`origin` is called `source`",
        "`hold` is called `keep_alive`",
    ]
    assert adapter.source == "a gift"


def test_adapter_of_a_stranger_may_set_its_source_by_the_old_name() -> None:
    adapter = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2))
    with pytest.warns(DeprecationWarning, match="`origin` is `source` now"):
        adapter.origin = "a stranger"
    assert adapter.source == "a stranger"


def test_old_arguments_of_an_ascent_are_taken_and_warn(cnn: Any) -> None:
    score = vz.targets.Class("3").score(cnn, 1)
    plan = {"parametrization": "pixel", "modifiers": (), "transforms": vizcnn.transforms.NONE, "steps": 2}
    penalty = vizcnn.transforms.Norm(6.0, 10.0)
    with pytest.warns(RenamedWarning) as messages:
        old = [images for images, _ in cnn.ascend(score, (28, 28, 1), ends=(0.0, 2.0), penalties=(penalty,), **plan)]
    assert [str(message.message).partition(" now")[0] for message in messages] == [
        "`ends` is called `input_range`",
        "`penalties` is called `regularizers`",
    ]
    now = cnn.ascend(score, (28, 28, 1), input_range=(0.0, 2.0), regularizers=(penalty,), **plan)
    np.testing.assert_array_equal(old, [images for images, _ in now])
