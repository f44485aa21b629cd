"""What an edge costs that is written again in a full table, the first time and later.

``python -m bench.first_touch --contacts 60000 --contacts 430000`` measures worlds on private servers, one after the
other. ``--dsn`` measures databases with the functions that are installed there. A pass deletes all edges of some
contacts and makes them again, contact by contact. The passes differ in what is in the cache, and in whether pages have
been changed since the last checkpoint. The processor time is that of the server process, where there is a /proc.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from random import Random

from bench.sync import processor_seconds
from bench.world import one, server_settings, world
from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError

_EDGES = "connection_paths.contact_connections"
_REFRESH = "SELECT connection_paths.backfill_contact(%s)"
_COUNTERS = """
    SELECT d.blks_read, d.blks_hit, w.wal_fpi, w.wal_bytes
    FROM pg_stat_database AS d, pg_stat_wal AS w
    WHERE d.datname = current_database()"""
#: The name of each pass, and whether a checkpoint comes before it.
_PASSES = (
    ("first", True),
    ("again", False),
    ("again", False),
    ("after a checkpoint", True),
    ("again", False),
)


def counters(connection: Connection) -> tuple[float, ...]:
    """Return pages read, pages found in the cache, whole pages in the WAL, and bytes of WAL."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(_COUNTERS).fetchone()
    assert row is not None
    return tuple(float(number) for number in row)


def measure(name: str, connection: Connection, contacts: int) -> None:
    """Print a row of a Markdown table for each pass."""
    process = one(connection, "SELECT pg_backend_pid()")
    connection.execute("SET enable_seqscan = off")
    largest = one(connection, "SELECT max(id) FROM connection_paths.live_contacts")
    ids = Random(7).sample(range(1, largest + 1), contacts)
    for what, with_checkpoint in _PASSES:
        for column in ("contact_a_id", "contact_b_id"):
            connection.execute(f"DELETE FROM {_EDGES} WHERE {column} = ANY (%s)".encode(), (ids,))
        if with_checkpoint:
            connection.execute("CHECKPOINT")
        before, began = counters(connection), processor_seconds(process)
        edges = sum(one(connection, _REFRESH, (contact,)) for contact in ids)
        spent = processor_seconds(process) - began
        read, hit, whole, size = ((b - a) / edges for a, b in zip(before, counters(connection), strict=True))
        print(
            f"| {name} | {what} | {edges:,} | {1e6 * spent / edges:.1f} | {read:.2f} | {hit:.1f} | {whole:.2f}"
            f" | {size:,.0f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.first_touch", description=__doc__)
    parser.add_argument("--contacts", type=int, action="append", help="size of a world; may be given several times")
    parser.add_argument("--seed", type=int, default=1, help="which world of that size (%(default)s)")
    parser.add_argument("--dsn", action="append", help="measure in this database; may be given several times")
    parser.add_argument("--chosen", type=int, default=300, help="contacts whose edges are made again (%(default)s)")
    given = parser.parse_args()
    places = [(0, dsn) for dsn in given.dsn or []] or [(size, None) for size in given.contacts or [60_000]]
    print(
        "| edges in the table | pass | edges written | µs an edge | pages read | found in the cache | whole pages"
        " | bytes of WAL |"
    )
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    try:
        for size, dsn in places:
            with ExitStack() as stack:
                found = stack.enter_context(
                    world(size, given.seed, dsn, edges=True, settings=server_settings(size), progress=lambda _: None)
                )
                connection = stack.enter_context(connect(found))
                measure(f"{one(connection, f'SELECT count(*) FROM {_EDGES}'):,}", connection, given.chosen)
    except OrchestratorError as error:
        raise SystemExit(f"bench.first_touch: {error}") from error


if __name__ == "__main__":
    main()
