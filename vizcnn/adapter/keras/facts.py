"""What a Keras model is, before it is asked about inputs: its layers, its shapes, what goes in and what its outputs hold."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from typing_extensions import override

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.base import ModelAdapter
from vizcnn.adapter.heads import Traits
from vizcnn.adapter.input_scaling import UNKNOWN, InputScaling
from vizcnn.adapter.keras.bias_axis import misplaced, misplaced_note
from vizcnn.adapter.keras.first_weights import FirstWeights
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.output_facts import OutputFacts, takes_bytes
from vizcnn.adapter.keras.tasks import anchors_of
from vizcnn.adapter.layers import LayerInfo, split_call
from vizcnn.adapter.roles import FITTING
from vizcnn.errors import UnsupportedModelError


class KerasFacts(ModelAdapter):
    """What `KerasAdapter` knows of its model, by the view of it, and by what was found of its outputs and its first weights."""

    _view: ModelView
    _output_facts: OutputFacts
    _first_weights: FirstWeights
    _biases_told: bool = False

    @property
    def model(self) -> Any:
        """The Keras model."""
        return self._view.model

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
    def fitting_layers(self) -> tuple[str, ...]:
        """Layers that resize or crop inputs before the first weights."""
        before = takewhile(lambda info: info.is_container or not info.num_params, self.layers)
        return tuple(info.path for info in before if any(word in info.kind for word in FITTING))

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
            layers = misplaced(self.layers, self._view.operations)
            if layers:
                self.add_note(misplaced_note(self.name, layers), "misplaced bias")
