"""Crowds: invented organizations that make a given share of all overlapping pairs. Computes their sizes and dates."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from orchestrator.core.errors import OrchestratorError

# Measured with worlds of 1,000 to 100,000 contacts and 0.17 to 10 organizations per contact.
_LIVE_JOBS = 3.7  # work experiences of a contact at an organization that exists
_OVERLAPPING = 0.132  # of the pairs of experiences at an organization
_CROWD_OVERLAPPING = 0.98  # the same for a crowd, whose people stay long
_CLUSTER = 1000  # contacts
_NEAR = 0.75  # the share of jobs in the contact's own cluster


def sizes(contacts: int, organizations: int, wanted: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Return, for each crowd in *wanted*, the share of all contacts that must have worked there.

    *wanted* has the share of all overlapping pairs that each crowd makes. Raises :class:`OrchestratorError` when there
    are too few contacts, or when the shares leave nothing for other organizations.
    """
    rest = 1 - sum(wanted.values())
    if rest <= 0:
        raise OrchestratorError(f"the crowds would make all pairs ({1 - rest:.0%}); leave some for other organizations")
    total = _pairs(contacts, organizations) / rest if wanted else 0
    found = []
    for name, share in wanted.items():
        people = sqrt(2 * share * total / _CROWD_OVERLAPPING)
        if people > contacts:
            raise OrchestratorError(
                f"{contacts:,} contacts cannot make {share:.0%} of all pairs at {name!r}: {people:,.0f} people are"
                " needed; choose a smaller share, or more organizations, so that the other organizations are smaller"
            )
        found.append((name, people / contacts if contacts else 0.0))
    return tuple(found)


def stay(bits: int, today: int) -> tuple[int, int | None]:
    """Return the first and the last day of a work experience at a crowd, chosen by *bits*. None: it has not ended.

    *today* is a day number.
    """
    how_long = 365 + (bits & 0xFFFF) * 8000 // 0x10000
    ended = bits >> 16 & 7
    end = today - (bits >> 20 & 0xFFFF) * 2000 // 0x10000 if ended == 0 else today
    return max(0, end - how_long), end if ended == 0 else None


def _pairs(contacts: int, organizations: int) -> float:
    """Return about how many overlapping pairs a world has without crowds."""
    clusters = max(1, contacts // _CLUSTER)
    size = max(1, organizations // clusters)
    near = _NEAR / clusters
    squares = 0.0
    for number in range(organizations):
        rank = number // clusters
        chance = (1 - _NEAR) * _chance(number, organizations) + (near * _chance(rank, size) if rank < size else 0)
        squares += chance * chance
    return _OVERLAPPING * (_LIVE_JOBS * contacts) ** 2 * squares / 2


def _chance(rank: int, size: int) -> float:
    """Return about how likely a draw of :mod:`orchestrator.seed.synthetic` among *size* organizations is this one."""
    return _share(rank + 1, size) - _share(rank, size)


def _share(ranks: int, size: int) -> float:
    root = sqrt(sqrt(ranks / size))
    return root * sqrt(sqrt(root))  # the power 5/16: pow differs between C libraries
