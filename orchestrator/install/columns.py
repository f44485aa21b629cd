"""Finds tables and types of the package that lack a column.

A migration creates a table unless it exists, so it does not add a column to one of a version that was never released.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.migration_files import migrations
from orchestrator.core.schema import schema_of

_ROWS = re.compile(
    r"^(?P<indent> *)CREATE (?:TABLE IF NOT EXISTS|TYPE) connection_paths\.(?P<name>\w+)"
    r" (?:AS )?\((?P<body>.*?)^(?P=indent)\)",
    re.DOTALL | re.MULTILINE,
)
_COLUMN = re.compile(r"^ +(?P<name>[a-z_]\w*) [a-z]")


def missing(connection: Connection) -> list[str]:
    """Return a sentence for each table or type that exists and lacks a column; reads the catalogs only."""
    schema = schema_of(connection)
    found = connection.execute(sqlfiles.query("install/columns"), {"names": sorted(_wanted())}).fetchall()
    return [
        f"{schema}.{name} has no column {', '.join(lacking)}"
        for name, columns in found
        if (lacking := [column for column in _wanted()[name] if column not in columns])
    ]


def repair(connection: Connection) -> str:
    """Return the commands that make the tables anew."""
    return f"DROP SCHEMA {schema_of(connection)} CASCADE\norchestrator install\norchestrator backfill"


def check_columns(connection: Connection) -> None:
    """Refuse tables of a version that was never released."""
    found = missing(connection)
    if found:
        raise OrchestratorError(
            f"{'; '.join(found)}. A version that was never released made this installation, and no install can upgrade"
            " it. Copy the rows that you wrote, such as those of do_not_ask and organization_policy, because the next"
            f" commands remove them and every edge. Then run: {', then '.join(repair(connection).splitlines())}"
        )


@cache
def _wanted() -> dict[str, list[str]]:
    """Return the columns of each table and composite type, by its name."""
    files = [sqlfiles.read("migrations", path.name) for path in migrations() if path.suffix == ".sql"]
    return {found["name"]: list(_columns(found["body"])) for text in files for found in _ROWS.finditer(text)}


def _columns(body: str) -> Iterator[str]:
    """Return the names of the columns in the body of a CREATE statement; a line of a constraint begins in capitals."""
    indents = [len(line) - len(line.lstrip()) for line in body.splitlines() if line.strip()]
    for line in body.splitlines():
        found = _COLUMN.match(line)
        if found and len(line) - len(line.lstrip()) == min(indents):
            yield found["name"]
