"""Ask Quantus: `python -m tests.golden.of_quantus`, in the environment that `make golden` sets up."""

from __future__ import annotations

from typing import Any

import numpy as np
import quantus
from quantus.functions.perturb_func import noisy_linear_imputation

from tests.golden import store
from tests.golden.metrics import HIDDEN, REGIONS, maps
from tests.golden.model import given

SETTINGS: dict[str, Any] = {"disable_warnings": True, "display_progressbar": False, "normalise": False}


def main() -> None:
    """Write what Quantus gives."""
    x = given().images.transpose(0, 3, 1, 2)
    found: dict[str, tuple[str, np.ndarray]] = {}
    for name, values, options in (
        ("Sparseness", np.abs(maps()), {"abs": True}),
        ("Complexity", np.abs(maps()), {"abs": True}),
        ("PointingGame", maps(), {"abs": False}),
        ("RelevanceMassAccuracy", np.abs(maps()), {"abs": True}),
        ("RelevanceRankAccuracy", maps(), {"abs": False}),
    ):
        metric = getattr(quantus, name)(**options, **SETTINGS)
        numbers = metric.evaluate_batch(x_batch=x, a_batch=values[:, None], s_batch=REGIONS[:, None])
        found[name] = (f"abs={options['abs']}, normalise=False", np.asarray(numbers, dtype=np.float64))
    filled = [noisy_linear_imputation(image, np.flatnonzero(HIDDEN), noise=0.0) for image in x]
    found["noisy_linear_imputation"] = ("noise=0", np.stack(filled).transpose(0, 2, 3, 1))
    store.keep("quantus", found, ("numpy", "scipy"))


if __name__ == "__main__":
    main()
