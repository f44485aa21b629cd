"""Finds out that a partition of a table of the application has been dropped, with its rows.

``DROP TABLE`` and ``DETACH PARTITION`` fire no trigger. So an install stores the names of the partitions, and a later
one compares them with those that are there.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.host.binding import CAPTURED, Binding
from orchestrator.host.mapping_expressions import identifier
from orchestrator.install.steps import partitions


def gone(connection: Connection, binding: Binding) -> list[str]:
    """Return the partitions at the latest install that are no longer there, or no longer partitions.

    The result is empty when they are not known, or when this role may not read them.
    """
    rows: list[tuple[list[str] | None]] = []
    missing = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InsufficientPrivilege)
    with suppress(*missing), connection.transaction():
        rows = connection.execute(sqlfiles.query("install/partitions_of_installation")).fetchall()
    known = rows[0][0] if rows else None
    present = set(_present(connection, binding)) if known else set()
    return [name for name in known or [] if name not in present]


def remember(connection: Connection, binding: Binding, repaired: Iterable[str]) -> None:
    """Store the partitions that are there, and those that are gone but not among the *repaired* ones."""
    later = set(gone(connection, binding)) - set(repaired)
    found = sorted({*_present(connection, binding), *later})
    connection.execute(sqlfiles.query("install/remember_partitions"), {"partitions": found})


def _present(connection: Connection, binding: Binding) -> list[str]:
    return [
        f"{identifier(each.schema)}.{identifier(each.name)}"
        for source in CAPTURED
        if binding.takes_objects(source)
        for each in partitions(connection, binding, source)
    ]
