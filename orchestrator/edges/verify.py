"""Whether the edges are what they should be, and the finders fast enough: what was computed is computed again.

Reads only. What is looked at is a sample; the same seed finds the same contacts and questions.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from orchestrator.changes import sync
from orchestrator.changes.refresher import left
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection, stateless, transaction
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.core.formats import milliseconds
from orchestrator.doctor import indexes
from orchestrator.doctor.subject import examine
from orchestrator.finders.paths import Question
from orchestrator.host import left_out, sources
from orchestrator.install.installation import bound_host_schema, require_installed
from orchestrator.runs import runs
from orchestrator.runs.canary import Latencies

_STRATA = 5  # of sql/queries/verify_sample.sql
_AT_ONCE = 25  # contacts compared by one statement: the heaviest have thousands of edges
_DEPTH = 4  # the deepest that applications commonly ask for
_CALLS = 120
_SECONDS = 10.0  # that they may take
#: Seconds that a verification may take: a sample of 500 contacts takes some, of 10,000 in a large database minutes.
TIME_LIMIT = 300.0
_SETTINGS = {
    "jit": "off",
}


@dataclass(frozen=True)
class Difference:
    """A pair whose edge is not what it should be: ``problem`` is missing, stale or different.

    ``is_waiting``: the queue of changes says so already.
    """

    contact_a_id: int
    contact_b_id: int
    problem: str
    is_waiting: bool

    def __str__(self) -> str:
        return f"{self.contact_a_id}–{self.contact_b_id} is {self.problem}"


@dataclass(frozen=True)
class Sample:
    """The contacts whose edges were computed again: how many of each stratum, and what was found."""

    contacts: int
    strata: dict[str, int]
    wrong: list[Difference]
    waiting: list[Difference]


@dataclass(frozen=True)
class Queue:
    """The queue of changes: ``waiting`` notes, the oldest for ``oldest`` seconds (None: none waits).

    ``is_behind``: some of them wait since before this verification began. ``failed``: contacts that were left after
    three failures, with their errors.
    """

    waiting: int
    oldest: float | None
    is_behind: bool
    failed: list[dict[str, Any]]


@dataclass(frozen=True)
class Finders:
    """How long ``find_paths`` took (milliseconds); ``incomplete`` answers ran out of their time budget."""

    latencies: Latencies
    objective: float
    incomplete: int
    error: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What was looked at, ``findings``: what is wrong, and ``unfinished``: what was left out; a sentence each."""

    run: runs.Run | None
    set_aside: list[dict[str, Any]]
    queue: Queue
    sample: Sample
    finders: Finders
    findings: list[str]
    unfinished: list[str]
    seconds: float
    advice: tuple[str, ...] = ()  # what leaves people without edges or paths, though nothing is wrong with either

    @property
    def ok(self) -> bool:
        """Whether everything was looked at, and nothing is wrong."""
        return not self.findings and not self.unfinished


