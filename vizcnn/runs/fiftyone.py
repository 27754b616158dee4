"""A run as a dataset that FiftyOne reads: images where they are, with their classes, maps as heatmaps, and numbers."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from vizcnn.errors import ResultError
from vizcnn.files import file_stems
from vizcnn.runs.exporting import checked_method, explained_parts, new_folder
from vizcnn.runs.layout import RunFolder, place_of

if TYPE_CHECKING:
    from vizcnn.runs.stored import StoredRun


def write_dataset(run: StoredRun, path: str | os.PathLike[str], method: str | None) -> Path:
    """Write the dataset; see `Run.to_fiftyone`.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    ResultError
        As there.
    """
    method = checked_method(run, method, "FiftyOne")
    source, layout = run.about["source"], run.about["maps"][method]
    if source["kind"] not in ("folder", "table"):
        raise ResultError(f"FiftyOne shows images that are files; those of the run lie in a {source['kind']}.")
    root = place_of(source["path"]) if source["kind"] == "folder" else Path(source["path"]).parent
    target, count = Path(path).absolute(), 0
    (stem,) = file_stems([method])
    with new_folder(path) as folder:
        (folder / stem).mkdir()
        with (folder / "samples.json").open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write('{"samples": [')
            for rows, maps in explained_parts(run, method):
                for row, of_image in zip(rows, maps, strict=True):
                    name = f"{stem}/{row['index']:08d}.png"
                    Image.fromarray(_pixels(of_image, signed=layout["signed"])).save(folder / name)
                    sample = _sample(row, root, method, str(target / name), run.about["classes"])
                    if not os.path.exists(sample["filepath"]):
                        raise ResultError(
                            f"Image {row['path']!r} isn't there any more; FiftyOne looks at images where they are."
                        )
                    file.write(("," if count else "") + "\n" + json.dumps(sample, ensure_ascii=False))
                    count += 1
            file.write("\n]}\n")
        if not count:
            raise ResultError(f"The run in {str(run.path)!r} holds no map by {method!r} yet.")
        info = {
            "model": run.about["model"]["name"],
            "method": method,
            "run": RunFolder(run.path).absolute,
        }
        (folder / "metadata.json").write_text(json.dumps({"info": info}, ensure_ascii=False), encoding="utf-8")
    return Path(path)


def _sample(
    row: dict[str, Any], root: Path | str, method: str, map_path: str, classes: Sequence[str]
) -> dict[str, Any]:
    """Return an image as FiftyOne's importer takes it; fields that are missing are left out."""
    if isinstance(root, str) or isinstance(place_of(row["path"]), str):
        raise ResultError(f"FiftyOne shows images that are files; {row['path']!r} of the run lies in an object store.")
    sample: dict[str, Any] = {"filepath": str(root / row["path"]), "tags": [], "_media_type": "image"}
    if row["label"] is not None:
        known = row["label_class"]  # called as the prediction is, which it is compared with
        sample["ground_truth"] = {"_cls": "Classification", "label": row["label"] if known is None else classes[known]}
    if row["prediction"] is not None:
        sample["prediction"] = {"_cls": "Classification", "label": row["prediction"], "confidence": row["probability"]}
    sample[field_name(method)] = {"_cls": "Heatmap", "map_path": map_path, "range": [0, 255]}
    numbers = {name: value for name, value in row.items() if name == "score" or name.startswith(f"{method}.")}
    for name, value in numbers.items():
        if isinstance(value, float) and np.isfinite(value):
            sample[field_name(name)] = value
    return sample


def field_name(name: str) -> str:
    """Return a name as fields of FiftyOne may be called.

    Returns
    -------
    str

    Examples
    --------
    >>> from vizcnn.runs.fiftyone import field_name
    >>> field_name("occlusion:patch_size=8.mass")
    'occlusion_patch_size_8_mass'
    """
    return re.sub(r"\W+", "_", name).strip("_")


def _pixels(of_image: np.ndarray, *, signed: bool) -> np.ndarray:
    """Return a map in whole numbers: 0 to 255 as shares of its highest value; a signed one from 128, which is nothing."""
    largest = float(np.abs(of_image).max()) or 1.0
    shares = of_image / largest
    pixels: np.ndarray = np.rint(128 + 127 * shares if signed else 255 * shares).astype(np.uint8)
    return pixels
