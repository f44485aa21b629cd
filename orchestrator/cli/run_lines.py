"""A backfill run in words, for the commands that show one: ``backfill``, ``runs`` and ``demo``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from rich.progress_bar import ProgressBar
from rich.text import Text

from orchestrator.core.formats import duration, milliseconds
from orchestrator.core.text import printable
from orchestrator.runs import backfill
from orchestrator.runs.runs import Run

_SET_ASIDE_SHOWN = 5  # contacts
_CANARY = re.compile(r"(?<!of )\bcanary(?=:|$)")  # a replica may also have this name: "replica lag of canary: 12 s"


def display(progress: backfill.BackfillProgress) -> Iterator[Any]:
    """Return what a terminal shows of a backfill: a few lines and a bar."""
    first, *others = progress_lines(progress)
    yield Text(printable(first), style="bold")
    shares = [each["share"] for each in progress.building] or [progress.run.share_done]
    yield ProgressBar(total=1.0, completed=fmean(shares), width=60)
    yield from others


def progress_line(progress: backfill.BackfillProgress) -> str:
    """Say in one line how far a backfill is."""
    return f"backfill: {' · '.join(progress_lines(progress))}"


def progress_lines(progress: backfill.BackfillProgress) -> Iterator[str]:
    """Say what a process does, how far the run is, and why fewer workers work than could."""
    run = progress.run
    yield f"run {run.run_id}, {run.strategy}: {progress.doing}"
    if progress.building:
        yield ", ".join(each["name"] for each in progress.building)
    yield run_line(run)
    workers = f"{min(progress.allowed, progress.workers)} of {progress.workers} workers"
    reasons = ", ".join(map(shown_reason, progress.reasons))
    yield f"{workers} ({reasons})" if reasons else workers
    yield from set_aside_lines(progress.set_aside)


def run_line(run: Run) -> str:
    """Say how much of a run is done, counted in edges: contacts differ too much in the work they need."""
    _, fast = run.rates
    parts = [f"{run.edges_changed:,} edges {_verb(run)}"]
    if run.batches_open:
        parts[0] += f" of about {run.expected_edges:,.0f}" if run.strategy == "rebuild" else ""
        parts.append(f"{run.share_done:.0%} done")
    if run.status == "running" and run.phase == "filling" and fast:
        parts.append(f"{fast:,.0f} edges/s")
    if run.seconds_left:
        least, most = (duration(seconds) for seconds in run.seconds_left)
        parts.append(f"{least} left" if least == most else f"{least} to {most} left")
    return ", ".join(parts)


def outcome_lines(outcome: backfill.BackfillOutcome) -> Iterator[str]:
    """Say how a backfill ended."""
    run = outcome.run
    yield f"Run {run.run_id} {run.status}: {run.edges_changed:,} edges {_verb(run)} in {duration(outcome.seconds)}."
    if run.receipt:
        yield from receipt_lines(run.receipt)
    yield from set_aside_lines(outcome.set_aside)


def receipt_lines(receipt: dict[str, Any]) -> Iterator[str]:
    """Say how a run slowed ``find_paths`` down, and how long it worked with fewer workers."""
    canary = receipt.get("canary") or {}
    if canary.get("available"):
        shown = " / ".join(
            f"{name} {milliseconds(canary['before'].get(name))} → {milliseconds(canary['during'].get(name))}"
            for name in ("p50", "p95", "p99")
            if canary["before"].get(name) is not None or canary["during"].get(name) is not None
        )
        yield f"find_paths before and during: {shown}"
    throttled = receipt.get("throttled_seconds") or {}
    for reason, seconds in sorted(throttled.items(), key=lambda item: -item[1]):
        yield f"fewer workers for {duration(seconds)} because of {shown_reason(reason)}"


def shown_reason(reason: str) -> str:
    """Return a reason why fewer workers work, in which the signal ``canary`` has a name that needs no explanation."""
    return _CANARY.sub("slow searches", reason)


def set_aside_lines(set_aside: Sequence[dict[str, Any]]) -> Iterator[str]:
    """List the first contacts that were set aside, each with its error."""
    if set_aside:
        yield f"{len(set_aside)} set aside:"
    for row in set_aside[:_SET_ASIDE_SHOWN]:
        yield f"  contact {row['contact_id']}: {row['error']}"
    if len(set_aside) > _SET_ASIDE_SHOWN:
        yield f"  and {len(set_aside) - _SET_ASIDE_SHOWN} more; see: orchestrator runs show"


def _verb(run: Run) -> str:
    return "made" if run.strategy == "rebuild" else "changed"
