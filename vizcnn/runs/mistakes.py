"""The mistakes that a model is surest of: why it took what it took, what spoke for the true class, and what decided."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vizcnn.errors import OptionError, ResultError
from vizcnn.plugins import registry
from vizcnn.render.keywords import takes_style
from vizcnn.render.style import MAP_STYLES, NOTEBOOK
from vizcnn.results import Picture
from vizcnn.results.attributions import with_probability
from vizcnn.results.panels import grid_panels
from vizcnn.runs.redrawing import loaded, model_of
from vizcnn.targets import Contrast

if TYPE_CHECKING:
    import pandas

    from vizcnn.render.panels import Panel
    from vizcnn.results import Attributions
    from vizcnn.runs.stored import StoredRun

TAKEN, TRUE, BETWEEN = "the class it took", "the true class", "the one minus the other"
"""What the three maps of a mistake explain."""

_MEANINGS = {
    TAKEN: "Where the image speaks for the class that the model took it for.",
    TRUE: "Where it speaks for the class that it is of.",
    BETWEEN: "Where it speaks more for the one than for the other (the map of the difference of their scores): what decided.",
}


@dataclass(frozen=True, eq=False)
class Mistakes(Picture):
    r"""The mistakes that a model is surest of, the surest first.

    Attributes
    ----------
    rows : pandas.DataFrame
        Their rows in the run.
    results : dict of str to Attributions
        The maps of the class that the model took, of the true class, and of their contrast; of the same images.

    Examples
    --------
    >>> import pathlib, tempfile, vizcnn as vz
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> rows = [
    ...     "path,label",
    ...     *(f"{path},{label}" for path, label in zip(vz.assets.digits(), "019")),
    ... ]  # the last is a two
    >>> _ = (folder / "images.csv").write_text("\n".join(rows))
    >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder / "images.csv", folder / "run", methods="gradcam")
    >>> mistakes = run.mistakes()
    >>> mistakes.rows[["prediction", "label"]].values.tolist()
    [['2', '9']]
    >>> {what: result.target for what, result in mistakes.results.items()}
    {'the class it took': ('2',), 'the true class': ('9',), 'the one minus the other': ('2 − 9',)}
    """

    rows: pandas.DataFrame
    results: dict[str, Attributions]

    def __len__(self) -> int:
        return len(self.rows)

    @takes_style("index", *MAP_STYLES, "title")
    def plot(self, ax: Any = None, **style: Any) -> Any:
        r"""Draw a row for each mistake: the image, and the three maps.

        Parameters
        ----------
        ax : sequence of Axes, default None
            One per panel; None: a new figure.
        **style
            As `Attributions.plot` takes them.

        Returns
        -------
        ndarray of Axes, shape (mistakes, 4)

        Examples
        --------
        >>> import pandas, vizcnn as vz
        >>> from vizcnn.runs.mistakes import TAKEN, TRUE, Mistakes
        >>> cnn, two = vz.assets.digits_cnn(), vz.assets.digits()[2]
        >>> maps = {TAKEN: vz.gradcam(cnn, two, 2), TRUE: vz.gradcam(cnn, two, 9)}
        >>> mistakes = Mistakes(pandas.DataFrame({"path": ["digit_2.png"]}), maps)
        >>> [ax.get_title() for ax in mistakes.plot()[0]]
        ['taken for 2 1.00\nis 9 0.00', 'the class it took\nconv5', 'the true class\nconv5']
        """
        from vizcnn.render.maps import plot_grid

        return plot_grid(self._panels(style.pop("index", None)), ax, **style)

    @takes_style("index", *MAP_STYLES, "title", "limit")
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import pandas, vizcnn as vz
        >>> from vizcnn.runs.mistakes import TAKEN, TRUE, Mistakes
        >>> cnn, two = vz.assets.digits_cnn(), vz.assets.digits()[2]
        >>> maps = {TAKEN: vz.gradcam(cnn, two, 2), TRUE: vz.gradcam(cnn, two, 9)}
        >>> mistakes = Mistakes(pandas.DataFrame({"path": ["digit_2.png"]}), maps)
        >>> import io
        >>> mistakes.draw(file := io.BytesIO(), ".png")
        >>> file.getvalue()[1:4]
        b'PNG'
        """
        from vizcnn.render.maps import save_grid

        index, limit = style.pop("index", None), style.pop("limit", None)
        count = len(self) if index is None else None
        save_grid(self._panels(index, limit), file, suffix, count=count, **style)

    def to_html(self, path: str | os.PathLike[str], *, about: Mapping[str, str] | None = None) -> Path:
        """Write them as one HTML file that opens anywhere without a network.

        Parameters
        ----------
        path : path
            Where to; it must end in ``.html``.
        about : mapping, default None
            What else the page says of where it comes from.

        Returns
        -------
        Path
            The file.

        Examples
        --------
        >>> import pandas, vizcnn as vz
        >>> from vizcnn.runs.mistakes import TAKEN, TRUE, Mistakes
        >>> cnn, two = vz.assets.digits_cnn(), vz.assets.digits()[2]
        >>> maps = {TAKEN: vz.gradcam(cnn, two, 2), TRUE: vz.gradcam(cnn, two, 9)}
        >>> mistakes = Mistakes(pandas.DataFrame({"path": ["digit_2.png"]}), maps)
        >>> import tempfile
        >>> mistakes.to_html(f"{tempfile.mkdtemp()}/page.html").name
        'page.html'
        """
        from vizcnn.report import write_page

        true = self.results[TRUE]
        names = tuple(
            f"{name} (true class: {label})" for name, label in zip(self.rows["path"], true.target, strict=True)
        )
        named = {what: replace(result, names=names) for what, result in self.results.items()}
        return write_page(named, path, meanings=_MEANINGS, about=about, title=f"Mistakes of {true.model}")

    def _panels(self, index: int | None = None, limit: int | None = None) -> list[list[Panel]]:
        places = range(len(self)) if index is None else [range(len(self))[index]]
        rows = grid_panels(self.results, index, limit)
        return [
            [replace(image, title=self._title(place)), *maps]
            for place, (image, *maps) in zip(places, rows, strict=False)
        ]

    def _title(self, place: int) -> str:
        taken, true = self.results[TAKEN], self.results[TRUE]
        return (
            f"taken for {with_probability(taken.target[place], taken.probabilities[place])}\n"
            f"is {with_probability(true.target[place], true.probabilities[place])}"
        )

    @property
    def _notebook_style(self) -> dict[str, Any]:
        return {"limit": NOTEBOOK}


