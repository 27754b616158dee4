"""
Hiding parts of an image: seven ways to ask
===========================================

All of these run the network on the image with parts of it hidden, so they work on any model that gives a score. They differ in
what is hidden together, and in what is made of the scores.
"""

import numpy as np
from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()

# %%
# Beside each other
# -----------------
# RISE hides random cells and takes means, LIME fits a linear model to them, KernelSHAP shares out the rise of the score over the
# hidden image, and PartitionSHAP does so among ever smaller halves. Sobol and HSIC have no sign: they say that the score
# depends on a segment, not which way.

METHODS = [
    "occlusion",
    "rise",
    "lime:num_samples=500",
    "kernel_shap:num_samples=500",
    "partition_shap",
    "sobol:num_segments=49,num_samples=16",
    "hsic",
]
explained = vz.explain(cnn, [digits[3], digits[5]], methods=METHODS)
print("wrote", explained.save(OUT / "perturbation.png"))

# %%
# How far would another seed lead?
# --------------------------------
# Every map that is drawn by chance knows its standard error, as a share of it; and LIME how much of the scores its linear model
# explains. ``tolerance=0.1`` stops where the error is a tenth of the map.

for method, result in explained.results.items():
    print(f"{method:38}", {name: values.round(2).tolist() for name, values in result.measures.items()})

# %%
# Other segments
# --------------
# A grid needs nothing. ``segments="slic"`` follows the edges of a photograph, and labels of your own say what is asked about:
# here the upper and the lower half, whose Shapley values are exact.

halves = np.repeat([0, 1], 14)[:, None].repeat(28, axis=1)
result = vz.kernel_shap(cnn, digits[3], segments=halves, baseline=0.0)
upper, lower = result.values[0, [0, -1], 0]
print(f"upper half {upper:.1f}, lower half {lower:.1f}: together {upper + lower:.1f}, the score's rise over black")

# %%
# A mask of a given area
# ----------------------
# Extremal perturbations are optimized, by gradients: of all smooth masks of an area, the one through which the score is highest,
# and the one without which it is lowest. The two needn't agree. Every mask has its score.

modes = [f"extremal_perturbation:baseline=0.0,mode={mode}" for mode in ("preserve", "delete")]
masks = vz.explain(cnn, digits[5], methods=modes)
print("wrote", masks.save(OUT / "perturbation_masks.png"))
for method, result in masks.results.items():
    print(
        f"{method:58}",
        result.extras["scores"][0].round(1),
        f"of {result.scores[0]:.1f}, areas {result.extras['areas'][0].round(2)}",
    )
