"""vizcnn: see what a trained Keras CNN has learned, and why it decides as it does.

>>> import vizcnn as vz
>>> cnn = vz.adapt(vz.assets.DIGITS_CNN)  # yours: vz.adapt("model.keras", preprocess="mobilenet", labels="labels.txt")
>>> result = vz.gradcam(cnn, vz.assets.digits()[3])
>>> result
<Attributions 'gradcam' of 'digits_cnn.keras', values (1, 28, 28), layer='conv5'>
>>> axes = result.plot()

Importing vizcnn loads no deep-learning framework, picks no Keras backend and sets nothing; names are resolved when
they are first used. Every installed method (`vizcnn.methods()`) is a function here: `vizcnn.saliency`,
`vizcnn.gradcam`, and those that other packages register.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vizcnn._version import __version__ as __version__

if TYPE_CHECKING:
    from vizcnn.adapter import KerasAdapter, ModelAdapter, adapt
    from vizcnn.explanation import Explanation, explain
    from vizcnn.plugins.register import register
    from vizcnn.plugins.registry import methods
    from vizcnn.results import Architecture, Attributions, Diagnosis, FeatureMaps, Images, Kernels, load_result

_HOME = {
    "adapt": "vizcnn.adapter",
    "ModelAdapter": "vizcnn.adapter",
    "KerasAdapter": "vizcnn.adapter",
    "explain": "vizcnn.explanation",
    "Explanation": "vizcnn.explanation",
    "methods": "vizcnn.plugins.registry",
    "register": "vizcnn.plugins.register",
    "Architecture": "vizcnn.results",
    "Attributions": "vizcnn.results",
    "Diagnosis": "vizcnn.results",
    "FeatureMaps": "vizcnn.results",
    "Images": "vizcnn.results",
    "Kernels": "vizcnn.results",
    "load_result": "vizcnn.results",
}
_MODULES = (
    "adapter",
    "assets",
    "callbacks",
    "errors",
    "inputs",
    "plugins",
    "render",
    "results",
    "targets",
    "transforms",
)

__all__ = [
    "Architecture",
    "Attributions",
    "Diagnosis",
    "Explanation",
    "FeatureMaps",
    "Images",
    "KerasAdapter",
    "Kernels",
    "ModelAdapter",
    "adapt",
    "explain",
    "load_result",
    "methods",
    "register",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"vizcnn.{name}")
    if not name.startswith("_"):
        registry = importlib.import_module("vizcnn.plugins.registry")
        if name in registry.names():
            return registry.get(name).function
    raise AttributeError(f"module 'vizcnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    registry = importlib.import_module("vizcnn.plugins.registry")
    return sorted({*__all__, *_MODULES, "__version__", *(name for name in registry.names() if name.isidentifier())})
