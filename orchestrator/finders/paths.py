"""Asking for paths, and telling them to a person."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.text import LONGEST_NAME, printable, shortened
from orchestrator.host import left_out
from orchestrator.install.installation import require_installed

_DAY = re.compile(r"0*(?P<year>[0-9]+)-(?P<month>[0-9]{2})-[0-9]{2}(?P<era>( BC)?)")  # as the server writes a date
_LOOK_AGAIN_MS = 2000  # that counting what does not count may take: no index of ours holds it


@dataclass(frozen=True)
class Question:
    """The arguments of ``connection_paths.find_paths``; its comment in the database says what they mean."""

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
    """Names of the contacts and organizations that an answer mentions; a missing one is told by its id."""

    contacts: dict[int, str]
    organizations: dict[int, str]

    def contact(self, contact_id: int) -> str:
        """Return the contact's name for a person to read."""
        return self.contacts.get(contact_id) or f"contact {contact_id}"

    def organization(self, organization_id: int | None) -> str:
        """Return the organization's name for a person to read."""
        if organization_id is None:
            return "no organization"
        return self.organizations.get(organization_id) or f"organization {organization_id}"


def find_paths(connection: Connection, question: Question) -> dict[str, Any]:
    """Return the answer of ``connection_paths.find_paths`` to *question*, as it documents it."""
    require_installed(connection)
    row = connection.execute(sqlfiles.query("finders/find_paths"), vars(question)).fetchone()
    assert row is not None  # a function's call returns one row
    answer: dict[str, Any] = row[0]
    return answer


def names(connection: Connection, answer: dict[str, Any], *also: int) -> Names:
    """Look up the names that *answer* mentions, and those of the contacts *also*."""
    contact_ids = {contact_id for path in answer["paths"] for contact_id in path["contact_ids"]} | {*also}
    organization_ids = {hop["organization_id"] for path in answer["paths"] for hop in path["hops"]} - {None}
    rows = connection.execute(
        sqlfiles.query("host/names"),
        {
            "contact_ids": sorted(contact_ids),
            "organization_ids": sorted(organization_ids),
            "longest": LONGEST_NAME + 1,  # one more shows that there is more
        },
    ).fetchall()
    return Names(
        contacts={row[1]: readable(row[2]) for row in rows if row[0] == "contact"},
        organizations={row[1]: readable(row[2]) for row in rows if row[0] == "organization"},
    )


def readable(name: str | None) -> str:
    """Return a name of the database for a person to read: bounded, and harmless wherever it is shown."""
    return printable(shortened(name or ""))


def members_not_counted(
    connection: Connection, question: Question, answer: dict[str, Any]
) -> tuple[left_out.Members, ...]:
    """Return the collection's memberships by source where the answer says that it has none that would help."""
    if (answer.get("why") or {}).get("reason") not in ("empty_collection", "viewer_brought_nobody"):
        return ()
    with suppress(psycopg.errors.QueryCanceled, OrchestratorError), connection.transaction():
        connection.execute("SELECT set_config('statement_timeout', %s, true)", (str(_LOOK_AGAIN_MS),))
        return left_out.members(connection, collection_id=question.collection_id)
    return ()


def chain(path: dict[str, Any], called: Names, viewer: int) -> str:
    """Tell who introduces whom: ``you → Ana Silva → Ben Ode``."""
    others = [f"user {user}" for user in path["user_ids"] if user != viewer]
    users = ["you"] if viewer in path["user_ids"] else []
    shown = [*users, *others]
    first = ", ".join(shown[:2]) + (f" and {len(shown) - 2} more" if len(shown) > 2 else "")
    return " → ".join([first, *(called.contact(contact_id) for contact_id in path["contact_ids"])])


def reason(hop: dict[str, Any], called: Names) -> str:
    """Tell why two contacts know each other: ``Ana and Ben: Acme, 2019 to now``."""
    people = f"{called.contact(hop['from'])} and {called.contact(hop['to'])}"
    since = month(hop["date_from"]) or "?"
    until = month(hop["date_to"]) or "now"
    kind = "" if hop["kind"] == "work_overlap" else f" ({hop['kind']})"
    return f"{people}: {called.organization(hop['organization_id'])}, {since} to {until}{kind}"


def month(day: str | None) -> str:
    """Return a day of ``find_paths`` without its day: ``2019-03``, ``44-03 BC``, ``infinity``; empty for none."""
    found = _DAY.fullmatch(day or "")
    if found is None:  # none, or an infinity
        return day or ""
    return f"{found['year']}-{found['month']}{found['era']}"


def year(day: str | None) -> str:
    """Return the year of such a day: ``2019``, ``44 BC``, ``infinity``; empty for none."""
    found = _DAY.fullmatch(day or "")
    return (day or "") if found is None else f"{found['year']}{found['era']}"
