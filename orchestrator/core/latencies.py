"""Percentiles of latencies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return a percentile of ascending values by the nearest rank: the smallest that *share* of them do not exceed."""
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


@dataclass(frozen=True)
class Latencies:
    """Percentiles of calls in milliseconds, by the nearest rank. None: too few calls; p99 needs 100."""

    calls: int
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, milliseconds: Iterable[float]) -> Latencies:
        """Return the percentiles of some calls."""
        ordered = sorted(milliseconds)
        if not ordered:
            return cls(0, None, None, None)
        p99 = percentile(ordered, 0.99) if len(ordered) >= 100 else None
        return cls(len(ordered), percentile(ordered, 0.5), percentile(ordered, 0.95), p99)
