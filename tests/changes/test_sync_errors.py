"""Errors, deaths and interruptions of a sync lose no change; an error is counted for the contact that causes it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.changes import worker
from orchestrator.changes.queue import failed_changes
from orchestrator.changes.sync import SyncOutcome, SyncProgress, sync
from orchestrator.core.database import Connection
from tests.support.changes import (
    EXPERIENCES,
    GATE,
    closed_gate,
    fill,
    gated,
    new_role,
    pair_up,
    queue_length,
    repeat,
    wait_for_gate,
)
from tests.support.edges import edges, right_edges
from tests.support.properties import long
from tests.support.sessions import value
from tests.support.waiting import InThread, eventually


@contextmanager
def poison(connection: Connection, contact: int) -> Iterator[None]:
    """Let no edge of a contact be written."""
    connection.execute(
        "ALTER TABLE connection_paths.contact_connections_live"
        f" ADD CONSTRAINT poison CHECK ({contact} NOT IN (contact_a_id, contact_b_id)) NOT VALID".encode()
    )
    try:
        yield
    finally:
        connection.execute("ALTER TABLE connection_paths.contact_connections_live DROP CONSTRAINT poison")


def test_a_contact_that_cannot_be_refreshed_does_not_stop_others(db: Connection, dsn: str) -> None:
    fill(db)
    before = edges(db)
    with poison(db, 3):
        db.execute("UPDATE public.contact_work_experiences SET date_to = '2014-06-01' WHERE contact_id = 3")
        db.execute("UPDATE public.contact_work_experiences SET date_to = '2015-06-01' WHERE contact_id IN (1, 2)")
        db.execute("DELETE FROM public.contacts WHERE id = 8")
        db.execute("DELETE FROM public.contact_work_experiences WHERE contact_id = 1 AND organization_id = 3")
        others_right = {pair: edge for pair, edge in right_edges(db).items() if 3 not in pair}
        done = sync(dsn)
        assert done.failed > 0
        assert {pair: edge for pair, edge in edges(db).items() if 3 not in pair} != before
        left = {each["contact_id"]: each["error"] for each in failed_changes(db)}
        assert 3 in left
        assert "poison" in left[3]
        assert left.keys() <= {1, 2, 3}  # 1 and 2 have edges with 3 to write
        assert value(db, "SELECT min(failures) FROM connection_paths.contact_changes") == 3
        unhindered = {pair: edge for pair, edge in others_right.items() if not {*pair} & left.keys()}
        assert unhindered
        assert unhindered.items() <= edges(db).items()
        nothing = sync(dsn)
        assert nothing == SyncOutcome(0, 0, 0, done.failed, nothing.seconds)
        again = sync(dsn, retry_failed=True)
        assert again.failed == done.failed
    done = sync(dsn, retry_failed=True)
    assert (done.failed, queue_length(db)) == (0, 0)
    assert edges(db) == right_edges(db)


COMPLAINTS = {
    "a row trigger": "CREATE TRIGGER complain AFTER INSERT OR UPDATE OR DELETE ON connection_paths.contact_connections"
    " FOR EACH ROW EXECUTE FUNCTION public.complain()",
    "a deferred trigger": "CREATE CONSTRAINT TRIGGER complain AFTER INSERT OR UPDATE OR DELETE"
    " ON connection_paths.contact_connections DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION public.complain()",
}
# One error of each class that sync treats differently, and some unusual ones.
STATES = ("P0001", "23514", "40P01", "55P03", "40001", "57014", "57P01", "42501", "42883", "25006", "53100", "P0004",
          "55000", "25001", "0A000", "XX000")  # fmt: skip


@contextmanager
def complaint(connection: Connection, how: str, contact: int, state: str) -> Iterator[None]:
    """Let the application refuse each edge of a contact."""
    connection.execute(
        f"""
        CREATE OR REPLACE FUNCTION public.complain() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            edge record := COALESCE(NEW, OLD);
        BEGIN
            IF {contact} IN (edge.contact_a_id, edge.contact_b_id) THEN
                RAISE EXCEPTION 'not this one' USING ERRCODE = '{state}';
            END IF;
            RETURN NULL;
        END
        $$
        """.encode()
    )
    connection.execute(COMPLAINTS[how].encode())
    try:
        yield
    finally:
        connection.execute("DROP FUNCTION public.complain() CASCADE")


@pytest.mark.parametrize(
    ("how", "state"),
    [
        *(("a row trigger", state) for state in STATES[::4]),
        *(long("a row trigger", state) for place, state in enumerate(STATES) if place % 4),
        ("a deferred trigger", STATES[0]),
        *(long("a deferred trigger", state) for state in STATES[1:4]),
    ],
)
def test_any_error_is_recorded_for_the_contact_that_raises_it(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, how: str, state: str
) -> None:
    monkeypatch.setattr(worker, "_SINGLE_AFTER", 2)
    fill(db)
    with complaint(db, how, 3, state):
        db.execute(f"DELETE FROM {EXPERIENCES} WHERE contact_id = 3".encode())
        db.execute("INSERT INTO public.contacts VALUES (20, ''), (21, '')")
        db.execute("INSERT INTO public.organizations VALUES (9, '')")
        db.execute(
            f"INSERT INTO {EXPERIENCES} SELECT g, g, 9, '', '2020-01-01' FROM generate_series(20, 21) g".encode()
        )
        done = InThread(lambda: sync(dsn)).result()
        assert done.failed == 1
        assert failed_changes(db) == [{"contact_id": 3, "error": "not this one"}]
        assert (20, 21) in edges(db)
    sync(dsn, retry_failed=True)
    assert edges(db) == right_edges(db)
    assert queue_length(db) == 0


def test_a_deferred_foreign_key_of_the_application_does_not_stop_others(db: Connection, dsn: str) -> None:
    fill(db)
    db.execute("CREATE TABLE public.people (id bigint PRIMARY KEY)")
    db.execute("INSERT INTO public.people SELECT g FROM generate_series(1, 8) AS g WHERE g <> 3")
    db.execute(
        "ALTER TABLE connection_paths.contact_connections ADD CONSTRAINT known FOREIGN KEY (contact_a_id)"
        " REFERENCES public.people DEFERRABLE INITIALLY DEFERRED NOT VALID"
        if db.info.server_version >= 180_000
        else "ALTER TABLE connection_paths.contact_connections_live ADD CONSTRAINT known FOREIGN KEY (contact_a_id)"
        " REFERENCES public.people DEFERRABLE INITIALLY DEFERRED NOT VALID"
    )
    try:
        db.execute("TRUNCATE connection_paths.contact_connections")
        db.execute("INSERT INTO connection_paths.contact_changes (contact_id) SELECT generate_series(1, 8)")
        sync(dsn)
        assert {each["contact_id"] for each in failed_changes(db)} >= {3}
        assert edges(db)
        assert {pair for pair in right_edges(db) if pair[0] != 3} >= edges(db).keys()
    finally:
        db.execute("DROP TABLE public.people CASCADE")
    sync(dsn, retry_failed=True)
    assert edges(db) == right_edges(db)


def test_failures_are_counted_per_contact(db: Connection) -> None:
    fill(db)
    with poison(db, 3):
        db.execute("UPDATE public.contact_work_experiences SET date_to = '2014-06-01' WHERE contact_id = 3")
        for failures in (1, 2):
            db.execute("SELECT connection_paths.sync_changes(one_by_one => true)")
            rows = db.execute("SELECT contact_id, failures FROM connection_paths.contact_changes").fetchall()
            assert rows == [(3, failures)]
        db.execute("UPDATE public.contact_work_experiences SET date_to = '2014-06-01' WHERE contact_id = 4")
        db.execute("ALTER TABLE connection_paths.contact_connections_live DROP CONSTRAINT poison")
        db.execute(
            "ALTER TABLE connection_paths.contact_connections_live"
            " ADD CONSTRAINT poison CHECK (NOT (contact_a_id IN (3, 4) OR contact_b_id IN (3, 4))) NOT VALID"
        )
        db.execute("SELECT connection_paths.sync_changes(one_by_one => true)")
        rows = db.execute("SELECT contact_id, failures FROM connection_paths.contact_changes ORDER BY 1").fetchall()
        assert rows == [(3, 3), (4, 1)]


def test_an_error_of_every_contact_is_recorded_for_none(db: Connection, dsn: str) -> None:
    fill(db)
    db.execute(f"UPDATE {EXPERIENCES} SET date_to = '2014-06-01' WHERE contact_id = 3".encode())
    with (
        new_role(
            db,
            "USAGE ON SCHEMA connection_paths",
            "EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths",
            "SELECT ON ALL TABLES IN SCHEMA connection_paths, public",
            "INSERT, UPDATE, DELETE ON connection_paths.contact_changes",
        ) as role,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        sync(make_conninfo(dsn, options=f"-c role={role}"))
    assert value(db, "SELECT array_agg(failures) FROM connection_paths.contact_changes") == [0]
    sync(
        make_conninfo(dsn, options="-c default_transaction_read_only=on")
    )  # this setting of a role must have no effect
    assert edges(db) == right_edges(db)


def test_a_session_that_is_ended_in_the_middle_loses_nothing(db: Connection, dsn: str) -> None:
    pair_up(db)
    db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01'")
    with closed_gate(dsn) as open_gate:
        done = InThread(lambda: sync(gated(dsn)))
        wait_for_gate(db)
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND objid = %s", (GATE,))
        wait_for_gate(db)  # it has come back for the same changes
        assert queue_length(db) == 2
        open_gate()
        assert done.result().failed == 0
    assert edges(db) == right_edges(db) != {}
    assert queue_length(db) == 0


def test_a_process_that_is_killed_in_the_middle_loses_nothing(db: Connection, dsn: str) -> None:
    pair_up(db)
    db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01'")
    with closed_gate(dsn):
        code = f"from orchestrator.changes.sync import sync; sync({gated(dsn)!r})"
        with subprocess.Popen([sys.executable, "-c", code]) as process:
            wait_for_gate(db)
            process.send_signal(signal.SIGKILL)
        eventually(  # the server notices, though the session waits for a lock
            db, f"SELECT NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND objid = {GATE})"
        )
    assert queue_length(db) == 2
    assert edges(db) == {}
    sync(dsn)
    assert edges(db) == right_edges(db) != {}


@pytest.mark.parametrize("follow", [False, True])
def test_an_interruption_leaves_the_changes_in_the_queue(db: Connection, dsn: str, follow: bool) -> None:
    pair_up(db)
    db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01'")

    def interrupt(_: SyncProgress) -> None:
        wait_for_gate(db)
        raise KeyboardInterrupt

    with closed_gate(dsn):
        with pytest.raises(KeyboardInterrupt):
            sync(gated(dsn), follow=follow, report=interrupt)
        assert value(db, f"SELECT count(*) FROM pg_locks WHERE NOT granted AND objid = {GATE}") == 0
        stopping = threading.Event()
        done = InThread(lambda: sync(gated(dsn), follow=follow, stopping=stopping))
        wait_for_gate(db)
        stopping.set()
        assert done.result().contacts == 0
    assert queue_length(db) == 2
    assert edges(db) == {}
    sync(dsn)
    assert edges(db) == right_edges(db) != {}


def test_a_sync_ends_while_new_changes_keep_coming(db: Connection, dsn: str) -> None:
    fill(db)
    db.execute("DELETE FROM public.organizations WHERE id = 2")  # the sync waits for the rest of these changes
    ended = threading.Event()
    statement = f"UPDATE {EXPERIENCES} SET date_from = date_from + 1 WHERE id % 2 = "
    writers = [InThread(lambda half=half: repeat(dsn, f"{statement} {half}", ended)) for half in (0, 1)]  # type: ignore[misc]
    try:
        InThread(lambda: sync(dsn, batch=5)).result()  # slower than they are
        assert queue_length(db) > 0
    finally:
        ended.set()
    for thread in writers:
        thread.result()
    sync(dsn)
    assert edges(db) == right_edges(db)


def test_a_sync_waits_for_changes_that_another_session_refreshes(db: Connection, dsn: str) -> None:
    pair_up(db)
    db.execute("UPDATE public.contact_work_experiences SET date_from = '2021-01-01'")
    with psycopg.connect(dsn) as other:
        other.execute("SELECT connection_paths.sync_changes()")
        done = InThread(lambda: sync(dsn))
        done.join(3 * worker.LOOK_AGAIN)
        assert done.is_alive()
        other.rollback()
        assert done.result().contacts == 2
    assert edges(db) == right_edges(db) != {}
