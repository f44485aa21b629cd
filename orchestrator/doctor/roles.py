"""Finds group roles whose rights differ from those that install grants."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.access import roles
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import Subject


def rights(subject: Subject) -> Iterator[Finding]:
    """Find the differences between the rights of the group roles and those that install grants, as one finding."""
    found = roles.describe(subject.connection)
    if found is None or not found.problems:
        return
    first, *others = found.problems
    what = f"{first}; orchestrator status lists {len(others):,} more differences of rights" if others else first
    yield Finding("roles", "wrong", what, "orchestrator install", found.prefix)
