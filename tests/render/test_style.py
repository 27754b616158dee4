"""The one place for how pictures look."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.made import attributions
from vizcnn.render import style
from vizcnn.render.image import overlay
from vizcnn.render.raster import enlarged, rasterize
from vizcnn.report import render_page
from vizcnn.results.panels import map_panel


@pytest.mark.parametrize(
    ("cmap", "names"),
    [
        ("RdBu_r", ("red", "blue")),
        ("RdBu", ("blue", "red")),
        ("PuOr", ("purple", "orange")),
        ("PiYG", ("green", "pink")),
        ("RdGy", ("gray", "red")),
    ],
)
def test_colors_of_signs_are_named_as_they_look(cmap, names, monkeypatch):
    monkeypatch.setattr(style, "DIVERGING", cmap)
    assert style.colors_of_signs() == names


def test_default_map_is_by_sign_and_kind():
    assert style.default_cmap(signed=True) == style.default_cmap(signed=True, montage=True) == style.DIVERGING
    assert style.default_cmap(signed=False) == style.SEQUENTIAL
    assert style.default_cmap(signed=False, montage=True) == style.MONTAGE


def test_every_map_that_the_report_offers_exists_once():
    assert len(set(style.OFFERED)) == len(style.OFFERED)
    assert set(style.OFFERED) <= set(mpl.colormaps)


def test_brightness_is_that_of_the_eye():
    assert style.brightness("white") == pytest.approx(1)
    assert style.brightness("lime") > style.brightness("red") > style.brightness("blue")


def test_figures_animations_and_the_report_follow_the_default_map(monkeypatch):
    monkeypatch.setattr(style, "SEQUENTIAL", "bone")
    monkeypatch.setattr(style, "DIVERGING", "PuOr")
    result, signed = attributions(size=(224, 224)), attributions(signed=True)
    axes = [one.plot(Figure().add_subplot()) for one in (result, signed)]
    assert [axis.images[-1].get_cmap().name for axis in axes] == ["bone", "PuOr"]
    end = float(np.percentile(result.values, 99))
    drawn = overlay(result.images[0], result.values[0], cmap="bone", vmin=0, vmax=end)
    np.testing.assert_array_equal(rasterize(map_panel(result, 0)), enlarged(drawn, 224))
    page = render_page({"saliency": signed})
    assert '"sequential": "bone"' in page
    assert "purple speaks for the class and orange against it" in page
