"""Errors that a person can correct, and the message of any error as one line."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from orchestrator.core.text import printable, shortened

_LONGEST = 4000  # characters; a function of the database may raise a text of any length


class OrchestratorError(Exception):
    """An error that a person caused or can correct. Its message is one line: what is wrong, and what to do."""


class SeveralProblemsError(OrchestratorError):
    """Several problems that a person can correct, each in a line of the message."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def one_line(error: Exception) -> str:
    """Return the message of an error as one line; for an error of the server with its detail, hint and SQLSTATE."""
    diagnostic = error.diag if isinstance(error, psycopg.Error) else None
    if diagnostic is None or diagnostic.message_primary is None:
        return shortened(printable(" ".join(str(error).split())), _LONGEST)
    parts = [diagnostic.message_primary]
    if diagnostic.message_detail:
        parts.append(diagnostic.message_detail)
    if diagnostic.message_hint:
        parts.append(f"Hint: {diagnostic.message_hint}")
    line = f"{'. '.join(part.rstrip('.') for part in parts)} [SQLSTATE {diagnostic.sqlstate}]"
    return shortened(printable(line.replace("\n", " ")), _LONGEST)
