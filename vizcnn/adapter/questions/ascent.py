"""Images that are made to raise a score."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.questions.checks import Questions
from vizcnn.aliases import old_keyword
from vizcnn.errors import Note
from vizcnn.targets.score import Score


class AscentQuestions(Questions):
    """Inputs that are changed step by step."""

    def ascend(
        self,
        score: Score,
        shape: tuple[int, int, int],
        *,
        steps: int,
        seed: int = 0,
        optimizer: Any = None,
        input_range: tuple[float, float] | None = None,
        **plan: Any,
    ) -> Generator[tuple[Array, Array], None, tuple[Note, ...]]:
        """Raise the score by changing the input; see `vizcnn.adapter.keras.ascent`.

        Parameters
        ----------
        score : Score
            What is to rise, one image per sample.
        shape : (int, int, int)
            Shape (H, W, C) of an image.
        steps : int
            How many steps.
        seed : int, default 0
            Seed of the start and of the transforms.
        optimizer : keras.optimizers.Optimizer or str, default None
            What makes the steps, a copy of it that starts anew; None: Adam with a learning rate of 0.05.
        input_range : (float, float), default None
            What black and white are to the model; None: what `preprocess` makes of them.
        **plan
            `parametrization`, `regularizers`, `modifiers` and `transforms` of a `vizcnn.adapter.keras.ascent.Plan`, all four.

        Returns
        -------
        generator of (ndarray, ndarray)
            Before each step the images (N, H, W, C) in 0..1 and their scores (N,); last the images, and scores of NaN. It returns
            notes on what was made.

        Examples
        --------
        >>> import vizcnn as vz
        >>> from vizcnn.transforms import NONE
        >>> cnn = vz.assets.digits_cnn()
        >>> plan = {"parametrization": "pixel", "regularizers": (), "modifiers": (), "transforms": NONE}
        >>> made = cnn.ascend(vz.targets.Class("3").score(cnn, 1), (28, 28, 1), steps=2, **plan)
        >>> [images.shape for images, scores in made]
        [(1, 28, 28, 1), (1, 28, 28, 1), (1, 28, 28, 1)]
        """
        input_range = old_keyword("ends", plan.pop("ends", None), "input_range", input_range)
        plan.setdefault("regularizers", old_keyword("penalties", plan.pop("penalties", None), "regularizers", ()))
        self.prepare(shape)
        return self._ascend(score, shape, steps=steps, seed=seed, optimizer=optimizer, input_range=input_range, **plan)

    # What a subclass answers ------------------------------------------------------------------------------------------

    def _ascend(
        self,
        score: Score,
        shape: tuple[int, int, int],
        *,
        steps: int,
        seed: int,
        optimizer: Any,
        input_range: tuple[float, float] | None,
        **plan: Any,
    ) -> Generator[tuple[Array, Array], None, tuple[Note, ...]]:
        raise self._unanswered("ascend")
