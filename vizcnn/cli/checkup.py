"""What can be explained of a model, and what can't and why: the content of `vizcnn check`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.maximization import image_shape
from vizcnn.cli.console import catch_warnings
from vizcnn.cli.demonstration import every_method
from vizcnn.errors import VizcnnError
from vizcnn.plugins import door, registry
from vizcnn.text import shape_text


@dataclass(frozen=True)
class Verdict:
    """Whether a method works.

    Attributes
    ----------
    method : str
        Its name, with the variant.
    works : bool
        Whether it does.
    why : str
        Why not.
    seconds : float or None
        How long it took on the image, where one was given.
    """

    method: str
    works: bool
    why: str = ""
    seconds: float | None = None


@dataclass
class Checkup:
    """What is known of a model.

    Attributes
    ----------
    model, origin : str
        Its name; what its file is and who wrote it.
    repairs : tuple of str
        What had to be repaired.
    inputs, outputs : dict
        By name: shape, and what it seems to be.
    maps : tuple of str
        Layers that a map can be taken from.
    default_layer : str or None
        The one that Grad-CAM takes.
    methods : list of Verdict
        Each installed method.
    notes : list of str
        What vizcnn has to say.
    """

    model: str
    origin: str
    repairs: tuple[str, ...]
    inputs: dict[str, dict[str, str]] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    maps: tuple[str, ...] = ()
    default_layer: str | None = None
    methods: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def explains(self) -> bool:
        """Whether some method explains images."""
        return any(verdict.works and registry.parse(verdict.method)[0].explains for verdict in self.methods)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def check_up(model: ModelAdapter, image: Path | None = None) -> Iterator[Checkup | Verdict]:
    """Look at a model; yield a verdict after each method, and last the whole.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    image : Path, default None
        An image that every method is run on, and timed; None: those that differentiate are tried on noise, the others judged
        by what they need.

    Yields
    ------
    Verdict, or at the end Checkup
    """
    result = Checkup(model.name, model.source, model.repairs)
    with catch_warnings() as messages:
        _describe(result, model)
        for name in [*every_method(), *(name for name in registry.names() if not registry.get(name).explains)]:
            verdict = _try(name, model, image)
            result.methods.append(verdict)
            yield verdict
    result.notes += dict.fromkeys(messages if image is not None else ())
    yield result


def methods_count() -> int:
    """Return how many verdicts there will be."""
    return len(every_method()) + sum(not registry.get(name).explains for name in registry.names())


def _describe(result: Checkup, model: ModelAdapter) -> None:
    scale = model.input_range
    reach = "range not known, say --preprocess" if scale is None else f"{scale[0]:g} to {scale[1]:g}"
    rank = max((info.rank for info in model.layers), default=2)
    what = {1: "signal", 2: "image", 3: "volume"}[rank]
    for name, shape in model.input_shapes.items():
        many = len(model.input_shapes) > 1
        kind = f"{what}, {reach}" if len(shape) >= 2 or not many else "numbers, held by --fixed"
        result.inputs[name] = {"shape": shape_text(shape), "meaning": kind}
    try:
        if None not in model.input_shape:
            model.prepare(tuple(int(size or 1) for size in model.input_shape))
        for name, shape in model.output_shapes.items():
            result.outputs[name] = {"shape": shape_text(shape), "meaning": _meaning(model, name)}
    except VizcnnError:  # said by the methods
        pass
    result.maps = tuple(info.path for info in model.layers if _is_map(info))
    if "gradients" in model.capabilities:
        try:
            model.prepare(door.load_images(model, _noise_image(model)).sample_shape)
            result.default_layer = model.default_layer()
        except VizcnnError:
            result.default_layer = None


def _is_map(info: Any) -> bool:
    return bool(info.output_shape and info.is_spatial and not info.is_container and info.role != "input")


def _meaning(model: ModelAdapter, name: str) -> str:
    head = model.head(name)
    units, activation = head.units, head.activation
    if len(head.positions) == 2 and activation is None:
        return f"map of {units} value{'s' * (units != 1)}: an image, or raw scores"
    if len(head.positions) == 2:
        return f"map of {units} classes ({activation})" if units != 1 else f"map of one label, yes or no ({activation})"
    if activation == "softmax":
        return f"{units} classes (softmax)"
    if activation == "sigmoid":
        return "two classes (one sigmoid)" if units == 1 else f"{units} labels, each yes or no (sigmoid)"
    if head.is_two_sided:
        return "two classes (one logit)"
    if not head.is_classes:
        return "scalar (regression)" if units == 1 else f"{units} numbers (regression)"
    return f"{units} numbers: raw scores, or an embedding"


def _try(name: str, model: ModelAdapter, image: Path | None) -> Verdict:
    plugin, options = registry.parse(name)
    missing = plugin.missing_needs(model)
    if missing:
        return Verdict(name, False, missing)
    try:
        if ("images" in plugin.takes or "ascent" in plugin.needs) and len(model.input_shape) in (0, 3):
            image_shape(model)  # which the model may not say, or may have several of
        if image is None and "gradients" in plugin.needs:
            few = {option: 2 for option in ("num_steps", "num_samples") if option in plugin.options}
            plugin.function(model, *_given(plugin.takes, _noise_image(model)), **{**few, **options})
        elif image is not None:
            start = time.perf_counter()
            plugin.function(model, *_given(plugin.takes, image), **options)
            return Verdict(name, True, seconds=time.perf_counter() - start)
    except VizcnnError as error:
        return Verdict(name, False, " ".join(str(error).split()))
    except Exception as error:  # noqa: BLE001 - a stranger's plugin may raise anything
        return Verdict(name, False, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    return Verdict(name, True)


def _given(takes: tuple[str, ...], image: Any) -> list[Any]:
    values: Mapping[str, Any] = {"images": image, "target": None}
    return [values[name] for name in takes if name != "model"]


def _closed(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return (*(size or 64 for size in shape[:-1]), shape[-1] or 1)


def _noise_image(model: ModelAdapter) -> np.ndarray:
    """Return pixels, which preprocessing turns into what the model takes; without it what the model takes."""
    model = model.image_model
    low, high = (0.0, 255.0) if model.pixel_preprocess is not None else model.input_range or (0.0, 1.0)
    shape: tuple[int, ...] = image_shape(model) if len(model.input_shape) in (0, 3) else _closed(model.input_shape)
    noise = np.random.default_rng(0).uniform(low, high, shape)
    return noise.astype(np.float32)
