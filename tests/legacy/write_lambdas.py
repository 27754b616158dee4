"""Writes the code of Python functions as several versions of Python compile it, and what Keras 2's TensorFlow computes by them.

``python write_lambdas.py lambdas.json.xz PYTHON ...`` with tf-keras; the interpreters need nothing but themselves.
"""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

INPUTS = {"image": (2, 6, 4, 3), "vector": (2, 4), "sequence": (2, 5, 3), "matrix": (2, 4, 4)}
"""Shapes of what a function is called on."""

FUNCTIONS: dict[str, dict[str, str]] = {
    "image": {
        "scaled": "lambda x: x / 127.5 - 1",
        "scaled_by_255": "lambda x: x / 255.0 - 0.5",
        "integers": "lambda x: (x - 128) / 128",
        "order": "lambda x: 2 * (1 - x) ** 2 / 3 - -x * (x - 1) - (x - (2 - x))",
        "folded": "lambda x: x * (1.0 / 255) + 2 ** 3",
        "floor": "lambda x: x // 0.5 + x % 0.25",
        "absolute": "lambda x: abs(x - 0.5)",
        "channels": "lambda x: x[:, :, :, :2]",
        "one_channel": "lambda x: x[..., 0:1]",
        "channel_dropped": "lambda x: x[:, :, :, 1]",
        "bgr": "lambda x: x[..., ::-1]",
        "cropped": "lambda x: x[:, 1:-1, 1:3]",
        "steps": "lambda x: x[:, ::2, ::-2]",
        "new_axis": "lambda x: x[:, None] + x[:, tf.newaxis]",
        "mean": "lambda x: K.mean(x, axis=[1, 2])",
        "mean_kept": "lambda x: K.mean(x, axis=[1, 2], keepdims=True)",
        "reductions": "lambda x: K.sum(x, axis=-1) + K.max(x, 3) - K.min(x, axis=(3,)) * K.std(x, axis=-1) + K.var(x, axis=3)",
        "standardized": "lambda x: (x - K.mean(x, axis=(1, 2, 3), keepdims=True)) / (K.std(x, axis=(1, 2, 3), keepdims=True) + K.epsilon())",
        "caffe": "def f(x):\n    mean = [103.939, 116.779, 123.68]\n    x = x[..., ::-1]\n    return x * 255.0 - K.constant(mean)\n",
        "array": "lambda x: x - np.array([0.485, 0.456, 0.406])",
        "constant": "lambda x: x / tf.constant([0.229, 0.224, 0.225], dtype=tf.float32)",
        "grayscale": "lambda x: tf.image.rgb_to_grayscale(x)",
        "resized": "lambda x: tf.image.resize(x, (3, 8))",
        "resized_nearest": "lambda x: tf.image.resize(x, [12, 2], method=tf.image.ResizeMethod.NEAREST_NEIGHBOR)",
        "resized_bicubic": "lambda x: tf.image.resize(x, size=(8, 8), method='bicubic')",
        "resized_by_name": "lambda x: tf.image.resize(x, (3, 2), 'nearest')",
        "resize_images": "lambda x: K.resize_images(x, 2, 3, 'channels_last')",
        "resized_images_bilinear": "lambda x: K.resize_images(x, 2, 2, 'channels_last', interpolation='bilinear')",
        "upsampled_by_shape": "lambda x: tf.image.resize(x, (x.shape[1] * 2, x.shape[2] * 2))",
        "by_int_shape": "lambda x: tf.image.resize(x, (K.int_shape(x)[1] // 2, K.int_shape(x)[2] // 2))",
        "padded": "lambda x: tf.pad(x, [[0, 0], [1, 1], [2, 2], [0, 0]], 'CONSTANT')",
        "reflected": "lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode='REFLECT')",
        "padded_by_keras": "lambda x: K.spatial_2d_padding(x, padding=((1, 2), (0, 1)))",
        "depth_to_space": "lambda x: tf.nn.depth_to_space(tf.concat([x, x, x, x], axis=-1), 2)",
        "space_to_depth": "lambda x: tf.nn.space_to_depth(x, 2)",
        "per_image": "lambda x: tf.image.per_image_standardization(x)",
        "flattened": "lambda x: K.batch_flatten(x)",
        "reshaped": "lambda x: K.reshape(x, (-1, 24, 3))",
        "reshaped_by_batch": "lambda x: tf.reshape(x, (tf.shape(x)[0], 12, 6))",
        "transposed": "lambda x: K.permute_dimensions(x, (0, 3, 1, 2))",
        "tf_transposed": "lambda x: tf.transpose(x, [0, 2, 1, 3])",
        "reversed": "lambda x: K.reverse(x, axes=1)",
        "squeezed": "lambda x: K.squeeze(x[:, :1], axis=1)",
        "clipped": "lambda x: K.clip(x, 0.2, 0.6)",
        "activations": "lambda x: K.relu(x - 0.5) + K.sigmoid(x) * K.tanh(x) + K.softplus(x) - K.elu(-x) + K.hard_sigmoid(3 * x)",
        "leaky": "lambda x: K.relu(x - 0.5, alpha=0.1, max_value=0.3)",
        "swish": "lambda x: x * K.sigmoid(x)",
        "mish": "lambda x: x * tf.math.tanh(tf.math.softplus(x))",
        "nn": "lambda x: tf.nn.relu6(tf.nn.leaky_relu(10 * x - 5, alpha=0.3))",
        "h_swish": "lambda x: x * tf.nn.relu6(x + 3.0) / 6.0",
        "softmax_4d": "lambda x: K.softmax(K.reshape(x, (-1, 24, 3)), axis=1)",
        "moments": "lambda x: tf.nn.moments(x, axes=[1, 2])[0]",
        "masks": "lambda x: K.cast(x > 0.5, 'float32') + tf.cast(tf.equal(x, x), tf.float32) * K.cast(K.less_equal(x, 0.2), K.floatx())",
        "where": "lambda x: tf.where(x > 0.5, x, tf.zeros_like(x))",
        "logical": "lambda x: tf.cast((x > 0.2) & (x < 0.7) | ~(x < 0.9), tf.float32)",
        "switched": "lambda x: K.switch(x > 0.5, x, K.zeros_like(x) - 1)",
        "argmax": "lambda x: K.cast(K.argmax(x), 'float32')",
        "one_hot": "lambda x: tf.one_hot(tf.argmax(x, axis=-1), 3)",
        "pooled": "lambda x: tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding='SAME')",
        "concatenated": "lambda x: K.concatenate([x, x * 2], axis=-1)",
        "crelu": "lambda x: tf.concat([tf.nn.relu(x - 0.5), tf.nn.relu(0.5 - x)], -1)",
        "stacked": "lambda x: K.stack([x, x + 1], axis=1)",
        "split": "lambda x: tf.split(x, 3, axis=-1)[1]",
        "unpacked": "def f(x):\n    r, g, b = tf.unstack(x, axis=-1)\n    return 0.3 * r + 0.6 * g + 0.1 * b\n",
        "locals": "def f(x):\n    y = x * 2\n    z = y + x\n    y = z - y\n    return y * z + y\n",
        "augmented": "def f(x):\n    x /= 255.0\n    x -= 0.5\n    x *= 2.0\n    return x\n",
        "swapped": "def f(x):\n    a, b = x + 1, x * 2\n    a, b = b, a\n    return a - b\n",
        "rotated": "def f(x):\n    a, b, c = x, x * 2, x * 3\n    c, a, b = a, b, c\n    return a - b * c\n",
        "imported": "def f(x):\n    import tensorflow as tf\n    return tf.abs(x - 1)\n",
        "imported_from": "def f(x):\n    from tensorflow.keras import backend as K\n    return K.square(x)\n",
        "imported_dotted": "def f(x):\n    import tensorflow.keras.backend as K\n    return K.square(x) + 1\n",
        "documented": "def f(x):\n    'Scale pixels.'\n    # and nothing else\n    return (x / 127.5) - 1.0\n",
        "branch_on_setting": "def f(x):\n    if K.image_data_format() == 'channels_first':\n        return x[:, 0]\n    else:\n        return x[..., 0]\n",
        "chosen_by_setting": "lambda x: K.mean(x, axis=3 if K.image_data_format() == 'channels_last' else 1)",
        "default": "def f(x, scale=127.5, shift=1):\n    return x / scale - shift\n",
        "math_and_numpy": "lambda x: x * math.sqrt(2.0) + np.log(2 * np.pi) - math.pi",
        "long": "lambda x: " + " + ".join(f"x * {number}.5" for number in range(300)),
        "tf_keras_path": "lambda x: tf.keras.backend.l2_normalize(x, axis=-1)",
        "tf_activations": "lambda x: tf.keras.activations.swish(x) + tf.nn.gelu(x)",
        "shape_as_list": "lambda x: tf.reshape(x, [-1, x.get_shape().as_list()[1] * x.shape.as_list()[2], 3])",
        "instance_norm": "def f(x):\n    mean, variance = tf.nn.moments(x, axes=[1, 2], keepdims=True)\n    return (x - mean) * tf.math.rsqrt(variance + 1e-5)\n",
        "chained_comparison_free": "lambda x: tf.maximum(0., tf.minimum(1., x * 2))",
        "outer": "lambda x: tf.einsum('bijc,bkjc->bik', x, x)",
        "gram": "def f(x):\n    flat = tf.reshape(x, (-1, 24, 3))\n    return tf.matmul(flat, flat, transpose_a=True) / 24.0\n",
    },
    "vector": {
        "l2_normalize": "lambda x: K.l2_normalize(x, axis=1)",
        "tf_l2_normalize": "lambda x: tf.nn.l2_normalize(x, axis=-1)",
        "tf_math_l2_normalize": "lambda x: tf.math.l2_normalize(x, axis=1)",
        "expand_dims": "lambda x: K.expand_dims(x)",
        "expand_dims_at": "lambda x: tf.expand_dims(x, axis=1)",
        "repeated": "lambda x: K.repeat(x, 3)",
        "repeat_elements": "lambda x: K.repeat_elements(x, rep=2, axis=1)",
        "tiled": "lambda x: K.tile(x, (1, 3))",
        "first": "lambda x: x[:, 0]",
        "first_three": "lambda x: x[:, :3]",
        "column": "lambda x: x[:, 1:2]",
        "last": "lambda x: x[:, -1]",
        "powers": "lambda x: K.pow(x, 2) + K.square(x) - K.sqrt(x) + K.exp(-x) - K.log(x + 1)",
        "softmaxed": "lambda x: K.softmax(x) / 2 + tf.nn.softmax(x, axis=-1) / 2",
        "temperature": "lambda x: tf.nn.softmax(x / 0.5)",
        "squash": "def f(x, axis=-1):\n    s = K.sum(K.square(x), axis, keepdims=True)\n    scale = s / (1 + s) / K.sqrt(s + K.epsilon())\n    return scale * x\n",
        "length": "lambda x: K.sqrt(K.sum(K.square(x), -1))",
        "norm": "lambda x: tf.norm(x, axis=1, keepdims=True)",
        "logsumexp": "lambda x: x - K.logsumexp(x, axis=1, keepdims=True)",
        "cumulated": "lambda x: K.cumsum(x, axis=1)",
        "dueling": "lambda a: K.expand_dims(a[:, 0], -1) + a[:, 1:] - K.mean(a[:, 1:], axis=1, keepdims=True)",
        "dot": "lambda x: K.dot(x, K.transpose(x))",
        "scaled_output": "lambda x: x * 360.0 + 10",
        "atan": "lambda x: tf.multiply(tf.atan(x), 2)",
        "cast": "lambda x: tf.cast(tf.cast(10 * x, tf.int32), 'float32')",
        "round": "lambda x: K.round(3 * x) + tf.sign(x - 0.5) + tf.floor(5 * x)",
        "all_of_it": "lambda x: K.cast(K.all(x > 0, axis=1), 'float32')",
    },
    "pair": {
        "distance": "lambda t: K.abs(t[0] - t[1])",
        "builtin_abs": "lambda tensors: abs(tensors[0] - tensors[1])",
        "euclidean": "lambda t: tf.sqrt(tf.reduce_sum(tf.square(t[0] - t[1]), axis=1, keepdims=True))",
        "euclidean_def": "def f(vects):\n    x, y = vects\n    return K.sqrt(K.maximum(K.sum(K.square(x - y), axis=1, keepdims=True), K.epsilon()))\n",
        "cosine": "lambda x: K.sum(K.l2_normalize(x[0], axis=-1) * K.l2_normalize(x[1], axis=-1), axis=-1, keepdims=True)",
        "tf_keras_sum": "lambda x: x[0] + x[1] * 0.5",
        "concat": "lambda x: tf.concat([x[0], x[1]], axis=1)",
        "concat_all": "lambda x: K.concatenate(x, axis=-1)",
        "add_n": "lambda x: tf.add_n(x)",
        "stack_and_mean": "lambda x: K.mean(K.stack(x, axis=0), axis=0)",
        "maximum": "lambda x: K.maximum(x[0], x[1]) - tf.minimum(x[0], x[1])",
        "batch_dot": "lambda x: K.batch_dot(x[0], x[1], axes=1)",
        "outer": "lambda x: tf.expand_dims(x[0], 2) * tf.expand_dims(x[1], 1)",
        "masked": "lambda x: x[0] * K.cast(K.greater(x[1], 0.5), 'float32')",
    },
    "sequence": {
        "time_mean": "lambda x: K.mean(x, axis=1)",
        "time_sum": "lambda x: K.sum(x, axis=-2, keepdims=False)",
        "last_step": "lambda x: x[:, -1, :]",
        "backwards": "lambda x: x[:, ::-1, :]",
        "skipped": "lambda x: x[:, 2:, :]",
        "max_over_time": "lambda x: tf.reduce_max(x, axis=1)",
        "attention": "def f(x):\n    scores = K.softmax(K.sum(x, axis=-1), axis=-1)\n    return K.sum(x * K.expand_dims(scores, -1), axis=1)\n",
        "difference": "lambda x: x[:, 1:] - x[:, :-1]",
        "padded": "lambda x: K.temporal_padding(x, (2, 0))",
        "stft_free_log": "lambda x: tf.math.log(tf.abs(x) + 1e-6) / tf.math.log(10.0)",
        "decibel": "lambda x: 10.0 * K.log(K.maximum(x, 1e-10)) / np.log(10)",
        "self_product": "lambda x: K.batch_dot(x, K.permute_dimensions(x, (0, 2, 1)))",
        "default_product": "lambda x: K.batch_dot(x, x, axes=[2, 2])",
        "gathered": "lambda x: K.gather(K.permute_dimensions(x, (1, 0, 2)), [3, 0])",
    },
    "matrix": {
        "matmul_operator": "lambda x: x @ x",
        "matmul": "lambda x: tf.matmul(x, x, transpose_b=True) / 2.0 ** 0.5",
        "trace_free": "lambda x: tf.linalg.matmul(x, tf.transpose(x, perm=[0, 2, 1]))",
        "tri": "lambda x: tf.linalg.band_part(x, -1, 0)",
    },
    "keras_ops": {
        "ops": "lambda x: ops.mean(ops.square(x), axis=(1, 2)) + keras.ops.max(x, axis=[1, 2])",
        "ops_resize": "lambda x: ops.image.resize(x, (3, 3))",
        "ops_normalize": "lambda x: ops.normalize(x, axis=-1, order=2)",
        "ops_slices": "lambda x: ops.concatenate([x[..., :1], ops.sqrt(x[..., 1:])], axis=-1)",
        "ops_cast": "lambda x: ops.cast(x > 0.5, 'float32') * keras.activations.relu(x)",
    },
    "tensorflow_1": {
        "resize_images": "def f(x):\n    from keras.backend import tf as ktf\n    return ktf.image.resize_images(x, (4, 3))\n",
        "aligned": "lambda x: tf.image.resize_images(x, (4, 3), align_corners=True)",
        "nearest": "lambda x: tf.image.resize_images(x, [3, 7], method=1)",
        "resize": "lambda x: tf.image.resize(x, (4, 3))",
        "bilinear": "lambda x: tf.image.resize_bilinear(x, [8, 6])",
        "old_names": "lambda x: tf.reduce_mean(x, reduction_indices=[1], keep_dims=True) + tf.to_float(x > 0.5)",
        "dimension": "lambda x: tf.reshape(x, [-1, x.get_shape().as_list()[1], 12]) * 1.0",
        "divided": "lambda x: tf.div(x, 2.0)",
    },
}  # fmt: skip
"""By what they are called on: lambdas, or a ``def`` whose one function it is."""

