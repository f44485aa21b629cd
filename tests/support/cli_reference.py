"""``docs/reference/cli.md``: every command of the command line, from the commands themselves.

``python -m tests.support.cli_reference`` (``make reference``) writes the page anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from orchestrator.cli import main

#: Options of every command, by name.
SHARED = ("dsn", "schema", "embedded", "json")

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"

_INTRODUCTION = """\
# Command line reference

`make reference` makes this page from the commands in `orchestrator/cli/`. Change those, not this page: a test fails
when the two differ. `orchestrator COMMAND --help` shows the same text.

Results go to standard output. Progress and errors go to standard error.

| exit status | meaning |
|---|---|
| 0 | The work is done. |
| 1 | The command failed; for `status`, something is missing or invalid. |
| 2 | The command was not understood: a usage error. |
| 3 | A check found something wrong, worse or missed: `verify`, `doctor`, `sweep`, `compare`. |
| 4 | A check is undecided or mixed, or ran out of time: `verify`, `sweep`, `compare`. |

With `--json`, an error is JSON on standard output, too: `{"error": {"kind", "sqlstate", "message", "exit_status"}}`,
where `kind` is `usage`, `failed`, `server` or `interrupted`, and `sqlstate` is there for errors of the server only.

For completion of commands and options in bash, run `eval "$(_ORCHESTRATOR_COMPLETE=bash_source orchestrator)"`; in zsh
and fish, likewise with `zsh_source` and `fish_source`.
"""


def page() -> str:
    """Return the whole page."""
    top = click.Context(main, info_name="orchestrator")
    shared = [option for option in main.params if option.name in SHARED]
    parts = [
        _INTRODUCTION,
        "".join(f"* [{ctx.command_path}](#{_anchor(ctx)}): {_first_line(each)}\n" for each, ctx in commands()),
        "## Options of every command\n\nThey may stand before the name of a command or after it.\n",
        _table("option", [_record(option, top) for option in shared]),
        *(_section(command, ctx) for command, ctx in commands()),
    ]
    return "\n".join(parts)


def commands() -> Iterator[tuple[click.Command, click.Context]]:
    """Return every command with its context; a command of a group follows its group."""
    # click keeps the help option of the first context, so this one needs the settings of the command
    yield from _commands(main, click.Context(main, info_name="orchestrator", **main.context_settings))


def _commands(group: click.Group, parent: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    for name, command in sorted(group.commands.items()):
        ctx = click.Context(command, info_name=name, parent=parent)
        yield command, ctx
        if isinstance(command, click.Group):
            yield from _commands(command, ctx)


def _section(command: click.Command, ctx: click.Context) -> str:
    usage = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    options = [
        _record(param, ctx) for param in command.params if isinstance(param, click.Option) and param.name not in SHARED
    ]
    parts = [f"## {ctx.command_path}\n", f"`{usage}`\n", f"{cleandoc(command.help or '')}\n"]
    return "\n".join([*parts, *([_table("option", options)] if options else [])])


def _record(param: click.Parameter, ctx: click.Context) -> tuple[str, str]:
    """Return what a person types, and what it does."""
    record = param.get_help_record(ctx)
    assert record is not None
    typed, printed = record
    return f"`{typed}`", " ".join(printed.split())


def _table(heading: str, rows: list[tuple[str, str]]) -> str:
    """Write a table of Markdown, in which ``|`` would end a cell."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    shown = [f"| {' | '.join(row)} |" for row in escaped]
    return "\n".join([f"| {heading} | |", "|---|---|", *shown, ""])


def _first_line(command: click.Command) -> str:
    return command.get_short_help_str(limit=1000)


def _anchor(ctx: click.Context) -> str:
    return ctx.command_path.replace(" ", "-")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
