"""Random changes of an image between two steps of activation maximization, so that what is found survives them.

All geometric ones together make one matrix per image and step, so that the image is resampled once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.errors import OptionError


@dataclass(frozen=True)
class Transforms:
    """How an image may be moved before the model sees it.

    Parameters
    ----------
    jitter : float, default 8
        Largest shift down and across, in pixels.
    scale : (float, float), default (0.9, 1.1)
        Smallest and largest factor of size.
    rotate : float, default 10
        Largest angle either way, in degrees.
    pad : int, default 0
        Pixels of the image that are added on each side, so that shifts and turns find something there; the result is cut to
        the model's size again.

    Raises
    ------
    OptionError
        If a number is negative, or a factor of size not positive.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.transforms import Transforms
    >>> still = Transforms(jitter=0, scale=(1, 1), rotate=0)
    >>> made = vz.activation_maximization(
    ...     vz.assets.digits_cnn(), "3", steps=8, transforms=still, parametrization="pixel"
    ... )
    >>> bool(made.history[-1] > made.history[0])  # the score rises
    True
    """

    jitter: float = 8
    scale: tuple[float, float] = (0.9, 1.1)
    rotate: float = 10
    pad: int = 0

    def __post_init__(self) -> None:
        if self.jitter < 0 or self.rotate < 0 or self.pad < 0:
            raise OptionError(f"`transforms` take jitter, rotate and pad of 0 or more; got {self}.")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise OptionError(f"`transforms` scale must be (smallest, largest), above 0; got {self.scale!r}.")

    def matrices(self, generator: np.random.Generator, count: int, size: tuple[int, int]) -> np.ndarray:
        """Draw one affine map per image, about its center.

        Parameters
        ----------
        generator : numpy.random.Generator
            Where the randomness comes from.
        count : int
            How many images.
        size : (int, int)
            Their height and width, padding included.

        Returns
        -------
        ndarray of float32, shape (count, 8)
            ``(a0, a1, a2, b0, b1, b2, 0, 0)``: the output's pixel (x, y) is taken from (a0 x + a1 y + a2, b0 x + b1 y + b2).

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.transforms import Transforms
        >>> half = Transforms(jitter=0, scale=(0.5, 0.5), rotate=0)
        >>> matrices = half.matrices(np.random.default_rng(0), count=1, size=(9, 9))
        >>> matrices[0, [0, 2, 4, 5]]  # from 2 x - 4 and 2 y - 4: pixel (4, 4) stays where it is
        array([ 2., -4., 2., -4.], dtype=float32)
        """
        angle = np.deg2rad(generator.uniform(-self.rotate, self.rotate, count))
        factor = generator.uniform(*self.scale, count)
        shift = generator.uniform(-self.jitter, self.jitter, (2, count))
        cos, sin = np.cos(angle) / factor, np.sin(angle) / factor
        y, x = (size[0] - 1) / 2, (size[1] - 1) / 2
        zero = np.zeros(count)
        rows = [cos, -sin, x - cos * x + sin * y + shift[0], sin, cos, y - sin * x - cos * y + shift[1], zero, zero]
        return np.stack(rows, axis=1).astype(np.float32)


NONE = Transforms(jitter=0, scale=(1.0, 1.0), rotate=0)
"""Leaves the image as it is."""


@dataclass(frozen=True)
class TotalVariation:
    """Sum of the differences between neighbors: keeps the image smooth [1]_.

    Parameters
    ----------
    weight : float, default 1.0
        How much it counts against the score; the sum is divided by the number of pixels.

    References
    ----------
    .. [1] Mahendran and Vedaldi, "Visualizing Deep Convolutional Neural Networks Using Natural Pre-Images", 2015.
       arXiv:1512.02017

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.transforms import TotalVariation
    >>> stripes = np.tile([0.0, 1.0], (4, 2)).reshape(1, 4, 4, 1)
    >>> TotalVariation()(np, stripes), TotalVariation()(np, 0 * stripes)
    (array([1.]), array([0.]))
    """

    weight: float = 1.0

    def __call__(self, xp: Any, images: Any) -> Any:
        """Return the penalty of each image of (N, H, W, C), shape (N,)."""
        down = xp.abs(images[:, 1:] - images[:, :-1])
        across = xp.abs(images[:, :, 1:] - images[:, :, :-1])
        return self.weight * (xp.mean(down, axis=(1, 2, 3)) + xp.mean(across, axis=(1, 2, 3)))


@dataclass(frozen=True)
class Norm:
    """The L-p norm of the distance from mid-gray: keeps values from running to their ends.

    Parameters
    ----------
    p : float, default 6.0
        The exponent.
    weight : float, default 1.0
        How much it counts against the score; the mean over the pixels is taken, of 2 * image - 1.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.transforms import Norm
    >>> black, gray = np.zeros((1, 4, 4, 1)), np.full((1, 4, 4, 1), 0.5)
    >>> Norm()(np, black), Norm()(np, gray)
    (array([1.]), array([0.]))
    """

    p: float = 6.0
    weight: float = 1.0

    def __call__(self, xp: Any, images: Any) -> Any:
        """Return the penalty of each image of (N, H, W, C), shape (N,)."""
        return self.weight * xp.mean(xp.abs(2 * images - 1) ** self.p, axis=(1, 2, 3))


@dataclass(frozen=True)
class Diversity:
    """The mean likeness of each image to all that are made together: makes several results differ.

    Parameters
    ----------
    weight : float, default 1.0
        How much it counts against the score; likeness is the cosine between images less their mean, -1 to 1. An image's own is
        among them, as a constant; so are those made for other targets.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.transforms import Diversity
    >>> stripes = np.tile([0.0, 1.0], (4, 2)).reshape(1, 4, 4, 1)
    >>> alike, opposite = np.concatenate([stripes, stripes]), np.concatenate([stripes, 1 - stripes])
    >>> Diversity()(np, alike).round(2), Diversity()(np, opposite).round(2)
    (array([1., 1.]), array([0., 0.]))
    """

    weight: float = 1.0

    def __call__(self, xp: Any, images: Any) -> Any:
        """Return the penalty of each image of (N, H, W, C), shape (N,)."""
        flat = xp.reshape(images, (xp.shape(images)[0], -1))
        flat = flat - xp.mean(flat, axis=1, keepdims=True)
        flat = flat / (xp.sqrt(xp.sum(flat**2, axis=1, keepdims=True)) + 1e-6)
        return self.weight * (xp.mean(xp.matmul(flat, xp.transpose(flat)), axis=1))


def from_tf_keras_vis(modifiers: Iterable[Any], size: Sequence[int]) -> tuple[Transforms, list[Any]]:
    """Read tf-keras-vis's input modifiers as ours; those of another kind are returned as they are.

    Its modifiers draw their randomness in Python, once per step: compiled, they would draw it once for all steps.
    """
    jitter, scale, rotate = 0.0, (1.0, 1.0), 0.0
    others = []
    for modifier in modifiers:
        kind = type(modifier).__name__
        if kind == "Jitter":
            jitter = modifier.jitter * min(size) if 0 < modifier.jitter < 1 else float(modifier.jitter)
        elif kind == "Scale":
            scale = (float(modifier.low), float(modifier.high))
        elif kind in ("Rotate", "Rotate2D"):
            rotate = float(modifier.degree)
        else:
            others.append(modifier)
    return Transforms(jitter=jitter, scale=scale, rotate=rotate), others
