"""Compares the edges of a sample of contacts with a computation from the application's tables."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, transaction
from orchestrator.verify.time_limit import TimeLimit

_STRATA = 5  # of sql/queries/edges/verify_sample.sql
_CONTACTS_PER_STATEMENT = 25  # some contacts have thousands of edges


@dataclass(frozen=True)
class Difference:
    """A pair of contacts whose edge is wrong: ``problem`` is missing, stale or different.

    ``is_waiting``: the queue of changes contains one of the two contacts, so a sync will correct the edge.
    """

    contact_a_id: int
    contact_b_id: int
    problem: str
    is_waiting: bool

    def __str__(self) -> str:
        return f"{self.contact_a_id}–{self.contact_b_id} is {self.problem}"


@dataclass(frozen=True)
class Sample:
    """The compared contacts, in all and by stratum, and the differences: ``wrong`` ones, and those in the queue."""

    contacts: int
    strata: dict[str, int]
    wrong: list[Difference]
    waiting: list[Difference]


@dataclass(frozen=True)
class Sizes:
    """The organizations whose size class is wrong and overdue for a count: how many, and one of them.

    ``organization_id`` is None when there is none. ``people`` is its class, and ``counted`` the number of its people.
    """

    wrong: int = 0
    organization_id: int | None = None
    people: int | None = None
    counted: int | None = None


def compare_sizes(connection: Connection, limit: TimeLimit) -> Sizes:
    """Compare the size classes of organizations whose count is too old with their people, until the time limit."""
    with (
        limit.leaving_out(lambda: "the sizes of organizations were not compared"),
        # the functions that count have the same setting
        transaction(connection, {**limit.settings, "enable_seqscan": "off"}),
    ):
        row = connection.execute(sqlfiles.query("edges/wrong_sizes")).fetchone()
        assert row is not None
        return Sizes(*row)
    return Sizes()


def choose_contacts(connection: Connection, number: int, seed: int, limit: TimeLimit) -> dict[str, list[int]]:
    """Return about *number* contacts by stratum; the same *seed* gives the same contacts."""
    strata: dict[str, list[int]] = {}
    parameters = {"each": -(-number // _STRATA), "seed": seed}
    with limit.leaving_out(lambda: "no contacts could be chosen"), transaction(connection, limit.settings):
        for stratum, contact in connection.execute(sqlfiles.query("edges/verify_sample"), parameters):
            strata.setdefault(stratum, []).append(contact)
    return strata


def compare_edges(
    connection: Connection,
    strata: dict[str, list[int]],
    more: list[int],
    limit: TimeLimit,
    report: Callable[[str], None],
) -> Sample:
    """Compare the edges of the contacts in *strata*, and of those in *more*, until the time limit."""
    chosen = {contact for stratum in strata.values() for contact in stratum} | {*more}
    # In random order, so that the contacts that are left out at the time limit come from all strata.
    contacts = sorted(chosen, key=lambda contact: hashlib.sha256(b"%d" % contact).digest())
    compared: list[int] = []
    found: set[Difference] = set()
    with limit.leaving_out(lambda: f"{len(compared):,} of {len(contacts):,} contacts were compared"):
        for start in range(0, len(contacts), _CONTACTS_PER_STATEMENT):
            report(f"comparing edges: {start} of {len(contacts)} contacts")
            some = contacts[start : start + _CONTACTS_PER_STATEMENT]
            # the functions that compute edges have the same setting
            with transaction(connection, {**limit.settings, "enable_seqscan": "off"}):
                rows = connection.execute(sqlfiles.query("edges/verify_edges"), {"contact_ids": some})
                found.update(Difference(*row) for row in rows)
            compared += some
    # A pair is compared from both ends. When it changed in between, it may be here twice.
    differences = sorted(found, key=lambda each: (each.contact_a_id, each.contact_b_id))
    done = set(compared)
    return Sample(
        len(compared),
        {name: len(done.intersection(stratum)) for name, stratum in strata.items()},
        wrong=[each for each in differences if not each.is_waiting],
        waiting=[each for each in differences if each.is_waiting],
    )
