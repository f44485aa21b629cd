"""The command ``orchestrator`` with all its commands."""

from __future__ import annotations

import click

from orchestrator.cli import (
    attach,
    backfill,
    compare,
    demo,
    detach,
    doctor,
    install,
    map,
    organizations,
    paths,
    plan,
    resolve,
    runs,
    script,
    seed,
    serve,
    status,
    sweep,
    sync,
    uninstall,
    verify,
)
from orchestrator.cli.group import Group
from orchestrator.cli.invocation import shared_options

_MODULES = (
    attach, backfill, compare, demo, detach, doctor, install, map, organizations, paths, plan, resolve, runs, script,
    seed, serve, status, sweep, sync, uninstall, verify,
)  # fmt: skip


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="connection-paths")
@shared_options
def main() -> None:
    """Who on my team can introduce me to this person? Answered inside your own PostgreSQL."""


for module in _MODULES:
    main.add_command(module.command)
