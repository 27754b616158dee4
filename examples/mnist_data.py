"""The handwritten digits of the MNIST examples: MNIST where it can be had, and scikit-learn's smaller set where it can't."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vizcnn.inputs import read_idx_pair

SEED = 0
HELD_OUT = 0.2
"""Share of the images that training never sees, where the source has no split of its own."""


class Digits(NamedTuple):
    """Images (N, 28, 28) and labels (N,), uint8."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_mnist() -> Digits:
    """Return the digits in a fixed order, and say where they come from.

    The folder that the environment variable ``VIZCNN_MNIST`` names comes first: MNIST's IDX files, plain or gzipped. With both
    its training and its test files the split is MNIST's own; of one alone, a fifth is held out. Without that folder Keras
    downloads MNIST; without a network, the 1,797 digits of scikit-learn, enlarged to 28x28, take its place.
    """
    folder = os.environ.get("VIZCNN_MNIST")
    if folder:
        digits, source = _from_folder(Path(folder))
    else:
        digits, source = _from_keras() or _from_sklearn()
    print(f"{source}: {len(digits.train_labels):,} images to train with, {len(digits.test_labels):,} held out")
    return digits


def _from_folder(folder: Path) -> tuple[Digits, str]:
    train, test = _pair(folder, "train"), _pair(folder, "t10k")
    if train and test:
        order = np.random.default_rng(SEED).permutation(len(train[1]))
        return Digits(train[0][order], train[1][order], *test), "MNIST"
    found = train or test
    if found is None:
        raise SystemExit(
            f"VIZCNN_MNIST is {str(folder)!r}, which holds no MNIST: it must have t10k-images-idx3-ubyte and "
            f"t10k-labels-idx1-ubyte, or the same with train, plain or with .gz."
        )
    return _split(*found), "MNIST's " + ("training images" if train else "test images")


def _pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray] | None:
    for ending in ("-ubyte.gz", "-ubyte"):
        images, labels = folder / f"{part}-images-idx3{ending}", folder / f"{part}-labels-idx1{ending}"
        if images.is_file() and labels.is_file():
            return read_idx_pair(images, labels)
    return None


def _from_keras() -> tuple[Digits, str] | None:
    import keras

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(10)
    try:
        train, test = keras.datasets.mnist.load_data()
    except Exception as error:  # noqa: BLE001 - Keras raises a bare Exception where the network fails
        print(f"Keras could not download MNIST ({type(error).__name__}); set VIZCNN_MNIST to a folder with its files.")
        return None
    finally:
        socket.setdefaulttimeout(before)
    order = np.random.default_rng(SEED).permutation(len(train[1]))
    return Digits(train[0][order], train[1][order], *test), "MNIST by Keras"


def _from_sklearn() -> tuple[Digits, str]:
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    # Their strokes touch the border: a pixel of background around them lets them fade out inside the image.
    small = np.pad(np.rint(digits.images * (255 / 16)).astype(np.uint8), ((0, 0), (1, 1), (1, 1)))
    images = np.stack(
        [np.asarray(Image.fromarray(image).resize((28, 28), Image.Resampling.BICUBIC)) for image in small]
    )
    return _split(images, digits.target.astype(np.uint8)), "scikit-learn's digits, enlarged"


def _split(images: np.ndarray, labels: np.ndarray) -> Digits:
    order = np.random.default_rng(SEED).permutation(len(labels))
    held_out = round(HELD_OUT * len(labels))
    test, train = order[:held_out], order[held_out:]
    return Digits(images[train], labels[train], images[test], labels[test])
