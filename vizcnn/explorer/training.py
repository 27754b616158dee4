"""The folder of a training: what `ExplainCallback` left there, epoch by epoch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vizcnn.errors import OptionError
from vizcnn.explorer.asked import whole
from vizcnn.explorer.studio import KeptFolder

CHECKPOINTS = (".keras", ".h5", ".hdf5")
"""Files that a training leaves of its model."""

WEIGHTS = ".weights.h5"
"""What it leaves of its weights alone, which are no model."""

_FRAME = re.compile(r"(.+)\.(\d{4,})\.png")


class Training(KeptFolder):
    """The folder that `ExplainCallback` left: a picture of each image and method after each epoch.

    Parameters
    ----------
    folder : Path
        The folder.
    """

    kind = "training"

    def __init__(self, folder: Path) -> None:
        self.pictures: dict[str, dict[int, Path]] = {}
        self.checkpoints: list[Path] = []
        for file in sorted(folder.iterdir()):
            found = _FRAME.fullmatch(file.name)
            if found:
                self.pictures.setdefault(found[1], {})[int(found[2])] = file
            elif file.name.lower().endswith(CHECKPOINTS) and not file.name.lower().endswith(WEIGHTS):
                self.checkpoints.append(file)

    def model_file(self) -> str | None:
        """Return the latest checkpoint that lies beside the pictures; None where there is none.

        Returns
        -------
        str or None
        """
        latest = max(self.checkpoints, key=lambda file: file.stat().st_mtime, default=None)
        return None if latest is None else str(latest)

    def about(self) -> dict[str, Any]:
        """Return which pictures there are: of each series its epochs."""
        return {"series": [{"name": name, "epochs": sorted(frames)} for name, frames in self.pictures.items()]}

    def picture(self, given: Mapping[str, str]) -> bytes:
        """Return one picture."""
        frames = self.pictures.get(given.get("series", ""), {})
        epoch = whole(given, "epoch", 0, 0, 10**9)
        if epoch not in frames:
            raise OptionError("There is no such picture in the folder of the training.")
        return frames[epoch].read_bytes()
