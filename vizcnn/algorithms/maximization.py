"""Make images for a score: the loop around a model's gradient ascent, as plugins need it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import Note, OptionError
from vizcnn.progress import track
from vizcnn.targets.score import Score
from vizcnn.transforms import Transforms

OPEN_SIZE = 224
"""Height and width where neither the model nor the caller says them."""


@dataclass(frozen=True)
class Maximized:
    """What was made.

    Attributes
    ----------
    images : ndarray of float32, shape (N, H, W, C)
        The images, 0..1.
    inputs : ndarray of float32, shape (N, H, W, C)
        The same as the model takes them.
    history : ndarray of float32, shape (steps, N)
        The scores before each step, under its transforms.
    frames : ndarray of float32, shape (frames, N, H, W, C)
        Images on the way.
    notes : tuple of Note
        What the reader should know.
    """

    images: np.ndarray
    inputs: np.ndarray
    history: np.ndarray
    frames: np.ndarray
    notes: tuple[Note, ...]


def maximize(
    model: ModelAdapter,
    score: Score,
    shape: tuple[int, int, int],
    *,
    steps: int,
    seed: int = 0,
    frames: int = 0,
    input_range: tuple[float, float] | None = None,
    parametrization: str = "fourier",
    transforms: Transforms | None = None,
    modifiers: Sequence[Any] = (),
    regularizers: Sequence[Any] = (),
    optimizer: Any = None,
) -> Maximized:
    """Make one image per sample of a score.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    score : Score
        What is to rise.
    shape : (int, int, int)
        Shape (H, W, C) of an image.
    steps, seed, frames, input_range, parametrization, transforms, modifiers, regularizers, optimizer
        See `vizcnn.activation_maximization`.

    Returns
    -------
    Maximized
    """
    notes: list[Note] = []
    ends = input_range
    if ends is not None and not ends[0] < ends[1]:
        raise OptionError(f"`input_range` must be (lowest, highest); got {ends!r}.")
    preprocess = model.pixel_preprocess
    if ends is None and preprocess is not None and not preprocess.is_affine:
        ends = (0.0, 1.0)
        text = (
            f"`preprocess` {preprocess.name!r} doesn't treat each pixel for itself, so it can't be turned back: the image "
            f"was made for inputs of 0 to 1. Give `input_range`."
        )
        notes.append(Note(text, "range"))
    elif ends is None and preprocess is None:
        ends = model.input_range
        if ends is None:
            ends = (0.0, 1.0)
            text = (
                f"Model {model.name!r} doesn't say what range its inputs have: the image was made for 0 to 1. Give "
                f"the `preprocess` of training (vizcnn.adapt, or --preprocess), or `input_range`."
            )
            notes.append(Note(text, "range"))
    climb = model.ascend(
        score,
        shape,
        steps=steps,
        seed=seed,
        optimizer=optimizer,
        input_range=ends,
        parametrization=parametrization,
        transforms=transforms or Transforms(),
        modifiers=tuple(modifiers),
        regularizers=tuple(regularizers),
    )
    keep = set(np.linspace(0, steps, frames).round().astype(int).tolist()) if frames else set()
    history, snapshots, images = [], [], np.empty(0, np.float32)
    with ExitStack() as stack:
        stack.callback(climb.close)  # an interrupt here would leave it waiting, and the next run waiting for it
        iterates = _noting(climb, notes)
        for step, (images, scores) in enumerate(
            track(iterates, steps + 1, f"{len(score)} image{'s' * (len(score) != 1)}, {steps} steps")
        ):
            history.append(scores)
            if step in keep:
                snapshots.append(images)
    return Maximized(
        images=images,
        inputs=_inputs(model, images, ends),
        history=np.array(history[:-1], dtype=np.float32),
        frames=np.array(snapshots, dtype=np.float32),
        notes=tuple(notes),
    )


def _noting(
    climb: Generator[tuple[np.ndarray, np.ndarray], None, tuple[Note, ...]], notes: list[Note]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield what an ascent does, and keep what it returns at its end."""
    notes += yield from climb


def image_shape(model: ModelAdapter, size: tuple[int, int] | None = None) -> tuple[int, int, int]:
    """Return the shape (H, W, C) of an image for a model; `size` counts where the model leaves it open."""
    input_shape = model.input_shape or (None, None, None)
    if not model.input_shape and size is None and model.image_size is None:
        raise OptionError(
            f"`size` must be given: model {model.name!r} doesn't say what inputs it takes. Or call it on an image."
        )
    open_size = size or model.image_size or (OPEN_SIZE, OPEN_SIZE)
    if size is not None and any(
        want is not None and want != have for want, have in zip(input_shape, size, strict=False)
    ):
        raise OptionError(
            f"`size` must be the {input_shape[0]}x{input_shape[1]} that model {model.name!r} takes; got {size!r}."
        )
    return int(input_shape[0] or open_size[0]), int(input_shape[1] or open_size[1]), int(input_shape[2] or 3)


def _inputs(model: ModelAdapter, images: np.ndarray, ends: tuple[float, float] | None) -> np.ndarray:
    if ends is None and model.pixel_preprocess is not None:
        return model.pixel_preprocess(images * 255)
    low, high = ends or (0.0, 1.0)
    return np.asarray(low + images * (high - low), dtype=np.float32)
