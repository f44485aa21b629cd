"""A finding: the problem, its severity, and the command that repairs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["wrong", "advice"]


@dataclass(frozen=True)
class Finding:
    """One problem: ``wrong``, or a possible improvement (``advice``).

    ``what`` is a sentence with the figures. ``mend`` is what to type, a command a line: SQL and ``\\i`` for psql on the
    primary, outside a transaction; ``orchestrator`` and other commands for a shell. None: there is no one remedy.
    ``object`` is the index, table, function, setting or run that it is about.
    """

    check: str
    severity: Severity
    what: str
    mend: str | None
    object: str
