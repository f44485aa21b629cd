"""How many workers may work, so that users do not notice."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict
from types import TracebackType
from typing import Any

from orchestrator.runs.canary import Canary
from orchestrator.runs.signals import Limits, Server, Signal

__all__ = ["Governor", "Limits", "Signal", "Watch"]

_PARTS = 0.25, 0.5  # of a worker: where the steps begin
_MORE_BELOW = 0.4  # of the worst load: a step up
_FEWER_FROM = 0.7  # a step down; in between as many as now
_HALF_FROM = 1.0
_STEP = 2.0  # seconds between two changes at least
_TRIAL = 30.0  # seconds after which a number that was raised has proven harmless
_PATIENCE = 20.0, 160.0  # seconds until what proved too many is tried again, the first time and at most: trying hurts
_NOT_OURS = 20.0  # seconds of a slow canary without any worker, after which the slowness is not ours

_SLOW_START = "slow start"


def _raised(workers: float) -> float:
    return min(step for step in (*_PARTS, 1, workers + 1) if step > workers)


def _lowered(workers: float) -> float:
    return max(step for step in (0, *_PARTS, workers - 1) if step < workers)


def _halved(workers: float) -> float:
    return workers // 2 if workers >= 2 else _lowered(workers)


class Governor:
    """Decides how many workers may work, from the worst of the signals. No input or output; the clock is injected.

    The steps are 0.25, 0.5, 1 and from there one by one; less than one is one worker that rests between its batches.
    Below 0.4 of a limit a step up, up to 0.7 as many as now, up to 1 a step down, from 1 on half. While a signal is not
    fresh, there is no step up. A number that proves too many within 30 seconds is left alone for 20, the next time for
    twice as long, until one has lasted or none works. ``least`` is how many work whatever the signals say, ``most`` the
    number wanted.
    """

    def __init__(self, most: int, *, least: int = 0) -> None:
        self.most = most
        self.least = least
        self.allowed = self._within(_PARTS[0])
        self.rebaseline = False  # the last decision found that the canary is slow without any worker of ours
        self.throttled_seconds: dict[str, float] = {}
        self._now: float | None = None  # of the last decision
        self._changed = 0.0
        self._tried: float | None = None  # since when the present number is on trial; None if it is not
        self._patience = _PATIENCE[0]
        self._too_many: tuple[float, float] | None = None  # this many and more, until when
        self._slow_since: float | None = None  # the canary, without a worker
        self._blamed, self._reason = _SLOW_START, _SLOW_START
        self._is_climbing = False  # no signal is against more workers
        self._next_try: float | None = None  # seconds until more are tried than had proven too many

    @property
    def reason(self) -> str | None:
        """Why fewer than ``most`` work, for people; None when ``most`` do."""
        if self.allowed >= self.most:
            return None
        if self._next_try is not None:
            return f"{self._reason}; more are tried in {self._next_try:.0f} s"
        if self._is_climbing and self._reason != _SLOW_START:
            return f"workers are added again step by step, after {self._reason}"
        return self._reason

    def set_most(self, most: int) -> None:
        """Want another number of workers from now on; more are added step by step."""
        if self.allowed >= self.most:
            self._blamed = self._reason = _SLOW_START
        self.most = most
        self.allowed = self._within(self.allowed)

    def decide(self, signals: Iterable[Signal], now: float) -> float:
        """Return how many workers may work from *now* (seconds of any steady clock) on."""
        self._account(now)
        given = list(signals)
        worst = max((signal for signal in given if signal.fresh), key=lambda signal: signal.load, default=None)
        stale = next((signal for signal in given if not signal.fresh), None)
        load = worst.load if worst else 0.0
        settled = now - self._changed >= _STEP
        self._is_climbing, self._next_try = False, None

        self.rebaseline = self._is_not_ours(given, now)
        if self.rebaseline:
            self._too_many = None
            self._blamed = "canary"
            self._reason = "the canary was slow without any worker: what is usual now counts from here on"
            self._change(self._within(_PARTS[0]), now, on_trial=True)
        elif worst and load >= _MORE_BELOW:
            self._blame(worst, str(worst))
            if load >= _FEWER_FROM and settled:
                self._shed(_halved(self.allowed) if load >= _HALF_FROM else _lowered(self.allowed), now)
        elif stale:
            if settled:  # until then what is new has not been heard yet
                self._blame(stale, str(stale))
        elif self.allowed < self.most:
            self._climb(settled, now)
        return self.allowed

    def _climb(self, settled: bool, now: float) -> None:
        """Take a step up, unless it is too early for one."""
        more = _raised(self.allowed)
        if self._too_many is not None and self._is_too_many(more, now):
            self._next_try = self._too_many[1] - now
            return
        self._is_climbing = True
        if settled:
            self._change(self._within(more), now, on_trial=True)

    def _within(self, workers: float) -> float:
        return min(max(workers, self.least), self.most)

    def _account(self, now: float) -> None:
        """Charge the time since the last decision to what kept workers away then."""
        if self._now is None:
            self._changed = self._tried = now
        elif self.allowed < self.most:
            self.throttled_seconds[self._blamed] = self.throttled_seconds.get(self._blamed, 0.0) + now - self._now
        self._now = now
        if self._tried is not None and now - self._tried >= _TRIAL:
            self._tried, self._patience = None, _PATIENCE[0]

    def _blame(self, signal: Signal, reason: str) -> None:
        self._blamed, self._reason = signal.name, reason

    def _shed(self, workers: float, now: float) -> None:
        if self._within(workers) == self.allowed:
            return
        if self._tried is not None:
            if workers == 0:  # nothing would ever get done with patience
                self._patience = _PATIENCE[0]
            self._too_many = (self.allowed, now + self._patience)
            self._patience = min(2 * self._patience, _PATIENCE[1])
            self._reason = f"{self.allowed:g} workers were too many: {self._reason}"
        self._change(self._within(workers), now, on_trial=False)

    def _change(self, workers: float, now: float, *, on_trial: bool) -> None:
        self.allowed, self._changed = workers, now
        self._tried = now if on_trial else None

    def _is_too_many(self, workers: float, now: float) -> bool:
        return self._too_many is not None and workers >= self._too_many[0] and now < self._too_many[1]

    def _is_not_ours(self, signals: list[Signal], now: float) -> bool:
        """Tell whether nobody works, and the canary, and it alone, has been against it for 20 seconds."""
        against = {signal.name for signal in signals if not signal.fresh or signal.load >= _MORE_BELOW}
        fresh = all(signal.fresh for signal in signals)
        if self.allowed > 0 or self.most == 0 or against != {"canary"} or not fresh:
            self._slow_since = None
            return False
        if self._slow_since is None:
            self._slow_since = now
        if now - self._slow_since < _NOT_OURS:
            return False
        self._slow_since = None
        return True


class Watch:
    """The canary, the server's signals and the governor, for the length of a run.

    A context manager. Entering measures the canary's baseline, which takes ``baseline_seconds``, and raises
    :class:`OrchestratorError` when the server cannot be reached; later on, connections are opened again by themselves.
    """

    def __init__(
        self,
        dsn: str,
        limits: Limits | None = None,
        most: int = 1,
        *,
        least: int = 0,
        baseline_seconds: float = 5.0,
    ) -> None:
        limits = limits or Limits()
        self.canary = Canary(dsn, limits)
        self.governor = Governor(most, least=least)
        self.rebaselined = 0  # times
        self._server = Server(dsn, limits)
        self._baseline_seconds = baseline_seconds
        self._signals: list[Signal] = []
        self._ticked = False
        self._started = self._ended = 0.0

    def __enter__(self) -> Watch:
        try:
            self.canary.measure_baseline(seconds=self._baseline_seconds)
            self.canary.start()
            self._server.start()
        except BaseException:
            self._stop()
            raise
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = time.monotonic()
        self._stop()

    def _stop(self) -> None:
        self.canary.stop()
        self._server.stop()

    def tick(self, working: int | None = None) -> float:
        """Return how many workers may work; to be called about once a second. Never waits for the server.

        Each number is judged by the canary's calls since it was decided on. *working* is how many still do: while they
        are more than may, the calls do not count either.
        """
        if not self._ticked:
            self._ticked = True
            self.canary.forget()  # until now nobody worked
        before = self.governor.allowed
        canary = self.canary.signal()
        self._signals = [*([canary] if canary else []), *self._server.signals()]
        allowed = self.governor.decide(self._signals, time.monotonic())
        if self.governor.rebaseline:
            self.rebaselined += 1
            self.canary.rebaseline()
        elif allowed != before or (working or 0) > math.ceil(allowed):
            self.canary.forget()
        return allowed

    def set_most(self, most: int) -> None:
        """Want another number of workers from now on."""
        self.governor.set_most(most)

    @property
    def reasons(self) -> list[str]:
        """Why fewer workers work than are wanted, in words; empty when all do.

        Every signal that is against more workers; where none is, what the governor waits for.
        """
        if self.governor.reason is None:
            return []
        against = [str(signal) for signal in self._signals if not signal.fresh or signal.load >= _MORE_BELOW]
        return against or [self.governor.reason]

    def status(self) -> dict[str, Any]:
        """Return how things stand now, as JSON; latencies are milliseconds."""
        return {
            "allowed": self.governor.allowed,
            "most": self.governor.most,
            "reason": self.governor.reason,
            "canary": {
                "available": self.canary.available,
                "problem": self.canary.problem,
                "before": asdict(self.canary.baseline),
                "now": asdict(self.canary.latencies()),
            },
            "signals": [{**asdict(signal), "load": round(signal.load, 3)} for signal in self._signals],
        }

    def receipt(self) -> dict[str, Any]:
        """Return what the run cost the users, as JSON; latencies are milliseconds. For during and after the run."""
        ended = self._ended or time.monotonic()
        return {
            "canary": {
                "available": self.canary.available,
                "before": asdict(self.canary.baseline),
                "during": asdict(self.canary.during()),
            },
            "seconds": ended - self._started,
            "throttled_seconds": dict(self.governor.throttled_seconds),
            "rebaselined": self.rebaselined,
        }
