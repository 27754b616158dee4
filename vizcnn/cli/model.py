"""The model that a command is given: its file, the options of loading it, and how these are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vizcnn.cli.console import catch_warnings, notes, quiet_stderr

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter


@dataclass(frozen=True)
class ModelFile:
    """A model that isn't loaded yet: loading may take long, and what is wrong with a call is said before.

    Attributes
    ----------
    path : str
        The file.
    settings : mapping
        The options of `vizcnn.cli.options.takes_model`, as they were typed.
    """

    path: str
    settings: Mapping[str, Any]

    def load(self) -> ModelAdapter:
        """Load the model, and print what vizcnn has to say of it."""
        adapter, messages = self.open()
        notes(("model", text) for text in messages)
        return adapter

    def open(self) -> tuple[ModelAdapter, list[str]]:
        """Load the model without the noise of its framework; return what vizcnn has to say of it too."""
        from vizcnn.adapter.labels import read_labels

        settings = {**self.settings, "labels": read_labels(self.settings["labels"])}
        with quiet_stderr():
            from vizcnn.adapter import adapt
            from vizcnn.adapter.loading.custom import read_builder, read_custom_objects
            from vizcnn.adapter.preprocessing import resolve_preprocess

            # Before the model, which may take long to load.
            settings["preprocess"] = resolve_preprocess(settings["preprocess"])
            settings["decoding"] = _decoding(settings.pop("decode"))
            settings["fixed_inputs"] = dict(map(_fixed, settings["fixed_inputs"] or [])) or None
            settings["token_grid"] = _token_grid(settings["token_grid"])
            if settings["custom_objects"] is not None:
                settings["custom_objects"] = read_custom_objects(settings["custom_objects"])
            if settings["builder"] is not None:
                settings["builder"] = read_builder(settings["builder"])
            with catch_warnings() as messages:
                adapter = adapt(self.path, **settings)
        repairs = [f"repaired in the file: {repair}." for repair in adapter.repairs]
        return adapter, [*messages, *repairs]


def _token_grid(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    rows, _, columns = text.lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal()):
        raise typer.BadParameter(f"must have the form ROWSxCOLUMNS; got {text!r}.", param_hint="'--token-grid'")
    return int(rows), int(columns)


def _decoding(text: str | None) -> Any:
    """Read the option --decode: 'upright', 'background=COLOR' and 'page=N', with commas."""
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
            raise OptionError(f"`decode` must be of 'upright', 'background=COLOR' and 'page=N'; got {entry.strip()!r}.")
    return Decoding(**settings)


def _fixed(text: str) -> tuple[str | int, Any]:
    """Read NAME=VALUE; a number is a position."""
    import numpy as np

    from vizcnn.inputs.files import read_npy

    key, _, value = text.partition("=")
    name = int(key) if key.isdecimal() else key
    try:
        if Path(value).suffix == ".npy":
            return name, read_npy(value, "`fixed_inputs` file")
        return name, value if Path(value).exists() else np.array(value.split(","), dtype=np.float32)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(
            f"it must be NAME=VALUE, the value an image, an .npy file or numbers; got {text!r} ({error}).",
            param_hint="'--fixed'",
        ) from error
