"""A run's folder, read: rows, maps, and what couldn't be explained; a shard at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.errors import OptionError, ResultError, check_choice, listed
from vizcnn.runs.layout import MapLayout, RunFolder
from vizcnn.runs.manifest import Manifest

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class RunImage:
    """An image of a run.

    Attributes
    ----------
    row : dict
        Its row: see `Run.table`.
    maps : dict of str to ndarray of float32, shape (h, w)
        Its maps by method.

    Examples
    --------
    >>> import tempfile, vizcnn as vz
    >>> folder = vz.assets.digits()[0].parent
    >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam", sample=2)
    >>> [(image.row["path"], image.maps["gradcam"].shape) for image in run.images()]
    [('digit_4.png', (14, 14)), ('digit_6.png', (14, 14))]
    """

    row: dict[str, Any]
    maps: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class StoredRun:
    """What lies in the folder of a run, finished or not.

    Attributes
    ----------
    path : Path or str
        The folder; as text, its URL in an object store.
    about : dict
        Its manifest: model, source, settings, counts.
    """

    path: Path | str
    about: dict[str, Any]

    def __len__(self) -> int:
        return self._manifest.count

    def __repr__(self) -> str:
        size, name = self._manifest.shard_size, self.about["model"]["name"]
        done = sum(min(size, len(self) - shard * size) for shard in self._finished())
        return f"<Run of {name!r} by {listed(self.methods) or 'nothing'}: {done:,} of {len(self):,} images>"

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods."""
        return tuple(self.about["maps"])

    @property
    def is_complete(self) -> bool:
        """Whether all images are explained, but for those that can't be."""
        return bool(self.about["complete"])

    @property
    def table(self) -> pandas.DataFrame:
        """A row for each image that is explained so far, by its place in the run.

        Columns: its path, hash, label and `label_class`; target, its class, probability and score; prediction, its class and
        probability; the five most probable classes; error, where it couldn't be read. Of each method by name, as
        ``gradcam.mass``: the scale of its map, what `vizcnn.runs.statistics.statistics` says of it, its measures, kinds of
        notes, and error.
        """
        import pandas

        from vizcnn.runs.rows import rows_schema

        frames = list(self.rows())
        return pandas.concat(frames) if frames else _frame(rows_schema(self._manifest.layouts.values()).empty_table())

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[pandas.DataFrame]:
        """Yield the rows of a shard at a time, so that no more of them are in memory; from an object store 16 are read ahead.

        Parameters
        ----------
        columns : sequence of str, default None
            Which columns; None: all.

        Yields
        ------
        pandas.DataFrame
            As `table`.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> folder = vz.assets.digits()[0].parent
        >>> run = vz.explain_dataset(
        ...     vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam", shard_size=4
        ... )
        >>> [len(rows) for rows in run.rows(["path", "gradcam.border"])]
        [4, 4, 2]
        """
        from vizcnn.runs.rows import read_all_rows

        names = None if columns is None else list(dict.fromkeys(["index", *columns]))
        yield from map(_frame, read_all_rows(self._folder, self._finished(), names))

    def maps(self, index: int | slice, method: str | None = None) -> np.ndarray:
        """Return the map of an image, or of several, as it is kept: at the layer's resolution, or the input's.

        Parameters
        ----------
        index : int or slice
            The place of the image in the run.
        method : str, default None
            The method; None: the first.

        Returns
        -------
        ndarray of float32, shape (h, w) or (n, h, w)
            In units of the score, to within 1/2048 of each value; NaN where there is none (yet).

        Raises
        ------
        OptionError
            If there is no such method or image.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> folder = vz.assets.digits()[0].parent
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="saliency")
        >>> run.maps(3).shape, run.maps(slice(0, 4)).shape
        ((28, 28), (4, 28, 28))
        """
        from vizcnn.runs.maps import read_maps
        from vizcnn.runs.rows import read_rows

        layout = self.layout(method)
        places = self._places(index)
        shares = read_maps(self._folder, layout, places)
        scale = np.full(len(places), np.nan, np.float32)
        column, size = f"{layout.method}.scale", self._manifest.shard_size
        for shard in {place // size for place in places}:
            if self._folder.is_finished(shard):
                rows = _frame(read_rows(self._folder, shard, ["index", column]))
                known = [place for place in places if place in rows.index]
                scale[[place - places.start for place in known]] = rows.loc[known, column]
        maps: np.ndarray = shares * scale.reshape(-1, *[1] * len(layout.shape))
        return maps if isinstance(index, slice) else np.asarray(maps[0])

    def images(self) -> Iterator[RunImage]:
        """Yield the images with their maps, in the order of the run: a shard at a time, of a store the rows of 16.

        Yields
        ------
        RunImage

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> folder = vz.assets.digits()[0].parent
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
        >>> most = max(run.images(), key=lambda image: image.row["gradcam.border"])
        >>> most.maps["gradcam"].shape
        (14, 14)
        """
        from vizcnn.runs.rows import read_all_rows

        shards, size = self._finished(), self._manifest.shard_size
        for shard, table in zip(shards, read_all_rows(self._folder, shards), strict=True):
            maps = {method: self.maps(slice(shard * size, (shard + 1) * size), method) for method in self.methods}
            for at, row in enumerate(table.to_pylist()):
                yield RunImage(row, {method: of_all[at] for method, of_all in maps.items()})

    @property
    def failures(self) -> pandas.DataFrame:
        """What couldn't be explained so far: path, method (None: the image can't be read), and reason."""
        import pandas

        columns = ["path", "error", *(f"{method}.error" for method in self.methods)]
        found = []
        for rows in self.rows(columns):
            for column, method in zip(columns[1:], (None, *self.methods), strict=True):
                bad = rows[rows[column].notna()]
                found += [(path, method, reason) for path, reason in zip(bad["path"], bad[column], strict=True)]
        return pandas.DataFrame(found, columns=["path", "method", "reason"])

    def layout(self, method: str | None = None) -> MapLayout:
        """Return how the maps of a method are kept.

        Parameters
        ----------
        method : str, default None
            The method; None: the first.

        Returns
        -------
        vizcnn.runs.layout.MapLayout

        Raises
        ------
        OptionError, ResultError
            If there is no such method, or none at all.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> folder = vz.assets.digits()[0].parent
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
        >>> run.layout().resolution, run.layout().shape
        ('layer', (14, 14))
        """
        if not self.methods:
            raise ResultError(f"The run in {str(self.path)!r} holds no maps: its images were predicted, not explained.")
        method = self.methods[0] if method is None else method
        check_choice("method", method, self.methods)
        return self._manifest.layouts[method]

    @property
    def _folder(self) -> RunFolder:
        return RunFolder(self.path, "path")

    @property
    def _manifest(self) -> Manifest:
        return Manifest(self.about)

    def _finished(self) -> list[int]:
        return [shard for shard in self._folder.finished() if shard < self._manifest.num_shards]

    def _columns(self) -> list[str]:
        from vizcnn.runs.rows import rows_schema

        return list(rows_schema(self._manifest.layouts.values()).names)

    def _places(self, index: int | slice) -> range:
        if isinstance(index, slice):
            places = range(len(self))[index]
            if places.step != 1:
                raise OptionError(f"`index` must be a slice without a step; got {index!r}.")
            return places
        if not -len(self) <= index < len(self):
            raise OptionError(f"`index` must be the place of one of {len(self)} images; got {index!r}.")
        place = range(len(self))[index]
        return range(place, place + 1)


def _frame(table: Any) -> pandas.DataFrame:
    """Return rows as pandas has them."""
    import pandas
    import pyarrow as pa

    with_missing = {pa.int32(): pandas.Int32Dtype()}  # a class that is missing doesn't make floats of the others
    return table.to_pandas(types_mapper=with_missing.get).set_index("index")
