"""The time that a verification may take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg


class TimeLimit:
    """Counts the seconds since it was created; ``unfinished`` lists what was left out, one sentence each."""

    def __init__(self, limit: float) -> None:
        self._started = time.monotonic()
        self._limit = limit
        self.unfinished: list[str] = []

    @property
    def seconds_spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._started

    @property
    def seconds_left(self) -> float:
        """Seconds until the limit; negative after it."""
        return self._limit - self.seconds_spent

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a transaction whose statements end at the limit."""
        # rounded up: a statement that ends before the limit was cancelled by another session
        return {"statement_timeout": str(max(1, math.ceil(self.seconds_left * 1000)))}

    @contextmanager
    def leaving_out(self, what: Callable[[], str]) -> Iterator[None]:
        """Run the block; when the limit ends it, record *what* was left out."""
        try:
            yield
        except psycopg.errors.QueryCanceled:
            if self.seconds_left > 0:  # another session cancelled the statement
                raise
            self.unfinished.append(f"{what()} within {self._limit:g} s; --time-limit allows for more")
