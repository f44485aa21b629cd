"""Finds organizations that make very many of the edges, and counts of people that are too old."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.formats import counted, duration, percent
from orchestrator.host.installed import distributed_size, is_distributed
from orchestrator.host.organizations import LARGE, exclude_command, junk_names
from orchestrator.inspection.finding import Finding
from orchestrator.inspection.subject import LIVE_EDGES, Subject

_PAGES = 400  # to read
_PAGE = 8_192  # bytes, with the indexes of its rows
_FEWEST = 5_000  # edges in the sample; in a small table, any organization may have most of the edges


def crowds(subject: Subject) -> Iterator[Finding]:
    """Find an organization with more than a quarter of the edges, in a sample of the pages of the edge table.

    An organization that has a policy is left out, because sync may not have deleted its edges yet.
    """
    table = subject.tables.get(LIVE_EDGES)
    if table is None:
        return
    (size,) = subject.query("doctor/pages", {"table_oid": table.oid})
    pages = size.pages
    if is_distributed(subject.connection):
        pages = distributed_size(subject.connection)[1] // _PAGE
    for row in subject.query("doctor/edges_by_organization", {"percent": min(100.0, 100.0 * _PAGES / max(1, pages))}):
        if row.share > LARGE and row.sampled >= _FEWEST:
            what = (
                f"organization {row.organization_id} ({row.name}) makes about {percent(row.share)} of all edges; people"
                " of a very large employer, or of no employer, seldom know each other"
            )
            is_junk = row.name is not None and bool(junk_names(subject.connection, [row.name]))
            repair = exclude_command([row.organization_id]) if is_junk else "orchestrator organizations list"
            yield Finding("organizations", "advice", what, repair, str(row.organization_id))


def counts(subject: Subject) -> Iterator[Finding]:
    """Find organizations whose people should have been counted again at least a day ago."""
    (row,) = subject.query("doctor/old_counts")
    if row.organizations:
        what = (
            f"the people of {counted(row.organizations, 'organization')} have not been counted for more than two days,"
            f" the oldest count is {duration(row.oldest)} old; edges may have the strength of a smaller or larger"
            " organization"
        )
        yield Finding("organization sizes", "advice", what, "orchestrator sync", "organization_sizes")
