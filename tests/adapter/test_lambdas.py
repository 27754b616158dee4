"""Lambdas in files: arithmetic is read from their code, and none of that code is run."""

from __future__ import annotations

import base64
import marshal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import vizcnn as vz
from tests.rounding import assert_same_sums
from vizcnn.adapter.loading import load_model
from vizcnn.adapter.loading.lambdas import ReadLambda, read_lambdas
from vizcnn.adapter.loading.lambdas.instructions import VERSIONS
from vizcnn.adapter.loading.lambdas.layer import LambdaExpression, evaluated
from vizcnn.adapter.loading.lambdas.marshalled import Malformed, read_code
from vizcnn.errors import ModelFileError

K: Any = None  # what stored code calls by name, and nothing here
tf: Any = None
os: Any = None
helper: Any = None
SIZE = 3
PIXELS = np.random.default_rng(0).uniform(0, 1, (2, 4, 3, 2)).astype(np.float32)


def closed(scale: float) -> Callable[[Any], Any]:
    return lambda x: x * scale + 1.0


READ = {
    "x / 127.5 - 1": lambda x: x / 127.5 - 1,
    "abs(x[..., 1:] - 0.5)": lambda x: abs(x[..., 1:] - 0.5),
    "keras.ops.mean(x, axis=(1, 2), keepdims=True) + x": lambda x: keras.ops.mean(x, axis=(1, 2), keepdims=True) + x,
    "x * 2.5 + 1.0": closed(2.5),
    "x ** 2 / 4.0": lambda x, exponent=2, scale=4.0: x**exponent / scale,
}


def with_a_lambda(function: Any, **options: Any) -> Any:
    image = keras.Input(PIXELS.shape[1:])
    scaled = layers.Lambda(function, name="scale", **options)(image)
    return keras.Model(image, layers.Dense(2, name="out")(layers.Flatten()(scaled)), name="m")


def read(function: Any, **config: Any) -> ReadLambda:
    code = base64.b64encode(marshal.dumps(function.__code__)).decode()
    cells = function.__closure__ and [cell.cell_contents for cell in function.__closure__]
    stored = [code, function.__defaults__ and list(function.__defaults__), cells]
    node = {"class_name": "Lambda", "config": {"name": "scale", "function": stored, "arguments": {}, **config}}
    (one,) = read_lambdas(node, "2.15.0", ())
    return one


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("text", READ)
def test_a_model_with_arithmetic_in_a_lambda_predicts_what_it_predicted(tmp_path: Path, text: str, suffix: str) -> None:
    model, path = with_a_lambda(READ[text]), tmp_path / f"model{suffix}"
    model.save(path)
    loaded = load_model(path)
    assert f"scale: {text}" in loaded.repairs
    assert isinstance(loaded.model.get_layer("scale"), LambdaExpression)
    assert_same_sums(loaded.model.predict(PIXELS, verbose=0), model.predict(PIXELS, verbose=0), 24)


def test_a_lambda_inside_a_nested_and_a_wrapped_layer_is_read(tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((4, 3, 2)), layers.Lambda(lambda x: x - 1, name="shift")], name="inner")
    clip = keras.Input((2, 4, 3, 2))
    model = keras.Model(clip, layers.TimeDistributed(inner, name="each")(clip))
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert "shift: x - 1" in loaded.repairs
    values = np.ones((1, 2, 4, 3, 2), np.float32)
    np.testing.assert_array_equal(loaded.model.predict(values, verbose=0), values - 1)


def test_arguments_and_output_shape_of_a_lambda_are_read(tmp_path: Path) -> None:
    image = keras.Input((4, 3, 2))
    scaled = layers.Lambda(lambda x, scale: x[:, 0] * scale, arguments={"scale": 3.0}, output_shape=(3, 2))(image)
    model = keras.Model(image, scaled)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        load_model(tmp_path / "model.keras").model.predict(PIXELS, verbose=0), PIXELS[:, 0] * 3
    )


