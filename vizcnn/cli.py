"""The command line. What is slow to import is imported by the command that needs it, so that `--help` is quick."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vizcnn.errors import VizcnnError

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter
    from vizcnn.pictures import Explained
    from vizcnn.plugins.registry import Plugin

DEFAULT_METHODS = ("saliency", "gradcam")
"""What `vizcnn explain` does where no method is named."""

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
            _fail(f"{message}. 'vizcnn --help' lists the commands, 'vizcnn COMMAND --help' their options.")
            code = 2
        except VizcnnError as error:
            _fail(str(error))
            code = 2
        except (KeyboardInterrupt, typer.Abort):
            code = 130
        if code == 130:
            _fail("stopped; the pictures that were written stay.")
        sys.exit(code if isinstance(code, int) else 0)


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="See what a trained Keras CNN has learned, and why it decides as it does.",
)


def main() -> None:
    """Run the command line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # a command may; the library sets nothing
    app(args=sys.argv[1:] or ["--help"])


def _version(wanted: bool) -> None:
    if wanted:
        from vizcnn import __version__

        _say(f"vizcnn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


Model = Annotated[str, typer.Argument(metavar="MODEL", help="A .keras or HDF5 file.", show_default=False)]


@app.command()
def explain(
    model: Model,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="Image files, or folders of them.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the pictures go.", show_default=False)],
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            metavar="METHOD",
            help="A method, with options if wanted: 'saliency:rule=guided'. Give it again for more; 'vizcnn methods' "
            f"lists them. Default: {', '.join(DEFAULT_METHODS)}.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="What is explained: a class index, a label, or OUTPUT=CLASS for a model of several outputs. "
            "Default: the class that the model predicts.",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="LAYER",
            help="Path or name of the layer, for methods that look at one; 'vizcnn summary MODEL' lists them. "
            "Default: the last map.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The classes' names: one a line, or JSON.", show_default=False),
    ] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How pixels become inputs: a module of keras.applications ('mobilenet'), '0..1', '-1..1' or 'none'.  "
            "[default: as they are]",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(metavar="N", help="Images at once. Default: by the model's size.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line for each image.")] = False,
) -> None:
    """Explain why a model decides as it does on images: a picture for each image and method."""
    from vizcnn import pictures
    from vizcnn.adapter.labels import read_labels
    from vizcnn.progress import track

    pictures.check_folder(out, images)
    with pictures.listening() as heard:
        jobs = pictures.read_jobs(method or DEFAULT_METHODS, layer)
    _notes(("plugins", text) for text in heard)
    files, bad = pictures.find_images(images)
    names = read_labels(labels)
    adapter, said = _adapt(model, preprocess=preprocess, labels=names, batch_size=batch_size)
    good = []
    for image in track(pictures.check_images(files, adapter), len(files), "reading images"):
        if isinstance(image, pictures.Explained):
            bad.append(image)
        else:
            good.append(image)
    show = _Json() if as_json else _Text()
    failed: list[tuple[str, str]] = []
    done = 0
    if good:
        adapter.prepare(good[0].sample_shape)
        if layer is not None:
            adapter.layer(layer)
        wanted = pictures.read_target(target, adapter)
        steps = pictures.explain_images(adapter, good, jobs, wanted, out)
        for step in track(steps, len(good), f"explaining {len(good)} images"):
            if isinstance(step, tuple):
                failed.append(step)
            else:
                done += 1
                step.notes = [*(("model", text) for text in said), *step.notes]
                show.image(step, failed)
    for image in bad:
        show.image(image, failed)
    for name, reason in failed:
        _fail(f"{name}: {reason}")
    for image in bad:
        _fail(str(image.error))
    if done and (bad or failed):
        total = len(good) + len(bad)
        _fail(f"{done} of {total} images explained, by {len(jobs) - len(failed)} of {len(jobs)} methods.")
    if bad or failed:
        raise typer.Exit(1 if done else 2)


