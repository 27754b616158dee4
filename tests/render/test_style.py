"""The one place for how pictures look."""

from __future__ import annotations

import matplotlib as mpl
import pytest

from vizcnn.render import style


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
    assert style.default_cmap(signed=True) == style.default_cmap(signed=True, sheet=True) == style.DIVERGING
    assert style.default_cmap(signed=False) == style.SEQUENTIAL
    assert style.default_cmap(signed=False, sheet=True) == style.SHEETS


def test_every_map_that_the_report_offers_exists_once():
    assert len(set(style.OFFERED)) == len(style.OFFERED)
    assert set(style.OFFERED) <= set(mpl.colormaps)


def test_brightness_is_that_of_the_eye():
    assert style.brightness("white") == pytest.approx(1)
    assert style.brightness("lime") > style.brightness("red") > style.brightness("blue")
