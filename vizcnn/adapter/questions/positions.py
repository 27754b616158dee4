"""Where a layer's map lies in the input, and which part of the input its cells see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vizcnn.adapter.placement import Placement
from vizcnn.adapter.questions.checks import Questions
from vizcnn.adapter.reach import Reach
from vizcnn.errors import LayerError, UnsupportedModelError


class PositionQuestions(Questions):
    """Rows and columns of maps, as rows and columns of the input."""

    def placement(self, layer: str, shape: tuple[int, ...], sample_shape: tuple[int, ...]) -> Placement | None:
        """Tell where the cells of a layer's map lie in the input.

        Parameters
        ----------
        layer : str
            The layer's path.
        shape : tuple of int
            Shape of its map, (h, w) or (h, w, K).
        sample_shape : tuple of int
            Shape (H, W, C) of one input.

        Returns
        -------
        Placement or None
            None where the map, stretched over the whole input, lies where it belongs to half a cell.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().placement("conv5", (14, 14), (28, 28, 1)) is None
        True
        """
        return self.placements({layer: shape}, sample_shape)[layer]

    def placements(
        self, shapes: Mapping[str, tuple[int, ...]], sample_shape: tuple[int, ...]
    ) -> dict[str, Placement | None]:
        """Tell where the cells of several layers' maps lie, which is found out for all at once.

        Parameters
        ----------
        shapes : mapping of str to tuple of int
            By the layers' paths, the shapes of their maps, (h, w) or (h, w, K).
        sample_shape : tuple of int
            Shape (H, W, C) of one input.

        Returns
        -------
        dict of str to (Placement or None)
            As `placement` says it of each.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().placements({"conv5": (14, 14), "conv1": (28, 28)}, (28, 28, 1))
        {'conv5': None, 'conv1': None}
        """
        self.prepare(sample_shape)
        return self._placements(shapes, sample_shape)

    def reach(self, layer: Any, sample_shape: tuple[int, ...] | None = None) -> Reach:
        """Tell which positions of the input the cells of a layer's map depend on: their receptive fields.

        Parameters
        ----------
        layer : str
            Path or name of the layer.
        sample_shape : tuple of int, default None
            Shape (H, W, C) of one input; None: the model's own.

        Returns
        -------
        vizcnn.adapter.reach.Reach

        Raises
        ------
        CapabilityError
            If the adapter can't tell.
        LayerError
            If there is no such layer, or it has no map.
        UnsupportedModelError
            If the model takes inputs of any size and none is given.

        Examples
        --------
        >>> import vizcnn as vz
        >>> reach = vz.assets.digits_cnn().reach("conv3")
        >>> reach.extent, reach.stride, reach.box((0, 5))
        ((12, 12), (2.0, 2.0), ((0, 7), (5, 17)))
        """
        if "receptive fields" not in self.capabilities:
            raise self._unanswered("reach")
        known = sample_shape or self.input_shape
        shape = tuple(length for length in known if length is not None)
        if not known or len(shape) < len(known):
            raise UnsupportedModelError(
                f"Model {self.name!r} takes inputs of any size, on which it depends what its layers see: name one."
            )
        self.prepare(shape)
        info = self.layer(layer)
        found = self._reach(info.path, shape)
        if found is None:
            raise LayerError(f"`layer` {info.path!r} has no map of rows and columns whose cells depend on the input.")
        return found

    # What a subclass answers ------------------------------------------------------------------------------------------

    def _placements(
        self, shapes: Mapping[str, tuple[int, ...]], sample_shape: tuple[int, ...]
    ) -> dict[str, Placement | None]:
        del sample_shape  # an adapter that knows better says so
        return dict.fromkeys(shapes)

    def _reach(self, layer: str, sample_shape: tuple[int, ...]) -> Reach | None:
        raise self._unanswered("reach")
