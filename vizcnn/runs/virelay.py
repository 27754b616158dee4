"""A run as a project of ViRelAy, the viewer of SpRAy's makers, which shows images, maps and clusters of them [1]_.

What it reads: ``input.h5`` (data, label), ``attribution.h5`` (attribution, label, prediction), ``analysis.h5`` (a group for each
category, with index, embedding and cluster), ``label-map.json`` and ``project.yaml``.

References
----------
.. [1] Anders, Neumann, Samek, Müller and Lapuschkin, "Software for Dataset-wide XAI: From Local Explanations to Global Insights
   with Zennit, CoRelAy, and ViRelAy", 2021. arXiv:2106.13200
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from vizcnn.errors import OptionError, ResultError
from vizcnn.files import DistinctNames
from vizcnn.resample import resize
from vizcnn.results import Spray
from vizcnn.runs.embedding import embedding
from vizcnn.runs.exporting import checked_method, explained_parts, new_folder
from vizcnn.runs.images import LoadedImage, Reader, read_ahead
from vizcnn.runs.open_source import reopened
from vizcnn.runs.redrawing import model_of
from vizcnn.runs.source import entries_along

if TYPE_CHECKING:
    from vizcnn.runs.stored import StoredRun

_UNKNOWN = "no true class"
"""What images without a label are called; ViRelAy wants one of each."""

_CHANNELS = 3
"""Of images and of maps: the viewer adds up the channels of a map, and fails where there is one alone."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """Places and clusters of some of a run's images, as ViRelAy shows them.

    Attributes
    ----------
    category : str
        What the images are: the name of a class.
    places : ndarray of int, shape (n,)
        Their places in the run.
    embeddings : mapping of str to ndarray, shape (n, d)
        Where each image lies, as "spectral" or "tsne".
    clusters : mapping of str to ndarray of int, shape (n,)
        Which cluster each is in, by the name of the clustering.
    eigenvalues : mapping of str to ndarray, shape (d,)
        Those of embeddings that have some.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.runs.virelay import Analysis
    >>> spectral, groups = np.array([[0.0], [0.1], [0.9]]), np.array([0, 0, 1])
    >>> analysis = Analysis("cat", np.array([4, 9, 12]), {"spectral": spectral}, {"two groups": groups})
    >>> analysis.places[groups == 1]
    array([12])
    """

    category: str
    places: np.ndarray
    embeddings: Mapping[str, np.ndarray]
    clusters: Mapping[str, np.ndarray]
    eigenvalues: Mapping[str, np.ndarray] = field(default_factory=dict)


def analyses_of(found: Spray) -> list[Analysis]:
    """Return what `vizcnn.spray` found, class by class.

    Returns
    -------
    list of Analysis
        The clusters of a class by number, the strangest being 0.
    """
    return [_analysis_of(found, label) for label in found.embeddings]


def _analysis_of(found: Spray, label: str) -> Analysis:
    places = found.places(label)
    numbers = np.empty(len(places), np.int32)
    for number, cluster in enumerate(cluster for cluster in found if cluster.label == label):
        numbers[np.searchsorted(places, cluster.images)] = number
    spectral = {"spectral": found.embeddings[label]}
    return Analysis(label, places, spectral, {"strangest first": numbers}, {"spectral": found.eigenvalues[label]})


def _plane(run: StoredRun, method: str) -> Analysis:
    """Return where images lie by the likeness of their maps, with their classes in place of clusters."""
    found = embedding(run, method)
    rows = {name: np.full(len(run), -1, np.int32) for name in ("target_class", "label_class")}
    for part in run.rows(list(rows)):
        for name, classes in rows.items():
            classes[part.index] = part[name].fillna(-1)
    names = {"target_class": "explained class", "label_class": "true class"}
    clusters = {names[name]: classes[found.indices] for name, classes in rows.items() if (classes >= 0).any()}
    return Analysis("all images", found.indices, {"principal components": found.points}, clusters)


def write_project(
    run: StoredRun,
    path: str | os.PathLike[str],
    method: str | None,
    model: Any,
    analyses: Spray | Sequence[Analysis] | None,
) -> Path:
    """Write the project; see `Run.to_virelay`.

    Returns
    -------
    Path
        ``project.yaml``.

    Raises
    ------
    ResultError, OptionError
        As there.
    """
    if isinstance(analyses, Spray):
        if method not in (None, analyses.method):
            raise OptionError(f"`analyses` must be of maps by {method!r}; got those of {analyses.method!r}.")
        method, analyses = analyses.method, analyses_of(analyses)
    method = checked_method(run, method, "ViRelAy")
    scale = f"{method}.scale"
    places = [int(place) for rows in run.rows([scale]) for place in rows.index[rows[scale].notna()]]
    if not places:
        raise ResultError(f"The run in {str(run.path)!r} holds no map by {method!r} yet.")
    by = "SpRAy" if analyses else "likeness of maps"
    analyses = analyses or [_plane(run, method)]  # without any it shows nothing
    number_of = {place: number for number, place in enumerate(places)}
    missing = [int(place) for one in analyses for place in one.places if int(place) not in number_of]
    if missing:
        raise OptionError(f"`analyses` must be of images that have a map; image {missing[0]} of the run has none.")
    with new_folder(path) as folder:
        _write_images(run, folder, method, model, len(places))
        _write_analyses(folder / "analysis.h5", analyses, number_of)
        names = [*run.about["classes"], _UNKNOWN]
        labels = [{"index": index, "word_net_id": name, "name": name} for index, name in enumerate(names)]
        (folder / "label-map.json").write_text(json.dumps(labels, ensure_ascii=False, indent=1), encoding="utf-8")
        project = json.dumps(_project(run, method, by), ensure_ascii=False, indent=1)
        (folder / "project.yaml").write_text(f"{project}\n", encoding="utf-8")  # JSON is YAML
    return Path(path) / "project.yaml"


def _project(run: StoredRun, method: str, analysis_method: str) -> dict[str, Any]:
    height, width, _ = run.about["settings"]["input_shape"]
    return {
        "project": {
            "name": f"{run.about['model']['name']}, {method}",
            "model": run.about["model"]["name"],
            "label_map": "label-map.json",
            "dataset": {
                "name": Path(run.about["source"].get("path", run.about["source"]["kind"])).name,
                "type": "hdf5",
                "path": "input.h5",
                "input_width": width,
                "input_height": height,
                "up_sampling_method": "none",
                "down_sampling_method": "none",
            },
            "attributions": {
                "attribution_method": method,
                "attribution_strategy": "predicted_label" if run.about["settings"]["target"] is None else "true_label",
                "sources": ["attribution.h5"],
            },
            "analyses": [{"analysis_method": analysis_method, "sources": ["analysis.h5"]}],
        }
    }


def _write_images(run: StoredRun, folder: Path, method: str, model: Any, count: int) -> None:
    height, width, _ = run.about["settings"]["input_shape"]
    num_classes, shape = len(run.about["classes"]), (_CHANNELS, height, width)
    source = reopened(run.about["source"])
    reader = Reader(source, model_of(run.about, model), (height, width, run.about["settings"]["input_shape"][2]))
    stored = {"chunks": (1, *shape), "compression": "gzip", "compression_opts": 1, "shuffle": True}
    with h5py.File(folder / "input.h5", "w") as inputs, h5py.File(folder / "attribution.h5", "w") as attributions:
        data = inputs.create_dataset("data", (count, *shape), "uint8", **stored)
        label = inputs.create_dataset("label", (count,), "uint32")
        attribution = attributions.create_dataset("attribution", (count, *shape), "float32", **stored)
        explained = attributions.create_dataset("label", (count,), "uint32")
        prediction = attributions.create_dataset(
            "prediction", (count, num_classes), "float32", chunks=(1, num_classes), compression="gzip"
        )
        attributions.create_dataset("index", data=np.arange(count, dtype=np.uint32))
        pairs = (pair for part in explained_parts(run, method) for pair in zip(*part, strict=True))
        asked, to_find = tee(pairs)  # no further apart than one
        entries = entries_along(source, (row["path"] for row, _ in to_find))
        parts = ((pair, [entry]) for pair, entry in zip(asked, entries, strict=True))
        for number, ((row, of_image), (read,), _) in enumerate(read_ahead(parts, reader, 1)):
            if not isinstance(read, LoadedImage) or read.sha256 != row["sha256"]:
                raise ResultError(f"Image {row['path']!r} isn't what it was when the run was made.")
            data[number] = _shown(read)
            full = resize(of_image, (height, width))
            attribution[number] = np.broadcast_to(full / _CHANNELS, shape)
            label[number] = num_classes if row["label_class"] is None else row["label_class"]
            explained[number] = num_classes if row["target_class"] is None else row["target_class"]
            known = np.zeros(num_classes, np.float32)
            if row["top_classes"] is not None and len(row["top_probabilities"]):
                known[np.asarray(row["top_classes"], int)] = row["top_probabilities"]
            prediction[number] = known


def _shown(read: LoadedImage) -> np.ndarray:
    """Return an image at the model's size to be looked at, (3, H, W) in uint8."""
    pixels: np.ndarray = read.images.sources[0].values  # type: ignore[union-attr]
    low, high = float(pixels.min()), float(pixels.max())
    if read.images.float_range_of(0) is not None or low < 0 or high > 255:
        pixels = (pixels - low) * (255 / max(high - low, 1e-30))
    pixels = pixels[..., :_CHANNELS] if pixels.shape[-1] >= _CHANNELS else pixels[..., :1]
    rounded = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    shown: np.ndarray = np.broadcast_to(np.moveaxis(rounded, -1, 0), (_CHANNELS, *rounded.shape[:2]))
    return shown


def _write_analyses(file: Path, analyses: Sequence[Analysis], number_of: Mapping[int, int]) -> None:
    names = DistinctNames()
    with h5py.File(file, "w") as stored:
        for one in analyses:
            group = stored.create_group(names.add(one.category.replace("/", "_")))
            group["index"] = np.array([number_of[int(place)] for place in one.places], np.uint32)
            for name, values in one.embeddings.items():
                embedding = group.create_dataset(f"embedding/{name}", data=np.asarray(values, np.float32))
                if name in one.eigenvalues:
                    values = np.asarray(one.eigenvalues[name], np.float32)
                    embedding.attrs["eigenvalue"] = values[::-1]  # the viewer draws the last one first
            for name, numbers in one.clusters.items():
                cluster = group.create_dataset(f"cluster/{name}", data=np.asarray(numbers, np.int32))
                cluster.attrs["embedding"] = next(iter(one.embeddings), "")
                cluster.attrs["k"] = len(np.unique(numbers))
