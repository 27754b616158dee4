"""vizcnn: see what a trained Keras CNN has learned, and why it decides as it does.

>>> import vizcnn as vz
>>> cnn = vz.adapt(vz.assets.DIGITS_CNN)  # yours: vz.adapt("model.keras", preprocess="mobilenet", labels="labels.txt")
>>> result = vz.gradcam(cnn, vz.assets.digits()[3])
>>> result
<Attributions 'gradcam' of 'digits_cnn.keras', values (1, 28, 28), layer='conv5'>
>>> axes = result.plot()

Importing vizcnn loads no deep-learning framework, picks no Keras backend and sets nothing; names are resolved when
they are first used. Every installed method (`vizcnn.methods()`) is a function here: `vizcnn.saliency`,
`vizcnn.gradcam`, and those that other packages register. The public names stand in ``__init__.pyi``.
"""

from __future__ import annotations

import importlib
from typing import Any

import lazy_loader

from vizcnn._version import __version__ as __version__

_stubbed, _, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return _stubbed(name)
    if not name.startswith("_"):
        registry = importlib.import_module("vizcnn.plugins.registry")
        if name in registry.names():
            return registry.get(name).function
    raise AttributeError(f"module 'vizcnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    registry = importlib.import_module("vizcnn.plugins.registry")
    return sorted({*__all__, "__version__", *(name for name in registry.names() if name.isidentifier())})
