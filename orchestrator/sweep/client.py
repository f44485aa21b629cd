"""One load client: a process with one connection, that asks and takes the time.

It talks to libpq directly, because psycopg's ``execute()`` takes as long as a short call does, and lets libpq do the
waiting, because a loop here costs a twentieth of the answers on a busy machine. A server that was stopped says nothing;
then a thread that looks now and then ends the connection. What it is told and what it tells goes through a pipe.

**Closed loop**: it asks again as soon as it is answered. A request's time is from when it is sent.
**Open loop**: requests have a time at which they shall begin, whoever is free takes the next one, and a request's time
is from then on, so that a stall is seen by every request it kept waiting, and not once per client. (Gil Tene named the
fault that this avoids coordinated omission.)
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import threading
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.sharedctypes import Synchronized
from random import Random

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core.database import NEUTRAL, known, without_secrets
from orchestrator.core.errors import one_line

#: A request's parameters as text, in the order of deep_finder's.
Parameters = Sequence[bytes | None]

TYPES = (20, 20, 20, 23, 23, 25, 23)  # oids of bigint, integer and text
ANSWERED, TIMED_OUT, FAILED = range(3)
FIELDS = 5  # numbers of a sample: request, outcome, nanoseconds of it, of its connecting, and when it ended
GRACE = 1.0  # seconds that an answer may be later than the statement timeout
_FLUSH = 0.2  # seconds between parcels of samples
_LOOK = 0.25  # seconds between looks at whether an answer is overdue
_PAUSE = 0.05  # seconds after a request that failed, so that a broken server is not flooded
CANCELLED = b"57014"  # SQLSTATE of what the statement timeout ends
_NAME = b"sweep"

#: Settings of a session that is measured, besides the neutral ones: what a role or a database has set for its own
#: statements is no property of a finder.
MEASURED = {"jit": "off", "plan_cache_mode": "auto"}


@dataclass(frozen=True)
class Prepare:
    """Have these statements, prepared on every connection but those that last for one request."""

    statements: Sequence[str]
    types: Sequence[int] = TYPES


@dataclass(frozen=True)
class Block:
    """Ask for a while.

    ``statement`` is a number of :class:`Prepare`. ``parameters`` are taken in the :class:`Order` of ``seed``, from
    number ``first`` on. ``begins`` is of the clock ``time.monotonic_ns()``, which processes share. ``arrivals`` in
    nanoseconds from then on, for the open loop; None for the closed one, which lasts ``seconds``. ``connects``: every
    request makes a connection of its own.
    """

    statement: int
    parameters: Sequence[Parameters]
    seed: str
    first: int
    begins: int
    seconds: float
    arrivals: Sequence[int] | None
    connects: bool


@dataclass(frozen=True)
class Done:
    """The answer to either: why requests failed, how often; ``problem`` is why nothing can be done at all."""

    failures: dict[str, int]
    problem: str | None = None


class Unanswered(Exception):
    """The server said nothing for longer than it may."""


class Order:
    """The order in which *count* things are asked for, without end: shuffled, all of them, shuffled anew.

    The same seed gives the same order, wherever one begins.
    """

    def __init__(self, seed: str, count: int) -> None:
        self._seed = seed
        self._count = count
        self._round = -1
        self._shuffled: list[int] = []

    def __getitem__(self, number: int) -> int:
        """Return what is asked for by request *number*."""
        around, place = divmod(number, self._count)
        if around != self._round:
            self._round = around
            self._shuffled = list(range(self._count))
            Random(f"{self._seed} {around}").shuffle(self._shuffled)
        return self._shuffled[place]


class Session:
    """A connection as libpq has it; connects anew when it was lost. ``timeout`` in seconds."""

    def __init__(self, dsn: str, timeout: float) -> None:
        self._given = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
        self._given.setdefault("connect_timeout", "10")
        self._given["application_name"] = "orchestrator sweep"
        self._settings = {**NEUTRAL, **MEASURED, "statement_timeout": str(max(1, round(timeout * 1000)))}
        self._conninfo: bytes | None = None  # known once the server's version is
        self._watch = _Watch(timeout + GRACE)
        self._prepared: Prepare = Prepare(())
        self._pgconn: pq.abc.PGconn | None = None

    def prepare(self, prepared: Prepare) -> None:
        """Have these statements from now on, whenever there is a connection."""
        self.close()
        self._prepared = prepared

    def connect(self) -> pq.abc.PGconn:
        """Return the connection, opened and with its statements prepared if there is none."""
        if self._pgconn is not None:
            return self._pgconn
        pgconn = self._open()
        for number, statement in enumerate(self._prepared.statements):
            self._require(pgconn.prepare(_NAME + b"%d" % number, statement.encode(), self._prepared.types))
        return pgconn

    def _open(self) -> pq.abc.PGconn:
        if self._conninfo is None:
            self._conninfo = self._measuring()
        return self._connected(self._conninfo)

    def _measuring(self) -> bytes:
        """Return a connection string with all settings in it, which come before those of the role and database.

        They go with the request for a connection: to send them afterwards would take a round trip of what is measured.
        """
        version = self._connected(make_conninfo(**self._given).encode()).server_version
        self.close()
        ours = [f"-c {name}={_escaped(value)}" for name, value in known(self._settings, version).items()]
        options = self._given.get("options", os.environ.get("PGOPTIONS", ""))
        return make_conninfo(**{**self._given, "options": " ".join([options, *ours]).strip()}).encode()

    def _connected(self, conninfo: bytes) -> pq.abc.PGconn:
        self._pgconn = pgconn = pq.PGconn.connect(conninfo)
        if pgconn.status != pq.ConnStatus.OK:
            raise self._failure(pgconn.get_error_message())
        return pgconn

    def _require(self, result: pq.abc.PGresult) -> None:
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise self._failure(result.get_error_message())

    def _failure(self, message: str) -> psycopg.OperationalError:
        """Close the connection, and return an error that says why without a secret."""
        self.close()
        return psycopg.OperationalError(without_secrets(message, self._given))

    def close(self) -> None:
        """Let the connection go."""
        if self._pgconn is not None:
            self._pgconn.finish()
            self._pgconn = None

    def call(self, statement: int, parameters: Parameters) -> pq.abc.PGresult:
        """Call a prepared statement. Raises :class:`Unanswered` or ``psycopg.OperationalError``."""
        pgconn = self.connect()
        self._watch.begin(pgconn.socket)
        result = pgconn.exec_prepared(_NAME + b"%d" % statement, parameters)  # type: ignore[arg-type]  # None is NULL
        return self._answered(result)

    def call_first(self, statement: int, parameters: Parameters) -> tuple[pq.abc.PGresult, int]:
        """Connect and call, unprepared; returns the nanoseconds of connecting, too."""
        self.close()
        began = time.monotonic_ns()
        pgconn = self._open()
        connected = time.monotonic_ns() - began
        text = self._prepared.statements[statement].encode()
        self._watch.begin(pgconn.socket)
        result = self._answered(pgconn.exec_params(text, parameters, self._prepared.types))
        self.close()
        return result, connected

    def tell_statistics(self) -> None:
        """Have the server count what this session did at once, instead of within a second."""
        if self._pgconn is not None:
            self._pgconn.exec_(b"SELECT pg_stat_force_next_flush()")

    def _answered(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if self._watch.end():
            self.close()
            raise Unanswered
        if self._pgconn is not None and self._pgconn.status != pq.ConnStatus.OK:
            raise self._failure(result.get_error_message())
        return result


class _Watch:
    """Ends a connection whose answer does not come within *patience* seconds."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: tuple[float, int] | None = None  # since when, on which socket
        self._has_ended = False
        self._lock = threading.Lock()
        threading.Thread(target=self._look, daemon=True).start()

    def begin(self, descriptor: int) -> None:
        """Watch a request on the socket of that number."""
        self._waiting = time.monotonic(), descriptor

    def end(self) -> bool:
        """Stop watching; return whether the connection was ended."""
        with self._lock:
            self._waiting = None
            has_ended, self._has_ended = self._has_ended, False
        return has_ended

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK)
            with self._lock:
                waiting = self._waiting
                if waiting is not None and time.monotonic() - waiting[0] > self._patience:
                    self._waiting, self._has_ended = None, True
                    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(waiting[1])) as ours:
                        ours.shutdown(socket.SHUT_RDWR)


