"""`vizcnn doctor`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizcnn.cli import options
from vizcnn.cli.app import BEGIN, command
from vizcnn.cli.console import echo, notes
from vizcnn.cli.model import ModelFile
from vizcnn.errors import InputError

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter
    from vizcnn.algorithms.preprocess_report import PreprocessReport


@command(
    BEGIN,
    "vizcnn doctor model.keras photos",
    "vizcnn doctor model.keras --labels-of validation",
)
@options.takes_model
def doctor(
    model: ModelFile,
    images: Annotated[
        list[Path] | None,
        typer.Argument(metavar="IMAGE", help="Image files, or folders of them.", show_default=False),
    ] = None,
    labels_of: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A folder with a folder of images for each class, which is called as the class: the true classes.",
            show_default=False,
        ),
    ] = None,
    max_images: Annotated[int, typer.Option(metavar="N", min=1, help="Images that are tried, evenly chosen.")] = 32,
    rows: Annotated[int, typer.Option(metavar="N", min=1, help="Lines of the table that are printed.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with the whole table.")] = False,
) -> None:
    """Find the preprocessing that MODEL was trained with: the one that makes it most right, or most sure, of your images."""
    from vizcnn.algorithms.doctor import doctor as examine
    from vizcnn.cli.images import read_images

    folders = _class_folders(images or [], labels_of)
    adapter = model.load()
    files, classes = _files(images or [], folders, adapter)
    chosen = [files[at] for at in _evenly(len(files), max_images)]
    image_set, _ = read_images(chosen, adapter)
    names = None
    if classes:
        known = {str(path): classes[path] for path in chosen}
        names = [known[str(source)] for source in image_set.sources]
    report = examine(adapter, image_set, names)
    if as_json:
        echo(json.dumps({**report.to_dict(), "now": str(adapter.preprocess or "squash")}))
    else:
        _show(report, rows, str(adapter.preprocess or ""), Path(model.path).name)


def _class_folders(paths: list[Path], labels_of: Path | None) -> list[Path]:
    """Return the folders that are called as their classes; raise where it isn't said which images are meant."""
    if labels_of is None:
        if not paths:
            raise InputError("`images` must be given: image files or folders of them, or --labels-of FOLDER.")
        return []
    if paths:
        raise InputError("`images` must be left out where --labels-of gives them.")
    folders = sorted(path for path in labels_of.iterdir() if path.is_dir()) if labels_of.is_dir() else []
    if not folders:
        raise InputError(
            f"`labels_of` must be a folder with a folder of images for each class; got {str(labels_of)!r}."
        )
    return folders


def _files(paths: list[Path], folders: list[Path], model: ModelAdapter) -> tuple[list[Path], dict[Path, str]]:
    """Return all images, and the classes of those that lie in folders called so."""
    from vizcnn.cli.images import find_images

    if not folders:
        return find_images(paths, model)[0] or paths, {}
    classes = {file: folder.name for folder in folders for file in find_images([folder], model)[0]}
    if not classes:
        raise InputError(f"`labels_of` must hold images in its folders; those of {str(folders[0].parent)!r} hold none.")
    return list(classes), classes


def _evenly(count: int, most: int) -> list[int]:
    """Return which of so many are taken."""
    return list(range(count)) if count <= most else [at * count // most for at in range(most)]


_BY = {
    "accuracy": "how many images are predicted right",
    "normalization": "how well inputs fit what the first batch normalization remembers of training, then how sure the model is",
    "sureness": "how sure the model is",
}


def _show(report: PreprocessReport, limit: int, now: str, model: str) -> None:
    echo(
        f"{report.model}: {len(report.rows)} preprocessings on {report.num_images} images, by {_BY[report.evidence]}",
        bold=True,
    )
    width = max(len(row.preprocess) for row in report.rows[:limit])
    titles = ("right", "sure", "gap", "classes")
    shown = [0] * (report.rows[0].accuracy is not None) + [1] + [2] * (report.rows[0].gap is not None) + [3]
    echo(f"  {'preprocess'.ljust(width)}  {'  '.join(titles[at].rjust(8) for at in shown)}")
    for row in report.rows[:limit]:
        cells = (
            "" if row.accuracy is None else f"{row.accuracy:.0%}",
            f"{row.sureness:.3f}",
            "" if row.gap is None else f"{row.gap:.4g}",
            str(row.num_classes),
        )
        mark = f"  ({row.doubt})" if row.doubt else "  <- now" if row.preprocess == now else ""
        echo(f"  {row.preprocess.ljust(width)}  {'  '.join(cells[at].rjust(8) for at in shown)}{mark}")
    for verdict in report.verdicts:
        echo(f"{verdict}")
    echo("what to write" if report.is_certain else "what to write, as far as it can be told", bold=True)
    echo(f'  --preprocess "{report.best}"')
    echo(f'  vizcnn.toml beside the model:  ["{model}"]')
    echo(f'                                 preprocess = "{report.best}"')
    notes(("doctor", text) for text in report.notes)
