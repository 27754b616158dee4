"""Which preprocessing a model was trained with, found by trying: the one that makes it most right, or most sure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vizcnn.adapter import as_adapter
from vizcnn.adapter.base import ModelAdapter
from vizcnn.algorithms.preprocess_report import CERTAIN, PreprocessReport, PreprocessRow, PreprocessVerdict
from vizcnn.algorithms.trials import (
    ORDERS,
    YUV,
    Trial,
    count_trials,
    cuts,
    predicts_no_classes,
    run_cuts,
    run_trials,
)
from vizcnn.errors import OptionError, did_you_mean, listed
from vizcnn.inputs import load
from vizcnn.progress import track

MIN_IMAGES = 5
"""Images below which no difference between two ways can be told from chance."""

_ALIKE = {"accuracy": 0.5, "normalization": 0.01, "sureness": 0.05}
"""Differences between two images' points that count for nothing."""

_PLAIN = {"fit": ("squash", CERTAIN), "channels": ("rgb", 0.5)}
"""What is usual, and is taken where chance is no smaller than this."""

_UNUSUAL = ("standardize", "/ 255 - 0.5")
"""Scalings that are taken only where they are ahead for certain: other ones turned up or down are much like them."""

_MOST_SURE = 50.0
"""Logarithm of the ratio of two probabilities that training hardly ever leads beyond; numbers that are far too large do."""


def doctor(model: Any, images: Any, classes: Sequence[int | str] | None = None) -> PreprocessReport:
    """Try scalings, channel orders and fits, and rank them by how right, or how sure, they make a model.

    With true classes it is accuracy that counts; without them what the model's first batch normalization remembers of training,
    and where there is none, how sure the model is. What the model itself does to its inputs comes before all that. YUV is tried
    only by the first two, and rows or columns cut off only by accuracy, for pictures of one size.

    Parameters
    ----------
    model : keras.Model, path or ModelAdapter
        The model, one that predicts classes; the `preprocess` it was adapted with is left out.
    images : path, folder, image, array, or a list of these
        Pictures like those it is for, as they are: five or more, thirty are better.
    classes : sequence of int or str, default None
        The true class of each, by index or label.

    Returns
    -------
    PreprocessReport
        The table, and how certain its first line is.

    Raises
    ------
    OptionError
        If the model predicts no classes or takes no pictures, or there isn't a known class for each image.

    Notes
    -----
    Being sure is weak evidence: numbers that are far too large make a model very sure, so such preprocessings come last. A part
    is called certain where a sign test over the images leaves less than 5 % to chance.

    Examples
    --------
    >>> import vizcnn as vz
    >>> report = vz.doctor(vz.assets.digits_cnn(), vz.assets.digits(), classes=range(10))
    >>> report.best, report.evidence, report.rows[0].accuracy
    ('none', 'accuracy', 1.0)
    >>> print(report.verdicts[0])
    scaling: none; ahead of '-x + 255' on 8 of 8 images that differ (chance 0.0078)
    """
    adapter = as_adapter(model)
    if len(adapter.input_shape) not in (0, 3):
        raise OptionError(f"`model` must take pictures; {adapter.name!r} takes {adapter.input_shape}.")
    image_set = load(images, adapter.input_shape, image_size=adapter.image_size, decoding=adapter.decoding)
    adapter.prepare(image_set.sample_shape)
    if not adapter.head(adapter.output_name(None)).is_classes:
        raise predicts_no_classes(adapter)  # before true values are taken for classes
    indices = None if classes is None else _indices(classes, adapter, len(image_set))
    trying = f"trying preprocessings, {len(image_set)} images"
    told = indices is not None or adapter.normalized_moments(image_set.inputs(slice(0, 1))) is not None
    orders = (*ORDERS, YUV) if told else ORDERS
    trials = list(track(run_trials(adapter, image_set, indices, orders), count_trials(image_set, orders), trying))
    if indices is not None:
        found = _ranked(adapter, trials, indices)[0][0]
        cut = run_cuts(adapter, image_set, indices, found)
        trials += track(cut, len(cuts(image_set)), "trying what may have been cut off")
    return judge(adapter, trials, indices)


def judge(model: ModelAdapter, trials: Sequence[Trial], classes: Sequence[int] | None) -> PreprocessReport:
    """Rank trials, and say how certain that is.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    trials : sequence of Trial
        What it said by each preprocessing.
    classes : sequence of int or None
        The true classes.

    Returns
    -------
    PreprocessReport

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.algorithms.doctor import judge
    >>> from vizcnn.algorithms.trials import run_trials
    >>> cnn, digits = vz.assets.digits_cnn(), vz.inputs.load(vz.assets.digits(), (28, 28, 1))
    >>> judge(cnn, list(run_trials(cnn, digits, None)), None).best
    'none'
    """
    ranked, doubts, evidence = _ranked(model, trials, classes)
    count = len(trials[0].predicted)
    verdicts = [
        verdict
        for part in ("scaling", "channels", "fit")
        if (verdict := _verdict(part, ranked, doubts, evidence, classes)) is not None
    ]
    rows = tuple(_row(trial, classes, doubts[id(trial)]) for trial in ranked)
    return PreprocessReport(
        model.name, count, evidence, rows, tuple(verdicts), tuple(_notes(ranked[0], model, evidence, count, rows))
    )


