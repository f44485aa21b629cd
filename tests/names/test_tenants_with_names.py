"""Two installations in one database, of which each resolves the company names of its own tables."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from orchestrator.changes.sync import sync
from orchestrator.core import sqlfiles
from orchestrator.core.schema import with_schema
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.install import script
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from orchestrator.names.propose import propose
from tests.support import psql
from tests.support.catalog import describe
from tests.support.edges import edges_of
from tests.support.properties import first_of
from tests.support.sessions import connect

TENANTS = {"cp_t1": "one", "cp_t2": "two"}
FILL = (
    "INSERT INTO {0}.contacts SELECT g, '' FROM generate_series(1, 4) AS g",
    "INSERT INTO {0}.organizations VALUES (1, 'Acme Inc.')",
    "INSERT INTO {0}.contact_work_experiences VALUES (1, 1, 1, '', '2020-01-01'), (2, 2, NULL, 'Acme', '2020-01-01')",
)


@pytest.mark.parametrize("by_script", first_of(2, [False, True]))
def test_each_tenant_resolves_its_own_names(database: str, by_script: bool) -> None:
    with connect(database) as connection:
        for host in TENANTS.values():
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(host)))
            connection.execute(sqlfiles.demo_tables(host))
            for statement in FILL:
                connection.execute(statement.format(host).encode())
        before = describe(database, "one", "two")
    for schema, host in TENANTS.items():
        dsn = with_schema(database, schema)
        if by_script:
            done = psql.run(database, script.psql(schema=schema, names=True), "-v", f"host_schema={host}")
            assert (done.returncode, done.stderr) == (0, "")
        else:
            install(dsn, host, names=True)
        propose(dsn)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                f"INSERT INTO {host}.contact_work_experiences VALUES (3, 3, NULL, 'ACME', '2020-01-01')".encode()
            )
        for _ in range(2):
            sync(dsn)
        assert len(edges_of(dsn)) == 3
        assert (status(dsn).healthy, install(dsn).repaired) == (True, [])
        assert [each.what for each in diagnose(dsn).findings if each.severity == "wrong"] == []
    uninstall(with_schema(database, "cp_t1"))
    assert status(with_schema(database, "cp_t2")).healthy
    uninstall(with_schema(database, "cp_t2"))
    assert describe(database, "one", "two") == before
