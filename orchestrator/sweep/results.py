"""The results of a sweep, every sample of them, as values and as ``results.json``.

In the file a block's samples are whole microseconds in the order of the requests, ``null`` for one without an answer.
Request *n* asked for target ``Order(seed, targets)[n]``, which is how samples find their targets again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.client import Order
from orchestrator.sweep.load import Answers
from orchestrator.sweep.matrix import Request
from orchestrator.sweep.observed import Counters, Executions
from orchestrator.sweep.parity import Parity
from orchestrator.sweep.statistics import FEWEST_FOR_P99, Samples, percentile
from orchestrator.sweep.targets import Target

FORMAT = 1
FILE = "results.json"
PERCENTS = (50, 90, 95, 99)


@dataclass
class Cell:
    """One version asked one kind of request: its blocks of samples, and what the server says of them."""

    request: Request
    version: str
    blocks: list[Answers] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    executions: Executions | None = None

    @property
    def name(self) -> str:
        """The cell in a word."""
        return f"{self.request.name}-{self.version}"

    @property
    def samples(self) -> Samples:
        """All samples, in the order of the requests."""
        return np.concatenate([block.milliseconds for block in self.blocks]) if self.blocks else np.empty(0)

    @property
    def requests(self) -> int:
        """How many requests there were, those without an answer included."""
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
        """Why requests were not answered, how often."""
        found: dict[str, int] = {}
        for block in self.blocks:
            for problem, times in block.failures.items():
                found[problem] = found.get(problem, 0) + times
        return found

    @property
    def rate(self) -> float:
        """Answers a second."""
        seconds = sum(block.seconds for block in self.blocks)
        return sum(block.answered for block in self.blocks) / seconds if seconds else 0.0

    @property
    def connecting(self) -> float | None:
        """The median milliseconds that went into connecting, None where connections were there already."""
        found = [block.connecting for block in self.blocks if block.connecting is not None]
        return float(np.nanmedian(np.concatenate(found))) if found else None

    def percentile(self, percent: int) -> float | None:
        """Return a percentile in milliseconds; infinite: so many had no answer. None: too few samples to say."""
        samples = self.samples
        if not len(samples) or (percent >= 99 and len(samples) < FEWEST_FOR_P99):
            return None
        return percentile(samples, percent)

    @property
    def longest(self) -> float | None:
        """What the slowest request took; infinite: one had no answer."""
        return float(self.samples.max()) if self.requests else None


@dataclass(frozen=True)
class Options:
    """How the sweep was done. ``rate``: requests a second of the open loop, None for the closed one. Times in seconds.

    ``seconds`` is for each cell, in ``blocks``, after ``warmup`` seconds that do not count.
    """

    seed: int
    connections: int
    seconds: float
    blocks: int
    warmup: float
    rate: float | None
    timeout: float
    max_edges_per_hop: int | None
    prewarmed: bool = False

    @property
    def loop(self) -> str:
        """The kind of loop in words."""
        if self.rate is None:
            return f"closed loop, {self.connections} connections"
        return f"open loop, {self.rate:g} requests/s over {self.connections} connections"


@dataclass
class Results:
    """A sweep: ``overhead`` are cells of a statement that does nothing, by kind of cache, ``references`` of a piece of
    work that is always the same, done between the blocks of each request.

    ``versus`` names the versions to compare, base first. ``members`` by collection; ``targets`` by collection and
    scope, in the order of :class:`Order`.
    """

    started: str
    options: Options
    versions: dict[str, str]  # label → statement
    environment: dict[str, Any]
    members: dict[int, int]
    targets: dict[tuple[int, str], list[Target]]
    parity: dict[Request, Parity] = field(default_factory=dict)
    overhead: dict[str, Cell] = field(default_factory=dict)
    references: dict[Request, Cell] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    versus: tuple[str, str] | None = None
    seconds: float = 0.0
    interrupted: bool = False
    problem: str | None = None  # why it ended early, unless somebody interrupted it

    @property
    def requests(self) -> list[Request]:
        """What was asked, each once."""
        return list(dict.fromkeys(cell.request for cell in self.cells))

    @property
    def is_versus(self) -> bool:
        """Whether two versions are compared, and not one with itself."""
        return self.versus is not None and len({self.versions[version] for version in self.versus}) == 2

    @property
    def new_cells(self) -> list[Cell]:
        """The cells that objectives are for: where two versions are compared, those of the new one; else all."""
        if self.versus is None or not self.is_versus:
            return self.cells
        return [cell for cell in self.cells if cell.version == self.versus[1]]

    def cell(self, request: Request, version: str) -> Cell | None:
        """Return a cell, if it was measured."""
        return next((cell for cell in self.cells if (cell.request, cell.version) == (request, version)), None)

    def by_stratum(self, cell: Cell) -> dict[str, Samples]:
        """Return a cell's samples by kind of target."""
        key = cell.request.collection, cell.request.scope
        asked, samples = self.targets[key], cell.samples
        order = Order(order_seed(self.options.seed, *key), len(asked))
        strata = [asked[order[number]].stratum for number in range(len(samples))]
        names = np.array(strata)
        return {name: samples[names == name] for name in dict.fromkeys(target.stratum for target in asked)}


