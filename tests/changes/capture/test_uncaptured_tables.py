"""Tables whose changes cannot be captured are found, reported and refused."""

from __future__ import annotations

import psycopg
import pytest

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host import binding, sources
from orchestrator.install.installation import install
from orchestrator.verify.verification import verify
from tests.support.capture import TABLES, for_replicas
from tests.support.copies import copied
from tests.support.sessions import connect, value

PROBLEMS: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    **{
        f"{table} exchanged": (
            f"ALTER TABLE {table} RENAME TO old; CREATE TABLE {table} (LIKE old)",
            [
                *([("stray trigger", "public.old", "install")] if table in TABLES else []),
                *([("trigger", f"public.{table}", "install")] if table in TABLES else []),
                ("view", f"connection_paths.{view}", "install"),
            ],
        )
        for table, view in (
            *((t, v) for t, (v, _) in TABLES.items()),
            ("user_contact_collections", "collection_members"),
        )
    },
    "contacts moved": (
        "CREATE SCHEMA elsewhere; ALTER TABLE contacts SET SCHEMA elsewhere",
        [
            ("stray trigger", "elsewhere.contacts", "install"),
            ("table", "public.contacts", "person"),
            ("view", "connection_paths.live_contacts", "person"),
        ],
    ),
    "a table dropped": (
        "DROP TABLE organizations CASCADE",
        [("table", "public.organizations", "person"), ("view", "connection_paths.known_organizations", "person")],
    ),
    "a table dropped and created": (
        "DROP TABLE contacts CASCADE; CREATE TABLE contacts (id bigint PRIMARY KEY, name text)",
        [("trigger", "public.contacts", "install"), ("view", "connection_paths.live_contacts", "install")],
    ),
    "a view dropped": (
        "DROP VIEW connection_paths.collection_members CASCADE",
        [("view", "connection_paths.collection_members", "install")],
    ),
    "a view of nothing": (
        "CREATE OR REPLACE VIEW connection_paths.live_contacts AS SELECT 1::bigint AS id, 'x'::text AS name",
        [("view", "connection_paths.live_contacts", "install")],
    ),
    "a trigger disabled": (
        "ALTER TABLE organizations DISABLE TRIGGER connection_paths_deleted",
        [("trigger", "public.organizations", "install")],
    ),
    "all triggers disabled": (
        "ALTER TABLE contact_work_experiences DISABLE TRIGGER ALL",
        [("trigger", "public.contact_work_experiences", "install")],
    ),
    "a trigger for replicas only": (
        "ALTER TABLE contacts ENABLE REPLICA TRIGGER connection_paths_inserted",
        [("trigger", "public.contacts", "install")],
    ),
    "a trigger dropped": (
        "DROP TRIGGER connection_paths_truncated ON contacts",
        [("trigger", "public.contacts", "install")],
    ),
    "another function": (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE OR REPLACE TRIGGER connection_paths_deleted AFTER DELETE ON contacts EXECUTE FUNCTION f()",
        [("trigger", "public.contacts", "install")],
    ),
    "a child": (
        "CREATE TABLE kid () INHERITS (contact_work_experiences)",
        [("inheritance", "public.contact_work_experiences", "person")],
    ),
    "a parent": (
        "CREATE TABLE parent (LIKE organizations); ALTER TABLE organizations INHERIT parent",
        [("inheritance", "public.organizations", "person")],
    ),
    "a partition": (
        "CREATE TABLE whole (LIKE user_contact_collections) PARTITION BY LIST (source);"
        " ALTER TABLE whole ATTACH PARTITION user_contact_collections DEFAULT",
        [("inheritance", "public.user_contact_collections", "person")],
    ),
    "row triggers on one table only": (
        "@replicated contacts@",
        [
            ("trigger", "public.contact_work_experiences", "replicated"),
            ("trigger", "public.organizations", "replicated"),
        ],
    ),
    "a row trigger that fires for nobody": (
        "@replicated contacts@; @replicated organizations@; @replicated contact_work_experiences@;"
        " ALTER TABLE contacts DISABLE TRIGGER connection_paths_replicated",
        [("trigger", "public.contacts", "replicated")],
    ),
}


@pytest.mark.parametrize("what", PROBLEMS)
def test_problems_are_found(db: Connection, what: str) -> None:
    change, expected = PROBLEMS[what]
    for table in TABLES:
        change = change.replace(f"@replicated {table}@", for_replicas(table))
    with db.transaction(force_rollback=True):
        db.execute(change.encode())
        found = sources.problems(db, "public")
        assert [(each.kind, each.object, each.remedy) for each in found] == expected
        assert all(each.sentence for each in found)


def test_install_refuses_tables_whose_writes_triggers_do_not_see(host: str) -> None:
    with connect(host) as connection:
        for what in ("a child", "a parent", "a partition"):
            connection.execute(PROBLEMS[what][0].encode())
            with pytest.raises(OrchestratorError, match=r"(has child tables|is a (child table|partition) of)"):
                install(host)
            assert value(connection, "SELECT to_regnamespace('connection_paths')") is None
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            connection.execute(sqlfiles.query("install/demo_tables"))


def test_verify_and_doctor_report_uncaptured_tables(server: str, dsn: str) -> None:
    for what in ("a view dropped", "contacts exchanged", "a child", "a trigger disabled"):
        with copied(server, dsn) as copy, connect(copy) as connection:
            connection.execute(PROBLEMS[what][0].encode())
            (finding,) = [each for each in diagnose(copy).findings if each.object == PROBLEMS[what][1][-1][1]][-1:]
            assert finding.severity == "wrong", what
            said = verify(copy, sample=10)
            assert not said.ok, what
            assert said.findings[-1].startswith(sources.problems(connection, "public")[-1].problem[:20]), what


CITUS = {
    "distributed": ("public.contacts", "h", "s"),
    "distributed by range": ("public.contact_work_experiences", "r", "c"),
    "reference": ("public.organizations", "n", "t"),
    "local": ("public.user_contact_collections", "n", "s"),
    "of the package": ("connection_paths.contact_connections_live", "h", "s"),
}


@pytest.mark.parametrize("how", CITUS)
def test_tables_that_citus_manages_are_refused(db: Connection, how: str) -> None:
    table, method, replication = CITUS[how]
    with db.transaction(force_rollback=True):
        db.execute("SET LOCAL allow_system_table_mods = on")
        db.execute(
            'CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char", repmodel "char")'
        )
        db.execute("CREATE TABLE another (id bigint)")
        db.execute("INSERT INTO pg_dist_partition VALUES ('another', 'h', 's')")
        assert sources.citus_tables(db, binding.default("public")) == []
        db.execute("SELECT connection_paths.require_sources()")
        db.execute("INSERT INTO pg_dist_partition VALUES (%s, %s, %s)", (table, method, replication))
        assert [row[0] for row in sources.citus_tables(db, binding.default("public"))] == [table]
        for call in (
            "sync_changes()", "backfill_contact(1)", "write_edges('{1}')",
            "create_run('in_place')", "create_run('rebuild')", "refresh_range(NULL, NULL)", "rebuild_range(1, 2)",
        ):  # fmt: skip
            with pytest.raises(psycopg.Error, match=f"managed by Citus: {table}") as raised, db.transaction():
                db.execute(f"SELECT connection_paths.{call}".encode())
            assert raised.value.sqlstate == "CP011"
