"""``orchestrator sweep``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress_bar import ProgressBar
from rich.text import Text

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import ID, Number, listed, margin_option, max_edges_per_hop_option, objective_option
from orchestrator.cli.screen import Screen
from orchestrator.core import extras
from orchestrator.core.formats import duration
from orchestrator.core.text import printable
from orchestrator.finders.question import DEEPEST, MOST_PATHS, ORDERS, SCOPES, Question

if TYPE_CHECKING:  # it needs libraries that may not be installed
    from orchestrator.sweep.measure.sweep import SweepProgress


@click.command("sweep")
@click.option(
    "--finder",
    "finders",
    **listed(click.STRING, "FINDERS"),
    default="deep_finder",
    show_default=True,
    help="find_paths, deep_finder, legacy_finder, or SCHEMA.NAME of a function with deep_finder's first 7 parameters.",
)
@click.option("--versus", **listed(click.STRING, "BASE,NEW"), help="Compare two finders in one sweep.")
@click.option("--a-a", "against_itself", is_flag=True, help="Compare the finder with itself, to measure the noise.")
@click.option("--depth", "depths", **listed(click.IntRange(1, DEEPEST), "DEPTHS"), default="1,2,3,4",
              show_default=True, help="Depths to search to.")  # fmt: skip
@click.option("--max-paths", **listed(click.IntRange(1, MOST_PATHS), "NUMBERS"),
              default=str(Question.max_paths), show_default=True, help="Numbers of paths to return.")  # fmt: skip
@click.option(
    "--scope",
    "scopes",
    **listed(click.Choice(SCOPES), "SCOPES"),
    default="any",
    show_default=True,
    help=f"{', '.join(SCOPES)}: which contacts may start a path.",
)
@click.option(
    "--order",
    "orders",
    **listed(click.Choice(ORDERS), "ORDERS"),
    default="recency",
    show_default=True,
    help=f"{', '.join(ORDERS)}: how paths of one depth are ranked. legacy_finder and SCHEMA.NAME rank by recency.",
)
@click.option(
    "--collection",
    "collections",
    **listed(ID, "IDS"),
    default="",
    help="Collections to search in; by default the largest, a medium and a small one.",
)
@click.option(
    "--targets",
    type=click.IntRange(min=1),
    default=25,
    show_default=True,
    metavar="N",
    help="Contacts to find paths to, of every degree and distance.",
)
@click.option("--target", "contacts", **listed(ID, "IDS"), default="", help="Find paths to these contacts instead.")
@click.option(
    "--viewer",
    type=ID,
    metavar="ID",
    help="The viewer of every call; by default users with many and with few contacts.",
)
@click.option("--connections", type=click.IntRange(1, 256), default=10, show_default=True, metavar="N",
              help="Connections that ask at the same time.")  # fmt: skip
@click.option(
    "--seconds",
    type=Number(min=0.1),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Measured time of each cell.",
)
@click.option(
    "--blocks",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    metavar="N",
    help="Parts of a cell; the finders take turns.",
)
@click.option("--warmup", type=Number(min=0), default=1.0, show_default=True, metavar="SECONDS",
              help="Unmeasured time before each cell.")  # fmt: skip
@click.option(
    "--rate",
    type=Number(min=0, min_open=True),
    metavar="PER_SECOND",
    help="Open loop: this many requests per second, each timed from its planned start.",
)
@click.option(
    "--timeout",
    type=Number(min=0.01),
    default=1.5,
    show_default=True,
    metavar="SECONDS",
    help="Statement timeout of a request.",
)
@max_edges_per_hop_option
@objective_option
@margin_option
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="The same seed gives the same targets and order.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory for the files; by default sweep-DATE-TIME.",
)
@shared_options
@pass_invocation
@click.pass_context
def command(
    ctx: click.Context, invocation: Invocation, /, objectives: tuple[str, ...], margin: float, output: Path | None,
    versus: tuple[str, ...] | None, finders: tuple[str, ...], seed: int, connections: int, seconds: float, blocks: int,
    warmup: float, rate: float | None, timeout: float, max_edges_per_hop: int | None, **matrix: Any,
) -> None:  # fmt: skip
    """Measure the finders under load, for every combination of depth, scope, paths and collection; write a report.

    Exit status 3 when an objective was missed or the new finder is worse, 4 when it is mixed or undecided.
    """
    sweeps = extras.load("orchestrator.sweep.commands", "sweep")
    directory = sweeps.new_directory(output)
    options = sweeps.SweepOptions(seed, connections, seconds, blocks, warmup, rate, timeout, max_edges_per_hop)
    cells = sweeps.Matrix(finders=versus or finders, versus=versus is not None, **matrix)
    dsn = invocation.connection_string()
    with watching(invocation.screen) as progress:
        done = sweeps.sweep(dsn, cells, options, directory, objectives=objectives, margin=margin, progress=progress)
    invocation.screen.result(done.data, *(line for part in done.lines for line in part.split("\n")))
    ctx.exit(done.status)


def watching(screen: Screen) -> AbstractContextManager[Callable[[SweepProgress], None]]:
    """Show how far a sweep is; yields the function that takes its progress."""
    return screen.watching(_display, lambda progress: f"sweep: {_progress_line(progress)}")


def _display(progress: SweepProgress) -> Iterator[Any]:
    yield Text(printable(progress.step), style="bold")
    yield ProgressBar(total=max(1, progress.cells), completed=progress.done, width=60)
    yield _progress_line(progress)


def _progress_line(progress: SweepProgress) -> str:
    parts = [f"{progress.done} of {progress.cells} cells done"] if progress.cells else [progress.step]
    if progress.seconds_left is not None:
        parts.append(f"{duration(max(0.0, progress.seconds_left))} left")
    return ", ".join(parts)
