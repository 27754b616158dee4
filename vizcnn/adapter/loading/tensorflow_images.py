"""What takes the place of the functions of ``tf.image`` and ``tf.nn`` that know height and width, (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import backend, ops

from vizcnn.adapter.loading.tensorflow_values import dtype_of, integers, tensor

Function = Callable[..., Any]

_KEPT = np.array([0.2989, 0.5870, 0.1140], np.float32)
_YIQ = [[0.299, 0.59590059, 0.2115], [0.587, -0.27455667, -0.52273617], [0.114, -0.32134392, 0.31119955]]
_YUV = [[0.299, -0.14714119, 0.61497538], [0.587, -0.28886916, -0.51496512], [0.114, 0.43601035, -0.10001026]]


def _floating(images: Any) -> Any:
    return images if "float" in backend.standardize_dtype(images.dtype) else ops.cast(images, "float32")


# Sizes -------------------------------------------------------------------------------------------------------------------------


def _resize(
    images: Any, size: Any, method: Any = "bilinear", preserve_aspect_ratio: bool = False, antialias: bool = False,
    align_corners: bool = False,
) -> Any:  # fmt: skip
    method = str(method).rpartition(".")[2].lower()
    height, width = integers(size)
    if preserve_aspect_ratio:
        factor = min(height / images.shape[1], width / images.shape[2])
        height, width = (round(factor * side) for side in images.shape[1:3])
    if align_corners:
        return _resize_v1(method)(images, (height, width), align_corners=True)
    if method == "area":
        return _weighted(images, (height, width), _area)
    if not (isinstance(height, int) and isinstance(width, int)):
        return _weighted(images, (height, width), {"bilinear": _linear_between, "nearest": _nearest_between}[method])
    images = images if method == "nearest" else _floating(images)
    return ops.image.resize(
        images, (height, width), interpolation=method, antialias=antialias, data_format="channels_last"
    )


def _resize_v1(method: str) -> Function:
    """Resize as TensorFlow 1 did: pixels lie on their upper left corners, or the corners of the image stay in place."""

    def call(images: Any, size: Any, align_corners: bool = False, half_pixel_centers: bool = False) -> Any:
        if half_pixel_centers:
            return _resize(images, size, method)
        weights = {"nearest": _nearest, "bilinear": _linear}[method]
        return _weighted(images, size, lambda before, after: weights(before, after, align_corners))

    return call


_METHODS = ("bilinear", "nearest", "bicubic", "area")
"""Ways to resize by their numbers in TensorFlow 1."""


def _resize_images(
    images: Any, size: Any, method: Any = "bilinear", align_corners: bool = False, preserve_aspect_ratio: bool = False
) -> Any:
    method = _METHODS[method] if isinstance(method, int) else str(method).rpartition(".")[2].lower()
    if method == "area" or preserve_aspect_ratio:
        return _resize(images, size, method, preserve_aspect_ratio=preserve_aspect_ratio)
    if method == "bicubic":
        raise ValueError("the bicubic resizing of TensorFlow 1 has no counterpart in this Keras")
    return _resize_v1(method)(images, size, align_corners=align_corners)


def _places(before: int, after: int, align_corners: bool) -> Any:
    scale = (before - 1) / (after - 1) if align_corners and after > 1 else before / after
    return np.arange(after) * scale


def _nearest(before: int, after: int, align_corners: bool) -> Any:
    places = _places(before, after, align_corners)
    places = np.floor(places + 0.5) if align_corners else np.floor(places + 1e-9)
    return np.eye(before)[np.minimum(places.astype(int), before - 1)]


def _linear(before: int, after: int, align_corners: bool) -> Any:
    places = np.minimum(_places(before, after, align_corners), before - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(before)))


def _between(before: int, after: Any) -> Any:
    """Return where the centers of pixels lie among those before; their number may be a tensor."""
    scale = before / ops.cast(after, "float32")
    return (ops.cast(ops.arange(after), "float32") + 0.5) * scale - 0.5


def _linear_between(before: int, after: Any) -> Any:
    places = ops.clip(_between(before, after), 0, before - 1)
    return ops.maximum(0.0, 1.0 - ops.abs(places[:, None] - ops.arange(before, dtype="float32")))


def _nearest_between(before: int, after: Any) -> Any:
    return ops.one_hot(ops.cast(ops.floor(_between(before, after) + 0.5), "int32"), before)


def _area(before: int, after: int) -> Any:
    """Return how much of each pixel before lies in each after."""
    edges = np.arange(after + 1) * before / after
    inside = np.minimum(edges[1:, None], np.arange(1, before + 1)) - np.maximum(edges[:-1, None], np.arange(before))
    return np.maximum(0, inside) * after / before


def _weighted(images: Any, size: Any, weights: Callable[[int, Any], Any]) -> Any:
    """Resize by a matrix for the rows and another for the columns."""
    images = _floating(images)
    rows, columns = (
        ops.cast(weights(before, after), images.dtype)
        for before, after in zip(images.shape[1:3], integers(size), strict=True)
    )
    return ops.einsum("nhwc,ih,jw->nijc", images, rows, columns)


def _crop_box(image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Any:
    return image[:, offset_height : offset_height + target_height, offset_width : offset_width + target_width]


def _pad_box(image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int) -> Any:
    height, width = image.shape[1:3]
    rows = (offset_height, target_height - offset_height - height)
    columns = (offset_width, target_width - offset_width - width)
    return ops.pad(image, [(0, 0), rows, columns, (0, 0)])


def _central_crop(image: Any, central_fraction: float) -> Any:
    height, width = image.shape[1:3]
    top, left = (int((side - side * central_fraction) / 2) for side in (height, width))
    return image[:, top : height - top, left : width - left]


def _crop_or_pad(image: Any, target_height: int, target_width: int) -> Any:
    height, width = image.shape[1:3]
    kept = min(height, target_height), min(width, target_width)
    image = _crop_box(image, (height - kept[0]) // 2, (width - kept[1]) // 2, *kept)
    return _pad_box(image, (target_height - kept[0]) // 2, (target_width - kept[1]) // 2, target_height, target_width)


def _resize_with_pad(
    image: Any, target_height: int, target_width: int, method: Any = "bilinear", antialias: bool = False
) -> Any:
    ratio = max(image.shape[1] / target_height, image.shape[2] / target_width)
    height, width = (int(side / ratio + 1e-6) for side in image.shape[1:3])
    image = _resize(image, (height, width), method, antialias=antialias)
    return _pad_box(image, (target_height - height) // 2, (target_width - width) // 2, target_height, target_width)


# Turns -------------------------------------------------------------------------------------------------------------------------


def _rot90(image: Any, k: int = 1) -> Any:
    return ops.rot90(image, k=k, axes=(1, 2))


def _space_to_depth(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    _only_channels_last(data_format)
    height, width, channels = input.shape[1:]
    blocks = ops.reshape(input, (-1, height // block_size, block_size, width // block_size, block_size, channels))
    return ops.reshape(
        ops.transpose(blocks, (0, 1, 3, 2, 4, 5)),
        (-1, height // block_size, width // block_size, channels * block_size**2),
    )


def _depth_to_space(input: Any, block_size: int, data_format: str = "NHWC") -> Any:
    _only_channels_last(data_format)
    height, width, depth = input.shape[1:]
    blocks = ops.reshape(input, (-1, height, width, block_size, block_size, depth // block_size**2))
    return ops.reshape(
        ops.transpose(blocks, (0, 1, 3, 2, 4, 5)),
        (-1, height * block_size, width * block_size, depth // block_size**2),
    )


def _only_channels_last(data_format: str | None) -> None:
    if data_format not in (None, "NHWC"):
        raise ValueError(f"only channels last have a counterpart in this Keras; got {data_format}")


# Colours -----------------------------------------------------------------------------------------------------------------------


def _mixed(matrix: Any) -> Function:
    return lambda images: ops.matmul(images, tensor(matrix, images))


def _grayscale(images: Any) -> Any:
    gray = ops.sum(_floating(images) * tensor(_KEPT.tolist(), _floating(images)), axis=-1, keepdims=True)
    return ops.cast(gray, images.dtype)


def _standardized(image: Any) -> Any:
    image = _floating(image)
    mean, variance = ops.moments(image, axes=(1, 2, 3), keepdims=True)
    least = float(np.prod(image.shape[1:])) ** -0.5
    return (image - mean) / ops.maximum(ops.sqrt(variance), tensor(least, image))


def _contrast(images: Any, contrast_factor: float) -> Any:
    mean = ops.mean(images, axis=(1, 2), keepdims=True)
    return (images - mean) * contrast_factor + mean


def _in_hsv(change: Callable[[Any, Any, Any, Any], tuple[Any, Any, Any]]) -> Function:
    def call(image: Any, amount: Any) -> Any:
        hsv = ops.image.rgb_to_hsv(image, data_format="channels_last")
        changed = ops.stack(change(hsv[..., 0], hsv[..., 1], hsv[..., 2], amount), axis=-1)
        return ops.image.hsv_to_rgb(changed, data_format="channels_last")

    return call


_saturate = _in_hsv(lambda hue, saturation, value, factor: (hue, ops.clip(saturation * factor, 0.0, 1.0), value))
_turn_hue = _in_hsv(lambda hue, saturation, value, delta: (ops.mod(hue + delta, 1.0), saturation, value))


def _converted(image: Any, dtype: Any, saturate: bool = False) -> Any:
    before, after = backend.standardize_dtype(image.dtype), dtype_of(dtype)
    if "float" in before and "float" in after:
        return ops.cast(image, after)
    if "float" in after:
        return ops.cast(image, after) * (1.0 / np.iinfo(before).max)
    if "float" in before:
        scaled = image * (np.iinfo(after).max + 0.5)
        return ops.cast(ops.clip(scaled, 0, float(np.iinfo(after).max)) if saturate else scaled, after)
    raise ValueError(f"tf.image.convert_image_dtype from {before} to {after} has no counterpart in this Keras")


# Convolution and pooling -------------------------------------------------------------------------------------------------------


def _spatial(value: Any, ndim: int) -> tuple[int, ...]:
    """Return window or steps along the axes of space; TensorFlow takes one number, one for each, or one for every axis."""
    sizes = integers(1 if value is None else value)
    sizes = sizes * ndim if len(sizes) == 1 else sizes
    return tuple(sizes[1:-1] if len(sizes) == ndim + 2 else sizes)


def _pool(function: Function) -> Function:
    def call(value: Any, ksize: Any, strides: Any, padding: str, data_format: Any = None) -> Any:
        _only_channels_last(data_format)
        ndim = len(value.shape) - 2
        return function(
            value, _spatial(ksize, ndim), strides=_spatial(strides, ndim), padding=_padding(padding),
            data_format="channels_last",
        )  # fmt: skip

    return call


def _padding(padding: Any) -> str:
    if padding not in ("VALID", "SAME"):
        raise ValueError(f"the padding {padding!r} has no counterpart in this Keras")
    return str(padding).lower()


def _conv(function: Function) -> Function:
    def call(
        input: Any, filters: Any = None, strides: Any = 1, padding: Any = "VALID", data_format: Any = None, dilations: Any = None,
        filter: Any = None, rate: Any = None,
    ) -> Any:  # fmt: skip
        _only_channels_last(data_format)
        ndim = len(input.shape) - 2
        if isinstance(padding, list):
            input, padding = ops.pad(input, [tuple(pair) for pair in padding]), "VALID"
        return function(
            input, tensor(filter if filters is None else filters, input), strides=_spatial(strides, ndim),
            padding=_padding(padding), data_format="channels_last", dilation_rate=_spatial(dilations or rate, ndim),
        )  # fmt: skip

    return call


def convolution(
    input: Any,
    filters: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    """Convolve over as many axes as the kernel has."""
    return _conv(ops.conv)(input, filters, strides, padding, data_format, dilations)


def conv_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: str = "SAME",
    data_format: Any = None,
    dilations: Any = None,
) -> Any:
    """Compute a transposed convolution; the size of the output must be the one that its stride makes of the input's."""
    _only_channels_last(data_format)
    ndim = len(input.shape) - 2
    output = ops.conv_transpose(
        input, tensor(filters, input), strides=_spatial(strides, ndim), padding=_padding(padding), data_format="channels_last",
        dilation_rate=_spatial(dilations, ndim),
    )  # fmt: skip
    told = list(integers(output_shape)[1:-1])
    if any(isinstance(size, int) and size != made for size, made in zip(told, output.shape[1:-1], strict=True)):
        raise ValueError(f"a transposed convolution to {told} rows and columns has no counterpart in this Keras")
    return output


