"""The metrics of where a map lies, by hand: an object of two by two pixels in the corner of four by four."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from vizcnn import cli
from vizcnn.errors import OptionError
from vizcnn.measures import registry

pytestmark = pytest.mark.filterwarnings("ignore:The inputs lie in")  # how the model was trained is not the point

REGION = np.zeros((1, 4, 4), bool)
REGION[0, :2, :2] = True
MAP = np.array([[[4, 1, 0, 0], [2, 0, 0, 0], [0, 0, -3, 0], [0, 0, 0, 3]]], np.float32)


def measure(name: str, values: np.ndarray = MAP, regions: np.ndarray = REGION, **options: Any) -> Any:
    metric = registry.get(name)
    return metric.run(None, None, None, values, regions, **{**metric.options, **options})


def undefined(name: str, values: np.ndarray = MAP, regions: np.ndarray = REGION) -> list[str]:
    return [reason for reason, which in measure(name, values, regions).undefined.items() if which[0]]


def test_pointing_game_looks_at_the_highest_pixel() -> None:
    assert measure("pointing_game").values.tolist() == [1]
    moved = MAP.copy()
    moved[0, 0, 2] = 9  # one pixel from the region
    assert measure("pointing_game", moved, margin=0.0).values.tolist() == [0]
    assert measure("pointing_game", moved, margin=0.25).values.tolist() == [1]
    moved[0, 0, 0] = moved[0, 3, 3] = 9  # three highest ones, of which one hits
    assert measure("pointing_game", moved, margin=0.0).values == pytest.approx([1 / 3])
    with pytest.raises(OptionError, match="`margin` must be a number that is not negative"):
        measure("pointing_game", margin=-1)


def test_energy_is_of_positive_values_and_mass_of_all() -> None:
    assert measure("energy_pointing_game").values == pytest.approx([7 / 10])
    assert measure("relevance_mass").values == pytest.approx([7 / 13])


def test_rank_counts_as_many_of_the_highest_pixels_as_the_region_has() -> None:
    assert measure("relevance_rank").values.tolist() == [0.75]  # 4, 2, 1 hit, and 3 doesn't


@pytest.mark.parametrize("name", ["pointing_game", "energy_pointing_game", "relevance_mass", "relevance_rank"])
def test_chance_is_told_and_what_has_no_number_says_why(name: str) -> None:
    assert measure(name).extras["by chance"].tolist() == [0.25]
    assert undefined(name) == []
    assert undefined(name, regions=np.zeros_like(REGION)) == ["no region is known"]
    (reason,) = undefined(name, np.zeros_like(MAP))
    assert reason in ("it is the same everywhere", "none of it is positive", "it is zero everywhere")
    assert measure(name, regions=np.ones_like(REGION)).values.tolist() == [1]


# Regions as people have them ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bright() -> Any:
    """A model of pictures of 4 pixels, of which the middle is taken, and whose map is where they are bright."""
    return vz.adapt(lambda inputs: inputs.mean(axis=(1, 2)), input_shape=(4, 4, 1), preprocess="crop")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two pictures of 8 rows and 16 columns: a bright block left of the middle, and one right of it."""
    files = []
    for name, columns in (("a", slice(4, 6)), ("b", slice(10, 12))):
        pixels = np.full((8, 16), 50, np.uint8)
        pixels[:2, columns] = 250
        files.append(tmp_path / f"{name}.png")
        Image.fromarray(pixels).save(files[-1])
    return files


def share_inside(model: Any, pictures: list[Path], regions: Any, metric: str = "relevance_mass") -> list[float]:
    options = "occlusion:patch_size=1,stride=1,baseline=50"
    (result,) = vz.explain(model, pictures, 0, methods=options, metrics=metric, regions=regions).results.values()
    return result.measures[metric].tolist()


def masks() -> np.ndarray:
    """Return true masks of the pictures."""
    known = np.zeros((2, 8, 16), bool)
    known[0, :2, 4:6], known[1, :2, 10:12] = True, True
    return known


def test_regions_are_brought_to_the_inputs_as_the_pictures_are(
    bright: Any, pictures: list[Path], tmp_path: Path
) -> None:
    boxes = [[4, 0, 6, 2], [[10, 0, 12, 1], [10, 1, 12, 2]]]  # the second in two parts
    folder = tmp_path / "masks"
    folder.mkdir()
    for picture, mask in zip(pictures, masks(), strict=True):
        Image.fromarray(np.uint8(mask) * 255).save(folder / f"{picture.stem}.bmp")
    table = tmp_path / "boxes.csv"
    table.write_text("image,left,top,right,bottom\na.png,4,0,6,2\nb.png,10,0,12,1\nb.png,10,1,12,2\nc.png,0,0,1,1\n")
    named = {"b.png": masks()[1], "a.png": [4, 0, 6, 2]}
    for regions in (masks(), boxes, list(masks().repeat(3, axis=1).repeat(3, axis=2)), folder, str(table), named):
        assert share_inside(bright, pictures, regions) == pytest.approx([1, 1])
    assert share_inside(bright, pictures, masks()[::-1]) == pytest.approx([0, 0])


def test_image_without_a_region_has_no_number(bright: Any, pictures: list[Path]) -> None:
    with pytest.warns(
        vz.errors.VizcnnWarning, match=r"undefined for the map of 1 of 2 images \(b.png\): no region is known"
    ):
        found = share_inside(bright, pictures, {"a.png": masks()[0]})
    assert found[0] == pytest.approx(1)
    assert np.isnan(found[1])


def test_wrong_regions_are_named(bright: Any, pictures: list[Path], tmp_path: Path) -> None:
    empty = tmp_path / "none.csv"
    empty.write_text("image,left,top,right,bottom\nz.png,0,0,1,1\n")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("file,x\n")
    for regions, error in (
        (masks()[:1], "`regions` must have a mask, boxes or None for each of 2 images; got 1"),
        (masks().astype(float), "`regions` must be masks, arrays of bool"),
        ([[6, 0, 4, 2]] * 2, "`regions` as boxes must be left, top, right and bottom"),
        ({"c.png": masks()[0]}, "`regions` must be of the images; 'c.png' is none"),
        (empty, "must have some by the images' names"),
        (wrong, "must have the columns image, left, top, right, bottom"),
        (None, "`regions` must say where in each image the object is, for metric 'relevance_mass'"),
    ):
        with pytest.raises(OptionError, match=error):
            share_inside(bright, pictures, regions)
    with pytest.raises(
        OptionError, match="`regions` are for metrics that ask for them; ask for one of 'energy_pointing_game'"
    ):
        share_inside(bright, pictures, masks(), "sparseness")


def test_command_takes_a_table_of_boxes(tmp_path: Path) -> None:
    three, table = vz.assets.digits()[3], tmp_path / "boxes.csv"
    table.write_text(f"image,left,top,right,bottom\n{three.name},4,4,24,24\n")
    arguments = ["explain", vz.assets.DIGITS_CNN, three, "-o", tmp_path, "-m", "gradcam", "--metric", "pointing_game"]
    said = CliRunner().invoke(cli.app, [*map(str, arguments), "--regions", str(table)])
    assert said.exit_code == 0, said.output
    assert "pointing game 1" in said.output
