"""A small trained CNN and ten images of its classes, to try things on: they come with vizcnn.

>>> from vizcnn import assets
>>> cnn = assets.digits_cnn()
>>> [file.name for file in assets.digits()][:2]
['digit_0.png', 'digit_1.png']
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter

_FOLDER = Path(str(files("vizcnn"))) / "assets"

DIGITS_CNN = _FOLDER / "digits_cnn.keras"
"""The file of the model: Path."""


def digits_cnn() -> ModelAdapter:
    """Return the bundled CNN that reads handwritten digits, adapted, with its labels.

    Returns
    -------
    ModelAdapter
        Inputs (N, 28, 28, 1), pixel values from 0 to 255; ten classes, "0" to "9". `assets/README.md` says
        where its digits come from and how good it is.

    Examples
    --------
    >>> import vizcnn as vz
    >>> vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()).values.shape
    (10, 28, 28)
    """
    from vizcnn.adapter import adapt

    return adapt(DIGITS_CNN, labels=_FOLDER / "digits_cnn.labels.txt")


def digits() -> list[Path]:
    """Return ten images that the bundled CNN was not trained on, one of each class.

    Returns
    -------
    list of Path
        Grayscale PNG files of 28 x 28 pixels, zero to nine.

    Examples
    --------
    >>> import vizcnn as vz
    >>> [file.name for file in vz.assets.digits()][:2]
    ['digit_0.png', 'digit_1.png']
    """
    return sorted((_FOLDER / "digits").glob("*.png"))
