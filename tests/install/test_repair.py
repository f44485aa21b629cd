"""install repairs objects that an administrator or a migration of the application dropped or replaced."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from psycopg import errors

from orchestrator.changes.sync import sync
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host import binding
from orchestrator.host.own_objects import HOST_INDEXES as ALL_INDEXES
from orchestrator.host.own_objects import wanted_indexes
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.catalog import describe
from tests.support.properties import long_if
from tests.support.sessions import connect

TABLES = ("contacts", "organizations", "contact_work_experiences", "user_contact_collections")
CAPTURED = TABLES[:3]
#: The indexes of tables of the default names, and the table of each.
HOST_INDEXES = {name: ALL_INDEXES[name] for name in wanted_indexes(binding.default())}
VIEWS = ("live_contacts", "known_organizations", "work_experiences", "collection_members", "employments")
OWN = ("finder_rollout", "do_not_ask", "contact_changes", "backfill_runs", "rebuild_replays")
EVENTS = ("inserted", "updated", "deleted", "truncated")
EDGES = "connection_paths.contact_connections"
_OURS = re.compile(r"(index public\.idx_|trigger connection_paths_)")


def everything(dsn: str) -> list[str]:
    """Describe the package's objects, also those on the tables of the application."""
    ours = [re.sub(r"(idx_cc_walk_[ab])_r\d", r"\1_r", line) for line in describe(dsn, "connection_paths")]
    return ours + [line for line in describe(dsn, "public") if _OURS.match(line)]


def edges(connection: Connection) -> list[tuple[int, int]]:
    rows = connection.execute(f"SELECT contact_a_id, contact_b_id FROM {EDGES} ORDER BY 1, 2")
    return [(a, b) for a, b in rows]


def make(dsn: str) -> str:
    with connect(dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute("INSERT INTO contacts SELECT g, '' FROM generate_series(1, 4) AS g")
        connection.execute("INSERT INTO organizations VALUES (1, ''), (2, '')")
        connection.execute(
            "INSERT INTO contact_work_experiences"
            " SELECT g, g, 1 + g / 3, '', '2020-01-01' FROM generate_series(1, 4) AS g"
        )
        connection.execute("INSERT INTO user_contact_collections VALUES (7, 1, 9, 1)")
        connection.execute("CREATE SCHEMA archive")
    install(dsn)
    backfill(dsn, BackfillOptions(workers=1, limits=None))
    return dsn


@pytest.fixture(scope="module")
def worlds() -> dict[str, list[str]]:
    return {}


@pytest.fixture
def dsn(request: pytest.FixtureRequest, new_database: Callable[[], str], worlds: dict[str, list[str]]) -> Iterator[str]:
    """A database without problems. It is used again unless a test failed."""
    if not worlds:
        made = make(new_database())
        worlds[made] = everything(made)
    failed = request.session.testsfailed
    yield next(iter(worlds))
    if request.session.testsfailed > failed:
        worlds.clear()


def anew(table: str, kept: str) -> str:
    return f"CREATE TABLE {table} (LIKE {kept} INCLUDING DEFAULTS); INSERT INTO {table} SELECT * FROM {kept}"


def invalid(index: str) -> str:
    return f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index}'::regclass"


def all_of(*statements: str) -> str:
    return ";".join(statements)


