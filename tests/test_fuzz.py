"""A core of `make fuzz`: files changed at random are read, or refused in vizcnn's own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import framework

if framework.BACKEND != "tensorflow":
    pytest.skip("files of TensorFlow's among them", allow_module_level=True)

from tests.fuzz.case import KINDS, Case, outcome
from tests.fuzz.seeds import MODELS, make_seeds


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    make_seeds(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_changed_file_is_read_or_refused(seeds: Path, tmp_path: Path, kind: str) -> None:
    for number in range(6 if kind in MODELS else 20):
        case, folder = Case(kind, 1, number), tmp_path / str(number)
        folder.mkdir()
        result, text = outcome(case.write(seeds, folder), kind)
        assert result in ("read", "refused"), f"{case}: {text}"


def test_case_is_made_again_by_its_numbers(seeds: Path, tmp_path: Path) -> None:
    contents = []
    for number, name in [(7, "a"), (7, "b"), (8, "c")]:
        (tmp_path / name).mkdir()
        contents.append(Case("png", 3, number).write(seeds, tmp_path / name).read_bytes())
    assert contents[0] == contents[1] != contents[2]
