"""Notes on a model, for the readers of all its pictures."""

from __future__ import annotations

from vizcnn.errors import Note, warn


class NoteKeeper:
    """What keeps a model's notes, each once."""

    def __init__(self) -> None:
        self._notes: dict[str, Note] = {}

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the reader of any picture of this model should know; running it may add to them."""
        return tuple(self._notes.values())

    def add_note(self, text: str, kind: str = "", *, quiet: bool = False) -> None:
        """Keep a note for all results of this model, and warn of it the first time.

        Parameters
        ----------
        text : str
            The note, whole sentences.
        kind : str, default ""
            What sort of note it is, as `vizcnn.errors.Note` has it.
        quiet : bool, default False
            Give no warning: it says how something was understood, and nothing needs to be done.

        Examples
        --------
        >>> import vizcnn as vz, warnings
        >>> cnn = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2))
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     for _ in range(2):
        ...         cnn.add_note("Its weights are random.")
        >>> cnn.notes, len(caught)
        (('Its weights are random.',), 1)
        """
        if text not in self._notes:
            note = self._notes[text] = Note(text, kind, quiet=quiet)
            warn([note])
