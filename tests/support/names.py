"""Company names in a test: the world with its names and decisions, and the edges that it should have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.core.database import Connection
from tests.support import oracle
from tests.support.changes import EXPERIENCES
from tests.support.world import Edge, Experience, Pair, World, world_of

TABLES = (
    "connection_paths.company_names, connection_paths.organization_names, connection_paths.organization_keys,"
    " connection_paths.name_proposals, connection_paths.proposal_settings,"
    " connection_paths.name_decisions, connection_paths.name_decision_history, connection_paths.name_changes"
)

Proposals = dict[str, list[tuple[int, str]]]


def named_world(connection: Connection) -> World:
    """Read the host tables with the company names, and the decisions about them."""
    rows = connection.execute(
        "SELECT id, contact_id, organization_id, date_from, date_to, company_name FROM public.contact_work_experiences"
    )
    accepted = connection.execute(
        "SELECT company_name, organization_id FROM connection_paths.name_decisions WHERE organization_id IS NOT NULL"
    )
    return replace(
        world_of(connection),
        experiences=tuple(Experience(*row) for row in rows),
        resolved_names=dict(accepted.fetchall()),
    )


def right_edges(connection: Connection) -> dict[Pair, Edge]:
    return oracle.edges(named_world(connection))


def decide(connection: Connection, decisions: dict[str, int | None]) -> None:
    """Decide names as a person would with plain SQL."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO connection_paths.name_decisions (company_name, organization_id) VALUES (%s, %s)"
            " ON CONFLICT (company_name) DO UPDATE SET organization_id = excluded.organization_id",
            list(decisions.items()),
        )


def ask(connection: Connection, names: list[str], organizations: Mapping[int, str | None]) -> None:
    """Add organizations, and a work experience with each of the names."""
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO public.organizations VALUES (%s, %s)", list(organizations.items()))
        cursor.executemany(
            f"INSERT INTO {EXPERIENCES} SELECT COALESCE(max(id), 0) + 1, 1, NULL, %s, '2020-01-01'"
            f" FROM {EXPERIENCES}".encode(),
            [(name,) for name in names],
        )


def proposals(connection: Connection) -> Proposals:
    """Return the candidates of each name, and the reason of each."""
    found: Proposals = {}
    for name, organization, reason in connection.execute(
        "SELECT company_name, organization_id, reason FROM connection_paths.name_proposals ORDER BY company_name, place"
    ):
        found.setdefault(name, []).append((organization, reason))
    return found


def accepted(connection: Connection) -> dict[str, int | None]:
    """Return the decisions; None: rejected."""
    rows = connection.execute("SELECT company_name, organization_id FROM connection_paths.name_decisions")
    return dict(rows.fetchall())
