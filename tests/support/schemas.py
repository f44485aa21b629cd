"""The schemas of other applications in ``tests/host/schemas``, and their mappings."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from orchestrator.core.database import Connection
from orchestrator.host.mapping import DEFAULT, SourceMapping, load

FOLDER = Path(__file__).parents[1] / "host" / "schemas"

NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.sql")))

#: Schemas whose file makes a schema of its own; the tables of the others are made in the schema of the search path.
OWN_SCHEMAS = {"hubspot": "hubspot", "linkedin": "csv"}


def make(connection: Connection, name: str, schema: str) -> None:
    """Make the tables of an application in *schema*, or in the schema of its own, and fill them."""
    with connection.transaction():
        if schema not in OWN_SCHEMAS.values():
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        connection.execute("SELECT set_config('search_path', quote_ident(%s), true)", (schema,))
        connection.execute((FOLDER / f"{name}.sql").read_bytes())


def mapping(name: str) -> SourceMapping:
    """Return the mapping of an application."""
    path = FOLDER / f"{name}.toml"
    return load(path) if path.exists() else DEFAULT


def uuid(number: int) -> str:
    """Return the uuid of a number in the schema ``uuids``."""
    return f"00000000-0000-4000-8000-{number:012}"
