"""`vizcnn.toml` beside a model: what `vizcnn.adapt` takes for it, as plain data. Nothing in it can run code."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tomli_w

from vizcnn.adapter.labels import read_labels
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.errors import OptionError, did_you_mean, listed
from vizcnn.files import kind_of, write_file
from vizcnn.inputs import Decoding, Preprocess

FILE_NAME = "vizcnn.toml"

_MAX_BYTES = 2**20
_HEADER = "# What vizcnn.adapt, and every command of vizcnn, take for the models in this folder.\n\n"


@dataclass(frozen=True)
class StoredSettings:
    """What stands in the file beside a model.

    Attributes
    ----------
    values : dict
        Arguments of `vizcnn.adapt` to their values, as it takes them.
    file : Path
        The file.
    """

    values: dict[str, Any] = field(default_factory=dict)
    file: Path = Path(FILE_NAME)

    def only(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of those arguments that the caller left out."""
        return {name: value for name, value in self.values.items() if name in given and given[name] is None}

    def note(self, given: Mapping[str, Any]) -> str:
        """Return what is said of it, where some were given by the caller, which win."""
        used = [f"{name}{_said(value)}" for name, value in self.only(given).items()]
        return f"Read from {FILE_NAME} beside the model: {', '.join(used)}." if used else ""


def read_settings(model: Path, *, trusted: bool = False) -> StoredSettings:
    """Read `vizcnn.toml` beside a model: what holds for all models of the folder, and the table that has this one's name.

    Parameters
    ----------
    model : Path
        The file or the folder of the model.
    trusted : bool, default False
        Whether FILE.py:function may be run that the file names.

    Returns
    -------
    StoredSettings
        Without values where there is no such file, or nothing in it about this model.

    Raises
    ------
    OptionError
        If it isn't TOML, holds a setting that there is none of, or a value of another kind.
    """
    file = model.absolute().parent / FILE_NAME
    tables = _tables(file)
    own = tables.get(model.name, {})
    if not isinstance(own, dict):
        own = {}
    shared = {name: value for name, value in tables.items() if not _is_of_a_model(name, value)}
    values = {}
    for name, value in {**shared, **own}.items():
        try:
            values[name] = _read(name, value, file.parent, trusted=trusted)
        except OptionError as error:
            raise OptionError(f"In {str(file)!r}: {error}") from error
    return StoredSettings(values, file)


def write_settings(model: Path, settings: Mapping[str, Any], *, overwrite: bool = False) -> Path:
    """Write settings of a model into `vizcnn.toml` beside it, in a table of its name; other tables stay.

    Parameters
    ----------
    model : Path
        The file or the folder of the model.
    settings : mapping
        Settings to plain values, as the file holds them.
    overwrite : bool, default False
        Whether a file that is there may be written anew; its comments are lost.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OptionError
        If there is one and it may not, or it couldn't be read again.
    """
    file = model.absolute().parent / FILE_NAME
    if not settings:
        raise OptionError(
            "`write` must be given with settings to write, such as --preprocess 'crop, / 255' or --labels labels.txt."
        )
    if kind_of(file) != "nothing" and not overwrite:
        raise OptionError(
            f"`write` found {str(file)!r} already, and doesn't change it. Say --overwrite to set this model's table in it; its "
            f"comments are lost then."
        )
    for name, value in settings.items():
        _read(name, value, file.parent, trusted=False)  # what can't be read must not be written
    tables = _tables(file)
    text = _HEADER + tomli_w.dumps({**tables, model.name: {**tables.get(model.name, {}), **settings}})

    def write(stream: BinaryIO) -> None:
        stream.write(text.encode())

    return write_file(file, write, (".toml",))


def _tables(file: Path) -> dict[str, Any]:
    try:
        if kind_of(file) != "a file":
            return {}
        if file.stat().st_size > _MAX_BYTES:
            raise OptionError(f"`settings` file {str(file)!r} must be no larger than 1 MiB.")
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error).rstrip(".")
        raise OptionError(
            f"`settings` file {str(file)!r} can't be read as TOML: {reason}. Mend it, or move it away."
        ) from error


def _is_of_a_model(name: str, value: Any) -> bool:
    """Tell whether a table is about one model: it isn't called as a setting, and holds settings."""
    return isinstance(value, dict) and name not in _READERS


def _read(name: str, value: Any, folder: Path, *, trusted: bool) -> Any:
    if name not in _READERS:
        if name in ("custom_objects", "trusted", "safe_mode"):
            raise OptionError(
                f"`{name}` must not be said by a file: it runs code. Give it to vizcnn.adapt, or to the command."
            )
        raise OptionError(f"`{name}` isn't a setting.{did_you_mean(name, _READERS)} Settings: {listed(_READERS)}.")
    return (
        resolve_preprocess(_text(name, value), may_run=trusted)
        if name == "preprocess"
        else _READERS[name](name, value, folder)
    )


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise OptionError(f"`{name}` must be text; got {value!r}.")
    return value


def _number(name: str, value: Any, _folder: Path) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise OptionError(f"`{name}` must be a whole number; got {value!r}.")
    return value


def _pair(name: str, value: Any, folder: Path) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise OptionError(f"`{name}` must be two whole numbers, as in [224, 224]; got {value!r}.")
    return _number(name, value[0], folder), _number(name, value[1], folder)


def _path(name: str, value: Any, folder: Path) -> Path:
    """Return a file in the folder; one elsewhere isn't for the author of a model to name."""
    file = (folder / _text(name, value)).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise OptionError(f"`{name}` must be a file in the folder of {FILE_NAME}; got {value!r}.")
    return file


def _labels(name: str, value: Any, folder: Path) -> Any:
    return read_labels(_path(name, value, folder) if isinstance(value, str) else value)


def _decoding(name: str, value: Any, _folder: Path) -> Decoding:
    known = ("upright", "background", "page", "frames", "stride")
    if not isinstance(value, dict) or set(value) - set(known):
        raise OptionError(f"`{name}` must be a table of {listed(known)}; got {value!r}.")
    return Decoding(**value)


def _fixed_inputs(name: str, value: Any, folder: Path) -> dict[str | int, Any]:
    if not isinstance(value, dict):
        raise OptionError(f"`{name}` must be a table of the inputs' names; got {value!r}.")
    return {int(key) if key.isdecimal() else key: _fixed_input(name, one, folder) for key, one in value.items()}


def _fixed_input(name: str, value: Any, folder: Path) -> Any:
    if isinstance(value, str):
        return _path(name, value, folder)
    try:
        return np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        raise OptionError(f"`{name}` must be numbers, or files in the folder; got {value!r}.") from None


_READERS: dict[str, Callable[[str, Any, Path], Any]] = {
    "preprocess": lambda name, value, folder: _text(name, value),
    "labels": _labels,
    "batch_size": _number,
    "image_size": _pair,
    "num_runs": _number,
    "decoding": _decoding,
    "token_grid": _pair,
    "architecture": _path,
    "fixed_inputs": _fixed_inputs,
}
"""Settings that a file may say; those that run code are not among them."""


def _said(value: Any) -> str:
    """Return a setting's value where it is short."""
    text = f" {value}" if isinstance(value, int) else f" {str(value)!r}" if isinstance(value, Preprocess | Path) else ""
    return text if len(text) <= 80 else ""
