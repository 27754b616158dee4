"""Methods and maps on the same images, measured a few images at a time: what is done can be kept whenever it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import Note, OptionError, VizcnnError
from vizcnn.inputs import ImageSet
from vizcnn.inputs.regions import Regions
from vizcnn.measures.run import MetricCall, measured
from vizcnn.notes import join_notes
from vizcnn.progress import TimeIsUpError, check_time, time_limit
from vizcnn.results import Attributions, Comparison
from vizcnn.targets.score import Score

QUICK = 5.0
"""Seconds an image that a method may take, to be compared without being named."""

_FIRST = 3.0
"""Times `QUICK` that the first image may take: what a method needs is compiled then."""

_PARTS = 10
"""In how many parts the images are run, so that little is lost where it is cut short."""

Answer = Callable[[slice, np.ndarray], Attributions]


@dataclass
class Entry:
    """Something that has a map for each image.

    Attributes
    ----------
    name : str
        What it is called.
    answer : callable
        Takes the place of a batch among the images, and its inputs; returns its maps.
    maps : callable, default None
        ``maps(inputs, score, model=, seed=)``: the maps of other inputs, where it can be asked again.
    is_null : bool, default False
        Whether its maps are without meaning.
    is_seeded : bool, default False
        Whether it draws by a seed.
    """

    name: str
    answer: Answer
    maps: Callable[..., np.ndarray] | None = None
    is_null: bool = False
    is_seeded: bool = False


@dataclass
class Race:
    """Entries on the same images, a few images at a time: all that is done can be kept whenever it ends.

    Attributes
    ----------
    model : ModelAdapter
        The model.
    images : ImageSet
        The images.
    score : Score
        What is explained of them.
    entries : list of Entry
        What is measured; those that turn out too slow or don't work are taken out.
    metrics : list of MetricCall
        What it is measured by.
    regions : Regions or None
        Where in each image the object is, where a metric asks.
    may_leave_out : bool
        Whether entries that fail, or are slow, are left out; else what they raise is raised.
    max_seconds : float or None
        When it ends by itself.
    left_out : dict of str to str
        What was left out, and why.
    estimate : float or None
        Seconds that all of it takes, as told after the first images.
    """

    model: ModelAdapter
    images: ImageSet
    score: Score
    entries: list[Entry]
    metrics: list[MetricCall]
    regions: Regions | None = None
    may_leave_out: bool = False
    max_seconds: float | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    estimate: float | None = None
    _done: list[dict[str, np.ndarray]] = field(default_factory=list)
    _seconds: dict[str, np.ndarray] = field(default_factory=dict)
    _targets: list[str] = field(default_factory=list)
    _notes: list[tuple[int, tuple[Note, ...]]] = field(default_factory=list)
    _timed: int = 0

    def steps(self) -> Iterator[int]:
        """Run it; after each few images yield how many are done.

        After the second time `estimate` is known. Ends early where the time is up.

        Yields
        ------
        int

        Raises
        ------
        OptionError
            If the time is up before one image is done, or nothing is left to compare.
        """
        start = time.monotonic()
        for number, part in enumerate(self.parts()):
            left = None if self.max_seconds is None else self.max_seconds - (time.monotonic() - start)
            before = time.monotonic()
            try:
                with time_limit(left):
                    self._run(part, number)
            except TimeIsUpError:
                if not self._done:
                    raise OptionError(
                        f"`max_seconds` must be enough for one image by all methods; {self.max_seconds:g} s were not."
                    ) from None
                return
            if number == 1:
                now = time.monotonic()
                rest = len(self.images) - part.stop
                self.estimate = now - start + (now - before) / (part.stop - part.start) * rest
            yield part.stop

    @property
    def has_some(self) -> bool:
        """Whether there is anything to be kept."""
        return bool(self._done)

    def parts(self) -> list[slice]:
        """Return which images are run together: one first, by which what is compiled is, then a few at a time."""
        count = len(self.images)
        size = max(1, min(self.model.batch_size_for(self.images.sample_shape), count // _PARTS))
        return [slice(0, 1), *(slice(start, min(start + size, count)) for start in range(1, count, size))]

    def _run(self, part: slice, number: int) -> None:
        """Explain and measure a few images; what becomes of them is kept when all of it is done."""
        inputs = self.images.inputs(part)
        score = self.score[part]
        settled = score
        if score.open_choices:
            settled = self.model.with_predicted_classes(inputs, score, self.model.outputs(inputs))
        numbers: dict[str, np.ndarray] = {}
        seconds: dict[str, np.ndarray] = {}
        notes: list[Note] = []
        results: list[Attributions] = []
        for entry in tuple(self.entries):
            try:
                found = self._one(entry, part, inputs, settled, number)
            except VizcnnError as error:
                if not self.may_leave_out or entry.is_null:
                    raise
                self._leave_out(entry, str(error))
                continue
            if found is not None:
                result, numbers[entry.name], seconds[entry.name] = found
                results.append(result)
                notes += [note for note in result.notes if note not in notes]
        if not results:
            raise OptionError(f"No method is left to compare: {'; '.join(self.left_out.values())}")
        self._done.append(numbers)
        self._notes.append((part.start, tuple(notes)))
        self._targets += results[0].target
        if number:
            for name, spent in seconds.items():
                self._seconds[name] = self._seconds.get(name, 0) + spent
            self._timed += part.stop - part.start

    def _one(
        self, entry: Entry, part: slice, inputs: np.ndarray, score: Score, number: int
    ) -> tuple[Attributions, np.ndarray, np.ndarray] | None:
        """Return the result of an entry, its numbers (K, n), and the seconds of the map and of each metric; None: left out."""
        check_time()
        start = time.monotonic()
        may_be_slow = not self.may_leave_out or entry.is_null
        try:
            with time_limit(None if may_be_slow or number > 1 else QUICK * len(inputs) * (1 if number else _FIRST)):
                result = entry.answer(part, inputs)
        except TimeIsUpError:
            check_time()  # raises again where it is the whole that has to end
            self._leave_out(entry, _too_slow(entry.name))
            return None
        if result.alone and self.may_leave_out:
            self._leave_out(entry, f"Its maps are of layer {result.layer!r}, and lie nowhere in the images.")
            return None
        spent = [time.monotonic() - start]
        if not may_be_slow and number == 1 and spent[0] > QUICK * len(inputs):
            self._leave_out(entry, _too_slow(entry.name))
            return None
        where = None if self.regions is None else self.regions.masks(part)
        known: dict[str, Any] = {"method": entry.maps, "seeded": entry.is_seeded, "regions": where}
        values = []
        for call in self.metrics:
            check_time()
            start = time.monotonic()
            result = measured(result, self.model, inputs, score, [call], **known)
            values.append(result.measures.get(call.name, np.full(len(inputs), np.nan)))
            spent.append(time.monotonic() - start)
        return result, np.stack(values), np.array(spent)

    def _leave_out(self, entry: Entry, reason: str) -> None:
        self.entries.remove(entry)
        self.left_out[entry.name] = reason

    def result(self, method: str, options: Mapping[str, Any]) -> Comparison:
        """Return what is done so far.

        Parameters
        ----------
        method : str
            "compare" or "evaluate".
        options : mapping
            How it was asked for.

        Returns
        -------
        Comparison
        """
        names = [entry.name for entry in self.entries]
        parts = [np.stack([numbers[name] for name in names]) for numbers in self._done]
        values = np.concatenate(parts, axis=-1).astype(np.float32)
        timed = [self._seconds[name] / self._timed for name in names] if self._timed else []
        images = self.images.names[: values.shape[-1]]
        notes = [note for note in join_notes(self._notes, images) if note.kind != "unmeasured" or len(names) > 1]
        return Comparison(
            values=values,
            methods=tuple(names),
            metrics=tuple(call.name for call in self.metrics),
            better=tuple(call.metric.better for call in self.metrics),
            names=tuple(images),
            target=tuple(self._targets),
            model=self.model.name,
            nulls=tuple(entry.name for entry in self.entries if entry.is_null),
            left_out=dict(self.left_out),
            num_images=len(self.images),
            seconds=np.array(timed, dtype=np.float32).reshape(len(timed), len(self.metrics) + 1),
            estimate=self.estimate,
            method=method,
            options=dict(options),
            notes=tuple(notes),
        )


def _too_slow(name: str) -> str:
    return f"It takes more than {QUICK:g} s an image; name {name!r} in `methods` to have it all the same."
