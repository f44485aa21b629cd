"""Rights that a role lacks, in one line with the statements that grant them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.host.binding import CAPTURED, Binding


@dataclass(frozen=True)
class Right:
    """A right on a schema, or on a table in it."""

    privilege: str
    schema: str
    table: str | None = None


def to_read(bound: Binding) -> list[Right]:
    """Return the rights that reading all sources needs."""
    sources = bound.sources.values()
    schemas = dict.fromkeys(source.schema for source in sources)
    return [
        *(Right("USAGE", schema) for schema in schemas),
        *(Right("SELECT", source.schema, source.table) for source in sources),
    ]


def hidden(connection: Connection, bound: Binding) -> list[str]:
    """Return the tables from which edges are computed and of whose rows row-level security may hide some."""
    sources = [source for source in bound.sources.values() if source.name in CAPTURED]
    rows = connection.execute(
        sqlfiles.query("host/tables_with_policies"),
        {"schemas": [source.schema for source in sources], "tables": [source.table for source in sources]},
    )
    return [row[0] for row in rows]


def missing(connection: Connection, wanted: Iterable[Right]) -> list[tuple[str, str]]:
    """Return those of the *wanted* rights that this role lacks, each with the statement that grants it."""
    asked = list(wanted)
    rows = connection.execute(
        sqlfiles.query("host/missing_rights"),
        {
            "schemas": [each.schema for each in asked],
            "tables": [each.table for each in asked],
            "privileges": [each.privilege for each in asked],
        },
    )
    return [(row[0], row[1]) for row in rows]


def require(connection: Connection, wanted: Iterable[Right], purpose: str) -> None:
    """Raise :class:`OrchestratorError`, which names every missing right, unless this role has all *wanted* ones."""
    lacking = missing(connection, wanted)
    if lacking:
        raise OrchestratorError(refusal(connection, lacking, purpose))


def refusal(connection: Connection, lacking: Iterable[tuple[str, str]], purpose: str) -> str:
    """Return the line that names missing rights, and the statements that grant them."""
    lines = list(lacking)
    role = connection.execute("SELECT current_user::text").fetchall()[0][0]
    return (
        f"to {purpose}, role {role} needs {', '.join(right for right, _ in lines)};"
        f" a superuser or the owner must run: {' '.join(f'{grant};' for _, grant in lines)}"
    )
