"""The command line: parse, call, render, exit.

Exit status: 0 done, 1 failed, 2 usage; 3 and 4 are for objectives missed and for results that decide nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import psycopg

from orchestrator import demo as story
from orchestrator import embedded, installation, paths, screen, seed, seed_csv, seed_synthetic
from orchestrator.backfill import backfill as run_backfill
from orchestrator.database import connect
from orchestrator.errors import OrchestratorError, one_line

_Command = TypeVar("_Command", bound=Callable[..., Any])
_DEFAULT_DIRECTORY = ""  # what --embedded means without a directory


class Session:
    """The options every command shares, and what follows from them."""

    def __init__(self) -> None:
        self.dsn: str | None = None
        self.embedded: str | None = None
        self.as_json = False
        self._resolved: str | None = None

    @property
    def screen(self) -> screen.Screen:
        """Where results and progress go."""
        return screen.Screen(as_json=self.as_json)

    @property
    def server_given(self) -> str | None:
        """The connection string that was asked for, by option or environment, if any."""
        return self.dsn if self.dsn is not None else os.environ.get("ORCHESTRATOR_DSN")

    def connection_string(self) -> str:
        """Return the connection string to use, starting the private server when that was asked for."""
        if self._resolved is None:
            if self.embedded is None:
                self._resolved = self.server_given or ""
            else:
                directory = Path(self.embedded) if self.embedded else embedded.default_directory()
                self._resolved = click.get_current_context().with_resource(embedded.serve(directory))
        return self._resolved


class Group(click.Group):
    """A group whose commands' failures are one line, and whose ``--embedded`` may stand without a directory."""

    group_class = type  # groups inside it are of its kind

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give a bare ``--embedded`` its empty value, lest it swallow the word that follows."""
        bare = {"", *self.commands}
        args = [
            f"--embedded={_DEFAULT_DIRECTORY}"
            if word == "--embedded" and (following in bare or following.startswith("-"))
            else word
            for word, following in zip(args, [*args[1:], ""], strict=True)
        ]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Tell a failure that a person caused, or the server's refusal, in one line."""
        try:
            return super().invoke(ctx)
        except OrchestratorError as error:
            raise click.ClickException(str(error)) from error
        except psycopg.OperationalError as error:
            raise click.ClickException(f"the server gave up: {one_line(error)}") from error
        except psycopg.Error as error:
            raise click.ClickException(one_line(error)) from error
        except KeyboardInterrupt:
            raise click.ClickException("interrupted; what was committed stays, and running it again goes on") from None


def shared_options(command: _Command) -> _Command:
    """Add the options that may stand before a command's name or after it."""

    def store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
            session = ctx.ensure_object(Session)
            if value is not None and value is not False:
                setattr(session, name, value)
            if session.dsn is not None and session.embedded is not None:
                raise click.UsageError("--dsn and --embedded exclude each other", ctx)

        return callback

    options: tuple[Callable[[_Command], _Command], ...] = (
        click.option("--json", is_flag=True, expose_value=False, callback=store("as_json"),
                     help="Report as JSON on standard output."),
        click.option("--embedded", metavar="[=DIR]", expose_value=False, callback=store("embedded"),
                     is_flag=False, flag_value=_DEFAULT_DIRECTORY,
                     help="Use a private PostgreSQL, kept in DIR; it stops by itself."),
        click.option("--dsn", metavar="DSN", expose_value=False, callback=store("dsn"),
                     help="Connection string or URI; else ORCHESTRATOR_DSN, else libpq's own environment."),
    )  # fmt: skip
    for option in options:
        command = option(command)
    return command


host_schema_option = click.option(
    "--host-schema", default="public", show_default=True, metavar="NAME",
    help="The schema of contacts, organizations and the other host tables.",
)  # fmt: skip
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), default=4, show_default=True, metavar="N",
    help="Connections to share the work.",
)  # fmt: skip
replace_option = click.option("--replace", is_flag=True, help="Empty the tables first when they hold rows.")
pass_session = click.make_pass_decorator(Session, ensure=True)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="connection-paths")
@shared_options
def main() -> None:
    """Who on my team can introduce me to this person? Answered inside your own PostgreSQL."""


@main.command()
@host_schema_option
@shared_options
@pass_session
def install(session: Session, host_schema: str) -> None:
    """Install or upgrade the SQL; safe to run again, and beside the application's writes."""
    applied = installation.install(session.connection_string(), host_schema, progress=session.screen.note)
    told = f"Installed: {len(applied)} migrations applied." if applied else "Already installed; nothing to do."
    session.screen.result({"applied": applied}, told)


@main.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@shared_options
@pass_session
def uninstall(session: Session, yes: bool) -> None:
    """Remove the SQL and every edge; the host's tables are left as they were."""
    dsn = session.connection_string()
    if not yes and sys.stdin.isatty():
        edges = installation.status(dsn).edges
        click.confirm(f"Remove connection_paths and about {edges:,} edges?", abort=True, err=True)
    removed = installation.uninstall(dsn, progress=session.screen.note)
    session.screen.result({"removed": removed}, "Removed." if removed else "It was not installed.")


