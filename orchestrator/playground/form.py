"""The parameters of an address: as they were typed, and as a question or as what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlencode

from orchestrator.finders.paths import DEEPEST, ORDERS, SCOPES, Question

MOST_PATHS_SHOWN = 100  # on a page; find_paths itself returns more
LONGEST_BUDGET = 4000  # milliseconds, less than a statement of the playground may take
LONGEST_SEARCH = 200  # characters that are searched for
_MOST_WITHOUT = _MOST_LISTED = 50
_LARGEST_ID = 2**63 - 1

#: Values to choose from, with their words.
CHOICES: Mapping[str, Mapping[str, str]] = {
    "order": dict(zip(ORDERS, ("those that end last", "the strongest"), strict=True)),
    "scope": dict(zip(SCOPES, ("every user of the team", "only the viewer"), strict=True)),
    "impl": {
        "": "as set for the collection",
        "v2": "v2: deep_finder, from the edges",
        "v1": "v1: legacy_finder, up to depth 2",
    },
}
#: Numbers: their words, the least and the greatest value.
NUMBERS: Mapping[str, tuple[str, int, int]] = {
    "collection": ("Collection", 0, _LARGEST_ID),
    "viewer": ("Viewer", 0, _LARGEST_ID),
    "depth": ("Depth", 1, DEEPEST),
    "paths": ("Paths", 1, MOST_PATHS_SHOWN),
    "budget": ("Time budget", 1, LONGEST_BUDGET),
}
#: Numbers that may be missing: their words, the least and the greatest value.
OPTIONAL: Mapping[str, tuple[str, int, int]] = {
    "strength": ("Least strength", 0, 100),
    "each": ("Paths per introducer", 1, MOST_PATHS_SHOWN),
}
#: Lists of ids, separated by commas: their words.
ID_LISTS: Mapping[str, str] = {
    "via": "Only these organizations",
    "notvia": "Not these organizations",
    "openers": "Only these users open paths",
}
DEFAULTS: Mapping[str, str] = {
    "target": "",
    "collection": "",
    "viewer": "",
    "depth": "3",
    "paths": "10",
    "scope": "any",
    "impl": "",
    "budget": str(Question.time_budget_ms),
    "order": Question.order_by,
    "strength": "",
    "since": "",
    "kinds": "",
    "via": "",
    "notvia": "",
    "openers": "",
    "each": "",
}
_CHOICE_WORDS: Mapping[str, str] = {"order": "Shown first", "scope": "Openers", "impl": "Implementation"}


@dataclass(frozen=True)
class Form:
    """The form as it was filled in: ``values`` as typed, ``errors`` by parameter, and the question when it is complete.

    ``name`` is a name to search for, where the target is not an id.
    """

    values: Mapping[str, str]
    without: tuple[int, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    question: Question | None = None
    name: str | None = None

    @property
    def summary(self) -> list[str]:
        """Say which options differ from the usual ones, and the numbers of paths and milliseconds."""
        said = {
            "order": "strongest first",
            "scope": "opened only by the viewer",
            "impl": f"implementation {self.values['impl']}",
            "strength": f"strength {self.values['strength']} or more",
            "since": f"ended {self.values['since']} or later",
            "kinds": f"kinds {self.values['kinds']}",
            "via": f"only organizations {self.values['via']}",
            "notvia": f"not organizations {self.values['notvia']}",
            "openers": f"opened by users {self.values['openers']}",
            "each": f"{self.values['each']} per introducer",
        }
        changed = [words for name, words in said.items() if self.values[name] != DEFAULTS[name]]
        return [*changed, f"{self.values['paths']} paths", f"{self.values['budget']} ms"]

    def url(self, path: str = "/", **changes: Any) -> str:
        """Return the address of the same question with *changes*; defaults are left out."""
        without: Sequence[int] = changes.pop("without", self.without)
        values = {**self.values, **{name: str(value) for name, value in changes.items()}}
        kept = [(name, value) for name, value in values.items() if value != DEFAULTS[name]]
        query = urlencode([*kept, *(("without", str(contact)) for contact in without)])
        return f"{path}?{query}" if query else path


def read(pairs: Sequence[tuple[str, str]]) -> Form:
    """Read the parameters of an address. Unknown ones are ignored; of several with one name, the last one counts."""
    # one character more than a name may have shows that it is too long
    given = {name: value.strip()[: LONGEST_SEARCH + 1] for name, value in pairs if name in DEFAULTS}
    values = {name: given.get(name) or default for name, default in DEFAULTS.items()}
    without, errors = _without([value for name, value in pairs if name == "without"])
    target = values["target"]
    if "target" not in given:  # nothing was asked yet
        return Form(_printable(values), without, errors)
    numbers, wrong = _numbers(values)
    errors |= wrong
    for name, allowed in CHOICES.items():
        if values[name] not in allowed:
            errors[name] = f"{_CHOICE_WORDS[name]} must be {' or '.join(value for value in allowed if value)}."

    filters, wrong = _filters(values)
    errors |= wrong

    is_id = target.isascii() and target.isdigit()
    if not target:
        errors["target"] = "Give the name or the id of the person to meet."
    elif "\0" in target or (not is_id and len(target) > LONGEST_SEARCH):
        errors["target"] = f"A name has at most {LONGEST_SEARCH} characters and no zero byte."
    elif is_id and integer(target) is None:
        errors["target"] = "The id of the person is too large."
    elif not is_id:
        only = {name: error for name, error in errors.items() if name == "without"}
        return Form(values, without, only, name=target)
    if errors:
        in_order = {name: errors[name] for name in (*DEFAULTS, "without") if name in errors}
        return Form(_printable(values), without, in_order)
    question = Question(
        target_contact_id=int(target),
        collection_id=numbers["collection"],
        viewer_user_id=numbers["viewer"],
        max_depth=numbers["depth"],
        max_paths=numbers["paths"],
        seed_scope=values["scope"],
        impl=values["impl"] or None,
        time_budget_ms=numbers["budget"],
        excluded_contact_ids=[*without],
        order_by=values["order"],
        **filters,
    )
    return Form(values, without, question=question)


def integer(text: str) -> int | None:
    """Return the number that *text* is, None when it is not one that a bigint can hold."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_LARGEST_ID)):
        return None
    return int(text) if int(text) <= _LARGEST_ID else None


