"""The fenced blocks of a Markdown page, the notes about each, and the quotes of what it prints.

A line that begins with → quotes the output of the block above. It continues on the next line when it ends with ·. Each
piece of code in it must be in a line of the output, in this order. In a quote a number stands for any number (but 0
only for 0), a size for any size, a time for any time, and ``…`` for anything. A comment ``<!-- test: … -->`` above a
block holds notes, separated by semicolons.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NOTE = re.compile(r"<!-- test: (.*) -->")
_QUOTED = re.compile(r"`([^`]+)`")
_UNITS = {"size": "bytes|kB|MB|GB|TB", "time": "s|min|h|days|ms"}
_TOKEN = re.compile(
    rf"(?P<size>\d[\d,.]* (?:{_UNITS['size']})\b)|(?P<time>\d[\d,.:]* (?:{_UNITS['time']})\b)"
    r"|(?P<number>\d[\d,.]*\d|\d)|(?P<any>…)|(?P<space>\s+)"
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line, its language and text, the notes about it, and the quotes of its output."""

    line: int
    language: str
    text: str
    notes: tuple[str, ...]
    quotes: list[str] = field(default_factory=list)

    @property
    def setup(self) -> str | None:
        return next((note.removeprefix("setup = ") for note in self.notes if note.startswith("setup = ")), None)

    @property
    def status(self) -> int:
        return next((int(note.rsplit(" ", 1)[1]) for note in self.notes if note.startswith("expect exit ")), 0)


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    notes: tuple[str, ...] = ()
    inside: list[str] | None = None
    quoting = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            if inside is None:
                inside, began, language = [], number, line[3:]
            else:
                found.append(Block(began, language, "\n".join(inside) + "\n", notes))
                inside, notes = None, ()
        elif inside is not None:
            inside.append(line)
        elif note := _NOTE.fullmatch(line):
            notes = tuple(note[1].split("; "))
        elif quoting or line.startswith("→"):
            found[-1].quotes.extend(_QUOTED.findall(line))
            quoting = line.endswith("·")
    return found


def pattern(quote: str) -> str:
    def general(token: re.Match[str]) -> str:
        kind, quoted = token.lastgroup, token[0]
        if kind in _UNITS:
            return rf"[\d,.:]+ (?:{_UNITS[kind]})\b"
        if kind == "number":
            return r"(?<![\d.,])0(?![\d.,]*\d)" if quoted == "0" else r"\d(?:[\d,.]*\d)?"
        return {"any": ".*", "space": r"\s+"}[kind or ""]

    parts, at = [], 0
    for token in _TOKEN.finditer(quote):
        parts += [re.escape(quote[at : token.start()]), general(token)]
        at = token.end()
    return "".join([*parts, re.escape(quote[at:])])


def check_quotes(block: Block, output: str) -> None:
    lines = iter(output.splitlines())
    for quote in block.quotes:
        wanted = pattern(quote)
        assert any(re.search(wanted, line) for line in lines), f"line {block.line}: no {quote!r} in:\n{output}"
