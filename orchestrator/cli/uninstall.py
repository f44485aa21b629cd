"""``orchestrator uninstall``."""

from __future__ import annotations

import sys

import click

from orchestrator.cli.confirmation import confirm
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import yes_option
from orchestrator.install import installation, removal


@click.command("uninstall")
@yes_option
@shared_options
@pass_invocation
def command(invocation: Invocation, yes: bool) -> None:
    """Remove the SQL and every edge. The host tables keep their rows. Asks first, unless --yes is given."""
    if not yes and not sys.stdin.isatty():
        confirm("Every edge and every setting would be removed.")
    dsn = invocation.connection_string()
    question = None if yes else removal.question(dsn)
    if question is not None:
        confirm(question)
    removed = installation.uninstall(dsn, progress=invocation.screen.report)
    nothing = f"{invocation.schema} is not installed here; nothing was removed."
    invocation.screen.result({"removed": removed}, "Removed." if removed else nothing)
