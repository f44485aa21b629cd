"""The canary: calls ``find_paths`` all the time, to notice when users have to wait.

The time of one call depends far more on the question than on the load, so each question is compared with itself. Before
the run, the canary draws some questions at random and asks each several times: the median is its *normal* time. During
the run it asks the same questions again, in random order. A call is *slow* when it takes longer than normal by more
than the largest of:

* half of the normal time (a slowdown of 1.5), at least half of what the median question takes;
* a floor of some milliseconds, so that a late wake-up of the canary does not count;
* 1.5 times the delay that one call in twenty had already before the run.

On a quiet server, two or three calls in a hundred are slow too. The signal is how many calls of the last 15 seconds
were slow. Its limit is 15 in a hundred, and at least five. When workers take processors from users, one call in three
to ten waits for a processor, for several times as long as it takes itself, and the median hardly changes. So the median
of the latest calls would miss that, and their maximum would react to single calls on a quiet server.

A call that lasts longer than the pause between two calls counts for all calls that it has prevented, and does so
before it has ended. So the canary also notices when calls do not end.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.latencies import Latencies, percentile
from orchestrator.core.polling import Poll
from orchestrator.finders.paths import random_questions
from orchestrator.finders.question import CALL, Question
from orchestrator.runs.signals import STALE, Signal, ThrottleLimits

_WINDOW = 15.0  # seconds whose calls count
_SLOW_SHARE = 0.15  # of the calls that count: the limit of slow ones
_LEAST_SLOW = 5  # the lowest limit
_PAUSE_FACTOR = 20  # a pause is 20 times as long as a call: the canary uses a twentieth of a processor at most
_PAUSES = 0.1, 1.0  # seconds, the shortest and the longest pause
_CALLS_PER_QUESTION = 4  # before the run, and one more that is not recorded


@dataclass(frozen=True)
class _Call:
    """A call: when it ended (monotonic seconds), how long it took and how long it normally takes, in milliseconds."""

    at: float
    milliseconds: float
    normal: float
    failed: bool = False


@dataclass(frozen=True)
class _Baseline:
    """The normal latency in milliseconds: of the median question, and the delay that one call in twenty has.

    ``scale`` multiplies the normal time of each question.
    """

    median: float
    delay: float
    scale: float = 1.0

    @classmethod
    def of(cls, calls: Sequence[_Call], scale: float = 1.0) -> _Baseline:
        delays = sorted(call.milliseconds - scale * call.normal for call in calls)
        median = statistics.median(call.normal for call in calls)
        return cls(scale * median, max(0.0, percentile(delays, 0.95)), scale)

    def limit(self, normal: float, limits: ThrottleLimits) -> float:
        """Return from how many milliseconds on a call is slow."""
        expected = self.scale * normal
        return expected + max(
            (limits.slowdown - 1) * max(expected, self.median),
            limits.floor_milliseconds,
            limits.slowdown * self.delay,
        )


class Canary(Poll):
    """Calls ``find_paths`` one to ten times a second, over a connection of its own.

    ``available`` is false when there is no path to ask for, or when the role may not call ``find_paths``. Then there is
    no signal, and ``problem`` may have the reason. ``seed`` makes the choice of questions repeatable. Thread-safe.
    """

    def __init__(self, dsn: str, limits: ThrottleLimits | None = None, *, seed: int | None = None) -> None:
        super().__init__(dsn, interval=_PAUSES[1])
        self.available = False
        self.baseline = Latencies.of(())
        self.samples: list[float] = []  # milliseconds of every call during the run
        self._limits = limits or ThrottleLimits()
        self._seed = seed
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._normal: dict[Question, float] = {}  # milliseconds
        self._deck: list[Question] = []  # to be asked before all questions are shuffled again
        self._window: deque[_Call] = deque()
        self._in_flight: tuple[float, float] | None = None  # when the call began, and how long it normally takes
        self._measured = False
        self._answered = 0.0  # when the latest call ended
        self._since = 0.0  # calls before this time do not count
        self._first = self._current = _Baseline(0.0, 0.0)

    # Before the run.

    def measure_baseline(self, calls: int = 100, seconds: float = 5.0) -> Latencies:
        """Draw the questions and measure their normal times: with at most *calls* in about *seconds*.

        Raises :class:`OrchestratorError` when the server cannot be reached.
        """
        connection = self._connected()
        self._measured = True
        try:
            found = self._measure(connection, self._draw_questions(connection), calls, seconds)
        except psycopg.Error as error:
            if connection.closed:
                raise OrchestratorError(f"the connection was lost: {one_line(error)}") from error
            self.problem = one_line(error)  # the questions could not be drawn: a missing privilege, or a timeout
            return self.baseline
        self._normal = {question: statistics.median(taken) for question, taken in found.items()}
        if not self._normal:
            return self.baseline
        asked = [_Call(0.0, ms, self._normal[question]) for question, taken in found.items() for ms in taken]
        self._first = self._current = _Baseline.of(asked)
        self.baseline = Latencies.of(call.milliseconds for call in asked)
        shortest, longest = _PAUSES
        self.interval = min(max(_PAUSE_FACTOR * self._first.median / 1000, shortest), longest)
        self.available = True
        return self.baseline

    def _draw_questions(self, connection: Connection) -> list[Question]:
        seed = None if self._seed is None else self._random.random()
        return list(dict.fromkeys(random_questions(connection, seed)))

    def _measure(
        self, connection: Connection, questions: Sequence[Question], calls: int, seconds: float
    ) -> dict[Question, list[float]]:
        """Ask each question once, in at most a quarter of the time; then record calls, with pauses as in the run."""
        started = time.monotonic()
        deck = []
        for question in questions[: max(1, calls // _CALLS_PER_QUESTION)]:
            if self._call(connection, question) is not None:
                deck.append(question)
            if time.monotonic() - started > seconds / 4:
                break
        found: dict[Question, list[float]] = {}
        pause = (started + seconds - time.monotonic()) / max(1, calls)
        for number in range(calls if deck else 0):
            due = time.monotonic() + pause
            question = deck[number % len(deck)]
            milliseconds = self._call(connection, question)
            if milliseconds is not None:
                found.setdefault(question, []).append(milliseconds)
            if time.monotonic() - started > seconds:
                break
            time.sleep(max(0.0, due - time.monotonic()))
        return found

    def _call(self, connection: Connection, question: Question) -> float | None:
        """Return the milliseconds that a call took, None if it failed. Raises when the connection is lost."""
        began = time.monotonic()
        try:
            # Prepared from the first call on, so that planning is not measured.
            connection.execute(CALL, vars(question), prepare=True)
        except psycopg.Error as error:
            if connection.closed:
                raise
            self.problem = one_line(error)
            return None
        return (time.monotonic() - began) * 1000

    # During the run.

    def start(self) -> None:
        """Start to ask, after the baseline is measured; does nothing when there is nothing to ask."""
        if not self._measured:
            self.measure_baseline()
        if self.available:
            super().start()

    def _greet(self, connection: Connection) -> None:
        """Ask once without recording it: the first call of a connection is planned, which takes longer than itself."""
        if self._normal:
            self._call(connection, next(iter(self._normal)))

    def _ask(self, connection: Connection) -> None:
        if not self._deck:
            self._deck = self._random.sample(list(self._normal), len(self._normal))
        question = self._deck.pop()
        normal = self._normal[question]
        began = time.monotonic()
        self._in_flight = (began, normal)
        try:
            taken = self._call(connection, question)
        finally:
            self._in_flight = None
        if not self._stopping.is_set():
            now = time.monotonic()
            self._record(_Call(now, (now - began) * 1000 if taken is None else taken, normal, failed=taken is None))

    def _record(self, call: _Call) -> None:
        with self._lock:
            self._answered = call.at
            self._window.append(call)
            while self._window[0].at < call.at - _WINDOW:
                self._window.popleft()
            waited = call.milliseconds
            while waited > 0:
                self.samples.append(waited)
                waited -= self.interval * 1000  # how long the next call would have waited

    @property
    def in_flight_milliseconds(self) -> float | None:
        """How long the call under way has taken so far; None between calls."""
        under_way = self._in_flight
        return None if under_way is None else (time.monotonic() - under_way[0]) * 1000

    def during(self) -> Latencies:
        """Return the percentiles of the whole run."""
        with self._lock:
            return Latencies.of(self.samples)

    def signal(self) -> Signal | None:
        """Return how many calls of the last 15 seconds were slow; None when there is nothing to ask.

        The signal is fresh once enough calls have ended since :meth:`forget` to reach the limit, if all were slow.
        """
        if not self.available:
            return None
        now = time.monotonic()
        with self._lock:
            calls = self._calls(now, self._since)
            limit = max(_LEAST_SLOW, round(_SLOW_SHARE * len(calls)))
            window_full = len(calls) > 0.8 * _WINDOW / self.interval
            if self._current is not self._first and window_full and self._slow(calls, self._first) <= 1:
                self._current = self._first  # latencies are as before the run again
            slow = self._slow(calls, self._current)
            is_answered = bool(calls) and now - max(self._answered, calls[-1].at) < STALE
        return Signal("canary", slow, limit, "slow calls", fresh=is_answered and max(slow, len(calls)) >= limit)

    def _calls(self, now: float, since: float) -> list[_Call]:
        """Return the calls that count: those of the window, and the call under way if it is slow already."""
        calls = [call for call in self._window if call.at >= max(now - _WINDOW, since)]
        under_way = self._in_flight
        if under_way is not None:
            call = _Call(now, (now - under_way[0]) * 1000, under_way[1])
            if self._slow([call], self._current):
                calls.append(call)
        return calls

    def _slow(self, calls: Iterable[_Call], baseline: _Baseline) -> int:
        """Count slow calls, and the calls that a slow one has prevented and that would have been slow as well."""
        count = 0
        for call in calls:
            over = call.milliseconds - baseline.limit(call.normal, self._limits)
            if over > 0:
                count += 1 + int(over / (self.interval * 1000))
            elif call.failed:
                count += 1
        return count

    def forget(self) -> None:
        """Do not count the calls until now: they were made while another number of workers worked."""
        self._since = time.monotonic()

    def rebaseline(self) -> None:
        """Take the last 15 seconds as normal, until latencies are as before the run again."""
        with self._lock:
            calls = [call for call in self._window if not call.failed]
            if calls:
                scale = statistics.median(call.milliseconds / call.normal for call in calls)
                self._current = _Baseline.of(calls, max(1.0, scale))
            self._since = time.monotonic()
