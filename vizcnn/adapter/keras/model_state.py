"""What running a Keras model, symbolically or not, has told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vizcnn.adapter.heads import Traits
from vizcnn.adapter.placement import Placement

_LONG = 64


class Recent(dict[Any, Any]):
    """A mapping of what is found for scores, which may be made anew on each call: it begins anew where it grows long."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if len(self) >= _LONG:
            self.clear()
        super().__setitem__(key, value)


@dataclass
class ModelState:
    """What is known of a model for inputs of one shape.

    Attributes
    ----------
    outputs : dict
        Names of the outputs to their shapes, without the batch axis.
    activations : dict
        Names of the outputs to the softmax or sigmoid that they end in, or None.
    traits : dict
        Names of the outputs to how they are read, after what that was found by: what they end in, and the loss.
    layer_shapes : dict
        Paths of layers to the shapes of their outputs.
    endings : dict
        Names of the outputs to the last activation on the way, where that is known, and the axis of the units.
    logarithm : dict
        Names of the outputs to whether they hold probabilities whose logits are out of reach.
    batch_sizes : dict
        Shapes of a sample, and how many layers' shapes were known then, to how many samples fit.
    moved : dict
        Addresses of calls to whether positions may have been moved on the way there.
    attends : bool
        Whether the model goes through attention.
    may_attend : bool or None
        Whether it may, as far as its layers say; None while nobody asked.
    attended : object
        Where the model attends from token to token; None while nobody asked.
    default_layers : dict
        Keys of scores, and what was unfit then, to the layer that is explained where none is named.
    joints : dict
        Layers and keys of scores to how the model is cut there.
    unfit : dict
        Addresses of calls that look like maps and are none of the input.
    placements : dict
        Layers, the sizes of their maps and the inputs' shapes to where maps lie; None where stretching puts them there.
    """

    outputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    activations: dict[str, str | None] = field(default_factory=dict)
    endings: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    traits: dict[str, tuple[tuple[Any, ...], Any, Traits]] = field(default_factory=dict)
    layer_shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    logarithm: dict[str, bool] = field(default_factory=dict)
    batch_sizes: dict[tuple[tuple[int, ...], int], int] = field(default_factory=dict)
    moved: dict[str, bool] = field(default_factory=dict)
    attends: bool = False
    may_attend: bool | None = None
    attended: Any = None
    default_layers: Recent = field(default_factory=Recent)
    joints: Recent = field(default_factory=Recent)
    unfit: dict[str, None] = field(default_factory=dict)
    placements: dict[tuple[str, tuple[int, ...], tuple[int, ...]], Placement | None] = field(default_factory=dict)
