"""``orchestrator install``."""

from __future__ import annotations

import shlex
from functools import partial
from typing import Any

import click

from orchestrator.access import roles as group_roles
from orchestrator.cli import backfill
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import map_option
from orchestrator.cli.screen import Screen
from orchestrator.core.database import reading
from orchestrator.host.mapping import SourceMapping
from orchestrator.install import installation
from orchestrator.runs.backfill import BackfillOptions

_FIRST_MIGRATION = "0001_binding_views"


@click.command("install")
@click.option(
    "--host-schema", metavar="NAME",
    help="The schema of contacts, organizations and the other host tables; otherwise that of the last install,"
    " otherwise public.",
)  # fmt: skip
@map_option
@click.option(
    "--triggers/--no-triggers", default=None,
    help="Capture changes of the host tables, for sync. Default: yes in a first install, later as before.",
)  # fmt: skip
@click.option(
    "--replicated/--no-replicated", default=None,
    help="Capture what logical replication writes, too. Default: no in a first install, later as before.",
)  # fmt: skip
@click.option(
    "--names/--no-names", default=None,
    help="Let resolved company names make edges. Default: no until orchestrator resolve propose, later as before.",
)  # fmt: skip
@click.option(
    "--distributed", is_flag=True,
    help="Keep the edges on the workers of a Citus cluster, of which this server is the coordinator; later installs"
    " leave them there.",
)  # fmt: skip
@click.option(
    "--roles", metavar="[=PREFIX]", is_flag=False, flag_value="", default=None,
    help="Create group roles PREFIX_reader, _operator and _owner; PREFIX is otherwise the name of the schema.",
)  # fmt: skip
@click.option(
    "--backfill", "fills", is_flag=True,
    help="Then compute the edges of every contact, as orchestrator backfill does without options.",
)  # fmt: skip
@shared_options
@pass_invocation
@click.pass_context
def command(
    ctx: click.Context,
    invocation: Invocation,
    host_schema: str | None,
    mapping: SourceMapping | None,
    triggers: bool | None,
    replicated: bool | None,
    names: bool | None,
    distributed: bool,
    roles: str | None,
    fills: bool,
) -> None:
    """Install, upgrade or repair the SQL. Safe to run again, and while the application writes."""
    dsn = invocation.connection_string()
    roles = invocation.schema if roles == "" else roles
    done = installation.install(
        dsn,
        host_schema,
        mapping=mapping,
        triggers=triggers,
        replicated=replicated,
        names=names,
        distributed=distributed,
        roles=roles,
        progress=partial(_report, invocation.screen),
    )
    shown = [_outcome(done, triggers, replicated), *done.of_roles, *_repairs(done), *done.costs, *done.notes]
    grants: list[str] = []
    if done.for_superuser:
        again = "orchestrator install --roles" + (
            "" if roles == group_roles.DEFAULT_PREFIX else f"={shlex.quote(roles or '')}"
        )
        shown += [
            "This role may not create roles, so the package has none yet. A superuser must run:",
            *(f"  {line}" for line in done.for_superuser),
            f"Then run: {again}",
        ]
    elif roles is not None:
        with reading(dsn, of_primary=True) as connection:
            grants = group_roles.host_grants(connection, roles, done.host_schema)
        shown += [
            "For the roles to read the tables, the owner of the tables must run:",
            *(f"  {line}" for line in grants),
        ]
    data: dict[str, Any] = {
        "applied": done.applied, "repaired": done.repaired, "costs": done.costs, "notes": done.notes,
    }  # fmt: skip
    if done.of_roles:
        data["roles"] = done.of_roles
    if done.for_superuser:
        data["for_superuser"] = done.for_superuser
    if grants:
        data["grants"] = grants
    if not fills:
        if _FIRST_MIGRATION in done.applied:
            shown.append("There are no edges yet. Next: orchestrator plan, then orchestrator backfill.")
        invocation.screen.result(data, *shown)
        return
    if not invocation.as_json:
        invocation.screen.say(*shown)
    data["backfill"], lines, succeeded = backfill.computed(invocation, BackfillOptions(), asks=True)
    invocation.screen.result(data, *lines)
    if not succeeded:
        ctx.exit(1)


def _report(screen: Screen, line: str) -> None:
    """Show the progress. A repair is part of the result, so while it is done it is only shown on a terminal."""
    (screen.show_step if line.startswith("repairing: ") else screen.report)(line)


def _repairs(done: installation.Installed) -> list[str]:
    """Return the sentences about repairs. Objects of a mapping that has changed are not damaged, but replaced."""
    if not done.is_remapped:
        return done.repaired
    return [each.replace("repaired: ", "made to fit the new mapping: ", 1) for each in done.repaired]


def _outcome(done: installation.Installed, triggers: bool | None, replicated: bool | None) -> str:
    if done.applied:
        return f"Installed: {len(done.applied)} migrations applied."
    if triggers is not None:
        return f"Already installed; changes of the host tables are {'' if triggers else 'not '}captured."
    if replicated is not None:
        return (
            f"Already installed; what logical replication writes is {'' if replicated else 'not '}captured from now on."
        )
    if done.is_remapped:
        return "Already installed; the mapping has changed."
    if done.repaired:
        return "Already installed; repaired what was wrong."
    return f"Already installed; {'it has group roles now' if done.of_roles else 'nothing to do'}."
