"""The paths of an answer as cards. The sentences on them come from ``orchestrator.finders.reasons``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.text import capitalized
from orchestrator.finders import reasons
from orchestrator.finders.paths import Names


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


def cards(document: Mapping[str, Any], names: Names, viewer: int) -> list[Card]:
    """Return a card for every path of an answer."""
    return [_card(number, path, names, viewer) for number, path in enumerate(document["paths"], 1)]


def _card(number: int, path: Mapping[str, Any], names: Names, viewer: int) -> Card:
    opener = path["user_ids"][0]
    chain = [capitalized(reasons.user(opener, viewer)), *(names.contact(contact) for contact in path["contact_ids"])]
    opening = reasons.opening(path, names, viewer)
    hops = [(reasons.hop(hop, names), reasons.days(hop)) for hop in path["hops"]]
    return Card(
        number,
        chain,
        [(contact, names.contact(contact)) for contact in path["contact_ids"][:-1]],
        opening,
        reasons.other_openers(path),
        hops,
        "\n".join([" → ".join(chain), *(f"– {told}" for told in (opening, *(told for told, _ in hops)))]),
    )


def milliseconds(value: float) -> str:
    """Write a time that a person compares with others."""
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"
