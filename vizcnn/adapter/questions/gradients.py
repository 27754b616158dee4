"""The gradients of a target's scores: by the input, by a layer, by biases, by what the attention of a transformer is."""

from __future__ import annotations

from typing import Any

import numpy as np

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.attention import AttentionFormula, Attentions, probabilities
from vizcnn.adapter.gradients import FullGradients, Gradients, check_rule
from vizcnn.adapter.layers import LAST_SPATIAL
from vizcnn.adapter.questions.scores import ScoreQuestions
from vizcnn.adapter.sharing import shared
from vizcnn.targets import resolve
from vizcnn.targets.score import Score


class GradientQuestions(ScoreQuestions):
    """What moves the scores."""

    def gradients(self, inputs: Array, target: Any = None, *, of: Any = None, rule: str = "vanilla") -> Gradients:
        """Return the gradient of each sample's score by its input, or by the output of a layer.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.
        of : str or Layer, default None
            What to differentiate by: a layer's output; None: the input; `LAST_SPATIAL`: the last map.
        rule : {"vanilla", "guided", "relu"}, default "vanilla"
            What ReLU does to the gradient; see `vizcnn.saliency`.

        Returns
        -------
        Gradients
            With what was differentiated by, and the scores and outputs of the same run.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> grads = vz.assets.digits_cnn().gradients(np.zeros((2, 28, 28, 1)), target="3")
        >>> grads.gradients.shape, grads.scores.shape, grads.layer
        ((2, 28, 28, 1), (2,), None)
        """
        rule = check_rule(rule)
        inputs = self._checked(inputs)
        score = resolve(target, self, len(inputs))
        path = self._differentiated(of)
        return shared(self, inputs, score, path, rule, lambda: self._gradients(inputs, score, path, rule))

    def default_layer(self, target: Any = None) -> str:
        """Return the layer that `gradients` takes for `LAST_SPATIAL`: the last map that the score depends on.

        No gradient is taken for it, unless the adapter knows no better way.

        Parameters
        ----------
        target : optional
            As `scores` takes it.

        Returns
        -------
        str
            Its path.

        Raises
        ------
        LayerError
            If the score depends on no map.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().default_layer()
        'conv5'
        """
        return self._default_layer(target if isinstance(target, Score) else resolve(target, self, 1))

    def full_gradients(self, inputs: Array, target: Any = None) -> FullGradients:
        """Return the gradient of each sample's score by its input, and what the biases inside the model give to the score.

        Of a layer's bias that is the bias times the gradient by the sums which it is added to. Of a batch normalization, and of
        other layers that are affine value by value, the bias is what they make of zero. In a network of such layers and of ReLUs
        the gradient times the input and all these terms add up to the score. Every call of a shared layer has terms of its own.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.

        Returns
        -------
        FullGradients
            Of each layer sums alone, so that memory doesn't hold the gradients of all layers.

        Raises
        ------
        CapabilityError
            If the score has no gradient, or the adapter doesn't know the model's biases.

        Examples
        --------
        >>> import vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> inputs = cnn.load_images(vz.assets.digits()[3]).inputs(slice(None))
        >>> full = cnn.full_gradients(inputs, "3")
        >>> total = (full.gradients * full.values).sum() + sum(terms.totals[0] for terms in full.biases)
        >>> bool(abs(total - full.scores[0]) < 1e-3), full.biases[0].layer, full.biases[0].sums.shape
        (True, 'conv1', (1, 28, 28))
        """
        inputs = self._checked(inputs)
        return self._full_gradients(inputs, resolve(target, self, len(inputs)))

    def attentions(
        self,
        inputs: Array,
        target: Any = None,
        *,
        formula: AttentionFormula = probabilities,
        gradients: bool = False,
        per_block: bool = False,
    ) -> Attentions:
        """Return what a formula makes of the attention of each layer of a transformer, from one run.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.
        formula : callable, default the probabilities themselves
            ``formula(xp, attention, gradients)`` of a layer's probabilities (N, heads, T, T), each row the tokens that one token
            looks at, and the gradients of the scores by them, None where they weren't asked for. It runs where the model does.
        gradients : bool, default False
            Whether the formula takes the gradients.
        per_block : bool, default False
            Take, for each layer, the gradient of the score that the model's head reads from the tokens as they leave that layer's
            own block, where these can be told; else of the model's own score, and `Attentions.per_block` is False.

        Returns
        -------
        Attentions

        Raises
        ------
        CapabilityError
            If the model has no attention over the tokens of the whole input; it says why.

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> image = keras.Input((8, 8, 1))
        >>> tokens = keras.layers.Reshape((16, 6))(keras.layers.Conv2D(6, 2, strides=2)(image))
        >>> tokens = keras.layers.MultiHeadAttention(2, 3, name="attention")(tokens, tokens)
        >>> vit = keras.Model(image, keras.layers.GlobalAveragePooling1D()(tokens))
        >>> found = vz.adapt(vit).attentions(np.ones((3, 8, 8, 1)), 0)
        >>> found.layers, found.values[0].shape, found.grid, found.read[0, 0]
        (('attention',), (3, 2, 16, 16), (4, 4), np.float32(0.0625))
        """
        inputs = self._checked(inputs)
        score = resolve(target, self, len(inputs))
        if per_block and score.open_choices:  # each block's own reading would choose its own class
            score = self.with_predicted_classes(inputs, score, self._outputs(inputs))
        return self._attentions(inputs, score, formula, gradients, per_block)

    def _differentiated(self, of: Any) -> str | None:
        """Return the path of the layer to differentiate by; None: the input."""
        return of if of in (None, LAST_SPATIAL) else self.layer(of).path

    # What a subclass answers ------------------------------------------------------------------------------------------

    def _gradients(self, inputs: Array, score: Score, path: str | None, rule: str) -> Gradients:
        raise self._unanswered("gradients")

    def _default_layer(self, score: Score) -> str:
        shape = self.input_shape
        if "gradients" not in self.capabilities or not shape or None in shape:
            raise self._unanswered("default_layer")
        zeros = np.zeros((1, *(int(size or 1) for size in shape)), dtype=np.float32)
        return str(self.gradients(zeros, score[:1], of=LAST_SPATIAL).layer)

    def _full_gradients(self, inputs: Array, score: Score) -> FullGradients:
        raise self._unanswered("full_gradients")

    def _attentions(
        self, inputs: Array, score: Score, formula: AttentionFormula, gradients: bool, per_block: bool
    ) -> Attentions:
        raise self._unanswered("attentions")
