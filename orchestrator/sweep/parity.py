"""Whether versions that are to be compared return the same rows: if not, how fast they are does not matter."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq

from orchestrator.core.errors import OrchestratorError
from orchestrator.sweep.client import CANCELLED, Parameters, Session, Unanswered
from orchestrator.sweep.matrix import Request, Version

Rows = tuple[tuple[bytes | None, ...], ...]


@dataclass(frozen=True)
class Parity:
    """What each version answered to all questions of a request.

    ``rows`` and ``digests`` (of the rows, to be compared with another sweep's) by version. ``uncompared``: how many
    questions one of them did not answer in time.
    """

    questions: int
    uncompared: int
    rows: Mapping[str, int]
    digests: Mapping[str, str]


def check(session: Session, request: Request, versions: Sequence[Version], asked: Sequence[Parameters]) -> Parity:
    """Ask every version every question; *session* has their statements prepared in this order.

    Raises :class:`OrchestratorError` at the first answer that differs between versions that shall agree, or fails.
    """
    rows = dict.fromkeys((version.label for version in versions), 0)
    hashes = {version.label: hashlib.sha256() for version in versions}
    uncompared = 0
    for parameters in asked:
        answers = {
            version: _answer(session, number, version, request, parameters) for number, version in enumerate(versions)
        }
        uncompared += any(answer is None for answer in answers.values())
        _compare(request, parameters, answers)
        for version, answer in answers.items():
            rows[version.label] += len(answer or ())
            hashes[version.label].update(repr(answer).encode())
    digests = {label: found.hexdigest()[:16] for label, found in hashes.items()}
    return Parity(len(asked), uncompared, rows, digests)


def _answer(session: Session, number: int, version: Version, request: Request, parameters: Parameters) -> Rows | None:
    try:
        result = session.call(number, parameters)
    except Unanswered:
        return None
    except psycopg.Error as error:
        raise OrchestratorError(f"{version.label} cannot be asked: {error}") from error
    if result.status == pq.ExecStatus.TUPLES_OK:
        columns = range(result.nfields)
        return tuple(tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples))
    if result.error_field(pq.DiagnosticField.SQLSTATE) == CANCELLED:
        return None
    message = result.get_error_message().strip().partition("\n")[0]
    raise OrchestratorError(f"{version.label} fails for {_told(request, parameters)}: {message}")


def _compare(request: Request, parameters: Parameters, answers: Mapping[Version, Rows | None]) -> None:
    first: dict[str, tuple[Version, Rows]] = {}
    for version, rows in answers.items():
        if rows is None:
            continue
        other, expected = first.setdefault(version.rows, (version, rows))
        if rows == expected:
            continue
        pairs = zip(expected, rows, strict=False)
        at = next((at for at, (one, another) in enumerate(pairs) if one != another), min(len(expected), len(rows)))
        raise OrchestratorError(
            f"{other.label} and {version.label} disagree about {_told(request, parameters)}, at row {at + 1}:"
            f" {_row(expected, at)} and {_row(rows, at)}; nothing was timed"
        )


def _row(rows: Rows, at: int) -> str:
    if at >= len(rows):
        return "no row"
    return "(" + ", ".join("NULL" if value is None else value.decode() for value in rows[at]) + ")"


def _told(request: Request, parameters: Parameters) -> str:
    target, viewer = (value.decode() if value is not None else "" for value in (parameters[0], parameters[2]))
    return f"contact {target} for user {viewer} in {request.name}"
