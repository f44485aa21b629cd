"""Keeps a backfill from slowing down the application: the canary and the server's signals, given to the governor."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from types import TracebackType
from typing import Any

from orchestrator.runs.canary import Canary
from orchestrator.runs.governor import ADD_BELOW, Governor
from orchestrator.runs.signals import ServerLoad, Signal, ThrottleLimits

__all__ = ["Throttle", "ThrottleLimits"]


class Throttle:
    """Measures the load and decides how many workers may work, for the length of a run.

    A context manager. On entry it measures the normal latency of ``find_paths`` for ``baseline_seconds``, and raises
    :class:`OrchestratorError` when the server cannot be reached. Connections that are lost later are opened again.
    ``most`` is the number of workers that is wanted.
    """

    def __init__(
        self,
        dsn: str,
        limits: ThrottleLimits | None = None,
        most: int = 1,
        *,
        baseline_seconds: float = 5.0,
    ) -> None:
        limits = limits or ThrottleLimits()
        self.canary = Canary(dsn, limits)
        self.governor = Governor(most)
        self.rebaselined = 0  # how often the normal latency was measured again
        self._server = ServerLoad(dsn, limits)
        self._baseline_seconds = baseline_seconds
        self._signals: list[Signal] = []
        self._ticked = False
        self._started = self._ended = 0.0

    def __enter__(self) -> Throttle:
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
        """Return how many workers may work. To be called about once a second; it never waits for the server.

        *working* is how many still work. Only calls of the canary since the latest change of the number count, and none
        while more workers still work than may.
        """
        if not self._ticked:
            self._ticked = True
            self.canary.forget()  # no worker has worked until now
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

    @property
    def reasons(self) -> list[str]:
        """Why fewer workers work than are wanted, in words; empty when all do.

        Every signal that is against more workers; when there is none, what the governor waits for.
        """
        if self.governor.reason is None:
            return []
        against = [str(signal) for signal in self._signals if not signal.fresh or signal.load >= ADD_BELOW]
        return against or [self.governor.reason]

    def receipt(self) -> dict[str, Any]:
        """Return how the run affected the application, as JSON; latencies are in milliseconds."""
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
