"""The plugins, and the public door that they share.

A plugin is a function of an adapter, a batch and a score. `register` makes a public function of it that takes what people
have: it adapts the model, loads the images, resolves the target, checks options and what the plugin needs, cuts the work
into batches, and writes method, layer, options and notes onto the result. Packages add theirs by an entry point in the
group ``vizcnn.plugins`` that names a module, or a function in it; importing the module registers them.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from vizcnn.adapter import ModelAdapter, as_adapter
from vizcnn.adapter.base import slices
from vizcnn.errors import (
    CapabilityError,
    MethodError,
    OptionError,
    PluginWarning,
    UnsupportedModelError,
    check_choice,
    did_you_mean,
    listed,
    warn,
)
from vizcnn.inputs import ImageSet, load
from vizcnn.progress import track
from vizcnn.results import Context
from vizcnn.targets import resolve

GROUP = "vizcnn.plugins"
"""The entry-point group of plugins from other packages."""


@dataclass(frozen=True)
class Plugin:
    """A registered visualization.

    Attributes
    ----------
    name : str
        What it is asked for by.
    function : callable
        The public function: model, images, target, as far as the plugin takes them, then keyword-only options.
    run : callable
        The plugin's own: adapter, batch of inputs, score, as far as it takes them, then the options.
    takes : tuple of str
        Of "model", "images" and "target", what the public function takes.
    needs : frozenset of str
        What the model must be able to answer, of `ModelAdapter.capabilities`.
    options : mapping
        Names of the options to their defaults.
    summary : str
        First line of its documentation.
    meaning : str
        What its pictures show and what they may not be read as, in plain words: the paragraph under that line, or the line
        itself, and the section "Warnings".
    origin : str
        The module that it comes from.

    Examples
    --------
    >>> from vizcnn.plugins import registry
    >>> plugin = registry.get("gradcam")
    >>> plugin.needs, plugin.takes, plugin.options
    (frozenset({'gradients'}), ('model', 'images', 'target'), {'layer': None, 'rule': 'vanilla', 'relu': True})
    """

    name: str
    function: Callable[..., Any]
    run: Callable[..., Any]
    takes: tuple[str, ...]
    needs: frozenset[str]
    options: Mapping[str, Any]
    summary: str
    meaning: str
    origin: str

    @cached_property
    def option_types(self) -> dict[str, Any]:
        """Types of the options; those of the other arguments may be names that only a type checker knows."""
        annotations = {option: kind for option, kind in self.run.__annotations__.items() if option in self.options}
        holder = type("Options", (), {"__annotations__": annotations})
        return get_type_hints(holder, globalns=self.run.__globals__)

    @property
    def explains(self) -> bool:
        """Whether it explains images, one map each, and so has a place in `vizcnn.explain`."""
        return self.takes == ("model", "images", "target")

    @property
    def package(self) -> str:
        """The package that it comes from."""
        return self.origin.partition(".")[0]

    def choices(self, option: str) -> tuple[Any, ...]:
        """Return the values that an option may take.

        Parameters
        ----------
        option : str
            The option's name.

        Returns
        -------
        tuple
            () where it isn't one of a few.

        Examples
        --------
        >>> from vizcnn.plugins import registry
        >>> saliency = registry.get("saliency")
        >>> saliency.choices("reduce")
        ('max_abs', 'signed', 'none')
        """
        kind = self.option_types.get(option)
        return get_args(kind) if get_origin(kind) is Literal else ()


def _described(documentation: str) -> tuple[str, str]:
    """Return the first line of a docstring, and its plain words on what it shows and what not."""
    # A section's name, a line under it, and all up to the next one.
    head, *sections = re.split(r"^(\w[\w ]*)\n-{3,}\n", documentation, flags=re.MULTILINE)
    summary, *paragraphs = re.split(r"\n\s*\n", head.strip())
    warnings = [text for title, text in zip(sections[::2], sections[1::2], strict=True) if title == "Warnings"]
    plain = [
        re.sub(r"\s*\[\d+\]_", "", " ".join(text.split()))
        for text in (summary, *(paragraphs[:1] or [summary]), *warnings)
    ]
    return plain[0], " ".join(plain[1:])


# What the arguments of a plugin's own function are called at the public door. With "score" the target is resolved for the
# images; with "target" the plugin takes it as it was given.
_PUBLIC = {"model": "model", "inputs": "images", "score": "target", "target": "target", "layer": "layer"}

_plugins: dict[str, Plugin] = {}
_failed: dict[str, str] = {}
_loaded = False
_lock = threading.RLock()


def register(name: str, *, needs: Collection[str] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a visualization, and return the public function.

    Parameters
    ----------
    name : str
        What it is asked for by; unique among all plugins.
    needs : collection of str, default ()
        What it asks of a model: "outputs", "scores", "layers", "kernels", "activations", "gradients", "ascent"; "images" where
        it is for models of images alone, and not of signals or volumes, "maps" where it is for models whose feature maps have
        rows and columns, as those of a spectrogram have too; "tensorflow" where Keras must run on that.

    Returns
    -------
    callable
        A decorator. The function that it takes has the arguments ``(model, inputs, score, *, options...)``: a
        `ModelAdapter`, a batch (N, H, W, C) and the `Score` of that batch; it returns `vizcnn.results.Maps`. A plugin that
        looks at the model alone leaves out ``inputs``, one without a target ``score``; without ``inputs`` it is called once
        and returns the result itself. An argument ``layer`` may stand before the star. Options with
        `typing.Literal` types are checked before the model runs, and an option named ``layer`` is looked up.

    Raises
    ------
    MethodError
        If the name is taken.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.results import Maps
    >>> @vz.register("ink", needs={"outputs", "scores"})
    ... def ink(model, inputs, score):
    ...     return Maps(inputs.mean(axis=-1))
    >>> vz.ink(vz.assets.digits_cnn(), vz.assets.digits())
    <Attributions 'ink' of 'digits_cnn.keras', values (10, 28, 28)>
    """

    def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(run).parameters.values())
        leading = [p.replace(name=_public(p.name, name)) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        options = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY or p.name == "layer"}
        leading = [p.replace(default=None) if p.name == "target" else p for p in leading]
        signature = inspect.Signature(leading)

        @wraps(run)
        def function(*args: Any, **given: Any) -> Any:
            named = {name: given.pop(name) for name in signature.parameters if name in given}
            bound = signature.bind(*args, **named).arguments
            if "layer" in bound:
                given["layer"] = bound.pop("layer")
            return _call(plugin, bound.pop("model"), bound, given)

        summary, meaning = _described(inspect.getdoc(run) or "")
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
            meaning=meaning,
            origin=run.__module__,
        )
        with _lock:
            if name in _plugins and _plugins[name].origin != plugin.origin:
                raise MethodError(f"`name` {name!r} is taken by the plugin of {_plugins[name].origin}; choose another.")
            _plugins[name] = plugin
        return function

    return decorate


