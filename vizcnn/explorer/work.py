"""One worker asks the model, the most urgent question first; a question that nobody waits for any more isn't asked.

A patient question that tells its progress gives way at each step: what is urgent is answered in between, on the same thread.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextvars import Context
from typing import Any

from vizcnn.errors import VizcnnError, silent
from vizcnn.progress import watched

URGENT, PATIENT = 0, 1
"""Somebody looks at the place where the answer will stand; or it is made in the background."""

MAX_WAITING = 64
"""Questions that may wait at a time."""

MAX_KEPT = 256
"""Answers that are kept: what was asked before is there at once."""

MAX_KEPT_BYTES = 200_000_000


class CancelledError(Exception):
    """Nobody waits for the answer any more."""


class BusyError(VizcnnError):
    """Too many questions wait already."""


class Question:
    """What was asked, and who waits for it.

    Attributes
    ----------
    future : Future
        The answer, once it is there.
    progress : tuple of (int, int, str)
        How many of how many parts are done, and of what.
    """

    def __init__(self, key: Hashable, function: Callable[[], bytes], priority: int, lasts: Callable[[], bool]) -> None:
        self.key = key
        self.function = function
        self.priority = priority
        self.lasts = lasts
        self.future: Future[bytes] = Future()
        self.progress = (0, 0, "")
        self.waiting = 0
        self.is_started = False

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for it."""
        return self.waiting <= 0

    def watch(self, done: int, total: int, description: str) -> None:
        """Note the progress; end the work where nobody waits for it."""
        self.progress = (done, total, description)
        if self.is_given_up:
            raise CancelledError


class Worker:
    """Asks questions one after another, in a thread of its own, and keeps the latest answers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[tuple[int, int, Question]] = []
        self._numbers = itertools.count()
        self._open: dict[Hashable, Question] = {}
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._closed = False
        self._at_work: Question | None = None
        self._thread = threading.Thread(target=self._run, name="vizcnn-serve", daemon=True)
        self._thread.start()

    def ask(
        self,
        key: Hashable,
        function: Callable[[], bytes],
        priority: int = URGENT,
        lasts: Callable[[], bool] = lambda: True,
    ) -> Question:
        """Return a question with its answer, at once where it is known; whoever asks calls `leave` when done waiting.

        Parameters
        ----------
        key : hashable
            What tells the question from others: the same one, asked twice, is answered once.
        function : callable
            Gives the answer.
        priority : int, default URGENT
            `URGENT` or `PATIENT`.
        lasts : callable, default always
            Tells, once the answer is there, whether it is kept.

        Returns
        -------
        Question

        Raises
        ------
        BusyError
            If `MAX_WAITING` questions wait already.
        """
        with self._changed:
            question = self._open.get(key)
            if question is None:
                if key not in self._kept and len(self._open) >= MAX_WAITING:
                    raise BusyError(f"{MAX_WAITING} questions wait already: try again when some are answered.")
                question = Question(key, function, priority, lasts)
                if key in self._kept:
                    self._kept.move_to_end(key)
                    question.future.set_result(self._kept[key])
                else:
                    self._open[key] = question
                    heapq.heappush(self._queue, (priority, next(self._numbers), question))
                    self._changed.notify()
            elif priority < question.priority:
                question.priority = priority
                if not question.is_started:  # asked again by somebody who looks: it moves to the front
                    heapq.heappush(self._queue, (priority, next(self._numbers), question))
            question.waiting += 1
            return question

    def keeps(self, key: Hashable) -> bool:
        """Tell whether the answer to a question is there already."""
        with self._changed:
            return key in self._kept

    def leave(self, question: Question) -> None:
        """Say that one who asked doesn't wait any more; where nobody does, the question is dropped."""
        with self._changed:
            question.waiting -= 1
            if question.is_given_up and not question.future.done():
                self._open.pop(question.key, None)

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._closed

    def progress(self) -> dict[str, Any] | None:
        """Return how far the question at work is; None while there is none, or it doesn't tell."""
        question = self._at_work
        if question is None:
            return None
        done, total, description = question.progress
        return {"done": done, "total": total, "what": description, "asked": str(question.key)}

    def close(self) -> None:
        """Drop all questions, and end."""
        with self._changed:
            self._closed = True
            for question in self._open.values():
                question.waiting = 0
            self._open.clear()
            self._queue.clear()
            self._changed.notify()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the worker has ended; return whether it has."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (question := self._next()) is not None:
            self._answer(question)

    def _answer(self, question: Question) -> None:
        def watch(done: int, total: int, description: str) -> None:
            if question.priority == PATIENT:
                self._give_way(question)
            question.watch(done, total, description)

        self._at_work = question
        try:
            with watched(watch), silent():  # the page shows the notes of results
                answer = question.function()
            lasts = question.lasts()
        except CancelledError:
            question.future.cancel()
        except BaseException as error:  # noqa: BLE001 - it is told to whoever asked, and the worker goes on
            self._forget(question)
            question.future.set_exception(error)
        else:
            if lasts:
                self._keep(question, answer)
            self._forget(question)
            question.future.set_result(answer)
        finally:
            self._at_work = None

    def _give_way(self, question: Question) -> None:
        """Answer what is urgent in the midst of a patient question, none of whose limits and watchers hold for that."""
        while (urgent := self._first(URGENT)) is not None:
            Context().run(self._answer, urgent)
            self._at_work = question

    def _next(self) -> Question | None:
        """Wait for a question; None once the worker is closed."""
        with self._changed:
            while not self._closed:
                question = self._first(PATIENT)
                if question is not None:
                    return question
                self._changed.wait()
            return None

    def _first(self, least: int) -> Question | None:
        """Return the question that is to be answered next, if one waits that is at least so urgent."""
        with self._changed:
            while self._queue and self._queue[0][0] <= least:
                _, _, question = heapq.heappop(self._queue)
                if not (question.is_given_up or question.is_started):
                    question.is_started = True
                    return question
            return None

    def _forget(self, question: Question) -> None:
        with self._changed:
            if self._open.get(question.key) is question:
                del self._open[question.key]

    def _keep(self, question: Question, answer: bytes) -> None:
        with self._changed:
            self._kept_bytes -= len(self._kept.pop(question.key, b""))
            self._kept[question.key] = answer
            self._kept_bytes += len(answer)
            while self._kept and (len(self._kept) > MAX_KEPT or self._kept_bytes > MAX_KEPT_BYTES):
                _, dropped = self._kept.popitem(last=False)
                self._kept_bytes -= len(dropped)
