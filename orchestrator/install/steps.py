"""The steps of which migrations consist: a function, a view, an index, triggers on a table of the application.

Each call adds one yoyo step. Files are executed whole: a server reads a file's statements better than a splitter
does, which matters for function bodies.
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
from orchestrator.core.locks import patiently

_ATTEMPTS = 5
log = logging.getLogger(__name__)

SCHEMA = "connection_paths"

#: The host's tables whose changes are captured, and the triggers that each has for it.
CAPTURED = sorted(path.stem for path in (sqlfiles.ROOT / "triggers").glob("*.sql"))
TRIGGERS = tuple(f"connection_paths_{event}" for event in ("inserted", "updated", "deleted", "truncated"))
#: The package's indexes of the host's tables, and the table of each.
HOST_INDEXES = {
    path.stem: found[1]
    for path in sorted((sqlfiles.ROOT / "indexes").glob("*.sql"))
    if (found := re.search(r'ON :"host_schema"\.(\w+)', path.read_text(encoding="utf-8")))
}
#: What the name of an index ends with while it is built, and when another has taken its place.
NEW, OLD = "_connection_paths_new", "_connection_paths_old"
#: Settings of the session that migrates: the schema of the host's tables; and, on, that triggers are left out.
HOST_SCHEMA = "connection_paths.host_schema"
WITHOUT_TRIGGERS = "connection_paths.without_triggers"
#: On: triggers also capture what logical replication writes.
REPLICATED = "connection_paths.replicated"
REPLICATED_TRIGGER = "connection_paths_replicated"


@dataclass(frozen=True)
class OwnTrigger:
    """A trigger of the package's on a table that is not its own; ``identity`` is the table's, quoted for SQL."""

    schema: str
    table: str
    name: str
    identity: str


@dataclass(frozen=True)
class OwnIndex:
    """An index with a name of the package's: its ``known_as`` is that of the file; ``identity`` is quoted for SQL.

    ``is_taken``: it has the name, in the host's schema, without the mark, so the package did not make it.
    ``is_in_place``: it has the name, and is on the host's table of today.
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
    """Create the binding view ``sql/views/NAME.sql`` over a table of the host's."""
    step(lambda connection: create_view(connection, name), f"DROP VIEW IF EXISTS {SCHEMA}.{name}")


def function(name: str, version: str) -> None:
    """Install ``sql/functions/ROOM/NAME/VERSION.sql``; rolled back, drop the function."""
    step(sqlfiles.function(name, version), f"DROP FUNCTION IF EXISTS {SCHEMA}.{name}")


def index(name: str) -> None:
    """Create an index of one of our own tables from ``sql/indexes/NAME.sql``; it goes when its table goes."""
    step(sqlfiles.read("indexes", f"{name}.sql"))


def host_index(name: str) -> None:
    """Build an index of a host table from ``sql/indexes/NAME.sql`` ; see :func:`build_index`."""
    step(lambda connection: build_index(connection, name), lambda connection: drop_index(connection, name))


def host_triggers(table: str) -> None:
    """Capture changes of a host table by the triggers of ``sql/triggers/TABLE.sql``, unless they are left out."""

    def create(connection: Connection) -> None:
        left_out = connection.execute("SELECT current_setting(%s, true)", (WITHOUT_TRIGGERS,)).fetchone()
        if left_out != ("on",):
            create_triggers(connection, table)

    step(create, lambda connection: drop_triggers(connection, table))


def create_view(connection: Connection, name: str) -> None:
    """Create a binding view, or bind it to the table that now has the name."""
    connection.execute(_for_host(connection, "views", f"{name}.sql"))


def create_triggers(connection: Connection, table: str) -> None:
    """Make the triggers on a table of the host's; waits at most half a second at a time for the table's lock."""
    replicated = connection.execute("SELECT current_setting(%s, true)", (REPLICATED,)).fetchone() == ("on",)

    def create() -> None:
        connection.execute(_for_host(connection, "triggers", f"{table}.sql"))
        if replicated:
            connection.execute(_for_host(connection, "triggers", "replicated", f"{table}.sql"))

    patiently(
        connection,
        create,
        waiting=lambda message: log.info("triggers on %s: %s; trying again", table, message),
    )


