"""
Which method for my model?
==========================

Every method draws a map, and no two are alike. Which of them shows what a model decides by is a question to the model and to its
images: hide what each map calls important, and see which method is right most often. And see whether it is right more often than
maps that know nothing of the model.
"""

from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()

# %%
# Ranked on ten digits
# --------------------
# Gray are an edge filter, a spot in the middle and chance. A bar holds 95 % of the means over images that are drawn anew.

METHODS = [
    "saliency",
    "gradient_x_input",
    "integrated_gradients",
    "gradcam",
    "layercam",
    "occlusion:patch_size=6,stride=3",
]
compared = vz.compare(cnn, digits, methods=METHODS)
print("wrote", compared.save(OUT / "compare.png"))

# %%
# What can be said of it, and what can't
# --------------------------------------
# Two halves of the ten digits order the methods by themselves, many times. Where they disagree there is no difference.

for verdict in compared.verdicts:
    print("-", verdict)

# %%
# Maps of your own
# ----------------
# A map from anywhere stands beside them, as an array.

mine = vz.inputs.load(digits, cnn.input_shape).inputs(slice(None))[..., 0]
measured = vz.evaluate(cnn, digits, {"the digit itself": mine, "Grad-CAM": "gradcam"}, nulls=True)
print(measured)
