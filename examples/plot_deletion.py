"""
Deletion: a number beside every map
===================================

A map says which pixels the decision rests on. Deletion takes it at its word: it hides the highest pixels first, and looks how
fast the model gives the class up. The less area under that curve, the better the map has found what the model needs.
"""

import matplotlib.pyplot as plt
import numpy as np
from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()

# %%
# Beside the maps
# ---------------

METHODS = ["saliency", "gradcam", "occlusion"]
explained = vz.explain(cnn, [digits[3], digits[5]], methods=METHODS, metrics="deletion")
print("wrote", explained.save(OUT / "deletion.png"))

# %%
# The curves
# ----------
# A map of chance is what the others have to beat: pixels are hidden in no order at all, and the model still gives up in the end.


@vz.register("chance")
def chance(model, inputs, score):  # noqa: ARG001 - as every method is called
    """Draw a map by chance."""
    return vz.results.AttributionBatch(np.random.default_rng(0).random(inputs.shape[:-1]))


explained = vz.explain(cnn, digits, methods=[*METHODS, "chance"], metrics="deletion")
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for method, result in explained.results.items():
    curves, area = result.extras["deletion curve"], result.measures["deletion"].mean()
    ax.plot(np.linspace(0, 1, curves.shape[1]), curves.mean(axis=0), label=f"{method} {area:.2f}")
ax.set(xlabel="share of hidden pixels", ylabel="mean probability of ten digits")
ax.legend(frameon=False)
figure.savefig(OUT / "deletion_curves.png", dpi=150)
print("wrote", OUT / "deletion_curves.png")

# %%
# What hides them
# ---------------
# The digits are white on black, so black hides them and white makes other images of them: another baseline is another question.

for baseline in ("mean", "blur", 0.0, 255.0):
    name = f"deletion:baseline={baseline}"
    explained = vz.explain(cnn, digits, methods=METHODS, metrics=name)
    areas = {method: f"{result.measures[name].mean():.2f}" for method, result in explained.results.items()}
    print(f"{baseline!r:>7}: {areas}")
