"""Likeness to another image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from vizcnn.errors import TargetError
from vizcnn.inputs import load
from vizcnn.targets.model import Model
from vizcnn.targets.score import ForwardPass, Score
from vizcnn.targets.target import Target


@dataclass(frozen=True, eq=False)
class Similarity(Target):
    """How alike an image and a reference are to the model: the cosine between their embeddings.

    Parameters
    ----------
    reference : path, Pillow image, array of shape (H, W, C), or array of shape (K,)
        The image to compare with; or its embedding, where that is known.
    output : str or int, default None
        Which of several outputs holds the embedding; None: that of the classes.
    layer : str, default None
        A layer whose output is taken as the embedding in place of the model's, such as the one before the classes.

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> like_three = vz.targets.Similarity(digits[3], layer="average")
    >>> vz.gradcam(cnn, digits[8:], like_three).scores.round(1)  # cosines of the eight and the nine
    array([0.7, 0.7], dtype=float32)
    """

    prefix: ClassVar[str] = "like"

    reference: Any
    output: str | int | None = None
    layer: str | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the target that was typed: an image's path, and where the embedding is read.

        Parameters
        ----------
        text : str
            ``FILE``, ``FILE;layer=LAYER`` or ``FILE;output=OUTPUT``.

        Returns
        -------
        Similarity

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Similarity.read("cat.jpg;layer=average").layer
        'average'
        """
        path, *fields = text.split(";")
        given = {name: value for name, _, value in (field.partition("=") for field in fields)}
        if given.keys() - {"layer", "output"} or not all(given.values()):
            raise TargetError(f"`target` like: must be FILE, FILE;layer=LAYER or FILE;output=OUTPUT; got {text!r}.")
        return cls(path, **given)

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> like_three = vz.targets.Similarity(vz.assets.digits()[3], layer="average")
        >>> like_three.score(vz.assets.digits_cnn(), 1).names
        ('like digit_3.png',)
        """
        vector, name = self._embedding(model)
        where: dict[str, Any] = {"output": None, "path": None}
        if self.layer is not None:
            where["path"] = model.layer(self.layer).path
        else:
            where["output"] = model.output_name(self.output)
            activation = model.output_activation(where["output"])
            if activation is not None:
                raise TargetError(
                    f"`target` Similarity compares embeddings; output {where['output']!r} of model {model.name!r} ends in a "
                    f"{activation}. Name the layer before it: Similarity(reference, layer=...)."
                )
        shape = (
            model.output_shapes[where["output"]]
            if where["output"]
            else (model.layer(self.layer).output_shape or (None,))[1:]
        )
        size = None if None in shape else int(np.prod(shape))  # type: ignore[arg-type]
        if size not in (None, vector.size):
            raise TargetError(
                f"`target` Similarity needs an embedding of {size} numbers, shape {shape}; the reference has {vector.size}."
            )
        return Score(
            key=("similarity", where["output"], where["path"], vector.size),
            formula=partial(similarity_score, **where),
            params=(np.repeat(vector[None], count, axis=0),),
            names=(f"like {name}",) * count,
            classes=(None,) * count,
            output=where["output"],
        )

    def _embedding(self, model: Model) -> tuple[np.ndarray, str]:
        """Return the reference's embedding, flat, and what to call it."""
        if isinstance(self.reference, np.ndarray) and self.reference.ndim == 1:
            vector, name = self.reference, "the reference"
        else:
            loaded = load(
                self.reference,
                model.input_shape,
                preprocess=model.preprocess,
                image_size=model.image_size,
                decoding=model.decoding,
            )
            if len(loaded) != 1:
                raise TargetError(f"`target` Similarity takes one reference image; got {len(loaded)}.")
            inputs, name = loaded.inputs(slice(None)), loaded.names[0]
            model.prepare(loaded.sample_shape)
            if self.layer is not None:
                path = model.layer(self.layer).path
                vector = model.activations(inputs, [path])[path]
            else:
                outputs = model.outputs(inputs)
                vector = outputs[list(model.output_shapes).index(model.output_name(self.output))]
        vector = np.asarray(vector, dtype=np.float32).ravel()
        if not np.isfinite(vector).all() or not vector.any():
            raise TargetError("`target` Similarity needs a reference whose embedding is finite and not all zero.")
        return vector, "the reference" if name == "image" else name


def similarity_score(
    reading: ForwardPass, params: Sequence[Any], *, output: str | None = None, path: str | None = None
) -> Any:
    """Return the cosine between an output, or a layer's, and a reference: params are the references (N, K)."""
    xp = reading.xp
    values = reading.layer(path) if path is not None else reading.logits(str(output))
    values = xp.reshape(values, (-1, params[0].shape[-1]))
    lengths = xp.sqrt(xp.sum(values * values, axis=-1) * xp.sum(params[0] * params[0], axis=-1))
    return xp.sum(values * params[0], axis=-1) / (lengths + 1e-12)
