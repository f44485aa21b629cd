"""What disturbs a throttled server in a test, and the signals that the throttle sees."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from orchestrator.runs.signals import ServerLoad
from orchestrator.runs.throttle import Throttle
from tests.support.sessions import connect

EDGES = "connection_paths.contact_connections"


@contextmanager
def edges_locked(dsn: str) -> Iterator[None]:
    with connect(dsn, autocommit=False) as connection:
        connection.execute(f"LOCK TABLE {EDGES}")
        yield


def canary_load(throttle: Throttle) -> float:
    signal = throttle.canary.signal()
    return -1.0 if signal is None or not signal.fresh else signal.load


def kill_sessions(dsn: str) -> int:
    """End every session of ours in the database except this one."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'orchestrator'"
        ).fetchall()
    return len(found)


def server_values(server: ServerLoad) -> dict[str, float]:
    return {signal.name: signal.value for signal in server.signals() if signal.fresh}


@contextmanager
def waiting(
    dsn: str,
    blocker: str,
    held: str = f"LOCK TABLE {EDGES} IN ROW EXCLUSIVE MODE",
    wanted: str = f"LOCK TABLE {EDGES} IN SHARE MODE",
) -> Iterator[None]:
    """A session of the application waits for a lock that a session called *blocker* holds."""

    def wait() -> None:
        with psycopg.connect(dsn, application_name="application") as connection:
            connection.execute(wanted.encode())

    with psycopg.connect(dsn, application_name=blocker) as connection:
        connection.execute(held.encode())
        waiter = threading.Thread(target=wait)
        waiter.start()
        try:
            yield
        finally:
            connection.rollback()
            waiter.join()
