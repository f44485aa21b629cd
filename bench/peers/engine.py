"""What an engine must do, and the search level by level for those that answer one step at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.peers import walk
from bench.peers.data import Data, Integers, Path, Question


@dataclass(frozen=True)
class Loaded:
    """What loading took: seconds, and megabytes of memory and of files afterwards."""

    seconds: float
    memory: float
    disk: float


class NoAnswer(Exception):
    """The engine has no way to ask this question, or it took too long."""


class Engine(ABC):
    """An engine with the data in it."""

    name: str
    version: str
    #: Why the rows of this engine differ by design, and are not compared.
    note: str = ""

    @abstractmethod
    def load(self, data: Data) -> Loaded:
        """Load the data."""

    @abstractmethod
    def answer(self, question: Question) -> list[Path]:
        """Return the paths, the best first."""

    def processor_seconds(self) -> float:
        """Return the processor seconds of processes other than this one."""
        return 0.0

    def close(self) -> None:  # noqa: B027
        """Stop what was started."""


class StepwiseEngine(Engine):
    """An engine that is asked level by level, as an application that embeds it would.

    A level that fills the request ends the search. The chains are put together by compiled code over arrays.
    """

    @abstractmethod
    def openers(self, question: Question, contacts: Sequence[int]) -> tuple[Integers, Integers]:
        """Return contacts and the users who can open with them, in any order; the scope is applied later."""

    @abstractmethod
    def pairs(self, question: Question, limit: int) -> list[tuple[int, int, int]]:
        """Return the best paths through one neighbour of the target: day, user, neighbour."""

    @abstractmethod
    def best_members(
        self, question: Question, contacts: Sequence[int], wanted: int
    ) -> tuple[Integers, Integers, Integers]:
        """Return contact, neighbour and last day of the *wanted* best members among each one's neighbours.

        The best edge of a contact comes first.
        """

    def answer(self, question: Question) -> list[Path]:
        """Search level by level."""
        _, users = self.openers(question, [question.target])
        mine = sorted(
            (user != question.viewer, user)
            for user in users.tolist()
            if user == question.viewer or not question.importer
        )
        paths = [Path(1, user, (question.target,), -1) for _, user in mine[: question.max_paths]]
        missing = question.max_paths - len(paths)
        if question.depth >= 2 and missing:
            found = self.pairs(question, missing)
            paths += [Path(2, user, (contact, question.target), day) for day, user, contact in found]
        if question.depth >= 3 and len(paths) < question.max_paths:
            paths += self._longer(question, question.max_paths - len(paths))
        return paths

    def _longer(self, question: Question, missing: int) -> list[Path]:
        ids = np.array([question.target], np.int64)
        chains, days = np.zeros((1, 1), np.int64), np.full(1, -1, np.int64)
        known: list[tuple[Integers, Integers, Integers]] = []
        asked: set[int] = set()
        paths: list[Path] = []
        for depth in range(2, question.depth + 1):
            ends = [contact for contact in dict.fromkeys(ids[chains[:, -1]].tolist()) if contact not in asked]
            asked.update(ends)
            if ends:
                known.append(self.best_members(question, ends, question.cap + question.depth))
            source, neighbour, day = (np.concatenate(parts) for parts in zip(*known, strict=True))
            order = np.argsort(source, kind="stable")
            source, neighbour, day = source[order], neighbour[order], day[order]
            old = ids[chains]
            ids = np.unique(np.concatenate([source, neighbour, [question.target]]))
            chains = np.searchsorted(ids, old)
            starts = walk.starts_of(np.searchsorted(ids, source), len(ids))
            chains, days = walk.longer_chains(
                chains,
                days,
                starts,
                np.searchsorted(ids, neighbour),
                day,
                question.cap,
                self.today,
                chains[:, -1].copy(),
            )
            if depth == 2 or not len(chains):
                continue  # depth 2 is complete already
            contacts, users = self.openers(question, np.unique(ids[chains[:, -1]]).tolist())
            order = np.argsort(contacts, kind="stable")
            users_of = walk.starts_of(np.searchsorted(ids, contacts[order]), len(ids))
            rows = walk.best_paths(
                chains, days, users_of, users[order], ids, question.viewer, question.importer, missing,
                np.arange(len(ids)),
            )  # fmt: skip
            paths += path_rows(rows, depth)
            missing -= len(rows)
            if not missing:
                break
        return paths

    today: int


def path_rows(rows: Integers, depth: int) -> list[Path]:
    """Return the rows of the compiled search as paths."""
    return [Path(depth, row[2], tuple(row[3 : 3 + depth]), row[0]) for row in rows.tolist()]


def own_memory() -> float:
    """Return the private memory of this process in MB."""
    return memory_of("self")


def memory_of(process: int | str) -> float:
    """Return the private memory of a process in MB."""
    with open(f"/proc/{process}/status", encoding="utf-8") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:")) / 1024


def integers(values: object) -> Integers:
    """Return *values* as an array."""
    return np.asarray(values, dtype=np.int64)
