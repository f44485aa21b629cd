"""What a person sees: progress on a terminal, plain lines elsewhere, tables, paths.

Results go to standard output; progress and everything else said on the way to standard error.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.changes import sync
from orchestrator.core.text import printable
from orchestrator.doctor.diagnosis import Diagnosis
from orchestrator.edges import verify
from orchestrator.finders import paths, reasons
from orchestrator.install.installation import Status
from orchestrator.runs import backfill
from orchestrator.runs.runs import Run

if TYPE_CHECKING:  # it needs libraries that are not always there
    from orchestrator.sweep.measure.sweep import Progress as Sweeping

_PIPED_WIDTH = 160  # characters of a table where no terminal says its width
_PASSING_WIDTH = 60  # characters, so that a shorter line leaves nothing of a longer one
_SET_ASIDE_SHOWN = 5
_LINE_EVERY = 5.0  # seconds between progress lines where there is no terminal


class Screen:
    """Standard output and standard error, as text for people or as JSON."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        piped = not sys.stdout.isatty()
        # what comes from a database is text, whatever brackets and colons it has
        plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
        self._out = Console(**plain, width=_PIPED_WIDTH if piped else None)
        self._err = Console(**plain, soft_wrap=True, stderr=True)

    def result(self, data: Any, *shown: Any) -> None:
        """Give a command's result: *data* as JSON, or *shown* for a person."""
        if self.as_json:
            plain = asdict(data) if is_dataclass(data) and not isinstance(data, type) else data
            self._out.print(json.dumps(plain, indent=2, default=str), soft_wrap=True)
        else:
            self.say(*shown)

    def say(self, *lines: Any) -> None:
        """Print lines or tables to standard output."""
        for line in lines:
            if isinstance(line, str):
                self._out.print(Text(printable(line)), soft_wrap=True)
            else:
                self._out.print(line)

    def note(self, line: str) -> None:
        """Print a line about the work under way to standard error."""
        self._err.print(Text(printable(line), style="dim"))

    @contextmanager
    def backfilling(self) -> Iterator[Callable[[backfill.Progress], None]]:
        """Show a backfill's progress, one screen that is drawn anew; yields the function that takes it."""
        if self._err.is_terminal:
            with Live(console=self._err, auto_refresh=False, transient=True) as live:
                yield lambda progress: live.update(_lines(backfill_screen(progress)), refresh=True)
            return
        last = time.monotonic()

        def write(progress: backfill.Progress) -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_EVERY:
                last = time.monotonic()
                self.note(f"backfill: {' · '.join(str(line) for line in progress_lines(progress))}")

        yield write

    @contextmanager
    def syncing(self) -> Iterator[Callable[[sync.Progress], None]]:
        """Show how far a sync is; yields the function that takes it."""
        if self._err.is_terminal:
            with Live(console=self._err, auto_refresh=False, transient=True) as live:
                yield lambda progress: live.update(_lines([sync_progress(progress)]), refresh=True)
            return
        last = time.monotonic()

        def write(progress: sync.Progress) -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_EVERY and not progress.sleeping:
                last = time.monotonic()
                self.note(f"sync: {sync_progress(progress)}")

        yield write

    @contextmanager
    def sweeping(self) -> Iterator[Callable[[Sweeping], None]]:
        """Show how far a sweep is; yields the function that takes it."""
        if self._err.is_terminal:
            with Live(console=self._err, auto_refresh=False, transient=True) as live:
                yield lambda progress: live.update(_lines(sweep_screen(progress)), refresh=True)
            return
        last = time.monotonic()

        def write(progress: Sweeping) -> None:
            nonlocal last
            if time.monotonic() - last >= _LINE_EVERY:
                last = time.monotonic()
                self.note(f"sweep: {sweep_progress(progress)}")

        yield write

    def seeding(self, table: str, rows: int) -> None:
        """Tell how far a load is, where somebody watches."""
        self.passing(f"{table}: {rows:,} rows")

    def passing(self, line: str) -> None:
        """Show a line that the next one replaces, where somebody watches."""
        if self._err.is_terminal:
            self._err.print(Text(f"{printable(line):<{_PASSING_WIDTH}}", style="dim"), end="\r")


