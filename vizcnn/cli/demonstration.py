"""The demo: a trained model, its images, and a dozen methods on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vizcnn import assets
from vizcnn.adapter import ModelAdapter, adapt
from vizcnn.cli.console import catch_warnings
from vizcnn.cli.picture_names import classes_file, method_slugs
from vizcnn.errors import VizcnnError
from vizcnn.explanation import Explanation, explain
from vizcnn.plugins import registry
from vizcnn.transforms import Norm, TotalVariation, Transforms

PHOTOGRAPH = "https://storage.googleapis.com/download.tensorflow.org/example_images/YellowLabradorLooking_new.jpg"
"""A Labrador, by Mirko (CC BY-SA 3.0); it comes from the same host as Keras's weights."""

CHOSEN = frozenset({
    "saliency", "saliency:rule=guided", "saliency:rule=relu", "smoothgrad", "integrated_gradients",
    "gradcam", "gradcam_plus_plus", "layercam", "eigencam",
    "occlusion", "rise", "lime",
})  # fmt: skip
"""Methods of each family: all of them would take minutes."""

_VARIANTS = ("vanilla", "guided", "relu")
_IN_GRID = 3


@dataclass(frozen=True)
class Demo:
    """What a demo explains.

    Attributes
    ----------
    title : str
        What it is called.
    model : ModelAdapter
        The model.
    images : list of Path
        Its images.
    methods : list of str
        The methods, with a variant for each gradient rule.
    looks : list of (str, sequence, mapping)
        Methods that look at the model, with what they are given beside it and their options.
    """

    title: str
    model: ModelAdapter
    images: list[Path]
    methods: list[str]
    looks: list[tuple[str, Sequence[Any], Mapping[str, Any]]]


@dataclass(frozen=True)
class Pictures:
    """The pictures that the demo wrote of a method, or why it could not."""

    name: str
    files: list[Path] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    error: str | None = None


def digits() -> Demo:
    """Return the CNN that vizcnn carries, and its ten digits."""
    model, images = assets.digits_cnn(), assets.digits()
    # Strong ones, as the net was only ever shown digits: it is easily sure of speckle.
    strokes = {
        "transforms": Transforms(jitter=2, scale=(0.95, 1.05), rotate=8),
        "regularizers": [TotalVariation(20.0), Norm(2.0, 5.0)],
    }
    return Demo(
        "ten handwritten digits", model, images, chosen_methods(), _looks(images[0], preferred_inputs=16, **strokes)
    )


def photograph(image: Path | None = None) -> Demo:
    """Return MobileNetV2 with its ImageNet weights, and a photograph.

    Parameters
    ----------
    image : Path, default None
        The photograph; None: a public one, which is downloaded.

    Returns
    -------
    Show

    Raises
    ------
    ModelFileError
        If something has to be downloaded and can't be.
    """
    from vizcnn.adapter.loading import download, load_application

    model, labels = load_application("MobileNetV2")
    file = download(PHOTOGRAPH, "the photograph") if image is None else image
    adapter = adapt(model, preprocess="mobilenet_v2", labels=labels)
    return Demo("a photograph", adapter, [file], chosen_methods(), _looks(file, target=labels[:2], steps=128))


def _looks(image: Path, *, preferred_inputs: int = 0, target: Any = None, **ascent: Any) -> list[Any]:
    return [
        ("architecture", [], {}),
        ("filters", [], {"preferred_inputs": preferred_inputs}),
        ("activations", [image], {}),
        ("activation_maximization", [target], ascent),
    ]


def chosen_methods() -> list[str]:
    """Return what the demo shows: a dozen of vizcnn's own methods, and all of other packages."""
    return [name for name in every_method() if name in CHOSEN or "/" in name]


def every_method() -> list[str]:
    """Return all methods that explain images, and of those with a gradient rule each variant."""
    methods = []
    for name in registry.names():
        plugin = registry.get(name)
        if plugin.explains:
            rules = [rule for rule in _VARIANTS[1:] if rule in plugin.choices("rule")]
            methods += [name, *(f"{name}:rule={rule}" for rule in rules)]
    return methods


def pictures(demo: Demo, out: Path) -> Iterator[Pictures]:
    """Write the model's own pictures; one for each method, a row per image; then all methods on a few images side by side.

    Methods that reimplement another library's have a grid of their own, named after it: one of all would be too wide to read.
    """
    for name, args, options in demo.looks:
        yield _pictures(name, partial(_look, name, demo.model, args, options, out))
    slugs = method_slugs(demo.methods)
    grids: dict[str, list[str]] = {}
    for method in demo.methods:
        file = out / f"{slugs[method]}.png"
        page = _pictures(method, partial(_explain, demo, demo.images, [method], file, with_classes=True))
        if page.error is None:
            library, slash, _ = method.partition("/")
            grids.setdefault(f"all-{library}" if slash else "all", []).append(method)
        yield page
    for grid, methods in grids.items():
        file, few = out / f"{grid}-methods.png", demo.images[:_IN_GRID]
        yield _pictures("all methods", partial(_explain, demo, few, methods, file))


def _pictures(name: str, make: Callable[[], tuple[list[Path], tuple[str, ...]]]) -> Pictures:
    try:
        with catch_warnings():  # the notes are those of the results
            files, notes = make()
        return Pictures(name, files, notes)
    except VizcnnError as error:
        return Pictures(name, error=str(error))


def _look(
    name: str, model: ModelAdapter, args: Sequence[Any], options: Mapping[str, Any], out: Path
) -> tuple[list[Path], tuple[str, ...]]:
    result = registry.get(name).function(model, *args, **options)
    return [result.save(out / f"{name}.png")], ()


def _explain(
    demo: Demo, images: list[Path], methods: list[str], file: Path, *, with_classes: bool = False
) -> tuple[list[Path], tuple[str, ...]]:
    explanation: Explanation = explain(demo.model, images, methods=methods)
    results = explanation.results.values()
    written = [explanation.save(file)]
    if with_classes:
        mapped = [result for result in results if result.class_map is not None]
        written += [result.save_classes(classes_file(file)) for result in mapped]
    notes = dict.fromkeys(note for result in results for note in result.notes)
    return written, tuple(notes)
