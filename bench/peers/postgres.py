"""The installed package, and what is compared with it in the same server: recursive SQL and earlier generations."""

from __future__ import annotations

from datetime import date
from pathlib import Path as File

import psycopg

from bench.peers.data import Data, Path, Question
from bench.peers.engine import Engine, Loaded, NoAnswer
from bench.world import one, sizes
from orchestrator.core.database import connect

_EPOCH = date(1970, 1, 1)


class Finder(Engine):
    """A function that returns a row for each path; ``deepest`` is the greatest depth that it knows."""

    def __init__(
        self, dsn: str, name: str, function: str, *, deepest: int = 6, note: str = "", timeout: int = 10
    ) -> None:
        self.name, self.note = name, note
        self._deepest, self._timeout = deepest, timeout
        arguments = "%s, %s, %s, %s, %s, %s" if deepest > 2 else "%s, %s, %s, %s, %s"
        self._query = f"SELECT r.depth, r.user_id, r.contact_ids, r.recency FROM {function}({arguments}) AS r"
        self._connection = connect(dsn, settings={"statement_timeout": f"{timeout}s"})
        self._connection.prepare_threshold = 0
        self._stat = File(f"/proc/{self._connection.info.backend_pid}/schedstat")
        self.version = f"PostgreSQL {one(self._connection, 'SHOW server_version')}"

    def load(self, data: Data) -> Loaded:  # noqa: ARG002
        """Do nothing: the data is there; return the size of what finders read."""
        return Loaded(0.0, 0.0, sum(sizes(self._connection).values()) / 1e6)

    def answer(self, question: Question) -> list[Path]:
        """Call the function."""
        if question.depth > self._deepest:
            raise NoAnswer("not expressible")
        scope = "importer" if question.importer else "any"
        arguments: list[object] = [question.target, question.collection, question.viewer]
        arguments += [question.depth] * (self._deepest > 2) + [question.max_paths, scope]
        try:
            rows = self._connection.execute(self._query.encode(), arguments, binary=True).fetchall()
        except psycopg.errors.QueryCanceled as error:
            raise NoAnswer(f"> {self._timeout} s") from error
        return [
            Path(depth, user, tuple(contacts), -1 if recency is None else (recency - _EPOCH).days)
            for depth, user, contacts, recency in rows
        ]

    def processor_seconds(self) -> float:
        """Return the processor seconds of the server process."""
        return int(self._stat.read_text().split()[0]) / 1e9

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