class SafeTable(Table):
    """A plain table whose cells are single lines that do nothing to the terminal."""

    def __init__(self) -> None:
        super().__init__(box=None, pad_edge=False)

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; what comes from a database may hold anything."""
        super().add_row(*(printable(each) if isinstance(each, str) else each for each in cells), **options)


def _lines(shown: Iterable[Any]) -> Group:
    """Put lines and what else is drawn below each other, made safe for a terminal."""
    return Group(*(Text(printable(each)) if isinstance(each, str) else each for each in shown))


def backfill_screen(progress: backfill.Progress) -> Iterator[Any]:
    """Show a process's part in a backfill as a few lines, a bar among them."""
    first, *others = progress_lines(progress)
    yield Text(printable(first), style="bold")
    shares = [each["share"] for each in progress.building] or [progress.run.share_done]
    yield ProgressBar(total=1.0, completed=fmean(shares), width=60)
    yield from others


def progress_lines(progress: backfill.Progress) -> Iterator[str]:
    """Tell the same in words."""
    run = progress.run
    yield f"run {run.run_id}, {run.strategy}: {progress.doing}"
    if progress.building:
        yield ", ".join(each["name"] for each in progress.building)
    yield run_line(run)
    workers = f"{min(progress.allowed, progress.workers)} of {progress.workers} workers"
    yield f"{workers} ({', '.join(progress.reasons)})" if progress.reasons else workers
    yield from set_aside_lines(progress.set_aside)


def run_line(run: Run) -> str:
    """Tell how far a run is: by edges, for a contact is no measure of work."""
    _, fast = run.rates
    parts = [f"{run.edges_changed:,} edges {'made' if run.strategy == 'rebuild' else 'changed'}"]
    if run.batches_open:
        parts[0] += f" of about {run.expected_edges:,.0f}" if run.strategy == "rebuild" else ""
        parts.append(f"{run.share_done:.0%} done")
    if run.status == "running" and run.phase == "filling" and fast:
        parts.append(f"{fast:,.0f} edges/s")
    if run.seconds_left:
        least, most = (duration(seconds) for seconds in run.seconds_left)
        parts.append(f"{least} left" if least == most else f"{least} to {most} left")
    return ", ".join(parts)


