"""
What each method answers, and how it misleads
=============================================

The same image under each method, and then the tests that a picture should pass before anybody believes it. Everything here
runs on the small CNN and the ten digits that come with vizcnn. Sources and costs are in :doc:`/which_method`.
"""

import keras
import matplotlib.pyplot as plt
import numpy as np
from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
METHODS = ["saliency", "saliency:rule=guided", "gradcam", "occlusion:patch_size=7,stride=2"]

# %%
# One image, four answers
# -----------------------
# **Saliency**: which pixels would change the score if they changed a little. **Guided saliency**: the same without what speaks
# against. **Grad-CAM**: where the last feature maps speak for the class. **Occlusion**: how far the score falls when a patch is
# hidden.

explained = vz.explain(cnn, digits[5], methods=METHODS)
print("wrote", explained.save(OUT / "which_method.png"))

# %%
# Does the picture depend on the question?
# ----------------------------------------
# Asked for a class that is plainly wrong, a method should answer otherwise. The number is the correlation of both maps, over ten
# digits: near 1, the picture hardly knows which class it is about.


def likeness(first, second):
    """Return the mean correlation of the maps of two results."""
    pairs = zip(first.values, second.values, strict=True)
    return np.mean([np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs])


right = vz.explain(cnn, digits, methods=METHODS)
wrong = vz.explain(cnn, digits, [(digit + 5) % 10 for digit in range(10)], methods=METHODS)
for method in METHODS:
    print(f"{method:33}{likeness(right[method], wrong[method]):6.2f}")

# %%
# Does the picture depend on the model?
# -------------------------------------
# The sanity check of Adebayo et al.: shuffle the weights, from the last layer to the first. The network soon knows nothing, so
# its explanation should be lost too. The guided rule goes on to draw the digit: it shows the image, not the decision.

layers = ["preds", "conv5", "conv4", "conv3", "conv2", "conv1"]
kept = {method: [1.0] for method in METHODS}
shuffled = keras.models.load_model(vz.assets.DIGITS_CNN)
generator = np.random.default_rng(0)
broken = vz.adapt(shuffled)
pictures = []
for name in layers:
    layer = shuffled.get_layer(name)
    layer.set_weights(
        [generator.permutation(weights.ravel()).reshape(weights.shape) for weights in layer.get_weights()]
    )
    after = vz.explain(broken, digits, list(range(10)), methods=METHODS)
    pictures.append(after)
    for method in METHODS:
        kept[method].append(likeness(right[method], after[method]))

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for method, values in kept.items():
    axes.plot(["none", *layers], values, marker="o", label=method.split(":patch")[0])
axes.set(xlabel="weights shuffled, down to", ylabel="correlation with the true map", ylim=(-0.5, 1.05))
axes.axhline(0, color="0.6", linewidth=0.8)
axes.set_title("What is left of each picture when the model is destroyed")
axes.legend()
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(OUT / "which_method_sanity.png", dpi=150)

# %%
# Above: the five, explained by the trained network. Below: by the same network with all weights shuffled.

figure, panels = plt.subplots(2, len(METHODS), figsize=(11, 6), layout="constrained")
for row, (result, words) in enumerate([(right, "trained"), (pictures[-1], "shuffled")]):
    for panel, method in zip(panels[row], METHODS, strict=True):
        result[method].plot(panel, index=5)
        panel.set_title(f"{method.split(':patch')[0]}\n{words}")
figure.savefig(OUT / "which_method_shuffled.png", dpi=100)

# %%
# What is "nothing"?
# ------------------
# Occlusion hides a patch, and must put something there. Black is background to this network: a black patch erases strokes, and
# the upper bar of the five matters most. A white patch adds ink: now the gap matters that a nine would have closed. Neither is
# wrong. They are two questions.

baselines = [f"occlusion:patch_size=7,stride=2,baseline={baseline}" for baseline in (0.0, 255.0, "mean", "blur")]
print("wrote", vz.explain(cnn, digits[5], methods=baselines).save(OUT / "which_method_baselines.png"))

# %%
# How fine is the map?
# --------------------
# A Grad-CAM map has as many values as its layer has places, here 14x14; the smooth picture is enlarged from these. Taken from a
# deep network it may have 7x7 values for the whole photograph: its edges are those of the enlarging, not of the object.

gradcam = right["gradcam"]
figure, panels = plt.subplots(1, 2, figsize=(6.4, 3.4), layout="constrained")
panels[0].imshow(gradcam.raw[5], cmap="magma")
panels[0].set_title("as it was computed: {} x {}".format(*gradcam.raw[5].shape))
panels[1].imshow(gradcam.values[5], cmap="magma")
panels[1].set_title("as it is shown: {} x {}".format(*gradcam.values[5].shape))
for panel in panels:
    panel.set_axis_off()
figure.savefig(OUT / "which_method_gradcam.png", dpi=150)
