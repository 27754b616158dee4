"""The health of a model's filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self

import numpy as np

from vizcnn.algorithms.diagnosis import MIN_IMAGES, MIN_SATURATED_SHARE, Finding, LayerDiagnosis, findings
from vizcnn.errors import Note, OptionError
from vizcnn.render.keywords import takes_style
from vizcnn.results.base import Context, Result
from vizcnn.results.checks import Shapes

if TYPE_CHECKING:
    from vizcnn.render.bars import Bars


@dataclass
class UnitStatistics:
    """What was seen of the units of one layer: each field has one number per unit.

    Attributes
    ----------
    count : int
        Values seen of each unit.
    lowest, highest, total, squares, at_end, active : ndarray, shape (K,)
        Their extremes, sum, sum of squares, how many were at an end of the activation, and how many above zero.
    """

    count: int
    lowest: np.ndarray
    highest: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    at_end: np.ndarray
    active: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, ends: Sequence[float], reach: float) -> Self:
        """Look at the values (N, ..., K) of one batch; `reach` is how near to an end counts as there."""
        rows = values.reshape(-1, values.shape[-1])
        near = np.zeros(rows.shape[-1], dtype=np.int64)
        for end in ends:
            near += (np.abs(rows - end) <= reach).sum(axis=0)
        return cls(
            len(rows),
            rows.min(axis=0),
            rows.max(axis=0),
            rows.sum(axis=0, dtype=np.float64),
            np.einsum("nk,nk->k", rows, rows, dtype=np.float64),
            near,
            (rows > 0).sum(axis=0),
        )

    def joined(self, other: UnitStatistics) -> UnitStatistics:
        """Return the statistics of both batches."""
        return UnitStatistics(
            self.count + other.count,
            np.minimum(self.lowest, other.lowest),
            np.maximum(self.highest, other.highest),
            self.total + other.total,
            self.squares + other.squares,
            self.at_end + other.at_end,
            self.active + other.active,
        )

    def diagnosis(self, *, rectified: bool, duplicate: tuple[int, ...]) -> LayerDiagnosis:
        """Return what they say; only rectified units can be dead."""
        dead = (self.highest <= 0) if rectified else np.zeros(len(self.highest), dtype=bool)
        mean, square = self.total / self.count, self.squares / self.count
        active = square > 0
        spread = np.sqrt(np.maximum(square - mean**2, 0))[active] / np.sqrt(square[active])
        return LayerDiagnosis(
            units=len(self.highest),
            dead=tuple(np.flatnonzero(dead).tolist()),
            saturated=tuple(np.flatnonzero(self.at_end >= MIN_SATURATED_SHARE * self.count).tolist()),
            duplicate=duplicate,
            variation=float(np.median(spread)) if active.any() else None,
        )


@dataclass(frozen=True)
class ModelMeasures:
    """What is measured once, however many batches there are.

    Attributes
    ----------
    duplicates : dict
        Paths to the filters that nearly equal another.
    field : tuple of int or None
        Pixels along each axis that a unit in the middle of the last map depends on.
    field_layer : str or None
        The layer with that map.
    pooled : bool
        Whether the score takes that map's mean or maximum, and no notice of where something is.
    """

    duplicates: Mapping[str, tuple[int, ...]]
    field: tuple[int, ...] | None
    field_layer: str | None
    pooled: bool


@dataclass(frozen=True)
class DiagnosisBatch:
    """What the diagnose plugin returns for one batch.

    Attributes
    ----------
    units : dict
        Paths of layers to the statistics of their units.
    rectified : frozenset of str
        The layers that end in a ReLU.
    bias : ndarray, shape (N,)
        The biases' share of each image's logit; empty where it isn't known.
    measure_model : callable
        Measures the model itself; asked of the first batch alone.
    """

    units: Mapping[str, UnitStatistics]
    rectified: frozenset[str]
    bias: np.ndarray
    measure_model: Callable[[], ModelMeasures]

    @classmethod
    def collect(cls, parts: Iterable[tuple[slice, np.ndarray, DiagnosisBatch]], context: Context) -> Diagnosis:
        """Join the measures of all batches into one result."""
        units: dict[str, UnitStatistics] = {}
        shares: list[np.ndarray] = []
        rectified: frozenset[str] = frozenset()
        model_measures = None
        for _, _, measures in parts:
            for path, statistics in measures.units.items():
                units[path] = units[path].joined(statistics) if path in units else statistics
            shares.append(measures.bias)
            rectified = measures.rectified
            model_measures = model_measures or measures.measure_model()
        if model_measures is None:
            raise RuntimeError("no batch was looked at")
        layers = {
            path: statistics.diagnosis(rectified=path in rectified, duplicate=model_measures.duplicates.get(path, ()))
            for path, statistics in units.items()
        }
        small_receptive_field = model_measures.field_layer if model_measures.pooled else None
        bias, size, count = np.concatenate(shares), context.images.size, len(context.images)
        return Diagnosis(
            layers=tuple(layers),
            units=np.array([layer.units for layer in layers.values()], dtype=np.int64),
            dead=np.array([len(layer.dead) for layer in layers.values()], dtype=np.int64),
            saturated=np.array([len(layer.saturated) for layer in layers.values()], dtype=np.int64),
            duplicate=np.array([len(layer.duplicate) for layer in layers.values()], dtype=np.int64),
            variation=np.array([np.nan if h.variation is None else h.variation for h in layers.values()], np.float32),
            receptive_field=model_measures.field,
            image_size=tuple(size),
            bias_share=bias.astype(np.float32),
            findings=tuple(findings(layers, count, model_measures.field, size, small_receptive_field, bias)),
            model=context.model.name,
            images_seen=count,
            notes=context.images.notes,
            active_share={path: (one.active / one.count).astype(np.float32) for path, one in units.items()},
            end_share={path: (one.at_end / one.count).astype(np.float32) for path, one in units.items()},
        )


@dataclass(frozen=True, eq=False)
class Diagnosis(Result):
    """The health of a model's filters, on some images.

    Attributes
    ----------
    layers : tuple of str
        The layers that were looked at, L of them.
    units : ndarray of int, shape (L,)
        How many units each has.
    dead, saturated, duplicate : ndarray of int, shape (L,)
        Units that were never active, or at an end of their activation nearly always; kernels that nearly equal another.
    variation : ndarray of float32, shape (L,)
        How much the values vary, relative to their size; NaN where all are zero.
    receptive_field : tuple of int or None
        Pixels along each axis that a unit in the middle of the last map depends on; None where there is no map.
    image_size : tuple of int
        The image's pixels along each axis.
    bias_share : ndarray of float32, shape (N,)
        The biases' share of the predicted class's logit, per image; empty where it isn't known.
    findings : tuple of Finding
        What is wrong; empty for a healthy model.
    model : str
        Its name.
    images_seen : int
        How many images it was shown.
    notes : tuple of Note
        What was done to the images, and what else the reader should know.
    method : str
        "diagnose".
    options : dict
        The method's options.
    active_share, end_share : dict of str to ndarray of float32, shape (K,)
        By layer, for each of its units the share of the values that were above zero, and at an end of its activation (of a ReLU,
        which has none above, 0).

    Examples
    --------
    >>> import vizcnn as vz
    >>> result = vz.diagnose(vz.assets.digits_cnn(), vz.assets.digits())
    >>> print(result)
    digits_cnn.keras: nothing found in 5 layers on 10 images
    >>> result.units.tolist(), result.receptive_field
    ([16, 32, 32, 48, 64], (20, 20))
    """

    layers: tuple[str, ...]
    units: np.ndarray
    dead: np.ndarray
    saturated: np.ndarray
    duplicate: np.ndarray
    variation: np.ndarray
    receptive_field: tuple[int, ...] | None
    image_size: tuple[int, ...]
    bias_share: np.ndarray
    findings: tuple[Finding, ...]
    model: str
    images_seen: int
    notes: tuple[Note, ...] = field(default=())
    method: str = "diagnose"
    options: dict[str, Any] = field(default_factory=dict)
    active_share: dict[str, np.ndarray] = field(default_factory=dict)
    end_share: dict[str, np.ndarray] = field(default_factory=dict)

    kind: ClassVar[str] = "diagnosis"
    added: ClassVar[tuple[str, ...]] = ("method", "options", "active_share", "end_share")
    collections: ClassVar[tuple[str, ...]] = ("active_share", "end_share")

    def __repr__(self) -> str:
        count = len(self.findings)
        return f"<Diagnosis of {self.model!r} on {self.images_seen} images, {count} finding{'s' * (count != 1)}>"

    def __str__(self) -> str:
        if not self.findings:
            return f"{self.model}: nothing found in {len(self.layers)} layers on {self.images_seen} images"
        return "\n".join(str(finding) for finding in self.findings)

    def _check(self) -> None:
        shapes = Shapes()
        shapes.count("layers", self.layers, "L")
        for name in ("units", "dead", "saturated", "duplicate"):
            shapes.check(name, getattr(self, name), "L", kinds="iu", empty=not self.layers)
        if not all(
            (faults >= 0).all() and (faults <= self.units).all()
            for faults in (self.dead, self.saturated, self.duplicate)
        ):
            raise ValueError("`units` are fewer than those with a fault")
        shapes.check("variation", self.variation, "L", empty=not self.layers)
        shapes.check("bias_share", self.bias_share, None, empty=True)

    @classmethod
    def from_arrays(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """See `Result.from_arrays`.

        Returns
        -------
        Diagnosis

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> stored = vz.diagnose(vz.assets.digits_cnn(), vz.assets.digits()).to_dict()
        >>> arrays = {name: value for name, value in stored.items() if isinstance(value, np.ndarray)}
        >>> for name in vz.Diagnosis.collections:  # an array for each layer
        ...     arrays |= {f"{name} {layer}": shares for layer, shares in stored[name].items()}
        >>> about = {name: value for name, value in stored.items() if name not in arrays}
        >>> vz.Diagnosis.from_arrays(about, arrays)
        <Diagnosis of 'digits_cnn.keras' on 10 images, 0 findings>
        """
        result = super().from_arrays(about, arrays)
        return replace(result, findings=tuple(Finding(*row) for row in result.findings))

    def unit_in_words(self, layer: str, unit: int) -> tuple[str, ...]:
        """Say how one unit fared.

        Parameters
        ----------
        layer : str
            One of `layers`.
        unit : int
            The channel of a map, or the unit of a dense layer.

        Returns
        -------
        tuple of str
            Whole sentences.

        Raises
        ------
        OptionError
            If there is no such unit.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.diagnose(vz.assets.digits_cnn(), vz.assets.digits()).unit_in_words("conv1", 3)
        ('It is above zero at 68% of all places, on 10 images.',)
        """
        shares = self.active_share.get(layer)
        if shares is None or not 0 <= unit < len(shares):
            raise OptionError(f"`unit` must be one of a layer with an activation; got {unit!r} of {layer!r}.")
        on = f"on {self.images_seen} image{'s' * (self.images_seen != 1)}"
        active, at_end = float(shares[unit]), float(self.end_share[layer][unit])
        sentences = [f"It is above zero at {_share(active)} of all places, {on}."]
        if active == 0 and self.dead[self.layers.index(layer)]:
            sentences = [f"It is dead {on}: never above zero, so it tells nothing and learns nothing."]
            if self.images_seen < MIN_IMAGES:
                sentences.append("On so few images it may only be rare.")
        if at_end >= MIN_SATURATED_SHARE:
            sentences.append(
                f"It is saturated: at an end of its activation {_share(at_end)} of the time, where it hardly learns."
            )
        elif at_end:
            sentences.append(f"It is at an end of its activation {_share(at_end)} of the time.")
        return tuple(sentences)

    @takes_style("title")
    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw the share of dead, saturated and duplicate units of each layer.

        Parameters
        ----------
        ax : Axes, default None
            Where to draw; None: a new figure.
        **style
            `title` (write what was looked at above it; default True).

        Returns
        -------
        Axes
            What was drawn on.

        Examples
        --------
        >>> import vizcnn as vz
        >>> print(vz.diagnose(vz.assets.digits_cnn(), vz.assets.digits()).plot().get_title())
        digits_cnn.keras, 10 images
        no findings
        """
        from vizcnn.render.bars import plot_bars

        return plot_bars(self._bars(), ax, **style)

    @takes_style("title")
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> vz.diagnose(vz.assets.digits_cnn(), vz.assets.digits()).draw(file := io.BytesIO(), ".png")
        >>> file.getvalue()[1:4]
        b'PNG'
        """
        from vizcnn.render.bars import save_bars

        save_bars(self._bars(), file, suffix, **style)

    def _bars(self) -> Bars:
        from vizcnn.render.bars import Bars

        constant = {finding.layer for finding in self.findings if finding.kind == "constant"}
        count = len(self.findings)
        return Bars(
            names=self.layers,
            shares={name: getattr(self, name) / self.units for name in ("dead", "saturated", "duplicate")},
            remarks=[
                f"{units}{', constant' if layer in constant else ''}"
                for layer, units in zip(self.layers, self.units.tolist(), strict=True)
            ],
            title=f"{self.model}, {self.images_seen} images\n{count or 'no'} finding{'s' * (count != 1)}",
            label="share of the layer's units",
        )


def _share(share: float) -> str:
    return "under 1%" if 0 < share < 0.005 else f"{share:.0%}"
