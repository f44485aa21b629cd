"""Checks the tables that finders read: statistics, visibility map, binding views, triggers that capture changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.core.formats import size
from orchestrator.core.schema import all_named
from orchestrator.host import rights, sources
from orchestrator.host.binding import CAPTURED, VIEW_OF
from orchestrator.host.mapping import DEFAULT, placed
from orchestrator.host.own_objects import TRIGGERS
from orchestrator.inspection import versions
from orchestrator.inspection.finding import Finding, Severity
from orchestrator.inspection.subject import EDGES, LIVE_EDGES, SMALL, Subject, Table

# Shares of a table from which on a finding is advice, and wrong. By default autovacuum runs at 0.1 and at 0.2.
_CHANGED = (0.2, 0.5)
_NOT_VISIBLE = (0.1, 0.5)

#: Pages. The visibility map of a smaller table is not checked: concurrent writers add some hundred empty pages to a
#: table, and VACUUM does not mark an empty page as visible.
WITH_MAP = 5000


def statistics(subject: Subject) -> Iterator[Finding]:
    """Find large tables that were never analysed or changed much since, and tables that autovacuum leaves out."""
    for table, row in _leaves(subject):
        is_large = row.bytes >= SMALL * 8192
        if row.is_unknown and is_large:
            what = f"{table.name} was never analysed: the planner has no statistics for its {size(row.bytes)}"
            yield Finding("statistics", "wrong", what, _vacuum(table), table.name)
        elif is_large and row.modified > _CHANGED[0] * row.live:
            share = row.modified / max(1, row.live)
            what = f"{row.modified:,} of the {row.live:,} rows of {table.name} have changed since it was analysed"
            yield Finding("statistics", _severity(share, _CHANGED), what, _vacuum(table), table.name)
        if row.without_vacuum:
            what = f"autovacuum leaves {table.name} out: its statistics and visibility map go stale"
            live = subject.tables[LIVE_EDGES].name if table.relname == EDGES else table.name
            repair = f"ALTER TABLE {live} RESET (autovacuum_enabled);"
            yield Finding("statistics", "wrong", what, repair, table.name)


def visibility(subject: Subject) -> Iterator[Finding]:
    """Find large tables whose visibility map makes index-only scans read table pages."""
    for table, row in _leaves(subject):
        if row.pages < WITH_MAP:
            continue
        hidden = 1 - row.all_visible / row.pages
        if hidden > _NOT_VISIBLE[0]:
            what = (
                f"{row.all_visible:,} of {row.pages:,} pages of {table.name} are known to be visible to all:"
                " index-only scans must read the others"
            )
            yield Finding("visibility map", _severity(hidden, _NOT_VISIBLE), what, _vacuum(table), table.name)


def triggers(subject: Subject) -> Iterator[Finding]:
    """Find triggers that are missing or do not fire, so that changes are not captured."""
    views = [VIEW_OF[name] for name in CAPTURED if subject.binding.takes_objects(name)]
    tables = [subject.tables[view] for view in views if view in subject.tables]
    names = all_named(subject.connection, TRIGGERS)
    rows = subject.query("doctor/triggers", {"tables": [table.oid for table in tables], "names": names})
    # install creates disabled triggers again. Changes that were not captured are not queued, so a backfill is needed.
    again = f"{versions.install_command(subject, '--triggers')}\norchestrator backfill"
    captures = subject.remembered is not None and subject.remembered.has_triggers
    if rows and not captures and not any(row.is_there for row in rows):
        what = "changes of the application's tables are not captured: the triggers were left out at install"
        yield Finding("triggers", "advice", what, again, "triggers")
    repairs = {"install": again, "replicated": f"{_command(subject, 'replicated')}\norchestrator backfill"}
    for problem in sources.problems(subject.connection, subject.host_schema):
        if problem.kind == "trigger":
            what = f"{problem.problem}; changes since then are not in the edges"
            repair = repairs.get(problem.remedy) or _command(subject, problem.remedy)
            yield Finding("triggers", "wrong", what, repair, problem.object)


def bindings(subject: Subject) -> Iterator[Finding]:
    """Find other problems that keep tables from being read, or their changes from being captured."""
    for problem in sources.problems(subject.connection, subject.host_schema):
        if problem.kind != "trigger":
            # it is unknown which changes were not captured, so a backfill is needed
            also = "\norchestrator backfill" if problem.kind in ("queue", "subscription") else ""
            command = _command(subject, problem.remedy)
            repair = None if command is None else command + also
            yield Finding("bindings", "wrong", problem.what, repair, problem.object)


def mapping(subject: Subject) -> Iterator[Finding]:
    """Find problems of the mapping in the tables as they are now, and sources without triggers or indexes."""
    binding = subject.binding
    if binding.mapping != DEFAULT:
        found = placed(subject.connection, binding.mapping, binding.host_schema)
        for (source, key), problem in sorted(found, key=lambda each: binding.mapping.line(*each[0])):
            grants = _grants(subject, source) if key == "table" else ""
            yield Finding("mapping", "wrong", problem, grants or "orchestrator install --map FILE", "mapping")
    for cost in binding.costs():
        yield Finding("mapping", "advice", cost, None, "mapping")


def _grants(subject: Subject, source: str) -> str:
    """Return the statements that let this role read the table of a source, one a line; none if it may."""
    bound = subject.binding.sources.get(source)
    if bound is None:
        return ""
    wanted = [
        rights.Right("schema", "USAGE", bound.schema),
        rights.Right("table", "SELECT", bound.schema, bound.table),
    ]
    return "\n".join(f"{grant};" for _, grant in rights.missing(subject.connection, wanted))


def _command(subject: Subject, remedy: str) -> str | None:
    if remedy in ("install", "replicated"):
        return versions.install_command(subject, *(["--replicated"] if remedy == "replicated" else []))
    return sources.COMMANDS.get(remedy)


def _leaves(subject: Subject) -> Iterator[tuple[Table, Any]]:
    """Yield each table with its statistics; the edges as the partitioned table."""
    tables = {table.oid: table for table in subject.leaves}
    for row in subject.query("doctor/statistics", {"tables": list(tables)}):
        table = tables[row.oid]
        yield subject.tables[EDGES] if table.relname == LIVE_EDGES else table, row


def _severity(share: float, limits: tuple[float, float]) -> Severity:
    return "wrong" if share > limits[1] else "advice"


def _vacuum(table: Table) -> str:
    return f"VACUUM (ANALYZE) {table.name};"
