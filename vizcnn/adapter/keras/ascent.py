"""Gradient ascent on a model's input: parametrization, transforms, score, regularizers and update in one compiled step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.keras.backends import current
from vizcnn.adapter.keras.forward_pass import ForwardPass
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.randomness import user_seeds_kept
from vizcnn.adapter.keras.runner import Runner
from vizcnn.errors import CapabilityError, Note
from vizcnn.targets.score import Score
from vizcnn.transforms import Transforms

# Square root of the covariance of colors in ImageNet, as the feature-visualization literature uses it (Olah et al. 2017).
_COLOURS = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]], dtype=np.float32)


def ascend(
    view: ModelView,
    runner: Runner,
    score: Score,
    shape: tuple[int, int, int],
    scaling: tuple[Array, Array],
    *,
    steps: int,
    seed: int,
    optimizer: Any,
    **plan: Any,
) -> Generator[tuple[Array, Array], None, tuple[Note, ...]]:
    """See `ModelAdapter.ascend`; `scaling` is what `affine` returns."""
    maker = keras.optimizers.Adam(0.05) if optimizer is None else keras.optimizers.get(optimizer)
    matrix, offset = scaling
    parts = Plan(
        shape=(len(score), *shape),
        optimizer=f"{type(maker).__name__} { {**maker.get_config(), 'name': ''} }",
        scale=tuple(matrix.ravel().tolist()),
        offset=tuple(offset.tolist()),
        **plan,
    )

    def scores(tensor: Any, *params: Any) -> Any:
        run = ForwardPass.run(view, tensor, rule="redirected_relu", past_casts=True).record()
        return run.scores(score, params)

    ascent = runner.functions.keep(("ascent", parts, score.key), lambda: Ascent(parts, maker, scores, view.variables()))
    yield from ascent.run(score, steps, seed)
    if ascent.reached:
        return ()
    text = (
        f"In activation maximization of model {view.name!r} the gradient of the score was zero in every step: such an image "
        f"shows its start and the regularizers, and nothing of the model."
    )
    return (Note(text, "ascent"),)


@dataclass(frozen=True)
class Plan:
    """What an ascent computes: with equal plans, the compiled step is the same.

    Attributes
    ----------
    shape : (int, int, int, int)
        Shape (N, H, W, C) of the images.
    parametrization : str
        "pixel" or "fourier".
    regularizers : tuple
        Functions of a namespace and the images (N, H, W, C) in 0..1, each returning (N,).
    modifiers : tuple
        Functions of the images that are applied before the model sees them.
    transforms : Transforms
        The random changes; only their padding is part of the step.
    optimizer : str
        The optimizer's configuration, as text.
    scale, offset : tuple of float
        Matrix (C, C), row by row, and vector (C,) that turn an image of 0..1 into the model's input.
    """

    shape: tuple[int, int, int, int]
    parametrization: str
    regularizers: tuple[Any, ...]
    modifiers: tuple[Any, ...]
    transforms: Transforms
    optimizer: str
    scale: tuple[float, ...]
    offset: tuple[float, ...]


@dataclass
class Ascent:
    """The images of one plan, as variables, and the compiled step that changes them.

    Parameters
    ----------
    plan : Plan
        What is computed.
    optimizer : keras.optimizers.Optimizer
        A copy of its own is used.
    scores : callable
        Takes the model's inputs and the score's params as tensors, and returns the scores, shape (N,).
    variables : sequence of keras.Variable
        What `scores` reads.

    Attributes
    ----------
    reached : bool
        Whether any step of the last run had a gradient of the scores.
    """

    plan: Plan
    optimizer: Any
    scores: Callable[..., Any]
    variables: Sequence[Any]
    reached: bool = True
    _step: Callable[..., Any] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.optimizer = self.optimizer.from_config(self.optimizer.get_config())
        shape = start(self.plan, np.random.default_rng(0)).shape
        self._variable = keras.Variable(np.zeros(shape, np.float32), name="image")
        self.optimizer.build([self._variable])
        self._fresh = [current().numpy(v.value) for v in self.optimizer.variables]

    def run(self, score: Score, steps: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the images (N, H, W, C) in 0..1 and their scores (N,) before each step, and the images after the last one."""
        plan = self.plan
        generator = np.random.default_rng(seed)
        padded = (plan.shape[1] + 2 * plan.transforms.pad, plan.shape[2] + 2 * plan.transforms.pad)
        with self._lock:  # the variables are one run's at a time
            self.reached = False
            self._variable.assign(start(plan, generator))
            for variable, value in zip(self.optimizer.variables, self._fresh, strict=True):
                variable.assign(value)
            for _ in range(steps):
                arrays = [plan.transforms.matrices(generator, plan.shape[0], padded), *score.params]
                with user_seeds_kept(current()):
                    answer = self._compiled(arrays)(*arrays)
                self.reached |= bool(answer["reaches"].any())
                yield answer["images"], answer["scores"]
            yield current().numpy(self._images()), np.full(plan.shape[0], np.nan, np.float32)

    def _compiled(self, arrays: Sequence[np.ndarray]) -> Callable[..., Any]:
        if self._step is None:
            mutates = [self._variable, *self.optimizer.variables]
            self._step = current().compile(self._build, arrays, captures=self.variables, mutates=mutates)
        return self._step

    def _build(self, matrices: Any, *params: Any) -> dict[str, Any]:
        plan, backend = self.plan, current()
        variable = keras.ops.convert_to_tensor(self._variable.value)
        images = picture(plan, variable)
        views = images
        for modifier in plan.modifiers:
            views = modifier(views)
        views = moved(views, matrices, plan.transforms, plan.shape)
        scores = self.scores(to_inputs(plan, views), *params)
        gradient = backend.gradient(-keras.ops.sum(scores), variable)
        if gradient is None:
            raise CapabilityError(
                "The score has no gradient by the input of the model, so no image can be made for it: a layer rounds or casts it "
                "away."
            )
        reaches = keras.ops.any(gradient != 0, axis=tuple(range(1, len(gradient.shape))))
        if plan.regularizers:
            loss = sum(keras.ops.sum(regularizer(keras.ops, images)) for regularizer in plan.regularizers)
            by_regularizers = backend.gradient(loss, variable)
            gradient = gradient if by_regularizers is None else gradient + by_regularizers
        # Scores of different models and layers differ by orders of magnitude; the step's length should not.
        axes = tuple(range(1, len(gradient.shape)))
        size = keras.ops.sqrt(keras.ops.mean(gradient**2, axis=axes, keepdims=True))
        self.optimizer.apply([gradient / (size + 1e-12)], [self._variable])
        return {"images": images, "scores": scores, "reaches": reaches}

    def _images(self) -> Any:
        return picture(self.plan, self._variable.value)


