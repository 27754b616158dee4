"""Which preprocessing a model was trained with is found by trying; what can't be told is said."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from vizcnn.algorithms import trials
from vizcnn.algorithms.doctor import sign_test
from vizcnn.cli.app import app

DATA = Path(os.environ.get("VIZCNN_TEST_DATA", "missing"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real models aren't here")


def signs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return discs of red, green, blue and yellow on gray noise, 0 to 255, and which they are."""
    rng = np.random.default_rng(seed)
    colors = np.array([[200, 40, 40], [40, 170, 60], [50, 70, 200], [220, 200, 50]])
    classes = rng.integers(0, 4, count)
    images = rng.uniform(60, 200, (count, 1, 1, 1)) + rng.normal(0, 15, (count, 24, 24, 3))
    rows, columns = np.mgrid[:24, :24]
    for image, one in zip(images, classes, strict=True):
        center, radius = rng.uniform(9, 15, 2), rng.uniform(5, 8)
        disc = np.hypot(rows - center[0], columns - center[1]) < radius
        image[disc] = colors[one] * rng.uniform(0.6, 1.1) + rng.normal(0, 15, (disc.sum(), 3))
    return np.clip(images, 0, 255).astype(np.uint8), classes


@pytest.fixture(scope="module")
def sign_model() -> keras.Model:
    """Return a small network that was trained on signs of blue, green and red, as OpenCV reads them, in -1..1."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Conv2D(8, 5, strides=2, activation="relu"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 0.01
    images, classes = signs(600, 1)
    model.fit(images[..., ::-1] / 127.5 - 1.0, classes, epochs=12, batch_size=50, verbose=0)
    return model


def test_true_classes_tell_the_order_of_channels_and_the_scaling(sign_model: keras.Model) -> None:
    images, classes = signs(40, 2)
    report = vz.doctor(sign_model, images, classes.tolist())
    assert (report.best, report.evidence) == ("bgr, / 127.5 - 1", "accuracy")
    assert report.rows[0].accuracy is not None
    assert report.rows[0].accuracy > 0.9
    channels = next(verdict for verdict in report.verdicts if verdict.part == "channels")
    assert (channels.choice, channels.is_certain) == ("bgr", True)
    # Pictures have the model's size already, so that there is nothing to fit but how tightly they are cropped.
    assert {row.preprocess.partition(",")[0] for row in report.rows if "crop" in row.preprocess} == {"crop 27"}


def test_pixels_that_are_far_too_large_make_the_model_sure_and_do_not_win(sign_model: keras.Model) -> None:
    report = vz.doctor(sign_model, signs(40, 2)[0])
    sure = max(report.rows, key=lambda row: row.sureness)
    assert sure.sureness > 0.999
    assert "its inputs are too large" in sure.doubt
    assert not report.rows[0].doubt
    assert not report.is_certain  # of discs in swapped colors it is as sure as of the others
    assert any("weak evidence" in note for note in report.notes)


def test_model_that_scales_its_inputs_itself_gets_pixels() -> None:
    report = vz.doctor(vz.assets.digits_cnn(), vz.assets.digits())
    assert report.best == "none"
    assert any("The model scales its inputs itself (x / 255)" in note for note in report.notes)
    assert all(row.doubt for row in report.rows if "/ 127.5" in row.preprocess)


def test_digits_that_are_dark_on_bright_are_inverted() -> None:
    pictures = [255 - vz.inputs.read_image(path, 1) for path in vz.assets.digits()]
    report = vz.doctor(vz.assets.digits_cnn(), pictures, list(range(10)))
    assert (report.best, report.rows[0].accuracy) == ("-x + 255", 1.0)


def test_batch_normalization_tells_the_scaling_without_any_class() -> None:
    keras.utils.set_random_seed(0)
    layers = [keras.Input((16, 16, 3)), keras.layers.Conv2D(8, 3), keras.layers.BatchNormalization(momentum=0.5)]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential(layers)
    images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), dtype=np.uint8)
    images[..., 0] //= 3  # little red
    for _ in range(20):
        model(images[..., ::-1] / 255.0, training=True)
    report = vz.doctor(model, images[:12])
    assert (report.best, report.evidence, report.is_certain) == ("bgr, / 255", "normalization", False)
    assert any("yuv" in row.preprocess for row in report.rows)
    certain = {verdict.part: verdict.is_certain for verdict in report.verdicts}
    assert certain["scaling"]
    assert certain["channels"]


def ramps(count: int, size: tuple[int, int], top: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures whose class is the bright quarter of their columns, below rows of noise that are brighter still."""
    rng = np.random.default_rng(5)
    classes = rng.integers(0, 4, count)
    images = rng.integers(0, 60, (count, *size, 1))
    quarter = size[1] // 4
    for image, one in zip(images, classes, strict=True):
        image[top:, one * quarter : (one + 1) * quarter] += 60
        image[:top, rng.integers(0, 4) * quarter :][:, :quarter] += 190
    return images.astype(np.uint8), classes


