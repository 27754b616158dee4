"""What was found of a model's preprocessing: a table, and how certain its first line is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CERTAIN = 0.05
"""Share of chance below which a difference counts as certain."""

LIKELY = 0.2
"""The same for a difference that counts as probable."""


@dataclass(frozen=True)
class PreprocessRow:
    """A preprocessing in the table.

    Attributes
    ----------
    preprocess : str
        Its text form.
    accuracy : float or None
        Share of the images that are predicted right; None without true classes.
    sureness : float
        0 (all classes alike) to 1 (one class alone): mean over the images.
    log_probability : float
        Mean logarithm of the probability of the true class; without one of the predicted.
    gap : float or None
        How far the inputs are from those of training, by the model's first batch normalization; None where it has none.
    num_classes : int
        How many classes are predicted of these images.
    doubt : str
        What speaks against it whatever the numbers; "" for nothing.
    """

    preprocess: str
    accuracy: float | None
    sureness: float
    log_probability: float
    gap: float | None
    num_classes: int
    doubt: str


@dataclass(frozen=True)
class PreprocessVerdict:
    """What is said of one part of the preprocessing.

    Attributes
    ----------
    part : str
        "scaling", "channels" or "fit".
    choice, other : str
        The best, and the best of the others.
    better, worse : int
        Images on which the one is ahead of the other, and behind.
    chance : float
        How probable such a count is if both are as good: a sign test, from both sides. 1 where they can't be told apart.
    is_certain : bool
        Whether that is below 5 %, or the model itself says so.
    """

    part: str
    choice: str
    other: str
    better: int
    worse: int
    chance: float
    is_certain: bool

    def __str__(self) -> str:
        if self.is_certain and not self.better:
            return f"{self.part}: {self.choice}; the others don't fit the model's own numbers"
        if self.better + self.worse == 0:
            return f"{self.part}: can't be told; {self.choice!r} and {self.other!r} are alike"
        how = "ahead of" if self.better > self.worse else "no better than" if self.better == self.worse else "behind"
        count = (
            f"{how} {self.other!r} on {max(self.better, self.worse)} of {self.better + self.worse} images that differ"
        )
        chance = f"{count} (chance {self.chance:.2g})"
        if self.is_certain:
            return f"{self.part}: {self.choice}; {chance}"
        if self.chance < LIKELY and self.better > self.worse:
            return f"{self.part}: probably {self.choice}; {chance}"
        return f"{self.part}: can't be told; {self.choice!r} is {chance}"


@dataclass(frozen=True)
class PreprocessReport:
    """Preprocessings by how well they suit a model, the best first.

    Attributes
    ----------
    model : str
        The model's name.
    num_images : int
        How many images were tried.
    evidence : str
        What the order goes by: "accuracy", "normalization" or "sureness".
    rows : tuple of PreprocessRow
        The table.
    verdicts : tuple of PreprocessVerdict
        How certain each part of the best one is.
    notes : tuple of str
        What the reader should know.

    Examples
    --------
    >>> import vizcnn as vz
    >>> report = vz.doctor(vz.assets.digits_cnn(), vz.assets.digits())
    >>> report.best, report.evidence, len(report.rows)
    ('none', 'sureness', 20)
    """

    model: str
    num_images: int
    evidence: str
    rows: tuple[PreprocessRow, ...]
    verdicts: tuple[PreprocessVerdict, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def best(self) -> str:
        """The text form of the first one, for `preprocess` and ``--preprocess``."""
        return self.rows[0].preprocess

    @property
    def is_certain(self) -> bool:
        """Whether all parts of it are."""
        return bool(self.verdicts) and all(verdict.is_certain for verdict in self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values.

        Returns
        -------
        dict

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.doctor(vz.assets.digits_cnn(), vz.assets.digits()).to_dict()["best"]
        'none'
        """
        return {
            "model": self.model,
            "num_images": self.num_images,
            "evidence": self.evidence,
            "best": self.best,
            "is_certain": self.is_certain,
            "verdicts": [vars(verdict) for verdict in self.verdicts],
            "rows": [vars(row) for row in self.rows],
            "notes": list(self.notes),
        }
