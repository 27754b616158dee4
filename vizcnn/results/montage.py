"""Results that are drawn as montages of small pictures."""

from __future__ import annotations

from typing import Any, BinaryIO

from vizcnn.results.base import Result


class MontageResult(Result):
    """A result that is drawn on one Axes, or on a few, one above the other."""

    @property
    def num_axes(self) -> int:
        """How many Axes it is drawn on."""
        return 1

    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> vz.filters(vz.assets.digits_cnn()).draw(file := io.BytesIO(), ".png")
        >>> file.getvalue()[1:4]
        b'PNG'
        """
        from vizcnn.render import montage

        montage.write(self.plot, file, suffix, self.num_axes, **style)
