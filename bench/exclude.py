"""How long it takes to exclude an organization whose people make millions of edges, and what becomes of the space.

``python -m bench.exclude`` writes ``bench/results/exclude.md``. It adds an organization of ``--people`` contacts, who
all worked there at the same time, to a synthetic world, and fills the edges. Then it does what ``orchestrator
organizations exclude`` does, while another session asks for paths, and reads the sizes of the edge table and its
indexes: before, after, after VACUUM and after a rebuild. Processor time is that of all server processes.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.world import environment, fill_edges, one, server_settings, sizes, world
from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection, connect
from orchestrator.host import organizations
from orchestrator.host.own_objects import HOST_INDEXES
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.runs.plan import proposed

RESULTS = Path(__file__).parent / "results" / "exclude.md"
_EDGES = "SELECT count(*) FROM connection_paths.contact_connections"
_CROWD = 1_000_000_000  # the id of the organization, and of its first work experience
_MAKE = (
    "INSERT INTO public.organizations (id, name) VALUES (%(crowd)s, 'Self-employed')",
    "INSERT INTO public.contact_work_experiences (id, contact_id, organization_id, company_name, date_from)"
    " SELECT %(crowd)s + c.number, c.id, %(crowd)s, 'Self-employed', '2015-01-01'"
    " FROM (SELECT c.id, row_number() OVER (ORDER BY hashint8(c.id)) AS number FROM public.contacts AS c) AS c"
    " WHERE c.number <= %(people)s",
    "TRUNCATE connection_paths.contact_changes",
)


@dataclass(frozen=True)
class Step:
    """A step: its name, wall and processor seconds, and the bytes of the table and of its indexes afterwards."""

    name: str
    wall: float
    processor: float
    table: int
    indexes: int


def processor_time(connection: Connection) -> float:
    """Return the processor seconds of all processes of the private server so far."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    parent = _fields(row[0])[1]
    spent = 0.0
    for each in Path("/proc").glob("[0-9]*"):
        fields = _fields(int(each.name))
        if fields and (fields[1] == parent or each.name == parent):
            # with the children that have ended, of the parent
            spent += sum(map(int, fields[11:15] if each.name == parent else fields[11:13]))
    return spent / os.sysconf("SC_CLK_TCK")


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def measured(connection: Connection, name: str, work: Callable[[], object]) -> Step:
    """Do the work, and return what it took."""
    processor, started = processor_time(connection), time.monotonic()
    work()
    wall, spent = time.monotonic() - started, processor_time(connection) - processor
    found = sizes(connection)
    table = found.pop("contact_connections_live")
    indexes = sum(size for index, size in found.items() if index not in HOST_INDEXES)
    return Step(name, wall, spent, table, indexes)


def asking(dsn: str, stopping: threading.Event, times: list[float]) -> None:
    """Ask for paths until told to stop; add the seconds of each call to *times*."""
    with connect(dsn) as connection:
        targets = [
            row[0] for row in connection.execute("SELECT id FROM public.contacts ORDER BY hashint8(id) LIMIT 50")
        ]
        asked = connection.execute(
            "SELECT m.collection_id, m.user_id FROM connection_paths.collection_members AS m LIMIT 1"
        ).fetchone()
        assert asked is not None
        while not stopping.wait(0.2):
            started = time.monotonic()
            connection.execute("SELECT connection_paths.find_paths(%s, %s, %s)", (targets[len(times) % 50], *asked))
            times.append(time.monotonic() - started)


def exclude(dsn: str, workers: int) -> list[float]:
    """Exclude the organization, and apply it; return the seconds of the calls of find_paths meanwhile."""
    stopping, times = threading.Event(), list[float]()
    asker = threading.Thread(target=asking, args=(dsn, stopping, times))
    asker.start()
    with connect(dsn) as connection, connection.transaction():
        organizations.exclude(connection, [_CROWD])
    done = sync(dsn, workers=workers)
    stopping.set()
    asker.join()
    print(f"{done.contacts:,} contacts refreshed, {done.edges_changed:,} edges changed in {done.seconds:.1f} s")
    return times


def main(given: list[str] | None = None) -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.exclude", description=__doc__)
    parser.add_argument("--contacts", type=int, default=20_000)
    parser.add_argument("--people", type=int, default=2_876)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args(given)
    with world(arguments.contacts, 1, settings=server_settings(200_000)) as dsn, connect(dsn) as connection:
        for statement in _MAKE:
            connection.execute(statement.encode(), {"crowd": _CROWD, "people": arguments.people})
        steps = [measured(connection, "fill by a rebuild", lambda: fill_edges(dsn))]
        before = one(connection, _EDGES)
        (crowd,) = (each for each in proposed(dsn) if each.id == _CROWD)
        connection.execute("VACUUM ANALYZE connection_paths.contact_connections_live")
        times: list[float] = []
        steps.append(measured(connection, "exclude", lambda: times.extend(exclude(dsn, arguments.workers))))
        after = one(connection, _EDGES)
        load = os.getloadavg()[0]
        vacuum = "VACUUM ANALYZE connection_paths.contact_connections_live"
        steps.append(measured(connection, "VACUUM", lambda: connection.execute(vacuum.encode())))
        options = BackfillOptions(strategy="rebuild", workers=arguments.workers, limits=None)
        steps.append(measured(connection, "`backfill --strategy rebuild`", lambda: backfill(dsn, options)))
        assert one(connection, _EDGES) == after
        settings = environment(connection)
    text = "\n".join([
        "# Excluding an organization",
        "",
        f"`python -m bench.exclude --contacts {arguments.contacts} --people {arguments.people}"
        f" --workers {arguments.workers}`",
        "",
        f"{arguments.people:,} people of one organization; {before:,} edges before, {after:,} after:"
        f" {before - after:,} edges deleted. Before, `plan` estimated for it {crowd.edges:,} edges,"
        f" {crowd.share_of_pairs:.1%} of all overlapping pairs and {crowd.share_of_paths:.1%} of the paths of three"
        " contacts. After, no path uses one of its edges.",
        "",
        "| step | wall s | processor s | table MB | indexes MB |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {each.name} | {each.wall:,.1f} | {each.processor:,.1f} | {each.table / 1e6:,.0f} |"
            f" {each.indexes / 1e6:,.0f} |"
            for each in steps
        ),
        "",
        f"Meanwhile {len(times):,} calls of `find_paths`, one after the other: at most {max(times) * 1e3:,.0f} ms.",
        "",
        f"Load average of the machine after excluding: {load:.1f}. "
        + ", ".join(f"{name} {value}" for name, value in settings.items()) + ".",
    ])  # fmt: skip
    print(text)
    arguments.results.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
