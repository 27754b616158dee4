"""Writes tiny models with Keras 1, and what they predict, into an archive: ``python write_keras1.py ARCHIVE.tar.xz [NAME ...]``.

Runs with Keras 1.0 to 1.2 on Theano or on TensorFlow before 1.3, so with Python 3.6: ``pip install numpy==1.16.6 scipy==1.2.3
h5py==2.10.0
pyyaml==5.4.1 theano==1.0.5 tensorflow==1.2.1``, then ``pip install --no-deps keras==1.2.2``; KERAS_BACKEND names
the backend. What a backend or a version hasn't is left out and told.
"""

import os
import sys
import tarfile
import tempfile

import keras
import numpy as np
from keras import backend as K
from keras import layers as L
from keras.models import Model, Sequential

from keras.layers import Input, merge  # isort: skip

TF = {"dim_ordering": "tf"}
TH = {"dim_ordering": "th"}
LAST, FIRST = (8, 9, 3), (3, 8, 9)  # no map is as wide as it has channels: there Keras 3 itself is wrong


def on_image(*stack):
    return Sequential([*list(stack), L.Flatten(), L.Dense(2)])


def conv(n=4, size=3, channels="tf", first=False, **options):
    options["dim_ordering"] = channels
    if first:
        options["input_shape"] = LAST if channels == "tf" else FIRST
    return L.Convolution2D(n, size, size, **options)


def plain(channels):
    return on_image(
        conv(first=True, channels=channels, activation="relu", W_regularizer="l2", init="he_normal"),
        L.MaxPooling2D((2, 2), dim_ordering=channels), L.Dropout(0.5),
    )  # fmt: skip


def normalized(channels):
    return on_image(
        conv(first=True, channels=channels, border_mode="same", bias=False),
        L.BatchNormalization(axis=-1 if channels == "tf" else 1), L.Activation("hard_sigmoid"),
        L.AveragePooling2D((2, 2), strides=(1, 2), dim_ordering=channels),
    )  # fmt: skip


def padded_same(channels):
    return on_image(
        conv(first=True, size=2, channels=channels, border_mode="same"),
        conv(size=3, channels=channels, border_mode="same", subsample=(2, 2)),
        L.MaxPooling2D((2, 2), border_mode="same", dim_ordering=channels),
    )  # fmt: skip


def pooled_same(channels):
    return on_image(
        L.MaxPooling2D((3, 2), strides=(2, 2), border_mode="same", dim_ordering=channels,
                       input_shape=LAST if channels == "tf" else FIRST),
        L.AveragePooling2D((2, 3), strides=(1, 2), border_mode="same", dim_ordering=channels),
    )  # fmt: skip


def autoencoder(channels):
    up = {"dim_ordering": channels}
    return Sequential([
        L.ZeroPadding2D((1, 2), input_shape=LAST if channels == "tf" else FIRST, **up), conv(channels=channels),
        L.MaxPooling2D((2, 2), **up), L.UpSampling2D((2, 2), **up),
        L.Cropping2D(((1, 0), (0, 1)), **up), conv(3, channels=channels, border_mode="same", activation="sigmoid"),
    ])  # fmt: skip


def dilated(channels):
    return on_image(L.AtrousConvolution2D(4, 2, 2, atrous_rate=(2, 2), dim_ordering=channels,
                                          input_shape=LAST if channels == "tf" else FIRST))  # fmt: skip


def separable(channels):
    return on_image(L.SeparableConvolution2D(6, 3, 3, depth_multiplier=2, dim_ordering=channels,
                                             input_shape=LAST if channels == "tf" else FIRST))  # fmt: skip


def deconvolved(channels):
    shape = (2, 4, 18, 20) if channels == "th" else (2, 18, 20, 4)
    x = Input(batch_shape=(2,) + (LAST if channels == "tf" else FIRST))
    y = L.Deconvolution2D(4, 3, 3, output_shape=shape, subsample=(2, 2), dim_ordering=channels)(x)
    return Model(x, y)


def locally_connected(channels):
    return on_image(L.LocallyConnected2D(2, 3, 2, subsample=(2, 1), activation="relu", dim_ordering=channels,
                                         input_shape=LAST if channels == "tf" else FIRST))  # fmt: skip


def volumes(channels):
    shape = (5, 6, 7, 2) if channels == "tf" else (2, 5, 6, 7)
    return on_image(
        L.Convolution3D(3, 2, 3, 2, dim_ordering=channels, input_shape=shape),
        L.MaxPooling3D((2, 2, 2), dim_ordering=channels),
    )


def globally_pooled(channels):
    return Sequential([conv(first=True, channels=channels), L.GlobalAveragePooling2D(dim_ordering=channels)])


def convolved_in_time(channels):
    shape = (3, 6, 5, 2) if channels == "tf" else (3, 2, 6, 5)
    return Sequential([
        L.TimeDistributed(L.Convolution2D(2, 3, 3, dim_ordering=channels), input_shape=shape),
        L.TimeDistributed(L.Flatten()), L.LSTM(3, consume_less="gpu"),
    ])  # fmt: skip


def conv_lstm(channels):
    shape = (3, 6, 5, 2) if channels == "tf" else (3, 2, 6, 5)
    return Sequential([L.ConvLSTM2D(2, 3, 3, border_mode="same", dim_ordering=channels, input_shape=shape)])


def signals():
    return Sequential([
        L.Convolution1D(4, 3, input_shape=(12, 2), border_mode="same", activation="tanh"), L.MaxPooling1D(2),
        L.Convolution1D(3, 2, subsample_length=2), L.ZeroPadding1D(1), L.UpSampling1D(2), L.AveragePooling1D(2, stride=1),
        L.GlobalMaxPooling1D(),
    ])  # fmt: skip


