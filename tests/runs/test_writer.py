"""Tests of the thread that writes what is computed."""

from __future__ import annotations

import threading

import pytest

from vizcnn.runs.writer import Writer


def test_tasks_are_done_in_their_order_by_one_other_thread() -> None:
    done: list[tuple[int, int]] = []

    def task(number: int) -> int:
        done.append((number, threading.get_ident()))
        return number

    with Writer() as writer:
        told = [value for number in range(20) for value in writer.put(lambda number=number: task(number))]
        told += writer.rest()
    assert told == [number for number, _ in done] == list(range(20))
    assert len({thread for _, thread in done}) == 1
    assert done[0][1] != threading.get_ident()


def test_nothing_is_written_after_what_failed() -> None:
    begin, done = threading.Event(), []

    def fail() -> int:
        begin.wait(10)
        raise OSError(28, "No space left on device")

    def task() -> int:
        done.append(1)
        return 1

    def put_three() -> None:
        with Writer() as writer:
            list(writer.put(fail))
            list(writer.put(task))
            begin.set()
            list(writer.put(task))  # waits for the first, which has failed by now

    with pytest.raises(OSError, match="No space left"):
        put_three()
    assert not done


def test_what_was_put_in_is_written_where_the_caller_is_interrupted() -> None:
    done: list[int] = []

    def put_two() -> None:
        with Writer() as writer:
            for number in range(2):
                list(writer.put(lambda number=number: done.append(number) or number))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put_two()
    assert done == [0, 1]


def test_no_more_than_two_tasks_wait() -> None:
    started, ends = [], threading.Event()

    def task() -> int:
        started.append(1)
        ends.wait(10)
        return 1

    with Writer() as writer:
        assert list(writer.put(task)) == list(writer.put(task)) == []
        threading.Timer(0.05, ends.set).start()
        assert list(writer.put(task)) == [1]  # it was waited for
        assert ends.is_set()
