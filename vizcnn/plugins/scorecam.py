"""Score-CAM: how far the score rises when the image is seen through each of a layer's feature maps."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.algorithms.cam import activation_maps, coarse, places, shown
from vizcnn.algorithms.changes import see_through
from vizcnn.algorithms.cost import Cost, channels_of
from vizcnn.algorithms.sampling import check_count
from vizcnn.errors import LayerError, Note
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.results.placing import separated, stretching
from vizcnn.targets.score import Score

NEARLY_ALL = 0.9
"""Share of the weights from which on one channel is said to have nearly all."""


@register(
    "scorecam",
    family="cam",
    needs={"scores", "outputs", "activations", "layers"},
    of_layers=True,
    cost=lambda model, shape, options: Cost(2 + (options["top"] or channels_of(model, options["layer"]))),
)
def scorecam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    top: int | None = None,
    weighting: Literal["softmax", "increase"] = "softmax",
    baseline: Baseline = "mean",
    relu: bool = True,
    seed: int = 0,
) -> AttributionBatch:
    """Weigh a layer's feature maps by how far the score rises when the image is seen through each [1]_.

    The map is bright where those feature maps are high through which the model still sees the class.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer; None: the one that `gradcam` takes.
    top : int, default None
        Take only that many feature maps of each image, those whose values have the largest standard deviation over its places, as
        Faster Score-CAM does [2]_. None: all.
    weighting : {"softmax", "increase"}, default "softmax"
        What makes weights of the increases of the score: their softmax over the channels, as in [1]_; or the increases
        themselves, where they are positive, divided by their sum.
    baseline : float, sequence of float, name, path or image, default "mean"
        What is seen where the feature map is low, as `occlusion` takes it; "blur" is by a Gaussian a tenth as wide as the image.
        The increase is that over the score of the baseline alone. The paper's is 0.0, after its preprocessing.
    relu : bool, default True
        Keep the positive part of the map only.
    seed : int, default 0
        Seed of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W): the map, enlarged bilinearly with half-pixel centers; `raw` (N, h, w): ``sum(w_k A_k)`` at the layer's
        size, before its negative part is cut.

    Raises
    ------
    LayerError
        If there is no such layer, or it has no rows and columns.
    OptionError
        If `top` is not a positive whole number, or the baseline is unknown.
    CapabilityError
        If the model's layers can't be looked at, as those of a black box.

    Warnings
    --------
    The softmax is one of scores, so their scale decides: of logits that are far apart one channel gets nearly all of the weight,
    and the map is that of one filter; a note says so. An image seen through a soft mask is unlike any that the model has seen.
    With `top`, channels are chosen by how much they vary, which need not be how much they matter.

    Notes
    -----
    One run of the model per channel. Channels that are the same all over an image hide it wholly or not at all, so they are
    left out, and a note says how many.

    References differ: tf-keras-vis takes the softmax of another softmax of the outputs. pytorch-grad-cam's is of the scores
    themselves, which is the same: a softmax doesn't change with the baseline's score, one number for all channels. But it
    enlarges the feature maps with the corners aligned, and hides by 0. They are brought to 0..1 after they are enlarged, as in
    the paper.

    References
    ----------
    .. [1] Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR Workshops 2020.
       arXiv:1910.01279
    .. [2] Tabayashi, Faster Score-CAM. https://github.com/tabayashi0117/Score-CAM

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.scorecam(cnn, digits[3], top=16, weighting="increase")
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    path, maps = activation_maps(model, inputs, score, layer)
    if top is not None:
        check_count("top", top)
    channels, kept = _chosen(maps, top)
    chosen = np.take_along_axis(maps, channels.reshape(len(maps), *[1] * len(places(maps)), -1), axis=-1)
    small, matrices = _masks(model, path, chosen, inputs)
    fill = baselines(inputs, baseline, [length / 10 for length in inputs.shape[1:-1]], seed=seed)
    change = see_through(
        matrices,
        channels.shape[1],
        name="score-cam",
        remedy="A smaller `top` takes less, or a `layer` of fewer channels.",
    )
    companions = {"maps": np.moveaxis(small, -1, 1), "fill": fill}
    changed = model.changed_scores(inputs, score, change, companions=companions)
    hidden = model.scores(np.broadcast_to(fill, inputs.shape).astype(np.float32), changed.score)
    weights = _weights(changed.copy_scores - hidden[:, None], kept, weighting)
    cam = np.einsum("n...k,nk->n...", chosen, weights).astype(np.float32)
    return AttributionBatch(
        shown(cam, relu),
        raw=cam,
        signed=not relu,
        layer=path,
        scores=changed.scores,
        outputs=changed.outputs,
        notes=(
            *changed.notes,
            *coarse(cam, path),
            *_constant(maps, path),
            *(_alone(weights, kept, path) if weighting == "softmax" else ()),
        ),
    )


