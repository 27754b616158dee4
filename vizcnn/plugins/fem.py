"""FEM: where a layer's channels answer far more than they do elsewhere, whatever the class."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import coarse, feature_maps, places
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.errors import OptionError
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("fem", family="cam", needs={"gradients"}, of_layers=True, cost=GRADIENT)
def fem(
    model: ModelAdapter, inputs: np.ndarray, score: Score, *, layer: str | None = None, num_deviations: float = 2.0
) -> AttributionBatch:
    """Add up the places where each channel of a layer answers far above its mean, by the channels' means [1]_.

    It shows what the layer finds rare in the image, whatever the class.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer; None: the one that `gradcam` takes.
    num_deviations : float, default 2.0
        How many standard deviations above a channel's mean a place has to be, to count.

    Returns
    -------
    Attributions
        `values` (N, H, W): the map, enlarged as Grad-CAM's; `raw` (N, h, w): the map at the layer's size, for each place the
        sum of the means of the channels that are above their thresholds there.

    Raises
    ------
    LayerError
        If there is no such layer, or it has no rows and columns.
    OptionError
        If `num_deviations` is not a finite number.

    Warnings
    --------
    **It doesn't depend on the class**: the target only picks the layer where none is named. It shows what stands out in the
    feature maps, not what the decision rests on.

    Notes
    -----
    Xplique does the same. pytorch-grad-cam multiplies the feature maps by the share of their places that are above the
    threshold, which is another map.

    References
    ----------
    .. [1] Fuad et al., "Features Understanding in 3D CNNs for Actions Recognition in Video", IPTA 2020. hal-02963298

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.fem(cnn, digits[3])
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    if not np.isfinite(num_deviations):
        raise OptionError(f"`num_deviations` must be a finite number; got {num_deviations!r}.")
    grads = feature_maps(model, inputs, score, layer)
    maps, axes = grads.values, places(grads.values)
    means = maps.mean(axis=axes, keepdims=True)
    above = maps > means + num_deviations * maps.std(axis=axes, keepdims=True)
    cam = (means * above).sum(axis=-1)
    signed = bool((means < 0).any())
    return AttributionBatch.of(grads, cam, raw=cam, signed=signed, notes=coarse(cam, grads.layer))
