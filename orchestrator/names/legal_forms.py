"""Legal forms of companies, such as GmbH and S.A., from the library cleanco."""

from __future__ import annotations

from cleanco import termdata  # type: ignore[import-untyped]

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection


def legal_forms() -> list[str]:
    """Return every legal form that cleanco knows, as the library writes it."""
    by_kind = [*termdata.terms_by_type.values(), *termdata.terms_by_country.values()]
    return sorted({form for forms in by_kind for form in forms})


def fill(connection: Connection) -> None:
    """Make the table ``legal_forms`` equal to the library's list.

    If this changes the table, delete all names in plain form and all proposals, because they were computed from the old
    forms. Until they are there again, ``sync`` looks for no candidates.
    """
    with connection.transaction():
        row = connection.execute(sqlfiles.query("names/fill_legal_forms"), {"forms": legal_forms()}).fetchone()
        if row != (0,):
            # Every session that reads or writes these tables locks proposal_settings first. Because this one does so,
            # too, they do not deadlock.
            connection.execute("LOCK TABLE connection_paths.proposal_settings IN ACCESS EXCLUSIVE MODE")
            connection.execute(
                "TRUNCATE connection_paths.organization_names, connection_paths.organization_keys,"
                " connection_paths.organization_words, connection_paths.company_names, connection_paths.name_proposals,"
                " connection_paths.proposal_settings"
            )
