"""A plan writes nothing: a reader can make it, also on a hot standby."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.core import embedded, sqlfiles
from orchestrator.core.database import Connection, reading
from orchestrator.install.installation import install
from orchestrator.runs.plan import plan
from tests.support.plan import add_overlaps_by_contact, check
from tests.support.servers import SETTINGS, reachable_binaries, standby
from tests.support.world import colleagues, load, load_hosts


def test_the_connection_of_a_plan_cannot_write(database: str) -> None:
    for statement in ("CREATE TABLE public.t ()", "TRUNCATE public.contacts", "DELETE FROM public.contacts"):
        with (
            pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
            reading(database) as connection,
        ):
            connection.execute(statement.encode())
    with reading(database, isolation=psycopg.IsolationLevel.REPEATABLE_READ) as connection:
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)


@contextmanager
def reader(db: Connection) -> Iterator[str]:
    """A role that may read the host's tables and the package, and call its functions."""
    name = f"plan_reader_{os.getpid()}"
    role = sql.Identifier(name)
    db.execute(sql.SQL("CREATE ROLE {}").format(role))
    try:
        for right in (
            "USAGE ON SCHEMA connection_paths",
            "SELECT ON ALL TABLES IN SCHEMA public",
            "SELECT ON ALL TABLES IN SCHEMA connection_paths",
            "EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths",
        ):
            db.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(right), role))
        yield name
    finally:
        db.execute(sql.SQL("DROP OWNED BY {}").format(role))
        db.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_reader_can_plan(database: str, db: Connection) -> None:
    world = colleagues((1, 5, "2010-01-01", None), (2, 5, "2010-01-01", None))
    load(db, world)
    with reader(db) as role:
        check(plan(make_conninfo(database, options=f"-c role={role}")), world)


def test_a_hot_standby_gives_the_same_plan() -> None:
    given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    with embedded.serve_temporarily(binaries=Path(given) if given else None, settings=SETTINGS) as (directory, dsn):
        binaries = reachable_binaries(directory)
        if not (binaries / "pg_basebackup").exists():
            pytest.skip(f"no pg_basebackup in {binaries}")
        world = colleagues(*((contact, 5, date(2000 + contact, 1, 1), None) for contact in range(1, 20)))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sqlfiles.query("install/demo_tables"))
            install(dsn)
            add_overlaps_by_contact(connection)
            load_hosts(connection, world)
        with standby(dsn, binaries) as replica:
            with psycopg.connect(replica) as connection:
                assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
            found = plan(replica)
            check(found, world)
            assert replace(found, connections_free=0) == replace(plan(dsn), connections_free=0)
