"""Explains a permission that was denied: which rights a role lacks for a command, and the statements that give them."""

from __future__ import annotations

from orchestrator.access.roles import DEFAULT_PREFIX, in_use
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.host import rights
from orchestrator.host.rights import Missing, Right

#: The commands whose rights a group role gives, by the last part of its name.
_READER = ("paths", "serve", "sweep", "status", "doctor")
_OPERATOR = ("plan", "backfill", "sync", "verify", "runs", "resolve", "organizations")
_OWNER = ("install", "uninstall", "attach", "detach")
_LEVELS = {
    **dict.fromkeys(_READER, "reader"),
    **dict.fromkeys(_OPERATOR, "operator"),
    **dict.fromkeys(_OWNER, "owner"),
}


def explain(connection: Connection, command: str) -> str | None:
    """Return the line that names every right which this role lacks for *command*; None when none is known to lack.

    *command* is the name of a command of ``orchestrator``, or of a group of commands.
    """
    level = _LEVELS.get(command)
    found = connection.execute(sqlfiles.query("access/schema_of_package")).fetchone()
    if level is None or found is None:
        return None
    owner, has_owner, schemas, tables = found
    role, prefix = rights.current_role(connection), in_use(connection)
    if prefix is None and not has_owner:
        return (
            f"role {role} has not every right that orchestrator {command} needs, and connection_paths has no group"
            f" roles here; {owner} must run: orchestrator install --roles, and the statements that it prints; then:"
            f" {_grant(connection, f'{DEFAULT_PREFIX}_{level}', role)};"
        )
    lacking = [] if prefix is None else _membership(connection, f"{prefix}_{level}", role)
    wanted = [
        *(Right("schema", "USAGE", schema) for schema in dict.fromkeys(schemas)),
        *(Right("table", "SELECT", schema, table) for schema, table in zip(schemas, tables, strict=True)),
    ]
    lacking += rights.missing(connection, wanted, role if prefix is None else f"{prefix}_reader")
    return rights.refusal(role, lacking, f"run orchestrator {command}") if lacking else None


def _membership(connection: Connection, group: str, role: str) -> list[Missing]:
    is_member = connection.execute("SELECT pg_has_role(%s::name, 'USAGE')", (group,)).fetchone()
    if is_member == (True,):
        return []
    return [(f"membership in {group}", _grant(connection, group, role))]


def _grant(connection: Connection, group: str, role: str) -> str:
    statement = "SELECT format('GRANT %%I TO %%I', %s::text, %s::text)"
    return str(connection.execute(statement, (group, role)).fetchall()[0][0])
