"""ONNX files, run by ONNX Runtime (the extra ``vizcnn[onnx]``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from vizcnn.adapter.blackbox import Source, as_kind
from vizcnn.adapter.runtimes.onnx_check import endings, strange_files
from vizcnn.errors import ModelFileError

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}


def open_onnx(file: Path, *, trusted: bool = False) -> Source:
    """Open an ONNX model; its channels may come first or last.

    Parameters
    ----------
    file : Path
        The file.
    trusted : bool, default False
        Read weights from any other file, too.

    Returns
    -------
    Source

    Raises
    ------
    ModelFileError
        If the file is damaged, takes no image, or reads other files than those beside it.
    """
    try:
        content = file.read_bytes()
        strange = [] if trusted else strange_files(content, file.parent)
    except Exception as error:
        raise ModelFileError(
            f"`model` file {str(file)!r} is an ONNX model that can't be run: it is damaged."
        ) from error
    if strange:
        raise ModelFileError(
            f"`model` file {str(file)!r} isn't opened: it reads {', '.join(strange)}, which is not a file of its folder. If you "
            f"trust whoever made it, pass safe_mode=False to vizcnn.adapt, or --trusted on the command line."
        )
    try:
        session = onnxruntime.InferenceSession(str(file), providers=onnxruntime.get_available_providers())
        inputs = session.get_inputs()
        wanted = [part.name for part in inputs]  # names are bytes that nobody checked before
        ranks = {part.name: len(part.shape or ()) for part in session.get_outputs()}
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelFileError(f"`model` file {str(file)!r} is an ONNX model that can't be run: {reason}") from error
    sizes = inputs[0].shape if len(inputs) == 1 else []
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in sizes)
    if len(inputs) != 1 or len(shape) != 4 or inputs[0].type not in _TYPES:
        described = [f"{part.name} {part.shape} {part.type}" for part in inputs]
        raise ModelFileError(f"`model` file {str(file)!r} takes {described}; vizcnn explains models of one image.")
    channels_first = shape[1] in (1, 3, 4) and shape[3] not in (1, 3, 4)
    kind = _TYPES[inputs[0].type]

    def run(batch: np.ndarray) -> Any:
        moved = np.ascontiguousarray(batch.transpose(0, 3, 1, 2)) if channels_first else batch
        return dict(zip(ranks, session.run(list(ranks), {wanted[0]: as_kind(moved, kind)}), strict=True))

    sample = (shape[2], shape[3], shape[1]) if channels_first else shape[1:]
    return Source(run, sample, "ONNX", shape[0], endings=endings(content, ranks), channels_first=channels_first)
