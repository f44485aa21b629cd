"""How many changed careers a sync refreshes in a second, in one session, for several kinds of changes.

``python -m bench.sync --contacts 60000`` measures a new world on a private server. ``--dsn`` measures a database with
the functions that are installed there; several ``--dsn`` are measured in turns, which compares versions. All of them
must have the same world. A round changes ``--careers`` careers in each database and then calls
``connection_paths.sync_changes`` until the queue is empty. The next round takes the change back.

The processor time is that of the server process of the session, where there is a /proc; other work on the machine
hardly changes it. With ``--write``, the table goes to ``bench/results/sync.md``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from bench.world import counts, environment, one, server_settings, world
from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError

RESULTS = Path(__file__).parent / "results" / "sync.md"

# Work experiences that go on, the first one of each contact, in an order that has nothing to do with the ids.
_ONGOING = """
    SELECT array_agg(s.id)
    FROM (
        SELECT min(e.id) AS id
        FROM public.contact_work_experiences AS e
        WHERE e.date_from < CURRENT_DATE - 1 AND e.date_to IS NULL
            AND e.organization_id IN (SELECT o.id FROM connection_paths.live_organizations AS o)
        GROUP BY e.contact_id
        ORDER BY hashint8(e.contact_id)
        LIMIT %s
    ) AS s"""
# The same at the largest organizations.
_OF_HUBS = """
    WITH largest AS (
        SELECT e.organization_id AS id, count(*) AS people
        FROM connection_paths.work_experiences AS e
        WHERE e.organization_id IN (SELECT o.id FROM connection_paths.live_organizations AS o)
        GROUP BY e.organization_id
        ORDER BY 2 DESC, 1
        LIMIT 5
    )
    SELECT array_agg(s.id)
    FROM (
        SELECT min(e.id) AS id
        FROM public.contact_work_experiences AS e
        JOIN largest AS l ON l.id = e.organization_id
        WHERE e.date_from < CURRENT_DATE - 1 AND e.date_to IS NULL
        GROUP BY e.contact_id
        ORDER BY hashint8(e.contact_id)
        LIMIT %s
    ) AS s"""
_END = "UPDATE public.contact_work_experiences SET date_to = CURRENT_DATE - 1 WHERE id = ANY (%s)"
_GO_ON = "UPDATE public.contact_work_experiences SET date_to = NULL WHERE id = ANY (%s)"
_LATER = "UPDATE public.contact_work_experiences SET date_from = date_from + 1 WHERE id = ANY (%s)"
_EARLIER = "UPDATE public.contact_work_experiences SET date_from = date_from - 1 WHERE id = ANY (%s)"
_REMOVE = (
    "WITH gone AS (DELETE FROM public.contact_work_experiences AS e WHERE e.id = ANY (%s) RETURNING e.*)"
    " INSERT INTO public.bench_sync_removed SELECT * FROM gone"
)
_ADD = (
    "WITH back AS (DELETE FROM public.bench_sync_removed AS e WHERE e.id = ANY (%s) RETURNING e.*)"
    " INSERT INTO public.contact_work_experiences SELECT * FROM back"
)
_QUEUE = (
    "INSERT INTO connection_paths.contact_changes (contact_id)"
    " SELECT DISTINCT e.contact_id FROM public.contact_work_experiences AS e WHERE e.id = ANY (%s)"
)


@dataclass(frozen=True)
class Kind:
    """A kind of change: which work experiences, and the statement."""

    name: str
    of_hubs: bool
    statement: str


KINDS = (
    Kind("a job ends", False, _END),
    Kind("it goes on again", False, _GO_ON),
    Kind("a job starts a day later", False, _LATER),
    Kind("a day earlier", False, _EARLIER),
    Kind("a job is removed", False, _REMOVE),
    Kind("a job is added", False, _ADD),
    Kind("nothing changes", False, _QUEUE),
    Kind("a job of a hub ends", True, _END),
    Kind("it goes on again (hubs)", True, _GO_ON),
)


@dataclass
class Syncs:
    """What the syncs of one kind took in one database."""

    contacts: int = 0
    edges: int = 0
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Contacts a second of processor time, in the middle round."""
        return self.contacts / max(statistics.median(self.processor), 1e-9)


