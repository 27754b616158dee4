"""The diagram of an architecture, tested by reading its artists."""

from __future__ import annotations

import io
import stat
from collections import Counter
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras import layers
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import vizcnn as vz
from tests import models
from tests.render.diagrams import (
    arrows,
    boxes,
    branches,
    chain,
    crossings,
    legend,
    made,
    residual,
    size,
    texts,
    unet,
    way,
)
from vizcnn.errors import OptionError
from vizcnn.render.diagram import places
from vizcnn.render.diagram.boxes import INPUT
from vizcnn.results.layer_graph import build


@pytest.fixture
def ax() -> Axes:
    return Figure(figsize=(10, 6)).add_axes((0, 0, 1, 1))


# Boxes ----------------------------------------------------------------------------------------------------------------------


def test_each_layer_and_the_input_has_a_box_with_name_kind_and_shape():
    drawn = vz.architecture(models.functional().model).plot()
    assert set(boxes(drawn)) == {"<image>", "conv1", "conv2", "add", "out", "pool", "predictions"}
    assert texts(drawn, "conv1") == ["conv1", "Conv2D, relu", "6 × 5 × 4"]
    assert texts(drawn, "<image>") == ["image", "input", "6 × 5 × 3"]
    assert texts(drawn, "pool") == ["pool", "GlobalAvgPool", "4"]


def test_box_is_as_high_as_its_rows_and_as_wide_as_its_channels_on_log_scales(ax):
    shapes = [
        ("a", "Conv2D", (32, 32, 4)),
        ("b", "Conv2D", (16, 16, 8)),
        ("c", "Conv2D", (8, 8, 16)),
        ("d", "Dense", (1,)),
    ]
    made(shapes, chain("a", "b", "c", "d")).plot(ax)
    widths, heights = zip(*(size(ax, key) for key in "abcd"), strict=True)
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2])
    assert widths[1] - widths[0] == pytest.approx(widths[2] - widths[1])
    assert heights[0] > heights[1] > heights[2] > heights[3] > 0.1
    assert widths[3] < widths[0] < widths[1] < widths[2]


def test_boxes_of_one_family_share_a_color_that_the_legend_names(ax):
    rows = [("a", "Conv2D", (8, 8, 4)), ("b", "Conv2D", (8, 8, 4)), ("p", "MaxPooling2D", (4, 4, 4))]
    made(rows, chain("a", "b", "p")).plot(ax)
    colors = {key: patch.get_facecolor() for key, patch in boxes(ax).items()}
    assert colors["a"] == colors["b"] != colors["p"]
    assert legend(ax) == {"input", "convolution", "pooling"}
    swatch = next(patch for patch in ax.patches if patch.get_gid() == "legend:convolution")
    assert swatch.get_facecolor() == colors["a"]


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("DepthwiseConv2D", "depthwise convolution"),
        ("Conv2DTranspose", "upsampling"),
        ("UpSampling2D", "upsampling"),
        ("BatchNormalization", "normalization"),
        ("Normalization", "preprocessing"),
        ("Concatenate", "merge"),
        ("ReLU", "activation"),
        ("SpatialDropout2D", "dropout or noise"),
        ("MultiHeadAttention", "attention or recurrent"),
        ("ZeroPadding2D", "reshape or pad"),
        ("Transpose", "reshape or pad"),
        ("Whatever", "other"),
    ],
)
def test_family_of_a_kind(ax, kind, family):
    made([("a", kind, (8, 8, 4))], chain("a")).plot(ax)
    assert legend(ax) == {"input", family}


def test_open_sizes_are_drawn_and_written_as_question_marks(ax):
    vz.architecture(models.open_size().model).plot(ax)
    assert texts(ax, "conv1")[-1] == "? × ? × 4"


