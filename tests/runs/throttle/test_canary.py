"""The canary measures the latency of find_paths before and during a backfill."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError
from orchestrator.runs.canary import Canary
from orchestrator.runs.signals import ThrottleLimits
from orchestrator.runs.throttle import Throttle
from tests.support.sessions import connect
from tests.support.throttle import canary_load, edges_locked, kill_sessions, server_values, waiting
from tests.support.waiting import until


@pytest.mark.parametrize("emptied", ["user_contact_collections", "contacts", "contact_work_experiences"])
def test_without_questions_there_is_no_canary(small: str, emptied: str) -> None:
    with without_rows(small, emptied):
        canary = Canary(small)
        try:
            assert canary.measure_baseline().calls == 0
            canary.start()
            assert not canary.available
            assert canary.problem is None
            assert canary.signal() is None
        finally:
            canary.stop()


@contextmanager
def without_rows(dsn: str, table: str) -> Iterator[psycopg.Connection[Any]]:
    """Empty a host table for the length of the block."""
    name = sql.Identifier(table)
    with connect(dsn) as connection:
        connection.execute(sql.SQL("CREATE TABLE kept AS TABLE {}").format(name))
        connection.execute(sql.SQL("TRUNCATE {}").format(name))
        try:
            yield connection
        finally:
            connection.execute(sql.SQL("TRUNCATE {}").format(name))
            connection.execute(sql.SQL("INSERT INTO {} TABLE kept").format(name))
            connection.execute("DROP TABLE kept")


def test_the_questions_are_of_the_host_and_repeatable(small: str) -> None:
    with connect(small) as connection:
        drawn = []
        for _ in range(2):
            connection.execute("SELECT setseed(0.5)")
            drawn.append(connection.execute(sqlfiles.query("finders/canary_targets")).fetchall())
        assert drawn[0] == drawn[1]
        assert len(set(drawn[0])) > 10
        for target, collection, user in drawn[0]:
            assert connection.execute("SELECT 1 FROM contacts WHERE id = %s", (target,)).fetchone()
            assert connection.execute(
                "SELECT 1 FROM user_contact_collections WHERE collection_id = %s AND user_id = %s", (collection, user)
            ).fetchone()


def test_one_member_is_enough_for_every_question(small: str) -> None:
    with without_rows(small, "user_contact_collections") as connection:
        connection.execute("INSERT INTO user_contact_collections VALUES (7, -5, 9, 1), (8, 3, 10, 4)")
        drawn = connection.execute(sqlfiles.query("finders/canary_targets")).fetchall()
    assert len(drawn) == 40
    assert {row[1:] for row in drawn} == {(9, 7)}


def test_the_baseline_comes_before_and_the_samples_during(small: str) -> None:
    canary = Canary(small, seed=1)
    try:
        before = canary.measure_baseline(calls=20, seconds=1)
        assert before == canary.baseline
        assert 0 < before.calls <= 20
        assert before.p50 is not None
        assert before.p50 > 0
        assert before.p99 is None
        assert canary.available
        assert canary.samples == []
        canary.start()
        until(lambda: len(canary.samples) >= 3)
        assert canary.in_flight_milliseconds is None or canary.in_flight_milliseconds >= 0
    finally:
        canary.stop()
    assert canary.during().calls == len(canary.samples)


def test_a_stall_counts_while_it_lasts_and_not_afterwards(small: str, throttled: Throttle) -> None:
    until(lambda: 0 <= canary_load(throttled) < 1)
    with edges_locked(small):
        until(lambda: canary_load(throttled) >= 1)
        until(lambda: throttled.tick() == 0)
        assert throttled.governor.reason is not None
        assert "canary" in throttled.governor.reason
        assert throttled.reasons
    until(lambda: 0 <= canary_load(throttled) < 0.4)
    slowest = max(throttled.canary.samples)
    assert slowest > 500


def test_a_call_under_way_counts_already(small: str, throttled: Throttle) -> None:
    until(lambda: 0 <= canary_load(throttled) < 0.2)
    with edges_locked(small):
        until(lambda: (throttled.canary.in_flight_milliseconds or 0) > 600)
        with suppress(AssertionError):  # the call may have ended in between; then it counts as ended
            until(lambda: canary_load(throttled) > 0, 0.3)
        assert canary_load(throttled) > 0


def test_lost_connections_are_opened_again(small: str, throttled: Throttle) -> None:
    until(lambda: canary_load(throttled) >= 0 and throttled._server.signals()[0].fresh)
    assert kill_sessions(small) == 2
    asked = len(throttled.canary.samples)
    until(lambda: len(throttled.canary.samples) >= asked + 3)
    until(lambda: throttled._server.signals()[0].fresh)
    assert throttled.canary.problem is None


def test_a_server_that_stops_answering_prevents_adding_workers(small: str, throttled: Throttle, server: str) -> None:
    until(lambda: canary_load(throttled) >= 0)
    dbname = psycopg.conninfo.conninfo_to_dict(small)["dbname"]
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(allow.format(sql.Identifier(str(dbname)), sql.SQL("false")))
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (str(dbname),)
            )
            until(
                lambda: (
                    not any(
                        signal.fresh for signal in [throttled.canary.signal(), *throttled._server.signals()] if signal
                    )
                )
            )
            held = throttled.tick()
            assert throttled.tick() == held
            assert throttled.canary.problem is not None
        finally:
            connection.execute(allow.format(sql.Identifier(str(dbname)), sql.SQL("true")))
    until(lambda: canary_load(throttled) >= 0)


def test_a_missing_server_is_an_error_at_once(small: str) -> None:
    with pytest.raises(OrchestratorError), Throttle(make_conninfo(small, dbname="no such database")):
        pass


@pytest.fixture
def finder(small: str) -> Iterator[str]:
    """The connection string of a role that may only call find_paths."""
    name = f"connection_paths_finder_{time.monotonic_ns()}"
    role = sql.Identifier(name)
    with psycopg.connect(small, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(role))
        try:
            for grant in (
                "USAGE ON SCHEMA connection_paths",
                "SELECT ON ALL TABLES IN SCHEMA connection_paths",
                "SELECT ON ALL TABLES IN SCHEMA public",
                "EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths",
            ):
                connection.execute(sql.SQL(f"GRANT {grant} TO {{}}").format(role))
            yield make_conninfo(small, user=name, password="x")
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_the_rights_of_find_paths_are_enough_for_the_canary(finder: str, small: str) -> None:
    with Throttle(finder, ThrottleLimits(), 2, baseline_seconds=0.5) as throttle, waiting(small, "application"):
        assert throttle.canary.available
        until(lambda: server_values(throttle._server).get("waiting locks") == 1)
        assert server_values(throttle._server).keys() == {"waiting locks", "blocked by us"}


def test_without_rights_there_is_no_canary_and_the_problem_is_reported(small: str, finder: str) -> None:
    with connect(small) as connection:
        role = sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(finder)["user"]))
        connection.execute(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(role))
    with Throttle(finder, ThrottleLimits(), 2, baseline_seconds=0.5) as throttle:
        assert not throttle.canary.available
        assert "permission denied" in (throttle.canary.problem or "")
        until(lambda: throttle.tick() == 2)


def test_the_canary_has_no_fresh_signal_while_too_many_work(throttled: Throttle) -> None:
    until(lambda: canary_load(throttled) >= 0)
    throttled.tick(working=9)
    assert canary_load(throttled) == -1
