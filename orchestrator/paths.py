"""Asking for paths, and telling them to a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator import sqlfiles
from orchestrator.database import Connection
from orchestrator.installation import require_installed


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
    row = connection.execute(sqlfiles.query("find_paths"), vars(question)).fetchone()
    assert row is not None  # a function's call returns one row
    answer: dict[str, Any] = row[0]
    return answer


def names(connection: Connection, answer: dict[str, Any], *also: int) -> Names:
    """Look up the names that *answer* mentions, and those of the contacts *also*."""
    contact_ids = {contact_id for path in answer["paths"] for contact_id in path["contact_ids"]} | {*also}
    organization_ids = {hop["organization_id"] for path in answer["paths"] for hop in path["hops"]} - {None}
    rows = connection.execute(
        sqlfiles.query("names"),
        {"contact_ids": sorted(contact_ids), "organization_ids": sorted(organization_ids)},
    ).fetchall()
    return Names(
        contacts={row[1]: row[2] for row in rows if row[0] == "contact"},
        organizations={row[1]: row[2] for row in rows if row[0] == "organization"},
    )


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
    since = (hop["date_from"] or "?")[:7]
    until = hop["date_to"][:7] if hop["date_to"] else "now"
    kind = "" if hop["kind"] == "work_overlap" else f" ({hop['kind']})"
    return f"{people}: {called.organization(hop['organization_id'])}, {since} to {until}{kind}"
