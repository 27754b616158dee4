"""The maps of tf-keras-vis, so that they can be compared with ours in one figure.

tf-keras-vis gets a small Functional model of the class scores from the adapter. So its methods run on models that it fails on
by itself (Sequential, nested, subclassed), on logits, and with compiled gradients; what is computed is its own code. The maps
are not scaled: its `normalize_map` and `normalize_cam` are off.

Long, because it registers each of that package's methods, with the docstring that a method has; it all serves that one package.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import LayerError, Note, OptionError, TargetError
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score

_random = threading.Lock()


@register("tf-keras-vis/saliency", family="guest", needs={"tensorflow"})
def saliency(model: ModelAdapter, inputs: np.ndarray, score: Score) -> AttributionBatch:
    """Take the gradient of the score by every input value, as tf-keras-vis does [1]_.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.

    Returns
    -------
    Attributions
        `values` (N, H, W): the largest magnitude over the channels; `raw` (N, H, W, C): the gradient.

    Raises
    ------
    TargetError
        If the target isn't a class.

    References
    ----------
    .. [1] Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks", 2013. arXiv:1312.6034
    """
    request = _Request.of(model, inputs, score)
    gradient = _saliency(request, inputs, request.classes, gradient_modifier=None)
    return AttributionBatch(np.abs(gradient).max(axis=-1), raw=gradient, **request.clean_run)


@register("tf-keras-vis/smoothgrad", family="guest", needs={"tensorflow"})
def smoothgrad(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    num_samples: int = 20,
    noise: float = 0.2,
    seed: int = 0,
) -> AttributionBatch:
    """Average the magnitude of the gradient over noisy copies of the image, as tf-keras-vis does [1]_.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    num_samples : int, default 20
        How many noisy copies.
    noise : float, default 0.2
        Standard deviation of the noise, as a fraction of each image's range.
    seed : int, default 0
        Every image gets the noise of this seed, alone or among others.

    Returns
    -------
    Attributions
        `values` (N, H, W): the largest mean magnitude over the channels; `raw` (N, H, W, C): the mean magnitudes.

    Raises
    ------
    TargetError
        If the target isn't a class.
    OptionError
        If an option is out of its range.

    Notes
    -----
    The paper averages gradients; tf-keras-vis averages their magnitudes.

    References
    ----------
    .. [1] Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017. arXiv:1706.03825
    """
    _check("num_samples", num_samples, "a whole number from 1 on", isinstance(num_samples, int) and num_samples >= 1)
    _check("noise", noise, "a number from 0 on", isinstance(noise, int | float) and noise >= 0)
    _check("seed", seed, "a whole number from 0 to 2**32 - 1", isinstance(seed, int) and 0 <= seed < 2**32)
    request = _Request.of(model, inputs, score)
    maps = []
    for image, index in zip(inputs, request.classes, strict=True):
        with _seeded(seed):
            maps.append(_saliency(request, image[None], [index], smooth_samples=num_samples, smooth_noise=noise))
    raw = np.concatenate(maps)
    return AttributionBatch(raw.max(axis=-1), raw=raw, **request.clean_run)


@register("tf-keras-vis/gradcam", family="guest", needs={"tensorflow", "images"})
def gradcam(model: ModelAdapter, inputs: np.ndarray, score: Score, *, layer: str | None = None) -> AttributionBatch:
    """Weigh a layer's feature maps by their mean gradient, as tf-keras-vis does [1]_.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer. None: the last convolution, which is what tf-keras-vis takes.

    Returns
    -------
    Attributions
        `values` (N, H, W): the positive part, enlarged by `scipy.ndimage.zoom`; `raw` (N, h, w): the signed map at the layer's
        size.

    Raises
    ------
    TargetError
        If the target isn't a class.
    LayerError
        If there is no such layer, it has no rows and columns, or the model has no convolution.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM", ICCV 2017. arXiv:1610.02391
    """
    return _cam("Gradcam", model, inputs, score, layer)


@register("tf-keras-vis/gradcam++", family="guest", needs={"tensorflow", "images"})
def gradcam_plus_plus(
    model: ModelAdapter, inputs: np.ndarray, score: Score, *, layer: str | None = None
) -> AttributionBatch:
    """Weigh a layer's feature maps by weighted positive gradients, as tf-keras-vis does [1]_.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer. None: the last convolution, which is what tf-keras-vis takes.

    Returns
    -------
    Attributions
        `values` (N, H, W): the positive part, enlarged by `scipy.ndimage.zoom`; `raw` (N, h, w): the map at the layer's size.

    Raises
    ------
    TargetError
        If the target isn't a class.
    LayerError
        If there is no such layer, it has no rows and columns, or the model has no convolution.

    Notes
    -----
    tf-keras-vis multiplies by the exponential of the score, which is infinite for logits above 88.

    References
    ----------
    .. [1] Chattopadhay et al., "Grad-CAM++", WACV 2018. arXiv:1710.11063
    """
    maps = _cam("GradcamPlusPlus", model, inputs, score, layer)
    if np.isfinite(maps.values).all():
        return maps
    highest = float(np.max(maps.scores)) if maps.scores is not None else np.inf
    text = f"tf-keras-vis's Grad-CAM++ multiplies by the exponential of the score, which overflows (highest score {highest:.4g})."
    note = Note(text, "broken")
    return AttributionBatch(**{**vars(maps), "notes": (note,)})


@register("tf-keras-vis/layercam", family="guest", needs={"tensorflow", "images"})
def layercam(model: ModelAdapter, inputs: np.ndarray, score: Score, *, layer: str | None = None) -> AttributionBatch:
    """Weigh each place of a layer's feature maps by its own positive gradient, as tf-keras-vis does [1]_.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer. None: the last convolution, which is what tf-keras-vis takes.

    Returns
    -------
    Attributions
        `values` (N, H, W): the positive part, enlarged by `scipy.ndimage.zoom`; `raw` (N, h, w): the signed map at the layer's
        size.

    Raises
    ------
    TargetError
        If the target isn't a class.
    LayerError
        If there is no such layer, it has no rows and columns, or the model has no convolution.

    References
    ----------
    .. [1] Jiang et al., "LayerCAM", IEEE Transactions on Image Processing 30, 2021. doi:10.1109/TIP.2021.3089943
    """
    return _cam("Layercam", model, inputs, score, layer)


@register("tf-keras-vis/scorecam", family="guest", needs={"tensorflow", "images"})
def scorecam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    max_channels: int | None = None,
) -> AttributionBatch:
    """Weigh a layer's feature maps by the probability of the image seen through them, as tf-keras-vis does [1]_.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer. None: the last convolution, which is what tf-keras-vis takes.
    max_channels : int, default None
        Look through this many channels only, those that vary most over the image: Faster-Score-CAM [2]_. None: all.

    Returns
    -------
    Attributions
        `values` (N, H, W): the positive part, enlarged by `scipy.ndimage.zoom`; `raw` (N, h, w): the signed map at the layer's
        size.

    Raises
    ------
    TargetError
        If the target isn't a class.
    LayerError
        If there is no such layer, it has no rows and columns, or the model has no convolution.
    OptionError
        If `max_channels` is out of its range.

    Notes
    -----
    The paper subtracts the score of a blank image; tf-keras-vis doesn't. It takes the softmax of the model's outputs, which
    here are logits; a single sigmoid unit counts as the two logits -z and z. It holds one masked image per channel in memory:
    on layers with many channels, set `max_channels`.

    References
    ----------
    .. [1] Wang et al., "Score-CAM", CVPR Workshops 2020. arXiv:1910.01279
    .. [2] https://github.com/tabayashi0117/Score-CAM#faster-score-cam
    """
    request = _Request.of(model, inputs, score, layer or _penultimate(model))
    channels = request.logits_model.get_layer("layer").output.shape[-1]
    fits = max_channels is None or (isinstance(max_channels, int) and 1 <= max_channels <= channels)
    _check("max_channels", max_channels, f"a whole number from 1 to {channels}, or None", fits)
    # One image at a time: it makes a masked image per channel, and takes the channels that vary in any of its images.
    options = {"max_N": max_channels, "batch_size": model.batch_size_for(inputs.shape[1:])}
    parts = [
        _cam_of(request, "Scorecam", image[None], [index], **options)
        for image, index in zip(inputs, request.classes, strict=True)
    ]
    values, small = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _where_it_lies(model, request, inputs, values, small)


def _cam(kind: str, model: ModelAdapter, inputs: np.ndarray, score: Score, layer: str | None) -> AttributionBatch:
    request = _Request.of(model, inputs, score, layer or _penultimate(model))
    values, small = _cam_of(request, kind, inputs, request.classes, unconnected_gradients="zero")
    return _where_it_lies(model, request, inputs, values, small)


def _where_it_lies(
    model: ModelAdapter, request: _Request, inputs: np.ndarray, values: np.ndarray, small: np.ndarray
) -> AttributionBatch:
    """Leave the map at the layer's size where stretching it over the whole image, as tf-keras-vis does, puts it wrong."""
    placement = None if request.layer is None else model.placement(request.layer, small.shape[1:], inputs.shape[1:])
    moved = placement is not None and placement.is_known
    return AttributionBatch(
        np.maximum(small, 0) if moved else values, raw=small, layer=request.layer, **request.clean_run
    )


