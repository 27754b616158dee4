"""A note: what the reader of a result should know, with what sort of note it is and which images it is about."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any


class Note(str):
    """Something that the reader of a result should know: a text that also says what it is about.

    Parameters
    ----------
    text : str
        What is said.
    kind : str, default ""
        What sort of note it is, one word for all notes with the same reason: "saturated", "log-probability", "resized" ...
    images : sequence of int, default ()
        Which images of the result it concerns, by their places; (): all of them, whichever they are.
    quiet : bool, default False
        Whether no warning is made of it: it says how something was understood, and nothing needs to be done.
    template : str, default ""
        What the text is composed of, see `about`.
    facts : mapping, default None
        What the template says of the images: names to one value for each of `images`.

    Examples
    --------
    >>> from vizcnn.errors import Note
    >>> note = Note("The map of b.png is zero everywhere.", "zero", [1])
    >>> note == "The map of b.png is zero everywhere.", note.kind, note.images
    (True, 'zero', (1,))
    """

    __slots__ = ("_facts", "_images", "_kind", "_quiet", "_template")
    _kind: str
    _images: tuple[int, ...]
    _quiet: bool
    _template: str
    _facts: Mapping[str, tuple[Any, ...]]

    def __new__(
        cls,
        text: str,
        kind: str = "",
        images: Iterable[int] = (),
        *,
        quiet: bool = False,
        template: str = "",
        facts: Mapping[str, Sequence[Any]] | None = None,
    ) -> Note:
        """See `Note`: a text is made once, and so is what it is about."""
        note = super().__new__(cls, text)
        places = tuple(images)
        order = sorted(range(len(places)), key=places.__getitem__)
        note._kind, note._images, note._quiet, note._template = kind, tuple(places[at] for at in order), quiet, template
        note._facts = {name: tuple(values[at] for at in order) for name, values in (facts or {}).items()}
        return note

    @classmethod
    def about(
        cls,
        images: Iterable[int],
        names: Sequence[str],
        kind: str,
        template: str,
        facts: Mapping[str, Sequence[Any]] | None = None,
        *,
        quiet: bool = False,
    ) -> Note:
        """Make a note on some images of a result, which can be said anew of fewer of them, and of more.

        Parameters
        ----------
        images : iterable of int
            Which images it concerns.
        names : sequence of str
            The names of all images of the result.
        kind : str
            What sort of note it is.
        template : str
            The text. In it stand for the images ``{images}`` ("2 of 5 images (a.png, b.png)", or the name of a single one),
            ``{count}`` ("2 of 5 images"), and ``{in_images}`` (" in " and the same, or nothing where it is all of them); for
            their facts ``{name.min}``, ``{name.max}`` and ``{name.listed}``, with a number's format: ``{name.max:.3g}``.
        facts : mapping, default None
            Names to one value for each of `images`.
        quiet : bool, default False
            Whether no warning is made of it.

        Returns
        -------
        Note

        Examples
        --------
        >>> from vizcnn.errors import Note
        >>> Note.about([0, 2], ["a", "b", "c"], "range", "{images} reach {high.max:.1f}.", {"high": [1, 2]})
        '2 of 3 images (a, c) reach 2.0.'
        """
        note = cls("", kind, images, quiet=quiet, template=template, facts=facts)
        return note._again(note.images, note.facts, names)

    @property
    def kind(self) -> str:
        """What sort of note it is."""
        return self._kind

    @property
    def images(self) -> tuple[int, ...]:
        """Places of the images that it concerns; () for all of them."""
        return self._images

    @property
    def quiet(self) -> bool:
        """Whether no warning is made of it."""
        return self._quiet

    @property
    def template(self) -> str:
        """What the text is composed of; "" where it stays as it is."""
        return self._template

    @property
    def facts(self) -> Mapping[str, tuple[Any, ...]]:
        """What the template says of the images: names to one value for each of `images`."""
        return MappingProxyType(self._facts)

    def of_part(self, places: range, names: Sequence[str]) -> Note | None:
        """Say it of some of a result's images: those at `places`, which have these names.

        Returns
        -------
        Note or None
            None where it concerns none of them.

        Examples
        --------
        >>> from vizcnn.errors import Note
        >>> note = Note.about([0, 2], ["a", "b", "c"], "zero", "The map of {images} is zero.")
        >>> note.of_part(range(1, 3), ["b", "c"])
        'The map of 1 of 2 images (c) is zero.'
        """
        if not self.images:
            return self
        if not places:
            return None
        first, last = bisect_left(self.images, min(places)), bisect_right(self.images, max(places))
        rows = [at for at in range(first, last) if self.images[at] in places]
        if places.step < 0:
            rows.reverse()
        facts = {name: [values[at] for at in rows] for name, values in self.facts.items()}
        return self._again([places.index(self.images[at]) for at in rows], facts, names) if rows else None

    def joined(self, others: Iterable[tuple[int, Note]], names: Sequence[str], start: int = 0) -> Note:
        """Say it of all images that it and others of its kind concern.

        Parameters
        ----------
        others : iterable of (int, Note)
            Where the part that each is of begins among all images, and the note.
        names : sequence of str
            The names of all images.
        start : int, default 0
            Where the part that this one is of begins.

        Returns
        -------
        Note

        Examples
        --------
        >>> from vizcnn.errors import Note
        >>> first, second = (Note.about([0], [name], "zero", "The map of {images} is zero.") for name in "ab")
        >>> first.joined([(1, second)], ["a", "b"])
        'The map of 2 of 2 images (a, b) is zero.'
        """
        facts_of: dict[int, tuple[Any, ...]] = {}
        quiet = True
        for begin, note in [(start, self), *others]:
            facts_of |= dict(zip((begin + image for image in note.images), note._by_image(), strict=True))
            quiet = quiet and note.quiet
        images = sorted(facts_of)
        facts = {name: [facts_of[image][column] for image in images] for column, name in enumerate(self.facts)}
        return self._again(images, facts, names, quiet=quiet)

    def _by_image(self) -> Iterable[tuple[Any, ...]]:
        return zip(*self.facts.values(), strict=True) if self.facts else [()] * len(self.images)

    def _again(
        self,
        images: Sequence[int],
        facts: Mapping[str, Sequence[Any]],
        names: Sequence[str],
        *,
        quiet: bool | None = None,
    ) -> Note:
        text = _composed(self.template, images, names, facts) if self.template else str(self)
        quiet = self.quiet if quiet is None else quiet
        return type(self)(text, self.kind, images, quiet=quiet, template=self.template, facts=facts)

    def to_dict(self) -> dict[str, Any]:
        """Return text, kind and images, for JSON, and what else `from_dict` needs.

        Returns
        -------
        dict

        Examples
        --------
        >>> from vizcnn.errors import Note
        >>> Note("Enlarged.", "resized", [0]).to_dict()
        {'text': 'Enlarged.', 'kind': 'resized', 'images': [0]}
        """
        facts = {name: list(values) for name, values in self.facts.items()}
        more = {"quiet": self.quiet, "template": self.template, "facts": facts}
        about = {"text": str(self), "kind": self.kind, "images": list(self.images)}
        return about | {name: value for name, value in more.items() if value}

    def __reduce__(self) -> tuple[Any, ...]:
        return restored_note, (self.to_dict(),)


def noted(text: str, kind: str = "") -> Note:
    """Return a text as a note, of this kind where it has none of its own."""
    if isinstance(text, Note) and (text.kind or not kind):
        return text
    about = text.to_dict() if isinstance(text, Note) else {"text": text}
    return Note(**{**about, "kind": kind})


def restored_note(entry: Any) -> Note:
    """Return the note that was written as this: what `Note.to_dict` returned, or a text alone."""
    return Note(**entry) if isinstance(entry, Mapping) else Note(entry)


def notes_of_part(notes: Iterable[Note], places: range, names: Sequence[str]) -> tuple[Note, ...]:
    """Return the notes that concern some of a result's images: those at `places`, which have these names."""
    parts = (note.of_part(places, names) for note in notes)
    return _in_order(note for note in parts if note is not None)


