"""Calls ``find_paths`` and looks up the names in its answer. ``reasons`` puts an answer into sentences."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.text import LONGEST_NAME, printable, shortened
from orchestrator.finders.question import CALL, Question
from orchestrator.host import left_out
from orchestrator.host.installed import require_installed

_COUNTING_MS = 2000  # time limit for counting memberships; it reads the whole table, because no index helps
_COMMON_DEPTH = 4  # the greatest depth that applications commonly ask for


@dataclass(frozen=True)
class Names:
    """Names of what an answer mentions; where there is no name, the id is shown.

    Users and collections have names only where the mapping has a table of them, which this role may read.
    """

    contacts: dict[int, str]
    organizations: dict[int, str]
    users: dict[int, str] = field(default_factory=dict)
    collections: dict[int, str] = field(default_factory=dict)

    def contact(self, contact_id: int) -> str:
        """Return the name of a contact, or its id."""
        return self.contacts.get(contact_id) or f"contact {contact_id}"

    def organization(self, organization_id: int | None) -> str:
        """Return the name of an organization, or its id."""
        if organization_id is None:
            return "no organization"
        return self.organizations.get(organization_id) or f"organization {organization_id}"

    def user(self, user_id: int) -> str:
        """Return the name of a user with the id, such as ``Maria Gomez (user 7)``, or ``user 7``."""
        name = self.users.get(user_id)
        return f"{name} (user {user_id})" if name else f"user {user_id}"

    def collection(self, collection_id: int) -> str:
        """Return a collection with its name, such as ``collection 1 (Sales)``, or ``collection 1``."""
        name = self.collections.get(collection_id)
        return f"collection {collection_id} ({name})" if name else f"collection {collection_id}"

    def of_the_team(self) -> dict[str, dict[str, str]]:
        """Return the names of users and collections for JSON, by their ids; empty where there are none."""
        found = {"user_names": self.users, "collection_names": self.collections}
        return {key: {str(each): name for each, name in names.items()} for key, names in found.items() if names}


def find_paths(connection: Connection, question: Question) -> dict[str, Any]:
    """Return the document that ``connection_paths.find_paths`` gives for *question*.

    Raises :class:`OrchestratorError` when the package is not installed.
    """
    require_installed(connection)
    row = connection.execute(CALL, vars(question)).fetchone()
    assert row is not None  # a function's call returns one row
    answer: dict[str, Any] = row[0]
    return answer


def random_questions(connection: Connection, seed: float | None = None) -> list[Question]:
    """Draw questions of depth 4 about random targets, to measure ``find_paths`` with.

    The same *seed*, from 0 to 1, draws the same questions in the same data.
    """
    if seed is not None:
        connection.execute("SELECT setseed(%s)", (seed,))
    rows = connection.execute(sqlfiles.query("finders/canary_targets"))
    return [Question(target, collection, viewer, max_depth=_COMMON_DEPTH) for target, collection, viewer in rows]


def names(connection: Connection, answer: dict[str, Any], *also: int, question: Question | None = None) -> Names:
    """Look up the names in *answer*, those of the contacts *also*, and the viewer and the collection of *question*."""
    contact_ids = {contact_id for path in answer["paths"] for contact_id in path["contact_ids"]} | {*also}
    organization_ids = {hop["organization_id"] for path in answer["paths"] for hop in path["hops"]} - {None}
    user_ids = {user_id for path in answer["paths"] for user_id in path["user_ids"]}
    rows = connection.execute(
        sqlfiles.query("host/names"),
        {
            "contact_ids": sorted(contact_ids),
            "organization_ids": sorted(organization_ids),
            "longest": LONGEST_NAME + 1,  # one more character, to see that a name is longer
        },
    ).fetchall()
    asked = [] if question is None else [question]
    users, collections = team_names(
        connection,
        [*user_ids, *(each.viewer_user_id for each in asked)],
        [each.collection_id for each in asked],
    )
    return Names(_of_kind(rows, "contact"), _of_kind(rows, "organization"), users, collections)


def team_names(
    connection: Connection, user_ids: Iterable[int], collection_ids: Iterable[int]
) -> tuple[dict[int, str], dict[int, str]]:
    """Return the names of users and of collections, by their ids.

    There are none where no table of them is mapped, and where this role may not read it.
    """
    asked = {
        "user_ids": sorted({*user_ids}),
        "collection_ids": sorted({*collection_ids}),
        "longest": LONGEST_NAME + 1,
    }
    unknown = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.errors.QueryCanceled)
    with suppress(*unknown), connection.transaction():
        rows = connection.execute(sqlfiles.query("host/team_names"), asked).fetchall()
        return _of_kind(rows, "user"), _of_kind(rows, "collection")
    return {}, {}


def _of_kind(rows: Iterable[tuple[str, int, str | None]], kind: str) -> dict[int, str]:
    return {number: readable(name) for each, number, name in rows if each == kind and name}


def readable(name: str | None) -> str:
    """Return a name of the database for showing: of limited length, with control characters escaped."""
    return printable(shortened(name or ""))


def members_not_counted(
    connection: Connection, question: Question, answer: dict[str, Any]
) -> tuple[left_out.Members, ...]:
    """Return the memberships of the collection by source, if the answer says that it has no members.

    A rule may leave out memberships that exist. Empty for other answers, or when counting takes too long.
    """
    if (answer.get("why") or {}).get("reason") not in ("empty_collection", "viewer_brought_nobody"):
        return ()
    with suppress(psycopg.errors.QueryCanceled, OrchestratorError), connection.transaction():
        connection.execute("SELECT set_config('statement_timeout', %s, true)", (str(_COUNTING_MS),))
        return left_out.members(connection, collection_id=question.collection_id)
    return ()
