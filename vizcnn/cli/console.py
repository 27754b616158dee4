"""What commands print, and what they keep off the terminal."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from vizcnn.errors import VizcnnError, VizcnnWarning

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter


@contextmanager
def catch_warnings() -> Iterator[list[str]]:
    """Collect vizcnn's warnings, to be shown as lines; those of other packages are not for users of a command."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=VizcnnWarning)
        try:
            yield messages
        finally:
            messages += [str(warning.message) for warning in caught]


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what TensorFlow prints while it starts off the terminal; on a failure that isn't ours, print it after all."""
    import tempfile

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


def echo(text: str, *, err: bool = False, **style: Any) -> None:
    """Print a line, styled where a terminal shows it."""
    # Not by typer.echo: it writes past the stream that Rich puts in place of the terminal's while a bar is shown.
    stream = sys.stderr if err else sys.stdout
    encoding = stream.encoding or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)  # the name of a file may hold anything
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        text = typer.style(text, **style)
    stream.write(f"{text}\n")
    stream.flush()


def notes(messages: Iterable[tuple[str, str]]) -> None:
    """Print notes, each with what it is about."""
    for about, text in messages:
        echo(f"  note ({about}): {text}", err=True, dim=True)


def unsaid(model: ModelAdapter, texts: Iterable[str]) -> list[str]:
    """Return notes without those of the file of settings, which were printed when the model was loaded; each once."""
    said = {str(note) for note in model.notes if note.kind == "settings"}
    return [text for text in dict.fromkeys(texts) if text not in said]


def echo_error(text: str) -> None:
    """Print what went wrong, in one line."""
    echo(f"vizcnn: {' '.join(text.split())}", err=True, fg=typer.colors.RED)


def run_method(method: str, *args: Any, **options: Any) -> tuple[Any, list[tuple[str, str]]]:
    """Run a method; return its result, and as notes what it says beside it."""
    from vizcnn.plugins import registry

    with catch_warnings() as messages:
        result = registry.get(method).function(*args, **options)
    return result, [(method, text) for text in messages]
