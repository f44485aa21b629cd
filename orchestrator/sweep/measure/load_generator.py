"""The load generator: client processes that call a finder for a while, and the time that each call took.

**Closed loop.** A client sends its next request as soon as the last one is answered. Latency counts from sending.

**Open loop.** Each request has a planned time. The next free client takes the next request, and latency counts from the
planned time. A stall therefore shows in every request that it delayed, and not only once per client. (Counting from the
time of sending is the mistake that Gil Tene named coordinated omission.)

Every client is a process with one connection (see ``processes.py`` and ``connection.py``). Percentiles are nearest
ranks of every sample; a request without an answer ranks above every answer.
"""

from __future__ import annotations

import math
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from random import Random

import numpy as np
from numpy.typing import NDArray

from orchestrator.sweep.measure import connection
from orchestrator.sweep.measure.connection import GRACE, TYPES, Parameters, Statements, TimedConnection
from orchestrator.sweep.measure.processes import CONTEXT, ClientProcesses, client_processes

#: Milliseconds of each request, infinite where there was no answer.
Samples = NDArray[np.float64]

_HEAD_START = 0.05, 0.002  # seconds before a block begins, and more for each client: all must have read their task
_PATIENCE = 60.0  # seconds, beyond the time that a task takes, within which every client must report
_PAUSE = 0.05  # seconds after a request that failed, so that a broken server is not flooded


@dataclass(frozen=True)
class Block:
    """A task for all clients: call one prepared statement for a while.

    Request *n* uses ``parameters[Order(seed, len(parameters))[n]]``; the first request has the number ``first``.
    ``begins`` is a time of ``time.monotonic_ns()``, which processes share. ``planned`` holds, for the open loop, the
    time of each request in nanoseconds after ``begins``; None means the closed loop.
    """

    statement: int
    parameters: Sequence[Parameters]
    seed: str
    first: int
    begins: int
    seconds: float
    planned: Sequence[int] | None


@dataclass(frozen=True)
class BlockResult:
    """What one block measured: ``milliseconds`` by request number.

    ``answered`` counts the answers within the block's time, from which throughput follows. ``timeouts`` and ``errors``
    count requests without an answer; ``failures`` counts them by reason.
    """

    seconds: float
    milliseconds: Samples
    answered: int
    timeouts: int
    errors: int
    failures: dict[str, int]

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.answered / self.seconds


class Order:
    """An endless order of *count* things: all of them shuffled, then all of them shuffled again, and so on.

    The same seed gives the same order, and request *n* can be looked up without the requests before it.
    """

    def __init__(self, seed: str, count: int) -> None:
        self._seed = seed
        self._count = count
        self._round = -1
        self._shuffled: list[int] = []

    def __getitem__(self, number: int) -> int:
        """Return the thing that request *number* uses."""
        current, place = divmod(number, self._count)
        if current != self._round:
            self._round, self._shuffled = current, list(range(self._count))
            Random(f"{self._seed} {current}").shuffle(self._shuffled)
        return self._shuffled[place]


