"""Images and numbers for TensorBoard, in the event files that it reads (the extra ``vizcnn[tensorboard]``)."""

from __future__ import annotations

import io
import os
import time
from typing import Any

import numpy as np

from vizcnn.errors import OptionError


class EventWriter:
    """Writes to a folder that TensorBoard watches.

    Parameters
    ----------
    folder : path
        The folder.

    Raises
    ------
    OptionError
        If TensorBoard isn't installed, or the folder can't be written to.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise OptionError("`log_dir` requires TensorBoard: pip install 'vizcnn[tensorboard]'.") from error
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        try:
            self._writer = EventFileWriter(os.fspath(folder))
        except OSError as error:
            raise OptionError(f"`log_dir` {str(folder)!r} can't be written: {error.strerror or error}.") from error

    def image(self, tag: str, pixels: np.ndarray, step: int) -> None:
        """Write an image, uint8 (H, W, 3), under a tag."""
        from vizcnn.render.raster import write_png

        buffer = io.BytesIO()
        write_png(pixels, buffer)
        height, width, channels = pixels.shape
        encoded = self._summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=buffer.getvalue()
        )
        self._add(self._summary.Value(tag=tag, image=encoded), step)

    def number(self, tag: str, value: float, step: int) -> None:
        """Write a number under a tag."""
        self._add(self._summary.Value(tag=tag, simple_value=value), step)

    def _add(self, value: Any, step: int) -> None:
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=self._summary(value=[value])))

    def flush(self) -> None:
        """See to it that what was written can be seen."""
        self._writer.flush()
