"""From pictures to what a model was trained on: fitted to its size, their channels in its order, their numbers scaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from vizcnn.errors import InputError, OptionError, VizcnnError, check_choice
from vizcnn.inputs.arithmetic import from_numbers
from vizcnn.inputs.fit import Fit
from vizcnn.inputs.geometry import Geometry, Size
from vizcnn.inputs.preprocessing_text import deviations, means, read_text
from vizcnn.inputs.steps import KINDS, Channels, Function, Named, Standardize, Step, name_of, numbers_text

Numbers = float | Sequence[float]


class Preprocess:
    """What happens to a picture before the model sees it; maps go back the same way, onto the picture.

    In this order: `rows` and `columns` are cut out, what is left is fitted to the model's size, channels are reordered, numbers
    are scaled and shifted (`scale`, `offset`, then `mean` and `std`), the image is standardized, and `function` is called.

    Parameters
    ----------
    function : callable or str, default None
        Takes one image (H, W, C), float32, 0 to 255 for pixels, and returns one of the same shape, as NumPy array or tensor; one
        for `tf.data.Dataset.map` may take and return a label too. A string is the short text form, see Notes.
    name : str, default None
        What to call it in results and messages; None: the text form.
    takes_batches : bool, default False
        Whether `function` takes (N, H, W, C) instead, and treats each number for itself.
    fit : {"squash", "crop", "pad", "none"}, default "squash"
        How pictures of another size are brought to the model's: stretched, whatever their aspect; scaled so that they cover it,
        and the middle kept; scaled so that they fit in, and the rest filled (letterbox). "none": `function` brings them to the
        model's size itself, or they have it already.
    resize : int, default None
        Of "crop", the pixels that the short side is scaled to before, as in 256 for a model of 224. None: the model's own size.
    color : str, int or (int, int, int), default 0
        Of "pad", what the rest is filled with: a gray value of 0 to 255, a color's name, or "#rrggbb".
    interpolation : {"area", "bilinear", "nearest", "bicubic", "lanczos"}, default "area"
        How pictures are resized: averaged where they shrink and bilinear where they grow; or read at single places, as
        TensorFlow and Keras do by default ("bilinear").
    rows, columns : (int or None, int or None), default None
        What is kept of the picture, in its own pixels, first and end as in a slice. None: all.
    channels : {"rgb", "bgr", "gray", "yuv"}, default "rgb"
        In which order or as what the model gets colors. Gray of a model of three channels is repeated; YUV is OpenCV's.
    scale, offset : float or sequence of float, default 1.0 and 0.0
        Pixels become x * scale + offset; one number, or one for each channel.
    mean, std : float or sequence of float, default None
        What is subtracted then, and what is divided by.
    standardize : bool, default False
        Subtract each image's own mean and divide by its own deviation, as `tf.image.per_image_standardization`.

    Raises
    ------
    OptionError
        If an argument is none of these, or the text isn't understood.

    Notes
    -----
    The text form lists the same with commas, in the order in which it happens; `str` gives it back:
    ``rows 60:140, columns 10:-10``; ``crop``, ``crop 256``, ``pad``, ``pad white``, ``squash``, ``fit none``; ``bilinear``;
    ``bgr``; arithmetic such as ``/ 255``, ``* 2 - 1`` or ``(x - [1, 2, 3]) / 58``; ``mean 124 117 104``, ``std 58``;
    ``standardize``; ``0..1``, ``-1..1``, ``imagenet``, ``none``; a module of `keras.applications`, as ``resnet50``;
    ``FILE.py:function``, a file of yours that is run.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> print(vz.Preprocess(fit="crop", resize=256, channels="bgr", scale=1 / 127.5, offset=-1))
    crop 256, bgr, / 127.5 - 1
    >>> preprocess = vz.Preprocess("bgr, / 255")
    >>> preprocess(np.array([255, 0, 127.5]).reshape(1, 1, 1, 3)).ravel().tolist()
    [0.5, 0.0, 1.0]
    >>> def centered(image):
    ...     return image - image.mean()
    >>> vz.Preprocess(centered)(np.array([0, 2, 10, 30]).reshape(2, 1, 2, 1)).ravel()
    array([ -1.,   1., -10.,  10.], dtype=float32)
    """

    def __init__(
        self,
        function: Callable[..., Any] | str | None = None,
        name: str | None = None,
        *,
        takes_batches: bool = False,
        fit: str = "squash",
        resize: int | None = None,
        color: str | int | Sequence[int] = 0,
        interpolation: str = "area",
        rows: tuple[int | None, int | None] | None = None,
        columns: tuple[int | None, int | None] | None = None,
        channels: str = "rgb",
        scale: Numbers = 1.0,
        offset: Numbers = 0.0,
        mean: Numbers | None = None,
        std: Numbers | None = None,
        standardize: bool = False,
    ) -> None:
        own = Fit(fit, resize, _color(color), interpolation, rows, columns)
        steps = _steps(channels, scale, offset, mean, std, standardize=standardize)
        if isinstance(function, str):
            if own != Fit() or steps:
                raise OptionError(
                    f"`function` must be the only argument where it is text; got {function!r} and others."
                )
            own, steps = read_text(function)
        elif function is not None:
            if not callable(function):
                raise OptionError(f"`function` must be callable, text or None; got {function!r}.")
            steps += (Function(function, name or name_of(function), takes_batches, makes_size=fit == "none"),)
        self._set(own, steps, name)

    def _set(self, fit: Fit, steps: tuple[Step, ...], name: str | None) -> None:
        self.fit, self.steps = fit, steps
        own = [step.text for step in steps if isinstance(step, Function)]
        self.name = name or (own[0] if own and fit.how == "none" and len(steps) == 1 else str(self))

    @classmethod
    def of(cls, fit: Fit, steps: tuple[Step, ...], name: str | None = None) -> Preprocess:
        """Return that of a fit and steps, as `vizcnn.inputs.preprocessing_text.read_text` returns them.

        Parameters
        ----------
        fit : Fit
            How pictures are brought to the model's size.
        steps : tuple of Step
            What happens to them then.
        name : str, default None
            As `Preprocess` takes it.

        Returns
        -------
        Preprocess

        Examples
        --------
        >>> import vizcnn as vz
        >>> from vizcnn.inputs.preprocessing_text import read_text
        >>> vz.Preprocess.of(*read_text("crop, / 255"))
        Preprocess('crop, / 255')
        """
        made = cls()
        made._set(fit, steps, name)
        return made

    def __str__(self) -> str:
        return ", ".join([*self.fit.text, *(step.text for step in self.steps)]) or "squash"

    def __repr__(self) -> str:
        return f"Preprocess({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preprocess) and (self.fit, self._flat) == (other.fit, other._flat)

    def __hash__(self) -> int:
        return hash((self.fit, self._flat))

    @property
    def _flat(self) -> tuple[Step, ...]:
        """The steps, those that have one name by themselves."""
        return tuple(inner for step in self.steps for inner in (step.steps if isinstance(step, Named) else (step,)))

    @property
    def changes_numbers(self) -> bool:
        """Whether it says what becomes of pixels' numbers, be it nothing ("none"); False: it is about size and order alone."""
        return any(not isinstance(step, Channels) for step in self.steps)

    @property
    def is_none(self) -> bool:
        """Whether it says that pixels go in as they are."""
        return any(step.text == "none" for step in self.steps)

    @property
    def makes_size(self) -> bool:
        """Whether a function gets each picture at its own size, and brings it to the model's."""
        return any(isinstance(step, Function) and step.makes_size for step in self.steps)

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the inputs made of a batch of pixels that has the model's size, and stays as it is.

        Parameters
        ----------
        batch : ndarray, shape (N, H, W, C)
            The pixels.

        Returns
        -------
        ndarray of float32, shape (N, H, W, C)

        Raises
        ------
        InputError
            If the function raises, or returns something other than a finite image of the same shape; or the channels are of
            another number than the steps are made for.
        """
        values = np.asarray(batch, dtype=np.float32)
        for step in self.steps:
            values = step(values)
        return np.array(values) if np.may_share_memory(values, batch) else np.ascontiguousarray(values)

    def geometry(self, picture: Sequence[int], size: Size) -> Geometry:
        """Return how a picture of a size becomes an input of a size, and the way back.

        Parameters
        ----------
        picture, size : (int, int)
            Height and width of the picture and of the input.

        Returns
        -------
        Geometry
            Of a function that resizes images itself it isn't known: the whole picture over the whole input.

        Raises
        ------
        InputError
            If nothing is left of the picture, or it isn't resized and hasn't the model's size.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.Preprocess("crop").geometry((100, 200), (50, 50)).seen
        (0.0, 50.0, 100.0, 150.0)
        """
        if not self.makes_size:
            return self.fit.geometry(picture, size)
        known = [step.geometry for step in self.steps if isinstance(step, Function) and step.geometry is not None]
        return known[0]((picture[0], picture[1]), size) if known else Geometry.whole(picture, size)

    def fitted(self, image: np.ndarray, geometry: Geometry) -> np.ndarray:
        """Return a picture at the model's size, before its numbers are changed; see `makes_size` for when they are.

        Parameters
        ----------
        image : ndarray, shape (H, W, C)
            The picture.
        geometry : Geometry
            What `geometry` returned for its size.

        Returns
        -------
        ndarray of float32, shape (h, w, C)

        Raises
        ------
        InputError
            If a function that resizes images itself returns another size than the model's.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> pad = vz.Preprocess("pad white")
        >>> pad.fitted(np.zeros((1, 3, 1)), pad.geometry((1, 3), (3, 3)))[..., 0].tolist()
        [[255.0, 255.0, 255.0], [0.0, 0.0, 0.0], [255.0, 255.0, 255.0]]
        """
        if not self.makes_size:
            return self.fit.apply(image, geometry)
        values: np.ndarray = self(image[None])[0]
        if values.shape != (*geometry.size, image.shape[-1]):
            raise InputError(
                f"`preprocess` {self.name!r} must bring images to what the model takes, {(*geometry.size, image.shape[-1])}; it "
                f"turned shape {image.shape} into {values.shape}. Let it `fit` them before: 'squash', 'crop' or 'pad'."
            )
        return values

    def verb(self, geometry: Geometry) -> str:
        """Return what is done to a picture before its numbers are changed, as in "cropped and resized".

        Parameters
        ----------
        geometry : Geometry
            What `geometry` returned for it.

        Returns
        -------
        str

        Examples
        --------
        >>> import vizcnn as vz
        >>> crop = vz.Preprocess("crop")
        >>> crop.verb(crop.geometry((100, 200), (50, 50)))
        'resized and cropped'
        """
        return f"brought by {self.name!r}" if self.makes_size else self.fit.verb(geometry)

    @cached_property
    def is_affine(self) -> bool:
        """Whether each pixel becomes an affine function of itself, as with all of Keras's own functions."""
        return self._probed is not None

    @property
    def output_range(self) -> tuple[float, float] | None:
        """What black and white become, lowest and highest; None where that depends on the rest of the image, or isn't known."""
        return self._probed

    @cached_property
    def _probed(self) -> tuple[float, float] | None:
        for channels in (3, 1):
            black, gray, white = (np.full((32, 32, channels), value, dtype=np.float32) for value in (0.0, 127.5, 255.0))
            mixed = black.copy()
            mixed[:, 16:] = white[:, 16:]
            try:
                with np.errstate(all="ignore"):
                    black, gray, white, mixed = self(np.stack([black, gray, white, mixed]))
            except VizcnnError:
                continue  # it may not be made for such an image
            ends = float(min(black.min(), white.min())), float(max(black.max(), white.max()))
            near = 1e-3 * (ends[1] - ends[0])
            is_pointwise = np.allclose(mixed[:, :16], black[:, :16], atol=near) and np.allclose(
                mixed[:, 16:], white[:, 16:], atol=near
            )
            if near > 0 and is_pointwise and np.allclose(gray, (black + white) / 2, atol=near):
                return ends
        return None