COMPILE = """
import base64, json, marshal, sys
made = {}
for key, source in json.load(sys.stdin).items():
    space = {}
    try:
        exec(source if source.startswith("def ") else "f = " + source, space)
    except SyntaxError:
        continue
    space.pop("__builtins__", None)
    (function,) = space.values()
    made[key] = base64.b64encode(marshal.dumps(function.__code__)).decode("ascii")
json.dump(made, sys.stdout)
"""


def inputs(kind: str) -> Any:
    """Return what a function is called on."""
    rng = np.random.default_rng(0)
    if kind == "pair":
        return [rng.uniform(0, 1, INPUTS["vector"]).astype(np.float32) for _ in range(2)]
    shape = INPUTS.get(kind, INPUTS["image"])
    return rng.uniform(0, 1, shape).astype(np.float32)


def sources() -> dict[str, str]:
    """Return all functions, as "kind/name"."""
    return {f"{kind}/{name}": source for kind, entries in FUNCTIONS.items() for name, source in entries.items()}


def compiled(python: str) -> tuple[str, dict[str, str]]:
    """Return the version of a Python, and the code that it makes, in base64."""
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    name = subprocess.run([python, "-c", version], check=True, capture_output=True, text=True).stdout.strip()
    whole = subprocess.run(
        [python, "-c", COMPILE], check=True, capture_output=True, text=True, input=json.dumps(sources())
    )
    return name, json.loads(whole.stdout)


