"""
Training that shows itself
==========================

``ExplainCallback`` explains the same images after each epoch: in TensorBoard by method and image, and in a folder, with an
animation over the epochs at the end. Here the MNIST network learns from 1,500 digits, and one can watch where it learns to look.
"""

import keras
from mnist_cnn import as_inputs, build, one_of_each
from mnist_data import load_mnist
from output import OUT

from vizcnn.callbacks import ExplainCallback

digits = load_mnist()
explain = ExplainCallback(
    one_of_each(digits)[[5]],
    methods=["gradcam", "saliency", "occlusion:patch_size=7,stride=2,baseline=0.0"],
    target=5,
    log_dir=OUT / "training" / "logs",
    folder=OUT / "training",
    preprocess="0..1",
)

keras.utils.set_random_seed(0)
model = build()
model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    as_inputs(digits.train_images[:1500]),
    digits.train_labels[:1500],
    batch_size=64,
    epochs=10,
    verbose=0,
    callbacks=[explain],
)

# %%
# What it cost, and what it shows
# -------------------------------
# Each method was compiled once, in the first epoch. In TensorBoard the same pictures have a slider over the epochs:
# ``tensorboard --logdir out/training/logs``.

print("accuracy on what it was trained on:", *(f"{accuracy:.0%}" for accuracy in history.history["accuracy"]))
print(f"explaining took {explain.share:.0%} of the time")
print("wrote", *sorted(str(file) for file in (OUT / "training").glob("*.gif")))
