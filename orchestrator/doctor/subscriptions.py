"""Checks the subscriptions of logical replication that write to the application's tables.

Edges are computed from the rows of this server. When a subscription stops, these rows are out of date, and so are the
paths, but ``verify`` finds no wrong edge.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.formats import counted, duration
from orchestrator.host.subscriptions import Subscription
from orchestrator.host.subscriptions import subscriptions as found_in
from orchestrator.inspection.finding import Finding, Severity
from orchestrator.inspection.subject import Subject

_MISSING = "if the log names a missing column, add it here, too"


def subscriptions(subject: Subject) -> Iterator[Finding]:
    """Find subscriptions that are disabled, have no worker, fail, hear nothing, or have not copied every table."""
    for each in found_in(subject.connection, subject.binding):
        yield from _of(each, subject)


def _of(each: Subscription, subject: Subject) -> Iterator[Finding]:
    name = subject.quoted(each.name)
    failed = f" It has failed {each.errors:,} times." if each.errors else ""
    if not each.is_enabled:
        what = f"subscription {name} is disabled: changes of its publisher do not arrive here.{failed}"
        yield _finding(name, "wrong", what, f"ALTER SUBSCRIPTION {name} ENABLE;")
    elif not each.is_running:
        what = (
            f"no worker of subscription {name} runs: changes of its publisher do not arrive here.{failed} The log of"
            f" this server says why; {_MISSING}"
        )
        yield _finding(name, "wrong", what, None)
    elif each.state == "silent":
        what = f"subscription {name} has heard nothing from its publisher for {duration(each.silent or 0)}"
        yield _finding(name, "wrong", what, None)
    if each.is_enabled and each.is_running and each.errors:
        what = (
            f"subscription {name} has failed {counted(each.errors, 'time')}. While it fails again and again, changes of"
            f" its publisher do not arrive here. The log of this server says why; {_MISSING}. Then reset the count"
        )
        yield _finding(name, "advice", what, f"SELECT pg_stat_reset_subscription_stats({each.oid});")
    if each.is_enabled and each.copying:
        what = f"subscription {name} has not yet copied the rows of {', '.join(each.copying)}"
        yield _finding(name, "advice", what, None)


def _finding(name: str, severity: Severity, what: str, repair: str | None) -> Finding:
    return Finding("subscriptions", severity, what, repair, name)
