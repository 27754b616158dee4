"""Several methods on the same images, side by side."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from vizcnn.adapter import as_adapter
from vizcnn.algorithms.trust import Trust, is_of_trust
from vizcnn.measures.run import Asked, meanings_of, read_metrics
from vizcnn.plugins import door, registry
from vizcnn.progress import track
from vizcnn.render.keywords import takes_style
from vizcnn.render.style import MAP_STYLES, NOTEBOOK
from vizcnn.results import Attributions, Picture
from vizcnn.results.notebook import told_below
from vizcnn.results.rows import RowJoin
from vizcnn.stream import ExplainedBatch, Method, read_methods, stream


@dataclass(frozen=True, eq=False)
class Explanation(Picture):
    """One result per method.

    Attributes
    ----------
    results : dict
        The methods, as they were asked for, to their results.

    Examples
    --------
    >>> import vizcnn as vz
    >>> both = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3])
    >>> list(both), both["gradcam"].layer
    (['saliency', 'gradcam'], 'conv5')
    """

    results: dict[str, Attributions]

    def __getitem__(self, method: str) -> Attributions:
        return self.results[method]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def notes(self) -> dict[str, tuple[str, ...]]:
        """What the reader should know, by method."""
        return {method: result.notes for method, result in self.results.items() if result.notes}

    @property
    def trust(self) -> dict[str, tuple[Trust, ...]]:
        """How far the maps can be trusted, by method, for each image; see `Attributions.trust`."""
        return {method: result.trust for method, result in self.results.items() if result.trust}

    @takes_style("index", *MAP_STYLES, "title")
    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw a row per image and a column per method, the image first.

        Parameters
        ----------
        ax : sequence of Axes, default None
            One per panel; None: a new figure.
        **style
            As `Attributions.plot` takes them.

        Returns
        -------
        ndarray of Axes, shape (images, methods + 1)

        Examples
        --------
        >>> import vizcnn as vz
        >>> both = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[:2])
        >>> both.plot().shape  # two rows: the image, saliency, Grad-CAM
        (2, 3)
        """
        from vizcnn.render.maps import plot_grid
        from vizcnn.results.panels import grid_panels

        return plot_grid(grid_panels(self.results, style.pop("index", None)), ax, **style)

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        about: Mapping[str, str] | None = None,
        figures: Mapping[str, Picture] | None = None,
        others: Mapping[str, Explanation] | None = None,
    ) -> Path:
        """Write a report: one HTML file that opens anywhere without a network, to be sent to somebody.

        Parameters
        ----------
        path : path
            Where to; it must end in ``.html``.
        about : mapping, default None
            What else the page says of where it comes from.
        figures : mapping, default None
            Titles to other results that the page shows too, such as `vizcnn.architecture(model)` or `vizcnn.diagnose(...)`.
        others : mapping, default None
            What else is explained ("the second class"), to the explanations of the same images by the same methods: the page
            can switch to them.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ResultError
            If the suffix is another, the file can't be written, or the results are of signals.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> explanation = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = explanation.to_html(f"{folder}/three.html")
        ...     file.name, file.read_text(encoding="utf-8")[:9].lower()
        ('three.html', '<!doctype')
        """
        from vizcnn.report import write_page

        meanings = {name: registry.parse(name)[0].interpretation for name in self.results}
        measures = (
            name
            for result in self.results.values()
            for name in result.measures
            if not (result.trust and is_of_trust(name))  # the page says these in its own words
        )
        meanings |= meanings_of(measures)
        more = {name: other.results for name, other in (others or {}).items()}
        return write_page(self.results, path, meanings=meanings, about=about, figures=figures, others=more)

    @takes_style("index", *MAP_STYLES, "title", "limit")
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> explanation = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam")
        >>> explanation.draw(file := io.BytesIO(), ".png")
        >>> file.getvalue()[1:4]
        b'PNG'
        """
        from vizcnn.render.maps import save_grid
        from vizcnn.results.panels import grid_panels

        index, limit = style.pop("index", None), style.pop("limit", None)
        count = len(next(iter(self.results.values()))) if index is None else None
        save_grid(grid_panels(self.results, index, limit), file, suffix, count=count, **style)

    @property
    def _notebook_style(self) -> dict[str, Any]:
        return {"limit": NOTEBOOK}

    def _repr_html_(self) -> str | None:
        told = [
            (f"{method}, {name}" if len(of_method) > 1 else method, trust)
            for method, of_method in self.trust.items()
            for name, trust in list(zip(self.results[method].image_names, of_method, strict=True))[:NOTEBOOK]
        ]
        return told_below(self._repr_png_(), told) if told else None


def collect(batches: Iterable[ExplainedBatch], count: int) -> tuple[Explanation, dict[int, Explanation]]:
    """Return one explanation of all batches, by the methods that worked on each of them; and by rank those of other classes.

    Parameters
    ----------
    batches : iterable of ExplainedBatch
        What `stream` yields; each is let go before the next one is asked for.
    count : int
        How many images there are, at most.

    Returns
    -------
    (Explanation, dict of int to Explanation)
        The others are of the same methods and images.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.explanation import collect
    >>> from vizcnn.stream import read_methods, stream
    >>> cnn = vz.assets.digits_cnn()
    >>> digits = vz.inputs.load(vz.assets.digits(), cnn.input_shape)
    >>> first, others = collect(stream(cnn, digits, None, read_methods("saliency"), ranks=2), len(digits))
    >>> first["saliency"].target[3], others[1]["saliency"].target[3]  # the second most probable class
    ('3', '9')
    """
    total = 0
    joins: dict[int, dict[str, RowJoin[Attributions]]] = {}
    for batch in batches:
        total += len(next(iter(batch.results.values())))
        for rank, results in {0: batch.results, **batch.others}.items():
            of_rank = joins.setdefault(rank, {})
            for name, result in results.items():
                if name not in of_rank:
                    of_rank[name] = Attributions.joining(count)
                of_rank[name].add(result)
                del result
        del batch, results  # before the next one is asked for
    whole = {
        rank: {name: join.result() for name, join in of_rank.items() if join.length == total}
        for rank, of_rank in joins.items()
    }
    first = whole.pop(0, {})
    others = {rank: Explanation(results) for rank, results in whole.items() if results.keys() == first.keys()}
    return Explanation(_with_the_same_images(first)), others


def explain(
    model: Any,
    images: Any,
    target: Any = None,
    *,
    methods: Sequence[Method] | Method = ("saliency", "gradcam"),
    metrics: Sequence[Asked] | Asked = (),
    layer: str | None = None,
    trust: bool = False,
    regions: Any = None,
) -> Explanation:
    """Explain images by several methods.

    Parameters
    ----------
    model : keras.Model, path or ModelAdapter
        The model.
    images : path, image, array of shape (N, H, W, C), or a list
        The images.
    target : optional
        What is explained, default None: the class that the model predicts for each image. See `vizcnn.targets`.
    methods : sequence of str or (str, dict), default ("saliency", "gradcam")
        Names, with options where they are wanted: ``"saliency:rule=guided"`` or ``("saliency", {"rule": "guided"})``.
    metrics : sequence of str or (str, dict), default ()
        What is measured of each map, named in the same way: ``"deletion"``; see `vizcnn.metrics`. The numbers are in the
        `measures` of the results, and stand beside the maps.
    layer : str, default None
        The layer, for the methods that look at one.
    trust : bool, default False
        Measure how far each map can be trusted: four numbers, those of maps that know nothing of the model beside them, and a
        verdict in words, in the `trust` of the results and beside the maps. It takes about a hundred runs of the model for each
        image, two dozen for each further method, and each method up to four times more.
    regions : optional
        Where in each image the object is, for the metrics that ask (``"pointing_game"``): for each image a mask, bool (h, w), or
        boxes (left, top, right, bottom in its pixels), or None; by the images' names in a dict; a folder of mask pictures by the
        images' names; or a CSV file of boxes with the columns image, left, top, right, bottom. Default None: none is known.

    Returns
    -------
    Explanation
        One result per method; `.plot()` draws a grid.

    Raises
    ------
    MethodError, OptionError, CapabilityError, LayerError
        If a method, a metric, an option or a layer doesn't exist, or one doesn't work on this model; before anything is computed.

    Examples
    --------
    >>> import vizcnn as vz
    >>> guided, cam = "saliency:rule=guided", "gradcam"
    >>> results = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[:2], methods=[guided, cam])
    >>> {name: result.values.shape for name, result in results.results.items()}
    {'saliency:rule=guided': (2, 28, 28), 'gradcam': (2, 28, 28)}
    """
    calls, measuring = read_methods(methods, layer), read_metrics(metrics)
    adapter = as_adapter(model)
    for call in calls:
        registry.check_needs(call.plugin, adapter)
    loaded = door.load_images(adapter, images)
    batches = -(-len(loaded) // adapter.batch_size_for(loaded.sample_shape))
    steps = track(
        stream(adapter, loaded, target, calls, metrics=measuring, trust=trust, regions=regions),
        batches,
        f"{len(calls)} methods, {len(loaded)} images{', and how far to trust them' if trust else ''}",
    )
    explanation, _ = collect(steps, len(loaded))
    for result in explanation.results.values():
        door.warn_of(result, adapter)
    return explanation


def _with_the_same_images(results: Mapping[str, Attributions]) -> dict[str, Attributions]:
    """Let all results hold the same images, not each a set of its own."""
    first = next(iter(results.values()), None)
    return {name: result if first is None else replace(result, images=first.images) for name, result in results.items()}
