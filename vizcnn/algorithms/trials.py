"""A model is tried on the same images with one preprocessing after another, and what it says of them is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vizcnn.adapter.arrays import slices
from vizcnn.adapter.base import ModelAdapter
from vizcnn.errors import OptionError
from vizcnn.inputs import ImageSet, Preprocess, load

FITS = ("squash", "crop", "crop 256/224", "pad")
SCALINGS = ("none", "/ 255", "/ 127.5 - 1", "/ 255 - 0.5", "imagenet", "mean 103.939 116.779 123.68", "standardize")
GRAY_SCALINGS = ("none", "/ 255", "/ 127.5 - 1", "/ 255 - 0.5", "standardize")
_FAR = 5.0
"""Nats beyond which a channel's numbers are wrong, and no longer compared."""

ORDERS = ("rgb", "bgr", "gray")
"""Channel orders that are always tried."""

YUV = "yuv"
"""Tried where there is evidence beside sureness: few models were trained so."""

YUV_SCALINGS = ("none", "/ 255", "/ 127.5 - 1", "/ 255 - 0.5")

INVERTED = "-x + 255"
"""For images of one channel: dark on bright becomes bright on dark."""


@dataclass(frozen=True)
class Trial:
    """A preprocessing, and what the model says of each image by it.

    Attributes
    ----------
    fit, channels, scaling : str
        Its steps.
    predicted : ndarray of int, shape (N,)
        The predicted classes.
    logs : ndarray, shape (N,)
        Logarithm of the probability of the true class; without one of the predicted class.
    sureness : ndarray, shape (N,)
        One minus the entropy of the classes' probabilities, as a share of the highest there can be.
    margins : ndarray, shape (N,)
        Logarithm of the ratio between the two highest probabilities.
    moments : ndarray, shape (N, K, 2), or None
        What the inputs are beside those of training; see `ModelAdapter.normalized_moments`.
    input_range : (float, float) or None
        What black and white become.
    """

    fit: str
    channels: str
    scaling: str
    predicted: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    logs: np.ndarray = field(default_factory=lambda: np.empty(0))
    sureness: np.ndarray = field(default_factory=lambda: np.empty(0))
    margins: np.ndarray = field(default_factory=lambda: np.empty(0))
    moments: np.ndarray | None = None
    input_range: tuple[float, float] | None = None

    @cached_property
    def steadiness(self) -> float:
        """Mean of the margins beside their mean square, up to 1: sureness that no factor on the inputs changes."""
        return float(self.margins.mean() / (self._scale or 1.0))

    @cached_property
    def gap(self) -> float | None:
        """How far the inputs are from those of training, in nats; None where the model doesn't remember them."""
        return None if self.moments is None else training_gap(self.moments)

    def points(self, by: str) -> np.ndarray:
        """Return what each image says for it: shares of `steadiness` ("sureness"), or of the closeness to training.

        Parameters
        ----------
        by : str
            "sureness" or "normalization".

        Returns
        -------
        ndarray, shape (N,)
            Of the second its jackknife pseudo-values: how the whole would change without this image.
        """
        if by == "sureness" or self.moments is None or self.gap is None:
            return np.asarray(self.margins / (self._scale or 1.0))
        count = len(self.moments)
        without = [training_gap(np.delete(self.moments, at, axis=0)) if count > 1 else 0.0 for at in range(count)]
        return -(count * self.gap - (count - 1) * np.array(without))

    @property
    def _scale(self) -> float:
        return float(np.sqrt((self.margins**2).mean()))

    @property
    def is_cut(self) -> bool:
        """Whether rows or columns are cut off, which only true classes can tell."""
        return self.fit.startswith(("rows", "columns"))

    @property
    def text(self) -> str:
        """The text form of the preprocessing."""
        steps = [
            step
            for step, usual in ((self.fit, "squash"), (self.channels, "rgb"), (self.scaling, "none"))
            if step != usual
        ]
        return ", ".join(steps if self.scaling != "none" else [*steps, "none"])


