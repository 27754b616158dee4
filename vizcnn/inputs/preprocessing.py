"""From pixels to what a model was trained on, by functions that people wrote: each gets one image, and may fail in any way."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from vizcnn.errors import InputError, VizcnnError


class Preprocess:
    """A function from one image's pixels to the model's input, with its name and the range that it gives.

    Parameters
    ----------
    function : callable
        Takes one image (H, W, C), float32, 0 to 255 for pixels, and returns one of the same shape.
    name : str, default None
        What to call it in results and messages; None: its own name.
    takes_batches : bool, default False
        Whether it takes (N, H, W, C) instead, and treats each number for itself.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.inputs.preprocessing import Preprocess
    >>> def centered(image):
    ...     return image - image.mean()
    >>> Preprocess(centered)(np.array([0, 2, 10, 30]).reshape(2, 1, 2, 1)).ravel()
    array([ -1.,   1., -10.,  10.], dtype=float32)
    """

    def __init__(
        self, function: Callable[[np.ndarray], Any], name: str | None = None, *, takes_batches: bool = False
    ) -> None:
        self.name = name or _name(function)
        self._function = function
        self._takes_batches = takes_batches

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the inputs made of a batch of pixels, which stays as it is.

        Parameters
        ----------
        batch : ndarray, shape (N, H, W, C)
            The pixels.

        Returns
        -------
        ndarray of float32, shape (N, H, W, C)

        Raises
        ------
        InputError
            If the function raises, or returns something other than a finite image of the same shape.
        """
        # A copy: Keras's own functions scale their argument in place.
        pixels = np.array(batch, dtype=np.float32)
        if self._takes_batches:
            return np.asarray(self._function(pixels), dtype=np.float32)
        outputs = np.empty_like(pixels)
        for row, image in zip(outputs, pixels, strict=True):
            row[...] = self._one(image)
        return outputs

    @cached_property
    def is_affine(self) -> bool:
        """Whether each pixel becomes an affine function of itself, as with all of Keras's own functions."""
        return self._probed is not None

    @property
    def output_range(self) -> tuple[float, float] | None:
        """What black and white become, lowest and highest; None where that depends on the rest of the image, or isn't known."""
        return self._probed

    @cached_property
    def _probed(self) -> tuple[float, float] | None:
        for channels in (3, 1):
            black, gray, white = (np.full((32, 32, channels), value, dtype=np.float32) for value in (0.0, 127.5, 255.0))
            mixed = black.copy()
            mixed[:, 16:] = white[:, 16:]
            try:
                with np.errstate(all="ignore"):
                    black, gray, white, mixed = self(np.stack([black, gray, white, mixed]))
            except VizcnnError:
                continue  # it may not be made for such an image
            ends = float(min(black.min(), white.min())), float(max(black.max(), white.max()))
            near = 1e-3 * (ends[1] - ends[0])
            is_pointwise = np.allclose(mixed[:, :16], black[:, :16], atol=near) and np.allclose(
                mixed[:, 16:], white[:, 16:], atol=near
            )
            if near > 0 and is_pointwise and np.allclose(gray, (black + white) / 2, atol=near):
                return ends
        return None

    def _one(self, image: np.ndarray) -> np.ndarray:
        shape = image.shape
        argument = f"an image of shape {shape}, float32"
        try:
            output = self._function(image)
        except VizcnnError:
            raise
        except Exception as error:  # a stranger's function
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise InputError(f"`preprocess` {self.name!r} failed on {argument}: {reason}") from error
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
                f"`preprocess` {self.name!r} must return an image, numbers of the shape that it is given; of {argument}, it made "
                f"{what}."
            )
        if shape[-1] == 1 and array.shape == shape[:-1]:
            array = array[..., None]  # OpenCV drops the axis of a single channel
        if array.shape != shape:
            raise InputError(
                f"`preprocess` {self.name!r} must return an image of the shape that it is given, one image and no batch; it "
                f"turned shape {shape} into {array.shape}."
            )
        values = array.astype(np.float32)
        if not np.isfinite(values).all():
            raise InputError(
                f"`preprocess` {self.name!r} must return finite numbers; of {argument}, it made NaN or infinity. Does it divide "
                f"by the deviation of an image of one color?"
            )
        return values


def _name(function: Any) -> str:
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
