"""How a sweep's results are called in sentences and headings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from orchestrator.sweep.matrix import WARM, Request
from orchestrator.sweep.results import Results


def title(results: Results, request: Request) -> str:
    """Return a request, but for its depth, as a heading."""
    return ", ".join([f"Collection {request.collection}", members(results, request), *varying(results, request)])


def where(results: Results, request: Request) -> str:
    """Return the request as the words of a sentence."""
    besides = ", ".join([members(results, request), *varying(results, request)])
    return f"depth {request.depth} in collection {request.collection} ({besides})"


def members(results: Results, request: Request) -> str:
    """Say how large the request's collection is."""
    number = results.members[request.collection]
    return "one member" if number == 1 else f"{number:,} members"


def varying(results: Results, request: Request) -> Iterator[str]:
    """Say what a request asks, besides its collection and depth, that others ask otherwise."""
    requests = results.requests
    if len({each.scope for each in requests}) > 1:
        yield f"scope {request.scope}"
    if len({each.max_paths for each in requests}) > 1:
        yield paths(request)
    if len({each.cache for each in requests}) > 1:
        yield cache(request)


def paths(request: Request) -> str:
    """Say how many paths are asked for."""
    return f"{request.max_paths:,} paths"


def cache(request: Request) -> str:
    """Say what state connections are in."""
    return "on open connections" if request.cache == WARM else "on a new connection each"


def listed(words: Sequence[str]) -> str:
    """Return words as an enumeration."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def percent(share: float) -> str:
    """Write a share in per cent."""
    return f"{100 * share:.0f} %"


def bytes(size: float) -> str:
    """Write a size."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:,.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:,.1f} TB"


def duration(seconds: float) -> str:
    """Write a time."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(text: str) -> str:
    """Return a time as a person writes it; what is none, as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.day} {moment:%B %Y, %H:%M} {moment.tzname() or ''}".strip()
