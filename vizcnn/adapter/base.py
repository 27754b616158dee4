"""What a plugin may ask of a model. Every answer is float32 NumPy, channels last, batch first.

Long, because each question is documented where it is asked, with an example; what answers it is a line or two.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np

from vizcnn.adapter.arrays import AXES, Array, Outputs, slices
from vizcnn.adapter.attention import AttentionFormula, Attentions, probabilities
from vizcnn.adapter.changed import Arrays, Change, Changed, Formula, PlainSteps, Question, Steps, run
from vizcnn.adapter.gradients import BiasTerms, FullGradients, Gradients, check_rule
from vizcnn.adapter.layers import LAST_SPATIAL, LayerInfo, io_node, split_call
from vizcnn.adapter.model_facts import ModelFacts
from vizcnn.adapter.placement import Placement
from vizcnn.adapter.predictions import Prediction, looks_like_probabilities
from vizcnn.adapter.probe import extremes
from vizcnn.adapter.reach import Reach
from vizcnn.aliases import moved, old_keyword, renamed
from vizcnn.errors import CapabilityError, InputError, LayerError, Note, UnsupportedModelError
from vizcnn.targets import resolve
from vizcnn.targets.score import Score

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


class ModelAdapter(ModelFacts):
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
        return self._gradients(inputs, score, self._differentiated(of), rule)

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

    def changed_scores(
        self,
        inputs: Array,
        target: Any,
        change: Change,
        *,
        companions: Arrays | None = None,
        sums: Mapping[str, Formula] | None = None,
        each: Mapping[str, Formula] | None = None,
    ) -> Changed:
        """Return the scores of many changed copies of each image, and sums over them.

        A predicted class is the one predicted of the unchanged image, whatever the copies are taken for. Memory holds one batch
        of copies, however many there are.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.
        change : vizcnn.adapter.changed.Change
            How the images are changed, and how many copies are made of each.
        companions : mapping of str to ndarray, default None
            By name what belongs to each image, N rows each: baselines, labels of segments, activation maps.
        sums : mapping of str to callable, default None
            Formulas ``formula(xp, copies)`` of what is summed over the copies of an image, one row per copy. They are known by
            what they equal: functions of a module, or frozen dataclasses with a ``__call__``.
        each : mapping of str to callable, default None
            Formulas of what is kept of each copy, beside its score.

        Returns
        -------
        vizcnn.adapter.changed.Changed
            With the scores and outputs of the unchanged images.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> from vizcnn.adapter.changed import Change
        >>> def row_hidden(xp, images, companions, numbers):
        ...     rows = xp.arange(images.shape[1])[None, :, None, None]
        ...     return xp.where(rows == xp.reshape(numbers["row"], (-1, 1, 1, 1)), 0.0, images)
        >>> change = Change("row hidden", 28, lambda part: {"row": np.arange(28)[part]}, row_hidden)
        >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
        >>> inputs = vz.inputs.load([digits[1], digits[7]], cnn.input_shape).inputs(slice(None))
        >>> changed = cnn.changed_scores(inputs, None, change)
        >>> changed.copy_scores.shape, changed.score.classes
        ((2, 28), (1, 7))
        """
        return self._changed(inputs, target, companions, change=change, sums=sums, each=each)

    def changed_gradients(
        self,
        inputs: Array,
        target: Any,
        change: Change,
        *,
        sums: Mapping[str, Formula],
        companions: Arrays | None = None,
        each: Mapping[str, Formula] | None = None,
        of: Any = None,
        rule: str = "vanilla",
        in_steps: bool = False,
    ) -> Changed:
        """Return sums over the gradients of many changed copies of each image.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs, preprocessed.
        target : optional
            As `scores` takes it.
        change : vizcnn.adapter.changed.Change
            How the images are changed, and how many copies are made of each.
        sums : mapping of str to callable
            As `changed_scores` takes them; ``copies.gradients`` holds the gradients.
        companions, each : default None
            As `changed_scores` takes them.
        of : str or Layer, default None
            What to differentiate by: a layer's output; None: the changed image.
        rule : {"vanilla", "guided", "relu"}, default "vanilla"
            What ReLU does to the gradient; see `vizcnn.saliency`.
        in_steps : bool, default False
            Whether formulas ask for the copy before each, ``copies.before``, as where the copies are points of a way. Only with
            the gradient by the changed image.

        Returns
        -------
        vizcnn.adapter.changed.Changed

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> from vizcnn.adapter.changed import Change
        >>> def along(xp, images, companions, numbers):
        ...     return images * xp.reshape(numbers["alpha"], (-1, 1, 1, 1))
        >>> def gradient(xp, copies):
        ...     return copies.gradients
        >>> alphas = (np.arange(8, dtype=np.float32) + 0.5) / 8
        >>> path = Change("from black", 8, lambda part: {"alpha": alphas[part]}, along)
        >>> cnn = vz.assets.digits_cnn()
        >>> inputs = vz.inputs.load(vz.assets.digits()[3], cnn.input_shape).inputs(slice(None))
        >>> changed = cnn.changed_gradients(inputs, "3", path, sums={"gradient": gradient})
        >>> integrated = inputs * changed.sums["gradient"] / 8
        >>> gap = integrated.sum() - (changed.scores - cnn.scores(0 * inputs, changed.score))
        >>> bool(abs(gap[0]) < 0.1 * changed.scores[0])  # complete, but for the steps that were left out
        True
        """
        asked = {"change": change, "sums": sums, "each": each, "rule": check_rule(rule), "in_steps": in_steps}
        return self._changed(inputs, target, companions, differentiates=True, of=self._differentiated(of), **asked)

    def ascend(
        self,
        score: Score,
        shape: tuple[int, int, int],
        *,
        steps: int,
        seed: int = 0,
        optimizer: Any = None,
        input_range: tuple[float, float] | None = None,
        **plan: Any,
    ) -> Generator[tuple[Array, Array], None, tuple[Note, ...]]:
        """Raise the score by changing the input; see `vizcnn.adapter.keras.ascent`.

        Parameters
        ----------
        score : Score
            What is to rise, one image per sample.
        shape : (int, int, int)
            Shape (H, W, C) of an image.
        steps : int
            How many steps.
        seed : int, default 0
            Seed of the start and of the transforms.
        optimizer : keras.optimizers.Optimizer or str, default None
            What makes the steps, a copy of it that starts anew; None: Adam with a learning rate of 0.05.
        input_range : (float, float), default None
            What black and white are to the model; None: what `preprocess` makes of them.
        **plan
            `parametrization`, `regularizers`, `modifiers` and `transforms` of a `vizcnn.adapter.keras.ascent.Plan`, all four.

        Returns
        -------
        generator of (ndarray, ndarray)
            Before each step the images (N, H, W, C) in 0..1 and their scores (N,); last the images, and scores of NaN. It returns
            notes on what was made.

        Examples
        --------
        >>> import vizcnn as vz
        >>> from vizcnn.transforms import NONE
        >>> cnn = vz.assets.digits_cnn()
        >>> plan = {"parametrization": "pixel", "regularizers": (), "modifiers": (), "transforms": NONE}
        >>> made = cnn.ascend(vz.targets.Class("3").score(cnn, 1), (28, 28, 1), steps=2, **plan)
        >>> [images.shape for images, scores in made]
        [(1, 28, 28, 1), (1, 28, 28, 1), (1, 28, 28, 1)]
        """
        input_range = old_keyword("ends", plan.pop("ends", None), "input_range", input_range)
        plan.setdefault("regularizers", old_keyword("penalties", plan.pop("penalties", None), "regularizers", ()))
        self.prepare(shape)
        return self._ascend(score, shape, steps=steps, seed=seed, optimizer=optimizer, input_range=input_range, **plan)

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

    def placement(self, layer: str, shape: tuple[int, ...], sample_shape: tuple[int, ...]) -> Placement | None:
        """Tell where the cells of a layer's map lie in the input.

        Parameters
        ----------
        layer : str
            The layer's path.
        shape : tuple of int
            Shape of its map, (h, w) or (h, w, K).
        sample_shape : tuple of int
            Shape (H, W, C) of one input.

        Returns
        -------
        Placement or None
            None where the map, stretched over the whole input, lies where it belongs to half a cell.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().placement("conv5", (14, 14), (28, 28, 1)) is None
        True
        """
        return self.placements({layer: shape}, sample_shape)[layer]

    def placements(
        self, shapes: Mapping[str, tuple[int, ...]], sample_shape: tuple[int, ...]
    ) -> dict[str, Placement | None]:
        """Tell where the cells of several layers' maps lie, which is found out for all at once.

        Parameters
        ----------
        shapes : mapping of str to tuple of int
            By the layers' paths, the shapes of their maps, (h, w) or (h, w, K).
        sample_shape : tuple of int
            Shape (H, W, C) of one input.

        Returns
        -------
        dict of str to (Placement or None)
            As `placement` says it of each.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().placements({"conv5": (14, 14), "conv1": (28, 28)}, (28, 28, 1))
        {'conv5': None, 'conv1': None}
        """
        self.prepare(sample_shape)
        return self._placements(shapes, sample_shape)

    def reach(self, layer: Any, sample_shape: tuple[int, ...] | None = None) -> Reach:
        """Tell which positions of the input the cells of a layer's map depend on: their receptive fields.

        Parameters
        ----------
        layer : str
            Path or name of the layer.
        sample_shape : tuple of int, default None
            Shape (H, W, C) of one input; None: the model's own.

        Returns
        -------
        vizcnn.adapter.reach.Reach

        Raises
        ------
        CapabilityError
            If the adapter can't tell.
        LayerError
            If there is no such layer, or it has no map.
        UnsupportedModelError
            If the model takes inputs of any size and none is given.

        Examples
        --------
        >>> import vizcnn as vz
        >>> reach = vz.assets.digits_cnn().reach("conv3")
        >>> reach.extent, reach.stride, reach.box((0, 5))
        ((12, 12), (2.0, 2.0), ((0, 7), (5, 17)))
        """
        if "receptive fields" not in self.capabilities:
            raise self._unanswered("reach")
        known = sample_shape or self.input_shape
        shape = tuple(length for length in known if length is not None)
        if not known or len(shape) < len(known):
            raise UnsupportedModelError(
                f"Model {self.name!r} takes inputs of any size, on which it depends what its layers see: name one."
            )
        self.prepare(shape)
        info = self.layer(layer)
        found = self._reach(info.path, shape)
        if found is None:
            raise LayerError(f"`layer` {info.path!r} has no map of rows and columns whose cells depend on the input.")
        return found

    # What they have in common ------------------------------------------------------------------------------------------

    def _checked(self, inputs: Any) -> Array:
        """Return inputs as they are run, once they are known to fit the model, and the model is ready for them."""
        array = self._fitting(inputs)
        self.prepare(array.shape[1:])
        return array

    def _fitting(self, inputs: Any) -> Array:
        array = np.asarray(inputs, dtype=np.float32)
        want = self.input_shape or (None,) * 3
        fits = array.ndim == len(want) + 1 and all(w in (None, h) for w, h in zip(want, array.shape[1:], strict=True))
        if not fits or not len(array):
            axes = ", ".join(AXES[len(want)])
            raise InputError(f"The inputs of model {self.name!r} must have shape (N, {axes}) = (N, {str(want)[1:-1]}); got "
                             f"{array.shape}.")  # fmt: skip
        return array

    def _differentiated(self, of: Any) -> str | None:
        """Return the path of the layer to differentiate by; None: the input."""
        return of if of in (None, LAST_SPATIAL) else self.layer(of).path

    def _changed(self, inputs: Array, target: Any, companions: Arrays | None, **asked: Any) -> Changed:
        inputs = self._checked(inputs)
        score = resolve(target, self, len(inputs))
        if asked.get("of") is not None:
            asked["of"] = self._of_every_copy(asked["of"], score)
        question = Question.checked(inputs, companions, score=score, **asked)
        return run(self, question, self._steps())

    # What a subclass answers: of inputs that are checked, a target that is resolved, layers by path ---------------------

    def _outputs(self, inputs: Array) -> Outputs:
        raise self._unanswered("outputs")

    def _scores_and_outputs(self, inputs: Array, score: Score) -> tuple[Array, Outputs]:
        if type(self).scores is ModelAdapter.scores:
            raise self._unanswered("scores")
        return self.scores(inputs, score), self.outputs(
            inputs
        )  # of a subclass that answers the public questions itself

    def _kernels(self, layer: LayerInfo) -> Array:
        raise self._unanswered("kernels")

    def _activations(self, inputs: Array, paths: tuple[str, ...]) -> dict[str, Array]:
        raise self._unanswered("activations")

    def _gradients(self, inputs: Array, score: Score, path: str | None, rule: str) -> Gradients:
        raise self._unanswered("gradients")

    def _attentions(
        self, inputs: Array, score: Score, formula: AttentionFormula, gradients: bool, per_block: bool
    ) -> Attentions:
        raise self._unanswered("attentions")

    def _full_gradients(self, inputs: Array, score: Score) -> FullGradients:
        raise self._unanswered("full_gradients")

    def _default_layer(self, score: Score) -> str:
        shape = self.input_shape
        if "gradients" not in self.capabilities or not shape or None in shape:
            raise self._unanswered("default_layer")
        zeros = np.zeros((1, *(int(size or 1) for size in shape)), dtype=np.float32)
        return str(self.gradients(zeros, score[:1], of=LAST_SPATIAL).layer)

    def _of_every_copy(self, path: str, score: Score) -> str:
        """Return the layer that changed copies are differentiated by: one for all of them, and known to be of each."""
        return self._default_layer(score) if path == LAST_SPATIAL else path

    def _scores_from(self, path: str, activations: Array, score: Score, inputs: Array | None) -> Array:
        raise self._unanswered("scores_from")

    def _reinitialized(self, layers: tuple[str, ...] | None, seed: int) -> ModelAdapter:
        raise self._unanswered("reinitialized")

    def _steps(self) -> Steps:
        """Return what runs batches of changed copies; an adapter that can compile them has its own."""
        return PlainSteps(self)

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
        raise self._unanswered("ascend")

    def _placements(
        self, shapes: Mapping[str, tuple[int, ...]], sample_shape: tuple[int, ...]
    ) -> dict[str, Placement | None]:
        del sample_shape  # an adapter that knows better says so
        return dict.fromkeys(shapes)

    def _reach(self, layer: str, sample_shape: tuple[int, ...]) -> Reach | None:
        raise self._unanswered("reach")

    def _unanswered(self, question: str) -> CapabilityError:
        return CapabilityError(f"Model {self.name!r}, {self.source}, doesn't answer `{question}`.")
