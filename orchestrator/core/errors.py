"""Errors that a person can correct, and the error of a database as one line."""

from __future__ import annotations

import psycopg

from orchestrator.core.text import printable, shortened

_LONGEST = 4000  # characters; a function of the database may raise a text of any length


class OrchestratorError(Exception):
    """An error that a person caused or can correct. Its message is one line: what is wrong, and what to do."""


def one_line(error: psycopg.Error) -> str:
    """Return the message of the server (or of libpq) as one line, with its detail, hint and SQLSTATE."""
    diagnostic = error.diag
    if diagnostic.message_primary is None:
        return shortened(printable(" ".join(str(error).split())), _LONGEST)
    parts = [diagnostic.message_primary]
    if diagnostic.message_detail:
        parts.append(diagnostic.message_detail)
    if diagnostic.message_hint:
        parts.append(f"Hint: {diagnostic.message_hint}")
    line = f"{'. '.join(part.rstrip('.') for part in parts)} [SQLSTATE {error.sqlstate}]"
    return shortened(printable(line.replace("\n", " ")), _LONGEST)
