"""XRAI: whole regions of the image, by how much Integrated Gradients finds in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cost import gradients_by
from vizcnn.algorithms.paths import straight
from vizcnn.algorithms.sampling import check_count
from vizcnn.algorithms.segments import Segments, described, nested_segments, segment
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score

SCALES = (50, 100, 150, 250, 500, 1200)
"""Scales of Felzenszwalb's segments."""

_FEWEST = 50 / 224**2
"""Share of the image's pixels that a region must add, to be taken."""


@register("xrai", family="gradient", needs={"gradients", "images"}, cost=gradients_by("num_steps", times=2))
def xrai(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    num_steps: int = 100,
    segments: Segments = "nested",
) -> AttributionBatch:
    """Take the regions of an image one after another, the one with the highest mean of Integrated Gradients first [1]_.

    Bright regions speak for the class: the highest values are those of the region that was taken first.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    num_steps : int, default 100
        Points of each of the two ways of Integrated Gradients, from the image's lowest value and from its highest.
    segments : str, array or callable, default "nested"
        The regions: "nested", those of Felzenszwalb's method at six scales, which overlap, each made wider by five pixels of 224;
        or one cut, as `lime` takes it. "nested" needs scikit-image: ``pip install 'vizcnn[segments]'``.

    Returns
    -------
    Attributions
        `values` (N, H, W): for each pixel the mean of the attributions of the pixels that its region added, those of a place
        being its largest of all channels; `raw` (N, H, W): these attributions.

    Raises
    ------
    OptionError
        If `num_steps` is not a whole number above 1, or segments are unknown.
    CapabilityError
        If the model has no gradients, or scikit-image is needed and not installed.

    Warnings
    --------
    The edges of the regions are those of the segmentation, which the model has no part in. A region is as bright as its mean:
    a small spot that decides is lost in a large segment.

    Notes
    -----
    What is of no region, or only of such as would add less than 50 pixels of 224 x 224, gets the mean of what is left. PAIR's
    code resizes the image to 224 x 224 first; here its numbers of pixels are scaled to the image. Its points of a way count all
    alike; here they are those of Gauss and Legendre.

    References
    ----------
    .. [1] Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019. arXiv:1906.02825

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.xrai(cnn, digits[3], num_steps=20, segments="grid")
    >>> result.values.shape, result.raw.shape
    ((1, 28, 28), (1, 28, 28))
    """
    check_count("num_steps", num_steps, 2)
    masks = [_regions(image, segments) for image in inputs]
    axes, ones = tuple(range(1, inputs.ndim)), (-1, *[1] * (inputs.ndim - 1))
    ends = [end(inputs, axis=axes).reshape(ones).astype(np.float32) for end in (np.min, np.max)]
    ways = [straight(model, inputs, score, end, num_steps, "gauss_legendre", "xrai") for end in ends]
    raw = np.mean([way.raw for way in ways], axis=0).max(axis=-1)
    values = np.stack([_ranked(*pair) for pair in zip(raw, masks, strict=True)])
    return AttributionBatch.of(ways[0].changed, values, raw=raw, signed=True, options=described(segments))


def _regions(image: np.ndarray, segments: Segments) -> Any:
    """Return the regions of an image as rows of pixels, 1 where a pixel is of the region."""
    from scipy import sparse  # costs a while to import

    if isinstance(segments, str) and segments == "nested":
        reach, cuts = max(1, round(5 * min(image.shape[:2]) / 224)), nested_segments(image, SCALES)
    else:
        reach, cuts = 0, [segment(image[None], segments, 50)[0]]
    rows = [pixels for labels in cuts for pixels in _wider(labels, reach)]
    ends = np.cumsum([0, *map(len, rows)])
    return sparse.csr_array((np.ones(ends[-1]), np.concatenate(rows), ends), shape=(len(rows), image[..., 0].size))


def _wider(labels: np.ndarray, reach: int) -> Iterator[np.ndarray]:
    """Yield the pixels of each segment, made wider by a disk."""
    from scipy import ndimage

    disk = np.hypot(*np.ogrid[-reach : reach + 1, -reach : reach + 1]) <= reach
    for label, box in enumerate(ndimage.find_objects(labels + 1)):
        if box is None:
            continue
        around = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        rows, columns = np.nonzero(ndimage.binary_dilation(labels[around] == label, disk))
        yield np.ravel_multi_index((rows + around[0].start, columns + around[1].start), labels.shape)


def _ranked(attributions: np.ndarray, regions: Any) -> np.ndarray:
    """Take regions by the mean of what each would add, and give its pixels that mean."""
    each, fewest = attributions.ravel().astype(np.float64), max(1, round(_FEWEST * attributions.size))
    values, is_free = np.zeros(each.size), np.ones(each.size)
    while True:
        added = regions @ is_free
        means = np.where(added >= fewest, (regions @ (each * is_free)) / np.maximum(added, 1), -np.inf)
        best = int(means.argmax())
        if means[best] == -np.inf:
            break
        new = _pixels(regions, best)
        new = new[is_free[new] > 0]
        values[new], is_free[new] = means[best], 0
    rest = is_free > 0
    if rest.any():
        values[rest] = each[rest].mean()
    return values.reshape(attributions.shape).astype(np.float32)


def _pixels(regions: Any, row: int) -> np.ndarray:
    pixels: np.ndarray = regions.indices[regions.indptr[row] : regions.indptr[row + 1]]
    return pixels
