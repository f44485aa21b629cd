"""A detached table can be altered in any way. Meanwhile no query ignores its rows, and no edge is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from click.testing import CliRunner

from orchestrator import cli
from orchestrator.changes.sync import sync
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.detaching.detaching import attach, detach
from orchestrator.host import binding, sources
from orchestrator.host.sources import TABLES
from orchestrator.install.installation import uninstall
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.verify.verification import verify
from tests.support.catalog import describe, difference
from tests.support.changes import fill
from tests.support.copies import copied
from tests.support.edges import edges, right_edges
from tests.support.properties import first_of
from tests.support.psql import run
from tests.support.sessions import connect, value

VIEWS = {
    "contacts": "live_contacts",
    "organizations": "known_organizations",
    "contact_work_experiences": "work_experiences",
    "user_contact_collections": "collection_members",
}


@pytest.fixture(scope="module")
def dsn(new_installed: Callable[[], str]) -> str:
    given = new_installed()
    with connect(given) as connection:
        fill(connection)
        connection.execute("INSERT INTO user_contact_collections SELECT 1, i, 1, 0 FROM generate_series(1, 4) AS i")
        sync(given)
    return given


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    with connect(dsn) as connection:
        yield connection
        assert sources.problems(connection, "public") == [], "a test has left something broken"
        sync(dsn)
        assert edges(connection) == right_edges(connection)


@contextmanager
def detached(db: Connection, *tables: str) -> Iterator[None]:
    """Detach some tables within a transaction that is rolled back."""
    with db.transaction(force_rollback=True):
        for table in tables:
            assert value(db, "SELECT connection_paths.detach_source(%s)", table)
        yield


def ask(db: Connection, settings: str, query: str) -> None:
    with db.transaction():
        db.execute(settings.encode() or b"SELECT 1")
        db.execute(query.encode())


@pytest.mark.parametrize("table", TABLES)
def test_no_query_treats_a_detached_table_as_empty(db: Connection, table: str) -> None:
    view = f"connection_paths.{VIEWS[table]}"
    key = "contact_id" if table in ("contact_work_experiences", "user_contact_collections") else "id"
    with detached(db, table):
        for query in (
            f"SELECT * FROM {view}",
            f"SELECT count(*) FROM {view}",
            f"SELECT FROM {view} WHERE {key} = 1 LIMIT 1",
            f"SELECT EXISTS (SELECT FROM {view} WHERE {key} = 1)",
            f"SELECT count(*) FROM contacts AS c WHERE NOT EXISTS (SELECT FROM {view} AS v WHERE v.{key} = c.id)",
            f"SELECT count(*) FROM contacts AS c LEFT JOIN {view} AS v ON v.{key} = c.id WHERE v.{key} IS NOT NULL",
            f"SELECT count(*) FROM contacts AS c JOIN {view} AS v ON v.{key} = c.id",
            f"SELECT count(*) FROM contacts AS c JOIN {view} AS v USING ({key})"
            if key == "id"
            else f"SELECT count(*) FROM user_contact_collections AS c JOIN {view} AS v USING ({key})",
            f"SELECT c.id FROM contacts AS c CROSS JOIN LATERAL (SELECT FROM {view} AS v WHERE v.{key} = c.id) AS l",
            f"SELECT count(*) FROM contacts WHERE id IN (SELECT {key} FROM {view})",
            f"SELECT count(*) FROM contacts WHERE id NOT IN (SELECT {key} FROM {view})",
            f"SELECT {key} FROM {view} UNION SELECT id FROM contacts",
            f"SELECT max({key}) FROM {view} WHERE {key} IS NULL",
        ):
            for settings in ("", "SET LOCAL plan_cache_mode = force_generic_plan", "SET LOCAL enable_hashjoin = off"):
                with pytest.raises(psycopg.Error, match=f"public.{table} is detached") as raised:
                    ask(db, settings, query)
                assert raised.value.sqlstate == "CP010", query


@pytest.mark.parametrize("table", TABLES)
def test_functions_that_write_edges_refuse_at_once(db: Connection, dsn: str, table: str) -> None:
    before = edges(db)
    with detached(db, table):
        for call in (
            "sync_changes()", "backfill_contact(1)", "write_edges('{}')",
            "create_run('in_place')", "create_run('rebuild')", "refresh_range(NULL, NULL)", "rebuild_range(1, 2)",
        ):  # fmt: skip
            message = f"detached.*: public.{table}|public.{table} is detached"
            with pytest.raises(psycopg.Error, match=message) as raised, db.transaction():
                db.execute(f"SELECT connection_paths.{call}".encode())
            assert raised.value.sqlstate == "CP010"
    detach(dsn, [table])
    try:
        db.execute(
            "UPDATE contact_work_experiences SET date_to = '2041-01-01' WHERE id = 3"
        )  # the change is still captured
        with pytest.raises(psycopg.Error, match="detached"):
            sync(dsn)
        with pytest.raises(psycopg.Error, match="detached"):
            backfill(dsn, BackfillOptions(strategy="in_place", limits=None))
        said = verify(dsn)
        assert not said.ok
        assert said.findings == [f"table public.{table} is detached: its rows are not read; run orchestrator attach"]
        assert edges(db) == before
    finally:
        attach(dsn)
    assert value(db, "SELECT count(*) FROM connection_paths.contact_changes WHERE error IS NOT NULL") == 0


#: Statements of a migration on detached tables. On attached tables they fail, or drop the views.
MIGRATIONS = {
    "nothing": "",
    "text to varchar": "ALTER TABLE contacts ALTER name TYPE varchar(80)",
    "varchar to text": "ALTER TABLE contacts ALTER name TYPE text",
    "another collation and back": 'ALTER TABLE organizations ALTER name TYPE text COLLATE "C";'
    ' ALTER TABLE organizations ALTER name TYPE text COLLATE "default"',
    "smallint to integer": "ALTER TABLE user_contact_collections ALTER source TYPE integer",
    "a column made anew": "ALTER TABLE contact_work_experiences ADD ended date; UPDATE contact_work_experiences"
    " SET ended = date_to; ALTER TABLE contact_work_experiences DROP date_to;"
    " ALTER TABLE contact_work_experiences RENAME ended TO date_to",
    "another table": "ALTER TABLE contact_work_experiences RENAME TO old_jobs; CREATE TABLE contact_work_experiences"
    " (LIKE old_jobs INCLUDING DEFAULTS); INSERT INTO contact_work_experiences SELECT * FROM old_jobs",
    "the old one dropped": "CREATE TABLE new_members AS TABLE user_contact_collections;"
    " DROP TABLE user_contact_collections; ALTER TABLE new_members RENAME TO user_contact_collections",
    "contacts made anew": "CREATE TABLE new_contacts (id bigint PRIMARY KEY, name varchar(99));"
    " INSERT INTO new_contacts SELECT id, name FROM contacts WHERE id <> 8; DROP TABLE contacts;"
    " ALTER TABLE new_contacts RENAME TO contacts",
    "a column from elsewhere": "ALTER TABLE contact_work_experiences ADD IF NOT EXISTS since timestamptz;"
    " ALTER TABLE contact_work_experiences DROP date_from;"
    " ALTER TABLE contact_work_experiences ADD date_from date DEFAULT '2015-01-01'",
}


def schema_of(dsn: str) -> list[str]:
    """Describe the catalog without the casts of names, which are different when a name is varchar."""
    return [re.sub(r"^(view .*\.live_\w+ text) .*", r"\1", line) for line in describe(dsn, "connection_paths")]


@pytest.fixture(scope="module")
def before(dsn: str) -> list[str]:
    return schema_of(dsn)


@pytest.mark.parametrize("what", MIGRATIONS)
@pytest.mark.parametrize("how", first_of(2, ["SQL", "orchestrator"]))
def test_a_migration_between_detach_and_attach(
    db: Connection, dsn: str, before: list[str], what: str, how: str
) -> None:
    db.execute("DROP TABLE IF EXISTS old_jobs")
    indexes = value(db, "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'idx_%' AND schemaname = 'public'")
    if how == "orchestrator":
        assert detach(dsn) == list(TABLES)
        assert detach(dsn) == []
        db.execute(MIGRATIONS[what].encode())
        assert attach(dsn) == sorted(TABLES)
        assert attach(dsn) == []
    else:
        text = "\n".join(f"SELECT connection_paths.detach_source('{table}');" for table in TABLES)
        text += f"\n{MIGRATIONS[what]};\n"
        text += "\n".join(f"SELECT connection_paths.attach_source('{table}') \\gexec" for table in TABLES)
        done = run(dsn, text, "-v", "ON_ERROR_STOP=1")
        assert done.returncode == 0, done.stderr
    assert difference(before, schema_of(dsn)) == ""
    assert sources.problems(db, "public") == []
    assert indexes == value(
        db, "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'idx_%' AND schemaname = 'public'"
    )
    assert value(db, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0
    db.execute("UPDATE contact_work_experiences SET date_to = date_to + 1 WHERE id = 4")  # the fixture compares edges
    for table in TABLES:
        db.execute(f"SELECT count(*) FROM connection_paths.{VIEWS[table]}".encode())


#: Statements after which a table does not fit, and the message of attach.
WRONG = {
    "another type": (
        "contacts",
        "ALTER TABLE contacts ALTER id TYPE uuid USING lpad(id::text, 32, '0')::uuid",
        'table public.contacts cannot be attached: cannot change data type of view column "id" from bigint to uuid',
    ),
    "a column less": (
        "organizations",
        "ALTER TABLE organizations DROP name",
        "table public.organizations cannot be attached: column",
    ),
    "two at once": (
        "contact_work_experiences",
        "ALTER TABLE contact_work_experiences ALTER contact_id TYPE text, DROP date_from",
        "table public.contact_work_experiences cannot be attached: column",
    ),
    "a column of the rule": (
        "user_contact_collections",
        "ALTER TABLE user_contact_collections DROP source CASCADE",
        "source",
    ),
    "no table": ("contacts", "DROP TABLE contacts", "there is no ordinary table public.contacts without child tables"),
    "a view": (
        "contacts",
        "ALTER TABLE contacts RENAME TO people; CREATE VIEW contacts AS TABLE people",
        "there is no ordinary table public.contacts without child tables",
    ),
    "a child": (
        "contacts",
        "CREATE TABLE kid () INHERITS (contacts)",
        "there is no ordinary table public.contacts without child tables",
    ),
    "partitioned": (
        "organizations",
        "ALTER TABLE organizations RENAME TO more; CREATE TABLE organizations (LIKE more) PARTITION BY LIST (id)",
        "there is no ordinary table public.organizations without child tables",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_table_that_does_not_fit_is_not_attached(db: Connection, what: str) -> None:
    table, change, said = WRONG[what]
    with detached(db, table):
        db.execute(change.encode())
        with pytest.raises(psycopg.Error) as raised, db.transaction():
            db.execute("SELECT connection_paths.attach_source(%s)", (table,))
        assert said in str(raised.value)
        with pytest.raises(psycopg.Error, match="is detached"), db.transaction():
            db.execute(f"SELECT FROM connection_paths.{VIEWS[table]}".encode())


def test_every_reader_of_a_view_gets_the_reason(db: Connection) -> None:
    with db.transaction(force_rollback=True):
        db.execute("CREATE ROLE reads; GRANT USAGE ON SCHEMA connection_paths TO reads")
        db.execute("GRANT SELECT ON connection_paths.live_contacts TO reads; GRANT SELECT ON contacts TO reads")
        db.execute("SELECT connection_paths.detach_source('contacts')")
        db.execute("SET LOCAL ROLE reads")
        with pytest.raises(psycopg.Error, match="is detached"), db.transaction():
            db.execute("SELECT FROM connection_paths.live_contacts")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.transaction():
            db.execute("SELECT connection_paths.attach_source('contacts')")


def test_row_triggers_for_replicas_come_back_with_another_table(db: Connection) -> None:
    with db.transaction(force_rollback=True):
        for table in ("contacts", "organizations", "contact_work_experiences"):
            text = binding.default("public").fill(sqlfiles.read("triggers", "replicated", f"{table}.sql"))
            db.execute(text)
        db.execute("SELECT connection_paths.detach_source('contacts')")
        db.execute("DROP TABLE contacts; CREATE TABLE contacts (id bigint, name text)")
        db.execute("SELECT connection_paths.attach_source('contacts')")
        assert sources.problems(db, "public") == []


def test_only_the_four_host_tables_can_be_detached(db: Connection, dsn: str) -> None:
    for wrong in ("kontakte", "public.contacts", "live_contacts", "", None):
        with pytest.raises(psycopg.errors.InvalidParameterValue):
            db.execute("SELECT connection_paths.detach_source(%s)", (wrong,))
    with pytest.raises(OrchestratorError, match="kontakte is not one of"):
        detach(dsn, ["kontakte"])
    with pytest.raises(OrchestratorError, match="kontakte is not one of"):
        attach(dsn, ["kontakte"])


def test_the_commands_detach_and_attach(db: Connection, dsn: str) -> None:
    def ask(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli.main, ["--dsn", dsn, *words])
        return done.exit_code, done.output

    assert ask("detach", "contacts")[0] == 0
    status, told = ask("sync")
    assert status == 1
    assert "detached from connection_paths: public.contacts" in told
    status, told = ask("doctor")
    assert status == 3
    assert "orchestrator attach" in told
    assert "orchestrator install" not in told
    status, told = ask("attach", "--json")
    assert (status, json.loads(told)) == (0, {"attached": ["contacts"]})
    assert ask("attach") == (0, "Nothing to do: no table is detached.\n")
    assert ask("sync")[0] == 0
    assert ask("doctor")[0] == 0


def test_uninstall_while_tables_are_detached(server: str, dsn: str) -> None:
    for tables in (*([table] for table in TABLES), TABLES):
        with copied(server, dsn) as copy:
            detach(copy, tables)
            uninstall(copy)
            with connect(copy) as connection:
                assert value(connection, "SELECT to_regnamespace('connection_paths')") is None
                found = "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'connection_paths%'"
                assert value(connection, found) == 0
