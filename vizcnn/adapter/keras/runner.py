"""A batch at a time: inputs are cut, run by functions that are compiled once, and joined; halved where memory is short."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from vizcnn.adapter.arrays import Array, slices
from vizcnn.adapter.keras.compiled import Build, CompiledFunctions, Run
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.randomness import Randomness, user_seeds_kept
from vizcnn.adapter.keras.state import DerivedState
from vizcnn.errors import CapabilityError
from vizcnn.targets.score import Score


class Runner:
    """What runs functions of a model, whatever they compute.

    Parameters
    ----------
    view : ModelView
        The model.
    settings : callable
        Returns what functions depend on beside their key, such as the names of the classes: for another one they are traced anew.
    decide : callable
        Takes a batch's run and tells whether it has to be done again, because something turned out otherwise than was traced.
    add_note : callable
        Keeps a note for all results.
    batch_size : int, default None
        How many samples go through the model at once; None: what fits.
    num_runs : int, default 1
        Over how many runs the answers of a model that draws random numbers are averaged.

    Attributes
    ----------
    functions : CompiledFunctions
        What was compiled.
    """

    def __init__(
        self,
        view: ModelView,
        *,
        settings: Callable[[], Hashable],
        decide: Callable[[Run], bool],
        add_note: Callable[..., None],
        batch_size: int | None = None,
        num_runs: int = 1,
    ) -> None:
        self._view = view
        self._settings = settings
        self._decide = decide
        self._add_note = add_note
        self._batch_size = batch_size
        self._halved: int | None = None
        self._randomness = Randomness(view.backend, num_runs)
        self.functions = CompiledFunctions(view.backend, view.variables, DerivedState(view.model).version)

    def run(
        self, key: Hashable, build: Build, inputs: Array, score: Score | None = None, *, most: int | None = None
    ) -> Run:
        """Run a function over samples, a batch at a time.

        Parameters
        ----------
        key : hashable
            What it computes: two functions of one key compute the same.
        build : callable
            Takes a `Traced` to write to, then a batch of the inputs and of each of the score's params as tensors, and returns a
            dict of tensors with one row per sample. Called once for each key and shape of an input.
        inputs : ndarray, shape (N, ...)
            The inputs.
        score : Score, default None
            The score of those samples; its params are cut as the inputs are.
        most : int, default None
            How many samples a batch may have at most, where what is computed takes more memory than the model.

        Returns
        -------
        Run

        Raises
        ------
        CapabilityError
            If the device can't run it.
        """
        params = score.params if score is not None else ()
        return self.run_arrays(key, build, [inputs, *params], most=most)

    def run_arrays(self, key: Hashable, build: Build, arrays: Sequence[Array], *, most: int | None = None) -> Run:
        """Run a function of arrays that have a row per sample each; the first ones are inputs. See `run`."""
        count = len(arrays[0])
        while True:
            size = self.batch_size_for(arrays[0].shape[1:])
            size = min(size, most or size)
            try:
                runs = [self.run_batch(key, build, [array[part] for array in arrays]) for part in slices(count, size)]
                return Run.joined(runs)
            except Exception as error:
                if not self.halve(error, size):
                    raise

    def halve(self, error: Exception, size: int) -> bool:
        """Halve the batches for good where the device ran out of memory, and tell whether it is worth another try.

        Returns
        -------
        bool

        Raises
        ------
        CapabilityError
            If the error says that the device can't run this at all.
        """
        backend = self._view.backend
        if backend.is_unsupported(error):
            reason = " ".join(str(error).split())[:300]
            raise CapabilityError(f"{backend.name} can't run this on model {self._view.name!r}: {reason}") from error
        if size == 1 or not backend.is_out_of_memory(error):
            return False
        self._halved = size // 2
        return True

    def run_batch(
        self, key: Hashable, build: Build, arrays: Sequence[Array], *, stays: frozenset[str] | None = None
    ) -> Run:
        """Run a function on one batch, whatever its size; for `stays` see `Backend.compile`."""
        full_key = key, tuple(arrays[0].shape[1:]), self._settings()

        def once() -> Run:
            return self.functions.run(full_key, build, arrays, stays=stays)

        with nullcontext() if self.functions.leaves_seeds(full_key) else user_seeds_kept(self._view.backend):
            run = once()
            if run.traced.undecided and self._decide(run):
                return self.run_batch(key, build, arrays, stays=stays)
            if not run.traced.draws:
                return run
            run, spread = self._randomness.settle(run, once)
        if spread:
            self._add_note(self._randomness.note(self._view.name, spread), "random")
        return run

    def value(self, variable: Any) -> Array:
        """Return the value of a variable of the model, as the functions read it."""
        return np.asarray(self._view.backend.numpy(getattr(variable, "value", variable)))

    def batch_size_for(self, sample_shape: tuple[int, ...]) -> int:
        """Return how many samples go through the model at once."""
        size = self._batch_size or self._fitting_batch(sample_shape)
        return min(size, self._halved or size)

    def _fitting_batch(self, sample_shape: tuple[int, ...]) -> int:
        state = self._view.state
        key = sample_shape, len(state.layer_shapes)
        if key not in state.batch_sizes:  # it is asked on every call, and walks all layers
            state.batch_sizes[key] = self._batch_of(sample_shape)
        return state.batch_sizes[key]

    def _batch_of(self, sample_shape: tuple[int, ...]) -> int:
        shapes = [info.output_shape for info in self._view.layers if not info.is_container]
        known = [shape[1:] for shape in shapes if shape and None not in shape[1:]]
        floats = sum(math.prod(filter(None, shape)) for shape in known) or 64 * math.prod(sample_shape)
        backend = self._view.backend
        fitting = max(1, backend.batch_memory // (2 * 4 * floats))  # of the layers' outputs and their gradients
        return int(np.clip(2 ** int(np.log2(fitting)), 1, backend.max_useful_batch))
