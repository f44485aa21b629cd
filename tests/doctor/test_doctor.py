"""doctor finds what is wrong and nothing else, and what it says to type mends it. Each finding is caused here."""

from __future__ import annotations

import json
import os
import shlex
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.changes.sync import sync
from orchestrator.core import embedded, sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.doctor import diagnosis, indexes, plans, runs, settings, standbys, tables, versions
from orchestrator.doctor.diagnosis import Diagnosis, diagnose
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.subject import Subject
from orchestrator.install.installation import install
from orchestrator.runs.backfill import Options, backfill
from tests.cli.test_cli import run
from tests.conftest import SETTINGS
from tests.runs.test_plan import reachable_binaries, standby

CONTACTS = 3_000
HOSTILE = 'we"ird; schema --'
EDGES = "connection_paths.contact_connections"
MEMBERS = "idx_members_by_collection"
TABLE = "user_contact_collections"
RULE = "source IN (0, 1, 2, 3, 5, 10) AND user_id IS NOT NULL"

#: What a server of today would be told, so that nothing is left to say.
WELL = {"jit": "off", "random_page_cost": "1.1", "client_connection_check_interval": "'10s'"}


def fill(connection: Connection) -> None:
    """Careers, ten colleagues at a time, and teams; every table large enough to be looked at."""
    connection.execute("INSERT INTO contacts SELECT g, '' FROM generate_series(1, %s) AS g", (CONTACTS,))
    connection.execute("INSERT INTO organizations SELECT g, '' FROM generate_series(1, %s) AS g", (CONTACTS,))
    connection.execute(
        "INSERT INTO contact_work_experiences SELECT g, 1 + g %% %s, 1 + g / 10, '', '2010-01-01', '2012-01-01'"
        " FROM generate_series(1, 10 * %s - 1) AS g",
        (CONTACTS, CONTACTS),
    )
    connection.execute(
        "INSERT INTO user_contact_collections SELECT 1 + g %% 7, 1 + g %% %s, 1 + g %% 5, g %% 11"
        " FROM generate_series(1, 10 * %s) AS g",
        (CONTACTS, CONTACTS),
    )


def analyse(connection: Connection) -> None:
    connection.execute("SELECT pg_stat_force_next_flush()")  # or what was written before is counted after
    for table in ("contacts", "organizations", "contact_work_experiences", TABLE, EDGES):
        connection.execute(f"VACUUM (ANALYZE) {table}".encode())


def advise(connection: Connection) -> None:
    """Follow the advice that a server with PostgreSQL's own settings gets."""
    for name, value in WELL.items():
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {name} = {value}".encode())


def make(given: str) -> str:
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        fill(connection)
        install(given)
        advise(connection)
        backfill(given, Options(workers=2, limits=None))
        analyse(connection)
    assert diagnose(given).findings == []
    return given


@pytest.fixture(scope="module")
def worlds() -> list[str]:
    return []


@pytest.fixture
def dsn(request: pytest.FixtureRequest, new_database: Callable[[], str], worlds: list[str]) -> Iterator[str]:
    """A database in which all is well: the one of the test before, which has mended it unless it failed."""
    if not worlds:
        worlds.append(make(new_database()))
    failed = request.session.testsfailed
    yield worlds[0]
    if request.session.testsfailed > failed:
        worlds.clear()


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def keep(connection: Connection) -> None:
    connection.execute(f"CREATE TABLE kept AS SELECT * FROM {TABLE}")


def restore(connection: Connection) -> None:
    """Make the table what it was when it was kept."""
    connection.execute(
        f"TRUNCATE {TABLE}; INSERT INTO {TABLE} SELECT * FROM kept; DROP TABLE kept; REINDEX TABLE {TABLE}"
    )
    analyse(connection)


def sole(dsn: str) -> Finding:
    (finding,) = diagnose(dsn).findings
    return finding


def mend(dsn: str, finding: Finding) -> None:
    """Type what it says, line by line: SQL and ``\\i`` in one session of psql, commands in a shell."""
    assert finding.mend is not None
    with psycopg.connect(dsn, autocommit=True) as psql:
        for line in finding.mend.splitlines():
            command, _, rest = line.partition(" ")
            if command == "orchestrator":
                words = [word for word in shlex.split(rest) if word != "--follow"]  # which does not end
                words += ["--no-throttle"] * (words[0] == "backfill")  # which looks around first
                result = run("--dsn", dsn, *words)
                assert result.exit_code == 0, result.output
            elif command == "\\i":
                psql.execute(Path(rest.strip("'")).read_bytes())
            else:
                assert line.endswith(";")
                psql.execute(line.encode())


def check_cured(dsn: str, finding: Finding) -> None:
    mend(dsn, finding)
    assert diagnose(dsn).findings == []


@dataclass(frozen=True)
class Cause:
    """How to bring something about, and what is then to be found."""

    statements: str
    check: str
    object: str
    part: str
    severity: str = "wrong"


def other_index(index: str, definition: str) -> str:
    mark = f"COMMENT ON INDEX {index} IS 'connection_paths: x'"
    return f"DROP INDEX {index}; CREATE INDEX {index.rpartition('.')[2]} ON {definition}; {mark}"


def invalid(index: str) -> str:
    return f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index}'::regclass"


