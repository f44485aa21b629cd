"""doctor works through a pooler, on a standby, with few rights, with bad settings and beside other sessions."""

from __future__ import annotations

import gc
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.changes.sync import sync
from orchestrator.core import embedded, sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.session import Session
from orchestrator.doctor import diagnosis, settings, standbys
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import Subject
from orchestrator.install.installation import install
from tests.support.command_line import run
from tests.support.doctor import EDGES, MEMBERS, TABLE, advise, analyse, check_cured, fill, invalid, repair, sole
from tests.support.pooler import pooler
from tests.support.properties import first_of
from tests.support.servers import SETTINGS, reachable_binaries, standby


def test_few_connections_are_left(db: Connection, dsn: str) -> None:
    gc.collect()  # closes connections of earlier tests now, because this test counts sessions
    (most, *_), *_ = db.execute(sqlfiles.query("doctor/connections")).fetchall()
    with ExitStack() as stack:

        def leave(free: int) -> None:
            while db.execute(sqlfiles.query("doctor/connections")).fetchall()[0][2] > free:
                stack.enter_context(psycopg.connect(dsn))

        leave(11)  # doctor uses one of them
        assert diagnose(dsn).findings == []
        leave(8)
        finding = sole(dsn)
        assert (finding.check, finding.severity, finding.object) == ("connections", "wrong", "max_connections")
        assert finding.repair == f"ALTER SYSTEM SET max_connections = {2 * most};"
        assert "7 of " in finding.what


SETTINGS_THAT_HURT = {
    "jit": ("on", "advice"),
    "random_page_cost": ("4", "advice"),
    "work_mem": ("'1MB'", "advice"),
    "client_connection_check_interval": ("0", "advice"),
    "enable_indexscan": ("off", "wrong"),
    "enable_indexonlyscan": ("off", "wrong"),
    "enable_nestloop": ("off", "wrong"),
    "session_replication_role": ("replica", "wrong"),
}


@pytest.mark.parametrize("name", first_of(4, SETTINGS_THAT_HURT))
def test_a_harmful_setting(db: Connection, dsn: str, name: str) -> None:
    value, severity = SETTINGS_THAT_HURT[name]
    database = db.info.dbname
    try:
        db.execute(f"ALTER DATABASE {database} SET {name} = {value}".encode())
        finding = sole(dsn)
        assert (finding.check, finding.severity, finding.object) == ("settings", severity, name)
        check_cured(dsn, finding)
        db.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET {name} = {value}".encode())
        finding = sole(dsn)
        assert "ALTER ROLE" in str(finding.repair)
        check_cured(dsn, finding)
        assert diagnose(make_conninfo(dsn, options=f"-c {name}={value}".replace("'", ""))).findings == []
    finally:
        db.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {database} RESET ALL".encode())
        db.execute(f"ALTER DATABASE {database} RESET {name}".encode())
        advise(db)


def test_every_setting_is_tested() -> None:
    assert {setting.name for setting in settings._SETTINGS if not setting.of_server} == set(SETTINGS_THAT_HURT)


@pytest.mark.parametrize("name", [setting.name for setting in settings._SETTINGS if setting.of_server])
def test_a_harmful_setting_of_the_server(db: Connection, dsn: str, name: str) -> None:
    try:
        db.execute(f"ALTER SYSTEM SET {name} = off".encode())
        db.execute("SELECT pg_reload_conf()")
        while db.execute(f"SHOW {name}".encode()).fetchone() != ("off",):
            time.sleep(0.01)
        finding = sole(dsn)
        assert (finding.check, finding.severity, finding.object) == ("settings", "wrong", name)
        repair(dsn, finding)
        while db.execute(f"SHOW {name}".encode()).fetchone() != ("on",):
            time.sleep(0.01)
        assert diagnose(dsn).findings == []
    finally:
        db.execute(f"ALTER SYSTEM RESET {name}".encode())
        db.execute("SELECT pg_reload_conf()")


def test_a_pooler_in_between(db: Connection, dsn: str) -> None:
    with pooler(dsn) as pooled:
        found = diagnose(pooled)
        (finding,) = found.findings
        assert (finding.check, finding.severity, finding.object) == ("pooler", "wrong", "connection")
        assert [skipped.check for skipped in found.skipped] == ["plans"]
        export, assignment = shlex.split(str(finding.repair))
        name, _, direct = assignment.partition("=")
        assert (export, name) == ("export", "ORCHESTRATOR_DSN")
        assert diagnose(direct).findings == []
        with pytest.raises(OrchestratorError, match="pooler"):
            sync(pooled)


