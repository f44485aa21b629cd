"""How many changed careers a sync refreshes in a second: jobs that go on end, for many contacts at once.

``python -m bench.sync --contacts 60000`` prints a line for each round. A round ends one job of each of ``--careers``
contacts, or makes it go on again in the next round, and one worker takes the changes. For comparison, the last line is
an UPDATE of edges by their place, without any computing.
"""

from __future__ import annotations

import argparse
import time

from bench.world import one, server_settings, world
from orchestrator.changes.sync import sync
from orchestrator.core.database import connect
from orchestrator.core.errors import OrchestratorError

# The first job of each chosen contact that goes on, or that an earlier round has ended.
_CHANGE = """
    UPDATE public.contact_work_experiences AS w
    SET date_to = CASE WHEN w.date_to IS NULL THEN CURRENT_DATE - 1 END
    WHERE w.id IN (
        SELECT min(e.id)
        FROM public.contact_work_experiences AS e
        WHERE e.date_from < CURRENT_DATE - 1
            AND (e.date_to IS NULL OR e.date_to = CURRENT_DATE - 1)
            AND e.organization_id IN (SELECT o.id FROM connection_paths.live_organizations AS o)
        GROUP BY e.contact_id
        ORDER BY hashint8(e.contact_id)
        LIMIT %s
    )"""
_PLACES = """
    SELECT array_agg(c.ctid::text)
    FROM (
        SELECT c.ctid
        FROM connection_paths.contact_connections_live AS c
        WHERE c.date_to IS NULL
        ORDER BY hashint8(c.contact_a_id), c.contact_b_id
        LIMIT 5000
    ) AS c"""
_UPDATE = "UPDATE connection_paths.contact_connections_live SET date_to = CURRENT_DATE WHERE ctid = ANY (%s::tid[])"


def measure(dsn: str, careers: int, rounds: int, batch: int) -> None:
    """Print how long each round took."""
    sync(dsn)
    with connect(dsn) as connection:
        for number in range(rounds):
            changed = connection.execute(_CHANGE.encode(), (careers,)).rowcount
            done = sync(dsn, batch=batch)
            print(
                f"round {number + 1}: {changed:,} careers, {done.contacts:,} contacts refreshed,"
                f" {done.edges_changed:,} edges changed, {done.seconds:.1f} s ="
                f" {done.contacts / done.seconds:,.0f} contacts/s, {done.edges_changed / done.seconds:,.0f} edges/s"
            )
        places = one(connection, _PLACES)
        started = time.monotonic()
        with connection.transaction(force_rollback=True):
            connection.execute(_UPDATE.encode(), (places,))
        seconds = time.monotonic() - started
        print(f"UPDATE by place: {len(places):,} edges, {1e6 * seconds / len(places):.0f} µs an edge")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sync", description=__doc__)
    parser.add_argument("--contacts", type=int, default=60_000, help="size of the world (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which world of that size (%(default)s)")
    parser.add_argument("--careers", type=int, default=1_000, help="changed careers in a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=4, help="rounds (%(default)s)")
    parser.add_argument("--batch", type=int, default=200, help="changes in a transaction (%(default)s)")
    parser.add_argument("--dsn", help="measure in this database instead of a private server")
    given = parser.parse_args()
    try:
        with world(given.contacts, given.seed, given.dsn, edges=True, settings=server_settings(given.contacts)) as dsn:
            measure(dsn, given.careers, given.rounds, given.batch)
    except OrchestratorError as error:
        raise SystemExit(f"bench.sync: {error}") from error


if __name__ == "__main__":
    main()
