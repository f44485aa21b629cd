"""Finds ids that are looked up without an index, because the table of the application has none for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.core import sqlfiles
from orchestrator.host.binding import VIEW_OF, Binding
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import SMALL, Subject

#: The sources that are read only for names. The package puts no index on them.
_READ_FOR_NAMES = ("users", "collections")


def lookups(subject: Subject) -> Iterator[Finding]:
    """Find tables of users and collections that every answer with names reads as a whole."""
    binding = subject.binding
    for source in _READ_FOR_NAMES:
        if source not in binding.tables or not binding.takes_objects(source):
            continue
        (size,) = subject.query("doctor/pages_of_source", _place(binding, source))
        if size.pages >= SMALL and _is_read_whole(subject, source):
            name = f"{subject.quoted(binding.sources[source].schema)}.{subject.quoted(binding.sources[source].table)}"
            what = f"no index finds the {source} in {name} by id: every answer with names reads the whole table"
            yield Finding("names", "advice", what, index_of_id(binding, source, name), name)


def index_of_id(binding: Binding, source: str, table: str) -> str:
    """Return the statement that builds an index of the ids of a source; *table* is quoted for SQL.

    An index of a partitioned table cannot be built concurrently.
    """
    how = "CREATE INDEX" if binding.is_partitioned(source) else "CREATE INDEX CONCURRENTLY"
    return f"{how} ON {table} ({binding.fill(f':{source}.key_id')});"


def _place(binding: Binding, source: str) -> dict[str, str]:
    return {"schema": binding.sources[source].schema, "table": binding.sources[source].table}


def _is_read_whole(subject: Subject, source: str) -> bool:
    """Whether a look-up by id is a sequential scan even where the planner avoids one."""
    subject.connection.execute("SELECT set_config('enable_seqscan', 'off', true)")
    query = sqlfiles.query("doctor/plan_name").replace("live_users", VIEW_OF[source])
    row = subject.connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode()).fetchone()
    assert row is not None
    return any(node["Node Type"] == "Seq Scan" for node in _nodes(row[0][0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)
