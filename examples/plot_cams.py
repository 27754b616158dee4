"""
Class activation maps: seven ways to weigh a layer
==================================================

All of them make one map of a layer's feature maps and of the gradients by them. On the last layer, in front of global average
pooling and one dense layer, Grad-CAM, HiResCAM and XGrad-CAM are the same map; on an earlier one they part.
"""

from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()

# %%
# On the last layer
# -----------------
# Eigen-CAM and FEM show what stands out in the layer, whatever the class: they are no answer to "why a five".

CAMS = ["gradcam", "hirescam", "xgradcam", "gradcam_plus_plus", "layercam", "eigencam", "fem"]
print("wrote", vz.explain(cnn, digits[5], methods=CAMS).save(OUT / "cams.png"))

# %%
# On an early layer
# -----------------
# One weight for each channel says little here: HiResCAM and LayerCAM weigh every place.

early = [f"{cam}:layer=conv2" for cam in CAMS]
print("wrote", vz.explain(cnn, digits[5], methods=early).save(OUT / "cams_early.png"))

# %%
# Of both at once
# ---------------
# The maps of several layers are stretched to the same range and become one: their product is bright where both are.

fused = [f"layercam:layers=['conv2', 'conv5'],fuse={fuse}" for fuse in ("mean", "max", "product")]
print("wrote", vz.explain(cnn, digits[5], methods=fused).save(OUT / "cams_fused.png"))

# %%
# Why this and not that?
# ----------------------
# Finer-CAM leaves out what speaks for the nearest rivals as well; the result names them.

finer = vz.finercam(cnn, digits[5])
print("told from", [finer.class_labels[index] for index in finer.extras["rivals"][0]])
print("wrote", vz.explain(cnn, digits[5], methods=["gradcam", "finercam"]).save(OUT / "cams_finer.png"))

# %%
# Against the class
# -----------------
# The map has a sign before its ReLU: with ``relu=False`` what speaks against a three in this five is blue.

signed = vz.hirescam(cnn, digits[5], "3", relu=False)
print("wrote", signed.save(OUT / "cams_signed.png"))
