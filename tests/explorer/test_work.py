"""One worker, many questions: which is asked when, what is kept, and what happens in the midst of a long one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from vizcnn.explorer.work import PATIENT, URGENT, Question, Worker
from vizcnn.progress import TimeIsUpError, time_limit, track


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()
    assert worker.join(5)


def stepping(happened: list[str], name: str, at_step: dict[int, Callable[[], object]]) -> Callable[[], bytes]:
    """Return work of five steps, at some of which something is done."""

    def work() -> bytes:
        for step in track(range(5), 5, name):
            happened.append(f"{name} {step}")
            at_step.get(step, lambda: None)()
        return name.encode()

    return work


def test_a_patient_question_gives_way_at_its_next_step_and_goes_on(worker: Worker) -> None:
    happened: list[str] = []
    asked: list[Question] = []

    def others() -> None:
        asked.append(worker.ask("patient too", stepping(happened, "patient too", {}), PATIENT))
        asked.append(worker.ask("urgent", stepping(happened, "urgent", {}), URGENT))

    question = worker.ask("patient", stepping(happened, "patient", {1: others}), PATIENT)
    assert question.future.result(5) == b"patient"
    assert [one.future.result(5) for one in asked] == [b"patient too", b"urgent"]
    urgent = [f"urgent {step}" for step in range(5)]
    patient, too = ([f"{name} {step}" for step in range(5)] for name in ("patient", "patient too"))
    assert happened == [*patient[:2], *urgent, *patient[2:], *too]


def test_an_urgent_question_gives_way_to_none(worker: Worker) -> None:
    happened: list[str] = []
    asked: list[Question] = []
    first = stepping(happened, "a", {1: lambda: asked.append(worker.ask("b", stepping(happened, "b", {})))})
    assert worker.ask("a", first).future.result(5) == b"a"
    assert asked[0].future.result(5) == b"b"
    assert happened == [f"{name} {step}" for name in "ab" for step in range(5)]


def test_a_patient_question_that_somebody_looks_at_by_now_gives_way_no_more(worker: Worker) -> None:
    happened: list[str] = []

    def looked_at() -> None:
        worker.ask("a", lambda: b"never asked", URGENT)
        worker.ask("b", stepping(happened, "b", {}), URGENT)

    worker.ask("a", stepping(happened, "a", {1: looked_at}), PATIENT).future.result(5)
    assert worker.ask("b", lambda: b"never asked").future.result(5) == b"b"
    assert happened == [f"{name} {step}" for name in "ab" for step in range(5)]


def test_what_is_answered_in_between_has_no_limits_but_its_own(worker: Worker) -> None:
    asked: list[Question] = []

    def urgent() -> bytes:
        time.sleep(0.1)
        return bytes(track(b"all", 3, "urgent"))

    def limited() -> bytes:
        with time_limit(0.05):
            asked.extend(worker.ask("urgent", urgent) for _ in track(range(3), 3, "patient"))
        return b""

    with pytest.raises(TimeIsUpError):
        worker.ask("patient", limited, PATIENT).future.result(5)
    assert asked[0].future.result(5) == b"all"


def test_who_is_given_up_while_giving_way_ends(worker: Worker) -> None:
    happened: list[str] = []
    questions: list[Question] = []

    def leaves() -> None:
        worker.leave(questions[0])
        worker.ask("urgent", stepping(happened, "urgent", {}))

    worker.ask("first", lambda: time.sleep(0.1) or b"")  # so that the list is filled
    questions.append(worker.ask("patient", stepping(happened, "patient", {1: leaves}), PATIENT))
    last = worker.ask("last", lambda: b"last", PATIENT)
    assert last.future.result(5) == b"last"
    assert questions[0].future.cancelled()
    assert happened == ["patient 0", "patient 1", *(f"urgent {step}" for step in range(5))]


def test_an_answer_that_does_not_last_is_asked_for_again(worker: Worker) -> None:
    count = iter(range(9))
    answers = [
        worker.ask("key", lambda: b"%d" % next(count), lasts=lambda lasts=lasts: lasts).future.result(5)  # type: ignore[misc]
        for lasts in (False, True, True)
    ]
    assert answers == [b"0", b"1", b"1"]


def test_what_goes_wrong_while_it_is_told_whether_an_answer_lasts_is_told_and_the_worker_goes_on(
    worker: Worker,
) -> None:
    def lasts() -> bool:
        raise RuntimeError("deleted")

    with pytest.raises(RuntimeError, match="deleted"):
        worker.ask("key", lambda: b"", lasts=lasts).future.result(5)
    assert worker.ask("key", lambda: b"next").future.result(5) == b"next"