def join_notes(parts: Iterable[tuple[int, Iterable[Note]]], names: Sequence[str]) -> tuple[Note, ...]:
    """Return each note of several parts of a result once.

    Parameters
    ----------
    parts : iterable of (int, iterable of Note)
        Where each part begins among all images, and its notes.
    names : sequence of str
        The names of all images.

    Returns
    -------
    tuple of Note
        Those on all images first, in their order, then the others by the first image that they concern.
    """
    groups: dict[tuple[str, str, bool], list[tuple[int, Note]]] = {}
    for start, notes in parts:
        for note in notes:
            groups.setdefault((note.kind, note.template or str(note), bool(note.images)), []).append((start, note))
    return _in_order(first.joined(others, names, start) for (start, first), *others in groups.values())


def _in_order(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Sort notes so that it doesn't matter how a result came to hold them: cut from a larger one, or joined of smaller ones."""
    return tuple(sorted(notes, key=lambda n: (n.images[0], n.kind, n.template or n) if n.images else (-1, "", "")))


_FIELD = re.compile(r"\{(\w+)(?:\.(min|max|listed))?(?::(\.\d[gf]))?\}")
"""What stands for something in a template. `str.format` would do more than a text from a file may."""


def _composed(template: str, images: Sequence[int], names: Sequence[str], facts: Mapping[str, Iterable[Any]]) -> str:
    first_names = ", ".join(names[image] for image in images[:3]) + (", ..." if len(images) > 3 else "")
    count = f"{len(images)} of {len(names)} images"
    which = names[0] if len(names) == 1 else f"{count} ({first_names})"
    words = {"images": which, "count": count, "in_images": "" if len(images) == len(names) else f" in {which}"}

    def word(match: re.Match[str]) -> str:
        name, choice, form = match.groups()
        if name in facts and choice:
            values = list(facts[name])
            return (
                _listed(values) if choice == "listed" else format((min if choice == "min" else max)(values), form or "")
            )
        return words.get(name, match.group())

    return _FIELD.sub(word, template)


def _listed(values: Iterable[Any]) -> str:
    some = sorted({tuple(value) if isinstance(value, list) else value for value in values})
    texts = ["x".join(map(str, value)) if isinstance(value, tuple) else str(value) for value in some]
    return ", ".join(texts[:3]) + (", ..." if len(texts) > 3 else "")
