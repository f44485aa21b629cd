"""An answer in words: why people know each other, and who can open a path. ``reasons`` says why there are no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.finders.paths import Names, readable, year

_USERS_NAMED = 3


@dataclass(frozen=True)
class Card:
    """One path to show, and as text to forward."""

    number: int
    chain: Sequence[str]  # names, the one who opens it first
    people: Sequence[tuple[int, str]]  # between: contacts on the way, who might be left out
    opening: str
    also: str  # who else can open it
    hops: Sequence[tuple[str, str]]  # a sentence, and its exact dates
    text: str


def cards(document: Mapping[str, Any], names: Names, viewer: int, collection: int) -> list[Card]:
    """Tell every path of an answer."""
    return [_card(number, path, names, viewer, collection) for number, path in enumerate(document["paths"], 1)]


def _card(number: int, path: Mapping[str, Any], names: Names, viewer: int, collection: int) -> Card:
    opener, *others = path["user_ids"]
    is_viewer = opener == viewer
    first = names.contact(path["contact_ids"][0])
    chain = ["You" if is_viewer else user(opener), *(names.contact(contact) for contact in path["contact_ids"])]
    who = f"You know {first}: your" if is_viewer else f"{user(opener)} knows {first}: their"
    opening = f"{who} contact in collection {collection}."
    hops = [(sentence(hop, names), dates(hop)) for hop in path["hops"]]
    return Card(
        number,
        chain,
        [(contact, names.contact(contact)) for contact in path["contact_ids"][:-1]],
        opening,
        also(others),
        hops,
        "\n".join([" → ".join(chain), *(f"– {told}" for told in (opening, *(told for told, _ in hops)))]),
    )


def user(user_id: int) -> str:
    """Name a user, of whom only the id is known."""
    return f"User {user_id}"


def also(users: Sequence[int]) -> str:
    """Tell who else can open a path."""
    if not users:
        return ""
    if len(users) == 1:
        return f"User {users[0]} does too."
    if len(users) <= _USERS_NAMED:
        return f"Users {', '.join(map(str, users[:-1]))} and {users[-1]} do too."
    return f"Users {', '.join(map(str, users[:_USERS_NAMED]))} and {len(users) - _USERS_NAMED} more do too."


def sentence(hop: Mapping[str, Any], names: Names) -> str:
    """Tell why two contacts know each other: ``Ana knows Ben: both at Acme, 2019–2022.``"""
    pair = f"{names.contact(hop['from'])} knows {names.contact(hop['to'])}"
    return f"{pair}: {ground(hop, names)}."


def ground(hop: Mapping[str, Any], names: Names) -> str:
    """Tell what two contacts have in common: ``both at Acme, 2019–2022``."""
    kind = "both" if hop["kind"] == "work_overlap" else readable(str(hop["kind"]))
    place = f" at {names.organization(hop['organization_id'])}" if hop["organization_id"] is not None else ""
    when = years(hop)
    return f"{kind}{place}{', ' + when if when else ''}"


def years(hop: Mapping[str, Any]) -> str:
    """Tell when: ``2019–2022``, ``in 2019``, ``since 2019``; an infinite end is none."""
    since = "" if hop["date_from"] == "-infinity" else year(hop["date_from"])
    until = "" if hop["date_to"] == "infinity" else year(hop["date_to"])
    if not since:
        return f"until {until}" if until else ""
    if not until:
        return f"since {since}"
    return f"in {since}" if since == until else f"{since}–{until}"


def dates(hop: Mapping[str, Any]) -> str:
    """Tell when, to the day."""
    return f"{hop['date_from'] or 'unknown'} to {hop['date_to'] or 'now'}"


def milliseconds(value: float) -> str:
    """Write a time that a person compares with others."""
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"