@pytest.mark.filterwarnings("ignore:Layer 'ended' .of type Lambda. was passed an input with a mask")
def test_the_mask_of_a_lambda_is_read(tmp_path: Path) -> None:
    steps = keras.Input((4, 2))
    masked = layers.Masking()(steps)
    kept = layers.Lambda(lambda x: x * 2, mask=lambda inputs, mask: mask, name="kept")(masked)
    ended = layers.Lambda(lambda x: x * 2, name="ended")(masked)
    outputs = [layers.LSTM(2, name=name)(value) for name, value in (("a", kept), ("b", ended))]
    model = keras.Model(steps, outputs)
    model.save(tmp_path / "model.keras")
    values = np.ones((1, 4, 2), np.float32)
    values[:, 2:] = 0
    loaded = load_model(tmp_path / "model.keras").model
    for result, wanted in zip(loaded.predict(values, verbose=0), model.predict(values, verbose=0), strict=True):
        assert_same_sums(result, wanted, 8, 8)


def test_random_sampling_is_read_as_its_mean_and_told_on_results(tmp_path: Path) -> None:
    image = keras.Input((4, 3, 1))
    flat = layers.Flatten()(image)
    sampled = layers.Lambda(
        lambda t: t[0] + keras.ops.exp(t[1]) * keras.random.normal((1, 12)), output_shape=(12,), name="z"
    )([flat, flat])
    model = keras.Model(image, layers.Dense(2)(sampled))
    model.save(tmp_path / "model.keras")
    cnn = vz.adapt(tmp_path / "model.keras")
    values = np.arange(12, dtype=np.float32).reshape(1, 4, 3, 1)
    result = vz.saliency(cnn, values, 0)
    (note,) = [note for note in result.notes if note.kind == "sampling"]
    assert "keras.random.normal((1, 12))); here they are their mean" in note
    kernel = np.abs(keras.ops.convert_to_numpy(model.layers[-1].kernel)[:, 0])
    assert_same_sums(result.values[0].ravel(), kernel, 12)


REFUSED = {
    "it calls tf.py_function": lambda x: tf.py_function(x),
    "it calls helper": lambda x: helper(x) + 1,
    "it calls os.system": lambda x: os.system("touch here") or x,
    "it calls K.ctc_batch_cost": lambda x: K.ctc_batch_cost(x[0], x[1], x[2], x[3]),
    "it uses SIZE, which the file doesn't hold": lambda x: x * SIZE,
    "it branches on what it computes": lambda x: x if x[0, 0] else 2 * x,
    "it has a function of its own": lambda x: (lambda y: y)(x),
    "it uses its parameter 'scale', whose value the file doesn't hold": lambda x, scale: x * scale,
    "it calls .numpy of what it computes": lambda x: x.numpy(),
    "it takes no input": lambda: 1,
    "it makes a dict": lambda x: {"a": x, x: 2},
    "it writes texts": lambda x: x + float(f"{x}"),
    "it computes what can't be: 2 ** 9999, a number of more than 64 bits": lambda x, exponent=9999: x * 2**exponent,
    "it computes what can't be: a list of more than 10,000 entries": lambda x, n=20_000: x * ([1] * n),
    "it calls keras.ops.map": lambda x: keras.ops.map(None, x),
    "it calls keras.utils.get_file": lambda x: keras.utils.get_file(x),
    "it has a loop": None,
}


def looped(x: Any) -> Any:
    for _ in range(3):
        x = x * 2
    return x


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_more_than_arithmetic_is_refused_by_its_name(tmp_path: Path, reason: str) -> None:
    one = read(REFUSED[reason] or looped)
    assert one.reading is None
    assert one.why_not == reason


def test_the_refusal_says_what_cannot_be_read(tmp_path: Path) -> None:
    image = keras.Input((2,))
    model = keras.Model(image, layers.Lambda(lambda x: helper(x), name="odd", output_shape=(2,))(image), name="m")
    model.save(tmp_path / "model.keras")
    with pytest.raises(
        ModelFileError, match=r"'m/odd' \(Lambda\) runs .* can't be read as arithmetic: it calls helper\. If you trust"
    ):
        load_model(tmp_path / "model.keras")


