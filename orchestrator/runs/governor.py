"""Decides how many workers may work from the signals about the server's load; it has no input and no output."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.runs.signals import Signal

_FRACTIONS = 0.25, 0.5  # of a worker: the steps below one
_SECONDS_PER_STEP = 2.0  # at least, between two changes of the number
_TRIAL_SECONDS = 30.0  # after which a number that was raised counts as harmless
_BACKOFF_SECONDS = 20.0, 160.0  # the first and the longest wait before a number that was too many is tried again
_UNRELATED_SECONDS = 20.0  # of slow calls without any worker, after which the slowness has another cause

# Loads, as shares of a signal's limit.
ADD_BELOW = 0.4  # one step more
_REMOVE_FROM = 0.7  # one step fewer; in between, the number stays
_HALVE_FROM = 1.0

_SLOW_START = "slow start"


def _one_more(workers: float) -> float:
    return min(step for step in (*_FRACTIONS, 1, workers + 1) if step > workers)


def _one_fewer(workers: float) -> float:
    return max(step for step in (0, *_FRACTIONS, workers - 1) if step < workers)


def _half(workers: float) -> float:
    return workers // 2 if workers >= 2 else _one_fewer(workers)


class Governor:
    """Decides how many workers may work, from the worst of the signals. The clock is given with each decision.

    ``most`` is the number of workers that is wanted, and ``allowed`` is the latest decision. Its steps are 0.25, 0.5, 1
    and then one by one; a fraction is one worker that rests between batches.

    The load is a share of a signal's limit. Below 0.4 the number goes up one step, from 0.7 on down one step, and from
    1 on it is halved. It does not go up while a signal is not fresh. When a number that was raised is reduced again
    within 30 seconds, it was too many. It is then not tried for 20 seconds, and the wait doubles each time, until a
    number has lasted for 30 seconds or no worker works.

    ``rebaseline`` is true when the latest decision was that the calls of the canary are slow without any worker.
    ``throttled_seconds`` has, by cause, for how long fewer than ``most`` were allowed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = min(_FRACTIONS[0], most)
        self.rebaseline = False
        self.throttled_seconds: dict[str, float] = {}
        self._now: float | None = None  # the time of the latest decision
        self._changed = 0.0
        self._trial_since: float | None = None  # None: the present number is not on trial
        self._backoff = _BACKOFF_SECONDS[0]
        self._too_many: tuple[float, float] | None = None  # this number and greater ones, and until when
        self._slow_since: float | None = None  # calls of the canary, without any worker
        self._cause, self._reason = _SLOW_START, _SLOW_START
        self._is_climbing = False  # no signal prevents more workers
        self._seconds_to_retry: float | None = None  # until a number that was too many is tried again

    @property
    def reason(self) -> str | None:
        """Why fewer than ``most`` workers work, for people; None when ``most`` work."""
        if self.allowed >= self.most:
            return None
        if self._seconds_to_retry is not None:
            return f"{self._reason}; the next attempt with more workers is in {self._seconds_to_retry:.0f} s"
        if self._is_climbing and self._reason != _SLOW_START:
            return f"workers are added step by step; they had been reduced because of: {self._reason}"
        return self._reason

    def decide(self, signals: Iterable[Signal], now: float) -> float:
        """Return how many workers may work from *now* on, in seconds of any steady clock."""
        self._account(now)
        given = list(signals)
        worst = max((signal for signal in given if signal.fresh), key=lambda signal: signal.load, default=None)
        stale = next((signal for signal in given if not signal.fresh), None)
        load = worst.load if worst else 0.0
        may_change = now - self._changed >= _SECONDS_PER_STEP
        self._is_climbing, self._seconds_to_retry = False, None

        self.rebaseline = self._is_slow_without_workers(given, now)
        if self.rebaseline:
            self._too_many = None
            self._cause = "canary"
            self._reason = "find_paths was slow without any worker; that latency is the normal one from now on"
            self._change(min(_FRACTIONS[0], self.most), now, on_trial=True)
        elif worst and load >= ADD_BELOW:
            self._cause, self._reason = worst.name, str(worst)
            if load >= _REMOVE_FROM and may_change and self.allowed > 0:
                self._reduce(_half(self.allowed) if load >= _HALVE_FROM else _one_fewer(self.allowed), now)
        elif stale:
            if may_change:  # before that, the effect of the latest change is not known yet
                self._cause, self._reason = stale.name, str(stale)
        elif self.allowed < self.most:
            self._climb(now, may_change=may_change)
        return self.allowed

    def _account(self, now: float) -> None:
        """Add the time since the latest decision to its cause, and end a trial that has lasted long enough."""
        if self._now is None:
            self._changed = self._trial_since = now
        elif self.allowed < self.most:
            self.throttled_seconds[self._cause] = self.throttled_seconds.get(self._cause, 0.0) + now - self._now
        self._now = now
        if self._trial_since is not None and now - self._trial_since >= _TRIAL_SECONDS:
            self._trial_since, self._backoff = None, _BACKOFF_SECONDS[0]

    def _climb(self, now: float, *, may_change: bool) -> None:
        """Allow one step more, unless that number was too many a short time ago."""
        more = _one_more(self.allowed)
        if self._too_many is not None and more >= self._too_many[0] and now < self._too_many[1]:
            self._seconds_to_retry = self._too_many[1] - now
            return
        self._is_climbing = True
        if may_change:
            self._change(min(more, self.most), now, on_trial=True)

    def _reduce(self, workers: float, now: float) -> None:
        if self._trial_since is not None:
            if workers == 0:  # a long wait without any worker would let the run stand still
                self._backoff = _BACKOFF_SECONDS[0]
            self._too_many = (self.allowed, now + self._backoff)
            self._backoff = min(2 * self._backoff, _BACKOFF_SECONDS[1])
            self._reason = f"{self.allowed:g} workers were too many: {self._reason}"
        self._change(workers, now, on_trial=False)

    def _change(self, workers: float, now: float, *, on_trial: bool) -> None:
        self.allowed, self._changed = workers, now
        self._trial_since = now if on_trial else None

    def _is_slow_without_workers(self, signals: list[Signal], now: float) -> bool:
        """Whether no worker has worked for 20 seconds, and the canary alone has been against more all the time."""
        against = {signal.name for signal in signals if not signal.fresh or signal.load >= ADD_BELOW}
        fresh = all(signal.fresh for signal in signals)
        if self.allowed > 0 or self.most == 0 or against != {"canary"} or not fresh:
            self._slow_since = None
            return False
        if self._slow_since is None:
            self._slow_since = now
        if now - self._slow_since < _UNRELATED_SECONDS:
            return False
        self._slow_since = None
        return True