#: Statements that cause a problem, and statements that clean up after the repair.
CAUSES: dict[str, tuple[str, str]] = {
    **{
        f"{table} renamed, a new one made": (
            f"ALTER TABLE {table} RENAME TO kept; {anew(table, 'kept')}",
            "DROP TABLE kept",
        )
        for table in TABLES
    },
    "all tables moved, new ones made": (
        all_of(*(f"ALTER TABLE {table} SET SCHEMA archive; {anew(table, f'archive.{table}')}" for table in TABLES)),
        all_of(*(f"DROP TABLE archive.{table}" for table in TABLES)),
    ),
    "all tables dropped, new ones made": (
        all_of(
            *(
                f"CREATE TABLE kept AS TABLE {table}; DROP TABLE {table} CASCADE;{anew(table, 'kept')}; DROP TABLE kept"
                for table in TABLES
            )
        ),
        "",
    ),
    "a view dropped": ("DROP VIEW connection_paths.live_organizations CASCADE", ""),
    "all views dropped": (all_of(*(f"DROP VIEW IF EXISTS connection_paths.{view} CASCADE" for view in VIEWS)), ""),
    "a view with another rule": (
        "CREATE OR REPLACE VIEW connection_paths.collection_members WITH (security_invoker = true) AS"
        " SELECT collection_id, contact_id, user_id FROM user_contact_collections WHERE source = 5",
        "",
    ),
    "all functions dropped": (
        "DO $$ DECLARE f text; BEGIN LOOP SELECT p.oid::regprocedure INTO f FROM pg_proc AS p"
        " WHERE p.pronamespace = 'connection_paths'::regnamespace LIMIT 1; EXIT WHEN NOT FOUND;"
        " EXECUTE 'DROP FUNCTION ' || f || ' CASCADE'; END LOOP; END $$",
        "",
    ),
    "functions with other bodies": (
        "CREATE OR REPLACE FUNCTION connection_paths.require_read_committed() RETURNS void LANGUAGE sql AS '';"
        "DROP FUNCTION connection_paths.wake_listener CASCADE;"
        "CREATE FUNCTION connection_paths.wake_listener() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "",
    ),
    "functions with other attributes": (
        "ALTER FUNCTION connection_paths.find_paths VOLATILE;"
        "ALTER FUNCTION connection_paths.do_batch PARALLEL SAFE;"
        "ALTER FUNCTION connection_paths.queue_added_or_removed SECURITY INVOKER;"
        "ALTER FUNCTION connection_paths.sync_changes RESET ALL",
        "",
    ),
    "host indexes dropped": (all_of(*(f"DROP INDEX {index}" for index in HOST_INDEXES)), ""),
    "host indexes invalid": (all_of(*(invalid(index) for index in HOST_INDEXES)), ""),
    "host indexes on other columns": (
        all_of(
            *(
                f"DROP INDEX {index}; CREATE INDEX {index} ON {table} (contact_id);"
                f"COMMENT ON INDEX {index} IS 'connection_paths: x'"
                for index, table in HOST_INDEXES.items()
            )
        ),
        "",
    ),
    "walk indexes dropped and invalid": (
        f"DROP INDEX connection_paths.idx_cc_walk_a; {invalid('connection_paths.idx_cc_walk_b')}",
        "",
    ),
    "a walk index on other columns": (
        f"DROP INDEX connection_paths.idx_cc_walk_a; CREATE INDEX idx_cc_walk_a ON {EDGES} (contact_a_id)",
        "",
    ),
    "the build of an index was interrupted": (
        "CREATE INDEX idx_members_by_collection_connection_paths_new ON user_contact_collections (user_id)",
        "",
    ),
    "some triggers dropped": (all_of(*(f"DROP TRIGGER connection_paths_updated ON {t}" for t in CAPTURED)), ""),
    "some triggers disabled": (
        all_of(*(f"ALTER TABLE {table} DISABLE TRIGGER connection_paths_deleted" for table in CAPTURED)),
        "",
    ),
    "all triggers dropped": (
        all_of(*(f"DROP TRIGGER connection_paths_{event} ON {table}" for event in EVENTS for table in CAPTURED)),
        "",
    ),
    "a trigger of the batches dropped": ("DROP TRIGGER refuse_transition ON connection_paths.backfill_batches", ""),
    "own tables dropped": (all_of(*(f"DROP TABLE connection_paths.{table} CASCADE" for table in OWN)), ""),
    "a sequence and an index dropped": (
        "DROP SEQUENCE connection_paths.backfill_worker_ids; DROP INDEX connection_paths.backfill_runs_one_active",
        "",
    ),
}


#: Causes that only `make long` repairs: most are like another one here or in another file.
LIKE_OTHERS = {
    *(f"{table} renamed, a new one made" for table in TABLES),
    "all tables dropped, new ones made",
    "a view dropped",
    "a view with another rule",
    "functions with other bodies",
    "functions with other attributes",
    "host indexes invalid",
    "host indexes on other columns",
    "a walk index on other columns",
    "walk indexes dropped and invalid",
    "the build of an index was interrupted",
    "a trigger of the batches dropped",
    "some triggers dropped",
    "some triggers disabled",
}


@pytest.mark.parametrize("name", long_if(LIKE_OTHERS.__contains__, CAUSES))
def test_install_repairs(dsn: str, worlds: dict[str, list[str]], name: str) -> None:
    cause, tidy = CAUSES[name]
    with connect(dsn) as connection:
        before = edges(connection)
        connection.execute(cause.encode())
        found = status(dsn)
        assert (found.healthy, bool(found.problems)) == (False, True)
        remedies = [finding.repair or "" for finding in diagnose(dsn).findings if finding.severity == "wrong"]
        if name != "all triggers dropped":  # doctor cannot know that they were not left out at install
            assert any(remedy.startswith("orchestrator install") for remedy in remedies)
        assert install(dsn).repaired != []
        assert edges(connection) == before
        if tidy:
            connection.execute(tidy.encode())
    assert everything(dsn) == worlds[dsn]
    assert status(dsn).healthy


