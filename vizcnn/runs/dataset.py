"""`explain_dataset`: images of any number explained into a folder."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vizcnn.adapter import ModelAdapter, as_adapter
from vizcnn.errors import OptionError, ResultError, check_choice
from vizcnn.measures.run import Asked
from vizcnn.registry import is_one
from vizcnn.runs.layout import place_of
from vizcnn.runs.open_source import open_source
from vizcnn.runs.ray_rows import RayRows
from vizcnn.runs.run import Run, open_run
from vizcnn.runs.source import Source
from vizcnn.stream import Method

SHARD_SIZE = 1024
"""Images whose rows, and whose maps by a method, are one file."""


def explain_dataset(
    model: Any,
    source: Any,
    out: Any,
    *,
    methods: Sequence[Method] | Method,
    metrics: Sequence[Asked] | Asked = (),
    target: Any = None,
    layer: str | None = None,
    labels_by: str | None = None,
    columns: Mapping[str, str] | None = None,
    sample: int | None = None,
    sample_by: str = "class",
    shard: str | None = None,
    shard_size: int = SHARD_SIZE,
    workers: int | None = None,
    executor: str | None = None,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    retry: bool = False,
    say: Callable[[str], None] | None = None,
) -> Run:
    """Explain all images of a dataset, however many, into a folder that other programs read too.

    It may be stopped at any moment, by whatever: started again in the same way it does what is missing, and in the end the files
    are the same, byte for byte. What can't be explained is kept with the reason, and doesn't stop the rest.

    Parameters
    ----------
    model : path, keras.Model or ModelAdapter
        The model; with several `workers`, or on Ray, the path of its file.
    source : path, (x, y), PyDataset, tf.data.Dataset or ray.data.Dataset
        A folder of images and of folders of these, here or in an object store (``s3://bucket/photos``); a list of paths, one a
        line (``.txt``); a table (``.csv``, ``.tsv``, ``.parquet``) with a column ``path``, and perhaps ``label`` and ``target``,
        paths being relative to it; one or several (``"*.tar"``) archives of images: WebDataset's tar, Parquet with a column of
        bytes, TFRecord; or data of the program itself, which must give the same images in the same order each time. A Ray Dataset
        has a column ``path``, which names each row, and ``image`` or ``bytes``.
    out : path
        The folder of the run; made where it isn't there. Or the URL of one in an object store, as ``s3://bucket/run``.
    methods : sequence of str or (str, dict)
        Methods, as `vizcnn.explain` takes them.
    metrics : sequence of str or (str, dict), default ()
        What is measured of each map.
    target : optional
        What is explained, default None: the class that the model predicts for each image. A column ``target`` says
        it of each; this is of those where it says nothing.
    layer : str, default None
        The layer, for the methods that look at one.
    labels_by : {"folders"}, default None
        Where true classes are from: the folder that an image lies in. None: the column ``label``, where there is one.
    columns : mapping, default None
        What the columns ``path`` (or ``image``), ``label`` and ``target`` of a table or an archive are called, where that is
        otherwise.
    sample : int, default None
        How many images are explained, the same ones each time. None: all.
    sample_by : {"class", "confidence", "mistakes"}, default "class"
        Which: of each true class as many, where there are labels; of each tenth of the probability of the predicted class as
        many; or mistakes first, the surest before the others. For the last two all images are predicted first, into the folder
        ``predictions`` of `out`, which is a run of its own.
    shard : str, default None
        Which part of the work is done here, as "2/8" for the second of eight: each may be another machine with the same `out`.
    shard_size : int, default 1024
        Images of one file.
    workers : int, default None
        Processes that share the work; None: one. On Ray actors, at most; None: as many as the cluster has room for.
    executor : {"local", "ray"}, default None
        Where they run: on this machine, or on the Ray cluster that the environment's ``RAY_ADDRESS`` names, whose nodes share a
        file system, or write to an object store and have the rest at the same paths. None: on Ray for a Ray Dataset, else here.
    num_cpus, num_gpus : float, default None
        What each actor is given on Ray. None: one CPU, and one GPU where the cluster has any.
    retry : bool, default False
        Whether images that couldn't be explained before are tried again.
    say : callable, default None
        Is told, in a line each, what there is to do and what was done.

    Returns
    -------
    Run
        What is there now; see `vizcnn.open_run`.

    Raises
    ------
    InputError
        If the source can't be read, is empty, lacks a column, or its labels mean no class of the model.
    ResultError
        If the folder holds another run, it can't be written, the disk is too small, or the package of a store isn't there.
    OptionError
        If Ray isn't installed, no cluster answers, or its nodes don't see the model, the source or the folder.
    MethodError, OptionError, CapabilityError, LayerError
        If a method, a metric, an option or a layer doesn't exist, or one doesn't work on this model.

    Examples
    --------
    >>> import tempfile, vizcnn as vz
    >>> folder = vz.assets.digits()[0].parent
    >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
    >>> run
    <Run of 'digits_cnn.keras' by 'gradcam': 10 of 10 images>
    >>> run.table.loc[3, ["path", "prediction"]].tolist(), run.maps(3).shape
    (['digit_3.png', '3'], (14, 14))
    """
    check_extra()
    from vizcnn.runs.job import Job
    from vizcnn.runs.plan import part_of_shards
    from vizcnn.runs.running import run_job

    opened = open_source(source, labels_by=labels_by, columns=columns)
    ray = ray_cluster(executor, opened, workers, num_cpus, num_gpus)
    job = Job(
        open_model=partial(as_adapter, model),
        model_file=Path(model) if isinstance(model, str | os.PathLike) else None,
        source=opened,
        out=place_of(out),
        methods=asked(methods),
        metrics=asked(metrics),
        target=target,
        layer=layer,
        shard_size=shard_size,
        sample=sample,
        sample_by=sample_by,
        names=model.labels if isinstance(model, ModelAdapter) else None,
    )
    run_job(
        job,
        part_of_shards(shard),
        workers=1 if workers is None else workers,
        executor=ray,
        retry=retry,
        say=say or _nobody,
    )
    return open_run(out, model=model)


def asked(names: Any) -> tuple[Any, ...]:
    """Return what was asked for, one or several, as a tuple."""
    return (names,) if is_one(names) else tuple(names)


def ray_cluster(
    executor: str | None, source: Source, workers: int | None, num_cpus: float | None, num_gpus: float | None
) -> Any:
    """Return the Ray cluster that a run is to be worked on; None where that is this machine's business.

    Parameters
    ----------
    executor, workers, num_cpus, num_gpus : optional
        As `explain_dataset` takes them.
    source : Source
        The images.

    Returns
    -------
    RayCluster or None

    Raises
    ------
    OptionError
        If they don't go together, or Ray isn't installed.
    """
    check_choice("executor", executor, (None, "local", "ray"))
    is_dataset = isinstance(source, RayRows)
    if executor == "local" and is_dataset:
        raise OptionError("`executor` 'local' can't read a Ray Dataset; take 'ray', or write it as Parquet.")
    if executor != "ray" and not is_dataset:
        for name, number in (("num_cpus", num_cpus), ("num_gpus", num_gpus)):
            if number is not None:
                raise OptionError(f"`{name}` {number} is for `executor` 'ray', which isn't asked for.")
        return None
    for name, number in (("num_cpus", num_cpus), ("num_gpus", num_gpus)):
        if number is not None and not 0 <= number < math.inf:
            raise OptionError(f"`{name}` must be 0 or more; got {number}.")
    if importlib.util.find_spec("ray") is None:
        raise OptionError("`executor` 'ray' needs Ray Data, which isn't installed: pip install 'vizcnn[ray]'.")
    from vizcnn.runs.on_ray import RayCluster

    return RayCluster(workers, 1 if num_cpus is None else num_cpus, num_gpus)


def check_extra() -> None:
    """Make sure that what reads and writes runs is installed.

    Raises
    ------
    ResultError
        If not.
    """
    missing = [name for name in ("pandas", "pyarrow", "zarr") if importlib.util.find_spec(name) is None]
    if missing:
        raise ResultError(f"A run needs {missing[0]}, which isn't installed: pip install 'vizcnn[run]'.")


def _nobody(text: str) -> None:
    del text
