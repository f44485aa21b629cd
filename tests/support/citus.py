"""Databases whose edges are distributed: in a Citus cluster, or in an imitation of one on one server.

Citus is in no package registry. Tests that need it run where ``ORCHESTRATOR_CITUS_DSN`` names an empty database on a
coordinator with two workers. The imitation has two views in the place of the shards, so the functions of
``sql/distributed`` run everywhere. It shows that they are right, but not that Citus can plan them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install import distribution
from orchestrator.install.installation import install, uninstall
from tests.support.world import FRIEND, Edge, World, office

VARIABLE = "ORCHESTRATOR_CITUS_DSN"
DSN = os.environ.get(VARIABLE, "")
needs_citus = pytest.mark.skipif(not DSN, reason=f"{VARIABLE} names no coordinator of a Citus cluster with two workers")

_HOSTS = "public.contacts, public.organizations, public.contact_work_experiences, public.user_contact_collections"
#: An imitation of the parts of Citus that the functions call.
_IMITATED: tuple[str, ...] = (
    "SET allow_system_table_mods = on",
    "CREATE TABLE pg_catalog.pg_dist_shard (logicalrelid regclass, shardid bigint, shardminvalue text,"
    " shardmaxvalue text)",
    "GRANT SELECT ON pg_catalog.pg_dist_shard TO PUBLIC",
    "INSERT INTO pg_catalog.pg_dist_shard VALUES ('connection_paths.contact_connections', 1, '-2147483648', '-1'),"
    " ('connection_paths.contact_connections', 2, '0', '2147483647')",
    "CREATE FUNCTION pg_catalog.get_shard_id_for_distribution_column(regclass, bigint) RETURNS bigint LANGUAGE sql"
    " IMMUTABLE AS 'SELECT 2 - $2 % 2'",
    "CREATE FUNCTION pg_catalog.create_distributed_table(regclass, text, colocate_with text) RETURNS void LANGUAGE sql"
    " AS ''",
    "CREATE FUNCTION pg_catalog.run_command_on_workers(text, OUT nodename text, OUT nodeport integer,"
    " OUT success boolean, OUT result text) RETURNS SETOF record LANGUAGE sql"
    " AS 'SELECT NULL::text, NULL::integer, NULL::boolean, NULL::text LIMIT 0'",
    "CREATE FUNCTION pg_catalog.run_command_on_shards(regclass, text, OUT shardid bigint, OUT success boolean,"
    " OUT result text) RETURNS SETOF record LANGUAGE sql AS 'SELECT NULL::bigint, NULL::boolean, NULL::text LIMIT 0'",
    "CREATE FUNCTION pg_catalog.citus_total_relation_size(regclass) RETURNS bigint LANGUAGE sql"
    " AS 'SELECT pg_total_relation_size($1)'",
    "RESET allow_system_table_mods",
    "CREATE VIEW connection_paths.contact_connections_1 AS SELECT * FROM connection_paths.contact_connections"
    " WHERE contact_a_id % 2 = 0",
    "CREATE VIEW connection_paths.contact_connections_2 AS SELECT * FROM connection_paths.contact_connections"
    " WHERE contact_a_id % 2 = 1",
)


def a_world() -> World:
    """A world of three offices, and an edge of another kind."""
    offices = [office(12, organization=organization) for organization in (1, 2, 3)]
    experiences = tuple(
        row._replace(id=100 * place + row.id) for place, each in enumerate(offices) for row in each.experiences
    )
    friends = {(1, 2): Edge(FRIEND, None, None, None, 80), (3, 9): Edge(FRIEND, None, None, None, 10)}
    return replace(offices[0], organizations=frozenset({1, 2, 3}), experiences=experiences, extra_edges=friends)


def imitate(connection: Connection) -> None:
    """Make the edges of an installation look distributed: two shards, whose keys are 1 and 2."""
    for statement in _IMITATED:
        connection.execute(statement.encode())
    connection.execute(sqlfiles.read("distributed", "edge_shards.sql"))
    for name in distribution.functions():
        connection.execute(sqlfiles.read("distributed", "functions", f"{name}.sql"))
    connection.execute("INSERT INTO connection_paths.edge_shards VALUES (1), (2)")


@contextmanager
def empty_database() -> Iterator[str]:
    """The connection string of the coordinator's database, with empty host tables; they are dropped at the end."""
    with psycopg.connect(DSN, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))  # an error if there are tables already
        try:
            yield DSN
        finally:
            uninstall(DSN)
            connection.execute(f"DROP TABLE {_HOSTS}".encode())


@contextmanager
def distributed_database() -> Iterator[str]:
    """The connection string of the coordinator's database, with the package and distributed edges."""
    with empty_database() as dsn:
        install(dsn, distributed=True)
        yield dsn


def workers(connection: Connection) -> list[str]:
    """Return the connection string of each worker."""
    rows = connection.execute(
        "SELECT nodename, nodeport FROM pg_catalog.pg_dist_node WHERE groupid <> 0 AND isactive ORDER BY nodeport"
    )
    return [psycopg.conninfo.make_conninfo(DSN, host=name, port=port) for name, port in rows]
