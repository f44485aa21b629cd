"""The results of a sweep, with every sample, as values and as ``results.json``.

In the file, a block's samples are whole microseconds by request number, ``null`` for a request without an answer.
Request *n* used target ``Order(order_seed, targets)[n]``, which assigns the samples to their targets again.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.measure.load_generator import BlockResult, Order, Samples, percentile
from orchestrator.sweep.measure.matrix import Combination
from orchestrator.sweep.measure.parity import Parity
from orchestrator.sweep.measure.server_time import ServerTime
from orchestrator.sweep.measure.targets import Target

FORMAT = 2
FILE = "results.json"
PERCENTS = (50, 90, 95, 99)
FEWEST_FOR_P99 = 1000  # samples; with fewer, the 99th percentile depends on a handful


@dataclass
class Cell:
    """One finder with one combination of arguments: blocks of samples, and the server's own time."""

    combination: Combination
    finder: str
    blocks: list[BlockResult] = field(default_factory=list)
    server: ServerTime | None = None

    @property
    def name(self) -> str:
        """The combination and the finder."""
        return f"{self.combination.name}-{self.finder}"

    @property
    def samples(self) -> Samples:
        """The milliseconds of all requests, by request number."""
        return np.concatenate([block.milliseconds for block in self.blocks]) if self.blocks else np.empty(0)

    @property
    def requests(self) -> int:
        """How many requests were sent or should have been, those without an answer included."""
        return sum(len(block.milliseconds) for block in self.blocks)

    @property
    def errors(self) -> int:
        """How many requests failed."""
        return sum(block.errors for block in self.blocks)

    @property
    def timeouts(self) -> int:
        """How many requests were not answered in time."""
        return sum(block.timeouts for block in self.blocks)

    @property
    def failures(self) -> dict[str, int]:
        """How many requests had no answer, by reason."""
        return dict(sum((Counter(block.failures) for block in self.blocks), Counter[str]()))

    @property
    def rate(self) -> float:
        """Answers per second."""
        seconds = sum(block.seconds for block in self.blocks)
        return sum(block.answered for block in self.blocks) / seconds if seconds else 0.0

    @property
    def longest(self) -> float | None:
        """The milliseconds of the slowest request; infinite when one had no answer."""
        return float(self.samples.max()) if self.requests else None

    def percentile(self, percent: int) -> float | None:
        """Return a percentile in milliseconds; infinite when so many had no answer, None with too few samples."""
        samples = self.samples
        if not len(samples) or (percent >= 99 and len(samples) < FEWEST_FOR_P99):
            return None
        return percentile(samples, percent)


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep measures. Times are in seconds; ``rate`` is the open loop's requests per second, None: closed loop.

    Each cell takes ``seconds`` in ``blocks``, after ``warmup`` seconds that do not count. ``max_edges_per_hop`` is the
    finders' cap, None for no cap.
    """

    seed: int
    connections: int
    seconds: float
    blocks: int
    warmup: float
    rate: float | None
    timeout: float
    max_edges_per_hop: int | None

    @property
    def loop(self) -> str:
        """The kind of loop in words."""
        if self.rate is None:
            return f"closed loop, {self.connections} connections"
        return f"open loop, {self.rate:g} requests/s over {self.connections} connections"


@dataclass
class Results:
    """A sweep. ``references`` are cells of work that is always the same, done between the blocks of a combination.

    ``finders`` maps names to statements, ``members`` collections to their numbers of members, and ``targets``
    collections and scopes to targets. ``versus`` names two finders to compare, base first. ``overhead_ms`` is the
    median of a statement that does nothing. ``problem`` is why the sweep ended early, unless a person stopped it.
    """

    started: str
    options: SweepOptions
    finders: dict[str, str]
    environment: dict[str, Any]
    members: dict[int, int]
    targets: dict[tuple[int, str], list[Target]]
    parity: dict[Combination, Parity] = field(default_factory=dict)
    references: dict[Combination, Cell] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    versus: tuple[str, str] | None = None
    overhead_ms: float | None = None
    seconds: float = 0.0
    interrupted: bool = False
    problem: str | None = None

    @property
    def combinations(self) -> list[Combination]:
        """The combinations that were measured, each once."""
        return list(dict.fromkeys(cell.combination for cell in self.cells))

    @property
    def compares_two(self) -> bool:
        """Whether two different finders are compared, and not one with itself."""
        return self.versus is not None and len({self.finders[name] for name in self.versus}) == 2

    @property
    def judged_cells(self) -> list[Cell]:
        """The cells that objectives apply to: the new finder's where two are compared, else all."""
        if self.versus is None or not self.compares_two:
            return self.cells
        return [cell for cell in self.cells if cell.finder == self.versus[1]]

    def cell(self, combination: Combination, finder: str) -> Cell | None:
        """Return a cell, None when it was not measured."""
        return next((cell for cell in self.cells if (cell.combination, cell.finder) == (combination, finder)), None)

    def by_stratum(self, cell: Cell) -> dict[str, Samples]:
        """Return a cell's samples by the kind of their targets."""
        key = cell.combination.collection, cell.combination.scope
        targets, samples = self.targets[key], cell.samples
        order = Order(order_seed(self.options.seed, *key), len(targets))
        strata = np.array([targets[order[number]].stratum for number in range(len(samples))])
        return {name: samples[strata == name] for name in dict.fromkeys(target.stratum for target in targets)}


