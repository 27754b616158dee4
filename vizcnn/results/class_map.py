"""Maps of classes: what the model predicts while each position of the image is changed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from vizcnn.errors import ResultError
from vizcnn.files import PICTURES, write_file
from vizcnn.render.keywords import takes_style
from vizcnn.results.checks import Shapes, check_indices, check_kind


class WithClassMap:
    """The part of a result that is about the classes in `extras`."""

    method: str
    values: np.ndarray
    options: dict[str, Any]
    extras: dict[str, np.ndarray]
    class_labels: tuple[str, ...]

    @property
    def class_map(self) -> np.ndarray | None:
        """The class that the model predicts while each position is hidden, (N, rows, columns); None where there is none."""
        return self.extras.get("class_map")

    def _check_class_map(self, shapes: Shapes) -> None:
        for name, array in self.extras.items():
            if array.dtype.kind in "iu" and self.class_labels:
                check_indices(name, np.unique(array).tolist(), len(self.class_labels))
        if self.class_map is not None:
            shapes.check("class_map", self.class_map, "N", *[None] * (self.values.ndim - 1), kinds="iu")
            for name in ("patch_size", "stride"):
                check_kind(name, self.options.get(name), int | tuple[int, ...] | None)

    def tally(self, index: int = 0) -> dict[str, int]:
        """Count for how many positions of the hidden patch each class was predicted; the most frequent first.

        Parameters
        ----------
        index : int, default 0
            Which image.

        Returns
        -------
        dict of str to int

        Raises
        ------
        ResultError
            If the method has no map of classes.

        Examples
        --------
        >>> import vizcnn as vz
        >>> hidden = vz.occlusion(vz.assets.digits_cnn(), vz.assets.digits()[3], patch_size=14, stride=7)
        >>> hidden.class_map.shape, hidden.tally()
        ((1, 3, 3), {'3': 8, '5': 1})
        """
        if self.class_map is None:
            raise ResultError(f"Method {self.method!r} has no map of predicted classes; occlusion has one.")
        counts = Counter(self.class_map[index].ravel().tolist())
        return {self.class_labels[cls]: count for cls, count in counts.most_common()}

    @takes_style("index", "alpha", "legend", "title")
    def plot_classes(self, ax: Any = None, **style: Any) -> Any:
        """Draw which class the model predicts while each position is hidden, over the images, with the tally as a legend.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default None
            Where to draw: one Axes for one image, a sequence for several. None: a new figure.
        **style
            `index` (draw this image alone), `alpha` (opacity; default 0.6), `legend`, `title` (both default True).

        Returns
        -------
        Axes or ndarray of Axes
            What was drawn on.

        Raises
        ------
        ResultError
            If the method has no map of classes.

        Examples
        --------
        >>> import vizcnn as vz
        >>> hidden = vz.occlusion(vz.assets.digits_cnn(), vz.assets.digits()[3], patch_size=14, stride=7)
        >>> [text.get_text() for text in hidden.plot_classes().get_legend().get_texts()]
        ['3 (nothing hidden): 8 of 9', '5: 1 of 9']
        """
        from vizcnn.render.class_map import plot_class_maps
        from vizcnn.results.panels import class_panels

        self._check_class_map_is_drawn()
        return plot_class_maps(class_panels(self, style.pop("index", None)), ax, **style)

    @takes_style("index", "alpha", "legend", "title")
    def save_classes(self, path: str | os.PathLike[str], **style: Any) -> Path:
        """Write the picture that `plot_classes` draws.

        Parameters
        ----------
        path : path
            Where to; folders on the way are made.
        **style
            As `plot_classes` takes them.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ResultError
            If the method has no map of classes, the suffix is unknown, or the file can't be written.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> hidden = vz.occlusion(vz.assets.digits_cnn(), vz.assets.digits()[3], patch_size=14, stride=7)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     hidden.save_classes(f"{folder}/hidden.png").name
        'hidden.png'
        """
        from vizcnn.render.class_map import save_class_maps
        from vizcnn.results.panels import class_panels

        self._check_class_map_is_drawn()
        panels = class_panels(self, style.pop("index", None))
        return write_file(
            path, lambda file: save_class_maps(panels, file, Path(path).suffix.lower(), **style), PICTURES
        )

    def _check_class_map_is_drawn(self) -> None:
        if self.class_map is None:
            raise ResultError(f"Method {self.method!r} has no map of predicted classes; occlusion has one.")
        if self.class_map.ndim != 3:
            raise ResultError(
                "Maps of classes are drawn over images; of signals and volumes `tally` counts the classes."
            )
