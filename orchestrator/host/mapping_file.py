"""Reading a mapping from a TOML file: one message lists every problem, each with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from orchestrator.core.errors import OrchestratorError, SeveralProblemsError
from orchestrator.core.text import shortened
from orchestrator.host.mapping_expressions import BadExpressionError, read, table_name
from orchestrator.host.mapping_types import DEFAULT, WANTED, Place, Source, SourceMapping


def load(path: str | Path) -> SourceMapping:
    """Read the mapping of a TOML file. A source that the file does not name keeps its default.

    Raises :class:`OrchestratorError` with every problem, a line each: ``FILE:LINE: problem; what to write instead``.
    """
    file = str(path)
    return parse(_text(Path(path), file), file)


def load_partly(path: str | Path) -> tuple[SourceMapping, list[tuple[int, str]]]:
    """Read what can be read of a mapping: the mapping, and the problems of the file, each with its line.

    Raises :class:`OrchestratorError` if the file is not TOML.
    """
    file = str(path)
    return _parse_partly(_text(Path(path), file), file)


def parse(text: str, file: str) -> SourceMapping:
    """Read a mapping from the *text* of a TOML file. Raises :class:`OrchestratorError` as :func:`load` does."""
    found, problems = _parse_partly(text, file)
    if problems:
        raise SeveralProblemsError([problem for _, problem in sorted(problems, key=lambda each: each[0])])
    return found


def _text(path: Path, file: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise OrchestratorError(f"{file} is not text in UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise OrchestratorError(f"cannot read the mapping {file}: {error.strerror or error}") from None


def _parse_partly(text: str, file: str) -> tuple[SourceMapping, list[tuple[int, str]]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OrchestratorError(_toml_problem(str(error), file, text)) from None
    lines = places(text)
    reader = _Reader(file, lines)
    sources = dict(DEFAULT.sources)
    for name, table in data.items():
        source = reader.source(name, table)
        if source is not None:
            sources[name] = source
    reader.refuse_shared_tables(sources)
    for name, key in reader.unread:
        if key is None:
            sources.pop(name, None)
    read_sources = {name: sources[name] for name in WANTED if name in sources}
    problems = [(line, f"{file}:{line}: {problem}") for line, problem in reader.problems]
    return SourceMapping(read_sources, file, lines, frozenset(reader.unread)), problems


def _toml_problem(message: str, file: str, text: str) -> str:
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)", message)
    line = int(found[1]) if found and found[1] else len(text.splitlines()) or 1
    reason = message[: found.start()] if found else message
    return f"{file}:{line}: is not TOML ({reason}); write key = 'value', with the value in quotes"


_HEADER = re.compile(r"""\s*\[{1,2}\s*["']?([^"'\[\].]+?)["']?\s*\]""")
_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*=(.*)""")
_DELIMITERS = ('"' * 3, "'" * 3)


def places(text: str) -> dict[Place, int]:
    """Return the line, from 1, of each source and of each key in it; ``tomllib`` does not give the lines."""
    found: dict[Place, int] = {}
    name, inside = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        if inside:
            inside = "" if inside in line else inside
        elif header := _HEADER.match(line):
            name = header[1]
            found.setdefault((name, None), number)
        elif key := _KEY.match(line):
            found.setdefault((name, next(word for word in key.groups() if word is not None)), number)
            inside = next((each for each in _DELIMITERS if key[4].count(each) == 1), "")
    return found


class _Reader:
    """Reads the sources of a file and collects the problems, each with its line, and the places that have one."""

    def __init__(self, file: str, lines: Mapping[Place, int]) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[tuple[int, str]] = []
        self.unread: set[Place] = set()

    def add(self, problem: str, name: str, key: str | None = None) -> None:
        """Add a problem. The place whose name is nearest to a wrong one is not read either: probably it is meant."""
        known = [] if key is None else ["table", "where", *WANTED[name].columns]
        self.unread.add((_nearest(name, WANTED), key if key is None else _nearest(key, known)))
        line = self.lines.get((name, key)) or self.lines.get((name, None)) or self.lines.get(("", name)) or 1
        self.problems.append((line, problem))

    def source(self, name: str, table: Any) -> Source | None:
        if name not in WANTED:
            self.add(f"there is no source {name!r}; {_instead(name, WANTED)}", name)
            return None
        if not isinstance(table, dict):
            self.add(f"{name} is not a table of TOML; write [{name}] in a line of its own", name)
            return None
        wanted = WANTED[name]
        known = ["table", "where", *wanted.columns]
        strings: dict[str, str] = {}
        for key, value in table.items():
            if key not in known:
                self.add(f"{name} has no key {key!r}; {_instead(key, known)}", name, key)
            elif not isinstance(value, str):
                self.add(f"{key} is not a string; write {key} = {_as_string(value)}", name, key)
            else:
                strings[key] = value
        place = self._table(name, strings.pop("table", name))
        if place is None:
            return None
        for key, value in list(strings.items()):
            try:
                read(value, *place)
            except BadExpressionError as error:
                self.add(f"{key} = {_shown(value)} {error}", name, key)
                del strings[key]
        where = strings.pop("where", None)
        return Source(name, *place, strings, where)

    def _table(self, name: str, text: str) -> tuple[str | None, str] | None:
        try:
            return table_name(text)
        except BadExpressionError as error:
            self.add(str(error), name, "table")
            self.unread.add((name, None))
            return None

    def refuse_shared_tables(self, sources: Mapping[str, Source]) -> None:
        """Two sources with triggers cannot read one table, because a table has one set of triggers."""
        first: dict[tuple[str | None, str], str] = {}
        for name, source in sources.items():
            if not WANTED[name].is_captured:
                continue
            other = first.setdefault((source.schema, source.table), name)
            if other != name:
                self.add(
                    f"{other} and {name} read the same table {source.table}; only one of them can, so write a view"
                    " as the table of the other one",
                    name, "table",
                )  # fmt: skip


def _nearest(word: str, known: Iterable[str]) -> str:
    every = list(known)
    return word if word in every else next(iter(get_close_matches(word, every, n=1)), word)


def _instead(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def _as_string(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f'"{text}"' if isinstance(value, bool | int | float) else '"a column or an SQL expression"'


def _shown(value: str, longest: int = 60) -> str:
    return shortened(" ".join(value.split()), longest) or "''"
