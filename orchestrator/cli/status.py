"""``orchestrator status``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.screen import SafeTable
from orchestrator.core.formats import size
from orchestrator.core.schema import DEFAULT, not_installed
from orchestrator.host.mapping import SourceMapping
from orchestrator.host.mapping_types import WANTED
from orchestrator.install import status


@click.command("status")
@shared_options
@pass_invocation
@click.pass_context
def command(ctx: click.Context, invocation: Invocation) -> None:
    """Show what is installed. Exit status 1 unless everything is there and every index is valid."""
    found = status.status(invocation.connection_string())
    data = {
        **vars(found),
        "indexes": [vars(index) for index in found.indexes],
        "triggers": [{"table": trigger.table, "state": trigger.state} for trigger in found.triggers],
        "subscriptions": [{**vars(each), "state": each.state} for each in found.subscriptions],
        "roles": None if found.roles is None else asdict(found.roles),
        "healthy": found.healthy,
    }
    invocation.screen.result(data, *status_tables(found))
    if not found.healthy:
        ctx.exit(1)


def status_tables(status: status.Status) -> Iterator[Any]:
    """Show what is installed, as lines and tables."""
    others = f"other installations in this database: {', '.join(status.others)} (--schema NAME)"
    if not status.applied:
        yield not_installed(status.schema)
        yield from [others] * bool(status.others)
        return
    own = "" if status.schema == DEFAULT else f" in schema {status.schema}"
    yield f"connection_paths {status.package}{own} on PostgreSQL {status.server}, host schema {status.host_schema}"
    yield from [others] * bool(status.others)
    edges = "unknown" if status.edges is None else f"about {status.edges:,}"
    yield f"migrations: {len(status.applied)} applied, {len(status.pending)} pending; edges: {edges}"
    yield from _sources(status)
    indexes = SafeTable("index", "table", "state", "size")
    for index in status.indexes:
        state = {None: "MISSING", False: "INVALID", True: "valid"}[index.valid]
        indexes.add_row(index.name, index.table or "", state, "" if index.bytes is None else size(index.bytes))
    yield indexes
    triggers = SafeTable("table", "changes")
    for trigger in status.triggers:
        triggers.add_row(trigger.table, trigger.state)
    yield triggers
    if status.roles is not None:
        roles = SafeTable("role", "members")
        for role in status.roles.roles:
            roles.add_row(role.name, ", ".join(role.members))
        yield roles
        yield from (f"{problem}; run: orchestrator install" for problem in status.roles.problems)
    yield from (each.line for each in status.subscriptions)
    yield from status.problems
    yield from status.costs
    yield from status.public


def _sources(status: status.Status) -> Iterator[SafeTable]:
    """Show the mapping, without the columns that have the package's own names; nothing if all of it is the default."""
    mapped = SourceMapping.from_json(status.mapping).sources
    if all(source.is_default for source in mapped.values()):
        return
    table = SafeTable("source", "table", "columns", "rows")
    for name in (each for each in WANTED if each in mapped):  # a mapping that was read from jsonb has another order
        source = mapped[name]
        written = ((column, source.columns.get(column, column)) for column in WANTED[name].columns)
        columns = ", ".join(f"{column} = {text}" for column, text in written if text not in (column, f'"{column}"'))
        table.add_row(name, f"{source.schema or status.host_schema}.{source.table}", columns, source.where or "")
    yield table
