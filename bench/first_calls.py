"""The first calls of a connection: the first has an empty plan cache, and at the sixth plans may become generic."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.cells import ANY, Collection, arguments
from bench.finders import call, call_unprepared, clock_of, open_blank_session, prepare

DEPTHS = (2, 4)
_CALLS = 40
_SHOWN = (5, 6, 7, 8)
_SIXTH = (6, 7, 8)  # a statement inside the function runs for the sixth time in call 6, the prepared one in call 7
_WARM_FROM = 20
_MAX_PATHS = 25


@dataclass
class FirstCalls:
    """Milliseconds of call 1, 2, … of every session of one version at one depth."""

    version: str
    depth: int
    sessions: list[list[float]] = field(default_factory=list)

    def call(self, number: int) -> float:
        """Return the median of all sessions' call *number*, which counts from 1."""
        return statistics.median(session[number - 1] for session in self.sessions)

    @property
    def warm(self) -> float:
        """The median of the sessions' warm medians."""
        return statistics.median(_warm(session) for session in self.sessions)

    @property
    def shown(self) -> list[float]:
        """Calls 5 to 8."""
        return [self.call(number) for number in _SHOWN]

    @property
    def first_ratio(self) -> float:
        """The first call divided by the warm calls of the same session, the median of all sessions."""
        return statistics.median(session[0] / _warm(session) for session in self.sessions)

    @property
    def sixth_ratio(self) -> float:
        """The longest of calls 6 to 8 divided by the warm calls of the same session, the median of all sessions."""
        return statistics.median(
            max(session[number - 1] for number in _SIXTH) / _warm(session) for session in self.sessions
        )


def measure(
    dsn: str,
    versions: Sequence[str],
    collection: Collection,
    targets: Sequence[int],
    timeout: int,
    *,
    cpu: bool = False,
    sessions: int = 20,
) -> list[FirstCalls]:
    """Call each version 40 times in each of *sessions* new sessions. A session has one of the *targets*.

    Sessions of the versions take turns. The first call is a statement that contains its arguments, on a connection
    where nothing has run. The other calls are prepared. All are for 25 paths in *collection*, with any opener.
    """
    results: list[FirstCalls] = []
    for depth in DEPTHS:
        measured = {version: FirstCalls(version, depth) for version in versions}
        for number in range(sessions):
            request = arguments(targets[number % len(targets)], collection, collection.many, ANY, depth, _MAX_PATHS)
            for version in versions if number % 2 == 0 else reversed(versions):
                with open_blank_session(dsn, timeout) as connection:
                    clock = clock_of(connection, cpu=cpu)
                    answers = [call_unprepared(connection, version, request, clock)]
                    prepare(connection, version)
                    answers += [call(connection, version, request, clock) for _ in range(_CALLS - 1)]
                if any(answer.rows is None for answer in answers):
                    raise SystemExit(f"first calls: {version} was stopped after {timeout} s")
                measured[version].sessions.append([answer.milliseconds for answer in answers])
        for found in measured.values():
            print(
                f"first calls, depth {depth}: {found.version} {found.call(1):.2f} ms, warm {found.warm:.2f} ms",
                flush=True,
            )
        results += measured.values()
    return results


def _warm(session: Sequence[float]) -> float:
    """Return the median of calls 20 to 40."""
    return statistics.median(session[_WARM_FROM - 1 :])
