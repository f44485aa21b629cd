"""Parity: finders that must agree return the same rows. Otherwise nothing is timed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq

from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.sweep.measure.connection import CANCELLED, Parameters, TimedConnection, Unanswered, first_line
from orchestrator.sweep.measure.matrix import Combination, Finder

Rows = tuple[tuple[bytes | None, ...], ...]


@dataclass(frozen=True)
class Parity:
    """What was compared for one combination.

    ``rows`` and ``digests`` are by finder; a digest is of all rows, to compare with another sweep. ``uncompared``
    counts the calls that a finder did not answer in time.
    """

    calls: int
    uncompared: int
    rows: Mapping[str, int]
    digests: Mapping[str, str]


def check(
    connection: TimedConnection, combination: Combination, finders: Sequence[Finder], calls: Sequence[Parameters]
) -> Parity:
    """Make every call with every finder; the connection has their statements prepared in this order.

    Raises :class:`OrchestratorError` at the first call that fails or has different rows.
    """
    rows = dict.fromkeys((finder.name for finder in finders), 0)
    hashes = {finder.name: hashlib.sha256() for finder in finders}
    uncompared = 0
    for parameters in calls:
        described = _described(combination, parameters)
        answers = {finder: _rows(connection, number, finder, parameters, described) for number, finder in
                   enumerate(finders)}  # fmt: skip
        uncompared += any(answer is None for answer in answers.values())
        _compare({finder: answer for finder, answer in answers.items() if answer is not None}, described)
        for finder, answer in answers.items():
            rows[finder.name] += len(answer or ())
            hashes[finder.name].update(repr(answer).encode())
    return Parity(len(calls), uncompared, rows, {name: found.hexdigest()[:16] for name, found in hashes.items()})


def _rows(
    connection: TimedConnection, number: int, finder: Finder, parameters: Parameters, described: str
) -> Rows | None:
    """Return the rows of one call, None when there was no answer in time."""
    try:
        result = connection.call(number, parameters)
    except Unanswered:
        return None
    except psycopg.Error as error:
        raise OrchestratorError(f"{finder.name} cannot be called: {one_line(error)}") from error
    if result.status == pq.ExecStatus.TUPLES_OK:
        columns = range(result.nfields)
        return tuple(tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples))
    if result.error_field(pq.DiagnosticField.SQLSTATE) == CANCELLED:
        return None
    raise OrchestratorError(f"{finder.name} fails for {described}: {first_line(result)}")


def _compare(answers: Mapping[Finder, Rows], described: str) -> None:
    first: dict[str, tuple[Finder, Rows]] = {}
    for finder, rows in answers.items():
        other, expected = first.setdefault(finder.rows, (finder, rows))
        if rows != expected:
            pairs = enumerate(zip(expected, rows, strict=False))
            at = next((at for at, (one, another) in pairs if one != another), min(len(expected), len(rows)))
            raise OrchestratorError(
                f"{other.name} and {finder.name} disagree about {described}, at row {at + 1}: {_row(expected, at)} and"
                f" {_row(rows, at)}; nothing was timed"
            )


def _row(rows: Rows, at: int) -> str:
    if at >= len(rows):
        return "no row"
    return "(" + ", ".join("NULL" if value is None else value.decode() for value in rows[at]) + ")"


def _described(combination: Combination, parameters: Parameters) -> str:
    target, viewer = (value.decode() if value is not None else "" for value in (parameters[0], parameters[2]))
    return f"contact {target} for user {viewer} in {combination.name}"