COLUMNS = "(collection_id, contact_id) INCLUDE (user_id)"
EXPERIENCE = "organization_id IS NOT NULL AND date_from IS NOT NULL"
NEXT = "connection_paths.contact_connections_next"
CAUSES = {
    "no index": Cause(f"DROP INDEX {MEMBERS}", "indexes", MEMBERS, "is missing on public.user_contact_collections"),
    "no walk index": Cause(
        "DROP INDEX connection_paths.idx_cc_walk_b", "indexes", "idx_cc_walk_b", f"is missing on {EDGES}"
    ),
    "an invalid index": Cause(invalid(MEMBERS), "indexes", MEMBERS, "not valid"),
    "an invalid walk index": Cause(invalid("connection_paths.idx_cc_walk_a"), "indexes", "idx_cc_walk_a", "not valid"),
    # lesson 1 of the field
    "an index that was not told of the view's rule": Cause(
        other_index(MEMBERS, f"{TABLE} {COLUMNS} WHERE source = 5 AND user_id IS NOT NULL"),
        "indexes",
        MEMBERS,
        "holds rows WHERE ((source = 5)",
    ),
    "an index of everything": Cause(
        other_index(MEMBERS, f"{TABLE} {COLUMNS}"), "indexes", MEMBERS, "holds rows WHERE true"
    ),
    "a laxer rule": Cause(
        other_index(
            "idx_experiences_by_contact",
            f"contact_work_experiences (contact_id) INCLUDE (organization_id, date_from, date_to) WHERE {EXPERIENCE}",
        ),
        "indexes",
        "idx_experiences_by_contact",
        "holds rows WHERE ((organization_id IS NOT NULL) AND (date_from IS NOT NULL)), view work_experiences shows",
    ),
    "the slow order of columns": Cause(
        other_index(MEMBERS, f"{TABLE} (contact_id, collection_id) INCLUDE (user_id) WHERE {RULE}"),
        "indexes",
        MEMBERS,
        "is btree (contact_id, collection_id) INCLUDE (user_id), not (collection_id, contact_id)",
    ),
    "a column less": Cause(
        other_index(MEMBERS, f"{TABLE} (collection_id, contact_id) WHERE {RULE}"),
        "indexes",
        MEMBERS,
        "is btree (collection_id, contact_id), not",
    ),
    "a walk in the other direction": Cause(
        other_index("connection_paths.idx_cc_walk_a", f"{EDGES} (contact_a_id, date_to, contact_b_id)"),
        "indexes",
        "idx_cc_walk_a",
        "is btree (contact_a_id, date_to, contact_b_id), not (contact_a_id, date_to DESC NULLS FIRST",
    ),
    "an expression less": Cause(
        other_index(
            "idx_experiences_by_organization",
            "contact_work_experiences (organization_id, date_to, date_from, contact_id) INCLUDE (date_to)"
            f" WHERE {EXPERIENCE} AND (date_to IS NULL OR date_to >= date_from)",
        ),
        "indexes",
        "idx_experiences_by_organization",
        "not (organization_id, (COALESCE(date_to",
    ),
    "somebody's invalid index": Cause(
        f"CREATE INDEX broken_ccnew ON {TABLE} (user_id); {invalid('broken_ccnew')}",
        "invalid indexes",
        "public.broken_ccnew",
        "no reader uses it",
    ),
    "contacts without a key": Cause(
        "ALTER TABLE contacts DROP CONSTRAINT contacts_pkey", "plans", "public.contacts", "by a sequential scan"
    ),
    "a disabled trigger": Cause(
        "ALTER TABLE contacts DISABLE TRIGGER connection_paths_updated",
        "triggers",
        "public.contacts",
        "connection_paths_updated disabled",
    ),
    "a trigger for replicas only": Cause(
        "ALTER TABLE organizations ENABLE REPLICA TRIGGER connection_paths_deleted",
        "triggers",
        "public.organizations",
        "connection_paths_deleted enabled for replicas only",
    ),
    "a missing trigger": Cause(
        "DROP TRIGGER connection_paths_truncated ON contact_work_experiences",
        "triggers",
        "public.contact_work_experiences",
        "connection_paths_truncated missing",
    ),
    "no triggers": Cause(
        "; ".join(
            f"DROP TRIGGER connection_paths_{event} ON {table}"
            for event in ("inserted", "updated", "deleted", "truncated")
            for table in ("contacts", "organizations", "contact_work_experiences")
        )
        + "; UPDATE connection_paths.installation SET has_triggers = false",
        "triggers",
        "triggers",
        "left out at install",
        "advice",
    ),
    "another body": Cause(
        "CREATE OR REPLACE FUNCTION connection_paths.openers(contact_id bigint, collection_id bigint,"
        " viewer_user_id bigint, seed_scope text) RETURNS TABLE (user_id bigint)"
        " LANGUAGE sql STABLE AS 'SELECT 1::bigint'",
        "functions",
        "openers",
        "functions of connection_paths are not what they should be; not as in this package: openers",
    ),
    "another body that is kept parsed": Cause(
        "CREATE OR REPLACE FUNCTION connection_paths.advisory_key(purpose text, id bigint) RETURNS bigint"
        " LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN id",
        "functions",
        "advisory_key",
        "not as in this package: advisory_key",
    ),
    "a setting less": Cause(
        "ALTER FUNCTION connection_paths.find_paths RESET enable_seqscan", "functions", "find_paths", "find_paths"
    ),
    "no function": Cause(
        "DROP FUNCTION connection_paths.chain_contacts", "functions", "chain_contacts", "missing: chain_contacts"
    ),
    "a migration that is pending": Cause(
        "DELETE FROM connection_paths._yoyo_migration WHERE migration_id LIKE '0005%'",
        "migrations",
        "0005_functions",
        "migrations are not applied: 0005_functions",
    ),
    "no memory of migrations": Cause(
        "DROP TABLE connection_paths._yoyo_log, connection_paths._yoyo_migration, connection_paths._yoyo_version,"
        " connection_paths.yoyo_lock",
        "migrations",
        "0001_binding_views",
        "migrations are not applied: 0001_binding_views, 0002_tables",
    ),
    "changes that wait": Cause(
        "DELETE FROM connection_paths.contact_changes;"
        " INSERT INTO connection_paths.contact_changes (contact_id, changed_at)"
        " SELECT g, now() - interval '1 hour' FROM generate_series(1, 3) AS g",
        "queue",
        "contact_changes",
        "3 changes wait, the oldest for 60 min; no `sync --follow` is running",
    ),
    "a change that failed": Cause(
        "INSERT INTO connection_paths.contact_changes (contact_id, failures, error) VALUES (7, 3, 'it would not')",
        "queue",
        "contact_changes",
        "contact 7 for instance: it would not",
    ),
    "a run that was cancelled by hand": Cause(
        "SELECT connection_paths.create_run('rebuild'); UPDATE connection_paths.backfill_runs SET status = 'cancelled'"
        " WHERE status = 'running'",
        "runs",
        "run",
        "was cancelled, and what it made is still there",
    ),
    "a run that nobody works on": Cause(
        "SELECT connection_paths.create_run('in_place');"
        " UPDATE connection_paths.backfill_runs SET created_at = now() - interval '2 hours' WHERE status = 'running'",
        "runs",
        "run",
        "(in_place) is not over and nobody works on it; it was begun 2.0 h ago",
    ),
    "a paused run": Cause(
        "SELECT connection_paths.create_run('in_place'); UPDATE connection_paths.backfill_runs SET status = 'paused'"
        " WHERE status = 'running'",
        "runs",
        "run",
        "(in_place) is paused",
    ),
    "contacts that were set aside": Cause(
        "INSERT INTO connection_paths.backfill_runs (strategy, status, phase)"
        " VALUES ('in_place', 'succeeded with exceptions', 'finished');"
        " INSERT INTO connection_paths.backfill_batches (run_id, predicted_edges, status, contact_id, error)"
        " SELECT max(run_id), 0, 'set aside', 11, 'it would not' FROM connection_paths.backfill_runs",
        "runs",
        "run",
        "has set aside 1 contacts, contact 11 for instance: it would not",
        "advice",
    ),
    "no backfill": Cause(
        f"TRUNCATE {EDGES}, connection_paths.backfill_runs, connection_paths.backfill_batches",
        "runs",
        "contact_connections",
        "nothing was ever backfilled",
    ),
    "a rebuild's table": Cause(
        f"CREATE TABLE {NEXT} (LIKE {EDGES})",
        "rebuild leftovers",
        "contact_connections_next",
        "has left contact_connections_next",
    ),
    "a rebuild's triggers": Cause(
        "".join(
            f"CREATE TRIGGER {name} AFTER {event} ON connection_paths.contact_connections_live"
            " EXECUTE FUNCTION connection_paths.record_other_kind();"
            for name, event in {
                "record_inserted": "INSERT",
                "record_updated": "UPDATE",
                "record_deleted": "DELETE",
                "refuse_truncate": "TRUNCATE",
            }.items()
        ),
        "rebuild leftovers",
        "trigger record_deleted of contact_connections_live",
        "refuse_truncate",
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_what_is_wrong_is_found_and_mended(db: Connection, dsn: str, name: str) -> None:
    cause = CAUSES[name]
    for statement in cause.statements.split(";"):
        db.execute(statement.encode())
    finding = sole(dsn)
    assert (finding.check, finding.severity) == (cause.check, cause.severity)
    assert finding.object.startswith(cause.object)
    assert cause.part in finding.what
    check_cured(dsn, finding)


def test_triggers_that_install_made_and_somebody_dropped_are_wrong(db: Connection, dsn: str) -> None:
    statements = CAUSES["no triggers"].statements.split(";")
    for statement in statements[:-1]:
        db.execute(statement.encode())
    findings = diagnose(dsn).findings
    assert {(finding.check, finding.severity) for finding in findings} == {("triggers", "wrong")}
    assert len(findings) == 3
    check_cured(dsn, findings[0])


MAY_SEE = "CREATE FUNCTION may_see(bigint) RETURNS boolean STABLE LANGUAGE"
LOOKS_UP = "EXISTS (SELECT FROM app_users WHERE id = $1)"
POLICY = "CREATE POLICY seen ON user_contact_collections USING (may_see(user_id))"
SCHEMAS = ("public", "connection_paths", '"my app"')
HELPERS = {
    "sql": ((f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'", POLICY), "wrong"),
    "plpgsql": ((f"{MAY_SEE} plpgsql AS 'BEGIN RETURN {LOOKS_UP}; END'", POLICY), "advice"),
    "of another schema": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'", "ALTER FUNCTION may_see SET SCHEMA \"my app\"",
         POLICY.replace("may_see", '"my app".may_see')), "wrong",
    ),
    "called by a body that is bound": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'",
         "CREATE FUNCTION outer_one(bigint) RETURNS boolean STABLE LANGUAGE sql RETURN may_see($1)",
         POLICY.replace("may_see", "outer_one")), "wrong",
    ),
    "behind an operator": (
        ("CREATE FUNCTION may_see(bigint, bigint) RETURNS boolean STABLE LANGUAGE sql"
         f" AS 'SELECT $2 = 0 OR {LOOKS_UP}'",
         "CREATE OPERATOR <=>> (FUNCTION = may_see, LEFTARG = bigint, RIGHTARG = bigint)",
         POLICY.replace("may_see(user_id)", "user_id <=>> 1")), "wrong",
    ),
    "behind a view": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'",
         "CREATE VIEW seen_users AS SELECT id FROM app_users WHERE may_see(id)",
         POLICY.replace("may_see(user_id)", "user_id IN (SELECT id FROM seen_users)")), "wrong",
    ),
    "of do_not_ask": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'", "ALTER TABLE connection_paths.do_not_ask ENABLE ROW LEVEL SECURITY",
         "CREATE POLICY all_of_it ON user_contact_collections USING (true)",
         POLICY.replace("user_contact_collections", "connection_paths.do_not_ask").replace("user_id", "contact_id")),
        "wrong",
    ),
    "that names nothing": ((f"{MAY_SEE} sql AS 'SELECT $1 > 0'", POLICY), None),
    "with its own path": ((f"{MAY_SEE} sql SET search_path = public AS 'SELECT {LOOKS_UP}'", POLICY), None),
    "that is bound": ((f"{MAY_SEE} sql RETURN {LOOKS_UP}", POLICY), None),
    "of writers": (
        (f"{MAY_SEE} sql AS 'SELECT {LOOKS_UP}'", "CREATE POLICY all_of_it ON user_contact_collections USING (true)",
         POLICY.replace("USING", "FOR INSERT WITH CHECK")), None,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def asker(new_database: Callable[[], str]) -> Iterator[tuple[Connection, str]]:
    """A superuser's connection to a database with one path in it, and the connection string of a role that may read."""
    dsn = new_database()
    role = f"connection_paths_policy_{os.getpid()}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn)
        for statement in (
            "INSERT INTO contacts VALUES (1, ''), (2, '')",
            "INSERT INTO organizations VALUES (1, '')",
            "INSERT INTO contact_work_experiences VALUES"
            " (1, 1, 1, '', '2010-01-01', NULL), (2, 2, 1, '', '2010-01-01', NULL)",
            "INSERT INTO user_contact_collections VALUES (1, 2, 1, 1)",
            "INSERT INTO connection_paths.do_not_ask (collection_id, contact_id) VALUES (1, 7)",
            "SELECT connection_paths.write_edges(ARRAY[1, 2])",
            "CREATE TABLE app_users AS SELECT 1::bigint AS id",
            'CREATE SCHEMA "my app"',
            f"CREATE ROLE {role} LOGIN",
            *(f"GRANT USAGE ON SCHEMA {schema} TO {role}" for schema in SCHEMAS),
            *(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}" for schema in SCHEMAS),
            f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths TO {role}",
            f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}",
        ):
            connection.execute(statement.encode())
        yield connection, make_conninfo(dsn, user=role)
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