class Side:
    """A database that is measured, with one session for the syncs."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self.connection = connection
        self.process = int(one(connection, "SELECT pg_backend_pid()"))
        connection.execute("DROP TABLE IF EXISTS public.bench_sync_removed")
        connection.execute(
            "CREATE UNLOGGED TABLE public.bench_sync_removed AS SELECT * FROM public.contact_work_experiences LIMIT 0"
        )
        self.results = {kind: Syncs() for kind in KINDS}

    def drain(self, batch: int) -> tuple[int, int]:
        """Sync until the queue is empty; return how many contacts were refreshed and how many edges changed."""
        contacts = edges = 0
        while True:
            row = self.connection.execute(
                "SELECT taken, contacts, edges_changed FROM connection_paths.sync_changes(%s)", (batch,)
            ).fetchone()
            assert row is not None
            contacts, edges = contacts + row[1], edges + row[2]
            if not row[0]:
                return contacts, edges

    def measure(self, kind: Kind, experiences: Sequence[int], batch: int) -> None:
        """Change the careers, and sync."""
        self.connection.execute(kind.statement.encode(), (experiences,))
        result = self.results[kind]
        processor, started = processor_seconds(self.process), time.monotonic()
        result.contacts, result.edges = self.drain(batch)
        result.seconds.append(time.monotonic() - started)
        result.processor.append(processor_seconds(self.process) - processor)


def processor_seconds(process: int) -> float:
    """Return the processor time that a process of this machine has used; the wall time where there is no /proc."""
    try:
        text = Path(f"/proc/{process}/schedstat").read_text()
    except OSError:
        return time.monotonic()
    return int(text.split()[0]) / 1e9


def measure(sides: Sequence[Side], careers: int, hubs: int, rounds: int, batch: int) -> None:
    """Change careers and sync, every side in turn, *rounds* times each kind."""
    last = sides[-1].connection
    usual: list[int] = one(last, _ONGOING, (careers,))
    of_hubs: list[int] = one(last, _OF_HUBS, (hubs,))
    for side in sides:
        side.drain(batch)
    for number in range(rounds):
        for kind in KINDS:
            for side in sides if number % 2 == 0 else reversed(sides):
                side.measure(kind, of_hubs if kind.of_hubs else usual, batch)
            shown = ", ".join(f"{s.name} {s.results[kind].processor[-1]:.2f} s" for s in sides)
            print(f"round {number + 1}, {kind.name}: {shown}", flush=True)
        for kind in KINDS:
            if len({(s.results[kind].contacts, s.results[kind].edges) for s in sides}) > 1:
                each = ", ".join(f"{s.name} {s.results[kind].contacts} and {s.results[kind].edges}" for s in sides)
                print(f"{kind.name}: other numbers of contacts and edges: {each}")


def table(sides: Sequence[Side]) -> str:
    """Return the results as a Markdown table; the ratios are to the first side."""
    lines = [
        "| change | database | contacts | edges changed | processor s (median; all) | wall s | contacts/s | edges/s"
        " | ratio |",
        "|---|---|---:|---:|---|---:|---:|---:|---:|",
    ]
    for kind in KINDS:
        for side in sides:
            result = side.results[kind]
            processor = statistics.median(result.processor)
            each = ", ".join(f"{value:.2f}" for value in result.processor)
            ratio = statistics.median(sides[0].results[kind].processor) / max(processor, 1e-9)
            lines.append(
                f"| {kind.name} | {side.name} | {result.contacts:,} | {result.edges:,} | **{processor:.2f}** ({each})"
                f" | {statistics.median(result.seconds):.2f} | {result.rate:,.0f}"
                f" | {result.edges / max(processor, 1e-9):,.0f} | {ratio:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sync", description=__doc__)
    parser.add_argument("--contacts", type=int, default=60_000, help="size of the world (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which world of that size (%(default)s)")
    parser.add_argument("--careers", type=int, default=1_000, help="changed careers in a round (%(default)s)")
    parser.add_argument("--hubs", type=int, default=50, help="changed careers of hubs in a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (%(default)s)")
    parser.add_argument("--batch", type=int, default=200, help="changes in a transaction (%(default)s)")
    parser.add_argument("--dsn", action="append", help="measure in this database; may be given several times")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    given = parser.parse_args()
    try:
        with ExitStack() as stack:
            settings = server_settings(given.contacts)
            dsns = [
                stack.enter_context(world(given.contacts, given.seed, dsn, edges=True, settings=settings))
                for dsn in given.dsn or [None]
            ]
            sides = [Side(str(conninfo_to_dict(dsn).get("dbname")), stack.enter_context(connect(dsn))) for dsn in dsns]
            facts, size = environment(sides[-1].connection), counts(sides[-1].connection)
            measure(sides, given.careers, given.hubs, given.rounds, given.batch)
            shown = table(sides)
            print(shown)
            if given.write:
                words = " ".join("--dsn …" for _ in given.dsn or [])
                RESULTS.write_text(
                    "\n\n".join(
                        (
                            "# How many changed careers a sync refreshes",
                            f"`python -m bench.sync --contacts {given.contacts} --careers {given.careers} --hubs"
                            f" {given.hubs} --rounds {given.rounds} --batch {given.batch} {words}`",
                            f"World: {size.contacts:,} contacts, {size.organizations:,} organizations,"
                            f" {size.experiences:,} usable experiences. One session, {given.batch} changes in a"
                            " transaction. Rates are of processor time. The ratio is to the first database.",
                            shown,
                            f"Load of the machine: {os.getloadavg()[1]:.1f}. "
                            + ", ".join(f"{name} {value}" for name, value in facts.items())
                            + ".",
                        )
                    )
                    + "\n",
                    encoding="utf-8",
                )
    except OrchestratorError as error:
        raise SystemExit(f"bench.sync: {error}") from error


if __name__ == "__main__":
    main()
