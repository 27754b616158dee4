"""
Why it says seven: occlusion, saliency, Grad-CAM
================================================

One digit of each class, and each method's answer to what in it spoke for the class: a row per digit.
"""

from mnist_cnn import one_of_each, trained
from output import OUT

import vizcnn as vz

model, digits = trained()
cnn = vz.adapt(model, preprocess="0..1", labels=[str(digit) for digit in range(10)])
images = one_of_each(digits)

# %%
# Saliency by the three rules. The plain gradient is speckled; the guided rule draws the digit's edges, which says more of the
# image than of the decision.

saliency = vz.explain(cnn, images, methods=["saliency", "saliency:rule=guided", "saliency:rule=relu"])
print("wrote", saliency.save(OUT / "mnist_saliency.png"))

# %%
# Grad-CAM by the same rules, on the second convolution.

gradcam = vz.explain(cnn, images, methods=["gradcam", "gradcam:rule=guided", "gradcam:rule=relu"])
print("wrote", gradcam.save(OUT / "mnist_gradcam.png"))

# %%
# Occlusion: how far the score falls when a patch of 7x7 pixels is made black.

occlusion = vz.occlusion(cnn, images, patch_size=7, stride=2, baseline=0.0)
print("wrote", occlusion.save(OUT / "mnist_occlusion.png"))

# %%
# And what the network takes each digit for while the patch is there: no color where it stays with its answer.

print("wrote", occlusion.save_classes(OUT / "mnist_occlusion_classes.png"))
for index, name in enumerate(occlusion.target):
    print(f"{name} with a patch hidden is taken for", occlusion.tally(index))