def shares_of(scores: np.ndarray) -> np.ndarray:
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def columns_of(images: np.ndarray) -> np.ndarray:
    """Return how bright each quarter of the columns is, as shares."""
    bright = images.mean(axis=(1, 3)).reshape(len(images), 4, -1).mean(axis=2)
    return shares_of(bright / 10)


@pytest.mark.parametrize("top", [24, 0])
def test_rows_that_were_cut_off_are_told_by_true_classes(top: int) -> None:
    images, classes = ramps(40, (48, 48), top)
    box = vz.adapt(columns_of, input_shape=(24, 24, 1), labels=list("abcd"))
    report = vz.doctor(box, images, classes.tolist())
    assert report.rows[0].accuracy == 1.0
    assert ("rows" in report.best) == bool(top)
    fit = next(verdict for verdict in report.verdicts if verdict.part == "fit")
    assert (fit.choice, fit.is_certain) == (("rows 24:", True) if top else ("squash", False))
    assert any("Cuts are tried in coarse steps" in note for note in report.notes) == bool(top)
    assert not any("rows" in row.preprocess for row in vz.doctor(box, images).rows)  # sureness is no evidence
    several = [*images[:39], images[39][:40]]
    assert not any("rows" in row.preprocess for row in vz.doctor(box, several, classes.tolist()).rows)


def test_cut_that_is_ahead_by_chance_is_not_taken() -> None:
    images, classes = ramps(6, (48, 48), 24)
    report = vz.doctor(vz.adapt(columns_of, input_shape=(24, 24, 1), labels=list("abcd")), images, classes.tolist())
    assert next(row for row in report.rows if row.preprocess.startswith("rows 24:")).accuracy == 1.0
    assert "rows" not in report.best


def yuv_colors(images: np.ndarray) -> np.ndarray:
    """Return shares of red, green, blue and yellow in the middle of pictures, by OpenCV's YUV in -1 to 1."""
    colors = np.array([[[[200, 40, 40]], [[40, 170, 60]], [[50, 70, 200]], [[220, 200, 50]]]], np.float32)
    wanted = vz.Preprocess("yuv, / 127.5 - 1")(colors)[0, :, 0, 1:]
    seen = images[:, 9:15, 9:15].mean(axis=(1, 2))[:, None, 1:]
    return shares_of(-40 * ((seen - wanted) ** 2).sum(axis=-1))


def test_yuv_is_told_by_true_classes_and_never_by_sureness() -> None:
    images, classes = signs(40, 2)
    box = vz.adapt(yuv_colors, input_shape=(24, 24, 3), labels=["red", "green", "blue", "yellow"])
    report = vz.doctor(box, images, classes.tolist())
    assert report.best == "yuv, / 127.5 - 1"
    channels = next(verdict for verdict in report.verdicts if verdict.part == "channels")
    assert (channels.choice, channels.is_certain) == ("yuv", True)
    assert not any("yuv" in row.preprocess for row in vz.doctor(box, images).rows)
    few = vz.doctor(box, images[:4], classes[:4].tolist())
    assert "yuv" in " ".join(row.preprocess for row in few.rows)
    assert "yuv" not in few.best  # as right as it is, four images may be chance


@needs_data
def test_imagenet_mobilenet_is_told_by_photographs() -> None:
    data = pytest.importorskip("skimage.data")
    photographs = [data.chelsea(), data.coffee(), data.astronaut(), data.rocket()]
    tiles = [
        photograph[top : top + 300, left : left + 300]
        for photograph in photographs
        for top, left in ((0, 0), (0, photograph.shape[1] - 300), (photograph.shape[0] - 300, 60))
    ]
    report = vz.doctor(DATA / "mobilenet_025_224_imagenet.keras", tiles)
    assert report.best == "/ 127.5 - 1"
    assert {verdict.part: verdict.choice for verdict in report.verdicts} == {
        "scaling": "/ 127.5 - 1",
        "channels": "rgb",
        "fit": "squash",
    }


@needs_data
@pytest.mark.parametrize("classes", [None, [0, 1]])
def test_potato_that_scales_inside_gets_pixels_and_two_pictures_are_too_few(classes: Any) -> None:
    name = DATA / "wild" / "potato_nested_preprocessing_keras214"
    pictures = [f"{name}.early_blight.jpg", f"{name}.late_blight.jpg"]
    report = vz.doctor(f"{name}.h5", pictures, classes)
    assert report.best == "none"
    assert "2 images can't tell much from chance; give 5 or more, 30 are better." in report.notes
    assert not report.is_certain


