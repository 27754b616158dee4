"""Models that draw random numbers in inference: what they draw, how far it moves the answer, and the mean over several runs."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras.ops import convert_to_numpy
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

from vizcnn.adapter.keras.backends.base import Backend
from vizcnn.adapter.keras.compiled import Run

_TRIALS = 5
"""Runs that are compared where one is asked for."""

_STRIDE = 104_729
"""From the seed of one run to that of the next."""


@dataclass
class Randomness:
    """What one adapter knows of the random numbers that its model draws.

    Parameters
    ----------
    backend : Backend
        What the model runs on.
    num_runs : int
        Over how many runs each answer is averaged.
    """

    backend: Backend
    num_runs: int = 1
    _measured: set[tuple[int, ...]] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def settle(self, run: Run, again: Callable[[], Run]) -> tuple[Run, float | None]:
        """Return the mean over the runs, and once for each shape of scores and inputs how far they differ.

        Parameters
        ----------
        run : Run
            The first run.
        again : callable
            Runs the same once more.

        Returns
        -------
        (Run, float or None)
            The mean; the standard deviation of a score from run to run, None where it isn't known anew.
        """
        with self._lock:
            shape = next(iter(run.arrays.values())).shape[1:]
            measures = "scores" in run.arrays and shape not in self._measured
            count = max(self.num_runs, _TRIALS if measures else 1)
            runs = [run]
            with _kept(self.backend, run.traced.generators):
                for number in range(1, count):
                    self._reseed(run.traced.generators, number)
                    runs.append(again())
            if not measures:
                return _mean(runs[: self.num_runs]), None
            self._measured.add(shape)
            spread = np.std([one.arrays["scores"] for one in runs], axis=0, dtype=np.float64).mean()
            return _mean(runs[: self.num_runs]), float(spread)

    def _reseed(self, generators: Sequence[Any], number: int) -> None:
        """Give every generator the seeds of another run, far from those of the one before."""
        self.backend.reseed(number * _STRIDE)
        for generator in generators:
            state = self.backend.numpy(generator.state)
            generator.state.assign(np.array([(int(state[0]) + _STRIDE) % 2**31, state[1]]).astype(state.dtype))

    def note(self, name: str, spread: float) -> str:
        """Return the note on a model that is random, for its readers."""
        text = (
            f"Model {name!r} draws random numbers in inference: from run to run the score of an image has a standard deviation "
            f"of {spread:.2g}."
        )
        if self.num_runs > 1:
            return f"{text} Scores and maps are means over {self.num_runs} runs."
        return f"{text} This is one run; vizcnn.adapt(model, num_runs=20), or --num-runs 20, takes the mean over 20."


def _mean(runs: list[Run]) -> Run:
    if len(runs) == 1:
        return runs[0]
    arrays = {name: [convert_to_numpy(run.arrays[name]) for run in runs] for name in runs[0].arrays}
    return Run({name: _of_runs(np.array(values)) for name, values in arrays.items()}, runs[0].traced)


def _of_runs(values: np.ndarray) -> np.ndarray:
    """Return the mean over the runs (R, ...); of whole numbers, which are classes, the one that most runs say."""
    if values.dtype.kind == "f":
        return np.asarray(np.mean(values, axis=0), dtype=values.dtype)
    votes = (values[:, None] == values).sum(axis=0)
    chosen: np.ndarray = np.take_along_axis(values, votes.argmax(axis=0)[None], axis=0)[0]
    return chosen


@contextmanager
def _kept(backend: Backend, generators: Sequence[Any]) -> Iterator[None]:
    states = [backend.numpy(generator.state) for generator in generators]
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.state.assign(state)


@contextmanager
def user_seeds_kept(backend: Backend) -> Iterator[None]:
    """Leave the random states of Python, NumPy, Keras and the framework after a block as they were before it."""
    python, numpy, framework = random.getstate(), np.random.get_state(), backend.random_state()  # noqa: NPY002
    keras_generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        backend.restore_random_state(framework)
        global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, keras_generator)
