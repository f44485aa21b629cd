"""The whole package over tables of other applications: edges, writers, finders' indexes, repairs, and removal."""

from __future__ import annotations

import random
from collections.abc import Callable

import psycopg
import pytest

from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.catalog import describe, difference
from tests.support.changes import drain
from tests.support.edges import edges
from tests.support.mapped import APPLICATIONS, Application

by_name = pytest.mark.parametrize("application", APPLICATIONS, ids=lambda each: each.name)


def check_followed(connection: Connection, application: Application, chance: random.Random) -> None:
    """Check that writes of every kind reach the edges."""
    for _ in range(4):
        for action in chance.sample(application.actions, k=min(5, len(application.actions))):
            application.write(connection, chance, action)
        drain(connection)
        assert edges(connection) == application.edges(connection)


def wrong(dsn: str) -> list[str]:
    """Return what doctor finds wrong, apart from tables that were never analysed."""
    return [each.what for each in diagnose(dsn).findings if each.severity == "wrong" and each.check != "statistics"]


def schemas(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
    return sorted(row[0] for row in rows)


@by_name
def test_edges_follow_any_tables(new_database: Callable[[], str], application: Application) -> None:
    dsn, chance = new_database(), random.Random(1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        application.create(connection)
        application.fill(connection, chance)
        places = schemas(connection)
        before = describe(dsn, *places)
        install(dsn, mapping=application.mapping)
        again = install(dsn)
        assert (again.applied, again.repaired) == ([], [])
        backfill(dsn, BackfillOptions(workers=1, strategy="in_place", limits=None))
        assert len(edges(connection)) > 20
        assert edges(connection) == application.edges(connection)
        check_followed(connection, application, chance)
        right = edges(connection)
        connection.execute("DELETE FROM connection_paths.contact_connections")
        backfill(dsn, BackfillOptions(workers=1, strategy="rebuild", limits=None))
        assert edges(connection) == right
        found = status(dsn)
        assert found.healthy
        assert found.mapping == application.mapping.as_json()
        assert wrong(dsn) == []
        uninstall(dsn)
        assert difference(before, describe(dsn, *places)) == ""
