"""Where a layer's map lies in the input: known geometry, in every way that a model can move positions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from tests.rounding import assert_same_sums
from vizcnn.adapter.placement import Along, Placement, fit
from vizcnn.cli import app
from vizcnn.plugins import registry
from vizcnn.results.placing import placed

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

SHAPE = (48, 32, 3)


class Moving(keras.Model):
    """A class whose own code moves positions before its layers."""

    def __init__(self, move: Callable[[Any], Any]) -> None:
        super().__init__()
        self.move = move
        self.pool = layers.MaxPooling2D(4)
        self.conv = layers.Conv2D(2, 3, padding="same", activation="relu", name="conv")
        self.head = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.head(ops.mean(self.conv(self.pool(self.move(x))), axis=(1, 2)))


def functional(move: Callable[[Any], Any], shape: tuple[int, ...] = SHAPE) -> Any:
    keras.utils.set_random_seed(3)  # of some a channel is dead, which a note says after a run of its own
    image = keras.Input(shape)
    x = layers.Conv2D(2, 3, padding="same", activation="relu", name="conv")(layers.MaxPooling2D(4)(move(image)))
    return keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def ends(model: Any, grid: tuple[int, ...], shape: tuple[int, ...] = SHAPE, layer: str = "conv") -> Any:
    """Return for each axis of the map which axis of the input it follows, where it begins and where it ends."""
    placement = vz.adapt(model).placement(layer, grid, shape)
    if placement is None or not placement.is_possible:
        return placement and "nowhere"
    return [
        one and (one.axis, round(one.start, 2), round(one.start + one.step * one.count, 2)) for one in placement.axes
    ]


MOVES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "Cropping2D": (layers.Cropping2D(((16, 0), (0, 8))), [(0, 16, 48), (1, 0, 24)]),
    "CenterCrop": (layers.CenterCrop(32, 16), [(0, 8, 40), (1, 8, 24)]),
    "ZeroPadding2D": (layers.ZeroPadding2D(16), [(0, -16, 64), (1, -16, 48)]),
    "Resizing, cropped": (layers.Resizing(32, 32, crop_to_aspect_ratio=True), [(0, 8, 40), (1, 0, 32)]),
    "Resizing, padded": (layers.Resizing(48, 48, pad_to_aspect_ratio=True), [(0, 0, 48), (1, -8, 40)]),
    "Permute": (layers.Permute((2, 1, 3)), [(1, 0, 32), (0, 0, 48)]),
    "slice": (lambda x: x[:, 20:], [(0, 20, 48), (1, 0, 32)]),
    "flip": (lambda x: ops.flip(x, axis=2), [(0, 0, 48), (1, 32, 0)]),
    "rot90": (lambda x: ops.rot90(x, axes=(1, 2)), [(1, 32, 0), (0, 0, 48)]),
    "pad": (lambda x: ops.pad(x, ((0, 0), (0, 16), (0, 0), (0, 0))), [(0, 0, 64), (1, 0, 32)]),
    "roll": (lambda x: ops.roll(x, 17, axis=1), "nowhere"),
    "half of a split": (lambda x: ops.split(x, 2, axis=1)[1], [(0, 24, 48), (1, 0, 32)]),
    "turned by an equation": (
        layers.EinsumDense("bhwc,cd->bwhd", (32, 48, 3), kernel_initializer="ones"), [(1, 0, 32), (0, 0, 48)]),
    "stacked": (lambda x: layers.Concatenate(axis=1)([x, layers.Conv2D(3, 1)(x)]), "nowhere"),
    "rows cut anew": (lambda x: layers.Reshape((32, 48, 3))(layers.Reshape((48 * 32, 3))(x)), "nowhere"),
    "two halves at once": (lambda x: ops.concatenate([x[:, :24], x[:, 24:]], axis=-1), "nowhere"),
    "every second pixel": (lambda x: x[:, ::2, ::2], None),
    "space to depth": (lambda x: ops.concatenate([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1), None),
    "arithmetic": (lambda x: x / 2 + 1, None),
    "Resizing": (layers.Resizing(24, 24), None),
}  # fmt: skip


@pytest.mark.parametrize(("move", "expected"), MOVES.values(), ids=MOVES)
def test_map_lies_where_what_moves_positions_puts_it(move: Callable[[Any], Any], expected: Any) -> None:
    model = functional(move)
    assert ends(model, model.get_layer("conv").output.shape[1:-1]) == expected


@pytest.mark.parametrize(("name", "grid"), [("slice", (7, 8)), ("arithmetic", (12, 8))])
def test_code_of_a_class_is_followed_too(name: str, grid: tuple[int, int]) -> None:
    move, expected = MOVES[name]
    assert ends(Moving(move), grid) == expected


@pytest.mark.parametrize("shape", [(3, 24, 32), (3, 32, 24)])
def test_channels_first_input_of_a_channels_last_network(shape: tuple[int, ...]) -> None:
    first = functional(layers.Permute((2, 3, 1)), shape)
    twin = functional(layers.Identity(), (*shape[1:], 3))
    twin.set_weights(first.get_weights())
    image = np.random.default_rng(0).uniform(size=(1, *shape[1:], 3)).astype(np.float32)
    assert vz.adapt(first).input_shape == (*shape[1:], 3)
    ours, theirs = (vz.gradcam(model, image, 0, relu=False) for model in (first, twin))
    assert_same_sums(ours.values, theirs.values, *(27, 48, 2) * 2)
    assert not ours.notes


def test_convolutions_without_padding_are_stretched_as_ever_in_a_class_as_in_a_graph() -> None:
    class Valid(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.convs = [layers.Conv2D(2, 5, name=f"conv{i}") for i in range(3)]
            self.head = layers.Dense(2)

        def call(self, x: Any) -> Any:
            for conv in self.convs:
                x = conv(x)
            return self.head(ops.mean(x, axis=(1, 2)))

    assert ends(Valid(), (12, 12), (24, 24, 3), "conv2") is None


def test_padding_that_a_convolution_uses_up_is_not_measured() -> None:
    image = keras.Input(SHAPE)
    x = image
    for i in range(2):
        x = layers.Conv2D(2, 3, name=f"conv{i}")(layers.ZeroPadding2D(1)(x))
    adapter = vz.adapt(keras.Model(image, layers.GlobalAveragePooling2D()(x)))
    vz.gradcam(adapter, np.ones(SHAPE, np.float32), 0, layer="conv1")
    assert adapter.num_traces == 1


def test_ordinary_network_is_not_measured_and_a_measured_one_only_once() -> None:
    image = np.random.default_rng(0).uniform(0, 1, (1, *SHAPE)).astype(np.float32)
    ordinary, cropping = vz.adapt(functional(layers.Rescaling(2.0))), vz.adapt(functional(MOVES["slice"][0]))
    for _ in range(2):
        vz.gradcam(ordinary, image, 0)
        vz.gradcam(cropping, image, 0)
    assert (ordinary.num_traces, cropping.num_traces) == (1, 2)


def test_several_layers_are_measured_by_one_function_as_each_alone() -> None:
    image = keras.Input(SHAPE)
    x = layers.Conv2D(2, 3, padding="same", name="first")(layers.MaxPooling2D(4)(ops.flip(image, axis=1)))
    x = layers.Conv2D(2, 3, padding="valid", strides=2, name="second")(layers.Cropping2D(((0, 4), (0, 0)))(x))
    model = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    together, alone = vz.adapt(model), vz.adapt(model)
    shapes = {"first": (12, 8), "second": (3, 3)}
    found = together.placements(shapes, SHAPE)
    assert found == {layer: alone.placement(layer, shape, SHAPE) for layer, shape in shapes.items()}
    assert found["first"].axes != found["second"].axes
    assert together.placements(shapes, SHAPE) == found
    assert (together.num_traces, alone.num_traces) == (1, 2)


# What is made of it ---------------------------------------------------------------------------------------------------------


def spotting(move: Callable[[Any], Any], shape: tuple[int, ...]) -> Any:
    """Return a model whose score is the brightness behind `move`, and whose map is that brightness in cells of 4 x 4."""
    image = keras.Input(shape)
    x = layers.AveragePooling2D(4)(move(image))
    conv = layers.Conv2D(1, 1, kernel_initializer="ones", use_bias=False, name="conv")
    return keras.Model(image, layers.Dense(2, kernel_initializer="ones")(layers.GlobalAveragePooling2D()(conv(x))))


SPOTS = [(name, "gradcam") for name in ("flip", "Resizing, padded", "ZeroPadding2D")] + [
    ("Permute", "tf-keras-vis/gradcam")
]


@pytest.mark.parametrize(("name", "method"), SPOTS)
def test_spot_is_shown_where_it_is(name: str, method: str) -> None:
    if method != "gradcam" and keras.backend.backend() != "tensorflow":
        pytest.skip("tf-keras-vis needs TensorFlow")
    image = np.zeros(SHAPE, np.float32)
    image[28:36, 12:20] = 1
    result = registry.get(method).function(spotting(MOVES[name][0], SHAPE), image, 0, layer="conv")
    row, column = np.unravel_index(result.values[0].argmax(), result.values[0].shape)
    assert result.values.shape == (1, *SHAPE[:2])
    assert 26 <= row <= 37
    assert 10 <= column <= 21


def test_note_says_where_the_map_lies_and_what_it_does_not_see_is_zero() -> None:
    image = np.random.default_rng(0).uniform(size=SHAPE).astype(np.float32)
    result = vz.gradcam(spotting(lambda x: x[:, 20:], SHAPE), image, 0, layer="conv")
    assert result.notes == (
        "The map of layer 'conv' lies where the layer looks, not over the whole input: rows 20 to 47 of 0 to 47; columns 0 to 31 "
        "of 0 to 31.",
    )
    assert not result.values[0, :20].any()
    assert result.values[0, 20:].all()


def test_placed_values_by_hand() -> None:
    backwards = Placement(
        (Along(axis=1, start=4.0, step=-2.0, count=2), Along(axis=0, start=1.0, step=1.0, count=2)), (4, 4)
    )
    values = np.array([[[1.0, 2.0], [5.0, 6.0]]])  # rows run along the columns, from right to left
    np.testing.assert_allclose(
        placed(values, backwards)[0], [[0, 0, 0, 0], [5, 4, 2, 1], [6, 5, 3, 2], [0, 0, 0, 0]]
    )  # fmt: skip


def test_fit_leaves_cells_out_that_see_nothing_and_what_all_see() -> None:
    depends = np.full((6, 12), 3.0)  # attention: every cell looks a little at everything
    for cell in range(2, 6):
        depends[cell, 3 * (cell - 2) : 3 * (cell - 1)] += 1
    (along,) = fit([(range(6), depends)], (6,), (12,)).axes
    assert along is not None
    assert (along.axis, round(along.start, 6), round(along.step, 6)) == (0, -6, 3)


def test_map_that_cannot_be_placed_says_so_and_is_stretched() -> None:
    image = np.random.default_rng(0).uniform(size=SHAPE).astype(np.float32)
    result = vz.gradcam(spotting(lambda x: ops.round(x)[:, 16:], SHAPE), image, 0, layer="conv")
    assert "'conv' lies in the input can't be measured" in result.notes[0]
    assert not result.alone
    assert result.values[0].all()  # over the whole of the image


def test_inputs_of_another_size_are_measured_anew() -> None:
    adapter = vz.adapt(spotting(lambda x: x[:, 20:], (None, None, 3)))
    for width in (32, 34):  # maps of the same size
        image = np.ones((48, width, 3), np.float32)
        assert vz.gradcam(adapter, image, 0, layer="conv").values.shape == (1, 48, width)


# A map that lies nowhere ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rolled() -> Any:
    return vz.adapt(functional(lambda x: ops.roll(x, 17, axis=1)))


def test_map_that_lies_nowhere_is_kept_and_drawn_alone(rolled: Any, tmp_path: Path) -> None:
    images = np.random.default_rng(0).uniform(size=(2, *SHAPE)).astype(np.float32)
    result = vz.gradcam(rolled, images, 0, relu=False)
    assert result.alone
    assert result.values.shape == (2, 12, 8)
    np.testing.assert_array_equal(result.values, result.raw)
    assert "can't be laid over the input" in result.notes[0]
    axes = result.plot()[0]
    (drawn,) = axes.get_images()  # the map, and no image below it
    np.testing.assert_array_equal(drawn.get_array(), result.values[0])
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("axis 1 of the layer", "axis 2 of the layer")
    assert vz.load_result(result.save(tmp_path / "map.npz")).alone


def test_report_draws_it_without_its_image(rolled: Any, tmp_path: Path) -> None:
    image = np.random.default_rng(0).uniform(size=SHAPE).astype(np.float32)
    page = (
        vz.explain(rolled, image, 0, methods=["saliency", "gradcam"])
        .to_html(tmp_path / "report.html")
        .read_text(encoding="utf-8")
    )
    assert '"alone": {"height": 12, "width": 8}' in page
    assert '"alone": null' in page  # saliency's
    assert "is shown alone" in page


def test_callback_draws_it_without_its_image(rolled: Any, tmp_path: Path) -> None:
    image = np.random.default_rng(0).uniform(size=SHAPE).astype(np.float32)
    callback = vz.callbacks.ExplainCallback(image, folder=tmp_path)
    callback.set_model(rolled.model)
    callback.on_epoch_end(0)
    assert [file.name for file in tmp_path.iterdir()] == ["image.gradcam.0001.png"]


def test_command_line_says_where_the_map_of_a_saved_file_lies(tmp_path: Path) -> None:
    functional(layers.Cropping2D(((16, 0), (0, 8)))).save(tmp_path / "crop.keras")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)).save(tmp_path / "one.png")
    given = [
        "explain",
        str(tmp_path / "crop.keras"),
        str(tmp_path / "one.png"),
        "-m",
        "gradcam",
        "-o",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.stderr
    assert "rows 16 to 47 of 0 to 47; columns 0 to 23 of 0 to 31" in " ".join((done.stdout + done.stderr).split())


# Signals ----------------------------------------------------------------------------------------------------------------------

LENGTH = 4000


def spectrogram(shape: tuple[int, ...], *, frequency_first: bool) -> Any:
    signal = keras.Input(shape)
    x = ops.reshape(signal, (-1, LENGTH))
    real, imaginary = ops.stft(x, 256, 64, 256, center=False)
    x = ops.sqrt(ops.square(real) + ops.square(imaginary) + 1e-9)
    x = ops.expand_dims(ops.transpose(x, (0, 2, 1)) if frequency_first else x, -1)
    conv = layers.Conv2D(1, 1, kernel_initializer="ones", use_bias=False, name="conv")
    x = conv(layers.AveragePooling2D(2)(x))
    return keras.Model(signal, layers.Dense(2, kernel_initializer="ones")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize(("shape", "frequency_first"), [((LENGTH,), True), ((LENGTH, 1), False)])
def test_tone_is_shown_when_it_sounds(shape: tuple[int, ...], *, frequency_first: bool) -> None:
    model = spectrogram(shape, frequency_first=frequency_first)
    signal = np.random.default_rng(0).normal(0, 1e-3, LENGTH).astype(np.float32)
    signal[1000:1600] += np.sin(np.arange(600) * 0.7)
    result = vz.gradcam(model, signal, 0)
    assert vz.adapt(model).input_shape == (LENGTH, 1)
    assert result.values.shape == (1, LENGTH)
    assert result.raw.ndim == 3
    assert 1000 < result.values[0].argmax() < 1600
    lit = np.flatnonzero(result.values[0] > 0.5 * result.values[0].max())
    assert 900 < lit.min() < 1100
    assert 1500 < lit.max() < 1700
    assert f"axis {1 if frequency_first else 2} of the layer follows none of the input's" in result.notes[0]


def test_cropped_signal_and_volume() -> None:
    signal = keras.Input((40, 2))
    x = layers.Conv1D(2, 3, padding="same", name="conv")(layers.Cropping1D((10, 0))(signal))
    assert ends(keras.Model(signal, layers.GlobalAveragePooling1D()(x)), (30,), (40, 2)) == [(0, 10, 40)]
    volume = keras.Input((8, 10, 12, 1))
    x = layers.Conv3D(2, 3, padding="same", name="conv")(layers.Cropping3D(((4, 0), (0, 0), (0, 6)))(volume))
    found = ends(keras.Model(volume, layers.GlobalAveragePooling3D()(x)), (4, 10, 6), (8, 10, 12, 1))
    assert found == [(0, 4, 8), (1, 0, 10), (2, 0, 6)]


def test_flat_input_of_a_network_of_images_stays_an_image() -> None:
    flat = keras.Input((64,))
    x = layers.Conv2D(2, 3, name="conv")(layers.Reshape((8, 8, 1))(flat))
    assert vz.adapt(keras.Model(flat, layers.GlobalAveragePooling2D()(x))).input_shape == (8, 8, 1)
