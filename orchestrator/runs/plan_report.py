"""A plan, told to a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

from orchestrator.core import text
from orchestrator.host import left_out
from orchestrator.runs.plan import Plan
from orchestrator.runs.screen import SafeTable

_NAME_WIDTH = 40  # characters of an organization's name, so that the table fits 100 columns
_UNITS = ((86_400, "days"), (3600, "h"), (60, "min"))


def plan_lines(plan: Plan) -> Iterator[Any]:
    """Tell *plan* as lines of text and tables, readable in 100 columns."""
    people, edges, storage = plan.contacts, plan.edges, plan.storage
    yield (
        f"{people.total:,} contacts, {people.with_experiences:,} with work experiences; of these "
        f"{people.without_usable:,} ({people.without_usable_share:.1%}) get no edge: no row of theirs counts."
    )
    yield ""
    yield _experiences(plan)
    yield ""
    yield _members(plan)
    yield from left_out.member_lines(plan.members)
    for each in plan.duplicates:
        yield (
            f"WRONG: {each.ids:,} ids are more than once in {each.table}, {each.example} for instance;"
            " a backfill fails until each is there once."
        )
    yield ""
    yield _organizations(plan)
    yield ""
    yield f"Overlapping pairs: {edges.pairs:,}, exactly."
    yield (
        f"Edges: about {edges.estimate:,}; between {edges.low:,} and {edges.high:,} with "
        f"{edges.confidence:.0%} confidence."
    )
    yield f"  (A pair of people that overlaps twice is one edge: {edges.sampled:,} contacts drawn, seed {edges.seed}.)"
    source = "as the edges here now" if storage.measured else "a usual value"
    yield f"Disk: {_bytes(storage.bytes)} with indexes, at {storage.bytes_per_edge:,.0f} bytes an edge, {source}."
    yield f"  The edge table takes {_bytes(storage.bytes_now)} now; a rebuild keeps it until the new one is ready."
    yield ""
    yield _durations(plan)
    yield f"  Assumes {plan.assumption}."
    yield f"  The server has {plan.connections_free:,} connections free."


def _experiences(plan: Plan) -> Table:
    rows = plan.experiences
    table = _table("work experiences", ">rows", ">share")
    for label, count in (("all", rows.total), *rows.by_rule, ("that count", rows.usable)):
        table.add_row(label, f"{count:,}", f"{count / rows.total:.1%}" if rows.total else "")
    return table


def _members(plan: Plan) -> Table:
    table = _table("memberships by source", ">rows", ">that count")
    for each in plan.members:
        source = "no source" if each.source is None else str(each.source)
        table.add_row(source, f"{each.memberships:,}", f"{each.memberships - each.not_counted:,}")
    return table


def _organizations(plan: Plan) -> Table:
    table = _table("largest organizations", ">id", ">people", ">overlapping pairs", ">share of all")
    for each in plan.organizations:
        name = text.shortened(each.name or "", _NAME_WIDTH)
        table.add_row(name, str(each.id), f"{each.people:,}", f"{each.pairs:,}", f"{each.share_of_pairs:.1%}")
    return table


def _durations(plan: Plan) -> Table:
    seconds = {(each.strategy, each.workers): each.seconds for each in plan.durations}
    table = _table(">workers", ">rebuild", ">in place", "")
    for workers in sorted({each.workers for each in plan.durations}):
        note = "more than the connections free" if workers > plan.connections_free else ""
        shown = (_time(seconds[strategy, workers]) for strategy in ("rebuild", "in_place"))
        table.add_row(str(workers), *shown, note)
    return table


def _table(*headings: str) -> Table:
    """Make a plain table; ``>`` before a heading puts its column to the right, as numbers want it."""
    table = SafeTable()
    for heading in headings:
        table.add_column(heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left")
    return table


def _bytes(count: int) -> str:
    """Tell a size to two or three figures, in decimal units."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def _time(seconds: float) -> str:
    """Tell a time in the unit that makes it at least one and a half."""
    for length, unit in _UNITS:
        if seconds >= 1.5 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:,.1f} s"
