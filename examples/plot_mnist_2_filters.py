"""
Filters and feature maps
========================

What the first layers of the MNIST network look for, and what they make of a digit.
"""

from mnist_cnn import one_of_each, trained
from output import OUT

import vizcnn as vz

model, digits = trained()
cnn = vz.adapt(model, preprocess="0..1", labels=[str(digit) for digit in range(10)])

# %%
# The kernels of the first convolution, red where they want ink and blue where they want none. Below each, the 3x3 patch that
# excites it most, found by activation maximization: white where the kernel is red.

print("wrote", vz.filters(cnn, "conv1", preferred_inputs=32).save(OUT / "mnist_filters.png"))

# %%
# The second convolution sees 32 maps at once; its kernels are shown by their mean over these, and the patch of the image that
# excites each is 5x5 pixels.

print(
    "wrote",
    vz.filters(cnn, "conv2", preferred_inputs=32).save(OUT / "mnist_filters_conv2.png", top=32, channels="mean"),
)

# %%
# The journey of a seven: edges in the first layer, strokes and their ends in the second, the same at half the size after the
# pooling.

maps = vz.activations(cnn, one_of_each(digits)[7], ["conv1", "conv2", "pool"])
print("wrote", maps.save(OUT / "mnist_feature_maps.png"))
print("most active maps of conv2:", maps.top_channels(5, layer="conv2"))
