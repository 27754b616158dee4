"""Segments of an image: where it is cut, what is put in their place, and showing some of them at a time."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.changed import Arrays, Change
from vizcnn.algorithms.baselines import BASELINES, baselines
from vizcnn.algorithms.sampling import check_count
from vizcnn.errors import CapabilityError, OptionError, did_you_mean, listed

Segments: TypeAlias = Any
"""How an image is cut: a name, an array of labels, or a function; see `segment`."""

SEGMENTS = ("grid", "slic", "quickshift", "felzenszwalb")
"""Ways to cut an image, by name."""

SEGMENT_MEAN = "segment_mean"
"""The baseline that gives each segment its own mean color."""


def segment(images: Array, segments: Segments, number: int) -> Array:
    """Cut images into segments.

    Parameters
    ----------
    images : ndarray, shape (N, H, W, C)
        The images; or signals (N, T, C), or volumes (N, D, H, W, C).
    segments : str, ndarray or callable
        "grid": cells as nearly square as they may be. "slic", "quickshift" or "felzenszwalb": by scikit-image, of an image whose
        values are brought to 0..1. An array (H, W): the same labels for all images. A function: what it returns of an image
        (H, W, C).
    number : int
        About how many segments "grid" and "slic" make; the others find their own number.

    Returns
    -------
    ndarray of int32, shape (N, H, W)
        The label of each pixel; those of an image are the numbers from 0 on.

    Raises
    ------
    OptionError
        If there is no such way, the labels don't fit the images, or `number` is not positive.
    CapabilityError
        If scikit-image is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.segments import segment
    >>> segment(np.zeros((1, 2, 6, 3)), "grid", 3)
    array([[[0, 0, 1, 1, 2, 2],
            [0, 0, 1, 1, 2, 2]]], dtype=int32)
    """
    check_count("num_segments", number)
    size = images.shape[1:-1]
    if callable(segments):
        return np.stack([_checked(segments(image), size) for image in images])
    if not isinstance(segments, str):
        return np.repeat(_checked(segments, size)[None], len(images), axis=0)
    if segments == "grid":
        return np.repeat(_grid(size, number)[None], len(images), axis=0)
    if segments not in _METHODS:
        raise OptionError(
            f"`segments` must be one of {listed(SEGMENTS)}, an array of labels, or a function; got {segments!r}."
            f"{did_you_mean(segments, SEGMENTS)}"
        )
    if len(size) > 2 and segments != "slic":
        raise OptionError(
            f"`segments` must be 'grid', 'slic', an array or a function, where the inputs are volumes; got {segments!r}."
        )
    skimage = _scikit_image(segments)
    return np.stack([_checked(_METHODS[segments](skimage, _in_range(image), number), size) for image in images])


def _grid(size: Sequence[int], number: int) -> Array:
    cells = dict.fromkeys(range(len(size)), 1)
    rest, left = list(size), float(number)
    for axis in sorted(
        cells, key=lambda axis: size[axis]
    ):  # a short axis may have a single cell, and leave more to the others
        side = (np.prod(rest) / left) ** (1 / len(rest))
        cells[axis] = int(np.clip(np.rint(size[axis] / side), 1, size[axis]))
        rest.remove(size[axis])
        left /= cells[axis]
    along = np.ix_(*(np.arange(length) * cells[axis] // length for axis, length in enumerate(size)))
    return np.ravel_multi_index(np.broadcast_arrays(*along), tuple(cells.values())).astype(np.int32)


def _in_range(image: Array) -> Array:
    """Return an image, or a signal as one of a single column, with values from 0 to 1."""
    low, high = image.min(), image.max()
    values = (image - low) / (high - low if high > low else 1)
    return np.asarray(values if image.ndim > 2 else values[:, None], dtype=np.float64)


def _slic(skimage: ModuleType, image: Array, number: int) -> Array:
    return np.asarray(skimage.slic(image, n_segments=number, channel_axis=-1, start_label=0))


def _quickshift(skimage: ModuleType, image: Array, number: int) -> Array:
    """Cut by quickshift, with what the authors of LIME give it."""
    del number
    image = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
    colors = image.shape[-1] == 3
    scaled = image if colors else image * 100  # the range of the colors that it compares
    return np.asarray(skimage.quickshift(scaled, kernel_size=4, max_dist=200, ratio=0.2, convert2lab=colors))


def _felzenszwalb(skimage: ModuleType, image: Array, number: int) -> Array:
    del number
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got image with third dimension of", RuntimeWarning)
        return np.asarray(skimage.felzenszwalb(image, scale=100, channel_axis=-1))


_METHODS: Mapping[str, Callable[[ModuleType, Array, int], Array]] = {
    "slic": _slic,
    "quickshift": _quickshift,
    "felzenszwalb": _felzenszwalb,
}


def nested_segments(image: Array, scales: Sequence[float]) -> list[Array]:
    """Cut an image by Felzenszwalb's method at several scales, as XRAI does [1]_.

    Parameters
    ----------
    image : ndarray, shape (H, W, C)
        The image.
    scales : sequence of float
        The larger, the larger the segments.

    Returns
    -------
    list of ndarray of int, shape (H, W)
        The labels at each scale; none is of less pixels than 150 would be in an image of 224 x 224.

    Raises
    ------
    CapabilityError
        If scikit-image is not installed.

    References
    ----------
    .. [1] Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019. arXiv:1906.02825
    """
    skimage = _scikit_image("felzenszwalb")
    values = _in_range(image) * 2 - 1
    least = max(1, round(150 * image[..., 0].size / 224**2))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got image with third dimension of", RuntimeWarning)
        return [
            skimage.felzenszwalb(values, scale=scale, sigma=0.8, min_size=least, channel_axis=-1) for scale in scales
        ]


def _scikit_image(segments: str) -> ModuleType:
    try:
        return importlib.import_module("skimage.segmentation")
    except ImportError:
        raise CapabilityError(
            f"`segments` {segments!r} needs scikit-image, which isn't installed: pip install 'vizcnn[segments]', or take 'grid'."
        ) from None


def _checked(labels: Any, size: Sequence[int]) -> Array:
    """Return labels of an image as the numbers from 0 on."""
    array = np.asarray(labels)
    if array.shape != tuple(size) and array.size != np.prod(size):
        raise OptionError(
            f"`segments` must have a label for each pixel, shape {tuple(size)}; got an array of shape {array.shape}."
        )
    if array.dtype.kind not in "biu" and not (array.dtype.kind == "f" and np.array_equal(array, np.rint(array))):
        raise OptionError(f"`segments` must be labels, whole numbers; got an array of {array.dtype}.")
    return np.unique(array, return_inverse=True)[1].reshape(size).astype(np.int32)


def counts(labels: Array) -> list[int]:
    """Return how many segments each image has."""
    return [int(each.max()) + 1 for each in labels]


def fills(images: Array, labels: Array, baseline: Any, seed: int) -> Array:
    """Return what stands in place of segments that are hidden, as a companion of the changed copies.

    Parameters
    ----------
    images : ndarray, shape (N, H, W, C)
        The images.
    labels : ndarray, shape (N, H, W)
        Their segments.
    baseline : float, sequence of float, "mean", "blur", "noise" or "segment_mean"
        As `baselines` takes it, the Gaussian as wide as a segment; or each segment's own mean color.
    seed : int
        Seed of the noise.

    Returns
    -------
    ndarray of float32, shape (N, H, W, C) or (N, 1, 1, C)

    Raises
    ------
    OptionError
        If the baseline is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.segments import fills
    >>> image = np.array([[[[1.0], [3.0], [5.0]]]])
    >>> fills(image, np.array([[[0, 0, 1]]]), "segment_mean", 0)[0, 0, :, 0]
    array([2., 2., 5.], dtype=float32)
    """
    if isinstance(baseline, str) and baseline == SEGMENT_MEAN:
        return np.stack([_segment_means(*pair) for pair in zip(images, labels, strict=True)])
    if isinstance(baseline, str) and baseline not in BASELINES:
        raise OptionError(
            f"`baseline` must be a number, one per channel, or one of {listed((*BASELINES, SEGMENT_MEAN))}; got {baseline!r}."
        )
    rank = labels.ndim - 1
    sides = [(labels[0].size / count) ** (1 / rank) for count in counts(labels)]
    each = (baselines(images[at : at + 1], baseline, [side / 2] * rank, seed=seed) for at, side in enumerate(sides))
    return np.concatenate(list(each))


def _segment_means(image: Array, labels: Array) -> Array:
    places = labels.ravel()
    pixels = np.bincount(places)[:, None]
    sums = [np.bincount(places, weights=channel) for channel in image.reshape(places.size, -1).T]
    return np.asarray((np.stack(sums, axis=-1) / pixels)[labels], dtype=np.float32)


def show_segments(
    labels: Array, rows: Callable[[int, slice], Array], count: int, **words: str
) -> tuple[Change, dict[str, Array]]:
    """Show some segments of the image at a time, each wholly or in part.

    Parameters
    ----------
    labels : ndarray, shape (N, H, W)
        The segments of the images.
    rows : callable
        ``rows(k, part)``: for images of k segments and a slice of the copies how much is seen of each segment, (copies, k), from
        0, hidden, to 1.
    count : int
        How many copies.
    **words
        `name` and `remedy` of the change.

    Returns
    -------
    (Change, dict of ndarray)
        The change, and the companion "labels" that it needs; it needs "fill" too, as `fills` returns it.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.segments import show_segments
    >>> model = vz.adapt(lambda inputs: inputs.sum(axis=(1, 2)), input_shape=(1, 3, 1))
    >>> change, labels = show_segments(np.array([[[0, 0, 1]]]), lambda k, part: np.eye(k)[part], 2)
    >>> companions = {**labels, "fill": np.zeros((1, 1, 1, 1))}
    >>> model.changed_scores(np.full((1, 1, 3, 1), 4.0), 0, change, companions=companions).copy_scores
    array([[8., 4.]], dtype=float32)
    """
    numbers_of = counts(labels)
    different, most = sorted(set(numbers_of)), max(numbers_of)
    # Images of other numbers of segments have rows of their own; all lie one behind the other.
    first = np.array([different.index(number) * most for number in numbers_of], dtype=np.int32)

    def numbers(part: slice) -> Arrays:
        seen = np.zeros((part.stop - part.start, len(different), most), dtype=np.float32)
        for at, number in enumerate(different):
            seen[:, at, :number] = rows(number, part)
        return {"seen": seen.reshape(len(seen), -1)}

    change = Change("segments shown", count, numbers, _shown, **words)
    return change, {"labels": labels + first.reshape(-1, *[1] * (labels.ndim - 1))}


def _shown(xp: Any, images: Any, companions: Mapping[str, Any], numbers: Mapping[str, Any]) -> Any:
    size = tuple(images.shape[1:-1])
    labels = xp.reshape(companions["labels"], (-1, int(np.prod(size))))
    masks = xp.reshape(xp.take_along_axis(numbers["seen"], labels, axis=1), (-1, *size, 1))
    return images * masks + companions["fill"] * (1 - masks)


def spread(values: Sequence[Array], labels: Array) -> Array:
    """Give each pixel what its segment has.

    Parameters
    ----------
    values : sequence of ndarray, shape (k,)
        For each image a value of each segment.
    labels : ndarray, shape (N, H, W)
        The segments of the images.

    Returns
    -------
    ndarray of float32, shape (N, H, W)
    """
    return np.stack([np.asarray(each, dtype=np.float32)[label] for each, label in zip(values, labels, strict=True)])


def described(segments: Segments) -> dict[str, str]:
    """Return the option as it stands in a result, where it isn't a name."""
    if isinstance(segments, str):
        return {}
    return {"segments": getattr(segments, "__name__", "a function") if callable(segments) else "an array of labels"}
