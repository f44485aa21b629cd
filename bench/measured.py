"""All that one run of the walk benchmark found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.cells import Cell, Collection, Degrees
from bench.finders import Samples
from bench.first_calls import FirstCalls
from bench.throughput import Throughput
from bench.world import Counts


@dataclass(frozen=True)
class CellResult:
    """One cell: the mean rows of a target, and the samples of each version.

    For ``uncompared`` targets a version was stopped before there were rows to compare.
    """

    cell: Cell
    rows: float
    uncompared: int
    samples: Mapping[str, Samples]


@dataclass(frozen=True)
class World:
    """What was measured in, and with what."""

    counts: Counts
    edges: int
    degrees: Degrees
    collections: Sequence[Collection]
    targets: Mapping[str, int]
    sizes: Mapping[str, int]
    prewarmed: bool
    environment: Mapping[str, str]
    load: float  # of the machine, the minute before
    round_trip: float  # ms of a query that does nothing


@dataclass(frozen=True)
class Measured:
    """All that one run found; the first version is compared with, the last one is judged."""

    versions: Sequence[str]
    world: World
    cells: Sequence[CellResult]
    throughput: Throughput | None
    first_calls: Sequence[FirstCalls]

    @property
    def base(self) -> str:
        """The version compared with."""
        return self.versions[0]

    @property
    def judged(self) -> str:
        """The version the objectives are about."""
        return self.versions[-1]
