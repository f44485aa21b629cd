"""Putting load on a server: client processes, driven block after block."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep import client
from orchestrator.sweep.client import Parameters, Prepare
from orchestrator.sweep.statistics import Samples

_HEAD_START = 0.05, 0.002  # seconds, and for each client, for all of them to have read what to do
_STARTED_WITHIN = 60.0  # seconds, all clients
_LISTEN = 0.25  # seconds between two looks at the clients


@dataclass(frozen=True)
class Answers:
    """What one block gave, by request number: milliseconds, infinite where there was no answer.

    ``connecting``: milliseconds of it that went into connecting, None where connections were there already.
    ``answered``: how many answers came before the block's time was over, which is what throughput is. ``timeouts`` and
    ``errors`` are the requests without one; ``failures`` says why, how often.
    """

    seconds: float
    milliseconds: Samples
    connecting: Samples | None
    answered: int
    timeouts: int
    errors: int
    failures: dict[str, int]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


class Fleet:
    """Clients that ask together. ``timeout`` in seconds: how long an answer may take."""

    def __init__(self, pipes: Sequence[Pipe], taken: Synchronized[int], timeout: float) -> None:
        self._pipes = pipes
        self._taken = taken
        self._timeout = timeout

    @property
    def size(self) -> int:
        """How many clients there are."""
        return len(self._pipes)

    def prepare(self, statements: Sequence[str], types: Sequence[int] = client.TYPES) -> None:
        """Have these statements in the blocks to come."""
        self._tell(Prepare(statements, types))
        self._gather(_STARTED_WITHIN, lambda _: None)

    def ask(
        self,
        statement: int,
        parameters: Sequence[Parameters],
        *,
        seed: str,
        first: int,
        seconds: float,
        rate: float | None = None,
        connects: bool = False,
        report: Callable[[Samples], None] = lambda _: None,
    ) -> Answers:
        """Ask for *seconds* with the *parameters* in the order of *seed*, from request number *first* on.

        A closed loop, or an open one of *rate* requests a second on the average, whose times are drawn from *seed* and
        *first*. ``report`` is told the milliseconds of answers that came in since it was last told.
        """
        arrivals = None if rate is None else arrival_times(rate, seconds, f"{seed} {first}")
        self._taken.value = first
        head_start = _HEAD_START[0] + _HEAD_START[1] * self.size
        begins = time.monotonic_ns() + round(head_start * 1e9)
        self._tell(client.Block(statement, parameters, seed, first, begins, seconds, arrivals, connects))

        def tell(samples: NDArray[np.int64]) -> None:
            report(samples[samples[:, 1] == client.ANSWERED, 2] / 1e6)

        # An open loop may be late by its timeout, and its last requests by as much again.
        patience = head_start + seconds + 2 * (self._timeout + client.GRACE) + _STARTED_WITHIN
        samples, failures = self._gather(patience, tell)
        expected = len(samples) if arrivals is None else len(arrivals)
        return _answers(samples, failures, seconds, first, expected, connects)

    def _tell(self, task: Prepare | client.Block) -> None:
        try:
            for pipe in self._pipes:
                pipe.send(task)
        except OSError as error:
            raise OrchestratorError("a load client has died") from error

    def _gather(
        self, patience: float, tell: Callable[[NDArray[np.int64]], None]
    ) -> tuple[NDArray[np.int64], Counter[str]]:
        deadline = time.monotonic() + patience
        waiting = list(self._pipes)
        parcels = [np.empty((0, client.FIELDS), dtype=np.int64)]
        failures: Counter[str] = Counter()
        problems = []
        while waiting:
            for pipe in wait(waiting, timeout=_LISTEN):
                assert isinstance(pipe, Pipe)
                try:
                    told = pipe.recv()
                except (EOFError, OSError) as error:
                    raise OrchestratorError("a load client has died") from error
                if isinstance(told, client.Done):
                    waiting.remove(pipe)
                    failures.update(told.failures)
                    problems += [told.problem] if told.problem is not None else []
                else:
                    parcels.append(np.frombuffer(told, dtype=np.int64).reshape(-1, client.FIELDS))
                    tell(parcels[-1])
            if time.monotonic() > deadline:
                raise OrchestratorError(f"{len(waiting)} load clients do not answer")
        if problems:
            raise OrchestratorError(f"a load client cannot go on: {problems[0]}")
        return np.concatenate(parcels), failures


@contextmanager
def fleet(dsn: str, connections: int, timeout: float) -> Iterator[Fleet]:
    """Start *connections* clients, a process each, that end with the block."""
    context = multiprocessing.get_context("spawn")  # a fork would take the locks of this process's threads with it
    taken: Synchronized[int] = context.Value("q", 0)
    processes: list[BaseProcess] = []
    pipes: list[Pipe] = []
    try:
        for _ in range(connections):
            ours, theirs = context.Pipe()
            processes.append(context.Process(target=client.main, args=(theirs, dsn, timeout, taken), daemon=True))
            processes[-1].start()
            theirs.close()
            pipes.append(ours)
        yield Fleet(pipes, taken, timeout)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(timeout=client.GRACE)
            if process.is_alive():
                process.kill()
                process.join()


def arrival_times(rate: float, seconds: float, seed: str) -> list[int]:
    """Return when requests come, in nanoseconds: independent of each other (a Poisson process), as users are."""
    generator = np.random.default_rng(list(seed.encode()))
    expected = rate * seconds
    gaps = generator.exponential(1 / rate, size=round(expected + 10 * math.sqrt(expected) + 10))
    times = np.cumsum(gaps)
    found: list[int] = (times[times < seconds] * 1e9).astype(np.int64).tolist()
    return found


def _answers(
    samples: NDArray[np.int64],
    failures: Counter[str],
    seconds: float,
    first: int,
    expected: int,
    connects: bool,
) -> Answers:
    """Put the clients' samples in the order of their requests.

    Those of an open loop that no client came to have timed out.
    """
    number, outcome, took, connecting, ended = samples[np.argsort(samples[:, 0])].T
    milliseconds = np.full(max(expected, len(samples)), math.inf)
    at = number - first
    is_answered = outcome == client.ANSWERED
    milliseconds[at[is_answered]] = took[is_answered] / 1e6
    never = len(milliseconds) - len(samples)
    if never:
        failures["never begun: too late"] += never
    connected = None
    if connects:
        connected = np.full(len(milliseconds), math.nan)
        connected[at] = connecting / 1e6
    return Answers(
        seconds=seconds,
        milliseconds=milliseconds,
        connecting=connected,
        answered=int((is_answered & (ended <= seconds * 1e9)).sum()),
        timeouts=int((outcome == client.TIMED_OUT).sum()) + never,
        errors=int((outcome == client.FAILED).sum()),
        failures=dict(failures),
    )
