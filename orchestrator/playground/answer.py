"""An answer of ``find_paths`` as its page shows it: a heading, cards, facts, and other questions worth asking."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from orchestrator.core.formats import counted, milliseconds
from orchestrator.core.text import capitalized, shortened
from orchestrator.finders import reasons, wording
from orchestrator.finders.paths import Names
from orchestrator.finders.question import LONGEST_BUDGET, MOST_PATHS_SHOWN, Question
from orchestrator.playground.database import Answer
from orchestrator.playground.form import Form
from orchestrator.playground.pictures import picture

_DOCUMENT_CHARACTERS = 200_000  # a path names all users who can open it, and there may be any number
_ALWAYS_SHOWN = ("target_contact_id", "collection_id", "viewer_user_id", "max_depth", "max_paths")  # of the call
_DEFAULT_IMPL = "v2"  # of a collection without a row in finder_rollout
_WIDE = 5  # columns from which on a graph needs the full width of the page
#: The words for what ``reasons.remedies`` suggests.
_REMEDIES: Mapping[str, str] = {
    "depth": "Search one step deeper",
    "impl": "Ask v2",
    "scope": "Let everybody on the team open paths",
}


def page(asked: Form, question: Question, answer: Answer) -> dict[str, Any]:
    """Return the values of the answer's page."""
    document, names = answer.document, answer.names
    target = names.contact(question.target_contact_id)
    drawn = picture(document, names, question.viewer_user_id) if document["paths"] else None
    return {
        "title": f"Paths to {target}",
        "target_name": target,
        "heading": _heading(document, target),
        "lead": _lead(document, question.viewer_user_id),
        "groups": _groups(document["paths"], names, question.viewer_user_id),
        "picture": drawn,
        "is_wide": drawn is not None and drawn.columns >= _WIDE,
        "why": (reasons.sentences(question, document, names), reasons.figures(document)) if document["why"] else None,
        "complete": document["complete"],
        "path_count": document["total"],
        "facts": _facts(question, answer),
        "document": shortened(
            json.dumps({**document, **names.of_the_team()}, indent=2, ensure_ascii=False), _DOCUMENT_CHARACTERS
        ),
        "call": call(question, answer.schema),
        "suggestions": list(_suggestions(asked, question, document)),
        "without": [
            (names.contact(contact), asked.url(without=[each for each in asked.without if each != contact]))
            for contact in asked.without
        ],
    }


def call(question: Question, schema: str) -> str:
    """Return the call of the question for the installation in *schema*, to type into psql, without usual values."""
    usual = Question(0, 0, 0)
    given = ",\n".join(
        f"    {name} => {_literal(value)}"
        for name, value in vars(question).items()
        if name in _ALWAYS_SHOWN or value != getattr(usual, name)
    )
    return f"SELECT jsonb_pretty({schema}.find_paths(\n{given}\n));"


def _literal(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, int) for each in value):
        return f"'{{{','.join(map(str, value))}}}'"
    return sql.Literal(value).as_string()


@dataclass(frozen=True)
class Card:
    """One path: its chain of names from the opener on, a sentence for each step, and all of it as a text to copy.

    ``number`` is its place in the answer, from 1. ``people`` are the contacts between, who can be left out.
    ``hops`` are sentences with their exact dates and strengths. ``tier`` and ``strength`` are empty without a hop.
    """

    number: int
    tier: str
    strength: str
    chain: Sequence[str]
    people: Sequence[tuple[int, str]]
    opening: str
    other_openers: str
    hops: Sequence[tuple[str, str, str]]
    text: str


@dataclass(frozen=True)
class Group:
    """The paths with the same contact before the target; ``introducer`` is empty where there is no such contact."""

    introducer: str
    cards: Sequence[Card]


def _groups(paths: Sequence[Mapping[str, Any]], names: Names, viewer: int) -> list[Group]:
    return [
        Group(
            "" if introducer is None else names.contact(introducer),
            [_card(number, path, names, viewer) for number, path in group],
        )
        for introducer, group in wording.by_introducer(paths)
    ]


