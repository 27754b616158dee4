"""Images that were made for a target."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vizcnn.adapter.base import Prediction
from vizcnn.errors import Note, OptionError
from vizcnn.files import write_file
from vizcnn.render.keywords import takes_style
from vizcnn.results.checks import Shapes
from vizcnn.results.montage import MontageResult


@dataclass(frozen=True, eq=False)
class Images(MontageResult):
    """Images that were made for a target.

    Attributes
    ----------
    values : ndarray of float32, shape (N, H, W, C)
        The images, 0..1.
    scores : ndarray of float32, shape (N,)
        The score that each reaches, without transforms.
    target : tuple of str
        What each was made for.
    predictions : tuple of Prediction
        What the model takes each for.
    history : ndarray of float32, shape (steps, N)
        The scores at each step, under that step's transforms.
    frames : ndarray of float32, shape (frames, N, H, W, C)
        The images on the way, as far as they were asked for.
    model, method : str
        Where they come from.
    options : dict
        The method's options.
    notes : tuple of Note
        What the reader should know.

    Examples
    --------
    >>> import vizcnn as vz
    >>> made = vz.activation_maximization(vz.assets.digits_cnn(), ["3", "8"], steps=4)
    >>> made.values.shape, made.target, made.history.shape
    ((2, 28, 28, 1), ('3', '8'), (4, 2))
    """

    values: np.ndarray
    scores: np.ndarray
    target: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    history: np.ndarray
    frames: np.ndarray
    model: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    kind: ClassVar[str] = "images"

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<Images {self.method!r} of {self.model!r}, values {self.values.shape}>"

    def _check(self) -> None:
        shapes = Shapes()
        shapes.check("values", self.values, "N", "H", "W", "C")
        shapes.check("scores", self.scores, "N")
        shapes.count("target", self.target, "N")
        shapes.count("predictions", self.predictions, "N", empty=True)
        shapes.check("history", self.history, None, None, empty=True)
        shapes.check("frames", self.frames, None, "N", "H", "W", "C", empty=True)

    @takes_style("title")
    def plot(self, ax: Any = None, *, columns: int | None = None, **style: Any) -> Any:
        """Draw the images as one montage, each with what it was made for and what the model takes it for.

        Parameters
        ----------
        ax : Axes, default None
            Where to draw; None: a new figure.
        columns : int, default None
            Images in a row; None: so that the montage is somewhat wider than high.
        **style
            `title` of `vizcnn.render.montage.draw_montage`.

        Returns
        -------
        Axes
            What was drawn on.

        Examples
        --------
        >>> import vizcnn as vz
        >>> made = vz.activation_maximization(vz.assets.digits_cnn(), "3", steps=2, parametrization="pixel")
        >>> made.plot(title="what a 3 looks like").get_title()
        'what a 3 looks like'
        """
        from vizcnn.render import montage

        labels = [self._label(i) for i in range(len(self))]
        pictures = montage.to_rgb(self.values)
        with montage.on_axes(ax) as axes:
            return montage.draw_montage(axes[0], pictures, signed=False, labels=labels, columns=columns, **style)

    def _label(self, index: int) -> str:
        predicted = self.predictions[index]
        if predicted.label != self.target[index] or predicted.probability is None:
            return self.target[index]
        return f"{self.target[index]} {predicted.probability:.2f}"

    def save_animation(self, path: str | os.PathLike[str], *, milliseconds: int = 80) -> Path:
        """Write the frames as an animated GIF.

        Parameters
        ----------
        path : path
            Where to; it must end in ``.gif``.
        milliseconds : int, default 80
            How long each frame is shown.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OptionError
            If there are no frames, or the suffix is another.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> made = vz.activation_maximization(vz.assets.digits_cnn(), "3", steps=4, frames=2, parametrization="pixel")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made.save_animation(f"{folder}/three.gif").read_bytes()[:6]
        b'GIF89a'
        """
        from vizcnn.render import montage, raster

        if not len(self.frames) or Path(path).suffix.lower() != ".gif":
            raise OptionError("`path` must end in .gif, and the images be made with frames=N, to be animated.")
        columns = montage.columns_for(self.frames.shape[1])
        frames = (montage.montage(montage.to_rgb(frame), columns=columns, gap=1, blank=1.0) for frame in self.frames)
        pixels = (raster.enlarged(np.rint(frame * 255).astype(np.uint8), _GIF_WIDTH, wide=True) for frame in frames)
        return write_file(path, partial(raster.write_gif, pixels, milliseconds), (".gif",))


_GIF_WIDTH = 480
"""Pixels that an animation is about as wide as, unless its frames are wider."""
