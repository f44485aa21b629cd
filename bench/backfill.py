"""How fast edges are made: a rebuild and an in-place backfill of a whole world, compared with a floor.

``python -m bench.backfill --contacts 430000`` writes ``bench/results/backfill.md``. The floor is how long PostgreSQL
takes to load the finished rows: ``COPY`` by as many connections as there are workers, into a table without indexes,
and then the same indexes, built side by side as a rebuild builds them. It is measured twice: from text, the default of
``COPY`` and of restoring a dump, and from PostgreSQL's binary format, which needs no conversion of numbers. Rebuilds
and floors take turns, and the ratios are of one run.

The processor time is that of all processes of the server, so it counts parallel workers, the checkpointer and the WAL
writer. It changes little when other programs use the machine. It needs a server on this machine, and Linux.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.world import counts, environment, one, server_settings, world
from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError
from orchestrator.rebuild import index_builds
from orchestrator.runs.backfill import BackfillOptions, BackfillProgress, backfill

RESULTS = Path(__file__).parent / "results" / "backfill.md"
#: WAL settings with room for all that a rebuild writes, so that no checkpoint interrupts it.
WAL = {"max_wal_size": "20GB", "min_wal_size": "12GB", "wal_buffers": "128MB"}
_LIVE = "connection_paths.contact_connections_live"
_FLOOR = "public.backfill_floor"
_FORMATS = ("text", "binary")
# Fields of /proc/PID/stat after the name: the parent; user time and system time of the process, and of its children
# that have ended.
_PARENT, _LIVING, _ENDED = 1, 11, 13


@dataclass
class Timed:
    """One way to fill the table: seconds of each step, rows, and the most private memory of its server processes.

    ``processor`` has the seconds of processor time of each step, and is empty where they are unknown.
    """

    name: str
    server: int | None = None  # the process id
    rows: int = 0
    steps: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)
    worker_megabytes: float = 0.0

    @property
    def seconds(self) -> float:
        """The sum of all steps."""
        return sum(self.steps.values())

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block."""
        began = self.now()
        yield
        self.add(name, began)

    def now(self) -> tuple[float, float | None]:
        """Return the time, and the processor time of the server."""
        return time.monotonic(), None if self.server is None else processor_time(self.server)

    def add(self, name: str, began: tuple[float, float | None]) -> None:
        """Add the time since then to a step."""
        ended = self.now()
        self.steps[name] = self.steps.get(name, 0.0) + ended[0] - began[0]
        if began[1] is not None and ended[1] is not None:
            self.processor[name] = self.processor.get(name, 0.0) + ended[1] - began[1]


class Steps:
    """Seconds of each step that a backfill reports."""

    def __init__(self, timed: Timed) -> None:
        self._timed = timed
        self._doing = "planning"
        self._since = timed.now()

    def __call__(self, progress: BackfillProgress) -> None:
        """Receive a report of the backfill."""
        self.change("vacuum" if "vacuum" in progress.doing else progress.doing.split()[0])

    def change(self, doing: str) -> None:
        """Begin another step."""
        if doing != self._doing:
            self._timed.add(self._doing, self._since)
            self._doing, self._since = doing, self._timed.now()


def server_process(connection: Connection) -> int | None:
    """Return the process id of the server, or None if it is not on this machine or there is no ``/proc``."""
    try:
        directory = Path(str(one(connection, "SELECT current_setting('data_directory')")))
        process = int((directory / "postmaster.pid").read_text().split()[0])
        processor_time(process)
    except OSError:
        return None
    return process


