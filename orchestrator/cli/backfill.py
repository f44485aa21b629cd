"""``orchestrator backfill``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click
import psycopg

from orchestrator.cli import run_lines
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import Number, limit_or_off
from orchestrator.cli.organizations import candidate_lines
from orchestrator.core.database import connect, reading
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.host import left_out, organizations
from orchestrator.host.installed import require_installed
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.runs.candidates import Candidate
from orchestrator.runs.plan import proposed
from orchestrator.runs.throttle import ThrottleLimits

_WORTH_ASKING = 0.01  # of all pairs: less is not worth a question
_HAS_RUN = "SELECT EXISTS (SELECT FROM connection_paths.backfill_runs)"

workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), default=BackfillOptions.workers, show_default=True, metavar="N",
    help="How many connections share the work.",
)  # fmt: skip


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
@click.option(
    "--batch-edges", type=click.IntRange(1, 2**63 - 1), metavar="N", help="About how many edges a batch makes."
)
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
@click.option("--yes", is_flag=True, help="Do not look for organizations that are probably no employer.")
@shared_options
@pass_invocation
@click.pass_context
def command(
    ctx: click.Context, invocation: Invocation, workers: int, strategy: str, batch_edges: int | None,
    batch_timeout: float, throttle: bool, slowdown: float, replica_lag: float | None, replica_backlog: float | None,
    ignored: tuple[str, ...], yes: bool,
) -> None:  # fmt: skip
    """Compute the edges of every contact: join the run that is under way, or start one."""
    limits = None
    if throttle:
        limits = ThrottleLimits(
            slowdown, replica_lag_seconds=replica_lag, replica_lag_megabytes=replica_backlog, ignored_replicas=ignored
        )
    data, lines, succeeded = computed(
        invocation, BackfillOptions(workers, strategy, batch_edges, batch_timeout, limits), asks=not yes
    )
    invocation.screen.result(data, *lines)
    if not succeeded:
        ctx.exit(1)


def computed(invocation: Invocation, options: BackfillOptions, *, asks: bool) -> tuple[dict[str, Any], list[str], bool]:
    """Compute the edges; return the result as data and as lines, and whether the run succeeded."""
    candidates = _candidates(invocation) if asks else []
    if candidates:
        _show(invocation, candidates)
    with invocation.screen.watching(run_lines.display, run_lines.progress_line) as report:
        done = backfill(invocation.connection_string(), options, report=report)
    missed = _left_out(invocation)
    data = {
        **done.run.as_json(), "seconds": round(done.seconds, 3), "set_aside": done.set_aside, "left_out": missed,
        "candidates": [asdict(each) for each in candidates],
    }  # fmt: skip
    return data, [*run_lines.outcome_lines(done), *missed], done.run.status == "succeeded"


def _is_on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _candidates(invocation: Invocation) -> list[Candidate]:
    """Before the first run, return the organizations that are probably no employer; before a later one, none.

    They are advice: a lost connection or a statement timeout does not keep the backfill from starting.
    """
    dsn = invocation.connection_string()
    with reading(dsn, of_primary=True) as connection:
        require_installed(connection)
        if connection.execute(_HAS_RUN).fetchone() == (True,):
            return []
    invocation.screen.show_step("looking for organizations that are probably no employer")
    try:
        return [each for each in proposed(dsn) if each.share_of_pairs >= _WORTH_ASKING]
    except psycopg.OperationalError as error:
        invocation.screen.say_about(
            "The search for organizations that are probably no employer failed; the backfill starts anyway:"
            f" {one_line(error)}"
        )
        return []


def _show(invocation: Invocation, candidates: list[Candidate]) -> None:
    """Show the candidates. On a terminal, ask whether they should make no edges; elsewhere nothing is excluded."""
    screen = invocation.screen
    if screen.as_json:
        return  # they are part of the result
    for line in candidate_lines(candidates):
        screen.say_about(line)
    if not _is_on_terminal():
        screen.say_about("There is no terminal, so nothing is excluded: these organizations make edges like any other.")
        return
    if not click.confirm("Exclude or limit them as proposed, before the backfill?", default=False, err=True):
        return
    with connect(invocation.connection_string()) as connection, connection.transaction():
        organizations.exclude(connection, [each.id for each in candidates if each.is_junk], "no employer")
        for each in candidates:
            if each.min_days is not None:
                organizations.limit(connection, [each.id], each.min_days, "very large")


def _left_out(invocation: Invocation) -> list[str]:
    """Say which rows the rules leave out. The backfill is done, so an error here does not fail the command."""
    try:
        with reading(invocation.connection_string(), of_primary=True) as connection:
            return list(left_out.lines(connection))
    except (OrchestratorError, psycopg.Error) as error:
        return [f"What the rules leave out could not be counted: {one_line(error)}"]
