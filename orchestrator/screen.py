"""What a person sees: progress on a terminal, plain lines elsewhere, tables, paths.

Results go to standard output; progress and everything else said on the way to standard error.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from orchestrator import backfill, paths
from orchestrator.installation import Status

_PIPED_WIDTH = 160  # characters of a table where no terminal says its width
_LINE_EVERY = 5.0  # seconds between progress lines where there is no terminal


class Screen:
    """Standard output and standard error, as text for people or as JSON."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        piped = not sys.stdout.isatty()
        self._out = Console(highlight=False, width=_PIPED_WIDTH if piped else None)
        self._err = Console(highlight=False, soft_wrap=True, stderr=True)

    def result(self, data: Any, *shown: Any) -> None:
        """Give a command's result: *data* as JSON, or *shown* for a person."""
        if self.as_json:
            plain = asdict(data) if is_dataclass(data) and not isinstance(data, type) else data
            self._out.print(json.dumps(plain, indent=2), markup=False, soft_wrap=True)
        else:
            self.say(*shown)

    def say(self, *lines: Any) -> None:
        """Print lines or tables to standard output."""
        for line in lines:
            if isinstance(line, str):
                self._out.print(Text(line), soft_wrap=True)
            else:
                self._out.print(line)

    def note(self, line: str) -> None:
        """Print a line about the work under way to standard error."""
        self._err.print(Text(line, style="dim"))

    @contextmanager
    def backfilling(self) -> Iterator[Any]:
        """Show a backfill's progress; yields the function that takes it."""
        if self._err.is_terminal:
            with Progress(
                TextColumn("backfill"), BarColumn(), TextColumn("{task.completed:,}/{task.total:,} contacts"),
                TextColumn("{task.fields[rate]:,.0f} edges/s"), TimeElapsedColumn(), TimeRemainingColumn(),
                console=self._err,
            ) as bar:  # fmt: skip
                task = bar.add_task("", total=0, rate=0)

                def draw(progress: backfill.Progress) -> None:
                    done = progress.done + len(progress.failed)
                    rate = progress.changed / max(progress.seconds, 1e-9)
                    bar.update(task, total=progress.contacts, completed=done, rate=rate)

                yield draw
            return
        last = time.monotonic()

        def write(progress: backfill.Progress) -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_EVERY:
                last = time.monotonic()
                self.note(f"backfill: {backfill_line(progress)}")

        yield write

    def seeding(self, table: str, rows: int) -> None:
        """Tell how far a load is, where somebody watches."""
        if self._err.is_terminal:
            self._err.print(Text(f"{table}: {rows:,} rows", style="dim"), end="\r")


def backfill_line(progress: backfill.Progress) -> str:
    """Tell a backfill's counters in a line."""
    return (
        f"{progress.done:,} of {progress.contacts:,} contacts, {progress.changed:,} edges changed, "
        f"{progress.seconds:,.1f} s, {progress.changed / max(progress.seconds, 1e-9):,.0f} edges/s"
    )


def status_tables(status: Status) -> Iterator[Any]:
    """Show a :class:`Status` as tables."""
    if not status.applied:
        yield "connection_paths is not installed; run: orchestrator install"
        return
    yield f"connection_paths {status.package} on PostgreSQL {status.server}, host schema {status.host_schema}"
    yield f"migrations: {len(status.applied)} applied, {len(status.pending)} pending; edges: about {status.edges:,}"
    functions = _table("function", "versions")
    for name, versions in status.functions.items():
        functions.add_row(name, ", ".join(versions))
    yield functions
    indexes = _table("index", "table", "state", "size")
    for index in status.indexes:
        state = {None: "MISSING", False: "INVALID", True: "valid"}[index.valid]
        size = "" if index.bytes is None else f"{index.bytes / 1e6:,.1f} MB"
        indexes.add_row(index.name, index.table or "", state, size)
    yield indexes


def _table(*headings: str) -> Table:
    """Make a plain table; a name too long for the terminal goes on below, for it is there to be copied."""
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def path_lines(question: paths.Question, answer: dict[str, Any], called: paths.Names) -> Iterator[str]:
    """Tell an answer of ``find_paths``: a numbered line a path, and below it why each two people know each other."""
    target = called.contact(question.target_contact_id)
    if not answer["paths"]:
        yield f"No path to {target} within {question.max_depth} contacts in collection {question.collection_id}."
    for number, path in enumerate(answer["paths"], 1):
        yield f"{number:>3}. {paths.chain(path, called, question.viewer_user_id)}"
        for hop in path["hops"]:
            yield f"       {paths.reason(hop, called)}"
    if answer["truncated"]:
        yield f"There are more than these {answer['total']}; ask with --max-paths."
    if not answer["complete"]:
        yield "The time budget ran out: deeper paths may be missing; ask with --time-budget."
