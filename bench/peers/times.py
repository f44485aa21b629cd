"""What was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.peers.engine import Loaded


@dataclass
class Times:
    """Milliseconds of one engine in one cell: the client's wait, and the processor time of all processes involved."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class CellTimes:
    """The times of one cell by engine, and the mean number of paths of an answer.

    ``absent``: why an engine has no times: it cannot express the question, or it took too long.
    """

    name: str
    paths: float
    times: Mapping[str, Times]
    absent: Mapping[str, str]


@dataclass(frozen=True)
class Measured:
    """All that one run found; the first engine is ours."""

    engines: Sequence[tuple[str, str, str]]  # name, version, note
    loaded: Mapping[str, Loaded]
    cells: Sequence[CellTimes]
    edges: int
    contacts: int
    environment: Mapping[str, str]
    load: float
