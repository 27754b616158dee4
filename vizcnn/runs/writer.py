"""What is computed is written by a thread of its own, while the model is at work on the next batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

Task = Callable[[], int]

_BATCHES_BEHIND = 1
"""Batches that wait to be written while another one is."""


class Writer:
    """Does tasks one after the other in another thread; once one failed, none of those after it is done.

    What was put in is done before the writer is left, unless one before it failed: where the caller is interrupted too.

    Examples
    --------
    >>> from vizcnn.runs.writer import Writer
    >>> with Writer() as writer:
    ...     [*writer.put(lambda: 1), *writer.put(lambda: 2), *writer.put(lambda: 3), *writer.rest()]
    [1, 2, 3]
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "vizcnn-write")
        self._waiting: deque[Future[int]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def put(self, task: Task) -> Iterator[int]:
        """Let a task be done after those that were put in before; yield what the ones return that had to be waited for.

        Yields
        ------
        int

        Raises
        ------
        Exception
            What such a task raised.
        """
        before = self._waiting[-1] if self._waiting else None
        self._waiting.append(self._pool.submit(_after, before, task))
        if len(self._waiting) > 1 + _BATCHES_BEHIND:
            yield self._waiting.popleft().result()

    def rest(self) -> Iterator[int]:
        """Yield what the tasks return that aren't waited for yet, as `put` does.

        Yields
        ------
        int
        """
        while self._waiting:
            yield self._waiting.popleft().result()


def _after(before: Future[int] | None, task: Task) -> int:
    if before is not None:
        before.result()  # raises what it raised
    return task()
