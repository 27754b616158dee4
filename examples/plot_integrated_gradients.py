"""
Integrated Gradients and its kin: maps that add up
==================================================

The gradient is added up on the straight way from a baseline to the image. The map is in units of the score, and all of it
together is what the image's score has over the baseline's.
"""

from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()

# %%
# Beside what it is made of
# -------------------------
# Gradient times input is the map of a single step from black. IDGI shares out the score's rise at each step, and leaves out
# what moves along its contours.

METHODS = ["saliency", "gradient_x_input", "integrated_gradients", "integrated_gradients:idgi=True"]
print("wrote", vz.explain(cnn, [digits[3], digits[5]], methods=METHODS).save(OUT / "integrated_gradients.png"))

# %%
# From where?
# -----------
# What looks like the baseline gets nothing: from black the strokes get all, from white the background does.

baselines = [f"integrated_gradients:baseline={baseline}" for baseline in ("black", "white", "mean", "blur", "noise")]
print("wrote", vz.explain(cnn, digits[5], methods=baselines).save(OUT / "integrated_gradients_baselines.png"))

# %%
# Other ways
# ----------
# Expected Gradients begin at many images, here at the other digits; Blur IG at the image itself, blurred; Guided IG goes round
# where the gradient is steep; XRAI asks which regions of the image have most of it.

others = [
    ("expected_gradients", {"background": digits[:3] + digits[4:], "num_samples": 500}),
    "blur_ig",
    "guided_ig",
    ("xrai", {"segments": "grid"}),
]
print("wrote", vz.explain(cnn, [digits[3], digits[5]], methods=others).save(OUT / "integrated_gradients_ways.png"))

# %%
# How many steps?
# ---------------
# The completeness gap says how far the sum is off. Of a network of ReLUs the gradient jumps on the way, so it falls slowly.

for num_steps in (5, 20, 50, 200):
    result = vz.integrated_gradients(cnn, digits[3], num_steps=num_steps)
    total, gap = result.values.sum(), result.measures["completeness gap"][0]
    print(f"{num_steps:4} steps: {total:.3f}, where the score rises by {total - gap:.3f}")
