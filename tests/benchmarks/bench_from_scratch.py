"""Time the NumPy CNN of the examples beside the same computation with Python loops over positions.

Both sides return the gradient of the loss by every weight. The fast one takes a batch, the slow one an image at a time.
Usage:

    python -m tests.benchmarks.bench_from_scratch [--quick] [--markdown FILE]
"""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from examples.from_scratch import slow
from examples.from_scratch.cnn import make_cnn
from tests.benchmarks.timing import Limit, Table, arguments, assert_close, in_turn, machine, report

LOOPS, VECTORIZED = "loops, per image", "vectorized, per image"
LEAST = 50
"""How many times faster the vectorized network must be."""


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("bench_from_scratch", __doc__)
    report(machine("numpy"), [table(quick=given.quick)], given.markdown, "bench from scratch")


def table(*, quick: bool = False) -> Table:
    """Return the times of a training step, in batches of 16 (as trained) and of 64."""
    limit = Limit("loops / vectorized", LOOPS, VECTORIZED, least=LEAST)
    made = Table("A CNN from scratch: loss and gradients, 28x28 pixels", ("batch",), (LOOPS, VECTORIZED), [limit])
    for batch in (16, 64):
        made.add((batch,), measure(batch, quick=quick))
    return made


def measure(batch: int, *, quick: bool = False) -> dict[str, float]:
    """Return the median seconds per image of both sides, timed in turn, after they were found to agree."""
    network = make_cnn()
    random = np.random.default_rng(0)
    images = random.uniform(size=(4000, 28, 28, 1)).astype(
        np.float32
    )  # as much as training holds: the allocator adapts
    images, labels = images[:batch], random.integers(0, 10, batch)
    with threadpool_limits(1):  # both on one core; the matrices are too small to share
        fast_gradients = network.gradients(images[:2], labels[:2])[1]
        slow_gradients = slow.gradients(network, images[:2], labels[:2])[1]
        for layer, weights in slow_gradients.items():
            for name, expected in weights.items():
                assert_close(fast_gradients[layer][name], expected, f"{layer} {name}")
        sides = {
            LOOPS: lambda: slow.gradients_of_image(network, images[0], labels[0]),
            VECTORIZED: lambda: network.gradients(images, labels),
        }
        taken = in_turn(sides, quick=quick)
    return {LOOPS: taken[LOOPS], VECTORIZED: taken[VECTORIZED] / batch}


if __name__ == "__main__":
    main()
