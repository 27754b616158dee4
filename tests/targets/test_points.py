"""Key points: a heat map's height where the point is, or where a coordinate goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from tests.models import conv, dense
from tests.rounding import rounding
from vizcnn import cli
from vizcnn.adapter.changed import Change
from vizcnn.errors import TargetError
from vizcnn.targets import Point

KERNEL = np.random.default_rng(3).normal(size=(1, 1, 3, 4)).astype(np.float32)
HEAD = np.random.default_rng(4).normal(size=(48, 8)).astype(np.float32)
CLOSE = rounding(48, 8)


def pictures(count: int = 2) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(count, 4, 4, 3)).astype(np.float32)


def heat_maps() -> Any:
    return keras.Sequential([keras.Input((4, 4, 3)), conv("heat", (KERNEL, np.zeros(4, np.float32)))])


def coordinates(*shape: int) -> Any:
    head = dense("head", (HEAD, np.zeros(8, np.float32)))
    return keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), head, keras.layers.Reshape(shape)])


def test_heat_is_explained_where_the_point_is_on_the_unchanged_image() -> None:
    x, heat = pictures(), pictures() @ KERNEL[0, 0]
    places = [np.unravel_index(one[..., 2].argmax(), (4, 4)) for one in heat]
    want = [one[place][2] for one, place in zip(heat, places, strict=True)]
    model = vz.adapt(heat_maps())
    np.testing.assert_allclose(model.scores(x, Point(2)), want, **CLOSE)
    gradient = np.zeros((4, 4, 3))
    gradient[places[0]] = KERNEL[0, 0, :, 2]
    np.testing.assert_allclose(model.gradients(x[:1], Point(2)).gradients[0], gradient, **CLOSE)
    change = Change("negative", 1, lambda part: {"by": np.array([-1.0], np.float32)[part]}, _scaled)
    plain = vz.adapt(lambda inputs: inputs @ KERNEL[0, 0], input_shape=(4, 4, 3))
    for one in (model, plain):
        np.testing.assert_allclose(one.changed_scores(x, Point(2), change).copy_scores[:, 0], -np.array(want), **CLOSE)


def _scaled(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    return images * xp.reshape(numbers["by"], (-1, 1, 1, 1))


@pytest.mark.parametrize("shape", [(8,), (4, 2)])
@pytest.mark.parametrize(("axis", "columns"), [("x", [2]), ("y", [3]), (None, [2, 3])])
def test_coordinate_of_a_point(shape: tuple[int, ...], axis: str | None, columns: list[int]) -> None:
    want = (pictures().reshape(2, -1) @ HEAD)[:, columns].sum(axis=1)
    np.testing.assert_allclose(vz.adapt(coordinates(*shape)).scores(pictures(), Point(1, axis)), want, **CLOSE)


@pytest.mark.parametrize(
    ("model", "target", "match"),
    [
        (heat_maps(), Point(4), "`target` must be a class index from 0 to 3"),
        (heat_maps(), Point(0, "x"), "`axis` must be None for heat maps"),
        (coordinates(8), Point(0, "z"), "`axis` must be 'x', 'y' or None; got 'z'"),
        (coordinates(2, 4), Point(0), r"Point needs heat maps .* has shape \(2, 4\)"),
    ],
)
def test_point_that_cannot_be_is_rejected(model: Any, target: Point, match: str) -> None:
    with pytest.raises(TargetError, match=match):
        vz.adapt(model).scores(pictures(), target)


def test_point_can_be_typed(tmp_path: Path) -> None:
    coordinates(8).save(tmp_path / "points.keras")
    keras.utils.save_img(tmp_path / "picture.png", np.random.default_rng(0).integers(0, 255, (4, 4, 3)), scale=False)
    args = ["explain", tmp_path / "points.keras", tmp_path / "picture.png", "--out", tmp_path / "out"]
    options = ["-m", "saliency", "--json", "--preprocess", "0..1", "--target", "point:3:x"]
    result = CliRunner().invoke(cli.app, [str(arg) for arg in (*args, *options)])
    assert '"target": "x of point 3"' in result.stdout, result.output
