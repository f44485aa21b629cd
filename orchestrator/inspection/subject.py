"""The database that is checked: the properties that every check needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import namedtuple_row

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, is_pooled
from orchestrator.host.binding import Binding
from orchestrator.host.installed import not_installed_error
from orchestrator.host.sources import VIEWS, Remembered, binding, refuse_citus, remembered

#: The edge table.
EDGES = "contact_connections"
#: Its only partition.
LIVE_EDGES = "contact_connections_live"

#: Pages. Smaller tables are fast to read whatever their indexes, statistics and visibility map are.
SMALL = 100


@dataclass(frozen=True)
class Table:
    """A table; ``name`` is qualified and quoted for SQL."""

    oid: int
    schema: str
    relname: str
    name: str


@dataclass(frozen=True)
class Subject:
    """A database with the package in it.

    ``tables`` has the application's tables by the view that reads each, and the edge tables by their names. Tables that
    do not exist have no entry. ``is_pooled``: a pooler is in the connection and may keep the settings of a session for
    another client.
    """

    connection: Connection
    is_standby: bool
    is_pooled: bool
    tables: Mapping[str, Table]
    #: The sources of the last install, with their tables.
    binding: Binding
    #: The choices of the last install; None if they are not stored, or this role may not read them.
    remembered: Remembered | None = None

    def query(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the rows of ``sql/queries/NAME.sql``, their columns by name."""
        with self.connection.cursor(row_factory=namedtuple_row) as cursor:
            return cursor.execute(sqlfiles.query(name), parameters).fetchall()

    def quoted(self, name: str) -> str:
        """Return a name, quoted for SQL."""
        row = self.connection.execute("SELECT quote_ident(%s)", (name,)).fetchone()
        assert row is not None
        return str(row[0])

    @property
    def host_schema(self) -> str:
        """The schema of the application's tables: that of the last install, else the one that a view reads."""
        return self.binding.host_schema

    @property
    def leaves(self) -> list[Table]:
        """The tables that finders read with index-only scans."""
        wanted = ("collection_members", "work_experiences", LIVE_EDGES)
        return [self.tables[name] for name in wanted if name in self.tables]


def examine(connection: Connection) -> Subject:
    """Describe the database of a connection; raise ``OrchestratorError`` if the package is not installed."""
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    assert row is not None
    rows = connection.execute(sqlfiles.query("inspection/tables"), {"views": list(VIEWS)}).fetchall()
    tables = {known_as: Table(*table) for known_as, *table in rows}
    if EDGES not in tables:
        raise not_installed_error(connection)
    known = remembered(connection)
    schema = known.host_schema if known else _schema_of_tables(tables)
    bound = binding(connection, schema)
    refuse_citus(connection, bound)
    return Subject(connection, row[0], is_pooled(connection), tables, bound, known)


def _schema_of_tables(tables: Mapping[str, Table]) -> str | None:
    return next((table.schema for known_as, table in tables.items() if known_as in VIEWS), None)
