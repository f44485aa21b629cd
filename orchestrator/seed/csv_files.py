"""Rows of the host tables from CSV files. A fault in a file is reported with its line and the reason."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import IO, cast

import psycopg

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.seed import loading as seed
from orchestrator.seed.loading import Column

_LINE_LIMIT = 1 << 26  # bytes of a line, and of a field; a binary file may have no line ends at all
_SHOWN = 40  # characters of a wrong value in a message

_INTEGER = re.compile(r"-?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_COPY_CONTEXT = re.compile(r"^COPY (\w+), line (\d+)", re.MULTILINE)


def load(
    connection: Connection,
    host_schema: str,
    directory: Path,
    *,
    replace: bool,
    progress: seed.Progress | None = None,
) -> dict[str, int]:
    """Load the files of *directory* as :func:`seed.load` does; returns the number of rows of each table.

    An error that only the server can find, such as an id given twice, is reported with its file and line, too.
    """
    files = _find(directory)
    try:
        return seed.load(connection, host_schema, _tables(files), replace=replace, progress=progress)
    except psycopg.Error as error:
        place = _COPY_CONTEXT.search(error.diag.context or "")
        if place is None or place[1] not in files:
            raise
        path = files[place[1]]
        reason = error.diag.message_detail or error.diag.message_primary or str(error)
        if isinstance(error, psycopg.errors.UniqueViolation):
            reason = f"given twice: {reason}"
        raise _bad(path, _line_of_record(path, int(place[2])), reason) from error


def tables(directory: Path) -> seed.Tables:
    """Return the rows of ``NAME.csv`` or ``NAME.csv.gz`` in *directory* for each host table.

    A header row names the columns, in any order; other columns are ignored. Dates are ISO dates. An empty field is
    NULL.

    Raises :class:`OrchestratorError` when a file is missing or exists in both forms. While the rows are read, it is
    raised for the first wrong one, with its file, physical line and reason.
    """
    return _tables(_find(directory))


def _tables(files: dict[str, Path]) -> seed.Tables:
    return {table: partial(_blocks, path, seed.TABLES[table]) for table, path in files.items()}


def _blocks(path: Path, columns: tuple[Column, ...]) -> seed.Blocks:
    return seed.blocks(_copy_lines(path, columns))


def _find(directory: Path) -> dict[str, Path]:
    if not directory.is_dir():
        raise OrchestratorError(f"{directory} is not a directory")
    files: dict[str, Path] = {}
    missing: list[str] = []
    for table in seed.TABLES:
        plain, compressed = directory / f"{table}.csv", directory / f"{table}.csv.gz"
        match plain.exists(), compressed.exists():
            case True, True:
                raise OrchestratorError(f"{directory} has both {plain.name} and {compressed.name}; remove one")
            case False, False:
                missing.append(plain.name)
            case is_plain, _:
                files[table] = plain if is_plain else compressed
    if missing:
        raise OrchestratorError(f"{directory} lacks {', '.join(missing)} (or the same with .gz)")
    return files


def _copy_lines(path: Path, columns: tuple[Column, ...]) -> Iterator[str]:
    """Check the rows of *path*, and yield them as lines of COPY's text format."""
    with _open(path) as file:
        records = _records(path, file)
        _, header = next(records, (1, cast(list[str], [])))
        converters = [
            (position, column.name, _converter(column))
            for position, column in zip(_positions(path, header, columns), columns, strict=True)
        ]
        width = len(header)
        for line, record in records:
            if len(record) != width:
                raise _bad(path, line, f"{_fields(len(record))}, the header has {width}")
            values = []
            for position, name, convert in converters:
                try:
                    values.append(convert(record[position]))
                except ValueError as error:
                    raise _bad(path, line, f"{name}: {error}") from error
            yield "\t".join(values) + "\n"


def _positions(path: Path, header: list[str], columns: tuple[Column, ...]) -> list[int]:
    names = [column.name for column in columns]
    missing = [name for name in names if name not in header]
    if missing:
        raise _bad(path, 1, f"the header lacks {', '.join(missing)}")
    repeated = [name for name in names if header.count(name) > 1]
    if repeated:
        raise _bad(path, 1, f"the header repeats {', '.join(repeated)}")
    return [header.index(name) for name in names]


def _records(path: Path, file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the physical line on which it starts."""
    csv.field_size_limit(_LINE_LIMIT)  # the default is 128 kB; the limit is one for the whole process
    reader = csv.reader(_lines(path, file), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # the text after " - " is advice to programmers
            raise _bad(path, line, str(error).split(" - ", 1)[0]) from error
        yield line, record


def _lines(path: Path, file: IO[bytes]) -> Iterator[str]:
    """Yield decoded physical lines, decoded one by one so that an error can name the line."""
    number, encoding = 1, "utf-8-sig"  # files of spreadsheets begin with a byte order mark
    while True:
        try:
            raw = file.readline(_LINE_LIMIT)
        except EOFError as error:
            raise _bad(path, number, "the compressed data ends early; the file is truncated") from error
        except (OSError, zlib.error) as error:
            raise _bad(path, number, f"cannot be read: {error}") from error
        if not raw:
            return
        if b"\0" in raw:
            raise _bad(path, number, "contains a NUL byte")
        if len(raw) == _LINE_LIMIT:
            raise _bad(path, number, f"longer than {_LINE_LIMIT} bytes")
        try:
            yield raw.decode(encoding)
        except UnicodeDecodeError as error:
            raise _bad(path, number, f"not UTF-8 at byte {error.start + 1} of the line") from error
        number, encoding = number + 1, "utf-8"


def _line_of_record(path: Path, wanted: int) -> int:
    """Return the physical line of the data record number *wanted*. Reads the file again, which only an error needs."""
    with _open(path) as file:
        return next(line for number, (line, _) in enumerate(_records(path, file)) if number == wanted)


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = (gzip.open if path.suffix == ".gz" else open)(path, "rb")
    except OSError as error:
        raise OrchestratorError(f"cannot read {path}: {error.strerror}") from error
    with file:
        yield cast(IO[bytes], file)


# A converter takes the text of a field and returns it as COPY wants it; a ValueError says what is wrong.


@cache
def _converter(column: Column) -> Callable[[str], str]:
    """Return the converter of *column*."""
    match column.kind:
        case "bigint":
            convert: Callable[[str], str] = partial(_integer, limit=1 << 63)
        case "smallint":
            convert = partial(_integer, limit=1 << 15)
        case "date":
            convert = _date
        case "text":
            convert = _text
    if column.required:
        return partial(_required, convert)
    return partial(_optional, convert)


def _required(convert: Callable[[str], str], text: str) -> str:
    if not text:
        raise ValueError("is empty, but required")
    return convert(text)


def _optional(convert: Callable[[str], str], text: str) -> str:
    return convert(text) if text else r"\N"


def _integer(text: str, limit: int) -> str:
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is not an integer")
    digits = text.lstrip("-").lstrip("0")
    # The digits are counted first: int() has its own error for a number of thousands of digits.
    if len(digits) > len(str(limit)) or not -limit <= int(text) < limit:
        raise ValueError(f"{_shown(text)} is out of range")
    return text


@lru_cache(maxsize=1 << 16)  # files repeat the same dates
def _date(text: str) -> str:
    if _DATE.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is not a date like 2019-03-31")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not in the calendar") from None
    return text


def _text(text: str) -> str:
    return text.translate(seed.COPY_ESCAPES)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _bad(path: Path, line: int, reason: str) -> OrchestratorError:
    return OrchestratorError(f"{path.name}, line {line}: {' '.join(reason.split())}")
