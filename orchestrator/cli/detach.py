"""``orchestrator detach``."""

from __future__ import annotations

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.detaching import detaching
from orchestrator.host import sources


@click.command("detach")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@shared_options
@pass_invocation
def command(invocation: Invocation, tables: tuple[str, ...]) -> None:
    """Release host tables (all four unless some are given), so that their columns can be altered.

    Edges and triggers stay. Until "orchestrator attach", a function of the package that reads a detached table raises
    an error.
    """
    done = detaching.detach(invocation.connection_string(), tables or sources.TABLES, progress=invocation.screen.report)
    shown = f"Detached: {', '.join(done)}." if done else "Nothing to do: the tables are detached already."
    invocation.screen.result({"detached": done}, shown)
