"""``orchestrator resolve``: company names and the organizations that they mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.group import Group
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import KEY, Number
from orchestrator.cli.screen import SafeTable
from orchestrator.core.database import connect, reading
from orchestrator.core.formats import counted, duration
from orchestrator.host.installed import require_installed
from orchestrator.host.uuid_keys import Key, id_of
from orchestrator.names import decisions, propose, review_file

_FILE = click.Path(dir_okay=False, path_type=Path)
_every_option = click.option("--all", "every", is_flag=True, help="Also show names without a candidate.")
_SYNC = "To make the edges, run: orchestrator sync"


@click.group("resolve", cls=Group)
@shared_options
def command() -> None:
    """Find the organizations that company names mean, where a work experience has only a name."""


@command.command("propose")
@click.option(
    "--accept", type=click.Choice(["unique", "none"]), default="unique", show_default=True,
    help="unique: accept names that exactly one organization has; none: leave everything to a person.",
)  # fmt: skip
@click.option("--again", is_flag=True, help="Look again for candidates of every name without a decision.")
@click.option(
    "--min-score", type=Number(0.1, 1), default=propose.MIN_SCORE, show_default=True, metavar="SCORE",
    help="The least similarity of a candidate. A lower value takes longer.",
)  # fmt: skip
@shared_options
@pass_invocation
def propose_command(invocation: Invocation, accept: str, again: bool, min_score: float) -> None:
    """Look for candidates for every new company name, and accept clear ones. Safe to run again, and to interrupt."""
    screen = invocation.screen
    with screen.watching(lambda progress: [_progress(progress)], _progress) as report:
        done = propose.propose(
            invocation.connection_string(),
            accept_unique=accept == "unique",
            again=again,
            min_score=min_score,
            report=report,
            progress=screen.report,
        )
    screen.result(done, *_outcome(done))


@command.command("review")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="Names to list.")
@_every_option
@shared_options
@pass_invocation
def review_command(invocation: Invocation, limit: int, every: bool) -> None:
    """List names that wait for a decision, with their candidates; those with the most work experiences first."""
    with reading(invocation.connection_string()) as connection:
        require_installed(connection)
        found = decisions.open_names(connection, limit, every=every)
    invocation.screen.result(found, *_open_names(found))


@command.command("accept")
@click.argument("company_name", metavar="NAME")
@click.argument("organization", type=KEY, required=False, metavar="[ORGANIZATION]")
@click.option("--candidate", type=click.IntRange(1, 5), metavar="N", help="The candidate in place N of review.")
@shared_options
@pass_invocation
def accept_command(invocation: Invocation, company_name: str, organization: Key | None, candidate: int | None) -> None:
    """Decide that NAME, in exactly this spelling, means an organization.

    ORGANIZATION is an id. Where the mapping makes ids of uuids with uuid_key, it may be the uuid.
    """
    if (organization is None) == (candidate is None):
        raise click.UsageError("give either the id of an organization or --candidate N")
    with connect(invocation.connection_string()) as connection:
        require_installed(connection)
        decisions.require_known(connection, company_name)
        if candidate is not None:
            decision = decisions.candidate(connection, company_name, candidate)
        else:
            assert organization is not None
            decision = decisions.Decision(company_name, id_of(connection, "organization", organization))
        done = decisions.decide(connection, [decision])
    _show_decided(invocation, done, f"{company_name!r} means organization {decision.organization_id}.")


@command.command("reject")
@click.argument("company_name", metavar="NAME")
@shared_options
@pass_invocation
def reject_command(invocation: Invocation, company_name: str) -> None:
    """Decide that NAME means no organization."""
    with connect(invocation.connection_string()) as connection:
        require_installed(connection)
        decisions.require_known(connection, company_name)
        done = decisions.decide(connection, [decisions.Decision(company_name, None)])
    _show_decided(invocation, done, f"{company_name!r} means no organization.")


@command.command("undo")
@click.argument("company_name", required=False, metavar="[NAME]")
@click.option("--batch", "batch_id", type=click.IntRange(1, 2**63 - 1), metavar="N", help="All decisions of a batch.")
@shared_options
@pass_invocation
def undo_command(invocation: Invocation, company_name: str | None, batch_id: int | None) -> None:
    """Undo the latest decision about NAME, or a whole batch. The decision before it, if any, counts again."""
    if (company_name is None) == (batch_id is None):
        raise click.UsageError("give either a company name or --batch N")
    with connect(invocation.connection_string()) as connection:
        require_installed(connection)
        done = decisions.undo(connection, batch_id=batch_id, company_name=company_name)
        now = "" if company_name is None else f" {decisions.meaning(connection, company_name)}"
    shown = [f"{counted(len(done.undone), 'decision')} undone.{now}{f' {_SYNC}' if done.undone else ''}"]
    if done.kept:
        shown.append(f"{counted(len(done.kept), 'name')} changed again since then; these decisions stay.")
    invocation.screen.result(done, *shown)


@command.command("export")
@click.argument("path", type=_FILE, metavar="FILE")
@_every_option
@shared_options
@pass_invocation
def export_command(invocation: Invocation, path: Path, every: bool) -> None:
    """Write the names that wait for a decision to a CSV file, for review in a spreadsheet."""
    with reading(invocation.connection_string()) as connection:
        require_installed(connection)
        count = review_file.write(path, decisions.open_names(connection, None, every=every))
    shown = (
        f"{counted(count, 'name')} written to {path}. In the column decision, write the number of a candidate, or"
        f" reject, or accept and an id in the column organization_id. Then run: orchestrator resolve import {path}"
    )
    invocation.screen.result({"names": count, "file": str(path)}, shown)


@command.command("import")
@click.argument("path", type=_FILE, metavar="FILE")
@shared_options
@pass_invocation
def import_command(invocation: Invocation, path: Path) -> None:
    """Store the decisions in a CSV file that export has written: all of them, or none if one is not clear."""
    with connect(invocation.connection_string()) as connection:
        require_installed(connection)
        found = review_file.read(path, connection)
        if not found:
            invocation.screen.result({"names": 0, "changed": 0}, f"{path} has no decisions.")
            return
        done = decisions.decide(connection, found)
    _show_decided(invocation, done, f"{counted(done.names, 'decision')} read, {done.changed:,} of them new or changed.")


@command.command("status")
@shared_options
@pass_invocation
def status_command(invocation: Invocation) -> None:
    """Show how many names are decided, and the latest batches of decisions."""
    with reading(invocation.connection_string()) as connection:
        require_installed(connection)
        shown = decisions.status(connection)
    invocation.screen.result(shown, *_status(shown))


def _progress(progress: propose.Proposed) -> str:
    if not progress.names:
        return f"{progress.organizations:,} organizations read, {progress.changed:,} of them new or changed"
    if not progress.taken:
        return f"{progress.names:,} company names read, {progress.added:,} of them new"
    return (
        f"{progress.taken:,} company names looked at: {progress.accepted:,} accepted,"
        f" {progress.proposed - progress.accepted:,} with candidates"
    )


def _outcome(done: propose.Proposed) -> Iterator[str]:
    yield (
        f"{counted(done.names, 'company name')}, {done.added:,} new; {counted(done.organizations, 'organization')},"
        f" {done.changed:,} new or changed; in {duration(done.seconds)}."
    )
    without = done.taken - done.proposed
    yield (
        f"{done.taken:,} names looked at: {done.accepted:,} accepted, {done.proposed - done.accepted:,} wait for a"
        f" decision, {without:,} have no candidate."
    )
    if done.accepted:
        yield f"{_SYNC}. To undo: orchestrator resolve undo --batch {done.batch_id}"
    if done.proposed > done.accepted:
        yield "To decide: orchestrator resolve review, or orchestrator resolve export FILE"


def _show_decided(invocation: Invocation, done: decisions.Decided, sentence: str) -> None:
    if not done.changed:
        invocation.screen.result(done, f"{sentence} Nothing has changed.")
        return
    invocation.screen.result(done, f"{sentence} {_SYNC}. To undo: orchestrator resolve undo --batch {done.batch_id}")


def _open_names(found: list[dict[str, Any]]) -> Iterator[Any]:
    if not found:
        yield "No name with candidates waits for a decision. To see names without candidates, add --all."
        return
    table = SafeTable("company name", ">experiences", ">candidate", ">organization", "its name", ">score", "reason")
    for each in found:
        if not each["candidates"]:
            table.add_row(each["company_name"], f"{each['experiences']:,}", *[""] * 5)
        for number, candidate in enumerate(each["candidates"]):
            table.add_row(
                "" if number else each["company_name"], "" if number else f"{each['experiences']:,}",
                str(candidate["place"]), str(candidate["organization_id"]), candidate["name"] or "",
                f"{candidate['score']:.2f}", candidate["reason"],
            )  # fmt: skip
    yield table
    yield "To decide: orchestrator resolve accept NAME --candidate N (or the id of an organization), or reject NAME"


def _status(shown: dict[str, Any]) -> Iterator[Any]:
    if not shown["is_on"]:
        yield "Company names are not resolved. To begin: orchestrator resolve propose"
    if not shown["is_on"] and not shown["names"]:  # propose has never read the names
        return
    yield (
        f"{counted(shown['names'], 'company name')} of {counted(shown['experiences'], 'work experience')} without an"
        f" organization: {shown['accepted']:,} accepted ({counted(shown['accepted_experiences'], 'work experience')}),"
        f" {shown['rejected']:,} rejected, {shown['open_with_candidates']:,} wait for a decision,"
        f" {shown['open_without_candidates']:,} have no candidate."
    )
    if shown["not_looked_at"]:
        yield f"{counted(shown['not_looked_at'], 'name')} not looked at yet; run: orchestrator resolve propose"
    if shown["of_missing_organizations"]:
        yield f"{counted(shown['of_missing_organizations'], 'accepted name')} of organizations that do not exist."
    if shown["batches"]:
        table = SafeTable(">batch", ">names", "by", "at")
        for batch in shown["batches"]:
            at = batch["changed_at"].astimezone().strftime("%Y-%m-%d %H:%M")
            table.add_row(str(batch["batch_id"]), f"{batch['names']:,}", batch["changed_by"], at)
        yield table
