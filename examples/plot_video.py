"""
A clip, frame by frame
======================

A model of images explains each frame of a clip, and the clip comes back with the maps over it: in one scale of colors, so that a
map that fades is seen to fade.
"""

import matplotlib.pyplot as plt
import numpy as np
from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()

# %%
# A clip is made of two digits, of which one turns into the other. It is an array here; a GIF, an MP4 file or a folder of frames
# would do.

five, three = (vz.inputs.read_image(digits[number], 1).astype(np.float32) for number in (5, 3))
shares = np.linspace(0, 1, 24)
clip = np.stack([(1 - share) * five + share * three for share in shares]).astype(np.uint8)

# %%
# Of each frame the class that is predicted, and where the layer's maps speak for it. ``vizcnn video`` does the same.

video = vz.explain_video(cnn, clip, method="gradcam")
print("wrote", video.save(OUT / "video.gif"))

# %%
# The pictures come one after another, as arrays: only those of a batch are held, whatever the length of the clip.

pictures = list(video)[::4]
figure, axes = plt.subplots(1, len(pictures), figsize=(11, 2.2), layout="constrained")
for ax, picture in zip(axes, pictures, strict=True):
    ax.imshow(picture)
    ax.set_axis_off()
figure.savefig(OUT / "video_frames.png", dpi=150)
print("wrote", OUT / "video_frames.png")

# %%
# One class on all frames: how what speaks for a three comes up.

print("wrote", vz.explain_video(cnn, clip, target="3", method="saliency").save(OUT / "video_three.gif"))
