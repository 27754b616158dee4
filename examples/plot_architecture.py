"""
How a network is put together
=============================

Before asking why a network decides as it does, look at what it is: its layers, their shapes, and which feeds which. Nothing is
trained or downloaded here; it takes some seconds.
"""

import keras
from keras import layers
from output import OUT

import vizcnn as vz

# %%
# The network that vizcnn carries
# -------------------------------
# The summary lists the layers by path, with what feeds each of them.

small = vz.architecture(vz.assets.DIGITS_CNN)
print(small.summary)

# %%
# In the diagram a box is as high as its map has rows and as wide as it has channels, both on logarithmic scales: a
# convolution makes it wider, pooling makes it lower.

print("wrote", small.save(OUT / "architecture_digits.png"))

# %%
# Skip connections
# ----------------
# A U-Net takes an image apart and puts it together again; each level of the way up sees the map of the same size on the way
# down. These skip connections run around the boxes that they pass.


def double(x, filters, name):
    """Two convolutions, each with its normalization."""
    for part in "ab":
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}{part}")(x)
        x = layers.BatchNormalization(name=f"{name}{part}_norm")(x)
    return x


image = keras.Input((64, 64, 3), name="image")
down1 = double(image, 16, "down1")
down2 = double(layers.MaxPooling2D(name="pool1")(down1), 32, "down2")
bottom = double(layers.MaxPooling2D(name="pool2")(down2), 64, "bottom")
up2 = layers.Conv2DTranspose(32, 2, strides=2, name="enlarge2")(bottom)
up2 = double(layers.Concatenate(name="join2")([up2, down2]), 32, "up2")
up1 = layers.Conv2DTranspose(16, 2, strides=2, name="enlarge1")(up2)
up1 = double(layers.Concatenate(name="join1")([up1, down1]), 16, "up1")
unet = keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid", name="mask")(up1), name="unet")
print("wrote", vz.architecture(unet).save(OUT / "architecture_unet.png"))

# %%
# A hundred layers and more
# -------------------------
# A ResNet-50 has 176 layers. Normalization and activation go into the box of the layer that they follow, and what lies
# between two points where all paths meet is a block; blocks alike become one box, which says how many it stands for.
# ``fold="never"`` draws every layer.

resnet = keras.applications.ResNet50(weights=None)
print("wrote", vz.architecture(resnet).save(OUT / "architecture_resnet50.png"))

# %%
# A network inside a network
# --------------------------
# Transfer learning puts a head on a trained network. Opened, the inner network is a frame around its layers; with
# ``depth=0`` it is one box.

base = keras.applications.MobileNet((128, 128, 3), alpha=0.25, include_top=False, weights=None, name="mobilenet")
photo = keras.Input((128, 128, 3), name="photo")
scaled = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(photo)
pooled = layers.GlobalAveragePooling2D(name="pool")(base(scaled))
transfer = keras.Model(photo, layers.Dense(5, activation="softmax", name="flowers")(pooled), name="transfer")
print("wrote", vz.architecture(transfer).save(OUT / "architecture_transfer.png"))
print("wrote", vz.architecture(transfer, depth=0).save(OUT / "architecture_transfer_closed.svg"))
print(vz.architecture(transfer, depth=0).summary)
