"""How a detector says what it has found: which of its outputs hold boxes and which scores, and in which coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from vizcnn.errors import TargetError, listed

KINDS = ("candidates", "rows", "grid", "detections")

COORDINATES = ("xyxy", "yxyx", "xywh", "center_xywh")


@dataclass(frozen=True, eq=False)
class BoxLayout:
    """How a detector's outputs hold its boxes; what is None is told from their shapes and numbers, and a note says how.

    Parameters
    ----------
    kind : {"candidates", "rows", "grid", "detections"}, default None
        "candidates": boxes (N, A, 4) and scores (N, A, K) of A places that stay the same for all images (SSD, RetinaNet, DETR).
        "rows": both in one output, (N, A, 4 + K) or (N, A, 5 + K), or with the last two axes exchanged (YOLO as it is exported).
        "grid": a map (N, S, S, B * (5 + K)) of B boxes at each place, or several such maps (YOLO as it is trained).
        "detections": what is left after suppression, boxes (N, n, 4), scores (N, n) and classes (N, n), or one output (N, n, 6).
    boxes : str, int, or a sequence of these, default None
        The output of the boxes, by name or position; of rows the one output, of a grid all maps.
    scores : str or int, default None
        The output of the scores.
    classes : str or int, default None
        The output of the classes, of "detections".
    coordinates : str, default None
        "xyxy" (left, top, right, bottom), "yxyx", "xywh" (left, top, width, height) or "center_xywh", in the input's pixels; with
        ``"rel_"`` before it as shares of the input's width and height. Words of `keras.utils.bounding_boxes`.
    anchors : ndarray, default None
        Where the model returns differences from fixed boxes: these, (A, 4), as center x, center y, width, height in the input's
        pixels; of a grid width and height (B, 2), or (maps, B, 2).
    deltas : {"exp", "linear", "sides"}, default "exp"
        What the differences are: shifts in sizes of the anchor and logarithms of sizes (SSD, RetinaNet); shifts and sizes as
        they are, in the units of `coordinates` (MediaPipe); or how far left, top, right and bottom are from its center, in its
        sizes, each as a distribution over 0, 1, 2 ... (YOLOv8), in boxes (N, A, 4 R).
    variances : sequence of 4 floats, default (1, 1, 1, 1)
        What differences are multiplied by first; of SSD often (0.1, 0.1, 0.2, 0.2).
    objectness : bool, default None
        Whether rows have a score of there being any object, as their fifth number.
    probabilities : bool, default None
        Whether the scores are probabilities; False: logits.
    background : int, default None
        The class that says that nothing is there; -1: none is.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> def detector(images):  # two boxes, as shares of the image, and the scores of two classes
    ...     bright = images.mean(axis=(1, 2))
    ...     boxes = np.repeat([[[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]], len(images), axis=0)
    ...     return {"boxes": boxes, "scores": np.stack([bright, 1 - bright], axis=1)}
    >>> model = vz.adapt(detector, input_shape=(8, 8, 2), labels=["cat", "dog"])
    >>> layout = vz.targets.BoxLayout("candidates", coordinates="rel_xyxy", probabilities=True)
    >>> dog = vz.targets.Box((4, 4, 8, 8), "dog", layout=layout)
    >>> model.scores(np.full((1, 8, 8, 2), 0.25, np.float32), dog).round(3)  # the logit of 0.75
    array([1.099], dtype=float32)
    """

    kind: str | None = None
    boxes: Any = None
    scores: str | int | None = None
    classes: str | int | None = None
    coordinates: str | None = None
    anchors: Any = None
    deltas: str = "exp"
    variances: Sequence[float] = (1.0, 1.0, 1.0, 1.0)
    objectness: bool | None = None
    probabilities: bool | None = None
    background: int | None = None
    transposed: bool | None = None

    def __post_init__(self) -> None:
        bare = str(self.coordinates).removeprefix("rel_")
        for name, value, allowed in (
            ("kind", self.kind, KINDS),
            ("deltas", self.deltas, ("exp", "linear", "sides")),
            ("coordinates", None if self.coordinates is None else bare, COORDINATES),
        ):
            if value is not None and value not in allowed:
                also = ", with or without 'rel_' before it" if name == "coordinates" else ""
                raise TargetError(f"`{name}` must be one of {listed(allowed)}{also}; got {getattr(self, name)!r}.")
        if self.anchors is not None:
            anchors = np.asarray(self.anchors, dtype=np.float32)
            if anchors.ndim < 2 or anchors.shape[-1] not in (2, 4) or not np.isfinite(anchors).all():
                raise TargetError(
                    f"`anchors` must be finite boxes (A, 4), or sizes (B, 2) of a grid; got shape {anchors.shape}."
                )
            object.__setattr__(self, "anchors", anchors)
        if len(self.variances) != 4:
            raise TargetError(f"`variances` must be four numbers; got {self.variances!r}.")

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """What tells it from other layouts, hashable."""
        values = {**self.__dict__, "anchors": None if self.anchors is None else self.anchors.tobytes()}
        values["variances"] = tuple(self.variances)
        return tuple(sorted((name, value) for name, value in values.items() if name != "key"))

    def given(self, **told: Any) -> BoxLayout:
        """Return it with what was told from shapes or numbers, where the user said nothing.

        Parameters
        ----------
        **told : any
            Fields.

        Returns
        -------
        BoxLayout

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.BoxLayout(coordinates="xywh").given(kind="rows", coordinates="xyxy").coordinates
        'xywh'
        """
        return replace(self, **{name: value for name, value in told.items() if getattr(self, name) is None})
