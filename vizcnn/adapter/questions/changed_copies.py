"""Many changed copies of each image, of which scores and sums come back; see `vizcnn.adapter.changed`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.changed import Arrays, Change, Changed, Formula, PlainSteps, Question, Steps, run
from vizcnn.adapter.gradients import check_rule
from vizcnn.adapter.layers import LAST_SPATIAL
from vizcnn.adapter.questions.gradients import GradientQuestions
from vizcnn.targets import resolve
from vizcnn.targets.score import Score


class ChangedQuestions(GradientQuestions):
    """What every sampling method asks."""

    def changed_scores(
        self,
        inputs: Array,
        target: Any,
        change: Change,
        *,
        companions: Arrays | None = None,
        sums: Mapping[str, Formula] | None = None,
        each: Mapping[str, Formula] | None = None,
        after: Changed | None = None,
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
        after : Changed, default None
            What came back of other copies of the same images: their scores and outputs, and the class that was predicted, are
            known then, and aren't asked for again; `target` isn't read.

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
        return self._changed(inputs, target, companions, change=change, sums=sums, each=each, after=after)

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
        after: Changed | None = None,
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
        after : Changed, default None
            As `changed_scores` takes it.

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
        by = self._differentiated(of)
        return self._changed(inputs, target, companions, differentiates=True, of=by, after=after, **asked)

    def _changed(self, inputs: Array, target: Any, companions: Arrays | None, **asked: Any) -> Changed:
        inputs = self._checked(inputs)
        after: Changed | None = asked.get("after")
        score = resolve(target, self, len(inputs)) if after is None else after.score
        if asked.get("of") is not None:
            asked["of"] = self._of_every_copy(asked["of"], score)
        question = Question.checked(inputs, companions, score=score, **asked)
        return run(self, question, self._steps())

    # What a subclass answers ------------------------------------------------------------------------------------------

    def _of_every_copy(self, path: str, score: Score) -> str:
        """Return the layer that changed copies are differentiated by: one for all of them, and known to be of each."""
        return self._default_layer(score) if path == LAST_SPATIAL else path

    def _steps(self) -> Steps:
        """Return what runs batches of changed copies; an adapter that can compile them has its own."""
        return PlainSteps(self)