@pytest.mark.parametrize("name", HELPERS)
def test_a_policy_whose_function_depends_on_search_path(asker: tuple[Connection, str], name: str) -> None:
    connection, poor = asker
    dsn = make_conninfo(poor, user=connection.info.user)
    statements, severity = HELPERS[name]
    tables = ("user_contact_collections", "connection_paths.do_not_ask")
    try:
        connection.execute("ALTER TABLE user_contact_collections ENABLE ROW LEVEL SECURITY")
        for statement in statements:
            connection.execute(statement.encode())
        found = [finding for finding in diagnose(dsn).findings if finding.check == "policies"]
        assert [finding.severity for finding in found] == ([severity] if severity else [])
        assert _asks(poor) is not bool(severity)
        for finding in found:
            assert any(f"policy seen of {table}" in finding.what.replace("public.", "") for table in tables)
            connection.execute((finding.mend or "").encode())
        assert not [finding for finding in diagnose(dsn).findings if finding.check == "policies"]
        assert _asks(poor)
    finally:
        for schema in ("public", '"my app"'):
            for arguments in ("bigint", "bigint, bigint"):
                connection.execute(f"DROP FUNCTION IF EXISTS {schema}.may_see({arguments}) CASCADE".encode())
        for table in tables:
            connection.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY".encode())
        connection.execute("DROP POLICY IF EXISTS all_of_it ON user_contact_collections")


