"""How much a rebuild slows find_paths down, with the throttle and without.

``python -m bench.bystanders`` writes ``bench/results/bystanders.md``. Clients call ``find_paths`` at a fixed rate. Each
call is timed from the moment when it should have begun, so that a stall counts for every call that it delays. Blocks
take turns: no rebuild, a rebuild without the throttle, no rebuild, a rebuild with the throttle. A block begins with the
first batch of the rebuild, so that it includes the time until the run has found its pace (unless ``--settle`` waits for
that). The rebuild is cancelled when the block ends.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.world import environment, server_settings, world
from orchestrator.core import sqlfiles
from orchestrator.core.database import connect
from orchestrator.finders import paths
from orchestrator.finders.question import Question
from orchestrator.runs import runs

RESULTS = Path(__file__).parent / "results" / "bystanders.md"
WAYS = ("alone", "unthrottled", "alone again", "throttled")


@dataclass
class MeasuredBlock:
    """One block: latencies in milliseconds, and how many edges a second the rebuild made in that time."""

    way: str
    milliseconds: list[float] = field(default_factory=list)
    edges_per_second: float = 0.0

    def at(self, share: float) -> float:
        """Return the percentile, nearest rank."""
        ordered = sorted(self.milliseconds)
        return ordered[max(0, min(len(ordered) - 1, round(share * len(ordered)) - 1))]


class Clients:
    """Connections that call find_paths, each at its rate."""

    def __init__(self, dsn: str, count: int, rate: float, depth: int) -> None:
        self._dsn = dsn
        self._rate = rate
        with connect(dsn) as connection:
            connection.execute("SELECT setseed(0.5)")
            asked = [
                row for _ in range(5) for row in connection.execute(sqlfiles.query("finders/canary_targets")).fetchall()
            ]
        self._questions = [Question(row[0], row[1], row[2], depth) for row in asked]
        self._block: MeasuredBlock | None = None
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,), daemon=True) for number in range(count)]

    @contextmanager
    def asking(self) -> Iterator[Clients]:
        """Call find_paths for the length of the block."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def record_in(self, block: MeasuredBlock | None) -> None:
        """Add latencies to *block* from now on."""
        self._block = block

    def _ask(self, number: int) -> None:
        choose = random.Random(number)
        with connect(self._dsn) as connection:
            intended = time.perf_counter()
            while not self._ended.is_set():
                intended += choose.expovariate(self._rate)
                time.sleep(max(0.0, intended - time.perf_counter()))
                block = self._block
                paths.find_paths(connection, choose.choice(self._questions))
                if block is not None:
                    block.milliseconds.append((time.perf_counter() - intended) * 1000)


def measure(dsn: str, clients: Clients, way: str, seconds: float, workers: int, settle: float) -> MeasuredBlock:
    """Measure one block."""
    block = MeasuredBlock(way)
    if way.startswith("alone"):
        clients.record_in(block)
        time.sleep(seconds)
        clients.record_in(None)
        return block
    command = [sys.executable, "-m", "orchestrator", "--dsn", dsn, "backfill", "--strategy", "rebuild"]
    throttle = "--throttle" if way == "throttled" else "--no-throttle"
    process = subprocess.Popen(
        [*command, "--workers", str(workers), throttle], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with connect(dsn) as connection:
        while (run := runs.active(connection)) is None:
            time.sleep(0.1)
        time.sleep(settle)
        before = runs.read(connection, run.run_id).edges_changed
        clients.record_in(block)
        time.sleep(seconds)
        clients.record_in(None)
        after = runs.read(connection, run.run_id)
        block.edges_per_second = (after.edges_changed - before) / seconds
        if after.is_active:
            runs.cancel(connection, run.run_id)
    process.wait(60)
    return block


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bystanders", description=__doc__)
    parser.add_argument("--contacts", type=int, default=200_000, help="size of the world (%(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="of each rebuild (%(default)s)")
    parser.add_argument("--clients", type=int, default=2, help="connections that call find_paths (%(default)s)")
    parser.add_argument("--rate", type=float, default=20.0, help="calls a second of each (%(default)s)")
    parser.add_argument("--depth", type=int, default=4, help="of the calls (%(default)s)")
    parser.add_argument("--seconds", type=float, default=20.0, help="a block (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of the four blocks (%(default)s)")
    parser.add_argument("--settle", type=float, default=0.0, help="seconds of a rebuild before its block (%(default)s)")
    parser.add_argument("--dsn", help="measure in this database instead of a private server")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table goes")
    given = parser.parse_args()
    blocks: list[MeasuredBlock] = []
    with world(given.contacts, 1, given.dsn, edges=True, settings=server_settings(given.contacts)) as dsn:
        with Clients(dsn, given.clients, given.rate, given.depth).asking() as clients:
            time.sleep(5)  # plans and caches
            for _ in range(given.rounds):
                for way in WAYS:
                    blocks.append(measure(dsn, clients, way, given.seconds, given.workers, given.settle))
                    print(f"{way}: p50 {blocks[-1].at(0.5):.2f} p95 {blocks[-1].at(0.95):.2f} ms,"
                          f" {blocks[-1].edges_per_second:,.0f} edges/s", flush=True)  # fmt: skip
        with connect(dsn) as connection:
            settings = environment(connection)
    text = report(blocks, given, settings)
    given.output.write_text(text, encoding="utf-8")
    print(text)


def report(blocks: list[MeasuredBlock], given: argparse.Namespace, settings: dict[str, str]) -> str:
    """Return the results file."""
    whole = {way: MeasuredBlock(way) for way in WAYS}
    for block in blocks:
        whole[block.way].milliseconds += block.milliseconds
    base = MeasuredBlock("alone", whole["alone"].milliseconds + whole["alone again"].milliseconds).at(0.95)
    rows = []
    for way, block in whole.items():
        of_way = [each for each in blocks if each.way == way]
        # the block before a rebuild's is one without
        before = [each for each in blocks if each.way == ("alone again" if way == "throttled" else "alone")]
        ratios = ", ".join(f"{each.at(0.95) / alone.at(0.95):.2f}" for each, alone in zip(of_way, before, strict=True))
        rate = statistics.median(each.edges_per_second for each in of_way)
        rows.append(
            f"| {way} | {len(block.milliseconds):,} | {block.at(0.5):.2f} | {block.at(0.95):.2f} | {block.at(0.99):.2f}"
            f" | {block.at(0.95) / base:.2f} | {ratios} | {rate:,.0f} |"
        )
    return (
        "\n\n".join(
            [
                "# How much a rebuild slows find_paths down",
                f"`python -m bench.bystanders --contacts {given.contacts} --workers {given.workers}"
                f" --clients {given.clients} --rate {given.rate:g} --seconds {given.seconds:g} --rounds {given.rounds}"
                f" --settle {given.settle:g}`",
                f"{given.clients} clients, each {given.rate:g} calls of depth {given.depth} a second at random moments,"
                " timed from when they should have begun. “Alone again” shows the noise of the machine. “p95 ratio"
                "” compares with all blocks without a rebuild, and “by round” with the block just before.",
                "| rebuild | calls | p50, ms | p95, ms | p99, ms | p95 ratio | by round | edges/s |\n"
                "|---|---:|---:|---:|---:|---:|---|---:|\n" + "\n".join(rows),
                "## Environment",
                "\n".join(f"- {name}: {value}" for name, value in settings.items()),
            ]
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
