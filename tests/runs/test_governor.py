"""The governor with simulated signals and a simulated clock, and what counts as slow. No server is needed."""

from __future__ import annotations

import itertools
import math
import random
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.latencies import Latencies, percentile
from orchestrator.runs import canary, throttle
from orchestrator.runs.canary import Canary, _Baseline, _Call
from orchestrator.runs.governor import Governor
from orchestrator.runs.signals import Signal, ThrottleLimits
from orchestrator.runs.throttle import Throttle
from orchestrator.runs.workers import Workers
from tests.support.properties import repeatable


def simulate_clock(monkeypatch: pytest.MonkeyPatch, now: Callable[[], float]) -> None:
    """Give the canary and the throttle another clock; other threads, such as a web server's, keep the real one."""
    for module in (canary, throttle):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=now))


# The governor: one decision per second, unless a test does otherwise.


class Run:
    """A governor and its clock."""

    def __init__(self, most: int) -> None:
        self.governor = Governor(most)
        self.now = 1000.0

    def second(self, *loads: float | Signal) -> float:
        """Decide with these loads, the first of which is the canary's; then a second passes."""
        names = ("canary", "replica lag", "waiting locks")
        signals = [
            given if isinstance(given, Signal) else Signal(name, given, 1, "x")
            for name, given in zip(names, loads, strict=False)
        ]
        allowed = self.governor.decide(signals, self.now)
        self.now += 1
        return allowed

    def seconds(self, number: int, *loads: float | Signal) -> list[float]:
        return [self.second(*loads) for _ in range(number)]

    def full(self) -> None:
        """Reach the number that is wanted, and keep it until its trial is over."""
        self.climb(self.governor.most)
        self.seconds(40, 0.1)

    def climb(self, workers: float) -> None:
        """Reach a number, which is then on trial and may be changed at once."""
        while self.governor.allowed < workers:
            self.second(0.1)
        self.now += 1
        assert self.governor.allowed == workers


STALE = Signal("canary", 0, 1, "x", fresh=False)


def test_workers_are_added_by_quarters_to_one_and_then_one_by_one() -> None:
    run = Run(4)
    assert run.seconds(12, 0.39) == [0.25, 0.25, 0.5, 0.5, 1, 1, 2, 2, 3, 3, 4, 4]
    assert run.governor.reason is None


def test_without_signals_workers_are_added() -> None:
    run = Run(2)
    assert run.seconds(7) == [0.25, 0.25, 0.5, 0.5, 1, 1, 2]


def test_four_work_within_ten_seconds_when_nothing_is_slow() -> None:
    assert Run(4).seconds(11, 0.1)[-1] == 4


@pytest.mark.parametrize("load", [0.4, 0.69])
def test_a_middle_load_keeps_the_number(load: float) -> None:
    run = Run(4)
    run.climb(2)
    assert run.seconds(50, load) == [2] * 50
    assert run.governor.reason == f"canary: {load} x, the limit is 1"


def test_below_the_limit_workers_are_removed_one_by_one() -> None:
    run = Run(4)
    run.full()
    assert run.seconds(11, 0.7) == [3, 3, 2, 2, 1, 1, 0.5, 0.5, 0.25, 0.25, 0]


def test_at_the_limit_workers_are_halved() -> None:
    run = Run(9)
    run.full()
    assert run.seconds(11, 1.0) == [4, 4, 2, 2, 1, 1, 0.5, 0.5, 0.25, 0.25, 0]


def test_the_worst_signal_decides() -> None:
    run = Run(8)
    run.full()
    assert run.second(0.1, 1.5, 0.7) == 4
    assert run.governor.reason == "replica lag: 1.5 x, the limit is 1"


def test_after_a_reduction_workers_are_added_one_by_one() -> None:
    run = Run(6)
    run.full()
    assert run.second(2.0) == 3
    assert run.seconds(7, 0.0) == [3, 4, 4, 5, 5, 6, 6]


