"""In which order the images of a run are explained, and which of them make up one file of its results."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vizcnn.errors import InputError, OptionError
from vizcnn.runs.labels import Labels
from vizcnn.runs.listing import Listing
from vizcnn.runs.source import Source


@dataclass(frozen=True)
class Plan:
    """The images of a run, each at its place, and the shards that they are cut into.

    The order is that of a hash of their paths: so it depends on nothing but the paths, classes are mixed, and the shards that a
    stopped run has finished are a random sample.

    Attributes
    ----------
    listing : Listing
        The images by their places.
    shard_size : int
        Images of one shard.
    in_folders : bool
        Whether labels are names of folders.
    """

    listing: Listing
    shard_size: int
    in_folders: bool = False

    @classmethod
    def of(cls, source: Source, shard_size: int) -> Plan:
        """List a source, and say which image comes when.

        Parameters
        ----------
        source : Source
            The source.
        shard_size : int
            Images of one shard.

        Returns
        -------
        Plan

        Raises
        ------
        InputError
            If it can't be read, has no images, two that are called alike though they may not be, or none with a label or target
            though it was said where these are.
        """
        listing = Listing.of(source.entries())
        name = repr(source.about.get("path", source.about["kind"]))
        if not len(listing):
            raise InputError(f"`source` {name} holds no image.")
        for role, found in (("label", listing.labels), ("target", listing.targets)):
            if not found and role in source.promised:
                where = (
                    "all of them lie in the folder itself"
                    if source.about["kind"] == "folder"
                    else "the column is empty"
                )
                raise InputError(f"`source` {name} must say a {role} of its images; {where}.")
        plan = cls(listing, shard_size, source.about["kind"] == "folder")
        if source.distinct and (key := plan.repeated) is not None:
            raise InputError(f"`source` must name each image by a path of its own; got {key!r} again.")
        return plan if source.in_order else plan.taken(plan.at_random)

    @property
    def at_random(self) -> np.ndarray:
        """All places in the order of a hash of what is there, (N,)."""
        return np.argsort(self._hashes, kind="stable")

    @property
    def repeated(self) -> str | None:
        """What two images are called; None where no two are called alike."""
        hashes = self._hashes
        order = np.argsort(hashes)
        alike = np.flatnonzero(np.diff(hashes[order]) == 0)
        pairs = ([self.listing[place].key for place in order[at : at + 2].tolist()] for at in alike.tolist())
        return next((one for one, other in pairs if one == other), None)

    @property
    def _hashes(self) -> np.ndarray:
        hashes = np.empty(len(self), "<u8")
        for places in self.listing.parts():
            found = b"".join(map(_hash, self.listing.keys(places)))
            hashes[places.start : places.stop] = np.frombuffer(found, "<u8")
        return hashes

    def taken(self, places: np.ndarray) -> Plan:
        """Return a plan of some of the images, in another order."""
        return replace(self, listing=self.listing.taken(places))

    def __len__(self) -> int:
        return len(self.listing)

    def labels(self, names: Sequence[str], *, named: bool) -> Labels:
        """Return which of a model's classes the labels mean; see `Labels.of`."""
        return Labels.of(self.listing.labels, names, named=named, in_folders=self.in_folders)

    @property
    def num_shards(self) -> int:
        """How many shards there are."""
        return -(-len(self) // self.shard_size)

    def shard(self, number: int) -> range:
        """Return the places of the images of a shard."""
        return range(number * self.shard_size, min(len(self), (number + 1) * self.shard_size))

    @cached_property
    def digest(self) -> str:
        """What tells these images, with their labels and targets, from others."""
        digest = hashlib.sha256()
        for places in self.listing.parts():
            entries = self.listing.entries(places)
            said = "".join(f"({key!r}, {label!r}, {target!r})" for key, label, target, _ in entries)
            digest.update(said.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def part_of_shards(text: str | None) -> tuple[int, int]:
    """Read which part of the shards is meant: "2/8" is the second of eight.

    Returns
    -------
    (int, int)
        The part, counted from 0, and how many there are.
    """
    if text is None:
        return 0, 1
    found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    part, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= part <= count:
        raise OptionError(f"`shard` must be the part and their number, as '2/8', the second of eight; got {text!r}.")
    return part - 1, count


def _hash(key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=8).digest()
