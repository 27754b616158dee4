"""Any Keras 3 model, whatever it was built with: how it is set up, and which module beside this one answers each question."""

from __future__ import annotations

import weakref
from collections.abc import Generator, Hashable, Mapping
from copy import copy
from typing import Any

import keras
from typing_extensions import override

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.attention import AttentionFormula, Attentions
from vizcnn.adapter.changed import Steps
from vizcnn.adapter.gradients import FullGradients, Gradients
from vizcnn.adapter.keras.ascent import affine, ascend
from vizcnn.adapter.keras.attentions import attentions, may_attend
from vizcnn.adapter.keras.biases import full_gradients
from vizcnn.adapter.keras.calling import stateful_note
from vizcnn.adapter.keras.changed import CompiledSteps
from vizcnn.adapter.keras.default_layer import default_layer, of_every_copy
from vizcnn.adapter.keras.facts import KerasFacts
from vizcnn.adapter.keras.first_weights import FirstWeights
from vizcnn.adapter.keras.fixed_inputs import FixedInputs
from vizcnn.adapter.keras.from_layer import scores_from
from vizcnn.adapter.keras.gradient import gradients
from vizcnn.adapter.keras.logits_model import logits_model
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.normalization import normalized_moments
from vizcnn.adapter.keras.output_facts import OutputFacts
from vizcnn.adapter.keras.placing import placements
from vizcnn.adapter.keras.reach import reach
from vizcnn.adapter.keras.reinitialized import KnownWeights, ReinitializedRunner, shuffled_note
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.keras.runs import activations, kernels, outputs, scores_and_outputs
from vizcnn.adapter.keras.state import checksum, stale_state_notes
from vizcnn.adapter.keras.tasks import preprocess_of
from vizcnn.adapter.layers import LayerInfo
from vizcnn.adapter.placement import Placement
from vizcnn.adapter.reach import Reach
from vizcnn.aliases import old_keyword
from vizcnn.errors import Note
from vizcnn.inputs.fit import Fit
from vizcnn.targets.score import Score