def test_a_stale_signal_prevents_adding_and_others_still_remove() -> None:
    run = Run(4)
    run.climb(2)
    assert run.seconds(40, STALE) == [2] * 40
    assert run.governor.reason == "still measuring the latency of find_paths"
    assert run.second(STALE, 1.0) == 1
    assert run.seconds(3, 0.1) == [1, 2, 2]


def test_the_value_of_a_stale_signal_does_not_count() -> None:
    run = Run(4)
    run.full()
    assert run.second(Signal("canary", 9, 1, "x", fresh=False)) == 4


def test_a_number_that_was_too_many_is_not_tried_again_soon() -> None:
    run = Run(3)
    run.climb(3)
    assert run.second(1.0) == 1
    decided = run.seconds(200, 0.1)
    assert decided[:3] == [1, 2, 2]
    assert decided.index(3) == 19
    assert decided[-1] == 3


def test_a_number_that_is_too_many_repeatedly_is_tried_less_often() -> None:
    run = Run(2)
    run.climb(2)
    tried = []
    for _ in range(1000):
        before = run.governor.allowed
        if run.second(1.0 if before == 2 else 0.1) > before:
            tried.append(run.now)
    pauses = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 50
    assert pauses[-1] == pauses[-2] >= 160
    run.full()
    run.seconds(2, 1.0)
    run.seconds(2, 0.1)
    assert run.second(1.0) < 2
    assert 2 in run.seconds(25, 0.1)


def test_a_number_that_was_harmless_is_tried_again_at_once() -> None:
    run = Run(2)
    run.full()
    assert run.second(1.0) == 1
    assert run.seconds(3, 0.1) == [1, 2, 2]


def test_slowness_without_workers_becomes_the_normal_latency() -> None:
    run = Run(4)
    assert run.seconds(3, 3.0) == [0.25, 0.25, 0]
    decided, flags = [], []
    for _ in range(30):
        decided.append(run.second(3.0 if True not in flags else 0.1))
        flags.append(run.governor.rebaseline)
    assert flags.count(True) == 1
    assert flags.index(True) == 20
    assert decided[:20] == [0] * 20
    assert decided[20:25] == [0.25, 0.25, 0.5, 0.5, 1]


@pytest.mark.parametrize("others", [(2.0, 2.0), (0.1, 2.0), (STALE, 0.1), (2.0, Signal("x", 0, 1, "", fresh=False))])
def test_other_signals_do_not_change_the_normal_latency(others: tuple[float | Signal, ...]) -> None:
    run = Run(4)
    run.seconds(3, 3.0)
    for _ in range(100):
        assert run.second(*others) == 0
        assert not run.governor.rebaseline


def test_throttled_time_is_counted_by_cause() -> None:
    run = Run(2)
    run.seconds(6, 0.1)
    run.seconds(40, 0.1)  # two workers from the sixth second on
    run.second(0.1, 1.0)  # one worker for two seconds, the time of a step
    run.seconds(2, 0.1)
    assert run.governor.allowed == 2
    run.seconds(10, 0.1)
    assert run.governor.throttled_seconds == {"slow start": 6.0, "replica lag": 2.0}


LOADS = st.one_of(st.floats(0, 3), st.sampled_from((0.0, 0.4, 0.7, 1.0)))
STEPS = st.lists(
    st.tuples(
        st.floats(0.01, 40),  # seconds since the last decision
        st.lists(st.tuples(LOADS, st.booleans()), max_size=3),
    ),
    max_size=60,
)


