"""``orchestrator backfill``."""

from __future__ import annotations

import sys

import click
import psycopg

from orchestrator.cli import run_lines
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import Number, limit_or_off, workers_option
from orchestrator.cli.organizations import candidate_lines
from orchestrator.core.database import connect, reading
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.host import left_out, organizations
from orchestrator.install.installed import require_installed
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.runs.plan import proposed
from orchestrator.runs.throttle import ThrottleLimits

_WORTH_ASKING = 0.01  # of all pairs: less is not worth a question
_HAS_RUN = "SELECT EXISTS (SELECT FROM connection_paths.backfill_runs)"


@click.command("backfill")
@workers_option
@click.option(
    "--strategy",
    type=click.Choice(["auto", "rebuild", "in_place"]),
    default=BackfillOptions.strategy,
    show_default=True,
    help="rebuild: fill a new table, which takes the place of the old one at the end; in_place: write the differences"
    " only; auto: rebuild where there are no edges yet.",
)  # fmt: skip
@click.option("--batch-edges", type=click.IntRange(1, 2**63 - 1), metavar="N", help="Edges of a batch, roughly.")
@click.option(
    "--batch-timeout",
    type=Number(1, 86_400),
    default=BackfillOptions.batch_timeout,
    show_default=True,
    metavar="SECONDS",
    help="A batch that takes longer is split.",
)  # fmt: skip
@click.option(
    "--throttle/--no-throttle", default=True, show_default=True,
    help="Let fewer workers work when find_paths, replicas or other sessions are slowed down.",
)  # fmt: skip
@click.option(
    "--slowdown", type=Number(min=1.05), default=ThrottleLimits().slowdown, show_default=True, metavar="RATIO",
    help="How much slower find_paths may get.",
)  # fmt: skip
@click.option(
    "--replica-lag", metavar="SECONDS|off", callback=limit_or_off, default=f"{ThrottleLimits().replica_lag_seconds:g}",
    show_default=True, help="How far behind a replica may be.",
)  # fmt: skip
@click.option(
    "--replica-backlog", metavar="MB|off", callback=limit_or_off, default=f"{ThrottleLimits().replica_lag_megabytes:g}",
    show_default=True, help="How much WAL a replica may have left to replay.",
)  # fmt: skip
@click.option(
    "--ignore-replica", "ignored", multiple=True, metavar="NAME",
    help="A replica (its application_name in pg_stat_replication) that may fall behind; may be repeated.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask about organizations that are probably no employer.")
@shared_options
@pass_invocation
@click.pass_context
def command(
    ctx: click.Context, invocation: Invocation, workers: int, strategy: str, batch_edges: int | None,
    batch_timeout: float, throttle: bool, slowdown: float, replica_lag: float | None, replica_backlog: float | None,
    ignored: tuple[str, ...], yes: bool,
) -> None:  # fmt: skip
    """Compute the edges of every contact: join the run that is under way, or start one."""
    screen = invocation.screen
    limits = None
    if throttle:
        limits = ThrottleLimits(
            slowdown, replica_lag_seconds=replica_lag, replica_lag_megabytes=replica_backlog, ignored_replicas=ignored
        )
    options = BackfillOptions(workers, strategy, batch_edges, batch_timeout, limits)
    if not yes and _is_on_terminal():
        _ask_about_candidates(invocation)
    with screen.watching(run_lines.display, run_lines.progress_line) as report:
        done = backfill(invocation.connection_string(), options, report=report)
    missed = _left_out(invocation)
    screen.result(
        {**done.run.as_json(), "seconds": round(done.seconds, 3), "set_aside": done.set_aside, "left_out": missed},
        *run_lines.outcome_lines(done),
        *missed,
    )
    if done.run.status != "succeeded":
        ctx.exit(1)


def _is_on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask_about_candidates(invocation: Invocation) -> None:
    """Before the first run, ask whether organizations that are probably no employer should make no edges."""
    dsn = invocation.connection_string()
    with reading(dsn) as connection:
        require_installed(connection)
        if connection.execute(_HAS_RUN).fetchone() == (True,):
            return
    screen = invocation.screen
    screen.show_step("looking for organizations that are probably no employer")
    candidates = [each for each in proposed(dsn) if each.share_of_pairs >= _WORTH_ASKING]
    if not candidates:
        return
    for line in candidate_lines(candidates):
        screen.say_about(line)
    if not click.confirm("Exclude or limit them as proposed, before the backfill?", default=False, err=True):
        return
    with connect(dsn) as connection, connection.transaction():
        organizations.exclude(connection, [each.id for each in candidates if each.is_junk], "no employer")
        for each in candidates:
            if each.min_days is not None:
                organizations.limit(connection, [each.id], each.min_days, "very large")


def _left_out(invocation: Invocation) -> list[str]:
    """Say which rows the rules leave out. The backfill is done, so an error here does not fail the command."""
    try:
        with reading(invocation.connection_string()) as connection:
            return list(left_out.lines(connection))
    except (OrchestratorError, psycopg.Error) as error:
        return [f"What the rules leave out could not be counted: {one_line(error)}"]
