"""Ladybug, the successor of Kuzu: contacts are nodes, edges are relations in both directions.

The users of a collection are a list in a property of the contact. So membership needs no join.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path as File
from typing import Any

import duckdb
import ladybug
import numpy as np

from bench.peers.data import Data, Integers, Question
from bench.peers.engine import Loaded, StepwiseEngine, integers, own_memory

_SHIFT = 2**32  # a day and a contact in one number, which orders edges as we do
_BUFFERS = 2 * 1024**3  # bytes


class Ladybug(StepwiseEngine):
    """An embedded graph database in a file, asked in Cypher."""

    name = "Ladybug"
    version = str(ladybug.__version__)

    def __init__(self, directory: File) -> None:
        self._directory = directory
        self._db = ladybug.Connection(ladybug.Database(str(directory / "peers.ladybug"), buffer_pool_size=_BUFFERS))

    def load(self, data: Data) -> Loaded:
        """Copy the nodes and edges from Parquet files, which is its fastest way; writing the files is not timed."""
        begin, end, day = data.directed
        self._collections = np.unique(data.collection).tolist()
        self.today = data.today
        nodes, edges = self._directory / "nodes.parquet", self._directory / "edges.parquet"
        given = {"id": np.unique(np.concatenate([begin, data.contact]))}  # noqa: F841
        members = {"collection": data.collection, "contact": data.contact, "user": data.user}  # noqa: F841
        lists = "".join(
            f', (SELECT list("user") FROM members AS m WHERE m.collection = {c} AND m.contact = g.id) AS c{c}'
            for c in self._collections
        )
        edge_columns = {"begin": begin, "end": end, "day": day}  # noqa: F841
        with duckdb.connect() as writer:
            writer.execute(f"COPY (SELECT g.id{lists} FROM given AS g ORDER BY g.id) TO '{nodes}' (FORMAT parquet)")
            writer.execute(f"COPY (SELECT * FROM edge_columns) TO '{edges}' (FORMAT parquet)")
        before, started = own_memory(), time.perf_counter()
        columns = "".join(f", c{c} INT64[]" for c in self._collections)
        self._db.execute(f"CREATE NODE TABLE Contact(id INT64 PRIMARY KEY{columns})")
        self._db.execute("CREATE REL TABLE Edge(FROM Contact TO Contact, day INT64)")
        self._db.execute(f"COPY Contact FROM '{nodes}'")
        self._db.execute(f"COPY Edge FROM '{edges}'")
        self._db.execute("CHECKPOINT")
        seconds = time.perf_counter() - started
        disk = sum(path.stat().st_size for path in self._directory.glob("peers.ladybug*"))
        nodes.unlink()
        edges.unlink()
        return Loaded(seconds, own_memory() - before, disk / 1e6)

    def openers(self, question: Question, contacts: Sequence[int]) -> tuple[Integers, Integers]:
        """Return contacts and their users."""
        column = f"c.c{question.collection}"
        rows = self._rows(
            f"MATCH (c:Contact) WHERE c.id IN $ids AND {column} IS NOT NULL RETURN c.id, {column}",
            {"ids": list(contacts)},
        )
        pairs = [(contact, user) for contact, users in rows for user in users]
        return integers([contact for contact, _ in pairs]), integers([user for _, user in pairs])

    def pairs(self, question: Question, limit: int) -> list[tuple[int, int, int]]:
        """Return the best paths through one neighbour."""
        column = f"x.c{question.collection}"
        scope = f"WHERE u = {question.viewer}" if question.importer else ""
        rows = self._rows(
            f"""MATCH (t:Contact {{id: $target}})-[e:Edge]->(x:Contact) WHERE {column} IS NOT NULL
            UNWIND {column} AS u
            WITH CASE WHEN e.day < {self.today} THEN e.day ELSE {self.today} END AS day, u, x.id AS contact {scope}
            RETURN day, u, contact ORDER BY day DESC, u = {question.viewer} DESC, u, contact LIMIT {limit}""",
            {"target": question.target},
        )
        return [(day, user, contact) for day, user, contact in rows]

    def best_members(
        self, question: Question, contacts: Sequence[int], wanted: int
    ) -> tuple[Integers, Integers, Integers]:
        """Return the best members among each one's neighbours."""
        rows = self._rows(
            f"""MATCH (f:Contact)-[e:Edge]->(x:Contact)
            WHERE f.id IN $ids AND x.c{question.collection} IS NOT NULL
            WITH f.id AS f, collect((e.day + 1) * {_SHIFT} - x.id) AS keys
            RETURN f, list_reverse_sort(keys)[1:{wanted}]""",
            {"ids": list(contacts)},
        )
        return unpacked(rows)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _rows(self, query: str, parameters: dict[str, object]) -> list[Any]:
        found: Any = self._db.execute(query, parameters)
        return list(found.get_all())


def unpacked(rows: Sequence[tuple[int, Sequence[int]]]) -> tuple[Integers, Integers, Integers]:
    """Return contact, neighbour and day of contacts with lists of keys, the best first."""
    keys = integers([key for _, listed in rows for key in listed])
    contacts = np.repeat(integers([contact for contact, _ in rows]), [len(listed) for _, listed in rows])
    return contacts, -keys % _SHIFT, (keys - 1) // _SHIFT
