"""Checks the queue of changes, the runs, and objects that a rebuild may have left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.core.formats import duration, size
from orchestrator.core.schema import schema_of
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import Subject

_OLD = 300.0  # seconds that a change may wait
_MANY = 100_000  # changes that may wait
_MOST_COUNTED = 1_000_000
_GRACE = 15.0  # seconds that a new run may wait for its first worker


def queue(subject: Subject) -> Iterator[Finding]:
    """Find changes that wait too long, too many changes, and contacts whose refresh fails."""
    (row,) = subject.query("doctor/queue")
    old = (row.oldest or 0) > _OLD
    if old or row.waiting > _MANY:
        many = f"{row.waiting:,} or more" if row.waiting >= _MOST_COUNTED else f"{row.waiting:,}"
        follower = (
            "`sync --follow` is running but does not take them" if row.is_followed else "no `sync --follow` is running"
        )
        what = f"{many} changes wait, the oldest for {duration(row.oldest)}; {follower}"
        repair = "orchestrator sync" if row.is_followed else "orchestrator sync --follow"
        yield Finding("queue", "wrong" if old else "advice", what, repair, "contact_changes")
    if row.failed:
        what = (
            f"the refresh of {row.failed:,} contacts fails, for example of contact {row.failed_contact}:"
            f" {row.failed_error}; repair the cause, then retry"
        )
        yield Finding("queue", "wrong", what, "orchestrator sync --retry-failed", "contact_changes")


def runs(subject: Subject) -> Iterator[Finding]:
    """Find runs that are paused, have no worker, left objects behind or set contacts aside; or that no run ever was."""
    rows = subject.query("doctor/runs")
    for row in rows:
        yield from _of_run(row)
    if not rows and subject.query("doctor/never_filled")[0].is_so:
        what = "there are work experiences but no edges, and no backfill was ever run"
        yield Finding("runs", "wrong", what, "orchestrator backfill", "contact_connections")


def leftovers(subject: Subject) -> Iterator[Finding]:
    """Find objects that a finished rebuild has left."""
    rows = subject.query("doctor/leftovers")
    if rows:
        names = ", ".join(row.name for row in rows)
        what = f"a finished rebuild has left {names} ({size(sum(row.bytes for row in rows))})"
        repair = f"SELECT {schema_of(subject.connection)}.drop_rebuild();"
        yield Finding("rebuild leftovers", "wrong", what, repair, rows[0].name)


def _of_run(row: Any) -> Iterator[Finding]:
    name = f"run {row.run_id}"
    if row.status == "cancelled":
        if row.phase != "finished" and not row.is_alive:
            what = f"{name} was cancelled, but objects that it created still exist"
            yield Finding("runs", "wrong", what, f"orchestrator runs cancel {row.run_id}", name)
    elif row.status == "paused":
        what = f"{name} ({row.strategy}) is paused; it began {duration(row.seconds)} ago"
        repair = f"orchestrator runs resume {row.run_id}" + ("" if row.is_alive else "\norchestrator backfill")
        yield Finding("runs", "wrong", what, repair, name)
    elif row.status == "running":
        if not row.is_alive and row.seconds > _GRACE:
            begun = f"it began {duration(row.seconds)} ago"
            what = f"{name} ({row.strategy}) is not finished and no worker is active; {begun}"
            yield Finding("runs", "wrong", what, "orchestrator backfill", name)
    elif row.set_aside:
        what = f"{name} has set aside {row.set_aside:,} contacts, for example contact {row.contact_id}: {row.error}"
        yield Finding("runs", "advice", what, "orchestrator backfill", name)
