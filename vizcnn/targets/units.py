"""A channel or a unit of any layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from vizcnn.aliases import renamed
from vizcnn.errors import RenamedWarning, TargetError, warn
from vizcnn.targets.model import Model
from vizcnn.targets.score import ForwardPass, Score, pick
from vizcnn.targets.target import Target

_POSITIONS = {"everywhere": "mean", "centre": "center"}
"""Old names of where in its map a channel is read."""

_RENAMED = (
    "`where` of a Channel, 'everywhere' or 'centre', is called `position` now, 'mean' or 'center'; the old names go with the "
    "next minor version."
)


@dataclass(frozen=True)
class Channel(Target):
    """The activation of a channel of a layer.

    Parameters
    ----------
    layer : str
        The layer's path or name.
    channel : int
        Index on the last axis of its output.
    position : {"mean", "center"}, default "mean"
        Its mean over all positions, or its value in the middle of the map.

    Examples
    --------
    >>> import vizcnn as vz
    >>> channel = vz.targets.Channel("conv5", 40)
    >>> vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3], channel).target
    ('conv5, channel 40',)
    """

    prefix: ClassVar[str] = "channel"

    layer: str
    channel: int
    position: str = "mean"

    where = renamed("where", "position")

    def __init__(self, layer: str, channel: int, position: str = "mean", *, where: str | None = None) -> None:
        asked: Any = position if where is None else where
        position = _POSITIONS.get(asked, asked) if isinstance(asked, str) else asked
        if where is not None or position != asked:
            warn([_RENAMED], RenamedWarning)
        for name, value in (("layer", layer), ("channel", channel), ("position", position)):
            object.__setattr__(self, name, value)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the channel that was typed: ``conv5:40``, or ``conv5:40:center``.

        Returns
        -------
        Channel

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Channel.read("conv5:40")
        Channel(layer='conv5', channel=40, position='mean')
        """
        before, _, last = text.rpartition(":")
        text, position = (text, "mean") if last.strip().isdecimal() else (before, last.strip())
        layer, colon, channel = text.rpartition(":")
        if not colon or not layer.strip() or not channel.strip().isdecimal():
            raise TargetError(f"`target` channel:LAYER:NUMBER must name a layer and a channel of it; got {text!r}.")
        return cls(layer.strip(), int(channel), position)

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Channel("conv1", 16).score(vz.assets.digits_cnn(), 1)
        Traceback (most recent call last):
        ...
        vizcnn.errors.TargetError: `channel` must be a whole number from 0 to 15 in the output of layer 'conv1'; got 16.
        """
        info = model.layer(self.layer)
        channels = info.output_shape[-1] if info.output_shape else None
        _check_index("channel", self.channel, channels, info.path)
        if self.position not in ("mean", "center"):
            raise TargetError(f"`position` must be 'mean' or 'center'; got {self.position!r}.")
        return Score(
            key=("channel", info.path, self.position),
            formula=partial(channel_score, path=info.path, position=self.position),
            params=(np.full(count, self.channel, dtype=np.int32),),
            names=(f"{info.path}, channel {self.channel}",) * count,
            classes=(None,) * count,
        )


def channel_score(reading: ForwardPass, params: Sequence[Any], path: str, position: str = "mean") -> Any:
    """Return the mean of a channel of a layer, or its value in the middle: params are the channels (N,)."""
    values = reading.layer(path)
    if position == "center":
        for size in values.shape[1:-1]:
            values = values[:, size // 2]
    axes = tuple(range(1, len(values.shape) - 1))
    return pick(reading.xp, reading.xp.mean(values, axis=axes) if axes else values, params[0], params[0])


@dataclass(frozen=True)
class Neuron(Target):
    """The activation of one unit of a layer.

    Parameters
    ----------
    layer : str
        The layer's path or name.
    index : int or tuple of int
        Its position in the layer's output, without the batch axis: ``(row, column, channel)`` or a unit's number.

    Examples
    --------
    >>> import vizcnn as vz
    >>> unit = vz.targets.Neuron("conv5", (9, 8, 40))
    >>> result = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3], unit)
    >>> result.target, result.scores.round()
    (('conv5, unit 9, 8, 40',), array([61.], dtype=float32))
    """

    prefix: ClassVar[str] = "unit"

    layer: str
    index: int | tuple[int, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the unit that was typed: ``preds:3``, or ``conv5:9,8,40``, its row, column and channel.

        Returns
        -------
        Neuron

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Neuron.read("conv5:9,8,40")
        Neuron(layer='conv5', index=(9, 8, 40))
        """
        layer, colon, numbers = text.rpartition(":")
        parts = [part.strip() for part in numbers.split(",")]
        if not colon or not layer.strip() or not all(map(str.isdecimal, parts)):
            raise TargetError(
                f"`target` unit:LAYER:ROW,COLUMN,CHANNEL must name a layer and a unit of it; got {text!r}."
            )
        return cls(layer.strip(), tuple(map(int, parts)))

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Neuron("preds", 3).score(vz.assets.digits_cnn(), 1).names
        ('preds, unit 3',)
        """
        info = model.layer(self.layer)
        index = (self.index,) if isinstance(self.index, int | np.integer) else tuple(self.index)
        if info.output_shape is not None:
            if len(index) != len(info.output_shape) - 1:
                raise TargetError(
                    f"`index` must have {len(info.output_shape) - 1} numbers, one per axis of the output "
                    f"{info.output_shape} of layer {info.path!r} after the batch; got {self.index!r}."
                )
            for number, size in zip(index, info.output_shape[1:], strict=True):
                _check_index("index", number, size, info.path)
        return Score(
            key=("neuron", info.path, index),
            formula=partial(neuron_score, path=info.path, index=index),
            params=(),
            names=(f"{info.path}, unit {', '.join(map(str, index))}",) * count,
            classes=(None,) * count,
        )


def neuron_score(reading: ForwardPass, params: Sequence[Any], path: str, index: tuple[int, ...]) -> Any:  # noqa: ARG001
    """Return one unit of a layer."""
    return reading.layer(path)[(slice(None), *index)]


def _check_index(argument: str, number: Any, size: int | None, path: str) -> None:
    if not isinstance(number, int | np.integer) or number < 0 or (size is not None and number >= size):
        limit = f"from 0 to {size - 1}" if size is not None else "from 0 on"
        raise TargetError(
            f"`{argument}` must be a whole number {limit} in the output of layer {path!r}; got {number!r}."
        )
