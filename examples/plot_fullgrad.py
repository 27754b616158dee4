"""
FullGrad: what the input gives to the score, and what the biases give
=====================================================================

Gradient times input leaves out what the biases of the layers give to the score. FullGrad lays both over one another, and says
whether they add up to the score.
"""

import keras
import numpy as np
from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()

# %%
# Beside gradient times input
# ---------------------------
# The strokes of a digit are bright in gradient times input, and nothing else can be: the background is 0, and so is 0 times any
# gradient. The biases speak for the background too, so that FullGrad is bright where there could have been a stroke.

explained = vz.explain(cnn, [digits[3], digits[8]], methods=["gradient_x_input", "fullgrad"])
print("wrote", explained.save(OUT / "fullgrad.png"))

# %%
# Does it add up?
# ---------------
# For a network of ReLUs the parts add up to the score, but for rounding; gradient times input alone does not.

full, by_input = explained.results["fullgrad"], explained.results["gradient_x_input"]
for index, score in enumerate(full.scores):
    print(
        f"score {score:.2f}: gradient times input {by_input.values[index].sum():.2f}, with the biases "
        f"{score + full.measures['completeness gap'][index]:.2f}"
    )

# %%
# Where it doesn't
# ----------------
# Other activations give to the score in ways of their own, which are neither the input's nor a bias's. A note says how much is
# missing, and by what.

keras.utils.set_random_seed(0)
layers = [keras.Input((28, 28, 1)), keras.layers.Conv2D(8, 3, activation="silu"), keras.layers.GlobalAveragePooling2D()]
smooth = vz.adapt(keras.Sequential([*layers, keras.layers.Dense(10)]))
incomplete = vz.fullgrad(smooth, np.stack([vz.inputs.read_image(digits[3], 1)]) / 255.0)
for note in incomplete.notes:
    print(note)