def test_doctor_leaves_nothing_in_the_session(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler would keep such a setting for the next client."""
    seen: list[list[Any]] = []
    queries = (
        "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY 1",
        "SELECT name FROM pg_prepared_statements",
        "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'",
        "SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()",
    )

    close = Session.close

    def kept(session: Session) -> None:
        if not session.closed:
            seen.append([session.execute(query.encode()).fetchall() for query in queries])
        close(session)

    monkeypatch.setattr(Session, "close", kept)
    assert diagnose(dsn).checked
    assert seen == [[[], [], [], []]]


def test_doctor_cannot_write(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(subject: Subject) -> Iterator[Finding]:
        subject.connection.execute("DELETE FROM connection_paths.contact_changes")
        return iter(())

    monkeypatch.setattr(diagnosis, "_CHECKS", (diagnosis._Check("writing", write), *diagnosis._CHECKS))
    found = diagnose(dsn)
    (finding,) = found.findings
    assert (finding.check, finding.severity, finding.repair) == ("writing", "wrong", None)
    assert "read-only transaction" in finding.what
    assert len(found.checked) == len(diagnosis._CHECKS) - 1  # the other checks were run


def test_a_hot_standby(monkeypatch: pytest.MonkeyPatch) -> None:
    given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    with embedded.serve_temporarily(binaries=Path(given) if given else None, settings=SETTINGS) as (directory, dsn):
        binaries = reachable_binaries(directory)
        if not (binaries / "pg_basebackup").exists():
            pytest.skip(f"no pg_basebackup in {binaries}")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sqlfiles.query("install/demo_tables"))
            fill(connection)
            install(dsn)
            advise(connection)
            connection.execute("SELECT connection_paths.create_run('in_place')")
            analyse(connection)
            connection.execute(f"DROP INDEX {MEMBERS}")
        with standby(dsn, binaries) as replica:
            found = diagnose(replica)
            assert found.standby
            assert [finding.object for finding in found.findings] == [
                MEMBERS, "max_standby_streaming_delay", "hot_standby_feedback",
            ]  # fmt: skip
            assert {skipped.check for skipped in found.skipped} == {"queue", "runs", "subscriptions"}
            assert all("standby" in skipped.why for skipped in found.skipped)
            shown = run("--dsn", replica, "doctor")
            assert shown.exit_code == 3
            assert shown.stdout.endswith("unless the finding names this standby.\n3 findings.\n")
            for command in ("status", "plan", "verify --sample 10", "runs list", "paths 1 --collection 1 --viewer 1"):
                assert "standby" not in run("--dsn", replica, *command.split()).output, command
            for command in ("install", "uninstall --yes", "backfill", "sync", "runs pause 1"):
                refused = run("--dsn", replica, *command.split())
                assert (refused.exit_code, refused.output.count("\n")) == (1, 1), command
                assert "this is a standby" in refused.output, command
                assert "host=A,B" in refused.output, command
            both = conninfo_to_dict(replica)["host"], conninfo_to_dict(dsn)["host"]
            named = make_conninfo(dsn, host=",".join(map(str, both)), port="", target_session_attrs="prefer-standby")
            assert run("--dsn", named, "sync").exit_code == 0
            with psycopg.connect(replica) as reader, psycopg.connect(replica, autocommit=True) as there:
                reader.execute(f"SELECT count(*) FROM {EDGES}".encode())
                for finding in found.findings[1:]:
                    for statement in (finding.repair or "").splitlines():
                        there.execute(statement.encode())
                monkeypatch.setattr(standbys, "LONG", 0)
                still = diagnose(replica).findings[1:]
                assert [finding.object for finding in still] == [
                    "max_standby_streaming_delay", str(reader.info.backend_pid),
                ]  # fmt: skip
                there.execute((still[1].repair or "").encode())
                with pytest.raises(psycopg.errors.AdminShutdown):
                    reader.execute("SELECT 1")
                monkeypatch.undo()
                assert [finding.object for finding in diagnose(replica).findings] == [MEMBERS]
                there.execute("ALTER SYSTEM SET max_standby_streaming_delay = -1")
                there.execute("SELECT pg_reload_conf()")
            assert "find_paths waits without limit here" in diagnose(replica).findings[1].what
            (of_primary,) = [finding for finding in diagnose(dsn).findings if finding.check == "standbys"]
            assert of_primary.severity == "advice"
            assert "has 1 standby (walreceiver)" in of_primary.what


@pytest.fixture
def role(db: Connection) -> Iterator[str]:
    """A role that may only log in."""
    name = f"connection_paths_doctor_{os.getpid()}"
    db.execute(f"CREATE ROLE {name} LOGIN".encode())
    yield name
    db.execute(f"DROP OWNED BY {name}".encode())
    db.execute(f"DROP ROLE {name}".encode())


def test_a_role_without_rights_gets_the_checks_that_it_may_run(db: Connection, dsn: str, role: str) -> None:
    poor = make_conninfo(dsn, user=role)
    found = diagnose(poor)
    assert found.findings == []
    assert {skipped.check for skipped in found.skipped} == {
        *("migrations", "views", "index use", "plans", "queue", "runs", "rebuild leftovers", "organizations"),
        "organization sizes",
    }
    assert all("permission denied" in skipped.why for skipped in found.skipped)
    shown = run("--dsn", poor, "doctor")
    assert shown.exit_code == 0
    assert "NOT CHECKED: plans: permission denied" in shown.stdout
    assert shown.stdout.endswith("No problems found in what was checked.\n")
    db.execute(f"DROP INDEX {MEMBERS}")
    finding = sole(poor)
    assert (finding.check, finding.object) == ("indexes", MEMBERS)
    check_cured(dsn, finding)


def test_a_role_that_may_read_can_run_every_check(db: Connection, dsn: str, role: str) -> None:
    db.execute(f"GRANT USAGE ON SCHEMA connection_paths TO {role}".encode())
    db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA connection_paths, public TO {role}".encode())
    db.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths TO {role}".encode())
    found = diagnose(make_conninfo(dsn, user=role))
    assert (found.findings, found.skipped) == ([], [])
    assert found.checked == [check.name for check in diagnosis._CHECKS]


def test_row_level_security_hides_statistics_and_that_is_no_finding(db: Connection, dsn: str, role: str) -> None:
    db.execute(f"GRANT SELECT ON {TABLE} TO {role}".encode())
    db.execute(f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")
    try:
        assert diagnose(make_conninfo(dsn, user=role)).findings == []
    finally:
        db.execute(f"ALTER TABLE {TABLE} DISABLE ROW LEVEL SECURITY")


def test_a_locked_table_does_not_stop_the_other_checks(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(diagnosis._LIMITS, "lock_timeout", "50ms")
    with db.transaction():
        db.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
        found = diagnose(dsn)
    assert found.findings == []
    assert {"views", "plans"} <= {skipped.check for skipped in found.skipped}
    assert all("lock timeout" in skipped.why for skipped in found.skipped)
    assert {"migrations", "functions", "triggers", "queue", "runs", "settings"} <= set(found.checked)


def test_a_check_that_takes_too_long_is_left_out(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def dawdle(subject: Subject) -> Iterator[Finding]:
        subject.connection.execute("SELECT pg_sleep(60)")
        return iter(())

    monkeypatch.setattr(diagnosis, "_CHECKS", (diagnosis._Check("dawdling", dawdle), *diagnosis._CHECKS))
    monkeypatch.setitem(diagnosis._LIMITS, "statement_timeout", "300ms")
    found = diagnose(dsn)
    assert [(skipped.check, "statement timeout" in skipped.why) for skipped in found.skipped] == [("dawdling", True)]
    assert found.findings == []


def test_an_index_that_is_being_built_may_be_invalid(db: Connection, dsn: str) -> None:
    db.execute(f"CREATE INDEX growing ON {TABLE} (user_id); {invalid('growing')}; {invalid(MEMBERS)}")
    try:
        with db.transaction():
            db.execute(f"LOCK TABLE {TABLE} IN SHARE UPDATE EXCLUSIVE MODE")
            finding = sole(dsn)
            assert finding.object == MEMBERS
            assert "building it now" in finding.what
    finally:
        db.execute(f"DROP INDEX growing; REINDEX INDEX {MEMBERS}")
