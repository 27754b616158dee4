"""Keras models: all that knows Keras and what it runs on.

`KerasAdapter` (adapter) answers; the other modules are what it is made of.
"""

from vizcnn.adapter.keras.adapter import KerasAdapter, implicit_adapter, is_keras_layer, is_keras_model

__all__ = ["KerasAdapter", "implicit_adapter", "is_keras_layer", "is_keras_model"]
