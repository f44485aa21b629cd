"""The sentences of a verification about what is wrong, each with what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.core.formats import counted, milliseconds
from orchestrator.runs import runs
from orchestrator.verify.comparison import Sample, Sizes
from orchestrator.verify.finder_times import FinderTimes


@dataclass(frozen=True)
class Queue:
    """The queue of changes: ``waiting`` changes, the oldest for ``oldest`` seconds (None: none waits).

    ``is_behind``: a change waits that was made before this verification began. ``failed``: the contacts that have
    failed three times, with their errors.
    """

    waiting: int
    oldest: float | None
    is_behind: bool
    failed: list[dict[str, Any]]


def of_runs(
    active: runs.Run | None, latest: runs.Run | None, set_aside: list[dict[str, Any]], sample: Sample
) -> list[str]:
    """Return what is wrong with the *active* run and with the *latest* finished one."""
    findings = []
    if active is not None:
        findings.append(f"run {active.run_id} is {active.status}: see orchestrator runs show {active.run_id}")
    elif latest is None and sample.wrong:
        findings.append("no backfill has ever finished: run orchestrator backfill")
    wrong = {contact for each in sample.wrong for contact in (each.contact_a_id, each.contact_b_id)}
    bad = [each for each in set_aside if each["contact_id"] in wrong]
    if latest is not None and bad:
        first = bad[0]
        findings.append(
            f"run {latest.run_id} has set aside {len(bad)} contacts whose edges are wrong;"
            f" for example, contact {first['contact_id']}: {first['error']}"
        )
    return findings


def of_queue(queue: Queue) -> list[str]:
    """Return what is wrong with the queue of changes."""
    findings = []
    # Without waiting changes, the queue is behind because of a capture failure: that is a finding of the bindings.
    if queue.is_behind and queue.waiting:
        findings.append(
            f"{queue.waiting} changes wait, the oldest for {queue.oldest or 0:.0f} s: run orchestrator sync"
        )
    if queue.failed:
        first = queue.failed[0]
        findings.append(
            f"{len(queue.failed)} contacts could not be refreshed; for example, contact {first['contact_id']}:"
            f" {first['error']}; remove the cause and run orchestrator sync --retry-failed"
        )
    return findings


def of_sample(sample: Sample) -> list[str]:
    """Return what is wrong with the edges of the sample."""
    if not sample.wrong:
        return []
    return [
        f"{len(sample.wrong):,} wrong edges in {sample.contacts:,} sampled contacts; for example, {sample.wrong[0]};"
        " run orchestrator backfill"
    ]


def of_sizes(sizes: Sizes) -> list[str]:
    """Return what is wrong with the size classes of organizations."""
    if not sizes.wrong:
        return []
    return [
        f"the size of {counted(sizes.wrong, 'organization')} is wrong, and so is the strength of their edges; for"
        f" example, organization {sizes.organization_id} counts as {sizes.people:,} people and has {sizes.counted:,};"
        " run orchestrator sync"
    ]


def of_finders(finders: FinderTimes) -> list[str]:
    """Return what is wrong with find_paths."""
    if finders.error is not None:
        return [f"find_paths fails: {finders.error}"]
    p95 = finders.latencies.p95
    if p95 is not None and p95 > finders.objective:
        return [f"p95 of find_paths is {milliseconds(p95)}, the objective {milliseconds(finders.objective)}"]
    return []
