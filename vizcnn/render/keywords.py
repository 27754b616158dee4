"""Styles by name: a drawing method says which ones it takes, and of others what was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import Parameter, signature
from typing import Any, TypeVar, cast

from vizcnn.errors import OptionError, did_you_mean, listed

F = TypeVar("F", bound=Callable[..., Any])


def takes_style(*names: str) -> Callable[[F], F]:
    """Decorate a method that draws: of styles that it doesn't take it says which ones it does.

    Parameters
    ----------
    *names : str
        The styles that it hands on, beside its own keyword-only arguments.

    Returns
    -------
    callable
        A decorator. What the method takes is its attribute `styles` then.

    Examples
    --------
    >>> from vizcnn.render.keywords import takes_style
    >>> @takes_style("cmap", "alpha")
    ... def draw(result, ax=None, *, index=None, **style):
    ...     return style
    >>> draw("a result", cmap="gray")
    {'cmap': 'gray'}
    >>> draw("a result", cmpa="gray")
    Traceback (most recent call last):
    ...
    vizcnn.errors.OptionError: `cmpa` is not a style of this plot. Did you mean 'cmap'? It takes 'index', 'cmap', 'alpha'.
    """

    def decorate(method: F) -> F:
        parameters = signature(method).parameters
        own = [p.name for p in parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
        styles = tuple(dict.fromkeys((*own, *names)))

        @wraps(method)
        def checked(*args: Any, **style: Any) -> Any:
            check_style((name for name in style if name not in parameters), styles)
            return method(*args, **style)

        checked.styles = styles  # type: ignore[attr-defined]
        return cast("F", checked)

    return decorate


def check_style(names: Iterable[str], styles: Iterable[str]) -> None:
    """Raise OptionError where a style is none that a plot takes."""
    styles = tuple(styles)
    for name in names:
        if name not in styles:
            raise OptionError(
                f"`{name}` is not a style of this plot.{did_you_mean(name, styles)} It takes {listed(styles, limit=30)}."
            )
