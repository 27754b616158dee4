"""
A transformer: what its attention says, and what it doesn't
============================================================

A small vision transformer learns the digits from patches of 4x4 pixels, and three methods make a map of its attention. Attention
rollout follows where the class token gathered from, whatever the class; Chefer's attribution and LeGrad ask what of that raises
the score.
"""

import keras
from keras import layers, ops
from mnist_cnn import as_inputs, one_of_each
from mnist_data import load_mnist
from output import OUT

import vizcnn as vz


class ClassToken(layers.Layer):
    """A learned token before those of the patches, which the classes are read from; and each token's place."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="normal", name="token")
        self.places = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), initializer="normal", name="places")

    def call(self, x):
        return ops.concatenate([ops.repeat(self.token, ops.shape(x)[0], axis=0), x], axis=1) + self.places


keras.utils.set_random_seed(0)
image = keras.Input((28, 28, 1))
tokens = layers.Reshape((49, 48))(layers.Conv2D(48, 4, strides=4, name="patches")(image))
tokens = ClassToken(name="class_token")(tokens)
for _ in range(3):
    normed = layers.LayerNormalization()(tokens)
    tokens = tokens + layers.MultiHeadAttention(4, 12)(normed, normed)
    hidden = layers.Dense(96, activation="gelu")(layers.LayerNormalization()(tokens))
    tokens = tokens + layers.Dense(48)(hidden)
read = layers.LayerNormalization()(tokens)[:, 0]
model = keras.Model(image, layers.Dense(10, activation="softmax")(read), name="vit")

digits = load_mnist()
model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(as_inputs(digits.train_images[:8000]), digits.train_labels[:8000], batch_size=64, epochs=5, verbose=0)
_, accuracy = model.evaluate(as_inputs(digits.test_images), digits.test_labels, batch_size=256, verbose=0)
print(f"held-out accuracy {accuracy:.1%}")

# %%
# The same digits under three methods
# -----------------------------------

vit = vz.adapt(model, preprocess="0..1", labels=[str(digit) for digit in range(10)])
chosen = one_of_each(digits)[[2, 4, 5, 9]]
METHODS = ["attention_rollout", "transformer_attribution", "legrad", "gradcam"]
print("wrote", vz.explain(vit, chosen, methods=METHODS).save(OUT / "transformers.png"))

# %%
# Another class
# -------------
# Rollout can't tell a nine from a four in the same picture: its map stays what it is. Chefer's attribution moves, for a nine to
# where the four would have to be closed.

for target in (4, 9):
    result = vz.explain(vit, chosen[[1]], target, methods=METHODS)
    print("wrote", result.save(OUT / f"transformers_as_{target}.png"))
