"""
What a channel reacts to
========================

Two questions about a layer of the MNIST network: how much of a digit can one of its cells see, and which pieces of all the
held-out digits excite each channel most?
"""

from mnist_cnn import one_of_each, trained
from output import OUT

import vizcnn as vz

model, digits = trained()
cnn = vz.adapt(model, preprocess="0..1", labels=[str(digit) for digit in range(10)])

# %%
# The windows on the way to a layer add up. A cell of the pooling sees 6x6 pixels, and its neighbors begin two pixels further; a
# cell in the middle is drawn full, those at the corners dashed. This is arithmetic: no digit is shown to the network for it.

for layer in ("conv1", "conv2", "pool"):
    print(vz.receptive_field(cnn, layer))
field = vz.receptive_field(cnn, "pool")
field.plot(image=one_of_each(digits)[7])
print("wrote", field.save(OUT / "mnist_receptive_field.png", image=one_of_each(digits)[7]))

# %%
# Of each held-out digit the cell with a channel's highest value counts, and what that cell sees is cut out. Nine pieces of nine
# digits stand in a row, the most exciting first, with the channel's value: some channels want a stroke of one direction, some an
# end, a corner or an edge on one side. What lies beyond the image's edge is gray.

found = vz.top_patches(cnn, digits.test_images[..., None], "pool")
print("wrote", found.save(OUT / "mnist_top_patches.png", channels=found.channels[:12]))

# %%
# They are the extremes. What a channel does on ordinary digits, its feature maps show (:doc:`plot_mnist_2_filters`); which image
# would excite it still more, activation maximization (:doc:`plot_mnist_3_maximization`).
