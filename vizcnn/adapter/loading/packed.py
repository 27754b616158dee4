"""A model that lies in a zip archive or a folder with other files: which one it is, and where its labels are."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vizcnn.adapter.label_files import LARGEST
from vizcnn.adapter.labels import read_labels
from vizcnn.adapter.loading.archive import read_entries
from vizcnn.adapter.loading.contents import kind_of, kind_of_json, models_among
from vizcnn.errors import ModelFileError, OptionError

_LABELS = ("labels.txt", "classes.txt", "class_names.txt", "labels.json", "classes.json", "class_names.json",
           "class_indices.json", "metadata.json")  # fmt: skip
"""What files of labels are called; metadata.json is Teachable Machine's, and of others it may hold none."""

_TEXTS = (".json", ".txt", ".csv", ".yaml", ".yml")


@dataclass(frozen=True)
class Opened:
    """A file or a folder that holds one model.

    Attributes
    ----------
    path : Path
        The file or the folder, unpacked.
    kind : str
        As `kind_of` returns it.
    labels : tuple of str or None
        The classes' names, from a file that belongs to the model.
    labels_file : str
        That file's name.
    is_packed : bool
        Whether it comes from an archive.
    """

    path: Path
    kind: str
    labels: tuple[str, ...] | None = None
    labels_file: str = ""
    is_packed: bool = False


@contextmanager
def opened(file: Path) -> Iterator[Opened]:
    """Open the file of a model; of a zip archive that holds one, unpack what belongs to it for the length of a `with` block.

    Parameters
    ----------
    file : Path
        The file, or a folder.

    Yields
    ------
    Opened

    Raises
    ------
    ModelFileError
        If it is no model, or an archive with none or with several.
    """
    kind = kind_of(file)
    if kind != "zip":
        places = [file if file.is_dir() else file.parent] if kind == "tfjs" else []
        yield Opened(file, kind, *_labels(places))
        return
    with tempfile.TemporaryDirectory(prefix="vizcnn-") as folder:
        try:
            inside, places = _unpack(file, Path(folder))
            kind = kind_of(inside)
            if kind == "zip":
                raise ModelFileError(f"`model` file {str(inside)!r} is an archive within an archive. Unpack it first.")
            yield Opened(inside, kind, *_labels(places), is_packed=True)
        except ModelFileError as error:
            raise ModelFileError(str(error).replace(f"{folder}/", f"{file}/")) from error.__cause__


def _unpack(file: Path, folder: Path) -> tuple[Path, list[Path]]:
    """Unpack the model of an archive; return it, and the folders that may hold its labels."""
    try:
        with zipfile.ZipFile(file) as archive:
            model = _one_model(file, archive)
            entries = [entry for entry in read_entries(file) if _belongs(entry, PurePosixPath(model))]
            for entry in entries:
                target = folder / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("wb") as copy:
                    shutil.copyfileobj(source, copy)
    except ModelFileError:
        raise
    except Exception as error:  # zipfile and zlib raise any kind for an archive that is damaged
        reason = str(error).split("\n")[0][:200] or type(error).__name__
        raise ModelFileError(f"`model` file {str(file)!r} can't be unpacked: {reason}.") from error
    inside = folder / model
    places = [inside, *inside.parents] if inside.is_dir() else list(inside.parents)
    return inside, [place for place in places if place.is_relative_to(folder)]


def _one_model(file: Path, archive: zipfile.ZipFile) -> str:
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    models = models_among(names)
    models = [name for name in models if not name.endswith(".json") or _describes_tfjs(archive, name)] or models
    if len(models) == 1:
        return models[0]
    listed = ", ".join(map(repr, sorted(models)[:8])) + (", ..." if len(models) > 8 else "")
    raise ModelFileError(
        f"`model` file {str(file)!r} is a zip archive with {len(models)} models: {listed}. Unpack it, and name one."
    )


def _describes_tfjs(archive: zipfile.ZipFile, name: str) -> bool:
    return kind_of_json(archive.read(name)) is not None


def _belongs(entry: zipfile.ZipInfo, model: PurePosixPath) -> bool:
    """Tell whether an entry is the model, a part of it, or a small text beside it or above it, as labels are."""
    path = PurePosixPath(entry.filename)
    if entry.is_dir():
        return False
    if path == model or model in path.parents:
        return True
    if model.suffix == ".json" and model.parent in path.parents and path.suffix in ("", ".bin"):
        return True  # shards
    is_text = path.suffix.lower() in _TEXTS and entry.file_size <= LARGEST
    return is_text and path.parent in (model.parent, *model.parents)


def _labels(places: Sequence[Path]) -> tuple[tuple[str, ...] | None, str]:
    """Return the names in the first file of labels that holds some, and what that file is called."""
    for file in (place / name for place in places for name in _LABELS):
        if file.is_file():
            try:
                return read_labels(file), file.name
            except OptionError:
                continue  # nobody asked for it: it may hold something else
    return None, ""