class KerasAdapter(KerasFacts):
    """A Keras model, run by functions that are compiled once and kept for as long as the adapter lives.

    Parameters
    ----------
    model : keras.Model
        The model; its weights, layers and training flag are the same after every call.
    preprocess, labels, batch_size, image_size, decoding, fixed_inputs
        See `vizcnn.adapt`.
    name : str, default None
        What to call it; None: the model's own name.
    keep_alive : bool, default True
        Keep the model alive.
    source : str, default "a Keras model"
        What it is, or what its file is and who wrote it.
    repairs : tuple of str, default ()
        What had to be repaired in the file that it comes from.
    loss : default None
        What it was trained by, as its file says; None: as the model was compiled.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> cnn = vz.adapt(vz.assets.DIGITS_CNN)
    >>> for _ in range(3):
    ...     scores = cnn.scores(np.zeros((1, 28, 28, 1)), 3)
    >>> isinstance(cnn, vz.KerasAdapter), cnn.num_traces
    (True, 1)
    """

    def __init__(
        self,
        model: Any,
        *,
        name: str | None = None,
        keep_alive: bool = True,
        source: str = "a Keras model",
        repairs: tuple[str, ...] = (),
        loss: Any = None,
        fixed_inputs: Mapping[str | int, Any] | None = None,
        hold: bool | None = None,
        origin: str | None = None,
        fixed: Mapping[str | int, Any] | None = None,
        **settings: Any,
    ) -> None:
        own = preprocess_of(model) if settings.get("preprocess") is None else None
        super().__init__(name or model.name, **(settings if own is None else {**settings, "preprocess": own}))
        if own is not None:
            self.add_note(
                f"Model {self.name!r}: pictures go through its own preprocessor: {own}.", "preprocess", quiet=True
            )
        fixed_inputs = old_keyword("fixed", fixed, "fixed_inputs", fixed_inputs)
        source = old_keyword("origin", origin, "source", source)
        keep_alive = old_keyword("hold", hold, "keep_alive", keep_alive)
        self.source = source
        self.repairs = repairs
        inputs = FixedInputs(model, fixed_inputs, self.preprocess, self.decoding) if fixed_inputs else None
        self.fixed_inputs = {} if inputs is None else inputs.values
        self._view = view = ModelView(
            model, self.name, self.head, keep_alive=keep_alive, fixed_inputs=inputs, token_grid=self.token_grid
        )
        self.packages = "keras", view.backend.name
        self._output_facts = OutputFacts(view, outputs=self.outputs, add_note=self.add_note, loss=loss)
        self._runner = Runner(
            view,
            settings=self._compiled_for,
            decide=self._output_facts.decide,
            add_note=self.add_note,
            batch_size=self._batch_size,
            num_runs=self.num_runs,
        )
        self._initial = KnownWeights(view)
        self._first_weights = FirstWeights(lambda: view.operations, view.forward)
        for note in filter(None, [*stale_state_notes(model), stateful_note(model)]):
            self.add_note(note, "state")
        if self.preprocess is not None and self.preprocess.fit != Fit() and self.fitting_layers:
            self.add_note(
                f"Model {self.name!r} changes the size of its inputs itself ({', '.join(self.fitting_layers)}), and `preprocess` "
                f"{self.preprocess.name!r} fits pictures before that. Check whether both are meant.",
                "preprocess",
            )

    @property
    def num_traces(self) -> int:
        """How many functions were compiled so far."""
        return self._runner.functions.num_traces

    @override
    def fingerprint(self) -> Hashable:
        if isinstance(self._runner, ReinitializedRunner):  # whose weights are no model's
            return None
        values = self._view.backend.values(self._view.weights())
        return self._runner.functions.constants(), checksum(values)

    def _compiled_for(self) -> tuple[Any, ...]:
        """Return what compiled functions depend on, beside what they compute."""
        return self._output_facts.without_logits, self.labels, str(self._output_facts.trained_with)

    @property
    def capabilities(self) -> frozenset[str]:
        """See `ModelAdapter.capabilities`; "attention" where it may have some, "tensorflow" where it runs on that."""
        answers = {"outputs", "scores", "layers", "kernels", "activations", "gradients", "biases", "receptive fields"}
        if not isinstance(self._runner, ReinitializedRunner):  # which is no model of its own
            answers |= {"ascent", "reinitialization"}
            answers |= {"tensorflow"} if self._view.backend.name == "tensorflow" else set()
        return frozenset(answers | ({"attention"} if may_attend(self._view) else set()))

    def batch_size_for(self, sample_shape: tuple[int, ...]) -> int:
        """See `ModelAdapter.batch_size_for`; halved for good when the device ran out of memory.

        Returns
        -------
        int

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.adapt(vz.assets.DIGITS_CNN, batch_size=4).batch_size_for((28, 28, 1))
        4
        """
        return self._runner.batch_size_for(sample_shape)

    def _outputs(self, inputs: Array) -> Outputs:
        self.prepare(inputs.shape[1:])
        return outputs(self._view, self._runner, inputs)

    def _scores_and_outputs(self, inputs: Array, score: Score) -> tuple[Array, Outputs]:
        return scores_and_outputs(self._view, self._runner, inputs, score)

    def _kernels(self, layer: LayerInfo) -> Array:
        return kernels(self._view, self._runner, layer)

    def normalized_moments(self, inputs: Array) -> Array | None:
        """Return them of the first batch normalization; see `ModelAdapter.normalized_moments`.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.

        Returns
        -------
        ndarray of float64, shape (N, K, 2), or None

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> model = keras.Sequential(
        ...     [keras.Input((8, 8, 1)), keras.layers.BatchNormalization(), keras.layers.Flatten()]
        ... )
        >>> vz.adapt(model).normalized_moments(np.full((1, 8, 8, 1), 3.0)).round(1).tolist()
        [[[3.0, 9.0]]]
        """
        return normalized_moments(self._view, self._runner, self._checked(inputs))

    def _reinitialized(self, layers: tuple[str, ...] | None, seed: int) -> KerasAdapter:
        initial = self._initial.initial()
        other = copy(self)
        other._notes = {}
        other._runner = ReinitializedRunner(
            initial,
            initial.of_layers(layers),
            seed,
            self._view,
            settings=self._compiled_for,
            decide=self._output_facts.decide,
            add_note=other.add_note,
            batch_size=self._batch_size,
            num_runs=self.num_runs,
        )
        if initial.shuffled:
            other.add_note(shuffled_note(self.name, initial.shuffled), "shuffled weights", quiet=True)
        return other

    def _activations(self, inputs: Array, paths: tuple[str, ...]) -> dict[str, Array]:
        return activations(self._view, self._runner, inputs, paths)

    def _gradients(self, inputs: Array, score: Score, path: str | None, rule: str) -> Gradients:
        return gradients(self._view, self._runner, inputs, score, path, rule, self.placement)

    def _attentions(
        self, inputs: Array, score: Score, formula: AttentionFormula, gradients: bool, per_block: bool
    ) -> Attentions:
        return attentions(self._view, self._runner, inputs, score, formula, gradients=gradients, per_block=per_block)

    def _full_gradients(self, inputs: Array, score: Score) -> FullGradients:
        return full_gradients(self._view, self._runner, inputs, score)

    def _default_layer(self, score: Score) -> str:
        return default_layer(self._view, score, self.placement)

    def _of_every_copy(self, path: str, score: Score) -> str:
        return of_every_copy(self._view, path, score, self.placement)

    def _scores_from(self, path: str, activations: Array, score: Score, inputs: Array | None) -> Array:
        return scores_from(self._view, self._runner, path, activations, score, inputs)

    def _steps(self) -> Steps:
        return CompiledSteps(self._view, self._runner)

    def _placements(
        self, shapes: Mapping[str, tuple[int, ...]], sample_shape: tuple[int, ...]
    ) -> dict[str, Placement | None]:
        return placements(self._view, self._runner, shapes, sample_shape, self.input_range or (0.0, 1.0))

    def _reach(self, layer: str, sample_shape: tuple[int, ...]) -> Reach | None:
        return reach(self._view, self._runner, layer, sample_shape, self.input_range or (0.0, 1.0))

    def logits_model(self, sample_shape: tuple[int, ...], output: str | int | None = None, *, layer: Any = None) -> Any:
        """Return a small Functional Keras model of this one's class scores, for a library that takes Keras models.

        Keras must run on TensorFlow.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape (H, W, C) of one input.
        output : str or int, default None
            Which of several outputs, by name or position; None: the first.
        layer : str or Layer, default None
            A layer whose output is to be found inside, by the name "layer"; the logits depend on it as in the original.

        Returns
        -------
        keras.Model
            See `vizcnn.adapter.keras.logits_model`.

        Raises
        ------
        LayerError
            If there is no such layer.
        CapabilityError
            If Keras doesn't run on TensorFlow.

        Examples
        --------
        >>> import vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> logits = cnn.logits_model((28, 28, 1), layer="conv5")
        >>> logits.get_layer("layer").output.shape, logits.output_shape
        ((None, 14, 14, 64), (None, 10))
        """
        if isinstance(self._runner, ReinitializedRunner):
            raise self._unanswered("logits_model")
        self.prepare(sample_shape)
        name = self.output_name(output)
        path = None if layer is None else self.layer(layer).path
        self.output_activation(name)  # so that the outputs are known by name before the logits are read
        return logits_model(self._view, self._runner, sample_shape, name, path)

    def _ascend(
        self,
        score: Score,
        shape: tuple[int, int, int],
        *,
        steps: int,
        seed: int,
        optimizer: Any,
        input_range: tuple[float, float] | None,
        **plan: Any,
    ) -> Generator[tuple[Array, Array], None, tuple[Note, ...]]:
        if "ascent" not in self.capabilities:
            raise self._unanswered("ascend")
        preprocess = self.pixel_preprocess if input_range is None else None
        scaling = affine(preprocess, input_range or (0.0, 1.0), shape[-1])
        options = {"steps": steps, "seed": seed, "optimizer": optimizer, **plan}
        return ascend(self._view, self._runner, score, shape, scaling, **options)


def is_keras_layer(value: Any) -> bool:
    """Tell whether this is a layer of Keras, as models are too."""
    return isinstance(value, keras.layers.Layer)


def is_keras_model(model: Any) -> bool:
    """Tell whether this is a model of the Keras that vizcnn uses."""
    return isinstance(model, keras.Model)


_implicit: weakref.WeakKeyDictionary[Any, KerasAdapter] = weakref.WeakKeyDictionary()


def implicit_adapter(model: Any) -> KerasAdapter:
    """Return the adapter of a bare model: the same one each time, for as long as the model lives."""
    adapter = _implicit.get(model)
    if adapter is None:
        adapter = _implicit.setdefault(model, KerasAdapter(model, keep_alive=False))
    return adapter
