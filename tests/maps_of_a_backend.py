"""Write the maps that every method makes of some models, on the backend that Keras runs on: ``FOLDER OUT.npz``.

FOLDER holds the models (``.keras``) and one batch of images for each (``.npy``). `tests.test_backends` compares what is written.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

import vizcnn as vz
from vizcnn.plugins import registry
from vizcnn.transforms import NONE

METHODS = ("saliency", "saliency:rule=guided", "saliency:rule=relu", "gradcam", "occlusion:patch_size=3,stride=2")


def main(folder: Path, out: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        maps = {}
        for file in sorted(folder.glob("*.keras")):
            cnn, images = vz.adapt(file), np.load(file.with_suffix(".npy"))
            for name in METHODS:
                plugin, options = registry.parse(name)
                try:
                    result = plugin.function(cnn, images, 1, **options)
                except vz.errors.RuleError:
                    continue  # no ReLU in it
                maps[f"{file.stem}, {name}"] = result.raw if result.raw is not None else result.values
                maps[f"{file.stem}, {name}, scores"] = result.scores
            # Without transforms: TensorFlow's gradient of an affine transform is the inverse transform, not its adjoint.
            made = vz.activation_maximization(cnn, 1, steps=5, input_range=(0, 1), transforms=NONE)
            maps[f"{file.stem}, activation_maximization"] = made.values
    np.savez(out, **maps)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
