"""The decorator that makes a public function, and a plugin, of a function of an adapter, a batch and a score."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from typing import Any

from vizcnn.algorithms.cost import Costs
from vizcnn.errors import check_choice
from vizcnn.plugins import registry
from vizcnn.plugins.door import call
from vizcnn.plugins.plugin import FAMILIES, Plugin
from vizcnn.registry import SECTION, described
from vizcnn.results.fusing import over_layers

# What the arguments of a plugin's own function are called at the public door. With "score" the target is resolved for the
# images; with "target" the plugin takes it as it was given.
_PUBLIC = {"model": "model", "inputs": "images", "score": "target", "target": "target", "layer": "layer"}

_SHARED = {
    "model": """
model : keras.Model, path or ModelAdapter
    The model.""",
    "inputs": """
images : path, image, array of shape (N, H, W, C), or a list
    The images. See the glossary for all forms.""",
    "score": """
target : optional
    What is explained, default None: the class that the model predicts for each image. See `vizcnn.targets`.""",
    "layers": """
layers : sequence of str, default None
    Several layers, in place of `layer`: of each the map is enlarged to the input's size and divided by its largest magnitude, and
    all become one. `values` then are that, `raw` (N, layers, H, W) the map of each.""",
    "fuse": """
fuse : {"mean", "max", "product"}, default "mean"
    How the maps of `layers` become one: by their mean; by the one of the largest magnitude at each place; or by their product,
    which is zero where one of them is.""",
}
"""What public functions say of the arguments that all of them share, by what plugins call these."""

_FIRST = ("model", "inputs", "score")

_RETURNS = """
Attributions
    `values` (N, H, W): the map of each image."""


def register(
    name: str,
    *,
    family: str = "",
    needs: Collection[str] = (),
    aliases: Mapping[Any, Any] | None = None,
    of_layers: bool = False,
    cost: Costs | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a visualization, and return the public function.

    Parameters
    ----------
    name : str
        What it is asked for by; unique among all plugins.
    family : str, default ""
        What it is listed under, of `vizcnn.plugins.plugin.FAMILIES`: "gradient", "cam", "perturbation", "transformer", "model".
    needs : collection of str, default ()
        What it asks of a model: "outputs", "scores", "layers", "kernels", "activations", "gradients", "biases", "ascent",
        "attention" (among tokens); "images" where it is for models of images alone, and not of signals or volumes, "maps" where
        it is for models whose feature maps have rows and columns, as those of a spectrogram have too; "tensorflow" where Keras
        must run on that.
    aliases : mapping, default None
        Old names of options to their names, ``{"exciting": "preferred_inputs"}``, and pairs of an option and an old value to the
        value, ``{("reduce", "signed"): "sum"}``: they work everywhere, with a warning.
    of_layers : bool, default False
        Whether the map is of the option `layer`, and so may be made of several: then there are the options `layers` and `fuse`
        too, which the function needn't know.
    cost : Cost or callable, default None
        How often the model is run to explain one image: a `vizcnn.algorithms.cost.Cost`, or what gives it of a model, the shape
        (H, W, C) of an input, and all options. It is told before the method is asked for. None: nobody knows.

    Returns
    -------
    callable
        A decorator. The function that it takes has the arguments ``(model, inputs, score, *, options...)``: a
        `ModelAdapter`, a batch (N, H, W, C) and the `Score` of that batch; it returns `vizcnn.results.AttributionBatch`. A plugin
        that looks at the model alone leaves out ``inputs``, one without a target ``score``; without ``inputs`` it is called once
        and returns the result itself. An argument ``layer`` may stand before the star. Options with
        `typing.Literal` types are checked before the model runs, and an option named ``layer`` is looked up. Its docstring
        says what is its own, the options above all: an entry on ``model, inputs, score`` makes place for what public functions
        say of the arguments that they share.

    Raises
    ------
    MethodError
        If the name is taken.
    OptionError
        If there is no such family.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.results import AttributionBatch
    >>> @vz.register("ink", needs={"outputs", "scores"})
    ... def ink(model, inputs, score):
    ...     return AttributionBatch(inputs.mean(axis=-1))
    >>> vz.ink(vz.assets.digits_cnn(), vz.assets.digits())
    <Attributions 'ink' of 'digits_cnn.keras', values (10, 28, 28)>
    """
    check_choice("family", family, FAMILIES)

    def decorate(own: Callable[..., Any]) -> Callable[..., Any]:
        run = over_layers(own) if of_layers else own
        parameters = list(inspect.signature(run).parameters.values())
        leading = [p.replace(name=_public(p.name, name)) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        options = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY or p.name == "layer"}
        leading = [p.replace(default=None) if p.name == "target" else p for p in leading]
        signature = inspect.Signature(leading)

        @wraps(run)
        def function(*args: Any, **keywords: Any) -> Any:
            by_name = {name: keywords.pop(name) for name in signature.parameters if name in keywords}
            bound = signature.bind(*args, **by_name).arguments
            if "layer" in bound:
                keywords["layer"] = bound.pop("layer")
            return call(plugin, bound.pop("model"), bound, keywords)

        documentation = inspect.getdoc(run) or ""
        summary, interpretation = described(documentation)
        function.__doc__ = _composed(documentation, list(inspect.signature(run).parameters))
        keyword_only = [p for p in options.values() if p.kind is p.KEYWORD_ONLY]
        function.__signature__ = signature.replace(parameters=[*leading, *keyword_only])  # type: ignore[attr-defined]
        plugin = Plugin(
            name=name,
            function=function,
            run=run,
            takes=tuple(p.name for p in leading if p.name != "layer"),
            needs=frozenset(needs),
            options={option: parameter.default for option, parameter in options.items()},
            summary=summary,
            interpretation=interpretation,
            module=run.__module__,
            aliases=dict(aliases or {}),
            family=family,
            cost=cost,
        )
        registry.add(plugin)
        return function

    return decorate


def _composed(documentation: str, arguments: Sequence[str]) -> str:
    """Return a plugin's docstring with the arguments of the public function in place of the plugin's own."""
    head, *parts = SECTION.split(documentation)
    sections = {title: body.strip("\n") for title, body in zip(parts[::2], parts[1::2], strict=True)}
    shared = "".join(_SHARED[name] for name in _FIRST if name in arguments).strip("\n")
    options = re.split(r"\n(?=\S)", sections.pop("Parameters", ""))
    own = [entry for entry in options if entry and not set(_names(entry)) <= _SHARED.keys()]
    if "layers" in arguments:
        place = next(at for at, entry in enumerate(own) if "layer" in _names(entry))
        own[place] = own[place].rstrip("\n") + _SHARED["layers"] + _SHARED["fuse"]
    returns = sections.pop("Returns", _RETURNS.strip("\n") if "score" in arguments else "")
    all_ = {"Parameters": "\n".join([shared, *own]), "Returns": returns, **sections}
    texts = [f"{title}\n{'-' * len(title)}\n{body}" for title, body in all_.items() if body]
    return "\n\n".join([head.strip("\n"), *texts])


def _names(entry: str) -> list[str]:
    """Return the names that an entry of the section on parameters is about."""
    return [name.strip() for name in entry.partition("\n")[0].partition(" : ")[0].split(",")]


def _public(argument: str, plugin: str) -> str:
    if argument not in _PUBLIC:
        raise TypeError(f"plugin {plugin!r} has the argument {argument!r}; before the star stand {', '.join(_PUBLIC)}")
    return _PUBLIC[argument]