def _card(number: int, path: Mapping[str, Any], names: Names, viewer: int) -> Card:
    contacts = [(contact, names.contact(contact)) for contact in path["contact_ids"]]
    chain = [capitalized(wording.user(path["user_ids"][0], viewer, names)), *(name for _, name in contacts)]
    opening = wording.opening(path, names, viewer)
    hops = [(wording.hop(hop, names), wording.days(hop), wording.strength(hop)) for hop in path["hops"]]
    sentences = (opening, *(f"{sentence}." for sentence, _, _ in hops))
    return Card(
        number=number,
        tier=path["tier"] or "",
        strength=wording.strength(path),
        chain=chain,
        people=contacts[:-1],
        opening=opening,
        other_openers=wording.other_openers(path, names),
        hops=hops,
        text="\n".join([" → ".join(chain), *(f"– {sentence}" for sentence in sentences)]),
    )


def _heading(document: Mapping[str, Any], target: str) -> str:
    number = len(document["paths"])
    if not number:
        return f"No path to {target} was found"
    more = "More than " if document["truncated"] else ""
    return f"{more}{counted(number, 'path')} to {target}"


def _lead(document: Mapping[str, Any], viewer: int) -> str:
    paths = document["paths"]
    if not paths:
        return ""  # the page gives the reason below
    between = paths[0]["depth"] - 1
    if between:
        shortest = f"The shortest path goes through {counted(between, 'other contact')}."
    elif viewer in paths[0]["user_ids"]:
        shortest = "This person is your own contact."
    else:
        shortest = "Another user of the team has this contact."
    own = sum(viewer in path["user_ids"] for path in paths)
    if own == len(paths):
        return f"{shortest} You can open {'the path' if own == 1 else 'every path'} yourself."
    return f"{shortest} You can open {own} of {counted(len(paths), 'path')} yourself; other users can open the rest."


def _facts(question: Question, answer: Answer) -> list[tuple[str, str, str]]:
    """Return facts about the answer: a label, a figure, a remark."""
    document = answer.document
    if not document["complete"]:
        complete = ("no", "the time budget ended the search")
    elif document["truncated"]:
        complete = ("no", f"there are more than the {document['total']} asked for")
    elif document["impl"] != "v1" and (document["why"] is None or document["why"]["caps_hit"]):
        complete = ("maybe not", "the search does not follow every edge of contacts with very many")
    else:
        source = " by work experiences" if document["impl"] == "v1" else ""
        complete = ("yes", f"no others{source} up to depth {reasons.deepest(question, document)}")
    new = "on a new connection, which plans first" if answer.is_new_connection else "measured by the server"
    if question.impl:
        chosen = "as asked"
    else:
        chosen = "default" if document["impl"] == _DEFAULT_IMPL else "set for the collection"
    finder = {"v1": "legacy_finder", "v2": "deep_finder"}.get(document["impl"], "")
    return [
        ("Server time", milliseconds(answer.server_ms), new),
        ("Round trip", milliseconds(answer.trip_ms), "measured by the playground"),
        ("All paths shown", *complete),
        ("Implementation", f"{document['impl']} {finder}", chosen),
    ]


def _suggestions(asked: Form, question: Question, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield other questions worth asking, with their addresses."""
    if not document["complete"] and question.time_budget_ms < LONGEST_BUDGET:
        yield f"Allow {LONGEST_BUDGET / 1000:g} s", asked.url(budget=LONGEST_BUDGET)
    if not document["paths"]:
        remedies: Mapping[str, Any] = reasons.remedies(question, document)
        for name, value in remedies.items():
            yield _REMEDIES[name], asked.url(**{name: value})
        if asked.without:
            yield "Leave nobody out", asked.url(without=[])
    if document["truncated"] and question.max_paths < MOST_PATHS_SHOWN:
        yield "Show more", asked.url(paths=min(MOST_PATHS_SHOWN, question.max_paths * 3))
