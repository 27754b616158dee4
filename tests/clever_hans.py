"""How often `vizcnn.spray` finds a mark that was planted in a class, and how often it suspects where none was.

``python -m tests.clever_hans --folder DIR`` trains the networks, runs over their images and prints the table; it goes on where
it was stopped. It needs MNIST's test images (``VIZCNN_MNIST``), and about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from PIL import Image

import vizcnn as vz
from vizcnn.errors import VizcnnWarning
from vizcnn.inputs import read_idx_pair

RATES, SEEDS, CLEAN = (0.05, 0.1, 0.3), range(10), range(20)
IMAGES, EPOCHS, BATCH_SIZE, METHOD = 5000, 8, 50, "hirescam"

MARK = np.array(
    [
        [255 * (cell == "x") for cell in row]
        for row in ("xxxxxxxxx", "x.x.x.x.x", "xx.x.x.xx", "x.x.x.x.x", "xxxxxxxxx")
    ],
    np.uint8,
)
"""What is planted, in the bottom left corner."""


class Found(NamedTuple):
    """What was found in one run."""

    rank: int | None
    caught: float
    suspects: int
    wrong: int


def marked(images: np.ndarray) -> np.ndarray:
    """Return images (..., 28, 28) with the mark."""
    images = images.copy()
    images[..., 22:27, 1:10] = MARK
    return images


def network() -> Any:
    """Return a network of 4,138 weights, not trained."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 5, strides=4, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def trained(images: np.ndarray, labels: np.ndarray, seed: int, epochs: int = EPOCHS) -> Any:
    """Return the network, trained."""
    keras.utils.set_random_seed(seed)
    model = network()
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(images[..., None].astype(np.float32), labels, batch_size=BATCH_SIZE, epochs=epochs, verbose=0)
    return model


def write(images: np.ndarray, folder: Path) -> None:
    """Write each image, plain and marked."""
    for name, all_of in (("plain", images), ("marked", marked(images))):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(all_of):
            path = folder / name / f"{number}.png"
            if not path.exists():
                Image.fromarray(image).save(path)


def made(folder: Path, images: np.ndarray, labels: np.ndarray, seed: int, rate: float) -> tuple[vz.Run, Path]:
    """Train a network on some of the images, a share of one class marked, and explain these."""
    here = folder / f"{seed}_{rate:g}"
    if not (here / "run" / "failures.jsonl").exists():
        generator = np.random.default_rng(seed)
        chosen = generator.permutation(len(images))[:IMAGES]
        of_class = chosen[labels[chosen] == seed % 10]
        planted = (
            set(generator.choice(of_class, round(rate * len(of_class)), replace=False).tolist()) if rate else set()
        )
        x = np.stack([marked(images[at]) if at in planted else images[at] for at in chosen])
        model = trained(x, labels[chosen], seed)
        here.mkdir(exist_ok=True)
        model.save(here / "model.keras")
        rows = [f"{'marked' if at in planted else 'plain'}/{at}.png,{labels[at]}\n" for at in chosen]
        source = folder / f"{here.name}.csv"
        source.write_text("path,label\n" + "".join(rows), encoding="utf-8")
        adapter = vz.adapt(model, preprocess="none", batch_size=128)
        vz.explain_dataset(adapter, source, here / "run", methods=METHOD)
    return vz.open_run(here / "run"), here / "model.keras"


def found(run: vz.Run, model: Any) -> Found:
    """Look for the mark."""
    spray = vz.spray(run, model=vz.adapt(model, preprocess="none"))
    bears = run.table["path"].str.startswith("marked")
    shares = [bears[cluster.images].mean() for cluster in spray]
    hits = [place for place, share in enumerate(shares) if share > 0.5]
    caught = [
        bears[cluster.images].sum()
        for cluster, share in zip(spray, shares, strict=True)
        if share > 0.5 and cluster.is_suspect
    ]
    wrong = sum(cluster.is_suspect and share <= 0.5 for cluster, share in zip(spray, shares, strict=True))
    return Found(hits[0] if hits else None, sum(caught) / max(1, bears.sum()), len(spray.suspects), wrong)


def table(folder: Path, first: int = 0) -> Iterator[str]:
    """Yield the lines of the table in Markdown."""
    mnist = Path(os.environ["VIZCNN_MNIST"])
    images, labels = read_idx_pair(mnist / "t10k-images-idx3-ubyte.gz", mnist / "t10k-labels-idx1-ubyte.gz")
    write(images, folder)
    yield "| marked, of one class | first cluster of all | in the first three | suspect | of its images | others suspect |"
    yield "|---|--:|--:|--:|--:|--:|"
    for rate in (*RATES, 0.0):
        seeds = [first + seed for seed in (SEEDS if rate else CLEAN)]
        all_of = [found(*made(folder, images, labels.astype(int), seed, rate)) for seed in seeds]
        total = len(all_of)
        wrong = f"{sum(one.wrong > 0 for one in all_of)} of {total} runs"
        if not rate:
            yield f"| none | | | | | {wrong} |"
            continue
        ranks = [one.rank for one in all_of if one.rank is not None]
        caught = [one.caught for one in all_of]
        yield (
            f"| {rate:.0%} | {sum(rank == 0 for rank in ranks)} of {total} | {sum(rank < 3 for rank in ranks)} of {total} | "
            f"{sum(one.suspects > one.wrong for one in all_of)} of {total} | {min(caught):.0%} to {max(caught):.0%} | {wrong} |"
        ).replace("%", " %")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How often spray finds a planted mark, and suspects where none is.")
    parser.add_argument("--folder", type=Path, required=True, help="where networks and runs are kept")
    parser.add_argument("--seed", type=int, default=0, help="of the first network: others, to hold the numbers to")
    given = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VizcnnWarning)
        for line in table(given.folder, given.seed):
            print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