def _ranked(
    model: ModelAdapter, trials: Sequence[Trial], classes: Sequence[int] | None
) -> tuple[list[Trial], dict[int, str], str]:
    """Return the trials, the best first, what speaks against each, and what the order goes by."""
    has_gaps = all(trial.gap is not None for trial in trials)
    evidence = "accuracy" if classes is not None else "normalization" if has_gaps else "sureness"
    doubts = {id(trial): _doubt(trial, model) for trial in trials}
    groups = _group_means(trials)

    def rank(trial: Trial) -> tuple[float, ...]:
        doubted = float(bool(doubts[id(trial)]))
        right = 0.0 if classes is None else -float(np.mean(trial.predicted == np.asarray(classes)))
        gap = groups[trial.channels, trial.scaling] if has_gaps else 0.0
        return doubted, right, gap, -trial.steadiness

    ranked = sorted(trials, key=rank)
    best = _plainest(ranked, doubts, evidence, classes)
    return [best, *(trial for trial in ranked if trial is not best)], doubts, evidence


def _group_means(trials: Sequence[Trial]) -> dict[tuple[str, str], float]:
    """Return the gap of each scaling and channel order, over all fits: these hardly change it."""
    groups: dict[tuple[str, str], list[float]] = {}
    for trial in trials:
        if trial.gap is not None:
            groups.setdefault((trial.channels, trial.scaling), []).append(trial.gap)
    return {key: float(np.mean(values)) for key, values in groups.items()}


def _doubt(trial: Trial, model: ModelAdapter) -> str:
    """Return what speaks against a preprocessing, whatever the model makes of it."""
    scaling = model.input_scaling
    if scaling is not None and scaling.range is not None:
        low, high = scaling.range
        ends = trial.input_range
        slack = 0.1 * (high - low)
        if ends is None or abs(ends[0] - low) > slack or abs(ends[1] - high) > slack:
            return f"the model computes {scaling.formula} itself, and takes {low:.4g} to {high:.4g}"
    if np.median(trial.margins) > _MOST_SURE:
        return "the model is surer than training makes one: its inputs are too large"
    if len(trial.margins) > 1 and np.ptp(trial.margins) <= 1e-4 * np.abs(trial.margins).max():
        return "the model says the same of all images"
    return ""


def _plainest(ranked: Sequence[Trial], doubts: dict[int, str], evidence: str, classes: Sequence[int] | None) -> Trial:
    """Return the first trial, or one that is as usual where the difference may be chance."""
    best = ranked[0]
    if best.is_cut:
        num_cuts = sum(trial.is_cut for trial in ranked)  # of several, one is ahead by chance more often
        best = _certainly(best, [t for t in ranked if not t.is_cut], doubts, evidence, classes, tries=num_cuts)
    if best.channels == YUV:
        others = [t for t in ranked if t.channels != YUV and not t.is_cut]
        best = _certainly(best, others, doubts, evidence, classes)
    if best.scaling in _UNUSUAL:
        alike = [t for t in ranked if (t.channels, t.fit) == (best.channels, best.fit)]
        best = _certainly(best, [t for t in alike if t.scaling not in _UNUSUAL], doubts, evidence, classes)
    for part, (usual, chance) in _PLAIN.items():
        wanted = {name: getattr(best, name) for name in ("fit", "channels", "scaling")} | {part: usual}
        plain = next((t for t in ranked if all(getattr(t, name) == value for name, value in wanted.items())), best)
        if plain is not best and not doubts[id(plain)]:
            better, worse = _compared(best, plain, part, evidence, classes)
            best = plain if sign_test(better, worse) >= chance or worse >= better else best
    return best


def _certainly(
    best: Trial,
    usual: Sequence[Trial],
    doubts: dict[int, str],
    evidence: str,
    classes: Sequence[int] | None,
    tries: int = 1,
) -> Trial:
    """Return an unusual trial where it is ahead of the first usual one for certain; or else that."""
    if not usual or doubts[id(usual[0])]:
        return best
    ahead = _points(best, evidence, classes) - _points(usual[0], evidence, classes)
    counts = int((ahead > _ALIKE[evidence]).sum()), int((ahead < -_ALIKE[evidence]).sum())
    return best if tries * sign_test(*counts) < CERTAIN else usual[0]


def _compared(one: Trial, other: Trial, part: str, evidence: str, classes: Sequence[int] | None) -> tuple[int, int]:
    """Return on how many images one trial is ahead of another, and behind; where all are alike, by what else is known."""
    kinds = {
        "accuracy": ("accuracy", "normalization", "sureness"),
        "normalization": ("normalization", "sureness"),
        "sureness": ("sureness",),
    }[evidence]
    counts = (0, 0)
    for by in kinds:
        if by == "normalization" and (part == "fit" or one.gap is None):
            continue  # the fit hardly changes it
        ahead = _points(one, by, classes) - _points(other, by, classes)
        counts = int((ahead > _ALIKE[by]).sum()), int((ahead < -_ALIKE[by]).sum())
        if any(counts):
            break
    return counts


