"""What a sweep measures: versions of the finder, and every combination of what they are asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from psycopg import sql

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError

WARM, COLD = "warm", "cold-connection"
CACHES = (WARM, COLD)
SCOPES = ("any", "importer")
LEGACY, DOCUMENT = "legacy", "find_paths"

_DEEP = "bigint, bigint, bigint, integer, integer, text, integer"  # deep_finder's parameters, in its order
_DEPTHS = range(1, 7)
_LEGACY_DEPTHS = range(2, 3)  # legacy_finder cannot be told how deep to go
_NUMBERED = re.compile(r"v[0-9]+")
_QUALIFIED = re.compile(r"([^.]+)\.([^.]+)")


@dataclass(frozen=True)
class Version:
    """A function to be measured: what it is called in the results, and the statement that calls it.

    Every ``statement`` is given deep_finder's seven parameters, and may use fewer. Versions with the same ``rows`` must
    return the same rows. ``depths``: those it can be asked for.
    """

    label: str
    statement: str
    rows: str
    depths: range = _DEPTHS

    def again(self, label: str) -> Version:
        """Return the same under another name: what is compared with itself shows the noise."""
        return replace(self, label=label)


@dataclass(frozen=True)
class Request:
    """What is asked, but for whom and about whom; all versions of a comparison are asked the same."""

    collection: int
    scope: str
    depth: int
    max_paths: int
    cache: str

    @property
    def name(self) -> str:
        """The request in a word that may stand in a file's name: ``c1-any-d4-p25``."""
        cold = "" if self.cache == WARM else "-cold"
        return f"c{self.collection}-{self.scope}-d{self.depth}-p{self.max_paths}{cold}"


def requests(
    collections: Sequence[int],
    scopes: Sequence[str],
    depths: Sequence[int],
    max_paths: Sequence[int],
    caches: Sequence[str],
) -> list[Request]:
    """Return every combination, in the order in which it is measured."""
    return [
        Request(collection, scope, depth, paths, cache)
        for cache, collection, scope, depth, paths in product(caches, collections, scopes, depths, max_paths)
    ]


def resolve(connection: Connection, names: Iterable[str], max_edges_per_hop: int | None) -> list[Version]:
    """Return the versions called *names*, each of which must exist.

    ``v3`` is ``deep_finder_v3``, ``current`` what the plain name calls, ``legacy`` the finder without edges,
    ``find_paths`` the application's entry, and ``SCHEMA.NAME`` any function with deep_finder's parameters. Raises
    :class:`OrchestratorError` for a name that is none of these, or twice there.
    """
    names = list(names)
    for name in names:
        if names.count(name) > 1:
            raise OrchestratorError(f"version {name} is named twice; to compare it with itself: --a-a")
    return [_resolve(connection, name, max_edges_per_hop) for name in names]


def _resolve(connection: Connection, name: str, max_edges_per_hop: int | None) -> Version:
    schema, arguments, rows, depths = "connection_paths", _DEEP, "paths", _DEPTHS
    if name == LEGACY:
        function, arguments, depths = "legacy_finder", "bigint, bigint, bigint, integer, text", _LEGACY_DEPTHS
        # It knows no cap, so it returns what the others return only where they have none.
        rows = "paths" if max_edges_per_hop is None else LEGACY
        called = "$1, $2, $3, $5, $6"
    elif name == DOCUMENT:
        function, rows, called = DOCUMENT, DOCUMENT, "$1, $2, $3, $4, $5, $6"
    elif name == "current":
        function, called = "deep_finder", "$1, $2, $3, $4, $5, $6, $7"
    elif _NUMBERED.fullmatch(name):
        function, called = f"deep_finder_{name}", "$1, $2, $3, $4, $5, $6, $7"
    elif found := _QUALIFIED.fullmatch(name):
        (schema, function), called = found.groups(), "$1, $2, $3, $4, $5, $6, $7"
    else:
        raise OrchestratorError(
            f"there is no version {name}: name v2 or v3, current, {LEGACY}, {DOCUMENT}, or SCHEMA.NAME of a function"
            " with deep_finder's parameters"
        )
    qualified = sql.Identifier(schema, function).as_string(connection)
    if name != DOCUMENT:  # whose other parameters have defaults and are not ours to list
        row = connection.execute("SELECT to_regprocedure(%s) IS NULL", (f"{qualified}({arguments})",)).fetchone()
        if row == (True,):
            raise OrchestratorError(f"there is no function {qualified}({arguments}) in this database")
    statement = f"SELECT * FROM {qualified}({called})"
    return Version(name, statement, rows, depths)
