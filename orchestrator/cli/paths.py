"""``orchestrator paths``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import ID, max_edges_per_hop_option
from orchestrator.core.database import Connection, reading
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.formats import counted
from orchestrator.finders import paths, reasons, teams, wording
from orchestrator.finders.paths import Question
from orchestrator.host import left_out
from orchestrator.install.installed import require_installed

_LISTED = 10  # collections or users in an error


@click.command("paths")
@click.argument("target", type=ID)
@click.option("--collection", type=ID, help="The collection of the team; may be left out when there is only one.")
@click.option("--viewer", type=ID, help="The user who asks; may be left out when the collection has only one.")
@click.option(
    "--depth", type=click.IntRange(1, paths.DEEPEST), default=paths.Question.max_depth, show_default=True,
    metavar="N", help="Contacts on a path, at most.",
)  # fmt: skip
@click.option(
    "--max-paths", type=click.IntRange(1, paths.MOST_PATHS), default=paths.Question.max_paths, show_default=True,
    metavar="N", help="Paths, at most.",
)  # fmt: skip
@click.option(
    "--scope", type=click.Choice(paths.SCOPES), default=paths.Question.seed_scope, show_default=True,
    help="importer: a path may start only with a contact that the viewer brought in.",
)  # fmt: skip
@click.option(
    "--order", type=click.Choice(paths.ORDERS), default=paths.Question.order_by, show_default=True,
    help="Which paths come first: those that end last, or the strongest.",
)  # fmt: skip
@click.option(
    "--min-strength", type=click.IntRange(0, 100), metavar="N", help="Only edges of at least this strength, 0 to 100."
)
@click.option(
    "--ended-after", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE",
    help="Only edges that go on, or ended on this day (YYYY-MM-DD) or later.",
)  # fmt: skip
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only edges of this kind; may be repeated.")
@click.option(
    "--via", type=ID, multiple=True, metavar="ORGANIZATION",
    help="Only edges of this organization; may be repeated.",
)  # fmt: skip
@click.option(
    "--not-via", type=ID, multiple=True, metavar="ORGANIZATION", help="No edge of this organization; may be repeated."
)
@click.option("--opener", type=ID, multiple=True, metavar="USER", help="Only this user opens paths; may be repeated.")
@click.option(
    "--max-per-introducer", type=click.IntRange(1, 2**31 - 1), metavar="N",
    help="Paths with the same contact before the target, at most.",
)  # fmt: skip
@click.option(
    "--exclude", type=ID, multiple=True, metavar="CONTACT", help="A contact who is not asked; may be repeated."
)
@click.option(
    "--impl",
    type=click.Choice(paths.IMPLS),
    help="v1: legacy_finder; v2: deep_finder. By default what the collection is set to.",
)
@click.option(
    "--time-budget", type=click.IntRange(1, 2**31 - 1), default=paths.Question.time_budget_ms,
    show_default=True, metavar="MS", help="Milliseconds after which the search ends.",
)  # fmt: skip
@max_edges_per_hop_option
@shared_options
@pass_invocation
def command(invocation: Invocation, /, target: int, collection: int | None, viewer: int | None, **options: Any) -> None:
    """Show who can introduce the viewer to the contact TARGET.

    TARGET is the id of a contact. To find a contact by name, use "orchestrator serve". The paths are grouped by the
    contact before the target.
    """
    with reading(invocation.connection_string()) as connection:
        question = _question(connection, target, collection, viewer, options)
        answer = paths.find_paths(connection, question)
        names = paths.names(connection, answer, target, question=question)
        missed = paths.members_not_counted(connection, question, answer)
    shown = [*path_lines(question, answer, names), *left_out.member_lines(missed)]
    invocation.screen.result({**answer, **names.of_the_team(), **left_out.members_as_json(missed)}, *shown)


def _question(
    connection: Connection, target: int, collection: int | None, viewer: int | None, options: dict[str, Any]
) -> Question:
    """Return what the options ask; a collection and a viewer that are not given are found, or there is an error."""
    collection = _only_collection(connection) if collection is None else collection
    viewer = _only_user(connection, collection) if viewer is None else viewer
    ended_after: datetime | None = options["ended_after"]
    return Question(
        target_contact_id=target,
        collection_id=collection,
        viewer_user_id=viewer,
        max_depth=options["depth"],
        max_paths=options["max_paths"],
        seed_scope=options["scope"],
        impl=options["impl"],
        time_budget_ms=options["time_budget"],
        excluded_contact_ids=[*options["exclude"]],
        max_edges_per_hop=options["max_edges_per_hop"],
        order_by=options["order"],
        kinds=[*options["kinds"]] or None,
        min_strength=options["min_strength"],
        ended_after=None if ended_after is None else ended_after.date(),
        via_organization_ids=[*options["via"]] or None,
        not_via_organization_ids=[*options["not_via"]] or None,
        opener_user_ids=[*options["opener"]] or None,
        max_per_introducer=options["max_per_introducer"],
    )


def _only_collection(connection: Connection) -> int:
    """Return the id of the only collection; otherwise raise an error, which lists some of several."""
    require_installed(connection)
    found = teams.collections(connection, _LISTED + 1)
    if len(found) == 1:
        return found[0].collection_id
    if not found:
        raise OrchestratorError("no collection has members: the view collection_members has no row")
    listed = [f"{each.collection_id} ({teams.described(each)})" for each in found]
    raise click.UsageError(f"Choose a collection with --collection: {_some(listed)}.")


def _only_user(connection: Connection, collection_id: int) -> int:
    """Return the id of the only user of a collection; otherwise raise an error, which lists some of several."""
    require_installed(connection)
    found = teams.users(connection, collection_id, _LISTED + 1)
    if len(found) == 1:
        return found[0].user_id
    if not found:
        raise OrchestratorError(f"collection {collection_id} has no members, so it has no user who could ask")
    listed = [f"{each.user_id} ({each.name})" if each.name else str(each.user_id) for each in found]
    raise click.UsageError(f"Choose the user who asks with --viewer: {_some(listed)}.")


def _some(words: list[str]) -> str:
    return ", ".join(words) if len(words) <= _LISTED else f"{', '.join(words[:_LISTED])} and others"


def path_lines(question: Question, answer: dict[str, Any], names: paths.Names) -> Iterator[str]:
    """Show an answer of ``find_paths``: a numbered line for each path, and below it a line for each hop.

    Several paths with the same contact before the target stand together, below what links this contact and the target.
    """
    if not answer["paths"]:
        yield f"No path to {names.contact(question.target_contact_id)} was found."
        yield from reasons.sentences(question, answer, names)
        remedies = [f"--{name} {value}" for name, value in reasons.remedies(question, answer).items()]
        if remedies:
            yield f"Another search may find one: {' or '.join(remedies)}."
    for introducer, group in wording.by_introducer(answer["paths"]):
        is_several = introducer is not None and len(group) > 1
        if introducer is not None and is_several:
            last = group[0][1]["hops"][-1]
            yield f"{counted(len(group), 'path')} through {names.contact(introducer)}"
            yield f"     {wording.hop(last, names)}: {wording.strength(last)}"
        for place, path in group:
            rated = wording.strength(path)
            yield f"{place:>3}. {wording.chain(path, names, question.viewer_user_id)}{f'  ({rated})' if rated else ''}"
            for hop in path["hops"][: -1 if is_several else None]:
                yield f"       {wording.hop(hop, names)}: {wording.strength(hop)}"
    yield from filter(None, [reasons.more_may_exist(answer)])
    if answer["truncated"]:
        yield f"There are more than these {answer['total']} paths; show more of them with --max-paths."
    if not answer["complete"]:
        yield "The time budget ended the search. Allow more time with --time-budget to find what may be missing."