def _asks(dsn: str) -> bool:
    """Whether find_paths answers; the one path there is must be in the answer."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            row = connection.execute("SELECT connection_paths.find_paths(1, 1, 1)").fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction):
            return False
    assert row is not None
    assert len(row[0]["paths"]) == 1
    return True


def test_a_view_that_moved_on_is_told_of_and_of_its_index(db: Connection, dsn: str) -> None:
    db.execute(
        "CREATE OR REPLACE VIEW connection_paths.collection_members WITH (security_invoker = true) AS"
        " SELECT x.collection_id, x.contact_id, x.user_id FROM user_contact_collections AS x"
        " WHERE x.source IN (0, 1, 2, 3, 5, 10, 11) AND x.user_id IS NOT NULL"
    )
    view, index, *others = diagnose(dsn).findings
    assert (view.check, view.object) == ("views", "connection_paths.collection_members")
    assert "11" in view.what
    assert (index.check, index.object, index.mend) == ("indexes", MEMBERS, view.mend)
    assert "5, 10])) AND" in index.what
    assert "5, 10, 11])) AND" in index.what
    assert others == []
    check_cured(dsn, index)


def test_a_view_that_is_dropped_takes_what_is_bound_to_it_along(host: str) -> None:
    install(host)
    with psycopg.connect(host, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="work_overlaps"):
            connection.execute("DROP VIEW connection_paths.live_contacts")
        connection.execute("DROP VIEW connection_paths.live_contacts CASCADE")
    wrong = {finding.check: finding.what for finding in diagnose(host).findings if finding.severity == "wrong"}
    assert "live_contacts is missing" in wrong["views"]
    assert "missing: " in wrong["functions"]
    assert "work_overlaps" in wrong["functions"]


def test_an_index_that_is_cheaper_than_ours(db: Connection, dsn: str) -> None:
    """Ours has become a level deeper than it need be: the wide one is what the planner takes, without a word."""
    keep(db)
    db.execute(f"INSERT INTO {TABLE} SELECT 1, g, 1, 1 FROM generate_series(10000, 250000) AS g")
    db.execute(f"DELETE FROM {TABLE} WHERE contact_id % 100 <> 0")
    db.execute(f"VACUUM {TABLE}")
    db.execute(f"CREATE INDEX wide ON {TABLE} (collection_id, contact_id) INCLUDE (user_id, source)")
    db.execute(f"VACUUM (ANALYZE) {TABLE}")
    try:
        finding = sole(dsn)
        assert (finding.check, finding.object) == ("plans", MEMBERS)
        assert "by index wide, not by idx_members_by_collection" in finding.what
        for finder in ("find_paths", "deep_finder", "legacy_finder"):
            assert f"{finder} (generic plan), {finder} (custom plan)" in finding.what
        check_cured(dsn, finding)
    finally:
        db.execute("DROP INDEX wide")
        restore(db)


def test_a_broken_index_is_not_told_of_twice(db: Connection, dsn: str) -> None:
    """The plans without it are looked at all the same."""
    db.execute("ALTER TABLE organizations DROP CONSTRAINT organizations_pkey")
    db.execute("DROP INDEX idx_experiences_by_contact")
    index, plan, *others = diagnose(dsn).findings
    assert (index.object, plan.object, others) == ("idx_experiences_by_contact", "public.organizations", [])
    mend(dsn, index)
    check_cured(dsn, plan)


@pytest.mark.parametrize("exact", [False, True])
def test_a_bloated_index(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
    if exact:
        if not db.execute("SELECT FROM pg_available_extensions WHERE name = 'pgstattuple'").rowcount:
            pytest.skip("pgstattuple is not there")
        db.execute("CREATE SCHEMA ext; CREATE EXTENSION pgstattuple SCHEMA ext")
    keep(db)
    db.execute(f"DELETE FROM {TABLE} WHERE contact_id % 6 <> 0")
    db.execute(f"VACUUM (ANALYZE) {TABLE}")
    try:
        assert diagnose(dsn).findings == []  # small
        monkeypatch.setattr(indexes, "BLOATED", (100_000, 2.0))
        finding = sole(dsn)
        assert (finding.check, finding.severity, finding.object) == ("index sizes", "wrong", f"public.{MEMBERS}")
        assert ("leaves are" if exact else "estimate") in finding.what
        check_cured(dsn, finding)
    finally:
        restore(db)
        if exact:
            db.execute("DROP SCHEMA ext CASCADE")


def test_an_index_that_pgstattuple_clears(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the estimate says."""
    if not db.execute("SELECT FROM pg_available_extensions WHERE name = 'pgstattuple'").rowcount:
        pytest.skip("pgstattuple is not there")
    monkeypatch.setattr(indexes, "BLOATED", (100_000, 2.0))
    db.execute("UPDATE pg_class SET reltuples = 10 WHERE relname = %s", (MEMBERS,))
    assert sole(dsn).object == f"public.{MEMBERS}"
    db.execute("CREATE EXTENSION pgstattuple")
    try:
        assert diagnose(dsn).findings == []
    finally:
        db.execute("DROP EXTENSION pgstattuple")
        analyse(db)


