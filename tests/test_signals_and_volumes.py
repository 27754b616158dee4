"""Models of signals (T, C) and of volumes (D, H, W, C): each answers as its twin that takes images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from matplotlib.figure import Figure
from typer.testing import CliRunner

import vizcnn as vz
from tests.models import linear_model
from tests.rounding import assert_same_sums
from vizcnn.cli import app
from vizcnn.errors import CapabilityError, InputError, OptionError, ResultError, UnsupportedModelError
from vizcnn.inputs import load
from vizcnn.render.signals import MAX_SLICES, lay_out_slices, shown_slices
from vizcnn.resample import blur, resize

T, C = 20, 2
SIGNAL = (3 * C, 12, 10, 5)
"""Products in each sum of the model of signals: of both convolutions, the mean over positions, the dense layer."""

METHODS = ["saliency", "saliency:rule=guided", "gradcam", "occlusion"]

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


def signal_model(**options: Any) -> Any:
    keras.utils.set_random_seed(0)
    signal = keras.Input((T, C), **options)
    x = layers.Conv1D(4, 3, activation="relu", padding="same", name="early")(signal)
    x = layers.Conv1D(5, 3, activation="relu", padding="same", name="late")(layers.MaxPooling1D(2)(x))
    return keras.Model(signal, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def signal_twin(model: Any) -> Any:
    """Return the same network for images that are one pixel wide."""
    image = keras.Input((T, 1, C))
    x = layers.Conv2D(4, (3, 1), activation="relu", padding="same")(image)
    x = layers.Conv2D(5, (3, 1), activation="relu", padding="same", name="late")(layers.MaxPooling2D((2, 1))(x))
    twin = keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    for ours, theirs in zip(model.weights, twin.weights, strict=True):
        theirs.assign(keras.ops.reshape(ours, theirs.shape))
    return twin


def volume_model() -> Any:
    keras.utils.set_random_seed(1)
    volume = keras.Input((4, 6, 5, 1))
    x = layers.Conv3D(4, 3, activation="relu", padding="same")(volume)
    return keras.Model(volume, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling3D()(x)))


# What they answer ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_signal_is_explained_as_an_image_one_pixel_wide(method: str) -> None:
    model, x = signal_model(), values(3, T, C)
    options = {"occlusion": {"patch_size": 4, "stride": 2}}.get(method, {})
    wide = {"occlusion": {"patch_size": (4, 1), "stride": (2, 1)}}.get(method, {})
    layer = {"layer": "late"} if method == "gradcam" else {}
    ours = vz.explain(model, x, 1, methods=[_with(method, {**options, **layer})]).results
    theirs = vz.explain(signal_twin(model), x[:, :, None], 1, methods=[_with(method, {**wide, **layer})]).results
    (our,), (their,) = ours.values(), theirs.values()
    assert our.values.shape == (3, T)
    # The map of a layer is enlarged along the signal: across, the image has one pixel.
    assert_same_sums(our.values, their.values[:, :, 0], *SIGNAL * 2)
    assert_same_sums(our.scores, their.scores, *SIGNAL, size=1)


def _with(method: str, options: dict[str, Any]) -> Any:
    name, _, rule = method.partition(":rule=")
    return name, {**options, **({"rule": rule} if rule else {})}


def test_slices_of_a_volume_are_explained_as_images_where_the_model_looks_at_each_alone() -> None:
    keras.utils.set_random_seed(0)
    volume = keras.Input((2, 6, 5, 3))
    x = layers.Conv3D(4, (1, 3, 3), activation="relu", padding="same")(volume)
    deep = keras.Model(volume, layers.Dense(3)(layers.GlobalAveragePooling3D()(x)))
    image = keras.Input((6, 5, 3))
    x = layers.Conv2D(4, 3, activation="relu", padding="same")(image)
    flat = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    for ours, theirs in zip(deep.weights, flat.weights, strict=True):
        theirs.assign(keras.ops.reshape(ours, theirs.shape))
    one = values(6, 5, 3)
    both = np.stack([one, one])  # the mean over two equal slices is that of one
    for method in (vz.saliency, vz.gradcam):
        ours, theirs = method(deep, both, 1), method(flat, one, 1)
        assert_same_sums(ours.scores, theirs.scores, 27, 60, 4, size=1)
        for z in range(2):
            assert_same_sums(2 * ours.values[0, z], theirs.values[0], *(27, 60, 4) * 2)


@pytest.mark.parametrize("shape", [(5, 2), (3, 4, 2, 2)])
def test_linear_model_by_hand(shape: tuple[int, ...]) -> None:
    weights = values(int(np.prod(shape)), 2, seed=3) - 0.5
    kind = {2: layers.Conv1D, 4: layers.Conv3D}[len(shape)]
    inner = linear_model(weights, shape)
    x = keras.Input(shape)
    same = kind(shape[-1], 1, use_bias=False, kernel_initializer="zeros", name="same")
    model = keras.Model(x, inner(same(x)))
    same.set_weights([np.eye(shape[-1], dtype=np.float32).reshape(same.kernel.shape)])
    sample = values(*shape)
    gradient = weights[:, 1].reshape(shape)
    assert_same_sums(vz.saliency(model, sample, 1).raw[0], gradient, shape[-1], weights.shape[-1])
    # One pixel at a time, black in its place: the drop is what the pixel gave.
    taken = vz.occlusion(model, sample, 1, patch_size=1, stride=1, baseline=0.0)
    assert_same_sums(
        taken.values[0], (gradient * sample).sum(axis=-1), sample.size, size=np.abs(gradient * sample).sum()
    )
    assert sum(taken.tally().values()) == np.prod(shape[:-1])


def test_channels_first_signal_answers_as_its_twin() -> None:
    if keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no such convolution on a processor")
    keras.utils.set_random_seed(0)
    signal = keras.Input((C, T))
    x = layers.Conv1D(4, 3, activation="relu", data_format="channels_first")(signal)
    first = keras.Model(signal, layers.Dense(3)(layers.GlobalAveragePooling1D(data_format="channels_first")(x)))
    signal = keras.Input((T, C))
    x = layers.Conv1D(4, 3, activation="relu")(signal)
    last = keras.Model(signal, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))
    last.set_weights(first.get_weights())
    assert vz.adapt(first).input_shape == (T, C)
    for method in (vz.saliency, vz.gradcam):
        maps = [method(model, values(2, T, C), 1).values for model in (first, last)]
        assert_same_sums(*maps, *(6, 18, 4) * 2)


def test_signal_of_open_length_and_model_never_called() -> None:
    model = keras.Sequential([layers.Conv1D(4, 3, activation="relu"), layers.GlobalMaxPooling1D(), layers.Dense(2)])
    assert vz.adapt(model).input_shape == (None, None)
    assert vz.saliency(model, values(2, 30, 3), 0).values.shape == (2, 30)
    open_length = keras.Sequential(
        [keras.Input((None, 1)), *model.layers[:0], layers.Conv1D(2, 3), layers.GlobalMaxPooling1D()]
    )
    assert vz.gradcam(open_length, values(17), 0).values.shape == (1, 17)
    assert vz.gradcam(open_length, values(23), 0).values.shape == (1, 23)


def test_black_box_of_signals() -> None:
    cnn = vz.adapt(lambda x: x.sum(axis=(1, 2))[:, None] * np.array([[0.0, 1.0]]), input_shape=(T, C))
    assert vz.occlusion(cnn, values(T, C), 1, patch_size=5, stride=5, baseline=0.0).raw.shape == (1, 4)
    with pytest.raises(InputError, match=r"shape of the model's input, \(T, C\) = \(20, 2\)"):
        vz.occlusion(cnn, values(T, 3), 1)


# What goes in and what comes out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "count"),
    [((T, 1), 1), ((T,), 1), ((3, T, 1), 3), ((3, T), 3)],
)
def test_channel_axis_and_batch_axis_may_be_left_out(given: tuple[int, ...], count: int) -> None:
    assert load(values(*given), (T, 1)).inputs(slice(None)).shape == (count, T, 1)


def test_files_folders_and_lists_are_taken(tmp_path: Path) -> None:
    for i in range(2):
        np.save(tmp_path / f"{i}.npy", values(T, C, seed=i))
    loaded = load(tmp_path, (T, C))
    assert loaded.names == ("0.npy", "1.npy")
    np.testing.assert_array_equal(
        load([str(tmp_path / "0.npy"), values(T, C, seed=1)], (T, C)).inputs(slice(None)), loaded
    )
    with pytest.raises(InputError, match=r"none\.npy' doesn't exist"):
        load(tmp_path / "none.npy", (T, C))
    (tmp_path / "a.png").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"isn't an .npy file of numbers"):
        load(tmp_path / "a.png", (T, C))
    with pytest.raises(InputError, match="NaN or infinity"):
        load(np.full((T, C), np.nan), (T, C))
    with pytest.raises(InputError, match="one size"):
        load([values(5, 1), values(6, 1)], (None, 1))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no .npy file"):
        load(tmp_path / "empty", (T, C))


def test_options_take_one_number_per_axis() -> None:
    with pytest.raises(OptionError, match="`patch_size` must be a positive whole number, or three; got"):
        vz.occlusion(volume_model(), values(4, 6, 5, 1), patch_size=(2, 2))
    for baseline in ("mean", "blur", "noise"):
        result = vz.occlusion(volume_model(), values(4, 6, 5, 1), patch_size=(2, 3, 2), baseline=baseline)
        assert result.raw.shape == (1, 3, 4, 4)
        assert np.isfinite(result.values).all()


def test_methods_of_images_say_that_they_are() -> None:
    with pytest.raises(
        CapabilityError, match=r"needs images, and model .* takes signals or volumes. Methods that work on it"
    ):
        vz.activation_maximization(signal_model(), 1)
    with pytest.raises(UnsupportedModelError, match=r"takes inputs of shape \(7,\)"):
        vz.saliency(keras.Sequential([keras.Input((7,)), layers.Dense(2)]), values(7))


@pytest.mark.parametrize(("model", "shape"), [(signal_model, (2, T, C)), (volume_model, (2, 4, 6, 5, 1))])
def test_pictures_and_files_come_back(tmp_path: Path, model: Any, shape: tuple[int, ...]) -> None:
    result = vz.occlusion(model(), values(*shape))
    back = vz.load_result(result.save(tmp_path / "a.npz"))
    np.testing.assert_array_equal(back.values, result.values)
    assert back.images[0].shape == shape[1:]
    back.save(tmp_path / "a.png")
    back.save(tmp_path / "b.png", overlay=False)
    assert (tmp_path / "a.png").stat().st_size > 3000
    with pytest.raises(ResultError, match="drawn over images; of signals and volumes `tally`"):
        result.plot_classes()
    both = vz.explain(model(), values(*shape), methods=["saliency", "gradcam:relu=False"])
    axes = both.plot([Figure().add_subplot() for _ in range(6)])
    assert axes.shape == (2, 3)


def test_a_signal_is_lines_over_bands_whose_colors_are_its_map() -> None:
    result = vz.saliency(signal_model(), values(T, C))
    axis = result.plot(Figure().add_subplot())
    np.testing.assert_array_equal([line.get_ydata() for line in axis.lines], result.images[0].T)
    np.testing.assert_array_equal(axis.images[0].get_array()[0], result.values[0])
    alone = result.plot(Figure().add_subplot(), overlay=False)
    np.testing.assert_array_equal(alone.lines[0].get_ydata(), result.values[0])
    assert not alone.images


def test_a_volume_is_its_slices_in_order_and_says_which() -> None:
    volume = np.arange(20.0).reshape(20, 1, 1, 1) * np.ones((1, 3, 2, 1))
    slices = shown_slices(20)
    assert len(slices) == MAX_SLICES
    assert (slices[0], slices[-1]) == (0, 19)
    whole = lay_out_slices(volume)
    assert whole.shape == (3 * 4 - 1, 3 * 3 - 1, 1)
    np.testing.assert_array_equal(whole[::4, ::3, 0].ravel(), slices)
    axis = vz.saliency(volume_model(), values(4, 6, 5, 1)).plot(Figure().add_subplot())
    assert axis.get_xlabel() == "slices 0, 1, 2, 3 of 4, row by row"


@pytest.mark.parametrize("shape", [(7,), (4, 5, 3)])
def test_enlarging_and_blurring_go_axis_by_axis(shape: tuple[int, ...]) -> None:
    small = values(*shape)
    size = tuple(2 * length + 1 for length in shape)
    large = resize(small, size)
    for axis, length in enumerate(size):  # OpenCV's own, along one axis after the other
        rows = np.moveaxis(small, axis, 0)
        flat = resize(rows.reshape(len(rows), -1), (length, rows[0].size))
        small = np.moveaxis(flat.reshape(length, *rows.shape[1:]), 0, axis)
    assert_same_sums(large, small, *[2] * 2 * len(shape))
    impulse = np.zeros((9,) * len(shape) + (1,))
    impulse[(4,) * len(shape)] = 1
    spread = blur(impulse, (1.0,) * len(shape))
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert spread[(4,) * len(shape)] == pytest.approx(0.3989 ** len(shape), rel=0.01)  # the Gaussian's own peak


@pytest.mark.slow
def test_command_line_explains_a_signal(tmp_path: Path) -> None:
    signal_model().save(tmp_path / "m.keras")
    np.save(tmp_path / "beat.npy", values(T, C))
    done = CliRunner().invoke(app, ["explain", str(tmp_path / "m.keras"), str(tmp_path / "beat.npy"), "--method", "occlusion",
                                    "--out", str(tmp_path / "out")])  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(
        str(tmp_path / "beat.npy") if str(tmp_path) in done.stdout.split(":")[0] else "beat.npy"
    )
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["beat.occlusion.png"]
    found = CliRunner().invoke(app, ["check", str(tmp_path / "m.keras")])
    assert "20 x 2  signal" in found.stdout
