"""The causal check of a group of images: what is lost when a region is covered, there, elsewhere, and on images without it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import baselines
from vizcnn.algorithms.strategies import contrast
from vizcnn.errors import VizcnnError
from vizcnn.inputs import ImageSet
from vizcnn.resample import shrink
from vizcnn.results.cluster import Covered, Effect
from vizcnn.runs.images import as_given
from vizcnn.runs.open_source import reopened
from vizcnn.runs.redrawing import asked_of, model_of, target_of
from vizcnn.runs.source import Entry, Source, entries_of
from vizcnn.targets import Score, resolve_on

ELSEWHERE = 4
"""Places beside the region that are covered for comparison."""

_THUMBNAIL = 96
"""Pixels, down and across, of an image that is kept to be shown."""

Row = Mapping[str, Any]
Shares = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Coverer:
    """Covers regions of images of a run.

    Attributes
    ----------
    asked : any target
        What the run was to explain, as `asked_of` returns it.
    model : ModelAdapter
        The model.
    source : Source
        Where the images are.
    entries : dict of str to Entry
        Those that may be asked for, by their paths.
    shape : tuple of int
        Shape (H, W, C) that they are brought to.
    """

    asked: Any
    model: ModelAdapter
    source: Source
    entries: Mapping[str, Entry]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, about: Mapping[str, Any], model: Any, paths: Collection[str]) -> Coverer:
        """Open the model and the source of a run.

        Parameters
        ----------
        about : mapping
            The manifest of the run.
        model : path, keras.Model or ModelAdapter
            The model; None: the file that the run had.
        paths : collection of str
            What the images are called that will be asked for.

        Returns
        -------
        Coverer

        Raises
        ------
        VizcnnError
            If one of them isn't there any more, or what was explained can't be asked again.
        """
        source, adapter = reopened(about["source"]), model_of(about, model)
        shape = tuple(about["settings"]["input_shape"])
        return cls(asked_of(about, adapter), adapter, source, entries_of(source, paths), shape)

    def load(self, rows: Sequence[Row]) -> tuple[list[Row], ImageSet | None]:
        """Read images of a run, but for those that aren't there, or aren't what they were.

        Returns
        -------
        (list of mapping, ImageSet or None)
            The rows of those that are, and the images; None where there are none.
        """
        found = [(row, data) for row, data in self._read(rows)]
        if not found:
            return [], None
        images = [as_given(data, row["path"]) for row, data in found]
        return [row for row, _ in found], self.model.load_images(images, self.shape)

    def _read(self, rows: Sequence[Row]) -> Iterator[tuple[Row, Any]]:
        for row in rows:
            try:
                data = self.source.read(self.entries[row["path"]])
            except (KeyError, VizcnnError):
                continue
            if not isinstance(data, bytes) or hashlib.sha256(data).hexdigest() == row["sha256"]:
                yield row, data

    def thumbnails(self, rows: Sequence[Row]) -> np.ndarray:
        """Return images as the model sees them, small.

        Returns
        -------
        ndarray of uint8, shape (n, H, W, C)
            No more than 96 pixels down and across.
        """
        _, images = self.load(rows)
        if images is None:
            return np.empty((0, 1, 1, 1), np.uint8)
        row = np.empty(images.sample_shape, np.float32)
        pictures = []
        for index in range(len(images)):
            images.read(index, row)
            pictures.append(shrink(np.clip(np.round(row), 0, 255).astype(np.uint8), _THUMBNAIL))
        return np.stack(pictures)

    def check(self, rows: Sequence[Row], others: Sequence[Row], box: Shares, seed: int) -> Covered | None:
        """Cover a region.

        Parameters
        ----------
        rows : sequence of mapping
            Rows of images of the cluster.
        others : sequence of mapping
            Those of images of the class whose maps have little there.
        box : tuple of float
            The region: top, left, bottom and right, as shares of the image.
        seed : int
            Seed of the places elsewhere.

        Returns
        -------
        Covered or None
            None where no image of the cluster is there any more.
        """
        read, images = self.load(rows)
        if images is None:
            return None
        inputs = images.inputs(slice(None))
        size = inputs.shape[1:3]
        window = _pixels(box, size)
        score = self._score(read, images, inputs)
        here, drops = self._effect(read, inputs, score, [window])
        places = _elsewhere(window, size, seed)
        elsewhere, other_places = self._effect(read, inputs, score, places) if places else (None, drops)
        beside, difference = None, float("nan")
        other_rows, other_images = self.load(others)
        if other_images is not None:
            inputs = other_images.inputs(slice(None))
            score = self._score(other_rows, other_images, inputs)
            beside, other_drops = self._effect(other_rows, inputs, score, [window])
            typical = float(np.median(np.abs([*drops, *other_places]))) or 1.0  # whatever the units of the scores are
            difference = float(contrast(drops / typical, other_drops / typical))
        return Covered(here, elsewhere, beside, difference)

    def _score(self, rows: Sequence[Row], images: ImageSet, inputs: np.ndarray) -> Score:
        """Return what was explained of images; what the model chooses there is settled, whatever is covered."""
        target = [target_of(self.asked, row) for row in rows]
        score = resolve_on(target[0] if all(one == target[0] for one in target) else target, self.model, images)
        if score.open_choices:
            score = self.model.with_predicted_classes(inputs, score, self.model.outputs(inputs))
        return score

    def _effect(
        self, rows: Sequence[Row], inputs: np.ndarray, score: Score, windows: Sequence[_Window]
    ) -> tuple[Effect, np.ndarray]:
        """Return what covering does, over all windows; and how far each image's score falls."""
        before = self._answers(inputs, score, rows)
        fill = np.broadcast_to(baselines(inputs, "mean", (1.0, 1.0)), inputs.shape)
        after = []
        for top, left, bottom, right in windows:
            covered = inputs.copy()
            covered[:, top:bottom, left:right] = fill[:, top:bottom, left:right]
            after.append(self._answers(covered, score, rows))
        scores, confidences, right_ones = (np.mean(part, axis=0) for part in zip(*after, strict=True))
        drops = before[0] - scores
        return (
            Effect(
                len(rows),
                float(drops.mean()),
                float(before[1].mean()),
                float(confidences.mean()),
                float(before[2].mean()),
                float(right_ones.mean()),
            ),
            drops,
        )

    def _answers(
        self, inputs: np.ndarray, score: Score, rows: Sequence[Row]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return scores, probabilities of the explained class, and whether the prediction is right; NaN where unknown."""
        scores, outputs = self.model.scores_and_outputs(inputs, score)
        predicted, _, _ = self.model.class_outputs(outputs)
        is_predicted = score.output == self.model.output_name(None)  # the class is one of those that labels name
        probabilities, right = np.full((2, len(rows)), np.nan)
        for at, (row, index) in enumerate(zip(rows, score.classes, strict=True)):
            true = index if row["label_class"] is None and is_predicted else row["label_class"]
            if true is not None:
                right[at] = predicted[at] == true
        classes = [index for index in score.classes if index is not None]
        if len(classes) == len(rows):
            _, values, is_probability = self.model.class_outputs(outputs, score.output)
            if is_probability:
                probabilities = values[np.arange(len(rows)), classes].astype(np.float64)
        return np.asarray(scores, np.float64), probabilities, right


_Window = tuple[int, int, int, int]


def _pixels(box: Shares, size: Sequence[int]) -> _Window:
    """Return the pixels that a region touches."""
    height, width = size
    top, left = int(box[0] * height + 1e-6), int(box[1] * width + 1e-6)
    return top, left, min(height, int(np.ceil(box[2] * height - 1e-6))), min(width, int(np.ceil(box[3] * width - 1e-6)))


def _elsewhere(window: _Window, size: Sequence[int], seed: int) -> list[_Window]:
    """Return places of a window's size that don't meet it; as many as are found, each drawn by chance."""
    top, left, bottom, right = window
    height, width = bottom - top, right - left
    generator = np.random.default_rng(seed)
    found: list[_Window] = []
    for _ in range(50 * ELSEWHERE):
        row, column = (
            int(generator.integers(0, of - length + 1)) for of, length in zip(size, (height, width), strict=True)
        )
        if row + height <= top or row >= bottom or column + width <= left or column >= right:
            found.append((row, column, row + height, column + width))
        if len(found) == ELSEWHERE:
            break
    return found
