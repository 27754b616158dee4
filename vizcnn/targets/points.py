"""A key point: where a model says that something is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vizcnn.errors import TargetError
from vizcnn.targets.classes import ClassNames, class_index
from vizcnn.targets.model import Model
from vizcnn.targets.score import Choice, ForwardPass, Score, constant
from vizcnn.targets.target import Target


@dataclass(frozen=True)
class Point(Target):
    """One key point of a model that finds them.

    Of heat maps (N, h, w, P) it is the value of the point's map at its highest place, which is that of the unchanged image: what
    speaks for the point being there. Of coordinates (N, P, 2), (N, P, 3) or (N, 2 P) it is a coordinate itself, or the sum of
    both: what moves the point to the right, or down.

    Parameters
    ----------
    index : int or str
        Which point, from 0 on, or its label.
    axis : {"x", "y"}, default None
        Of coordinates, which one; None: their sum. (N, P, 2) and (N, 2 P) hold x before y.
    output : str or int, default None
        Which of several outputs; None: that of the classes.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> model = vz.adapt(
    ...     lambda images: images[:, 0, :3, :2], input_shape=(4, 4, 2), labels=["nose", "left eye", "right eye"]
    ... )
    >>> image = np.zeros((1, 4, 4, 2), np.float32)
    >>> image[0, 0, 1] = 5, 7
    >>> model.scores(image, vz.targets.Point("left eye", "y")), model.scores(image, vz.targets.Point(1))
    (array([7.], dtype=float32), array([12.], dtype=float32))
    """

    prefix: ClassVar[str] = "point"

    index: int | str
    axis: str | None = None
    output: str | int | None = None

    @classmethod
    def read(cls, text: str) -> Point:
        """Return the point that was typed: ``3``, ``nose``, or ``nose:x``.

        Returns
        -------
        Point

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Point.read("3:x")
        Point(index=3, axis='x', output=None)
        """
        index, _, axis = text.partition(":")
        return cls(int(index) if index.strip().isdigit() else index, axis or None)

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> model = vz.adapt(lambda images: images[:, 0, :3, :2], input_shape=(4, 4, 2))
        >>> vz.targets.Point(2, "x").score(model, 1).names
        ('x of point 2',)
        """
        if self.axis not in (None, "x", "y"):
            raise TargetError(f"`axis` must be 'x', 'y' or None; got {self.axis!r}.")
        output = model.output_name(self.output)
        model.output_activation(output)  # runs a model of open size once, so that the maps' size is known
        shape = model.output_shapes[output]
        sizes = tuple(int(size or 0) for size in shape)
        if None in shape or len(sizes) not in (1, 2, 3) or (len(sizes) == 1 and sizes[0] % 2):
            raise self._unfit(model, output)
        if len(sizes) == 2 and sizes[1] not in (2, 3):
            raise self._unfit(model, output)
        number = sizes[0] // 2 if len(sizes) == 1 else sizes[0] if len(sizes) == 2 else sizes[2]
        names = tuple(model.labels or ())
        names = names if len(names) == number else tuple(f"point {i}" for i in range(number))
        index = class_index(self.index, model, ClassNames(output, names))
        if index < 0:
            raise TargetError("`index` must name a point; got None.")
        if len(sizes) == 3 and self.axis is not None:
            raise TargetError(
                f"`axis` must be None for heat maps, whose height at the point is explained; got {self.axis!r}."
            )
        prefix = f"{self.axis} of " if self.axis else ""
        points = np.full(count, index, np.int32)
        given: dict[str, Any] = {
            "names": (f"{prefix}{names[index]}",) * count,
            "classes": (None,) * count,
            "output": output,
            "is_part": True,
        }
        if len(sizes) == 3:
            heat = _Heat(output)
            places = np.full((count, sizes[0] * sizes[1]), np.nan, np.float32)
            choices = (Choice(0, output, heat.place),)
            return Score(key=("heat", output), formula=heat.score, params=(places, points), choices=choices, **given)
        weights = np.array([self.axis != "y", self.axis != "x"], np.float32)
        return Score(
            key=("point", output),
            formula=_Coordinates(output).score,
            params=(points, np.tile(weights, (count, 1))),
            **given,
        )

    def _unfit(self, model: Model, output: str) -> TargetError:
        return TargetError(
            f"`target` Point needs heat maps (h, w, P) or coordinates (P, 2), (P, 3) or (2 P,); output {output!r} of model "
            f"{model.name!r} has shape {model.output_shapes[output]}."
        )


@dataclass(frozen=True)
class _Coordinates:
    """The formula of coordinates: params are the points (N,), and how much x and y count (N, 2)."""

    output: str

    def score(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return the scores (N,)."""
        xp, values = reading.xp, reading.output(self.output)
        values = values if len(values.shape) == 3 else xp.reshape(values, (-1, values.shape[-1] // 2, 2))
        chosen = xp.equal(xp.expand_dims(params[0], -1), xp.arange(values.shape[1]))
        weights = xp.expand_dims(xp.where(chosen, 1.0, 0.0), -1) * xp.expand_dims(params[1], 1)
        return xp.sum(values[..., :2] * weights, axis=(1, 2))


@dataclass(frozen=True)
class _Heat:
    """The formulas of heat maps: params are 1 at the place (N, h w), and the points (N,)."""

    output: str

    def score(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return the scores (N,)."""
        xp, maps = reading.xp, self._maps(reading, params[1])
        place = constant(xp, xp.where(xp.isnan(params[0]), self.place(reading, params), params[0]))
        return xp.sum(maps * place, axis=1)

    def place(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return 1 where the map of the point is highest, (N, h w)."""
        xp, maps = reading.xp, self._maps(reading, params[1])
        highest = xp.expand_dims(xp.argmax(maps, axis=1), -1)
        return xp.where(xp.equal(highest, xp.arange(maps.shape[1])), 1.0, 0.0)

    def _maps(self, reading: ForwardPass, points: Any) -> Any:
        """Return the map of each sample's point, flat, (N, h w)."""
        xp, values = reading.xp, reading.logits(self.output)
        values = xp.reshape(values, (-1, values.shape[1] * values.shape[2], values.shape[3]))
        chosen = xp.equal(xp.reshape(points, (-1, 1, 1)), xp.arange(values.shape[-1]))
        return xp.sum(xp.where(chosen, values, 0.0), axis=-1)
