"""Folding: boxes are put together until a reader can take the whole in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile

from vizcnn.render.diagram.boxes import INPUT, Box, Graph, in_order

# What follows a layer and goes into its box, and what goes into the box of the layer after it.
_FOLLOWERS = frozenset({"normalization", "activation", "softmax", "dropout", "identity"})
_LEADERS = frozenset({"padding"})
_LONGEST_PERIOD = 6


def fold(graph: Graph, limit: int | None) -> Graph:
    """Fold a graph step by step until it has at most so many boxes.

    The steps: layers and what belongs to them; blocks; layers whose names say that they are one; repetitions.

    Parameters
    ----------
    graph : Graph
        What `build` returned.
    limit : int or None
        None: fold all that can be.

    Returns
    -------
    Graph
    """
    steps: tuple[Callable[[Graph], Graph], ...] = (merge_followers, fold_blocks, fold_names, fold_repeats)
    for step in steps:
        if limit is not None and len(graph.boxes) <= limit:
            break
        graph = step(graph)
    return graph


def merge_followers(graph: Graph) -> Graph:
    """Put normalization, activation and dropout into the box of the layer before, and padding into that of the layer after."""
    before, after = graph.before, graph.after
    order = list(graph.boxes)
    groups: dict[str, str] = {}
    for key in order:
        group = [key]
        for a in before[key]:
            alone = len(before[key]) == 1 and len(after[a]) == 1
            single = not (graph.boxes[a].kind == INPUT or graph.boxes[a].is_block or graph.boxes[key].is_block)
            same = graph.boxes[a].parent == graph.boxes[key].parent
            leads = graph.boxes[a].role in _LEADERS
            follows = graph.boxes[key].role in _FOLLOWERS
            if alone and single and same and (leads or follows) and not (leads and follows):
                group = [a]
        groups[key] = groups.get(group[0], group[0])
    return _joined(graph, groups, lambda boxes: _main(boxes).name)


def fold_blocks(graph: Graph) -> Graph:
    """Fold what lies between two points where all paths meet into one box, and alike ones in a row into one.

    A block is a part with more than one way through it. Where there is just one of them, or one that makes up over a third
    of the model (a U-Net), it stays open.
    """
    order = list(graph.boxes)
    place = {key: i for i, key in enumerate(order)}
    furthest, meeting = -1, []
    for i, key in enumerate(order):
        if furthest <= i:
            meeting.append(i)
        furthest = max([furthest, *(place[b] for b in graph.after[key])])
    blocks = [(a, b) for a, b in pairwise(meeting) if b - a + 1 > 2 and b - a <= max(6, len(order) / 3)]
    if len(blocks) < 2:
        return graph
    groups = {key: key for key in order}
    for a, b in blocks:
        groups |= dict.fromkeys(order[a + 1 : b + 1], order[a + 1])
    heads = {order[a + 1] for a, _ in blocks}
    folded = _joined(graph, groups, _block_name, blocks=heads)
    return _join_alike(folded, heads)


def _join_alike(graph: Graph, heads: Collection[str]) -> Graph:
    groups: dict[str, str] = {}
    last = None
    for key in graph.boxes:
        fits = key in heads and last in heads and graph.before[key] == [last]
        alike = fits and last is not None and _alike(graph.boxes[last], graph.boxes[key])
        groups[key] = groups[last] if alike and last is not None else key
        last = key
    return _joined(graph, groups, lambda boxes: boxes[0].name, repeat=True)


def _alike(a: Box, b: Box) -> bool:
    if a.parent != b.parent or a.shape is None or b.shape is None:
        return False
    return a.shape[:-1] == b.shape[:-1] and set(a.contents) == set(b.contents)


def fold_names(graph: Graph) -> Graph:
    """Fold what follows one another and has a name in common, as block_3_expand, block_3_depthwise and block_3_project."""
    before, after = graph.before, graph.after
    groups: dict[str, str] = {}
    for key, box in graph.boxes.items():
        groups[key] = key
        for a in before[key]:
            alone = len(before[key]) == 1 and len(after[a]) == 1 and graph.boxes[a].parent == box.parent
            if alone and _stem(box) and _stem(box) == _stem(graph.boxes[a]):
                groups[key] = groups[a]
    sizes = Counter(groups.values())
    heads = {key for key, size in sizes.items() if size > 1}
    return _joined(graph, groups, lambda boxes: _stem(boxes[0]), named=heads)


def _stem(box: Box) -> str:
    """Return what stands before the last part of a name, where it ends in a number: block_3 of block_3_expand."""
    match = re.match(r"(.*\d[a-z]?)[_\-.]", box.name)
    return match[1] if match and not box.ends and not _is_automatic(match[1], [box]) else ""


def fold_repeats(graph: Graph) -> Graph:
    """Fold what comes several times in a row, with the same kinds and shapes each time, into one box."""
    order = list(graph.boxes)
    before, after = graph.before, graph.after
    groups = {key: key for key in order}
    periods: dict[str, int] = {}
    start = 0
    while start < len(order):
        links = takewhile(
            lambda i: before[order[i]] == [order[i - 1]] and after[order[i - 1]] == [order[i]],
            range(start + 1, len(order)),
        )
        chain = [order[start], *(order[i] for i in links)]
        signs = [_signature(graph.boxes[key]) for key in chain]
        best = max(_periods(signs), key=lambda period: (period[0] * period[1], -period[0]), default=(1, 1))
        length = best[0] * best[1]
        if _begins_late(graph, chain, signs, best):
            length = 1
        if length > 1:
            groups |= dict.fromkeys(chain[:length], chain[0])
            periods[chain[0]] = best[0]
        start += length
    return _joined(graph, groups, lambda boxes: boxes[0].name, repeat=True, periods=periods)


def _begins_late(graph: Graph, chain: Sequence[str], signs: Sequence[object], period: tuple[int, int]) -> bool:
    """Tell whether names say that what repeats begins a little later: with dw_7, pw_7 rather than with pw_6, dw_7."""
    length, times = period

    def shares_number(start: int) -> bool:
        names = [graph.boxes[key].name for key in chain[start : start + length]]
        numbers = {tuple(re.findall(r"\d+", name)[-1:]) for name in names}
        return len(numbers) == 1 and () not in numbers

    if length == 1 or shares_number(0):
        return False
    return any(period in _periods(signs[i:]) and shares_number(i) for i in range(1, length)) and times > 1


def _periods(signs: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Yield (length, times) of what repeats from the start on."""
    for length in range(1, min(_LONGEST_PERIOD, len(signs) // 2) + 1):
        times = 1
        while signs[times * length : (times + 1) * length] == signs[:length]:
            times += 1
        if times >= (3 if length == 1 else 2):
            yield length, times


def _signature(box: Box) -> object:
    return box.parts, box.shape, box.kind, box.repeats, box.parent, tuple(sorted(box.contents.items()))


def _joined(
    graph: Graph,
    groups: Mapping[str, str],
    name: Callable[[list[Box]], str],
    *,
    blocks: Collection[str] = (),
    repeat: bool = False,
    periods: Mapping[str, int] | None = None,
    named: Collection[str] = (),
) -> Graph:
    """Make one box of those that share a group."""
    members: dict[str, list[Box]] = {}
    for key, box in graph.boxes.items():
        members.setdefault(groups[key], []).append(box)
    boxes = {}
    for key, group in members.items():
        if len(group) == 1 and key not in blocks:
            boxes[key] = group[0]
            continue
        period = (periods or {}).get(key, 1)
        contents: Counter[str] = Counter()
        for box in group:
            contents.update(box.contents)
        last = group[-1].ends or (group[-1].name,)
        boxes[key] = replace(
            group[0],
            name=name(group),
            kind=_main(group).kind,
            role=_main(group).role,
            parts=tuple(part for box in (group[:period] if repeat else group) for part in box.parts),
            shape=group[-1].shape,
            num_params=sum(box.num_params for box in group),
            paths=tuple(path for box in group for path in box.paths),
            parent=_common_parent(graph, group),
            contents=dict(contents),
            repeats=sum(box.repeats for box in group) // period if repeat else 1,
            is_block=key in blocks or key in named or repeat or any(box.is_block for box in group),
            is_closed=all(box.is_closed for box in group),
            has_paths=key in blocks or any(box.has_paths for box in group),
            ends=((group[0].ends or (group[0].name,))[0], last[-1]) if repeat else (),
        )
    edges = [(groups[a], groups[b]) for a, b in graph.edges if groups[a] != groups[b]]
    return in_order(boxes, edges)


def _main(boxes: Sequence[Box]) -> Box:
    """Return the box that the others belong to: the first one that neither follows nor leads."""
    own = [box for box in boxes if box.role not in _FOLLOWERS | _LEADERS]
    return max(own or boxes, key=lambda box: box.num_params)


def _block_name(boxes: list[Box]) -> str:
    """Return what most names in a block begin with, or the name of its last layer."""
    first = Counter(box.name[:4] for box in boxes).most_common(1)[0][0]
    names = [box.name for box in boxes if box.name[:4] == first]
    same = "".join(
        letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    )
    same = re.sub(r"[_\-.]\w?$|[_\-.]+$", "", same)
    most = len(names) > max(1, len(boxes) / 2)
    return same if most and len(same) > 2 and not _is_automatic(same, boxes) else boxes[-1].name


def _is_automatic(name: str, boxes: Iterable[Box]) -> bool:
    """Tell whether a name is but the beginning of one that Keras gives."""
    kinds = {re.sub(r"\W|_", "", kind).lower() for box in boxes for kind in box.contents}
    return any(kind.startswith(re.sub(r"\W|_", "", name).lower()) for kind in kinds)


def _common_parent(graph: Graph, boxes: Sequence[Box]) -> str:
    """Return the container that holds boxes and others too."""
    parts = [box.parent.split("/") if box.parent else [] for box in boxes]
    common = [level[0] for level in takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))]
    paths = {path for box in boxes for path in box.paths}
    while common:
        holder = "/".join(common)
        inside = (box for box in graph.boxes.values() if f"{box.parent}/".startswith(f"{holder}/"))
        if any(not paths.issuperset(box.paths) for box in inside):
            break
        common.pop()
    return "/".join(common)
