"""What a URL asks: its parameters as they were typed, as a question, or what is wrong with each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from orchestrator.finders.paths import Question

MOST_PATHS = 100  # that the page shows; find_paths itself has up to 1000
LONGEST_BUDGET = 4000  # milliseconds, less than a statement of the playground may take
LONGEST_NAME = 200  # characters that are searched for
_MOST_WITHOUT = 50
_LARGEST_ID = 2**63 - 1

#: What can be chosen, with the words for it.
CHOICES: Mapping[str, Mapping[str, str]] = {
    "scope": {"any": "anybody on the team", "importer": "only the viewer's own contacts"},
    "impl": {
        "": "what the collection is set to",
        "v2": "v2: deep_finder, over the edge table",
        "v1": "v1: legacy_finder, depth 2 at most",
    },
}
#: Numbers: their words, and the least and the most that is allowed.
NUMBERS: Mapping[str, tuple[str, int, int]] = {
    "collection": ("Collection", 0, _LARGEST_ID),
    "viewer": ("Viewer", 0, _LARGEST_ID),
    "depth": ("Depth", 1, 6),
    "paths": ("Paths", 1, MOST_PATHS),
    "budget": ("Time budget", 1, LONGEST_BUDGET),
}
DEFAULTS: Mapping[str, str] = {
    "target": "",
    "collection": "",
    "viewer": "",
    "depth": "3",
    "paths": "10",
    "scope": "any",
    "impl": "",
    "budget": "1500",
}


@dataclass(frozen=True)
class Asked:
    """A URL's parameters: ``values`` as typed, ``errors`` by parameter, and the question when it is whole."""

    values: Mapping[str, str]
    without: tuple[int, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    question: Question | None = None
    name: str | None = None  # to search for, where the target is not an id

    @property
    def is_blank(self) -> bool:
        """Whether nobody was asked for yet."""
        return self.question is None and self.name is None and not self.errors

    def parameters(self, **changes: Any) -> list[tuple[str, str]]:
        """Return the parameters that ask the same, but for *changes*; a default is left out."""
        without: Sequence[int] = changes.pop("without", self.without)
        values = {**self.values, **{name: str(value) for name, value in changes.items()}}
        kept = [(name, value) for name, value in values.items() if value != DEFAULTS[name]]
        return [*kept, *(("without", str(contact)) for contact in without)]

    def url(self, path: str = "/", **changes: Any) -> str:
        """Return the address that asks the same, but for *changes*."""
        query = urlencode(self.parameters(**changes))
        return f"{path}?{query}" if query else path


def read(pairs: Sequence[tuple[str, str]]) -> Asked:
    """Read the parameters of a URL. Unknown ones are nobody's business; the last of several counts."""
    # one character more than a name may have shows that it is too long
    given = {name: value.strip()[: LONGEST_NAME + 1] for name, value in pairs if name in DEFAULTS}
    values = {name: given.get(name) or default for name, default in DEFAULTS.items()}
    without, errors = _without([value for name, value in pairs if name == "without"])
    target = values["target"]
    if "target" not in given:  # a form to be filled in
        return Asked(_printable(values), without, errors)

    numbers: dict[str, int] = {}
    for name, (word, least, most) in NUMBERS.items():
        number = integer(values[name])
        if not values[name]:
            errors[name] = f"{word}: which one? Give its id."
        elif number is None or not least <= number <= most:
            allowed = "an id, digits only" if most == _LARGEST_ID else f"a whole number from {least:,} to {most:,}"
            errors[name] = f"{word} must be {allowed}."
        else:
            numbers[name] = number
    for name, allowed_values in CHOICES.items():
        if values[name] not in allowed_values:
            told = " or ".join(value for value in allowed_values if value)
            errors[name] = f"{'Scope' if name == 'scope' else 'Version'} must be {told}."

    is_id = target.isascii() and target.isdigit()
    if not target:
        errors["target"] = "Whom do you want to meet? Give a name or an id."
    elif "\0" in target or (not is_id and len(target) > LONGEST_NAME):
        errors["target"] = f"A name has at most {LONGEST_NAME} characters, and no zero byte."
    elif is_id and integer(target) is None:
        errors["target"] = "No id is that large."
    elif not is_id:
        return Asked(values, without, {name: told for name, told in errors.items() if name == "without"}, name=target)
    if errors:
        in_order = {name: errors[name] for name in (*DEFAULTS, "without") if name in errors}
        return Asked(_printable(values), without, in_order)
    question = Question(
        int(target), numbers["collection"], numbers["viewer"], numbers["depth"], numbers["paths"], values["scope"],
        values["impl"] or None, numbers["budget"], [*without],
    )  # fmt: skip
    return Asked(values, without, question=question)


def integer(text: str) -> int | None:
    """Return the id or number that *text* is, if it is one that a bigint can hold."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_LARGEST_ID)):
        return None
    return int(text) if int(text) <= _LARGEST_ID else None


def _without(given: Sequence[str]) -> tuple[tuple[int, ...], dict[str, str]]:
    words = [word.strip() for value in given for word in value.split(",") if word.strip()]
    found = [integer(word) for word in words]
    if None in found or len(found) > _MOST_WITHOUT:
        return (), {"without": f"Who is to be left out is told by ids, {_MOST_WITHOUT} at most."}
    return tuple(dict.fromkeys(each for each in found if each is not None)), {}


def _printable(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value.replace("\0", "�")[:LONGEST_NAME] for name, value in values.items()}
