"""The screen of a command: results as lines, tables or JSON, and the progress of work.

Results go to standard output. Progress, and everything else that is shown before the result, goes to standard error.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.core.text import printable

_Progress = TypeVar("_Progress")

_PIPED_WIDTH = 160  # characters of a table where there is no terminal
_REPLACED_WIDTH = 60  # characters; a line that replaces a longer one covers all of it
_LINE_EVERY = 5.0  # seconds between two lines of progress where there is no terminal


class Screen:
    """Standard output and standard error, as text for people or as JSON.

    ``rewrite`` is called with every line of text before it is shown.
    """

    def __init__(self, *, as_json: bool = False, rewrite: Callable[[str], str] = lambda line: line) -> None:
        self.as_json = as_json
        self._rewrite = rewrite
        piped = not sys.stdout.isatty()
        # text of a database is shown as it is, whatever brackets and colons it contains
        plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
        self._out = Console(**plain, width=_PIPED_WIDTH if piped else None)
        self._err = Console(**plain, soft_wrap=True, stderr=True)

    def result(self, data: Any, *shown: Any) -> None:
        """Show the result of a command: *data* with ``--json``, otherwise the lines and tables *shown*."""
        if self.as_json:
            plain = asdict(data) if is_dataclass(data) and not isinstance(data, type) else data
            self._out.print(json.dumps(plain, indent=2, default=str), soft_wrap=True)
        else:
            self.say(*shown)

    def say(self, *lines: Any) -> None:
        """Print lines or tables to standard output."""
        for line in lines:
            if isinstance(line, str):
                self._out.print(Text(printable(self._rewrite(line))), soft_wrap=True)
            else:
                self._out.print(line)

    def say_about(self, line: Any) -> None:
        """Print a line or a table to standard error, for a question that follows."""
        self._err.print(Text(printable(self._rewrite(line))) if isinstance(line, str) else line)

    def report(self, line: str) -> None:
        """Print a line about the work under way to standard error."""
        self._err.print(Text(printable(self._rewrite(line)), style="dim"))

    @contextmanager
    def watching(
        self, lines: Callable[[_Progress], Iterable[Any]], line: Callable[[_Progress], str | None]
    ) -> Iterator[Callable[[_Progress], None]]:
        """Show the progress of work; yields the function that takes each new state of it.

        On a terminal, the *lines* of a state replace those of the state before. Elsewhere its one *line* is printed,
        every five seconds at most, and not when it is None.
        """
        if self._err.is_terminal:
            with Live(console=self._err, auto_refresh=False, transient=True) as live:
                yield lambda progress: live.update(_below_each_other(lines(progress)), refresh=True)
            return
        last = time.monotonic()

        def write(progress: _Progress) -> None:
            nonlocal last
            if time.monotonic() - last < _LINE_EVERY:
                return
            shown = line(progress)
            if shown is not None:
                last = time.monotonic()
                self.report(shown)

        yield write

    def show_step(self, line: str) -> None:
        """On a terminal, show the step under way in a line that the next step replaces; elsewhere show nothing."""
        if self._err.is_terminal:
            self._err.print(Text(f"{printable(line):<{_REPLACED_WIDTH}}", style="dim"), end="\r")


class SafeTable(Table):
    """A plain table. Characters that a terminal would act on are escaped in its cells.

    ``>`` before a heading aligns its column to the right. A text that is too long for the terminal continues below.
    """

    def __init__(self, *headings: str) -> None:
        super().__init__(box=None, pad_edge=False)
        for heading in headings:
            justify: Any = "right" if heading.startswith(">") else "left"
            self.add_column(heading.removeprefix(">"), justify=justify, overflow="fold")

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; a cell may be any text of a database."""
        super().add_row(*(printable(each) if isinstance(each, str) else each for each in cells), **options)


def _below_each_other(shown: Iterable[Any]) -> Group:
    return Group(*(Text(printable(each)) if isinstance(each, str) else each for each in shown))
