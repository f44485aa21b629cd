"""A finding: the problem, its severity, and the command that repairs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["wrong", "advice"]


@dataclass(frozen=True)
class Finding:
    """One problem: ``wrong``, or a possible improvement (``advice``).

    ``what`` is a sentence with the figures. ``repair`` has the commands that repair it, one a line: SQL and ``\\i`` for
    psql on the primary, outside a transaction; ``orchestrator`` and other commands for a shell. It is None if a person
    must decide. ``object`` is the name of the index, table, function, setting or run.
    """

    check: str
    severity: Severity
    what: str
    repair: str | None
    object: str
