"""A draft of a mapping, from the names, types and foreign keys of the tables of a database.

Table names are compared with :mod:`orchestrator.host.mapping_words`. Columns count, too: a table of work experiences
refers to a contact and has a column for the beginning; a table of memberships refers to a contact and to a user.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.formats import counted
from orchestrator.core.text import capitalized, printable
from orchestrator.host import mapping_words
from orchestrator.host.mapping_expressions import SCHEMA, identifier
from orchestrator.host.mapping_types import WANTED, WHOLE
from orchestrator.host.mapping_words import words

_TEXTS = ("text", "character varying", "character", "citext")
_DAYS = ("date", "timestamp without time zone", "timestamp with time zone")


@dataclass(frozen=True)
class Table:
    """A table or view. ``rows`` None: not known. ``references``: the schema and table behind a foreign key."""

    schema: str
    name: str
    rows: int | None
    types: Mapping[str, str]
    not_null: frozenset[str]
    key: tuple[str, ...]
    references: Mapping[str, tuple[str, str]]

    @property
    def place(self) -> tuple[str, str]:
        """The schema and the name."""
        return self.schema, self.name


@dataclass
class Draft:
    """The draft of one source. ``columns`` holds the expressions that were found, ``notes`` a comment for a key."""

    source: str
    table: Table | None = None
    columns: dict[str, str] = field(default_factory=dict)
    where: str | None = None
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Suggestion:
    """A draft in TOML, a sentence for each thing that a person must fill in, and what to do before an install."""

    toml: str
    missing: tuple[str, ...]
    first_step: str


def suggest(connection: Connection, host_schema: str, schemas: Sequence[str] = ()) -> Suggestion:
    """Propose a mapping for the tables in *schemas*; none: in all schemas. Only reads the catalog.

    *host_schema* is the schema of tables that the draft names without one.
    """
    rows = connection.execute(sqlfiles.query("host/suggestion_tables"), {"schemas": list(schemas) or None})
    tables = [
        Table(
            schema, name, estimate, {each[0]: each[1] for each in columns},
            frozenset(each[0] for each in columns if each[2]), tuple(key),
            {each[0]: (each[1], each[2]) for each in references},
        )
        for schema, name, _, estimate, columns, key, references in rows
    ]  # fmt: skip
    drafts = _drafts(tables, host_schema)
    return Suggestion(_toml(drafts, host_schema), tuple(_missing(drafts)), _first_step(drafts))


# Which table each source is.


def name_score(source: str, name: str) -> int:
    """Return how well the name of a table fits a source, from 0 to 20."""
    given, best = words(name), 0
    together = given.replace(" ", "")
    for place, known in enumerate(mapping_words.TABLES[source]):
        weight = max(10 - place, 3)
        if given == known:
            best = max(best, weight + 10)
        elif given.endswith(f" {known}") or together.endswith(known.replace(" ", "")):
            best = max(best, weight + 4)
        elif f" {known} " in f" {given} ":
            best = max(best, weight)
    return best


def _drafts(every: Sequence[Table], host_schema: str) -> dict[str, Draft]:
    # Of equally good tables the first is taken: one of the host schema, then one in the schema of the experiences.
    tables = sorted(every, key=lambda table: table.schema != host_schema)
    experiences = _best(tables, "contact_work_experiences", _experience_score)
    if experiences is not None:
        tables.sort(key=lambda table: table.schema != experiences.schema)
    contacts = _referred(tables, experiences, "contacts") or _best(
        tables, "contacts", _named_score("contacts"), but=(experiences,)
    )
    organizations = _referred(tables, experiences, "organizations", {"contacts": contacts}) or _best(
        tables, "organizations", _named_score("organizations"), but=(experiences, contacts)
    )
    known = {"contacts": contacts, "organizations": organizations}
    memberships = _best(tables, "user_contact_collections", lambda t: _membership_score(t, known), but=(experiences,))
    used = (contacts, organizations, experiences, memberships)
    users = _referred(tables, memberships, "users", known) or _best(tables, "users", _named_score("users"), but=used)
    known["users"] = users
    collections = _referred(tables, memberships, "collections", known)
    if collections is None and memberships is not None and _reference(memberships, "collections", known):
        collections = _best(tables, "collections", _named_score("collections"), but=(*used, users))
    known["collections"] = collections
    found = {
        **known, "contact_work_experiences": experiences, "user_contact_collections": memberships,
    }  # fmt: skip
    return {source: _draft(source, found[source], found) for source in WANTED}


def _best(
    tables: Iterable[Table], source: str, score: Callable[[Table], int], but: Sequence[Table | None] = ()
) -> Table | None:
    """Return the table with the best score above 0; of equal ones, the one whose name fits better, then the first.

    A table that has the name of another required source is left out, even where its columns do not fit that source. If
    the draft had no section for the source, an install would read the source from the table of that name.
    """
    scored = [
        (score(table), name_score(source, table.name), table)
        for table in tables
        if table not in but and (table.name == source or table.name not in WANTED or WANTED[table.name].optional)
    ]
    best = max(scored, key=lambda each: each[:2], default=None)
    return None if best is None or best[0] <= 0 else best[2]


def _named_score(source: str) -> Callable[[Table], int]:
    def score(table: Table) -> int:
        fits = name_score(source, table.name)
        return fits if fits and _name(table) and _id(table) else 0

    return score


def _experience_score(table: Table) -> int:
    if not _reference(table, "contacts") or not _day(table, "date_from"):
        return 0
    parts = (_reference(table, "organizations"), _day(table, "date_to"))
    return 10 + name_score("contact_work_experiences", table.name) + 5 * sum(part is not None for part in parts)


def _membership_score(table: Table, known: Mapping[str, Table | None]) -> int:
    contact, user = _reference(table, "contacts", known), _reference(table, "users", known)
    if contact is None or user is None or contact == user:
        return 0
    has_collection = _reference(table, "collections", known) is not None
    return 10 + name_score("user_contact_collections", table.name) + 8 * has_collection


def _referred(
    tables: Sequence[Table], table: Table | None, source: str, known: Mapping[str, Table | None] | None = None
) -> Table | None:
    """Return the table to which *table* refers for a source: by a foreign key, otherwise by the name of the column."""
    column = None if table is None else _reference(table, source, known)
    if table is None or column is None:
        return None
    others = [table, *(each for name, each in (known or {}).items() if each is not None and name != source)]
    if column in table.references:
        return next((each for each in tables if each.place == table.references[column] and each is not table), None)
    name = words(column).rpartition(" ")[0]
    named = [each for each in tables if each not in others and _name(each) and _id(each)]
    return next((each for each in named if words(each.name) == name), None)


# Which column each column is.


def _column(table: Table, names: Iterable[str], types: Sequence[str] | None = None) -> str | None:
    """Return the column with the first of the *names* that there is, of one of the *types*."""
    found = {
        words(column): column for column in reversed(list(table.types)) if types is None or table.types[column] in types
    }
    return next((found[name] for name in names if name in found), None)


def _reference(table: Table, source: str, known: Mapping[str, Table | None] | None = None) -> str | None:
    """Return the column that refers to a source: by its foreign key, otherwise by its name."""
    target = (known or {}).get(source)
    others = [each.place for name, each in (known or {}).items() if each is not None and name != source]
    for column, place in table.references.items():
        if target is not None and place == target.place:
            return column
    for column, place in table.references.items():
        if target is None and place not in others and name_score(source, place[1]) >= 12:
            return column
    names = (
        mapping_words.REFERENCES[source] if target is None else (words(target.name), *mapping_words.REFERENCES[source])
    )
    found = _column(table, [f"{name} {ending}" for name in names for ending in mapping_words.KEY_ENDINGS], _KEYS)
    foreign = None if found is None else table.references.get(found)
    return found if foreign is None or foreign not in others else None


_KEYS = (*WHOLE, *_TEXTS, "uuid", "numeric")


def _id(table: Table) -> str | None:
    if len(table.key) == 1:
        return table.key[0]
    own = [f"{words(table.name)} {ending}" for ending in mapping_words.KEY_ENDINGS]
    return _column(table, (*mapping_words.COLUMNS["id"], *own), _KEYS)


def _name(table: Table) -> str | None:
    """Return the expression of a name: one column, or a first and a last name."""
    first = _column(table, mapping_words.FIRST_NAMES, _TEXTS)
    last = _column(table, mapping_words.LAST_NAMES, _TEXTS)
    called = (words(table.name), words(table.name).rpartition(" ")[2])  # the column firm_name of the table crm_firms
    whole = _column(table, (*(f"{each} name" for each in called), *mapping_words.COLUMNS["name"]), _TEXTS)
    is_telling = whole is not None and words(whole) in ("name", "full name", "display name")
    if first and last and not is_telling:
        return f"btrim(concat_ws(' ', {identifier(first)}, {identifier(last)}))"  # either may be an empty text
    return None if whole is None else identifier(whole)


def _day(table: Table, key: str) -> str | None:
    """Return the expression of the day when an experience began or ended."""
    names = mapping_words.day_names(key)
    column = _column(table, names, (*_DAYS, *_TEXTS))
    if column is not None:
        shown = identifier(column)
        if table.types[column] == "timestamp with time zone":
            return f"{shown} AT TIME ZONE 'UTC'"
        return f"{SCHEMA}.to_day({shown})" if table.types[column] in _TEXTS else shown
    start = "start" if key == "date_from" else "end"
    year, month = _column(table, (f"{start} year",), WHOLE), _column(table, (f"{start} month",), WHOLE)
    if year is None:
        return None
    return f"{SCHEMA}.first_day({identifier(year)}, {'NULL' if month is None else identifier(month)})"


def _as_id(table: Table, column: str) -> str:
    shown, kind = identifier(column), table.types[column]
    if kind == "uuid":
        return f"{SCHEMA}.uuid_key({shown})"
    if kind in WHOLE:
        return shown
    return f"{SCHEMA}.to_id({shown})" if kind in _TEXTS else f"{SCHEMA}.to_id(({shown})::text)"


def _rule(table: Table) -> str | None:
    """Return the condition that leaves out deleted rows."""
    at = _column(table, mapping_words.DELETED_AT, _DAYS)
    if at is not None:
        return f"{identifier(at)} IS NULL"
    flag = _column(table, mapping_words.DELETED, ("boolean",))
    if flag is None:
        return None
    return f"NOT {identifier(flag)}" if flag in table.not_null else f"{identifier(flag)} IS NOT TRUE"


def _draft(source: str, table: Table | None, found: Mapping[str, Table | None]) -> Draft:
    draft = Draft(source, table)
    if table is None:
        return draft
    known = {name: each for name, each in found.items() if name in mapping_words.REFERENCES}
    for key in WANTED[source].columns:
        expression = _expression(table, key, known)
        if expression is not None:
            draft.columns[key] = expression
            if f"{SCHEMA}.to_day(" in expression:
                draft.notes[key] = "for another format: to_date(column, 'DD.MM.YYYY')"
            elif "AT TIME ZONE" in expression:
                draft.notes[key] = "the time zone in which a day begins"
    if source == "user_contact_collections" and "collection_id" not in draft.columns:
        draft.columns["collection_id"] = "1"
        draft.notes["collection_id"] = "no column was found: all contacts are in one collection"
    rules = [_rule(table)]
    if source in ("contacts", "organizations") and draft.columns.get("id", "").startswith(f"{SCHEMA}.to_id("):
        rules.append(f"{draft.columns['id']} IS NOT NULL")
    draft.where = " AND ".join(rule for rule in rules if rule) or None
    return draft


def _expression(table: Table, key: str, known: Mapping[str, Table | None]) -> str | None:
    owner = {"contact_id": "contacts", "organization_id": "organizations", "user_id": "users"}
    owner["collection_id"] = "collections"
    if key == "id":
        column = _id(table)
        return None if column is None else _as_id(table, column)
    if key in owner:
        column = _reference(table, owner[key], known)
        return None if column is None else _as_id(table, column)
    if key in ("date_from", "date_to"):
        return _day(table, key)
    if key == "name":
        return _name(table)
    column = _column(table, mapping_words.COLUMNS[key], WHOLE if key == "headcount" else None)
    if column is None and key == "headcount":
        column = _column(table, mapping_words.COLUMNS[key], _TEXTS)
        return None if column is None else f"{SCHEMA}.to_id({identifier(column)})"
    return None if column is None else identifier(column)


# The file.

_HEAD = """\
# Which tables connection_paths reads: a draft by orchestrator map --suggest. {first_step}, then run:
#
#   {command}
"""

_WHAT: Mapping[str, str] = {
    "contacts": "the people",
    "organizations": "the companies where they worked",
    "contact_work_experiences": "who worked where, from when until when",
    "user_contact_collections": "which user brought which contact into which collection",
    "users": "names of users, only for people to read",
    "collections": "names of collections, only for people to read",
}
_COLUMNS: Mapping[str, str] = {
    "id": "the key of the table",
    "name": "the name",
    "contact_id": "the id of the contact",
    "organization_id": "the id of the organization",
    "date_from": "the day when it began",
    "date_to": "the day when it ended; NULL while it goes on",
    "user_id": "the id of the user",
    "collection_id": 'the id of the collection; "1" if there is only one',
}


def install_command(file: str, host_schema: str) -> str:
    """Return the command that installs for a draft in *file*."""
    words = [] if host_schema == "public" else ["--host-schema", host_schema]
    return printable(shlex.join(["orchestrator", "install", "--map", file, *words, "--backfill"]))


def _toml(drafts: Mapping[str, Draft], host_schema: str) -> str:
    sections = ("".join(f"{line}\n" for line in _section(draft, host_schema)) for draft in drafts.values())
    head = _HEAD.format(first_step=capitalized(_first_step(drafts)), command=install_command("FILE", host_schema))
    return "\n".join([head, *(section for section in sections if section)])


def _first_step(drafts: Mapping[str, Draft]) -> str:
    """Return what a person must do before the install."""
    unfilled = sum(any(_missing({source: draft})) for source, draft in drafts.items())
    if not unfilled:
        return "read each line"
    return f"first fill in what was not found in {counted(unfilled, 'section')}"


def _section(draft: Draft, host_schema: str) -> Iterator[str]:
    wanted, table = WANTED[draft.source], draft.table
    if table is None:
        if not wanted.optional:
            yield f"# {draft.source}: {_WHAT[draft.source]}. No table was found. Fill in:"
            yield f"# [{draft.source}]"
            yield '# table = ""'
            yield from (f'# {key} = ""  # {_COLUMNS[key]}' for key, each in wanted.columns.items() if not each.optional)
        return
    rows = "" if table.rows is None else f", about {table.rows:,} rows"
    yield f"# {_WHAT[draft.source]}{rows}"
    yield f"[{draft.source}]"
    name = (
        identifier(table.name)
        if table.schema == host_schema
        else f"{identifier(table.schema)}.{identifier(table.name)}"
    )
    yield f"table = {toml_string(name)}"
    for key, column in wanted.columns.items():
        if key in draft.columns:
            note = f"  # {draft.notes[key]}" if key in draft.notes else ""
            yield f"{key} = {toml_string(draft.columns[key])}{note}"
        elif not column.optional:
            yield f'# {key} = ""  # not found; fill in {_COLUMNS[key]}'
    if draft.where is not None:
        yield f"where = {toml_string(draft.where)}"
    elif draft.source == "user_contact_collections":
        yield from _rule_of_members(table, draft.columns.get("source"))


def _rule_of_members(table: Table, source: str | None) -> Iterator[str]:
    is_default = table.name == "user_contact_collections" and source in (None, "source")
    if is_default and table.types.get("source") in WHOLE:
        yield f"# Rows count where {WANTED['user_contact_collections'].where}; a line with where = replaces this rule."
    elif is_default:
        yield "# Every row that has a user counts. Without this line, only some numbers in a column source would count."
        yield 'where = "true"'
    elif source is not None:
        yield "# Every row that has a user counts; to let fewer count, write for example:"
        is_number = any(identifier(column) == source and table.types[column] in WHOLE for column in table.types)
        codes = "1, 2" if is_number else "'first', 'second'"
        yield f"# where = {toml_string(f'{source} IN ({codes})')}"


def toml_string(text: str) -> str:
    """Return a text as a string of TOML."""
    if printable(text) != text:
        return json.dumps(text)
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f"'{text}'" if "'" not in text else json.dumps(text, ensure_ascii=False)


def _missing(drafts: Mapping[str, Draft]) -> Iterator[str]:
    for source, draft in drafts.items():
        if draft.table is None:
            if not WANTED[source].optional:
                yield f"no table was found for {source}, {_WHAT[source]}"
            continue
        for key, column in WANTED[source].columns.items():
            if key not in draft.columns and not column.optional:
                yield f"no column was found for {source}.{key}, {_COLUMNS[key]}"