def percentile(samples: Samples, percent: int) -> float:
    """Return a percentile by the nearest rank (NumPy's ``inverted_cdf``); NaN without samples."""
    if not len(samples):
        return math.nan
    rank = max(1, -(-len(samples) * percent // 100))
    return float(np.partition(samples, rank - 1)[rank - 1])


def planned_times(rate: float, seconds: float, seed: str) -> list[int]:
    """Return the times of an open loop's requests in nanoseconds: independent of each other (a Poisson process)."""
    expected = rate * seconds
    gaps = np.random.default_rng(list(seed.encode())).exponential(
        1 / rate, size=round(expected + 10 * math.sqrt(expected) + 10)
    )
    times = np.cumsum(gaps)
    return [int(planned) for planned in times[times < seconds] * 1e9]


class LoadGenerator:
    """Running clients. ``timeout`` in seconds is how long an answer may take."""

    def __init__(self, processes: ClientProcesses, next_request: Synchronized[int], timeout: float) -> None:
        self._processes = processes
        self._next_request = next_request
        self._timeout = timeout

    def prepare(self, statements: Sequence[str], types: Sequence[int] = TYPES) -> None:
        """Set the statements of the blocks to come."""
        self._processes.do(Statements(statements, types), _PATIENCE)

    def run(
        self, statement: int, parameters: Sequence[Parameters], *, seed: str, first: int, seconds: float,
        rate: float | None = None,
    ) -> BlockResult:  # fmt: skip
        """Run one block: a closed loop, or an open loop of *rate* requests per second on average."""
        planned = None if rate is None else planned_times(rate, seconds, f"{seed} {first}")
        self._next_request.value = first
        head_start = _HEAD_START[0] + _HEAD_START[1] * len(self._processes)
        begins = time.monotonic_ns() + round(head_start * 1e9)
        block = Block(statement, parameters, seed, first, begins, seconds, planned)
        # The last request of an open loop may begin as late as the timeout, and then take as long again.
        results = self._processes.do(block, head_start + seconds + 2 * (self._timeout + GRACE) + _PATIENCE)
        samples = np.frombuffer(b"".join(each for each, _ in results), dtype=np.int64).reshape(-1, 4)
        failures = sum((each for _, each in results), Counter[str]())
        return _block_result(samples, failures, block)


@contextmanager
def load_generator(dsn: str, clients: int, timeout: float) -> Iterator[LoadGenerator]:
    """Start *clients* processes, which end with the ``with`` block."""
    next_request: Synchronized[int] = CONTEXT.Value("q", 0)
    with client_processes(clients, _Client, dsn, timeout, next_request) as processes:
        yield LoadGenerator(processes, next_request, timeout)


class _Client:
    """What a client process does. ``next_request`` is the number of the next request, shared by all clients."""

    def __init__(self, dsn: str, timeout: float, next_request: Synchronized[int]) -> None:
        self._connection = TimedConnection(dsn, timeout)
        self._timeout = timeout
        self._next_request = next_request

    def __call__(self, task: Block | Statements) -> tuple[bytes, Counter[str]]:
        """Do a task; return the samples (request number, outcome, duration, end) and the failures."""
        samples, failures = array("q"), Counter[str]()
        if isinstance(task, Statements):
            self._connection.prepare(task)
        else:
            self._connection.open()  # a server that cannot be reached is one problem, and not many failed requests
            for number, outcome, began, ended, reason in self._requests(task):
                samples.extend((number, outcome, ended - began, ended - task.begins))
                if reason is not None:
                    failures[reason] += 1
        return samples.tobytes(), failures

    def _requests(self, block: Block) -> Iterator[tuple[int, int, int, int, str | None]]:
        """Send requests until the block's time is over; yield each with its outcome, start and end."""
        order = Order(block.seed, len(block.parameters))
        ends = block.begins + round(block.seconds * 1e9)
        if block.planned is not None:
            ends += round(self._timeout * 1e9)  # a request that has not begun by then counts as timed out
        _sleep_until(block.begins)
        while time.monotonic_ns() < ends:
            with self._next_request.get_lock():
                number = self._next_request.value
                self._next_request.value = number + 1
            if block.planned is not None and number - block.first >= len(block.planned):
                return
            parameters = block.parameters[order[number]]
            began = time.monotonic_ns()
            if block.planned is not None:
                began = block.begins + block.planned[number - block.first]
                _sleep_until(began)
            outcome, reason = self._connection.request(block.statement, parameters)
            yield number, outcome, began, time.monotonic_ns(), reason
            if outcome == connection.FAILED:
                time.sleep(_PAUSE)


def _sleep_until(moment: int) -> None:
    while (left := moment - time.monotonic_ns()) > 0:
        time.sleep(left / 1e9)


def _block_result(samples: NDArray[np.int64], failures: Counter[str], block: Block) -> BlockResult:
    """Sort the samples by request. A request of an open loop that no client began has timed out."""
    number, outcome, duration, ended = samples.T
    requests = len(samples) if block.planned is None else len(block.planned)
    milliseconds = np.full(requests, math.inf)
    is_answered = outcome == connection.ANSWERED
    milliseconds[number[is_answered] - block.first] = duration[is_answered] / 1e6
    never_begun = requests - len(samples)
    if never_begun:
        failures["not begun before the timeout"] += never_begun
    return BlockResult(
        seconds=block.seconds,
        milliseconds=milliseconds,
        answered=int((is_answered & (ended <= block.seconds * 1e9)).sum()),
        timeouts=int((outcome == connection.TIMED_OUT).sum()) + never_begun,
        errors=int((outcome == connection.FAILED).sum()),
        failures=dict(failures),
    )
