"""Training that shows itself: what ExplainCallback writes, and that the training doesn't notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import vizcnn as vz
from vizcnn.callbacks import ExplainCallback
from vizcnn.errors import MethodError, OptionError, PluginWarning, VizcnnWarning
from vizcnn.render.raster import rasterize, read
from vizcnn.results.panels import map_panel

SHAPE = (8, 8, 1)

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*The map of:vizcnn.errors.VizcnnWarning"),
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),  # Keras on PyTorch, under NumPy 2
]


def model() -> Any:
    keras.utils.set_random_seed(0)
    conv = layers.Conv2D(4, 3, activation="relu", padding="same", name="conv")
    network = keras.Sequential(
        [keras.Input(SHAPE), conv, layers.Dropout(0.3), layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax")]
    )
    network.compile("adam", "sparse_categorical_crossentropy")
    return network


X = np.random.default_rng(0).uniform(0, 1, (16, *SHAPE)).astype(np.float32)
Y = np.arange(16) % 2


def train(*callbacks: Any, epochs: int = 3) -> Any:
    network = model()
    network.fit(X, Y, epochs=epochs, batch_size=8, verbose=0, callbacks=list(callbacks))
    return network


def test_tensorboard_reads_an_image_by_method_and_image_after_each_epoch(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(ExplainCallback(X[:2], methods=["gradcam", "saliency:rule=guided"], log_dir=tmp_path))
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0})
    events.Reload()
    tags = {f"{method}/image {i}" for method in ("gradcam", "saliency:rule=guided") for i in range(2)}
    assert set(events.Tags()["images"]) == tags
    for tag in tags:
        shown = events.Images(tag)
        assert [image.step for image in shown] == [0, 1, 2]
        assert (shown[0].height, shown[0].width) == (224, 224)
        assert shown[0].encoded_image_string[:4] == b"\x89PNG"
    shares = [event.value for event in events.Scalars("vizcnn/share of the time")]
    assert len(shares) == 3
    assert all(0 < share < 1 for share in shares)


def test_pictures_and_an_animation_go_to_a_folder(tmp_path: Path) -> None:
    callback = ExplainCallback(X[:1], methods="saliency", target=1, every=2, folder=tmp_path)
    network = train(callback, epochs=5)
    # After the second and the fourth epoch, and the last one always.
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "image.saliency.0002.png", "image.saliency.0004.png", "image.saliency.0005.png", "image.saliency.gif",
    ]  # fmt: skip
    with Image.open(tmp_path / "image.saliency.gif") as animation:
        assert animation.n_frames >= 2
    # The last picture shows the trained network: drawn again, it is the same.
    again = rasterize(map_panel(vz.saliency(network, X[:1], 1), 0))
    np.testing.assert_array_equal(read(tmp_path / "image.saliency.0005.png"), again)
    assert 0 < callback.share < 1
    assert callback.seconds > 0


def test_training_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    watched = train(ExplainCallback(X[:2], methods=["saliency", "occlusion"], folder=tmp_path))
    alone = train()
    for ours, theirs in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_each_method_is_compiled_once_in_a_whole_training_and_sees_new_weights(tmp_path: Path) -> None:
    callback = ExplainCallback(X[:2], methods=["saliency", "gradcam"], target=0, folder=tmp_path)
    train(callback, epochs=4)
    assert callback._adapter.num_traces == 2
    first, last = (np.asarray(Image.open(tmp_path / f"image 0.gradcam.000{n}.png")) for n in (1, 4))
    assert not np.array_equal(first, last)


def test_what_a_method_notices_is_said_once_in_a_training(tmp_path: Path) -> None:
    with pytest.warns(VizcnnWarning, match=r"^saliency: The inputs lie in 0\.\d+ to 98") as caught:
        train(ExplainCallback(X[:1] * 99 + 0.1, methods="saliency", folder=tmp_path))
    assert len([w for w in caught if "The inputs lie" in str(w.message)]) == 1


def test_method_that_fails_is_warned_of_once_and_the_others_go_on(tmp_path: Path) -> None:
    callback = ExplainCallback(X[:1], methods=["gradcam:layer=missing", "saliency"], folder=tmp_path)
    with pytest.warns(PluginWarning, match=r"skips 'gradcam:layer=missing': LayerError") as caught:
        train(callback)
    assert len([w for w in caught if issubclass(w.category, PluginWarning)]) == 1
    assert len(list(tmp_path.glob("*.saliency.*.png"))) == 3


def test_folder_that_cannot_be_written_to_does_not_stop_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(PluginWarning, match="can't be written"):
        assert train(ExplainCallback(X[:1], folder=tmp_path / "file")) is not None


def test_images_that_do_not_fit_are_warned_of_once_and_the_training_goes_on(tmp_path: Path) -> None:
    with pytest.warns(PluginWarning, match=r"skips 'images': InputError") as caught:
        train(ExplainCallback(np.zeros((2, 8, 8, 3)), folder=tmp_path))
    assert len([w for w in caught if issubclass(w.category, PluginWarning)]) == 1
    assert not list(tmp_path.iterdir())


def test_one_callback_serves_two_trainings(tmp_path: Path) -> None:
    callback = ExplainCallback(X[:1], methods="saliency", folder=tmp_path)
    train(callback, epochs=3)
    train(callback, epochs=1)
    with Image.open(tmp_path / "image.saliency.gif") as animation:
        assert animation.n_frames == 1


def test_a_training_that_is_mostly_explaining_says_so(tmp_path: Path) -> None:
    callback = ExplainCallback(X[:2], folder=tmp_path)
    callback.on_train_begin()
    callback._explained, callback.share, callback.seconds = 5, 0.9, 90.0
    with pytest.warns(VizcnnWarning, match=r"Explaining took 90 s, 90% of the training's time: explain fewer images"):
        callback.on_train_end()
    callback.seconds = 0.4  # a try of a few steps
    callback.on_train_end()


def test_wrong_arguments_are_told_before_the_training() -> None:
    with pytest.raises(OptionError, match="`log_dir` or `folder` must be given"):
        ExplainCallback(X)
    with pytest.raises(OptionError, match="`every` must be a positive whole number; got 0"):
        ExplainCallback(X, every=0, folder="x")
    with pytest.raises(MethodError, match="must explain images; 'filters' doesn't"):
        ExplainCallback(X, methods=["filters"], folder="x")


def test_events_that_cannot_be_written_leave_the_folder_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = ExplainCallback(X[:1], methods="saliency", folder=tmp_path / "maps", log_dir=tmp_path / "logs")

    def full(*arguments: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(callback._events, "number", full)
    with pytest.warns(PluginWarning, match=r"skips 'log_dir': OSError: no space left") as caught:
        train(callback)
    assert len([w for w in caught if issubclass(w.category, PluginWarning)]) == 1
    assert len(list((tmp_path / "maps").glob("*.png"))) == 3
