"""What takes the place of a TensorFlow function computes what that one computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import scipy.fft

from tests import framework
from vizcnn.adapter.loading.tensorflow_functions import _FUNCTIONS, counterpart

pytestmark = framework.needs_tensorflow

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 6, 5, 3)).astype("f4")
POSITIVE = np.abs(X) + 0.1
SIGNAL = RNG.normal(size=(2, 11)).astype("f4")
MATRIX = RNG.normal(size=(2, 3, 3)).astype("f4") + 3 * np.eye(3, dtype="f4")
WHOLE = RNG.integers(1, 9, (2, 5)).astype("i4")
KERNEL = RNG.normal(size=(3, 3, 3, 4)).astype("f4")
SYMMETRIC = MATRIX @ MATRIX.transpose(0, 2, 1)
BOXES = np.array([[0.1, 0.2, 0.9, 0.7], [-0.2, 0.0, 0.5, 1.3], [0.8, 0.9, 0.2, 0.1]], "f4")
UP = RNG.normal(size=(2, 2, 4, 3)).astype("f4")

CALLS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "truncatediv": ([WHOLE - 4, 3], {}), "truncatemod": ([WHOLE - 4, 3], {}), "clip_by_norm": ([X, 1.5], {"axes": [1, 2]}),
    "math.polyval": ([[1.0, -2.0, 3.0], X], {}), "math.zero_fraction": ([np.maximum(X, 0)], {}),
    "math.reciprocal_no_nan": ([np.maximum(X, 0)], {}), "math.xlog1py": ([np.maximum(X, 0), POSITIVE], {}),
    "math.erfcinv": ([POSITIVE / 5], {}), "math.is_non_decreasing": ([np.arange(4.0)], {}),
    "math.is_strictly_increasing": ([np.array([1.0, 1.0, 2.0])], {}), "math.real": ([X], {}), "math.conj": ([X], {}),
    "nn.l2_loss": ([X], {}), "nn.weighted_moments": ([X, [1, 2], POSITIVE], {}),
    "nn.lrn": ([X], {"depth_radius": 1, "alpha": 0.5}),
    **{f"bitwise.{name}": ([WHOLE, 3], {}) for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")},
    "bitwise.invert": ([WHOLE], {}), "linalg.matrix_transpose": ([MATRIX], {}), "linalg.adjoint": ([MATRIX], {}),
    "linalg.matvec": ([MATRIX, MATRIX[..., 0]], {"transpose_a": True}), "linalg.diag": ([MATRIX[..., 0]], {}),
    "linalg.diag_part": ([MATRIX], {}), "linalg.set_diag": ([X[..., 0], X[:, 0, :, 0]], {}),
    "linalg.eye": ([3], {"batch_shape": [2]}),
    "linalg.trace": ([MATRIX], {}), "linalg.normalize": ([X], {"axis": -1}), "linalg.det": ([MATRIX], {}),
    "linalg.inv": ([MATRIX], {}), "linalg.cholesky": ([MATRIX @ MATRIX.transpose(0, 2, 1)], {}),
    "linalg.solve": ([MATRIX, MATRIX[..., :1]], {"adjoint": True}), "convert_to_tensor": ([X], {}),
    "gather_nd": ([X, [[0, 1], [1, 2]]], {}), "nn.embedding_lookup": ([X[0], [2, 0]], {}),
    "tensor_scatter_nd_update": ([SIGNAL[0], [[1], [4]], np.float32([7, 8])], {}),
    "tensor_scatter_nd_add": ([SIGNAL[0], [[1], [4]], np.float32([7, 8])], {}),
    "tensor_scatter_nd_sub": ([SIGNAL[0], [[1], [4]], np.float32([7, 8])], {}),
    "scatter_nd": ([[[1], [4]], np.float32([7, 8]), [6]], {}),
    "math.unsorted_segment_sum": ([X, [1, 0], 2], {}), "math.unsorted_segment_max": ([X, [1, 0], 2], {}),
    "math.unsorted_segment_mean": ([X, [1, 1], 2], {}), "math.unsorted_segment_min": ([X, [1, 0], 2], {}),
    "math.unsorted_segment_prod": ([X, [1, 1], 2], {}), "math.segment_sum": ([X, [0, 0]], {}),
    "math.segment_mean": ([X, [0, 1]], {}), "math.segment_min": ([X, [0, 0]], {}),
    "math.segment_prod": ([X, [0, 0]], {}), "boolean_mask": ([X, [[True, False, True, False, True]] * 6], {"axis": 1}),
    "quantization.fake_quant_with_min_max_args": ([3 * X, -1.0, 2.0], {"num_bits": 4}),
    "quantization.fake_quant_with_min_max_vars": ([3 * X, 0.5, 2.0], {"narrow_range": True}),
    "quantization.fake_quant_with_min_max_vars_per_channel": ([X, [-1.0, -0.5, 0.0], [0.5, 1.0, 1.5]], {"num_bits": 3}),
    "linalg.eigvalsh": ([SYMMETRIC], {}), "linalg.pinv": ([X[..., 0]], {}),
    "linalg.cholesky_solve": ([np.linalg.cholesky(SYMMETRIC), MATRIX[..., :2]], {}),
    "meshgrid": ([np.arange(3.0), np.arange(2.0)], {"indexing": "ij"}), "linspace": ([0.0, 1.0, 5], {}),
    "sequence_mask": ([WHOLE, 6], {}), "searchsorted": ([np.arange(5.0), np.float64([1.5, 3.0])], {}),
    "math.in_top_k": ([np.int32([1, 4]), POSITIVE[:, 0, :, 0], 2], {}),
    "signal.frame": ([SIGNAL, 4, 3], {"pad_end": True}),
    "nn.sigmoid_cross_entropy_with_logits": ([POSITIVE / 5, X], {}),
    "nn.softmax_cross_entropy_with_logits": ([POSITIVE, X], {}),
    "nn.sparse_softmax_cross_entropy_with_logits": ([np.int32([1, 2]), X[:, 0, 0]], {}),
    "image.image_gradients": ([X], {}), "image.total_variation": ([X], {}), "image.sobel_edges": ([X], {}),
    "image.psnr": ([X, X + 0.1, 2.0], {}), "nn.convolution": ([X, KERNEL], {"strides": 2, "padding": "SAME"}),
    "nn.atrous_conv2d": ([X, KERNEL[:2, :2], 2, "VALID"], {}),
    "nn.separable_conv2d": ([X, KERNEL[..., :2], np.ones((1, 1, 6, 2), "f4"), [1, 1, 1, 1], "SAME"], {}),
    "nn.conv2d_transpose": ([X, UP, [2, 12, 10, 4], 2], {}),
    "nn.max_pool_with_argmax": ([X, 2, 2, "SAME"], {}),
    "compat.v1.nn.max_pool_with_argmax": ([X, [1, 3, 2, 1], [1, 2, 1, 1], "VALID"], {}),
    "nn.dilation2d": ([X, KERNEL[..., 0], [1, 2, 2, 1], "SAME", "NHWC", [1, 1, 1, 1]], {}),
    "nn.erosion2d": ([X, KERNEL[..., 0], [1, 1, 1, 1], "VALID", "NHWC", [1, 1, 1, 1]], {}),
    "image.crop_and_resize": ([X, BOXES, np.int32([1, 0, 1]), [4, 3]], {"extrapolation_value": 0.5}),
    "compat.v1.image.crop_and_resize": ([X, BOXES, np.int32([1, 0, 1]), [1, 2]], {"method": "nearest"}),
    "space_to_batch": ([X, [2, 3], [[1, 1], [0, 1]]], {}), "space_to_batch_nd": ([X, [3], [[0, 0]]], {}),
    "batch_to_space": ([np.concatenate([X, X]), [2, 2], [[1, 0], [0, 2]]], {}),
    "reverse_sequence": ([X, [4, 2]], {"seq_axis": 1, "batch_axis": 0}),
    "compat.v1.reverse_sequence": ([X, [1, 2, 2]], {"seq_axis": 0, "batch_axis": 3}),
    "gather": ([X, np.int32([[0, 4, 1], [5, 2, 2]])], {"batch_dims": 1}),
    "compat.v1.gather": ([X, np.int32([[0, 4], [1, 2]])], {"axis": 2, "batch_dims": 1}),
    "signal.dct": ([SIGNAL], {}), "signal.idct": ([SIGNAL], {}),
    "signal.mfccs_from_log_mel_spectrograms": ([SIGNAL], {}),
    "math.lgamma": ([3 * X + 0.013], {}), "math.digamma": ([3 * X + 0.013], {}),
    "math.cumulative_logsumexp": ([X], {"axis": 1, "reverse": True}),
    "linalg.triangular_solve": ([MATRIX, MATRIX[..., :2]], {"adjoint": True}), "linalg.logdet": ([SYMMETRIC], {}),
    "linalg.lu": ([X[:, 1:, :, 0]], {}), "linalg.slogdet": ([MATRIX], {}), "math.bincount": ([WHOLE], {"minlength": 10}),
    "compat.v1.matrix_band_part": ([MATRIX, 0, -1], {}), "compat.v1.to_int32": ([X], {}),
    "compat.v1.div_no_nan": ([X, POSITIVE], {}),
}  # fmt: skip


def arrays(value: Any) -> list[np.ndarray]:
    return [np.asarray(keras.ops.convert_to_numpy(entry)) for entry in keras.tree.flatten(value)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", CALLS)
def test_counterpart_computes_what_tensorflow_does(name: str) -> None:
    import tensorflow as tf

    original: Any = tf
    for part in name.split("."):
        original = getattr(original, part)
    args, options = CALLS[name]
    tensors = [keras.ops.convert_to_tensor(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
    names = ("labels", "logits") if "cross_entropy" in name else ()
    wanted = original(**dict(zip(names, tensors, strict=True))) if names else original(*tensors, **options)
    function = counterpart(name)
    assert function is not None
    for result, expected in zip(arrays(function(*tensors, **options)), arrays(wanted), strict=True):
        assert result.shape == expected.shape
        np.testing.assert_allclose(result, expected, rtol=2e-4, atol=2e-5)


def test_docs_tell_how_many_there_are() -> None:
    said = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    assert said.count(f"{len(_FUNCTIONS)} names of functions") == 2


def test_matrices_are_put_together_again_from_their_parts() -> None:
    values, u, v = arrays(counterpart("linalg.svd")(MATRIX))
    np.testing.assert_allclose(u * values[:, None] @ v.transpose(0, 2, 1), MATRIX, rtol=1e-4, atol=1e-4)
    values, vectors = arrays(counterpart("linalg.eigh")(SYMMETRIC))
    np.testing.assert_allclose(vectors * values[:, None] @ vectors.transpose(0, 2, 1), SYMMETRIC, rtol=1e-4, atol=1e-4)
    q, r = arrays(counterpart("linalg.qr")(MATRIX))
    np.testing.assert_allclose(q @ r, MATRIX, rtol=1e-4, atol=1e-4)


def test_what_is_quantized_has_the_gradient_of_tensorflow() -> None:
    import tensorflow as tf

    inputs, name = tf.constant(3 * X), "quantization.fake_quant_with_min_max_args"
    gradients = []
    for function in (tf.quantization.fake_quant_with_min_max_args, counterpart(name)):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(function(inputs, -1.0, 2.0) * X)
        gradients.append(np.asarray(tape.gradient(total, inputs)))
    np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize(("name", "by"), [("boolean_mask", X > 0), ("math.segment_sum", np.int32([0, 0]))])
def test_what_depends_on_the_values_is_said_to_have_no_counterpart(name: str, by: np.ndarray) -> None:
    with pytest.raises(ValueError, match="only known when the model runs"):
        counterpart(name)(X, keras.ops.convert_to_tensor(by))


@pytest.mark.parametrize("norm", [None, "ortho"])
@pytest.mark.parametrize("kind", [2, 3])
def test_cosines_are_scipy_s(kind: int, norm: str | None) -> None:
    result = arrays(counterpart("signal.dct")(keras.ops.convert_to_tensor(SIGNAL), type=kind, norm=norm))[0]
    np.testing.assert_allclose(result, scipy.fft.dct(SIGNAL, type=kind, norm=norm), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["py_function", "signal.stft", "random.normal", "io.read_file", "image.non_max_suppression"]
)
def test_what_runs_code_is_drawn_at_random_or_is_complex_has_no_counterpart(name: str) -> None:
    assert counterpart(name) is None
