"""
SmoothGrad: the gradient without most of its grain
==================================================

A gradient answers for one image to the last bit, and most of its grain is gone on the next one. SmoothGrad takes the mean over
noisy copies of the image, VarGrad their variance, SquareGrad the mean of their squares.
"""

import matplotlib.pyplot as plt
import numpy as np
from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()

# %%
# Beside the plain gradient
# -------------------------
# Noise is measured as a share of the image's range: 0.15 of 0 to 255 is a standard deviation of 38.

METHODS = ["saliency", "smoothgrad", "smoothgrad:statistic=variance", "smoothgrad:statistic=square"]
explained = vz.explain(cnn, [digits[3], digits[5]], methods=METHODS)
print("wrote", explained.save(OUT / "smoothgrad.png"))

# %%
# How much noise?
# ---------------
# None is saliency. Too much explains the noise: the copies are no digits any more. In between, specks run together into the
# places that count in all of the image's neighborhood.

levels = [0, 0.05, 0.15, 0.5, 2]
figure, axes = plt.subplots(1, len(levels), figsize=(11, 2.6), layout="constrained")
for ax, noise in zip(axes, levels, strict=True):
    vz.smoothgrad(cnn, digits[5], noise=noise).plot(ax)
    ax.set_title(f"noise={noise}")
figure.savefig(OUT / "smoothgrad_noise.png", dpi=150)
print("wrote", OUT / "smoothgrad_noise.png")

# %%
# How many copies?
# ----------------
# The standard error says how far the map would differ with other noise, as a share of the map: half of it for four times as many.

for num_samples in (2, 8, 32, 128):
    result = vz.smoothgrad(cnn, digits, num_samples=num_samples)
    print(f"{num_samples:4} copies: {np.mean(result.measures['standard error']):.2f}")