def _verdict(
    part: str, ranked: Sequence[Trial], doubts: dict[int, str], evidence: str, classes: Sequence[int] | None
) -> PreprocessVerdict | None:
    """Compare the best trial with the best that has another scaling, other channels or another fit."""
    best = ranked[0]
    others = [trial for trial in ranked[1:] if getattr(trial, part) != getattr(best, part) and not trial.is_cut]
    if not others:
        return None
    other = others[0]
    if doubts[id(other)] and not doubts[id(best)]:
        return PreprocessVerdict(part, getattr(best, part), getattr(other, part), 0, 0, 0.0, is_certain=True)
    better, worse = _compared(best, other, part, evidence, classes)
    chance = sign_test(better, worse)
    certain = chance < CERTAIN and better > worse and evidence != "sureness"  # a model may be sure of what is wrong
    return PreprocessVerdict(part, getattr(best, part), getattr(other, part), better, worse, chance, certain)


def _points(trial: Trial, by: str, classes: Sequence[int] | None) -> np.ndarray:
    """Return for each image how much speaks for a trial."""
    if by == "accuracy":
        return np.asarray(trial.predicted == np.asarray(classes), dtype=np.float64)
    points: np.ndarray = trial.points(by)
    return points


def sign_test(better: int, worse: int) -> float:
    """Return how probable it is that fair coins fall so unevenly, to either side.

    Parameters
    ----------
    better, worse : int
        How many fell to each side.

    Returns
    -------
    float

    Examples
    --------
    >>> from vizcnn.algorithms.doctor import sign_test
    >>> sign_test(5, 0), sign_test(3, 3), sign_test(0, 0)
    (0.0625, 1.0, 1.0)
    """
    count, fewer = better + worse, min(better, worse)
    return min(1.0, float(2 * sum(math.comb(count, k) for k in range(fewer + 1)) / 2**count))


def _row(trial: Trial, classes: Sequence[int] | None, doubt: str) -> PreprocessRow:
    return PreprocessRow(
        trial.text,
        None if classes is None else float(np.mean(trial.predicted == np.asarray(classes))),
        float(trial.sureness.mean()),
        float(trial.logs.mean()),
        trial.gap,
        len(np.unique(trial.predicted)),
        doubt,
    )


def _notes(best: Trial, model: ModelAdapter, evidence: str, count: int, rows: Sequence[PreprocessRow]) -> list[str]:
    notes = []
    if count < MIN_IMAGES:
        notes.append(
            f"{count} image{'s' * (count > 1)} can't tell much from chance; give {MIN_IMAGES} or more, 30 are better."
        )
    if model.input_scaling is not None and model.input_scaling.range is not None:
        low, high = model.input_scaling.range
        notes.append(
            f"The model scales its inputs itself ({model.input_scaling.formula}): it takes {low:.4g} to {high:.4g}"
            f"{', pixels as they are' if (low, high) == (0, 255) else ''}."
        )
    if evidence == "accuracy" and rows[0].accuracy is not None:
        chance = 1 / max(2, len(model.head(model.output_name(None)).names))
        if rows[0].accuracy < 3 * chance and rows[0].accuracy < 0.5:
            notes.append(
                f"Even the best is right on {rows[0].accuracy:.0%} only: the classes may be in another order, the images of "
                f"another kind, or the preprocessing none of these."
            )
    if evidence != "accuracy" and count >= MIN_IMAGES and rows[0].num_classes == 1:
        notes.append(
            "All images are taken for one class, which may be right, or come of wrong numbers: true classes would tell."
        )
    if evidence == "sureness":
        notes.append("Without true classes it is sureness alone that is compared, which is weak evidence.")
    if best.is_cut:
        notes.append(f"Cuts are tried in coarse steps: {best.fit!r} stands for about as much.")
    if max(float(best.sureness.mean()), 0.0) < 0.05:
        notes.append(
            "The model is unsure of all images, whatever the preprocessing: they may be of another kind than its own."
        )
    return notes


def _indices(classes: Sequence[int | str], model: ModelAdapter, count: int) -> list[int]:
    given = list(classes)
    if len(given) != count:
        raise OptionError(f"`classes` must hold one for each of {count} images; got {len(given)}.")
    names = model.head(model.output_name(None)).names
    found = {_folded(name): index for index, name in enumerate(names)}
    indices = []
    for one in given:
        index = found.get(_folded(one)) if isinstance(one, str) else int(one)
        if index is None and isinstance(one, str) and one.isdecimal():
            index = int(one)
        if index is None or not 0 <= index < len(names):
            raise OptionError(
                f"`classes` must be of the model's {len(names)} classes; got {one!r}.{did_you_mean(one, names)} Classes: "
                f"{listed(names, 6)}."
            )
        indices.append(index)
    return indices


def _folded(name: str) -> str:
    """Return a label as folders write it or don't: without case, spaces for other marks."""
    return " ".join("".join(letter if letter.isalnum() else " " for letter in name.casefold()).split())
