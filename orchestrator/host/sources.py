"""The tables of the application that the package reads, and problems with their views and triggers.

``contacts``, ``organizations``, ``contact_work_experiences`` and ``user_contact_collections`` are the sources of all
edges and paths. The mapping says which table each source is. Each is read through a binding view, and triggers on three
of them capture changes.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import sql

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.host.binding import CAPTURED, LATER, REQUIRED, VIEW_OF, Binding, bind
from orchestrator.host.mapping import DEFAULT, SourceMapping

#: The sources without which nothing is computed, and their binding views.
TABLES = REQUIRED
VIEWS = tuple(VIEW_OF[name] for name in REQUIRED)

Remedy = Literal["install", "attach", "replicated", "repair", "sync", "person"]

#: The command of each remedy. Other remedies need a decision by a person.
COMMANDS: dict[str, str] = {
    "install": "orchestrator install",
    "attach": "orchestrator attach",
    "replicated": "orchestrator install --replicated",
    "repair": "orchestrator sync",
    "sync": "orchestrator sync",
}
#: Kinds of problems because of which a binding view cannot be read.
UNREADABLE = ("table", "view", "detached")
#: Kinds of problems that :mod:`orchestrator.install.repair` finds, too.
REPAIRED = ("table", "view", "trigger", "stray trigger")


@dataclass(frozen=True)
class Problem:
    """One problem; ``sql/queries/host/binding_problems.sql`` lists the kinds and the remedies.

    Three more kinds: ``column``, a column was renamed; ``capture``, a trigger could not queue a change; ``hidden``,
    row-level security may hide rows from this role, which may write edges.

    Two more remedies. ``repair``: a person must remove the cause, then run ``sync``. ``sync``: the triggers work again,
    so ``sync`` is enough.
    """

    kind: str
    object: str
    problem: str
    remedy: Remedy

    @property
    def what(self) -> str:
        """The problem, and a request to repair it first where a command alone does not help."""
        return f"{self.problem}; remove this cause first" if self.remedy == "repair" else self.problem

    @property
    def sentence(self) -> str:
        """The problem and the command that helps, in one line."""
        command = COMMANDS.get(self.remedy)
        return self.what if command is None else f"{self.what}; run {command}"


#: Kinds of problems because of which changes are not queued, so that ``sync`` cannot refresh the edges.
NOT_CAPTURED = ("column", "capture", "trigger", "queue", "subscription", "inheritance")


@dataclass(frozen=True)
class Remembered:
    """The choices of the last install: the schema of the application's tables, and which changes are captured."""

    host_schema: str
    has_triggers: bool
    is_replicated: bool
    mapping: SourceMapping = DEFAULT


def remembered(connection: Connection) -> Remembered | None:
    """Return the choices of the last install; None when they are not stored, or this role may not read them."""
    rows: list[tuple[Any, ...]] = []
    missing = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.InsufficientPrivilege)
    with suppress(*missing), connection.transaction():
        rows = connection.execute(sqlfiles.query("install/installation")).fetchall()
    if not rows:
        return None
    host_schema, has_triggers, is_replicated, mapping, _ = rows[0]
    known = DEFAULT if mapping is None else SourceMapping.from_json(mapping)
    return Remembered(host_schema, has_triggers, is_replicated, known)


def binding(connection: Connection, host_schema: str | None = None) -> Binding:
    """Return the sources of the last install with their tables.

    ``host_schema`` replaces the schema that the last install chose; with neither it is ``public``.
    """
    known = remembered(connection)
    schema = host_schema or (known.host_schema if known else "public")
    return bind(connection, known.mapping if known else DEFAULT, schema)


def problems(connection: Connection, host_schema: str | None) -> list[Problem]:
    """Return the problems with the binding views, the triggers and other properties of the application's tables.

    ``host_schema`` is the schema of those tables; None: ``public``. Works whatever part of the package is missing.
    """
    known = remembered(connection)
    bound = binding(connection, host_schema or "public")
    parameters = {
        **asked(bound),
        "has_triggers": known is not None and known.has_triggers,
        "is_replicated": known is not None and known.is_replicated,
    }
    rows = connection.execute(sqlfiles.query("host/binding_problems"), parameters).fetchall()
    return [
        *(Problem(*row) for row in rows), *_renamed_columns(connection, bound), *_capture_failures(connection),
        *_hidden_rows(connection),
    ]  # fmt: skip


def asked(bound: Binding, *, with_columns: bool = True) -> dict[str, str]:
    """Return the parameters of queries about the sources: ``host_schema``, and ``sources`` as a JSON array.

    Each source has the name ``source``, its ``view``, ``schema`` (null: the host schema), ``table``, whether triggers
    capture its changes (``captured``), and ``columns``: the types that each column may have, null for any type.
    Without ``with_columns``, no column is named.
    """
    described = [
        {
            "source": name,
            "view": source.view,
            "schema": None if source.schema == LATER else source.schema,
            "table": source.table,
            "captured": name in CAPTURED and bound.takes_objects(name),
            "columns": bound.required_types(name) if with_columns else {},
        }
        for name, source in bound.sources.items()
    ]
    return {"host_schema": bound.host_schema, "sources": json.dumps(described)}


