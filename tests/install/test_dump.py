"""A database that pg_dump wrote and psql read again has the same installation, and goes on like the first one."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable

import pytest

from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.install.installation import install
from orchestrator.install.status import status
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.changes import drain, queue_length
from tests.support.edges import edges
from tests.support.mapped import DJANGO, PARTITIONED, Application
from tests.support.psql import binaries
from tests.support.psql import run as run_psql
from tests.support.sessions import connect, value

IN_PLACE = BackfillOptions(strategy="in_place", limits=None)


def restored(dsn: str, into: str) -> None:
    """Dump a database, and restore it in an empty one."""
    dump = subprocess.run([binaries() / "pg_dump", "-d", dsn], capture_output=True, text=True, check=True).stdout
    done = run_psql(into, dump, "--single-transaction", "--set", "ON_ERROR_STOP=1")
    assert done.returncode == 0, done.stderr


#: Tables with what people have decided.
DECISIONS = (
    *("organization_policy", "do_not_ask", "do_not_ask_users", "introduction_requests", "introduction_limits"),
    *("finder_rollout", "name_decisions", "name_decision_history"),
)


def contents(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of each table, and the state of each sequence."""
    tables = connection.execute(
        "SELECT c.oid::regclass::text, CASE c.relkind WHEN 'S' THEN 't.last_value' ELSE 't' END FROM pg_class AS c"
        " WHERE c.relnamespace = 'connection_paths'::regnamespace AND c.relkind IN ('r', 'S')"
    ).fetchall()
    return {
        name: connection.execute(f"SELECT ({row})::text FROM {name} AS t ORDER BY 1".encode()).fetchall()
        for name, row in tables
    }


def prepare(dsn: str, application: Application, chance: random.Random, *, names: bool) -> None:
    """Install for an application with a mapping, policies and decisions about names; compute the edges."""
    with connect(dsn) as connection:
        application.create(connection)
        application.fill(connection, chance)
        install(dsn, mapping=application.mapping, names=names)
        connection.execute(
            "INSERT INTO connection_paths.organization_policy VALUES (1, 'none', NULL, 'no employer'),"
            " (2, 'long_overlaps', 200, 'large')"
        )
        connection.execute(
            "INSERT INTO connection_paths.do_not_ask (collection_id, contact_id) VALUES (1, 2), (NULL, 3)"
        )
        connection.execute("INSERT INTO connection_paths.do_not_ask_users (user_id) VALUES (7)")
        connection.execute("INSERT INTO connection_paths.finder_rollout VALUES (1, 'v2')")
        connection.execute("INSERT INTO connection_paths.introduction_limits VALUES (NULL, 3, 30)")
        connection.execute(
            "INSERT INTO connection_paths.introduction_requests"
            " (collection_id, asking_user_id, introducer_contact_id, target_contact_id) VALUES (1, 7, 2, 3)"
        )
        if names:
            connection.execute("UPDATE crm_employment SET company_id = NULL, employer_name = 'Three' WHERE id % 3 = 0")
            connection.execute("INSERT INTO connection_paths.name_decisions (company_name, organization_id)"
                               " VALUES ('Three', 3), ('nobody', NULL)")  # fmt: skip
        backfill(dsn, IN_PLACE)
        drain(connection)
        for action in chance.sample(application.actions, k=4):
            application.write(connection, chance, action)


def check(new_database: Callable[[], str], application: Application, *, names: bool) -> None:
    chance = random.Random(7)
    dsn, copy = new_database(), new_database()
    prepare(dsn, application, chance, names=names)
    restored(dsn, copy)
    with connect(dsn) as original, connect(copy) as connection:
        assert contents(connection) == contents(original)
        for name in DECISIONS if names else DECISIONS[:-2]:
            assert value(connection, f"SELECT count(*) FROM connection_paths.{name}") > 0
        assert edges(connection) == edges(original) != {}
        assert queue_length(connection) == queue_length(original) > 0
        assert (status(copy).problems, status(copy).healthy, install(copy).repaired) == ([], True, [])
        assert [each.what for each in diagnose(copy).findings if each.severity == "wrong"] == []
        for _ in range(6):
            for action in chance.sample(application.actions, k=3):
                application.write(connection, chance, action)
            drain(connection)
            followed = edges(connection)
            assert backfill(copy, IN_PLACE).run.edges_changed == 0
            assert edges(connection) == followed


def test_a_dump_with_names_policies_and_a_mapping(new_database: Callable[[], str]) -> None:
    check(new_database, DJANGO, names=True)


@pytest.mark.long
def test_a_dump_with_partitions_of_several_schemas(new_database: Callable[[], str]) -> None:
    check(new_database, PARTITIONED, names=False)
