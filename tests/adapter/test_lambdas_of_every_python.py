"""The code of every Python since 2.7 is read as what TensorFlow computed by it: `tests/legacy/write_lambdas.py` made the data."""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.legacy.write_lambdas import inputs
from tests.rounding import assert_same_sums
from vizcnn.adapter.loading.lambdas import ReadLambda, read_lambdas
from vizcnn.adapter.loading.lambdas.layer import LambdaExpression

FILE = Path(__file__).parents[1] / "legacy" / "lambdas.json.xz"


@cache
def stored() -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(lzma.decompress(FILE.read_bytes()))
    return whole


PYTHONS = list(stored()["codes"])
DEFAULTS = {"image/default": [127.5, 1], "vector/squash": [-1]}


def read(key: str, code: str) -> ReadLambda:
    config = {"name": "lambda", "function": [code, DEFAULTS.get(key), None], "arguments": {}}
    version = "2.2.4" if key.startswith("tensorflow_1") else "2.15.0"
    (one,) = read_lambdas({"class_name": "Lambda", "config": config}, version, ())
    return one


@cache
def programs(key: str) -> dict[str, list[str]]:
    """Return what was read of a function, and the versions of Python that it was read of."""
    found: dict[str, list[str]] = {}
    for python, codes in stored()["codes"].items():
        if key in codes:
            one = read(key, codes[key])
            assert one.reading is not None, (python, one.why_not)
            found.setdefault(json.dumps(one.reading.program.to_json()), []).append(python)
    return found


@pytest.mark.parametrize("key", list(stored()["expected"]))
def test_a_function_computes_what_it_computed_in_tensorflow(key: str) -> None:
    if key == "image/resized_bicubic" and keras.backend.backend() == "torch":
        pytest.skip("Keras's bicubic resizing is another on PyTorch")
    values, expected = inputs(key.partition("/")[0]), stored()["expected"][key]
    wanted = np.array(expected["values"], np.float32).reshape(expected["shape"])
    tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, values)
    for program in programs(key):
        layer = LambdaExpression(json.loads(program))
        result = keras.ops.convert_to_numpy(layer(tensors)).astype(np.float32)
        assert result.shape == wanted.shape
        assert_same_sums(result, wanted, 300)


@pytest.mark.parametrize("python", PYTHONS)
def test_all_functions_are_read_that_a_python_compiles(python: str) -> None:
    codes = stored()["codes"][python]
    assert len(codes) >= len(stored()["sources"]) - 1  # Python 2 has no operator @
    for key in codes:
        assert any(python in pythons for pythons in programs(key).values())
