"""Activation maximization: the image that a class, a channel or a unit looks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.maximization import image_shape, maximize
from vizcnn.errors import OptionError, TargetError
from vizcnn.plugins.register import register
from vizcnn.results import Images
from vizcnn.targets import Channel, Class, resolve
from vizcnn.transforms import Diversity, Norm, TotalVariation, Transforms, from_tf_keras_vis


@register("activation_maximization", family="model", needs={"ascent", "images"})
def activation_maximization(
    model: ModelAdapter,
    target: Any,
    *,
    layer: str | None = None,
    steps: int = 256,
    seed: int = 0,
    parametrization: Literal["fourier", "pixel"] = "fourier",
    transforms: Transforms | Sequence[Any] | None = None,
    regularizers: Sequence[Any] | None = None,
    optimizer: Any = None,
    num_images: int = 1,
    input_range: tuple[float, float] | None = None,
    size: tuple[int, int] | None = None,
    frames: int = 0,
) -> Images:
    """Make an image that a class, a channel or a unit answers to most, by gradient ascent [1]_ [2]_.

    Parameters
    ----------
    model : as in every method
        See `vizcnn.register`.
    target : optional
        A class index or label, or a list: one image each. With `layer`, channels of that layer. An object of
        `vizcnn.targets` for anything else. None: every class, up to ten.
    layer : str, default None
        The layer whose channels `target` names.
    steps : int, default 256
        Steps of the ascent.
    seed : int, default 0
        Seed of the start and of the transforms. Equal seeds give equal images.
    parametrization : {"fourier", "pixel"}, default "fourier"
        What is changed: the image's spectrum, scaled so that all frequencies count alike [2]_, or its pixels. With three
        channels, in colors that are uncorrelated in photographs.
    transforms : Transforms, or tf-keras-vis's input modifiers, default None
        How the image is moved at random before each step. None: a shift of up to a sixteenth of the image, factors of size
        0.9 to 1.1, and angles up to 10 degrees.
    regularizers : sequence, default None
        What counts against the score: `TotalVariation`, `Norm` and `Diversity` of `vizcnn.transforms`, tf-keras-vis's
        regularizers, or functions of a namespace and the images, each giving (N,). None: total variation, and diversity where
        several images are made for a target.
    optimizer : str or keras.optimizers.Optimizer, default None
        What makes the steps; None: Adam with a learning rate of 0.05. The gradient's size is taken out before; where all units of
        a ReLU are dead, it is what would wake them [2]_.
    num_images : int, default 1
        Images for each target.
    input_range : (float, float), default None
        What black and white are to the model. None: what preprocessing or the model's own scaling says, else 0..1.
    size : (int, int), default None
        Height and width of the image where the model leaves them open; None: 224.
    frames : int, default 0
        How many images on the way are kept, for an animation.

    Returns
    -------
    Images
        `values` (N, H, W, C) in 0..1; `scores` (N,) of the images as they are, `history` (steps, N).

    Raises
    ------
    TargetError
        If there is no such class, channel or unit.
    OptionError
        If an option can't be.

    References
    ----------
    .. [1] Erhan et al., "Visualizing Higher-Layer Features of a Deep Network", 2009.
    .. [2] Olah, Mordvintsev and Schubert, "Feature Visualization", Distill, 2017. doi:10.23915/distill.00007

    Examples
    --------
    >>> import vizcnn as vz
    >>> result = vz.activation_maximization(vz.assets.digits_cnn(), "3", steps=8)
    >>> result.values.shape, result.target, bool(result.history[-1] > result.history[0])
    ((1, 28, 28, 1), ('3',), True)
    """
    if steps < 1 or num_images < 1 or frames < 0:
        raise OptionError(
            f"`steps` and `num_images` must be positive, `frames` 0 or more; got {steps}, {num_images}, {frames}."
        )
    shape = image_shape(model, size)
    model.prepare(shape)
    score = _score(model, target, layer, num_images)
    own_transforms, modifiers = _own_and_others(transforms, shape)
    result = maximize(
        model,
        score,
        shape,
        steps=steps,
        seed=seed,
        optimizer=optimizer,
        frames=frames,
        input_range=input_range,
        parametrization=parametrization,
        transforms=own_transforms,
        modifiers=modifiers,
        regularizers=_regularizers(regularizers, num_images),
    )
    scores, outputs = model.scores_and_outputs(result.inputs, score)
    return Images(
        values=result.images,
        scores=scores,
        target=tuple(name or "predicted" for name in score.names),
        predictions=tuple(model.predictions(outputs, score.output)),
        history=result.history,
        frames=result.frames,
        model=model.name,
        method="activation_maximization",
        notes=result.notes,
    )


def _score(model: ModelAdapter, target: Any, layer: str | None, num_images: int) -> Any:
    many = isinstance(target, list | tuple | range | np.ndarray)
    if layer is not None:
        channels = [int(c) for c in target] if many else [0 if target is None else target]
        if not channels or not all(isinstance(c, int | np.integer) for c in channels):
            raise TargetError(f"`target` must be channels of layer {layer!r}; got {target!r}.")
        for channel in channels:
            Channel(layer, channel).score(model, 1)  # so that each is checked
        score = Channel(layer, channels[0]).score(model, len(channels)).with_params(np.array(channels, dtype=np.int32))
        return score.named([f"{layer}, channel {c}" for c in channels]).repeat(num_images)
    if target is None:
        target, many = list(range(min(10, model.num_classes()))), True
    if many:
        if not len(target) or any(entry is None for entry in target):
            raise TargetError(f"`target` must name classes, an image for each; got {target!r}.")
        return Class(list(target)).score(model, len(target)).repeat(num_images)
    return resolve(target, model, 1).repeat(num_images)


def _own_and_others(transforms: Any, shape: tuple[int, int, int]) -> tuple[Transforms, tuple[Any, ...]]:
    if transforms is None:
        return Transforms(jitter=max(shape[:2]) / 16, pad=max(shape[:2]) // 16), ()
    if isinstance(transforms, Transforms):
        return transforms, ()
    own_transforms, others = from_tf_keras_vis(transforms, shape[:2])
    return own_transforms, tuple(others)


def _regularizers(regularizers: Sequence[Any] | None, num_images: int) -> tuple[Any, ...]:
    if regularizers is None:
        return (TotalVariation(), Diversity()) if num_images > 1 else (TotalVariation(),)
    ours = (TotalVariation, Norm, Diversity)
    return tuple(r if isinstance(r, ours) or not _is_foreign(r) else _Foreign(r) for r in regularizers)


def _is_foreign(regularizer: Any) -> bool:
    return any(base.__module__.startswith("tf_keras_vis.") for base in type(regularizer).__mro__)


class _Foreign:
    """A regularizer of tf-keras-vis, which takes the images alone."""

    def __init__(self, regularizer: Any) -> None:
        self._regularizer = regularizer

    def __call__(self, xp: Any, images: Any) -> Any:
        return xp.convert_to_tensor(self._regularizer(images))

    def __hash__(self) -> int:
        return id(self._regularizer)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Foreign) and other._regularizer is self._regularizer
