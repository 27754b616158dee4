"""How image files and clips are to be read, where a file leaves a choice."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PIL import ImageColor

from vizcnn.errors import OptionError

_SLICE = r"\d*:\d*(:0*[1-9]\d*)?"


@dataclass(frozen=True)
class Decoding:
    """How image files are read, where a file leaves a choice.

    The defaults are what `keras.utils.load_img` and `keras.utils.image_dataset_from_directory` do, so that a model sees a file as
    it saw those that it was trained on.

    Parameters
    ----------
    upright : bool, default False
        Turn a photo as its EXIF orientation says. (Of a TIFF file Pillow itself does, for Keras too.)
    background : str, default None
        Color, by name or as "#rrggbb", that transparent pixels are laid on. None: transparency is left out, and a pixel has the
        color that is stored beneath it.
    page : int, default 0
        Which page of a TIFF file, or frame of an animation, is an image.
    frames : str, default None
        Which frames of a clip there are to take from, "START:STOP" or "START:STOP:STEP" as in a slice: "0:100", "50:", "::2". A
        model that takes a number of frames gets as many, evenly spread over these. None: all.
    stride : int, default None
        Cut a clip that is longer than the model takes into windows of consecutive frames (of `frames`), a sample each, that many
        frames from one to the next; the last one ends with the clip. None: one sample, evenly spread.

    Raises
    ------
    OptionError
        If the color isn't one, the page is negative, the frames aren't a slice, or the stride isn't a whole number from 1 on.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from PIL import Image
    >>> clear = Image.fromarray(np.zeros((1, 1, 4), np.uint8))
    >>> vz.inputs.load(clear, (1, 1, 3))[0].tolist()
    [[[0, 0, 0]]]
    >>> vz.inputs.load(clear, (1, 1, 3), decoding=vz.inputs.Decoding(background="white"))[0].tolist()
    [[[255, 255, 255]]]
    """

    upright: bool = False
    background: str | None = None
    page: int = 0
    frames: str | None = None
    stride: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.upright, bool):
            raise OptionError(f"`upright` must be True or False; got {self.upright!r}.")
        if not isinstance(self.page, int) or isinstance(self.page, bool) or self.page < 0:
            raise OptionError(f"`page` must be a whole number from 0 on; got {self.page!r}.")
        if self.frames is not None and not (isinstance(self.frames, str) and re.fullmatch(_SLICE, self.frames)):
            raise OptionError(f"`frames` must be START:STOP or START:STOP:STEP, as in '0:100:2'; got {self.frames!r}.")
        if self.stride is not None and (
            not isinstance(self.stride, int) or isinstance(self.stride, bool) or self.stride < 1
        ):
            raise OptionError(f"`stride` must be a whole number of frames from 1 on, or None; got {self.stride!r}.")
        if self.background is not None:
            try:
                ImageColor.getrgb(self.background)
            except (ValueError, AttributeError, TypeError):
                raise OptionError(
                    f"`background` must be a color such as 'white' or '#808080', or None; got {self.background!r}."
                ) from None

    def frames_of(self, count: int) -> range:
        """Return which frames of a clip there are to take from.

        Parameters
        ----------
        count : int
            How many it has.

        Returns
        -------
        range

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.inputs.Decoding(frames="2:8:2").frames_of(100)
        range(2, 8, 2)
        """
        ends = [int(end) if end else None for end in (self.frames or ":").split(":")]
        return range(count)[slice(*ends)]


AS_KERAS = Decoding()
"""What files are read by unless asked otherwise."""
