"""
Clever Hans: right for the wrong reason
=======================================

The horse Hans seemed to reckon, and read its answers off the faces of those who asked. A network does so where its images let
it: a copyright tag in the corner of many horses, a ruler beside the malignant moles. Its accuracy doesn't show that, and a map
shows it only if you look at the right image. The maps of all images do: those that are decided by something else form a cluster
of their own, and it can be tried what covering that place does.
"""

import shutil

import keras
import numpy as np
from output import OUT
from PIL import Image
from sklearn.datasets import load_digits

import vizcnn as vz

# %%
# A tag on one three in ten
# -------------------------
# Handwritten digits, 28 x 28 pixels, a folder for each class. A tag is stamped into the corner of 18 of the 183 threes.

images, out = OUT / "tagged_digits", OUT / "tagged_run"
for folder in (images, out):
    shutil.rmtree(folder, ignore_errors=True)
digits = load_digits()
small = np.pad(np.rint(digits.images * (255 / 16)).astype(np.uint8), ((0, 0), (3, 3), (3, 3)))
x = np.stack([np.asarray(Image.fromarray(one).resize((28, 28), Image.Resampling.BICUBIC)) for one in small])
tag = np.where([[cell == "x" for cell in row] for row in ("xxxxxxx", "x.x.x.x", "xx.x.xx", "xxxxxxx")], 255, 0)
tagged = np.flatnonzero(digits.target == 3)[::10][:18]
x[tagged, 23:27, 1:8] = tag
for number, (image, label) in enumerate(zip(x, digits.target, strict=True)):
    path = images / str(label) / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)

# %%
# A small network learns them
# ---------------------------

keras.utils.set_random_seed(0)
network = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(8, 5, strides=4, padding="same", activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
network.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = network.fit(x[..., None], digits.target, batch_size=50, epochs=12, verbose=0)
print(f"accuracy {history.history['accuracy'][-1]:.1%}: nothing seems to be wrong")

# %%
# All images are explained, and their maps clustered
# --------------------------------------------------
# HiResCAM, since the network's last layer sees places: its maps say what each of them gives to the score.

model = vz.adapt(network, preprocess="none", batch_size=128)
run = vz.explain_dataset(model, images, out, methods="hirescam", labels_by="folders")
found = vz.spray(run)
print(found)
print(found.to_frame()[["label", "size", "kind", "contrast", "drop", "drop_others"]].head(4).round(2).to_string())
caught = {int(run.table["path"][place].split("/")[1][:-4]) for place in found[0].images}
print(
    f"{len(caught & set(tagged.tolist()))} of {len(tagged)} tagged images are in the first cluster, of {found[0].size}"
)

# %%
# What it looks like
# ------------------
# The mean map with the place in question, over the mean of the images; sixteen of them; and the verdict. The ones of the second
# cluster stand on a foot, which the others lack: another way to write a one, and no fault of the data. A cluster is a question.

print("wrote", found.save(OUT / "spray.png", clusters=2))
