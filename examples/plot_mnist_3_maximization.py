"""
The digits that the network dreams of
=====================================

Activation maximization changes an image until the network is as sure as it can be of a class. All ten classes rise in one batch.
"""

from mnist_cnn import trained
from output import OUT

import vizcnn as vz
from vizcnn.transforms import Norm, TotalVariation, Transforms

model, _ = trained()
cnn = vz.adapt(model, preprocess="0..1", labels=[str(digit) for digit in range(10)])

# %%
# Without small shifts and turns between the steps, and without a price on rough images, the network is fooled by speckle. With
# them, strokes appear, though it is sure of images that no person would call a digit: it was only ever shown digits.

dreams = vz.activation_maximization(
    cnn,
    list(range(10)),
    transforms=Transforms(jitter=2, scale=(0.95, 1.05), rotate=8),
    regularizers=[TotalVariation(20.0), Norm(2.0, 5.0)],
    frames=24,
)
print("wrote", dreams.save(OUT / "mnist_maximization.png", columns=5))
print("wrote", dreams.save_animation(OUT / "mnist_maximization.gif"))
for target, prediction in zip(dreams.target, dreams.predictions, strict=True):
    print(f"made for {target}, taken for {prediction.label} with {prediction.probability:.4f}")
