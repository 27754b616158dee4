"""Functions that are traced once and kept, for as long as what keeps them lives."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.keras.backends.base import Backend
from vizcnn.adapter.keras.block import repair
from vizcnn.errors import Note

CAPACITY = 64
"""Functions that are kept; only targets that are functions ever come near it."""


@dataclass
class Traced:
    """What the tracing of one function has told, beside what it computes.

    Attributes
    ----------
    layer : str or None
        The layer that was differentiated by.
    notes : tuple of Note
        What the reader of a picture should know.
    recorded : bool
        Whether what a run tells of the model was written down; where nothing is compiled later runs come by too, and needn't.
    undecided : frozenset of str
        Outputs that it took for logits, which its first run has to confirm.
    generators : list of keras.random.SeedGenerator
        What it drew seeds from.
    draws : bool
        Whether it draws random numbers, from those or otherwise.
    leaves_seeds : bool
        Whether it is known to leave the random states of Python, NumPy and the framework as they are.
    facts : optional
        What else it has told, for whoever builds it.
    """

    layer: str | None = None
    notes: tuple[Note, ...] = ()
    recorded: bool = False
    undecided: frozenset[str] = frozenset()
    generators: list[Any] = field(default_factory=list)
    draws: bool = False
    leaves_seeds: bool = False
    facts: Any = None


Build = Callable[..., dict[str, Any]]
"""Takes a `Traced` to write to, then tensors, and returns a dict of tensors."""


@dataclass(frozen=True)
class Run:
    """What a compiled function returned for some samples."""

    arrays: dict[str, Array]
    traced: Traced

    @property
    def outputs(self) -> Outputs:
        """The model's own outputs among the arrays."""
        return tuple(array for name, array in self.arrays.items() if name.startswith("output "))

    @staticmethod
    def joined(runs: Sequence[Run]) -> Run:
        """Return the runs of several batches as one."""
        if len(runs) == 1:
            return runs[0]
        names = runs[0].arrays
        return Run({name: np.concatenate([run.arrays[name] for run in runs]) for name in names}, runs[0].traced)


@dataclass
class CompiledFunctions:
    """Functions by key, the least recently used thrown away.

    Parameters
    ----------
    backend : Backend
        What compiles them.
    variables : callable
        Returns the variables that they read.
    constants : callable
        Returns what tells the constants that were traced into them from later ones: other functions are compiled for those.

    Attributes
    ----------
    num_traces : int
        How many were compiled so far.
    """

    backend: Backend
    variables: Callable[[], Sequence[Any]]
    constants: Callable[[], Hashable] = lambda: None
    num_traces: int = 0
    _kept: OrderedDict[Hashable, Any] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def keep(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what is kept under that key, and make it first where there is nothing."""
        key = key, self.constants()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
                self.num_traces += 1
                while len(self._kept) > CAPACITY:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _prepared(
        self, key: Hashable, build: Build, examples: Sequence[Array], stays: frozenset[str] | None
    ) -> tuple[Callable[..., Any], Traced]:
        """Return the function of that key, and compile it first where there is none."""

        def make() -> tuple[Callable[..., Any], Traced]:
            traced = Traced()
            function = self.backend.compile(
                lambda *tensors: build(traced, *tensors), examples, captures=self.variables(), stays=stays
            )
            return function, traced

        kept: tuple[Callable[..., Any], Traced] = self.keep(key, make)
        return kept

    def leaves_seeds(self, key: Hashable) -> bool:
        """Tell whether the function of that key is compiled, and known to leave all random states as they are."""
        with self._lock:
            kept = self._kept.get((key, self.constants()))
        return kept is not None and kept[1].leaves_seeds

    def run(self, key: Hashable, build: Build, arrays: Sequence[Array], *, stays: frozenset[str] | None = None) -> Run:
        """Run the function of that key on arrays that have one row per sample; for `stays` see `Backend.compile`."""
        repair()
        function, traced = self._prepared(key, build, arrays, stays)
        answer = function(*arrays)
        traced.draws = bool(traced.generators) or self.backend.draws(function)
        traced.leaves_seeds = self.backend.runs_graphs and not traced.draws
        return Run(answer, traced)
