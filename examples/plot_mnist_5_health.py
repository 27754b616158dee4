"""
Is it well? The health of its filters
=====================================

What `vizcnn.diagnose` measures on two hundred digits: of the trained network, and of copies of it that were given a fault each.
"""

import keras
import numpy as np
from mnist_cnn import trained
from output import OUT

import vizcnn as vz

model, digits = trained()
images = digits.test_images[:200][..., None]


def copy_with(change):
    """Return a copy of the network whose first convolution has other weights."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel, bias = copy.get_layer("conv1").get_weights()
    copy.get_layer("conv1").set_weights(change(kernel, bias))
    return vz.adapt(copy, preprocess="0..1")


# %%
# The trained network: its convolutions are well, and some units of its dense layer never fire.

well = vz.diagnose(vz.adapt(model, preprocess="0..1"), images)
print(well)
print("wrote", well.save(OUT / "mnist_health.png"))

# %%
# A third of its kernels never let anything through, as happens after a step that was too large.


def sink(kernel, bias):
    return kernel, np.where(np.arange(32) % 3 == 0, -100, bias)


dead = vz.diagnose(copy_with(sink), images)
print(dead)
print("wrote", dead.save(OUT / "mnist_health_dead.png"))

# %%
# A quarter of its kernels are copies of others: the layer is wider than what it has learned.


def repeat(kernel, bias):
    return np.concatenate([kernel[..., :24], kernel[..., :8]], axis=-1), bias


print(vz.diagnose(copy_with(repeat), images))

# %%
# A bias that drowns the image: what comes after can't tell one digit from another.


def drown(kernel, bias):
    return kernel * 1e-3, bias + 1


print(vz.diagnose(copy_with(drown), images))
