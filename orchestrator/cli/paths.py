"""``orchestrator paths``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import KEY, search_option
from orchestrator.core.database import Connection, reading
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.formats import counted
from orchestrator.finders import paths, reasons, teams, wording
from orchestrator.finders.question import OPTIONS, Question
from orchestrator.host import left_out
from orchestrator.host.installed import require_installed
from orchestrator.host.uuid_keys import Key, id_of

_LISTED = 10  # collections or users in an error


def _search_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of ``find_paths`` to a command, in the order of their table."""
    for name, option in reversed([*OPTIONS.items()]):
        if option.flag is not None:
            function = search_option(name)(function)
    return function


@click.command("paths")
@click.argument("target", type=KEY)
@click.option("--collection", type=KEY, help="The collection of the team; may be left out when there is only one.")
@click.option("--viewer", type=KEY, help="The user who asks; may be left out when the collection has only one.")
@_search_options
@shared_options
@pass_invocation
def command(invocation: Invocation, /, target: Key, collection: Key | None, viewer: Key | None, **options: Any) -> None:
    """Show who can introduce the viewer to the contact TARGET.

    TARGET is the id of a contact. Where the mapping makes ids of uuids with uuid_key, every id may be given as a uuid.
    To find a contact by name, use "orchestrator serve". The paths are grouped by the contact before the target.
    """
    with reading(invocation.connection_string()) as connection:
        question = _question(connection, target, collection, viewer, options)
        answer = paths.find_paths(connection, question)
        names = paths.names(connection, answer, question.target_contact_id, question=question)
        missed = paths.members_not_counted(connection, question, answer)
    shown = [*path_lines(question, answer, names), *left_out.member_lines(missed)]
    invocation.screen.result({**answer, **names.of_the_team(), **left_out.members_as_json(missed)}, *shown)


def _question(
    connection: Connection, target: Key, collection: Key | None, viewer: Key | None, options: dict[str, Any]
) -> Question:
    """Return what the options ask; a collection and a viewer that are not given are found, or there is an error."""
    require_installed(connection)
    target_id = id_of(connection, "contact", target)
    collection_id = _only_collection(connection) if collection is None else id_of(connection, "collection", collection)
    viewer_id = _only_user(connection, collection_id) if viewer is None else id_of(connection, "user", viewer)
    given: dict[str, Any] = {
        name: _ids(connection, name, value) if isinstance(value, tuple) else value
        for name, value in options.items()
        if value != ()
    }
    return Question(target_id, collection_id, viewer_id, **given)


def _ids(connection: Connection, name: str, values: tuple[Any, ...]) -> list[Any]:
    """Return the values of an option that may be repeated; each uuid becomes an id."""
    kind = OPTIONS[name].ids_of
    return [*values] if kind is None else [id_of(connection, kind, each) for each in values]


def _only_collection(connection: Connection) -> int:
    """Return the id of the only collection; otherwise raise an error, which lists some of several."""
    found = teams.collections(connection, _LISTED + 1)
    if len(found) == 1:
        return found[0].collection_id
    if not found:
        raise OrchestratorError("no collection has members: the view collection_members has no row")
    listed = [f"{each.collection_id} ({teams.described(each)})" for each in found]
    raise click.UsageError(f"Choose a collection with --collection: {_some(listed)}.")


def _only_user(connection: Connection, collection_id: int) -> int:
    """Return the id of the only user of a collection; otherwise raise an error, which lists some of several."""
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
    yield from filter(None, [reasons.more_may_exist(answer), reasons.beside_paths(question, answer, names)])
    if answer["truncated"]:
        shown = "this path" if answer["total"] == 1 else f"these {answer['total']} paths"
        yield f"There are more than {shown}; show more of them with --max-paths."
    if not answer["complete"]:
        yield "The time budget ended the search. Allow more time with --time-budget to find what may be missing."