def signals_same():
    return Sequential([
        L.Convolution1D(4, 2, input_shape=(12, 2), border_mode="same"), L.MaxPooling1D(2, border_mode="same"),
        L.AtrousConvolution1D(3, 2, atrous_rate=2), L.Flatten(),
    ])  # fmt: skip


def locally_connected_signals():
    return Sequential([L.LocallyConnected1D(2, 3, input_shape=(9, 2), subsample_length=2), L.Flatten()])


def recurrent():
    return Sequential([
        L.LSTM(3, return_sequences=True, input_shape=(5, 2), dropout_W=0.2), L.GRU(4, return_sequences=True),
        L.Bidirectional(L.LSTM(2, return_sequences=True, inner_activation="sigmoid")), L.SimpleRNN(3, go_backwards=True),
        L.RepeatVector(2), L.GRU(2, consume_less="gpu"),
    ])  # fmt: skip


def embedded():
    return Sequential([L.Embedding(20, 3, input_length=6), L.LSTM(2), L.Dense(1, activation="sigmoid")])


def dense():
    return Sequential([
        L.Dense(6, input_dim=4, activation="softplus", W_constraint="maxnorm"), L.GaussianNoise(0.1), L.GaussianDropout(0.1),
        L.MaxoutDense(5, nb_feature=3), L.Highway(activation="tanh"), L.LeakyReLU(0.2), L.ELU(0.5), L.ThresholdedReLU(0.1),
        L.BatchNormalization(mode=1), L.Reshape((5, 1)), L.Permute((2, 1)), L.TimeDistributed(L.Dense(3)),
    ])  # fmt: skip


def parametric(channels):
    return on_image(conv(first=True, channels=channels), L.PReLU(), L.ParametricSoftplus(), L.SReLU())


def _frozen(layer):
    layer.trainable = False
    return layer


def functional():
    x = Input(LAST, name="image")
    a = _frozen(L.Convolution2D(4, 3, 3, border_mode="same", name="one", **TF))(x)
    b = L.BatchNormalization(name="bn")(L.Convolution2D(4, 1, 1, name="two", **TF)(x))
    joined = merge([merge([a, b], mode="sum"), merge([a, b], mode="mul"), merge([a, b], mode="ave"), merge([a, b], mode="max")],
                   mode="concat", concat_axis=3)  # fmt: skip
    flat = L.GlobalAveragePooling2D(**TF)(joined)
    dense = L.Dense(3, name="shared")
    c, d = dense(flat), dense(L.Activation("tanh")(flat))
    return Model(x, [merge([c, d], mode="dot", dot_axes=1), merge([c, d], mode="cos", dot_axes=1)])


def nested():
    base = Sequential([conv(first=True), L.BatchNormalization(), conv(2)])
    base.layers[0].trainable = False
    x = Input(LAST)
    return Model(x, L.Dense(2)(L.Flatten()(base(x))))


def sequential_of_sequential():
    base = Sequential([conv(first=True), L.BatchNormalization(), L.Activation("relu")])
    return on_image(base, conv(2))


def two_branches():
    left, right = Sequential([conv(first=True), L.Flatten()]), Sequential([L.Dense(5, input_dim=4)])
    return Sequential([L.Merge([left, right], mode="concat"), L.Dense(3), L.BatchNormalization()])


BY_CHANNELS = (plain, normalized, padded_same, pooled_same, autoencoder, dilated, separable, deconvolved, locally_connected,
               volumes, globally_pooled, convolved_in_time, conv_lstm, parametric)  # fmt: skip
MODELS = {f"{f.__name__}_{c}": lambda f=f, c=c: f(c) for f in BY_CHANNELS for c in ("tf", "th")}
MODELS.update((f.__name__, f) for f in (signals, signals_same, locally_connected_signals, recurrent, embedded, dense, functional,
                                        nested, sequential_of_sequential, two_branches))  # fmt: skip


def main(archive, wanted):
    expected, folder = {}, tempfile.mkdtemp()
    for name, make in sorted(MODELS.items()):
        if wanted and name not in wanted:
            continue
        path = os.path.join(folder, name + ".h5")
        K.set_image_dim_ordering("th" if name.endswith("_th") else "tf")
        rng = np.random.RandomState(0)
        try:
            model = make()
            model.set_weights([rng.uniform(-0.5 if w.ndim > 1 else 0.1, 0.5, w.shape) for w in model.get_weights()])
            inputs = [_input(name, K.int_shape(t)) for t in model.inputs]
            outputs = model.predict(inputs, batch_size=2)
            model.save(path)
        except Exception as error:
            print("left out: {} - {}: {}".format(name, type(error).__name__, str(error).strip().split("\n")[0][:120]))
            if os.path.exists(path):
                os.remove(path)
            continue
        for index, value in enumerate(inputs):
            expected[f"inputs of {name}.h5/{index}"] = value
        for index, output in enumerate(outputs if isinstance(outputs, list) else [outputs]):
            expected[f"{name}.h5/{index}"] = output
    np.savez(os.path.join(folder, "expected.npz"), **expected)
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for entry in sorted(os.listdir(folder)):
            packed.add(os.path.join(folder, entry), entry)
    print(f"{archive}: {len(expected) // 2} models by Keras {keras.__version__} on {K.backend()}")


def _input(name, shape):
    values = np.random.RandomState(len(shape)).uniform(0, 1, (2, *tuple(size or 5 for size in shape[1:]))).astype("f4")
    return np.floor(values * 20) if name == "embedded" else values


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
