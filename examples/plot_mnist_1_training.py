"""
Train a CNN on MNIST
====================

The classic case: two convolutions, a pooling and two dense layers, 1,199,882 weights. It is trained on 8,000 digits in under two
minutes on two CPU cores, and kept in ``out/`` for the examples that look into it. Then its layers and its diagram are shown.
"""

from mnist_cnn import as_inputs, trained
from output import OUT

import vizcnn as vz

model, digits = trained()
_, accuracy = model.evaluate(as_inputs(digits.test_images), digits.test_labels, batch_size=256, verbose=0)
print(f"right on {accuracy:.2%} of {len(digits.test_labels):,} held-out digits")

# %%
# What it is made of
# ------------------

architecture = vz.architecture(model)
print(architecture.summary)
print("wrote", architecture.save(OUT / "mnist_architecture.png"))
