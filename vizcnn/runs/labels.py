"""True classes as a source names them, and the model's classes that they mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from vizcnn.errors import InputError, listed


@dataclass(frozen=True)
class Labels:
    """Which class of the model each label means.

    Attributes
    ----------
    classes : dict of str to int
        Labels to indices of classes; those that mean none are left out.
    """

    classes: dict[str, int] = field(default_factory=dict)

    def index(self, label: str | None) -> int | None:
        """Return the class that a label means; None where it means none."""
        return None if label is None else self.classes.get(label)

    @classmethod
    def of(cls, labels: Iterable[str], names: Sequence[str], *, named: bool, in_folders: bool) -> Labels:
        """Find the classes of labels: by name, by index, or as Keras counts folders.

        Parameters
        ----------
        labels : iterable of str
            All labels of a source.
        names : sequence of str
            What the model's classes are called.
        named : bool
            Whether these are the classes' own names; else labels of folders, of which there must be one for each class, are
            counted in their order, as `keras.utils.image_dataset_from_directory` does.
        in_folders : bool
            Whether the labels are names of folders.

        Returns
        -------
        Labels

        Raises
        ------
        InputError
            If none of them means a class.

        Examples
        --------
        >>> from vizcnn.runs.labels import Labels
        >>> Labels.of(["dog", "cat"], ["class 0", "class 1"], named=False, in_folders=True).classes
        {'cat': 0, 'dog': 1}
        >>> Labels.of(["dog", "1"], ["cat", "dog"], named=True, in_folders=False).classes
        {'1': 1, 'dog': 1}
        """
        known = sorted(set(labels))
        by_name = {name: index for index, name in reversed(list(enumerate(names)))}
        found = {label: by_name[label] for label in known if named and label in by_name}
        if not found and in_folders and not named and len(known) == len(names):
            found = {label: index for index, label in enumerate(known)}
        for label in known:
            if label not in found and label.isdecimal() and int(label) < len(names):
                found[label] = int(label)
        if known and not found:
            raise InputError(
                f"Labels of `source` must name classes of the model; none does. Labels: {listed(known, 6)}. Classes: "
                f"{listed(names, 6)}."
            )
        return cls({label: found[label] for label in known if label in found})
