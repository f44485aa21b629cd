"""The steps of migrations: create a function, a view, an index, or triggers on a table of the application.

Each call adds one yoyo step. A file is sent to the server as a whole, because splitting it into statements could split
a function body.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql
from yoyo import step

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.core.schema import DEFAULT, all_named, named, schema_of

_ATTEMPTS = 5
log = logging.getLogger(__name__)

#: The names of the files; :mod:`orchestrator.core.schema` replaces them for an installation in another schema.
SCHEMA = DEFAULT

#: The application's tables whose changes are captured, and the names of the triggers of each.
CAPTURED = sorted(path.stem for path in (sqlfiles.ROOT / "triggers").glob("*.sql"))
TRIGGERS = tuple(f"connection_paths_{event}" for event in ("inserted", "updated", "deleted", "truncated"))
#: The package's indexes on the application's tables, and the table of each.
HOST_INDEXES = {
    path.stem: found[1]
    for path in sorted((sqlfiles.ROOT / "indexes").glob("*.sql"))
    if (found := re.search(r'ON :"host_schema"\.(\w+)', path.read_text(encoding="utf-8")))
}
#: The suffix of an index that is being built, and of one that was replaced.
NEW, OLD = "_connection_paths_new", "_connection_paths_old"
#: Settings of the session that migrates: the schema of the application's tables, and whether triggers are left out.
HOST_SCHEMA = "connection_paths.host_schema"
WITHOUT_TRIGGERS = "connection_paths.without_triggers"
#: Whether triggers also capture what logical replication writes.
REPLICATED = "connection_paths.replicated"
REPLICATED_TRIGGER = "connection_paths_replicated"


@dataclass(frozen=True)
class OwnTrigger:
    """A trigger of the package on a table in another schema; ``identity`` is the table's name, quoted for SQL."""

    schema: str
    table: str
    name: str
    identity: str


@dataclass(frozen=True)
class OwnIndex:
    """An index with a name of the package. ``known_as`` is the name of its file; ``identity`` is quoted for SQL.

    ``is_taken``: it has the name, in the host schema, but not the package's comment, so the package did not create it.
    ``is_in_place``: it has the name, and is on the current table of the application.
    """

    known_as: str
    schema: str
    relname: str
    table: str
    identity: str
    is_taken: bool
    is_in_place: bool
    is_valid: bool

    @property
    def is_right(self) -> bool:
        """Whether the index needs no repair."""
        return self.is_in_place and self.is_valid and not self.is_taken


def view(name: str) -> None:
    """Create the binding view ``sql/views/NAME.sql`` on a table of the application."""
    step(lambda connection: create_view(connection, name), f"DROP VIEW IF EXISTS {SCHEMA}.{name}")


def function(name: str, version: str) -> None:
    """Create the function in ``sql/functions/ROOM/NAME/VERSION.sql``; the rollback drops it."""
    step(sqlfiles.function(name, version), f"DROP FUNCTION IF EXISTS {SCHEMA}.{name}")


def index(name: str) -> None:
    """Create the index in ``sql/indexes/NAME.sql`` on a table of the package; it is dropped with its table."""
    step(sqlfiles.read("indexes", f"{name}.sql"))


def host_index(name: str) -> None:
    """Build the index in ``sql/indexes/NAME.sql`` on a table of the application; see :func:`build_index`."""
    step(lambda connection: build_index(connection, name), lambda connection: drop_index(connection, name))


def host_triggers(table: str) -> None:
    """Create the triggers in ``sql/triggers/TABLE.sql``, which capture changes, unless triggers are left out."""

    def create(connection: Connection) -> None:
        setting = named(connection, WITHOUT_TRIGGERS)
        left_out = connection.execute("SELECT current_setting(%s, true)", (setting,)).fetchone()
        if left_out != ("on",):
            create_triggers(connection, table)

    step(create, lambda connection: drop_triggers(connection, table))


def create_view(connection: Connection, name: str) -> None:
    """Create a binding view, or replace it so that it reads the table that now has the name."""
    connection.execute(_for_host(connection, "views", f"{name}.sql"))


def create_triggers(connection: Connection, table: str) -> None:
    """Create the triggers on a table; wait at most half a second at a time for the lock of the table."""
    setting = named(connection, REPLICATED)
    replicated = connection.execute("SELECT current_setting(%s, true)", (setting,)).fetchone() == ("on",)

    def create() -> None:
        connection.execute(_for_host(connection, "triggers", f"{table}.sql"))
        if replicated:
            connection.execute(_for_host(connection, "triggers", "replicated", f"{table}.sql"))

    retry_while_locked(
        connection,
        create,
        waiting=lambda message: log.info("triggers on %s: %s; trying again", table, message),
    )


