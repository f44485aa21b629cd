"""Finds organizations that make very many of the edges, so that their people seldom know each other."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.formats import percent
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.subject import LIVE_EDGES, Subject
from orchestrator.host.organizations import LARGE, exclude_command, junk_names

_PAGES = 400  # to read
_FEWEST = 5_000  # edges in the sample; in a small table, any organization may have most of the edges


def crowds(subject: Subject) -> Iterator[Finding]:
    """Find an organization with more than a quarter of the edges, in a sample of the pages of the edge table.

    An organization that has a policy is left out, because sync may not have deleted its edges yet.
    """
    table = subject.tables.get(LIVE_EDGES)
    if table is None:
        return
    (size,) = subject.query("pages", {"table_oid": table.oid})
    for row in subject.query("edges_by_organization", {"percent": min(100.0, 100.0 * _PAGES / max(1, size.pages))}):
        if row.share > LARGE and row.sampled >= _FEWEST:
            what = (
                f"organization {row.organization_id} ({row.name}) makes about {percent(row.share)} of all edges; people"
                " of a very large employer, or of no employer, seldom know each other"
            )
            is_junk = row.name is not None and bool(junk_names(subject.connection, [row.name]))
            repair = exclude_command([row.organization_id]) if is_junk else "orchestrator organizations list"
            yield Finding("organizations", "advice", what, repair, str(row.organization_id))
