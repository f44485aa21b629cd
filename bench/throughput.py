"""How many calls a second ten connections make together, each calling again as soon as its call has returned."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cells import ANY, Collection, arguments
from bench.finders import text_of
from orchestrator.core.embedded import embedded_binaries
from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.measure.connection import TYPES
from orchestrator.sweep.measure.load_generator import load_generator

CLIENTS = 10
_THREADS = 2
_WARMUP = 0.5  # seconds
_BLOCKS = 3
_DEPTH, _MAX_PATHS = 4, 25
_TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Throughput:
    """Calls a second in each block of each version, in the order of the blocks, and the client that made them."""

    client: str
    seconds: int
    tps: Mapping[str, Sequence[float]]

    def median(self, version: str) -> float:
        """The median of the blocks."""
        return statistics.median(self.tps[version])


def measure(
    dsn: str, versions: Sequence[str], collection: Collection, targets: Sequence[int], seconds: int, seed: int
) -> Throughput:
    """Run blocks of *seconds* for each version in turns, and swap the order from round to round.

    Calls are for depth 4 and 25 paths in *collection*, where any user may open a path, each for a random target. The
    client is ``pgbench`` of the PostgreSQL wheel, or the clients of a sweep where the wheel is missing.
    """
    pgbench = _pgbench()
    tps: dict[str, list[float]] = {version: [] for version in versions}
    for block in range(_BLOCKS):
        for version in versions if block % 2 == 0 else reversed(versions):
            if pgbench is not None:
                result = _run_pgbench(pgbench, dsn, version, collection, targets, seconds, seed + block)
            else:
                result = _run_clients(dsn, version, collection, targets, seconds, seed + block)
            tps[version].append(result)
            print(f"throughput, round {block + 1}/{_BLOCKS}: {version} {result:,.0f} calls/s", flush=True)
    client = f"pgbench -M prepared -c {CLIENTS} -j {_THREADS}" if pgbench else f"{CLIENTS} clients of a sweep"
    return Throughput(client, seconds, tps)


def _pgbench() -> Path | None:
    try:
        program = embedded_binaries() / "pgbench"
        subprocess.run([program, "--version"], check=True, capture_output=True)
    except (OrchestratorError, OSError, subprocess.CalledProcessError):
        return None
    return program


def _run_pgbench(
    pgbench: Path,
    dsn: str,
    version: str,
    collection: Collection,
    targets: Sequence[int],
    seconds: int,
    seed: int,
) -> float:
    target = f"('{{{','.join(map(str, targets))}}}'::bigint[])[:i]"
    query = text_of(version, (target, collection.id, collection.many.user, _DEPTH, _MAX_PATHS, "'any'"))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"\\set i random(1, {len(targets)})\n{query};\n")
        script.flush()
        command: list[str | Path] = [
            pgbench, "--no-vacuum", "--protocol=prepared", f"--file={script.name}", f"--client={CLIENTS}",
            f"--jobs={_THREADS}", f"--time={seconds}", f"--random-seed={seed}", dsn,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    tps, failed = _TPS.search(done.stdout), _FAILED.search(done.stdout)
    if done.returncode != 0 or tps is None or (failed is not None and failed[1] != "0"):
        raise SystemExit(f"pgbench failed: {done.stderr.strip() or done.stdout.strip()}")
    return float(tps[1])


def _run_clients(
    dsn: str, version: str, collection: Collection, targets: Sequence[int], seconds: int, seed: int
) -> float:
    requests = [arguments(target, collection, collection.many, ANY, _DEPTH, _MAX_PATHS) for target in targets]
    with load_generator(dsn, CLIENTS, timeout=seconds) as clients:
        clients.prepare([text_of(version)], types=TYPES[: len(requests[0])])
        clients.run(0, requests, seed=str(seed), first=0, seconds=_WARMUP)
        return clients.run(0, requests, seed=str(seed), first=0, seconds=seconds).rate