class Client:
    """The process: asks block after block, until the pipe is closed.

    ``taken`` is the number of the next request, which all clients share.
    """

    def __init__(self, pipe: Pipe, dsn: str, timeout: float, taken: Synchronized[int]) -> None:
        self._pipe = pipe
        self._session = Session(dsn, timeout)
        self._timeout = timeout
        self._taken = taken
        self._samples = array("q")
        self._failures: Counter[str] = Counter()
        self._flushed = 0

    def run(self) -> None:
        """Do what the pipe says."""
        while True:
            try:
                task = self._pipe.recv()
            except (EOFError, OSError):
                return
            problem = None
            self._failures.clear()
            try:
                if isinstance(task, Prepare):
                    self._session.prepare(task)
                else:
                    self._ask(task)
            except psycopg.Error as error:
                problem = one_line(error)
            self._pipe.send(Done(dict(self._failures), problem))

    def _ask(self, block: Block) -> None:
        self._session.connect()  # even if every request makes its own: what cannot be reached is said at once
        self._flushed = block.begins
        order = Order(block.seed, len(block.parameters))
        if block.arrivals is None:
            self._ask_closed(block, order)
        else:
            self._ask_open(block, block.arrivals, order)
        self._flush()
        self._session.tell_statistics()

    def _ask_closed(self, block: Block, order: Order) -> None:
        _sleep_until(block.begins)
        ends = block.begins + round(block.seconds * 1e9)
        while (began := time.monotonic_ns()) < ends:
            number = self._take()
            self._request(block, number, block.parameters[order[number]], began)

    def _ask_open(self, block: Block, arrivals: Sequence[int], order: Order) -> None:
        ends = block.begins + round((block.seconds + self._timeout) * 1e9)  # what has not begun by then never will
        while time.monotonic_ns() < ends:
            number = self._take()
            if number - block.first >= len(arrivals):
                return
            intended = block.begins + arrivals[number - block.first]
            parameters = block.parameters[order[number]]
            _sleep_until(intended)
            self._request(block, number, parameters, intended)

    def _take(self) -> int:
        with self._taken.get_lock():
            number: int = self._taken.value
            self._taken.value = number + 1
        return number

    def _request(self, block: Block, number: int, parameters: Parameters, began: int) -> None:
        connecting = 0
        problem: str | None
        try:
            if block.connects:
                result, connecting = self._session.call_first(block.statement, parameters)
            else:
                result = self._session.call(block.statement, parameters)
        except Unanswered:
            outcome, problem = TIMED_OUT, "no answer"
        except psycopg.Error as error:
            self._session.close()
            outcome, problem = FAILED, one_line(error)
        else:
            outcome, problem = _outcome(result)
        now = time.monotonic_ns()
        self._samples.extend((number, outcome, now - began, connecting, now - block.begins))
        if problem is not None:
            self._failures[problem] += 1
            if outcome == FAILED:
                time.sleep(_PAUSE)
        if now - self._flushed > _FLUSH * 1e9:
            self._flush()
            self._flushed = now

    def _flush(self) -> None:
        if self._samples:
            self._pipe.send(self._samples.tobytes())
            self._samples = array("q")


def _outcome(result: pq.abc.PGresult) -> tuple[int, str | None]:
    if result.status == pq.ExecStatus.TUPLES_OK:
        return ANSWERED, None
    if result.error_field(pq.DiagnosticField.SQLSTATE) == CANCELLED:
        return TIMED_OUT, "statement timeout"
    return FAILED, result.get_error_message().strip().partition("\n")[0]


def _escaped(value: str) -> str:
    """Return a setting's value as one word of ``options``."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _sleep_until(moment: int) -> None:
    """Sleep until *moment* of ``time.monotonic_ns()``."""
    while (left := moment - time.monotonic_ns()) > 0:
        time.sleep(left / 1e9)


def main(pipe: Pipe, dsn: str, timeout: float, taken: Synchronized[int]) -> None:
    """Be a load client. An interrupt is for the process that started it, which then ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # what is there stays; collecting it again and again would take time from what is measured
    with contextlib.suppress(BrokenPipeError):  # who asked is gone
        Client(pipe, dsn, timeout, taken).run()
