"""The playground's calls of the database. All are bounded: rows read, rows shown, time, and how many run at once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.schema import DEFAULT, schema_of
from orchestrator.core.text import LONGEST_NAME
from orchestrator.finders import paths, teams
from orchestrator.finders.paths import Names, readable
from orchestrator.finders.question import CALL, Question
from orchestrator.finders.teams import Collection, User
from orchestrator.host.installed import require_installed
from orchestrator.host.uuid_keys import id_of
from orchestrator.playground.form import Given
from orchestrator.playground.sessions import Sessions, Turns

AT_ONCE = 4  # questions, and as many look-ups beside them
ANSWER_MS = 5000  # limit of a question, also with its plan
LOOKUP_MS = 2000  # limit of a search by name, and of a list to choose from

FOUND_SHOWN = 20  # contacts that a search by name found
COLLECTIONS_SHOWN = 50
USERS_SHOWN = 12

_EXAMPLES = 3
_CANDIDATES = 12  # questions that are asked to find different examples
_EXAMPLE_DEPTH, _EXAMPLE_PATHS, _EXAMPLE_BUDGET = 3, 10, 100
_EXAMPLES_KEPT = 600.0  # seconds

_PLAN_CHARACTERS = 200_000

#: The call between two readings of the server's clock; a SELECT computes its columns from left to right.
_TIMED = f"SELECT clock_timestamp(), ({CALL}), clock_timestamp()"


@dataclass(frozen=True)
class Contact:
    """A contact to choose, with the latest organization, which distinguishes contacts of the same name."""

    contact_id: int
    name: str | None
    organization: str | None


@dataclass(frozen=True)
class Answer:
    """The answer of ``find_paths``, its names, and its milliseconds: on the server, and with the round trip.

    ``schema`` is that of the installation.
    """

    document: dict[str, Any]
    names: Names
    server_ms: float
    trip_ms: float
    is_new_connection: bool
    schema: str = DEFAULT


@dataclass(frozen=True)
class Example:
    """A question to begin with; ``depth`` is that of its first path, None without a path."""

    question: Question
    name: str
    depth: int | None


@dataclass(frozen=True)
class ExplainedCall:
    """EXPLAIN's text of a call and of the statements inside, or why the latter are not shown."""

    call: str
    nested: Sequence[str]
    why_not_nested: str | None


