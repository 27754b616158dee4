"""What layers make of images, and which images: the last ones looked at are kept, since a page asks several times."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import InputError, LayerError
from vizcnn.explorer.studio import Studio
from vizcnn.inputs import ImageSet
from vizcnn.render.signals import lay_out_slices

MAX_KEPT_BYTES = 256_000_000
"""Bytes of maps that are kept."""


@dataclass(frozen=True)
class Maps:
    """What a layer makes of one image.

    Attributes
    ----------
    path : str
        The layer's path.
    values : ndarray of float32, shape (..., K)
        Its output.
    """

    path: str
    values: np.ndarray

    @property
    def kind(self) -> str:
        """What it has: "units", "sequence" (of positions), "maps", or "volume"."""
        return {1: "units", 2: "sequence", 3: "maps", 4: "volume"}[self.values.ndim]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one channel's map; () of units."""
        return self.values.shape[:-1]

    @property
    def channels(self) -> int:
        """How many channels, or units."""
        return int(self.values.shape[-1])

    @property
    def low(self) -> float:
        """The lowest value of all."""
        return float(self.values.min())

    @property
    def high(self) -> float:
        """The highest value of all."""
        return float(self.values.max())

    def means(self) -> np.ndarray:
        """Return the mean of each channel."""
        means: np.ndarray = self.values.reshape(-1, self.channels).mean(axis=0)
        return means

    def by_activity(self) -> np.ndarray:
        """Return the channels from the highest mean to the lowest."""
        return np.argsort(-self.means(), kind="stable")

    def pictures(self, channels: np.ndarray) -> np.ndarray:
        """Return the maps of some channels as pictures (n, rows, columns): a unit is one of one cell, a sequence a row."""
        chosen = np.moveaxis(self.values[..., channels], -1, 0)
        if chosen.ndim == 4:
            return np.stack([lay_out_slices(one) for one in chosen])
        return chosen.reshape(len(channels), *(1, 1, 1)[: 3 - chosen.ndim], *chosen.shape[1:])


def given_image(studio: Studio, key: str | None) -> ImageSet:
    """Return the image that an address names.

    Parameters
    ----------
    studio : Studio
        What is looked at.
    key : str or None
        As `Studio.image` takes it; None or "": none is named.

    Returns
    -------
    ImageSet

    Raises
    ------
    InputError
        If there is none.
    """
    if not key:
        raise InputError("No image was given: choose one under Image.")
    return studio.image(key)


class Seen:
    """Looks at the studio's images with its model.

    Parameters
    ----------
    studio : Studio
        What is looked at.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._kept: OrderedDict[tuple[str, str], Maps] = OrderedDict()
        studio.forgets.append(self._kept.clear)

    def sample_shape(self, key: str | None) -> tuple[int, ...] | None:
        """Return the shape of an input: the model's, or that of the image where the model leaves it open.

        Parameters
        ----------
        key : str or None
            The image.

        Returns
        -------
        tuple of int or None
            None where it isn't known.
        """
        shape = tuple(length for length in self._studio.model.input_shape if length is not None)
        if shape and len(shape) == len(self._studio.model.input_shape):
            return shape
        return self._studio.image(key).sample_shape if key else None

    def ready(self, key: str | None) -> ModelAdapter:
        """Return the model, its layers made where their shapes can be known.

        Parameters
        ----------
        key : str or None
            An image to make them for.

        Returns
        -------
        ModelAdapter
        """
        model = self._studio.model
        shape = self.sample_shape(key)
        if shape is not None and "layers" in model.capabilities:
            model.prepare(shape)
            if all(info.output_shape is None for info in model.layers):
                model.outputs(np.zeros((1, *shape), np.float32))  # a run tells the shapes
        return model

    def maps(self, path: str, key: str | None) -> Maps:
        """Return what a layer makes of an image.

        Parameters
        ----------
        path : str
            The layer's path.
        key : str or None
            The image.

        Returns
        -------
        Maps

        Raises
        ------
        LayerError
            If its output has no channels.
        """
        kept = self._kept.pop((path, key or ""), None)
        if kept is None:
            inputs = given_image(self._studio, key).inputs(slice(0, 1))
            values = self._studio.model.activations(inputs, [path])[path]
            if not 2 <= values.ndim <= 5:
                raise LayerError(
                    f"`layer` {path!r} has no channels to look at, its output has shape {values.shape[1:]}."
                )
            kept = Maps(path, values[0])
        self._kept[path, key or ""] = kept
        while len(self._kept) > 1 and sum(maps.values.nbytes for maps in self._kept.values()) > MAX_KEPT_BYTES:
            self._kept.popitem(last=False)
        return kept
