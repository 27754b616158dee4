"""
Can I trust this map?
=====================

A heatmap always looks as if it meant something. ``trust=True`` tests each map on your own model and image, and says in plain
words what came of it, beside what maps get that know nothing of the model: chance, an edge filter, a spot in the middle.
"""

import matplotlib.pyplot as plt
import numpy as np
from output import OUT

import vizcnn as vz

cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
METHODS = ["saliency:rule=guided", "smoothgrad", "gradcam", "occlusion"]

# %%
# The verdict, under each map
# ---------------------------
# The first line is the verdict. The numbers: insertion minus deletion with two fills; ROAD, with a third one; how like the map is
# to that of the same model before its training (low is good); and how far the map would be the same again.

explained = vz.explain(cnn, [digits[3], digits[5]], methods=METHODS, trust=True)
print("wrote", explained.save(OUT / "can_i_trust_this_map.png"))

# %%
# In plain words
# --------------
# What you can show to somebody who has never heard of any of this.

for method, trust in explained.trust.items():
    print(f"{method}: {trust[0].label}\n    {trust[0].sentence}\n")

# %%
# Beside maps that know nothing
# -----------------------------
# Parts of the image are kept, and the rest is painted over: how much more of the model's answer is in the parts that a map marks
# most than in those that it marks least? A bar means little alone. The lines are what the image's edges, its middle and chance
# get.

FILLS = {"mean": "in the mean color", "blur": "with a blurred image"}
COLORS = {"edges": "tab:orange", "center": "tab:green", "random": "black"}

figure, panels = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
for panel, (fill, words) in zip(panels, FILLS.items(), strict=True):
    tests = [trust[0].faithfulness[fill] for trust in explained.trust.values()]
    panel.barh(METHODS, [test.value for test in tests], color="lightsteelblue")
    for null, color in COLORS.items():
        panel.axvline(tests[0].nulls[null], color=color, label=null)
    panel.set(title=f"painted over {words}", xlabel="insertion minus deletion")
panels[0].invert_yaxis()  # of both
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
figure.savefig(OUT / "can_i_trust_this_map_nulls.png", dpi=150)
print("wrote", OUT / "can_i_trust_this_map_nulls.png")

# %%
# The model or the image?
# -----------------------
# Guided saliency draws fine lines, and draws nearly the same ones when the network has learned nothing: its pictures are about
# the digit. The number that tells so stands beside every map.

untrained = cnn.reinitialized()
figure, panels = plt.subplots(2, 2, figsize=(5, 5), layout="constrained")
for row, method in zip(panels, ("saliency:rule=guided", "smoothgrad"), strict=True):
    for panel, model, words in zip(row, (cnn, untrained), ("trained", "untrained"), strict=True):
        values = vz.explain(model, digits[3], 3, methods=method)[method].values[0]
        panel.imshow(values, cmap="inferno", vmax=np.percentile(values, 99))
        panel.set(title=f"{method}\n{words}", xticks=[], yticks=[])
    row[1].set_xlabel(f"likeness {explained[method].trust[0].numbers['randomization']:.2f}")
figure.savefig(OUT / "can_i_trust_this_map_untrained.png", dpi=150)
print("wrote", OUT / "can_i_trust_this_map_untrained.png")

# %%
# Over more images
# ----------------
# One image may be luck. These digits all lie in the middle, where a spot is hard to beat: over ten of them hardly any map is
# better than that. On images whose objects lie elsewhere more can be told.

explained = vz.explain(cnn, digits, methods=METHODS, trust=True)
for method, trust in explained.trust.items():
    kinds = [each.verdict.kind for each in trust]
    better = sum(kind == "better" for kind in kinds)
    alike = sum(each.is_model_independent for each in trust)
    print(f"{method}: better than all of them on {better} of 10 digits, much like an untrained network's on {alike}")
