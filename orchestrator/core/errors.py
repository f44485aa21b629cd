"""Errors that a person can mend, and how a database's error is told in one line."""

from __future__ import annotations

import psycopg

from orchestrator.core.text import printable, shortened

_LONGEST = 4000  # characters: a function may raise any text


class OrchestratorError(Exception):
    """A failure a person caused or can mend: one sentence that says what, and often what to do."""


def one_line(error: psycopg.Error) -> str:
    """Return what the server (or libpq) said about *error* as a single line with its SQLSTATE and hint."""
    diagnostic = error.diag
    if diagnostic.message_primary is None:
        return shortened(printable(" ".join(str(error).split())), _LONGEST)
    parts = [diagnostic.message_primary]
    if diagnostic.message_detail:
        parts.append(diagnostic.message_detail)
    if diagnostic.message_hint:
        parts.append(f"Hint: {diagnostic.message_hint}")
    told = f"{'. '.join(part.rstrip('.') for part in parts)} [SQLSTATE {error.sqlstate}]"
    return shortened(printable(told.replace("\n", " ")), _LONGEST)
