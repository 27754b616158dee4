"""Pictures in files: quicker than matplotlib writes them by itself, and the same to the pixel."""

from __future__ import annotations

import io
from unittest import mock

import numpy as np
import pytest
from matplotlib import _mathtext
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from vizcnn.render import canvas
from vizcnn.render.maps import plot_maps, save_maps
from vizcnn.render.panels import Panel, new_panels
from vizcnn.render.style import DPI

IMAGE, VALUES = np.linspace(0, 1, 30 * 40 * 3).reshape(30, 40, 3), np.linspace(-0.4, 1, 30 * 40).reshape(30, 40)
PANELS = {
    "as most are": Panel(IMAGE, VALUES, title="cat", caption="saliency", footnote="layer conv5"),
    "a power of ten over the color bar": Panel(IMAGE, VALUES * 1e-6, title="cat"),
    "a title that meets the power of ten": Panel(IMAGE, VALUES * 1e-6, title="a cat that is called by a long name"),
    "a signal, a power of ten over its own numbers": Panel(
        np.linspace(0, 1e-6, 50)[:, None], np.linspace(0, 1, 50), title="a signal"
    ),
    "no image": Panel(None, VALUES * 1e7, title="a map"),
}


def saved(panel: Panel) -> bytes:
    file = io.BytesIO()
    save_maps([panel], file, ".png")
    return file.getvalue()


def by_matplotlib(panel: Panel) -> np.ndarray:
    """Return the pixels of the same picture as matplotlib writes it."""
    (axis,) = new_panels([panel.aspect], pyplot=False)
    FigureCanvasAgg(axis.figure)  # its own, without ours
    plot_maps([panel], axis)
    file = io.BytesIO()
    axis.figure.savefig(file, format="png", dpi=DPI)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)
def test_picture_is_the_one_that_matplotlib_writes(panel):
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(saved(panel)))), by_matplotlib(panel))


def test_png_keeps_its_dots_per_inch_and_has_no_opacity():
    image = Image.open(io.BytesIO(saved(PANELS["as most are"])))
    assert image.mode == "RGB"
    assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)


def test_png_of_a_figure_without_a_ground_is_transparent():
    figure = canvas.new_figure((1, 1), pyplot=False, layout=None)
    figure.patch.set_alpha(0)
    file = io.BytesIO()
    canvas.save(figure, file, ".png")
    assert np.asarray(Image.open(file))[..., 3].max() == 0


def test_numbers_that_were_set_for_a_picture_are_not_set_again_for_the_next(monkeypatch):
    setting = mock.Mock(wraps=_mathtext.ship)
    monkeypatch.setattr(_mathtext, "ship", setting)
    odd = Panel(IMAGE, VALUES * 0.123, title="cat")  # of numbers that no other test writes
    saved(odd)
    count = setting.call_count
    assert count > 0
    saved(odd)
    assert setting.call_count == count
