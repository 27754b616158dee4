"""Writes tiny models with Keras 2, and what they predict, into an archive: ``python write_keras2.py ARCHIVE.tar.xz [NAME ...]``.

Runs with tf-keras, or with any TensorFlow from 2.2 to 2.15 (Python 3.8 or newer); what that version hasn't is left out and told.
The archives beside this file are what several versions wrote; `make test-keras2` writes one anew, and tests with that.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

try:
    import tf_keras as keras
except ImportError:
    from tensorflow import keras

L = keras.layers
K = keras.backend
SHAPE = (6, 4, 3)

# TensorFlow functions called on the output `x` of a convolution, (N, 6, 4, 3).
FUNCTIONS = {
    # Arithmetic: with a number on either side, an array, another tensor
    "divided": lambda x: x / 255.0,
    "scaled_and_shifted": lambda x: x * 2 - 1,
    "shifted_by_rank_1": lambda x: x - tf.constant([103.9, 116.8, 123.7]),
    "shifted_by_array": lambda x: x + np.arange(3, dtype="float32"),
    "number_first": lambda x: 1.0 - x,
    "number_over_tensor": lambda x: 1.0 / (2.0 + tf.abs(x)),
    "tensor_and_tensor": lambda x: x * tf.sigmoid(x) + x,
    "tensor_by_keyword": lambda x: tf.multiply(x=x, y=x),
    "difference_of_two": lambda x: tf.subtract(x, tf.reduce_mean(x, axis=[1, 2], keepdims=True)),
    "standardized": lambda x: (
        (x - tf.reduce_mean(x, (1, 2), keepdims=True)) / (tf.math.reduce_std(x, axis=(1, 2), keepdims=True) + 1e-3)
    ),
    "power": lambda x: x**2,
    "number_to_a_power": lambda x: 2.0**x,
    "negative": lambda x: -x,
    "absolute": lambda x: abs(x),
    "floor_and_modulo": lambda x: x // 0.5 + x % 0.5,
    "add_n": lambda x: tf.add_n([x, x, x]),
    "divide_no_nan": lambda x: tf.math.divide_no_nan(x, tf.nn.relu(x)),
    "multiply_no_nan": lambda x: tf.math.multiply_no_nan(x, x),
    "squared_difference": lambda x: tf.math.squared_difference(x, 1.0),
    "maximum_minimum": lambda x: tf.maximum(0.1, tf.minimum(x, 0.5)),
    "clipped": lambda x: tf.clip_by_value(x, -0.5, 0.5),
    "clipped_by_keyword": lambda x: tf.clip_by_value(x, clip_value_min=0.0, clip_value_max=1.0),
    "mod_and_sign": lambda x: tf.math.floormod(x, 0.3) * tf.sign(x),
    "scalar_mul": lambda x: tf.math.scalar_mul(3.0, x),
    "cross_channels": lambda x: tf.linalg.cross(x, x * [1.0, 2.0, 3.0]),
    # Elementwise
    "square_root_of_square": lambda x: tf.sqrt(tf.square(x) + 1.0),
    "exponentials": lambda x: tf.math.log(tf.exp(x) + 1.0) + tf.math.log1p(tf.abs(x)) + tf.math.expm1(x),
    "reciprocals": lambda x: tf.math.reciprocal(tf.abs(x) + 1.0) + tf.math.rsqrt(tf.square(x) + 1.0),
    "rounded": lambda x: tf.round(x) + tf.floor(x) + tf.math.ceil(x),
    "trigonometry": lambda x: tf.sin(x) + tf.cos(x) + tf.tanh(x) + tf.math.atan(x) + tf.math.sinh(x) + tf.tan(x),
    "arcs": lambda x: tf.math.asin(tf.tanh(x)) + tf.acos(tf.tanh(x)) + tf.math.asinh(x) + tf.math.atan2(x, 2.0),
    "error_function": lambda x: tf.math.erf(x),
    "identity": lambda x: tf.identity(x),
    "stop_gradient": lambda x: tf.stop_gradient(x) * x,
    "zeros_and_ones": lambda x: tf.zeros_like(x) + tf.ones_like(x) * x,
    "filled": lambda x: x + tf.fill(tf.shape(x), 2.0),
    "not_finite": lambda x: tf.cast(tf.math.is_nan(x), "float32") + tf.cast(tf.math.is_finite(x), tf.float32),
    "cumulative_sum": lambda x: tf.cumsum(x, axis=1) + tf.math.cumsum(x, axis=2, reverse=True, exclusive=True),
    "cumulative_product": lambda x: tf.math.cumprod(x, axis=1),
    "log_sigmoid": lambda x: tf.math.log_sigmoid(x) + tf.math.softplus(x) + tf.nn.softsign(x),
    "x_log_y": lambda x: tf.math.xlogy(tf.abs(x), tf.abs(x) + 1.0),
    # Activations
    "relu": lambda x: tf.nn.relu(x),
    "relu6": lambda x: tf.nn.relu6(x * 9),
    "leaky_relu": lambda x: tf.nn.leaky_relu(x) + tf.nn.leaky_relu(x, alpha=0.1),
    "elu_selu_crelu": lambda x: tf.concat([tf.nn.elu(x), tf.nn.selu(x), tf.nn.crelu(x)], -1),
    "sigmoid": lambda x: tf.nn.sigmoid(x) + tf.sigmoid(x),
    "swish": lambda x: tf.nn.swish(x) + tf.nn.silu(x),
    "gelu": lambda x: tf.nn.gelu(x) + tf.nn.gelu(x, approximate=True),
    "softmax": lambda x: tf.nn.softmax(x) + tf.nn.softmax(x, axis=1) + tf.nn.log_softmax(x),
    "hard_swish": lambda x: x * tf.nn.relu6(x + 3.0) / 6.0,
    "activations_of_keras": lambda x: (
        keras.activations.relu(x, alpha=0.1, max_value=1.5, threshold=0.2)
        + keras.activations.hard_sigmoid(x)
        + keras.activations.swish(x)
        + keras.activations.exponential(x)
        + keras.activations.softmax(x)
    ),
    "mish": lambda x: x * tf.math.tanh(tf.math.softplus(x)),
    "bias_added": lambda x: tf.nn.bias_add(x, tf.constant([1.0, 2.0, 3.0])),
    # Reductions
    "means": lambda x: tf.reduce_mean(x, axis=[1, 2]),
    "mean_of_all": lambda x: x - tf.reduce_mean(x),
    "extremes": lambda x: tf.concat([tf.reduce_max(x, [1, 2]), tf.reduce_min(x, axis=(1, 2))], axis=-1),
    "sum_and_product": lambda x: tf.reduce_sum(x, -1, keepdims=True) * tf.reduce_prod(x, axis=-1, keepdims=True),
    "spread": lambda x: tf.math.reduce_variance(x, axis=[1, 2]) + tf.math.reduce_std(x, [1, 2]),
    "logsumexp": lambda x: tf.reduce_logsumexp(x, axis=[1, 2]),
    "all_and_any": lambda x: (
        tf.cast(tf.reduce_any(x > 1.0, axis=[1, 2]), "float32")
        + tf.cast(tf.reduce_all(x > -1.0, axis=[1, 2]), "float32")
    ),
    "l2_normalized": lambda x: tf.nn.l2_normalize(x, axis=-1) + tf.math.l2_normalize(x, -1, epsilon=0.1),
    "norms": lambda x: tf.norm(x, axis=-1) + tf.norm(x, ord=1, axis=-1) + tf.norm(x, ord="euclidean", axis=3),
    "norm_kept": lambda x: x / tf.norm(x, axis=-1, keepdims=True),
    "moments": lambda x: tf.nn.moments(x, axes=[1, 2])[0] + tf.nn.moments(x, [1, 2])[1],
    "batch_normalization": lambda x: tf.nn.batch_normalization(
        x, tf.reduce_mean(x, [1, 2], keepdims=True), 2.0, 0.5, 1.5, 1e-3
    ),
    "counted": lambda x: tf.cast(tf.math.count_nonzero(tf.nn.relu(x), axis=[1, 2]), tf.float32),
    # Shapes
    "reshaped": lambda x: tf.reshape(x, [-1, 12, 6]),
    "reshaped_by_shape": lambda x: tf.reshape(x, [tf.shape(x)[0], 24, 3]),
    "reshaped_by_its_own_shape": lambda x: tf.reshape(tf.reshape(x, [-1, 72]), tf.shape(x)),
    "reshaped_by_a_product": lambda x: tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1] * tf.shape(x)[2], 3]),
    "transposed": lambda x: tf.transpose(x, [0, 3, 1, 2]),
    "transposed_by_keyword": lambda x: tf.transpose(a=x, perm=(0, 2, 1, 3)),
    "expanded_and_squeezed": lambda x: (
        tf.squeeze(tf.expand_dims(x, 1), axis=1) + tf.squeeze(tf.expand_dims(x, -1), [-1])
    ),
    "concatenated": lambda x: tf.concat([x, x * 2.0], axis=-1),
    "concatenated_by_keyword": lambda x: tf.concat(values=[x, x * 2.0], axis=3),
    "stacked": lambda x: tf.stack([x, x + 1.0], axis=1) + tf.stack([x, x], 1),
    "unstacked": lambda x: tf.unstack(x, axis=-1)[1],
    "split_evenly": lambda x: tf.concat(tf.split(x, 3, axis=-1)[::-1], -1),
    "split_by_sizes": lambda x: tf.split(x, [1, 2], axis=3)[1],
    "split_by_keyword": lambda x: tf.split(x, num_or_size_splits=2, axis=1)[1],
    "tiled": lambda x: tf.tile(x, [1, 1, 2, 1]),
    "repeated": lambda x: tf.repeat(x, 2, axis=1) + tf.repeat(x, repeats=2, axis=1),
    "broadcast": lambda x: x + tf.broadcast_to(tf.reduce_mean(x, [1, 2], keepdims=True), tf.shape(x)),
    "padded": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]),
    "padded_by_reflection": lambda x: tf.pad(x, [[0, 0], [1, 1], [2, 2], [0, 0]], "REFLECT"),
    "padded_symmetrically": lambda x: tf.pad(x, tf.constant([[0, 0], [1, 1], [2, 2], [0, 0]]), mode="SYMMETRIC"),
    "padded_with_a_value": lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 0], [0, 0]], constant_values=7.0),
    "reversed": lambda x: tf.reverse(x, axis=[-1]),
    "rolled": lambda x: tf.roll(x, shift=1, axis=1) + tf.roll(x, [1, 2], axis=[1, 2]),
    "channels_to_space": lambda x: tf.nn.depth_to_space(tf.concat([x, 2 * x, 3 * x, 4 * x], -1), 2),
    "space_to_channels": lambda x: tf.nn.space_to_depth(x, 2),
    "sorted": lambda x: tf.sort(x, axis=1) + tf.sort(x, axis=1, direction="DESCENDING"),
    "argsorted": lambda x: tf.cast(tf.argsort(x, axis=1), tf.float32),
    "top_k": lambda x: tf.math.top_k(tf.reshape(x, [-1, 72]), k=5)[0],
    "top_k_named": lambda x: tf.nn.top_k(x, 2).values,
    "with_a_range": lambda x: x + tf.reshape(tf.range(0.0, 3.0), [1, 1, 1, 3]),
    # Slices
    "bgr": lambda x: x[..., ::-1],
    "rows_and_columns": lambda x: x[:, 1:, :-1],
    "strided": lambda x: x[:, ::2, 1::2],
    "one_channel": lambda x: x[..., 0],
    "one_channel_kept": lambda x: x[..., 1:2],
    "new_axis": lambda x: x[:, tf.newaxis, ..., None],
    "first_row": lambda x: x[:, 0] + x[:, -1, :, :],
    "sliced": lambda x: tf.slice(x, [0, 1, 0, 0], [-1, 2, -1, 3]),
    "strided_slice": lambda x: tf.strided_slice(x, [0, 0, 0, 0], [2, 6, 4, 3], [1, 2, 1, 1]),
    "gathered": lambda x: tf.gather(x, [2, 0], axis=-1),
    "gathered_by_keyword": lambda x: tf.gather(x, indices=[0, 2, 4], axis=1),
    # Choices
    "where": lambda x: tf.where(x > 0.5, x, 0.0),
    "where_of_two": lambda x: tf.where(tf.less_equal(x, 0.0), x * 0.1, x),
    "compared": lambda x: (
        tf.cast(x >= 0.2, "float32")
        + tf.cast(tf.greater(x, 0.0), tf.float32)
        + tf.cast(tf.not_equal(tf.round(x), 0.0), tf.float32)
        + tf.cast(tf.equal(tf.round(x), 1.0), tf.float32)
        + tf.cast(x < 0.0, tf.float32)
    ),
    "logical": lambda x: tf.cast(tf.logical_or(tf.logical_and(x > 0.0, x < 1.0), tf.logical_not(x > -1.0)), tf.float32),
    "logical_operators": lambda x: tf.cast(((x > 0.0) & (x < 1.0)) | ~(x > -1.0), tf.float32),
    "cast_there_and_back": lambda x: (
        tf.cast(tf.cast(x, tf.int32), tf.float32) + tf.cast(tf.cast(tf.abs(x), "uint8"), "float32")
    ),
    "half_precision": lambda x: tf.cast(tf.cast(x, tf.float16) * 2, tf.float32),
    "saturated": lambda x: tf.cast(tf.saturate_cast(x * 200.0, tf.uint8), tf.float32),
    "argmax": lambda x: tf.cast(tf.argmax(x, axis=-1), tf.float32) + tf.cast(tf.argmin(x, -1), tf.float32),
    "one_hot": lambda x: tf.one_hot(tf.argmax(x, axis=-1), 3),
    "one_hot_by_keyword": lambda x: tf.one_hot(tf.math.argmax(x, 3), depth=4, on_value=2.0, off_value=-1.0, axis=1),
    "masked": lambda x: tf.linalg.band_part(x, 0, -1),
    # Products
    "matmul": lambda x: tf.matmul(x, x, transpose_b=True),
    "matmul_transposed_first": lambda x: tf.linalg.matmul(x, x, transpose_a=True),
    "matmul_operator": lambda x: x @ tf.transpose(x, [0, 1, 3, 2]),
    "gram": lambda x: tf.matmul(tf.reshape(x, [-1, 24, 3]), tf.reshape(x, [-1, 24, 3]), True),
    "tensordot": lambda x: tf.tensordot(x, tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), axes=1),
    # Networks
    "max_pool": lambda x: (
        tf.nn.max_pool(x, 2, 2, "VALID") + tf.nn.max_pool2d(x, ksize=[2, 2], strides=[2, 2], padding="SAME")
    ),
    "avg_pool": lambda x: tf.nn.avg_pool2d(x, [1, 3, 3, 1], [1, 1, 1, 1], "SAME"),
    "conv2d": lambda x: tf.nn.conv2d(x, tf.constant(np.arange(54, dtype="f4").reshape(3, 3, 3, 2) / 10), 1, "SAME"),
    "depthwise": lambda x: tf.nn.depthwise_conv2d(
        x, tf.constant(np.arange(27, dtype="f4").reshape(3, 3, 3, 1) / 10), [1, 1, 1, 1], "VALID"
    ),
    # Images
    "resized": lambda x: tf.image.resize(x, (9, 10)),
    "resized_by_nearest": lambda x: tf.image.resize(x, size=[3, 8], method="nearest"),
    "resized_bicubic": lambda x: tf.image.resize(x, [12, 8], method=tf.image.ResizeMethod.BICUBIC),
    "resized_by_area": lambda x: tf.image.resize(x, [3, 2], method="area"),
    "resized_smoothly": lambda x: tf.image.resize(x, [3, 3], antialias=True),
    "resized_lanczos": lambda x: tf.image.resize(x, [12, 8], method="lanczos3"),
    "resized_by_shape": lambda x: tf.image.resize(x[:, ::2, ::2], tf.shape(x)[1:3]),
    "resized_as_v1": lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, [12, 8]),
    "resized_as_v1_bilinear": lambda x: tf.compat.v1.image.resize_bilinear(x, (12, 8), align_corners=True),
    "resized_with_padding": lambda x: tf.image.resize_with_pad(x, 8, 8),
    "cropped_or_padded": lambda x: tf.image.resize_with_crop_or_pad(x, 4, 6),
    "central_crop": lambda x: tf.image.central_crop(x, 0.5),
    "cropped": lambda x: tf.image.crop_to_bounding_box(x, 1, 1, 3, 2),
    "padded_to_a_box": lambda x: tf.image.pad_to_bounding_box(x, 1, 2, 9, 8),
    "flipped": lambda x: tf.image.flip_left_right(x) + 2 * tf.image.flip_up_down(x),
    "rotated": lambda x: tf.image.rot90(x) + tf.image.rot90(x, k=3),
    "image_transposed": lambda x: tf.image.transpose(x),
    "grey": lambda x: tf.image.rgb_to_grayscale(x),
    "coloured": lambda x: tf.image.grayscale_to_rgb(x[..., :1]),
    "standardized_image": lambda x: tf.image.per_image_standardization(x),
    "brighter": lambda x: tf.image.adjust_brightness(x, 0.2) + tf.image.adjust_contrast(x, 2.0),
    "gamma": lambda x: tf.image.adjust_gamma(tf.abs(x), 0.5, 2.0),
    "hsv": lambda x: tf.image.rgb_to_hsv(tf.sigmoid(x)),
    "rgb": lambda x: tf.image.hsv_to_rgb(tf.sigmoid(x)),
    "saturation": lambda x: tf.image.adjust_saturation(tf.sigmoid(x), 0.5),
    "hue": lambda x: tf.image.adjust_hue(tf.sigmoid(x), 0.1),
    "yuv": lambda x: tf.image.rgb_to_yuv(tf.sigmoid(x)) + tf.image.yuv_to_rgb(x) + tf.image.rgb_to_yiq(x),
    "converted": lambda x: tf.image.convert_image_dtype(tf.cast(tf.abs(x) * 20, tf.uint8), tf.float32),
    "edges": lambda x: tf.image.sobel_edges(x),
    "gradients": lambda x: tf.image.image_gradients(x)[0] + tf.image.image_gradients(x)[1],
    "patches": lambda x: tf.image.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"),
    "total_variation": lambda x: tf.image.total_variation(x),
    # keras.backend
    "backend_statistics": lambda x: K.mean(x, axis=[1, 2]) + K.std(x, axis=[1, 2]) + K.var(x, axis=[1, 2]),
    "backend_extremes": lambda x: K.max(x, axis=-1) + K.min(x, axis=-1, keepdims=False) + K.sum(x, -1) + K.prod(x, -1),
    "backend_shapes": lambda x: K.permute_dimensions(K.reshape(x, (-1, 3, 4, 6)), (0, 2, 3, 1)),
    "backend_joined": lambda x: K.concatenate(
        [x, K.squeeze(K.expand_dims(x, 1), 1), K.stack([x, x], 1)[:, 0]], axis=-1
    ),
    "backend_elementwise": lambda x: (
        K.square(x)
        + K.sqrt(K.abs(x))
        + K.exp(x)
        + K.pow(x, 2)
        + K.sign(x)
        + K.clip(x, 0, 1)
        + K.round(x)
        + K.log(K.abs(x) + 1)
    ),
    "backend_activations": lambda x: (
        K.relu(x, max_value=6) + K.sigmoid(x) + K.tanh(x) + K.softmax(x) + K.elu(x) + K.hard_sigmoid(x) + K.softsign(x)
    ),
    "backend_products": lambda x: K.batch_dot(K.reshape(x, (-1, 24, 3)), K.reshape(x, (-1, 24, 3)), axes=(1, 1)),
    "backend_dot": lambda x: K.dot(x, K.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])),
    "backend_normalized": lambda x: K.l2_normalize(x, axis=-1),
    "backend_chosen": lambda x: (
        K.switch(K.greater(x, 0.0), x, K.zeros_like(x)) + K.cast(K.not_equal(x, 0.0), "float32")
    ),
    "backend_repeated": lambda x: K.repeat_elements(x, 2, axis=1) + K.tile(x, (1, 2, 1, 1)),
    "backend_padded": lambda x: (
        K.spatial_2d_padding(x, ((1, 1), (2, 0))) + K.resize_images(x, 2, 2, "channels_last")[:, :8, :6]
    ),
    "backend_flat": lambda x: K.batch_flatten(x) + K.flatten(K.mean(x)),
    "backend_reversed": lambda x: K.reverse(x, axes=-1),
    "backend_argmax": lambda x: K.cast(K.argmax(x, axis=-1), K.floatx()),
    "backend_gathered": lambda x: K.gather(K.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), K.argmax(x, -1)),
    "backend_pooled": lambda x: K.pool2d(x, (2, 2), strides=(2, 2), pool_mode="avg") + K.pool2d(x, (2, 2), (2, 2)),
    "backend_one_hot": lambda x: K.one_hot(K.argmax(x, axis=-1), 3),
    "backend_sizes": lambda x: K.reshape(x, (K.shape(x)[0], K.int_shape(x)[1], -1)),
    "backend_epsilon": lambda x: x / (K.sum(K.abs(x), axis=-1, keepdims=True) + K.epsilon()),
    "backend_cumsum": lambda x: K.cumsum(x, axis=1),
}
for mode in ("caffe", "tf", "torch"):
    FUNCTIONS[f"preprocessed_{mode}"] = lambda x, mode=mode: keras.applications.imagenet_utils.preprocess_input(
        x, data_format="channels_last", mode=mode
    )


# Layers with the arguments of Keras 2, on the same `x`.
LAYERS = {
    "separable": lambda x: L.SeparableConv2D(2, 3, depth_multiplier=2, activation="swish")(x),
    "depthwise": lambda x: L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, depthwise_regularizer="l2")(x),
    "transposed": lambda x: L.Conv2DTranspose(2, 3, strides=2, kernel_constraint="max_norm")(x),
    "batch_normalization": lambda x: L.BatchNormalization(axis=[3], scale=False)(x),
    "layer_normalization": lambda x: L.LayerNormalization(axis=[3], epsilon=1e-4)(x),
    "pooling_kept": lambda x: L.GlobalAveragePooling2D()(x),
    "relu_of_many_arguments": lambda x: L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2)(x),
    "other_activations": lambda x: L.LeakyReLU(alpha=0.1)(
        L.ELU(alpha=0.5)(L.PReLU(shared_axes=[1, 2])(L.ThresholdedReLU(0.1)(x)))
    ),
    "hard_sigmoid": lambda x: L.Activation("hard_sigmoid")(x),
    "softmax_over_rows": lambda x: L.Softmax(axis=1)(x),
    "padded_and_cropped": lambda x: L.Cropping2D(((1, 0), (0, 1)))(L.ZeroPadding2D(((2, 1), (0, 3)))(x)),
    "upsampled": lambda x: L.UpSampling2D(2, interpolation="bilinear")(L.UpSampling2D((1, 2))(x)),
    "dropped": lambda x: L.GaussianNoise(0.1)(L.SpatialDropout2D(0.1)(L.Dropout(0.5, noise_shape=None)(x))),
    "joined": lambda x: L.Concatenate(axis=-1)(
        [L.Add()([x, x]), L.Multiply()([x, x]), L.Average()([x, x]), L.Maximum()([x, x])]
    ),
    "dotted": lambda x: L.Dot(axes=(1, 1), normalize=True)([L.Reshape((24, 3))(x), L.Reshape((24, 3))(x)]),
    "in_time": lambda x: L.TimeDistributed(L.Dense(2, activation="tanh"))(x),
    "convolved_in_time": lambda x: L.TimeDistributed(L.Conv1D(2, 2))(x),
    "lstm": lambda x: L.LSTM(2)(L.Reshape((6, 12))(x)),
    "gru": lambda x: L.GRU(2, return_sequences=True)(L.Reshape((6, 12))(x)),
    "gru_reset_before": lambda x: L.GRU(2, reset_after=False, recurrent_activation="hard_sigmoid")(
        L.Reshape((6, 12))(x)
    ),
    "bidirectional": lambda x: L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode="sum")(
        L.Reshape((6, 12))(x)
    ),
    "rnn_of_cells": lambda x: L.RNN([L.LSTMCell(2), L.GRUCell(2)])(L.Reshape((6, 12))(x)),
    "conv_lstm": lambda x: L.ConvLSTM2D(2, 3, padding="same")(L.Reshape((2, 3, 4, 3))(x)),
    "attention_heads": lambda x: L.MultiHeadAttention(2, 2)(L.Reshape((24, 3))(x), L.Reshape((24, 3))(x)),
    "attention_by_keyword": lambda x: L.MultiHeadAttention(2, 2)(
        query=L.Reshape((24, 3))(x), value=L.Reshape((24, 3))(x), key=L.Reshape((24, 3), name="key")(x)
    ),
    "attention_of_a_list": lambda x: L.Attention(use_scale=True)([L.Reshape((24, 3))(x), L.Reshape((24, 3))(x * 2)]),
    "additive_attention": lambda x: L.AdditiveAttention()([L.Reshape((24, 3))(x), L.Reshape((24, 3))(x * 2)]),
    "state_by_keyword": lambda x: L.LSTM(3)(L.Reshape((6, 12))(x), initial_state=[x[:, 0, 0], x[:, 1, 1]]),
    "rescaled": lambda x: preprocessing("Rescaling")(1 / 127.5, offset=-1.0)(x),
    "resized_in_a_layer": lambda x: preprocessing("Resizing")(9, 8, interpolation="bilinear")(x),
    "center_cropped": lambda x: preprocessing("CenterCrop")(4, 2)(x),
    "augmented": lambda x: preprocessing("RandomRotation")(0.1)(
        preprocessing("RandomZoom")(0.1, 0.1)(preprocessing("RandomFlip")("horizontal")(x))
    ),
    "normalized": lambda x: adapted(x),
    "slashes": lambda x: L.Conv2D(2, 1, name="block_bn")(
        L.BatchNormalization(name="block/bn")(L.Conv2D(2, 1, name="block/conv")(x))
    ),
    "initialized_by_tensorflow": lambda x: L.Dense(2, bias_initializer=tf.constant_initializer(0.5))(x),
    "regularized": lambda x: L.Conv2D(
        2,
        3,
        kernel_regularizer=keras.regularizers.l1_l2(0.1, 0.2),
        bias_constraint="non_neg",
        activity_regularizer="l2",
    )(x),
    "dense_in_half_precision": lambda x: L.Activation("softmax", dtype="float32")(L.Dense(2, dtype="mixed_float16")(x)),
}


def preprocessing(name):
    return getattr(L, name, None) or getattr(L.experimental.preprocessing, name)


def adapted(x):
    layer = preprocessing("Normalization")()
    layer.adapt(np.random.default_rng(1).normal(3.0, 2.0, (20, 6, 4, 3)).astype("float32"))
    return layer(x)


def transfer():
    """TensorFlow's own tutorial of transfer learning, on a small base."""
    inner = keras.Input(SHAPE)
    h = L.BatchNormalization()(
        L.Conv2D(4, 3, activation="relu6" if hasattr(keras.activations, "relu6") else tf.nn.relu6)(inner)
    )
    base = keras.Model(inner, h, name="base")
    base.trainable = False
    augment = keras.Sequential([preprocessing("RandomFlip")("horizontal"), preprocessing("RandomRotation")(0.2)])
    image = keras.Input(SHAPE)
    x = keras.applications.mobilenet_v2.preprocess_input(augment(image))
    x = L.GlobalAveragePooling2D()(base(x, training=False))
    return keras.Model(image, L.Dense(2)(L.Dropout(0.2)(x)))


