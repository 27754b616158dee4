"""
Train the small CNN that vizcnn carries
=======================================

The demo of vizcnn runs offline, on a convolutional network of 56,000 weights that reads handwritten digits. This script
trains it with Keras on the 1,797 digits of scikit-learn, and writes the network, its labels and ten sample images.

Run it with ``python examples/train_digits_cnn.py``. It needs scikit-learn and about 90 seconds on two CPU cores. It
replaces the files in ``vizcnn/assets``; give ``--out DIR`` to write them elsewhere.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from keras import layers
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 0
SIZE = 28
REQUIRED_ACCURACY = 0.98

parser = argparse.ArgumentParser(description="Train the digits CNN and write the files of vizcnn/assets.")
parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="folder to write to (default: vizcnn/assets)")
out = parser.parse_args().out or Path(__file__).resolve().parents[1] / "vizcnn" / "assets"

keras.utils.set_random_seed(SEED)

# %%
# Data
# ----
# The digits come as 8x8 pixels with values from 0 to 16, and their strokes touch the border. One pixel of background
# goes around each before it is enlarged, so that strokes fade out inside the image and small shifts cut nothing off.
# A fifth of the images, equally many of each class, is held out: training never sees it.


def enlarge(digit):
    """Turn an 8x8 digit with values 0..16 into a SIZE x SIZE image with values 0..255."""
    pixels = np.pad(np.rint(digit * (255 / 16)).astype("uint8"), 1)
    return np.asarray(Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BICUBIC))


digits = load_digits()
images = np.stack([enlarge(digit) for digit in digits.images])[..., np.newaxis]
train_images, test_images, train_labels, test_labels = train_test_split(
    images, digits.target, test_size=0.2, stratify=digits.target, random_state=SEED
)

# %%
# Model
# -----
# The network scales its own input, so that image files go in as they are. The maps stay at 14x14 down to the last
# convolution, and each is averaged before the only dense layer: so every class is a weighted sum of maps, and Grad-CAM
# shows that sum. A dense layer on the flattened maps would be as accurate, but it weighs every position by itself; the
# mean weight of a map, which Grad-CAM uses, then says next to nothing, and most of its heatmaps come out blank.


def convolution(filters, name):
    """Make a 3x3 convolution that keeps the size of its input."""
    return layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=name)


model = keras.Sequential(
    [
        keras.Input((SIZE, SIZE, 1), name="image"),
        layers.Rescaling(1 / 255, name="rescaling"),
        convolution(16, "conv1"),
        layers.MaxPooling2D(name="pool"),
        convolution(32, "conv2"),
        convolution(32, "conv3"),
        convolution(48, "conv4"),
        convolution(64, "conv5"),
        layers.GlobalAveragePooling2D(name="average"),
        layers.Dropout(0.3, name="dropout"),
        layers.Dense(10, activation="softmax", name="preds"),
    ],
    name="digits_cnn",
)
model.summary()

# %%
# Training
# --------
# Each epoch moves every image by up to two pixels and turns it a little. These layers and the optimizer belong to an
# outer model that is thrown away, which leaves the inner one plain and its file small. The learning rate falls to zero,
# so that the result does not depend on the luck of the last few steps.

EPOCHS, BATCH_SIZE = 30, 32
num_steps = EPOCHS * -(-len(train_images) // BATCH_SIZE)
trainer = keras.Sequential(
    [
        keras.Input((SIZE, SIZE, 1)),
        layers.RandomTranslation(2 / SIZE, 2 / SIZE, fill_mode="constant"),
        layers.RandomRotation(0.03, fill_mode="constant"),
        model,
    ]
)
trainer.compile(
    optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.004, num_steps)),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy"],
)
trainer.fit(train_images, train_labels, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=2)

probabilities = model.predict(test_images, verbose=0)
correct = probabilities.argmax(axis=1) == test_labels
result = f"{correct.mean():.2%} ({correct.sum()} of {correct.size} images)"
print(f"Held-out accuracy: {result}")
if correct.mean() < REQUIRED_ACCURACY:
    raise SystemExit(f"The accuracy must be at least {REQUIRED_ACCURACY:.0%}; got {result}. No file was written.")

# %%
# Files
# -----
# The sample of a class is the correctly classified held-out image that is nearest to the mean of the training images of
# that class: a typical one.

(out / "digits").mkdir(parents=True, exist_ok=True)
model.save(out / "digits_cnn.keras")
(out / "digits_cnn.labels.txt").write_text("".join(f"{name}\n" for name in digits.target_names), encoding="utf-8")
for label in digits.target_names:
    candidates = test_images[correct & (test_labels == label)].astype("float32")
    distances = ((candidates - train_images[train_labels == label].mean(axis=0)) ** 2).sum(axis=(1, 2, 3))
    sample = candidates[distances.argmin(), ..., 0].astype("uint8")
    Image.fromarray(sample).save(out / "digits" / f"digit_{label}.png", optimize=True)

# %%
# Check
# -----
# What was written is read back the way a user would read it.

saved_model = keras.models.load_model(out / "digits_cnn.keras")
for label in digits.target_names:
    image = np.asarray(Image.open(out / "digits" / f"digit_{label}.png"), dtype="float32")
    predicted = saved_model.predict(image[np.newaxis, ..., np.newaxis], verbose=0).argmax()
    if predicted != label:
        raise SystemExit(f"The saved model must read digit_{label}.png as {label}; got {predicted}.")

(out / "README.md").write_text(
    f"""# The files of the demo

| file | what it is |
|---|---|
| `digits_cnn.keras` | a small CNN that reads handwritten digits; input (N, {SIZE}, {SIZE}, 1), pixel values 0 to 255 |
| `digits_cnn.labels.txt` | its ten class names, one a line, in the order of its outputs |
| `digits/digit_0.png` to `digit_9.png` | one held-out digit of each class, grayscale, {SIZE}x{SIZE} pixels |

Held-out accuracy: {result}, written with Keras {keras.version()}.

The split is random: 20 % of the images, equally many of each class, seed {SEED}. The same writers occur on both sides
of it, so the figure says nothing about the digits of other people.

## Where the digits come from

E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998,
<https://doi.org/10.24432/C50P49>, license [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). The 1,797 images
of its test set come with scikit-learn (`sklearn.datasets.load_digits`). Changed here: each 8x8 image was given a border
of one pixel, scaled from 0..16 to 0..255 and enlarged to {SIZE}x{SIZE} pixels.

## How to make them again

`python examples/train_digits_cnn.py`, from the root of the repository, trains the network and writes every file in
this folder, this one included. It needs scikit-learn.
""",
    encoding="utf-8",
)
print(f"Wrote the model, its labels, ten sample digits and a README to {out}")