def computed(key: str, source: str) -> Any:
    """Return what TensorFlow computes by a function."""
    import math

    import keras
    import tensorflow as tf
    import tf_keras

    kind = key.partition("/")[0]
    tf.keras = tf_keras
    tensorflow = tf.compat.v1 if kind == "tensorflow_1" else tf
    space: dict[str, Any] = {
        "tf": tensorflow,
        "K": tf_keras.backend,
        "np": np,
        "math": math,
        "keras": keras,
        "ops": keras.ops,
    }
    if "import" in source:  # what it imports is another Keras today
        source = "".join(f"{line}\n" for line in source.splitlines() if "import" not in line)
        space["ktf"] = tensorflow
    local: dict[str, Any] = {}
    exec(source if source.startswith("def ") else f"f = {source}", space, local)
    values = inputs(kind)
    tensors = [tf.constant(value) for value in values] if isinstance(values, list) else tf.constant(values)
    (function,) = local.values()
    result = np.asarray(function(tensors))
    return {"shape": result.shape, "values": [float(f"{value:.7g}") for value in result.ravel()]}


def main() -> None:
    """Write the archive."""
    path, *pythons = sys.argv[1:]
    results = {}
    for key, source in sources().items():
        try:
            results[key] = computed(key, source)
        except Exception as error:
            print(f"{key}: {type(error).__name__}: {error}"[:300])
    whole = {"sources": sources(), "codes": dict(map(compiled, pythons)), "expected": results}
    Path(path).write_bytes(lzma.compress(json.dumps(whole).encode(), preset=9))


if __name__ == "__main__":
    main()
