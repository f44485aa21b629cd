"""The exchange of a rebuild gives way to transactions on standbys that read edges."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.database import connect as open_session
from orchestrator.core.schema import with_schema
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.finders.question import CALL, Question
from orchestrator.install.installation import install
from orchestrator.rebuild import rebuild, standbys
from orchestrator.rebuild.standbys import Standbys
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.kills import check_edges
from tests.support.servers import SETTINGS
from tests.support.sessions import connect, value
from tests.support.standbys import Pair, pair, seed_world
from tests.support.waiting import InThread, until

NUMBERS = count(1)
EDGES = "connection_paths.contact_connections"
#: The columns that a search reads.
EDGE_COLUMNS = (
    *("contact_a_id", "contact_b_id", "kind", "organization_id", "date_from", "date_to", "strength"),
    *("shared_organizations", "earlier_days", "people"),
)
#: The text of a function that a search reads edges through.
BODY = (
    "SELECT pg_get_function_sqlbody(p.oid) FROM pg_proc AS p"
    " WHERE p.proname = 'contact_edges' AND p.pronamespace = 'connection_paths'::regnamespace"
)
READ = "BEGIN; SELECT FROM connection_paths.contact_connections LIMIT 1"
STATUS = {"wal_receiver_status_interval": "1s"}


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    with pair(SETTINGS, {**STATUS, "max_standby_streaming_delay": "20s"}) as made:
        seed_world(made.primary.dsn, "seeded", 60)
        yield made


@pytest.fixture
def dsn(servers: Pair) -> str:
    """The connection string of a database with both hosts."""
    return servers.hosts(servers.copy("seeded", f"world_{next(NUMBERS)}"))


@pytest.fixture
def reader(servers: Pair, dsn: str) -> Iterator[Connection]:
    """A session on the standby."""
    with closing(connect(servers.on_standby(dsn))) as connection:
        yield connection


def wait_for_long(connection: Connection) -> None:
    connection.execute(f"SELECT pg_sleep({standbys.LONG + 0.1})".encode())


def rebuild_in_thread(dsn: str, steps: list[str]) -> InThread:
    options = BackfillOptions(workers=1, strategy="rebuild", limits=None)
    return InThread(lambda: backfill(dsn, options, report=lambda progress: steps.append(progress.doing)))


def test_the_exchange_waits_for_a_reader_of_a_standby(servers: Pair, dsn: str, reader: Connection) -> None:
    reader.execute(READ.encode())
    wait_for_long(reader)
    steps: list[str] = []
    running = rebuild_in_thread(dsn, steps)
    until(lambda: any("standby" in step for step in steps))
    (reason,) = {step for step in steps if "standby" in step}
    assert f"(a transaction on standby {servers.standby.host} (pid {reader.info.backend_pid}) has read edges" in reason
    assert running.is_alive()
    reader.execute("SELECT FROM connection_paths.contact_connections LIMIT 1")  # nothing is locked
    reader.execute("COMMIT")
    assert running.result().run.status == "succeeded"
    servers.catch_up()
    assert value(reader, "SELECT count(*) > 0 FROM connection_paths.contact_connections")
    with connect(make_conninfo(dsn, host=servers.primary.host)) as primary:
        check_edges(primary)


def test_after_the_patience_searches_go_on_beside_the_reader(
    servers: Pair, dsn: str, reader: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The standby waits for the reader, and so do others that read contact_connections, but no search."""
    with connect(make_conninfo(dsn, host=servers.primary.host)) as primary:
        primary.execute("DROP ROLE IF EXISTS searcher; CREATE ROLE searcher")
        primary.execute("GRANT USAGE ON SCHEMA connection_paths TO searcher")
        primary.execute("GRANT SELECT ON ALL TABLES IN SCHEMA connection_paths, public TO searcher")
        primary.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths TO searcher")
        primary.execute("REVOKE SELECT ON connection_paths.contact_connections FROM searcher")
        primary.execute("GRANT SELECT ON connection_paths.contact_connections_live TO searcher")  # is not inherited
        for column in EDGE_COLUMNS:  # a right to the columns is enough
            primary.execute(f"GRANT SELECT ({column}) ON connection_paths.contact_connections TO searcher".encode())
        assert backfill(dsn, BackfillOptions(workers=1, limits=None)).run.status == "succeeded"
        targets = primary.execute(sqlfiles.query("finders/canary_targets")).fetchall()
        asked = [vars(Question(target, collection, user, 2)) for target, collection, user, *_ in targets]
        question, before = next((each, paths) for each in asked if (paths := paths_of(primary, each)))
        servers.catch_up()
        reader.execute(READ.encode())
        wait_for_long(reader)
        monkeypatch.setattr(rebuild, "Standbys", lambda connection: Standbys(connection, patience=0.3))
        running = rebuild_in_thread(dsn, [])
        with connect(servers.on_standby(dsn)) as searcher:
            until(lambda: "_next" in value(searcher, BODY))
            until(lambda: value(searcher, "SELECT count(*) FROM pg_locks WHERE NOT granted"))  # replay waits
            searcher.execute("SET ROLE searcher")
            searcher.execute("SET statement_timeout = '5s'")
            assert paths_of(searcher, question) == before
            searcher.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                searcher.execute("SELECT count(contact_a_id) FROM connection_paths.contact_connections")
            assert running.is_alive()
            reader.execute("COMMIT")
            assert running.result().run.status == "succeeded"
            servers.catch_up()
            assert paths_of(searcher, question) == before
        assert "the tables are exchanged all the same" in caplog.text
        assert "_next" not in value(primary, BODY)
        assert not value(primary, "SELECT has_any_column_privilege('searcher', %s, 'SELECT')", f"{EDGES}_live")
        check_edges(primary)
        assert [each for each in diagnose(dsn).findings if each.check == "functions"] == []