def run_trials(
    model: ModelAdapter, images: ImageSet, classes: Sequence[int] | None, orders: Sequence[str] = ORDERS
) -> Iterator[Trial]:
    """Yield what the model says by each preprocessing; each image is decoded once for each way to fit it.

    Parameters
    ----------
    model : ModelAdapter
        The model; its own preprocessing is left out.
    images : ImageSet
        The images.
    classes : sequence of int or None
        Their true classes.
    orders : sequence of str, default `ORDERS`
        The channel orders that are tried of colors.

    Yields
    ------
    Trial

    Raises
    ------
    OptionError
        If the model predicts no classes.
    """
    for fit in _different_fits(images):
        yield from _run(model, images, classes, [Trial(fit, *steps) for steps in _steps(images.channels, orders)])


def run_cuts(model: ModelAdapter, images: ImageSet, classes: Sequence[int], found: Trial) -> Iterator[Trial]:
    """Yield what the model says where rows or columns of the pictures are cut off before; see `cuts`.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    images : ImageSet
        The images.
    classes : sequence of int
        Their true classes.
    found : Trial
        The preprocessing whose channels and scaling are kept.

    Yields
    ------
    Trial
    """
    for cut in cuts(images):
        yield from _run(model, images, classes, [Trial(cut, found.channels, found.scaling)])


def cuts(images: ImageSet) -> list[str]:
    """Return what may have been cut off: parts of the rows, as of sky and road, and what the shape of the input has no room for.

    Parameters
    ----------
    images : ImageSet
        The images; what is cut off in pixels is the same of pictures of one size alone.

    Returns
    -------
    list of str
        Their text forms; [] for pictures of several sizes.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.trials import cuts
    >>> cuts(vz.inputs.load(np.zeros((2, 60, 80, 3), np.uint8), (32, 64, 3)))
    ['rows 20:', 'rows 30:', 'rows :45', 'rows :40']
    """
    sizes = {images.shape_of(index)[:2] for index in range(len(images))}
    if len(sizes) > 1:
        return []
    ((rows, columns),) = sizes
    found = [f"rows {rows // 3}:", f"rows {rows // 2}:", f"rows :{rows - rows // 4}"]
    kept = round(columns * images.size[0] / images.size[1]), round(rows * images.size[1] / images.size[0])
    if kept[0] < 0.98 * rows:
        found += [f"rows {rows - kept[0]}:", f"rows :{kept[0]}"]
    elif kept[1] < 0.98 * columns:
        found += [f"columns {columns - kept[1]}:", f"columns :{kept[1]}"]
    return list(dict.fromkeys(found)) if rows >= _FEWEST else []


_FEWEST = 8
"""Rows of which parts can be cut off."""


def _run(
    model: ModelAdapter, images: ImageSet, classes: Sequence[int] | None, trials: Sequence[Trial]
) -> Iterator[Trial]:
    """Yield trials of one fit with what the model says: each image is decoded once for all of them."""
    fit = trials[0].fit
    prepared = load(
        images.sources, (*images.size, images.channels), preprocess=Preprocess(fit), decoding=images.decoding
    )
    answers: list[list[dict[str, np.ndarray]]] = [[] for _ in trials]
    for part in slices(len(prepared), model.batch_size_for(prepared.sample_shape)):
        pixels = prepared.inputs(part)
        true = None if classes is None else np.asarray(classes[part])
        for trial, answer in zip(trials, answers, strict=True):
            answer.append(_answers(model, _values(trial)(pixels), true))
    for trial, answer in zip(trials, answers, strict=True):
        joined = {name: np.concatenate([one[name] for one in answer]) for name in answer[0]}
        yield Trial(trial.fit, trial.channels, trial.scaling, **joined, input_range=_values(trial).output_range)


