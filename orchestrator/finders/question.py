"""The options of ``find_paths`` in one table: the fields of :class:`Question`.

Each field is an argument of ``connection_paths.find_paths``, with the same name and the same default. The call, the
options of ``orchestrator paths`` and the form of the playground are made from this table, in its order. The header of
``find_paths`` describes what each option means.
"""

# ruff: noqa: RUF009 - _argument returns a field of a dataclass

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Literal, LiteralString

#: The limits of ``connection_paths.search_limit``: contacts on a path, and paths of an answer.
DEEPEST, MOST_PATHS = 6, 1000

#: Limits of the playground: paths on a page, and the time budget in milliseconds, below its statement timeout.
MOST_PATHS_SHOWN, LONGEST_BUDGET = 100, 4000


@dataclass(frozen=True)
class Entry:
    """An option in the form of the playground. Errors begin with its label."""

    name: str  # of the parameter in the address of the page
    label: str
    summary: str  # how the page lists a value: {value} as it was typed, {words} as the list of choices shows it
    usual: str = ""  # the value of an empty form, where it is not the default of the argument
    most: int | None = None  # the greatest number that the playground allows, where it allows less
    placeholder: str = ""  # what an empty field shows; the words of the empty choice
    is_in_front: bool = False  # beside the person to meet, where the template has the field; not among the options


@dataclass(frozen=True, kw_only=True)
class Option:
    """What the command line and the playground know of an option of ``find_paths``."""

    type: Literal["integer", "text", "date", "boolean", "bigint[]", "text[]"]  # in SQL; a text is one of the choices
    flag: str | None = None  # of ``orchestrator paths``; None: the command has no such option
    metavar: str | None = None  # of the flag in ``--help``
    help: str = ""  # of the flag
    least: int = 0
    most: int = 2**31 - 1
    null: str | None = None  # the word for NULL on the command line, where another value is the default
    choices: Mapping[str, str] = field(default_factory=dict)  # the values, each with the words that people read
    leaves_out_edges: bool = False
    ids_of: Literal["contact", "organization", "user"] | None = None  # what the ids in a list are ids of
    entry: Entry | None = None

    @property
    def is_list(self) -> bool:
        """Return whether the argument is an array."""
        return self.type.endswith("[]")


def _argument(default: Any, option: Option) -> Any:
    """Return a field of :class:`Question`.

    A list has no hash value, so the hash leaves it out. A tuple would have one, but psycopg sends it as a row.
    """
    about = {"option": option}
    if isinstance(default, list):
        return field(default_factory=list, hash=False, metadata=about)
    return field(default=default, hash=not option.is_list, metadata=about)


