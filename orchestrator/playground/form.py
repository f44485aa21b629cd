"""The parameters of an address: as they were typed, and as a question or as what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from orchestrator.finders.question import OPTIONS, Entry, Option, Question, default_of
from orchestrator.host.uuid_keys import Kind, number_of, uuid_of

LONGEST_SEARCH = 200  # characters that are searched for
LONGEST_FIELD = 4_000  # characters of a parameter; the longest list of ids that is allowed has a quarter of them
_MOST_WITHOUT = _MOST_LISTED = 50
_MOST_UUIDS = 3 * _MOST_LISTED + _MOST_WITHOUT + 3
_NUMBER = re.compile("-?[0-9]+")
_AN_ID = "a whole number, or a uuid where the mapping makes ids of uuids with connection_paths.uuid_key"


@dataclass(frozen=True)
class Field:
    """An option of ``find_paths`` in the form."""

    argument: str
    option: Option
    entry: Entry

    @property
    def usual(self) -> str:
        """Return the value of an empty form."""
        default = default_of(self.argument)
        return self.entry.usual or ("" if default is None else str(default))

    @property
    def label(self) -> str:
        """Return the label, with the range of a number whose field is never empty: ``Paths, 1 to 100``."""
        least, most = self.range
        is_full = self.option.type == "integer" and self.usual
        return f"{self.entry.label}, {least:,} to {most:,}" if is_full else self.entry.label

    @property
    def placeholder(self) -> str:
        """Return what an empty field shows."""
        return self.entry.placeholder or ("ids, with commas" if self.option.type == "bigint[]" else "")

    @property
    def range(self) -> tuple[int, int]:
        """Return the least and the greatest value of a number."""
        return self.option.least, self.entry.most or self.option.most

    @property
    def choices(self) -> dict[str, str]:
        """Return the values to choose from with their words; empty where a value is typed."""
        empty = {"": self.entry.placeholder} if self.option.choices and not self.usual else {}
        return {**empty, **self.option.choices}


#: The options, in the order of their table, by the names of their parameters.
FIELDS: Mapping[str, Field] = {
    option.entry.name: Field(argument, option, option.entry)
    for argument, option in OPTIONS.items()
    if option.entry is not None
}
_IDS: Mapping[str, str] = {"collection": "Collection", "viewer": "Viewer"}  # required, with their words

#: What the ids of each parameter are ids of.
_KINDS: Mapping[str, Kind] = {
    "target": "contact",
    "collection": "collection",
    "viewer": "user",
    **{name: each.option.ids_of for name, each in FIELDS.items() if each.option.ids_of is not None},
    "without": "contact",
}

#: A uuid in an address, and what it is the id of.
Given = tuple[Kind, UUID]

#: The parameters of an address with their usual values, except ``without``, which may be there several times.
DEFAULTS: Mapping[str, str] = {
    **dict.fromkeys(("target", *_IDS), ""),
    **{name: each.usual for name, each in FIELDS.items()},
}


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
        """Say which options differ from the usual ones, then the numbers of paths and milliseconds."""
        changed, always = [], []
        for name, each in FIELDS.items():
            value = self.values[name]
            words = each.entry.summary.format(value=value, words=each.choices.get(value))
            if each.entry.is_in_front:
                continue
            if each.option.type == "integer" and each.usual:
                always.append(words)
            elif value != each.usual:
                changed.append(words)
        return [*changed, *always]

    def url(self, path: str = "/", **changes: Any) -> str:
        """Return the address of the same question with *changes*; defaults are left out."""
        without: Sequence[int] = changes.pop("without", self.without)
        values = {**self.values, **{name: str(value) for name, value in changes.items()}}
        kept = [(name, value) for name, value in values.items() if value != DEFAULTS[name]]
        query = urlencode([*kept, *(("without", str(contact)) for contact in without)])
        return f"{path}?{query}" if query else path


def uuids(pairs: Sequence[tuple[str, str]]) -> set[Given]:
    """Return the uuids in the parameters of an address that take ids; no more than an allowed question can have."""
    return set(islice(_uuids(pairs), _MOST_UUIDS))


def _uuids(pairs: Sequence[tuple[str, str]]) -> Iterator[Given]:
    for name, value in pairs:
        for word in value[: LONGEST_FIELD + 1].split(",") if name in _KINDS else ():
            if (found := uuid_of(word.strip())) is not None:
                yield _KINDS[name], found


def with_numbers(pairs: Sequence[tuple[str, str]], ids: Mapping[Given, int]) -> list[tuple[str, str]]:
    """Return the parameters of an address with numbers instead of the uuids whose *ids* are given."""

    def number(name: str, word: str) -> str:
        given = uuid_of(word.strip())
        found = None if given is None else ids.get((_KINDS[name], given))
        return word if found is None else str(found)

    return [
        (name, ",".join(number(name, word) for word in value.split(",")) if ids and name in _KINDS else value)
        for name, value in pairs
    ]


def read(pairs: Sequence[tuple[str, str]]) -> Form:
    """Read the parameters of an address. Unknown ones are ignored; of several with one name, the last one counts."""
    # one character more than a field may have shows that it is too long
    given = {name: value.strip()[: LONGEST_FIELD + 1] for name, value in pairs if name in DEFAULTS}
    values = {name: given.get(name) or default for name, default in DEFAULTS.items()}
    without, errors = _without([value for name, value in pairs if name == "without"])
    target = values["target"]
    if "target" not in given:  # nothing was asked yet
        return Form(_printable(values), without, errors)
    errors |= {name: _wrong_id(word, values[name]) for name, word in _IDS.items() if number_of(values[name]) is None}
    arguments: dict[str, Any] = {}
    for name, each in FIELDS.items():
        if not values[name]:  # the option is not given
            continue
        try:
            arguments[each.argument] = _value(values[name], each)
        except ValueError as error:
            errors[name] = f"{each.entry.label}: give {error}."

    is_id = is_number(target)
    if not target:
        errors["target"] = "Give the name or the id of the person to meet."
    elif "\0" in target or (not is_id and len(target) > LONGEST_SEARCH):
        errors["target"] = f"A name has at most {LONGEST_SEARCH} characters and no zero byte."
    elif is_id and number_of(target) is None:
        errors["target"] = "The id of the person is too large."
    elif uuid_of(target) is not None:  # with_numbers() has replaced the others
        errors["target"] = f"The id of the person must be {_AN_ID}."
    elif not is_id:
        only = {name: error for name, error in errors.items() if name == "without"}
        return Form(values, without, only, name=target)
    if errors:
        in_order = {name: errors[name] for name in (*DEFAULTS, "without") if name in errors}
        return Form(_printable(values), without, in_order)
    question = Question(
        target_contact_id=int(target),
        collection_id=int(values["collection"]),
        viewer_user_id=int(values["viewer"]),
        excluded_contact_ids=[*without],
        **arguments,
    )
    return Form(values, without, question=question)


def is_number(text: str) -> bool:
    """Return whether somebody has typed a whole number, however large."""
    return _NUMBER.fullmatch(text) is not None


def _wrong_id(word: str, typed: str) -> str:
    return f"{word} must be an id: {_AN_ID}." if typed else f"{word} is missing: give its id."


def _value(typed: str, of: Field) -> Any:
    if len(typed) > LONGEST_FIELD:
        raise ValueError(f"at most {LONGEST_FIELD:,} characters")
    return _READERS[of.option.type](typed, of)


def _choice(typed: str, of: Field) -> str:
    if typed not in of.option.choices:
        raise ValueError(" or ".join(of.option.choices))
    return typed


def _number(typed: str, of: Field) -> int:
    number, (least, most) = number_of(typed), of.range
    if number is None or not least <= number <= most:
        raise ValueError(f"a whole number from {least:,} to {most:,}")
    return number


def _day(typed: str, _: Field) -> date:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        raise ValueError("a date, such as 2020-12-31") from None


def _ids(typed: str, _: Field) -> list[int]:
    found = [number_of(each) for each in _words(typed)]
    if None in found or not 1 <= len(found) <= _MOST_LISTED:
        raise ValueError(f"ids with commas between them, {_MOST_LISTED} at most")
    return [each for each in found if each is not None]


def _texts(typed: str, _: Field) -> list[str]:
    if "\0" in typed or not _words(typed):
        raise ValueError("words with commas between them, and no zero byte")
    return _words(typed)


#: What reads an option of each type. It raises ValueError with what is allowed.
_READERS: Mapping[str, Callable[[str, Field], Any]] = {
    "text": _choice,
    "integer": _number,
    "date": _day,
    "bigint[]": _ids,
    "text[]": _texts,
}


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _without(given: Sequence[str]) -> tuple[tuple[int, ...], dict[str, str]]:
    words = [word.strip() for value in given for word in value.split(",") if word.strip()]
    found = [number_of(word) for word in words]
    if None in found or len(found) > _MOST_WITHOUT:
        return (), {"without": f"Contacts to leave out must be ids, {_MOST_WITHOUT} at most."}
    return tuple(dict.fromkeys(each for each in found if each is not None)), {}


def _printable(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value.replace("\0", "�")[:LONGEST_FIELD] for name, value in values.items()}
