"""Arrays in memory and compiled code: the floor, which no database reaches."""

from __future__ import annotations

import time

import numba
import numpy as np

from bench.peers import walk
from bench.peers.data import Data, Integers, Path, Question
from bench.peers.engine import Engine, Loaded, own_memory, path_rows


class Arrays(Engine):
    """Neighbours of a contact lie side by side, the best edge first; a collection has an array of its members."""

    name = "arrays in memory"
    version = f"numba {numba.__version__}"

    def load(self, data: Data) -> Loaded:
        """Build the arrays."""
        before, started = own_memory(), time.perf_counter()
        begin, end, day = data.directed
        self._ids = np.unique(np.concatenate([begin, data.contact]))
        self._starts = walk.starts_of(np.searchsorted(self._ids, begin), len(self._ids))
        self._neighbours = np.searchsorted(self._ids, end).astype(np.int32)
        self._days = day.astype(np.int32)
        self._collections: dict[int, tuple[Integers, Integers, Integers]] = {}
        for collection in np.unique(data.collection).tolist():
            mine = data.collection == collection
            contacts, users = np.searchsorted(self._ids, data.contact[mine]), data.user[mine]
            members, first = np.unique(contacts, return_index=True)
            places = np.full(len(self._ids), -1, np.int64)
            places[members] = np.arange(len(members))
            self._collections[collection] = places, np.append(first, len(contacts)).astype(np.int64), users
        self._today = data.today
        loaded = Loaded(time.perf_counter() - started, own_memory() - before, 0.0)
        for importer in (False, True):  # compiles the search
            self.answer(Question(int(begin[0]), int(data.collection[0]), -1, 4, 25, importer))
        return loaded

    def answer(self, question: Question) -> list[Path]:
        """Search level by level."""
        places, users_of, users = self._collections[question.collection]
        target = int(np.searchsorted(self._ids, question.target))
        mine: list[tuple[bool, int]] = []
        if places[target] >= 0:
            opening = users[users_of[places[target]] : users_of[places[target] + 1]].tolist()
            mine = sorted((u != question.viewer, u) for u in opening if u == question.viewer or not question.importer)
        paths = [Path(1, user, (question.target,), -1) for _, user in mine[: question.max_paths]]
        missing = question.max_paths - len(paths)
        if question.depth >= 2 and missing:
            rows = walk.best_pairs(
                target, self._starts, self._neighbours, self._days, places, users_of, users, self._ids,
                question.viewer, question.importer, missing, self._today,
            )  # fmt: skip
            paths += path_rows(rows, 2)
            missing -= len(rows)
        if question.depth >= 3 and missing:
            paths += self._longer(question, target, places, users_of, users, missing)
        return paths

    def _longer(
        self, question: Question, target: int, places: Integers, users_of: Integers, users: Integers, missing: int
    ) -> list[Path]:
        chains, days = np.full((1, 1), target, np.int64), np.full(1, -1, np.int64)
        paths: list[Path] = []
        for depth in range(2, question.depth + 1):
            ends, local = np.unique(chains[:, -1], return_inverse=True)
            starts, neighbours, last_days = walk.best_members(
                ends, self._starts, self._neighbours, self._days, places, question.cap + question.depth
            )
            chains, days = walk.longer_chains(
                chains, days, starts, neighbours, last_days, question.cap, self._today, local.astype(np.int64)
            )
            if depth == 2 or not len(chains):
                continue
            rows = walk.best_paths(
                chains, days, users_of, users, self._ids, question.viewer, question.importer, missing, places
            )
            paths += path_rows(rows, depth)
            missing -= len(rows)
            if not missing:
                break
        return paths
