"""What commands print, and how they load a model without the noise of its framework."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vizcnn.errors import VizcnnError, VizcnnWarning

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter


def adapted(path: str, **settings: Any) -> tuple[ModelAdapter, list[str]]:
    """Load a model; return what vizcnn has to say of it too."""
    with hushed():
        from vizcnn.adapter import adapt
        from vizcnn.adapter.loading.custom import read_custom_objects
        from vizcnn.adapter.preprocessing import resolve_preprocess

        # Before the model, which may take long to load.
        settings["preprocess"] = resolve_preprocess(settings.get("preprocess"))
        settings["decoding"] = _decoding(settings.pop("decode", None))
        settings["fixed"] = dict(map(_fixed, settings.get("fixed") or [])) or None
        settings["token_grid"] = _token_grid(settings.get("token_grid"))
        if settings.get("custom_objects") is not None:
            settings["custom_objects"] = read_custom_objects(settings["custom_objects"])
        with listening() as heard:
            adapter = adapt(path, **settings)
    repairs = [f"repaired in the file: {repair}." for repair in adapter.repairs]
    return adapter, [*heard, *repairs]


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect vizcnn's warnings, to be shown as lines; those of other packages are not for users of a command."""
    heard: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=VizcnnWarning)
        try:
            yield heard
        finally:
            heard += [str(warning.message) for warning in caught]


def _token_grid(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    rows, _, columns = text.lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal()):
        raise typer.BadParameter(f"must have the form ROWSxCOLUMNS; got {text!r}.", param_hint="'--token-grid'")
    return int(rows), int(columns)


def _decoding(text: str | None) -> Any:
    """Read the option --decode: 'upright', 'background=COLOUR' and 'page=N', with commas."""
    from vizcnn.errors import OptionError
    from vizcnn.inputs import Decoding

    if text is None:
        return None
    settings: dict[str, Any] = {}
    for entry in text.split(","):
        name, _, value = entry.strip().partition("=")
        if name == "upright" and not value:
            settings["upright"] = True
        elif name == "background" and value:
            settings["background"] = value
        elif name == "page" and value.isdecimal():
            settings["page"] = int(value)
        else:
            raise OptionError(
                f"`decode` must be of 'upright', 'background=COLOUR' and 'page=N'; got {entry.strip()!r}."
            )
    return Decoding(**settings)


def _fixed(text: str) -> tuple[str | int, Any]:
    """Read NAME=VALUE; a number is a position."""
    import numpy as np

    from vizcnn.inputs.files import read_npy

    key, _, value = text.partition("=")
    name = int(key) if key.isdecimal() else key
    try:
        if Path(value).suffix == ".npy":
            return name, read_npy(value, "`fixed` file")
        return name, value if Path(value).exists() else np.array(value.split(","), dtype=np.float32)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(
            f"it must be NAME=VALUE, the value an image, an .npy file or numbers; got {text!r} ({error}).",
            param_hint="'--fixed'",
        ) from error


@contextmanager
def hushed() -> Iterator[None]:
    """Keep what TensorFlow prints while it starts off the terminal; on a failure that isn't ours, print it after all."""
    sys.stderr.flush()
    try:
        terminal = os.dup(2)
    except OSError:  # there is none
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        chatter = False
        try:
            yield
        except Exception as error:
            chatter = not isinstance(error, VizcnnError)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            if chatter:
                kept.seek(0)
                os.write(2, kept.read())


def say(text: str, *, err: bool = False, **style: Any) -> None:
    """Print a line, styled where a terminal shows it."""
    # Not by typer.echo: it writes past the stream that Rich puts in place of the terminal's while a bar is shown.
    stream = sys.stderr if err else sys.stdout
    encoding = stream.encoding or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)  # the name of a file may hold anything
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        text = typer.style(text, **style)
    stream.write(f"{text}\n")
    stream.flush()


def notes(said: Iterable[tuple[str, str]]) -> None:
    """Print notes, each with what it is about."""
    for origin, text in said:
        say(f"  note ({origin}): {text}", err=True, dim=True)


def fail(text: str) -> None:
    """Print what went wrong, in one line."""
    say(f"vizcnn: {' '.join(text.split())}", err=True, fg=typer.colors.RED)
