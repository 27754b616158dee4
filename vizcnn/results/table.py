"""Results as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from vizcnn.algorithms.trust import Trust
from vizcnn.errors import ResultError

if TYPE_CHECKING:
    import pandas

    from vizcnn.adapter.base import Prediction

COLUMNS = (
    "name",
    "target",
    "class",
    "probability",
    "score",
    "prediction",
    "predicted_class",
    "predicted_probability",
    "notes",
)
"""What the table says of each image, beside its measures."""


class _Tabular(Protocol):
    """A result that has what the columns say."""

    @property
    def image_names(self) -> tuple[str, ...]: ...

    @property
    def target(self) -> tuple[str, ...]: ...

    @property
    def classes(self) -> tuple[int | None, ...]: ...

    @property
    def probabilities(self) -> tuple[float | None, ...]: ...

    @property
    def scores(self) -> np.ndarray: ...

    @property
    def predictions(self) -> tuple[Prediction, ...]: ...

    @property
    def measures(self) -> dict[str, np.ndarray]: ...

    @property
    def trust(self) -> tuple[Trust, ...]: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    def __iter__(self) -> Iterator[Self]: ...


def to_frame(result: _Tabular) -> pandas.DataFrame:
    """Return a table with a row for each image; see `Attributions.to_frame`."""
    try:
        import pandas
    except ImportError:
        raise ResultError("`to_frame` needs pandas, which isn't installed: pip install 'vizcnn[table]'.") from None
    columns: dict[str, Any] = {
        "name": result.image_names,
        "target": result.target,
        "class": pandas.array(result.classes, dtype="Int64"),
        "probability": _numbers(result.probabilities),
        "score": result.scores,
        "prediction": [predicted.label for predicted in result.predictions],
        "predicted_class": pandas.array([predicted.index for predicted in result.predictions], dtype="Int64"),
        "predicted_probability": _numbers(predicted.probability for predicted in result.predictions),
        **result.measures,
        **({"verdict": [trust.verdict.kind for trust in result.trust]} if result.trust else {}),
        "notes": [" ".join(one.notes) for one in result],
    }
    return pandas.DataFrame(columns)


def _numbers(values: Any) -> list[float]:
    return [float("nan") if value is None else value for value in values]
