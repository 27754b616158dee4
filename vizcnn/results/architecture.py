"""How a model is put together, as text and as a diagram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from vizcnn.adapter.base import LayerInfo
from vizcnn.errors import Note
from vizcnn.render.keywords import takes_style
from vizcnn.results.base import Picture
from vizcnn.results.summary import table_of_ends, table_of_layers
from vizcnn.text import shape_text

if TYPE_CHECKING:
    from vizcnn.render.diagram.boxes import Graph

Shape = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Architecture(Picture):
    """A model's layers, and which feeds which.

    Attributes
    ----------
    model : str
        The model's name.
    layers : tuple of LayerInfo
        Every layer that computes, nested ones too.
    connections : tuple of (str, str)
        Pairs (from, to) of paths, as `ModelAdapter.connections` gives them; the model's inputs and outputs are ``<name>``.
    inputs, outputs : mapping
        Names to shapes, without the batch axis.
    activations : mapping
        Names of the outputs to the activation that each ends in, or None.
    num_params : int
        The model's weights.
    depth : int or None
        How deep nested layers are opened; None: all of them.
    method : str
        "architecture".
    options : mapping
        The method's options.
    notes : tuple of Note
        What the reader should know.

    Examples
    --------
    >>> import vizcnn as vz
    >>> found = vz.architecture(vz.assets.digits_cnn())
    >>> found
    <Architecture of 'digits_cnn.keras', 10 layers, 56,282 parameters>
    >>> found.connections[:2], found.activations
    ((('<image>', 'rescaling'), ('rescaling', 'conv1')), {'output': 'softmax'})
    """

    model: str
    layers: tuple[LayerInfo, ...]
    connections: tuple[tuple[str, str], ...]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    activations: Mapping[str, str | None]
    num_params: int
    depth: int | None = None
    method: str = "architecture"
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    kind: ClassVar[str] = "architecture"
    is_drawing: ClassVar[bool] = True

    def __repr__(self) -> str:
        return f"<Architecture of {self.model!r}, {len(self.layers)} layers, {self.num_params:,} parameters>"

    @property
    def summary(self) -> str:
        """The model as a table of text: path, kind, output shape and parameters of each layer, and what feeds it."""
        return "\n".join(
            [
                f"model {self.model}",
                *table_of_ends(self.inputs, self.outputs, self.activations),
                "",
                *table_of_layers(self.layers, self.connections, self.depth),
                f"{self.num_params:,} parameters in {len(self.layers)} layers",
            ]
        )

    @takes_style("fold", "width", "engine", "title", "legend")
    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw the model: a box for each layer, high by the rows of its output and wide by its channels.

        Parameters
        ----------
        ax : Axes, default None
            Where to draw; None: a new figure of the size that the diagram needs.
        **style
            `fold` ("auto": layers share a box, and blocks and repetitions become one, as far as the diagram would be too large
            otherwise; "always": wherever they can; "never"), `width` (inches that a line may be long; default 10), `engine`
            ("auto": Graphviz decides which boxes stand beside each other, where it is installed; "dot": it must be;
            "vizcnn": it isn't asked), `title` and `legend` (default True).

        Returns
        -------
        Axes
            What was drawn on.

        Examples
        --------
        >>> import vizcnn as vz
        >>> axes = vz.architecture(vz.assets.digits_cnn()).plot(fold="never")
        >>> [text.get_text() for text in axes.texts][:2]
        ['digits_cnn.keras', '28 × 28 × 1 in, 10 out; 56,282 parameters in 10 layers']
        """
        from vizcnn.render.diagram.drawing import plot_diagram

        return plot_diagram(self._graph(), ax, heading=self._heading(), **style)

    @takes_style("fold", "width", "engine", "title", "legend")
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> vz.architecture(vz.assets.digits_cnn()).draw(file := io.BytesIO(), ".svg")
        >>> b"conv5" in file.getvalue()
        True
        """
        from vizcnn.render.diagram.drawing import save_diagram

        save_diagram(self._graph(), file, suffix, heading=self._heading(), **style)

    def layout(self, *, fold: str = "auto", width: float | None = None, engine: str = "auto") -> dict[str, Any]:
        """Return the diagram as plain values, for whoever draws it in another way.

        Parameters
        ----------
        fold, engine : str, default "auto"
            As `plot` takes them.
        width : float, default None
            Inches that a line may be long; None: 10.

        Returns
        -------
        dict
            Inches from the upper left. "width" and "height"; "boxes": for each its "key", the "layers" in it, its "name" and
            "text" in lines, what it "does" and the "colors" that say so, its "front" (left, top, right, bottom), how far it goes
            "back", where its text begins ("text_at": middle, top), how often it "repeats", and "has_paths", whether there is
            more than one way through it; "arrows": "from" and "to" which box, their corners as "points", and "is_skip"; "frames"
            around what is nested: "path", "depth", "edges", and "is_continued" on a later line.

        Examples
        --------
        >>> import vizcnn as vz
        >>> laid_out = vz.architecture(vz.assets.digits_cnn()).layout(width=6)
        >>> [box["key"] for box in laid_out["boxes"]][:3], laid_out["boxes"][1]["name"]
        (['<image>', 'rescaling', 'conv1'], ['rescaling'])
        """
        from vizcnn.render.diagram.description import describe

        return describe(self._graph(), fold=fold, width=width, engine=engine)

    def _graph(self) -> Graph:
        from vizcnn.results.layer_graph import build

        return build(self.layers, self.connections, self.inputs, self.depth)

    def _heading(self) -> tuple[str, str]:
        inputs = " and ".join(shape_text(shape, " × ") for shape in self.inputs.values()) or "?"
        outputs = " and ".join(shape_text(shape, " × ") for shape in self.outputs.values())
        about = f"{inputs} in, {outputs} out; {self.num_params:,} parameters in {len(self.layers)} layers"
        return self.model, about

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, fit for JSON.

        Returns
        -------
        dict
            The fields by name, and "kind".

        Examples
        --------
        >>> import vizcnn as vz
        >>> stored = vz.architecture(vz.assets.digits_cnn()).to_dict()
        >>> stored["num_params"], stored["layers"][1]["kind"]
        (56282, 'Conv2D')
        """
        return {
            "kind": self.kind,
            "model": self.model,
            "layers": [asdict(info) for info in self.layers],
            "connections": [list(edge) for edge in self.connections],
            "inputs": {name: list(shape) for name, shape in self.inputs.items()},
            "outputs": {name: list(shape) for name, shape in self.outputs.items()},
            "activations": dict(self.activations),
            "num_params": self.num_params,
            "depth": self.depth,
            "method": self.method,
            "options": dict(self.options),
            "notes": list(self.notes),
        }
