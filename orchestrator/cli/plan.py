"""``orchestrator plan``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import ID, map_option
from orchestrator.cli.organizations import candidate_lines
from orchestrator.cli.screen import SafeTable
from orchestrator.core import text
from orchestrator.core.formats import duration, size
from orchestrator.host import left_out
from orchestrator.host.mapping import SourceMapping
from orchestrator.runs.plan import SAMPLE, BackfillPlan, plan

_NAME_WIDTH = 40  # characters of an organization's name, so that the table fits 100 columns


@click.command("plan")
@click.option(
    "--sample", type=click.IntRange(30, 1_000_000), default=SAMPLE, show_default=True, metavar="N",
    help="Contacts to look at, at most; fewer where they have very many edges.",
)  # fmt: skip
@click.option(
    "--seed", type=ID, default=1, show_default=True, metavar="NUMBER", help="The same seed gives the same sample."
)
@click.option(
    "--host-schema", metavar="NAME",
    help="The schema of the host tables, where the package is not installed yet; otherwise public.",
)  # fmt: skip
@map_option
@shared_options
@pass_invocation
def command(
    invocation: Invocation, sample: int, seed: int, host_schema: str | None, mapping: SourceMapping | None
) -> None:
    """Show which rows make no edge, how many edges a backfill will make, and how long it will take.

    Writes nothing. Runs on a standby, too, and before an installation.
    """
    found = plan(
        invocation.connection_string(), host_schema, mapping,
        seed=seed, sample=sample, progress=invocation.screen.report,
    )  # fmt: skip
    invocation.screen.result(found, *plan_lines(found))


def plan_lines(found: BackfillPlan) -> Iterator[Any]:
    """Show a plan as lines and tables, readable in 100 columns."""
    people, edges, storage = found.contacts, found.edges, found.storage
    if not found.is_installed:
        yield "This is the plan of a backfill after an installation for these tables."
        yield ""
    if found.notes:
        yield from found.notes
        yield ""
    yield (
        f"{people.total:,} contacts, {people.with_experiences:,} with work experiences; of these "
        f"{people.without_usable:,} ({people.without_usable_share:.1%}) get no edge, because no row of theirs counts."
    )
    yield ""
    yield _experiences(found)
    yield from _details(found)
    yield ""
    yield _members(found)
    yield from left_out.member_lines(found.members)
    if found.details.missing_members:
        missing = "that do not exist" + (", or that the mapping leaves out" if found.experiences.has_rule else "")
        yield (
            f"Memberships of contacts {missing}: {found.details.memberships_of_missing_contacts:,}; different"
            f" contacts: {found.details.missing_members:,}."
        )
    for each in found.duplicates:
        yield (
            f"WRONG: {each.ids:,} ids are more than once in {each.table}, {each.example} for instance;"
            " a backfill fails until every id occurs once."
        )
    yield ""
    yield _organizations(found)
    if found.candidates:
        yield ""
        yield from candidate_lines(found.candidates)
    yield ""
    yield f"Overlapping pairs: {edges.pairs:,} (exact)."
    yield (
        f"Edges: about {edges.estimate:,}; between {edges.low:,} and {edges.high:,} with "
        f"{edges.confidence:.0%} confidence."
    )
    yield (
        f"  (Two contacts with several overlaps have one edge: {edges.sampled:,} contacts were sampled, seed"
        f" {edges.seed}.)"
    )
    source = "measured in the edge table" if storage.measured else "a usual value"
    yield f"Disk: {size(storage.bytes)} with indexes, at {storage.bytes_per_edge:,.0f} bytes an edge ({source})."
    yield f"  The edge table takes {size(storage.bytes_now)} now; a rebuild keeps it until the new one is ready."
    yield ""
    yield _durations(found)
    yield f"  Assumes {found.assumption}."
    yield f"  The server has {found.connections_free:,} connections free."
    if not found.is_installed:
        proposed = ", then the commands proposed above" if found.candidates else ""
        yield ""
        yield (
            f"Next: orchestrator install, with --map or --host-schema as for this plan{proposed}, then orchestrator"
            " backfill."
        )


def _experiences(found: BackfillPlan) -> SafeTable:
    rows = found.experiences
    table = SafeTable("work experiences", ">rows", ">share")
    for label, count in (("all", rows.total), *rows.by_rule, ("that count", rows.usable)):
        table.add_row(label, f"{count:,}", f"{count / rows.total:.1%}" if rows.total else "")
    return table


def _details(found: BackfillPlan) -> Iterator[str]:
    """Show more counts of work experiences; nothing for a count that is 0."""
    details = found.details
    missing = "that do not exist" + (", or that the mapping leaves out" if found.experiences.has_rule else "")
    if details.missing_organizations:
        yield f"  Different organizations {missing}: {details.missing_organizations:,}."
    if details.missing_contacts:
        yield f"  Different contacts {missing}: {details.missing_contacts:,}."
    if details.with_name_only:
        yield (
            f"  Rows with only a company name: {details.with_name_only:,}; different names: {details.company_names:,}."
            " None of them makes an edge."
        )
    if details.duplicates:
        yield f"  Rows that count and repeat contact, organization and dates of another row: {details.duplicates:,}."
    if details.future or found.future_pairs:
        yield (
            f"  Rows that count and start after today: {details.future:,}; overlapping pairs that make an edge later:"
            f" {found.future_pairs:,}."
        )


def _members(found: BackfillPlan) -> SafeTable:
    table = SafeTable("memberships by source", ">rows", ">that count")
    for each in found.members:
        source = "no source" if each.source is None else str(each.source)
        table.add_row(source, f"{each.memberships:,}", f"{each.memberships - each.not_counted:,}")
    return table


def _organizations(found: BackfillPlan) -> SafeTable:
    table = SafeTable("largest organizations", ">id", ">people", ">overlapping pairs", ">share of all")
    for each in found.organizations:
        name = text.shortened(each.name or "", _NAME_WIDTH)
        table.add_row(name, str(each.id), f"{each.people:,}", f"{each.pairs:,}", f"{each.share_of_pairs:.1%}")
    return table


def _durations(found: BackfillPlan) -> SafeTable:
    seconds = {(each.strategy, each.workers): each.seconds for each in found.durations}
    table = SafeTable(">workers", ">rebuild", ">in place", "")
    for workers in sorted({each.workers for each in found.durations}):
        remark = "more than the connections free" if workers > found.connections_free else ""
        shown = (duration(seconds[strategy, workers]) for strategy in ("rebuild", "in_place"))
        table.add_row(str(workers), *shown, remark)
    return table
