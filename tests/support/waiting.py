"""Waits for other sessions, threads and processes, and runs calls in the background of a test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg

from orchestrator.core.database import Connection
from tests.support.sessions import value


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    """Wait for a condition to hold; fail the test after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


PATIENCE = 20.0  # seconds; only a failing test waits that long


def eventually(connection: Connection, query: str, *parameters: Any) -> None:
    """Wait for a query to say true."""
    deadline = time.monotonic() + PATIENCE
    while value(connection, query, *parameters) is not True:
        assert time.monotonic() < deadline, query
        time.sleep(0.03)


class InThread(threading.Thread):
    """Does something in a thread; ``result`` waits for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error
        return self._result


def all_at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Run all functions at the same moment; returns the result or the error of each."""
    barrier = threading.Barrier(len(works))

    def attempt(each: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return each()
        except psycopg.Error as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(attempt, each) for each in works]]


@contextmanager
def in_the_background(each: Callable[[], Any]) -> Iterator[Future[Any]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(each)