def test_no_two_boxes_overlap():
    drawn = residual(3).plot(fold="never")
    places = [(p.get_x(), p.get_y(), *p.get_bbox().size) for p in boxes(drawn).values()]
    for i, (x, y, width, height) in enumerate(places):
        for x2, y2, width2, height2 in places[i + 1 :]:
            assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y


def test_long_name_is_broken_within_its_column(ax):
    made(
        [("a_name_that_goes_on_and_on_without_an_end", "Conv2D", (8, 8, 4))],
        chain("a_name_that_goes_on_and_on_without_an_end"),
    ).plot(ax)
    ax.figure.canvas.draw()
    names = [text for text in ax.texts if str(text.get_gid()).startswith("name:a_name")]
    assert "".join(text.get_text() for text in names) == "a_name_that_goes_on_and_on_without_an_end"
    assert all(text.get_window_extent().width < 1.15 * ax.figure.dpi for text in names)


# Arrows ---------------------------------------------------------------------------------------------------------------------


def test_each_connection_has_an_arrow_and_outputs_have_none():
    drawn = vz.architecture(models.functional().model).plot()
    assert set(arrows(drawn)) == {
        ("<image>", "conv1"),
        ("conv1", "conv2"),
        ("conv1", "add"),
        ("conv2", "add"),
        ("add", "out"),
        ("out", "pool"),
        ("pool", "predictions"),
    }


def test_skip_connection_runs_above_the_boxes_that_it_passes_and_the_legend_says_so():
    drawn = vz.architecture(models.functional().model).plot()
    skip, direct = arrows(drawn)["conv1", "add"], arrows(drawn)["conv1", "conv2"]
    assert way(skip)[:, 1].min() < boxes(drawn)["conv2"].get_y()  # y grows downwards
    assert skip.get_edgecolor() != direct.get_edgecolor()
    assert "skip connection" in legend(drawn)


def test_arrow_starts_at_its_source_and_ends_at_its_target():
    drawn = vz.architecture(models.functional().model).plot()
    line, source, target = way(arrows(drawn)["conv1", "conv2"]), boxes(drawn)["conv1"], boxes(drawn)["conv2"]
    assert line[0, 0] == pytest.approx(source.get_x() + source.get_width(), abs=0.15)
    assert line[-1, 0] == pytest.approx(target.get_x(), abs=0.1)
    assert target.get_y() < line[-1, 1] < target.get_y() + target.get_height()


@pytest.mark.parametrize("width", [4.0, 6.0, 10.0, 30.0])
@pytest.mark.parametrize("architecture", [residual(3), unet(4), branches()], ids=["residual", "unet", "branches"])
def test_no_arrow_runs_through_a_box_or_its_text(architecture, width):
    assert crossings(architecture.plot(fold="never", width=width)) == []


def test_skip_connections_within_one_another_have_ways_of_their_own():
    drawn = unet(4).plot(fold="never", width=30.0)
    heights = [way(arrows(drawn)[f"down{i}", f"join{i}"])[:, 1].min() for i in range(4)]
    assert heights == sorted(heights)  # the outermost runs highest
    assert min(np.diff(heights)) > 0.05


def test_ways_side_by_side_stand_in_rows_of_their_own():
    drawn = branches().plot()
    middle = {key: round(patch.get_y() + patch.get_height() / 2, 2) for key, patch in boxes(drawn).items()}
    assert middle["stem"] == middle["c1"] == middle["c2"] == middle["c3"] == middle["join"]
    assert middle["b1"] == middle["b2"]
    assert len({middle["a1"], middle["b1"], middle["c1"]}) == 3


# Lines ----------------------------------------------------------------------------------------------------------------------


def test_lines_break_where_they_would_be_wider_than_asked_for():
    names = [f"layer{i}" for i in range(12)]
    model = made([(name, "Conv2D", (8, 8, 4)) for name in names], chain(*names))
    wide, narrow = model.plot(width=30.0), model.plot(width=5.0)
    assert len({patch.get_y() for patch in boxes(wide).values()} - {boxes(wide)["<image>"].get_y()}) == 1
    assert len({round(patch.get_y(), 3) for key, patch in boxes(narrow).items() if key != "<image>"}) > 2
    assert narrow.get_xlim()[1] <= 5.0


