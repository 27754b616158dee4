"""
A CNN from scratch, explained
=============================

A convolutional network in NumPy alone learns to read digits, and vizcnn explains it as it would a Keras model: the network only
needs an adapter. Its layers are in ``from_scratch/cnn.py``, its adapter is in ``from_scratch/adapter.py``.

Run it with ``python examples/plot_cnn_from_scratch.py``; it takes about half a minute and writes its pictures to ``out/``.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # these matrices are too small to be worth a second thread


import matplotlib.pyplot as plt
import numpy as np
from from_scratch.adapter import NumpyCnnAdapter
from from_scratch.cnn import make_cnn, train
from mnist_data import load_mnist
from output import OUT

import vizcnn as vz

digits = load_mnist()
train_inputs = digits.train_images[..., np.newaxis].astype(np.float32) / 255
test_inputs = digits.test_images[..., np.newaxis].astype(np.float32) / 255

# %%
# Training
# --------
# A convolution of ten 5x5 kernels, tanh, 2x2 max pooling, a hidden layer of 100 units, and softmax. It learns once from 500
# images and once from 5,000 (or as many as there are), in batches of 16; ``batch_size=1`` would train it sample by sample.

BATCH_SIZE = 16
counts = sorted({500, min(5000, len(train_inputs))})
networks, losses, accuracies = {}, {}, {}
for count in counts:
    print(f"{count:,} images")
    networks[count] = make_cnn(num_maps=10, activation="tanh", seed=0)
    losses[count] = train(
        networks[count],
        train_inputs[:count],
        digits.train_labels[:count],
        num_epochs=10,
        batch_size=BATCH_SIZE,
        learning_rate=0.2,
    )
    accuracies[count] = networks[count].accuracy(test_inputs, digits.test_labels)
    print(f"right on {accuracies[count]:.2%} of {len(test_inputs):,} held-out images")

# %%
# On MNIST, ten times the images cut the mistakes to a third. The loss jumps from one batch to the next, so the lines are its mean
# over the last epoch.


def running_mean(values, width):
    """Return the mean of the last `width` values at every place, of fewer at the beginning."""
    sums = np.cumsum([0.0, *values])
    last = np.arange(1, len(sums))
    first = np.maximum(last - width, 0)
    return (sums[last] - sums[first]) / (last - first)


figure, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for count in counts:
    steps_per_epoch = -(-count // BATCH_SIZE)
    epochs = (1 + np.arange(len(losses[count]))) / steps_per_epoch
    label = f"{count:,} images: {accuracies[count]:.1%} right on held-out ones"
    axes.plot(epochs, running_mean(losses[count], steps_per_epoch), label=label)
axes.set(xlabel="epoch", ylabel="loss (cross-entropy)", yscale="log", xlim=(0, 10))
axes.set_title("A CNN in NumPy learns digits")
axes.legend()
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(OUT / "from_scratch_loss.png", dpi=150)

# %%
# Its kernels
# -----------
# Red where a kernel wants ink, blue where it wants none: backpropagation into the kernels made detectors of edges and strokes out
# of random numbers.

cnn = NumpyCnnAdapter(
    networks[counts[-1]], name="CNN from scratch", preprocess="0..1", labels=[str(digit) for digit in range(10)]
)
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
vz.filters(cnn, "conv").plot(axes, columns=5)
figure.savefig(OUT / "from_scratch_filters.png", dpi=150)

# %%
# Its feature maps
# ----------------
# What the ten kernels make of a seven, after tanh, and what is left after max pooling: half the size, the highest value of each
# 2x2 square.

right = np.flatnonzero(networks[counts[-1]].predict(test_inputs) == digits.test_labels)
of_each = np.array([right[digits.test_labels[right] == digit][0] for digit in range(10)])
maps = vz.activations(cnn, digits.test_images[of_each[7]], ["conv_activation", "pool"])
figure, axes = plt.subplots(2, figsize=(7, 6), layout="constrained")
maps.plot(axes, channels=range(10), columns=5)
figure.savefig(OUT / "from_scratch_maps.png", dpi=150)

# %%
# Why this digit?
# ---------------
# The plugins that explain Keras models, unchanged. Saliency: which pixels move the score of the digit. Grad-CAM: which places of
# the ten maps speak for it; they come from an early layer, so these are edges, and where the empty background lights up, it is by
# the bias of the kernels. Occlusion: how far the score falls when a patch is painted black; it is the easiest to read.

chosen = digits.test_images[of_each[[3, 5, 7, 8]]]
panels = vz.explain(cnn, chosen, methods=["saliency", "gradcam", "occlusion:patch_size=7,stride=2,baseline=0.0"]).plot()
panels[0, 3].set_title("occlusion\n7x7 patches, black", fontsize=panels[0, 1].title.get_fontsize())
panels[0, 0].figure.savefig(OUT / "from_scratch_explained.png", dpi=150)

# %%
# Why this mistake?
# -----------------
# The mistakes of which the network is most sure. The target is the score of the digit that it saw minus that of the right one:
# red parts made it see the wrong one, blue parts spoke for the right one.

outputs = cnn.outputs(test_inputs)[0]
wrong = np.flatnonzero(outputs.argmax(axis=1) != digits.test_labels)
wrong = wrong[np.argsort(-outputs[wrong].max(axis=1), kind="stable")][:4]
figure, panels = plt.subplots(1, len(wrong), figsize=(3.2 * len(wrong), 3.4), layout="constrained", squeeze=False)
for panel, index in zip(panels.flat, wrong, strict=True):
    seen, truth = int(outputs[index].argmax()), int(digits.test_labels[index])
    contrast = vz.targets.Contrast(seen, truth)
    result = vz.occlusion(cnn, digits.test_images[index], contrast, patch_size=7, stride=2, baseline=0.0)
    result.plot(panel, alpha=0.55)
    panel.set_title(f"a {truth}, taken for a {seen} ({outputs[index].max():.0%})")
figure.savefig(OUT / "from_scratch_mistakes.png", dpi=150)
print("wrote", *sorted(str(file.relative_to(OUT.parent)) for file in OUT.glob("from_scratch_*.png")))
