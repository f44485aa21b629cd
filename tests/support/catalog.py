"""The objects of the package in a database, as lines that can be compared with another install or the golden file.

``python -m tests.support.catalog`` writes ``tests/golden/schema.txt`` and ``sql/BODIES`` anew, from a server of its
own.
"""

from __future__ import annotations

import re
from difflib import unified_diff
from pathlib import Path

from orchestrator.access.roles import DEFAULT_PREFIX
from orchestrator.core import sqlfiles
from orchestrator.core.embedded import serve_temporarily
from orchestrator.core.schema import DEFAULT
from orchestrator.inspection.versions import fingerprint
from orchestrator.install.installation import install
from tests.support.sessions import connect

GOLDEN = Path(__file__).parents[1] / "golden" / "schema.txt"
BODIES = sqlfiles.ROOT / "BODIES"
REGENERATE = "make golden"
_OF_THE_HOST = re.compile(r"(index public\.idx_|trigger connection_paths_)")


def describe(dsn: str, *schemas: str) -> list[str]:
    """Describe every object of the schemas (by default ours and ``public``), and the applied migrations."""
    with connect(dsn, settings={"search_path": "pg_catalog"}) as connection:
        names = {"schemas": list(schemas or ("connection_paths", "public"))}
        rows = connection.execute(sqlfiles.query("install/catalog"), names)
        lines = [re.sub(r"\s*\n\s*", " ", str(row[0])) for row in rows]
        if connection.execute("SELECT to_regclass('connection_paths._yoyo_migration')").fetchone() != (None,):
            applied = connection.execute("SELECT migration_id FROM connection_paths._yoyo_migration ORDER BY 1")
            lines += [f"applied {row[0]}" for row in applied]
        return lines


def golden(dsn: str, roles: str = DEFAULT_PREFIX) -> list[str]:
    """Install with roles into a database with host tables, and describe the objects of the package."""
    install(dsn, roles=roles)
    ours = [line for line in describe(dsn, "connection_paths") if "yoyo" not in line.split("(")[0]]
    host = [line for line in describe(dsn, "public") if _OF_THE_HOST.match(line) and " owner " not in line]
    return [re.sub(rf"\b{roles}(?=_(reader|operator|owner)\b)", DEFAULT_PREFIX, line) for line in ours + host]


def bodies(dsn: str) -> dict[str, str]:
    """Return the fingerprint of each function body that PostgreSQL stores in parsed form."""
    with connect(dsn, settings={"search_path": "pg_catalog, pg_temp"}) as connection:
        rows = connection.execute(sqlfiles.query("inspection/functions")).fetchall()
    return {str(name): str(fingerprint(body, DEFAULT)) for name, *_, body in rows if body is not None}


def difference(before: list[str], after: list[str], name: str = "", other: str = "") -> str:
    """Return a unified diff of two descriptions, without context; empty where they are equal."""
    return "\n".join(unified_diff(before, after, name, other, lineterm="", n=0))


def main() -> None:
    with serve_temporarily() as (_, dsn):
        with connect(dsn) as connection:
            connection.execute(sqlfiles.query("install/demo_tables"))
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text("\n".join(golden(dsn)) + "\n")
        BODIES.write_text("".join(f"{name} {body}\n" for name, body in sorted(bodies(dsn).items())))


if __name__ == "__main__":
    main()
