"""How often the verdict of a comparison is wrong.

``python -m bench.verdicts`` writes ``bench/results/verdicts.md``. It compares deep_finder, for one kind of request,

* with itself in one sweep, ``--pairs`` times: the verdicts *better* and *worse* are wrong,
* with itself in the next sweep: the same verdicts are wrong,
* with a function that sleeps for a millisecond more, a fifth as often: all but *worse* are.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from bench.world import environment, server_settings, world
from orchestrator.core.database import connect
from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.judge.compare import Comparison, compare_finders, compare_sweeps
from orchestrator.sweep.measure.matrix import DEEP_FINDER, Matrix
from orchestrator.sweep.measure.results import Results, SweepOptions
from orchestrator.sweep.measure.sweep import sweep

RESULTS = Path(__file__).parent / "results" / "verdicts.md"
_SCHEMA = "bench_verdicts"
_SLOWER = (Path(__file__).parent / "verdicts" / "slower.sql").read_text(encoding="utf-8")
_SLOWER_EVERY = 5
ONE_SWEEP, TWO_SWEEPS, SLOWER = "itself, in one sweep", "itself, in two sweeps", "a slower one, in one sweep"


class Verdicts:
    """The verdicts of one kind of comparison, and how wide their intervals of the 95th percentile were."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.widths: list[float] = []

    def add(self, comparison: Comparison) -> None:
        """Add a comparison."""
        self.counts[comparison.verdict] += 1
        self.widths.append(comparison.noise)

    @property
    def width(self) -> float:
        """The median width: how far from 1 an interval reaches."""
        return sorted(self.widths)[len(self.widths) // 2]


def measure(dsn: str, pairs: int, options: SweepOptions) -> dict[str, Verdicts]:
    """Compare deep_finder *pairs* times with itself, in one sweep and in two; a fifth as often with the slower."""
    found = {ONE_SWEEP: Verdicts(), TWO_SWEEPS: Verdicts(), SLOWER: Verdicts()}
    before: Results | None = None
    for number in range(pairs + 1):
        both = sweep(dsn, _matrix(DEEP_FINDER, against_itself=True), options)
        if before is not None:
            found[TWO_SWEEPS].add(compare_sweeps(before, both))
        before = both
        if number < pairs:
            found[ONE_SWEEP].add(compare_finders(both, DEEP_FINDER, f"{DEEP_FINDER}-again"))
        if number % _SLOWER_EVERY == 1:
            slower = sweep(dsn, _matrix(DEEP_FINDER, f"{_SCHEMA}.slower"), options)
            found[SLOWER].add(compare_finders(slower, DEEP_FINDER, f"{_SCHEMA}.slower"))
        command = "; ".join(f"{kind}: {dict(verdicts.counts)}" for kind, verdicts in found.items())
        print(f"{number}/{pairs}: {command}", flush=True)
    return found


def _matrix(*finders: str, against_itself: bool = False) -> Matrix:
    return Matrix(finders=finders, depths=(4,), collections=(1,), against_itself=against_itself)


def report(found: dict[str, Verdicts], command: str, conditions: str) -> str:
    """Return the result as Markdown."""
    names = ("better", "worse", "mixed", "same", "inconclusive")
    rows = [
        f"| {kind} | {' | '.join(str(verdicts.counts[name]) for name in names)} | {verdicts.width:.1%} |"
        for kind, verdicts in found.items()
    ]
    return "\n".join(
        [
            "# Verdicts about deep_finder",
            "",
            f"`{command}`: depth 4, largest collection, 25 targets, 4 connections. {conditions}",
            "",
            f"| against | {' | '.join(names)} | interval of p95, median distance from 1 |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            "Against itself, the verdicts *better* and *worse* are wrong. Against the slower one, all but *worse* are.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.verdicts", description=__doc__)
    parser.add_argument("--contacts", type=int, default=20_000, help="size of the world (%(default)s)")
    parser.add_argument("--pairs", type=int, default=50, help="comparisons with itself (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a cell, in ten blocks (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which world, which targets (%(default)s)")
    parser.add_argument("--dsn", help="measure in this database instead of a private server")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table goes")
    given = parser.parse_args()
    options = SweepOptions(
        seed=given.seed, connections=4, seconds=given.seconds, blocks=10, warmup=0.2, rate=None, timeout=5,
        max_edges_per_hop=15,
    )  # fmt: skip
    try:
        with (
            world(given.contacts, given.seed, given.dsn, edges=True, settings=server_settings(given.contacts)) as dsn,
            connect(dsn) as connection,
        ):
            connection.execute(_SLOWER.encode())
            try:
                found = measure(dsn, given.pairs, options)
                conditions = "; ".join(f"{name} {value}" for name, value in environment(connection).items()) + "."
            finally:
                connection.execute(f"DROP SCHEMA {_SCHEMA} CASCADE".encode())
    except OrchestratorError as error:
        raise SystemExit(f"bench.verdicts: {error}") from error
    command = f"python -m bench.verdicts --contacts {given.contacts} --pairs {given.pairs} --seconds {given.seconds:g}"
    text = report(found, f"{command} --seed {given.seed}", conditions)
    print(text)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
