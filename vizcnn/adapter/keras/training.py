"""What looks at a model while it is trained stands on Keras's own callback."""

from __future__ import annotations

from keras.callbacks import Callback

__all__ = ["Callback"]