def test_trusted_code_runs_as_it_is(tmp_path: Path) -> None:
    model = with_a_lambda(lambda x: x / 2)
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", trusted=True)
    assert loaded.repairs == ()
    assert type(loaded.model.get_layer("scale")) is layers.Lambda


def test_a_layer_that_was_read_is_made_anew_of_its_configuration() -> None:
    one = read(lambda x: x[:, 1:, ..., None] * 2 - abs(x[:, :-1, ..., None]))
    assert one.reading is not None
    layer = LambdaExpression(one.reading.program.to_json(), one.reading.text, name="same")
    again = LambdaExpression.from_config(layer.get_config())
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(each(PIXELS)) for each in (layer, again)))
    assert again.get_config() == layer.get_config()


def test_a_file_cannot_name_the_layer_that_takes_the_place_of_a_lambda(tmp_path: Path) -> None:
    with keras.saving.custom_object_scope({"LambdaExpression": LambdaExpression}):
        image = keras.Input((2,))
        keras.Model(image, LambdaExpression({"steps": [], "result": {"value": 0}})(image)).save(
            tmp_path / "model.keras"
        )
    with pytest.raises(ModelFileError, match="which isn't part of Keras"):
        load_model(tmp_path / "model.keras")


def test_a_value_larger_than_any_model_needs_is_not_computed() -> None:
    one = read(lambda x: keras.ops.tile(x, (1, 2**20, 2**20, 1)))
    assert one.reading is not None
    layer = LambdaExpression(one.reading.program.to_json())
    with pytest.raises(ValueError, match="numbers; more than 268,435,456 are not computed"):
        layer(keras.Input((4, 4, 1)))


# Expressions -------------------------------------------------------------------------------------------------------------------

NUMBERS = st.sampled_from(["2", "0.5", "-3", "127.5", "1e-3"])
LEAVES = st.one_of(NUMBERS, st.sampled_from(["x", "x[:, ::-1]", "x[:, :1]", "-x", "abs(x)"]))
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(inner, NUMBERS).map(lambda parts: f"({parts[0]} / {parts[1]})"),
        inner.map(lambda part: f"abs({part})"),
        inner.map(lambda part: f"-{part}"),
        inner.map(lambda part: f"({part})**2"),
    ),
    max_leaves=12,
)


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="its numbers are of 32 bits, and differences may be all of them"
)
@settings(max_examples=60, deadline=None)
@given(EXPRESSIONS)
def test_any_arithmetic_is_read_as_what_python_computes(expression: str) -> None:
    function = eval(f"lambda x: x + ({expression})")
    one = read(function)
    assert one.reading is not None, one.why_not
    values = PIXELS[0].astype(np.float64)
    with np.errstate(all="ignore"):
        wanted, shown = function(values), eval(f"lambda x: {one.reading.text}")(values)
    program = one.reading.program
    result = keras.ops.convert_to_numpy(evaluated(program, keras.ops.convert_to_tensor(values), None))
    np.testing.assert_allclose(result, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())
    if "…" not in one.reading.text:
        np.testing.assert_allclose(shown, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())


# Pythons that nobody has at hand: put together by hand, with the numbers of their instructions -----------

THREE_5 = (  # LOAD_FAST 0; LOAD_CONST 0; BINARY_TRUE_DIVIDE; LOAD_CONST 1; BINARY_SUBTRACT; RETURN_VALUE
    b"c" + struct.pack("<5I", 1, 0, 1, 2, 3) + b"s\x0c\0\0\0|\0\0d\0\0\x1bd\1\0\x18S"
    b")\2g"
    + struct.pack("<d", 127.5)
    + b"i\1\0\0\0"
    + b")\0"
    + b")\1z\1x"
    + b")\0" * 2
    + b"z\1f" * 2
    + b"\1\0\0\0s\0\0\0\0"
)
THREE_14 = (  # RESUME; LOAD_FAST_BORROW 0; LOAD_CONST 0, a slice; BINARY_OP []; LOAD_SMALL_INT 3; BINARY_OP *; RETURN_VALUE
    b"c" + struct.pack("<5I", 1, 0, 0, 2, 3)
    + b"s\x22\0\0\0" + bytes([128, 0, 86, 0, 82, 0, 44, 26, *[0] * 10, 94, 3, 44, 5, *[0] * 10, 35, 0])
    + b")\1:Ni\2\0\0\0N" + b")\0" + b")\1z\1x" + b"s\1\0\0\0\x26" + b"z\1f" * 3 + b"\1\0\0\0" + b"s\0\0\0\0" * 2
)  # fmt: skip


