"""The images of a run by columns, in their order, and how processes share them."""

from __future__ import annotations

import hashlib
import os
import pickle
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runs.made import Made
from vizcnn.errors import InputError, ResultError
from vizcnn.runs import workers
from vizcnn.runs.listing import Listing
from vizcnn.runs.plan import Plan
from vizcnn.runs.source import Entry

MIXED = [
    Entry("a/1.png", "cat", 3),
    Entry("b/\udcff.png", None, "lynx"),  # a name that is no UTF-8
    Entry("ü/2.png", "dog", None),
    Entry("a/'3'.png", "cat", True),
    Entry("a/4.png", "cat", 1),
    Entry("", "\n", "1"),
    Entry("a/1.png", "cat", 3),
]


ORDER = [3, 2, 0, 0, 1, 5, 4]
DIGEST = "77491e05127d6f3430292e808edbd9113a71b0513c9cba4fba6adcd35f0b06ad"
DIGEST_IN_ORDER = "8e792fdae033b58bb0265ef30c167def0a988a5f994705a878ea2b6c5bb378e9"


class InOrder(Made):
    in_order = True


class Distinct(InOrder):
    distinct = True


def test_order_and_digest_are_those_of_runs_that_were_begun_with_lists() -> None:
    plan = Plan.of(Made(*MIXED), 4)
    assert [MIXED.index(entry) for entry in plan.listing.entries(range(7))] == ORDER
    assert plan.digest == DIGEST
    assert Plan.of(InOrder(*MIXED), 4).digest == DIGEST_IN_ORDER


_keys = st.text("a/'\nü猫\udc80\udcff", max_size=4)
_said = st.none() | st.sampled_from(["", "cat", "1", "\udcff"])
_targets = _said | st.integers(-2, 2) | st.booleans() | st.just(10**30)


@st.composite
def listed(draw: st.DrawFn) -> list[Entry]:
    width = draw(st.integers(0, 3))
    place = st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * width) if width else st.none()
    return draw(st.lists(st.builds(Entry, _keys, _said, _targets, place), max_size=9))


def distinct(values: Iterator[Any]) -> list[Any]:
    found = dict.fromkeys((type(value), value) for value in values if value is not None)
    return [value for _, value in found]


def assert_lists(listing: Listing, entries: list[Entry]) -> None:
    everything = range(len(entries))
    assert repr(listing.entries(everything)) == repr(entries)  # which tells True from 1
    assert [listing[place] for place in everything] == entries
    assert listing.keys(everything) == [entry.key for entry in entries]
    assert listing.keys(everything[::2]) == [entry.key for entry in entries[::2]]
    assert repr(listing.labels) == repr(distinct(entry.label for entry in entries))
    assert repr(listing.targets) == repr(distinct(entry.target for entry in entries))
    for role in ("label", "target"):
        said = [listing.values[role][number] if number >= 0 else None for number in listing.numbers(role)]
        assert said == [getattr(entry, role) for entry in entries]
    some = everything[1:]
    sizes = [len(entry.key.encode("utf-8", "surrogatepass")) for entry in entries]
    assert listing.key_bytes(some) == sum(sizes[1:])


@settings(max_examples=40)
@given(listed())
def test_columns_hold_what_lists_do(entries: list[Entry]) -> None:
    listing = Listing.of(iter(entries))
    assert_lists(listing, entries)
    turned = np.arange(len(entries))[::-2]
    assert_lists(listing.taken(turned), entries[::-2])
    assert_lists(pickle.loads(pickle.dumps(listing)), entries)


@settings(max_examples=40)
@given(listed())
def test_order_and_digest_are_those_of_a_slow_one_by_one(entries: list[Entry]) -> None:
    def number(entry: Entry) -> int:
        key = entry.key.encode("utf-8", "surrogateescape")
        return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")

    if entries:
        plan, ordered = Plan.of(Made(*entries), 4), sorted(entries, key=number)
        assert_lists(plan.listing, ordered)
        texts = [repr((entry.key, entry.label, entry.target)) for entry in ordered]
        assert plan.digest == hashlib.sha256("".join(texts).encode()).hexdigest()


def test_places_of_which_some_lack_a_number_are_refused() -> None:
    with pytest.raises(ValueError, match="places of 2 images have 3 numbers: not all as many"):
        Listing.of([Entry("a", place=(1, 2)), Entry("b", place=(1,))])


def test_images_that_are_called_alike_are_refused_where_they_may_not_be() -> None:
    assert len(Plan.of(InOrder(*MIXED), 4)) == 7
    with pytest.raises(InputError, match=r"`source` must name each image by a path of its own; got 'a/1.png' again"):
        Plan.of(Distinct(*MIXED), 4)
    assert len(Plan.of(Distinct(*MIXED[1:]), 4)) == 6


def test_image_takes_its_name_and_a_few_numbers() -> None:
    count, name = 5000, len("n00000000/image_00000000.JPEG")

    class Many(Made):
        def entries(self) -> Iterator[Entry]:
            for number in range(count):
                yield Entry(f"n{number % 10:08d}/image_{number:08d}.JPEG", f"n{number % 10:08d}")

    before = pa.total_allocated_bytes()
    tracemalloc.start()
    plan = Plan.of(Many(), 1024)
    assert plan.listing.numbers("label").itemsize == 4
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held + pa.total_allocated_bytes() - before < count * (name + 8 + 4 + 3)  # lists have 180


def test_other_processes_map_one_file_that_is_gone_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    plan = Plan.of(Made(*MIXED * 100), 4)
    with workers.shared(plan) as sent:
        assert sent.listing.columns is plan.listing.columns  # Windows removes no file that is mapped
        packed = pickle.dumps(sent)
        assert len(packed) < 1000
        there = pickle.loads(packed)
        assert (there.listing.file, there.__dict__["digest"]) == (next(tmp_path.iterdir()), plan.digest)
        assert_lists(there.listing, plan.listing.entries(range(700)))
        assert pickle.loads(pickle.dumps(sent.taken(np.arange(3)))).listing.file is None
    assert not list(tmp_path.iterdir())


def test_file_is_gone_after_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError), workers.shared(Plan.of(Made(*MIXED), 4)):
        raise ZeroDivisionError(next(tmp_path.iterdir()))
    assert not list(tmp_path.iterdir())


def test_file_is_taken_away_by_the_others_when_the_first_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed:
        def join(self) -> None:
            pass

    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    (tmp_path / "listing.arrow").touch()
    for _ in range(2):  # of several processes
        workers._end_with(Killed(), tmp_path / "listing.arrow")
    assert (codes, list(tmp_path.iterdir())) == ([1, 1], [])


def test_folder_of_temporary_files_that_takes_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Listing, "written", full)
    with (
        pytest.raises(ResultError, match=r"`TMPDIR` '.*' can't be written: No space left on device"),
        workers.shared(Plan.of(Made(*MIXED), 4)),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_store_of_objects_is_read_without_a_copy() -> None:
    plan, buffers = Plan.of(Made(*MIXED), 4), []
    packed = pickle.dumps(plan, protocol=5, buffer_callback=buffers.append)
    there = pickle.loads(packed, buffers=buffers).listing

    def addresses(listing: Listing) -> set[int]:
        return {buffer.address for column in listing.columns for buffer in column.buffers() if buffer is not None}

    assert len(addresses(there)) == 4  # offsets and bytes of keys; labels; targets
    assert addresses(there) <= addresses(plan.listing)
    assert_lists(there, plan.listing.entries(range(7)))
