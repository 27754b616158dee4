"""Which files this process opens."""

from __future__ import annotations

import os
import sys
from typing import Any

opened: list[str] = []
"""Files that were opened, or folders that were listed, while this list was looked at."""


@sys.addaudithook
def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opened.append(os.fsdecode(arguments[0]))
