"""``orchestrator organizations``: organizations that make no edges, or only edges from long overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import click

from orchestrator.changes.sync import SyncOutcome, sync
from orchestrator.cli.group import Group
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.screen import SafeTable
from orchestrator.cli.sync import outcome, progress_line
from orchestrator.core import sqlfiles, text
from orchestrator.core.database import connect, reading
from orchestrator.core.formats import counted, size
from orchestrator.host import organizations
from orchestrator.host.installed import require_installed
from orchestrator.host.organizations import Policy
from orchestrator.runs.candidates import Candidate
from orchestrator.runs.plan import proposed

_NAME_WIDTH = 32  # characters of a name, so that the tables fit 100 columns
_MOST_DAYS = 36525  # as the table allows

_organizations = click.argument("words", nargs=-1, required=True, metavar="ORGANIZATION...")
_reason_option = click.option("--reason", metavar="TEXT", help="Why; the list shows it.")
_workers_option = click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    metavar="N",
    help="How many connections share the work.",
)


@click.group("organizations", cls=Group)
@shared_options
def command() -> None:
    """Exclude organizations that are no employer, and limit very large ones to long overlaps.

    ORGANIZATION is an id, or a name that only one organization has. Where the mapping makes ids of uuids with uuid_key,
    the id may be given as a uuid.
    """


@command.command("list")
@shared_options
@pass_invocation
def list_command(invocation: Invocation) -> None:
    """Show the policies, and the organizations that are probably no employer, with what each costs."""
    dsn = invocation.connection_string()
    with reading(dsn) as connection:
        require_installed(connection)
        found = organizations.policies(connection)
    candidates = proposed(dsn)
    data = {"policies": [asdict(each) for each in found], "candidates": [asdict(each) for each in candidates]}
    invocation.screen.result(data, *_policies(found), *candidate_lines(candidates))


@command.command("exclude")
@_organizations
@_reason_option
@_workers_option
@shared_options
@pass_invocation
def exclude_command(invocation: Invocation, words: tuple[str, ...], reason: str | None, workers: int) -> None:
    """Exclude organizations: they make no edges, and the edges that they made are deleted.

    Two contacts who also worked together elsewhere keep the edge from there. Ctrl-C is safe: the rest stays in the
    queue for orchestrator sync.
    """
    _change(invocation, "exclude", words, None, reason, workers)


@command.command("limit")
@_organizations
@click.option(
    "--min-days", type=click.IntRange(1, _MOST_DAYS), required=True, metavar="N",
    help="How many days an overlap must have at least to make an edge.",
)  # fmt: skip
@_reason_option
@_workers_option
@shared_options
@pass_invocation
def limit_command(
    invocation: Invocation, words: tuple[str, ...], min_days: int, reason: str | None, workers: int
) -> None:
    """Limit organizations: only overlaps of at least so many days make edges.

    An overlap that has not ended counts until today.
    """
    _change(invocation, "limit", words, min_days, reason, workers)


@command.command("allow")
@_organizations
@_workers_option
@shared_options
@pass_invocation
def allow_command(invocation: Invocation, words: tuple[str, ...], workers: int) -> None:
    """Delete the policies of organizations: they make edges like any other."""
    _change(invocation, "allow", words, None, None, workers)


def candidate_lines(candidates: Sequence[Candidate]) -> Iterator[Any]:
    """Show the candidates in a table, with the commands that exclude or limit them; nothing when there are none."""
    if not candidates:
        return
    table = SafeTable("probably no employer, or very large", ">id", ">people", ">edges", ">disk", ">pairs", ">paths")
    for each in candidates:
        table.add_row(
            text.shortened(each.name or "", _NAME_WIDTH), str(each.id), f"{each.people:,}", f"{each.edges:,}",
            size(each.bytes), f"{each.share_of_pairs:.1%}", f"{each.share_of_paths:.1%}",
        )  # fmt: skip
    yield table
    yield "  Pairs: the share of all overlapping pairs. Paths: the share of paths of three contacts that use its edges."
    if all(each.edges == each.most_edges for each in candidates):
        yield "  The number of edges is an upper limit: two contacts with several overlaps have one edge."
    junk = [each.id for each in candidates if each.min_days is None]
    if junk:
        yield f"  Proposed: {organizations.exclude_command(junk, 'no employer')}"
    for each in candidates:
        if each.min_days is not None:
            command = organizations.limit_command(each.id, each.min_days, "very large")
            yield f"  Proposed: {command} (about {each.edges_kept:,} edges stay)"


def _change(
    invocation: Invocation, what: str, words: Sequence[str], min_days: int | None, reason: str | None, workers: int
) -> None:
    """Change policies in one transaction, then run a sync until their edges are right."""
    dsn = invocation.connection_string()
    with connect(dsn) as connection, connection.transaction():
        require_installed(connection)
        ids = organizations.identified(connection, words)
        if what == "exclude":
            changed = organizations.exclude(connection, ids, reason)
        elif min_days is not None:
            changed = organizations.limit(connection, ids, min_days, reason)
        else:
            changed = organizations.allow(connection, ids)
        row = connection.execute(sqlfiles.query("edges/has_work_overlaps")).fetchone()
    done = _apply(invocation, dsn, workers) if row == (True,) else None
    data = {
        "changed": changed,
        "unchanged": sorted({*ids} - {*changed}),
        "sync": None if done is None else asdict(done),
    }
    shown = f"{counted(len(changed), 'policy', 'policies')} changed." if changed else "Nothing to change."
    applied = "There are no edges yet; the first backfill will apply the policies." if done is None else outcome(done)
    invocation.screen.result(data, shown, applied)
    if done is not None and done.failed:
        click.get_current_context().exit(1)


def _apply(invocation: Invocation, dsn: str, workers: int) -> SyncOutcome:
    with invocation.screen.watching(lambda progress: [progress_line(progress)], progress_line) as report:
        return sync(dsn, workers=workers, report=report)


def _policies(found: Sequence[Policy]) -> Iterator[Any]:
    if not found:
        yield "No organization has a policy."
        return
    table = SafeTable("organization", ">id", ">people", "edges", "reason", "by", "since")
    for each in found:
        rule = "none" if each.min_overlap_days is None else f"overlaps of {each.min_overlap_days:,} days or more"
        name = text.shortened(each.name or "(does not exist)", _NAME_WIDTH)
        since = each.created_at.astimezone().strftime("%Y-%m-%d")
        table.add_row(name, str(each.id), f"{each.people:,}", rule, each.reason or "", each.created_by, since)
    yield table
