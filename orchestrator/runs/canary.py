"""The canary: real questions, asked all the time, to notice when users have to wait.

What one call takes depends on the question far more than on the load, so each question is compared with itself. Before
the run the canary draws some questions at random and asks each several times: the median is what it *usually* takes.
During the run it asks the same ones again, in random order. A call is *slow* when it takes longer than usual by more
than the largest of

* half of what is usual (a slowdown of 1.5), at least half of what the median question takes,
* a floor of some milliseconds, so that a late wake-up is not a slow call,
* 1.5 times the delay that one call in twenty had before the run already.

Two or three calls in a hundred are slow on a quiet server too. What counts is how many are slow within 15 seconds: the
limit is 15 in a hundred, and at least five. When workers take the processors from users, the median hardly moves: one
call in three to ten waits for a processor, several times as long as it takes. A median of the last calls does not see
that, their maximum sees it where there is nothing; a count does neither.

A call that lasts longer than the pause between two calls stands for those that it kept from being asked, and it counts
while it is still under way. So a stall does not look like silence.
"""

from __future__ import annotations

import math
import random
import statistics
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.polling import Poll
from orchestrator.finders.paths import Question
from orchestrator.runs.signals import STALE, Limits, Signal

_WINDOW = 15.0  # seconds
_SLOW_SHARE = 0.15  # of the calls in a window: the limit
_LEAST_SLOW = 5  # calls, whatever the share says
_DEPTH = 4  # the deepest that applications commonly ask for
_REST = 20  # pauses are this many times as long as a call: the canary takes a twentieth of a processor at most
_PAUSES = 0.1, 1.0  # seconds, the shortest and the longest
_ASKED_EACH = 4  # how often a question is asked before the run, once more unrecorded


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return a percentile of ascending values by the nearest rank: the smallest that *share* of them do not exceed."""
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


@dataclass(frozen=True)
class Latencies:
    """Percentiles of calls in milliseconds, by the nearest rank. None: too few calls (p99 wants 100)."""

    calls: int
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, milliseconds: Iterable[float]) -> Latencies:
        """Summarise calls."""
        ordered = sorted(milliseconds)
        if not ordered:
            return cls(0, None, None, None)
        p99 = percentile(ordered, 0.99) if len(ordered) >= 100 else None
        return cls(len(ordered), percentile(ordered, 0.5), percentile(ordered, 0.95), p99)


@dataclass(frozen=True)
class _Call:
    """A call that ended: when (monotonic seconds), what it took and what it usually takes, in milliseconds."""

    at: float
    milliseconds: float
    usual: float
    failed: bool = False


@dataclass(frozen=True)
class _Baseline:
    """What is usual, in milliseconds: the median question, and the delay that one call in twenty has.

    ``scale`` multiplies what each question usually took before the run.
    """

    median: float
    delay: float
    scale: float = 1.0

    @classmethod
    def of(cls, calls: Sequence[_Call], scale: float = 1.0) -> _Baseline:
        delays = sorted(call.milliseconds - scale * call.usual for call in calls)
        median = statistics.median(call.usual for call in calls)
        return cls(scale * median, max(0.0, percentile(delays, 0.95)), scale)

    def limit(self, usual: float, limits: Limits) -> float:
        """Return from how many milliseconds on a call is slow."""
        expected = self.scale * usual
        return expected + max(
            (limits.slowdown - 1) * max(expected, self.median),
            limits.floor_milliseconds,
            limits.slowdown * self.delay,
        )


class Canary(Poll):
    """Asks ``find_paths`` one to ten times a second, over a connection of its own.

    ``available`` is false when there is nothing to ask, or no right to; then there is no signal and nothing is
    throttled, and ``problem`` may say why. ``seed`` makes the choice of questions repeatable. Thread-safe.
    """

    def __init__(self, dsn: str, limits: Limits | None = None, *, seed: int | None = None) -> None:
        super().__init__(dsn, interval=_PAUSES[1])
        self.available = False
        self.baseline = Latencies.of(())
        self.samples: list[float] = []  # milliseconds, every call of the run
        self._limits = limits or Limits()
        self._seed = seed
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._usual: dict[Question, float] = {}  # milliseconds
        self._deck: list[Question] = []  # still to ask before they are shuffled again
        self._window: deque[_Call] = deque()
        self._in_flight: tuple[float, float] | None = None  # since when, and what is usual
        self._measured = False
        self._answered = 0.0  # when a call last ended
        self._since = 0.0  # calls from before do not count
        self._first = self._now = _Baseline(0.0, 0.0)

    # Before the run.

    def measure_baseline(self, calls: int = 100, seconds: float = 5.0) -> Latencies:
        """Draw the questions and measure what they usually take: at most *calls* in about *seconds*.

        Raises :class:`OrchestratorError` when the server cannot be reached.
        """
        connection = self._connected()
        self._measured = True
        try:
            found = self._measure(connection, self._questions(connection), calls, seconds)
        except psycopg.Error as error:
            if connection.closed:
                raise OrchestratorError(f"the connection was lost: {one_line(error)}") from error
            self.problem = one_line(error)  # the questions could not be drawn: no right, or a timeout
            return self.baseline
        self._usual = {question: statistics.median(taken) for question, taken in found.items()}
        if not self._usual:
            return self.baseline
        asked = [_Call(0.0, ms, self._usual[question]) for question, taken in found.items() for ms in taken]
        self._first = self._now = _Baseline.of(asked)
        self.baseline = Latencies.of(call.milliseconds for call in asked)
        shortest, longest = _PAUSES
        self.interval = min(max(_REST * self._first.median / 1000, shortest), longest)
        self.available = True
        return self.baseline

    def _questions(self, connection: Connection) -> list[Question]:
        if self._seed is not None:
            connection.execute("SELECT setseed(%s)", (self._random.random(),))
        rows = connection.execute(sqlfiles.query("finders/canary_targets")).fetchall()
        questions = [Question(target, collection, user, max_depth=_DEPTH) for target, collection, user in rows]
        return list(dict.fromkeys(questions))

    def _measure(
        self, connection: Connection, questions: Sequence[Question], calls: int, seconds: float
    ) -> dict[Question, list[float]]:
        """Ask once unrecorded, for a quarter of the time at most, then record, with pauses as there are later."""
        started = time.monotonic()
        deck = []
        for question in questions[: max(1, calls // _ASKED_EACH)]:
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
        """Return the milliseconds a call took, None if it failed. Raises when the connection is lost."""
        began = time.monotonic()
        try:
            # Prepared from the first call on: planning is not what is measured.
            connection.execute(sqlfiles.query("finders/find_paths"), vars(question), prepare=True)
        except psycopg.Error as error:
            if connection.closed:
                raise
            self.problem = one_line(error)
            return None
        return (time.monotonic() - began) * 1000

    # During the run.

    def start(self) -> None:
        """Begin to ask, once the baseline is known; does nothing when there is nothing to ask."""
        if not self._measured:
            self.measure_baseline()
        if self.available:
            super().start()

    def _greet(self, connection: Connection) -> None:
        """Ask once, unrecorded: a connection's first call is planned, which takes longer than the call."""
        if self._usual:
            self._call(connection, next(iter(self._usual)))

    def _ask(self, connection: Connection) -> None:
        if not self._deck:
            self._deck = self._random.sample(list(self._usual), len(self._usual))
        question = self._deck.pop()
        usual = self._usual[question]
        began = time.monotonic()
        self._in_flight = (began, usual)
        try:
            taken = self._call(connection, question)
        finally:
            self._in_flight = None
        if not self._stopping.is_set():
            now = time.monotonic()
            self._record(_Call(now, (now - began) * 1000 if taken is None else taken, usual, failed=taken is None))

    def _record(self, call: _Call) -> None:
        with self._lock:
            self._answered = call.at
            self._window.append(call)
            while self._window[0].at < call.at - _WINDOW:
                self._window.popleft()
            waited = call.milliseconds
            while waited > 0:
                self.samples.append(waited)
                waited -= self.interval * 1000  # what the next call would have waited, had it been asked

    @property
    def in_flight_milliseconds(self) -> float | None:
        """How long the call under way has taken so far; None between calls."""
        under_way = self._in_flight
        return None if under_way is None else (time.monotonic() - under_way[0]) * 1000

    def latencies(self) -> Latencies:
        """Return the percentiles of the last 15 seconds, the call under way included once it is slow."""
        now = time.monotonic()
        with self._lock:
            return Latencies.of(call.milliseconds for call in self._calls(now, since=0.0))

    def during(self) -> Latencies:
        """Return the percentiles of the whole run."""
        with self._lock:
            return Latencies.of(self.samples)

    def signal(self) -> Signal | None:
        """Return how many calls of the last 15 seconds were slow; None when there is nothing to ask.

        It is fresh once as many calls ended since :meth:`forget` as would be too many if they were slow.
        """
        if not self.available:
            return None
        now = time.monotonic()
        with self._lock:
            calls = self._calls(now, self._since)
            limit = max(_LEAST_SLOW, round(_SLOW_SHARE * len(calls)))
            window_full = len(calls) > 0.8 * _WINDOW / self.interval
            if self._now is not self._first and window_full and self._slow(calls, self._first) <= 1:
                self._now = self._first  # all is well by what was usual at first
            slow = self._slow(calls, self._now)
            heard = bool(calls) and now - max(self._answered, calls[-1].at) < STALE
        return Signal("canary", slow, limit, "slow calls", fresh=heard and max(slow, len(calls)) >= limit)

    def _calls(self, now: float, since: float) -> list[_Call]:
        """Return the calls that count: those of the window, and the one under way if it is slow already."""
        calls = [call for call in self._window if call.at >= max(now - _WINDOW, since)]
        under_way = self._in_flight
        if under_way is not None:
            call = _Call(now, (now - under_way[0]) * 1000, under_way[1])
            if self._slow([call], self._now):
                calls.append(call)
        return calls

    def _slow(self, calls: Iterable[_Call], baseline: _Baseline) -> int:
        """Count slow calls, and those that a slow one kept from being asked and that would have been slow too."""
        count = 0
        for call in calls:
            over = call.milliseconds - baseline.limit(call.usual, self._limits)
            if over > 0:
                count += 1 + int(over / (self.interval * 1000))
            elif call.failed:
                count += 1
        return count

    def forget(self) -> None:
        """Let the calls until now count no longer: they tell of another number of workers."""
        self._since = time.monotonic()

    def rebaseline(self) -> None:
        """Take what the last 15 seconds were like as usual, until all is well by the first baseline again."""
        with self._lock:
            calls = [call for call in self._window if not call.failed]
            if calls:
                scale = statistics.median(call.milliseconds / call.usual for call in calls)
                self._now = _Baseline.of(calls, max(1.0, scale))
            self._since = time.monotonic()
