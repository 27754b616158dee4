"""Questions about the folder of a run: its rows, mistakes and maps; and which questions there are about what was kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vizcnn.errors import OptionError, ResultError, check_choice
from vizcnn.explorer import answers
from vizcnn.explorer.app import Questions, received
from vizcnn.explorer.asked import whole
from vizcnn.explorer.run_rows import RunRows
from vizcnn.explorer.studio import KeptFolder
from vizcnn.explorer.training import Training
from vizcnn.explorer.work import PATIENT
from vizcnn.runs import open_run, spray
from vizcnn.runs.columns import meanings_of
from vizcnn.runs.embedding import embedding
from vizcnn.runs.layout import MANIFEST, RunFolder, place_of
from vizcnn.runs.redrawing import model_of

if TYPE_CHECKING:
    import pandas

    from vizcnn.adapter import ModelAdapter
    from vizcnn.explorer.tags import Tags
    from vizcnn.results import Spray
    from vizcnn.runs import Run
    from vizcnn.runs.aggregates import MeanMaps

ROWS = 100
"""Rows that one answer holds."""

CLUSTERS, EXAMPLES = 40, 16
"""Clusters that are told of, the strangest, and images of each."""

MAX_TAGGED = 10_000_000
"""Bytes of a list of images that are tagged at once."""

_SHOWN = ("path", "label", "prediction", "probability", "target", "score", "error")


class Records(KeptFolder):
    """A run's folder, read once and kept; of a run that isn't finished, again whenever it has come further.

    Parameters
    ----------
    run : Run
        The run.
    """

    kind = "run"

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._rows: RunRows | None = None

    @property
    def rows_now(self) -> RunRows:
        """Its rows, as far as it has come, and what is made of them."""
        with self._lock:
            if self._rows is None or self._rows.is_behind:
                self._rows = RunRows(self.run)
            return self._rows

    @property
    def table(self) -> pandas.DataFrame:
        """Its rows, as far as it has come."""
        return self.rows_now.table

    @property
    def count(self) -> int:
        """How many images were explained so far."""
        return len(self.table)

    @property
    def is_complete(self) -> bool:
        """Whether the run is finished."""
        return self.run.is_complete

    @property
    def tags(self) -> Tags:
        """Tags on its images."""
        return self.rows_now.tags

    def means(self, method: str) -> MeanMaps:
        """Return the mean maps of the cells of the confusion matrix."""
        return cast("MeanMaps", self._made(("means", method), lambda: self.run.mean_maps(method, by="cell")))

    def _made(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what is made of the rows as far as they have come, made once; the worker asks for one at a time."""
        made = self.rows_now.made  # of the rows before it is made: if more come meanwhile, it isn't theirs
        if key not in made:
            made[key] = make()
        return made[key]

    def model(self, path: str, given: Mapping[str, Any]) -> ModelAdapter:
        """Return the model as the run had it: with its preprocessing and its names of classes.

        Parameters
        ----------
        path : str
            Its file.
        given : mapping
            Arguments of `vizcnn.adapt` that hold in place of what the run says, and beside it.

        Returns
        -------
        ModelAdapter

        Raises
        ------
        ResultError
            If it is another one by now.
        """
        adapter: ModelAdapter = model_of(self.run.about, path, given)
        return adapter

    @property
    def preprocess(self) -> str | None:
        """The run's preprocessing as it was typed; None where it had none, or it was no text."""
        typed = self.run.about["settings"].get("preprocess")
        return typed if isinstance(typed, str) else None

    def model_file(self) -> str:
        """Return the path of the model that made it.

        Returns
        -------
        str

        Raises
        ------
        ResultError
            If it was no file, or one that is gone.
        """
        about = self.run.about["model"]
        if about.get("file") is None or not Path(about["file"]).exists():
            raise ResultError(
                f"The model of the run, {about['name']!r}, isn't there. Give it: vizcnn serve MODEL --run DIR."
            )
        return str(about["file"])

    def about(self) -> dict[str, Any]:
        """Return what it is: methods with their columns, classes, counts."""
        columns = list(self.table.columns)
        numbers = {
            method: [
                name
                for name in columns
                if name.startswith(f"{method}.") and not name.endswith((".scale", ".notes", ".error"))
            ]
            for method in self.run.methods
        }
        return {
            "name": RunFolder(self.run.path).name,
            "methods": numbers,
            "columns": list(_SHOWN[:-1]),
            "meanings": meanings_of(self.run.methods, columns),
            "count": len(self.table),
            "all": len(self.run),
            "labels": _names(self.table, "label"),
            "predictions": _names(self.table, "prediction"),
        }

    def rows(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return some rows: those that fit label, prediction, wrong and text, in the order of sort and down, from start on."""
        table = self.table
        for column in ("label", "prediction"):
            if given.get(column):
                table = table[table[column] == given[column]]
        if given.get("wrong"):
            table = table[_mistaken(table)]
        if given.get("text"):
            table = table[table["path"].str.contains(given["text"], case=False, regex=False, na=False)]
        sort = given.get("sort")
        if sort:
            check_choice("sort", sort, list(self.table.columns))
            table = table.sort_values(sort, ascending=not given.get("down"), kind="stable", na_position="last")
        start = whole(given, "start", 0, 0, 10**9)
        part = table.iloc[start : start + ROWS]
        shown = [*_SHOWN, *(name for names in self.about()["methods"].values() for name in names)]
        rows = [
            {"index": int(index), "mistaken": bool(wrong), **{name: _cell(value) for name, value in row.items()}}
            for index, wrong, row in zip(part.index, _mistaken(part), part[shown].to_dict("records"), strict=True)
        ]
        return {"count": len(table), "start": start, "rows": rows}

    def confusion(self) -> dict[str, Any]:
        """Return how many images of each true class were taken for each; source and model may call one by other names."""
        known = self.table.dropna(subset=["label", "prediction"])
        named = known.dropna(subset=["label_class"])
        called = dict(zip(known["predicted_class"], known["prediction"], strict=True))
        labels = dict(zip(named["label_class"], named["label"], strict=True))
        called_as = {label: called.get(number, label) for number, label in labels.items()}
        true = known["label"].map(lambda label: called_as.get(label, label))
        names = sorted({*true, *known["prediction"]}, key=_in_order)
        counts = np.zeros((len(names), len(names)), np.int32)
        at = {name: place for place, name in enumerate(names)}
        np.add.at(counts, (true.map(at).to_numpy(int), known["prediction"].map(at).to_numpy(int)), 1)
        own = {name: label for label, name in called_as.items()}
        return {"names": names, "labels": [own.get(name, name) for name in names], "counts": counts}

    def mean(self, given: Mapping[str, str]) -> bytes:
        """Return the mean map of a cell of the confusion matrix."""
        method = given.get("method") or self.run.methods[0]
        check_choice("method", method, self.run.methods)
        means, key = self.means(method), (given.get("label", ""), given.get("prediction", ""))
        if key not in means.keys:
            raise OptionError(f"No image of the class {key[0]!r} was taken for {key[1]!r}.")
        at = means.keys.index(key)
        values = np.atleast_2d(means.means[at]).astype(np.float32)
        values = values if values.ndim == 2 else values.mean(axis=0)
        signed = bool(self.run.about["maps"][method]["signed"]) or bool((values < 0).any())
        end = float(np.abs(values).max())
        about = {"count": int(means.counts[at]), "signed": signed, "vmin": -end if signed else 0.0, "vmax": end}
        return answers.arrays({**about, "method": method}, {"values": values})

    def sprayed(self, method: str, model: ModelAdapter) -> Spray:
        """Return the clusters of the maps of each class."""
        return cast("Spray", self._made(("sprayed", method, model), lambda: spray(self.run, method, model=model)))

    def clusters(self, given: Mapping[str, str], model: ModelAdapter) -> bytes:
        """Return what is decided by something else than the others of its class, the strangest first."""
        method = given.get("method") or self.run.methods[0]
        check_choice("method", method, self.run.methods)
        table, found = self.table, self.sprayed(method, model)
        shown = [(one, [at for at in one.images if at in table.index][:EXAMPLES]) for one in found.clusters[:CLUSTERS]]
        about = {
            "method": method,
            "count": len(found),
            "suspects": len(found.suspects),
            "num_images": found.num_images,
            "notes": list(found.notes),
            "clusters": [
                {
                    "label": one.label,
                    "kind": one.kind,
                    "is_suspect": one.is_suspect,
                    "verdict": one.verdict,
                    "region": one.region,
                    "images": examples,
                    "paths": list(table.loc[examples, "path"]),
                }
                for one, examples in shown
            ],
        }
        return answers.arrays(about, {"means": np.stack([one.mean_map for one, _ in shown]).astype(np.float32)})

    def plane(self, given: Mapping[str, str]) -> bytes:
        """Return the images on a plane, by the likeness of their maps."""
        method = given.get("method") or self.run.methods[0]
        table, found = self.table, embedding(self.run, method)
        known = np.isin(found.indices, table.index)  # the run may have come further since
        indices, points = found.indices[known], found.points[known]
        rows = table.loc[indices]
        about = {
            "method": method,
            "shares": found.shares,
            "paths": list(rows["path"]),
            "labels": [_cell(value) for value in rows["label"]],
            "predictions": [_cell(value) for value in rows["prediction"]],
            "mistaken": list(map(bool, _mistaken(rows))),
        }
        return answers.arrays(about, {"points": points, "indices": indices.astype(np.int32)})


def open_kept(folder: Path) -> Records | Training:
    """Open a folder that was kept, of either kind.

    Parameters
    ----------
    folder : Path
        The folder of a run, or its URL in an object store; or the folder of a training.

    Returns
    -------
    Records or Training

    Raises
    ------
    ResultError
        If it is none of these.
    """
    place = place_of(folder)
    if isinstance(place, Path):
        if not place.is_dir():
            raise ResultError(f"`run` {str(folder)!r} isn't a folder.")
        if not (place / MANIFEST).exists():
            training = Training(place)
            if training.pictures:
                return training
            checkpoint = training.model_file()
            if checkpoint is not None:
                raise ResultError(
                    f"`run` {str(folder)!r} holds models, and nothing that was explained. Open one: vizcnn serve {checkpoint}."
                )
    return Records(open_run(place))


def routes(questions: Questions) -> list[Route]:
    """Return what the page can ask about a run or a training.

    Parameters
    ----------
    questions : Questions
        Asks the studio.

    Returns
    -------
    list of Route
    """
    studio, kept, reader = questions.studio, questions.studio.kept, questions.reader
    lasts = studio.is_whole

    def facts(path: str, ask: Any) -> Route:
        async def answer(request: Request) -> Response:
            return await questions.facts(request, lambda: ask(request.query_params), worker=reader, lasts=lasts)

        return Route(f"/api/{path}", answer)

    def content(path: str, ask: Any, media_type: str = "application/octet-stream") -> Route:
        async def answer(request: Request) -> Response:
            return await questions.answer(
                request, lambda: ask(request.query_params), worker=reader, media_type=media_type, lasts=lasts
            )

        return Route(f"/api/{path}", answer)

    if isinstance(kept, Records):

        async def clusters(request: Request) -> Response:
            return await questions.answer(
                request, lambda: kept.clusters(request.query_params, studio.model), priority=PATIENT, lasts=lasts
            )

        async def tags(request: Request) -> Response:
            def ask() -> dict[str, Any]:
                return kept.tags.about() if body is None else kept.tags.add(body, request.query_params.get("name", ""))

            body = await received(request, MAX_TAGGED) if request.method == "POST" else None
            return await questions.facts(request, ask, worker=reader, key=object(), lasts=False)  # they change

        return [
            Route("/api/run/tags", tags, methods=["GET", "POST"]),
            Route("/api/run/clusters", clusters),
            facts("run", lambda _: kept.about()),
            facts("run/rows", kept.rows),
            facts("run/confusion", lambda _: kept.confusion()),
            content("run/mean", kept.mean),
            content("run/plane", kept.plane),
        ]
    if isinstance(kept, Training):
        return [facts("training", lambda _: kept.about()), content("training/picture", kept.picture, "image/png")]
    return []


def _mistaken(table: pandas.DataFrame) -> Any:
    """Return whether each image was taken for another class than its true one, as far as the model has that."""
    return (table["label_class"] != table["predicted_class"]).fillna(value=False).astype(bool)


def _names(table: pandas.DataFrame, column: str) -> list[str]:
    return sorted(table[column].dropna().unique(), key=_in_order) if column in table else []


def _in_order(name: str) -> tuple[Any, ...]:
    """Order numbers as numbers, before names."""
    return (0, int(name), name) if name.isascii() and name.isdecimal() else (1, 0, name)


def _cell(value: Any) -> Any:
    """Return a cell of the table as JSON takes it; what is missing as None."""
    import pandas

    return None if not isinstance(value, (list, np.ndarray)) and pandas.isna(value) else value
