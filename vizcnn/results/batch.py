"""What an attribution plugin returns for one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from vizcnn.adapter.base import Outputs
from vizcnn.results.attributions import Attributions
from vizcnn.results.base import Context
from vizcnn.results.collect import results_of

if TYPE_CHECKING:
    from vizcnn.adapter.base import Gradients
    from vizcnn.adapter.changed import Changed


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
    def of(cls, taken: Gradients | Changed, values: np.ndarray, **fields: Any) -> Self:
        """Make maps out of gradients: scores, outputs, layer and notes come from them.

        Parameters
        ----------
        taken : Gradients or Changed
            What `ModelAdapter.gradients`, `changed_gradients` or `changed_scores` answered.
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
        >>> taken = cnn.gradients(np.zeros((1, 28, 28, 1), np.float32), 3, of="conv5")
        >>> AttributionBatch.of(taken, taken.gradients.sum(axis=-1)).layer
        'conv5'
        """
        notes = (*taken.notes, *fields.pop("notes", ()))
        return cls(values, layer=taken.layer, scores=taken.scores, outputs=taken.outputs, notes=notes, **fields)

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
        yield from results_of(parts, context)

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
