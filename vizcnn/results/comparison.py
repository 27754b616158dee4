"""Maps of several methods beside each other: a number for each method, metric and image, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from vizcnn.errors import Note, ResultError
from vizcnn.render.keywords import takes_style
from vizcnn.results.base import Result
from vizcnn.results.checks import Shapes
from vizcnn.results.standings import MIN_IMAGES, Agreement, Standing, agreement, mean_places, standings

if TYPE_CHECKING:
    import pandas

    from vizcnn.render.dots import Dots

_LISTED = 4


@dataclass(frozen=True, eq=False)
class Comparison(Result):
    """Maps of several methods on the same images, measured by several metrics.

    Attributes
    ----------
    values : ndarray of float32, shape (M, K, N)
        The number of each of M methods, by each of K metrics, on each of N images; NaN where it is undefined.
    methods : tuple of str
        What was measured, null maps last.
    metrics : tuple of str
        The metrics.
    better : tuple of {"low", "high"}
        Of each metric which numbers speak for a map.
    names : tuple of str
        The images that are done.
    target : tuple of str
        What is explained of each.
    model : str
        The model's name.
    nulls : tuple of str
        Those of `methods` that are maps without meaning: what a method must be better than.
    left_out : dict of str to str
        The methods that were left out, and why.
    num_images : int
        How many images were asked for: more than `names` where it was cut short.
    seconds : ndarray of float32, shape (M, K + 1)
        Seconds an image: for the map itself, then for each metric; NaN where it wasn't timed.
    estimate : float or None
        Seconds that all of it was said to take, before most of it was done.
    method : str
        "compare" or "evaluate".
    options : dict
        How it was asked for.
    notes : tuple of Note
        What the reader should know.

    Examples
    --------
    >>> import vizcnn as vz
    >>> compared = vz.compare(vz.assets.digits_cnn(), vz.assets.digits(), methods=["gradcam", "saliency"])
    >>> compared.values.shape[1:], compared.metrics, compared.standings[0].method
    ((2, 10), ('deletion', 'insertion'), 'gradcam')
    """

    values: np.ndarray
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    better: tuple[str, ...]
    names: tuple[str, ...]
    target: tuple[str, ...]
    model: str
    nulls: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    num_images: int = 0
    seconds: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    estimate: float | None = None
    method: str = "compare"
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    kind: ClassVar[str] = "comparison"

    def __repr__(self) -> str:
        rows = len(self.methods) - len(self.nulls)
        partial = f" of {self.num_images}" if self.is_partial else ""
        return f"<Comparison of {rows} methods by {len(self.metrics)} metrics on {len(self.names)}{partial} images>"

    def __str__(self) -> str:
        return "\n".join([*self._table(), "", *self.verdicts])

    def _check(self) -> None:
        shapes = Shapes()
        shapes.check("values", self.values, "M", "K", "N")
        shapes.check("seconds", self.seconds, "M", len(self.metrics) + 1, empty=True)
        shapes.count("methods", self.methods, "M")
        for name in ("metrics", "better"):
            shapes.count(name, getattr(self, name), "K")
        for name in ("names", "target"):
            shapes.count(name, getattr(self, name), "N")
        if {*self.better} - {"low", "high"} or {*self.nulls} - {*self.methods}:
            raise ValueError("`better` or `nulls` holds something else than it should")

    @property
    def is_partial(self) -> bool:
        """Whether it was cut short, and some of the images are missing."""
        return len(self.names) < self.num_images

    @cached_property
    def agreements(self) -> dict[str, Agreement]:
        """How repeatable the order of the methods is: by each metric, and, as "rank", by the mean rank over all of them."""
        own = self._own_rows
        by_metric = {name: agreement(self.values[own, at]) for at, name in enumerate(self.metrics)}
        return {"rank": agreement(mean_places(self.values, self.better, own)[own]), **by_metric}

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """Where each method stands, the best mean rank first; null maps among them."""
        return standings(self.values, self.methods, self.metrics, self.better, self.nulls)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What can be said, in sentences, and what can't."""
        return tuple(self._verdicts())

    def _verdicts(self) -> list[str]:
        own = [one for one in self.standings if not one.is_null]
        count = len(self.names)
        said = []
        if self.is_partial:
            said.append(f"Partial: it was cut short after {count} of {self.num_images} images.")
        if len(own) > 1 and count < MIN_IMAGES:
            said.append(f"No difference can be told on {count} images: give {MIN_IMAGES} or more, 20 are better.")
        elif len(own) > 1 and not self.agreements["rank"].is_repeatable:
            said.append(
                f"No difference: two halves of the images order these methods otherwise ({_in_words(self.agreements['rank'])})."
            )
        elif len(own) > 1:
            tied = [one.method for one in own[1:] if one.is_tied]
            others = f" {_listed(tied)} can't be told from it." if tied else " It is ahead of all others."
            said.append(f"{own[0].method} has the best mean rank ({_in_words(self.agreements['rank'])}).{others}")
        for name, halves in self.agreements.items():
            if name != "rank" and len(own) > 1 and count >= MIN_IMAGES and len(self.metrics) > 1:
                order = "the order is repeatable" if halves.is_repeatable else "no difference"
                said.append(f"By {name} alone: {order} ({_in_words(halves)}).")
        for null in self.nulls:
            names = [one.method for one in own if null in one.not_above]
            if names and count >= MIN_IMAGES:
                said.append(f"No better than {null}: {_listed(names)}.")
        return said

    def to_frame(self, by: str = "image") -> pandas.DataFrame:
        """Return a table; needs pandas.

        Parameters
        ----------
        by : {"image", "method"}, default "image"
            "image": a row for each method and image, with a column for each metric. "method": a row for each method, the best
            first, with its mean rank, the means, and the ends of their 95 % intervals.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ResultError
            If pandas isn't installed.

        Examples
        --------
        >>> import vizcnn as vz
        >>> measured = vz.evaluate(vz.assets.digits_cnn(), vz.assets.digits()[:3], "gradcam", metrics="sparseness")
        >>> measured.to_frame().columns.tolist(), len(measured.to_frame())
        (['method', 'is_null', 'image', 'target', 'sparseness'], 3)
        """
        from vizcnn.errors import check_choice

        check_choice("by", by, ("image", "method"))
        try:
            import pandas
        except ImportError:
            raise ResultError("`to_frame` needs pandas, which isn't installed: pip install 'vizcnn[table]'.") from None
        if by == "method":
            return pandas.DataFrame([self._row(one) for one in self.standings])
        count = len(self.names)
        return pandas.DataFrame(
            {
                "method": np.repeat(self.methods, count),
                "is_null": np.repeat([name in self.nulls for name in self.methods], count),
                "image": self.names * len(self.methods),
                "target": self.target * len(self.methods),
                **{metric: self.values[:, at].reshape(-1) for at, metric in enumerate(self.metrics)},
            }
        )

    def _row(self, one: Standing) -> dict[str, Any]:
        row: dict[str, Any] = {"method": one.method, "is_null": one.is_null, "rank": one.rank}
        row |= {"rank_low": one.rank_ends[0], "rank_high": one.rank_ends[1], "is_tied": one.is_tied}
        for metric in self.metrics:
            low, high = one.ends[metric]
            row |= {metric: one.means[metric], f"{metric}_low": low, f"{metric}_high": high}
        return row | {"seconds": self.seconds_of(one.method)}

    def seconds_of(self, method: str) -> float:
        """Return the seconds that a method takes for the map of an image; NaN where it wasn't timed.

        Parameters
        ----------
        method : str
            One of `methods`.

        Returns
        -------
        float

        Examples
        --------
        >>> import vizcnn as vz
        >>> compared = vz.evaluate(vz.assets.digits_cnn(), vz.assets.digits()[:3], "gradcam", metrics="sparseness")
        >>> compared.seconds_of("gradcam") > 0
        True
        """
        return float(self.seconds[self.methods.index(method), 0]) if self.seconds.size else float("nan")

    @takes_style("title")
    def plot(self, ax: Any = None, **style: Any) -> Any:
        r"""Draw a row for each method, the best first, and in columns its mean rank and its mean by each metric, with intervals.

        Parameters
        ----------
        ax : sequence of Axes, default None
            One for the rank and one for each metric; None: a new figure.
        **style
            `title` (write what was compared above it; default True).

        Returns
        -------
        ndarray of Axes

        Examples
        --------
        >>> import vizcnn as vz
        >>> compared = vz.evaluate(vz.assets.digits_cnn(), vz.assets.digits()[:3], "gradcam", metrics="sparseness")
        >>> [axis.get_xlabel() for axis in compared.plot()]
        ['mean rank', 'sparseness\nhigh is better']
        """
        from vizcnn.render.dots import plot_dots

        return plot_dots(self._dots(), ax, **style)

    @takes_style("title")
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> compared = vz.evaluate(vz.assets.digits_cnn(), vz.assets.digits()[:3], "gradcam", metrics="sparseness")
        >>> compared.draw(file := io.BytesIO(), ".png")
        >>> file.getvalue()[1:4]
        b'PNG'
        """
        from vizcnn.render.dots import save_dots

        save_dots(self._dots(), file, suffix, **style)

    def _dots(self) -> Dots:
        from vizcnn.render.dots import Column, Dots

        rows = self.standings
        columns = [Column("mean rank", [one.rank for one in rows], [one.rank_ends for one in rows])] + [
            Column(
                f"{metric}\n{better} is better",
                [one.means[metric] for one in rows],
                [one.ends[metric] for one in rows],
                is_doubtful=len(self._own_rows) > 1 and not self.agreements[metric].is_repeatable,
            )
            for metric, better in zip(self.metrics, self.better, strict=True)
        ]
        count = len(self.names)
        said = f"{self.model}, {count}{f' of {self.num_images}' if self.is_partial else ''} images"
        return Dots([one.method for one in rows], columns, muted=[one.is_null for one in rows], title=said)

    def _table(self) -> list[str]:
        width = max(len(name) for name in self.methods)
        heads = ("rank", *self.metrics, "s/image")
        cells = [(f"{one.rank:.2f}", *(f"{one.means[m]:.3f}" for m in self.metrics), f"{self.seconds_of(one.method):.2g}")
                 for one in self.standings]  # fmt: skip
        widths = [max(len(row[at]) for row in (heads, *cells)) for at in range(len(heads))]
        lines = ["  ".join(["method".ljust(width), *(head.rjust(w) for head, w in zip(heads, widths, strict=True))])]
        for one, row in zip(self.standings, cells, strict=True):
            mark = "  (null map)" if one.is_null else ""
            lines.append(
                "  ".join([one.method.ljust(width), *(cell.rjust(w) for cell, w in zip(row, widths, strict=True))])
                + mark
            )
        return lines

    @property
    def _own_rows(self) -> list[int]:
        return [row for row, name in enumerate(self.methods) if name not in self.nulls]


def _in_words(agreement: Agreement) -> str:
    return f"Kendall's tau between halves {agreement.tau:.2f}, above {agreement.least:.2f} in 95 % of them"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"