def verify(
    dsn: str,
    *,
    sample: int = 500,
    seed: int = 1,
    objective_ms: float = 250.0,
    time_limit: float = TIME_LIMIT,
    report: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Look for what is wrong: a run that is not over, changes that wait, edges, finders that are slow.

    ``sample`` contacts are compared, and every contact that the latest run has set aside. ``objective_ms`` is what the
    95th percentile of ``find_paths`` may take. ``report`` is told what is being done.

    Where an index that edges and finders need is missing or not valid, every contact would take a scan of whole tables:
    then neither is looked at. After ``time_limit`` seconds what is left is left out as well.
    """
    clock = _Clock(time_limit)
    with stateless(dsn) as connection:
        with transaction(connection, _SETTINGS):
            require_installed(connection)
            row = connection.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            bindings = sources.problems(connection, bound_host_schema(connection))
            sources.require_every_row(connection, "verify")
            if any(each.kind in sources.UNREADABLE for each in bindings):
                return _unreadable(bindings, clock)

            listed = runs.listed(connection)
            active = next((run for run in listed if run.active), None)
            latest = next((run for run in listed if not run.active and run.status != "cancelled"), None)
            set_aside = runs.set_aside(connection, latest.run_id) if latest is not None else []

            report("looking at indexes")
            unusable = [finding.what for finding in indexes.unusable(examine(connection))]
        report("choosing contacts")
        strata = _choose(connection, sample, seed, clock) if not unusable else {}
        also = [each["contact_id"] for each in set_aside if each["contact_id"] is not None]  # a range without contacts
        compared = _compare(connection, strata, also if not unusable else [], clock, report)

        report("asking for paths")
        finders = _ask(connection, seed, objective_ms, clock) if not unusable else _not_asked(objective_ms)
        if unusable:
            clock.unfinished = ["edges were not compared and find_paths was not timed, for want of indexes"]

        with transaction(connection, _SETTINGS):
            queue = _queue(connection, left(connection, row[0]))
        advice: tuple[str, ...] = ()
        findings = [
            *(f"{problem}; orchestrator doctor says what to type" for problem in unusable),
            *_of_bindings(bindings),
            *_of_runs(active, latest, set_aside, compared),
            *_of_queue(queue),
            *_of_sample(compared),
            *_of_finders(finders),
        ]
        try:
            with (
                clock.leaving_out(lambda: "rows that are left out were not counted"),
                transaction(connection, clock.settings),
            ):
                advice = tuple(left_out.lines(connection))
        except OrchestratorError as error:
            clock.unfinished.append(str(error))
    return Verdict(
        active or latest, set_aside, queue, compared, finders, findings, clock.unfinished, clock.seconds_spent, advice
    )


class _Clock:
    """The time that a verification may take, and what it did not get to."""

    def __init__(self, limit: float) -> None:
        self._started = time.monotonic()
        self._limit = limit
        self.unfinished: list[str] = []

    @property
    def seconds_spent(self) -> float:
        return time.monotonic() - self._started

    @property
    def seconds_left(self) -> float:
        return self._limit - self.seconds_spent

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a transaction whose statements end when the time is over."""
        return {**_SETTINGS, "statement_timeout": str(max(1, round(self.seconds_left * 1000)))}

    @contextmanager
    def leaving_out(self, what: Callable[[], str]) -> Iterator[None]:
        """Run the block; if the time is over before it ends, note *what* was left out."""
        try:
            yield
        except psycopg.errors.QueryCanceled:
            if self.seconds_left > 0:  # somebody else has cancelled it
                raise
            self.unfinished.append(f"{what()} within {self._limit:g} s; --time-limit allows for more")


def _choose(connection: Connection, sample: int, seed: int, clock: _Clock) -> dict[str, list[int]]:
    strata: dict[str, list[int]] = {}
    parameters = {"each": -(-sample // _STRATA), "seed": seed}
    with clock.leaving_out(lambda: "no contacts could be chosen"), transaction(connection, clock.settings):
        for stratum, contact in connection.execute(sqlfiles.query("edges/verify_sample"), parameters):
            strata.setdefault(stratum, []).append(contact)
    return strata


def _compare(
    connection: Connection,
    strata: dict[str, list[int]],
    also: list[int],
    clock: _Clock,
    report: Callable[[str], None],
) -> Sample:
    chosen = {contact for stratum in strata.values() for contact in stratum} | {*also}
    # shuffled, so that those that are left out for want of time are of every kind
    contacts = sorted(chosen, key=lambda contact: hashlib.sha256(b"%d" % contact).digest())
    compared: list[int] = []
    found: set[Difference] = set()
    with clock.leaving_out(lambda: f"{len(compared):,} of {len(contacts):,} contacts were compared"):
        for start in range(0, len(contacts), _AT_ONCE):
            report(f"computing edges again: {start} of {len(contacts)} contacts")
            some = contacts[start : start + _AT_ONCE]
            # as in the functions that make edges
            with transaction(connection, {**clock.settings, "enable_seqscan": "off"}):
                rows = connection.execute(sqlfiles.query("edges/verify_edges"), {"contact_ids": some})
                found.update(Difference(*row) for row in rows)
            compared += some
    differences = sorted(found, key=lambda each: (each.contact_a_id, each.contact_b_id))
    # compared twice, from either end, a pair may have come or gone between
    waiting = [each for each in differences if each.is_waiting]
    wrong = [each for each in differences if not each.is_waiting]
    done = set(compared)
    return Sample(
        len(compared), {name: len(done.intersection(stratum)) for name, stratum in strata.items()}, wrong, waiting
    )


def _not_asked(objective: float) -> Finders:
    return Finders(Latencies.of(()), objective, 0)


def _ask(connection: Connection, seed: int, objective: float, clock: _Clock) -> Finders:
    """Ask each question once, so that what it reads is in memory, then all of them in turn, and take the time."""
    taken: list[float] = []
    incomplete = [0]
    error: str | None = None
    try:
        with (
            clock.leaving_out(lambda: f"find_paths was timed {len(taken)} times"),
            transaction(connection, clock.settings),
        ):
            connection.execute("SELECT setseed(%s)", ((seed % 1000) / 1000,))
            asked = [
                Question(target, collection, viewer, max_depth=_DEPTH)
                for target, collection, viewer in connection.execute(sqlfiles.query("finders/canary_targets"))
            ]
            _time(connection, asked, taken, incomplete, min(_SECONDS, clock.seconds_left / 2))
    except psycopg.Error as failure:
        if connection.closed or connection.broken:
            raise
        error = one_line(failure)
    return Finders(Latencies.of(taken), objective, incomplete[0], error)


def _time(
    connection: Connection, asked: list[Question], taken: list[float], incomplete: list[int], seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    for question in asked:
        connection.execute(sqlfiles.query("finders/find_paths"), vars(question))
        if time.monotonic() > deadline:
            break
    deadline = time.monotonic() + seconds
    while asked and len(taken) < _CALLS and time.monotonic() < deadline:
        before = time.monotonic()
        row = connection.execute(sqlfiles.query("finders/find_paths"), vars(asked[len(taken) % len(asked)])).fetchone()
        taken.append((time.monotonic() - before) * 1000)
        incomplete[0] += row is not None and not row[0]["complete"]


def _queue(connection: Connection, is_behind: bool) -> Queue:
    row = connection.execute(sqlfiles.query("changes/queued_changes")).fetchone()
    assert row is not None
    return Queue(row[0], row[1], is_behind, sync.failed_changes(connection))


def _unreadable(bindings: list[sources.Problem], clock: _Clock) -> Verdict:
    """Return what there is to say when the application's tables cannot be read as they are, and nothing compared."""
    queue, sample, finders = Queue(0, None, False, []), Sample(0, {}, [], []), _not_asked(0.0)
    unfinished = ["edges were not compared and find_paths was not timed"]
    return Verdict(None, [], queue, sample, finders, _of_bindings(bindings), unfinished, clock.seconds_spent)


def _of_bindings(bindings: list[sources.Problem]) -> list[str]:
    return [each.sentence for each in bindings]


def _of_runs(
    active: runs.Run | None, latest: runs.Run | None, set_aside: list[dict[str, Any]], sample: Sample
) -> list[str]:
    findings = []
    if active is not None:
        findings.append(f"run {active.run_id} is {active.status}: see orchestrator runs show {active.run_id}")
    elif latest is None and sample.wrong:
        findings.append("no backfill has ever finished: run orchestrator backfill")
    wrong = {contact for each in sample.wrong for contact in (each.contact_a_id, each.contact_b_id)}
    bad = [each for each in set_aside if each["contact_id"] in wrong]
    if latest is not None and bad:
        first = bad[0]
        findings.append(
            f"run {latest.run_id} has set aside {len(bad)} contacts whose edges are wrong,"
            f" contact {first['contact_id']} for instance: {first['error']}"
        )
    return findings


def _of_queue(queue: Queue) -> list[str]:
    findings = []
    if queue.is_behind and queue.waiting:  # else it is a change that was not noted, a finding of the bindings
        findings.append(
            f"{queue.waiting} changes wait, the oldest for {queue.oldest or 0:.0f} s: run orchestrator sync"
        )
    if queue.failed:
        first = queue.failed[0]
        findings.append(
            f"{len(queue.failed)} contacts could not be synced, contact {first['contact_id']} for instance:"
            f" {first['error']}; when that is mended, run orchestrator sync --retry-failed"
        )
    return findings


def _of_sample(sample: Sample) -> list[str]:
    if not sample.wrong:
        return []
    return [
        f"{len(sample.wrong):,} wrong edges in {sample.contacts:,} sampled contacts; for example, {sample.wrong[0]};"
        " run orchestrator backfill"
    ]


def _of_finders(finders: Finders) -> list[str]:
    if finders.error is not None:
        return [f"find_paths fails: {finders.error}"]
    p95 = finders.latencies.p95
    if p95 is not None and p95 > finders.objective:
        return [f"p95 of find_paths is {milliseconds(p95)}, the objective {milliseconds(finders.objective)}"]
    return []
