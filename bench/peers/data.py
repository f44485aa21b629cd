"""The data that every engine loads: edges and the members of some collections, as arrays read from PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestrator.core.database import Connection

Integers = npt.NDArray[np.int64]

#: The last day of an edge that goes on, as days since 1970: later than any date of a career.
ONGOING = 3_000_000
_HEADER = 19  # bytes of COPY's binary format before the first row
_EDGES = f"""
    SELECT e.contact_a_id, e.contact_b_id,
        CASE WHEN isfinite(e.date_to) THEN (e.date_to - DATE '1970-01-01')::bigint ELSE {ONGOING} END
    FROM connection_paths.contact_connections AS e"""
_MEMBERS = """
    SELECT DISTINCT m.collection_id, m.contact_id, m.user_id
    FROM connection_paths.collection_members AS m
    WHERE m.collection_id = ANY ('{%s}')
    ORDER BY 1, 2, 3"""


@dataclass(frozen=True)
class Question:
    """A call of a finder; ``viewer`` opens alone in the scope of an importer."""

    target: int
    collection: int
    viewer: int
    depth: int
    max_paths: int
    importer: bool
    cap: int = 15  # best edges through which a search goes on, from depth 3


@dataclass(frozen=True)
class Path:
    """A path in an answer; the contacts are from the first one to the target, ``day`` is its recency, or -1."""

    depth: int
    user: int
    contacts: tuple[int, ...]
    day: int


@dataclass(frozen=True)
class Data:
    """Edges (both ends, last day) and members (collection, contact, user), and which day is today."""

    first: Integers
    second: Integers
    last_day: Integers
    collection: Integers
    contact: Integers
    user: Integers
    today: int

    @cached_property
    def directed(self) -> tuple[Integers, Integers, Integers]:
        """Each edge in both directions: from, to, last day; in the order of the first, best edge first."""
        begin, end = np.concatenate([self.first, self.second]), np.concatenate([self.second, self.first])
        day = np.concatenate([self.last_day, self.last_day])
        order = np.lexsort((end, -day, begin))
        return begin[order], end[order], day[order]


def read(connection: Connection, collections: Sequence[int]) -> Data:
    """Read all edges, and the members of *collections*."""
    today = connection.execute("SELECT CURRENT_DATE - DATE '1970-01-01'").fetchone()
    assert today is not None
    first, second, last_day = _columns(connection, _EDGES)
    collection, contact, user = _columns(connection, _MEMBERS % ",".join(map(str, collections)))
    return Data(first, second, last_day, collection, contact, user, int(today[0]))


def _columns(connection: Connection, query: str) -> Sequence[Integers]:
    """Return the three bigint columns of *query*, none of them NULL."""
    row = np.dtype(
        [("fields", ">i2"), *((f"{kind}{n}", ">i4" if kind == "l" else ">i8") for n in range(3) for kind in "lv")]
    )
    chunks: list[bytes] = []
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT binary)".encode()) as copy:
        for chunk in copy:
            chunks.append(bytes(chunk))
    data: npt.NDArray[Any] = np.frombuffer(b"".join(chunks)[_HEADER:-2], dtype=row)
    return [data[f"v{number}"].astype(np.int64) for number in range(3)]