def start(plan: Plan, generator: np.random.Generator) -> np.ndarray:
    """Return what an ascent begins with: faint noise, in the parametrization's own terms."""
    count, height, width, channels = plan.shape
    if plan.parametrization == "fourier":
        return (
            generator.normal(0, 0.01, (2, count, channels, height, width)).astype(np.float32).transpose(1, 0, 2, 3, 4)
        )
    return generator.normal(0, 0.01, plan.shape).astype(np.float32)


def picture(plan: Plan, variable: Any) -> Any:
    """Return the images (N, H, W, C) in 0..1 that a variable stands for."""
    ops = keras.ops
    _, height, width, channels = plan.shape
    if plan.parametrization == "fourier":
        rows, columns = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
        frequency = np.maximum(np.hypot(rows, columns), 1 / max(height, width))
        spectrum = variable * ops.convert_to_tensor((np.sqrt(height * width) / frequency).astype(np.float32))
        real, _ = ops.ifft2((spectrum[:, 0], spectrum[:, 1]))
        values = ops.transpose(real, (0, 2, 3, 1)) / 4
    else:
        values = variable
    if channels == 3:
        largest = np.linalg.norm(_COLOURS, axis=0).max()
        values = ops.matmul(values, ops.convert_to_tensor((_COLOURS / largest).T))
    return ops.sigmoid(values)


def moved(images: Any, matrices: Any, transforms: Transforms, shape: tuple[int, int, int, int]) -> Any:
    """Return the images after the affine maps, resampled once; beyond the edge lies mid-gray."""
    ops = keras.ops
    pad = transforms.pad
    if pad:
        images = ops.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=0.5)
    if transforms.jitter or transforms.rotate or transforms.scale != (1.0, 1.0):
        images = ops.image.affine_transform(
            images,
            matrices,
            interpolation="bilinear",
            fill_mode="constant",
            fill_value=0.5,
            data_format="channels_last",
        )
    return images[:, pad : pad + shape[1], pad : pad + shape[2]] if pad else images


def to_inputs(plan: Plan, images: Any) -> Any:
    """Return the model's inputs made of images in 0..1."""
    channels = plan.shape[-1]
    matrix = np.array(plan.scale, dtype=np.float32).reshape(channels, channels)
    offset = np.array(plan.offset, dtype=np.float32)
    return keras.ops.matmul(images, keras.ops.convert_to_tensor(matrix)) + keras.ops.convert_to_tensor(offset)


def affine(
    preprocess: Callable[[np.ndarray], np.ndarray] | None, input_range: tuple[float, float], channels: int
) -> tuple[Array, Array]:
    """Return the matrix and the offset that turn an image of 0..1 into inputs.

    Parameters
    ----------
    preprocess : callable or None
        From pixels (0..255) to inputs; it is taken to be affine, as all of Keras's are, and asked at its corners.
    input_range : (float, float)
        Without `preprocess`: what 0 and 1 become.
    channels : int
        Channels of the image.

    Returns
    -------
    (ndarray, ndarray)
        Shapes (C, C) and (C,): inputs = images @ matrix + offset.
    """
    if preprocess is None:
        return np.eye(channels) * (input_range[1] - input_range[0]), np.full(channels, input_range[0])
    corners = np.zeros((channels + 1, 32, 32, channels), dtype=np.float32)
    for channel in range(channels):
        corners[channel + 1, ..., channel] = 255
    values = preprocess(corners)[:, 16, 16, :].astype(np.float64)
    return values[1:] - values[0], values[0]
