"""Calls ``find_paths`` and looks up the names in its answer. ``reasons`` puts an answer into sentences."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.text import LONGEST_NAME, printable, shortened
from orchestrator.host import left_out
from orchestrator.install.installed import require_installed

#: The limits of ``connection_paths.search_limit``: contacts on a path, and paths of an answer.
DEEPEST, MOST_PATHS = 6, 1000

_COUNTING_MS = 2000  # time limit for counting memberships; it reads the whole table, because no index helps
_COMMON_DEPTH = 4  # the greatest depth that applications commonly ask for


@dataclass(frozen=True)
class Question:
    """The arguments of ``connection_paths.find_paths``; its comment in the database describes them."""

    target_contact_id: int
    collection_id: int
    viewer_user_id: int
    max_depth: int = 2
    max_paths: int = 25
    seed_scope: str = "any"
    impl: str | None = None
    time_budget_ms: int = 1500
    excluded_contact_ids: list[int] = field(default_factory=list, hash=False)  # a tuple is a row to the driver
    max_edges_per_hop: int | None = 15


@dataclass(frozen=True)
class Names:
    """Names of the contacts and organizations in an answer; where there is no name, the id is shown."""

    contacts: dict[int, str]
    organizations: dict[int, str]

    def contact(self, contact_id: int) -> str:
        """Return the name of a contact, or its id."""
        return self.contacts.get(contact_id) or f"contact {contact_id}"

    def organization(self, organization_id: int | None) -> str:
        """Return the name of an organization, or its id."""
        if organization_id is None:
            return "no organization"
        return self.organizations.get(organization_id) or f"organization {organization_id}"


def find_paths(connection: Connection, question: Question) -> dict[str, Any]:
    """Return the document that ``connection_paths.find_paths`` gives for *question*.

    Raises :class:`OrchestratorError` when the package is not installed.
    """
    require_installed(connection)
    row = connection.execute(sqlfiles.query("finders/find_paths"), vars(question)).fetchone()
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


def names(connection: Connection, answer: dict[str, Any], *also: int) -> Names:
    """Look up the names of all contacts and organizations in *answer*, and of the contacts *also*."""
    contact_ids = {contact_id for path in answer["paths"] for contact_id in path["contact_ids"]} | {*also}
    organization_ids = {hop["organization_id"] for path in answer["paths"] for hop in path["hops"]} - {None}
    rows = connection.execute(
        sqlfiles.query("host/names"),
        {
            "contact_ids": sorted(contact_ids),
            "organization_ids": sorted(organization_ids),
            "longest": LONGEST_NAME + 1,  # one more character, to see that a name is longer
        },
    ).fetchall()
    return Names(
        contacts={row[1]: readable(row[2]) for row in rows if row[0] == "contact"},
        organizations={row[1]: readable(row[2]) for row in rows if row[0] == "organization"},
    )


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
