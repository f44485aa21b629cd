"""``orchestrator paths``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import ID, max_edges_per_hop_option
from orchestrator.core.database import reading
from orchestrator.finders import paths, reasons
from orchestrator.finders.paths import Question
from orchestrator.host import left_out


@click.command("paths")
@click.argument("target", type=ID)
@click.option("--collection", type=ID, required=True, help="The collection of the team.")
@click.option("--viewer", type=ID, required=True, help="The user who asks.")
@click.option(
    "--depth", type=click.IntRange(1, paths.DEEPEST), default=paths.Question.max_depth, show_default=True,
    metavar="N", help="Contacts on a path, at most.",
)  # fmt: skip
@click.option(
    "--max-paths", type=click.IntRange(1, paths.MOST_PATHS), default=paths.Question.max_paths, show_default=True,
    metavar="N", help="Paths, at most.",
)  # fmt: skip
@click.option(
    "--scope", type=click.Choice(["any", "importer"]), default=paths.Question.seed_scope, show_default=True,
    help="importer: a path may start only with a contact that the viewer brought in.",
)  # fmt: skip
@click.option(
    "--impl",
    type=click.Choice(["v1", "v2"]),
    help="v1: legacy_finder; v2: deep_finder. By default what the collection is set to.",
)
@click.option(
    "--time-budget", type=click.IntRange(1, 2**31 - 1), default=paths.Question.time_budget_ms,
    show_default=True, metavar="MS", help="Milliseconds after which the search ends.",
)  # fmt: skip
@click.option(
    "--exclude", type=ID, multiple=True, metavar="CONTACT", help="A contact who is not asked; may be repeated."
)
@max_edges_per_hop_option
@shared_options
@pass_invocation
def command(
    invocation: Invocation, target: int, collection: int, viewer: int, depth: int, max_paths: int, scope: str,
    impl: str | None, time_budget: int, exclude: tuple[int, ...], max_edges_per_hop: int | None,
) -> None:  # fmt: skip
    """Show who can introduce the viewer to the contact TARGET.

    TARGET is the id of a contact. To find a contact by name, use "orchestrator serve".
    """
    question = paths.Question(
        target, collection, viewer, depth, max_paths, scope, impl, time_budget, list(exclude), max_edges_per_hop
    )
    with reading(invocation.connection_string()) as connection:
        answer = paths.find_paths(connection, question)
        names = paths.names(connection, answer, target, question=question)
        missed = paths.members_not_counted(connection, question, answer)
    shown = [*path_lines(question, answer, names), *left_out.member_lines(missed)]
    invocation.screen.result({**answer, **names.of_the_team(), **left_out.members_as_json(missed)}, *shown)


def path_lines(question: Question, answer: dict[str, Any], names: paths.Names) -> Iterator[str]:
    """Show an answer of ``find_paths``: a numbered line for each path, and below it a line for each hop."""
    if not answer["paths"]:
        yield f"No path to {names.contact(question.target_contact_id)} was found."
        yield from reasons.sentences(question, answer, names)
        remedies = [f"--{name} {value}" for name, value in reasons.remedies(question, answer).items()]
        if remedies:
            yield f"Another search may find one: {' or '.join(remedies)}."
    for number, path in enumerate(answer["paths"], 1):
        yield f"{number:>3}. {reasons.chain(path, names, question.viewer_user_id)}"
        for hop in path["hops"]:
            yield f"       {reasons.hop(hop, names)}"
    yield from filter(None, [reasons.more_may_exist(answer)])
    if answer["truncated"]:
        yield f"There are more than these {answer['total']} paths; show more of them with --max-paths."
    if not answer["complete"]:
        yield "The time budget ended the search. Allow more time with --time-budget to find what may be missing."
