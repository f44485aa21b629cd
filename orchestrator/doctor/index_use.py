"""Checks indexes by their state: they are valid, not bloated, and used. Their definitions are another check."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import psycopg

from orchestrator.core.formats import size
from orchestrator.core.schema import all_named
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.indexes import wanted_indexes
from orchestrator.inspection.subject import SMALL, Subject

#: The smallest size in bytes of a bloated index, and how many times the size of its entries it has at least.
BLOATED = (64 * 2**20, 2.0)
#: An index is unused when no statement has used it for this long.
UNUSED = timedelta(days=7)

_FRESH = 90.0  # percent of a leaf that a new index fills


def invalid(subject: Subject) -> Iterator[Finding]:
    """Find indexes of the same tables that are not valid and not the package's."""
    parameters = {"tables": [table.oid for table in subject.leaves], "names": _names(subject)}
    for row in subject.query("doctor/invalid_indexes", parameters):
        what = f"index {row.name} is not valid: every write updates its {size(row.bytes)}, and no query uses it"
        yield Finding("invalid indexes", "wrong", what, f"DROP INDEX CONCURRENTLY {row.name};", row.name)


def sizes(subject: Subject) -> Iterator[Finding]:
    """Find bloated indexes by an estimate; if pgstattuple is installed, it checks the estimate."""
    least_bytes, least_factor = BLOATED
    parameters = {
        "tables": [table.oid for table in subject.leaves],
        "names": _names(subject),
        "least_bytes": least_bytes,
        "least_factor": least_factor,
    }
    for row in subject.query("doctor/index_sizes", parameters):
        needed, how = float(row.needed), "estimated from the catalog"
        density = _density(subject, row.oid)
        if density is not None:
            needed, how = row.bytes * density / _FRESH, f"its leaves are {density:.0f} % full"
            if row.bytes < least_factor * needed:
                continue
        what = f"index {row.name} takes {size(row.bytes)}; newly built it would take {size(needed)} ({how})"
        yield Finding("index sizes", "wrong", what, f"REINDEX INDEX CONCURRENTLY {row.name};", row.name)


def usage(subject: Subject) -> Iterator[Finding]:
    """Find indexes of larger tables that no statement has used for a week.

    The indexes of strong edges are left out: only calls with ``order_by => 'strength'`` use them.
    """
    expected = (name for name, index in wanted_indexes(subject.binding).items() if index.rule is None)
    parameters = {
        "tables": [table.oid for table in subject.leaves],
        "names": all_named(subject.connection, expected),
        "pages": SMALL,
        "seconds": UNUSED.total_seconds(),
    }
    for row in subject.query("doctor/unused_indexes", parameters):
        what = (
            f"{row.name} ({size(row.bytes)}) has not been used since {row.began:%Y-%m-%d %H:%M} on this server. Either"
            " find_paths is not called here, or the planner does not choose the index."
            " `orchestrator verify` calls find_paths."
        )
        yield Finding("index use", "advice", what, "orchestrator verify", row.name)


def _names(subject: Subject) -> list[str]:
    """Return the names of the indexes in the database."""
    return all_named(subject.connection, wanted_indexes(subject.binding))


def _density(subject: Subject, oid: int) -> float | None:
    """Return how full the leaf pages are, in percent; None if this is not known, or reading it takes too long."""
    found = subject.query("doctor/pgstatindex")
    if not found:
        return None
    try:
        with subject.connection.transaction():
            row = subject.connection.execute(
                f"SELECT s.avg_leaf_density FROM {found[0][0]}(%s::regclass) AS s".encode(), (oid,)
            ).fetchone()
    except psycopg.errors.QueryCanceled:
        return None
    return float(row[0]) if row is not None and row[0] == row[0] else None  # NaN: no leaves