def drop_triggers(connection: Connection, table: str) -> None:
    """Remove those of the package from a table of the host's, where they are."""
    for trigger in own_triggers(connection):
        if (trigger.schema, trigger.table) == (_host_schema(connection), table):
            drop_trigger(connection, trigger)


def own_triggers(connection: Connection) -> list[OwnTrigger]:
    """Return the package's triggers on tables that are not its own, in any schema."""
    return [OwnTrigger(*row) for row in connection.execute(sqlfiles.query("install/own_triggers"))]


def drop_trigger(connection: Connection, trigger: OwnTrigger) -> None:
    """Remove a trigger; waits at most half a second at a time for the table's lock."""
    statement = sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(
        sql.Identifier(trigger.name), sql.Identifier(trigger.schema, trigger.table)
    )
    patiently(connection, lambda: connection.execute(statement))


def own_indexes(connection: Connection, *names: str) -> list[OwnIndex]:
    """Return the package's indexes of the host's tables, in any schema, and those that have their names."""
    found = connection.execute(
        sqlfiles.query("install/own_indexes"),
        {
            "names": list(names),
            "tables": [HOST_INDEXES[name] for name in names],
            "host_schema": _host_schema(connection),
            "new": NEW,
            "old": OLD,
        },
    )
    return [OwnIndex(*row) for row in found]


def build_index(connection: Connection, name: str, *, anew: bool = False) -> None:
    """Build an index of a host table without blocking writers, unless it is there; *anew*: even then.

    It is built under another name. It gets its name and its comment, which marks it as the package's, in one
    transaction; an index that had the name is dropped afterwards. So an install that is killed leaves nothing that
    the next one does not know: an index that is not valid is dropped and built again.

    Raises :class:`OrchestratorError` where the name is that of an index that the package did not make.
    """
    found = own_indexes(connection, name)
    for index in found:
        if index.is_taken:
            raise OrchestratorError(taken(index.identity))
    if anew or not any(index.is_right for index in found):
        log.info("building %s; writers go on, but it waits for transactions that are open now", name)
        _build_beside(connection, name)
        patiently(connection, lambda: _exchange_index(connection, name))
    drop_strays(connection, name)


def drop_strays(connection: Connection, name: str) -> None:
    """Drop the package's indexes of this name that are not the one on the host's table of today."""
    for index in own_indexes(connection, name):
        if not index.is_taken and not index.is_right:
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.identity}".encode())


def drop_index(connection: Connection, name: str) -> None:
    """Drop the package's indexes of this name, also those of a build that was interrupted."""
    for index in own_indexes(connection, name):
        if not index.is_taken:
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.identity}".encode())


def taken(index: str) -> str:
    """Raise: an index has a name of the package but lacks the package's comment."""
    return (
        f"an index {index} exists that connection_paths did not make; rename it. (If it is the one of connection_paths,"
        f" restored without its comment: COMMENT ON INDEX {index} IS 'connection_paths: restored')"
    )


def _build_beside(connection: Connection, name: str) -> None:
    create, _ = _index_statements(connection, name)
    statement = create.replace(f"CREATE INDEX CONCURRENTLY {name}", f"CREATE INDEX CONCURRENTLY {name}{NEW}")
    for attempt in range(_ATTEMPTS, 0, -1):
        try:
            for index in own_indexes(connection, name):
                if index.relname != name:
                    connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index.identity}".encode())
            connection.execute(statement.encode())
        except psycopg.errors.DeadlockDetected:  # with a build that an install left behind when it died
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
    """Return its CREATE INDEX and its COMMENT."""
    create, comment = _for_host(connection, "indexes", f"{name}.sql").split(";\n\n")
    return create, comment


def _host_schema(connection: Connection) -> str:
    """Return the name of the host's schema, which the session that migrates knows."""
    row = connection.execute("SELECT current_setting(%s)", (HOST_SCHEMA,)).fetchone()
    assert row is not None
    return str(row[0])


def _host(connection: Connection) -> str:
    """Return the quoted name of the host's schema."""
    row = connection.execute("SELECT quote_ident(current_setting(%s))", (HOST_SCHEMA,)).fetchone()
    assert row is not None
    return str(row[0])


def _for_host(connection: Connection, *parts: str) -> LiteralString:
    return sqlfiles.for_host(sqlfiles.read(*parts), _host(connection))
