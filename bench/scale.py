"""How cost grows with the size of the database: worlds that are copies of one synthetic world.

``python -m bench.scale --copies 4`` measures one of the worlds, step after step, and appends the figures of each step
to ``bench/results/scale.jsonl``. Steps whose figures are there are skipped, so a run that was stopped goes on where it
was.
``python -m bench.scale --report`` writes ``scale.md`` and a chart for each figure beside them.

A copy of 118,000 contacts has about 6.5 million edges. The world stays in ``--directory`` until ``--remove``; the free
space of the disk is checked before it is filled, and again before its edges are made. Every world has the same 3 GB of
shared buffers. Processor time is that of all processes of the server, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from bench import scale_report
from bench.backfill import Steps, Timed
from bench.finders import call, clock_of, open_session
from bench.scale_world import STEP, Place, ServerTime, disk_watched, require_room
from bench.world import environment, one
from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.runs.plan import plan

RESULTS = Path(__file__).parent / "results"
_FIGURES = "scale.jsonl"
_WORKERS = 2
_EDGES = "connection_paths.contact_connections_live"
_WAL_BYTES = 8 * 1024**3  # at most, on the disk, while edges are made
_FINDER, _MAX_PATHS = "find_paths", 25
_TARGETS, _HUBS, _PASSES = 200, 40, 2
_COLD_STARTS, _COLD_QUESTIONS = 3, 40
#: Label, collection, viewer, depth, targets. Collections 1, 3 and 4 have 97 %, 3 % and 0.5 % of a copy.
CELLS = (
    ("97 % any d2 random", 1, "many", 2, "random"),
    ("97 % any d4 random", 1, "many", 4, "random"),
    ("97 % any d4 hub", 1, "many", 4, "hub"),
    ("97 % importer-few d4 random", 1, "few", 4, "random"),
    ("3 % any d4 hub", 3, "many", 4, "hub"),
    ("0.5 % any d4 random", 4, "many", 4, "random"),
)
_DEGREES = f"""
    SELECT s.id, count(*)
    FROM (
        SELECT e.contact_a_id AS id FROM {_EDGES} AS e WHERE e.contact_a_id < %(step)s
        UNION ALL
        SELECT e.contact_b_id FROM {_EDGES} AS e WHERE e.contact_a_id < %(step)s
    ) AS s
    GROUP BY s.id
    ORDER BY 2 DESC, 1"""
_VIEWERS = """
    SELECT m.user_id
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = %s
    GROUP BY m.user_id
    ORDER BY count(*) DESC, m.user_id"""
_INDEX_SIZES = f"""
    SELECT i.indexrelid::regclass::text, pg_relation_size(i.indexrelid)
    FROM pg_index AS i
    WHERE i.indrelid = '{_EDGES}'::regclass
    ORDER BY 1"""
# The first job of each chosen contact that goes on, or that an earlier round has ended.
_CHANGE = """
    UPDATE public.contact_work_experiences AS w
    SET date_to = CASE WHEN w.date_to IS NULL THEN CURRENT_DATE - 1 END
    WHERE w.id IN (
        SELECT min(e.id)
        FROM public.contact_work_experiences AS e
        WHERE e.contact_id = ANY (%s)
            AND e.date_from < CURRENT_DATE - 1
            AND (e.date_to IS NULL OR e.date_to = CURRENT_DATE - 1)
            AND e.organization_id IN (SELECT o.id FROM connection_paths.live_organizations AS o)
        GROUP BY e.contact_id
    )"""
_REFRESH = "SELECT connection_paths.backfill_contact(%s)"
_SYNCED, _SYNC_ROUNDS, _REPAIRED = 2_000, 4, 2_000  # contacts

Figures = dict[str, Any]


def load(place: Place) -> Figures:
    """Load the sources and install the package."""
    started = time.monotonic()
    place.fill()
    seconds = time.monotonic() - started
    with place.serve() as dsn, connect(dsn) as connection:
        return {
            "seconds": seconds,
            "contacts": one(connection, "SELECT count(*) FROM public.contacts"),
            "experiences": one(connection, "SELECT count(*) FROM connection_paths.work_experiences"),
            "source_bytes": one(
                connection,
                "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class AS c"
                " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'",
            ),
            "environment": environment(connection),
        }


def planned(place: Place) -> Figures:
    """Plan a backfill: how long that takes, and what it predicts."""
    with place.serve() as dsn, connect(dsn) as connection:
        clock = ServerTime(connection)
        before, started = clock.seconds(), time.monotonic()
        found = plan(dsn)
        return {
            "seconds": time.monotonic() - started,
            "processor_seconds": clock.seconds() - before,
            "predicted_edges": found.edges.estimate,
            "predicted_bytes": found.storage.bytes,
        }


def rebuilt(place: Place) -> Figures:
    """Make the edges of an empty table by a rebuild."""
    return _filled(place, "rebuild")


def in_place(place: Place) -> Figures:
    """Empty the table and make the edges in place."""
    return _filled(place, "in_place")


def _filled(place: Place, strategy: str) -> Figures:
    with place.serve() as dsn, connect(dsn) as connection, disk_watched(place.directory) as most:
        connection.execute("TRUNCATE connection_paths.contact_connections")
        require_room(place.directory, plan(dsn, sample=500).storage.bytes + _WAL_BYTES)
        connection.execute("CHECKPOINT")
        clock, timed = ServerTime(connection), Timed(strategy)
        steps = Steps(timed)
        before, started = clock.seconds(), time.monotonic()
        outcome = backfill(dsn, BackfillOptions(_WORKERS, strategy, limits=None, batch_timeout=1200), report=steps)
        steps.change("end")
        seconds, spent = time.monotonic() - started, clock.seconds() - before
        if outcome.run.status != "succeeded":
            raise OrchestratorError(f"run {outcome.run.run_id} {outcome.run.status}")
        figures = {
            "seconds": seconds,
            "processor_seconds": spent,
            "steps": timed.steps,
            "edges": one(connection, f"SELECT count(*) FROM {_EDGES}"),
            "table_bytes": one(connection, f"SELECT pg_table_size('{_EDGES}')"),
            "index_bytes": dict(connection.execute(_INDEX_SIZES.encode()).fetchall()),
        }
    return {**figures, "most_bytes": most[0]}


def synced(place: Place) -> Figures:
    """End a job of some contacts, or let it go on again, and refresh their edges by a sync.

    Two rounds let every job be as it was before. The contacts are the same in every world, in a copy drawn at random.
    """
    with place.serve() as dsn, connect(dsn) as connection:
        connection.execute("VACUUM (ANALYZE) public.contact_work_experiences")
        sync(dsn)
        contacts = _spread(place, Random(place.seed).sample(range(1, place.contacts + 1), _SYNCED))
        clock = ServerTime(connection)
        rounds = []
        for _ in range(_SYNC_ROUNDS):
            connection.execute(_CHANGE.encode(), (contacts,))
            connection.execute("CHECKPOINT")
            before, started = clock.seconds(), time.monotonic()
            done = sync(dsn)
            rounds.append(
                {
                    "seconds": time.monotonic() - started,
                    "processor_seconds": clock.seconds() - before,
                    "contacts": done.contacts,
                    "edges_changed": done.edges_changed,
                }
            )
    last = rounds[_SYNC_ROUNDS // 2 :]  # the first rounds read pages into the cache
    total = {key: sum(each[key] for each in last) for key in last[0]}
    return {
        **total,
        "ms_per_contact": 1000 * total["processor_seconds"] / total["contacts"],
        "us_per_edge": 1e6 * total["processor_seconds"] / max(1, total["edges_changed"]),
    }


def repaired(place: Place) -> Figures:
    """Delete all edges of some contacts and make them again in the full table, contact by contact."""
    with place.serve() as dsn, connect(dsn) as connection:
        contacts = _spread(place, Random(place.seed + 1).sample(range(1, place.contacts + 1), _REPAIRED))
        deleted = 0
        for column in ("contact_a_id", "contact_b_id"):
            statement = f"DELETE FROM {_EDGES} WHERE {column} = ANY (%s)"
            deleted += connection.execute(statement.encode(), (contacts,)).rowcount
        connection.execute("CHECKPOINT")
        clock = clock_of(connection, cpu=True)
        before, started = clock(), time.monotonic()
        made = sum(one(connection, _REFRESH, (contact,)) for contact in contacts)
        if made != deleted:
            raise OrchestratorError(f"{deleted:,} edges were deleted, and {made:,} were made again")
        seconds, spent = time.monotonic() - started, clock() - before
        connection.execute(f"VACUUM (ANALYZE) {_EDGES}".encode())
    return {
        "seconds": seconds,
        "processor_seconds": spent,
        "contacts": len(contacts),
        "edges": made,
        "us_per_edge": 1e6 * spent / made,
    }


def warm(place: Place) -> Figures:
    """Ask questions whose pages are in a cache; processor and wall time of find_paths, in ms."""
    with place.serve() as dsn, connect(dsn) as connection:
        asked = questions(connection, place)
        found: Figures = {}
        for name, requests in asked.items():
            with open_session(dsn, [_FINDER], 30) as session:
                clock = clock_of(session, cpu=True)
                processor, wall, rows = [], [], 0
                for number in range(_PASSES + 1):
                    for request in requests:
                        started, before = time.perf_counter(), clock()
                        answer = call(session, _FINDER, request)
                        spent = clock() - before
                        rows += _paths(answer.rows) if number else 0
                        if number:  # the first pass reads the pages and plans the statements
                            processor.append(1000 * spent)
                            wall.append(1000 * (time.perf_counter() - started))
            found[name] = {
                "processor_ms": _percentiles(processor),
                "wall_ms": _percentiles(wall),
                "paths": rows / len(processor),
            }
        degrees = [degree for _, degree in _degrees(connection)]
    found["degrees"] = {"p50": degrees[len(degrees) // 2], "p99": degrees[len(degrees) // 100], "max": degrees[0]}
    return found


def cold(place: Place) -> Figures:
    """Ask questions after the server was started with an empty cache, its own and that of the operating system."""
    with place.serve() as dsn, connect(dsn) as connection:
        asked = questions(connection, place)
    found: Figures = {}
    left = 0
    for name, requests in asked.items():
        first, wall = [], []
        for number in range(_COLD_STARTS):
            left = max(left, place.chill())
            drawn = Random(number).sample(requests, min(_COLD_QUESTIONS, len(requests)))
            with place.serve() as dsn, open_session(dsn, [_FINDER], 60) as session:
                times = [call(session, _FINDER, request).milliseconds for request in drawn]
            first.append(times[0])
            wall += times[1:]
        found[name] = {"first_ms": statistics.median(first), "wall_ms": _percentiles(wall)}
    return {**found, "bytes_left_in_cache": left}


STEPS: dict[str, Callable[[Place], Figures]] = {
    "load": load,
    "plan": planned,
    "rebuild": rebuilt,
    "warm": warm,
    "cold": cold,
    "sync": synced,
    "repair": repaired,
    "in_place": in_place,
}


def questions(connection: Connection, place: Place) -> dict[str, list[list[bytes]]]:
    """Return the arguments of the calls of each cell: the same questions in every world, in a copy drawn at random."""
    linked = _degrees(connection)
    targets = {
        "hub": [contact for contact, _ in linked[:_HUBS]],
        "random": Random(place.seed).sample(sorted(contact for contact, _ in linked), min(_TARGETS, len(linked))),
    }
    found = {}
    for name, collection, viewer, depth, kind in CELLS:
        users = [user for (user,) in connection.execute(_VIEWERS.encode(), (collection,)).fetchall()]
        user, scope = (users[0], "any") if viewer == "many" else (users[-1], "importer")
        draw = Random(name)
        found[name] = [
            [str(value).encode() for value in (target + by, collection + by, user + by, depth, _MAX_PATHS, scope)]
            for target in targets[kind]
            for by in (STEP * draw.randrange(place.copies),)
        ]
    return found


def _degrees(connection: Connection) -> list[tuple[int, int]]:
    return connection.execute(_DEGREES.encode(), {"step": STEP}).fetchall()


def _spread(place: Place, contacts: Sequence[int]) -> list[int]:
    """Move each contact to a copy drawn at random."""
    draw = Random(place.copies)
    return [contact + STEP * draw.randrange(place.copies) for contact in contacts]


def _paths(rows: Sequence[Sequence[bytes | None]] | None) -> int:
    if rows is None:
        raise OrchestratorError("a call of find_paths was stopped")
    document = json.loads(rows[0][0] or b"{}")
    return int(document["total"])


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{percent}": ordered[math.ceil(percent / 100 * len(ordered)) - 1] for percent in (50, 95, 99)}


def measure(place: Place, wanted: Sequence[str], file: Path) -> None:
    """Do the steps whose figures are not in *file* yet, and append their figures."""
    done = {
        line["step"]
        for line in scale_report.read(file)
        if (line["contacts"], line["copies"], line["seed"]) == (place.contacts, place.copies, place.seed)
    }
    for name in wanted:
        if name in done:
            continue
        print(f"{place.copies} copies: {name}", flush=True)
        figures = STEPS[name](place)
        line = {
            "contacts": place.contacts,
            "copies": place.copies,
            "seed": place.seed,
            "step": name,
            "commit": _commit(),
            "load": round(os.getloadavg()[0], 1),
            "figures": figures,
        }
        with file.open("a", encoding="utf-8") as to:
            to.write(json.dumps(line) + "\n")
        print(json.dumps(figures), flush=True)


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main(given: list[str] | None = None) -> None:
    """Measure a world, or write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--contacts", type=int, default=118_000, help="of one copy (%(default)s)")
    parser.add_argument("--copies", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--steps", default=",".join(STEPS), help="in this order (%(default)s)")
    parser.add_argument("--directory", type=Path, default=Path("/var/tmp/connection_paths_scale"), help="(%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="directory of the figures (bench/results)")
    parser.add_argument("--remove", action="store_true", help="remove the world at the end")
    parser.add_argument("--report", action="store_true", help="write scale.md and the charts, measure nothing")
    arguments = parser.parse_args(given)
    if arguments.report:
        scale_report.write(arguments.results / _FIGURES, arguments.results)
        return
    unknown = set(arguments.steps.split(",")) - STEPS.keys()
    if unknown:
        parser.error(f"--steps: {', '.join(sorted(unknown))} is none of {', '.join(STEPS)}")
    name = f"{arguments.contacts}_{arguments.copies}_{arguments.seed}"
    place = Place(arguments.directory / name, arguments.contacts, arguments.copies, arguments.seed)
    try:
        measure(place, arguments.steps.split(","), arguments.results / _FIGURES)
        if arguments.remove:
            place.remove()
    except OrchestratorError as error:
        raise SystemExit(f"bench.scale: {error}") from error


if __name__ == "__main__":
    main()
