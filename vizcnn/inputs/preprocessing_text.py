"""The short text form of preprocessing, "crop 256, bgr, / 127.5 - 1", read into a fit and steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from vizcnn.errors import OptionError, did_you_mean
from vizcnn.inputs.arithmetic import read_arithmetic
from vizcnn.inputs.fit import Fit
from vizcnn.inputs.python_file import names_function, read_function
from vizcnn.inputs.steps import KINDS, Arithmetic, Channels, Function, Named, Standardize, Step
from vizcnn.resample import INTERPOLATIONS

_UNIT = Arithmetic((1 / 255,), (0.0,), "/ 255")
_CENTERED = Arithmetic((1 / 127.5,), (-1.0,), "/ 127.5 - 1")
_AS_IT_IS = Arithmetic((1.0,), (0.0,), "none")


def deviations(numbers: Sequence[float], text: str) -> Arithmetic:
    """Return the division by a standard deviation, of each channel or of all."""
    if not all(numbers):
        raise OptionError(f"`std` must not be zero; got {text!r}.")
    return Arithmetic(tuple(1 / number for number in numbers), (0.0,), text)


def means(numbers: Sequence[float], text: str) -> Arithmetic:
    """Return the subtraction of a mean, of each channel or of all."""
    return Arithmetic((1.0,), tuple(-number for number in numbers), text)


_TORCH = (_UNIT, means((0.485, 0.456, 0.406), "mean"), deviations((0.229, 0.224, 0.225), "std"))
_CAFFE = (Channels("bgr"), means((103.939, 116.779, 123.68), "mean"))

_MODULES: dict[str, tuple[Step, ...]] = {
    "caffe": _CAFFE,
    "tf": (_CENTERED,),
    "torch": _TORCH,
    **dict.fromkeys(("imagenet_utils", "resnet", "resnet50", "vgg16", "vgg19"), _CAFFE),
    **dict.fromkeys(
        ("inception_resnet_v2", "inception_v3", "mobilenet", "mobilenet_v2", "nasnet", "resnet_v2", "xception"),
        (_CENTERED,),
    ),
    "densenet": _TORCH,
    **dict.fromkeys(("convnext", "efficientnet", "efficientnet_v2", "mobilenet_v3"), (_AS_IT_IS,)),
}
"""What `preprocess_input` of the modules of keras.applications does, and the three modes that they share."""

NAMED: dict[str, Step] = {
    "0..1": Named("0..1", (_UNIT,)),
    "-1..1": Named("-1..1", (_CENTERED,)),
    "none": Named("none", (_AS_IT_IS,)),
    "imagenet": Named("imagenet", _TORCH),
    **{name: Named(name, steps) for name, steps in _MODULES.items()},
}
"""Names for all that is done to the numbers."""

SCALINGS = ("0..1", "-1..1", "none", "imagenet")

_FITS = {
    "squash": "squash", "stretch": "squash", "resize": "squash",
    "crop": "crop", "center_crop": "crop", "centercrop": "crop",
    "pad": "pad", "letterbox": "pad",
}  # fmt: skip
_STANDARDIZE = ("standardize", "per_image_standardization")
_WORDS = (
    *_FITS, "rows", "columns", *KINDS, *(name for name in INTERPOLATIONS), "mean", "std", "standardize", *NAMED,
)  # fmt: skip
_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
_EXAMPLE = "'crop 256, bgr, / 127.5 - 1'"

MAX_STEPS = 32


def read_text(text: str, *, may_run: bool = True) -> tuple[Fit, tuple[Step, ...]]:
    """Read the short text form; `vizcnn.Preprocess` says what it is.

    Parameters
    ----------
    text : str
        Steps with commas.
    may_run : bool, default True
        Whether FILE.py:function is run; text that comes from a file beside a model may not.

    Returns
    -------
    (Fit, tuple of Step)

    Raises
    ------
    OptionError
        If a step isn't understood, stands twice, or where it can't.
    """
    pieces = _pieces(text)
    if len(pieces) > MAX_STEPS:
        raise OptionError(f"`preprocess` must be of at most {MAX_STEPS} steps; got {len(pieces)}.")
    arguments: dict[str, Any] = {}
    first: dict[str, str] = {}
    steps: list[Step] = []
    for piece in pieces:
        found = _fit_arguments(piece, text)
        if found is None:
            steps.append(_step(piece, text, may_run=may_run))
            continue
        if steps:
            raise OptionError(
                f"`preprocess` {piece!r} must stand before {steps[0].text!r}: images are cut and resized first, then their "
                f"numbers are changed. Got {text!r}."
            )
        name = next(iter(found))
        if name in arguments:
            raise OptionError(f"`preprocess` must say one of {first[name]!r} and {piece!r}; got {text!r}.")
        if name in ("rows", "columns") and "how" in arguments:
            raise OptionError(
                f"`preprocess` {piece!r} must stand before {first['how']!r}: it counts the {name} of the image as it is, "
                f"before it is resized. Got {text!r}."
            )
        first[name] = piece
        arguments.update(found)
    fit = Fit(**arguments)
    if fit.how == "none":
        steps = [_making_size(step) for step in steps]
    return fit, tuple(steps)


def _making_size(step: Step) -> Step:
    return Function(step.function, step.text, makes_size=True) if isinstance(step, Function) else step


def _pieces(text: str) -> list[str]:
    """Cut a text at its commas, but those in brackets and those between the numbers of one step."""
    pieces = re.split(r",(?![^\[(]*[\])])", text)
    joined: list[str] = []
    for piece in (" ".join(piece.split()) for piece in pieces):
        if joined and re.fullmatch(_NUMBER, piece) and re.match(r"(mean|std)\b", joined[-1], re.IGNORECASE):
            joined[-1] += f" {piece}"
        elif piece:
            joined.append(piece)
        elif len(pieces) > 1:
            raise OptionError(f"`preprocess` must have something between its commas; got {text!r}.")
    if not joined:
        raise OptionError(f"`preprocess` must be of steps such as {_EXAMPLE}; got {text!r}.")
    return joined


def _fit_arguments(piece: str, text: str) -> dict[str, Any] | None:
    """Return the arguments of `Fit` that a piece means; None where it is about numbers."""
    head, _, rest = piece.partition(" ")
    word = head.lower()
    if word == "fit" and rest.lower() in (*_FITS, "none"):
        return {"how": _FITS.get(rest.lower(), "none")}
    if word == "center" and rest.lower().startswith("crop"):
        return _fit_arguments(rest, text)
    if word in _FITS:
        return _how(_FITS[word], rest, piece, text)
    if word in ("rows", "columns", "row", "column", "cols"):
        name = "rows" if word.startswith("row") else "columns"
        ends = re.fullmatch(r"(-?\d{1,9})?\s*:\s*(-?\d{1,9})?", rest)
        if ends is None or not any(ends.groups()):
            raise OptionError(
                f"`preprocess` '{name}' must be followed by the first and the end of what is kept, as in '{name} 60:140' or "
                f"'{name} 60:'; got {piece!r}."
            )
        return {name: tuple(None if end is None else int(end) for end in ends.groups())}
    return {"interpolation": word} if word in INTERPOLATIONS and not rest else None


def _how(how: str, rest: str, piece: str, text: str) -> dict[str, Any]:
    if not rest:
        return {"how": how}
    if how == "crop" and re.fullmatch(r"\d{1,9}", rest):
        return {"how": how, "resize": int(rest)}
    if how == "pad":
        return {"how": how, "color": int(rest) if re.fullmatch(r"\d{1,9}", rest) else rest}
    after = {
        "crop": "the pixels that the short side is scaled to before, as in 'crop 256', or nothing",
        "squash": "nothing: the size is the model's",
    }[how]
    raise OptionError(f"`preprocess` {piece.split()[0]!r} must be followed by {after}; got {piece!r} in {text!r}.")


def _step(piece: str, text: str, *, may_run: bool) -> Step:
    """Return the step that a piece means."""
    head, _, rest = piece.partition(" ")
    word, whole = head.lower(), piece.lower()
    if whole in NAMED:
        return NAMED[whole]
    if whole in KINDS:
        return Channels(whole)
    if whole in _STANDARDIZE:
        return Standardize()
    if word in ("mean", "std") and rest:
        numbers = rest.strip("[]()").replace(",", " ").split()
        if not all(re.fullmatch(_NUMBER, number) for number in numbers):
            raise OptionError(
                f"`preprocess` {word!r} must be followed by one number, or one for each channel, as in"
                f" '{word} 0.5'; got {piece!r}."
            )
        return (means if word == "mean" else deviations)([float(n) for n in numbers], f"{word} {' '.join(numbers)}")
    if names_function(piece):
        if not may_run:
            raise OptionError(
                f"`preprocess` {piece!r} would run code that a file beside the model names. If you trust it, give it yourself as "
                f"`preprocess` (--preprocess), or say `trusted`."
            )
        return Function(read_function(piece, "preprocess"), piece)
    if re.match(r"[-+*/(\[]", piece) or re.search(r"\bx\b", piece):
        return read_arithmetic(piece)
    raise OptionError(_not_understood(piece, text))


def _not_understood(piece: str, text: str) -> str:
    hint = did_you_mean(piece.lower(), _WORDS) or did_you_mean(piece.lower().partition(" ")[0], _WORDS)
    if piece == text.strip():
        return (
            f"`preprocess` must be a function, one of {', '.join(map(repr, SCALINGS))}, the name of a keras.applications module "
            f"such as 'mobilenet_v2', or steps with commas such as {_EXAMPLE}; got {text!r}.{hint}"
        )
    return (
        f"`preprocess` must be steps with commas such as {_EXAMPLE}; {piece!r} of {text!r} isn't one.{hint} Steps: rows A:B, "
        f"columns A:B; crop, pad, squash; {', '.join(KINDS)}; mean, std, standardize; arithmetic; {', '.join(SCALINGS)}; modules "
        f"of keras.applications; FILE.py:function."
    )