def processor_time(server: int) -> float:
    """Return the seconds of processor time of a server: of its living processes, and of those that have ended."""
    times = Path(f"/proc/{server}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = int(times[_ENDED]) + int(times[_ENDED + 1])
    for process in Path("/proc").glob("[0-9]*"):
        try:
            times = (process / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has ended
        if int(times[_PARENT]) == server:
            ticks += int(times[_LIVING]) + int(times[_LIVING + 1])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def memory_watched(dsn: str, timed: Timed) -> Iterator[None]:
    """Watch how much private memory the orchestrator's server processes have, where there is a /proc."""
    ended = threading.Event()

    def watch() -> None:
        with connect(dsn) as connection:
            while not ended.wait(0.5):
                pids = connection.execute(
                    "SELECT pid FROM pg_stat_activity"
                    " WHERE application_name = 'orchestrator' AND pid <> pg_backend_pid()"
                ).fetchall()
                own = [_own_megabytes(pid) for (pid,) in pids]
                timed.worker_megabytes = max([timed.worker_megabytes, *own])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _own_megabytes(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass  # the process has ended, or this is not Linux
    return 0.0


def run(dsn: str, strategy: str, workers: int) -> Timed:
    """Fill the empty edge table by one strategy."""
    with connect(dsn) as connection:
        timed = Timed(strategy, server_process(connection))
        connection.execute("TRUNCATE connection_paths.contact_connections")
        connection.execute("CHECKPOINT")
    steps = Steps(timed)
    with memory_watched(dsn, timed):
        outcome = backfill(dsn, BackfillOptions(workers=workers, strategy=strategy, limits=None), report=steps)
        steps.change("end")
    timed.rows = outcome.run.edges_changed
    if outcome.run.status != "succeeded":
        raise SystemExit(f"bench.backfill: run {outcome.run.run_id} {outcome.run.status}")
    return timed


def floor(dsn: str, workers: int, copy_format: str) -> Timed:
    """Load the rows that the table has into another one, from files of the server in one of the formats of COPY."""
    with connect(dsn, settings={"synchronous_commit": "off"}) as connection:
        timed = Timed(_floor_name(copy_format), server_process(connection))
        directory = Path(str(one(connection, "SELECT current_setting('data_directory')")))
        bounds = connection.execute(
            f"SELECT max(a) FROM (SELECT contact_a_id AS a, ntile({workers}) OVER (ORDER BY contact_a_id) AS part"
            f" FROM {_LIVE} TABLESAMPLE SYSTEM (1)) AS s GROUP BY part ORDER BY 1".encode()
        ).fetchall()
        lows = [None, *(bound for (bound,) in bounds[:-1])]
        highs = [*(bound for (bound,) in bounds[:-1]), None]
        files = [directory / f"backfill_floor_{number}" for number in range(len(lows))]
        for low, high, file in zip(lows, highs, files, strict=True):
            above = "true" if low is None else f"contact_a_id > {low}"
            upto = "true" if high is None else f"contact_a_id <= {high}"
            rows = f"SELECT * FROM {_LIVE} WHERE {above} AND {upto} ORDER BY contact_a_id"
            connection.execute(f"COPY ({rows}) TO '{file}' (FORMAT {copy_format})".encode())
        connection.execute(f"DROP TABLE IF EXISTS {_FLOOR}".encode())
        connection.execute(
            f"CREATE TABLE {_FLOOR} (LIKE connection_paths.contact_connections INCLUDING DEFAULTS"
            " INCLUDING CONSTRAINTS) WITH (autovacuum_enabled = false)".encode()
        )

        def copy(file: Path) -> None:
            with connect(dsn, settings={"synchronous_commit": "off"}) as own:
                own.execute(f"COPY {_FLOOR} FROM '{file}' (FORMAT {copy_format})".encode())

        connection.execute("CHECKPOINT")
        with timed.step("filling"), ThreadPoolExecutor(workers) as pool:
            list(pool.map(copy, files))
        definitions = connection.execute(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass"
            " ORDER BY indkey[0] = 1, indisprimary DESC",  # as a rebuild does
            (_LIVE,),
        ).fetchall()
        statements = {}
        for number, (definition,) in enumerate(definitions):
            what, using = definition.split(" USING ", 1)
            unique = "UNIQUE" if "UNIQUE" in what else ""
            name = f"backfill_floor_{number}"
            statements[name] = f"CREATE {unique} INDEX {name} ON {_FLOOR} USING {using}"
        with timed.step("building"):
            index_builds.build(dsn, connection, statements, workers=workers)
        timed.rows = int(one(connection, f"SELECT count(*) FROM {_FLOOR}"))
        connection.execute(f"DROP TABLE {_FLOOR}".encode())
        for file in files:
            connection.execute(f"COPY (SELECT 1) TO '{file}'".encode())  # only the server may remove it
    return timed


def _floor_name(copy_format: str) -> str:
    return f"floor, {copy_format}"


def measure(dsn: str, workers: int, repeats: int, progress: Callable[[str], None] = print) -> list[Timed]:
    """Measure rebuilds and floors in turns, then one backfill in place.

    A rebuild that is not measured comes first: a server in use has WAL files to use again, a new one has to make them.
    """
    found: list[Timed] = []
    run(dsn, "rebuild", workers)

    def add(timed: Timed) -> None:
        found.append(timed)
        progress(line(timed))

    for _ in range(repeats):
        add(run(dsn, "rebuild", workers))
        for copy_format in _FORMATS:
            add(floor(dsn, workers, copy_format))
    add(run(dsn, "in_place", workers))
    return found


def line(timed: Timed) -> str:
    """Return one way as a line of text."""
    rate = timed.rows / timed.seconds
    processor = f"; processor time {_listed(timed.processor)}" if timed.processor else ""
    return (
        f"{timed.name}: {timed.rows:,} rows, {timed.seconds:.1f} s = {rate:,.0f}/s ({_listed(timed.steps)}{processor})"
    )


def _listed(steps: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in steps.items() if seconds >= 0.05)


def report(found: list[Timed], dsn: str, command: str, workers: int) -> str:
    """Return the results file."""
    floors = [_floor_name(copy_format) for copy_format in _FORMATS]
    by_name = {name: [timed for timed in found if timed.name == name] for name in (*floors, "rebuild", "in_place")}
    medians = {name: statistics.median(timed.seconds for timed in ways) for name, ways in by_name.items()}
    with connect(dsn) as connection:
        size = counts(connection)
        settings = environment(connection)
        bytes_per_edge = one(
            connection, f"SELECT pg_total_relation_size('{_LIVE}') / greatest(1, count(*)) FROM {_LIVE}"
        )
    text = [
        "# How fast every edge is made",
        f"`{command}`",
        f"{size.contacts:,} contacts, {size.experiences:,} usable experiences, {found[0].rows:,} edges,"
        f" {workers} workers. The floor is COPY of the finished rows by as many connections into a table without"
        " indexes, then the same indexes, side by side as a rebuild builds them; it has no planning, VACUUM, check or"
        " exchange. COPY reads files on the server: as text (its default) and as binary.",
        "| way | seconds | edges/s | steps, seconds | processor time, s | of which |"
        " largest private memory of a server process, MB |\n"
        "|---|---:|---:|---|---:|---|---:|",
    ]
    for name, ways in by_name.items():
        for timed in ways:
            memory = f"{timed.worker_megabytes:.0f}" if timed.worker_megabytes else "–"
            processor = f"{sum(timed.processor.values()):.1f}" if timed.processor else "–"
            text[-1] += (
                f"\n| {name} | {timed.seconds:.1f} | {timed.rows / timed.seconds:,.0f} | {_listed(timed.steps)} |"
                f" {processor} | {_listed(timed.processor) or '–'} | {memory} |"
            )
    ratios = " and ".join(f"**{medians['rebuild'] / medians[name]:.2f} × the {name}**" for name in floors)
    used = {name: statistics.median(sum(timed.processor.values()) for timed in ways) for name, ways in by_name.items()}
    if all(used.values()):
        processor = " and ".join(f"**{used['rebuild'] / used[name]:.2f} × the {name}**" for name in floors)
        ratios += f"; by processor time {processor}"
    python = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    text += [
        f"Rebuild, medians: {ratios}. {bytes_per_edge} bytes an edge, indexes included. Python had"
        f" {python:.0f} MB at most.",
        "## Environment",
        "\n".join(f"- {name}: {value}" for name, value in settings.items()),
    ]
    return "\n\n".join(text) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.backfill", description=__doc__)
    parser.add_argument("--contacts", type=int, default=60_000, help="size of the world (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which world of that size (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="connections (%(default)s)")
    parser.add_argument("--repeats", type=int, default=2, help="rebuilds and floors (%(default)s)")
    parser.add_argument("--dsn", help="measure in this database, emptying its edges, instead of a private server")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the table goes (bench/results/backfill.md)")
    given = parser.parse_args()
    settings = {**server_settings(given.contacts), "maintenance_work_mem": "1GB", **WAL}
    try:
        with world(given.contacts, given.seed, given.dsn, settings=settings) as dsn:
            with connect(dsn) as connection:
                connection.execute("VACUUM (ANALYZE)")
            found = measure(dsn, given.workers, given.repeats)
            where = "--dsn …" if given.dsn else f"--contacts {given.contacts}"
            command = f"python -m bench.backfill {where} --workers {given.workers}"
            text = report(found, dsn, command, given.workers)
    except OrchestratorError as error:
        raise SystemExit(f"bench.backfill: {error}") from error
    given.output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