def test_lines_are_about_equally_long():
    names = [f"layer{i}" for i in range(11)]
    drawn = made([(name, "Conv2D", (8, 8, 4)) for name in names], chain(*names)).plot(width=8.0)
    counts = Counter(round(patch.get_y() + patch.get_height() / 2, 2) for patch in boxes(drawn).values())
    assert max(counts.values()) - min(counts.values()) <= 1


# Graphviz -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def dot(tmp_path, monkeypatch):
    """A program called dot that puts boxes where it is told to."""

    def install(script: str) -> None:
        program = tmp_path / "dot"
        program.write_text(f"#!/bin/sh\ncat > {tmp_path}/asked\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return install


PLACES = {"<image>": (0, 0), "stem": (1, 0), "a1": (2, 2), "b1": (2, 1), "b2": (3, 1), "c1": (2, 0), "c2": (3, 0), "c3": (4, 0),
          "join": (5, 0)}  # fmt: skip


def plain(keys: Any, places: dict[str, tuple[int, int]]) -> str:
    rows = [
        f"node n{i} {places[key][0]}.5 {9 - places[key][1]} 1 1 x solid box black gray" for i, key in enumerate(keys)
    ]
    return "cat <<'END'\n" + "\n".join(["graph 1 9 9", *rows, "stop"]) + "\nEND"


def test_graphviz_decides_on_columns_and_rows_where_it_is_installed(dot, tmp_path):
    graph = build(branches().layers, branches().connections, branches().inputs)
    swapped = {**PLACES, "a1": (2, 1), "b1": (2, 2), "b2": (3, 2)}
    dot(plain(graph.boxes, swapped))
    drawn = branches().plot()
    middle = {key: patch.get_y() + patch.get_height() / 2 for key, patch in boxes(drawn).items()}
    assert middle["c1"] < middle["a1"] < middle["b1"]
    assert "n0 -> n1;" in (tmp_path / "asked").read_text()
    assert crossings(drawn) == []


def test_graphviz_is_not_asked_for_a_chain_or_where_it_is_not_wanted(dot, tmp_path):
    dot("exit 1")
    made([("a", "Conv2D", (8, 8, 4))], chain("a")).plot()
    branches().plot(engine="vizcnn")
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense"])
def test_graphviz_that_fails_is_done_without(dot, script):
    graph = build(branches().layers, branches().connections, branches().inputs)
    dot(script)
    sizes = dict.fromkeys(graph.boxes, places.Size(1, 1, 0, 1, 0.2))
    assert places.dot_places(graph, sizes) is None
    assert len(boxes(branches().plot())) == 9


def test_graphviz_asked_for_but_not_installed_is_an_error(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OptionError, match="`engine` 'dot' needs Graphviz"):
        branches().plot(engine="dot")


# Where it is drawn ------------------------------------------------------------------------------------------------------------


def test_given_axes_are_used_and_returned(ax):
    assert residual(1).plot(ax) is ax
    assert len(boxes(ax)) == 9
    assert plt.get_fignums() == []


def test_text_shrinks_with_the_axes_that_are_given():
    large, small = Figure(figsize=(16, 12)).add_subplot(), Figure(figsize=(3, 2)).add_subplot()
    sizes = [max(text.get_fontsize() for text in residual(2).plot(axes).texts) for axes in (large, small)]
    assert sizes[1] < 0.6 * sizes[0]


def test_lines_follow_the_form_of_the_axes_that_are_given():
    wide, tall = Figure(figsize=(12, 3)).add_axes((0, 0, 1, 1)), Figure(figsize=(4, 9)).add_axes((0, 0, 1, 1))
    forms = [axes.get_xlim()[1] / axes.get_ylim()[0] for axes in (residual(3).plot(wide), residual(3).plot(tall))]
    assert forms[0] > 1.5 > forms[1]


def test_title_says_name_shapes_and_parameters(ax):
    residual(1).plot(ax)
    assert [text.get_text() for text in ax.texts if text.get_gid() == "title"] == [
        "tiny",
        "32 × 32 × 3 in, 10 out; 80 parameters in 8 layers",
    ]


def test_title_and_legend_can_be_left_out(ax):
    residual(1).plot(ax, title=False, legend=False)
    assert legend(ax) == set()
    assert not [text for text in ax.texts if text.get_gid() == "title"]


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ({"fold": "sometimes"}, "`fold` must be one of"),
        ({"engine": "neato"}, "`engine` must be one of"),
        ({"width": 0}, "`width` must be a positive number of inches; got 0"),
        ({"ax": "here"}, "`ax` must be one Axes; got 'here'"),
    ],
)
def test_wrong_style_is_rejected(style, message):
    with pytest.raises(OptionError, match=message):
        residual(1).plot(**style)


