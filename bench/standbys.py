"""What readers of a hot standby notice when a rebuild on its primary ends.

``python -m bench.standbys`` writes ``bench/results/standbys.md``. Two clients call ``find_paths`` on the standby
without a pause while the primary runs a rebuild, writes and vacuums. Beside them, nothing else runs on the standby, or
one long statement that reads edges, or such statements without a gap. The exchange of the tables is not prepared, or
searches are redirected before it, or it also gives way to statements on standbys that are hosts of its connection
string, or to those that only ``hot_standby_feedback`` reports. ``max_standby_streaming_delay`` is 30 s, the default of
PostgreSQL.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import psycopg

from bench.world import environment
from orchestrator.core import sqlfiles
from orchestrator.core.database import connect, stateless
from orchestrator.finders.question import CALL, Question
from orchestrator.rebuild import standbys
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.servers import SETTINGS
from tests.support.standbys import Pair, pair, seed_world

RESULTS = Path(__file__).parent / "results" / "standbys.md"
MEANWHILE = ("nothing", "one long statement", "long statements, no gap")
WAYS = ("no rebuild", "unprepared", "redirects searches", "also gives way", "also gives way, by feedback")
CLIENTS = 2
_READ = "SELECT pg_sleep({seconds}), count(*) FROM connection_paths.contact_connections"
_WRITE = "UPDATE public.contacts SET name = name WHERE id % 97 = 1"
_VACUUM = "VACUUM public.contacts, connection_paths.contact_changes, connection_paths.backfill_batches, pg_class"


@dataclass
class Measured:
    """One scenario: the calls of find_paths in milliseconds, their errors, and how the long statements ended."""

    feedback: str
    meanwhile: str
    way: str
    milliseconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    cancelled: int = 0
    waited: float = 0.0

    def row(self) -> str:
        """The line of the table."""
        longest = max(self.milliseconds, default=0.0)
        slow = sum(each > 1000 for each in self.milliseconds)
        errors = ", ".join(f"{number} × {state}" for state, number in self.errors.items()) or "0"
        return (
            f"| {self.feedback} | {self.meanwhile} | {self.way} | {len(self.milliseconds):,} | {errors} | {slow}"
            f" | {longest:,.0f} | {self.ended} / {self.cancelled} | {self.waited:.1f} |"
        )


@contextmanager
def repeated(work: Callable[[threading.Event], None], number: int = 1) -> Iterator[threading.Event]:
    """Run *work* in that many threads for the length of the block; it ends when the event is set."""
    ended = threading.Event()
    threads = [threading.Thread(target=work, args=(ended,), daemon=True) for _ in range(number)]
    for each in threads:
        each.start()
    try:
        yield ended
    finally:
        ended.set()
        for each in threads:
            each.join()


def calling(dsn: str, found: Measured) -> Callable[[threading.Event], None]:
    """Call find_paths again and again; a call that waits or fails is counted."""
    with closing(stateless(dsn)) as connection:
        asked = connection.execute(sqlfiles.query("finders/canary_targets")).fetchall()
    questions = [vars(Question(row[0], row[1], row[2], 3)) for row in asked]

    def call(ended: threading.Event) -> None:
        with closing(stateless(dsn)) as connection:
            number = 0
            while not ended.is_set():
                number += 1
                begun = time.perf_counter()
                try:
                    connection.execute(CALL, questions[number % len(questions)])
                except psycopg.Error as error:
                    found.errors[error.sqlstate or "connection"] += 1
                found.milliseconds.append(1e3 * (time.perf_counter() - begun))
                time.sleep(0.002)

    return call


def reading(dsn: str, seconds: float, times: int, found: Measured, first: float) -> Callable[[threading.Event], None]:
    """Read edges in long statements, one after the other, after *first* seconds."""

    def read(ended: threading.Event) -> None:
        ended.wait(first)
        with closing(psycopg.connect(dsn, autocommit=True)) as connection:
            for _ in range(times):
                if ended.is_set():
                    return
                try:
                    connection.execute(_READ.format(seconds=seconds).encode())
                    found.ended += 1
                except psycopg.errors.SerializationFailure:
                    found.cancelled += 1

    return read


def writing(dsn: str) -> Callable[[threading.Event], None]:
    """Write and vacuum on the primary, as an application and autovacuum do."""

    def write(ended: threading.Event) -> None:
        with closing(psycopg.connect(dsn, autocommit=True)) as connection:
            while not ended.wait(0.3):
                with suppress(psycopg.errors.LockNotAvailable):
                    connection.execute(_WRITE.encode())
                    connection.execute(_VACUUM.encode())

    return write


def _unprepared(_: standbys.Standbys, __: Callable[[str], None] = lambda _: None) -> None:
    """Exchange the tables as if there were no standbys."""


def measure(servers: Pair, dsn: str, found: Measured, seconds: float) -> None:
    """Measure one scenario."""
    on_standby = servers.on_standby(dsn)
    with closing(psycopg.connect(on_standby, autocommit=True)) as standby:
        standby.execute(f"ALTER SYSTEM SET hot_standby_feedback = {found.feedback}".encode())
        standby.execute("SELECT pg_reload_conf()")
    servers.catch_up(60)
    where = servers.hosts(dsn) if found.way == "also gives way" else dsn
    readers = {"nothing": [], "one long statement": [(1, 0.0)]}.get(
        found.meanwhile, [(100, 0.0), (100, seconds / 2)]
    )  # without a gap: two sessions that overlap
    options = BackfillOptions(workers=1, strategy="rebuild", limits=None)
    with repeated(calling(on_standby, found), CLIENTS), repeated(writing(dsn)):
        time.sleep(1)
        with ExitStack() as stack:
            for times, first in readers:
                stack.enter_context(repeated(reading(on_standby, seconds, times, found, first)))
            begun = time.monotonic()
            if found.way == "no rebuild":
                time.sleep(2 * seconds)
            else:
                backfill(where, options)
            found.waited = time.monotonic() - begun
            servers.catch_up(60)
            time.sleep(1)


def main() -> None:
    """Measure every scenario and write the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.standbys", description=__doc__)
    parser.add_argument("--contacts", type=int, default=1_000, help="size of the world (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="of a long statement (%(default)s)")
    parser.add_argument("--patience", type=float, default=15, help="seconds that the exchange gives way (%(default)s)")
    parser.add_argument("--feedback", choices=("off", "on"), nargs="*", default=("off", "on"))
    given = parser.parse_args()
    rows = []
    prepare = standbys.Standbys.prepare
    with pair(SETTINGS, {"max_standby_streaming_delay": "30s"}) as servers:
        dsn = seed_world(servers.primary.dsn, "app", given.contacts)
        backfill(dsn, BackfillOptions(workers=2, limits=None))
        for feedback, meanwhile, way in product(given.feedback, MEANWHILE, WAYS):
            if way == "also gives way, by feedback" and feedback == "off":
                continue
            if meanwhile == "nothing" and way not in ("unprepared", "redirects searches"):
                continue
            standbys.PATIENCE = given.patience if way.startswith("also") else 0.0
            standbys.Standbys.prepare = prepare if way != "unprepared" else _unprepared  # type: ignore[method-assign,assignment]
            found = Measured(feedback, meanwhile, way)
            measure(servers, dsn, found, given.seconds)
            print(found.row(), flush=True)
            rows.append(found.row())
        with connect(dsn) as connection:
            machine = environment(connection)
    command = (
        f"python -m bench.standbys --contacts {given.contacts} --seconds {given.seconds:g}"
        f" --patience {given.patience:g}"
    )
    RESULTS.write_text(
        "# What readers of a standby notice when a rebuild ends\n\n"
        f"`{command}`\n\n"
        f"{CLIENTS} clients call `find_paths` on the standby without a pause. A long statement reads edges for"
        f" {given.seconds:g} s. `max_standby_streaming_delay` is 30 s. The exchange gives way for {given.patience:g} s"
        " at most (300 s outside this bench). Rebuild: seconds from its begin to its end. “No rebuild” shows what"
        " PostgreSQL does by itself beside the same writes and VACUUM.\n\n"
        "| hot_standby_feedback | meanwhile on the standby | exchange | calls | errors | over 1 s | longest, ms"
        " | long statements ended / cancelled | rebuild, s |\n|---|---|---|---:|---:|---:|---:|---:|---:|\n"
        + "\n".join(rows)
        + "\n\n## Environment\n\n"
        + "\n".join(f"- {name}: {value}" for name, value in machine.items())
        + "\n"
    )


if __name__ == "__main__":
    main()
