"""The names of the package's own indexes and triggers on the tables of the application.

These are the names in the SQL files; ``core/schema.py`` replaces them for an installation in another schema.
"""

from __future__ import annotations

import re

from orchestrator.core import sqlfiles
from orchestrator.host.binding import Binding

#: The triggers of each table whose changes are captured.
TRIGGERS = tuple(f"connection_paths_{event}" for event in ("inserted", "updated", "deleted", "truncated"))
#: The trigger that also captures what logical replication writes.
REPLICATED_TRIGGER = "connection_paths_replicated"


def _host_indexes(folder: str) -> dict[str, str]:
    return {
        path.stem: found[1]
        for path in sorted((sqlfiles.ROOT / folder).glob("idx_*.sql"))
        if (found := re.search(r"ON :(\w+)\.table", path.read_text(encoding="utf-8")))
    }


#: The package's indexes on the application's tables, and the source of each.
HOST_INDEXES = _host_indexes("indexes")
#: The indexes that exist only while company names are resolved; see :mod:`orchestrator.install.company_names`.
NAME_INDEXES = _host_indexes("names")
#: The indexes that are built only where the id of the source is an expression.
_BY_ID = ("idx_contacts_by_id", "idx_organizations_by_id")


def wanted_indexes(binding: Binding) -> tuple[str, ...]:
    """Return the indexes that the tables of the application need: none on a view, and an id index only for some ids."""
    return tuple(
        name
        for name, source in HOST_INDEXES.items()
        if binding.takes_objects(source) and (name not in _BY_ID or binding.needs_id_index(source))
    )
