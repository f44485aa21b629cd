"""Finds the rights that a role lacks on the application's tables, and the statements that grant them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.host.binding import CAPTURED, REQUIRED, Binding

#: A right in words, and the statement that grants it.
Missing = tuple[str, str]


@dataclass(frozen=True)
class Right:
    """A right on the database, on a schema or on a table, or the rights of a table's owner."""

    kind: Literal["database", "schema", "table", "owner"]
    privilege: str = ""
    schema: str | None = None
    table: str | None = None


def to_read(bound: Binding) -> list[Right]:
    """Return the rights that a role needs to compute edges and paths. The tables of users and collections need none."""
    sources = [bound.sources[name] for name in REQUIRED]
    schemas = dict.fromkeys(source.schema for source in sources)
    return [
        *(Right("schema", "USAGE", schema) for schema in schemas),
        *(Right("table", "SELECT", source.schema, source.table) for source in sources),
    ]


def to_index(bound: Binding, indexed: Iterable[str]) -> list[Right]:
    """Return the rights that a role needs to create triggers on the sources, and indexes on the *indexed* sources."""
    sources = [bound.sources[name] for name in REQUIRED if bound.takes_objects(name)]
    schemas = sorted({bound.sources[name].schema for name in indexed})
    return [
        *(Right("schema", "CREATE", schema) for schema in schemas),
        *(Right("owner", schema=source.schema, table=source.table) for source in sources),
    ]


def missing(connection: Connection, wanted: Iterable[Right], role: str | None = None) -> list[Missing]:
    """Return those of the *wanted* rights that a role lacks, by default the role of the session."""
    asked = list(wanted)
    rows = connection.execute(
        sqlfiles.query("host/missing_rights"),
        {
            "role_name": role or current_role(connection),
            "kinds": [each.kind for each in asked],
            "schemas": [each.schema for each in asked],
            "names": [each.table for each in asked],
            "privileges": [each.privilege for each in asked],
        },
    )
    return [(row[0], row[1]) for row in rows]


def require(connection: Connection, wanted: Iterable[Right], purpose: str) -> None:
    """Raise :class:`OrchestratorError`, which names every missing right, unless this role has all *wanted* ones."""
    lacking = missing(connection, wanted)
    if lacking:
        raise OrchestratorError(refusal(current_role(connection), lacking, purpose))


def refusal(role: str, lacking: Sequence[Missing], purpose: str) -> str:
    """Return the line that names missing rights and the statements that grant them."""
    grants = " ".join(f"{grant};" for grant in dict.fromkeys(grant for _, grant in lacking))
    return (
        f"to {purpose}, role {role} needs {', '.join(right for right, _ in lacking)};"
        f" a superuser or the owner must run: {grants}"
    )


def hidden(connection: Connection, bound: Binding) -> list[str]:
    """Return the tables from which edges are computed, and some of whose rows row-level security may hide."""
    sources = [source for source in bound.sources.values() if source.name in CAPTURED]
    rows = connection.execute(
        sqlfiles.query("host/tables_with_policies"),
        {"schemas": [source.schema for source in sources], "tables": [source.table for source in sources]},
    )
    return [row[0] for row in rows]


def current_role(connection: Connection) -> str:
    """Return the name of the role whose rights this session has."""
    return str(connection.execute("SELECT current_user::text").fetchall()[0][0])
