"""What a layer is for, told by the name of its class: the one list of such names outside of `adapter/keras`."""

from __future__ import annotations

CONVOLUTIONS = frozenset({"convolution", "depthwise convolution", "transposed convolution"})
"""Roles of layers with kernels."""

_BY_EXACT_NAME = {"Normalization": "preprocessing", "Add": "addition", "Identity": "identity"}

# The first of these words in the name of a class decides.
_BY_WORD: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("input", ("Input",)),
    ("attention", ("Attention",)),
    ("recurrent", ("LSTM", "GRU", "RNN", "Bidirectional", "TimeDistributed")),
    ("transposed convolution", ("DTranspose",)),
    ("upsampling", ("UpSampling", "Resizing", "PixelShuffle")),
    ("depthwise convolution", ("Depthwise", "Separable")),
    ("convolution", ("Conv",)),
    ("pooling", ("Pool", "Mean", "Max2D")),
    ("preprocessing", ("Rescaling", "Random", "CenterCrop", "MixUp", "CutMix")),
    ("normalization", ("Norm",)),
    ("dropout", ("Dropout", "Noise", "Regularization")),
    ("merge", ("Add", "Concat", "Multiply", "Average", "Maximum", "Minimum", "Subtract", "Dot", "Stack")),
    ("softmax", ("Softmax",)),
    ("activation", ("Activation", "ReLU", "Relu", "ELU", "Sigmoid", "Silu", "Gelu", "Tanh", "Swish")),
    ("dense", ("Dense", "Embedding", "Matmul")),
    ("padding", ("Padding",)),
    ("reshape", ("Flatten", "Reshape", "Permute", "Cropping", "GetItem", "Squeeze", "ExpandDims", "Transpose", "Repeat",
                 "Split")),
)  # fmt: skip


FITTING = ("Resizing", "CenterCrop", "Cropping")
"""Words in the names of layers that change the size of pictures, where they stand before the first weights."""


def role_of(kind: str) -> str:
    """Return the role of a layer of that class.

    Parameters
    ----------
    kind : str
        The name of the class.

    Returns
    -------
    str
        One of those of `LayerInfo.role`; "other" where the name says nothing.
    """
    roles = (role for role, words in _BY_WORD if any(word in kind for word in words))
    return _BY_EXACT_NAME.get(kind) or next(roles, "other")
