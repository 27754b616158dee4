"""The steps from pixels to what a model was trained on, once they have its size: the order of channels, arithmetic, functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from vizcnn.errors import InputError, VizcnnError
from vizcnn.inputs.geometry import Geometry

KINDS = ("rgb", "bgr", "gray", "yuv")
"""Orders and kinds of channels."""

GRAY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Brightness of red, green and blue, as Pillow and OpenCV have it."""

# Y, U and V as OpenCV's COLOR_RGB2YUV computes them of bytes.
_YUV = np.array([GRAY, 0.492 * (np.array([0, 0, 1]) - GRAY), 0.877 * (np.array([1, 0, 0]) - GRAY)], dtype=np.float32)
_YUV_OFFSET = np.array([0, 128, 128], dtype=np.float32)


class Step(Protocol):
    """One of them."""

    @property
    def text(self) -> str:
        """What it is called, as it is typed."""

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return what it makes of a batch (N, H, W, C) of float32, which it leaves as it is."""


@dataclass(frozen=True)
class Channels:
    """Red, green and blue in another order, or as something else.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    """

    kind: str

    @property
    def text(self) -> str:
        """The kind."""
        return self.kind

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the batch with such channels; gray ones stay as many as they were."""
        count = batch.shape[-1]
        if self.kind == "rgb" or (self.kind == "gray" and count == 1):
            return batch
        if count != 3:
            raise InputError(
                f"`preprocess` {self.kind!r} must be given images of 3 channels, red, green and blue; the model takes {count}."
            )
        if self.kind == "bgr":
            return batch[..., ::-1]
        if self.kind == "gray":
            return np.repeat(batch @ GRAY[:, None], 3, axis=-1)
        yuv: np.ndarray = np.clip(batch @ _YUV.T + _YUV_OFFSET, 0, 255)  # as bytes are
        return yuv


@dataclass(frozen=True)
class Arithmetic:
    """Each number times a factor, plus an offset: the same for all channels, or one for each.

    Parameters
    ----------
    factor, offset : tuple of float
        One number, or one for each channel.
    text : str
        How it is typed.
    """

    factor: tuple[float, ...]
    offset: tuple[float, ...]
    text: str = field(default="", compare=False)

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the batch scaled and shifted."""
        for numbers in (self.factor, self.offset):
            if len(numbers) not in (1, batch.shape[-1]):
                raise InputError(
                    f"`preprocess` {self.text!r} must have one number, or one for each channel; it has {len(numbers)}, and the "
                    f"model takes {batch.shape[-1]} channel{'s' * (batch.shape[-1] > 1)}."
                )
        factor, offset = (np.asarray(numbers, dtype=np.float32) for numbers in (self.factor, self.offset))
        result: np.ndarray = batch * factor + offset
        return result


@dataclass(frozen=True)
class Standardize:
    """Each image minus its mean, divided by its deviation, as `tf.image.per_image_standardization` does."""

    text: str = "standardize"

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the batch, each image for itself."""
        rows = batch.reshape(len(batch), -1).astype(np.float64)
        least = 1 / np.sqrt(max(1, rows.shape[1]))
        spread = np.maximum(rows.std(axis=1, keepdims=True), least)
        result: np.ndarray = ((rows - rows.mean(axis=1, keepdims=True)) / spread).astype(np.float32)
        return result.reshape(batch.shape)


@dataclass(frozen=True)
class Named:
    """Several steps that have one name.

    Parameters
    ----------
    text : str
        The name.
    steps : tuple of Step
        What it stands for.
    """

    text: str
    steps: tuple[Any, ...]

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return what the steps make of the batch, one after the other."""
        for step in self.steps:
            batch = step(batch)
        return batch


@dataclass(frozen=True)
class Function:
    """A function that people wrote: it gets one image, and may fail in any way.

    Parameters
    ----------
    function : callable
        Takes one image (H, W, C) of float32; one of `tf.data.Dataset.map` may take a label too.
    text : str
        What to call it.
    takes_batches : bool, default False
        Whether it takes (N, H, W, C) instead, and treats each number for itself.
    makes_size : bool, default False
        Whether it brings images to the model's size itself.
    geometry : callable, default None
        Of one that does, from the sizes of a picture and of the input to the `Geometry` by which it does; None: not known.
    """

    function: Callable[..., Any]
    text: str
    takes_batches: bool = False
    makes_size: bool = False
    geometry: Callable[[tuple[int, int], tuple[int, int]], Geometry] | None = None

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return what it makes of a batch; an `InputError` where it raises, or returns no finite images of that shape."""
        if self.takes_batches:
            return np.asarray(self.function(batch.copy()), dtype=np.float32)  # Keras's own change it in place
        return np.stack([self.one(image.copy()) for image in batch]) if len(batch) else batch

    def one(self, image: np.ndarray) -> np.ndarray:
        """Return what it makes of one image."""
        shape = image.shape
        argument = f"an image of shape {shape}, float32"
        try:
            output = self._called(image)
        except VizcnnError:
            raise
        except Exception as error:  # a stranger's function
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise InputError(f"`preprocess` {self.text!r} failed on {argument}: {reason}") from error
        array = _as_array(output)
        if array is None or array.dtype.kind not in "fiub":
            what = (
                "None"
                if output is None
                else type(output).__name__
                if array is None
                else f"{type(output).__name__} of {array.dtype}"
            )
            raise InputError(
                f"`preprocess` {self.text!r} must return an image, numbers of the shape that it is given; of {argument}, it made "
                f"{what}."
            )
        if shape[-1] == 1 and array.shape == shape[:-1]:
            array = array[..., None]  # OpenCV drops the axis of a single channel
        if self.makes_size and array.ndim == 3:
            shape = array.shape
        if array.shape != shape:
            raise InputError(
                f"`preprocess` {self.text!r} must return an image of the shape that it is given, one image and no batch; it "
                f"turned shape {shape} into {array.shape}."
                + (
                    " A function that resizes images itself gets them at their own size by "
                    "vizcnn.Preprocess(function, fit='none')."
                    if array.ndim == 3
                    else ""
                )
            )
        values = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise InputError(
                f"`preprocess` {self.text!r} must return finite numbers; of {argument}, it made NaN or infinity. Does it divide "
                f"by the deviation of an image of one color?"
            )
        return values

    def _called(self, image: np.ndarray) -> Any:
        output = self.function(image, 0) if takes_label(self.function) else self.function(image)
        return output[0] if isinstance(output, tuple) and len(output) == 2 else output


def takes_label(function: Callable[..., Any]) -> bool:
    """Tell whether a function must be given an image and a label, as those of `tf.data.Dataset.map` may be."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in positional and one.default is one.empty for one in parameters) == 2


def name_of(function: Any) -> str:
    """Return what a function calls itself."""
    inner = getattr(function, "func", function)  # of functools.partial
    return str(getattr(inner, "__name__", None) or getattr(inner, "name", None) or type(inner).__name__)


def _as_array(output: Any) -> np.ndarray | None:
    try:
        if hasattr(output, "detach"):  # a PyTorch tensor
            output = output.detach().cpu()
        array = np.asarray(output)
        return array.astype(np.float32) if array.dtype.kind == "V" else array  # bfloat16
    except Exception:  # noqa: BLE001 - each framework raises kinds of its own
        return None


def numbers_text(numbers: Sequence[float]) -> str:
    """Return one number as it is, several in brackets."""
    each = [
        repr(int(number) if float(number).is_integer() and abs(number) < 1e15 else float(number)) for number in numbers
    ]
    return each[0] if len(each) == 1 else f"[{', '.join(each)}]"