def _chosen(maps: np.ndarray, top: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the channels (N, count) that vary most on each image, the largest first, and how many of each are not constant."""
    varied = np.ptp(maps, axis=places(maps)) > 0
    spread = np.where(varied, maps.std(axis=places(maps), dtype=np.float64), 0)
    kept = np.minimum(varied.sum(axis=-1), top or varied.shape[-1])
    return np.argsort(-spread, axis=-1, kind="stable")[:, : max(1, kept.max())], kept


def _masks(model: ModelAdapter, path: str, maps: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the maps along the axes of the input, and what enlarges them along each."""
    placement = model.placement(path, maps.shape[1:-1], inputs.shape[1:])
    if placement and not placement.is_possible:
        raise LayerError(
            f"`layer` must have a map that lies somewhere in the image, to see it through; got {path!r}. Name another layer."
        )
    if placement and placement.is_known:
        return separated(maps, placement)
    return maps, stretching(maps.shape[1:-1], inputs.shape[1:-1])


def _weights(increase: np.ndarray, kept: np.ndarray, weighting: str) -> np.ndarray:
    """Return the weights (N, count) of channels, 0 of those that are not kept; they add up to 1, unless no channel has any."""
    is_kept = np.arange(increase.shape[1]) < kept[:, None]
    if weighting == "softmax":
        highest = np.max(increase, axis=1, keepdims=True, where=is_kept, initial=-np.inf)
        parts = np.exp(
            np.where(is_kept, increase, -np.inf) - np.where(np.isfinite(highest), highest, 0), dtype=np.float64
        )
    else:
        parts = np.where(is_kept, np.maximum(increase, 0), 0).astype(np.float64)
    total = parts.sum(axis=1, keepdims=True)
    return np.asarray(parts / np.where(total > 0, total, 1))


def _constant(maps: np.ndarray, path: str) -> list[Note]:
    """Say how many channels were left out."""
    constant = (np.ptp(maps, axis=places(maps)) == 0).sum(axis=-1)
    skipped = np.flatnonzero(constant)
    text = (
        f"Channels of layer {path!r} that are the same all over the image are left out{{in_images}}: {{constant.listed}} of "
        f"{maps.shape[-1]}."
    )
    return _about(skipped, len(maps), "constant", text, {"constant": constant[skipped].tolist()}, quiet=True)


def _alone(weights: np.ndarray, kept: np.ndarray, path: str) -> list[Note]:
    """Say where one of several channels has nearly all of the weight."""
    share = weights.max(axis=1)
    alone = np.flatnonzero((share > NEARLY_ALL) & (kept > 1))
    text = (
        f"One channel of layer {path!r} has nearly all of the weight{{in_images}} ({{share.min:.2g}} or more), so the map is "
        'that of one filter: `weighting` "increase" takes several.'
    )
    return _about(alone, len(kept), "one channel", text, {"share": share[alone].tolist()})


def _about(
    images: np.ndarray, count: int, kind: str, text: str, facts: dict[str, list[float]], *, quiet: bool = False
) -> list[Note]:
    names = [str(number) for number in range(count)]
    return [Note.about(images.tolist(), names, kind, text, facts, quiet=quiet)] if images.size else []
