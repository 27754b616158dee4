"""A Keras model as it was before its training: its own code runs, and reads other values where it reads its weights.

Nothing is rebuilt, copied or assigned: Keras lets a block of code see other values of variables (`keras.StatelessScope`), and
what is compiled here is traced in such a block. So it holds for every model whose weights are Keras's own variables.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.src.backend.common.stateless_scope import get_stateless_scope
from typing_extensions import override

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.keras.compiled import Build, CompiledFunctions, Run
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.randomness import user_seeds_kept
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.keras.state import DerivedState
from vizcnn.errors import CapabilityError, listed


@dataclass(frozen=True)
class Weight:
    """A variable that training changes, and how it was before.

    Attributes
    ----------
    variable : keras.Variable
        The model's own; it is read, and never assigned to.
    name : str
        Its name, with the layer's.
    initializer : callable or None
        The layer's own for it; None: its values are shuffled.
    """

    variable: Any
    name: str
    initializer: Any


class InitialWeights:
    """Stand-ins for a model's weights, which hold what its layers' initializers draw; made once for a model.

    Compiled functions read the stand-ins, so they serve all seeds and all choices of layers; another choice is only assigned.

    Parameters
    ----------
    view : ModelView
        The model, with all its layers.

    Attributes
    ----------
    shuffled : tuple of str
        Weights whose layer keeps no initializer for them.

    Raises
    ------
    CapabilityError
        If the model has no weights, or reads some past Keras.
    """

    def __init__(self, view: ModelView) -> None:
        self._view = view
        self._weights = list(_weights_of(view))
        if not self._weights:
            raise CapabilityError(f"Model {view.name!r} has no weights that could be drawn anew.")
        self.shuffled = tuple(weight.name for weight in self._weights if weight.initializer is None)
        self._stand_ins = [
            keras.Variable(_value(view, w.variable), dtype=w.variable.dtype, trainable=False, name="initial")
            for w in self._weights
        ]
        self._lock = threading.RLock()
        self._loaded: Any = None
        self._drawn: tuple[int, list[Array]] | None = None
        self.functions = CompiledFunctions(view.backend, self._variables, DerivedState(view.model).version)
        self._check_reads()

    def of_layers(self, layers: Sequence[str] | None) -> frozenset[int] | None:
        """Return which weights belong to layers, by their paths, or to what these hold; None: all."""
        if layers is None:
            return None
        operations = self._view.operations
        own = {id(variable) for path in layers for variable in getattr(operations[path], "variables", ())}
        return frozenset(place for place, weight in enumerate(self._weights) if id(weight.variable) in own)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Let a block of code read the stand-ins where it reads the model's weights."""
        outer = get_stateless_scope()
        pairs = [(w.variable, s.value) for w, s in zip(self._weights, self._stand_ins, strict=True)]
        scope = keras.StatelessScope(state_mapping=pairs)
        if outer is not None:  # JAX hands a function all variables by one
            scope.state_mapping = {**outer.state_mapping, **scope.state_mapping}
        with scope:
            yield

    @contextmanager
    def loaded(self, places: frozenset[int] | None, seed: int) -> Iterator[None]:
        """Hold the stand-ins, some of them drawn and the others as the model's weights are now."""
        with self._lock:
            if self._loaded != (places, seed) or places is not None:
                self._load(places, seed)
            yield

    def _load(self, places: frozenset[int] | None, seed: int) -> None:
        if self._drawn is None or self._drawn[0] != seed:
            self._drawn = seed, self._draw(seed)
        self._loaded = None  # whatever interrupts
        for place, (weight, stand_in) in enumerate(zip(self._weights, self._stand_ins, strict=True)):
            drawn = places is None or place in places
            stand_in.assign(self._drawn[1][place] if drawn else _value(self._view, weight.variable))
        self._loaded = places, seed

    def _draw(self, seed: int) -> list[Array]:
        with user_seeds_kept(self._view.backend):
            return [self._drawn_of(weight, [seed, place]) for place, weight in enumerate(self._weights)]

    def _drawn_of(self, weight: Weight, seed: Sequence[int]) -> Array:
        now = _value(self._view, weight.variable)
        generator = np.random.default_rng(seed)
        if weight.initializer is not None:
            drawn = _drawn_by(weight.initializer, now, int(generator.integers(2**31)), self._view)
            # One that gives back what the weight has, an embedding's table say, says nothing of how it was before.
            if drawn is not None and (not np.array_equal(drawn, now) or np.ptp(now) == 0):
                return drawn
        return generator.permutation(now.ravel()).reshape(now.shape)

    def _variables(self) -> list[Any]:
        """Return what compiled functions read: the stand-ins, and the variables that have none."""
        known = {id(weight.variable) for weight in self._weights}
        return [*self._stand_ins, *(one for one in self._view.variables() if id(one) not in known)]

    def _check_reads(self) -> None:
        view, shape = self._view, self._view.known_sample_shape()

        def run(tensor: Any) -> Any:
            with self.reading():
                return view.forward(tensor)

        with user_seeds_kept(view.backend):
            if view.backend.reads_others(run, shape, self._variables()):
                raise CapabilityError(
                    f"Model {view.name!r} can't be run with other weights: it reads some past Keras, in a variable of "
                    f"{view.backend.name}'s own."
                )


