"""The command line itself: what all commands have in common, and the way in."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from vizcnn.cli.console import echo, echo_error
from vizcnn.errors import VizcnnError

BEGIN, DECISIONS, DATASET, MODEL = "To begin with", "Explain decisions", "A whole dataset", "Look into a model"
"""Headings under which `vizcnn --help` lists the commands."""

_Command = TypeVar("_Command", bound=Callable[..., Any])
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # Typer has no public name for it


class _Commands(TyperGroup):
    """Says every expected problem in one line, without a traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # vizcnn's own are shown as notes
                code = super().main(*args, **{**extra, "standalone_mode": False})
        except _UsageError as error:
            message = error.format_message().rstrip(".")  # type: ignore[attr-defined]
            echo_error(f"{message}. 'vizcnn --help' lists the commands, 'vizcnn COMMAND --help' their options.")
            code = 2
        except VizcnnError as error:
            echo_error(str(error))
            code = 2
        except (KeyboardInterrupt, typer.Abort):
            code = 130
        if code == 130:
            echo_error("stopped; the pictures that were written stay.")
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="See what a trained Keras CNN has learned, and why it decides as it does.",
    epilog="Begin with 'vizcnn demo', then 'vizcnn check MODEL'. 'vizcnn COMMAND --help' ends with examples.",
)


def command(panel: str, *examples: str) -> Callable[[_Command], _Command]:
    """Make a function a command.

    Parameters
    ----------
    panel : str
        One of the headings above.
    *examples : str
        Lines to type, with which its own help ends.

    Returns
    -------
    callable
        The decorator.
    """
    return app.command(rich_help_panel=panel, epilog="\n\n".join(["Examples:", *examples]))


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # a command may; the library sets nothing
    app(args=sys.argv[1:] or ["--help"])


def _version(wanted: bool) -> None:
    if wanted:
        from vizcnn._version import __version__

        echo(f"vizcnn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
