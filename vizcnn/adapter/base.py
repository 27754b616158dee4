"""What a plugin may ask of a model. Every answer is float32 NumPy, channels last, batch first.

The questions stand in `vizcnn.adapter.questions`, a module for each sort.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vizcnn.adapter.arrays import AXES, Array, Outputs, slices
from vizcnn.adapter.gradients import BiasTerms, FullGradients, Gradients, check_rule
from vizcnn.adapter.layers import LAST_SPATIAL, LayerInfo, io_node, split_call
from vizcnn.adapter.predictions import Prediction, looks_like_probabilities
from vizcnn.adapter.questions.ascent import AscentQuestions
from vizcnn.adapter.questions.changed_copies import ChangedQuestions
from vizcnn.adapter.questions.positions import PositionQuestions
from vizcnn.aliases import moved
from vizcnn.errors import CapabilityError

__all__ = [
    "AXES",
    "LAST_SPATIAL",
    "Array",
    "BiasTerms",
    "FullGradients",
    "Gradients",
    "LayerInfo",
    "ModelAdapter",
    "Outputs",
    "Prediction",
    "check_rule",
    "io_node",
    "looks_like_probabilities",
    "slices",
    "split_call",
]

__getattr__ = moved(__name__, {"end_of_model": "vizcnn.adapter.layers.io_node"})


class ModelAdapter(ChangedQuestions, PositionQuestions, AscentQuestions):
    """A model, as plugins see it.

    The public questions check the inputs, resolve the target and look the layer up, once, and hand that to the answers of a
    subclass, one for each sort of model: `_outputs`, `_scores_and_outputs`, and whatever else its `capabilities` name
    (`_kernels`, `_activations`, `_gradients`, `_ascend`, ...).

    Parameters
    ----------
    name : str
        What to call the model in messages and titles.
    preprocess, labels, batch_size, image_size, num_runs, decoding
        See `vizcnn.adapt`.

    Attributes
    ----------
    source : str
        What the model is, or what its file is and who wrote it.
    repairs : tuple of str
        What had to be repaired in that file.

    Examples
    --------
    >>> import vizcnn as vz
    >>> def first_pixel(inputs):  # (N, H, W, C) to (N, C)
    ...     return inputs[:, 0, 0]
    >>> model = vz.adapt(first_pixel, input_shape=(8, 8, 2), labels=["red", "green"])
    >>> isinstance(model, vz.ModelAdapter), model.name, sorted(model.capabilities)
    (True, 'first_pixel', ['outputs', 'scores'])
    """

    @property
    def image_model(self) -> ModelAdapter:
        """The model that images are for: this one, or the whole of which it is what lies behind an inner layer."""
        return self

    def reinitialized(self, layers: Sequence[Any] | None = None, *, seed: int = 0) -> ModelAdapter:
        """Return the model with weights as before its training, drawn by its layers' own initializers.

        The model itself stays as it is: its code is run with other values, and nothing is assigned to it. What is compiled for
        that is kept by this adapter, and serves all layers and seeds.

        Parameters
        ----------
        layers : sequence of str, default None
            Paths of the layers whose weights are drawn, and of what they hold; the others keep their trained ones. None: all.
        seed : int, default 0
            Seed of the draw.

        Returns
        -------
        ModelAdapter
            It answers as this one does; labels, preprocessing, default layers and how outputs are read are this one's. It notes
            which weights have no initializer: their values are shuffled.

        Raises
        ------
        CapabilityError
            If the adapter can't: of a black box, of a model without weights, or of one that reads weights which aren't Keras's.
        LayerError
            If there is no such layer.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> image = vz.inputs.load(vz.assets.digits()[3], cnn.input_shape).inputs(slice(None))
        >>> untrained = cnn.reinitialized()
        >>> float(cnn.outputs(image)[0].max()) > 0.99, float(untrained.outputs(image)[0].max()) > 0.99
        (True, False)
        """
        if "reinitialization" not in self.capabilities:
            raise CapabilityError(
                f"Model {self.name!r}, {self.source}, can't be run with other weights: only Keras models can."
            )
        named = [layers] if isinstance(layers, str) else layers
        paths = None if named is None else tuple(split_call(self.layer(layer).path)[0] for layer in named)
        return self._reinitialized(paths, seed)

    def _reinitialized(self, layers: tuple[str, ...] | None, seed: int) -> ModelAdapter:
        raise self._unanswered("reinitialized")
