"""receptive_field: what it returns, draws and keeps."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

import vizcnn as vz
from vizcnn.errors import CapabilityError, OptionError


def test_boxes_cut_the_image_as_the_cell_sees_it() -> None:
    field = vz.receptive_field(vz.assets.digits_cnn(), "conv2")  # 3, pooled by 2, 3: (1 + 2) * 2 + 2 pixels
    assert (field.extent, field.stride, field.grid, field.size) == ((8, 8), (2.0, 2.0), (14, 14), (28, 28))
    assert (field.box(7, 7), field.box(0, -1)) == (((11, 19), (11, 19)), ((0, 5), (23, 28)))
    assert field.is_exact
    assert not field.sees_all
    for cell in ((14, 0), (0,), (0, 0, 0)):
        with pytest.raises(OptionError, match="`cell` must be one of 14x14"):
            field.box(*cell)


def test_the_last_map_is_the_default_and_the_file_keeps_all(tmp_path: Path) -> None:
    field = vz.receptive_field(vz.assets.digits_cnn())
    again = vz.load_result(field.save(tmp_path / "field.npz"))
    assert again.layer == "conv5"
    assert again.to_dict().keys() == field.to_dict().keys()
    assert all(np.array_equal(one, other) for one, other in zip(again.spans, field.spans, strict=True))
    assert (again.extent, again.stride, again.size, again.options) == (
        field.extent,
        field.stride,
        field.size,
        field.options,
    )


def test_the_middle_and_the_corners_are_drawn_where_they_are() -> None:
    field = vz.receptive_field(vz.assets.digits_cnn(), "conv2")
    axis = field.plot(Figure().subplots(), image=np.zeros((28, 28, 1)))
    *corners, middle = axis.patches
    assert (middle.get_xy(), middle.get_width(), middle.get_height()) == ((10.5, 10.5), 8, 8)
    assert [(one.get_xy(), one.get_width()) for one in corners] == [
        ((-0.5, -0.5), 5), ((22.5, -0.5), 5), ((-0.5, 22.5), 5), ((22.5, 22.5), 5),
    ]  # fmt: skip
    assert axis.get_title() == "conv2 sees 8x8 of 28x28, every 2"


def test_signals_are_drawn_as_bars() -> None:
    model = keras.Sequential([keras.Input((20, 2)), keras.layers.Conv1D(3, 5, strides=2, name="conv")])
    field = vz.receptive_field(model, "conv")
    assert (field.box(0), field.box(7), repr(field)) == (
        ((0, 5),), ((14, 19),), f"<ReceptiveField of layer 'conv' of {model.name!r}: 5 of 20, every 2>",
    )  # fmt: skip
    bars = field.plot(Figure().subplots()).patches
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(-0.5, 5), (7.5, 5), (13.5, 5)]


def test_a_black_box_has_none() -> None:
    with pytest.raises(CapabilityError, match="receptive fields"):
        vz.receptive_field(vz.adapt(lambda x: x[:, 0, 0], input_shape=(8, 8, 2)))
