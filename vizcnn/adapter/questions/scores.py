"""The scores of a target: of inputs, and of a layer's activations in place of what the layer returns."""

from __future__ import annotations

from typing import Any

import numpy as np

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.questions.runs import RunQuestions
from vizcnn.aliases import renamed
from vizcnn.errors import InputError
from vizcnn.targets import resolve
from vizcnn.targets.score import Score


class ScoreQuestions(RunQuestions):
    """One number per sample, for the target."""

    def scores(self, inputs: Array, target: Any = None) -> Array:
        """Return one score per sample.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            Any form that `vizcnn.targets.resolve` takes, default None: the class that the model predicts.

        Returns
        -------
        ndarray of float32, shape (N,)
            Logits, where the target is a class and the adapter knows them.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2))
        >>> inputs = np.zeros((1, 8, 8, 2))
        >>> inputs[0, 0, 0] = 5, 7
        >>> model.scores(inputs, 0).tolist(), model.scores(inputs).tolist()
        ([5.0], [7.0])
        """
        return self.scores_and_outputs(inputs, target)[0]

    def scores_and_outputs(self, inputs: Array, target: Any = None) -> tuple[Array, Outputs]:
        """Return the scores and what the model returns, from one run where the adapter can.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.

        Returns
        -------
        (ndarray, tuple of ndarray)
            As `scores` and `outputs` return them.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2))
        >>> scores, outputs = model.scores_and_outputs(np.ones((3, 8, 8, 2)), target=1)
        >>> scores.tolist(), outputs[0].shape
        ([1.0, 1.0, 1.0], (3, 2))
        """
        inputs = self._checked(inputs)
        return self._scores_and_outputs(inputs, resolve(target, self, len(inputs)))

    evaluate = renamed("evaluate", "scores_and_outputs")

    def with_predicted_classes(self, inputs: Array, score: Score, outputs: Outputs) -> Score:
        """Return a score in which each class that was left to the model is the one that it chooses of these inputs.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        score : Score
            Their score.
        outputs : tuple of ndarray
            What the model returned for them, as `outputs` returns it.

        Returns
        -------
        Score
            Changed copies of the inputs keep to it, whatever they are taken for.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2))
        >>> inputs = np.full((1, 4, 4, 2), [2.0, 6.0], np.float32)
        >>> score = vz.targets.Contrast(None, 0).score(model, 1)
        >>> [param.tolist() for param in model.with_predicted_classes(inputs, score, model.outputs(inputs)).params]
        [[1], [0]]
        """
        for choice in score.open_choices:
            if choice.formula is None:
                classes, _, _ = self.class_outputs(outputs, choice.output)
            else:
                chosen = self.scores(inputs, score.chosen(choice))
                classes = chosen if choice.count is None else chosen.argmax(axis=-1)
            score = score.with_predicted_classes(choice, classes)
        return score

    def scores_from(self, layer: Any, activations: Array, target: Any = None, *, inputs: Array | None = None) -> Array:
        """Return the scores of a model that is run from a layer on: what the layer returns is replaced.

        Parameters
        ----------
        layer : str, LayerInfo or Layer
            As `layer` takes it; of a layer that is called more than once, ``name[1]`` is its second call.
        activations : ndarray, shape (N, h, w, K)
            What takes the place of the layer's own output, as `activations` returns it.
        target : optional
            As `scores` takes it; a predicted class is that of the replaced run.
        inputs : ndarray, shape (N, H, W, C), default None
            An input for each, where the score depends on it by other ways than this layer too (a skip connection, class tokens).

        Returns
        -------
        ndarray of float32, shape (N,)

        Raises
        ------
        InputError
            If the activations have another shape than the layer's, or `inputs` are needed and not given.
        CapabilityError
            If the model can't be run from a layer on, as a black box can't.

        Examples
        --------
        >>> import vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> inputs = vz.inputs.load(vz.assets.digits()[3], cnn.input_shape).inputs(slice(None))
        >>> maps = cnn.activations(inputs, "conv5")["conv5"].copy()
        >>> whole = cnn.scores_from("conv5", maps, "3")
        >>> maps[..., 40] = 0  # without that channel
        >>> bool(cnn.scores_from("conv5", maps, "3") < whole), bool(abs(whole - cnn.scores(inputs, "3")) < 1e-3)
        (True, True)
        """
        if not self.layers:
            raise self._unanswered("scores_from")
        path = self.layer(layer).path
        values = np.asarray(activations, dtype=np.float32)
        if values.ndim < 2 or not len(values):
            raise InputError(f"`activations` must have a row for each sample; got shape {values.shape}.")
        if inputs is not None:
            inputs = self._checked(inputs)
            if len(inputs) != len(values):
                raise InputError(f"`inputs` must be one for each of the {len(values)} activations; got {len(inputs)}.")
        return self._scores_from(path, values, resolve(target, self, len(values)), inputs)

    # What a subclass answers ------------------------------------------------------------------------------------------

    def _scores_and_outputs(self, inputs: Array, score: Score) -> tuple[Array, Outputs]:
        if type(self).scores is ScoreQuestions.scores:
            raise self._unanswered("scores")
        # of a subclass that answers the public questions itself
        return self.scores(inputs, score), self.outputs(inputs)

    def _scores_from(self, path: str, activations: Array, score: Score, inputs: Array | None) -> Array:
        raise self._unanswered("scores_from")
