"""What an attribution plugin returns for one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from vizcnn.adapter.base import Outputs
from vizcnn.notes import join_notes, noted, notes_of_part
from vizcnn.results.attributions import Attributions
from vizcnn.results.base import Context
from vizcnn.results.collect import checked_rows, explained
from vizcnn.results.placing import over_inputs
from vizcnn.results.sanity_checks import SanityChecks

if TYPE_CHECKING:
    from vizcnn.adapter.attention import Attentions
    from vizcnn.adapter.base import Gradients
    from vizcnn.adapter.changed import Changed
    from vizcnn.targets.score import Score


@dataclass(frozen=True)
class AttributionBatch:
    """What an attribution plugin returns for one batch.

    Attributes
    ----------
    values : ndarray, shape (N, h, w) or (N, h, w, C)
        The attributions; of another size than the input's, they are resized to it, and those of a layer that doesn't look at
        the whole input are put where it looks.
    raw : ndarray, default None
        What came before channels were reduced, or before the resizing; None: the values as they are here.
    signed : bool, default False
        Whether negative values mean something.
    layer : str, default None
        The layer that was explained.
    scores, outputs : default None
        From the run on the images themselves; None: the door runs the model once more for them.
    notes : tuple of str or Note, default ()
        What the plugin noticed; of a `vizcnn.errors.Note`, `images` are places in this batch.
    options : mapping, default {}
        Options that the plugin had to decide, as it decided them.
    measures : mapping of str to ndarray of shape (N,), default {}
        Numbers that belong to each map, such as its standard error: pictures, page, table and file show them by name.
    extras : mapping of str to ndarray of shape (N, ...), default {}
        Arrays that belong to each map, such as a curve; those of integers are indices of the model's classes.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.results import AttributionBatch
    >>> maps = np.zeros((2, 7, 7))  # two images, seen through a layer of 7 x 7 places
    >>> AttributionBatch(maps, signed=True, measures={"spread": maps.std(axis=(1, 2))}).values.shape
    (2, 7, 7)
    """

    values: np.ndarray
    raw: np.ndarray | None = None
    signed: bool = False
    layer: str | None = None
    scores: np.ndarray | None = None
    outputs: Outputs | None = None
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, grads: Gradients | Changed | Attentions, values: np.ndarray, **fields: Any) -> Self:
        """Make maps out of gradients: scores, outputs, layer and notes come from them.

        Parameters
        ----------
        grads : Gradients, Changed or Attentions
            What `ModelAdapter.gradients`, `changed_gradients`, `changed_scores` or `attentions` answered.
        values : ndarray, shape (N, h, w) or (N, h, w, C)
            The attributions.
        **fields
            The other fields.

        Returns
        -------
        AttributionBatch

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> from vizcnn.results import AttributionBatch
        >>> cnn = vz.assets.digits_cnn()
        >>> grads = cnn.gradients(np.zeros((1, 28, 28, 1), np.float32), 3, of="conv5")
        >>> AttributionBatch.of(grads, grads.gradients.sum(axis=-1)).layer
        'conv5'
        """
        notes = (*grads.notes, *fields.pop("notes", ()))
        return cls(values, layer=grads.layer, scores=grads.scores, outputs=grads.outputs, notes=notes, **fields)

    @classmethod
    def stream(
        cls, parts: Iterable[tuple[slice, np.ndarray, AttributionBatch]], context: Context
    ) -> Iterator[Attributions]:
        """Yield a result for each batch.

        Parameters
        ----------
        parts : iterable of (slice, ndarray, AttributionBatch)
            For each batch its place among the images, its inputs, and its maps.
        context : Context
            The model, the images and what was asked for.

        Yields
        ------
        Attributions
            Of the images of one batch; `Attributions.join` makes one of all of them.

        Raises
        ------
        TypeError
            If the plugin's function takes no score.

        Examples
        --------
        >>> import vizcnn as vz
        >>> from vizcnn.results import AttributionBatch
        >>> @vz.register("bright", needs={"outputs"})
        ... def bright(model, inputs, score):
        ...     return AttributionBatch(inputs.mean(axis=-1))
        >>> bright(vz.assets.digits_cnn(), vz.assets.digits()).values.shape
        (10, 28, 28)
        """
        if context.score is None:
            raise TypeError(f"Plugin {context.method!r} returns attributions, so its function must take a `score`.")
        checks = SanityChecks(context.model, context.images)
        for part, inputs, batch in parts:
            yield batch._result(part, inputs, context.score[part], context, checks)

    @classmethod
    def collect(cls, parts: Iterable[tuple[slice, np.ndarray, AttributionBatch]], context: Context) -> Attributions:
        """Return one result of all batches: the join of what `stream` yields.

        Parameters
        ----------
        parts : iterable of (slice, ndarray, AttributionBatch)
            See `stream`.
        context : Context
            See `stream`.

        Returns
        -------
        Attributions

        Examples
        --------
        >>> import vizcnn as vz
        >>> from vizcnn.results import AttributionBatch
        >>> @vz.register("dark", needs={"outputs"})
        ... def dark(model, inputs, score):
        ...     return AttributionBatch(-inputs.mean(axis=-1))
        >>> len(dark(vz.assets.digits_cnn(), vz.assets.digits()))
        10
        """
        return Attributions.join(cls.stream(parts, context), len(context.images))

    def _result(
        self, part: slice, inputs: np.ndarray, score: Score, context: Context, checks: SanityChecks
    ) -> Attributions:
        model, images, names = context.model, context.images, context.images.names[part]
        outputs = self.outputs if self.outputs is not None else model.outputs(inputs)
        scores = self.scores if self.scores is not None else model.scores(inputs, score)
        if -1 in score.classes or (score.is_part and score.open_choices):
            score = model.with_predicted_classes(inputs, score, outputs)
        predictions, targets, top, indices = explained(model, score, outputs)
        raw = np.asarray(self.raw if self.raw is not None else self.values, dtype=np.float32)
        values, alone, placement = over_inputs(self.values, self.layer, model, images.sample_shape)
        measures = checked_rows("measures", self.measures, len(inputs), f"method {context.method!r}")
        extras = checked_rows("extras", self.extras, len(inputs), f"method {context.method!r}")
        if score.boxes:
            extras["boxes"] = np.stack([score.params[box][:, :4] for box in score.boxes], axis=1)
        of_classes = any(array.dtype.kind in "iu" for array in extras.values())
        notes = (
            *notes_of_part(images.notes, range(len(images))[part], names),
            *model.notes,
            *map(noted, self.notes),
            *placement,
            *checks.notes(
                part,
                inputs,
                self.values,
                raw,
                [p.probability for p in predictions],
                score,
                scores,
                signed=self.signed,
                layer=self.layer,
                is_named=context.options.get("layer") is not None,
            ),
        )
        return Attributions(
            values=values,
            raw=raw,
            scores=np.asarray(scores, dtype=np.float32),
            images=images if len(inputs) == len(images) else images.part(part),
            target=tuple(name for name, _, _ in targets),
            classes=tuple(index for _, index, _ in targets),
            probabilities=tuple(p for _, _, p in targets),
            predictions=tuple(predictions),
            model=model.name,
            method=context.method,
            layer=self.layer,
            signed=self.signed,
            options={**context.options, **self.options},
            names=names,
            notes=join_notes([(0, notes)], names),
            class_labels=model.head(model.output_name(score.output)).names if of_classes else (),
            top_classes=tuple(top),
            top_indices=tuple(indices),
            alone=alone,
            measures={name: array.astype(np.float32) for name, array in measures.items()},
            extras=extras,
            geometry=images.geometry[part],
            is_video=model.is_video,
        )
