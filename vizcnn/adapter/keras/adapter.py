"""Any Keras 3 model, whatever it was built with.

Long by the docstrings of its public methods; what they do stands in the modules beside it.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator, Hashable, Mapping, Sequence
from copy import copy
from itertools import takewhile
from typing import Any

import keras
import numpy as np
from typing_extensions import override

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.attention import AttentionFormula, Attentions
from vizcnn.adapter.base import FullGradients, Gradients, ModelAdapter
from vizcnn.adapter.changed import Steps
from vizcnn.adapter.heads import Traits
from vizcnn.adapter.input_scaling import UNKNOWN, InputScaling
from vizcnn.adapter.keras.ascent import Ascent, Plan, affine
from vizcnn.adapter.keras.attentions import attentions, may_attend
from vizcnn.adapter.keras.bias_axis import misplaced
from vizcnn.adapter.keras.biases import differentiate_by_biases, full_gradients, layers_with_bias
from vizcnn.adapter.keras.calling import stateful_note
from vizcnn.adapter.keras.changed import CompiledSteps
from vizcnn.adapter.keras.compiled import Traced
from vizcnn.adapter.keras.default_layer import traced_layer
from vizcnn.adapter.keras.first_weights import FirstWeights
from vizcnn.adapter.keras.fixed_inputs import FixedInputs
from vizcnn.adapter.keras.forward_pass import ForwardPass, outputs_of
from vizcnn.adapter.keras.from_layer import scores_from
from vizcnn.adapter.keras.gradient import differentiate
from vizcnn.adapter.keras.logits_model import logits_model
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.normalization import first_normalization, mean_and_variance, moments
from vizcnn.adapter.keras.output_facts import OutputFacts, takes_bytes
from vizcnn.adapter.keras.placing import placements
from vizcnn.adapter.keras.reach import reach
from vizcnn.adapter.keras.reinitialized import InitialWeights, ReinitializedRunner, shuffled_note
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.keras.state import checksum, stale_state_notes
from vizcnn.adapter.keras.tasks import anchors_of, preprocess_of
from vizcnn.adapter.layers import LAST_SPATIAL, LayerInfo, split_call
from vizcnn.adapter.placement import Placement
from vizcnn.adapter.reach import Reach
from vizcnn.adapter.roles import FITTING
from vizcnn.aliases import old_keyword
from vizcnn.errors import CapabilityError, LayerError, Note, UnsupportedModelError, listed
from vizcnn.inputs.fit import Fit
from vizcnn.targets.score import Score, class_logits


class KerasAdapter(ModelAdapter):
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
        self._view = view = ModelView(
            model, self.name, self.head, keep_alive=keep_alive, fixed_inputs=inputs, token_grid=self.token_grid
        )
        self._output_facts = OutputFacts(view, outputs=self.outputs, add_note=self.add_note, loss=loss)
        self._runner = Runner(
            view,
            settings=self._compiled_for,
            decide=self._output_facts.decide,
            add_note=self.add_note,
            batch_size=self._batch_size,
            num_runs=self.num_runs,
        )
        self._biases_told = False
        self._initial: InitialWeights | None = None
        self._why_no_initial = ""
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
    def fitting_layers(self) -> tuple[str, ...]:
        """Layers that resize or crop inputs before the first weights."""
        before = takewhile(lambda info: info.is_container or not info.num_params, self.layers)
        return tuple(info.path for info in before if any(word in info.kind for word in FITTING))

    @property
    def num_traces(self) -> int:
        """How many functions were compiled so far."""
        return self._runner.functions.num_traces

    @property
    def model(self) -> Any:
        """The Keras model."""
        return self._view.model

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

    # What the model is ------------------------------------------------------------------------------------------------

    @property
    @override
    def layers(self) -> tuple[LayerInfo, ...]:
        return self._view.layers

    def operation(self, path: str) -> Any:
        """Return the Keras layer, or the node of `keras.ops`, that a path means.

        Parameters
        ----------
        path : str
            Its path, with or without the number of a call.

        Returns
        -------
        keras.Operation

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().operation("conv1").name
        'conv1'
        """
        return self._view.operations[split_call(path)[0]]

    def layer(self, layer: Any) -> LayerInfo:
        """See `ModelAdapter.layer`; a Keras layer object is accepted too.

        Returns
        -------
        LayerInfo

        Examples
        --------
        >>> import vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> cnn.layer(cnn.model.layers[-1]).path
        'preds'
        """
        if not isinstance(layer, str | LayerInfo):
            paths = [path for path, operation in self._view.operations.items() if operation is layer]
            layer = paths[0] if paths else layer
        return super().layer(layer)

    @property
    def connections(self) -> tuple[tuple[str, str], ...]:
        """See `ModelAdapter.connections`; found by running the model once on symbols."""
        return self._view.connections

    @property
    @override
    def input_shape(self) -> tuple[int | None, ...]:
        return self._view.input_shape

    @property
    @override
    def is_video(self) -> bool:
        # Gray clips are told from scans by layers that go over the frames.
        over_frames = any(info.role == "recurrent" or info.kind == "TimeDistributed" for info in self.layers)
        return super().is_video or (len(self.input_shape) == 4 and over_frames)

    @property
    @override
    def shown_shape(self) -> tuple[int | None, ...]:
        return self._view.sample_shape or self.input_shape

    @property
    @override
    def input_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        return self._view.input_shapes

    @property
    @override
    def num_params(self) -> int:
        return int(self.model.count_params()) if self.model.built else super().num_params

    @override
    def fingerprint(self) -> Hashable:
        values = self._view.backend.values(self._view.variables())
        return self._runner.functions.constants(), checksum(values)

    @property
    @override
    def output_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        return self._output_facts.shapes

    def output_activation(self, output: str) -> str | None:
        """See `ModelAdapter.output_activation`.

        Returns
        -------
        str or None

        Examples
        --------
        >>> import keras, vizcnn as vz
        >>> unit = keras.layers.Dense(1, activation="sigmoid", name="tabby")
        >>> cnn = vz.adapt(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), unit]))
        >>> [cnn.output_activation(name) for name in cnn.output_shapes]
        ['sigmoid']
        """
        return self._output_facts.activation(output)

    def output_traits(self, output: str) -> Traits:
        """See `ModelAdapter.output_traits`: as the run of the model showed it.

        Returns
        -------
        vizcnn.adapter.heads.Traits

        Examples
        --------
        >>> import keras, vizcnn as vz
        >>> maps = keras.layers.Conv2D(5, 1, name="maps")
        >>> first = keras.layers.Permute((3, 1, 2), name="channels_first")
        >>> softmax = keras.layers.Softmax(axis=1, name="classes")
        >>> cnn = vz.adapt(keras.Sequential([keras.Input((8, 8, 1)), maps, first, softmax]))
        >>> traits = cnn.output_traits(cnn.output_name(None))
        >>> traits.axis, traits.units
        (1, 5)
        """
        return self._output_facts.traits(output)

    @property
    def input_scaling(self) -> InputScaling | None:
        """See `ModelAdapter.input_scaling`; found by running the model as far as its first weights."""
        with self._view.lock:
            try:
                shape = self._view.sample_shape or self.input_shape
            except UnsupportedModelError:  # several inputs, or none that is an image
                return UNKNOWN
            return self._first_weights.scaling(shape) if shape and self._view.is_complete else UNKNOWN

    @property
    def input_range(self) -> tuple[float, float] | None:
        """See `ModelAdapter.input_range`; bytes are pixels."""
        known = super().input_range
        pixels = known is None and self.pixel_preprocess is None and takes_bytes(self.model)
        return (0.0, 255.0) if pixels else known

    @override
    def box_anchors(self, sample_shape: tuple[int, ...]) -> Array | None:
        return anchors_of(self.model, sample_shape)

    def prepare(self, sample_shape: tuple[int, ...]) -> None:
        """See `ModelAdapter.prepare`: a model that was never called makes its layers on the first call.

        Examples
        --------
        >>> import keras, vizcnn as vz
        >>> conv = keras.layers.Conv2D(4, 3, name="conv")
        >>> cnn = vz.adapt(keras.Sequential([conv, keras.layers.GlobalAveragePooling2D()]))
        >>> cnn.prepare((8, 8, 3))
        >>> cnn.kernels("conv").shape
        (3, 3, 3, 4)
        """
        self._view.prepare(sample_shape)
        if self._view.channels_first and not self._biases_told:
            self._biases_told = True
            self._tell_of_biases(misplaced(self.layers, self._view.operations))

    def _tell_of_biases(self, layers: Sequence[str]) -> None:
        """Say that the model doesn't predict what it did where it was trained."""
        if layers:
            self.add_note(
                f"Keras {keras.__version__} on {keras.backend.backend()} adds the bias of {listed(layers)} in model "
                f"{self.name!r} along the columns, for the channels come first and the map is as wide as it has channels. So the "
                "model predicts otherwise than where it was trained, in Keras itself too; Keras on JAX or PyTorch adds it along "
                "the channels.",
                "misplaced bias",
            )

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

    # What it answers --------------------------------------------------------------------------------------------------

    def _outputs(self, inputs: Array) -> Outputs:
        self.prepare(inputs.shape[1:])
        return self._runner.run(
            ("outputs",), lambda traced, tensor: outputs_of(self._view, tensor, traced), inputs
        ).outputs

    def _scores_and_outputs(self, inputs: Array, score: Score) -> tuple[Array, Outputs]:
        def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
            reading = ForwardPass.run(self._view, tensor, traced).record()
            return {"scores": reading.scores(score, params, traced), **reading.named_outputs()}

        run = self._runner.run(("scores", score.key), build, inputs, score)
        return run.arrays["scores"], run.outputs

    def _kernels(self, layer: LayerInfo) -> Array:
        operation = self._view.operations[split_call(layer.path)[0]]
        weights = getattr(operation, "depthwise_kernel", None)
        weights = getattr(operation, "kernel", None) if weights is None else weights
        if weights is None or len(weights.shape) != 4:
            kernels = [
                path
                for path, other in self._view.operations.items()
                if len(getattr(other, "kernel", np.empty(0)).shape) == 4
            ]
            raise LayerError(
                f"`layer` {layer.path!r} is a {layer.kind}, which has no kernels. Layers that do: {listed(kernels)}."
            )
        return self._runner.value(weights).astype(np.float32)

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
        path = first_normalization(self._view.operations)
        if path is None:
            return None
        operation, count = self._view.operations[path], self._view.operations[path].moving_mean.shape[0]
        scale, shift = (
            np.full(count, default) if weights is None else self._runner.value(weights)
            for weights, default in ((getattr(operation, "gamma", None), 1.0), (getattr(operation, "beta", None), 0.0))
        )
        inputs, path = self._checked(inputs), self.layer(path).path

        def build(traced: Traced, tensor: Any) -> dict[str, Any]:
            return mean_and_variance(self._read(traced, tensor, (path,))[path])

        found = self._runner.run(("moments", path), build, inputs).arrays
        return moments(found["mean"], found["variance"], scale, shift)

    def _reinitialized(self, layers: tuple[str, ...] | None, seed: int) -> KerasAdapter:
        view = self._view
        with view.lock:
            if not view.is_complete:
                view.known_sample_shape()
            initial = self._initial_weights()
        other = copy(self)
        other._notes = {}
        other._runner = ReinitializedRunner(
            initial,
            initial.of_layers(layers),
            seed,
            view,
            settings=self._compiled_for,
            decide=self._output_facts.decide,
            add_note=other.add_note,
            batch_size=self._batch_size,
            num_runs=self.num_runs,
        )
        if initial.shuffled:
            other.add_note(shuffled_note(self.name, initial.shuffled), "shuffled weights", quiet=True)
        return other

    def _initial_weights(self) -> InitialWeights:
        """Return the weights before the training, or refuse: each is found out once."""
        if self._initial is None and not self._why_no_initial:
            try:
                self._initial = InitialWeights(self._view)
            except CapabilityError as error:
                self._why_no_initial = str(error)
        if self._initial is None:
            raise CapabilityError(self._why_no_initial)
        return self._initial

    def _activations(self, inputs: Array, paths: tuple[str, ...]) -> dict[str, Array]:
        def build(traced: Traced, tensor: Any) -> dict[str, Any]:
            return self._read(traced, tensor, paths)

        arrays = self._runner.run(("activations", paths), build, inputs).arrays
        for path, values in arrays.items():
            self._check_rows(path, len(values), len(inputs))
        return arrays

    def _read(self, traced: Traced, tensor: Any, paths: tuple[str, ...]) -> dict[str, Any]:
        """Return the outputs of layers, while a function is traced."""
        bare = frozenset(split_call(path)[0] for path in paths)
        stop = bare if bare == set(paths) else frozenset()
        reading = ForwardPass.run(self._view, tensor, traced, stop_after=stop).record_moves()
        layout = reading.layout
        return {path: layout.of(reading.layer(path)) for path in paths}

    def _gradients(self, inputs: Array, score: Score, path: str | None, rule: str) -> Gradients:
        def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
            run = ForwardPass.run(self._view, tensor, traced, rule=rule).record()
            scores = run.scores(score, params, traced)
            values, gradient = differentiate(run, score, scores, tensor, path, rule, traced)
            answer = {"gradients": gradient, "scores": scores, **run.named_outputs()}
            return answer if path is None else {**answer, "values": values}

        key = ("gradients", score.key, path, rule)
        unfit = self._view.state.unfit
        run = self._runner.run((*key, tuple(unfit)), build, inputs, score)
        while path == LAST_SPATIAL and self._is_unfit(
            str(run.traced.layer), run.arrays["values"].shape, len(inputs), inputs.shape[1:]
        ):
            run = self._runner.run((*key, tuple(unfit)), build, inputs, score)
        arrays = run.arrays
        self._check_rows(str(run.traced.layer), len(arrays.get("values", inputs)), len(inputs))
        return Gradients(
            arrays["gradients"],
            arrays.get("values", inputs),
            arrays["scores"],
            run.outputs,
            run.traced.layer,
            run.traced.notes,
        )

    def _attentions(
        self, inputs: Array, score: Score, formula: AttentionFormula, gradients: bool, per_block: bool
    ) -> Attentions:
        return attentions(self._view, self._runner, inputs, score, formula, gradients=gradients, per_block=per_block)

    def _full_gradients(self, inputs: Array, score: Score) -> FullGradients:
        def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
            named = layers_with_bias(self._view)
            run = ForwardPass.run(self._view, tensor, traced, before_activation=named).record()
            scores = run.scores(score, params, traced)
            terms = differentiate_by_biases(run, score, scores, tensor, traced)
            return {**terms, "scores": scores, **run.named_outputs()}

        return full_gradients(self._runner.run(("full gradients", score.key), build, inputs, score), inputs)

    def _default_layer(self, score: Score) -> str:
        while True:
            layer, shape = traced_layer(self._view, score)
            if not self._is_unfit(layer, shape, 2, self._view.known_sample_shape()):
                return layer

    def _of_every_copy(self, path: str, score: Score) -> str:
        if path == LAST_SPATIAL:
            return self._default_layer(score)
        _, shape = traced_layer(self._view, score, path)
        self._check_rows(path, shape[0], 2)
        return path

    def _scores_from(self, path: str, activations: Array, score: Score, inputs: Array | None) -> Array:
        return scores_from(self._view, self._runner, path, activations, score, inputs)

    def _steps(self) -> Steps:
        return CompiledSteps(self._view, self._runner)

    def _is_unfit(self, layer: str, shape: Sequence[int | None], count: int, sample_shape: tuple[int, ...]) -> bool:
        """Tell whether a layer's map (N, h, w, K) of `count` inputs is no picture of them, and pass over it from then on."""
        unfit = shape[0] not in (None, count)  # windows, say, folded into the batch
        if not unfit and self._view.state.attends and None not in shape[1:]:
            place = self.placement(layer, tuple(int(size or 0) for size in shape[1:]), sample_shape)
            unfit = place is not None and not place.is_possible
        if unfit:
            self._view.state.unfit[layer] = None
        return unfit

    def _check_rows(self, layer: str, rows: int | None, count: int) -> None:
        if rows not in (None, count):
            raise LayerError(
                f"`layer` {layer!r} returns {rows} rows for {count} inputs, as where windows are folded into the "
                f"batch, so its maps are of no input; name a layer outside of that."
            )

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
        if self._view.backend.name != "tensorflow":
            raise CapabilityError(
                f"logits_model makes a model for libraries that run on TensorFlow; Keras runs on {self._view.backend.name} here. "
                f"Set KERAS_BACKEND=tensorflow before Keras is imported."
            )
        if isinstance(self._runner, ReinitializedRunner):
            raise self._unanswered("logits_model")
        self.prepare(sample_shape)
        name = self.output_name(output)
        path = None if layer is None else self.layer(layer).path
        self.output_activation(name)  # so that the outputs are known by name before the logits are read

        def finish(tensor: Any, *others: Any) -> Any:
            overrides = {str(path): others[0]} if others else {}
            reading = ForwardPass.run(self._view, tensor, overrides=overrides).record()
            return class_logits(reading, name)

        def read(tensor: Any) -> Any:
            return ForwardPass.run(self._view, tensor).layer(str(path))

        def make() -> Any:
            return logits_model(self._view.backend, sample_shape, finish, None if path is None else read)

        key = ("logits model", name, path, sample_shape, self._view.logarithm.get(name))
        return self._runner.functions.keep(key, make)

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
        maker = keras.optimizers.Adam(0.05) if optimizer is None else keras.optimizers.get(optimizer)
        preprocess = self.pixel_preprocess if input_range is None else None
        matrix, offset = affine(preprocess, input_range or (0.0, 1.0), shape[-1])
        parts = Plan(
            shape=(len(score), *shape),
            optimizer=f"{type(maker).__name__} { {**maker.get_config(), 'name': ''} }",
            scale=tuple(matrix.ravel().tolist()),
            offset=tuple(offset.tolist()),
            **plan,
        )

        def scores(tensor: Any, *params: Any) -> Any:
            run = ForwardPass.run(self._view, tensor, rule="redirected_relu", past_casts=True).record()
            return run.scores(score, params)

        ascent = self._runner.functions.keep(
            ("ascent", parts, score.key), lambda: Ascent(parts, maker, scores, self._view.variables())
        )
        yield from ascent.run(score, steps, seed)
        if ascent.reached:
            return ()
        text = (
            f"In activation maximization of model {self.name!r} the gradient of the score was zero in every step: such an image "
            f"shows its start and the regularizers, and nothing of the model."
        )
        return (Note(text, "ascent"),)


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
