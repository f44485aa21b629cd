"""DuckDB: edges in both directions, sorted by contact and best edge first, so that it reads few row groups."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path as File

import duckdb

from bench.peers.data import Data, Integers, Question
from bench.peers.engine import Loaded, StepwiseEngine, integers, own_memory


class DuckDB(StepwiseEngine):
    """An embedded database in a file; questions are one statement a level."""

    name = "DuckDB"
    version = duckdb.__version__

    def __init__(self, directory: File) -> None:
        self._file = directory / "peers.duckdb"

    def load(self, data: Data) -> Loaded:
        """Fill the tables from the arrays."""
        before, started = own_memory(), time.perf_counter()
        self._file.unlink(missing_ok=True)
        self._db = duckdb.connect(str(self._file))
        begin, end, day = data.directed
        given = {"begin": begin, "end": end, "day": day}
        self._db.execute(
            'CREATE TABLE edges AS SELECT begin::INTEGER AS begin, "end"::INTEGER AS neighbour, day::INTEGER AS day'
            " FROM given"
        )
        members = {"collection": data.collection, "contact": data.contact, "user": data.user}
        self._db.execute(
            "CREATE TABLE members AS"
            ' SELECT collection::INTEGER AS collection, contact::INTEGER AS contact, "user" AS opener'
            " FROM members ORDER BY collection, contact, opener"
        )
        self._db.execute("CREATE TABLE collections AS SELECT DISTINCT collection, contact FROM members ORDER BY 1, 2")
        self._db.execute("CHECKPOINT")
        self.today = data.today
        del given, members
        return Loaded(time.perf_counter() - started, own_memory() - before, self._file.stat().st_size / 1e6)

    def openers(self, question: Question, contacts: Sequence[int]) -> tuple[Integers, Integers]:
        """Return contacts and their users."""
        found = self._db.execute(
            "SELECT contact, opener FROM members"
            f" WHERE collection = {question.collection} AND contact IN ({_listed(contacts)})"
        ).fetchnumpy()
        return integers(found["contact"]), integers(found["opener"])

    def pairs(self, question: Question, limit: int) -> list[tuple[int, int, int]]:
        """Return the best paths through one neighbour."""
        scope = f"AND m.opener = {question.viewer}" if question.importer else ""
        found: list[tuple[int, int, int]] = self._db.execute(
            f"""SELECT least(e.day, {self.today}) AS recency, m.opener, e.neighbour
            FROM edges AS e
            JOIN members AS m ON m.contact = e.neighbour
            WHERE e.begin = {question.target} AND m.collection = {question.collection} {scope}
            ORDER BY recency DESC, m.opener = {question.viewer} DESC, m.opener, e.neighbour
            LIMIT {limit}"""
        ).fetchall()
        return found

    def best_members(
        self, question: Question, contacts: Sequence[int], wanted: int
    ) -> tuple[Integers, Integers, Integers]:
        """Return the best members among each one's neighbours."""
        found = self._db.execute(
            f"""SELECT e.begin, e.neighbour, e.day
            FROM edges AS e
            SEMI JOIN (SELECT c.contact FROM collections AS c WHERE c.collection = {question.collection}) AS c
                ON c.contact = e.neighbour
            WHERE e.begin IN ({_listed(contacts)})
            QUALIFY row_number() OVER (PARTITION BY e.begin ORDER BY e.day DESC, e.neighbour) <= {wanted}
            ORDER BY e.begin, e.day DESC, e.neighbour"""
        ).fetchnumpy()
        return integers(found["begin"]), integers(found["neighbour"]), integers(found["day"])

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _listed(contacts: Sequence[int]) -> str:
    return ", ".join(map(str, contacts))
