"""How numbers are written for people: durations, latencies, sizes, shares and counts.

Every room writes them with these functions, so that one value looks the same in every command, page and report.
"""

from __future__ import annotations

import math

#: What is written where there is no value.
NOTHING = "–"

_SIZES = ("bytes", "kB", "MB", "GB", "TB")


def number(value: float | None) -> str:
    """Write a number with three digits: ``0.25``, ``8.17``, ``81.7``, ``1,234``.

    None and NaN are :data:`NOTHING`; infinity is ``∞``.
    """
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:.3g}"


def milliseconds(value: float | None) -> str:
    """Write a latency given in milliseconds: ``8.17 ms``, ``1,234 ms``; :data:`NOTHING` for None and NaN."""
    shown = number(value)
    return shown if shown == NOTHING else f"{shown} ms"


def duration(seconds: float) -> str:
    """Write a time given in seconds, in one unit: ``8.2 s``, ``45 s``, ``2:05 min``, ``3:20 h``, ``4.5 days``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 89.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60}:{minutes % 60:02} h"
    return f"{minutes / (24 * 60):,.1f} days"


def size(count: float) -> str:
    """Write a number of bytes, with three digits and in decimal units: ``812 bytes``, ``9.41 MB``, ``1.2 TB``."""
    for unit in _SIZES[:-1]:
        if count < 999.5:
            return f"{number(count)} {unit}"
        count /= 1000
    return f"{number(count)} {_SIZES[-1]}"


def percent(share: float) -> str:
    """Write a share: ``0.25`` is ``25%``. Only exactly nothing is ``0%`` and only exactly everything is ``100%``."""
    whole = f"{share:.0%}"
    if whole not in ("0%", "100%") or share in (0, 1) or not 0 < share < 1:
        return whole
    nearest = f"{share:.2%}"
    return {"0.00%": "<0.01%", "100.00%": ">99.99%"}.get(nearest, nearest)


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Write how many there are: ``1 contact``, ``3,000 contacts``; *plural* is given where it is not noun + s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
