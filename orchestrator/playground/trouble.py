"""Failures between the playground and its database, as a page shows them."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.text import capitalized

_NOT_INSTALLED = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)
#: A value that only the database can check, such as a kind of edges.
_REFUSED = (psycopg.errors.InvalidParameterValue, psycopg.errors.InvalidTextRepresentation)


@dataclass
class Trouble(Exception):
    """A question without an answer: the HTTP status, a title, the reason, and what may help."""

    status: int
    title: str
    reason: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.title}: {self.reason}"


def busy() -> Trouble:
    """All turns are taken."""
    return Trouble(
        503,
        "Too many questions at once",
        "The playground limits its load on the database: it answers only a few questions at the same time.",
        "Ask again in a few seconds.",
    )


def no_database(reason: str) -> Trouble:
    """The database cannot be reached."""
    return Trouble(
        503, "The database does not answer", reason, "The playground continues when the database is reachable again."
    )


def of(error: psycopg.Error | OrchestratorError, milliseconds: int) -> Trouble:
    """Return the failure of a statement with a limit of so many *milliseconds*."""
    if isinstance(error, _REFUSED):
        return Trouble(400, "find_paths refuses the question", _sentence(one_line(error)))
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Trouble(
            504,
            "It took too long",
            f"The server stopped the question after {milliseconds / 1000:g} s, the limit of the playground, or a person"
            " cancelled it.",
            "Ask for a smaller depth or fewer paths, or ask v2, which keeps to its time budget.",
        )
    if isinstance(error, _NOT_INSTALLED):
        return Trouble(
            503,
            "connection_paths is not installed here",
            f"Or another version is installed: {error.diag.message_primary or one_line(error)}.",
            "Run: orchestrator install",
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return Trouble(
            503,
            "The database refuses",
            f"The role of the playground lacks a right: {one_line(error)}.",
            "The role needs the rights of connection_paths_reader, and SELECT on the application's four tables.",
        )
    if isinstance(error, OrchestratorError | psycopg.OperationalError):
        return _interrupted(error)
    return Trouble(500, "The database reports an error", _sentence(one_line(error)))


def _interrupted(error: psycopg.Error | OrchestratorError) -> Trouble:
    reason = _sentence(one_line(error))
    if isinstance(error, psycopg.errors.SerializationFailure):  # "conflict with recovery"
        return Trouble(503, "The standby interrupted the question, to replay a change", reason, "Ask again.")
    return no_database(reason)


def _sentence(text: str) -> str:
    return f"{capitalized(text).rstrip('.?')}."
