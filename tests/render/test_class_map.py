"""Maps of predicted classes, tested by reading the artists."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.made import attributions
from vizcnn.adapter.base import Prediction
from vizcnn.errors import OptionError, ResultError

LABELS = tuple("abcdefghijkl")


def result(classes: Any, predicted: int = 1, **fields: Any) -> Any:
    classes = np.asarray(classes, dtype=np.int32)
    return attributions(
        len(classes),
        extras={"class_map": classes},
        class_labels=LABELS,
        predictions=(Prediction(predicted, LABELS[predicted], 0.9),) * len(classes),
        **fields,
    )


def test_tally_counts_each_class_the_most_frequent_first() -> None:
    both = result([[[1, 1, 2], [1, 3, 3]], [[0, 0, 0], [0, 0, 4]]])
    assert list(both.tally().items()) == [("b", 3), ("d", 2), ("c", 1)]
    assert list(both.tally(1).items()) == [("a", 5), ("e", 1)]


def test_classes_are_colored_where_they_differ_from_the_prediction_and_named_with_their_counts() -> None:
    ax = Figure().add_subplot()
    assert result([[[1, 1, 2], [1, 2, 3]]]).plot_classes(ax) is ax
    painted, weight = ax.images[1].get_array(), ax.images[1].get_alpha()
    np.testing.assert_array_equal(weight, [[0, 0, 0.6], [0, 0.6, 0.6]])
    first, second = mpl.colormaps["tab10"].colors[:2]
    np.testing.assert_allclose(painted[0, 2], first)
    np.testing.assert_allclose(painted[1, 2], second)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["b (nothing hidden): 3 of 6", "c: 2 of 6", "d: 1 of 6"]


def test_rare_classes_share_a_color() -> None:
    ax = Figure().add_subplot()
    result([[list(range(12)) + [0] * 4]]).plot_classes(ax)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(names) == 9
    assert names[0] == "a: 5 of 16"
    assert names[-1] == "4 others: 4 of 16"


@pytest.mark.parametrize("scale", [1, 5])
def test_each_position_is_drawn_at_the_center_of_its_patch(scale: int) -> None:
    # 4x6 inputs, patches of 2x4 every 2x1: rows are centered on 1 and 3 (in pixels from the edge), columns on 2, 3, 4.
    ax = Figure().add_subplot()
    images = [np.zeros((4 * scale, 6 * scale, 3), np.uint8)]
    result([[[1, 1, 2], [1, 2, 3]]], images=images, options={"patch_size": (2, 4), "stride": (2, 1)}).plot_classes(ax)
    left, right, bottom, top = ax.images[1].get_extent()
    columns = left + (np.arange(3) + 0.5) * (right - left) / 3 + 0.5
    rows = top + (np.arange(2) + 0.5) * (bottom - top) / 2 + 0.5
    np.testing.assert_allclose(columns, np.array([2, 3, 4]) * scale)
    np.testing.assert_allclose(rows, np.array([1, 3]) * scale)
    assert ax.get_xlim() == (-0.5, 6 * scale - 0.5)


def test_picture_is_saved_with_one_panel_per_image(tmp_path: Any) -> None:
    three = result([[[1, 2]]] * 3)
    widths = []
    for index in (None, 1):
        with Image.open(three.save_classes(tmp_path / "classes.png", index=index)) as picture:
            widths.append(picture.width)
    assert widths[0] == 3 * widths[1]
    assert not plt.get_fignums()


@pytest.mark.parametrize("call", ["tally", "plot_classes"])
def test_method_without_a_map_of_classes_says_so(call: str) -> None:
    with pytest.raises(ResultError, match="'saliency' has no map of predicted classes"):
        getattr(attributions(), call)()


def test_opacity_is_checked() -> None:
    with pytest.raises(OptionError, match="`alpha` must be from 0 to 1"):
        result([[[1, 2]]]).plot_classes(alpha=2)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_titles_and_legends_lie_within_the_figure_and_apart(count: int) -> None:
    axes = np.ravel(result(np.ones((count, 4, 4))).plot_classes())
    figure = axes[0].figure
    figure.canvas.draw()
    boxes = [(axis.title.get_window_extent(), axis.get_legend().get_window_extent()) for axis in axes]
    assert all(0 <= legend.y0 < legend.y1 < title.y0 < title.y1 <= figure.bbox.height for title, legend in boxes)
    if count == 5:
        assert boxes[4][0].y1 < boxes[0][1].y0  # the second row's title is below the first row's legend
