"""What goes wrong between the playground and its database, as a page tells it."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from orchestrator.core.errors import OrchestratorError, one_line

_NOT_THERE = (
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)


@dataclass
class Trouble(Exception):
    """A question without an answer: the HTTP status, one sentence, and what may help."""

    status: int
    title: str
    told: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.title}: {self.told}"


def busy() -> Trouble:
    """As many questions as allowed are being answered."""
    return Trouble(
        503,
        "Too many questions at once",
        "The playground answers a few at a time, to be gentle with the database, and that many are under way.",
        "Ask again in a few seconds.",
    )


def no_database(reason: str) -> Trouble:
    """Nothing can be asked of the database."""
    return Trouble(
        503, "The database does not answer", reason, "The playground goes on by itself when the database is back."
    )


def of(error: psycopg.Error | OrchestratorError, milliseconds: int) -> Trouble:
    """Tell *error*, which a statement met that was allowed so many *milliseconds*."""
    if isinstance(error, OrchestratorError):
        return no_database(_sentence(str(error)))
    if isinstance(error, psycopg.errors.QueryCanceled):
        return Trouble(
            504,
            "It took too long",
            f"The server ended the question after {milliseconds / 1000:g} s, which is as long as the playground lets"
            " one take, or somebody cancelled it.",
            "Ask for a smaller depth or fewer paths, or for version v2, which keeps to its time budget.",
        )
    if isinstance(error, _NOT_THERE):
        return Trouble(
            503,
            "connection_paths is not installed here",
            f"Or it is another version: {error.diag.message_primary or one_line(error)}.",
            "Run: orchestrator install",
        )
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return Trouble(
            503,
            "The database refuses",
            f"The role the playground connects as lacks a right: {one_line(error)}.",
            "It needs USAGE on the schema connection_paths, SELECT on its tables and on the host's, EXECUTE on its"
            " functions; the README has the GRANTs.",
        )
    if isinstance(error, psycopg.OperationalError):
        return no_database(_sentence(one_line(error)))
    return Trouble(500, "The database reports an error", _sentence(one_line(error)))


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.?')}."
