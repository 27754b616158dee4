"""A style that a plot doesn't take is an error that lists those that it does, whatever is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

import vizcnn as vz
from tests.made import attributions, spray
from vizcnn.errors import OptionError
from vizcnn.explanation import Explanation
from vizcnn.results import Comparison, Diagnosis, FeatureMaps, Images, Kernels, ReceptiveField, TopPatches
from vizcnn.results.base import Result

ARRAY = np.ones((1, 2, 2, 3), np.float32)


def kinds() -> dict[str, Any]:
    mapped = attributions()
    counts = np.ones(1, np.int64)
    diagnosis = Diagnosis(("conv",), counts, counts, counts, counts, np.ones(1, np.float32), None, (2, 2), ARRAY[0, 0, 0],
                          (), "tiny", 1)  # fmt: skip
    return {
        "attributions": mapped,
        "explanation": Explanation({"saliency": mapped}),
        "kernels": Kernels(ARRAY, "conv", "tiny", order=(0, 1, 2)),
        "feature maps": FeatureMaps({"conv": ARRAY}, [ARRAY[0]], "tiny"),
        "images": Images(ARRAY, ARRAY[0, 0, 0, :1], ("cat",), mapped.predictions, ARRAY[:0], ARRAY[:0], "tiny", "made"),
        "architecture": vz.architecture(vz.assets.digits_cnn()),
        "diagnosis": diagnosis,
        "comparison": Comparison(np.ones((2, 1, 1), np.float32), ("gradcam", "chance"), ("deletion",), ("low",), ("a.png",),
                                 ("cat",), "tiny", nulls=("chance",)),
        "receptive field": ReceptiveField((np.array([[0, 2]]),) * 2, (2, 2), (1.0, 1.0), (4, 4), "conv", "tiny"),
        "top patches": TopPatches(np.zeros((1, 1, 2, 2, 3), np.uint8), ARRAY[:, :1, 0, 0], counts[None],
                                  np.array([[[[0, 2]] * 2]]), counts[None], 1, (0,), (("a.png",),), "conv", "tiny"),
        "spray": spray(),
    }  # fmt: skip


KINDS = kinds()

WORDS = {
    "attributions": ("cmpa", "'cmap'", "'index', 'overlay', 'cmap'"),
    "explanation": ("cmpa", "'cmap'", "'index', 'overlay', 'cmap'"),
    "kernels": ("chanels", "'channels'", "'top', 'page', 'channels', 'columns', 'cmap'"),
    "feature maps": ("tops", "'top'", "'index', 'top', 'channels', 'columns'"),
    "images": ("column", "'columns'", "'columns', 'title'"),
    "architecture": ("witdh", "'width'", "'fold', 'width', 'engine', 'title', 'legend'"),
    "diagnosis": ("titel", "'title'", "'title'"),
    "comparison": ("titel", "'title'", "'title'"),
    "receptive field": ("imge", "'image'", "'image'"),
    "top patches": ("column", "'columns'", "'channels', 'columns'"),
    "spray": ("titel", "'title'", "'clusters', 'title'"),
}


def test_every_kind_of_result_is_here():
    assert set(Result.kinds) <= set(KINDS)


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("way", ["plot", "save"])
def test_unknown_style_is_rejected_before_anything_is_drawn_or_written(kind, way, tmp_path):
    word, meant, known = WORDS[kind]
    text = f"`{word}` is not a style of this plot. Did you mean {meant}? It takes {known}"
    path = () if way == "plot" else (tmp_path / "folder" / "picture.png",)
    with pytest.raises(OptionError) as raised:
        getattr(KINDS[kind], way)(*path, **{word: 1})
    assert str(raised.value).startswith(text)
    assert plt.get_fignums() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", WORDS)
def test_every_style_that_is_listed_is_taken(kind):
    given: dict[str, Any] = {
        "columns": 1, "cmap": "gray", "vmin": -1.0, "vmax": 1.0, "colorbar": False, "title": False, "index": 0,
        "overlay": False, "percentile": 90, "alpha": 0.5, "top": 1, "page": 0, "channels": None, "fold": "never",
        "width": 5.0, "engine": "vizcnn", "legend": False, "image": None, "clusters": 1,
    }  # fmt: skip
    if kind == "kernels":
        given["channels"] = "each"
    if kind == "images":
        given["title"] = "made"
    drawn = KINDS[kind].plot(**{name: given[name] for name in type(KINDS[kind]).plot.styles})
    assert drawn is not None


def test_styles_of_a_map_of_classes_are_checked_too(tmp_path: Path) -> None:
    result = attributions(extras={"class_map": np.ones((1, 2, 2), np.int32)}, class_labels=("a", "b"))
    for call in (result.plot_classes, lambda **style: result.save_classes(tmp_path / "a.png", **style)):
        with pytest.raises(OptionError, match=r"`lagend` is not a style .* mean 'legend'\? It takes 'index', 'alpha'"):
            call(lagend=False)