@dataclass(frozen=True)
class Question:
    """The arguments of ``connection_paths.find_paths``, each with its default and with the option that it is."""

    target_contact_id: int
    collection_id: int
    viewer_user_id: int
    max_depth: int = _argument(
        2,
        Option(
            type="integer", least=1, most=DEEPEST,
            flag="--depth", metavar="N", help="Contacts on a path, at most.",
            entry=Entry("depth", "Depth", "depth {value}", usual="3", is_in_front=True),
        ),
    )  # fmt: skip
    max_paths: int = _argument(
        25,
        Option(
            type="integer", least=1, most=MOST_PATHS,
            flag="--max-paths", metavar="N", help="Paths, at most.",
            entry=Entry("paths", "Paths", "{value} paths", usual="10", most=MOST_PATHS_SHOWN),
        ),
    )  # fmt: skip
    seed_scope: str = _argument(
        "any",
        Option(
            type="text", choices={"any": "every user of the team", "importer": "only the viewer"},
            flag="--scope", help="importer: a path may start only with a contact that the viewer brought in.",
            entry=Entry("scope", "Who may open a path", "opened by {words}"),
        ),
    )  # fmt: skip
    order_by: str = _argument(
        "recency",
        Option(
            type="text", choices={"recency": "those that end last", "strength": "the strongest"},
            flag="--order", help="Which paths come first: those that end last, or the strongest.",
            entry=Entry("order", "Shown first", "{words} first"),
        ),
    )  # fmt: skip
    min_strength: int | None = _argument(
        None,
        Option(
            type="integer", least=0, most=100, leaves_out_edges=True,
            flag="--min-strength", metavar="N", help="Only edges of at least this strength, 0 to 100.",
            entry=Entry("strength", "Least strength of an edge", "strength {value} or more", placeholder="0 to 100"),
        ),
    )  # fmt: skip
    ended_after: date | None = _argument(
        None,
        Option(
            type="date", leaves_out_edges=True,
            flag="--ended-after", metavar="DATE",
            help="Only edges that go on, or ended on this day (YYYY-MM-DD) or later.",
            entry=Entry("since", "Edges that ended on or after", "ended {value} or later", placeholder="YYYY-MM-DD"),
        ),
    )  # fmt: skip
    kinds: list[str] | None = _argument(
        None,
        Option(
            type="text[]", leaves_out_edges=True,
            flag="--kind", metavar="KIND", help="Only edges of this kind; may be repeated.",
            entry=Entry("kinds", "Kinds of edges", "kinds {value}", placeholder="all"),
        ),
    )  # fmt: skip
    via_organization_ids: list[int] | None = _argument(
        None,
        Option(
            type="bigint[]", ids_of="organization", leaves_out_edges=True,
            flag="--via", metavar="ORGANIZATION", help="Only edges of this organization; may be repeated.",
            entry=Entry("via", "Only these organizations", "only organizations {value}"),
        ),
    )  # fmt: skip
    not_via_organization_ids: list[int] | None = _argument(
        None,
        Option(
            type="bigint[]", ids_of="organization", leaves_out_edges=True,
            flag="--not-via", metavar="ORGANIZATION", help="No edge of this organization; may be repeated.",
            entry=Entry("notvia", "Not these organizations", "not organizations {value}"),
        ),
    )  # fmt: skip
    opener_user_ids: list[int] | None = _argument(
        None,
        Option(
            type="bigint[]", ids_of="user",
            flag="--opener", metavar="USER", help="Only this user opens paths; may be repeated.",
            entry=Entry("openers", "Only these users open paths", "opened by users {value}"),
        ),
    )  # fmt: skip
    max_per_introducer: int | None = _argument(
        None,
        Option(
            type="integer", least=1,
            flag="--max-per-introducer", metavar="N",
            help="Paths with the same contact before the target, at most.",
            entry=Entry(
                "each", "Paths per introducer", "{value} per introducer", most=MOST_PATHS_SHOWN,
                placeholder="any number",
            ),
        ),
    )  # fmt: skip
    excluded_contact_ids: list[int] = _argument(
        [],
        Option(
            type="bigint[]", ids_of="contact",
            flag="--exclude", metavar="CONTACT", help="A contact who is not asked; may be repeated.",
        ),
    )  # fmt: skip
    impl: str | None = _argument(
        None,
        Option(
            type="text",
            choices={"v1": "v1: legacy_finder, up to depth 2", "v2": "v2: deep_finder, from the edges"},
            flag="--impl",
            help="v1: legacy_finder; v2: deep_finder. Default: that of the collection in finder_rollout, else v2.",
            entry=Entry("impl", "Implementation", "implementation {value}", placeholder="default of the collection"),
        ),
    )  # fmt: skip
    time_budget_ms: int = _argument(
        1500,
        Option(
            type="integer", least=1,
            flag="--time-budget", metavar="MS", help="Milliseconds after which the search ends.",
            entry=Entry("budget", "Time budget in ms", "{value} ms", most=LONGEST_BUDGET),
        ),
    )  # fmt: skip
    max_edges_per_hop: int | None = _argument(
        15,
        Option(
            type="integer", least=1, null="all",
            flag="--max-edges-per-hop", metavar="N|all",
            help="Edges of a contact that the search follows; all: no limit.",
        ),
    )  # fmt: skip
    with_names: bool = _argument(False, Option(type="boolean"))
    ids_as_text: bool = _argument(False, Option(type="boolean"))


#: The options by the names of the arguments, in the order of the table.
OPTIONS: Mapping[str, Option] = {each.name: each.metadata["option"] for each in fields(Question) if each.metadata}

#: The arguments that a question always has.
REQUIRED = tuple(each.name for each in fields(Question) if not each.metadata)

#: Values of seed_scope and order_by.
SCOPES, ORDERS = tuple(OPTIONS["seed_scope"].choices), tuple(OPTIONS["order_by"].choices)


def default_of(name: str) -> Any:
    """Return the default of an argument."""
    return getattr(Question(0, 0, 0), name)


def _call() -> LiteralString:
    types = {**dict.fromkeys(REQUIRED, "bigint"), **{name: option.type for name, option in OPTIONS.items()}}
    arguments = ", ".join(f"{name} => %({name})s::{of_sql}" for name, of_sql in types.items())
    call: LiteralString = f"SELECT connection_paths.find_paths({arguments})"
    return call


#: The statement that asks a question; its parameters are ``vars(question)``.
CALL = _call()
