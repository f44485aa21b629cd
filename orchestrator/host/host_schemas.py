"""Whether a schema that an option names exists, and which one is probably meant if it does not."""

from __future__ import annotations

from difflib import get_close_matches

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.host.mapping_expressions import identifier


def is_schema(connection: Connection, name: str) -> bool:
    """Return whether the database has a schema of that name."""
    found = connection.execute("SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = %s", (name,))
    return found.fetchone() is not None


def similar(connection: Connection, name: str) -> str | None:
    """Return the schema with tables of an application whose name is most similar to *name*; None if there is none."""
    known = dict.fromkeys(row[0] for row in connection.execute(sqlfiles.query("host/mapping_tables")))
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), by_lower, n=1)
    return identifier(by_lower[near[0]]) if near else None


def require(connection: Connection, name: str, option: str = "--host-schema") -> None:
    """Raise :class:`OrchestratorError` unless the database has the schema that *option* names."""
    if not is_schema(connection, name):
        raise OrchestratorError(unknown(connection, name, option))


def unknown(connection: Connection, name: str, option: str = "--host-schema") -> str:
    """Return the problem that a schema does not exist, with the schema that is probably meant."""
    meant = similar(connection, name)
    advice = "write the schema of your tables" if meant is None else f"did you mean {meant}?"
    return f"there is no schema {identifier(name)} ({option}); {advice}"