def set_aside_lines(set_aside: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Tell what was set aside, the first few of it."""
    if set_aside:
        yield f"{len(set_aside)} set aside:"
    for row in set_aside[:_SET_ASIDE_SHOWN]:
        yield f"  contact {row['contact_id']}: {row['error']}"
    if len(set_aside) > _SET_ASIDE_SHOWN:
        yield f"  and {len(set_aside) - _SET_ASIDE_SHOWN} more; see: orchestrator runs show"


def outcome_lines(outcome: backfill.Outcome) -> Iterator[str]:
    """Tell how a backfill ended."""
    run = outcome.run
    yield (
        f"Run {run.run_id} {run.status}: {run.edges_changed:,} edges"
        f" {'made' if run.strategy == 'rebuild' else 'changed'} in {duration(outcome.seconds)}."
    )
    if run.receipt:
        yield from receipt_lines(run.receipt)
    yield from set_aside_lines(outcome.set_aside)


def receipt_lines(receipt: dict[str, Any]) -> Iterator[str]:
    """Tell what a backfill did to others."""
    canary = receipt.get("canary") or {}
    if canary.get("available"):
        shown = " / ".join(
            f"{name} {milliseconds(canary['before'].get(name))} → {milliseconds(canary['during'].get(name))}"
            for name in ("p50", "p95", "p99")
        )
        yield f"find_paths before and during: {shown}"
    throttled = receipt.get("throttled_seconds") or {}
    for reason, seconds in sorted(throttled.items(), key=lambda item: -item[1]):
        yield f"fewer workers for {duration(seconds)} because of {reason}"


def milliseconds(value: float | None) -> str:
    """Write a latency, or that there is none."""
    return "–" if value is None else f"{value:,.1f} ms"


def duration(seconds: float) -> str:
    """Write a time as people do: 8 s, 2:05 min, 3:20 h."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 90:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"


def sync_progress(progress: sync.Progress) -> str:
    """Tell how far a sync is."""
    told = f"{progress.changes:,} changes taken, {progress.edges_changed:,} edges changed, {progress.waiting:,} waiting"
    if progress.oldest:
        told += f", the oldest for {duration(progress.oldest)}"
    if progress.failed:
        told += f", {progress.failed:,} failed"
    return f"{told}; nothing to do" if progress.sleeping else told


def sync_line(done: sync.Synced) -> str:
    """Tell what a sync did."""
    told = (
        f"{done.changes:,} changes taken, {done.contacts:,} contacts recomputed, {done.edges_changed:,} edges changed"
        f" in {duration(done.seconds)}."
    )
    if done.failed:
        told += f" {done.failed:,} contacts failed and wait: verify names them, sync --retry-failed tries again."
    return told


def sweep_screen(progress: Sweeping) -> Iterator[Any]:
    """Show a sweep as two lines and a bar."""
    yield Text(printable(progress.step), style="bold")
    yield ProgressBar(total=max(1, progress.cells), completed=progress.done, width=60)
    yield sweep_progress(progress)


def sweep_progress(progress: Sweeping) -> str:
    """Tell how far a sweep is."""
    parts = [f"{progress.done} of {progress.cells} cells done"] if progress.cells else [progress.step]
    if progress.seconds_left is not None:
        parts.append(f"{duration(max(0.0, progress.seconds_left))} left")
    return ", ".join(parts)


def verdict_lines(found: verify.Verdict) -> Iterator[str]:
    """Tell what was looked at, and what is wrong."""
    strata = ", ".join(f"{number:,} {name}" for name, number in found.sample.strata.items())
    yield f"{found.sample.contacts:,} contacts recomputed: {len(found.sample.wrong):,} edges differ."
    if strata:
        yield f"  Drawn, some of them twice: {strata}."
    latencies = found.finders.latencies
    if latencies.calls:
        yield (
            f"{latencies.calls:,} random calls of find_paths: p50 {milliseconds(latencies.p50)},"
            f" p95 {milliseconds(latencies.p95)}; the objective is {milliseconds(found.finders.objective)}."
        )
    yield f"{found.queue.waiting:,} changes wait."
    yield from (f"ADVICE: {each}" for each in found.advice)
    for finding in found.findings:
        yield f"WRONG: {finding}"
    for left_out in found.unfinished:
        yield f"NOT LOOKED AT: {left_out}"
    if found.findings:
        yield _findings(len(found.findings))
    else:
        yield "All is well." if found.ok else "Nothing wrong was found, as far as it was looked at."


def diagnosis_lines(found: Diagnosis) -> Iterator[str]:
    """Tell what is wrong and what could be better, what to type below each, and what was not looked at."""
    for finding in found.findings:
        yield f"{'WRONG' if finding.severity == 'wrong' else 'ADVICE'}: {finding.what}"
        yield from (f"    {line}" for line in (finding.mend or "").split("\n") if line)
    for skipped in found.skipped:
        yield f"NOT CHECKED: {skipped.check}: {skipped.why}"
    if found.standby and any(finding.mend for finding in found.findings):
        yield "This is a standby: what is to be typed is for its primary, unless the finding names this standby."
    count = len(found.findings)
    if not count:
        yield "All is well." if not found.skipped else "All is well, as far as it was checked."
    else:
        yield _findings(count)


def _findings(count: int) -> str:
    return f"{count} findings." if count > 1 else "1 finding."


def runs_table(listed: Sequence[Run]) -> Table:
    """Show runs as a table."""
    table = _table("run", "strategy", "status", "phase", "begun", "done", "edges", "set aside")
    for run in listed:
        begun = run.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
        done = f"{run.share_done:.0%}"
        table.add_row(
            str(run.run_id), run.strategy, run.status, run.phase, begun, done, f"{run.edges_changed:,}",
            str(run.batches_set_aside),
        )  # fmt: skip
    return table


def run_lines(shown: dict[str, Any]) -> Iterator[Any]:
    """Show one run, as ``orchestrator runs show`` has it."""
    run: Run = shown["run"]
    yield f"run {run.run_id}, {run.strategy}: {run.status}, {run.phase}"
    yield run_line(run)
    yield (
        f"{run.batches_done:,} of {run.batches:,} batches done, {run.attempts:,} attempts, {run.failures:,} failures,"
        f" at most {'any number of' if run.max_workers is None else run.max_workers} workers"
    )
    for each in shown["building"]:
        yield f"building {each['name']}: {each['phase']}, {each['share']:.0%}"
    if shown["workers"]:
        table = _table("worker", "process", "batch", "edges", "for")
        for row in shown["workers"]:
            table.add_row(
                str(row["worker_id"]), str(row["pid"]), str(row["batch_id"]), f"{row['predicted_edges']:,}",
                duration(row["seconds"]),
            )  # fmt: skip
        yield table
    for name, told in sorted(run.processes.items()):
        reasons = f" ({', '.join(told['reasons'])})" if told["reasons"] else ""
        yield f"{name}: {told['allowed']} of {told['workers']} workers{reasons}"
    if run.active and not (shown["workers"] or run.processes):
        first = f"orchestrator runs resume {run.run_id}, then " if run.status == "paused" else ""
        yield f"No process is working on this run. To go on: {first}orchestrator backfill"
    if run.receipt:
        yield from receipt_lines(run.receipt)
    yield from set_aside_lines(shown["set_aside"])


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
    triggers = _table("table", "changes")
    for trigger in status.triggers:
        triggers.add_row(trigger.table, trigger.state)
    yield triggers
    if status.roles is not None:
        roles = _table("role", "members")
        for role in status.roles.roles:
            roles.add_row(role.name, ", ".join(role.members))
        yield roles
        yield from (f"{problem}; run: orchestrator install" for problem in status.roles.problems)
    yield from status.problems
    yield from status.public


def _table(*headings: str) -> Table:
    """Make a plain table; a name too long for the terminal goes on below, for it is there to be copied."""
    table = SafeTable()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def path_lines(question: paths.Question, answer: dict[str, Any], called: paths.Names) -> Iterator[str]:
    """Tell an answer of ``find_paths``: a numbered line a path, and below it why each two people know each other."""
    target = called.contact(question.target_contact_id)
    if not answer["paths"]:
        yield f"No path to {target} was found."
        yield from reasons.sentences(question, answer, called)
        remedies = [f"--{name} {value}" for name, value in reasons.remedies(question, answer).items()]
        if remedies:
            yield f"Another search may find one: {' or '.join(remedies)}."
    for number, path in enumerate(answer["paths"], 1):
        yield f"{number:>3}. {paths.chain(path, called, question.viewer_user_id)}"
        for hop in path["hops"]:
            yield f"       {paths.reason(hop, called)}"
    if answer["paths"] and (answer["why"] or {}).get("reason") == "edge_limit":
        most = answer["why"]["max_edges_per_hop"]
        yield f"There may be more paths: from each contact, the search follows edges to at most {most} members."
    if answer["truncated"]:
        yield f"There are more than these {answer['total']}; ask with --max-paths."
    if not answer["complete"]:
        yield "The time budget ended the search. Allow more time with --time-budget to find what may be missing."
