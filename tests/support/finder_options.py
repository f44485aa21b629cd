"""What the tests know of each option of the finders, in one table: the fields of :class:`Call`.

A field says which values random calls have, which values the functions accept and refuse, and, of a filter on edges,
which edges stay. ``oracle_paths`` and the calls of the functions are made from this table.
"""

# ruff: noqa: RUF009 - option returns a field of a dataclass

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from random import Random
from typing import Any

from tests.support.world import DAYS, GHOST_CONTACT_IDS, USER_IDS, WORK_OVERLAP, Edge, World

LARGEST_INTEGER, LARGEST_ID = 2**31 - 1, 2**63 - 1


@dataclass(frozen=True)
class Order:
    """What comes first under a value of order_by: the smaller number. Of equal ones, those that end last."""

    edge: Callable[[Edge], int]
    path: Callable[[Sequence[Edge]], int]


def weakest(path: Sequence[Edge]) -> int | None:
    """“The weakest link's strength”. Depth 1 has no link."""
    return min((edge.strength for edge in path), default=None)


ORDERS: Mapping[str, Order] = {
    "recency": Order(edge=lambda _: 0, path=lambda _: 0),
    "strength": Order(edge=lambda edge: -edge.strength, path=lambda path: -(weakest(path) or 0)),
}


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What the tests know of an option."""

    argument: str = ""  # of the functions, where the field has a shorter name
    random: Callable[[Random, World], Any]  # a value for a random call
    accepted: Sequence[Any] = ()  # at the limits
    refused: Sequence[Any] = ()  # out of range
    keeps: Callable[[Edge, Any], bool] | None = None  # of a filter on edges: whether an edge passes; never with NULL
    is_early: bool = False  # the earlier generations of the finders, in bench/generations, have it
    is_of_rows: bool = True  # deep_finder has it


def option(default: Any, tested: Tested) -> Any:
    return field(default=default, metadata={"tested": tested})


def some(dice: Random, values: Sequence[Any], most: int) -> tuple[Any, ...]:
    """One to *most* of the values."""
    return tuple(dice.choice(values) for _ in range(dice.randint(1, most)))


def organizations(dice: Random, world: World) -> tuple[int, ...]:
    return some(dice, (*sorted(world.organizations), 999), 3)


@dataclass(frozen=True)
class Call:
    """Arguments of a finder. With the defaults it finds every path in a small world.

    The first five depend on the size of a world: ``random_calls`` draws them.
    """

    target: int
    collection: int = 1
    viewer: int = 1
    max_depth: int = 4
    max_edges_per_hop: int | None = None
    max_paths: int = option(
        1000,
        Tested(
            is_early=True,
            random=lambda dice, _: dice.choice((1, 2, 3, 5, 8, 13, 25, 25, 100, 1000)),
            accepted=(1, 1000),
            refused=(0, 1001, None),
        ),
    )
    seed_scope: str = option(
        "any",
        Tested(
            is_early=True,
            random=lambda dice, _: dice.choice(("any", "any", "importer")),
            accepted=("any", "importer"),
            refused=("x", "", "ANY", None),
        ),
    )
    excluded: tuple[int, ...] = option(
        (),
        Tested(
            argument="excluded_contact_ids",
            is_of_rows=False,
            random=lambda dice, world: dice.choice(
                ((), (), some(dice, (*sorted(world.contacts), GHOST_CONTACT_IDS[0]), 2 + len(world.contacts) // 8))
            ),
            accepted=((), (LARGEST_ID, -(2**63), LARGEST_ID), tuple(range(10_000)), (1,) * 10_000),
            refused=((1,) * 10_001, tuple(range(10_001)), None),
        ),
    )
    order_by: str = option(
        "recency",
        Tested(
            random=lambda dice, _: dice.choice(tuple(ORDERS)),
            accepted=tuple(ORDERS),
            refused=("x", "", "STRENGTH", None),
        ),
    )
    kinds: tuple[str, ...] | None = option(
        None,
        Tested(
            keeps=lambda edge, kinds: edge.kind in kinds,
            random=lambda dice, _: dice.choice((None, None, (WORK_OVERLAP,), (WORK_OVERLAP, WORK_OVERLAP))),
            accepted=(None, ("work_overlap",), ("work_overlap",) * 2, (("work_overlap",), ("work_overlap",))),
            refused=((), ("x",), ("work_overlap", "x"), (("work_overlap",), ("x",))),
        ),
    )
    min_strength: int | None = option(
        None,
        Tested(
            keeps=lambda edge, least: edge.strength >= least,
            random=lambda dice, _: dice.choice((*[None] * 6, 0, 5, 20, 30, 50, 60, 80, 100)),
            accepted=(None, 0, 100),
            refused=(-1, 101),
        ),
    )
    ended_after: date | None = option(
        None,
        Tested(
            keeps=lambda edge, day: edge.date_to is None or edge.date_to >= day,
            random=lambda dice, _: dice.choice((*[None] * 8, *DAYS)),
            accepted=(None, "-infinity", "infinity", "2020-01-01"),
        ),
    )
    via_organization_ids: tuple[int, ...] | None = option(
        None,
        Tested(
            keeps=lambda edge, organizations: edge.organization_id in organizations,
            random=lambda dice, world: dice.choice((None, None, organizations(dice, world))),
            accepted=(None, (LARGEST_ID,), (1,) * 1000),
            refused=((), (1,) * 1001),
        ),
    )
    not_via_organization_ids: tuple[int, ...] | None = option(
        None,
        Tested(
            keeps=lambda edge, organizations: edge.organization_id not in organizations,
            random=lambda dice, world: dice.choice((None, organizations(dice, world))),
            accepted=(None, (), (LARGEST_ID,), (1,) * 1000),
            refused=((1,) * 1001,),
        ),
    )
    openers: tuple[int, ...] | None = option(
        None,
        Tested(
            argument="opener_user_ids",
            random=lambda dice, _: dice.choice(
                (*[None] * 16, USER_IDS[:1], USER_IDS[:2], USER_IDS[1:3], (*USER_IDS[2:], USER_IDS[2]), (999,))
            ),
            accepted=(None, (LARGEST_ID,), (1,) * 1000),
            refused=((), (1,) * 1001),
        ),
    )
    max_per_introducer: int | None = option(
        None,
        Tested(
            random=lambda dice, _: dice.choice((*[None] * 4, 1, 2, 3, 5)),
            accepted=(None, 1, LARGEST_INTEGER),
            refused=(0, -1),
        ),
    )

    def of_legacy(self) -> Call:
        """The call as legacy_finder understands it: at most two contacts, every edge."""
        return replace(self, max_depth=min(self.max_depth, 2), max_edges_per_hop=None)

    def of_rows(self) -> Call:
        """The call as deep_finder understands it: without the options that only find_paths has."""
        defaults: dict[str, Any] = {each.name: each.default for each in fields(self)}
        return replace(self, **{name: defaults[name] for name, each in TESTED.items() if not each.is_of_rows})

    def plain(self) -> Call:
        """The call with the arguments that every generation of the finders knows: by recency, without filters."""
        return Call(
            self.target, self.collection, self.viewer, self.max_depth, self.max_edges_per_hop,
            **{name: getattr(self, name) for name, each in TESTED.items() if each.is_early},
        )  # fmt: skip

    @property
    def filters(self) -> tuple[tuple[str, Any], ...]:
        """The filters on edges that are set, with their values."""
        return tuple((name, getattr(self, name)) for name in FILTERS if getattr(self, name) is not None)

    def arguments(self, which: Callable[[Tested], bool]) -> dict[str, Any]:
        """Some of the options by the names of the arguments; max_depth and max_edges_per_hop always."""
        chosen = {each.argument or name: getattr(self, name) for name, each in TESTED.items() if which(each)}
        return {
            "max_depth": self.max_depth,
            "max_edges_per_hop": self.max_edges_per_hop,
            **{name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()},
        }


#: The options by the names of the fields of Call, without the first five.
TESTED: Mapping[str, Tested] = {each.name: each.metadata["tested"] for each in fields(Call) if each.metadata}
#: The filters on edges: “all before any limit”: an edge that does not pass does not exist for the search.
FILTERS: Mapping[str, Callable[[Edge, Any], bool]] = {
    name: each.keeps for name, each in TESTED.items() if each.keeps is not None
}


def random_options(dice: Random, world: World) -> dict[str, Any]:
    """A random value for each option of the table; half of the calls have no filter on edges."""
    without: Mapping[str, Any] = dice.choice((FILTERS, {}))
    return {name: each.random(dice, world) for name, each in TESTED.items() if name not in without}
