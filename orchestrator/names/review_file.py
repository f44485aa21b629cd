"""Writes a CSV file with names and their candidates for review in a spreadsheet, and reads the decisions from it.

A row is a name. The column ``decision`` is empty; a person writes the number of a candidate (1 to 5), ``reject``, or
``accept`` and an id or a uuid in the column ``organization_id``.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-`` or ``@`` for a formula, and rounds long numbers.
So :func:`write` puts an apostrophe before such a text, and a ``#`` before the id of a candidate. :func:`read` removes
both. A text that begins with an apostrophe gets another one, so :func:`read` always restores the name.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError, SeveralProblemsError
from orchestrator.core.text import shortened
from orchestrator.host.uuid_keys import id_of, number_of, uuid_of
from orchestrator.names.decisions import Decision, known, organizations

_SHOWN = 20  # problems in one message, each in a line of its own
_NOTHING = "Nothing was imported."
_GUARDED = ("=", "+", "-", "@", "\t", "\r", "'")
_COLUMNS = [
    *("company_name", "experiences", "decision", "organization_id"),
    *(f"{what}_{place}" for place in range(1, 6) for what in ("candidate", "name", "score", "reason")),
]


@dataclass(frozen=True)
class _Row:
    """A row of the file: its line, what the cells contain, and the candidates (id and name) by their place."""

    line: int
    company_name: str
    decision: str
    organization_id: str
    candidates: dict[int, tuple[str, str]]


def write(path: Path, names: Iterable[dict[str, Any]]) -> int:
    """Write names with their candidates, as ``open_names`` returns them; returns how many.

    Raises :class:`OrchestratorError` when the file exists: it may hold decisions.
    """
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    count = 0
    for each in names:
        count += 1
        cells = [_guarded(each["company_name"]), str(each["experiences"]), "", ""]
        for candidate in each["candidates"]:
            cells += [
                f"#{candidate['organization_id']}",
                _guarded(candidate["name"] or ""),
                str(candidate["score"]),
                candidate["reason"],
            ]
        writer.writerow(cells + [""] * (len(_COLUMNS) - len(cells)))
    try:
        with path.open("xb") as file:
            file.write(text.getvalue().encode("utf-8-sig"))  # without the mark, Excel reads another encoding
    except FileExistsError:
        raise OrchestratorError(f"{path} exists; remove it, or name another file") from None
    except OSError as error:
        raise OrchestratorError(f"cannot write {path}: {error.strerror}") from error
    return count


def read(path: Path, connection: Connection) -> list[Decision]:
    """Return the decisions in a file; rows without a decision are skipped.

    Raises :class:`SeveralProblemsError` with every problem and its line when a decision is not clear, or an
    organization or a name is not the one that was exported.
    """
    rows = [row for row in _rows(path) if row.decision or row.organization_id]
    problems: list[tuple[int, str]] = []
    decisions: list[tuple[_Row, Decision, str | None]] = []
    for row in rows:
        try:
            decisions.append((row, *_decision(row, connection)))
        except (ValueError, OrchestratorError) as error:
            problems.append((row.line, str(error)))
    ids = {each.organization_id for _, each, _ in decisions if each.organization_id is not None}
    there = organizations(connection, ids)
    names = known(connection, [row.company_name for row in rows if "\0" not in row.company_name])
    first_line: dict[str, int] = {}
    for row, decision, expected in decisions:
        problem = _disagreement(decision, expected, there, names)
        if row.company_name in first_line:
            problem = f"the name is also in line {first_line[row.company_name]}"
        if problem:
            problems.append((row.line, problem))
        first_line.setdefault(row.company_name, row.line)
    if problems:
        shown = [f"{path}:{line}: {shortened(problem, 300)}" for line, problem in sorted(problems)[:_SHOWN]]
        more = [f"Further lines that are wrong: {len(problems) - _SHOWN:,}."] if len(problems) > _SHOWN else []
        raise SeveralProblemsError([*shown, *more, _NOTHING])
    return [decision for _, decision, _ in decisions]


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_GUARDED) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") else text


def _rows(path: Path) -> Iterator[_Row]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise OrchestratorError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SeveralProblemsError([f"{path} is not UTF-8; in Excel, save it as “CSV UTF-8”", _NOTHING]) from error
    heading = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=heading.count)  # Excel writes a semicolon in countries with a decimal comma
    reader = csv.DictReader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for line, cells in _cells(path, reader):
        candidates = {
            place: (cells.get(f"candidate_{place}") or "", _unguarded(cells.get(f"name_{place}") or ""))
            for place in range(1, 6)
            if cells.get(f"candidate_{place}")
        }
        yield _Row(
            line,
            _unguarded(cells["company_name"] or ""),
            (cells["decision"] or "").strip().lower(),
            (cells.get("organization_id") or "").strip(),
            candidates,
        )


def _cells(path: Path, reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str | Any, str | Any]]]:
    """Yield the line in which each row begins, and its cells by their columns."""
    before = 0
    try:
        missing = [name for name in ("company_name", "decision") if name not in (reader.fieldnames or ())]
        if missing:
            problem = f"{path} has no column {' and no column '.join(missing)}"
            raise SeveralProblemsError([f"{problem}; begin with: orchestrator resolve export FILE", _NOTHING])
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            yield line, cells
    except csv.Error as error:
        problem = f"{path}:{before + 1}: is not CSV ({error}); check the quotes in the row that begins here"
        raise SeveralProblemsError([problem, _NOTHING]) from error


def _decision(row: _Row, connection: Connection) -> tuple[Decision, str | None]:
    """Return the decision of a row, and the name that its organization should have; raise :class:`ValueError`."""
    word = row.decision.removesuffix(".0")  # a spreadsheet may write the number 1 so
    if word == "reject":
        if row.organization_id:
            raise ValueError("reject, but the row has an organization_id")
        return Decision(row.company_name, None), None
    if word == "accept" and not row.organization_id:
        raise ValueError("accept needs an id in the column organization_id")
    if word in ("", "accept"):
        return Decision(row.company_name, _id(row.organization_id, connection)), None
    if word.isdecimal() and int(word) in row.candidates and not row.organization_id:
        found, name = row.candidates[int(word)]
        return Decision(row.company_name, _id(found, connection)), name
    if word.isdecimal() and not row.organization_id:
        raise ValueError(f"there is no candidate {int(word)}; this row has {len(row.candidates) or 'none'}")
    raise ValueError(f"the decision {row.decision!r} is none of: the number of a candidate, reject, accept")


def _id(text: str, connection: Connection) -> int:
    """Return the id that a cell has: a number, perhaps with the # of an export, or a uuid. It may be negative."""
    word = text.removeprefix("#")
    given = uuid_of(word)
    if given is not None:
        return id_of(connection, "organization", given)
    if (number := number_of(word)) is None:
        raise ValueError(f"{text!r} is not the id of an organization")
    return number


def _disagreement(
    decision: Decision, expected: str | None, there: dict[int, str | None], names: set[str]
) -> str | None:
    if "\0" in decision.company_name:
        return "the company name has a zero byte"
    if decision.company_name not in names:
        return f"no work experience without an organization has the company name {decision.company_name!r}"
    if decision.organization_id is None:
        return None
    if decision.organization_id not in there:
        return f"organization {decision.organization_id} does not exist"
    found = there[decision.organization_id] or ""
    if expected is not None and found != expected:
        return f"organization {decision.organization_id} is {found!r} and not {expected!r}; export again"
    return None
