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

    For ``changed`` targets the judged version returned other rows than the generations, which cap depth 2. For
    ``uncompared`` targets some version was stopped before it returned rows to compare.
    """

    cell: Cell
    rows: float
    changed: int
    uncompared: int
    samples: Mapping[str, Samples]


@dataclass(frozen=True)
class WorldAndMachine:
    """The world that was measured in, and the machine."""

    counts: Counts
    edges: int
    degrees: Degrees
    collections: Sequence[Collection]
    targets: Mapping[str, int]
    sizes: Mapping[str, int]
    prewarmed: bool
    environment: Mapping[str, str]
    load: float  # load average of the machine in the minute before
    round_trip: float  # ms of a query that does nothing


@dataclass(frozen=True)
class Measured:
    """All that one run found. The last version is judged, the others are what it is compared with."""

    versions: Sequence[str]
    world: WorldAndMachine
    cells: Sequence[CellResult]
    throughput: Throughput | None
    first_calls: Sequence[FirstCalls]

    @property
    def judged(self) -> str:
        """The version that the objectives are about."""
        return self.versions[-1]
