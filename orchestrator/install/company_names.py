"""The objects that exist only while company names are resolved, in ``sql/names``.

They are two indexes and a trigger on the application's work experiences, the view ``named_experiences``, and a second
part of the view ``employments``. Without resolved names they would cost time in every backfill, so ``install`` creates
them only on request, and remembers the choice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString

import psycopg
from psycopg import sql

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.locks import retry_while_locked
from orchestrator.install import steps

#: The triggers, and the file of each.
_TRIGGERS = {"connection_paths_names_updated": "triggers.sql", "connection_paths_names_replicated": "replicated.sql"}


def is_on(connection: Connection) -> bool:
    """Whether resolved company names make edges; False when nothing is installed or this role may not read that."""
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


def switch(
    connection: Connection,
    host_schema: str,
    wanted: bool | None,
    *,
    has_triggers: bool,
    is_replicated: bool,
    progress: Callable[[str], None],
) -> list[str]:
    """Create or remove the objects as *wanted* (None: as before); returns a sentence for each change.

    The caller holds the installation lock, and every migration has been applied. Raises :class:`OrchestratorError` when
    the application's table has no column ``company_name``.
    """
    connection.execute("SELECT set_config(%s, %s, false)", (steps.HOST_SCHEMA, host_schema))
    before = is_on(connection)
    if wanted is None:
        wanted = before
    if not wanted:
        if before:
            remove(connection, host_schema)
            _remember(connection, False)
            return ["company names are no longer resolved; run: orchestrator sync"]
        return []
    _require_column(connection, host_schema)
    done = [
        *_build_indexes(connection, progress),
        *_create_triggers(connection, host_schema, has_triggers=has_triggers, is_replicated=is_replicated),
        *_create_views(connection, host_schema),
    ]
    _remember(connection, True)
    return done if before else ["resolved company names make edges from now on"]


def remove(connection: Connection, host_schema: str) -> None:
    """Drop the objects, and queue the contacts whose edges come from a resolved name."""
    connection.execute("SELECT set_config(%s, %s, false)", (steps.HOST_SCHEMA, host_schema))
    for trigger in steps.own_triggers(connection):
        if trigger.name in _TRIGGERS:
            steps.drop_trigger(connection, trigger)
    retry_while_locked(connection, lambda: connection.execute(sqlfiles.read("names", "off.sql")))
    for name in steps.NAME_INDEXES:
        steps.drop_index(connection, name)


def _remember(connection: Connection, is_on: bool) -> None:
    connection.execute("UPDATE connection_paths.installation SET resolves_names = %s", (is_on,))


def _require_column(connection: Connection, host_schema: str) -> None:
    asked = {"host_schema": host_schema}
    if connection.execute(sqlfiles.query("names/has_company_names"), asked).fetchone() != (True,):
        raise OrchestratorError(
            f"table {host_schema}.contact_work_experiences has no column company_name of a text type,"
            " so there are no company names to resolve"
        )


def _build_indexes(connection: Connection, progress: Callable[[str], None]) -> list[str]:
    done = []
    for name in steps.NAME_INDEXES:
        if not any(index.is_right for index in steps.own_indexes(connection, name)):
            progress(f"building index {name}")
            steps.build_index(connection, name)
            done.append(f"repaired: index {name} was missing")
    return done


def _create_triggers(connection: Connection, host_schema: str, *, has_triggers: bool, is_replicated: bool) -> list[str]:
    wanted = {"connection_paths_names_updated"} if has_triggers else set()
    if has_triggers and is_replicated:
        wanted.add("connection_paths_names_replicated")
    present = {trigger.name: trigger for trigger in steps.own_triggers(connection) if trigger.name in _TRIGGERS}
    for name in present.keys() - wanted:
        steps.drop_trigger(connection, present[name])
    missing = sorted(wanted - present.keys())
    for name in missing:
        text = _for_host(connection, host_schema, _TRIGGERS[name])
        retry_while_locked(connection, lambda text=text: connection.execute(text))  # type: ignore[misc]
    return [f"repaired: trigger {name} was missing" for name in missing]


def _create_views(connection: Connection, host_schema: str) -> list[str]:
    """Create the views if one is missing or reads another table; then queue the names that are accepted."""
    asked = {"host_schema": host_schema}
    if connection.execute(sqlfiles.query("names/views_are_right"), asked).fetchone() == (True,):
        return []

    def create() -> None:
        connection.execute(_for_host(connection, host_schema, "named_experiences.sql"))
        connection.execute(sqlfiles.read("names", "employments.sql"))
        connection.execute(sqlfiles.query("names/queue_accepted_names"))

    retry_while_locked(connection, create)
    return ["repaired: the views of company names; run: orchestrator sync"]


def _for_host(connection: Connection, host_schema: str, name: str) -> LiteralString:
    return sqlfiles.for_host(sqlfiles.read("names", name), sql.Identifier(host_schema).as_string(connection))
