"""Earlier generations of functions, which exist only to be measured and compared with.

The folder holds one SQL file per function, as it was when it was last installed, moved to the schema ``generations``.
Its functions read the installed tables and views, and call no installed finder. See the README beside this file.
"""

from __future__ import annotations

from pathlib import Path

from bench.world import one
from orchestrator.core.database import Connection

SCHEMA = "generations"
FINDERS = ("v1", "v2", "v3")

_FOLDER = Path(__file__).parent
_IN_ORDER = (  # each file after those that it needs
    "introducers",
    "check_finder_arguments",
    "recent_edges",
    "member_edges",
    "walk",
    "openers",
    "edge_details",
    "walked_paths",
    "deep_finder_v1",
    "deep_finder_v2",
    "introducers_of",
    "near_members",
    "shallow_search",
    "recent_members",
    "chain_contacts",
    "path_contacts",
    "deep_search",
    "search",
    "deep_finder_v3",
    "recursive_finder",
    "backfill_contact_v1",
)


def install(connection: Connection) -> None:
    """Create the schema and its functions in the database of *connection*, unless they are there already.

    The package itself must be installed. Nothing is replaced, because these functions never change.
    """
    if one(connection, "SELECT to_regproc(%s) IS NOT NULL", (f"{SCHEMA}.{_IN_ORDER[-1]}",)):
        return
    with connection.transaction():
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}".encode())
        for name in _IN_ORDER:
            connection.execute((_FOLDER / f"{name}.sql").read_bytes())