class Database:
    """The database of *dsn*. Every method raises :class:`~orchestrator.playground.trouble.Trouble`."""

    def __init__(self, dsn: str) -> None:
        self.schema = schema_of(dsn)
        self._sessions = Sessions(dsn)
        self._answering = Turns(AT_ONCE)
        self._looking = Turns(AT_ONCE)
        self._examples: tuple[float, list[Example]] = (0.0, [])

    def close(self) -> None:
        """Close idle connections."""
        self._sessions.close()

    def answer(self, question: Question) -> Answer:
        """Ask for paths."""
        with self._sessions.open(self._answering, ANSWER_MS) as (connection, is_new):
            begun = time.perf_counter()
            row = connection.execute(_TIMED, vars(question)).fetchone()
            assert row is not None  # a SELECT without FROM returns one
            before, document, after = row
            trip = time.perf_counter() - begun
            named = (question.target_contact_id, *question.excluded_contact_ids)
            names = paths.names(connection, document, *named, question=question)
        return Answer(document, names, (after - before).total_seconds() * 1e3, trip * 1e3, is_new, self.schema)

    def numbers(self, given: Iterable[Given]) -> dict[Given, int]:
        """Return the id that each uuid stands for; those of a kind whose ids are not made of uuids are left out."""
        found: dict[Given, int] = {}
        with self._sessions.open(self._looking, LOOKUP_MS) as (connection, _):
            require_installed(connection)
            for kind, each in given:
                with suppress(OrchestratorError):
                    found[kind, each] = id_of(connection, kind, each)
        return found

    def contact(self, contact_id: int) -> list[Contact]:
        """Return the contact with an id, if there is one."""
        return self._contacts("playground/contact", contact_id=contact_id)

    def contacts(self, text: str) -> list[Contact]:
        """Return contacts whose names contain the words of *text* in that order."""
        found = self._contacts("playground/contacts", pattern=pattern(text), most=FOUND_SHOWN)
        return sorted(found, key=lambda each: (not (each.name or "").lower().startswith(text.lower()), each.name or ""))

    def _contacts(self, query: str, **asked: Any) -> list[Contact]:
        with self._sessions.open(self._looking, LOOKUP_MS) as (connection, _):
            rows = connection.execute(sqlfiles.query(query), {"longest": LONGEST_NAME + 1, **asked}).fetchall()
        return [Contact(contact, readable(name), readable(organization)) for contact, name, organization in rows]

    def collections(self) -> list[Collection]:
        """Return the first collections, by id."""
        with self._sessions.open(self._looking, LOOKUP_MS) as (connection, _):
            return teams.collections(connection, COLLECTIONS_SHOWN)

    def users(self, collection_id: int) -> list[User]:
        """Return some users of a collection; those who brought many of its first members come first."""
        with self._sessions.open(self._looking, LOOKUP_MS) as (connection, _):
            return teams.users(connection, collection_id, USERS_SHOWN)

    def examples(self) -> list[Example]:
        """Return a few questions with different answers (near, far, no path); the same ones for ten minutes."""
        made, examples = self._examples
        if not examples or time.monotonic() - made > _EXAMPLES_KEPT:
            examples = self._new_examples()
            self._examples = time.monotonic(), examples
        return examples

    def plan(self, question: Question) -> ExplainedCall:
        """Explain the call, and the statements inside when the role may load ``auto_explain``."""
        notices: list[str] = []
        with self._sessions.apart(self._answering, ANSWER_MS) as connection:
            why_not = None
            try:
                with connection.transaction():
                    connection.execute(sqlfiles.query("playground/nested_plans"))
            except psycopg.Error as error:
                why_not = one_line(error)
            connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
            lines = connection.execute("EXPLAIN (ANALYZE, BUFFERS, SETTINGS) " + CALL, vars(question)).fetchall()
        nested = [notice for notice in notices if "Query Text:" in notice and "EXPLAIN (ANALYZE" not in notice]
        return ExplainedCall("\n".join(line for (line,) in lines), _shortened(nested), why_not)

    def _new_examples(self) -> list[Example]:
        with self._sessions.open(self._looking, LOOKUP_MS) as (connection, _):
            by_depth: dict[int | None, list[Question]] = {}
            for target, collection, user in connection.execute(sqlfiles.query("finders/canary_targets")).fetchmany(
                _CANDIDATES
            ):
                question = Question(target, collection, user, _EXAMPLE_DEPTH, _EXAMPLE_PATHS)
                depth = _first_depth(connection, question)
                by_depth.setdefault(depth, []).append(question)
            depths = sorted((depth for depth in by_depth if depth), reverse=True) + [None] * (None in by_depth)
            chosen = [(depth, by_depth[depth].pop(0)) for depth in depths]
            chosen += [(depth, question) for depth in depths for question in by_depth[depth]]
            chosen = sorted(chosen[:_EXAMPLES], key=lambda each: each[0] or _EXAMPLE_DEPTH + 1)
            called = paths.names(connection, {"paths": []}, *(question.target_contact_id for _, question in chosen))
        return [Example(question, called.contact(question.target_contact_id), depth) for depth, question in chosen]


def pattern(text: str) -> str:
    """Return an ILIKE pattern for names with the words of *text* in this order; wildcards in *text* have no effect."""
    words = (word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for word in text.split())
    return f"%{'%'.join(words)}%"


def _first_depth(connection: Connection, question: Question) -> int | None:
    arguments = {**vars(question), "time_budget_ms": _EXAMPLE_BUDGET}
    row = connection.execute(CALL, arguments).fetchone()
    assert row is not None  # a function's call returns one row
    return int(row[0]["paths"][0]["depth"]) if row[0]["paths"] else None


def _shortened(plans: Sequence[str]) -> list[str]:
    kept: list[str] = []
    left = _PLAN_CHARACTERS
    for plan in plans:
        if left <= 0:
            kept.append(f"and {len(plans) - len(kept)} more")
            break
        kept.append(plan[:left])
        left -= len(plan)
    return kept
