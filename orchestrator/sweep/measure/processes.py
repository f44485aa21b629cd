"""Client processes: started together, given tasks through pipes, and ended together."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection as Pipe
from typing import Any

import psycopg

from orchestrator.core.errors import OrchestratorError, one_line

#: Clients are forked from a process that has no threads and no locks and has imported the load generator once for all.
CONTEXT = multiprocessing.get_context("forkserver")
_PRELOADED = "orchestrator.sweep.measure.load_generator"
_END_WITHIN = 1.0  # seconds, after which a process is killed


class ClientProcesses:
    """Running client processes."""

    def __init__(self, pipes: Sequence[Pipe]) -> None:
        self._pipes = pipes

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._pipes)

    def do(self, task: object, patience: float) -> list[Any]:
        """Give every client the task and return their results.

        Raises :class:`OrchestratorError` when a client fails, has died, or takes longer than *patience* seconds.
        """
        deadline = time.monotonic() + patience
        reports: list[tuple[Any, str | None]] = []
        try:
            for pipe in self._pipes:
                pipe.send(task)
            for pipe in self._pipes:
                if not pipe.poll(max(0.0, deadline - time.monotonic())):
                    raise OrchestratorError("a client process of the load generator does not answer")
                reports.append(pipe.recv())
        except (EOFError, OSError) as error:
            raise OrchestratorError("a client process of the load generator has died") from error
        for _, problem in reports:
            if problem is not None:
                raise OrchestratorError(f"a client process of the load generator cannot continue: {problem}")
        return [result for result, _ in reports]


@contextmanager
def client_processes(
    number: int, make: Callable[..., Callable[[Any], Any]], *args: object
) -> Iterator[ClientProcesses]:
    """Start client processes, in each of which ``make(*args)`` returns the function that does a task."""
    CONTEXT.set_forkserver_preload([_PRELOADED])
    started = []
    try:
        for _ in range(number):
            ours, theirs = CONTEXT.Pipe()
            process = CONTEXT.Process(target=_serve, args=(theirs, make, args), daemon=True)
            process.start()
            theirs.close()
            started.append((ours, process))
        yield ClientProcesses([pipe for pipe, _ in started])
    finally:
        for pipe, _ in started:
            pipe.close()
        for _, process in started:
            process.join(timeout=_END_WITHIN)
            if process.is_alive():
                process.kill()
                process.join()


def _serve(pipe: Pipe, make: Callable[..., Callable[[Any], Any]], args: Sequence[object]) -> None:
    """Do the tasks that arrive through the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes the pipe
    gc.freeze()  # the garbage collector must not walk through imported modules during a measurement
    do = make(*args)
    with suppress(EOFError, OSError):
        while True:
            task, result, problem = pipe.recv(), None, None
            try:
                result = do(task)
            except (psycopg.Error, OrchestratorError) as error:
                problem = one_line(error)
            pipe.send((result, problem))
