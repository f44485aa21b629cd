"""``orchestrator compare``."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import margin_option, objective_option
from orchestrator.core import extras


@click.command("compare")
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@objective_option
@margin_option
@shared_options
@pass_invocation
@click.pass_context
def command(
    ctx: click.Context, invocation: Invocation, base: Path, new: Path, objectives: tuple[str, ...], margin: float
) -> None:
    """Compare sweep NEW with sweep BASE, as Markdown. Exit status 3 when NEW is worse, 4 when mixed or undecided."""
    sweeps = extras.load("orchestrator.sweep.commands", "sweep")
    done = sweeps.compare(base, new, objectives=objectives, margin=margin)
    invocation.screen.result(done.data, *(line for part in done.lines for line in part.split("\n")))
    ctx.exit(done.status)
