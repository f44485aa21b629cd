"""The search over arrays, compiled. Arrays in memory use all of it; the other engines only make chains with it."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from bench.peers.data import Integers

_LONGEST = 6  # contacts on a path


@numba.njit(cache=True)
def better(a: Any, b: Any, length: int) -> bool:
    """Whether path *a* comes before *b*: recency, the viewer's own, user, contacts from the first one."""
    if a[0] != b[0]:
        return bool(a[0] > b[0])
    for place in range(1, 3 + length):
        if a[place] != b[place]:
            return bool(a[place] < b[place])
    return False


@numba.njit(cache=True)
def offer(best: Any, count: int, limit: int, path: Any, length: int) -> int:
    """Put *path* where it belongs among the *limit* best; returns how many there are."""
    if count == limit and not better(path, best[count - 1], length):
        return count
    place = count if count < limit else limit - 1
    while place > 0 and better(path, best[place - 1], length):
        best[place] = best[place - 1]
        place -= 1
    best[place] = path
    return min(count + 1, limit)


@numba.njit(cache=True)
def longer_chains(
    chains: Any, days: Any, starts: Any, neighbours: Any, last_days: Any, cap: int, today: int, places: Any
) -> Any:
    """Return each chain with each of its *cap* best neighbours that are not on it, and the days of these chains.

    A chain is a row from the target on. The neighbours of chain number n are those at
    ``starts[places[n]]`` to ``starts[places[n] + 1]``.
    """
    count, length = chains.shape
    longer = np.empty((count * cap, length + 1), np.int64)
    new_days = np.empty(count * cap, np.int64)
    made = 0
    for number in range(count):
        taken = 0
        last = places[number]
        for at in range(starts[last], starts[last + 1]):
            if taken == cap:
                break
            contact = neighbours[at]
            if contact_on(chains[number], contact):
                continue
            longer[made, :length] = chains[number]
            longer[made, length] = contact
            new_days[made] = max(days[number], min(last_days[at], today))
            made += 1
            taken += 1
    return longer[:made], new_days[:made]


@numba.njit(cache=True)
def contact_on(chain: Any, contact: int) -> bool:
    """Whether *contact* is on *chain*."""
    for other in chain:  # noqa: SIM110 - this compiles, any() of a generator does not
        if other == contact:
            return True
    return False


@numba.njit(cache=True)
def best_paths(
    chains: Any, days: Any, starts: Any, users: Any, ids: Any, viewer: int, importer: bool, limit: int, places: Any
) -> Any:
    """Return the *limit* best paths, one a row: day, not the viewer's, user, contacts from the first one.

    The users of contact c are those at ``starts[places[c]]`` to ``starts[places[c] + 1]``.
    """
    count, length = chains.shape
    best = np.empty((limit, 3 + _LONGEST), np.int64)
    path = np.zeros(3 + _LONGEST, np.int64)
    found = 0
    for number in range(count):
        first = places[chains[number, length - 1]]
        path[0] = days[number]
        for place in range(length):
            path[3 + place] = ids[chains[number, length - 1 - place]]
        for at in range(starts[first], starts[first + 1]):
            if importer and users[at] != viewer:
                continue
            path[1] = 0 if users[at] == viewer else 1
            path[2] = users[at]
            found = offer(best, found, limit, path, length)
    return best[:found]


@numba.njit(cache=True)
def best_pairs(
    target: int, starts: Any, neighbours: Any, last_days: Any, places: Any, users_of: Any, users: Any, ids: Any,
    viewer: int, importer: bool, limit: int, today: int,
) -> Any:  # fmt: skip
    """Return the best paths of two contacts; stops at the first day that fills the request."""
    best = np.empty((limit, 3 + _LONGEST), np.int64)
    path = np.zeros(3 + _LONGEST, np.int64)
    path[4] = ids[target]
    found = 0
    for at in range(starts[target], starts[target + 1]):
        day = min(last_days[at], today)
        if found == limit and day < best[found - 1][0]:
            break
        place = places[neighbours[at]]
        if place < 0:
            continue
        path[0] = day
        path[3] = ids[neighbours[at]]
        for number in range(users_of[place], users_of[place + 1]):
            if importer and users[number] != viewer:
                continue
            path[1] = 0 if users[number] == viewer else 1
            path[2] = users[number]
            found = offer(best, found, limit, path, 2)
    return best[:found]


@numba.njit(cache=True)
def best_members(contacts: Any, starts: Any, neighbours: Any, last_days: Any, places: Any, wanted: int) -> Any:
    """Return the *wanted* best members among the neighbours of each contact: starts, neighbours, days."""
    count = len(contacts)
    ends = np.zeros(count + 1, np.int64)
    found = np.empty(count * wanted, np.int64)
    days = np.empty(count * wanted, np.int64)
    made = 0
    for number in range(count):
        taken = 0
        contact = contacts[number]
        for at in range(starts[contact], starts[contact + 1]):
            if taken == wanted:
                break
            if places[neighbours[at]] >= 0:
                found[made] = neighbours[at]
                days[made] = last_days[at]
                made += 1
                taken += 1
        ends[number + 1] = made
    return ends, found[:made], days[:made]


def starts_of(keys: Integers, count: int) -> Integers:
    """Return where each of *count* keys begins in the sorted *keys*, and where the last one ends."""
    return np.searchsorted(keys, np.arange(count + 1)).astype(np.int64)