def order_seed(seed: int, collection: int, scope: str) -> str:
    """Return the seed of the order in which the targets of a collection and scope are asked for."""
    return f"{seed} {collection} {scope}"


def write(results: Results, directory: Path) -> Path:
    """Write ``results.json`` into *directory* and return its path."""
    path = directory / FILE
    data = {
        "format": FORMAT,
        "started": results.started,
        "seconds": round(results.seconds, 1),
        "interrupted": results.interrupted,
        "problem": results.problem,
        "options": asdict(results.options),
        "versions": results.versions,
        "versus": results.versus,
        "environment": results.environment,
        "members": results.members,
        "targets": [
            {"collection": collection, "scope": scope, "targets": [asdict(target) for target in targets]}
            for (collection, scope), targets in results.targets.items()
        ],
        "parity": [{**asdict(request), **asdict(parity)} for request, parity in results.parity.items()],
        "overhead": [_cell_data(cell) for cell in results.overhead.values()],
        "references": [_cell_data(cell) for cell in results.references.values()],
        "cells": [_cell_data(cell) for cell in results.cells],
    }
    path.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")
    return path


def read(path: Path) -> Results:
    """Read ``results.json`` again, from the file or the directory it is in.

    Raises :class:`OrchestratorError` when it is not one that this version can read.
    """
    path = path / FILE if path.is_dir() else path
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise OrchestratorError(f"{path} has format {data['format']}, this version reads {FORMAT}")
        return _results(data)
    except OSError as error:
        raise OrchestratorError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OrchestratorError(f"{path} is no result of a sweep") from error


def _results(data: Mapping[str, Any]) -> Results:
    parity = {}
    for row in data["parity"]:
        request = _request(row)
        parity[request] = Parity(row["questions"], row["uncompared"], row["rows"], row["digests"])
    overhead, references = ([_cell(row) for row in data[name]] for name in ("overhead", "references"))
    return Results(
        started=data["started"],
        options=Options(**data["options"]),
        versions=data["versions"],
        environment=data["environment"],
        members={int(collection): number for collection, number in data["members"].items()},
        targets={
            (row["collection"], row["scope"]): [Target(**target) for target in row["targets"]]
            for row in data["targets"]
        },
        parity=parity,
        overhead={cell.request.cache: cell for cell in overhead},
        references={cell.request: cell for cell in references},
        cells=[_cell(row) for row in data["cells"]],
        versus=tuple(data["versus"]) if data["versus"] else None,
        seconds=data["seconds"],
        interrupted=data["interrupted"],
        problem=data["problem"],
    )


def _request(row: Mapping[str, Any]) -> Request:
    return Request(row["collection"], row["scope"], row["depth"], row["max_paths"], row["cache"])


def _cell_data(cell: Cell) -> dict[str, Any]:
    return {
        **asdict(cell.request),
        "version": cell.version,
        "counters": asdict(cell.counters),
        "executions": asdict(cell.executions) if cell.executions is not None else None,
        "blocks": [
            {
                "seconds": block.seconds,
                "answered": block.answered,
                "timeouts": block.timeouts,
                "errors": block.errors,
                "failures": block.failures,
                "microseconds": _microseconds(block.milliseconds),
                "connecting": _microseconds(block.connecting) if block.connecting is not None else None,
            }
            for block in cell.blocks
        ],
    }


def _cell(row: Mapping[str, Any]) -> Cell:
    return Cell(
        request=_request(row),
        version=row["version"],
        blocks=[
            Answers(
                seconds=block["seconds"],
                milliseconds=_milliseconds(block["microseconds"], math.inf),
                connecting=_milliseconds(block["connecting"], math.nan) if block["connecting"] is not None else None,
                answered=block["answered"],
                timeouts=block["timeouts"],
                errors=block["errors"],
                failures=block["failures"],
            )
            for block in row["blocks"]
        ],
        counters=Counters(**row["counters"]),
        executions=Executions(**row["executions"]) if row["executions"] is not None else None,
    )


def _microseconds(samples: Samples) -> list[int | None]:
    return [round(value * 1000) if math.isfinite(value) else None for value in samples.tolist()]


def _milliseconds(samples: Sequence[int | None], missing: float) -> Samples:
    return np.array([missing if value is None else value / 1000 for value in samples], dtype=np.float64)
