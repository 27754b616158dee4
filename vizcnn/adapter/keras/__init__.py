"""Keras models: all that knows Keras and what it runs on.

`KerasAdapter` (adapter) answers, each question by another of these modules; what it knows without inputs stands in `facts`.
"""

from vizcnn.adapter.keras.adapter import KerasAdapter, implicit_adapter, is_keras_layer, is_keras_model
from vizcnn.adapter.keras.inner_input import InnerInputAdapter

__all__ = ["InnerInputAdapter", "KerasAdapter", "implicit_adapter", "is_keras_layer", "is_keras_model"]
