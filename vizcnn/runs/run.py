"""A run: what its folder holds, and what is made of it; images explained again, compared, and shown in other programs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.errors import ResultError, check_choice
from vizcnn.runs.layout import RunFolder, place_of
from vizcnn.runs.manifest import Manifest
from vizcnn.runs.stored import StoredRun

if TYPE_CHECKING:
    import pandas

    from vizcnn.results import Attributions, Spray
    from vizcnn.runs.aggregates import MeanMaps
    from vizcnn.runs.mistakes import Mistakes
    from vizcnn.runs.virelay import Analysis


@dataclass(frozen=True, eq=False, repr=False)  # that of `StoredRun`
class Run(StoredRun):
    """What `explain_dataset` left in a folder, finished or not.

    Attributes
    ----------
    path : Path or str
        The folder; as text, its URL in an object store.
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

    _model: Any = field(default=None, repr=False)

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
        from vizcnn.runs.rows import read_rows

        layout, place = self.layout(method), self._places(index)[0]
        shard = place // self._manifest.shard_size
        if not self._folder.is_finished(shard):
            raise ResultError(f"Image {place} of the run isn't explained yet. Start the run again to go on with it.")
        row = read_rows(self._folder, shard).slice(place - shard * self._manifest.shard_size, 1).to_pylist()[0]
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
        from vizcnn.runs.rows import read_all_rows

        groups = {"label": ["label"], "prediction": ["prediction"], "cell": ["label", "prediction"]}
        check_choice("by", by, groups)
        layout, size = self.layout(method), self._manifest.shard_size

        def parts() -> Iterator[tuple[list[tuple[str, ...] | None], np.ndarray]]:
            scale = f"{layout.method}.scale"
            shards, columns = self._finished(), [*groups[by], scale]
            for shard, table in zip(shards, read_all_rows(self._folder, shards, columns), strict=True):
                rows = table.to_pylist()
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
            If there are none, an image isn't what it was, or the model isn't there, or isn't what it was.
        OptionError
            If `count` is less than 1.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> folder = vz.assets.digits()[0].parent
        >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
        >>> run.mistakes()
        Traceback (most recent call last):
        ...
        vizcnn.errors.ResultError: The run knows no true classes, which mistakes are told by. Folders: `labels_by`; else ...
        """
        from vizcnn.runs.mistakes import explained_mistakes, surest

        method = self.layout(method).method
        return explained_mistakes(self.about, method, surest(self, count), self._model if model is None else model)

    def to_virelay(
        self,
        path: str | os.PathLike[str],
        method: str | None = None,
        *,
        model: Any = None,
        analyses: Spray | Sequence[Analysis] | None = None,
    ) -> Path:
        """Write images and maps as a project of ViRelAy, the viewer of SpRAy's makers.

        Parameters
        ----------
        path : path
            A new folder.
        method : str, default None
            The method; None: that of `analyses`, or the first.
        model : path, keras.Model or ModelAdapter, default None
            The model, which says how images are read; None: that of the run, where its file is still there.
        analyses : Spray or sequence of vizcnn.runs.virelay.Analysis, default None
            What its main view shows: the clusters that `vizcnn.spray` found, or others. None: as many as 5,000 images, evenly
            spread, on a plane by the principal components of their maps, with their classes in place of clusters.

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
            If an analysis is of images without a map, or of another method.

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


def open_run(path: str | os.PathLike[str], *, model: Any = None) -> Run:
    """Open the folder of a run, finished or not, without loading its model.

    Parameters
    ----------
    path : path
        The folder, or its URL in an object store, as ``s3://bucket/run``.
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
    folder = RunFolder(place_of(path), "path")
    manifest = Manifest.read(folder)
    if manifest is None:
        raise ResultError(f"`path` {os.fspath(path)!r} isn't the folder of a run: it holds no manifest.json.")
    return Run(folder.path, manifest.about, model)
