"""Measures how long ``find_paths`` takes for random questions."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import psycopg

from orchestrator.core.database import Connection, transaction
from orchestrator.core.errors import one_line
from orchestrator.core.latencies import Latencies
from orchestrator.finders.paths import random_questions
from orchestrator.finders.question import CALL, Question
from orchestrator.verify.time_limit import TimeLimit

#: How often ``find_paths`` is timed.
CALLS = 120
_SECONDS = 10.0  # for all calls


@dataclass(frozen=True)
class FinderTimes:
    """How long ``find_paths`` took, in milliseconds; ``incomplete`` answers ran out of their time budget.

    ``error`` is the error of a call as one line, or None.
    """

    latencies: Latencies
    objective: float
    incomplete: int
    error: str | None = None


@dataclass
class _Measured:
    """The milliseconds of each call so far, and how many answers were incomplete."""

    taken: list[float] = field(default_factory=list)
    incomplete: int = 0


def not_timed(objective: float) -> FinderTimes:
    """Return the result of no measurement."""
    return FinderTimes(Latencies.of(()), objective, 0)


def time_finders(connection: Connection, seed: int, objective: float, limit: TimeLimit) -> FinderTimes:
    """Ask random questions and measure the answers; the same *seed* gives the same questions."""
    measured = _Measured()
    error: str | None = None
    try:
        with (
            limit.leaving_out(lambda: f"find_paths was timed {len(measured.taken)} times"),
            transaction(connection, limit.settings),
        ):
            questions = random_questions(connection, (seed % 1000) / 1000)
            _measure(connection, questions, measured, min(_SECONDS, limit.seconds_left / 2))
    except psycopg.Error as failure:
        if connection.closed or connection.broken:
            raise
        error = one_line(failure)
    return FinderTimes(Latencies.of(measured.taken), objective, measured.incomplete, error)


def _measure(connection: Connection, questions: list[Question], measured: _Measured, seconds: float) -> None:
    """Ask every question once, so that its data is in memory, and then measure the questions in turn."""
    deadline = time.monotonic() + seconds
    for question in questions:
        connection.execute(CALL, vars(question))
        if time.monotonic() > deadline:
            break
    deadline = time.monotonic() + seconds
    while questions and len(measured.taken) < CALLS and time.monotonic() < deadline:
        question = questions[len(measured.taken) % len(questions)]
        before = time.monotonic()
        row = connection.execute(CALL, vars(question)).fetchone()
        measured.taken.append((time.monotonic() - before) * 1000)
        measured.incomplete += row is not None and not row[0]["complete"]
