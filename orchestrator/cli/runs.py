"""``orchestrator runs``: show backfill runs and control them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from orchestrator.cli import run_lines
from orchestrator.cli.group import Group
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.screen import SafeTable
from orchestrator.core.database import connect, reading
from orchestrator.core.formats import duration
from orchestrator.host.installed import require_installed
from orchestrator.runs import runs

_RUN_ID = click.IntRange(1, 2**63 - 1)


@click.group("runs", cls=Group)
@shared_options
def command() -> None:
    """Show backfill runs and control them. The SQL functions pause_run, resume_run, cancel_run do the same."""


@command.command("list")
@shared_options
@pass_invocation
def list_command(invocation: Invocation) -> None:
    """List every run, the latest first."""
    with reading(invocation.connection_string()) as connection:
        require_installed(connection)
        listed = runs.listed(connection)
    invocation.screen.result([run.as_json() for run in listed], runs_table(listed) if listed else "No runs.")


@command.command("show")
@click.argument("run_id", type=_RUN_ID, required=False, metavar="[RUN]")
@shared_options
@pass_invocation
def show_command(invocation: Invocation, run_id: int | None) -> None:
    """Show how far RUN is, which workers work on it and what was set aside. Without RUN, show the latest."""
    with reading(invocation.connection_string()) as connection:
        shown = runs.show(connection, run_id)
    invocation.screen.result({**shown, "run": shown["run"].as_json()}, *one_run(shown))


def _controlling(name: str, change: Callable[[Any, int], runs.Run], text: str) -> None:
    """Add a command that changes the status of a run."""

    @command.command(name, help=text)
    @click.argument("run_id", type=_RUN_ID, metavar="RUN")
    @shared_options
    @pass_invocation
    def change_run(invocation: Invocation, run_id: int) -> None:
        with connect(invocation.connection_string()) as connection:
            require_installed(connection)
            run = change(connection, run_id)
        invocation.screen.result(run.as_json(), f"Run {run.run_id} is {run.status}.")


_controlling("pause", runs.pause, "Start no more batches; batches under way are finished.")
_controlling("resume", runs.resume, "Start batches again.")
_controlling(
    "cancel", runs.cancel, "End a run. The new table of a rebuild is dropped; edges corrected in place stay corrected."
)


@command.command("set")
@click.argument("run_id", type=_RUN_ID, metavar="RUN")
@click.option(
    "--workers", type=click.IntRange(0, 2**31 - 1), metavar="N", help="At most N workers, of all machines together."
)
@click.option("--any-workers", is_flag=True, help="Any number of workers.")
@shared_options
@pass_invocation
def set_command(invocation: Invocation, run_id: int, workers: int | None, any_workers: bool) -> None:
    """Change how many workers a run may have; it takes effect at the next batch."""
    if (workers is None) != any_workers:
        raise click.UsageError("give either --workers N or --any-workers")
    with connect(invocation.connection_string()) as connection:
        require_installed(connection)
        run = runs.set_workers(connection, run_id, workers)
    most = "any number of workers" if run.max_workers is None else f"{run.max_workers} workers at most"
    invocation.screen.result(run.as_json(), f"Run {run.run_id} may have {most}.")


def runs_table(listed: Sequence[runs.Run]) -> SafeTable:
    """Show runs as a table."""
    table = SafeTable("run", "strategy", "status", "phase", "begun", "done", "edges", "set aside")
    for run in listed:
        begun = run.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(
            str(run.run_id), run.strategy, run.status, run.phase, begun, f"{run.share_done:.0%}",
            f"{run.edges_changed:,}", str(run.batches_set_aside),
        )  # fmt: skip
    return table


def one_run(shown: dict[str, Any]) -> Iterator[Any]:
    """Show one run with its workers and its processes."""
    run: runs.Run = shown["run"]
    yield f"run {run.run_id}, {run.strategy}: {run.status}, {run.phase}"
    yield run_lines.run_line(run)
    yield (
        f"{run.batches_done:,} of {run.batches:,} batches done, {run.attempts:,} attempts, {run.failures:,} failures,"
        f" at most {'any number of' if run.max_workers is None else run.max_workers} workers"
    )
    for each in shown["building"]:
        yield f"building {each['name']}: {each['phase']}, {each['share']:.0%}"
    if shown["workers"]:
        table = SafeTable("worker", "process", "batch", "edges", "for")
        for row in shown["workers"]:
            table.add_row(
                str(row["worker_id"]), str(row["pid"]), str(row["batch_id"]), f"{row['predicted_edges']:,}",
                duration(row["seconds"]),
            )  # fmt: skip
        yield table
    for name, process in sorted(run.processes.items()):
        reasons = f" ({', '.join(map(run_lines.shown_reason, process['reasons']))})" if process["reasons"] else ""
        yield f"{name}: {process['allowed']} of {process['workers']} workers{reasons}"
    if run.is_active and not (shown["workers"] or run.processes):
        first = f"orchestrator runs resume {run.run_id}, then " if run.status == "paused" else ""
        yield f"No process is working on this run. To continue: {first}orchestrator backfill"
    if run.receipt:
        yield from run_lines.receipt_lines(run.receipt)
    yield from run_lines.set_aside_lines(shown["set_aside"])