@dataclass(frozen=True)
class _Request:
    """What tf-keras-vis is given to work on."""

    logits_model: Any
    classes: list[int]
    layer: str | None
    clean_run: Mapping[str, Any]

    @classmethod
    def of(cls, model: Any, inputs: np.ndarray, score: Score, layer: str | None = None) -> _Request:
        if score.key != ("class", score.output):
            raise TargetError(
                f"`target` {score.names[0]!r} isn't a class, and tf-keras-vis explains classes here: give a class index or a "
                f"label, or use vizcnn's own saliency and gradcam."
            )
        scores, outputs = model.scores_and_outputs(inputs, score)
        predicted, _, _ = model.class_outputs(outputs, score.output)
        classes = [int(p) if i in (None, -1) else i for p, i in zip(predicted, score.classes, strict=True)]
        logits_model = model.logits_model(inputs.shape[1:], score.output, layer=layer)
        if layer is not None:
            shape = logits_model.get_layer("layer").output.shape[1:]
            if len(shape) != 3:
                raise LayerError(
                    f"`layer` {layer!r} has no spatial map, its output has shape {tuple(shape)}; name a layer before the rows "
                    f"and columns are pooled or flattened away."
                )
        return cls(logits_model, classes, layer, {"scores": scores, "outputs": outputs})


