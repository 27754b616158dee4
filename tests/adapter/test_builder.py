"""Weights alone become a model by the function that builds it; every array of the file has its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from typer.testing import CliRunner

import vizcnn as vz
from vizcnn.cli.app import app
from vizcnn.errors import ModelFileError, OptionError

SOURCE = """
import keras
from keras import layers

def build(width=4):
    stack = [layers.Conv2D(width, 3, activation="relu"), layers.BatchNormalization(), layers.GlobalAveragePooling2D()]
    return keras.Sequential([keras.Input((6, 6, 1)), *stack, layers.Dense(3, activation="softmax")])

def wide():
    return build(8)

def deep():
    model = build()
    model.add(layers.Dense(3))
    return model

def unbuilt():
    return keras.Sequential([layers.Conv2D(4, 3)])

SIZE = 3
"""

INPUTS = np.random.default_rng(0).uniform(0, 1, (2, 6, 6, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A folder with weights in every form; the namespace of the builder; what the model returned."""
    folder = tmp_path_factory.mktemp("weights")
    (folder / "own.py").write_text(SOURCE)
    namespace: dict[str, Any] = {}
    exec(SOURCE, namespace)
    keras.utils.set_random_seed(3)
    model = namespace["build"]()
    rng = np.random.default_rng(3)
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    model.save_weights(folder / "new.weights.h5")
    model.save(folder / "whole.keras")
    legacy = keras.src.legacy.saving.legacy_h5_format
    legacy.save_model_to_hdf5(model, str(folder / "whole.h5"))
    import h5py

    with h5py.File(folder / "old.h5", "w") as file:
        legacy.save_weights_to_hdf5_group(file, model)
    return folder, namespace, np.asarray(keras.ops.convert_to_numpy(model(INPUTS)))


@pytest.mark.parametrize("name", ["new.weights.h5", "old.h5", "whole.h5", "whole.keras"])
@pytest.mark.parametrize("as_model", [False, True])
def test_weights_are_those_of_the_file(made: tuple[Path, Any, Any], name: str, as_model: bool) -> None:
    folder, namespace, expected = made
    cnn = vz.adapt(folder / name, builder=namespace["build"]() if as_model else namespace["build"])
    np.testing.assert_allclose(cnn.outputs(INPUTS)[0], expected, atol=1e-6)
    assert ("'Sequential'" if as_model else "'build'") in cnn.source


@pytest.mark.parametrize("name", ["new.weights.h5", "old.h5"])
@pytest.mark.parametrize("builder", ["wide", "deep"])
def test_weights_of_another_model_are_refused(made: tuple[Path, Any, Any], name: str, builder: str) -> None:
    with pytest.raises(ModelFileError, match="its weights don't fit the model that `builder` makes"):
        vz.adapt(made[0] / name, builder=made[1][builder])


def test_array_that_is_left_over_is_refused(made: tuple[Path, Any, Any], tmp_path: Path) -> None:
    import h5py

    path = tmp_path / "m.weights.h5"
    path.write_bytes((made[0] / "new.weights.h5").read_bytes())
    with h5py.File(path, "a") as file:
        file["layers/stranger/vars/0"] = np.ones((2, 2), np.float32)
    with pytest.raises(ModelFileError, match="1 of 9 arrays are left over"):
        vz.adapt(path, builder=made[1]["build"])


@pytest.mark.parametrize(
    ("builder", "text"),
    [
        (lambda: 7, r"`builder` must make a Keras model; it returned builtins\.int"),
        (lambda: 1 / 0, "`builder` must make a model; it failed: ZeroDivisionError"),
        (7, "`builder` must be a function that makes a model, or a model; got 7"),
        (lambda: keras.Sequential([layers.Conv2D(4, 3)]), "has none yet. Call it once on a batch"),
    ],
)
def test_builder_that_makes_no_model_is_named(made: tuple[Path, Any, Any], builder: Any, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        vz.adapt(made[0] / "new.weights.h5", builder=builder)


def test_without_a_builder_the_error_names_it(made: tuple[Path, Any, Any]) -> None:
    with pytest.raises(ModelFileError, match=r"holds weights only.* as `builder` \(--builder FILE.py:function"):
        vz.adapt(made[0] / "new.weights.h5")


def test_builder_has_no_meaning_for_other_models(made: tuple[Path, Any, Any]) -> None:
    with pytest.raises(OptionError, match="`builder` must be left out for a function"):
        vz.adapt(lambda inputs: inputs[:, 0, 0], builder=made[1]["build"])


def test_command_line_names_the_builder(made: tuple[Path, Any, Any]) -> None:
    weights, own = str(made[0] / "new.weights.h5"), str(made[0] / "own.py")
    assert "Conv2D" in CliRunner().invoke(app, ["summary", weights, "--builder", f"{own}:build"]).output
    for text, expected in [
        (f"{own}:bild", "Did you mean 'build'?"),
        (own, "must have the form FILE.py:function"),
        ("none.py:build", "doesn't exist"),
    ]:
        result = CliRunner().invoke(app, ["summary", weights, "--builder", text])
        assert result.exit_code != 0
        assert expected in f"{result.output} {result.exception}"