def drop_triggers(connection: Connection, table: str) -> None:
    """Drop the triggers of the package on a table of the application."""
    for trigger in own_triggers(connection):
        if (trigger.schema, trigger.table) == (_host_schema(connection), table):
            drop_trigger(connection, trigger)


def own_triggers(connection: Connection) -> list[OwnTrigger]:
    """Return the package's triggers on tables of other schemas."""
    return [OwnTrigger(*row) for row in connection.execute(sqlfiles.query("install/own_triggers"))]


def drop_trigger(connection: Connection, trigger: OwnTrigger) -> None:
    """Drop a trigger; wait at most half a second at a time for the lock of the table."""
    statement = sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(
        sql.Identifier(trigger.name), sql.Identifier(trigger.schema, trigger.table)
    )
    retry_while_locked(connection, lambda: connection.execute(statement))


def own_indexes(connection: Connection, *names: str) -> list[OwnIndex]:
    """Return the package's indexes on the application's tables, in any schema, and indexes with the same names."""
    found = connection.execute(
        sqlfiles.query("install/own_indexes"),
        {
            "names": all_named(connection, names),
            "tables": [HOST_INDEXES[name] for name in names],
            "host_schema": _host_schema(connection),
            "new": named(connection, NEW),
            "old": named(connection, OLD),
        },
    )
    return [OwnIndex(*row) for row in found]


def build_index(connection: Connection, name: str, *, anew: bool = False) -> None:
    """Build an index on a table of the application without blocking writers, unless it exists; *anew*: also then.

    It is built under another name. Then one transaction gives it its name and its comment, which marks it as the
    package's. An index that had the name before is dropped afterwards. So the next install recognizes what a killed one
    has left, and it drops and builds again an index that is not valid.

    Raises :class:`OrchestratorError` if an index that the package did not create has the name.
    """
    found = own_indexes(connection, name)
    for index in found:
        if index.is_taken:
            raise OrchestratorError(taken(connection, index.identity))
    if anew or not any(index.is_right for index in found):
        log.info("building %s; writers continue, but the build waits for transactions that are open now", name)
        _build_beside(connection, name)
        retry_while_locked(connection, lambda: _exchange_index(connection, name))
    drop_strays(connection, name)


def drop_strays(connection: Connection, name: str) -> None:
    """Drop the package's indexes of this name, except the valid one on the current table of the application."""
    for index in own_indexes(connection, name):
        if not index.is_taken and not index.is_right:
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.identity}".encode())


def drop_index(connection: Connection, name: str) -> None:
    """Drop the package's indexes of this name, also those of a build that was interrupted."""
    for index in own_indexes(connection, name):
        if not index.is_taken:
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.identity}".encode())


def taken(connection: Connection, index: str) -> str:
    """Return the message about an index that has a name of the package but not its comment."""
    return (
        f"connection_paths did not create the index {index}; rename it. (If it is the index of connection_paths,"
        f" restored without its comment: COMMENT ON INDEX {index} IS '{schema_of(connection)}: restored')"
    )


def _build_beside(connection: Connection, name: str) -> None:
    create, _ = _index_statements(connection, name)
    statement = create.replace(f"CREATE INDEX CONCURRENTLY {name}", f"CREATE INDEX CONCURRENTLY {name}{NEW}")
    for attempt in range(_ATTEMPTS, 0, -1):
        try:
            for index in own_indexes(connection, name):
                if index.relname != named(connection, name):
                    connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.identity}".encode())
            connection.execute(statement.encode())
        except psycopg.errors.DeadlockDetected:  # with a build that a killed install has left
            if attempt == 1:
                raise
        else:
            return


def _exchange_index(connection: Connection, name: str) -> None:
    host = _host(connection)
    connection.execute(f"ALTER INDEX IF EXISTS {host}.{name} RENAME TO {name}{OLD}".encode())
    connection.execute(f"ALTER INDEX {host}.{name}{NEW} RENAME TO {name}".encode())
    connection.execute(_index_statements(connection, name)[1])


def _index_statements(connection: Connection, name: str) -> tuple[LiteralString, LiteralString]:
    """Return the CREATE INDEX and the COMMENT of an index."""
    create, comment = _for_host(connection, "indexes", f"{name}.sql").split(";\n\n")
    return create, comment


def _host_schema(connection: Connection) -> str:
    """Return the name of the host schema, a setting of the session that migrates."""
    row = connection.execute("SELECT current_setting(%s)", (named(connection, HOST_SCHEMA),)).fetchone()
    assert row is not None
    return str(row[0])


def _host(connection: Connection) -> str:
    """Return the name of the host schema, quoted for SQL."""
    setting = named(connection, HOST_SCHEMA)
    row = connection.execute("SELECT quote_ident(current_setting(%s))", (setting,)).fetchone()
    assert row is not None
    return str(row[0])


def _for_host(connection: Connection, *parts: str) -> LiteralString:
    return sqlfiles.for_host(sqlfiles.read(*parts), _host(connection))
