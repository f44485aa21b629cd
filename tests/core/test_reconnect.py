"""A session survives the loss of its connection: the work it repeats, the errors it raises, and how it stops."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.core import reconnect as reconnecting
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.reconnect import ReconnectingSession, Stopped

NOWHERE = "host=127.0.0.1 port=1"


def end(connection: Connection) -> None:
    """End the session of *connection*, as an administrator would."""
    with psycopg.connect(connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))


def pid(connection: Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def test_work_whose_connection_is_lost_is_done_again_on_another(server: str) -> None:
    greeted: list[int] = []
    seen: list[int] = []

    def work(connection: Connection) -> int:
        seen.append(connection.info.backend_pid)
        if len(seen) < 3:
            end(connection)
        return pid(connection)

    with ReconnectingSession(server, greet=lambda connection: greeted.append(pid(connection))) as session:
        assert session.run(work) == seen[-1]
        assert session.run(pid) == seen[-1]  # the connection is kept
    assert len(set(seen)) == 3
    assert greeted == seen


def test_an_error_that_leaves_the_connection_is_raised(server: str) -> None:
    with ReconnectingSession(server) as session:
        with pytest.raises(psycopg.errors.DivisionByZero):
            session.run(lambda connection: connection.execute("SELECT 1 / 0"))
        assert session.run(pid) == pid(session.open())


def test_work_that_loses_every_connection_fails_after_ten_attempts(server: str) -> None:
    attempts = 0

    def work(connection: Connection) -> int:
        nonlocal attempts
        attempts += 1
        end(connection)
        return pid(connection)

    with ReconnectingSession(server) as session, pytest.raises(psycopg.OperationalError):
        session.run(work)
    assert attempts == 10


def test_settings_hold_on_every_connection(server: str) -> None:
    def work(connection: Connection) -> str:
        row = connection.execute("SELECT current_setting('lock_timeout')").fetchone()
        assert row is not None
        return str(row[0])

    with ReconnectingSession(server, {"lock_timeout": "7s"}) as session:
        assert session.run(work) == "7s"
        end(session.open())
        assert session.run(work) == "7s"


def test_the_first_connection_can_fail_at_once() -> None:
    before = time.monotonic()
    with pytest.raises(OrchestratorError, match="cannot connect"):
        ReconnectingSession(NOWHERE).open()
    assert time.monotonic() - before < 5


def test_connecting_fails_when_the_server_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting, "_PATIENCE", 0.2)
    monkeypatch.setattr(reconnecting, "_PAUSE", 0.05)
    with pytest.raises(OrchestratorError, match="cannot connect"):
        ReconnectingSession(NOWHERE).connection()


def test_connecting_waits_for_a_server_that_returns(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnecting, "_PAUSE", 0.01)
    session = ReconnectingSession(NOWHERE)
    back = threading.Timer(0.2, lambda: setattr(session, "_dsn", make_conninfo(server)))
    back.start()
    with session:
        assert pid(session.connection()) > 0


@pytest.mark.parametrize("which", [0, 1])
def test_waiting_ends_when_any_event_is_set(which: int) -> None:
    events = threading.Event(), threading.Event()
    session = ReconnectingSession(NOWHERE, stopping=events)
    threading.Timer(0.2, events[which].set).start()
    with pytest.raises(Stopped):
        session.connection()


def test_another_thread_can_cancel_the_running_statement(server: str) -> None:
    with ReconnectingSession(server) as session:
        session.open()
        threading.Timer(0.3, session.cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            session.run(lambda connection: connection.execute("SELECT pg_sleep(60)"))


def test_cancel_and_close_do_nothing_without_a_connection() -> None:
    session = ReconnectingSession(NOWHERE)
    session.cancel()
    session.close()
