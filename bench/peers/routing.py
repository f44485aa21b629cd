"""pgRouting on PostgreSQL 15: a breadth-first search over the edges of the target.

Its searches return one path to each contact that is reached, the shortest. So it can say who leads to the target over
one edge, but not which paths of three contacts there are, nor through which best edges.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path as File

import psycopg

from bench.peers.data import Data, Path, Question
from bench.peers.engine import Engine, Loaded, NoAnswer
from orchestrator.core.embedded import serve_temporarily

BINARIES = File("/usr/lib/postgresql/15/bin")
_TABLES = """
    CREATE EXTENSION pgrouting CASCADE;
    CREATE TABLE edges (id bigint, source bigint, target bigint, day bigint);
    CREATE TABLE members (collection bigint, contact bigint, opener bigint)"""
_INDEXES = """
    CREATE INDEX ON edges (source); CREATE INDEX ON edges (target); CREATE INDEX ON edges (id);
    CREATE INDEX ON members (collection, contact, opener)"""
_QUERY = """
    SELECT 1, m.opener, ARRAY[m.contact], -1::bigint
    FROM members AS m
    WHERE m.collection = %(collection)s AND m.contact = %(target)s AND (NOT %(importer)s OR m.opener = %(viewer)s)
    UNION ALL
    SELECT 2, m.opener, ARRAY[m.contact, %(target)s], least(e.day, %(today)s)
    FROM pgr_breadthFirstSearch(
        format(
            'SELECT id, source, target, 1.0 AS cost FROM edges WHERE source = %%1$s OR target = %%1$s',
            %(target)s::bigint
        ),
        %(target)s::bigint, 1, directed => false
    ) AS found
    JOIN edges AS e ON e.id = found.edge
    JOIN members AS m ON m.collection = %(collection)s AND m.contact = found.node
    WHERE found.depth = 1 AND %(depth)s >= 2 AND (NOT %(importer)s OR m.opener = %(viewer)s)"""
_ORDERED = """
    SELECT p.depth, p.opener, p.contacts, p.day
    FROM ({}) AS p (depth, opener, contacts, day)
    ORDER BY p.depth, p.day DESC, p.opener = %(viewer)s DESC, p.opener, p.contacts
    LIMIT %(limit)s"""


class Routing(Engine):
    """A private server of its own."""

    name = "pgRouting"

    def __init__(self) -> None:
        self._stack = ExitStack()
        settings = {"shared_buffers": "1GB", "maintenance_work_mem": "512MB", "max_wal_size": "4GB", "jit": "off"}
        _, dsn = self._stack.enter_context(serve_temporarily(binaries=BINARIES, settings=settings))
        self._db = self._stack.enter_context(psycopg.connect(dsn, autocommit=True))
        self._db.execute(_TABLES.encode())
        row = self._db.execute("SELECT pgr_version()").fetchone()
        assert row is not None
        self.version = str(row[0])

    def load(self, data: Data) -> Loaded:
        """Copy the rows and build indexes."""
        self._today = data.today
        started = time.perf_counter()
        with self._db.cursor() as cursor:
            with cursor.copy("COPY edges FROM STDIN") as copy:
                for first in range(0, len(data.first), 100_000):
                    part = slice(first, first + 100_000)
                    rows = zip(
                        data.first[part].tolist(), data.second[part].tolist(), data.last_day[part].tolist(), strict=True
                    )
                    copy.write("".join(f"{n}\t{a}\t{b}\t{d}\n" for n, (a, b, d) in enumerate(rows, first)))
            with cursor.copy("COPY members FROM STDIN") as copy:
                for row in zip(data.collection.tolist(), data.contact.tolist(), data.user.tolist(), strict=True):
                    copy.write_row(row)
        self._db.execute(_INDEXES.encode())
        self._db.prepare_threshold = 0
        self._db.execute("VACUUM (ANALYZE)")
        seconds = time.perf_counter() - started
        size = self._db.execute("SELECT pg_total_relation_size('edges') + pg_total_relation_size('members')").fetchone()
        assert size is not None
        return Loaded(seconds, 0.0, size[0] / 1e6)

    def answer(self, question: Question) -> list[Path]:
        """Search the neighbours of the target."""
        if question.depth > 2:
            raise NoAnswer("not expressible")
        rows = self._db.execute(
            _ORDERED.format(_QUERY).encode(),
            {
                "target": question.target, "collection": question.collection, "viewer": question.viewer,
                "depth": question.depth, "importer": question.importer, "today": self._today,
                "limit": question.max_paths,
            },
        ).fetchall()  # fmt: skip
        return [Path(depth, user, tuple(contacts), day) for depth, user, contacts, day in rows]

    def processor_seconds(self) -> float:
        """Return the processor seconds of the server process."""
        return int(File(f"/proc/{self._db.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9

    def close(self) -> None:
        """Stop the server."""
        self._stack.close()
