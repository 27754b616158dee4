"""The page of a comparison: what can be said, the table, its picture, and what was left out."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vizcnn.files import write_file
from vizcnn.report.page import assets, drawn, environment, hash_of, once, versions

if TYPE_CHECKING:
    from vizcnn.results import Comparison
    from vizcnn.results.standings import Standing


def write_comparison(
    comparison: Comparison,
    path: str | os.PathLike[str],
    *,
    meanings: Mapping[str, str] | None = None,
    about: Mapping[str, str] | None = None,
) -> Path:
    """Write a comparison of methods as one HTML file that needs nothing else.

    Parameters
    ----------
    comparison : Comparison
        What `vizcnn.compare` or `vizcnn.evaluate` returned.
    path : path
        Where to; it must end in ``.html``.
    meanings : mapping, default None
        What each metric says, in a sentence.
    about : mapping, default None
        What else makes it possible to do this again: the command, the file's hash.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        If the suffix is another, or the file can't be written.

    Examples
    --------
    >>> import tempfile, vizcnn as vz
    >>> from vizcnn.report import write_comparison
    >>> compared = vz.evaluate(vz.assets.digits_cnn(), vz.assets.digits()[:3], "gradcam", metrics="sparseness")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_comparison(compared, f"{folder}/which.html").name
    'which.html'
    """
    style = assets("look.css", "page.css")
    timed = {
        name: f"{seconds:.0f} s" for name, seconds in (("told beforehand", comparison.estimate),) if seconds is not None
    }
    page = (
        environment()
        .get_template("comparison.html")
        .render(
            model=comparison.model,
            names=comparison.names,
            verdicts=comparison.verdicts or ("Each map was measured; there is nothing to rank.",),
            nulls=comparison.nulls,
            metrics=list(zip(comparison.metrics, comparison.better, strict=True)),
            rows=_rows(comparison),
            figure=drawn(comparison),
            left_out=[(why, names) for names, why in once(comparison.left_out.items())],
            notes=[str(note) for note in comparison.notes],
            meanings=list((meanings or {}).items()),
            about={**(about or {}), **timed, **versions()},
            style=style,
            style_hash=hash_of(style),
        )
        .encode(errors="backslashreplace")
    )

    def write(file: BinaryIO) -> None:
        file.write(page)

    return write_file(path, write, (".html",))


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    is_ranked = comparison.agreements["rank"].is_repeatable
    own = [one.method for one in comparison.standings if not one.is_null]
    return [
        {
            "method": one.method,
            "muted": one.is_null,
            "remark": "knows nothing of the model"
            if one.is_null
            else "can't be told from the first"
            if is_ranked and one.is_tied and one.method != own[0]
            else "",
            "cells": _cells(comparison, one),
        }
        for one in comparison.standings
    ]


def _cells(comparison: Comparison, one: Standing) -> list[tuple[str, str]]:
    measured = [(_number(one.means[metric], 3), _ends(one.ends[metric], 3)) for metric in comparison.metrics]
    seconds = comparison.seconds_of(one.method)
    return [
        (_number(one.rank, 2), _ends(one.rank_ends, 2)),
        *measured,
        ("" if math.isnan(seconds) else f"{seconds:.2g}", ""),
    ]


def _number(value: float, digits: int) -> str:
    return "undefined" if math.isnan(value) else f"{value:.{digits}f}"


def _ends(ends: tuple[float, float], digits: int) -> str:
    return "" if any(map(math.isnan, ends)) else f"({ends[0]:.{digits}f} to {ends[1]:.{digits}f})"