def shared():
    """A model with TensorFlow functions that is called twice, on two inputs."""
    inner = keras.Input((4, 3))
    base = keras.Model(inner, tf.reduce_mean(L.Dense(2)(inner / 2.0), axis=1) * 3.0, name="base")
    one, other = keras.Input((4, 3)), keras.Input((4, 3))
    return keras.Model([one, other], tf.abs(base(one) - base(other)))


def several_outputs():
    image = keras.Input(SHAPE)
    parts = tf.split(L.Conv2D(4, 1)(image), 2, axis=-1)
    return keras.Model(image, [parts[1], tf.nn.relu(parts[0]), parts[0] + parts[1]])


def sequential_without_input():
    return keras.Sequential([L.Conv2D(2, 3, input_shape=SHAPE, activation="gelu"), L.Flatten(), L.Dense(2)])


MODELS = {f.__name__: f for f in (transfer, shared, several_outputs, sequential_without_input)}


def functional(function, shape=SHAPE, name="m"):
    image = keras.Input(shape, name="image")
    x = L.Conv2D(3, 1, name="conv", bias_initializer="random_normal")(image)
    return keras.Model(image, function(x), name=name)


def build(name):
    """Return the model of a name."""
    if name in MODELS:
        return MODELS[name]()
    return functional(LAYERS[name] if name in LAYERS else FUNCTIONS[name])


