"""
Two layers from scratch
=======================

The smallest network that can learn "either, but not both". Its way forward and its way back are a dozen lines of NumPy, in
``from_scratch/two_layer.py``.

Run it with ``python examples/plot_two_layer_from_scratch.py``; it takes a few seconds and writes its pictures to ``out/``.
"""

import matplotlib.pyplot as plt
import numpy as np
from from_scratch.adapter import TwoLayerAdapter
from from_scratch.two_layer import INPUTS, OUTPUTS, make_two_layer, train
from output import OUT

import vizcnn as vz

# %%
# Training
# --------
# Four rows of three inputs: two bits, and a one that serves as bias. The truth is whether exactly one of the bits is set, which
# no single layer can tell. Four hidden sigmoids, one output, the sum of squares as loss, 1,500 steps.

network = make_two_layer(num_hidden=4, seed=0)
losses = train(network, num_iterations=1500, learning_rate=1.0)
predictions = network.predict(INPUTS)
print("inputs  truth  prediction")
for row, truth, prediction in zip(INPUTS, OUTPUTS[:, 0], predictions[:, 0], strict=True):
    print(f"{''.join(f'{bit:.0f}' for bit in row):6}  {truth:5.0f}  {prediction:10.3f}")

# %%
# For the first steps the network says "one half" to everything, which costs 4 x 0.25 = 1. Then it finds the way out.

figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
axes.plot(losses)
axes.axhline(1, color="0.6", linewidth=0.8, linestyle="--")
axes.text(1500, 1.02, "one half for every row", ha="right", va="bottom", color="0.4")
axes.set(xlabel="iteration", ylabel="loss (sum of squares)", xlim=(0, 1500), ylim=(0, None))
axes.set_title("Learning “either, but not both”")
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(OUT / "two_layer_loss.png", dpi=150)

# %%
# Explained
# ---------
# A row is an image of one row to vizcnn. Its saliency is the slope of the score, the logit of a one, by each input. In 011 and
# 101 the bit that is set holds the one up, and the other would undo it. In 111 hardly anything moves the score: the hidden units
# are saturated. A slope is about small steps only: at 001 that of the first bit is below zero, though setting it makes a one.

cnn = TwoLayerAdapter(network, labels=["0", "1"])
result = vz.saliency(cnn, INPUTS.reshape(4, 1, 3, 1), 1, reduce="sum")
slopes = result.values[:, 0]
largest = np.abs(slopes).max()
figure, axes = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
drawn = axes.imshow(slopes, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto")
for (row, column), slope in np.ndenumerate(slopes):
    color = "white" if abs(slope) > largest / 2 else "black"
    axes.text(column, row, f"{slope:+.1f}".replace("-", "−"), ha="center", va="center", color=color)
rows = ["".join(f"{bit:.0f}" for bit in row) for row in INPUTS]
axes.set_xticks(range(3), ["first bit", "second bit", "bias"])
axes.set_yticks(range(4), [f"{row} → {value:.2f}" for row, value in zip(rows, predictions[:, 0], strict=True)])
axes.set_title("How each input moves the score of a one")
axes.tick_params(length=0)
axes.spines[:].set_visible(False)
figure.colorbar(drawn, label="change of the logit per unit of input")
figure.savefig(OUT / "two_layer_saliency.png", dpi=150)
print("wrote out/two_layer_loss.png out/two_layer_saliency.png")
