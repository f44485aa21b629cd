"""The matrix of a sweep: finders, and the combinations of arguments that each of them is called with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from psycopg import sql

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import schema_of
from orchestrator.finders.question import DEEPEST, ORDERS

FIND_PATHS, DEEP_FINDER, LEGACY_FINDER = "find_paths", "deep_finder", "legacy_finder"

_SEVEN_TYPES = "bigint, bigint, bigint, integer, integer, text, integer"
_SEVEN = "$1, $2, $3, $4, $5, $6, $7"
_ONE_ORDER = ORDERS[:1]
_PATHS = "paths"  # a row per path and user
_DEPTHS = range(1, DEEPEST + 1)
_LEGACY_DEPTHS = range(2, 3)  # legacy_finder has no depth parameter; it returns what deep_finder does at depth 2
_QUALIFIED = re.compile(r"([^.]+)\.([^.]+)")


@dataclass(frozen=True)
class Finder:
    """A function to measure: its name in the results, and the statement that calls it.

    Every ``statement`` gets deep_finder's first eight parameters and may use fewer. Finders with the same ``rows`` must
    return the same rows. ``depths`` and ``orders`` are those that the function can search to and rank by.
    """

    name: str
    statement: str
    rows: str
    depths: range = _DEPTHS
    orders: Sequence[str] = ORDERS

    def can(self, combination: Combination) -> bool:
        """Return whether the function takes these arguments."""
        return combination.depth in self.depths and combination.order in self.orders

    def again(self) -> Finder:
        """Return the same finder under a second name, to compare it with itself."""
        return replace(self, name=f"{self.name}-again")


@dataclass(frozen=True)
class Combination:
    """Arguments of a call, except the target and the viewer."""

    collection: int
    scope: str
    depth: int
    max_paths: int
    order: str = ORDERS[0]

    @property
    def name(self) -> str:
        """Return a short name: ``c1-any-d4-p25``, or ``c1-any-d4-p25-strength``."""
        order = "" if self.order == ORDERS[0] else f"-{self.order}"
        return f"c{self.collection}-{self.scope}-d{self.depth}-p{self.max_paths}{order}"


@dataclass(frozen=True)
class Matrix:
    """What to measure: each finder with every combination of the other values.

    Without ``collections``, a large, a middling and a small one are chosen. Without ``contacts``, ``targets`` contacts
    are drawn; without a ``viewer``, users with many and with few contacts are chosen. ``versus``: the two finders are
    compared with each other. ``against_itself``: the only finder is compared with itself.
    """

    finders: Sequence[str] = (DEEP_FINDER,)
    depths: Sequence[int] = (1, 2, 3, 4)
    max_paths: Sequence[int] = (25,)
    scopes: Sequence[str] = ("any",)
    orders: Sequence[str] = ORDERS[:1]
    collections: Sequence[int] = ()
    targets: int = 25
    contacts: Sequence[int] = ()
    viewer: int | None = None
    versus: bool = False
    against_itself: bool = False

    def combinations(self, collections: Iterable[int]) -> list[Combination]:
        """Return every combination in *collections*, in the order of measuring."""
        return [
            Combination(collection, scope, depth, paths, order)
            for collection, scope, order, depth, paths in product(
                collections, self.scopes, self.orders, self.depths, self.max_paths
            )
        ]

    def resolve(self, connection: Connection) -> list[Finder]:
        """Return the finders. Raises :class:`OrchestratorError` when one does not exist, or their number is wrong."""
        finders = [resolve(connection, name) for name in self.finders]
        if self.against_itself:
            if len(finders) != 1:
                raise OrchestratorError("--a-a compares one finder with itself; give exactly one finder")
            return [finders[0], finders[0].again()]
        if self.versus and len(finders) != 2:
            raise OrchestratorError("--versus compares two finders; give two, as in legacy_finder,deep_finder")
        return finders


def resolve(connection: Connection, name: str) -> Finder:
    """Return the finder of that name: ours, or ``SCHEMA.NAME`` with deep_finder's first seven parameters.

    Raises :class:`OrchestratorError` when there is no such function.
    """
    own = schema_of(connection)
    if name == FIND_PATHS:  # it returns one document; the parameters between have defaults
        call = "$1, $2, $3, $4, $5, $6, max_edges_per_hop => $7, order_by => $8"
        return Finder(name, f"SELECT * FROM {own}.{name}({call})", rows=FIND_PATHS)
    if name == DEEP_FINDER:
        return Finder(name, f"SELECT * FROM {own}.{name}({_SEVEN}, order_by => $8)", rows=_PATHS)
    if name == LEGACY_FINDER:
        call = f"SELECT * FROM {own}.{name}($1, $2, $3, $5, $6)"
        return Finder(name, call, rows=_PATHS, depths=_LEGACY_DEPTHS, orders=_ONE_ORDER)
    found = _QUALIFIED.fullmatch(name)
    if found is None:
        raise OrchestratorError(
            f"there is no finder {name}; give {FIND_PATHS}, {DEEP_FINDER}, {LEGACY_FINDER}, or SCHEMA.NAME of a"
            " function with deep_finder's first seven parameters"
        )
    qualified = sql.Identifier(*found.groups()).as_string(connection)
    row = connection.execute("SELECT to_regprocedure(%s) IS NULL", (f"{qualified}({_SEVEN_TYPES})",)).fetchone()
    if row == (True,):
        raise OrchestratorError(f"there is no function {qualified}({_SEVEN_TYPES}) in this database")
    return Finder(name, f"SELECT * FROM {qualified}({_SEVEN})", rows=_PATHS, orders=_ONE_ORDER)