def without_unique_id(connection: Connection, bound: Binding) -> list[str]:
    """Return which of contacts and organizations may have an id twice, because no unique index forbids it."""
    names = [name for name in ("contacts", "organizations") if name in bound.sources]
    parameters = {
        "sources": names,
        "schemas": [bound.sources[name].schema for name in names],
        "tables": [bound.sources[name].table for name in names],
        "columns": [bound.raw(name, "id") for name in names],
    }
    return [row[0] for row in connection.execute(sqlfiles.query("host/tables_without_key"), parameters)]


def renamed_views(connection: Connection, bound: Binding) -> set[str]:
    """Return the binding views of tables of which a column was renamed."""
    return {row[0] for row in connection.execute(sqlfiles.query("host/renamed_columns"), asked(bound))}


def _renamed_columns(connection: Connection, bound: Binding) -> list[Problem]:
    found = []
    for _, table, missing, present in connection.execute(sqlfiles.query("host/renamed_columns"), asked(bound)):
        what = f"column {missing} of {table} was renamed, and its changes are not captured; rename it back"
        if present is not None:
            old, new = sql.Identifier(present).as_string(connection), sql.Identifier(missing).as_string(connection)
            what += f" (ALTER TABLE {table} RENAME {old} TO {new})"
        what += ", or write its new name in a mapping (orchestrator install --map FILE); then run orchestrator sync"
        found.append(Problem("column", table, what, "person"))
    return found


def _hidden_rows(connection: Connection) -> list[Problem]:
    """Return the tables of which this role may not see every row, if it may write edges and so needs every row."""
    role, tables = None, []
    missing = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction, psycopg.errors.InsufficientPrivilege)
    with suppress(*missing), connection.transaction():
        for row in connection.execute(sqlfiles.query("host/may_write_edges")):
            role, tables = row[0], hidden_tables(connection)
    what = (
        f"row-level security may hide rows of {{}} from role {role}, so this role cannot run sync and backfill; use the"
        " owner of the tables, a role with BYPASSRLS, or a policy for this role with USING (true)"
    )
    return [Problem("hidden", table, what.format(table), "person") for table in tables]


def hidden_tables(connection: Connection) -> list[str]:
    """Return the tables of the application whose rows row-level security may hide from this role."""
    return [row[0] for row in connection.execute("SELECT h.table_name FROM connection_paths.hidden_tables() AS h")]


def require_every_row(connection: Connection, purpose: str) -> None:
    """Raise :class:`OrchestratorError` when row-level security may hide rows that *purpose* needs from this role."""
    refuse_hidden_rows(hidden_tables(connection), purpose)


def refuse_hidden_rows(hidden: list[str], purpose: str) -> None:
    """Raise :class:`OrchestratorError` when there are tables whose rows may be *hidden*."""
    if hidden:
        raise OrchestratorError(
            f"row-level security may hide rows of {', '.join(hidden)} from this role; to {purpose}, use the owner of"
            " the tables, a role with BYPASSRLS, or a policy for this role with USING (true)"
        )


def detached_views(connection: Connection) -> set[str]:
    """Return the binding views of tables that are detached."""
    return {row[0] for row in connection.execute(sqlfiles.query("host/detached_views"))}


def citus_tables(connection: Connection, bound: Binding) -> list[tuple[str, str]]:
    """Return the tables that Citus manages, each as ``distributed``, ``reference`` or ``local``.

    The edges are not among them where ``install --distributed`` has distributed them.
    """
    rows = connection.execute(sqlfiles.query("host/citus_tables"), asked(bound))
    return [(row[0], row[1]) for row in rows]


def _capture_failures(connection: Connection) -> list[Problem]:
    readable = connection.execute(sqlfiles.query("host/readable_tables"), {"names": ["capture_failures"]}).fetchall()
    if not readable:
        return []
    found = []
    for source, failed_at, error, tables in connection.execute(sqlfiles.query("host/capture_failures")).fetchall():
        works_again = all(_capture_works(connection, table) for table in tables)
        since = f"{failed_at:%Y-%m-%d %H:%M:%S %Z}"
        if works_again:
            what = f"some changes of {source} from {since} on were not captured; the triggers work again"
        else:
            what = f"changes of {source} have not been captured since {since}: {error}"
        found.append(Problem("capture", source, what, "sync" if works_again else "repair"))
    return found


def _capture_works(connection: Connection, table_oid: int) -> bool:
    """Whether the triggers of a table work; False when the function or the queue is missing, or rights are."""
    missing = (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege)
    with suppress(*missing), connection.transaction():
        row = connection.execute("SELECT connection_paths.capture_works(%s::oid)", (table_oid,)).fetchone()
        return row == (True,)
    return False


def refuse_citus(connection: Connection, bound: Binding) -> None:
    """Raise :class:`OrchestratorError` when Citus manages a table that the package reads or writes.

    Such a table is empty on the coordinator: finders would return nothing, and sync would delete correct edges.
    """
    for table, management in citus_tables(connection, bound):
        raise OrchestratorError(
            f"table {table} is a {management} table of Citus; connection_paths needs ordinary tables"
            f" (SELECT undistribute_table('{table}') makes one)"
        )
