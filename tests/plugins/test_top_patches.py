"""top_patches: the same as going through all maps, in any batches."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

import vizcnn as vz
from vizcnn.errors import CapabilityError, LayerError, OptionError, VizcnnWarning


def network() -> keras.Model:
    keras.utils.set_random_seed(3)
    image = keras.Input((12, 10, 1))
    x = keras.layers.Conv2D(3, 3, strides=2, activation="relu", name="first")(image)
    x = keras.layers.Conv2D(5, 2, name="second")(x)
    return keras.Model(image, keras.layers.Dense(4, name="end")(keras.layers.GlobalMaxPooling2D()(x)))


def pictures(count: int = 23) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 12, 10, 1), dtype=np.uint8)


def by_hand(maps: np.ndarray, channel: int, count: int) -> list[tuple[float, int, tuple[int, int]]]:
    """Return value, image and cell of the highest cells of a channel, one of each image, by looking at all of them."""
    best = []
    for index, image in enumerate(maps[..., channel]):
        cell = max(np.ndindex(*image.shape), key=lambda at, image=image: image[at])
        best.append((float(image[cell]), index, cell))
    return sorted(best, key=lambda one: -one[0])[:count]


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_the_highest_cells_of_all_images_are_found(batch_size: int) -> None:
    model, images = vz.adapt(network(), batch_size=batch_size), pictures()
    found = vz.top_patches(model, images, "second", num_patches=4)
    maps = vz.activations(model, images, "second").values
    field = vz.receptive_field(model, "second")
    assert (found.channels, found.patches.shape) == ((0, 1, 2, 3, 4), (5, 4, 5, 5, 1))
    for row, channel in enumerate(found.channels):
        for rank, (value, index, cell) in enumerate(by_hand(maps, channel, 4)):
            assert found.values[row, rank] == pytest.approx(value, rel=1e-5)
            assert (found.images[row, rank], found.names[row][rank]) == (index, f"image {index}")
            assert tuple(map(tuple, found.boxes[row, rank].tolist())) == field.box(*cell)
            (top, bottom), (left, right) = field.box(*cell)
            np.testing.assert_array_equal(found.patches[row, rank], images[index, top:bottom, left:right])


def test_a_patch_that_the_edge_cuts_lies_at_the_other_side() -> None:
    image = np.zeros((2, 8, 8, 1), np.uint8)
    image[0, 0, 0], image[1, 7, 7] = 250, 240
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(1, 3, padding="same", name="conv")])
    model.layers[0].set_weights([np.pad(np.ones((1, 1, 1, 1)), ((1, 1), (1, 1), (0, 0), (0, 0))), np.zeros(1)])
    found = vz.top_patches(vz.adapt(model), image, "conv", num_patches=2)
    assert found.boxes[0].tolist() == [[[0, 2], [0, 2]], [[6, 8], [6, 8]]]
    assert found.patches[0, 0, ..., 0].tolist() == [[250, 0], [0, 0]]
    assert found.patches[0, 1, ..., 0].tolist() == [[0, 0], [0, 240]]


def test_named_channels_and_a_layer_without_a_map() -> None:
    model, images = vz.adapt(network()), pictures()
    found = vz.top_patches(model, images, "second", channels=[4, 1], num_patches=2)
    whole = vz.top_patches(model, images, "second", num_patches=2)
    assert found.channels == (4, 1)
    np.testing.assert_array_equal(found.images, whole.images[[4, 1]])
    units = vz.top_patches(model, images, "end", num_patches=3)
    np.testing.assert_array_equal(units.patches[2, 0], images[units.images[2, 0]])
    np.testing.assert_allclose(
        units.values[2], np.sort(model.outputs(images.astype(np.float32))[0][:, 2])[::-1][:3], rtol=1e-5
    )


def test_more_patches_than_images_are_as_many_as_there_are() -> None:
    assert vz.top_patches(vz.adapt(network()), pictures(3), "second").values.shape == (5, 3)


def test_dead_channels_and_channels_left_out_are_said() -> None:
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(70, 3, activation="relu", name="conv")])
    kernel, bias = (np.array(weight) for weight in model.layers[0].get_weights())
    kernel[...], bias[:] = 1.0, np.arange(70)
    kernel[..., 3], bias[3] = 0.0, -1.0
    model.layers[0].set_weights([kernel, bias])
    with pytest.warns(VizcnnWarning, match="the 64 with the highest values are kept"):
        found = vz.top_patches(vz.adapt(model), pictures(2)[:, :8, :8], "conv", num_patches=1)
    assert found.channels == tuple(range(6, 70))
    assert [note.kind for note in found.notes] == ["left out"]
    with pytest.warns(VizcnnWarning, match="Channel 3 of layer 'conv' never rose above zero"):
        named = vz.top_patches(vz.adapt(model), pictures(2)[:, :8, :8], "conv", channels=[3, 5], num_patches=1)
    assert [note.kind for note in named.notes] == ["dead"]


def test_it_is_read_back_and_drawn(tmp_path: Path) -> None:
    found = vz.top_patches(vz.adapt(network()), pictures(), "second", num_patches=4)
    again = vz.load_result(found.save(tmp_path / "patches.npz"))
    for (name, one), (other, two) in zip(again._arrays(), found._arrays(), strict=True):
        assert name == other
        np.testing.assert_array_equal(one, two)
    assert (again.names, again.channels, again.options) == (found.names, found.channels, found.options)
    axis = again.plot(Figure().subplots(), channels=[2, 0])
    labels = [text.get_text() for text in axis.texts]
    assert labels[0] == f"2: {found.values[2, 0]:.3g}"
    assert labels[5] == f"{found.values[0, 1]:.3g}"
    with pytest.raises(OptionError, match="`channels` must be some of"):
        again.plot(channels=[9])


def test_bad_options_are_refused() -> None:
    model, images = vz.adapt(network()), pictures(2)
    for channels in (5, -1, [], [1.5], "a"):
        with pytest.raises(OptionError, match="`channels` must be indices from 0 to 4"):
            vz.top_patches(model, images, "second", channels=channels)
    with pytest.raises(OptionError, match="num_patches"):
        vz.top_patches(model, images, "second", num_patches=0)
    with pytest.raises(LayerError, match="third"):
        vz.top_patches(model, images, "third")
    signals = keras.Sequential([keras.Input((12, 1)), keras.layers.Conv1D(2, 3)])
    with pytest.raises(CapabilityError, match="needs images"):
        vz.top_patches(signals, np.zeros((2, 12, 1)))


def test_patches_over_the_whole_range_are_one_of_each_part_of_the_images() -> None:
    model, images = vz.adapt(network(), batch_size=7), pictures()
    found = vz.top_patches(model, images, "second", channels=[4, 1], num_patches=2, spread=5, seed=3)
    field = vz.receptive_field(model, "second")
    assert (found.ranks.shape, found.images_seen) == ((2, 7), 23)
    for row, channel in enumerate(found.channels):
        everything = by_hand(vz.activations(model, images, "second").values, channel, 23)
        assert found.ranks[row, :2].tolist() == [0, 1]
        for part, rank in enumerate(found.ranks[row, 2:]):
            assert part * 23 // 5 <= rank < (part + 1) * 23 // 5  # ordered by value, each fifth has one
        for at, rank in enumerate(found.ranks[row]):
            value, index, cell = everything[rank]
            assert found.values[row, at] == pytest.approx(value, rel=1e-5)
            assert found.images[row, at] == index
            assert tuple(map(tuple, found.boxes[row, at].tolist())) == field.box(*cell)
    labels = [text.get_text() for text in found.plot(Figure().subplots()).texts]
    assert labels[1] == f"{found.values[0, 1]:.3g}"
    assert labels[6] == f"{found.values[0, 6]:.3g} (above {1 - found.ranks[0, 6] / 22:.0%})"


def test_what_is_drawn_over_the_range_depends_on_the_seed_and_not_on_other_channels() -> None:
    model, images = vz.adapt(network()), pictures()

    def ranks(**options: object) -> list[int]:
        found = vz.top_patches(model, images, "second", num_patches=2, spread=4, **options)
        return found.ranks[found.channels.index(3), 2:].tolist()

    assert ranks(channels=3) == ranks() == ranks(channels=[0, 3])
    assert ranks(channels=3) != ranks(channels=3, seed=1)
    few = vz.top_patches(model, pictures(3), "second", channels=3, num_patches=2, spread=9)
    assert few.ranks.tolist() == [[0, 1, 0, 1, 2]]
    with pytest.raises(OptionError, match="`spread` must be 0 or a positive whole number; got -1"):
        vz.top_patches(model, images, "second", spread=-1)