@main.command()
@shared_options
@pass_session
@click.pass_context
def status(ctx: click.Context, session: Session) -> None:
    """Show what is installed; exit 1 unless all of it is there and every index valid."""
    found = installation.status(session.connection_string())
    data = {**vars(found), "indexes": [vars(index) for index in found.indexes], "healthy": found.healthy}
    session.screen.result(data, *screen.status_tables(found))
    if not found.healthy:
        ctx.exit(1)


@main.group("seed")
@shared_options
def seed_group() -> None:
    """Fill demo host tables, which are made when absent."""


@seed_group.command("csv")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@host_schema_option
@replace_option
@shared_options
@pass_session
def seed_csv_command(session: Session, directory: Path, host_schema: str, replace: bool) -> None:
    """Load the four tables from CSV files (or .csv.gz) in DIRECTORY."""
    with connect(session.connection_string()) as connection:
        rows = seed_csv.load(connection, host_schema, directory, replace=replace, progress=session.screen.seeding)
    session.screen.result(rows, *(f"{table}: {count:,} rows" for table, count in rows.items()))


@seed_group.command("synthetic")
@click.option("--contacts", type=click.IntRange(min=0), required=True, metavar="N", help="How many contacts.")
@click.option("--seed", "number", type=int, default=1, show_default=True, help="Same seed, same data.")
@host_schema_option
@replace_option
@shared_options
@pass_session
def seed_synthetic_command(session: Session, contacts: int, number: int, host_schema: str, replace: bool) -> None:
    """Make a network shaped like real ones: clustered careers, power-law organizations."""
    with connect(session.connection_string()) as connection:
        rows = seed.load(
            connection,
            host_schema,
            seed_synthetic.tables(contacts, number),
            replace=replace,
            progress=session.screen.seeding,
        )
    session.screen.result(rows, *(f"{table}: {count:,} rows" for table, count in rows.items()))


@main.command()
@workers_option
@shared_options
@pass_session
@click.pass_context
def backfill(ctx: click.Context, session: Session, workers: int) -> None:
    """Make every contact's edges what they should be; run again, it changes nothing."""
    view = session.screen
    with view.backfilling() as report:
        done = run_backfill(session.connection_string(), workers, report=report)
    failed = [f"contact {contact_id}: {message}" for contact_id, message in sorted(done.failed.items())]
    data = {
        "contacts": done.contacts,
        "edges_changed": done.changed,
        "seconds": round(done.seconds, 3),
        "failed": {str(contact_id): message for contact_id, message in sorted(done.failed.items())},
    }
    view.result(data, screen.backfill_line(done))
    if failed:
        view.note(f"{len(failed)} contacts failed and were left as they were:")
        for line in failed[:20]:
            view.note(f"  {line}")
        ctx.exit(1)


@main.command("paths")
@click.argument("target", type=int)
@click.option("--collection", type=int, required=True, help="The team's collection.")
@click.option("--viewer", type=int, required=True, help="The user who asks.")
@click.option("--depth", type=int, default=2, show_default=True, help="Contacts on a path, 1 to 6.")
@click.option("--max-paths", type=int, default=25, show_default=True, help="1 to 1000.")
@click.option("--scope", default="any", show_default=True, help="any, or importer: only the viewer's own contacts.")
@click.option("--impl", default=None, help="v1 or v2; by default what the collection is set to.")
@click.option("--time-budget", type=int, default=1500, show_default=True, metavar="MS", help="Milliseconds.")
@shared_options
@pass_session
def paths_command(
    session: Session, target: int, collection: int, viewer: int, depth: int, max_paths: int, scope: str,
    impl: str | None, time_budget: int,
) -> None:  # fmt: skip
    """Show who can introduce VIEWER to the contact TARGET."""
    question = paths.Question(target, collection, viewer, depth, max_paths, scope, impl, time_budget)
    with connect(session.connection_string()) as connection:
        answer = paths.find_paths(connection, question)
        called = paths.names(connection, answer, target)
    session.screen.result(answer, *screen.path_lines(question, answer, called))


@main.command()
@click.option("--contacts", type=click.IntRange(min=1000), default=20_000, show_default=True, metavar="N")
@click.option("--keep", is_flag=True, help="Leave the database there, to go on with.")
@workers_option
@shared_options
@pass_session
@click.pass_context
def demo(ctx: click.Context, session: Session, contacts: int, keep: bool, workers: int) -> None:
    """Tell the whole story in about a minute, on a private server (or beside --dsn's database)."""
    view = session.screen
    if session.server_given is not None or session.embedded is not None:
        server, options = session.connection_string(), ""
    else:
        directory, server = ctx.with_resource(embedded.serve_temporarily(keep=keep))
        options = f"--embedded={directory} "
    with story.demo_database(server, keep=keep) as dsn:
        last = story.tell(dsn, view, contacts=contacts, workers=workers)
        if not keep:
            view.say("", "Nothing is left behind. To keep the database and go on: orchestrator demo --keep")
            return
        options += f"--dsn='{dsn}' " if not options else ""
        view.say(
            "",
            "Kept. Go on with:",
            f"  orchestrator {options}paths {last.target_contact_id} --collection {last.collection_id}"
            f" --viewer {last.viewer_user_id} --depth {last.max_depth}",
            f"  orchestrator {options}status",
        )
