"""Results on matplotlib Axes, tested by reading the artists."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from tests.made import attributions
from vizcnn.adapter.base import Prediction
from vizcnn.errors import OptionError
from vizcnn.explanation import Explanation
from vizcnn.render import maps
from vizcnn.render.style import DIVERGING, SEQUENTIAL


@pytest.fixture
def ax() -> Axes:
    return Figure().add_subplot()


def panels(count: int) -> list[Axes]:
    return list(Figure().subplots(1, count, squeeze=False).ravel())


def scale(ax: Axes) -> tuple[float, float]:
    return ax.images[-1].norm.vmin, ax.images[-1].norm.vmax


# Where it is drawn --------------------------------------------------------------------------------------------------------


def test_given_axes_are_used_and_returned(ax):
    assert attributions().plot(ax) is ax
    assert len(ax.images) == 2
    assert plt.get_fignums() == []


def test_several_given_axes_are_used_and_returned_in_order():
    axes = panels(3)
    drawn = attributions(3).plot(axes)
    assert drawn.tolist() == axes
    assert [int(axis.images[0].get_array()[0, 0]) for axis in axes] == [50, 100, 150]


def test_grid_of_axes_is_taken():
    axes = Figure().subplots(2, 2)
    assert attributions(4).plot(axes).tolist() == axes.ravel().tolist()


def test_without_axes_one_pyplot_figure_is_made():
    axis = attributions().plot()
    assert plt.get_fignums() == [axis.figure.number]


@pytest.mark.parametrize(("count", "grid"), [(3, (1, 3)), (4, (1, 4)), (5, (2, 4)), (30, (5, 6))])
def test_many_images_get_rows_of_panels(count, grid):
    drawn = attributions(count).plot()
    assert len(drawn) == len(drawn[0].figure.axes) == count
    assert drawn[0].get_subplotspec().get_gridspec().get_geometry() == grid


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        (
            panels(2),
            "`ax` must be one Axes per image, 3 in all; got 2 Axes. With `index` one image is drawn on one Axes",
        ),
        (panels(1)[0], "3 in all; got 1 Axes"),
        ([1, 2, 3], r"3 in all; got \[1, 2, 3\]"),
    ],
)
def test_wrong_axes_are_rejected(axes, text):
    with pytest.raises(OptionError, match=text):
        attributions(3).plot(axes)


# What is drawn ------------------------------------------------------------------------------------------------------------


def test_map_lies_over_the_gray_image(ax):
    result = attributions()
    result.plot(ax)
    np.testing.assert_array_equal(ax.images[0].get_array(), np.full((4, 6), 50))
    np.testing.assert_array_equal(ax.images[1].get_array(), result.values[0])


def test_map_is_brought_to_the_resolution_of_its_image(ax):
    attributions(images=[np.zeros((40, 60, 3), dtype=np.uint8)]).plot(ax)
    assert [image.get_array().shape for image in ax.images] == [(40, 60), (40, 60)]


def test_signed_map_is_centered_on_zero_in_diverging_colors(ax):
    attributions(signed=True, values=np.array([[[-3, 1]]], dtype=np.float32)).plot(ax, percentile=100)
    assert scale(ax) == (-3, 3)
    assert ax.images[-1].get_cmap().name == DIVERGING


def test_unsigned_map_begins_at_zero_in_sequential_colors(ax):
    attributions().plot(ax, percentile=100)
    assert scale(ax) == (0, 1)
    assert ax.images[-1].get_cmap().name == SEQUENTIAL


def test_constant_map_is_drawn(ax):
    attributions(values=np.zeros((1, 4, 6), dtype=np.float32)).plot(ax)
    assert scale(ax) == (0, 1)
    np.testing.assert_array_equal(ax.images[-1].get_alpha(), np.zeros((4, 6)))


def test_channels_that_were_not_reduced_are_drawn_as_their_sum(ax):
    attributions(values=np.array([[[[1, 2, -1]]]], dtype=np.float32), signed=True).plot(ax, overlay=False)
    assert ax.images[0].get_array().tolist() == [[2.0]]


def test_ticks_are_left_out(ax):
    attributions().plot(ax)
    assert [*ax.get_xticks(), *ax.get_yticks()] == []


# Titles -------------------------------------------------------------------------------------------------------------------


def test_title_is_the_predicted_class_with_its_probability(ax):
    attributions().plot(ax)
    assert ax.get_title() == "cat 0.75"


def test_title_names_the_explained_class_where_it_is_another(ax):
    attributions(target=("dog",), classes=(0,), probabilities=(0.125,)).plot(ax)
    assert ax.get_title() == "predicted cat 0.75\nexplained dog 0.12"


def test_title_without_probabilities(ax):
    attributions(
        target=("conv, channel 3",), classes=(None,), probabilities=(None,), predictions=(Prediction(0, "1", None),)
    ).plot(ax)
    assert ax.get_title() == "predicted 1\nexplained conv, channel 3"


def test_long_title_is_broken_into_lines(ax):
    attributions(predictions=(Prediction(1, "a " * 40, 0.5),)).plot(ax)
    assert max(map(len, ax.get_title().splitlines())) <= 40


# Every style option -------------------------------------------------------------------------------------------------------


def test_index_draws_one_image(ax):
    assert attributions(3).plot(ax, index=-1) is ax
    assert ax.images[0].get_array()[0, 0] == 150


def test_overlay_off_draws_the_map_alone(ax):
    attributions().plot(ax, overlay=False)
    assert len(ax.images) == 1
    assert ax.images[0].get_alpha() is None


def test_color_map_can_be_chosen(ax):
    attributions().plot(ax, cmap="viridis")
    assert ax.images[-1].get_cmap().name == "viridis"


def test_ends_of_the_scale_can_be_chosen(ax):
    attributions().plot(ax, vmin=-2, vmax=5)
    assert scale(ax) == (-2, 5)


def test_percentile_can_be_chosen(ax):
    attributions(values=np.array([[[0, 0, 0, 1, 100]]], dtype=np.float32)).plot(ax, percentile=75)
    assert scale(ax) == (0, 1)


def test_alpha_is_the_highest_opacity(ax):
    attributions().plot(ax, alpha=0.25)
    assert ax.images[-1].get_alpha().max() == 0.25


def test_color_bar_spans_the_scale_beside_the_image(ax):
    attributions().plot(ax, percentile=100)
    (bar,) = ax.child_axes
    assert bar.get_ylim() == (0, 1)
    ax.figure.draw_without_rendering()
    assert bar.get_window_extent().height == pytest.approx(ax.get_window_extent().height)


def test_color_bar_can_be_left_out(ax):
    attributions().plot(ax, colorbar=False)
    assert ax.child_axes == []


def test_title_can_be_left_out(ax):
    attributions().plot(ax, title=False)
    assert ax.get_title() == ""


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ({"percentile": 0}, "`percentile` must be above 0 and at most 100; got 0"),
        ({"percentile": 101}, "`percentile` must be above 0"),
        ({"alpha": 1.5}, "`alpha` must be from 0 to 1; got 1.5"),
        ({"index": 2}, "`index` must name one of 2 images; got 2"),
        ({"index": -3}, "`index` must name one of 2 images; got -3"),
        ({"vmin": 2, "vmax": 1}, "`vmin` must be below `vmax`; got 2 and 1"),
    ],
)
def test_wrong_style_is_rejected_before_a_figure_is_made(style, text):
    with pytest.raises(OptionError, match=text):
        attributions(2).plot(**style)
    assert plt.get_fignums() == []


# Pictures -----------------------------------------------------------------------------------------------------------------


def test_saving_leaves_pyplot_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(plt, "figure", None)
    attributions().save(tmp_path / "one.png")
    assert plt.get_fignums() == []


def test_figure_is_as_high_as_its_images():
    wide, tall = attributions(size=(10, 40)), attributions(size=(40, 40))
    heights = [result.plot().figure.get_size_inches()[1] for result in (wide, tall)]
    assert heights == [pytest.approx(1.2), pytest.approx(3.15)]


def test_picture_of_many_images_stays_within_bounds(tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "LONGEST", 600)
    with Image.open(attributions(9).save(tmp_path / "many.png")) as picture:
        assert max(picture.size) <= 600


def test_notebook_shows_the_first_images_and_says_so(monkeypatch):
    monkeypatch.setattr("vizcnn.results.attributions.NOTEBOOK", 2)
    drawn: list[Figure] = []
    savefig = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **options: drawn.append(self) or savefig(self, *args, **options)
    )
    attributions(3)._repr_png_()
    assert len(drawn[0].axes) == 2
    assert drawn[0].get_suptitle() == "the first 2 of 3 images"


# Explanations -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def explanation() -> Explanation:
    return Explanation({"saliency": attributions(2), "gradcam": attributions(2, method="gradcam", layer="conv")})


def test_explanation_has_a_row_per_image_and_a_column_per_method(explanation):
    grid = explanation.plot()
    assert grid.shape == (2, 3)
    assert [int(row[0].images[0].get_array()[0, 0, 0]) for row in grid] == [50, 100]
    assert [len(axis.images) for axis in grid.ravel()] == [1, 2, 2, 1, 2, 2]


def test_explanation_names_classes_by_row_and_methods_by_column(explanation):
    titles = [[axis.get_title() for axis in row] for row in explanation.plot()]
    assert titles == [["cat 0.75", "saliency", "gradcam\nconv"], ["cat 0.75", "", ""]]


def test_explanation_uses_and_returns_the_given_axes(explanation):
    axes = Figure().subplots(2, 3)
    assert explanation.plot(axes).tolist() == axes.tolist()


def test_explanation_hands_the_style_on(explanation):
    grid = explanation.plot(cmap="viridis", colorbar=False)
    assert {axis.images[-1].get_cmap().name for axis in grid[:, 1:].ravel()} == {"viridis"}
    assert not any(axis.child_axes for axis in grid.ravel())


def test_explanation_of_one_image_by_index(explanation):
    grid = explanation.plot(index=1)
    assert grid.shape == (1, 3)
    assert grid[0, 0].images[0].get_array()[0, 0, 0] == 100


def test_explanation_without_titles(explanation):
    assert {axis.get_title() for axis in explanation.plot(title=False).ravel()} == {""}


def test_explanation_on_too_few_axes_is_rejected(explanation):
    with pytest.raises(OptionError, match="one Axes per panel, 6 in all; got 2 Axes"):
        explanation.plot(panels(2))


def test_explanation_is_saved_without_pyplot(explanation, tmp_path):
    with Image.open(explanation.save(tmp_path / "grid.png")) as picture:
        assert len(picture.convert("RGB").getcolors(maxcolors=2**20)) > 50
    assert plt.get_fignums() == []


def test_notebook_shows_the_first_rows_of_an_explanation(explanation, monkeypatch):
    monkeypatch.setattr("vizcnn.explanation.NOTEBOOK", 1)
    drawn: list[Figure] = []
    savefig = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **options: drawn.append(self) or savefig(self, *args, **options)
    )
    explanation._repr_png_()
    assert len(drawn[0].axes) == 3


def test_png_in_a_notebook_is_a_picture(explanation):
    for result in (explanation, attributions()):
        assert Image.open(io.BytesIO(result._repr_png_())).format == "PNG"
