"""Which sessions wait for which: no stale edge remains after a change, and no sessions wait for each other."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection
from tests.support.changes import (
    EXPERIENCES,
    GATE,
    closed_gate,
    executed,
    fill,
    gated,
    pair_up,
    queue_length,
    wait_for_gate,
)
from tests.support.edges import edges, right_edges
from tests.support.sessions import value
from tests.support.waiting import InThread, eventually

RECOMPUTATIONS = {
    "backfill_contact": "SELECT connection_paths.backfill_contact(1)",
    "a batch in place": "SELECT connection_paths.refresh_range(NULL, NULL)",
    "another sync": "SELECT connection_paths.sync_changes()",
}


@pytest.mark.parametrize("name", RECOMPUTATIONS)
@pytest.mark.parametrize("change", [f"DELETE FROM {EXPERIENCES} WHERE id = 2", "DELETE FROM public.organizations"])
def test_an_edge_computed_before_a_change_does_not_outlive_it(db: Connection, dsn: str, name: str, change: str) -> None:
    pair_up(db)
    if name == "another sync":
        db.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (1)")
    with closed_gate(dsn) as open_gate:
        stale = executed(gated(dsn), RECOMPUTATIONS[name])
        wait_for_gate(db)  # it has computed the edge, and is about to write it
        db.execute(change.encode())
        done = InThread(lambda: sync(dsn))
        eventually(
            db,
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database())"
            " OR NOT EXISTS (SELECT FROM connection_paths.contact_changes)",
        )
        assert done.is_alive()
        assert edges(db) == {}
        open_gate()
        stale.result()
        done.result()
    assert edges(db) == right_edges(db) == {}
    assert queue_length(db) == 0


def test_a_sync_stops_waiting_for_a_session_that_has_ended(db: Connection, dsn: str) -> None:
    pair_up(db)
    with closed_gate(dsn):
        stale = executed(gated(dsn), RECOMPUTATIONS["backfill_contact"])
        wait_for_gate(db)
        db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01' WHERE id = 2")
        done = InThread(lambda: sync(dsn))
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND objid = %s", (GATE,))
        done.result()
        with pytest.raises(psycopg.OperationalError):
            stale.result()
    assert edges(db) == right_edges(db) != {}


def test_a_sync_does_not_wait_for_refreshes_that_began_later(db: Connection, dsn: str) -> None:
    pair_up(db)
    with (
        psycopg.connect(dsn) as writer,
        psycopg.connect(dsn) as first,
        psycopg.connect(dsn) as later,
    ):
        writer.execute(
            "SELECT pg_current_xact_id()"
        )  # until it ends, no refresh can be sure that it has seen its changes
        first.execute("SELECT connection_paths.begin_refresh()")
        db.execute("DELETE FROM public.contact_work_experiences WHERE id = 2")
        done = executed(dsn, "SELECT connection_paths.sync_changes()")
        eventually(db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
        later.execute("SELECT connection_paths.begin_refresh()")
        first.rollback()
        done.result()  # although the later session and the writer are still open
    assert queue_length(db) == 0


@pytest.mark.parametrize("level", [psycopg.IsolationLevel.REPEATABLE_READ, psycopg.IsolationLevel.SERIALIZABLE])
@pytest.mark.parametrize("name", RECOMPUTATIONS)
def test_a_refresh_in_repeatable_read_is_refused(
    db: Connection, dsn: str, name: str, level: psycopg.IsolationLevel
) -> None:
    pair_up(db)
    db.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (1)")
    with psycopg.connect(dsn) as other:
        other.isolation_level = level
        with pytest.raises(psycopg.errors.ActiveSqlTransaction) as refused:
            other.execute(RECOMPUTATIONS[name].encode())
        assert refused.value.sqlstate == "25001"
    sync(
        make_conninfo(dsn, options="-c default_transaction_isolation=serializable")
    )  # this setting of a role must have no effect
    assert edges(db) == right_edges(db) != {}


def test_a_role_without_rights_cannot_delay_a_refresh(db: Connection, dsn: str) -> None:
    """Any role can take any advisory lock, so a role without rights can imitate an old refresh."""
    pair_up(db)
    with psycopg.connect(dsn) as intruder, psycopg.connect(dsn) as other:
        intruder.execute(
            "SELECT pg_advisory_lock(connection_paths.advisory_key('refresh', g))"
            " FROM pg_snapshot_xmin(pg_current_snapshot()) AS x, LATERAL generate_series("
            " x::text::bigint - 100, x::text::bigint + 100) AS g"
        )
        other.execute("SET lock_timeout = '1ms'")
        assert value(other, "SELECT connection_paths.backfill_contact(1)") == 1
        mine = "SELECT min(h.id) FROM connection_paths.lock_holders('refresh') AS h WHERE h.pid = pg_backend_pid()"
        assert value(other, mine) < value(intruder, "SELECT pg_current_xact_id()::text::bigint")
        other.commit()
    assert edges(db) == right_edges(db) != {}


# PostgreSQL's deadlock detector does not see a session that polls and sleeps.

NEEDS_THE_TABLE = {
    "truncate": f"TRUNCATE {EXPERIENCES}",
    "alter": f"ALTER TABLE {EXPERIENCES} ALTER COLUMN company_name SET DEFAULT ''",
    "lock": f"LOCK TABLE {EXPERIENCES}, public.contacts, public.organizations",
}


@pytest.mark.parametrize(
    ("name", "also_organization", "one_by_one"),
    [("truncate", False, False), ("truncate", True, True), ("alter", True, False), ("lock", False, True)],
)
def test_a_sync_and_an_application_do_not_wait_for_each_other(
    db: Connection, dsn: str, name: str, also_organization: bool, one_by_one: bool
) -> None:
    """A transaction of the application has refreshed a contact and a sync waits for it; then it locks a table."""
    fill(db)
    with psycopg.connect(dsn) as application, psycopg.connect(dsn) as syncing:
        application.execute("SELECT connection_paths.backfill_contact(2)")
        db.execute(f"UPDATE {EXPERIENCES} SET date_to = '2014-06-01' WHERE contact_id = 3".encode())
        if also_organization:
            db.execute("DELETE FROM public.organizations WHERE id = 2")
        # before it waits, it has read the tables in this very transaction
        syncing.execute(f"SELECT FROM {EXPERIENCES}, public.contacts, public.organizations LIMIT 1".encode())
        waits = InThread(lambda: value(syncing, "SELECT taken FROM connection_paths.sync_changes(200, %s)", one_by_one))
        eventually(db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
        application.execute(NEEDS_THE_TABLE[name].encode())  # waits for the other's locks, until it gives up
        with pytest.raises(psycopg.errors.LockNotAvailable, match="another session waits for this transaction"):
            waits.result()
        syncing.rollback()
        application.commit()
    sync(dsn)
    assert edges(db) == right_edges(db)
    assert queue_length(db) == 0


def test_a_waiting_sync_holds_no_lock_on_host_tables(db: Connection, dsn: str) -> None:
    fill(db)
    with psycopg.connect(dsn) as application:
        application.execute("SELECT connection_paths.backfill_contact(2)")
        db.execute(f"UPDATE {EXPERIENCES} SET date_to = '2014-06-01' WHERE contact_id = 3".encode())
        db.execute("DELETE FROM public.organizations WHERE id = 2")
        db.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (NULL)")
        done = InThread(lambda: sync(dsn))
        eventually(db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')")
        application.execute("SET lock_timeout = '1ms'")
        application.execute(f"TRUNCATE {EXPERIENCES}".encode())
        assert done.is_alive()
        application.commit()
        done.result()
    assert edges(db) == right_edges(db) == {}


def test_two_refreshes_do_not_wait_for_each_other(db: Connection, dsn: str) -> None:
    fill(db)
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        for connection in (one, other):
            connection.execute("SELECT connection_paths.begin_refresh()")
        db.execute(f"UPDATE {EXPERIENCES} SET date_to = '2014-07-01' WHERE contact_id IN (1, 2)".encode())

        def again(connection: Connection) -> None:
            with suppress(psycopg.errors.LockNotAvailable):
                connection.execute("SELECT connection_paths.sync_changes(1)")
            connection.rollback()

        for thread in [InThread(lambda c=c: again(c)) for c in (one, other)]:  # type: ignore[misc]
            thread.result()
    sync(dsn)
    assert edges(db) == right_edges(db)
