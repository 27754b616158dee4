"""Attention as `keras.ops.dot_product_attention` computes it, step by step, so that its softmax can be seen on the way."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_MASKED = -0.7 * 3.4e38
"""What takes the place of the logits of what may not be looked at; its softmax is zero."""


def attention_in_steps(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: None = None,
) -> Any:
    """Attend from queries to keys, and mix the values by that.

    Parameters
    ----------
    query : tensor, shape (N, T, heads, D)
        The queries.
    key, value : tensor, shape (N, S, heads, D)
        The keys and values; with fewer heads, each serves several of the queries'.
    bias : tensor, default None
        Added to the logits, broadcast to (N, heads, T, S).
    mask : tensor of bool, default None
        Where it is false is not looked at; of that shape too.
    scale : float, default None
        What the logits are multiplied by; None: one over the square root of D.
    is_causal : bool, default False
        Whether a token looks at none that comes after it.
    flash_attention, attn_logits_soft_cap : default None
        Left out of account.

    Returns
    -------
    tensor, shape (N, T, heads, D)
    """
    del flash_attention, attn_logits_soft_cap
    groups = query.shape[2] // key.shape[2]
    if groups > 1:
        key, value = ops.repeat(key, groups, axis=2), ops.repeat(value, groups, axis=2)
    dtype = keras.backend.standardize_dtype(query.dtype)
    logits = ops.cast(ops.einsum("btnh,bsnh->bnts", query, key), "float32")
    logits = logits * (query.shape[3] ** -0.5 if scale is None else ops.cast(scale, "float32"))
    if bias is not None:
        logits = logits + ops.cast(bias, "float32")
    if mask is not None:
        logits = ops.where(ops.cast(mask, "bool"), logits, _MASKED)
    if is_causal:
        rows, columns = ops.arange(query.shape[1]), ops.arange(key.shape[1])
        logits = ops.where(rows[:, None] >= columns[None], logits, _MASKED)
    probabilities = ops.cast(ops.softmax(logits, axis=-1), dtype)
    return ops.einsum("bnts,bsnh->btnh", probabilities, value)
