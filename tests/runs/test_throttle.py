"""The throttle on a real server: the canary, the signals of the server, and both together."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.cli import main
from orchestrator.core import embedded, sqlfiles
from orchestrator.core.errors import OrchestratorError
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, BackfillProgress, backfill
from orchestrator.runs.canary import Canary
from orchestrator.runs.signals import ServerLoad, ThrottleLimits
from orchestrator.runs.throttle import Throttle
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from tests.support.servers import SETTINGS, reachable_binaries, standby
from tests.support.sessions import connect
from tests.support.waiting import until

EDGES = "connection_paths.contact_connections"


# The canary.


@pytest.fixture(scope="module")
def small(new_database: Callable[[], str]) -> str:
    """The connection string of a database with a synthetic world and the package, without edges."""
    dsn = new_database()
    with connect(dsn) as connection:
        seed.load(connection, "public", seed_synthetic.tables(300, 1), replace=True)
    install(dsn)
    return dsn


@pytest.fixture
def throttled(small: str) -> Iterator[Throttle]:
    #: A shared machine may be slow for some milliseconds; the delays that these tests cause last a second.
    with Throttle(small, ThrottleLimits(floor_milliseconds=500), 4, baseline_seconds=0.3) as throttle:
        yield throttle


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


# The server's signals.


def server_values(server: ServerLoad) -> dict[str, float]:
    return {signal.name: signal.value for signal in server.signals() if signal.fresh}


@pytest.fixture
def asking(small: str) -> Iterator[ServerLoad]:
    server = ServerLoad(small, ThrottleLimits())
    server.start()
    yield server
    server.stop()


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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), ThrottleLimits()),
        (("--replica-lag", "3600"), ThrottleLimits(replica_lag_seconds=3600.0)),
        (("--replica-lag", "off", "--replica-backlog", "off"), ThrottleLimits(1.5, 1.0, None, None)),
        (("--ignore-replica", "a", "--ignore-replica", "b c"), ThrottleLimits(ignored_replicas=("a", "b c"))),
        (("--no-throttle", "--replica-lag", "1"), None),
        (("--replica-lag", "0"), 2),
        (("--replica-backlog", "much"), 2),
    ],
)
def test_the_limits_are_options(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], expected: ThrottleLimits | int | None
) -> None:
    given: list[Any] = []

    def backfill(dsn: str, options: BackfillOptions, **_: Any) -> None:
        given.append(options.limits)
        raise OrchestratorError("not now")

    monkeypatch.setattr("orchestrator.cli.backfill.backfill", backfill)
    ran = CliRunner().invoke(main, ["backfill", "--yes", *arguments])
    if expected == 2:
        assert ran.exit_code == 2
    else:
        assert given == [expected]


# The throttle on a real server.


def test_fewer_workers_than_wanted_always_have_a_reason(small: str) -> None:
    """A reason is given while workers are added, while none may work, while the run is paused, and at its end."""
    seen: list[tuple[float, tuple[str, ...]]] = []
    steps = iter(
        [
            "SELECT connection_paths.set_max_workers(%(run_id)s, 0)",
            "SELECT connection_paths.set_max_workers(%(run_id)s, 1)",
            "SELECT connection_paths.pause_run(%(run_id)s)",
            "SELECT connection_paths.resume_run(%(run_id)s), connection_paths.set_max_workers(%(run_id)s, NULL)",
        ]
    )
    with psycopg.connect(small, autocommit=True) as connection:

        def report(progress: BackfillProgress) -> None:
            seen.append((progress.allowed, progress.reasons))
            if progress.run.active and progress.doing in ("filling", "paused"):
                statement = next(steps, None)
                if statement is not None:
                    connection.execute(statement.encode(), {"run_id": progress.run.run_id})

        backfill(small, BackfillOptions(workers=2, limits=ThrottleLimits(floor_milliseconds=500)), report=report)
    assert all(bool(reasons) == (allowed < 2) for allowed, reasons in seen)
    shown = {reason for _, reasons in seen for reason in reasons}
    assert {f"the run is limited to {most} in all processes together" for most in ("0 workers", "1 worker")} <= shown
    assert "the run is paused" in shown
    assert seen[-1] == (2, ())


def test_the_receipt_is_json_and_adds_up(small: str, throttled: Throttle) -> None:
    until(lambda: throttled.tick() >= 2)
    receipt = json.loads(json.dumps(throttled.receipt()))
    assert receipt.keys() == {"canary", "seconds", "throttled_seconds", "rebaselined"}
    assert receipt["canary"]["available"]
    assert receipt["canary"]["before"].keys() == {"calls", "p50", "p95", "p99"}
    assert receipt["canary"]["during"]["calls"] > 0
    assert 0 < sum(receipt["throttled_seconds"].values()) <= receipt["seconds"]


def test_the_canary_has_no_fresh_signal_while_too_many_work(throttled: Throttle) -> None:
    until(lambda: canary_load(throttled) >= 0)
    throttled.tick(working=9)
    assert canary_load(throttled) == -1


def test_the_end_of_the_block_ends_threads_and_sessions(small: str) -> None:
    before = threading.active_count()
    with Throttle(small, baseline_seconds=0.2) as throttle:
        until(lambda: throttle.canary.samples)
    assert threading.active_count() == before
    seconds = throttle.receipt()["seconds"]
    assert throttle.receipt()["seconds"] == seconds
    until(lambda: kill_sessions(small) == 0)
