"""``orchestrator sync``."""

from __future__ import annotations

import click

from orchestrator.changes import sync
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.core.database import reading
from orchestrator.core.formats import counted, duration
from orchestrator.host import installed, sources


@click.command("sync")
@click.option("--follow", is_flag=True, help="Continue with later changes, until interrupted.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="How many connections share the work.",
)
@click.option("--retry-failed", is_flag=True, help="Also take contacts that have failed three times.")
@shared_options
@pass_invocation
@click.pass_context
def command(ctx: click.Context, invocation: Invocation, follow: bool, workers: int, retry_failed: bool) -> None:
    """Refresh the edges of the contacts whose rows have changed."""
    screen = invocation.screen
    dsn = invocation.connection_string()
    try:
        with screen.watching(lambda progress: [_progress(progress)], progress_line) as report:
            done = sync.sync(dsn, workers=workers, follow=follow, retry_failed=retry_failed, report=report)
    except KeyboardInterrupt:
        if follow:  # this is how --follow is ended
            return
        raise
    with reading(dsn, of_primary=True) as connection:
        schema = installed.bound_host_schema(connection)
        problems = sources.problems(connection, schema)
    uncaptured = [each.sentence for each in problems if each.kind in sources.NOT_CAPTURED]
    screen.result(done, outcome(done), *(f"WARNING: {sentence}" for sentence in uncaptured))
    if done.failed:
        ctx.exit(1)


def _progress(progress: sync.SyncProgress) -> str:
    shown = (
        f"{counted(progress.changes, 'change')} taken, {counted(progress.edges_changed, 'edge')} changed,"
        f" {progress.waiting:,} waiting"
    )
    if progress.oldest:
        shown += f", the oldest for {duration(progress.oldest)}"
    if progress.failed:
        shown += f", {progress.failed:,} failed"
    return f"{shown}; nothing to do" if progress.sleeping else shown


def progress_line(progress: sync.SyncProgress) -> str | None:
    """Say how far a sync is; None while it sleeps."""
    return None if progress.sleeping else f"sync: {_progress(progress)}"


def outcome(done: sync.SyncOutcome) -> str:
    """Say what a sync did."""
    shown = (
        f"{counted(done.changes, 'change')} taken, {counted(done.contacts, 'contact')} refreshed,"
        f" {counted(done.edges_changed, 'edge')} changed"
        f" in {duration(done.seconds)}."
    )
    if done.failed:
        shown += (
            f" Failed contacts that stay in the queue: {done.failed:,}. To list them, run orchestrator verify."
            " To try them again, run orchestrator sync --retry-failed."
        )
    return shown
