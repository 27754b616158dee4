"""Where the examples write to: `out/` of the clone, which git ignores."""

from __future__ import annotations

import os
from pathlib import Path

OUT = Path(os.path.relpath(Path(__file__).resolve().parents[1] / "out"))
OUT.mkdir(exist_ok=True)