def get(name: str) -> Plugin:
    """Return a plugin by name.

    Parameters
    ----------
    name : str
        What it is asked for by.

    Returns
    -------
    Plugin

    Raises
    ------
    MethodError
        If there is none.

    Examples
    --------
    >>> from vizcnn.plugins import registry
    >>> registry.get("saliency").summary
    'Take the gradient of the score by every input value.'
    """
    _load()
    if name not in _plugins:
        reason = f" It comes from a plugin that failed to load: {_failed[name]}." if name in _failed else ""
        raise MethodError(
            f"`method` must be one of {listed(names(), limit=30)}; got {name!r}.{did_you_mean(name, names())}{reason}"
        )
    return _plugins[name]


def names() -> tuple[str, ...]:
    """Return the names of all plugins.

    Returns
    -------
    tuple of str
        vizcnn's own first, by the alphabet.

    Examples
    --------
    >>> from vizcnn.plugins import registry
    >>> registry.names()[:3]
    ('activation_maximization', 'activations', 'architecture')
    """
    _load()
    return tuple(
        sorted(_plugins, key=lambda name: (not _plugins[name].origin.startswith("vizcnn."), "/" in name, name))
    )


def methods() -> tuple[str, ...]:
    """Return the names of the installed methods.

    Returns
    -------
    tuple of str
        vizcnn's own, and those that other packages registered.

    Examples
    --------
    >>> import vizcnn as vz
    >>> [name for name in vz.methods() if vz.plugins.registry.get(name).explains][:3]
    ['gradcam', 'occlusion', 'saliency']
    """
    return names()


def failures() -> Mapping[str, str]:
    """Return the entry points that failed to load, and why."""
    _load()
    return dict(_failed)


def parse(method: str | tuple[str, Mapping[str, Any]]) -> tuple[Plugin, dict[str, Any]]:
    """Read a method with options, as in ``"saliency:rule=guided,reduce=signed"``.

    Returns
    -------
    (Plugin, dict)
        The plugin, and the options.

    Raises
    ------
    MethodError, OptionError
        If there is no such method or option, or the text isn't of this form.
    """
    if isinstance(method, tuple) and len(method) == 2 and isinstance(method[1], Mapping):
        plugin = get(method[0])
        _checked_options(plugin, method[1])
        return plugin, dict(method[1])
    if not isinstance(method, str):
        raise MethodError(f"`method` must be a name, or a pair of a name and its options; got {method!r}.")
    name, _, text = method.partition(":")
    options = {}
    for entry in filter(None, re.split(r",(?=\s*\w+\s*=)", text)):
        option, equals, value = entry.partition("=")
        if not equals:
            raise OptionError(f"`method` options have the form 'name:option=value,option=value'; got {method!r}.")
        options[option.strip()] = _literal(value.strip())
    plugin = get(name.strip())
    _checked_options(plugin, options)
    return plugin, options


def works_on(adapter: ModelAdapter) -> tuple[str, ...]:
    """Return the methods whose needs a model meets."""
    return tuple(name for name in names() if not missing_needs(get(name), adapter))