def predicts_no_classes(model: ModelAdapter) -> OptionError:
    """Return the error of a model that predicts numbers, such as an angle: true ones would tell, but aren't compared."""
    return OptionError(
        f"`model` must predict classes, as sureness and being right are of these; {model.name!r} doesn't. Its preprocessing has "
        f"to be known from its training."
    )


def count_trials(images: ImageSet, orders: Sequence[str] = ORDERS) -> int:
    """Return how many there will be.

    Parameters
    ----------
    images : ImageSet
        The images.
    orders : sequence of str, default `ORDERS`
        As `run_trials` takes them.

    Returns
    -------
    int
    """
    return len(_different_fits(images)) * len(_steps(images.channels, orders))


def _values(trial: Trial) -> Preprocess:
    """Return the part of a preprocessing that changes numbers."""
    return Preprocess(f"{trial.channels}, {trial.scaling}")


def _steps(channels: int, orders: Sequence[str]) -> list[tuple[str, str]]:
    if channels != 3:
        scalings = [*GRAY_SCALINGS, *(f"{INVERTED}, {scaling}" for scaling in GRAY_SCALINGS)]
        return [("rgb", scaling.removesuffix(", none")) for scaling in scalings]
    return [
        (order, scaling)
        for order in orders
        for scaling in (YUV_SCALINGS if order == YUV else SCALINGS)
        if order == "bgr" or not scaling.startswith("mean")  # the means of Caffe's models, which take BGR
    ]


def _different_fits(images: ImageSet) -> list[str]:
    """Return the ways to fit that differ for some of these images; a tighter crop in pixels of this model."""
    tighter = f"crop {round(min(images.size) * 256 / 224)}"
    found: dict[tuple[object, ...], str] = {}
    sizes = [images.shape_of(index)[:2] for index in range(len(images))]
    size = (images.size[0], images.size[1])
    for fit in (tighter if fit.endswith("224") else fit for fit in FITS):
        preprocess = Preprocess(fit)
        found.setdefault(tuple(preprocess.geometry(one, size) for one in sizes), fit)
    return list(found.values())


def _answers(model: ModelAdapter, inputs: np.ndarray, true: np.ndarray | None) -> dict[str, np.ndarray]:
    outputs = model.outputs(inputs)
    predicted, values, is_probability = model.class_outputs(outputs)
    head = model.head(model.output_name(None))
    if not head.is_classes or values.shape[1] < 2:
        raise predicts_no_classes(model)
    logs = np.log(np.clip(values, 1e-38, None)) if is_probability else _log_softmax(values)
    shares = np.exp(logs)
    entropy = -(shares * logs).sum(axis=1) / np.log(values.shape[1])
    highest = np.sort(logs, axis=1)[:, -2:]
    rows = np.arange(len(inputs))
    moments = model.normalized_moments(inputs)
    found = {
        "predicted": np.asarray(predicted),
        "logs": logs[rows, predicted if true is None else true],
        "sureness": 1 - entropy,
        "margins": highest[:, 1] - highest[:, 0],
    }
    return found if moments is None else {**found, "moments": moments}


def training_gap(moments: np.ndarray) -> float:
    """Return how far inputs are from those of training, by what their first normalized values were then.

    Parameters
    ----------
    moments : ndarray, shape (N, K, 2)
        See `ModelAdapter.normalized_moments`.

    Returns
    -------
    float
        The divergence of a Gaussian with the moments of all N images from the standard one, in nats: the mean over the channels.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.trials import training_gap
    >>> round(training_gap(np.array([[[0.0, 1.0]]])), 3), round(training_gap(np.array([[[3.0, 10.0]]])), 3)
    (0.0, 4.5)
    """
    mean, square = moments.mean(axis=0).T
    variance = np.maximum(square - mean**2, 0) + 1e-3
    return float(np.minimum((mean**2 + variance - 1 - np.log(variance)) / 2, _FAR).mean())


def _log_softmax(values: np.ndarray) -> np.ndarray:
    shifted = values.astype(np.float64) - values.max(axis=1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