def test_indexes_that_nobody_uses(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    db.execute("SELECT pg_stat_reset()")
    assert diagnose(dsn).findings == []  # who knows what a week brings
    monkeypatch.setattr(indexes, "UNUSED", timedelta())
    found = diagnose(dsn)
    assert found.ok
    assert {(finding.check, finding.severity) for finding in found.findings} == {("index use", "advice")}
    assert {finding.object for finding in found.findings} == set(indexes.wanted_indexes())
    check_cured(dsn, found.findings[0])


@pytest.fixture
def quiet(db: Connection) -> Iterator[Connection]:
    """A table that autovacuum leaves alone, a finding in itself."""
    keep(db)
    db.execute(f"ALTER TABLE {TABLE} SET (autovacuum_enabled = false)")
    yield db
    db.execute(f"ALTER TABLE {TABLE} RESET (autovacuum_enabled)")
    restore(db)


def other_than_autovacuum(dsn: str) -> list[Finding]:
    told = diagnose(dsn).findings
    assert any("autovacuum leaves public.user_contact_collections out" in finding.what for finding in told)
    return [finding for finding in told if "autovacuum leaves" not in finding.what]


def test_a_table_that_autovacuum_leaves_out(quiet: Connection, dsn: str) -> None:
    finding = sole(dsn)
    assert (finding.check, finding.severity) == ("statistics", "wrong")
    check_cured(dsn, finding)


def test_edges_that_autovacuum_leaves_out(db: Connection, dsn: str) -> None:
    db.execute("ALTER TABLE connection_paths.contact_connections_live SET (autovacuum_enabled = off)")
    finding = sole(dsn)
    assert finding.object == EDGES
    check_cured(dsn, finding)


@pytest.mark.parametrize(
    "cause",
    [
        f"TRUNCATE {TABLE}; INSERT INTO {TABLE} SELECT * FROM kept",
        # as after the building of an index: rows were counted, and no more is known of them
        f"DELETE FROM pg_statistic WHERE starelid = '{TABLE}'::regclass",
    ],
)
def test_a_table_that_was_never_analysed(quiet: Connection, dsn: str, cause: str) -> None:
    quiet.execute(cause.encode())
    (finding,) = other_than_autovacuum(dsn)
    assert (finding.check, finding.severity, finding.object) == ("statistics", "wrong", f"public.{TABLE}")
    assert "was never analysed" in finding.what
    mend(dsn, finding)
    assert other_than_autovacuum(dsn) == []


@pytest.mark.parametrize(("share", "severity"), [(30, "advice"), (60, "wrong")])
def test_a_table_that_has_changed(quiet: Connection, dsn: str, share: int, severity: str) -> None:
    quiet.execute(f"UPDATE {TABLE} SET source = source WHERE contact_id %% 100 < {share}".replace("%%", "%"))
    quiet.execute("SELECT pg_stat_force_next_flush()")
    (finding,) = other_than_autovacuum(dsn)
    assert (finding.check, finding.severity, finding.object) == ("statistics", severity, f"public.{TABLE}")
    mend(dsn, finding)
    assert other_than_autovacuum(dsn) == []


@pytest.mark.parametrize(("share", "severity"), [(2, "advice"), (6, "wrong")])
def test_a_visibility_map_that_lets_index_only_scans_down(
    quiet: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, share: int, severity: str
) -> None:
    quiet.execute(
        f"UPDATE {TABLE} SET source = source WHERE ctid < (SELECT ctid FROM {TABLE} OFFSET {share * 3000} LIMIT 1)"
    )
    quiet.execute("SELECT pg_stat_force_next_flush()")
    quiet.execute(f"ANALYZE {TABLE}")
    assert other_than_autovacuum(dsn) == []  # small
    monkeypatch.setattr(tables, "WITH_MAP", 100)
    (finding,) = other_than_autovacuum(dsn)
    assert (finding.check, finding.severity, finding.object) == ("visibility map", severity, f"public.{TABLE}")
    mend(dsn, finding)
    assert other_than_autovacuum(dsn) == []


def test_a_migration_of_the_future(db: Connection, dsn: str) -> None:
    db.execute(
        "INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id) VALUES ('x', '0099_better')"
    )
    db.execute("DROP FUNCTION connection_paths.chain_contacts")  # it may have done away with it
    try:
        finding = sole(dsn)
        assert (finding.check, finding.mend) == ("migrations", "pip install --upgrade connection-paths")
        assert "0099_better" in finding.what
    finally:
        db.execute("DELETE FROM connection_paths._yoyo_migration WHERE migration_hash = 'x'")
    check_cured(dsn, sole(dsn))


def test_a_queue_that_is_long_or_followed(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_MANY", 2)
    db.execute("INSERT INTO connection_paths.contact_changes (contact_id) SELECT generate_series(1, 3)")
    finding = sole(dsn)
    assert (finding.check, finding.severity, finding.mend) == ("queue", "advice", "orchestrator sync --follow")
    db.execute("SELECT pg_advisory_lock(connection_paths.advisory_key('listener', 0))")
    finding = sole(dsn)
    assert "orchestrator sync --follow sleeps beside them" in finding.what
    assert finding.mend == "orchestrator sync"
    db.execute("SELECT pg_advisory_unlock_all()")
    check_cured(dsn, finding)


def test_a_run_that_somebody_works_on_is_well(db: Connection, dsn: str) -> None:
    db.execute("SELECT connection_paths.create_run('in_place')")
    try:
        assert diagnose(dsn).findings == []  # it has just begun
        db.execute("UPDATE connection_paths.backfill_runs SET created_at = '2020-01-01' WHERE status = 'running'")
        assert len(diagnose(dsn).findings) == 1
        for take in (
            "SELECT connection_paths.register_worker()",
            "UPDATE connection_paths.backfill_runs SET status = status,"
            " processes = jsonb_build_object('p', jsonb_build_object('at', now())) WHERE status = 'running'",
        ):
            db.execute(take.encode())
            assert diagnose(dsn).findings == []
            db.execute("SELECT pg_advisory_unlock_all()")
    finally:
        db.execute("SELECT connection_paths.cancel_run(run_id) FROM connection_paths.backfill_runs")


def test_few_connections_are_left(db: Connection, dsn: str) -> None:
    (most, *_), *_ = db.execute(sqlfiles.query("doctor/connections")).fetchall()
    with ExitStack() as stack:

        def leave(free: int) -> None:
            while db.execute(sqlfiles.query("doctor/connections")).fetchall()[0][2] > free:
                stack.enter_context(psycopg.connect(dsn))

        leave(11)  # one will be the doctor's
        assert diagnose(dsn).findings == []
        leave(8)
        finding = sole(dsn)
        assert (finding.check, finding.severity, finding.object) == ("connections", "wrong", "max_connections")
        assert finding.mend == f"ALTER SYSTEM SET max_connections = {2 * most};"
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


@pytest.mark.parametrize("name", SETTINGS_THAT_HURT)
def test_a_setting_that_hurts(db: Connection, dsn: str, name: str) -> None:
    value, severity = SETTINGS_THAT_HURT[name]
    database = db.info.dbname
    try:
        db.execute(f"ALTER DATABASE {database} SET {name} = {value}".encode())
        finding = sole(dsn)
        assert (finding.check, finding.severity, finding.object) == ("settings", severity, name)
        check_cured(dsn, finding)
        db.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET {name} = {value}".encode())
        finding = sole(dsn)
        assert "ALTER ROLE" in str(finding.mend)
        check_cured(dsn, finding)
        assert diagnose(make_conninfo(dsn, options=f"-c {name}={value}".replace("'", ""))).findings == []
    finally:
        db.execute(f"ALTER ROLE CURRENT_USER IN DATABASE {database} RESET ALL".encode())
        db.execute(f"ALTER DATABASE {database} RESET {name}".encode())
        advise(db)


def test_every_setting_is_tested() -> None:
    assert {setting.name for setting in settings._SETTINGS if not setting.of_server} == set(SETTINGS_THAT_HURT)


@pytest.mark.parametrize("name", [setting.name for setting in settings._SETTINGS if setting.of_server])
def test_a_setting_of_the_server_that_hurts(db: Connection, dsn: str, name: str) -> None:
    try:
        db.execute(f"ALTER SYSTEM SET {name} = off".encode())
        db.execute("SELECT pg_reload_conf()")
        while db.execute(f"SHOW {name}".encode()).fetchone() != ("off",):
            pass
        finding = sole(dsn)
        assert (finding.check, finding.severity, finding.object) == ("settings", "wrong", name)
        mend(dsn, finding)
        while db.execute(f"SHOW {name}".encode()).fetchone() != ("on",):
            pass
        assert diagnose(dsn).findings == []
    finally:
        db.execute(f"ALTER SYSTEM RESET {name}".encode())
        db.execute("SELECT pg_reload_conf()")


# A pooler, a standby, a role with few rights, a server that is busy: what can be looked at is.


@contextmanager
def pooler(dsn: str) -> Iterator[str]:
    """What a client sees of a pooler: all that the server says, except for the number of its process."""
    given = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    upstream = Path(given["host"]) / f".s.PGSQL.{given.get('port', 5432)}"
    with tempfile.TemporaryDirectory(prefix="cp-") as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(Path(directory) / ".s.PGSQL.5432"))
        listener.listen()

        def pump(source: socket.socket, target: socket.socket, renumber: bool) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    at = data.find(b"K" + struct.pack("!I", 12)) if renumber else -1
                    if at >= 0:
                        data = data[: at + 5] + struct.pack("!I", 4711) + data[at + 9 :]
                        renumber = False
                    target.sendall(data)
            with suppress(OSError):
                target.shutdown(socket.SHUT_WR)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(str(upstream))
                    for source, target, renumber in ((client, server, False), (server, client, True)):
                        threading.Thread(target=pump, args=(source, target, renumber), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield make_conninfo(dsn, host=directory, port=5432)
        listener.shutdown(socket.SHUT_RDWR)


def test_a_pooler_in_between(db: Connection, dsn: str) -> None:
    with pooler(dsn) as pooled:
        found = diagnose(pooled)
        (finding,) = found.findings
        assert (finding.check, finding.severity, finding.object) == ("pooler", "wrong", "connection")
        assert [skipped.check for skipped in found.skipped] == ["plans"]
        export, assignment = shlex.split(str(finding.mend))
        name, _, direct = assignment.partition("=")
        assert (export, name) == ("export", "ORCHESTRATOR_DSN")
        assert diagnose(direct).findings == []
        with pytest.raises(OrchestratorError, match="pooler"):
            sync(pooled)


def test_nothing_stays_in_the_session(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooler would give it to the next client."""
    seen: list[list[Any]] = []
    queries = (
        "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY 1",
        "SELECT name FROM pg_prepared_statements",
        "SELECT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'",
        "SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()",
    )

    class Kept(psycopg.Connection[tuple[Any, ...]]):
        def close(self) -> None:
            if not self.closed:
                seen.append([self.execute(query.encode()).fetchall() for query in queries])
            super().close()

    monkeypatch.setattr(psycopg, "connect", Kept.connect)
    assert diagnose(dsn).checked
    assert seen == [[[], [], [], []]]


def test_it_cannot_write(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(subject: Subject) -> Iterator[Finding]:
        subject.connection.execute("DELETE FROM connection_paths.contact_changes")
        return iter(())

    monkeypatch.setattr(diagnosis, "_CHECKS", (diagnosis._Check("writing", write), *diagnosis._CHECKS))
    found = diagnose(dsn)
    (finding,) = found.findings
    assert (finding.check, finding.severity, finding.mend) == ("writing", "wrong", None)
    assert "read-only transaction" in finding.what
    assert len(found.checked) == len(diagnosis._CHECKS) - 1  # the others were made


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
            assert {skipped.check for skipped in found.skipped} == {"queue", "runs"}
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
                assert "target_session_attrs=read-write" in refused.output, command
            both = conninfo_to_dict(replica)["host"], conninfo_to_dict(dsn)["host"]
            named = make_conninfo(dsn, host=",".join(map(str, both)), port="", target_session_attrs="read-write")
            assert run("--dsn", named, "sync").exit_code == 0
            with psycopg.connect(replica) as reader, psycopg.connect(replica, autocommit=True) as there:
                reader.execute(f"SELECT count(*) FROM {EDGES}".encode())
                for finding in found.findings[1:]:
                    for statement in (finding.mend or "").splitlines():
                        there.execute(statement.encode())
                monkeypatch.setattr(standbys, "LONG", 0)
                still = diagnose(replica).findings[1:]
                assert [finding.object for finding in still] == [
                    "max_standby_streaming_delay", str(reader.info.backend_pid),
                ]  # fmt: skip
                there.execute((still[1].mend or "").encode())
                with pytest.raises(psycopg.errors.AdminShutdown):
                    reader.execute("SELECT 1")
                monkeypatch.undo()
                assert [finding.object for finding in diagnose(replica).findings] == [MEMBERS]
                there.execute("ALTER SYSTEM SET max_standby_streaming_delay = -1")
                there.execute("SELECT pg_reload_conf()")
            assert "find_paths waits without end here" in diagnose(replica).findings[1].what
            (of_primary,) = [finding for finding in diagnose(dsn).findings if finding.check == "standbys"]
            assert of_primary.severity == "advice"
            assert "has 1 standby (walreceiver)" in of_primary.what


@pytest.fixture
def role(db: Connection) -> Iterator[str]:
    """A role that may log in and no more."""
    name = f"connection_paths_doctor_{os.getpid()}"
    db.execute(f"CREATE ROLE {name} LOGIN".encode())
    yield name
    db.execute(f"DROP OWNED BY {name}".encode())
    db.execute(f"DROP ROLE {name}".encode())


def test_who_has_no_rights_is_told_what_he_may_know(db: Connection, dsn: str, role: str) -> None:
    poor = make_conninfo(dsn, user=role)
    found = diagnose(poor)
    assert found.findings == []
    assert {skipped.check for skipped in found.skipped} == {
        *("migrations", "views", "index use", "plans", "queue", "runs", "rebuild leftovers"),
    }
    assert all("permission denied" in skipped.why for skipped in found.skipped)
    shown = run("--dsn", poor, "doctor")
    assert shown.exit_code == 0
    assert "NOT CHECKED: plans: permission denied" in shown.stdout
    assert shown.stdout.endswith("All is well, as far as it was checked.\n")
    db.execute(f"DROP INDEX {MEMBERS}")
    finding = sole(poor)
    assert (finding.check, finding.object) == ("indexes", MEMBERS)
    check_cured(dsn, finding)


def test_who_may_read_may_look_at_everything(db: Connection, dsn: str, role: str) -> None:
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


def test_a_table_that_is_locked_keeps_nothing_else_from_being_looked_at(
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


def test_a_check_that_takes_too_long(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
            assert "right now" in finding.what
    finally:
        db.execute(f"DROP INDEX growing; REINDEX INDEX {MEMBERS}")


def test_a_table_that_is_gone_is_a_finding(db: Connection, dsn: str) -> None:
    db.execute("ALTER TABLE connection_paths.contact_changes RENAME TO mislaid")
    try:
        found = diagnose(dsn)
        assert {(finding.check, finding.severity) for finding in found.findings} >= {
            ("queue", "wrong"),
            ("installation", "wrong"),
        }
        assert all("contact_changes" in finding.what for finding in found.findings)
    finally:
        db.execute("ALTER TABLE connection_paths.mislaid RENAME TO contact_changes")


def test_an_empty_install_is_well(host: str) -> None:
    install(host)
    with psycopg.connect(host, autocommit=True) as connection:
        advise(connection)
    assert diagnose(host).findings == []
    with psycopg.connect(host, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute(f"DROP INDEX {MEMBERS}, connection_paths.idx_cc_walk_a")
    assert {finding.object for finding in diagnose(host).findings} == {MEMBERS, "idx_cc_walk_a"}
    for finding in diagnose(host).findings:
        mend(host, finding)
    assert diagnose(host).findings == []


def test_a_host_schema_of_any_name(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(HOSTILE)))
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(HOSTILE)))
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(database, HOSTILE)
        advise(connection)
        assert diagnose(database).findings == []
        connection.execute(other_index(MEMBERS, f"{TABLE} {COLUMNS}"))
        connection.execute("DROP TRIGGER connection_paths_inserted ON contacts")
        connection.execute("ALTER TABLE organizations DISABLE TRIGGER connection_paths_inserted")
        connection.execute("DROP VIEW connection_paths.live_contacts CASCADE")
        connection.execute("ALTER TABLE organizations DROP CONSTRAINT organizations_pkey")
    for _ in range(5):
        found = diagnose(database).findings
        if found:
            mend(database, found[0])
    assert diagnose(database).findings == []


def test_what_is_not_installed_says_so(host: str, dsn: str) -> None:
    for given in (host, make_conninfo(dsn, dbname="postgres")):
        result = run("--dsn", given, "doctor")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert "orchestrator install" in result.stderr


def test_the_command(db: Connection, dsn: str) -> None:
    well = run("--dsn", dsn, "doctor")
    assert (well.exit_code, well.stdout) == (0, "All is well.\n")
    db.execute("SELECT set_config('lock_timeout', '5s', false)")
    db.execute(f"DROP INDEX {MEMBERS}")
    db.execute(f"ALTER DATABASE {db.info.dbname} SET jit = on".encode())
    try:
        result = run("--dsn", dsn, "doctor")
        assert result.exit_code == 3
        first, *lines = result.stdout.splitlines()
        assert first == f"WRONG: {MEMBERS} is missing on public.{TABLE}"
        assert lines[0] == "    orchestrator install"
        assert any(line.startswith("ADVICE: jit is on: ") for line in lines)
        assert lines[-1] == "2 findings."
        told = json.loads(run("--dsn", dsn, "--json", "doctor").stdout)
        assert (told["ok"], told["standby"], told["skipped"]) == (False, False, [])
        assert told["checked"] == [check.name for check in diagnosis._CHECKS]
        assert [finding["severity"] for finding in told["findings"]] == ["wrong", "advice"]
        assert told["findings"][0]["mend"] == "orchestrator install"
        assert run("--dsn", dsn, "install").exit_code == 0
        result = run("--dsn", dsn, "doctor")
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 finding.")  # advice is not a failure
    finally:
        db.execute(f"ALTER DATABASE {db.info.dbname} SET jit = off".encode())


def test_the_files_are_read_as_they_are_meant() -> None:
    """What is wanted comes from the files that install takes, every one of them."""
    assert set(indexes.wanted_indexes()) == {path.stem for path in (sqlfiles.ROOT / "indexes").glob("*.sql")}
    assert {index.view for index in indexes.wanted_indexes().values()} == {
        *("collection_members", "work_experiences", "contact_connections"),
    }
    assert set(versions.view_tables().values()) == {
        *("contacts", "organizations", "contact_work_experiences", TABLE),
    }
    expected = {name for probe in plans._PROBES for name in probe.expected}
    assert expected == set(indexes.wanted_indexes())
    assert Diagnosis([], [], [], standby=False, seconds=0).ok