@app.command()
def summary(
    model: Model,
    depth: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="How deep nested layers are shown; 0: the model's own alone. Default: all.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Show a model's inputs, outputs and layers, with shapes and parameter counts."""
    adapter, said = _adapt(model)
    from vizcnn.plugins import registry

    _say(registry.get("architecture").function(adapter, depth=depth).summary)
    _notes(("model", text) for text in said)


@app.command()
def methods() -> None:
    """List the installed methods, with their options and the package that each comes from."""
    from vizcnn.pictures import listening
    from vizcnn.plugins import registry

    with listening():  # a plugin that fails to load is listed below
        plugins = [registry.get(name) for name in registry.names()]
    for package in dict.fromkeys(plugin.package for plugin in plugins):
        _say(f"from {package}", bold=True)
        for plugin in plugins:
            if plugin.package == package:
                _say(f"  {plugin.name}: {plugin.summary}" + ("" if plugin.explains else " (from Python only)"))
                _options_of(plugin)
    for name, reason in registry.failures().items():
        _fail(f"plugin {name} failed to load: {reason}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the pictures go.")] = Path("out/demo"),
    imagenet: Annotated[
        bool, typer.Option("--imagenet", help="Explain a MobileNetV2 on a photograph; both are downloaded once.")
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --imagenet: explain this photograph instead.", show_default=False),
    ] = None,
) -> None:
    """Explain the small CNN that vizcnn carries, by every installed method; no network needed."""
    if image is not None and not imagenet:
        raise typer.BadParameter(
            "it goes with --imagenet; the digits are the bundled CNN's own.", param_hint="'--image'"
        )
    from vizcnn import demo as demonstration
    from vizcnn import pictures
    from vizcnn.progress import track

    pictures.check_folder(out, [])
    with pictures.listening() as heard, _hushed():
        show = demonstration.photograph(image) if imagenet else demonstration.digits()
    _notes(("model", text) for text in heard)
    pages = demonstration.pages(show, out)
    count = 0
    failed = False
    for page in track(pages, len(show.methods) + 2, "explaining"):
        if page.error is not None:
            _fail(f"{page.name}: {page.error}")
            failed = True
        else:
            count += 1
            _say(str(page.file))
        _notes((page.name, note) for note in page.notes)
    _say(f"{count} pictures of {show.title} are in {out}")
    if failed:
        raise typer.Exit(1 if count else 2)


# What the commands share --------------------------------------------------------------------------------------------------


class _Text:
    """Short lines for people; a note is said once."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def image(self, image: Explained, failed: Sequence[tuple[str, str]]) -> None:
        if image.prediction is None:
            return  # listed at the end
        said = _with_probability(image.prediction.label, image.prediction.probability)
        if image.target != image.prediction.label:
            said += f", explained {_with_probability(str(image.target), image.target_probability)}"
        _say(f"{image.image}: {said}", bold=True)
        for file in (*image.files.values(), *([image.grid] if image.grid else [])):
            _say(f"  {file}")
        fresh = [note for note in dict.fromkeys(image.notes) if note not in self._said]
        self._said |= set(fresh)
        _notes(fresh)


class _Json:
    """One object a line for programs."""

    def image(self, image: Explained, failed: Sequence[tuple[str, str]]) -> None:
        seen = image.prediction
        line = {
            "image": str(image.image),
            "class": None if seen is None else seen.index,
            "label": None if seen is None else seen.label,
            "probability": None if seen is None else _finite(seen.probability),
            "target": image.target,
            "target_probability": _finite(image.target_probability),
            "files": {method: str(file) for method, file in image.files.items()},
            "grid": None if image.grid is None else str(image.grid),
            "layers": image.layers,
            "notes": [f"{origin}: {note}" for origin, note in image.notes],
            "failed": dict(failed),
            "error": image.error,
        }
        _say(json.dumps(line))


def _adapt(path: str, **settings: Any) -> tuple[ModelAdapter, list[str]]:
    """Load a model; return what vizcnn has to say of it too."""
    with _hushed():
        from vizcnn.adapter import adapt
        from vizcnn.adapter.preprocessing import resolve_preprocess
        from vizcnn.pictures import listening

        # Before the model, which may take long to load.
        settings["preprocess"] = resolve_preprocess(settings.get("preprocess"))
        with listening() as heard:
            adapter = adapt(path, **settings)
    return adapter, heard


@contextmanager
def _hushed() -> Iterator[None]:
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


def _options_of(plugin: Plugin) -> None:
    for option, default in plugin.options.items():
        choices = plugin.choices(option)
        _say(f"      {option}={default}" + (f"   one of {', '.join(map(str, choices))}" if choices else ""))


def _say(text: str, *, err: bool = False, **style: Any) -> None:
    # Not by typer.echo: it writes past the stream that Rich puts in place of the terminal's while a bar is shown.
    stream = sys.stderr if err else sys.stdout
    encoding = stream.encoding or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)  # the name of a file may hold anything
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        text = typer.style(text, **style)
    stream.write(f"{text}\n")
    stream.flush()


def _notes(notes: Iterable[tuple[str, str]]) -> None:
    for origin, text in notes:
        _say(f"  note ({origin}): {text}", err=True, dim=True)


def _fail(text: str) -> None:
    _say(f"vizcnn: {' '.join(text.split())}", err=True, fg=typer.colors.RED)


def _with_probability(label: str, probability: float | None) -> str:
    return label if probability is None else f"{label} {probability:.2f}"


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
