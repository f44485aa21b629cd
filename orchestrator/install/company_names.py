"""The objects that exist only while company names are resolved, in ``sql/names``.

They are two indexes on the application's work experiences, the view ``named_experiences``, and a second part of the
view ``employments``. Without resolved names they would cost time in every backfill, so ``install`` creates them only on
request, and remembers the choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.host import mapping_probe, sources
from orchestrator.host.binding import Binding, bind
from orchestrator.host.mapping import SourceMapping
from orchestrator.host.own_objects import NAME_INDEXES
from orchestrator.install import steps

_SOURCE, _VIEW, _COLUMN = "contact_work_experiences", "work_experiences", "company_name"
#: The views, each after the views that it reads.
VIEWS = ("named_experiences", "employments")
#: The functions that compare the columns whose changes count.
CAPTURING = ("queue_changed_experiences", "queue_replicated_row", "capture_works")


def is_on(connection: Connection) -> bool:
    """Whether resolved company names make edges; False when nothing is installed or this role may not read it."""
    missing = (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.InvalidSchemaName,
        psycopg.errors.InsufficientPrivilege,
    )
    try:
        with connection.transaction():
            row = connection.execute("SELECT i.resolves_names FROM connection_paths.installation AS i").fetchone()
    except missing:
        return False
    return row == (True,)


def mapped(connection: Connection, mapping: SourceMapping, host_schema: str) -> SourceMapping:
    """Return *mapping* with the column of company names, if the table has one that the mapping does not name.

    Raises :class:`OrchestratorError` when there is none.
    """
    if _COLUMN in mapping.sources[_SOURCE].columns:
        return mapping
    binding = bind(connection, mapping, host_schema)
    table = binding.tables.get(_SOURCE)
    if table is None or _COLUMN not in table.types:
        raise OrchestratorError(
            f"table {binding.shown(_SOURCE)} has no column {_COLUMN}; to resolve company names, say in a mapping which"
            f" column has them: {_COLUMN} = '...'"
        )
    return with_column(mapping)


def with_column(mapping: SourceMapping) -> SourceMapping:
    """Return *mapping* with the column ``company_name``, unless it names the column of company names already."""
    source = mapping.sources[_SOURCE]
    if _COLUMN in source.columns:
        return mapping
    columns = {**source.columns, _COLUMN: f'"{_COLUMN}"'}
    return replace(mapping, sources={**mapping.sources, _SOURCE: replace(source, columns=columns)})


def capture(connection: Connection, binding: Binding) -> None:
    """Make the trigger functions capture changed company names from now on; earlier ones have made no edges."""
    steps.set_binding(connection, binding.mapping, binding.host_schema)
    with connection.transaction():
        for name in CAPTURING:
            steps.create_function(connection, name, "v1")


def switch(connection: Connection, binding: Binding, wanted: bool, *, progress: Callable[[str], None]) -> list[str]:
    """Create or remove the objects as *wanted*; returns a sentence for each change.

    The caller holds the installation lock, and every migration has been applied.
    """
    before = is_on(connection)
    if not wanted:
        if before:
            remove(connection, binding)
            _remember(connection, False)
            return ["company names are no longer resolved; run: orchestrator sync"]
        return []
    steps.set_binding(connection, binding.mapping, binding.host_schema)
    done = [*_build_indexes(connection, binding, progress), *_create_views(connection, binding)]
    _remember(connection, True)
    return done if before else ["resolved company names make edges from now on"]


def problems(connection: Connection, binding: Binding) -> dict[str, str]:
    """Return what :func:`switch` would repair: a sentence for each object. Nothing while no names are resolved."""
    if not is_on(connection):
        return {}
    steps.set_binding(connection, binding.mapping, binding.host_schema)
    found = _wrong_indexes(connection, binding)
    if _VIEW not in sources.detached_views(connection) and not _views_are_right(connection, binding):
        found["named_experiences"] = "the views of company names are missing, or read another table"
    return found


def remove(connection: Connection, binding: Binding) -> None:
    """Drop the objects, and queue the contacts whose edges come from a resolved name."""
    steps.set_binding(connection, binding.mapping, binding.host_schema)
    retry_while_locked(connection, lambda: connection.execute(sqlfiles.read("names", "off.sql")))
    for name in NAME_INDEXES:
        steps.drop_index(connection, name)


def _remember(connection: Connection, is_on: bool) -> None:
    connection.execute("UPDATE connection_paths.installation SET resolves_names = %s", (is_on,))


def _build_indexes(connection: Connection, binding: Binding, progress: Callable[[str], None]) -> list[str]:
    wrong = _wrong_indexes(connection, binding)
    for name in wrong:
        progress(f"building index {name}")
        steps.build_index(connection, name, anew=True)
    return [f"repaired: {what}" for what in wrong.values()]


def _wrong_indexes(connection: Connection, binding: Binding) -> dict[str, str]:
    """Return a sentence for each index that is missing, not valid, or not as the mapping makes it."""
    found: dict[str, str] = {}
    if not binding.takes_objects(_SOURCE):
        return found
    for name in NAME_INDEXES:
        right = [index for index in steps.own_indexes(connection, name) if index.is_right]
        if not right:
            found[name] = f"index {name} is missing"
        elif not _is_as_mapped(connection, binding, name, right[0]):
            found[name] = f"index {name} differs from the mapping"
    return found


def _is_as_mapped(connection: Connection, binding: Binding, name: str, index: steps.OwnIndex) -> bool:
    """Whether the server writes an index as it writes the index in the file *name* on an empty copy of the table.

    True where this role may not make the copy.
    """
    source = binding.sources[_SOURCE]
    copy = binding.at(_SOURCE, "pg_temp", mapping_probe.COPY)
    text = sqlfiles.read("names", f"{name}.sql").split(";")[0].replace("CONCURRENTLY ", "")
    try:
        with mapping_probe.empty_copy(connection, source.schema, source.table):
            connection.execute(copy.fill(text))
            made = f"pg_temp.{index.known_as}"
            row = connection.execute(sqlfiles.query("names/same_index"), {"one": made, "other": index.identity})
            return row.fetchone() == (True,)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
        return True


def _create_views(connection: Connection, binding: Binding) -> list[str]:
    """Create the views, or replace them, because the mapping may have changed.

    If one was missing or has read another table, the names that are accepted are queued.
    """
    if _VIEW in sources.detached_views(connection):  # attaching restores both views
        return []
    is_right = _views_are_right(connection, binding)

    def create() -> None:
        for name in VIEWS:
            connection.execute(binding.fill(sqlfiles.read("names", f"{name}.sql")))
        if not is_right:
            connection.execute(sqlfiles.query("names/queue_accepted_names"))

    retry_while_locked(connection, create)
    return [] if is_right else ["repaired: the views of company names; run: orchestrator sync"]


def _views_are_right(connection: Connection, binding: Binding) -> bool:
    source = binding.sources[_SOURCE]
    asked = {"schema": source.schema, "table": source.table}
    return connection.execute(sqlfiles.query("names/views_are_right"), asked).fetchone() == (True,)