@dataclass
class KnownWeights:
    """The weights of a model as before its training, or why there are none: each is found out once.

    Parameters
    ----------
    view : ModelView
        The model.
    """

    view: ModelView
    _found: InitialWeights | None = None
    _refusal: str = ""

    def initial(self) -> InitialWeights:
        """Return them.

        Returns
        -------
        InitialWeights

        Raises
        ------
        CapabilityError
            If there are none.
        """
        with self.view.lock:
            if not self.view.is_complete:
                self.view.known_sample_shape()
            if self._found is None and not self._refusal:
                try:
                    self._found = InitialWeights(self.view)
                except CapabilityError as error:
                    self._refusal = str(error)
            if self._found is None:
                raise CapabilityError(self._refusal)
            return self._found


class ReinitializedRunner(Runner):
    """A runner whose functions read a model's initial weights in place of its own.

    Parameters
    ----------
    initial : InitialWeights
        The weights.
    places : frozenset of int or None
        Which of them are drawn anew; None: all.
    seed : int
        Seed of the draw.
    view, **settings : object
        See `Runner`.
    """

    def __init__(
        self, initial: InitialWeights, places: frozenset[int] | None, seed: int, view: ModelView, **settings: Any
    ) -> None:
        super().__init__(view, **settings)
        self.functions = initial.functions
        self._initial, self._places, self._seed = initial, places, seed

    @override
    def run_batch(self, key: Any, build: Build, arrays: Sequence[Array], *, stays: frozenset[str] | None = None) -> Run:
        def reading(*arguments: Any) -> dict[str, Any]:
            with self._initial.reading():
                return build(*arguments)

        with self._initial.loaded(self._places, self._seed):
            return super().run_batch(key, reading, arrays, stays=stays)

    @override
    def value(self, variable: Any) -> Array:
        with self._initial.loaded(self._places, self._seed), self._initial.reading():
            return super().value(variable)


def _weights_of(view: ModelView) -> Iterator[Weight]:
    """Yield each weight once: what layers derive from data beforehand (`Normalization`), counters and seeds are none."""
    seen: set[int] = set()
    tops = [view.model, *(one for one in view.operations.values() if isinstance(one, keras.Layer))]
    for layer in [layer for top in tops for layer in top._flatten_layers()]:
        fitted = hasattr(layer, "finalize_state")
        for variable in (*layer._trainable_variables, *layer._non_trainable_variables):
            if id(variable) in seen or fitted:
                continue
            seen.add(id(variable))
            trained = any(variable is one for one in layer._trainable_variables)
            initializer = _initializer_of(layer, variable.name)
            if _is_quantized(variable):
                yield Weight(variable, f"{layer.name}/{variable.name}", None)
            elif keras.backend.is_float_dtype(variable.dtype) and (trained or initializer is not None):
                yield Weight(variable, f"{layer.name}/{variable.name}", initializer)


def _is_quantized(variable: Any) -> bool:
    return len(variable.shape) > 1 and keras.backend.standardize_dtype(variable.dtype) in ("int8", "uint8")


def _initializer_of(layer: Any, name: str) -> Any:
    """Return the initializer that a layer keeps for a variable, as Keras's layers call it."""
    short = name.removesuffix("_kernel")
    names = [f"{name}_initializer", f"{short}_initializer", *(["depthwise_initializer"] if name == "kernel" else [])]
    found = next((one for one in (getattr(layer, attribute, None) for attribute in names) if one is not None), None)
    try:
        return keras.initializers.get(found) if found is not None else None
    except ValueError:  # a name of the author's own
        return None


def _drawn_by(initializer: Any, like: Array, seed: int, view: ModelView) -> Array | None:
    """Return what an initializer draws by a seed, whatever seed it keeps; None where it can't be asked."""
    try:
        config: Mapping[str, Any] = initializer.get_config() if hasattr(initializer, "get_config") else {}
        if "seed" in config:
            initializer = type(initializer).from_config({**config, "seed": seed})
        drawn = view.backend.numpy(initializer(like.shape, dtype="float32"))
    except Exception:  # noqa: BLE001 - a stranger's initializer
        return None
    return drawn.astype(like.dtype) if drawn.shape == like.shape else None


def _value(view: ModelView, variable: Any) -> Array:
    return np.array(view.backend.numpy(variable))


def shuffled_note(name: str, weights: Sequence[str]) -> str:
    """Return what to say of weights that can't be drawn anew."""
    return (
        f"Of model {name!r} with weights as before its training: {listed(weights)} keep no initializer, so their values are the "
        f"trained ones in another order."
    )
