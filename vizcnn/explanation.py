"""Several methods on the same images, side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vizcnn.adapter import as_adapter
from vizcnn.errors import MethodError, OptionError, listed
from vizcnn.plugins import door, registry
from vizcnn.plugins.plugin import Plugin
from vizcnn.render.keywords import takes_style
from vizcnn.render.style import MAP_STYLES, NOTEBOOK
from vizcnn.results import Attributions, Picture

Method = str | tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Explanation(Picture):
    """One result per method.

    Attributes
    ----------
    results : dict
        The methods, as they were asked for, to their results.

    Examples
    --------
    >>> import vizcnn as vz
    >>> both = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3])
    >>> list(both), both["gradcam"].layer
    (['saliency', 'gradcam'], 'conv5')
    """

    results: dict[str, Attributions]

    def __getitem__(self, method: str) -> Attributions:
        return self.results[method]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def notes(self) -> dict[str, tuple[str, ...]]:
        """What the reader should know, by method."""
        return {method: result.notes for method, result in self.results.items() if result.notes}

    @takes_style("index", *MAP_STYLES, "title")
    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw a row per image and a column per method, the image first.

        Parameters
        ----------
        ax : sequence of Axes, default None
            One per panel; None: a new figure.
        **style
            As `Attributions.plot` takes them.

        Returns
        -------
        ndarray of Axes, shape (images, methods + 1)

        Examples
        --------
        >>> import vizcnn as vz
        >>> both = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[:2])
        >>> both.plot().shape  # two rows: the image, saliency, Grad-CAM
        (2, 3)
        """
        from vizcnn.render.maps import plot_grid
        from vizcnn.results.panels import grid_panels

        return plot_grid(grid_panels(self.results, style.pop("index", None)), ax, **style)

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        about: Mapping[str, str] | None = None,
        figures: Mapping[str, Picture] | None = None,
        others: Mapping[str, Explanation] | None = None,
    ) -> Path:
        """Write a report: one HTML file that opens anywhere without a network, to be sent to somebody.

        Parameters
        ----------
        path : path
            Where to; it must end in ``.html``.
        about : mapping, default None
            What else the page says of where it comes from.
        figures : mapping, default None
            Titles to other results that the page shows too, such as `vizcnn.architecture(model)` or `vizcnn.diagnose(...)`.
        others : mapping, default None
            What else is explained ("the second class"), to the explanations of the same images by the same methods: the page
            can switch to them.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ResultError
            If the suffix is another, the file can't be written, or the results are of signals or volumes.

        Examples
        --------
        >>> import tempfile, vizcnn as vz
        >>> explanation = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = explanation.to_html(f"{folder}/three.html")
        ...     file.name, file.read_text(encoding="utf-8")[:9].lower()
        ('three.html', '<!doctype')
        """
        from vizcnn.report import write_page

        meanings = {name: registry.parse(name)[0].meaning for name in self.results}
        more = {name: other.results for name, other in (others or {}).items()}
        return write_page(self.results, path, meanings=meanings, about=about, figures=figures, others=more)

    @takes_style("index", *MAP_STYLES, "title", "limit")
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> explanation = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam")
        >>> explanation.draw(file := io.BytesIO(), ".png")
        >>> file.getvalue()[1:4]
        b'PNG'
        """
        from vizcnn.render.maps import save_grid
        from vizcnn.results.panels import grid_panels

        index, limit = style.pop("index", None), style.pop("limit", None)
        count = len(next(iter(self.results.values()))) if index is None else None
        save_grid(grid_panels(self.results, index, limit), file, suffix, count=count, **style)

    @property
    def _notebook_style(self) -> dict[str, Any]:
        return {"limit": NOTEBOOK}


def explaining(methods: Sequence[Method] | Method) -> dict[str, tuple[Plugin, dict[str, Any]]]:
    """Read methods that explain images: what each is called, to its plugin and options.

    Parameters
    ----------
    methods : str, (str, dict), or a sequence of these
        As `explain` takes them.

    Returns
    -------
    dict of str to (Plugin, dict)

    Raises
    ------
    MethodError, OptionError
        If there is no such method or option, or it explains no images.
    """
    asked: list[Any] = [methods] if _is_method(methods) else list(methods)
    if not asked:
        raise OptionError("`methods` must name at least one method; got none.")
    found = [registry.parse(method) for method in asked]
    parsed = {_name(method): plugin_and_options for method, plugin_and_options in zip(asked, found, strict=True)}
    for name, (plugin, _) in parsed.items():
        if not plugin.explains:
            raise MethodError(
                f"`methods` must explain images; {name!r} doesn't, call vizcnn.{plugin.name}(...) instead."
            )
    return parsed


def explain(
    model: Any,
    images: Any,
    target: Any = None,
    *,
    methods: Sequence[Method] | Method = ("saliency", "gradcam"),
    layer: str | None = None,
) -> Explanation:
    """Explain images by several methods.

    Parameters
    ----------
    model : keras.Model, path or ModelAdapter
        The model.
    images : path, image, array of shape (N, H, W, C), or a list
        The images.
    target : optional
        What is explained, default None: the class that the model predicts for each image. See `vizcnn.targets`.
    methods : sequence of str or (str, dict), default ("saliency", "gradcam")
        Names, with options where they are wanted: ``"saliency:rule=guided"`` or ``("saliency", {"rule": "guided"})``.
    layer : str, default None
        The layer, for the methods that look at one.

    Returns
    -------
    Explanation
        One result per method; `.plot()` draws a grid.

    Raises
    ------
    MethodError, OptionError, CapabilityError, LayerError
        If a method, an option or a layer doesn't exist, or a method doesn't work on this model; before anything is computed.

    Examples
    --------
    >>> import vizcnn as vz
    >>> guided, cam = "saliency:rule=guided", "gradcam"
    >>> results = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[:2], methods=[guided, cam])
    >>> {name: result.values.shape for name, result in results.results.items()}
    {'saliency:rule=guided': (2, 28, 28), 'gradcam': (2, 28, 28)}
    """
    parsed = explaining(methods)
    for plugin, options in parsed.values():
        if layer is not None and "layer" in plugin.options:
            options.setdefault("layer", layer)
    if layer is not None and not any("layer" in plugin.options for plugin, _ in parsed.values()):
        raise OptionError(f"`layer` {layer!r} is for methods that look at a layer; none of {listed(parsed)} does.")
    adapter = as_adapter(model)
    for plugin, _ in parsed.values():
        registry.check_needs(plugin, adapter)
    loaded = door.load_images(adapter, images)
    for _, options in parsed.values():
        if options.get("layer") is not None:
            options["layer"] = door.layer_paths(adapter, options["layer"])
    results = {name: plugin.function(adapter, loaded, target, **given) for name, (plugin, given) in parsed.items()}
    return Explanation(results)


def _is_method(methods: Any) -> bool:
    return isinstance(methods, str) or (
        isinstance(methods, tuple) and len(methods) == 2 and isinstance(methods[1], Mapping)
    )


def _name(method: Method) -> str:
    if isinstance(method, str):
        return method
    options = ",".join(f"{option}={value}" for option, value in method[1].items())
    return f"{method[0]}:{options}" if options else method[0]