def missing_needs(plugin: Plugin, adapter: ModelAdapter) -> str:
    """Say what a plugin needs that a model doesn't offer; "" where it offers everything."""
    missing = sorted(plugin.needs - adapter.capabilities - {"images", "maps"})
    if missing == ["tensorflow"]:
        return "needs a Keras model on TensorFlow, and the model is none"
    if missing:
        return f"needs {' and '.join(missing)}, which the model can't answer"
    flat = any(info.rank != 2 for info in adapter.layers) if "maps" in plugin.needs else False
    if flat or ("images" in plugin.needs and not _takes_images(adapter)):
        return "needs images, and the model takes signals or volumes"
    return ""


def _takes_images(adapter: ModelAdapter) -> bool:
    try:
        return len(adapter.input_shape) in (0, 3)
    except UnsupportedModelError:
        return True  # several inputs, say: that is told elsewhere


# The door ----------------------------------------------------------------------------------------------------------------


def _call(plugin: Plugin, model: Any, given: Mapping[str, Any], options: Mapping[str, Any]) -> Any:
    checked = _checked_options(plugin, options)
    adapter = as_adapter(model)
    check_needs(plugin, adapter)
    images = load_images(adapter, given["images"]) if "images" in plugin.takes else None
    if checked.get("layer") is not None:
        checked["layer"] = layer_paths(adapter, checked["layer"])
    target = given.get("target")
    if images is None:
        return plugin.run(adapter, *([target] if "target" in plugin.takes else []), **checked)
    score = resolve(target, adapter, len(images)) if "target" in plugin.takes else None
    context = Context(adapter, plugin.name, images, score, checked)
    parts = _parts(plugin, context)
    first = next(parts)
    return type(first[2]).collect(_chain(first, parts), context)


def layer_paths(adapter: ModelAdapter, layer: Any) -> Any:
    """Return the path of a layer, or the list of several."""
    return [adapter.layer(one).path for one in layer] if isinstance(layer, list | tuple) else adapter.layer(layer).path


def load_images(adapter: ModelAdapter, images: Any) -> ImageSet:
    """Load images as a model takes them, and get the model ready for them."""
    loaded = load(
        images,
        adapter.input_shape,
        preprocess=adapter.preprocess,
        image_size=adapter.image_size,
        decoding=adapter.decoding,
    )
    adapter.prepare(loaded.sample_shape)
    return loaded


def _parts(plugin: Plugin, context: Context) -> Iterator[tuple[slice, np.ndarray, Any]]:
    count = len(context.images)
    size = context.model.batch_size_for(context.images.sample_shape)
    batches = list(slices(count, size))
    for part in track(batches, len(batches), f"{plugin.name}, {count} images"):
        inputs = context.images.inputs(part)
        scores = [] if context.score is None else [context.score[part]]
        yield part, inputs, plugin.run(context.model, inputs, *scores, **context.options)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def check_needs(plugin: Plugin, adapter: ModelAdapter) -> None:
    """Raise `CapabilityError` unless a model can answer what a plugin needs."""
    missing = missing_needs(plugin, adapter)
    if missing:
        raise CapabilityError(
            f"Method {plugin.name!r} {missing.replace('the model', f'model {adapter.name!r}')}. Methods that work on it: "
            f"{listed(works_on(adapter))}."
        )


def _checked_options(plugin: Plugin, given: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [option for option in given if option not in plugin.options]
    if unknown:
        known = listed(plugin.options) if plugin.options else "none"
        hint = did_you_mean(unknown[0], plugin.options)
        raise OptionError(f"Method {plugin.name!r} has no option {unknown[0]!r}.{hint} Its options: {known}.")
    options = {**plugin.options, **given}
    for option, kind in plugin.option_types.items():
        _check_type(option, options[option], kind)
    return options


def _public(argument: str, plugin: str) -> str:
    if argument not in _PUBLIC:
        raise TypeError(f"plugin {plugin!r} has the argument {argument!r}; before the star stand {', '.join(_PUBLIC)}")
    return _PUBLIC[argument]


def _check_type(option: str, value: Any, kind: Any) -> None:
    if get_origin(kind) is Literal:
        check_choice(option, value, get_args(kind))
    elif kind is bool and not isinstance(value, bool | np.bool_):
        raise OptionError(f"`{option}` must be True or False; got {value!r}.")


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


# Finding them ------------------------------------------------------------------------------------------------------------


def _load() -> None:
    """Import vizcnn's own plugins and those of other packages, once."""
    global _loaded
    with _lock:
        if _loaded:
            return
        _loaded = True
        package = importlib.import_module("vizcnn.plugins")
        for module in pkgutil.iter_modules(package.__path__):
            if module.name != "registry":
                importlib.import_module(f"vizcnn.plugins.{module.name}")
        for point in importlib.metadata.entry_points(group=GROUP):
            try:
                point.load()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's package must not take vizcnn down
                _failed[point.name] = f"{type(error).__name__}: {error}"
                package_name = point.dist.name if point.dist is not None else "an unknown package"
                warn(
                    [f"The vizcnn plugin {point.name!r} of {package_name} failed to load: {_failed[point.name]}."],
                    PluginWarning,
                )