def _saliency(request: _Request, inputs: np.ndarray, classes: list[int], **options: Any) -> np.ndarray:
    library = _library()
    visualize = library.Saliency(request.logits_model)
    gradient = visualize(
        library.CategoricalScore(classes),
        inputs,
        keepdims=True,
        normalize_map=False,
        unconnected_gradients="zero",
        **options,
    )
    return np.asarray(gradient)


def _cam_of(
    request: _Request, kind: str, inputs: np.ndarray, classes: list[int], **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return the enlarged map and the one before its negative part is cut."""
    library = _library()
    layer_outputs: list[np.ndarray] = []

    def rectify(values: Any) -> np.ndarray:
        layer_outputs.append(np.asarray(values))
        positive: np.ndarray = np.maximum(layer_outputs[-1], 0)
        return positive

    visualize = getattr(library, kind)(request.logits_model)
    values = visualize(
        library.CategoricalScore(classes),
        inputs,
        penultimate_layer="layer",
        seek_penultimate_conv_layer=False,
        activation_modifier=rectify,
        normalize_cam=False,
        **options,
    )
    return np.asarray(values), layer_outputs[-1]


def _penultimate(model: Any) -> str:
    """Return the layer that tf-keras-vis takes: the last convolution, in the order in which the model holds its layers."""
    library = _library()
    layers = model.model.layers
    last = layers[-1] if layers else None
    conv = library.find_layer(model.model, lambda layer: isinstance(layer, library.Conv), offset=last)
    if conv is None:
        raise LayerError(f"Model {model.name!r} has no convolution for tf-keras-vis to take; name a `layer`.")
    path: str = model.layer(conv).path
    return path


@cache
def _library() -> SimpleNamespace:
    """Import tf-keras-vis, which itself imports what is deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from tf_keras_vis.gradcam import Gradcam
        from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
        from tf_keras_vis.layercam import Layercam
        from tf_keras_vis.saliency import Saliency
        from tf_keras_vis.scorecam import Scorecam
        from tf_keras_vis.utils import find_layer
        from tf_keras_vis.utils.model_modifiers import Conv
        from tf_keras_vis.utils.scores import CategoricalScore
    return SimpleNamespace(
        CategoricalScore=CategoricalScore,
        Conv=Conv,
        Gradcam=Gradcam,
        GradcamPlusPlus=GradcamPlusPlus,
        Layercam=Layercam,
        Saliency=Saliency,
        Scorecam=Scorecam,
        find_layer=find_layer,
    )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, which tf-keras-vis draws from, for the length of a block."""
    with _random:
        state = np.random.get_state()  # noqa: NPY002
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


def _check(option: str, value: Any, rule: str, fits: bool) -> None:
    if not fits:
        raise OptionError(f"`{option}` must be {rule}; got {value!r}.")
