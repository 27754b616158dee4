"""What is asked without a target: outputs, activations, kernels. A target itself asks no more (`vizcnn.targets.model`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.layers import LayerInfo
from vizcnn.adapter.probe import extremes
from vizcnn.adapter.questions.checks import Questions


class RunQuestions(Questions):
    """What a model returns, and its layers."""

    def outputs(self, inputs: Array) -> Outputs:
        """Return what the model returns for a batch.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.

        Returns
        -------
        tuple of ndarray
            One array an output, with N rows, in the order of `output_shapes`.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2))
        >>> model.outputs(np.ones((3, 8, 8, 2)))[0].tolist()
        [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
        """
        return self._outputs(self._fitting(inputs))  # which may be the first run of a model, and make it ready

    def outputs_of_noise(self, sample_shape: tuple[int, ...]) -> Outputs:
        """Return what the model returns for a few images that are none: from that the kind of its numbers is told.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape (H, W, C) of one input.

        Returns
        -------
        tuple of ndarray
            As `outputs`.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().outputs_of_noise((28, 28, 1))[0].shape
        (4, 10)
        """
        return self.outputs(extremes(sample_shape, 4))

    def activations(self, inputs: Array, layers: Sequence[Any]) -> dict[str, Array]:
        """Return the outputs of layers, computing nothing past the last one.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        layers : sequence of str
            Paths or names.

        Returns
        -------
        dict of str to ndarray of float32, shape (N, ..., K)
            By path.

        Raises
        ------
        LayerError
            If there is no such layer.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> maps = vz.assets.digits_cnn().activations(np.zeros((2, 28, 28, 1)), ["conv1", "average"])
        >>> {path: values.shape for path, values in maps.items()}
        {'conv1': (2, 28, 28, 16), 'average': (2, 64)}
        """
        inputs = self._checked(inputs)
        named = [layers] if isinstance(layers, str) else layers
        return self._activations(inputs, tuple(self.layer(layer).path for layer in named))

    def kernels(self, layer: Any) -> Array:
        """Return the weights of a convolution; of a separable one the depthwise part, of which K is the multiplier.

        Parameters
        ----------
        layer : str, LayerInfo or Layer
            As `layer` takes it.

        Returns
        -------
        ndarray of float32, shape (kh, kw, C, K)

        Raises
        ------
        LayerError
            If there is no such layer, or it has no kernels.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().kernels("conv1").shape
        (3, 3, 1, 16)
        """
        return self._kernels(self.layer(layer))

    def box_anchors(self, sample_shape: tuple[int, ...]) -> Array | None:
        """Return the boxes that a detector's own are counted from, where the model carries them.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape (H, W, C) of one input.

        Returns
        -------
        ndarray of float32, shape (A, 4), or None
            Center x, center y, width and height in the input's pixels.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().box_anchors((28, 28, 1)) is None
        True
        """
        del sample_shape  # an adapter that knows better says so
        return None

    # What a subclass answers ------------------------------------------------------------------------------------------

    def _outputs(self, inputs: Array) -> Outputs:
        raise self._unanswered("outputs")

    def _activations(self, inputs: Array, paths: tuple[str, ...]) -> dict[str, Array]:
        raise self._unanswered("activations")

    def _kernels(self, layer: LayerInfo) -> Array:
        raise self._unanswered("kernels")
