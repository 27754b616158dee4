"""A run's folder, read: rows, maps, and any image's result drawn again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.errors import OptionError, ResultError, check_choice, listed
from vizcnn.runs.layout import MapLayout, RunFolder
from vizcnn.runs.manifest import Manifest

if TYPE_CHECKING:
    import pandas

    from vizcnn.results import Attributions
    from vizcnn.runs.aggregates import MeanMaps
    from vizcnn.runs.mistakes import Mistakes
    from vizcnn.runs.virelay import Analysis


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
class Run:
    """What `explain_dataset` left in a folder, finished or not.

    Attributes
    ----------
    path : Path
        The folder.
    about : dict
        Its manifest: model, source, settings, counts.

    Examples
    --------
    >>> import tempfile, vizcnn as vz
    >>> folder, out = vz.assets.digits()[0].parent, tempfile.mkdtemp()
    >>> vz.explain_dataset(vz.assets.digits_cnn(), folder, out, methods="gradcam")
    <Run of 'digits_cnn.keras' by 'gradcam': 10 of 10 images>
    >>> run = vz.open_run(out)
    >>> run.methods, len(run), run.is_complete
    (('gradcam',), 10, True)
    """

    path: Path
    about: dict[str, Any]
    _model: Any = field(default=None, repr=False)

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

        frames = list(self.rows())
        return pandas.concat(frames) if frames else pandas.DataFrame()

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[pandas.DataFrame]:
        """Yield the rows of a shard at a time, so that no more of them are in memory.

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
        for shard in self._finished():
            yield self._rows(shard, columns)

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
        from vizcnn.runs.maps import open_array

        layout = self.layout(method)
        places = self._places(index)
        shares = open_array(self._folder, layout)[places.start : places.stop].astype(np.float32)
        scale = np.full(len(places), np.nan, np.float32)
        column, size = f"{layout.method}.scale", self._manifest.shard_size
        for shard in {place // size for place in places}:
            if self._folder.rows(shard).exists():
                rows = self._rows(shard, [column])
                known = [place for place in places if place in rows.index]
                scale[[place - places.start for place in known]] = rows.loc[known, column]
        maps: np.ndarray = shares * scale.reshape(-1, *[1] * len(layout.shape))
        return maps if isinstance(index, slice) else np.asarray(maps[0])

    def images(self) -> Iterator[RunImage]:
        """Yield the images with their maps, in the order of the run; no more than a shard is in memory.

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
        for shard in self._finished():
            rows, size = self._read(shard).to_pylist(), self._manifest.shard_size
            maps = {method: self.maps(slice(shard * size, (shard + 1) * size), method) for method in self.methods}
            for at, row in enumerate(rows):
                yield RunImage(row, {method: of_all[at] for method, of_all in maps.items()})

    def result(self, index: int, method: str | None = None, *, model: Any = None) -> Attributions:
        """Explain an image again, at full size, as the run did.

        Parameters
        ----------
        index : int
            The place of the image in the run.
        method : str, default None
            The method; None: the first.
        model : path, keras.Model or ModelAdapter, default None
            The model; None: that of the run, where its file is still there.

        Returns
        -------
        Attributions

        Raises
        ------
        ResultError
            If the image wasn't explained, isn't what it was, or the model isn't there.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> folder = vz.assets.digits()[0].parent
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
        >>> run.result(3)
        <Attributions 'gradcam' of 'digits_cnn.keras', values (1, 28, 28), layer='conv5'>
        """
        from vizcnn.runs.redrawing import redrawn

        layout, place = self.layout(method), self._places(index)[0]
        shard = place // self._manifest.shard_size
        if not self._folder.rows(shard).exists():
            raise ResultError(f"Image {place} of the run isn't explained yet. Start the run again to go on with it.")
        row = self._read(shard).slice(place - shard * self._manifest.shard_size, 1).to_pylist()[0]
        return redrawn(self.about, layout.method, row, self._model if model is None else model)

    def top(self, column: str, count: int = 10, *, by: str | None = None, largest: bool = True) -> pandas.DataFrame:
        """Return the rows of the images with the highest values of a column.

        Parameters
        ----------
        column : str
            The column, such as "score" or "gradcam.border".
        count : int, default 10
            How many; of each group, where there are groups.
        by : {"label", "prediction"}, default None
            Take so many of each true, or predicted, class. None: of all images.
        largest : bool, default True
            False: those with the lowest values.

        Returns
        -------
        pandas.DataFrame
            As `table`, the highest first; group by group.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> folder = vz.assets.digits()[0].parent
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
        >>> run.top("score", 2)["prediction"].tolist()
        ['5', '7']
        """
        import pandas

        check_choice("by", by, (None, "label", "prediction"))
        check_choice("column", column, self._columns())
        best = pandas.DataFrame()
        for rows in self.rows():
            rows = pandas.concat([best, rows]) if len(best) else rows
            rows = rows.sort_values(column, ascending=not largest, kind="stable").dropna(subset=[column])
            if by is not None:
                rows = rows.dropna(subset=[by]).sort_values(by, kind="stable")
            best = rows.head(count) if by is None else rows.groupby(by, sort=False).head(count)
        return best

    def mean_maps(self, method: str | None = None, *, by: str = "label", relative: bool = False) -> MeanMaps:
        """Return the mean and the variance of the maps of each class, or of each cell of the confusion matrix.

        Parameters
        ----------
        method : str, default None
            The method; None: the first.
        by : {"label", "prediction", "cell"}, default "label"
            The groups: images of a true class, of a predicted one, or of both.
        relative : bool, default False
            Take each map as shares of its largest magnitude, so that all count alike; else in units of the score.

        Returns
        -------
        MeanMaps
            A shard's maps are in memory at a time.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> folder = vz.assets.digits()[0].parent
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
        >>> len(run.mean_maps(by="prediction", relative=True))
        10
        """
        from vizcnn.runs.aggregates import mean_maps

        groups = {"label": ["label"], "prediction": ["prediction"], "cell": ["label", "prediction"]}
        check_choice("by", by, groups)
        layout, size = self.layout(method), self._manifest.shard_size

        def parts() -> Iterator[tuple[list[tuple[str, ...] | None], np.ndarray]]:
            scale = f"{layout.method}.scale"
            for shard in self._finished():
                rows = self._read(shard, [*groups[by], scale]).to_pylist()
                keys = [tuple(row[name] for name in groups[by]) for row in rows]
                maps = self.maps(slice(shard * size, shard * size + len(rows)), layout.method)
                if relative:
                    maps = maps / np.array([row[scale] for row in rows], np.float32).reshape(
                        -1, *[1] * len(layout.shape)
                    )
                yield [None if None in key else key for key in keys], maps

        return mean_maps(parts())

    def mistakes(self, count: int = 12, method: str | None = None, *, model: Any = None) -> Mistakes:
        """Explain the mistakes that the model is surest of: the class that it took, the true one, and what decided.

        Parameters
        ----------
        count : int, default 12
            How many, at most.
        method : str, default None
            The method; None: the first.
        model : path, keras.Model or ModelAdapter, default None
            The model; None: that of the run, where its file is still there.

        Returns
        -------
        Mistakes

        Raises
        ------
        ResultError
            If there are none, an image isn't what it was, or the model isn't there.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> folder = vz.assets.digits()[0].parent
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
        >>> run.mistakes()
        Traceback (most recent call last):
        ...
        vizcnn.errors.ResultError: The run holds no image that has a true class and was taken for another.
        """
        import pandas

        from vizcnn.runs.mistakes import explained_mistakes

        layout = self.layout(method)
        best = pandas.DataFrame()
        for rows in self.rows():
            wrong = (rows["label_class"] != rows["predicted_class"]).fillna(False)
            best = pandas.concat([best, rows[wrong.astype(bool)]]) if len(best) else rows[wrong.astype(bool)]
            best = best.sort_values("probability", ascending=False, kind="stable").head(count)
        return explained_mistakes(self.about, layout.method, best, self._model if model is None else model)

    def to_virelay(
        self,
        path: str | os.PathLike[str],
        method: str | None = None,
        *,
        model: Any = None,
        analyses: Sequence[Analysis] = (),
    ) -> Path:
        """Write images and maps as a project of ViRelAy, the viewer of SpRAy's makers.

        Parameters
        ----------
        path : path
            A new folder.
        method : str, default None
            The method; None: the first.
        model : path, keras.Model or ModelAdapter, default None
            The model, which says how images are read; None: that of the run, where its file is still there.
        analyses : sequence of vizcnn.runs.virelay.Analysis, default ()
            Clusters of the images, for its main view.

        Returns
        -------
        Path
            The file that ViRelAy opens: ``virelay project.yaml``. Images lie beside it at the model's size, maps too, a third of
            each in every channel; of the predictions the five most probable classes.

        Raises
        ------
        ResultError
            If the folder isn't new, an image isn't what it was, the maps are none of images, or the model isn't there.
        OptionError
            If an analysis is of images without a map.

        Examples
        --------
        >>> import h5py, pathlib, tempfile, vizcnn as vz
        >>> folder, out = vz.assets.digits()[0].parent, pathlib.Path(tempfile.mkdtemp())
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, out / "run", methods="gradcam")
        >>> project = run.to_virelay(out / "virelay")
        >>> with h5py.File(project.with_name("attribution.h5")) as file:
        ...     {name: file[name].shape for name in file}
        {'attribution': (10, 3, 28, 28), 'index': (10,), 'label': (10,), 'prediction': (10, 10)}
        """
        from vizcnn.runs.virelay import write_project

        return write_project(self, path, method, self._model if model is None else model, analyses)

    def to_fiftyone(self, path: str | os.PathLike[str], method: str | None = None) -> Path:
        """Write a dataset that FiftyOne reads: images where they are, true and predicted classes, heatmaps, and numbers.

        Parameters
        ----------
        path : path
            A new folder.
        method : str, default None
            The method; None: the first.

        Returns
        -------
        Path
            The folder: ``fiftyone.Dataset.from_dir(dataset_dir=..., dataset_type=fiftyone.types.FiftyOneDataset)``. Heatmaps are
            as maps are kept, 0 to 255 of each one's largest magnitude; signed ones from 128 on, which is nothing.

        Raises
        ------
        ResultError
            If the folder isn't new, or the maps or the images are none that FiftyOne shows.

        Examples
        --------
        >>> import json, pathlib, tempfile, vizcnn as vz
        >>> folder, out = vz.assets.digits()[0].parent, pathlib.Path(tempfile.mkdtemp())
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, out / "run", methods="gradcam")
        >>> written = json.loads((run.to_fiftyone(out / "fiftyone") / "samples.json").read_text())
        >>> written["samples"][0]["prediction"]["label"]
        '4'
        """
        from vizcnn.runs.fiftyone import write_dataset

        return write_dataset(self, path, method)

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

    @property
    def _folder(self) -> RunFolder:
        return RunFolder(self.path)

    @property
    def _manifest(self) -> Manifest:
        return Manifest(self.about)

    def _finished(self) -> Iterator[int]:
        return (shard for shard in range(self._manifest.num_shards) if self._folder.rows(shard).exists())

    def _rows(self, shard: int, columns: Sequence[str] | None = None) -> pandas.DataFrame:
        import pandas
        import pyarrow as pa

        names = None if columns is None else list(dict.fromkeys(["index", *columns]))
        with_missing = {pa.int32(): pandas.Int32Dtype()}  # a class that is missing doesn't make floats of the others
        return self._read(shard, names).to_pandas(types_mapper=with_missing.get).set_index("index")

    def _read(self, shard: int, columns: Sequence[str] | None = None) -> Any:
        """Return the rows of a shard as a table of Arrow."""
        import pyarrow.parquet as pq

        try:
            return pq.read_table(self._folder.rows(shard), columns=columns)
        except (OSError, ValueError) as error:
            raise ResultError(f"`path` {str(self._folder.rows(shard))!r} can't be read: {error}.") from error

    def _columns(self) -> list[str]:
        from vizcnn.runs.rows import rows_schema

        return list(rows_schema(self._manifest.layouts.values()).names)

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


def open_run(path: str | os.PathLike[str], *, model: Any = None) -> Run:
    """Open the folder of a run, finished or not, without loading its model.

    Parameters
    ----------
    path : path
        The folder.
    model : path, keras.Model or ModelAdapter, default None
        The model, for images that are explained again; None: the file that the run had.

    Returns
    -------
    Run

    Raises
    ------
    ResultError
        If it isn't the folder of a run, or that of another version.

    Examples
    --------
    >>> import tempfile, vizcnn as vz
    >>> vz.open_run(tempfile.mkdtemp())
    Traceback (most recent call last):
    ...
    vizcnn.errors.ResultError: `path` '...' isn't the folder of a run: it holds no manifest.json.
    """
    manifest = Manifest.read(RunFolder(Path(path)))
    if manifest is None:
        raise ResultError(f"`path` {os.fspath(path)!r} isn't the folder of a run: it holds no manifest.json.")
    return Run(Path(path), manifest.about, model)
