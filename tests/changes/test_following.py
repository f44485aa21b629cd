"""`sync --follow` sleeps until a writer wakes it, and continues after it has lost its connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import psycopg
import pytest

from orchestrator.changes import sync as module
from orchestrator.changes.sync import sync
from orchestrator.changes.worker import Worker
from orchestrator.core.database import Connection
from tests.support.changes import STATEMENTS, fill
from tests.support.edges import edges, right_edges
from tests.support.sessions import value
from tests.support.waiting import InThread, eventually

SLEEPS = (
    "SELECT EXISTS (SELECT FROM connection_paths.lock_holders('listener') AS h"
    " JOIN pg_locks AS l ON l.pid = h.pid AND l.locktype = 'advisory' AND l.mode = 'ExclusiveLock')"
)


def heard(connection: Connection) -> int:
    connection.execute("SELECT 1")
    return sum(1 for _ in connection.notifies(timeout=0.05))


def test_writers_notify_only_while_a_follower_sleeps(db: Connection, dsn: str) -> None:
    fill(db)
    if value(db, "SHOW max_prepared_transactions") != "0":
        pytest.skip("prepared transactions may not notify, so nobody does where they are in use")
    with psycopg.connect(dsn, autocommit=True) as listener, psycopg.connect(dsn, autocommit=True) as sleeper:
        listener.execute("LISTEN connection_paths_changes")
        key = "connection_paths.advisory_key('listener', 0)"
        names = ("insert many", "update of a date", "delete a contact", "delete an organization", "truncate")
        for number, name in enumerate(names):
            statement = STATEMENTS[name][0].encode()
            with db.transaction(force_rollback=True):
                db.execute(statement)
                assert not value(sleeper, f"SELECT pg_try_advisory_lock({key})")  # no other session can sleep now
            db.execute(statement)
            assert heard(listener) == 0
            assert value(sleeper, f"SELECT pg_try_advisory_lock({key})")
            db.execute("UPDATE public.contact_work_experiences SET company_name = 'another'")
            assert heard(listener) == 0
            db.execute(
                "INSERT INTO public.contact_work_experiences VALUES (%s, 1, 1, '', '2011-01-01')", (500 + number,)
            )
            assert heard(listener) == 1
            sleeper.execute(f"SELECT pg_advisory_unlock({key})".encode())


@contextmanager
def following(dsn: str, count: int) -> Iterator[list[InThread]]:
    """That many followers, until the end of the block."""
    stopping = threading.Event()
    threads = [InThread(lambda: sync(dsn, follow=True, stopping=stopping)) for _ in range(count)]
    try:
        yield threads
    finally:
        stopping.set()
    for thread in threads:
        thread.result()


@pytest.mark.parametrize("count", [1, 3])
def test_followers_sleep_until_a_writer_wakes_them(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(module, "_SLEEP", 1000.0)  # they are woken, or the test fails
    fill(db)
    with following(dsn, count):
        for name in ("insert many", "update of a date", "delete an organization", "delete a contact", "truncate"):
            eventually(db, SLEEPS)
            db.execute(STATEMENTS[name][0].encode())
            eventually(db, "SELECT NOT EXISTS (SELECT FROM connection_paths.contact_changes)")
            assert edges(db) == right_edges(db)


def test_a_follower_that_loses_its_connections_continues(db: Connection, dsn: str) -> None:
    fill(db)
    with following(dsn, 1) as threads:
        for state in (SLEEPS, "SELECT true"):
            eventually(db, state)
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'orchestrator'"
            )
            db.execute("UPDATE public.contact_work_experiences SET date_from = date_from + 100 WHERE contact_id < 4")
            eventually(db, "SELECT NOT EXISTS (SELECT FROM connection_paths.contact_changes)")
            assert edges(db) == right_edges(db)
        assert all(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("lock", ["pg_advisory_lock", "pg_advisory_lock_shared"])
def test_a_follower_works_while_another_session_holds_its_lock(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, lock: str
) -> None:
    monkeypatch.setattr(module, "_SLEEP", 1000.0)
    fill(db)
    with psycopg.connect(dsn) as intruder, following(dsn, 2):
        intruder.execute(f"SELECT {lock}(connection_paths.advisory_key('listener', 0))".encode())
        for name in ("insert many", "update of a date", "delete a contact"):
            db.execute(STATEMENTS[name][0].encode())
            eventually(db, "SELECT NOT EXISTS (SELECT FROM connection_paths.contact_changes)")
            assert edges(db) == right_edges(db)


def test_a_follower_stopped_just_before_its_sleep_does_not_sleep() -> None:
    state = SimpleNamespace(
        follow=True, has_work=threading.Event(), attention=threading.Event(), ended=threading.Event()
    )
    state.ended.set()
    state.has_work.set()  # before the worker clears it
    worker = object.__new__(Worker)
    worker._state = state  # type: ignore[assignment]
    asleep = threading.Thread(target=worker._has_more, args=(None, 0), daemon=True)
    asleep.start()
    asleep.join(timeout=5)
    assert not asleep.is_alive()
