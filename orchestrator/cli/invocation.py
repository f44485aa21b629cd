"""One call of the command line: the options that every command shares, and the server that they name."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from orchestrator.cli.screen import Screen
from orchestrator.core import embedded
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import DEFAULT, checked, with_schema

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: The value of ``--embedded`` without a directory.
DEFAULT_DIRECTORY = ""


class Invocation:
    """The values of ``--dsn``, ``--schema``, ``--embedded`` and ``--json``, wherever they stand among the words."""

    def __init__(self) -> None:
        self.dsn: str | None = None
        self.embedded: str | None = None
        self.schema_given: str | None = None
        self.as_json = False
        self._connection_string: str | None = None

    @property
    def screen(self) -> Screen:
        """Where results and progress are shown, also from another thread."""
        context = click.get_current_context()  # a thread that shows progress has none
        return Screen(as_json=self.as_json, rewrite=lambda line: self.with_server(line, context))

    @property
    def server_given(self) -> str | None:
        """The connection string that the option or the environment gives; None when neither does."""
        return self.dsn if self.dsn is not None else os.environ.get("ORCHESTRATOR_DSN")

    @property
    def schema(self) -> str:
        """The schema of the installation: that of the option or the environment, or the default."""
        given = self.schema_given or os.environ.get("ORCHESTRATOR_SCHEMA") or DEFAULT
        try:
            return checked(given)
        except OrchestratorError as error:
            raise click.UsageError(str(error)) from None

    def connection_string(self) -> str:
        """Return the connection string to use, with the schema; with ``--embedded``, start the private server first."""
        if self._connection_string is None:
            if self.embedded is None:
                server = self.server_given or ""
            else:
                directory = Path(self.embedded) if self.embedded else embedded.default_directory()
                server = click.get_current_context().with_resource(embedded.serve(directory))
            self._connection_string = with_schema(server, self.schema)
        return self._connection_string

    def with_server(self, line: str, context: click.Context) -> str:
        """Return *line* with ``--embedded`` and ``--schema`` in each command that a person should type, if given here.

        Without that, "run: orchestrator install" would lead to another server, or to another installation.
        """
        options = []
        if self.embedded is not None:
            options.append("--embedded" + (f"={shlex.quote(self.embedded)}" if self.embedded else ""))
        if self.schema_given:
            options.append(f"--schema {self.schema}")
        if not options:
            return line
        option = " ".join(options)
        main = context.find_root().command
        names = "|".join(main.commands) if isinstance(main, click.Group) else ""
        return re.sub(rf"\borchestrator (?=(?:{names})\b)", lambda _: f"orchestrator {option} ", line)


def _commands_or_directories(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Complete the word after ``--embedded``: a directory, or the command when the option stands without one."""
    names = ctx.command.list_commands(ctx) if isinstance(ctx.command, click.Group) else []
    return [
        *(CompletionItem(name) for name in names if name.startswith(incomplete)),
        CompletionItem(incomplete, type="dir"),
    ]


def shared_options(command: _Command) -> _Command:
    """Add the options that may stand before the name of a command or after it."""

    def store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
            invocation = ctx.ensure_object(Invocation)
            if value is not None and value is not False:
                setattr(invocation, name, value)
            if invocation.dsn is not None and invocation.embedded is not None:
                raise click.UsageError("--dsn and --embedded exclude each other", ctx)

        return callback

    options: tuple[Callable[[_Command], _Command], ...] = (
        click.option("--json", is_flag=True, expose_value=False, callback=store("as_json"),
                     help="Print the result as JSON on standard output."),
        click.option("--embedded", metavar="[=DIR]", expose_value=False, callback=store("embedded"),
                     is_flag=False, flag_value=DEFAULT_DIRECTORY, shell_complete=_commands_or_directories,
                     help="Use a private PostgreSQL whose data is in DIR; it stops by itself."),
        click.option("--schema", metavar="NAME", expose_value=False, callback=store("schema_given"),
                     help="The schema of the installation; otherwise ORCHESTRATOR_SCHEMA, otherwise connection_paths."),
        click.option("--dsn", metavar="DSN", expose_value=False, callback=store("dsn"),
                     help="Connection string or URI; otherwise ORCHESTRATOR_DSN, otherwise libpq's environment."),
    )  # fmt: skip
    for option in options:
        command = option(command)
    return command


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)