def surest(run: StoredRun, count: int) -> pandas.DataFrame:
    """Return the rows of the mistakes that the model is surest of; a shard's rows are in memory at a time.

    Parameters
    ----------
    run : StoredRun
        The run.
    count : int
        How many, at most.

    Returns
    -------
    pandas.DataFrame
        The surest first.

    Raises
    ------
    OptionError
        If `count` is less than 1.
    ResultError
        If there are none; whether no image is mistaken, or none has a true class, is said.
    """
    import pandas

    if count < 1:
        raise OptionError(f"`count` must be a number of mistakes, 1 or more; got {count}.")
    best, known, done = pandas.DataFrame(), 0, 0
    for rows in run.rows():
        done += len(rows)
        rows = rows.dropna(subset=["label_class", "predicted_class"])
        known += len(rows)
        wrong = rows[rows["label_class"] != rows["predicted_class"]]
        best = pandas.concat([best, wrong]) if len(best) else wrong
        best = best.sort_values("probability", ascending=False, kind="stable").head(count)
    if len(best):
        return best
    if done < len(run):
        raise ResultError(
            f"The run holds no mistake so far: {done:,} of {len(run):,} images are done, {known:,} of them with a true class. "
            "Start it again to go on with it."
        )
    if known:
        raise ResultError(f"The run holds no mistake: each of {known:,} images with a true class is taken for it.")
    raise ResultError(
        "The run knows no true classes, which mistakes are told by. Folders: `labels_by`; else a column 'label'."
    )


def explained_mistakes(about: Mapping[str, Any], method: str, rows: pandas.DataFrame, model: Any) -> Mistakes:
    """Explain the mistakes of a run.

    Parameters
    ----------
    about : mapping
        The manifest of the run.
    method : str
        The method.
    rows : pandas.DataFrame
        The rows of the mistakes, the surest first.
    model : path, keras.Model or ModelAdapter
        The model; None: the file that the run had.

    Returns
    -------
    Mistakes

    Raises
    ------
    ResultError
        If an image isn't what it was, or the model isn't there, or isn't what it was.
    """
    plugin, options = registry.parse(method)[0], about["settings"]["methods"][method]
    adapter = model_of(about, model)
    images = loaded(about, rows.to_dict("records"), adapter)
    taken, true = (rows[column].astype(int).tolist() for column in ("predicted_class", "label_class"))
    targets = {TAKEN: taken, TRUE: true, BETWEEN: Contrast(taken, true)}
    return Mistakes(
        rows,
        {what: plugin.function(adapter, images, target, **options) for what, target in targets.items()},
    )
