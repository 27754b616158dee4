"""What the columns of a run mean is said in one place, of all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vizcnn.runs.columns import OF_IMAGES, OF_MAPS, OF_METHODS, meanings_of
from vizcnn.runs.layout import MapLayout
from vizcnn.runs.rows import rows_schema

DOCS = Path(__file__).parents[2] / "docs" / "howto" / "dataset.md"


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_every_column_of_a_run_is_explained(ndim: int) -> None:
    measures = ("standard error", "deletion", "insertion:baseline=mean")
    layout = MapLayout("rise:keep=0.3", "rise", (4,) * ndim, "input", None, True, measures)
    columns = [name for name in rows_schema([layout]).names if name != "index"]
    told = meanings_of(["rise:keep=0.3", "rise"], columns)
    assert list(told) == columns
    assert told["rise:keep=0.3.deletion"].endswith("hidden first; low is good")
    assert told["error"] == OF_IMAGES["error"] != told["rise:keep=0.3.error"] == OF_MAPS["error"]


def test_the_docs_say_the_same() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    of_maps = {f"METHOD.{name}": meaning for name, meaning in (OF_MAPS | OF_METHODS).items()}
    for name, meaning in (OF_IMAGES | of_maps).items():
        assert f"| `{name}` | {meaning} |" in lines