def _numbers(values: Mapping[str, str]) -> tuple[dict[str, int], dict[str, str]]:
    numbers: dict[str, int] = {}
    errors: dict[str, str] = {}
    for name, (word, least, most) in NUMBERS.items():
        number = integer(values[name])
        if not values[name]:
            errors[name] = f"{word} is missing: give its id."
        elif number is None or not least <= number <= most:
            allowed = "an id of digits only" if most == _LARGEST_ID else f"a whole number from {least:,} to {most:,}"
            errors[name] = f"{word} must be {allowed}."
        else:
            numbers[name] = number
    return numbers, errors


def _filters(values: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the arguments that leave out edges and paths, and what is wrong with them."""
    errors: dict[str, str] = {}
    numbers: dict[str, int | None] = {}
    for name, (word, least, most) in OPTIONAL.items():
        number = numbers[name] = integer(values[name])
        if values[name] and (number is None or not least <= number <= most):
            errors[name] = f"{word} must be a whole number from {least:,} to {most:,}."
    lists: dict[str, list[int] | None] = {}
    for name, word in ID_LISTS.items():
        found = [integer(each) for each in _words(values[name])]
        if None in found or len(found) > _MOST_LISTED:
            errors[name] = f"{word} must be ids with commas between them, {_MOST_LISTED} at most."
        lists[name] = [each for each in found if each is not None] or None
    since = None
    try:
        since = date.fromisoformat(values["since"]) if values["since"] else None
    except ValueError:
        errors["since"] = "The day must be a date, such as 2020-12-31."
    if "\0" in values["kinds"]:
        errors["kinds"] = "Kinds must have no zero byte."
    arguments = {
        "kinds": _words(values["kinds"]) or None,
        "min_strength": numbers["strength"],
        "ended_after": since,
        "via_organization_ids": lists["via"],
        "not_via_organization_ids": lists["notvia"],
        "opener_user_ids": lists["openers"],
        "max_per_introducer": numbers["each"],
    }
    return arguments, errors


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _without(given: Sequence[str]) -> tuple[tuple[int, ...], dict[str, str]]:
    words = [word.strip() for value in given for word in value.split(",") if word.strip()]
    found = [integer(word) for word in words]
    if None in found or len(found) > _MOST_WITHOUT:
        return (), {"without": f"Contacts to leave out must be ids, {_MOST_WITHOUT} at most."}
    return tuple(dict.fromkeys(each for each in found if each is not None)), {}


def _printable(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value.replace("\0", "�")[:LONGEST_SEARCH] for name, value in values.items()}
