"""What every target is: something in a model, which a score is made of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np

from vizcnn.targets.model import Model, Pictures
from vizcnn.targets.score import Score


class Target(ABC):
    """Something in a model that a picture can explain.

    A class with a `prefix` can be asked for on the command line, as ``prefix:text``; so can yours, in a file of
    ``--custom-objects``.

    Attributes
    ----------
    prefix : str
        What stands before the colon; "" where it can't be typed.
    """

    prefix: ClassVar[str] = ""
    typed: ClassVar[dict[str, type[Target]]] = {}
    """The classes that can be typed, by prefix."""

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        if cls.prefix:
            Target.typed[cls.prefix] = cls

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the target that was typed.

        Parameters
        ----------
        text : str
            What stands after the prefix.

        Returns
        -------
        Target

        Raises
        ------
        TargetError
            If it can't be read.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Similarity.read("three.png").reference
        'three.png'
        """
        return cls(text)  # type: ignore[call-arg]  # a class of one text; others read it themselves

    def on_images(self, images: Pictures) -> Self:
        """Return the target as it is said of these images; of most it is the same for all.

        Parameters
        ----------
        images : ImageSet
            The images, at their own sizes.

        Returns
        -------
        Target

        Examples
        --------
        >>> import vizcnn as vz
        >>> digits = vz.inputs.load(vz.assets.digits(), (28, 28, 1))
        >>> vz.targets.Class(3).on_images(digits)
        Class(index=3, output=None)
        """
        del images
        return self

    @abstractmethod
    def score(self, model: Model, count: int) -> Score:
        """Resolve against a model.

        Parameters
        ----------
        model : ModelAdapter
            The model.
        count : int
            How many samples.

        Returns
        -------
        Score
            With a name for each sample.

        Raises
        ------
        TargetError
            If the model has no such thing.

        Examples
        --------
        >>> import vizcnn as vz
        >>> score = vz.targets.Class("3").score(vz.assets.digits_cnn(), 2)
        >>> score.names, score.classes, score.output
        (('3', '3'), (3, 3), 'output')
        """


def plain(value: Any) -> Any:
    """Return what an array or a tensor of any framework holds, as a number, a text or a list; anything else as it is."""
    if not hasattr(value, "__array__") or isinstance(value, np.generic):
        return value
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    return array.tolist() if array.ndim < 2 else list(array)