def test_changes_missed_before_a_repair_are_queued(dsn: str) -> None:
    """The views read the new table, its changes are captured, and sync computes the edges of its rows."""
    with connect(dsn) as connection:
        connection.execute(
            "ALTER TABLE contact_work_experiences RENAME TO kept;"
            "CREATE TABLE contact_work_experiences (LIKE kept);"
            "INSERT INTO contact_work_experiences SELECT id, contact_id, 1, '', date_from, NULL FROM kept"
        )
        before = edges(connection)
        assert any("every contact is queued" in line for line in install(dsn).repaired)
        sync(dsn)
        assert len(edges(connection)) == 6 > len(before)
        connection.execute("UPDATE contact_work_experiences SET organization_id = 2 WHERE contact_id > 2")
        connection.execute("DROP TABLE kept")
        sync(dsn)
        assert edges(connection) == [(1, 2), (3, 4)]
        connection.execute("UPDATE contact_work_experiences SET organization_id = 1 + id / 3")
        sync(dsn)
        assert edges(connection) == before


def test_lost_edges_are_computed_again(host: str) -> None:
    with connect(host) as connection:
        connection.execute("INSERT INTO contacts VALUES (1, ''), (2, ''); INSERT INTO organizations VALUES (1, '')")
        connection.execute(
            "INSERT INTO contact_work_experiences VALUES (1, 1, 1, '', '2020-01-01'), (2, 2, 1, '', '2020-01-01')"
        )
        install(host)
        backfill(host, BackfillOptions(workers=1, limits=None))
        connection.execute("DROP TABLE connection_paths.contact_connections CASCADE")
        install(host)
        assert status(host).healthy
        sync(host)
        assert edges(connection) == [(1, 2)]


def test_a_renamed_host_schema_is_used_when_named(database: str) -> None:
    with connect(database) as connection:
        connection.execute("CREATE SCHEMA app; SET search_path TO app")
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(database, "app")
        connection.execute("ALTER SCHEMA app RENAME TO main")
        found = status(database)
        assert not found.healthy
        assert "'main'" in " ".join(found.problems)
        (binding,) = [each for each in diagnose(database).findings if each.check == "installation"]
        assert binding.repair == "orchestrator install --host-schema main"
        with pytest.raises(OrchestratorError, match="orchestrator install --host-schema main"):
            install(database)
        install(database, "main")
        assert (status(database).host_schema, status(database).healthy) == ("main", True)
        assert install(database).applied == []  # the schema is stored
        connection.execute("CREATE SCHEMA other; SET search_path TO other")
        connection.execute(sqlfiles.query("install/demo_tables"))
        with pytest.raises(OrchestratorError, match="already installed for host schema 'main'"):
            install(database, "other")
        assert uninstall(database)


def test_a_table_that_is_gone_is_named(dsn: str) -> None:
    with connect(dsn) as connection:
        connection.execute("ALTER TABLE organizations RENAME TO kept")
        try:
            assert "organizations, which view known_organizations should read, is missing" in " ".join(
                status(dsn).problems
            )
            with pytest.raises(OrchestratorError, match="table organizations is missing"):
                install(dsn)
        finally:
            connection.execute("ALTER TABLE kept RENAME TO organizations")
    assert status(dsn).healthy


def test_what_was_installed_is_remembered(database: str) -> None:
    with connect(database) as connection:
        connection.execute("CREATE SCHEMA cph; SET search_path TO cph")
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute("SET search_path TO public")
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(database, "cph", triggers=False)
        connection.execute("DROP VIEW connection_paths.live_contacts CASCADE")
        assert install(database).host_schema == "cph"
        found = status(database)
        assert {trigger.state for trigger in found.triggers} == {"left out"}
        install(database, triggers=True)
        connection.execute("DELETE FROM connection_paths.installation")  # as after a restore without this row
        assert install(database).host_schema == "cph"
        assert {trigger.state for trigger in status(database).triggers} == {"captured"}
        assert uninstall(database)


def test_a_database_of_a_newer_version_is_not_changed(installed_host: str) -> None:
    with connect(installed_host) as connection:
        connection.execute("INSERT INTO connection_paths._yoyo_migration VALUES ('x', '9999_future', now())")
        connection.execute("DROP INDEX idx_members_by_collection")
        with pytest.raises(OrchestratorError, match="9999_future"):
            install(installed_host)
        with pytest.raises(errors.UndefinedTable):
            connection.execute("SELECT 'idx_members_by_collection'::regclass")


def test_replicated_writes_are_captured_with_the_option(host: str) -> None:
    install(host, replicated=True)
    with connect(host) as connection:

        def missing() -> list[str]:
            connection.execute("SET session_replication_role = replica")
            connection.execute("INSERT INTO contacts VALUES (1, '')")
            connection.execute("DELETE FROM contacts; RESET session_replication_role")
            return [row[0] for row in connection.execute("DELETE FROM connection_paths.contact_changes RETURNING 'x'")]

        assert missing() != []
        connection.execute("DROP TRIGGER connection_paths_replicated ON contacts")
        assert (status(host).healthy, missing()) == (False, [])
        assert install(host).repaired != []
        assert (status(host).healthy, len(missing()) > 1) == (True, True)
        install(host, replicated=False)
        assert (status(host).healthy, missing()) == (True, [])
        assert uninstall(host)
