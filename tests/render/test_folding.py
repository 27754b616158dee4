"""Which layers become one box of a diagram, and how containers are opened and closed."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import vizcnn as vz
from tests import models
from tests.render.diagrams import arrows, boxes, chain, legend, made, residual, texts, unet
from vizcnn.render.diagram.boxes import Box
from vizcnn.render.diagram.folding import fold, fold_blocks, fold_names, fold_repeats, merge_followers
from vizcnn.results import Architecture
from vizcnn.results.layer_graph import build


@pytest.fixture
def ax() -> Axes:
    return Figure(figsize=(10, 6)).add_axes((0, 0, 1, 1))


# Folding ----------------------------------------------------------------------------------------------------------------------


def folded(architecture: Architecture, *steps: Any) -> dict[str, Box]:
    graph = build(architecture.layers, architecture.connections, architecture.inputs, architecture.depth)
    for step in steps:
        graph = step(graph)
    return {box.name: box for box in graph.boxes.values()}


def test_normalization_and_activation_go_into_the_box_of_the_layer_before():
    rows = [("conv", "Conv2D", (8, 8, 4)), ("bn", "BatchNormalization", (8, 8, 4)), ("relu", "ReLU", (8, 8, 4))]
    boxes = folded(made(rows, chain("conv", "bn", "relu")), merge_followers)
    assert boxes["conv"].parts == ("Conv2D", "BatchNormalization", "ReLU")
    assert boxes["conv"].paths == ("conv", "bn", "relu")


def test_padding_goes_into_the_box_of_the_layer_after():
    rows = [("pad", "ZeroPadding2D", (9, 9, 3)), ("conv", "Conv2D", (4, 4, 4))]
    boxes = folded(made(rows, chain("pad", "conv")), merge_followers)
    assert boxes["conv"].parts == ("ZeroPadding2D", "Conv2D")
    assert boxes["conv"].shape == (4, 4, 4)


def test_layer_whose_output_goes_two_ways_keeps_its_box():
    rows = [("conv", "Conv2D", (8, 8, 4)), ("relu", "ReLU", (8, 8, 4)), ("add", "Add", (8, 8, 4))]
    boxes = folded(made(rows, [*chain("conv", "relu", "add"), ("conv", "add")]), merge_followers)
    assert set(boxes) == {"image", "conv", "relu", "add"}


def test_residual_blocks_become_one_box_that_says_how_many_and_what_is_in_them():
    boxes = folded(residual(4), merge_followers, fold_blocks)
    assert list(boxes) == ["image", "stem", "block0", "pool", "head"]
    block = boxes["block0"]
    assert (block.repeats, block.ends, block.has_paths) == (4, ("block0", "block3"), True)
    assert block.contents == {"Conv2D": 8, "BatchNormalization": 4, "Add": 4, "ReLU": 4}
    assert block.num_params == 200


def test_blocks_with_names_by_keras_are_called_by_their_last_layer():
    rows = [("conv2d", "Conv2D", (8, 8, 4))]
    edges, last = chain("conv2d"), "conv2d"
    for i in (1, 2):
        rows += [(f"conv2d_{i}", "Conv2D", (8, 8, 4)), (f"add_{i}", "Add", (8, 8, 4))]
        edges += [(last, f"conv2d_{i}"), (f"conv2d_{i}", f"add_{i}"), (last, f"add_{i}")]
        last = f"add_{i}"
    assert folded(made(rows, edges), fold_blocks)["add_1"].ends == ("add_1", "add_2")


def test_blocks_of_other_shapes_stay_apart():
    rows = [("stem", "Conv2D", (8, 8, 4))]
    edges, last = chain("stem"), "stem"
    for i, rows_out in enumerate((8, 8, 4, 4, 4)):
        shape = (rows_out, rows_out, 4)
        rows += [(f"b{i}_long", "Conv2D", shape), (f"b{i}_short", "Conv2D", shape), (f"b{i}_add", "Add", shape)]
        edges += [
            (last, f"b{i}_long"),
            (last, f"b{i}_short"),
            (f"b{i}_long", f"b{i}_add"),
            (f"b{i}_short", f"b{i}_add"),
        ]
        last = f"b{i}_add"
    boxes = folded(made(rows, edges), fold_blocks)
    assert [box.repeats for box in boxes.values() if box.has_paths] == [2, 3]


def test_skip_connections_of_a_unet_are_never_folded_away():
    graph = build(unet(4).layers, unet(4).connections, unet(4).inputs)
    assert fold_blocks(graph) == graph


def test_unet_stays_open_where_small_blocks_around_it_are_folded():
    small, large = residual(2), unet(4)
    edges = [edge for edge in small.connections if edge[1] != "<out>"]
    edges += [("head" if a == "<image>" else a, b) for a, b in large.connections]
    graph = fold_blocks(merge_followers(build((*small.layers, *large.layers), edges, small.inputs)))
    assert [box.repeats for box in graph.boxes.values() if box.has_paths] == [2]
    assert {("down0", "join0"), ("down3", "join3")} <= set(graph.edges)


def test_layers_that_share_a_name_before_the_last_part_become_one_box():
    names = ["block_1_expand", "block_1_project", "block_2_expand", "block_2_project"]
    boxes = folded(made([(name, "Conv2D", (8, 8, 4)) for name in names], chain(*names)), fold_names)
    assert list(boxes) == ["image", "block_1", "block_2"]


def test_names_that_keras_gives_are_no_names_in_common():
    names = ["conv2d_1", "conv2d_2", "conv2d_3"]
    boxes = folded(made([(name, "Conv2D", (8, 8, 4)) for name in names], chain(*names)), fold_names)
    assert list(boxes) == ["image", *names]


def test_repetition_begins_where_names_say_so():
    kinds = {"dw": "DepthwiseConv2D", "pw": "Conv2D"}
    names = ["pw_1", *(f"{kind}_{i}" for i in (2, 3, 4) for kind in kinds)]
    rows = [(name, kinds[name[:2]], (8, 8, 4)) for name in names]
    boxes = folded(made(rows, chain(*names)), fold_repeats)
    assert list(boxes) == ["image", "pw_1", "dw_2"]
    assert (boxes["dw_2"].repeats, boxes["dw_2"].ends) == (3, ("dw_2", "pw_4"))


def test_small_models_are_not_folded_and_large_ones_are(ax):
    assert len(boxes(residual(2).plot(ax))) == 14
    assert len(boxes(residual(10).plot())) == 5


def test_fold_is_as_asked_for():
    assert len(boxes(residual(10).plot(fold="never"))) == 54
    assert len(boxes(residual(2).plot(fold="always"))) == 5


def test_folded_block_shows_how_many_it_stands_for_and_what_each_holds():
    drawn = residual(10).plot()
    key = next(key for key in boxes(drawn) if key.startswith("block"))
    assert [text.get_text() for text in drawn.texts if text.get_gid() == f"times:{key}"] == ["× 10"]
    assert texts(drawn, key)[:2] == ["block0 …", "block9"]
    words = " ".join(texts(drawn, key)[2:]).replace("\u00a0", " ")
    assert words == "each 2 Conv2D, 1 BN, 1 Add, 1 ReLU 32 × 32 × 8"
    assert "block of parallel paths" in legend(drawn)


def test_fold_stops_as_soon_as_the_boxes_are_few():
    graph = build(residual(4).layers, residual(4).connections, residual(4).inputs)
    assert len(fold(graph, 24).boxes) == 24  # none folded
    assert len(fold(graph, 23).boxes) == 16  # chains alone
    assert len(fold(graph, 15).boxes) == 5


# Containers -----------------------------------------------------------------------------------------------------------------


def test_open_container_is_a_frame_around_its_boxes():
    drawn = vz.architecture(models.nested().model).plot()
    frame = next(patch for patch in drawn.patches if patch.get_gid() == "frame:base")
    inner = [patch for key, patch in boxes(drawn).items() if key.startswith("base/")]
    assert len(inner) == 4
    for patch in boxes(drawn).values():
        left, right = frame.get_x(), frame.get_x() + frame.get_width()
        assert (left < patch.get_x() < right) == (patch in inner)
    assert [text.get_text() for text in drawn.texts if text.get_gid() == "container:base"] == ["base"]


def test_closed_container_is_one_box_with_the_edges_of_what_it_holds():
    drawn = vz.architecture(models.nested().model, depth=0).plot()
    assert set(arrows(drawn)) == {("<image>", "base"), ("base", "pool"), ("pool", "predictions")}
    assert texts(drawn, "base") == ["base", "Functional", "4 layers", "260 parameters", "6 × 5 × 4"]
    assert "nested model" in legend(drawn)


def test_container_of_two_levels_opens_as_deep_as_asked_for():
    architecture = vz.architecture(models.nested_twice().model, depth=1)
    assert set(boxes(architecture.plot())) == {"<image>", "outer/base", "outer/same", "pool", "predictions"}


def test_frame_that_goes_on_in_the_next_line_says_so():
    names = [f"inner/layer{i}" for i in range(8)]
    rows = [("inner", "Functional", (8, 8, 4)), *((name, "Conv2D", (8, 8, 4)) for name in names)]
    drawn = made(rows, chain(*names)).plot(width=6.0)
    assert [text.get_text() for text in drawn.texts if text.get_gid() == "container:inner"] == ["inner", "… inner"]


def test_input_that_is_used_late_stands_next_to_its_use():
    rows = [*((f"a{i}", "Conv2D", (8, 8, 4)) for i in range(3)), ("join", "Concatenate", (8, 8, 7))]
    model = made(
        rows, [*chain("a0", "a1", "a2", "join"), ("<mask>", "join")], inputs={"image": (8, 8, 3), "mask": (8, 8, 3)}
    )
    drawn = model.plot()
    assert boxes(drawn)["<mask>"].get_x() > boxes(drawn)["a1"].get_x()


def test_circle_of_closed_containers_is_drawn_too():
    # The model goes into a container, out of it and in again: closed, they feed each other.
    rows = [
        ("a", "Block", (8, 8, 4)),
        ("a/x", "Conv2D", (8, 8, 4)),
        ("a/y", "Conv2D", (8, 8, 4)),
        ("b", "Conv2D", (8, 8, 4)),
    ]
    drawn = made(rows, [*chain("a/x", "b", "a/y"), ("a/y", "<out>")], depth=0).plot()
    assert set(arrows(drawn)) == {("<image>", "a"), ("a", "b"), ("b", "a")}
