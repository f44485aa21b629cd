"""The throttle reads waiting sessions and delayed replicas from the server."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.core import embedded
from orchestrator.runs.signals import ServerLoad, ThrottleLimits
from tests.support.servers import SETTINGS, reachable_binaries, standby
from tests.support.sessions import connect
from tests.support.throttle import EDGES, edges_locked, server_values, waiting
from tests.support.waiting import until


@pytest.fixture
def asking(small: str) -> Iterator[ServerLoad]:
    server = ServerLoad(small, ThrottleLimits())
    server.start()
    yield server
    server.stop()


def test_a_quiet_server_exceeds_no_limit(asking: ServerLoad) -> None:
    until(lambda: server_values(asking))
    found = asking.signals()
    assert {"waiting locks", "blocked by us", "autovacuum against wraparound"} <= {signal.name for signal in found}
    assert [str(signal) for signal in found if signal.load > 0] == []
    assert "replica lag" not in server_values(asking)


def test_waiting_sessions_are_counted(asking: ServerLoad, small: str) -> None:
    with waiting(small, "application"):
        until(lambda: server_values(asking).get("waiting locks") == 1)
        assert server_values(asking)["blocked by us"] == 0
    until(lambda: server_values(asking).get("waiting locks") == 0)


def test_waits_for_advisory_locks_are_not_counted(asking: ServerLoad, small: str) -> None:
    """Some applications elect a leader by an advisory lock. The other sessions wait for ever, and must not count."""
    lock = "SELECT pg_advisory_xact_lock(7)"
    with waiting(small, "application", lock, lock):
        until(lambda: server_values(asking))
        time.sleep(2.2)  # seconds; a wait of one second would count
        assert server_values(asking)["waiting locks"] == 0


def test_one_session_that_waits_for_ours_is_too_many(asking: ServerLoad, small: str) -> None:
    with waiting(small, "orchestrator worker"):
        until(lambda: server_values(asking).get("blocked by us") == 1)
        (signal,) = [found for found in asking.signals() if found.name == "blocked by us"]
        assert signal.load >= 1


def test_a_session_of_ours_that_waits_is_not_counted(asking: ServerLoad, small: str) -> None:
    with edges_locked(small), waiting_orchestrator(small):
        until(lambda: server_values(asking))
        time.sleep(2.2)  # seconds; a wait of one second would count
        assert server_values(asking)["waiting locks"] == 0


@contextmanager
def waiting_orchestrator(dsn: str) -> Iterator[None]:
    with connect(make_conninfo(dsn, application_name="orchestrator"), autocommit=False) as connection:

        def wait() -> None:
            with suppress(psycopg.errors.QueryCanceled):
                connection.execute(f"LOCK TABLE {EDGES} IN SHARE MODE")

        waiter = threading.Thread(target=wait)
        waiter.start()
        try:
            yield
        finally:
            connection.cancel_safe(timeout=5)
            waiter.join()


def test_a_signal_without_a_limit_is_left_out(small: str) -> None:
    server = ServerLoad(small, ThrottleLimits(waiting_locks=None))
    server.start()
    try:
        until(lambda: server_values(server))
        assert not {"waiting locks", "blocked by us"} & server_values(server).keys()
    finally:
        server.stop()


def is_over(server: ServerLoad, expected: set[str]) -> bool:
    """Whether these signals, and no others, exceed their limits."""
    return {signal.name for signal in server.signals() if signal.load > 1} == expected


def test_a_delayed_replica_can_be_ignored() -> None:
    given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    with ExitStack() as stack:
        serving = embedded.serve_temporarily(binaries=Path(given) if given else None, settings=SETTINGS)
        directory, primary = stack.enter_context(serving)
        named = make_conninfo(primary, application_name="delayed")
        replica = stack.enter_context(standby(named, reachable_binaries(directory)))
        with psycopg.connect(replica, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
            connection.execute("SELECT pg_reload_conf()")
        with psycopg.connect(primary, autocommit=True) as connection:
            connection.execute("CREATE TABLE written (id integer)")
            connection.execute("INSERT INTO written SELECT generate_series(1, 100000)")
        tight = ThrottleLimits(replica_lag_seconds=0.1, replica_lag_megabytes=0.1)
        both = {"replica lag", "replica backlog"}
        for limits, shown in (
            (tight, both),
            (replace(tight, replica_lag_seconds=None), {"replica backlog"}),
            (replace(tight, replica_lag_megabytes=None), {"replica lag"}),
            (replace(tight, ignored_replicas=("another",)), both),
            (replace(tight, ignored_replicas=("another", "delayed")), set()),
        ):
            server = ServerLoad(primary, limits)
            server.start()
            try:
                until(partial(server_values, server))
                until(partial(is_over, server, shown))
                assert {each.of for each in server.signals() if each.name in both} <= {"delayed"}
                words = [str(each) for each in server.signals() if each.name == "replica backlog"]
                assert all(word.startswith("replica backlog of delayed: ") for word in words)
            finally:
                server.stop()
