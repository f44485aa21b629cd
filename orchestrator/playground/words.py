"""An answer in words: why people know each other, who can open a path, why there is none. The one place for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.paths import Names, readable, year

_USERS_NAMED = 3

#: What ``why.reason`` of ``find_paths`` means; a reason that is not here is told as it is.
REASONS: Mapping[str, str] = {
    "time_budget": "The time budget ended the search, so nothing can be said of what it had not come to.",
    "unknown_target": "There is no such contact.",
    "empty_collection": "The collection has no members, or does not exist.",
    "viewer_brought_nobody": "Only the viewer may open a path, and brought nobody into this collection.",
    "target_has_no_edges": "Nobody is known to have worked with this person at the same place at the same time.",
    "no_edge_to_a_member": "People have worked with this person, but none of them is in this collection.",
    "all_excluded": "Those in the collection who know this person are all not to be asked.",
    "depth_limit": "The search ended at the depth asked for; there are longer chains that it did not follow.",
    "edge_limit": "Every chain was followed to its end, but from people who know very many along their most recent"
    " connections only.",
    "exhausted": "Every chain was followed to its end: there are no others in this collection.",
}
#: The figures of ``why``, in the order they are told.
FIGURES: Mapping[str, str] = {
    "collection_members": "people in the collection",
    "target_edges": "people known to have worked with the target",
    "target_edges_to_members": "of these, in the collection",
    "target_edges_to_excluded": "of these, not to be asked",
    "excluded": "left out in all",
    "level_reached": "depth the search reached",
    "caps_hit": "of some people only the most recent connections followed",
}
_COUNTED_TO = 1000  # by why: says "or more"
_COUNTS = {name for name in FIGURES if name not in ("level_reached", "caps_hit")}
_UNLESS_NONE = {"target_edges_to_excluded", "excluded", "caps_hit"}  # told where there is something to tell


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


def why(found: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """Return the reason as a sentence, and the figures with their labels; what is unknown here is told as it is."""
    reason = str(found.get("reason", ""))
    told = REASONS.get(reason, f"Reason: {readable(reason)}." if reason else "")
    return told, list(_figures(found))


def _figures(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    unknown = [name for name in found if name not in FIGURES and name != "reason"]
    for name in [*(name for name in FIGURES if name in found), *sorted(unknown)]:
        value = found[name]
        if value is not None and (value or name not in _UNLESS_NONE):
            yield FIGURES.get(name, readable(name.replace("_", " "))), _figure(name, value)


def _figure(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,} or more" if name in _COUNTS and value >= _COUNTED_TO else f"{value:,}"
    return readable(str(value))


def milliseconds(value: float) -> str:
    """Write a time that a person compares with others."""
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"