def as_preprocess(function: Callable[..., Any] | None) -> Preprocess | None:
    """Return a `Preprocess` for a function; None for None."""
    return function if function is None or isinstance(function, Preprocess) else Preprocess(function)


def _steps(
    channels: str, scale: Numbers, offset: Numbers, mean: Numbers | None, std: Numbers | None, *, standardize: bool
) -> tuple[Step, ...]:
    check_choice("channels", channels, KINDS)
    steps: list[Step] = [Channels(channels)] * (channels != "rgb")
    factor, shift = _numbers("scale", scale), _numbers("offset", offset)
    if not all(factor):
        raise OptionError(f"`scale` must not be zero; got {scale!r}.")
    if any(number != 1 for number in factor) or any(shift):
        steps.append(from_numbers(factor, shift))
    if mean is not None:
        numbers = _numbers("mean", mean)
        steps.append(means(numbers, f"mean {_listed(numbers)}"))
    if std is not None:
        numbers = _numbers("std", std)
        steps.append(deviations(numbers, f"std {_listed(numbers)}"))
    return (*steps, *[Standardize()] * standardize)


def _listed(numbers: Sequence[float]) -> str:
    return numbers_text(numbers).strip("[]").replace(",", "")


def _numbers(name: str, value: Any) -> tuple[float, ...]:
    """Return one number, or one for each channel, checked."""
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        numbers = np.empty((0, 0))
    if numbers.ndim != 1 or not numbers.size or not np.isfinite(numbers).all():
        raise OptionError(f"`{name}` must be a number, or one for each channel; got {value!r}.")
    return tuple(numbers.tolist())


def _color(color: Any) -> Any:
    """Return a color as text or as a gray value."""
    if isinstance(color, list | tuple) and len(color) == 3 and all(isinstance(c, int) and 0 <= c <= 255 for c in color):
        return "#{:02x}{:02x}{:02x}".format(*color)
    return color
