"""What a model does to its inputs before its first weights, and which inputs that fits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

PROBES = np.array([0.0, 127.5, 255.0], dtype=np.float32)
"""Values of the constant images that a model is asked with."""

_CONVENTIONS = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
"""What images usually lie in: scaled, scaled and centered, pixels."""


@dataclass(frozen=True, eq=False)
class InputScaling:
    """What happens to an input before the first weights: nearly always it is shifted and divided.

    Attributes
    ----------
    center, spread : ndarray, shape (C,)
        What reaches the first weights is (x - center) / spread, by channel; empty where it is something else.
    fitted : bool
        Whether both were fitted to the training data, and so are a mean and a standard deviation.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.adapter.input_scaling import InputScaling
    >>> InputScaling(np.array([127.5]), np.array([127.5])).range  # Rescaling(1 / 127.5, offset=-1)
    (0.0, 255.0)
    >>> InputScaling(np.array([0.4]), np.array([0.2]), fitted=True).range  # a Normalization, fitted to images in 0..1
    (0.0, 1.0)
    """

    center: np.ndarray
    spread: np.ndarray
    fitted: bool = False

    @cached_property
    def range(self) -> tuple[float, float] | None:
        """What black and white are to the model; None where what it computes isn't known."""
        return _joined([_usual(*channel) or _own(*channel, self.fitted) for channel in self._channels()])

    @cached_property
    def accepted(self) -> tuple[float, float] | None:
        """What inputs may lie in: `range`; where that isn't sure, three deviations about the center too."""
        sure = not self.fitted and all(_usual(*channel) for channel in self._channels())
        around = [] if sure or self.range is None else [_around(*channel) for channel in self._channels()]
        return _joined([*([self.range] if self.range is not None else []), *around])

    @property
    def formula(self) -> str:
        """What it computes of an input x."""
        center, spread = float(self.center.mean()), float(self.spread.mean())
        shifted = "x" if abs(center) < 1e-3 * abs(spread) else f"(x {'+' if center < 0 else '-'} {abs(center):.6g})"
        same = np.ptp(self.center) <= 0.01 * abs(spread) and np.ptp(self.spread) <= 0.01 * abs(spread)
        scaled = f" * {1 / spread:.4g}" if abs(spread) < 0.01 else "" if abs(spread - 1) < 1e-3 else f" / {spread:.5g}"
        return ("" if same else "about ") + shifted + scaled

    def _channels(self) -> list[tuple[float, float]]:
        return list(zip(self.center.tolist(), np.abs(self.spread).tolist(), strict=True))


def from_probes(values: np.ndarray, *, fitted: bool = False) -> InputScaling | None:
    """Return what turns the probes into these values.

    Parameters
    ----------
    values : ndarray, shape (len(PROBES), C)
        What reached the first weights of each constant image.
    fitted : bool, default False
        Whether a layer on the way was fitted to data.

    Returns
    -------
    InputScaling or None
        None where nothing happens.
    """
    x, y = PROBES.astype(np.float64), values.astype(np.float64)
    rise = y[2] - y[0]
    straight = np.abs(2 * y[1] - y[0] - y[2]) <= 0.02 * np.abs(rise)
    moves = np.abs(rise) > 1e-6 * (1 + np.abs(y[0]))
    if not (np.isfinite(y).all() and straight.all() and moves.all()):
        return UNKNOWN
    slope = rise / (x[2] - x[0])
    if np.allclose(slope, 1, atol=1e-3) and np.allclose(y[0], 0, atol=1e-3):
        return None
    varied = np.abs(slope) < 1e6  # Keras divides a channel that was constant in training by 1e-7
    return InputScaling((-y[0] / slope)[varied], (1 / slope)[varied], fitted)


UNKNOWN = InputScaling(np.empty(0), np.empty(0))
"""Something that isn't a shift and a division: a logarithm, each image divided by its own maximum."""


def _usual(center: float, spread: float) -> tuple[float, float] | None:
    """Return the usual range of images that (x - center) / spread fits."""
    for low, high in _CONVENTIONS:
        # Of numbers in low..high with this mean, the variance is (mean - low) * (high - mean) at most. Centres near zero say
        # nothing for pixels, and neither do spreads far below those of pictures.
        possible = low <= center <= high and spread**2 <= 1.01 * (center - low) * (high - center)
        if possible and spread >= 0.02 * (high - low) and (high <= 1 or center > 0.01 * high):
            return low, high
    best, ends = min(((_oddness(ends, center, spread), ends) for ends in _CONVENTIONS), key=lambda fit: fit[0])
    return ends if best < 1 else None


def _own(center: float, spread: float, fitted: bool) -> tuple[float, float]:
    """Return what such a scaling turns into 0..1 or -1..1, and of numbers fitted to data three deviations about the mean."""
    if fitted:
        return _around(center, spread)
    low, high = (0.0, spread) if abs(center) < 0.01 * spread else (center - spread, center + spread)
    return float(f"{low:.6g}"), float(f"{high:.6g}")


def _oddness(ends: tuple[float, float], center: float, spread: float) -> float:
    """Return how far this range is from being scaled to what networks are given: 0 where its middle is zero, 1 where it isn't."""
    middle, half = ((ends[0] + ends[1]) / 2 - center) / spread, (ends[1] - ends[0]) / 2 / spread
    if abs(abs(middle) - half) <= 0.02 * half:  # from zero to one, two or 255
        return 0.5 if any(abs(half / end - 1) < 0.05 for end in (0.5, 1, 127.5)) else 1.0
    if 0.4 <= half <= 3.6 or abs(half / 127.5 - 1) < 0.05:
        return min(1.0, abs(middle) / half / 0.6)
    return 1.0


def _around(mean: float, deviation: float) -> tuple[float, float]:
    return mean - 3 * deviation, mean + 3 * deviation


def _joined(ranges: list[tuple[float, float]]) -> tuple[float, float] | None:
    return (min(low for low, _ in ranges), max(high for _, high in ranges)) if ranges else None
