"""``orchestrator attach``."""

from __future__ import annotations

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.detaching import detaching


@click.command("attach")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@shared_options
@pass_invocation
def command(invocation: Invocation, tables: tuple[str, ...]) -> None:
    """Use detached tables again (all of them unless some are given), and queue every contact for sync."""
    done = detaching.attach(invocation.connection_string(), tables, progress=invocation.screen.report)
    queued = any(table != "user_contact_collections" for table in done)
    shown = [f"Attached: {', '.join(done)}." if done else "Nothing to do: no table is detached."]
    shown += ["Every contact is queued for a refresh: run orchestrator sync."] if queued else []
    invocation.screen.result({"attached": done}, *shown)
