"""Helpers for tests of sweeps: quick options, and results that were not measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestrator.sweep.measure.load_generator import BlockResult, Samples
from orchestrator.sweep.measure.matrix import Combination, Matrix
from orchestrator.sweep.measure.parity import Parity
from orchestrator.sweep.measure.results import Cell, Results, SweepOptions
from orchestrator.sweep.measure.server_time import ServerTime
from orchestrator.sweep.measure.targets import Target

QUICK = SweepOptions(
    seed=1, connections=2, seconds=0.2, blocks=4, warmup=0, rate=None, timeout=5, max_edges_per_hop=15
)  # fmt: skip
SMALL = Matrix(depths=(2,), collections=(1,), targets=6)


@dataclass(frozen=True)
class Report:
    """A written report with the results that it shows."""

    results: Results
    path: Path
    text: str


def block_of(samples: Samples, answered: int | None = None) -> BlockResult:
    """A block of one second with these samples; infinite ones have timed out."""
    missing = int(np.isinf(samples).sum())
    reasons = {"statement timeout": missing} if missing else {}
    return BlockResult(1.0, samples, len(samples) - missing if answered is None else answered, missing, 0, reasons)


def cell_of(blocks: Sequence[Samples], finder: str = "one", depth: int = 1) -> Cell:
    """A cell of blocks in which one client asked without a pause."""
    found = []
    for samples in blocks:
        finite = samples[np.isfinite(samples)]
        found.append(block_of(samples, int(len(finite) * 1000 / finite.sum()) if len(finite) else 0))
    return Cell(Combination(1, "any", depth, 25), finder, found)


def results_of(blocks: Mapping[str, Sequence[Samples]]) -> Results:
    """A sweep with one cell for each finder."""
    server = {"version": "18.6", "settings": {}, "other_active_sessions": 0}
    client = {"processor": "a", "cores": 2, "memory_bytes": 1, "load_before": 0.0}
    return Results(
        started="2026-11-22T00:00:00+00:00",
        options=SweepOptions(1, 4, 10, 10, 1, None, 1, 15),
        finders={name: f"SELECT '{name}'" for name in blocks},
        environment={"server": server, "client": client, "relations": []},
        members={1: 100},
        targets={(1, "any"): []},
        cells=[cell_of(found, finder) for finder, found in blocks.items()],
    )


def random_blocks(generator: np.random.Generator, median: float, number: int) -> list[Samples]:
    """Samples of blocks, each of which was slow or fast as a whole."""
    return [
        np.exp(generator.normal(math.log(median) + generator.normal(0, 0.06), 0.4, size=300)) for _ in range(number)
    ]


def made(
    finders: Sequence[str] = ("legacy_finder", "deep_finder"),
    *,
    collections: Sequence[int] = (1, 63),
    scopes: Sequence[str] = ("any",),
    depths: Sequence[int] = (2, 4),
    paths: Sequence[int] = (25,),
    samples: int = 1200,
    failing: float = 0.0,
) -> Results:
    """A sweep with lognormal samples and a tail, slower with depth; ``failing`` is a share of all requests."""
    generator = np.random.default_rng(7)
    matrix = Matrix(scopes=scopes, depths=depths, max_paths=paths)
    combinations = matrix.combinations(collections)
    targets = [
        Target(100 + number, 9, degree, 10 * number, distance)
        for number, (degree, distance) in enumerate([("few", 1), ("hub", 2), ("hub", None), ("none", None)] * 3)
    ]

    def block(median: float) -> BlockResult:
        taken = generator.lognormal(math.log(median), 0.5, samples // 4)
        taken[generator.random(len(taken)) < 0.01] *= 10
        taken[generator.random(len(taken)) < failing] = math.inf
        return block_of(taken)

    return Results(
        started="2026-11-22T13:56:59+00:00",
        options=SweepOptions(1, 4, 4.0, 4, 1.0, None, 2.0, 15),
        finders={finder: f"SELECT * FROM finder($1) -- {finder}" for finder in finders},
        environment={
            "server": {
                "version": "18.6", "standby": False, "database_bytes": 216_815_295, "other_active_sessions": 0,
                "extensions": None, "settings": {"work_mem": "64MB", "jit": "on"},
            },
            "client": {
                "processor": "a", "cores": 2, "load_before": 0.1, "memory_bytes": 2**34, "commit": None, "package": "1",
            },
            "relations": [
                {"relation": "contacts", "definition": None, "bytes": 1_089_536, "rows": 20_000, "visible": 1.0},
                {"relation": "idx", "definition": "CREATE INDEX idx ON x (y)", "bytes": 5, "rows": None,
                 "visible": None},
            ],
        },
        members=dict.fromkeys(collections, 1234),
        targets={(collection, scope): targets for collection in collections for scope in scopes},
        parity={
            each: Parity(12, 0, dict.fromkeys(finders, 40), dict.fromkeys(finders, "8d7d1d1b1088d618"))
            for each in combinations
        },
        references={each: Cell(each, "reference", [block(0.2) for _ in range(4)]) for each in combinations},
        cells=[
            Cell(each, finder, [block(0.4 * (4.0 - number) ** (each.depth / 2)) for _ in range(4)],
                 ServerTime(8, 0.25, 98.5))
            for each in combinations
            for number, finder in enumerate(finders)
        ],
        overhead_ms=0.01,
        seconds=92.0,
    )  # fmt: skip
