"""
Planted evidence: which method finds which cause
================================================

A network whose weights were set by hand, so that what makes each score is known: a color in a corner, two patches that count
only together, a patch that must not be there, two of which one is enough, the mean brightness, and a black place on black. Does a
map lie where the cause is? The numbers are in :doc:`/planted_evidence`, and the tests hold every method to them.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from output import OUT

sys.path.insert(0, str(OUT.resolve().parent))  # the clone: the network belongs to the tests
from tests.planted import BLIND, CAUSES, FINDS, PARTLY, maps, measure, methods

# %%
# Six images
# ----------
# White frames: the causes. The blue square is seen by the network, and no class needs it.

figure, panels = plt.subplots(1, len(CAUSES), figsize=(11, 2.2), layout="constrained")
for panel, cause in zip(panels, CAUSES, strict=True):
    panel.imshow(cause.image)
    panel.set_title(cause.name, fontsize="medium")
    panel.set_axis_off()
    for row, column in cause.corners or [(0, 0)]:
        side = 6 if cause.corners else 24
        panel.add_patch(
            plt.Rectangle((column - 0.5, row - 0.5), side, side, fill=False, edgecolor="white", linewidth=2)
        )
figure.savefig(OUT / "planted_evidence_images.png", dpi=100)

# %%
# All maps
# --------
# A row for each method, a column for each cause; what speaks for the class, from black to white. Green frames: found. Yellow:
# partly. Red: the method is blind to this cause.

COLORS = {FINDS: "tab:green", PARTLY: "gold", BLIND: "tab:red"}
BLOCKS = 2

names = methods()
rows = -(-len(names) // BLOCKS)
figure, grid = plt.subplots(rows, BLOCKS * (len(CAUSES) + 1), figsize=(12, 0.62 * rows + 0.6), layout="constrained")
for panel in grid.ravel():
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)
for place, method in enumerate(names):
    block, row = divmod(place, rows)
    head, *cells = grid[row, block * (len(CAUSES) + 1) :][: len(CAUSES) + 1]
    words = method.replace(":", "\n").replace("_", " ")
    head.text(1, 0.5, words, ha="right", va="center", fontsize="small", transform=head.transAxes)
    for panel, cause, values, found in zip(cells, CAUSES, maps(method), measure(method), strict=True):
        panel.imshow(np.maximum(values, 0), cmap="gray", vmin=0, vmax=max(values.max(), 1e-12))
        panel.spines[:].set(visible=True, color=COLORS[found.verdict], linewidth=2)
        if row == 0:
            panel.set_title(cause.name.replace(" ", "\n", 1), fontsize="x-small")
figure.savefig(OUT / "planted_evidence.png", dpi=110)