def paths_of(connection: Connection, question: dict[str, Any]) -> Any:
    answer = connection.execute(CALL, question).fetchone()
    assert answer is not None
    return answer[0]["paths"]


@pytest.fixture
def indexing(servers: Pair, dsn: str) -> Iterator[Connection]:
    """A session on the primary, with a rebuild that is ready to be indexed."""
    with closing(open_session(make_conninfo(dsn, host=servers.primary.host))) as primary:
        primary.execute("SELECT connection_paths.create_run('rebuild')")
        primary.execute("UPDATE connection_paths.backfill_runs SET phase = 'indexing'")
        yield primary


REDIRECT = "SELECT connection_paths.redirect_searches(true)"


def test_a_cancelled_run_ends_the_redirection(indexing: Connection) -> None:
    assert value(indexing, REDIRECT) is True
    assert value(indexing, REDIRECT) is True  # a second process
    assert "_next" in value(indexing, BODY)
    assert runs.cancel(indexing, 1).status == "cancelled"
    assert "_next" not in value(indexing, BODY)
    assert value(indexing, REDIRECT) is False
    assert "_next" not in value(indexing, BODY)


def test_the_next_process_ends_the_redirection_of_a_killed_one(servers: Pair, dsn: str) -> None:
    alone = make_conninfo(dsn, host=servers.primary.host)
    with closing(open_session(alone)) as primary:
        primary.execute("SELECT connection_paths.create_run('rebuild')")
        killed: list[bool] = []

        def kill(connection: Connection) -> Standbys:
            killed.append(value(primary, REDIRECT))
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rebuild, "Standbys", kill)
            with pytest.raises(KeyboardInterrupt):
                backfill(alone, BackfillOptions(workers=1, limits=None))
        assert killed == [True]
        assert "_next" in value(primary, BODY)
        assert backfill(alone, BackfillOptions(workers=1, limits=None)).run.run_id == 1
        assert "_next" not in value(primary, BODY)
        check_edges(primary)


def test_row_level_security_forbids_the_redirection(indexing: Connection) -> None:
    indexing.execute(f"ALTER TABLE {EDGES} ENABLE ROW LEVEL SECURITY".encode())
    assert value(indexing, REDIRECT) is False
    indexing.execute(f"ALTER TABLE {EDGES} DISABLE ROW LEVEL SECURITY".encode())
    assert value(indexing, REDIRECT) is True


def test_another_schema_has_its_own_redirection(servers: Pair, dsn: str) -> None:
    team = with_schema(make_conninfo(dsn, host=servers.primary.host), "cp_team1")
    install(team)
    with closing(open_session(team)) as primary:
        primary.execute("SELECT connection_paths.create_run('rebuild')")
        primary.execute("UPDATE connection_paths.backfill_runs SET phase = 'indexing'")
        assert value(primary, REDIRECT) is True
        assert "cp_team1.contact_connections_next" in value(primary, BODY)
        primary.execute("SELECT connection_paths.redirect_searches(false)")
        assert "_next" not in value(primary, BODY)
    with connect(make_conninfo(dsn, host=servers.primary.host)) as other:
        assert "_next" not in value(other, BODY)


def test_dropping_the_triggers_of_a_cancelled_rebuild_waits_too(dsn: str, reader: Connection) -> None:
    with closing(open_session(dsn)) as primary:
        primary.execute("SELECT connection_paths.create_run('rebuild')")
        reader.execute(READ.encode())
        wait_for_long(reader)
        cancelling = InThread(lambda: runs.cancel(primary, 1))
        cancelling.join(0.3)
        assert cancelling.is_alive()
        reader.execute("COMMIT")
        assert cancelling.result().status == "cancelled"


def test_a_standby_that_is_no_host_is_known_by_its_feedback(servers: Pair, dsn: str, reader: Connection) -> None:
    alone = make_conninfo(dsn, host=servers.primary.host)
    reader.execute("ALTER SYSTEM SET hot_standby_feedback = on")
    reader.execute("SELECT pg_reload_conf()")
    with closing(open_session(alone)) as primary:
        until(lambda: value(primary, "SELECT bool_or(backend_xmin IS NOT NULL) FROM pg_stat_replication"))
        with Standbys(primary) as quiet:
            quiet.give_way()  # no statement there is old
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM connection_paths.contact_connections")
        said: list[str] = []
        ending = threading.Event()

        def end() -> None:
            ending.set()
            reader.execute("COMMIT")

        with Standbys(primary) as busy:
            threading.Timer(2.5, end).start()
            busy.give_way(said.append)
            assert ending.is_set()
        assert said == ["standby walreceiver reports an old statement (hot_standby_feedback)"]
    reader.execute("ALTER SYSTEM RESET hot_standby_feedback")
    reader.execute("SELECT pg_reload_conf()")


def test_a_standby_that_is_behind_is_waited_for(servers: Pair, dsn: str, reader: Connection) -> None:
    with closing(open_session(dsn)) as primary, Standbys(primary) as found:
        reader.execute("SELECT pg_wal_replay_pause()")
        primary.execute("SELECT pg_logical_emit_message(false, 'x', 'y')")
        primary.execute("CREATE TABLE public.written ()")
        said: list[str] = []
        threading.Timer(1.5, lambda: reader.execute("SELECT pg_wal_replay_resume()")).start()
        found.give_way(said.append)
        assert said == [f"standby {servers.standby.host} is behind"]
        assert value(reader, "SELECT to_regclass('public.written') IS NOT NULL")