def test_each_picture_is_decoded_once_for_each_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [np.zeros((28, 50, 1), np.uint8) + at for at in range(3)]
    images = vz.inputs.load(pictures, (28, 28, 1))
    read: list[int] = []
    real = vz.inputs.ImageSet.read

    def counted(self: Any, index: int, *arguments: Any) -> Any:
        read.append(index)
        return real(self, index, *arguments)

    monkeypatch.setattr(vz.inputs.ImageSet, "read", counted)
    tried = list(trials.run_trials(vz.assets.digits_cnn(), images, None))
    assert {trial.fit for trial in tried} == {"squash", "crop", "crop 32", "pad"}
    assert (len(tried), len(read)) == (trials.count_trials(images), 4 * 3)


def test_constant_predictions_are_told() -> None:
    def always(inputs: np.ndarray) -> np.ndarray:
        return np.tile(np.array([[0.9, 0.1]], np.float32), (len(inputs), 1))

    model = vz.adapt(always, input_shape=(8, 8, 3), labels=["a", "b"])
    report = vz.doctor(model, np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), dtype=np.uint8))
    assert any("All images are taken for one class" in note for note in report.notes)
    assert not report.is_certain
    assert "can't be told; 'none' and" in str(report.verdicts[0])


def test_sign_test_is_the_binomial_one() -> None:
    stats = pytest.importorskip("scipy.stats")
    for better, worse in ((8, 0), (7, 3), (20, 12), (1, 0)):
        assert sign_test(better, worse) == pytest.approx(stats.binomtest(better, better + worse).pvalue)


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        ([0, 1], "must hold one for each of 3 images; got 2"),
        (["0", "1", "treh"], "must be of the model's 10 classes; got 'treh'"),
        ([0, 1, 10], "must be of the model's 10 classes; got 10"),
    ],
)
def test_classes_that_do_not_fit_are_rejected(classes: list[Any], match: str) -> None:
    with pytest.raises(vz.errors.OptionError, match=match):
        vz.doctor(vz.assets.digits_cnn(), vz.assets.digits()[:3], classes)


def test_model_that_predicts_no_class_is_rejected() -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    for values in (None, [0.3, 1.7]):  # true angles, say
        with pytest.raises(
            vz.errors.OptionError, match="must predict classes, as sureness and being right are of these"
        ):
            vz.doctor(model, np.zeros((2, 8, 8, 3), np.uint8), values)
    signals = keras.Sequential(
        [keras.Input((8, 3)), keras.layers.Conv1D(2, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
    )
    with pytest.raises(vz.errors.OptionError, match="must take pictures"):
        vz.doctor(signals, np.zeros((2, 8, 3)))


def test_command_takes_classes_from_the_names_of_folders(tmp_path: Path) -> None:
    for digit, path in enumerate(vz.assets.digits()):
        (tmp_path / str(digit)).mkdir()
        Image.fromarray(255 - vz.inputs.read_image(path, 1)[..., 0]).save(tmp_path / str(digit) / "a.png")
    run = CliRunner().invoke(app, ["doctor", str(vz.assets.DIGITS_CNN), "--labels-of", str(tmp_path), "--json"])
    assert run.exit_code == 0, run.output
    said = json.loads(run.stdout)
    assert (said["best"], said["evidence"], said["num_images"]) == ("-x + 255", "accuracy", 10)
    assert said["rows"][0]["accuracy"] == 1.0
    few = CliRunner().invoke(
        app, ["doctor", str(vz.assets.DIGITS_CNN), *map(str, vz.assets.digits()), "--max-images", "6", "--rows", "3"]
    )
    assert few.exit_code == 0, few.output
    assert "20 preprocessings on 6 images, by how sure the model is" in few.stdout
    assert '--preprocess "none"' in few.stdout
    assert 'preprocess = "none"' in few.stdout


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "`images` must be given: image files or folders of them, or --labels-of FOLDER."),
        (["--labels-of", "nowhere"], "must be a folder with a folder of images for each class; got 'nowhere'"),
        (["a.png", "--labels-of", "nowhere"], "`images` must be left out where --labels-of gives them"),
        (["missing.png"], "'missing.png' doesn't exist"),
    ],
)
def test_command_says_what_is_missing(arguments: list[str], match: str) -> None:
    run = CliRunner().invoke(app, ["doctor", str(vz.assets.DIGITS_CNN), *arguments])
    assert run.exit_code == 2
    assert match in " ".join(run.output.split())