@repeatable(100)
@given(most=st.integers(1, 9), steps=STEPS)
def test_the_governor_keeps_its_bounds_for_any_signals(most: int, steps: list[Any]) -> None:
    throttle = Throttle("", most=most)
    governor = throttle.governor
    now = 50.0
    decided_at = []
    before = governor.allowed
    for seconds, loads in steps:
        now += seconds
        decided_at.append(now)
        names = ("canary", "replica lag", "waiting locks")
        signals = [Signal(name, load, 1, "x", fresh) for name, (load, fresh) in zip(names, loads, strict=False)]
        allowed = governor.decide(signals, now)
        assert 0 <= allowed <= most
        assert allowed <= before + 1
        assert (governor.reason is None) == (allowed == most)
        throttle._signals = signals
        assert bool(throttle.reasons) == (allowed < most)
        if not any(not signal.fresh or signal.load >= 0.4 for signal in signals):
            waits = ("slow start", "workers are added step by step", "the next attempt with more workers is in ")
            assert all(any(each in reason for each in waits) for reason in throttle.reasons)
        if any(not signal.fresh for signal in signals):
            assert allowed <= before
        before = allowed
    assert all(seconds >= 0 for seconds in governor.throttled_seconds.values())
    assert sum(governor.throttled_seconds.values()) <= now - min(decided_at, default=now) + 1e-6


# Percentiles.


def test_percentiles_are_nearest_ranks() -> None:
    assert [percentile([1, 2, 3, 4], share) for share in (0.01, 0.25, 0.26, 0.5, 0.95, 1.0)] == [1, 1, 2, 2, 4, 4]
    assert Latencies.of([]) == Latencies(0, None, None, None)
    assert Latencies.of(range(99, 0, -1)) == Latencies(99, 50, 95, None)
    assert Latencies.of(range(1, 101)) == Latencies(100, 50, 95, 99)


# What counts as slow: a canary without a server.


