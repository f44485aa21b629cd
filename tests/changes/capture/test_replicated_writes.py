"""Changes written in a session of replication are queued and never fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.changes.sync import sync
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.embedded import serve_temporarily
from orchestrator.host import sources
from orchestrator.install.installation import install
from tests.support import oracle
from tests.support.capture import TABLES, broken_columns, failures, for_replicas, write
from tests.support.edges import edges, right_edges
from tests.support.psql import binaries
from tests.support.servers import SETTINGS
from tests.support.sessions import connect, value
from tests.support.waiting import eventually
from tests.support.world import world_of


@pytest.mark.parametrize("role", ["origin", "replica", "local"])
def test_row_triggers_queue_what_statement_triggers_miss(db: Connection, role: str) -> None:
    def noted() -> list[tuple[Any, ...]]:
        return db.execute(
            "DELETE FROM connection_paths.contact_changes RETURNING contact_id, organization_id"
        ).fetchall()

    with db.transaction(force_rollback=True):
        for table in TABLES:
            db.execute(for_replicas(table).encode())
        assert sources.problems(db, "public") == []
        db.execute(f"SET LOCAL session_replication_role = {role}".encode())
        noting: dict[str, list[tuple[Any, ...]]] = {
            "INSERT INTO contacts VALUES (100, 'x'), (101, 'y')": [(100, None), (101, None)],
            "UPDATE contacts SET name = 'z' WHERE id = 100": [],
            "UPDATE contacts SET id = 102 WHERE id = 101": [(101, None), (102, None)],
            "DELETE FROM contacts WHERE id = 102": [(102, None)],
            "INSERT INTO organizations VALUES (100, 'x')": [(None, 100)],
            "UPDATE organizations SET id = 101 WHERE id = 100": [(None, 100), (None, 101)],
            "DELETE FROM organizations WHERE id = 101": [(None, 101)],
            "INSERT INTO contact_work_experiences VALUES (100, 5, 1, 'x', '2020-01-01')": [(5, None)],
            "UPDATE contact_work_experiences SET company_name = 'z' WHERE id = 100": [],
            "UPDATE contact_work_experiences SET date_to = '2021-01-01' WHERE id = 100": [(5, None)],
            "UPDATE contact_work_experiences SET contact_id = 6 WHERE id = 100": [(5, None), (6, None)],
            "DELETE FROM contact_work_experiences WHERE id = 100": [(6, None)],
            "TRUNCATE organizations": [(None, None)],
            "TRUNCATE contacts, contact_work_experiences": [(None, None), (None, None)],
        }
        for change, expected in noting.items():
            db.execute(change.encode())
            assert sorted(noted(), key=str) == sorted(expected, key=str), change


@pytest.mark.parametrize(
    ("table", "change"), [(t, c) for n, t, c in broken_columns() if "rename" in n or "retype" in n]
)
def test_a_replicated_write_never_fails(db: Connection, table: str, change: str) -> None:
    with db.transaction(force_rollback=True):
        db.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
        for each in TABLES:
            db.execute(for_replicas(each).encode())
        db.execute(change.encode())
        db.execute("SET LOCAL session_replication_role = replica")
        assert list(write(db, table))[-1] == "TRUNCATE"
        assert [row[0] for row in failures(db)] == [f"public.{table}"]


@contextmanager
def logical_server() -> Iterator[str]:
    settings = {**SETTINGS, "wal_level": "logical", "max_logical_replication_workers": "8"}
    with serve_temporarily(binaries=Path(binaries()), settings=settings) as (_, dsn):
        yield dsn


def test_writes_of_logical_replication_are_queued() -> None:
    with logical_server() as server:
        with connect(server) as connection:
            connection.execute("CREATE DATABASE there")
            connection.execute("CREATE DATABASE here")
        there_dsn, here_dsn = make_conninfo(server, dbname="there"), make_conninfo(server, dbname="here")
        with connect(there_dsn) as there, connect(here_dsn) as here:
            for each in (there, here):
                each.execute(sqlfiles.query("install/demo_tables"))
            there.execute("INSERT INTO contacts SELECT i, 'c' FROM generate_series(1, 8) AS i")
            there.execute("INSERT INTO organizations SELECT i, 'o' FROM generate_series(1, 3) AS i")
            there.execute(
                "INSERT INTO contact_work_experiences"
                " SELECT i, 1 + i % 8, 1 + i * i % 3, 'x', '2010-01-01' FROM generate_series(0, 15) AS i"
            )
            there.execute(f"CREATE PUBLICATION p FOR TABLE {', '.join(TABLES)}".encode())
            there.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
            install(here_dsn)
            here.execute(
                f"CREATE SUBSCRIPTION s CONNECTION '{there_dsn}' PUBLICATION p"
                " WITH (create_slot = false, enabled = false)".encode()
            )
            found = sources.problems(here, "public")
            assert {(each.kind, each.remedy) for each in found} == {("subscription", "replicated")}
            assert len(found) == 3
            for table in TABLES:
                here.execute(for_replicas(table).encode())
            assert sources.problems(here, "public") == []
            here.execute("ALTER SUBSCRIPTION s ENABLE")

            def follow() -> None:
                count = "SELECT count(*) || ' ' || COALESCE(max(date_to)::text, '') FROM contact_work_experiences"
                others = "SELECT (SELECT count(*) FROM contacts) || ' ' || (SELECT count(*) FROM organizations)"
                for each in (count, others):
                    eventually(here, f"SELECT ({each}) = %s", value(there, each))
                sync(here_dsn)
                assert edges(here) == right_edges(here) == oracle.edges(world_of(there))

            try:
                follow()  # existing rows are copied
                assert edges(here)
                there.execute("UPDATE contact_work_experiences SET date_to = '2034-01-01' WHERE id < 5")
                follow()
                there.execute("DELETE FROM contacts WHERE id = 3")
                follow()
                there.execute(
                    "INSERT INTO contact_work_experiences VALUES (1000, 1, 3, 'x', '2001-01-01', '2035-01-01')"
                )
                follow()
                there.execute("TRUNCATE contact_work_experiences")
                follow()
            finally:
                here.execute("ALTER SUBSCRIPTION s DISABLE")
                here.execute("ALTER SUBSCRIPTION s SET (slot_name = NONE)")
                here.execute("DROP SUBSCRIPTION s")
