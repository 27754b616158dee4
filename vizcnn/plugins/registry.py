"""The plugins, and the public door that they share.

A plugin is a function of an adapter, a batch and a score. `register` makes a public function of it that takes what people
have: it adapts the model, loads the images, resolves the target, checks options and what the plugin needs, cuts the work
into batches, and writes method, layer, options and notes onto the result. Packages add theirs by an entry point in the
group ``vizcnn.plugins`` that names a module or a function which registers.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import threading
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from vizcnn.adapter import ModelAdapter, as_adapter
from vizcnn.adapter.base import slices
from vizcnn.errors import CapabilityError, MethodError, OptionError, PluginWarning, check_choice, did_you_mean, listed
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
        The public function: model, images, target, then keyword-only options.
    run : callable
        The plugin's own: adapter, batch of inputs, score, then the options.
    needs : frozenset of str
        What the model must be able to answer, of `ModelAdapter.capabilities`.
    options : mapping
        Names of the options to their defaults.
    summary : str
        First line of its documentation.
    origin : str
        The module that it comes from.
    """

    name: str
    function: Callable[..., Any]
    run: Callable[..., Any]
    needs: frozenset[str]
    options: Mapping[str, Any]
    summary: str
    origin: str


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
        What it asks of a model: "outputs", "scores", "kernels", "activations", "gradients".

    Returns
    -------
    callable
        A decorator. The function that it takes has the arguments ``(model, inputs, score, *, options...)``: a
        `ModelAdapter`, a batch (N, H, W, C) and the `Score` of that batch; it returns `vizcnn.results.Maps`. Options with
        `typing.Literal` types are checked before the model runs, and an option named ``layer`` is looked up.

    Raises
    ------
    MethodError
        If the name is taken.
    """

    def decorate(run: Callable[..., Any]) -> Callable[..., Any]:
        parameters = inspect.signature(run).parameters.values()
        options = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}

        @wraps(run)
        def function(model: Any, images: Any, target: Any = None, **given: Any) -> Any:
            return _call(plugin, model, images, target, given)

        function.__signature__ = _public_signature(options.values())  # type: ignore[attr-defined]
        plugin = Plugin(
            name=name,
            function=function,
            run=run,
            needs=frozenset(needs),
            options={option: parameter.default for option, parameter in options.items()},
            summary=(inspect.getdoc(run) or "").partition("\n")[0].replace(" [1]_", ""),
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

    Raises
    ------
    MethodError
        If there is none.
    """
    _load()
    if name not in _plugins:
        reason = f" It comes from a plugin that failed to load: {_failed[name]}." if name in _failed else ""
        raise MethodError(
            f"`method` must be one of {listed(names(), limit=30)}; got {name!r}.{did_you_mean(name, names())}{reason}"
        )
    return _plugins[name]


def names() -> tuple[str, ...]:
    """Return the names of all plugins: vizcnn's own first."""
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
    >>> "gradcam" in methods()
    True
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
        If there is no such method, or the text isn't of this form.
    """
    if isinstance(method, tuple):
        return get(method[0]), dict(method[1])
    name, _, text = method.partition(":")
    options = {}
    for entry in filter(None, text.split(",")):
        option, equals, value = entry.partition("=")
        if not equals:
            raise OptionError(f"`method` options have the form 'name:option=value,option=value'; got {method!r}.")
        options[option.strip()] = _literal(value.strip())
    return get(name.strip()), options


def works_on(adapter: ModelAdapter) -> tuple[str, ...]:
    """Return the methods whose needs a model meets."""
    return tuple(name for name in names() if get(name).needs <= adapter.capabilities)


# The door ----------------------------------------------------------------------------------------------------------------


def _call(plugin: Plugin, model: Any, images: Any, target: Any, given: Mapping[str, Any]) -> Any:
    options = _checked_options(plugin, given)
    adapter = as_adapter(model)
    _check_needs(plugin, adapter)
    batch = load_images(adapter, images)
    if options.get("layer") is not None:
        options["layer"] = adapter.layer(options["layer"]).path
    score = resolve(target, adapter, len(batch))
    context = Context(adapter, plugin.name, batch, score, options)
    parts = _parts(plugin, context)
    first = next(parts)
    return type(first[2]).collect(_chain(first, parts), context)


def load_images(adapter: ModelAdapter, images: Any) -> ImageSet:
    """Load images as a model takes them, and get the model ready for them."""
    loaded = load(images, adapter.input_shape, preprocess=adapter.preprocess, image_size=adapter.image_size)
    adapter.prepare(loaded.sample_shape)
    return loaded


def _parts(plugin: Plugin, context: Context) -> Iterator[tuple[slice, np.ndarray, Any]]:
    count = len(context.images)
    size = context.model.batch_size_for(context.images.sample_shape)
    batches = list(slices(count, size))
    for part in track(batches, len(batches), f"{plugin.name}, {count} images"):
        inputs = context.images.inputs(part)
        yield part, inputs, plugin.run(context.model, inputs, context.score[part], **context.options)


def _chain(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def _check_needs(plugin: Plugin, adapter: ModelAdapter) -> None:
    missing = plugin.needs - adapter.capabilities
    if missing:
        raise CapabilityError(
            f"Method {plugin.name!r} needs {', '.join(sorted(missing))}, which model {adapter.name!r} can't answer. Methods that "
            f"work on it: {listed(works_on(adapter))}."
        )


def _checked_options(plugin: Plugin, given: Mapping[str, Any]) -> dict[str, Any]:
    unknown = [option for option in given if option not in plugin.options]
    if unknown:
        known = listed(plugin.options) if plugin.options else "none"
        hint = did_you_mean(unknown[0], plugin.options)
        raise OptionError(f"Method {plugin.name!r} has no option {unknown[0]!r}.{hint} Its options: {known}.")
    options = {**plugin.options, **given}
    for option, kind in get_type_hints(plugin.run).items():
        if option in options:
            _check_type(option, options[option], kind)
    return options


def _check_type(option: str, value: Any, kind: Any) -> None:
    if get_origin(kind) is Literal:
        check_choice(option, value, get_args(kind))
    elif kind is bool and not isinstance(value, bool | np.bool_):
        raise OptionError(f"`{option}` must be True or False; got {value!r}.")


def _public_signature(options: Collection[inspect.Parameter]) -> inspect.Signature:
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [
            inspect.Parameter("model", positional),
            inspect.Parameter("images", positional),
            inspect.Parameter("target", positional, default=None),
            *options,
        ]
    )


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
            except Exception as error:  # noqa: BLE001 - a stranger's package may raise anything, and must not take vizcnn down
                _failed[point.name] = f"{type(error).__name__}: {error}"
                package_name = point.dist.name if point.dist is not None else "an unknown package"
                warnings.warn(
                    f"The vizcnn plugin {point.name!r} of {package_name} failed to load: {_failed[point.name]}.",
                    PluginWarning,
                    stacklevel=2,
                )