def order_seed(seed: int, collection: int, scope: str) -> str:
    """Return the seed of the order in which the targets of a collection and scope are used."""
    return f"{seed} {collection} {scope}"


def write(results: Results, directory: Path) -> Path:
    """Write ``results.json`` into *directory* and return its path."""
    data = {
        "format": FORMAT,
        **{name: value for name, value in vars(results).items() if name not in _STRUCTURED},
        "options": asdict(results.options),
        "targets": [
            {"collection": collection, "scope": scope, "targets": [asdict(target) for target in targets]}
            for (collection, scope), targets in results.targets.items()
        ],
        "parity": [{"combination": asdict(key), "found": asdict(found)} for key, found in results.parity.items()],
        "references": [_cell_data(cell) for cell in results.references.values()],
        "cells": [_cell_data(cell) for cell in results.cells],
    }
    path = directory / FILE
    path.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
    return path


_STRUCTURED = ("options", "targets", "parity", "references", "cells")


def read(path: Path) -> Results:
    """Read ``results.json`` from the file or the directory that it is in.

    Raises :class:`OrchestratorError` when this version cannot read it.
    """
    path = path / FILE if path.is_dir() else path
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            raise OrchestratorError(f"{path} has another format than {FORMAT}, which this version reads")
        return _results(data)
    except OSError as error:
        raise OrchestratorError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OrchestratorError(f"{path} is not the result of a sweep") from error


def _results(data: dict[str, Any]) -> Results:
    references = [_cell(row) for row in data["references"]]
    structured = {
        "options": SweepOptions(**data["options"]),
        "members": {int(collection): number for collection, number in data["members"].items()},
        "targets": {
            (row["collection"], row["scope"]): [Target(**target) for target in row["targets"]]
            for row in data["targets"]
        },
        "parity": {Combination(**row["combination"]): Parity(**row["found"]) for row in data["parity"]},
        "references": {cell.combination: cell for cell in references},
        "cells": [_cell(row) for row in data["cells"]],
        "versus": tuple(data["versus"]) if data["versus"] else None,
    }
    return Results(**{**data, **structured})


def _cell_data(cell: Cell) -> dict[str, Any]:
    return {
        "combination": asdict(cell.combination),
        "finder": cell.finder,
        "server": asdict(cell.server) if cell.server is not None else None,
        "blocks": [_block_data(block) for block in cell.blocks],
    }


def _block_data(block: BlockResult) -> dict[str, Any]:
    data = dict(vars(block))
    taken = data.pop("milliseconds").tolist()
    return {**data, "microseconds": [round(value * 1000) if math.isfinite(value) else None for value in taken]}


def _cell(row: Mapping[str, Any]) -> Cell:
    blocks = []
    for block in row["blocks"]:
        taken = [math.inf if value is None else value / 1000 for value in block.pop("microseconds")]
        blocks.append(BlockResult(**block, milliseconds=np.array(taken, dtype=np.float64)))
    server = ServerTime(**row["server"]) if row["server"] is not None else None
    return Cell(Combination(**row["combination"]), row["finder"], blocks, server)