class Heard:
    """A canary with 20 questions that normally take 1 to 20 ms, and that has recorded calls for 15 seconds."""

    def __init__(
        self,
        limits: ThrottleLimits | None = None,
        noise: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.canary = Canary("", limits or ThrottleLimits())
        self.usual = [float(number) for number in range(1, 21)]
        calls = [_Call(0.0, usual + noise * (number % 2), usual) for number, usual in enumerate(self.usual)]
        self.canary._first = self.canary._current = _Baseline.of(calls)
        self.canary.interval = 0.25
        self.canary.available = True

    def hears(self, calls: int, took: Callable[[int, float], float], failed: bool = False) -> Signal:
        """Record calls that end now; *took* gets their number and the normal time."""
        now = self.clock()
        for number in range(calls):
            usual = self.usual[number % len(self.usual)]
            self.canary._record(_Call(now, took(number, usual), usual, failed))
        signal = self.canary.signal()
        assert signal is not None
        return signal


def test_usual_calls_are_not_slow() -> None:
    signal = Heard().hears(60, lambda number, usual: usual)
    assert (signal.value, signal.limit, signal.fresh) == (0, 9, True)


def test_a_few_slow_calls_are_not_slowness() -> None:
    assert Heard().hears(60, lambda number, usual: usual + 50 * (number in (5, 31))).load < 0.4


def test_twice_the_normal_latency_is_slow() -> None:
    assert Heard().hears(20, lambda number, usual: 2.1 * usual).load >= 1


def test_one_late_call_in_six_is_slow_although_the_median_is_normal() -> None:
    assert Heard().hears(60, lambda number, usual: usual + 20 * (number % 6 == 0)).load >= 1


def test_a_delay_below_the_floor_or_the_usual_delay_is_not_slow() -> None:
    assert Heard(ThrottleLimits(floor_milliseconds=30)).hears(60, lambda number, usual: usual + 29).value == 0
    assert Heard(noise=30).hears(60, lambda number, usual: usual + 44).value == 0
    assert Heard(noise=30).hears(60, lambda number, usual: usual + 46).value == 60


def test_a_call_that_fails_is_slow_however_fast() -> None:
    assert Heard().hears(5, lambda number, usual: 0.1, failed=True).load == 1


def test_a_long_call_counts_for_the_calls_that_it_prevented() -> None:
    heard = Heard()
    assert heard.hears(1, lambda number, usual: 2000).load > 1
    assert sorted(heard.canary.samples) == [250 * number for number in range(1, 9)]


def test_too_few_calls_make_no_fresh_signal() -> None:
    heard = Heard()
    assert not heard.hears(4, lambda number, usual: usual).fresh
    assert heard.hears(1, lambda number, usual: usual).fresh
    heard.canary.forget()
    assert not heard.hears(0, lambda number, usual: usual).fresh


def test_a_slow_call_under_way_counts() -> None:
    heard = Heard()
    assert heard.hears(10, lambda number, usual: usual).value == 0
    heard.canary._in_flight = (time.monotonic() - 1.3, 5.0)
    assert heard.hears(0, lambda number, usual: usual).value == 6
    assert (heard.canary.in_flight_milliseconds or 0) >= 1300


def test_the_baseline_is_taken_again_and_the_first_one_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [time.monotonic()]
    heard = Heard(clock=lambda: clock[0])
    simulate_clock(monkeypatch, heard.clock)
    assert heard.hears(60, lambda number, usual: 3 * usual).load > 1
    heard.canary.rebaseline()
    clock[0] += 16
    assert heard.hears(60, lambda number, usual: 3 * usual).load == 0
    clock[0] += 16
    assert heard.hears(60, lambda number, usual: usual).load == 0
    clock[0] += 16
    assert heard.hears(60, lambda number, usual: 3 * usual).load > 1


# The control loop: governor and canary together, with a simulated clock.


class Simulated:
    """A throttle of four workers on a server where the share of slow calls depends on how many workers work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slow: Callable[[float], float], seed: int) -> None:
        self.clock = 1000.0
        simulate_clock(monkeypatch, lambda: self.clock)
        self._slow = slow
        self._random = random.Random(seed)
        self._throttle = Throttle("", ThrottleLimits(), 4)
        self._throttle.canary = Heard().canary
        self._throttle.canary.interval = 0.1
        monkeypatch.setattr(self._throttle._server, "signals", lambda: [])

    def seconds(self, seconds: int) -> list[float]:
        """Return how many workers worked, twice a second."""
        worked = []
        for _ in range(2 * seconds):
            worked.append(self._throttle.tick())
            for _ in range(5):
                self.clock += 0.1
                slow = self._random.random() < self._slow(worked[-1])
                self._throttle.canary._record(_Call(self.clock, 40.0 if slow else 5.0, 5.0))
        return worked


@pytest.mark.parametrize("seed", range(5))
def test_it_settles_where_few_calls_are_slow(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    server = Simulated(monkeypatch, lambda workers: 0.03 if workers <= 1 else 0.3, seed)
    server.seconds(20)
    worked = server.seconds(180)
    assert 0.8 < statistics.mean(worked) < 1.1
    assert sum(workers > 1 for workers in worked) < len(worked) / 10


@pytest.mark.parametrize("seed", range(5))
def test_when_one_worker_is_too_many_a_fraction_of_one_works(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    server = Simulated(monkeypatch, lambda workers: 0.02 if workers < 0.5 else 0.25, seed)
    server.seconds(20)
    worked = server.seconds(180)
    assert 0.2 < statistics.mean(worked) < 0.35


@pytest.mark.parametrize("seed", range(5))
def test_when_nothing_helps_the_governor_keeps_trying(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    server = Simulated(monkeypatch, lambda workers: 0.3 if workers else 0.02, seed)
    server.seconds(20)
    for _ in range(5):
        assert 0 < statistics.mean(server.seconds(40)) < 0.1


# How workers rest.


def test_a_part_of_a_worker_rests_in_proportion() -> None:
    workers = Workers("", 1, 3, batch_timeout=1)
    assert workers._rest(2, 0.1) == 0
    workers.allowed = 0.25
    assert workers._rest(0, 0.1) == pytest.approx(0.3)
    assert workers._rest(1, 0.1) == math.inf
    workers.allowed = 2
    assert [workers._rest(number, 0.1) for number in range(3)] == [0, 0, math.inf]
    workers.allowed = 0
    assert workers._rest(0, 0.0) > 0