@pytest.mark.parametrize(("code", "text"), [(THREE_5, "x / 127.5 - 1"), (THREE_14, "x[:2] * 3")], ids=["3.5", "3.14"])
def test_code_of_pythons_that_is_put_together_by_hand_is_read(code: bytes, text: str) -> None:
    stored = {"name": "scale", "function": [base64.b64encode(code).decode(), None, None]}
    (one,) = read_lambdas({"class_name": "Lambda", "config": stored}, None, ())
    assert one.reading is not None, one.why_not
    assert one.reading.text == text


# Hostile code ------------------------------------------------------------------------------------------------------------------


def code_around(constants: bytes) -> bytes:
    """Return the code of a function of Python 3.11 with constants that are given as they are."""
    head = b"c" + struct.pack("<5I", 1, 0, 0, 1, 3)
    rest = b")\0" + b")\1z\1x" + b"s\1\0\0\0 " + b"z\1f" * 3 + struct.pack("<I", 1) + b"s\0\0\0\0" * 2
    return head + b"s\4\0\0\0|\0S\0" + constants + rest


def pairs_of_pairs(depth: int) -> bytes:
    """Return a list of pairs, each of which holds the one before it twice."""
    parts = [b"\xa9\2NN"]
    parts += [b"\xa9\2" + (b"r" + struct.pack("<I", number)) * 2 for number in range(depth)]
    return b"(" + struct.pack("<I", len(parts)) + b"".join(parts)


HOSTILE = {
    "it ends too early": code_around(b")\0")[:-3],
    "nested too deeply": code_around(b")\1" * 200 + b"N"),
    "a list is longer than all of it": code_around(b"(\xff\xff\xff\xff"),
    "holds more than 20,000 values": code_around(pairs_of_pairs(40)),
    "refers to what isn't there": code_around(b")\1r\7\0\0\0"),
    "a number of more than 120 bits": code_around(b")\1l\xff\xff\xff\x7f"),
    "a value of the sort b'{'": code_around(b")\1{NN0"),
    "bytes, and more than 65,536": code_around(b"s" + struct.pack("<I", 70_000) + bytes(70_000)),
    "no code of a function alone": code_around(b")\0") + b"N",
    "names that are none": code_around(b"N"),
}


@pytest.mark.parametrize("reason", HOSTILE)
def test_hostile_code_is_refused(reason: str) -> None:
    assert read_code(code_around(b")\0"), (3, 11)).variables == ("x",)
    with pytest.raises(Malformed, match=reason):
        read_code(HOSTILE[reason], (3, 11))


def test_code_that_is_changed_at_random_is_read_or_refused() -> None:
    rng = np.random.default_rng(0)
    codes = [marshal.dumps(function.__code__) for function in READ.values()]
    outcomes = {True: 0, False: 0}
    for number in range(400):
        data = bytearray(codes[number % len(codes)])
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = rng.integers(256)
        stored = {
            "function": [base64.b64encode(bytes(data)).decode(), [2, 4.0], [2.5]],
            "arguments": {},
            "name": "changed",
        }
        (one,) = read_lambdas({"class_name": "Lambda", "config": stored}, None, ())
        outcomes[one.reading is not None] += 1
        assert (one.reading is None) == bool(one.why_not)
    assert min(outcomes.values()) > 20


def test_the_newest_python_of_xdis_is_among_those_that_are_read() -> None:
    assert VERSIONS[0] == (2, 7)
    assert {(3, minor) for minor in range(6, 14)} <= set(VERSIONS)