def inputs_of(model):
    rng = np.random.default_rng(0)
    return [rng.normal(0, 1, (2, *(size or 5 for size in tensor.shape[1:]))).astype("f4") for tensor in model.inputs]


def rounded(values):
    """Cut the last 7 bits of 24, which no test looks at, so that the archive is small."""
    values = np.asarray(values, "float32")
    return (values.view("int32") & ~0x7F).view("float32") if values.ndim else values


def write(model, path):
    """Save a model, make sure that this Keras reads it, and return what it predicts."""
    inputs = inputs_of(model)
    outputs = model.predict(inputs, verbose=0)
    model.save(path)
    keras.models.load_model(path, compile=False)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    return {f"{path.name}/{index}": rounded(output) for index, output in enumerate(outputs)}


NAMES = [f"{name}.h5" for name in (*FUNCTIONS, *LAYERS, *MODELS)] + [
    f"{name}.keras" for name in (*LAYERS, *MODELS, "divided", "scaled_and_shifted", "number_first", "concatenated", "where",
                                 "reshaped_by_shape", "rows_and_columns", "resized", "preprocessed_torch", "preprocessed_tf")
]  # fmt: skip
"""The format .keras is there since Keras 2.12; it can't hold `x[..., 0]`."""


def main(archive, wanted):
    expected, names = {}, wanted or NAMES
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            K.clear_session()
            tf.random.set_seed(0)
            path = Path(folder) / name
            try:
                expected.update(write(build(path.stem), path))
            except Exception as error:
                reason = str(error).strip().split("\n")[0][:150]
                print(f"left out: {name} - {type(error).__name__}: {reason}")
                if path.exists():
                    path.unlink()
        np.savez(Path(folder) / "expected.npz", **expected)
        with tarfile.open(archive, "w:xz", preset=9) as packed:
            for path in sorted(Path(folder).iterdir()):
                packed.add(path, path.name)
    written = {name.split("/")[0] for name in expected}
    print(f"{archive}: {len(written)} models by TensorFlow {tf.__version__}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), sys.argv[2:])
