"""Decisions about company names: accept, reject and undo them, and list what waits for a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.text import printable
from orchestrator.install import company_names


@dataclass(frozen=True)
class Decision:
    """What a company name means; ``organization_id`` None: no organization, the name is rejected."""

    company_name: str
    organization_id: int | None
    score: float | None = None


@dataclass(frozen=True)
class Decided:
    """A batch of decisions about ``names`` names. ``changed``: how many of them are new, or differ from before."""

    batch_id: int
    names: int
    changed: int


@dataclass(frozen=True)
class Undone:
    """The names whose decision was undone, and those whose decision was changed again later and stays."""

    undone: list[str]
    kept: list[str]


def decide(connection: Connection, decisions: Sequence[Decision]) -> Decided:
    """Store decisions in one transaction, as a batch.

    Raises :class:`OrchestratorError`, with nothing stored, when an organization does not exist.
    """
    wanted = {each.organization_id for each in decisions if each.organization_id is not None}
    missing = sorted(wanted - organizations(connection, wanted).keys())
    if missing:
        raise OrchestratorError(f"organization {missing[0]} does not exist")
    with connection.transaction():
        (batch_id,) = connection.execute("SELECT nextval('connection_paths.name_batch_ids')").fetchall()[0]
        row = connection.execute(
            sqlfiles.query("names/decide_names"),
            {
                "names": [each.company_name for each in decisions],
                "organizations": [each.organization_id for each in decisions],
                "scores": [each.score for each in decisions],
                "batch_id": batch_id,
            },
        ).fetchone()
    assert row is not None
    return Decided(batch_id, len(decisions), row[0])


def candidate(connection: Connection, company_name: str, place: int) -> Decision:
    """Return the decision that accepts the candidate in a place, from 1, of the candidates of a name."""
    asked = {"company_name": company_name, "place": place}
    row = connection.execute(sqlfiles.query("names/candidate"), asked).fetchone()
    if row is None:
        raise OrchestratorError(
            f"{printable(company_name)!r} has no candidate {place}; to see the candidates: orchestrator resolve review"
        )
    return Decision(company_name, row[0], row[1])


def require_known(connection: Connection, company_name: str) -> None:
    """Raise :class:`OrchestratorError` unless a work experience without an organization has exactly this name."""
    if company_name not in known(connection, [company_name]):
        raise OrchestratorError(
            f"no work experience without an organization has the company name {printable(company_name)!r};"
            " check the spelling, or run: orchestrator resolve propose"
        )


def known(connection: Connection, names: Sequence[str]) -> set[str]:
    """Return those names that work experiences without an organization have, as of the last ``propose``."""
    return {row[0] for row in connection.execute(sqlfiles.query("names/known_names"), {"names": list(names)})}


def organizations(connection: Connection, ids: set[int]) -> dict[int, str | None]:
    """Return the names of the organizations with these ids that exist."""
    rows = connection.execute(sqlfiles.query("names/organizations"), {"ids": list(ids)}).fetchall()
    return {row[0]: row[1] for row in rows}


def undo(connection: Connection, *, batch_id: int | None = None, company_name: str | None = None) -> Undone:
    """Undo the decisions of a batch, or the latest change of the decision about one name."""
    asked = {"batch_id": batch_id, "company_name": company_name}
    rows = connection.execute(sqlfiles.query("names/undo_name_decisions"), asked).fetchall()
    if not rows:
        what = f"batch {batch_id}" if company_name is None else f"decision about {printable(company_name)!r}"
        raise OrchestratorError(f"there is no {what}; to see the latest batches: orchestrator resolve status")
    return Undone([name for name, is_undone in rows if is_undone], [name for name, is_undone in rows if not is_undone])


def meaning(connection: Connection, company_name: str) -> str:
    """Return a sentence that says what is decided about a name now."""
    row = connection.execute(
        "SELECT d.organization_id FROM connection_paths.name_decisions AS d WHERE d.company_name = %s", (company_name,)
    ).fetchone()
    name = repr(printable(company_name))
    if row is None:
        return f"{name} has no decision now."
    return f"{name} means {'no organization' if row[0] is None else f'organization {row[0]}'} now."


def open_names(connection: Connection, at_most: int | None, *, every: bool = False) -> list[dict[str, Any]]:
    """Return names without a decision: company_name, experiences and candidates; *every*: also without candidates."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sqlfiles.query("names/open_names"), {"at_most": at_most, "every": every}).fetchall()


def status(connection: Connection) -> dict[str, Any]:
    """Return how many names are decided and open, and the latest batches; ``sql/queries/names/status.sql`` lists it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        counts = cursor.execute(sqlfiles.query("names/status")).fetchone()
        assert counts is not None
        batches = cursor.execute(sqlfiles.query("names/batches")).fetchall()
    return {"is_on": company_names.is_on(connection), **counts, "batches": batches}
