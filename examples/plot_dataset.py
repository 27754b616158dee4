"""
A whole dataset: what the maps have in common
=============================================

One map explains one decision. A run goes through a dataset of any size, keeps a map of every image, and goes on where it was
stopped; what the maps have in common, and which mistakes the model is surest of, is asked of it afterwards.
"""

import shutil

import matplotlib.pyplot as plt
import numpy as np
from output import OUT
from PIL import Image

import vizcnn as vz

# %%
# A folder for each class
# -----------------------
# Ten digits, each shifted and noisy in 24 ways: enough to make the small network err.

images, out = OUT / "shifted_digits", OUT / "run"
for folder in (images, out):
    shutil.rmtree(folder, ignore_errors=True)
generator = np.random.default_rng(0)
for path in vz.assets.digits():
    label, pixels = path.stem[-1], np.asarray(Image.open(path), dtype=float)
    (images / label).mkdir(parents=True)
    for number in range(24):
        shifted = np.roll(pixels, generator.integers(-4, 5, 2), axis=(0, 1)) + generator.normal(0, 60, pixels.shape)
        Image.fromarray(shifted.clip(0, 255).astype(np.uint8)).save(images / label / f"{number}.png")

# %%
# The run
# -------
# The same call in a second process would find nothing left to do.

cnn = vz.assets.digits_cnn()
run = vz.explain_dataset(cnn, images, out, methods=["gradcam", "saliency"], labels_by="folders", say=print)
counts = run.about["counts"]
print(run, f"{counts['correct']} of {counts['labelled']} right")
print(run.top("gradcam.border", 3)[["path", "prediction", "gradcam.border"]])

# %%
# Where each class is seen
# ------------------------
# The mean of all maps of a class, each as shares of its largest magnitude: what the network looks at, whatever the image.

means = run.mean_maps("gradcam", by="prediction", relative=True)
figure, axes = plt.subplots(2, 5, figsize=(9, 4), layout="constrained")
for ax in axes.flat:
    ax.set_axis_off()
for ax, (label,), count, mean in zip(axes.flat, means.keys, means.counts, means.means, strict=False):
    ax.imshow(mean.clip(0), cmap="inferno", vmin=0)
    ax.set_title(f"{label} ({count} images)")
figure.savefig(OUT / "dataset_means.png", dpi=150)
print("wrote", OUT / "dataset_means.png")

# %%
# The surest mistakes
# -------------------
# What spoke for the class that it took, what for the true one, and what decided between the two.

print("wrote", run.mistakes(3).save(OUT / "dataset_mistakes.png"))