def test_pictures_are_written_without_pyplot(tmp_path):
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        path = residual(1).save(tmp_path / f"made/model{suffix}")
        assert path.read_bytes().startswith(start)
    assert plt.get_fignums() == []


def test_svg_can_be_searched_for_boxes(tmp_path):
    text = residual(1).save(tmp_path / "model.svg").read_text()
    assert 'id="box:stem"' in text


def test_notebook_shows_the_picture():
    with Image.open(io.BytesIO(residual(1)._repr_png_())) as image:
        assert image.width > 600
    assert plt.get_fignums() == []


def test_model_without_weights_or_layers_beside_its_input_is_drawn():
    x = keras.Input((4, 4, 1), name="image")
    drawn = vz.architecture(keras.Model(x, layers.Flatten(name="flatten")(x))).plot()
    assert set(boxes(drawn)) == {"<image>", "flatten"}
    assert boxes(drawn)["<image>"].get_facecolor() == (1, 1, 1, 1)
    assert build((), (), {}).boxes == {}
    assert INPUT == "Input"


def test_a_layout_says_where_plot_draws_everything(ax: Axes) -> None:
    architecture = vz.architecture(models.nested().model)
    laid_out = architecture.layout(fold="never", width=10, engine="vizcnn")
    drawn = architecture.plot(ax, fold="never", width=10, engine="vizcnn", title=False, legend=False)
    fronts = {patch.get_gid()[4:]: patch for patch in drawn.patches if (patch.get_gid() or "").startswith("box:")}
    assert list(fronts) == [box["key"] for box in laid_out["boxes"]]
    shift = None
    for box in laid_out["boxes"]:
        left, top, right, bottom = box["front"]
        patch = fronts[box["key"]]
        assert (patch.get_x(), patch.get_width(), patch.get_height()) == pytest.approx(
            (left, right - left, bottom - top), abs=2e-4
        )
        shift = patch.get_y() - top if shift is None else shift
        assert patch.get_y() - top == pytest.approx(shift, abs=2e-4)
    assert {(arrow["from"], arrow["to"]) for arrow in laid_out["arrows"]} == {
        tuple((patch.get_gid() or "").split(":")[1:])
        for patch in drawn.patches
        if (patch.get_gid() or "").startswith("edge:")
    }
    assert [arrow for arrow in laid_out["arrows"] if arrow["is_skip"]] != []
    assert [frame["path"] for frame in laid_out["frames"]] == ["base"]
    conv = next(box for box in laid_out["boxes"] if box["key"] == "base/conv1")
    assert (conv["layers"], conv["does"], conv["name"], conv["text"][-1]) == (
        ["base/conv1"],
        "convolution",
        ["conv1"],
        "6 × 5 × 4",
    )
