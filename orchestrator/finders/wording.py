"""A path of ``find_paths`` in sentences: what links two contacts, how strongly, and who can open the path.

This is the only place for these sentences: the command line and the playground both use it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from orchestrator.core.formats import counted
from orchestrator.core.text import capitalized
from orchestrator.finders.paths import Names, readable

Path = Mapping[str, Any]  # an item of ``paths`` in the answer
Hop = Mapping[str, Any]  # an item of ``hops`` of a path

_USERS_NAMED = 3  # of those who can open the same path
_DAY = re.compile(r"0*(?P<year>[0-9]+)-[0-9]{2}-[0-9]{2}(?P<era>( BC)?)")  # as the server writes a date
_MONTH, _YEAR = 365.25 / 12, 365.25  # days
_DAYS_TO, _MONTHS_TO = 60, 730  # durations below are given in days, and in months


def hop(link: Hop, names: Names) -> str:
    """Say what links two contacts: ``Ana Silva and Ben Ode overlapped at Acme 2019–2021 (2 years)``."""
    return f"{names.contact(link['from'])} and {names.contact(link['to'])} {ground(link, names)}"


def ground(link: Hop, names: Names) -> str:
    """Say what two contacts have in common, without their names: ``overlapped at Acme 2019–2021 (2 years)``.

    An edge of the application's own kind has the name of its kind: ``are linked as alumni``.
    """
    when = years(link)
    if link["kind"] != "work_overlap":
        what = f"are linked as {readable(str(link['kind']))}"
    else:
        what = "have overlapped" if when.startswith("since") else "overlapped"
    where = f" at {names.organization(link['organization_id'])}" if link["organization_id"] is not None else ""
    known = ", ".join(evidence(link))
    return f"{what}{where}{' ' + when if when else ''}{f' ({known})' if known else ''}"


def evidence(link: Hop) -> list[str]:
    """List what the strength of a work overlap was computed from: ``2 years``, ``about 50 people``.

    The days count all overlaps of the two, and the people are those of the smallest organization that both shared. So
    where the two have other overlaps than the one that the hop names, the words are ``6 years in common at 2
    organizations`` and ``the smallest of about 500 people``, or ``6 years in common over several periods``.
    """
    shared = link["shared_organizations"] or 0
    found = []
    if link["overlap_days"] is not None and link["date_from"] != "-infinity":
        together = duration(link["overlap_days"])
        if shared > 1:
            together += f" in common at {shared:,} organizations"
        elif link["overlap_days"] - _days_shown(link) > _MONTH:  # earlier at the same organization
            together += " in common over several periods"
        found.append(together)
    elif shared > 1:
        found.append(f"together at {shared:,} organizations")
    if link["people"] is not None:
        found.append(f"{'the smallest of ' if shared > 1 else ''}about {counted(link['people'], 'person', 'people')}")
    return found


def _days_shown(link: Hop) -> int:
    """Return the days of the one overlap that a hop names; as many as in all where a date is none for Python."""
    try:
        last = min(date.fromisoformat(link["date_to"] or "9999-12-31"), date.today())
        return (last - date.fromisoformat(link["date_from"])).days + 1
    except ValueError:
        return int(link["overlap_days"])


def duration(days: int) -> str:
    """Write a number of days in one unit: ``45 days``, ``8 months``, ``2 years``."""
    if days < _DAYS_TO:
        return counted(days, "day")
    if days < _MONTHS_TO - _MONTH / 2:
        return counted(round(days / _MONTH), "month")
    return counted(round(days / _YEAR), "year")


def years(link: Hop) -> str:
    """Say when, by years: ``2019–2022``, ``in 2019``, ``since 2019``, ``until 2022``.

    It is empty where neither end is known; an infinite end is not known.
    """
    since = "" if link["date_from"] == "-infinity" else year(link["date_from"])
    until = "" if link["date_to"] == "infinity" else year(link["date_to"])
    if not since:
        return f"until {until}" if until else ""
    if not until:
        return f"since {since}"
    return f"in {since}" if since == until else f"{since}–{until}"


def days(link: Hop) -> str:
    """Say when, to the day: ``2019-03-31 to now``."""
    return f"{link['date_from'] or 'unknown'} to {link['date_to'] or 'now'}"


def year(day: str | None) -> str:
    """Return the year of a date of an answer: ``2019``, ``44 BC``, ``infinity``; empty for None."""
    found = _DAY.fullmatch(day or "")
    return (day or "") if found is None else f"{found['year']}{found['era']}"


def strength(rated: Path | Hop) -> str:
    """Say how strong a path or a hop is: ``strong, 72``; empty at depth 1, where a path has no hop."""
    return f"{rated['tier']}, {rated['strength']}" if rated["tier"] else ""


def introducer(path: Path) -> int | None:
    """Return the contact who is before the target; None at depth 1."""
    return path["contact_ids"][-2] if path["depth"] > 1 else None


def by_introducer(paths: Sequence[Path]) -> list[tuple[int | None, list[tuple[int, Path]]]]:
    """Group paths by the contact before the target, each path with its number in the answer, from 1.

    The groups are in the order of their best paths.
    """
    groups: dict[int | None, list[tuple[int, Path]]] = {}
    for number, path in enumerate(paths, 1):
        groups.setdefault(introducer(path), []).append((number, path))
    return list(groups.items())


def chain(path: Path, names: Names, viewer: int) -> str:
    """Say who introduces whom: ``you, user 8 → Ana Silva → Ben Ode``."""
    openers = sorted(path["user_ids"], key=lambda each: each != viewer)
    first = ", ".join(user(each, viewer, names) for each in openers[:2])
    first += f" and {len(openers) - 2} more" if len(openers) > 2 else ""
    return " → ".join([first, *(names.contact(contact_id) for contact_id in path["contact_ids"])])


def user(user_id: int, viewer: int, names: Names) -> str:
    """Name a user: ``you``, ``Maria Gomez (user 8)``, or ``user 8`` where only the id is known."""
    return "you" if user_id == viewer else names.user(user_id)


def opening(path: Path, names: Names, viewer: int) -> str:
    """Say who can open a path: ``You know Ana Silva: your own contact.``

    It is the first of the users; :func:`other_openers` names the others.
    """
    opener = path["user_ids"][0]
    verb, whose = ("know", "your") if opener == viewer else ("knows", "their")
    first = names.contact(path["contact_ids"][0])
    return f"{capitalized(user(opener, viewer, names))} {verb} {first}: {whose} own contact."


def other_openers(path: Path, names: Names) -> str:
    """Say which other users can open a path: ``Users 3 and 8 do, too.``; empty where there are none."""
    others: Sequence[int] = path["user_ids"][1:]
    if not others:
        return ""
    if len(others) == 1:
        return f"{capitalized(names.user(others[0]))} does, too."
    several = len(others) <= _USERS_NAMED
    named = others if several else others[:_USERS_NAMED]
    has_names = any(each in names.users for each in named)
    words = [names.user(each) if has_names else str(each) for each in named]
    last = words.pop() if several else f"{len(others) - _USERS_NAMED} more"
    return f"{'' if has_names else 'Users '}{', '.join(words)} and {last} do, too."
