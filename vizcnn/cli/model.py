"""The model that a command is given: its file, the options of loading it, and how these are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vizcnn.cli.console import catch_warnings, notes, quiet_stderr
from vizcnn.errors import OptionError

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter


@dataclass(frozen=True)
class ModelFile:
    """A model that isn't loaded yet: loading may take long, and what is wrong with a call is said before.

    Attributes
    ----------
    path : str
        The file; "" where a command may do without one, and none was named.
    settings : mapping
        The options of `vizcnn.cli.options.takes_model`, as they were typed.
    """

    path: str
    settings: Mapping[str, Any]

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given, as they were typed."""
        return {name: value for name, value in self.settings.items() if value not in (None, []) and value is not False}

    def load(self) -> ModelAdapter:
        """Load the model, and print what vizcnn has to say of it."""
        adapter, messages = self.open()
        notes(("model", text) for text in messages)
        return adapter

    def check(self) -> None:
        """Check how the options are written, without running or loading anything: other processes may open the model."""
        _decoding(self.settings["decode"])
        _token_grid(self.settings["token_grid"])
        for text in self.settings["fixed_inputs"] or ():
            _fixed(text)

    def open(self) -> tuple[ModelAdapter, list[str]]:
        """Load the model without the noise of its framework; return what vizcnn has to say of it too."""
        with quiet_stderr():
            from vizcnn.adapter import adapt

            arguments = self.arguments()  # before the model, which may take long to load
            with catch_warnings() as messages:
                adapter = adapt(self.path, **arguments)
        messages += [note for note in adapter.notes if note.kind == "settings"]
        repairs = [f"repaired in the file: {repair}." for repair in adapter.repairs]
        return adapter, [*messages, *repairs]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `vizcnn.adapt` that the given options mean; files that they name are read, and run."""
        from vizcnn.adapter.labels import read_labels
        from vizcnn.adapter.loading.custom import read_custom_objects
        from vizcnn.adapter.preprocessing import resolve_preprocess
        from vizcnn.inputs.python_file import read_function

        readers: dict[str, Callable[[Any], Any]] = {
            "labels": read_labels,
            "preprocess": resolve_preprocess,
            "decode": _decoding,
            "fixed_inputs": lambda texts: dict(map(_fixed, texts)),
            "token_grid": _token_grid,
            "custom_objects": read_custom_objects,
            "builder": lambda text: read_function(text, "builder"),
        }
        read = {name: readers[name](value) if name in readers else value for name, value in self.given.items()}
        return {"decoding" if name == "decode" else name: value for name, value in read.items()}

    def as_words(self) -> list[str]:
        """Return what a command line has to say to open it: the file, and the options."""
        words = [self.path]
        for name, value in self.given.items():
            option = f"--{name.replace('_', '-')}"
            if value is True:
                words += [option]
            else:
                words += [
                    part for one in (value if isinstance(value, list) else [value]) for part in (option, str(one))
                ]
        return words

    def as_python(self) -> list[str]:
        """Return the lines of Python that open it, as ``model``."""
        given = self.given
        lines, words = [], {name: repr(value) for name, value in given.items()}
        for name in ("architecture", "labels"):
            if name in given:
                words[name] = repr(str(given[name]))
        if "decode" in given:
            settings = {name: value for name, value in asdict(_decoding(given["decode"])).items() if value is not None}
            words["decoding"] = (
                f"vz.inputs.Decoding({', '.join(f'{name}={value!r}' for name, value in settings.items())})"
            )
            del words["decode"]
        if "fixed_inputs" in given:
            pairs = [text.partition("=") for text in given["fixed_inputs"]]
            plain = {int(key) if key.isdecimal() else key: self._typed_value(value) for key, _, value in pairs}
            words["fixed_inputs"] = repr(plain)
        if "token_grid" in given:
            words["token_grid"] = repr(_token_grid(given["token_grid"]))
        if "custom_objects" in given:
            lines += ["from vizcnn.adapter.loading.custom import read_custom_objects"]
            words["custom_objects"] = f"read_custom_objects({str(given['custom_objects'])!r})"
        if "builder" in given:
            lines += ["from vizcnn.inputs.python_file import read_function"]
            words["builder"] = f"read_function({given['builder']!r}, 'builder')"
        options = "".join(f", {name}={word}" for name, word in words.items())
        return [*lines, f"model = vz.adapt({self.path!r}{options})"]

    def plain_settings(self) -> dict[str, Any]:
        """Return the options that were given as `vizcnn.toml` holds them; what runs code is no part of it."""
        given = self.given
        refused = [name for name in ("custom_objects", "trusted") if given.pop(name, None)]
        if refused:
            raise OptionError(
                f"`{refused[0]}` can't be written into a file beside a model: it runs code. Leave it out."
            )
        if "decode" in given:
            decoding = asdict(_decoding(given.pop("decode")))
            given["decoding"] = {name: value for name, value in decoding.items() if value is not None}
        if "token_grid" in given:
            given["token_grid"] = list(_token_grid(given["token_grid"]) or ())
        if "fixed_inputs" in given:
            pairs = [text.partition("=") for text in given["fixed_inputs"]]
            given["fixed_inputs"] = {name: self._plain_value(value) for name, _, value in pairs}
        return {name: self._plain(name, value) for name, value in given.items()}

    def _plain(self, name: str, value: Any) -> Any:
        if name == "labels" and not self._is_beside(Path(value)):
            from vizcnn.adapter.labels import read_labels

            return list(read_labels(value) or ())
        return self._relative(Path(value)) if name in ("labels", "architecture") else value

    def _plain_value(self, text: str) -> Any:
        return self._relative(Path(text)) if Path(text).exists() else [float(number) for number in text.split(",")]

    def _typed_value(self, text: str) -> Any:
        return text if Path(text).exists() else [float(number) for number in text.split(",")]

    def _is_beside(self, file: Path) -> bool:
        return file.resolve().is_relative_to(Path(self.path).resolve().parent)

    def _relative(self, file: Path) -> str:
        if not self._is_beside(file):
            raise OptionError(f"`write` takes files in the folder of the model; got {str(file)!r}. Copy it there.")
        return file.resolve().relative_to(Path(self.path).resolve().parent).as_posix()


def _token_grid(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    rows, _, columns = text.lower().partition("x")
    if not (rows.isdecimal() and columns.isdecimal()):
        raise typer.BadParameter(f"must have the form ROWSxCOLUMNS; got {text!r}.", param_hint="'--token-grid'")
    return int(rows), int(columns)


def _decoding(text: str | None) -> Any:
    """Read the option --decode: 'upright', 'background=COLOR', 'page=N', 'frames=START:STOP:STEP' and 'stride=N', with commas."""
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
        elif name in ("page", "stride") and value.isdecimal():
            settings[name] = int(value)
        elif name == "frames" and value:
            settings["frames"] = value
        else:
            raise OptionError(
                f"`decode` must be of 'upright', 'background=COLOR', 'page=N', "
                f"'frames=START:STOP:STEP' and 'stride=N'; got {entry.strip()!r}."
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
            return name, read_npy(value, "`fixed_inputs` file")
        return name, value if Path(value).exists() else np.array(value.split(","), dtype=np.float32)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(
            f"it must be NAME=VALUE, the value an image, an .npy file or numbers; got {text!r} ({error}).",
            param_hint="'--fixed'",
        ) from error
