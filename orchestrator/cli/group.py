"""How a command is run: its failure becomes one line, or JSON, and an exit status."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from io import StringIO
from itertools import pairwise
from typing import Any

import click
import psycopg

from orchestrator.cli.invocation import DEFAULT_DIRECTORY, Invocation
from orchestrator.core import text
from orchestrator.core.database import reading
from orchestrator.core.errors import OrchestratorError, SeveralProblemsError, one_line

#: Error numbers of a write of standard output to a disk that is full, over its quota or failing.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

# psycopg logs errors beside those that it raises. Python would print them, because no log is set up.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


class Failure(click.ClickException):
    """A command that failed. ``kind`` and ``sqlstate`` are shown by ``--json`` beside the message."""

    def __init__(self, *lines: str, kind: str = "failed", sqlstate: str | None = None) -> None:
        super().__init__("\n".join(text.printable(line) for line in lines))
        self.kind = kind
        self.sqlstate = sqlstate


class Group(click.Group):
    """A group of commands. A failure of a command is one line, and ``--embedded`` may stand without a directory."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit. A failure is shown on standard error; with ``--json``, as JSON on standard output."""
        text.never_fail_to_write()
        given = list(sys.argv[1:] if args is None else args)
        run: Callable[[], Any] = partial(super().main, given, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        as_json = "--json" in given  # a usage error may come before the option has been read
        try:
            status = run()
            sys.stdout.flush()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            _drop_output()
            _show(Failure(f"cannot write the output: {error.strerror}"), as_json=False)
            sys.exit(1)
        except click.ClickException as error:
            _show(_of_a_negative_id(error), as_json=as_json)
            sys.exit(error.exit_code)
        except click.Abort:
            _show(Failure("aborted", kind="interrupted"), as_json=as_json)
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give a bare ``--embedded`` its empty value; otherwise the word that follows would be taken for it."""
        if not args:  # click shows the help
            return super().parse_args(ctx, args)
        not_a_directory = {"", *self.commands}
        args = [
            f"--embedded={DEFAULT_DIRECTORY}"
            if word == "--embedded" and (following in not_a_directory or following.startswith("-"))
            else word
            for word, following in pairwise([*args, ""])
        ]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error that a person or the server caused becomes a :class:`Failure`."""
        try:
            return super().invoke(ctx)
        except SeveralProblemsError as error:
            raise Failure(*(_with_server(ctx, problem) for problem in error.problems)) from error
        except OrchestratorError as error:
            raise Failure(_with_server(ctx, str(error))) from error
        except psycopg.OperationalError as error:
            message = f"the server reported: {one_line(error)}"
            if _has_ended(error):
                message += ". Finished work is kept. Run the same command again."
            raise Failure(_with_server(ctx, message), kind="server", sqlstate=error.sqlstate) from error
        except psycopg.errors.InsufficientPrivilege as error:
            message = _missing_rights(ctx) or one_line(error)
            raise Failure(_with_server(ctx, message), kind="server", sqlstate=error.sqlstate) from error
        except psycopg.Error as error:
            raise Failure(_with_server(ctx, one_line(error)), kind="server", sqlstate=error.sqlstate) from error
        except UnicodeEncodeError as error:
            if "surrogates" not in error.reason:
                raise
            found = text.shortened(repr(error.object), 60)
            message = f"an argument or a variable of the environment is not text in UTF-8: {found}"
            raise Failure(_with_server(ctx, message)) from error
        except KeyboardInterrupt:
            message = "Stopped. Finished work is kept. Run the same command again to continue."
            raise Failure(message, kind="interrupted") from None


def _has_ended(error: psycopg.Error) -> bool:
    """Return whether the server or an administrator has ended the session, so that the command can be run again."""
    ended = (psycopg.errors.AdminShutdown, psycopg.errors.CrashShutdown, psycopg.errors.CannotConnectNow)
    return isinstance(error, ended) or error.sqlstate is None  # libpq's errors about a lost connection have none


def _drop_output() -> None:
    """Let Python write what is left of standard output to nowhere, so that it does not fail again at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _missing_rights(ctx: click.Context) -> str | None:
    """Return the line about the rights that the command needs and this role lacks; None when that is not known."""
    from orchestrator.access.explanation import explain  # noqa: PLC0415  only a failure needs these many modules

    group = ctx
    while group.parent is not None and group.parent.parent is not None:
        group = group.parent
    command = group.invoked_subcommand if group.parent is None else group.info_name
    with (
        suppress(OrchestratorError, psycopg.Error),
        reading(ctx.ensure_object(Invocation).connection_string()) as found,
    ):
        return explain(found, command or "")
    return None


def _with_server(ctx: click.Context, message: str) -> str:
    return ctx.ensure_object(Invocation).with_server(message, ctx)


def _of_a_negative_id(error: click.ClickException) -> click.ClickException:
    """Return *error*; where a negative id was taken for an option, one that says how to write it."""
    if not isinstance(error, click.NoSuchOption) or not re.fullmatch("-[0-9]", error.option_name):
        return error
    return click.UsageError(f"{error.format_message()} Write -- before a negative id, after all options.", error.ctx)


def _show(error: click.ClickException, *, as_json: bool) -> None:
    """Print *error*, with every character escaped that a terminal would act on."""
    if as_json:
        shown: dict[str, Any] = {"kind": "usage" if isinstance(error, click.UsageError) else "failed"}
        if isinstance(error, Failure):
            shown |= {"kind": error.kind, **({"sqlstate": error.sqlstate} if error.sqlstate else {})}
        shown |= {"message": error.format_message(), "exit_status": error.exit_code}
        click.echo(json.dumps({"error": shown}, indent=2))
        return
    written = StringIO()
    error.show(written)
    click.echo(text.printable(written.getvalue(), keep="\n"), err=True, nl=False)