def separable(
    input: Any, depthwise_filter: Any, pointwise_filter: Any, strides: Any, padding: str, data_format: Any = None,
    dilations: Any = None,
) -> Any:  # fmt: skip
    """Convolve each channel, and then mix them."""
    each = _conv(ops.depthwise_conv)(input, depthwise_filter, strides, padding, data_format, dilations)
    return _conv(ops.conv)(each, pointwise_filter)


def _bias_add(value: Any, bias: Any, data_format: str | None = None) -> Any:
    bias = tensor(bias, value)
    if data_format is not None and data_format.startswith("NC"):
        bias = ops.reshape(bias, (1, -1, *[1] * (len(value.shape) - 2)))
    return value + bias


def _patches(images: Any, sizes: Any, strides: Any, rates: Any, padding: str) -> Any:
    return ops.image.extract_patches(
        images, _spatial(sizes, 2), strides=_spatial(strides, 2), dilation_rate=_spatial(rates, 2), padding=_padding(padding),
        data_format="channels_last",
    )  # fmt: skip


FUNCTIONS: dict[str, Function] = {
    "image.resize": _resize,
    "image.resize_images": _resize_images,
    "image.resize_bilinear": _resize_v1("bilinear"),
    "image.resize_nearest_neighbor": _resize_v1("nearest"),
    "image.resize_with_pad": _resize_with_pad,
    "image.resize_with_crop_or_pad": _crop_or_pad,
    "image.resize_image_with_crop_or_pad": _crop_or_pad,
    "image.central_crop": _central_crop,
    "image.crop_to_bounding_box": _crop_box,
    "image.pad_to_bounding_box": _pad_box,
    "image.flip_left_right": lambda image: ops.flip(image, axis=2),
    "image.flip_up_down": lambda image: ops.flip(image, axis=1),
    "image.rot90": _rot90,
    "image.transpose": lambda image: ops.transpose(image, (0, 2, 1, 3)),
    "image.rgb_to_grayscale": _grayscale,
    "image.grayscale_to_rgb": lambda images: ops.repeat(images, 3, axis=-1),
    "image.per_image_standardization": _standardized,
    "image.adjust_brightness": lambda image, delta: image + delta,
    "image.adjust_contrast": _contrast,
    "image.adjust_gamma": lambda image, gamma=1, gain=1: gain * image**gamma,
    "image.adjust_saturation": lambda image, saturation_factor: _saturate(image, saturation_factor),
    "image.adjust_hue": lambda image, delta: _turn_hue(image, delta),
    "image.rgb_to_hsv": lambda images: ops.image.rgb_to_hsv(images, data_format="channels_last"),
    "image.hsv_to_rgb": lambda images: ops.image.hsv_to_rgb(images, data_format="channels_last"),
    "image.rgb_to_yiq": _mixed(_YIQ),
    "image.yiq_to_rgb": _mixed(np.linalg.inv(_YIQ).tolist()),
    "image.rgb_to_yuv": _mixed(_YUV),
    "image.yuv_to_rgb": _mixed(np.linalg.inv(_YUV).tolist()),
    "image.convert_image_dtype": _converted,
    "image.extract_patches": _patches,
    "space_to_depth": _space_to_depth,
    "depth_to_space": _depth_to_space,
    "bias_add": _bias_add,
    **dict.fromkeys(("max_pool", "max_pool1d", "max_pool2d", "max_pool3d"), _pool(ops.max_pool)),
    **dict.fromkeys(("avg_pool", "avg_pool1d", "avg_pool2d", "avg_pool3d"), _pool(ops.average_pool)),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv(ops.conv)),
    "depthwise_conv2d": _conv(ops.depthwise_conv),
}
"""By the names of ``counterpart``."""
