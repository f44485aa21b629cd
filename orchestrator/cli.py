"""The command line: parse, call, render, exit.

Exit status: 0 done, 1 failed, 2 usage, 3 something was found wrong, worse or missed, 4 mixed, undecided or out of time.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from io import StringIO
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import click
import psycopg
from click.shell_completion import CompletionItem
from psycopg.conninfo import make_conninfo

from orchestrator import demo as story
from orchestrator.access import roles as roles_of
from orchestrator.changes import sync
from orchestrator.core import embedded, extras, text
from orchestrator.core.database import Connection, connect, reading
from orchestrator.core.errors import OrchestratorError, one_line
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.edges import verify
from orchestrator.finders import paths
from orchestrator.host import detaching, left_out, sources
from orchestrator.install import installation, removal, script
from orchestrator.runs import plan, plan_report, runs, screen
from orchestrator.runs.backfill import Options
from orchestrator.runs.backfill import backfill as run_backfill
from orchestrator.runs.throttle import Limits
from orchestrator.seed import csv_files as seed_csv
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic

_Command = TypeVar("_Command", bound=Callable[..., Any])
_ID = click.IntRange(-(2**63), 2**63 - 1)  # what a bigint holds
_RUN = click.IntRange(1, 2**63 - 1)
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


class Number(click.FloatRange):
    """A number in a range; the infinite and what is none, which ``float`` takes, are outside every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number."""
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class Failure(click.ClickException):
    """A command that failed: what ``--json`` says of it beside the sentence."""

    def __init__(self, message: str, kind: str = "failed", sqlstate: str | None = None) -> None:
        super().__init__(text.printable(message))
        self.kind = kind
        self.sqlstate = sqlstate


class Group(click.Group):
    """A group whose commands' failures are one line, and whose ``--embedded`` may stand without a directory."""

    group_class = type  # groups inside it are of its kind

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit. A failure is told on standard error; with ``--json`` as JSON on standard output."""
        text.never_fail_to_write()
        given = list(sys.argv[1:] if args is None else args)
        run: Callable[[], Any] = partial(super().main, given, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        try:
            status = run()
        except click.ClickException as error:
            _tell(error, as_json="--json" in given)  # the words are asked: a usage error is met before they are read
            sys.exit(error.exit_code)
        except click.Abort:
            _tell(Failure("aborted", "interrupted"), as_json="--json" in given)
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give a bare ``--embedded`` its empty value, lest it swallow the word that follows."""
        if not args:  # zip() below has no word for the end then; click shows the help
            return super().parse_args(ctx, args)
        bare = {"", *self.commands}
        args = [
            f"--embedded={_DEFAULT_DIRECTORY}"
            if word == "--embedded" and (following in bare or following.startswith("-"))
            else word
            for word, following in pairwise([*args, ""])
        ]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Tell a failure that a person caused, or the server's refusal, in one line."""
        try:
            return super().invoke(ctx)
        except OrchestratorError as error:
            raise Failure(str(error)) from error
        except psycopg.OperationalError as error:
            raise Failure(f"the server gave up: {one_line(error)}", "server", error.sqlstate) from error
        except psycopg.Error as error:
            raise Failure(one_line(error), "server", error.sqlstate) from error
        except KeyboardInterrupt:
            told = "Stopped. Finished work is kept. Run the same command again to continue."
            raise Failure(told, "interrupted") from None


def _tell(error: click.ClickException, *, as_json: bool) -> None:
    """Say what failed, with nothing in it that a terminal would act on."""
    if as_json:
        told: dict[str, Any] = {"kind": "usage" if isinstance(error, click.UsageError) else "failed"}
        if isinstance(error, Failure):
            told |= {"kind": error.kind, **({"sqlstate": error.sqlstate} if error.sqlstate else {})}
        told |= {"message": error.format_message(), "exit_status": error.exit_code}
        click.echo(json.dumps({"error": told}, indent=2))
        return
    shown = StringIO()
    error.show(shown)
    click.echo(text.printable(shown.getvalue(), keep="\n"), err=True, nl=False)


def commands_or_directories(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem[Any]]:
    """Complete the word after ``--embedded``: its directory, or the command when it stands without one."""
    names = ctx.command.list_commands(ctx) if isinstance(ctx.command, click.Group) else []
    return [
        *(CompletionItem(name) for name in names if name.startswith(incomplete)),
        CompletionItem(incomplete, type="dir"),
    ]


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
                     is_flag=False, flag_value=_DEFAULT_DIRECTORY, shell_complete=commands_or_directories,
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


def limit_or_off(ctx: click.Context, param: click.Parameter, value: str) -> float | None:
    """Take a positive limit, or ``off``, which is None."""
    kind: Any = click.FloatRange(min=0, min_open=True)
    return None if value == "off" else float(kind.convert(value, param, ctx))


replace_option = click.option("--replace", is_flag=True, help="Empty the tables first when they hold rows.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal to ask on.")
pass_session = click.make_pass_decorator(Session, ensure=True)


def confirm(question: str) -> None:
    """Ask before something is destroyed; without a terminal nobody can answer, and that is a usage error."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} There is no terminal to ask on; say --yes.")
    click.confirm(f"{text.printable(question)} Go on?", abort=True, err=True)


def confirm_replacing(connection: Connection, host_schema: str, *, asked: bool) -> None:
    """Ask, if *asked*, before tables that hold rows are emptied."""
    filled = seed.filled(connection, host_schema) if asked else {}
    if filled:
        shown = ", ".join(f"{table} ({count:,} rows)" for table, count in filled.items())
        confirm(f"--replace empties tables of schema {host_schema}: {shown}.")


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="connection-paths")
@shared_options
def main() -> None:
    """Who on my team can introduce me to this person? Answered inside your own PostgreSQL."""


@main.command()
@click.option(
    "--host-schema", metavar="NAME",
    help="The schema of contacts, organizations and the other host tables; else that of the last install, else public.",
)  # fmt: skip
@click.option(
    "--triggers/--no-triggers", default=None,
    help="Capture changes of the host's tables, for sync. By default yes on a first install, later as it is.",
)  # fmt: skip
@click.option(
    "--replicated/--no-replicated", default=None,
    help="Capture what logical replication writes, too. By default no on a first install, later as it is.",
)  # fmt: skip
@click.option(
    "--roles", metavar="[=PREFIX]", is_flag=False, flag_value=roles_of.DEFAULT_PREFIX, default=None,
    help=f"Make group roles PREFIX_reader, _operator and _owner; PREFIX is {roles_of.DEFAULT_PREFIX}.",
)  # fmt: skip
@shared_options
@pass_session
def install(
    session: Session, host_schema: str | None, triggers: bool | None, replicated: bool | None, roles: str | None
) -> None:
    """Install, upgrade or repair the SQL; safe to run again, and beside the application's writes."""
    dsn = session.connection_string()
    done = installation.install(
        dsn, host_schema, triggers=triggers, replicated=replicated, roles=roles, progress=session.screen.note
    )
    told = ["Already installed; nothing to do."]
    if done.applied:
        told = [f"Installed: {len(done.applied)} migrations applied."]
    elif triggers is not None:
        told = [f"Already installed; changes of the host's tables are {'' if triggers else 'not '}captured."]
    elif replicated is not None:
        told = [
            f"Already installed; what logical replication writes is {'' if replicated else 'not '}captured from now on."
        ]
    elif done.mended:
        told = ["Already installed; mended what was not as it should be."]
    told += done.mended
    grants: list[str] = []
    if roles is not None:
        with reading(dsn) as connection:
            grants = roles_of.host_grants(connection, roles, done.host_schema)
        told += [
            "For the roles to read the tables, the owner of the tables must run:",
            *(f"  {line}" for line in grants),
        ]
    data = {"applied": done.applied, "mended": done.mended}
    session.screen.result({**data, **({"grants": grants} if grants else {})}, *told)


@main.command()
@yes_option
@shared_options
@pass_session
def uninstall(session: Session, yes: bool) -> None:
    """Remove the SQL and every edge; the host's tables are left as they were. Asks first, unless --yes is given."""
    if not yes and not sys.stdin.isatty():
        confirm("Every edge and every setting would be removed.")
    dsn = session.connection_string()
    question = None if yes else removal.question(dsn)
    if question is not None:
        confirm(question)
    removed = installation.uninstall(dsn, progress=session.screen.note)
    session.screen.result({"removed": removed}, "Removed." if removed else "It was not installed.")


@main.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@shared_options
@pass_session
def detach(session: Session, tables: tuple[str, ...]) -> None:
    """Let go of the application's tables (all four unless some are given), so that their columns can be altered.

    Edges and triggers stay. Until "orchestrator attach", whatever reads the tables through the package is an error.
    """
    done = detaching.detach(session.connection_string(), tables or detaching.TABLES, progress=session.screen.note)
    told = f"Detached: {', '.join(done)}." if done else "Nothing to do: the tables are detached already."
    session.screen.result({"detached": done}, told)


@main.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@shared_options
@pass_session
def attach(session: Session, tables: tuple[str, ...]) -> None:
    """Take up detached tables again (all of them unless some are given), and queue what may have changed meanwhile."""
    done = detaching.attach(session.connection_string(), tables, progress=session.screen.note)
    queued = any(table != "user_contact_collections" for table in done)
    told = [f"Attached: {', '.join(done)}." if done else "Nothing to do: no table is detached."]
    told += ["Everybody is queued for recomputation: run orchestrator sync."] if queued else []
    session.screen.result({"attached": done}, *told)


@main.command()
@shared_options
@pass_session
@click.pass_context
def status(ctx: click.Context, session: Session) -> None:
    """Show what is installed; exit 1 unless all of it is there and every index valid."""
    found = installation.status(session.connection_string())
    data = {
        **vars(found),
        "indexes": [vars(index) for index in found.indexes],
        "triggers": [{"table": trigger.table, "state": trigger.state} for trigger in found.triggers],
        "healthy": found.healthy,
    }
    data["roles"] = None if found.roles is None else asdict(found.roles)
    session.screen.result(data, *screen.status_tables(found))
    if not found.healthy:
        ctx.exit(1)


@main.command("script")
@click.option("--extension", "directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the files of CREATE EXTENSION connection_paths into DIR instead.")  # fmt: skip
@shared_options
@pass_session
def script_command(session: Session, directory: Path | None) -> None:
    """Print the whole package as one file for psql -f; no server needed.

    It does what install does: psql -v host_schema=app -f FILE. An extension is installed in one transaction, which
    keeps writers of the host's tables waiting, and is filled in place only.
    """
    if directory is None:
        click.echo(script.psql(), nl=False)
        return
    files = [str(path) for path in script.extension(directory)]
    session.screen.result({"files": files}, *files)


@main.group("seed")
@shared_options
def seed_group() -> None:
    """Fill demo host tables, which are made when absent."""


@seed_group.command("csv")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@host_schema_option
@replace_option
@yes_option
@shared_options
@pass_session
def seed_csv_command(session: Session, directory: Path, host_schema: str, replace: bool, yes: bool) -> None:
    """Load the four tables from CSV files (or .csv.gz) in DIRECTORY."""
    with connect(session.connection_string()) as connection:
        confirm_replacing(connection, host_schema, asked=replace and not yes)
        rows = seed_csv.load(connection, host_schema, directory, replace=replace, progress=session.screen.seeding)
        members = left_out.members(connection, host_schema)
    told = [*(f"{table}: {count:,} rows" for table, count in rows.items()), *left_out.member_lines(members)]
    session.screen.result({**rows, **left_out.members_told(members)}, *told)


@seed_group.command("synthetic")
@click.option("--contacts", type=click.IntRange(min=0), required=True, metavar="N", help="How many contacts.")
@click.option("--seed", "number", type=_ID, default=1, show_default=True, help="Same seed, same data.")
@host_schema_option
@replace_option
@yes_option
@shared_options
@pass_session
def seed_synthetic_command(
    session: Session, contacts: int, number: int, host_schema: str, replace: bool, yes: bool
) -> None:
    """Make a network shaped like real ones: clustered careers, power-law organizations."""
    with connect(session.connection_string()) as connection:
        confirm_replacing(connection, host_schema, asked=replace and not yes)
        rows = seed.load(
            connection,
            host_schema,
            seed_synthetic.tables(contacts, number),
            replace=replace,
            progress=session.screen.seeding,
        )
    session.screen.result(rows, *(f"{table}: {count:,} rows" for table, count in rows.items()))


@main.command("plan")
@click.option(
    "--sample", type=click.IntRange(30, 1_000_000), default=2000, show_default=True,
    help="Contacts to look at, at most; fewer where they have very many edges.",
)  # fmt: skip
@click.option("--seed", type=_ID, default=1, show_default=True, help="Same seed, same sample.")
@shared_options
@pass_session
def plan_command(session: Session, sample: int, seed: int) -> None:
    """Say what a backfill will find and take; writes nothing, and runs on a standby too."""
    found = plan.plan(session.connection_string(), seed=seed, sample=sample)
    session.screen.result(found, *plan_report.plan_lines(found))


@main.command()
@workers_option
@click.option(
    "--strategy",
    type=click.Choice(["auto", "rebuild", "in_place"]),
    default="auto",
    show_default=True,
    help="rebuild: a fresh table, exchanged at the end; in_place: differences only; auto: rebuild where no edges are.",
)  # fmt: skip
@click.option("--batch-edges", type=click.IntRange(1, 2**63 - 1), metavar="N", help="Edges of a batch, roughly.")
@click.option(
    "--batch-timeout",
    type=Number(1, 86_400),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="A batch that takes longer is split.",
)  # fmt: skip
@click.option("--throttle/--no-throttle", default=True, show_default=True, help="Shed workers when others suffer.")
@click.option(
    "--slowdown", type=Number(min=1.05), default=Limits().slowdown, show_default=True, metavar="RATIO",
    help="How much slower find_paths may get.",
)  # fmt: skip
@click.option(
    "--replica-lag", metavar="SECONDS|off", callback=limit_or_off, default=f"{Limits().replica_lag_seconds:g}",
    show_default=True, help="How far behind a replica may be.",
)  # fmt: skip
@click.option(
    "--replica-backlog", metavar="MB|off", callback=limit_or_off, default=f"{Limits().replica_lag_megabytes:g}",
    show_default=True, help="How much WAL a replica may have left to replay.",
)  # fmt: skip
@click.option(
    "--ignore-replica", "ignored", multiple=True, metavar="NAME",
    help="A replica (its application_name in pg_stat_replication) that may fall behind; may be repeated.",
)  # fmt: skip
@shared_options
@pass_session
@click.pass_context
def backfill(
    ctx: click.Context, session: Session, workers: int, strategy: str, batch_edges: int | None, batch_timeout: float,
    throttle: bool, slowdown: float, replica_lag: float | None, replica_backlog: float | None,
    ignored: tuple[str, ...],
) -> None:  # fmt: skip
    """Make every contact's edges what they should be: join the run under way, or begin one."""
    view = session.screen
    limits = None
    if throttle:
        limits = Limits(
            slowdown, replica_lag_seconds=replica_lag, replica_lag_megabytes=replica_backlog, ignored_replicas=ignored
        )
    options = Options(workers, strategy, batch_edges, batch_timeout, limits)
    with view.backfilling() as report:
        done = run_backfill(session.connection_string(), options, report=report)
    missed = what_is_left_out(session)
    view.result(
        {**done.run.told(), "seconds": round(done.seconds, 3), "set_aside": done.set_aside, "left_out": missed},
        *screen.outcome_lines(done),
        *missed,
    )
    if done.run.status != "succeeded":
        ctx.exit(1)


@main.command("sync")
@click.option("--follow", is_flag=True, help="Go on with what changes, until interrupted.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N", help="Connections.")
@click.option("--retry-failed", is_flag=True, help="Take contacts that have failed three times, too.")
@shared_options
@pass_session
@click.pass_context
def sync_command(ctx: click.Context, session: Session, follow: bool, workers: int, retry_failed: bool) -> None:
    """Recompute the edges of contacts that changed since they were computed."""
    view = session.screen
    dsn = session.connection_string()
    try:
        with view.syncing() as report:
            done = sync.sync(dsn, workers=workers, follow=follow, retry_failed=retry_failed, report=report)
    except KeyboardInterrupt:
        if follow:  # the way to end it
            return
        raise
    with reading(dsn) as connection:
        schema = installation.bound_host_schema(connection)
        unnoted = [each.sentence for each in sources.problems(connection, schema) if each.kind in sources.UNNOTED]
    view.result(done, screen.sync_line(done), *(f"WARNING: {sentence}" for sentence in unnoted))
    if done.failed:
        ctx.exit(1)


@main.command("verify")
@click.option(
    "--sample", type=click.IntRange(10, 1_000_000), default=500, show_default=True, help="Contacts to recompute."
)
@click.option("--seed", type=_ID, default=1, show_default=True, help="Same seed, same sample.")
@click.option(
    "--objective", type=Number(min=0.1), default=250.0, show_default=True, metavar="MS",
    help="What the p95 of find_paths may be.",
)  # fmt: skip
@click.option(
    "--time-limit", type=click.FloatRange(min=1), default=verify.TIME_LIMIT, show_default=True, metavar="SECONDS",
    help="What is not looked at by then is left out.",
)  # fmt: skip
@shared_options
@pass_session
@click.pass_context
def verify_command(
    ctx: click.Context, session: Session, sample: int, seed: int, objective: float, time_limit: float
) -> None:
    """Look for what is wrong with the edges; exit 3 when something is, 4 when the time did not suffice to say so."""
    found = verify.verify(
        session.connection_string(),
        sample=sample,
        seed=seed,
        objective_ms=objective,
        time_limit=time_limit,
        report=session.screen.passing,
    )
    session.screen.result({**asdict(found), "ok": found.ok}, *screen.verdict_lines(found))
    if not found.ok:
        ctx.exit(3 if found.findings else 4)


@main.command("doctor")
@shared_options
@pass_session
@click.pass_context
def doctor_command(ctx: click.Context, session: Session) -> None:
    """Look for what is wrong around the edges, and say what mends it; exit 3 when something is.

    Indexes, plans, statistics, triggers, policies, the queue, runs, settings, standbys, versions. Reads only; runs on a
    standby too.
    """
    found = diagnose(session.connection_string(), report=session.screen.passing)
    session.screen.result({**asdict(found), "ok": found.ok}, *screen.diagnosis_lines(found))
    if not found.ok:
        ctx.exit(3)


@main.group("runs")
@shared_options
def runs_group() -> None:
    """See backfill runs and steer them; the same can be done in SQL, in connection_paths.backfill_runs."""


@runs_group.command("list")
@shared_options
@pass_session
def runs_list(session: Session) -> None:
    """List every run, the latest first."""
    with reading(session.connection_string()) as connection:
        installation.require_installed(connection)
        listed = runs.listed(connection)
    session.screen.result([run.told() for run in listed], screen.runs_table(listed) if listed else "No runs.")


@runs_group.command("show")
@click.argument("run_id", type=_RUN, required=False, metavar="[RUN]")
@shared_options
@pass_session
def runs_show(session: Session, run_id: int | None) -> None:
    """Show how far RUN is, who works on it and what was set aside; by default the latest."""
    with reading(session.connection_string()) as connection:
        shown = runs.show(connection, run_id)
    session.screen.result({**shown, "run": shown["run"].told()}, *screen.run_lines(shown))


def what_is_left_out(session: Session) -> list[str]:
    """Tell what leaves people without edges or paths; the work is done, and no failure to count undoes it."""
    try:
        with reading(session.connection_string()) as connection:
            return list(left_out.lines(connection))
    except (OrchestratorError, psycopg.Error) as error:
        why = one_line(error) if isinstance(error, psycopg.Error) else str(error)
        return [f"What the rules leave out could not be counted: {why}"]


def steering(name: str, steer: Callable[[Any, int], runs.Run], text: str) -> None:
    """Add a command that changes a run."""

    @runs_group.command(name, help=text)
    @click.argument("run_id", type=_RUN, metavar="RUN")
    @shared_options
    @pass_session
    def command(session: Session, run_id: int) -> None:
        with connect(session.connection_string()) as connection:
            installation.require_installed(connection)
            run = steer(connection, run_id)
        session.screen.result(run.told(), f"Run {run.run_id} is {run.status}.")


steering("pause", runs.pause, "Let no batch begin; those under way end.")
steering("resume", runs.resume, "Let batches begin again.")
steering("cancel", runs.cancel, "End a run; a rebuild's table is dropped, edges corrected in place stay.")


@runs_group.command("set")
@click.argument("run_id", type=_RUN, metavar="RUN")
@click.option(
    "--workers", type=click.IntRange(0, 2**31 - 1), metavar="N", help="At most so many, all machines together."
)
@click.option("--any-workers", is_flag=True, help="As many as come.")
@shared_options
@pass_session
def runs_set(session: Session, run_id: int, workers: int | None, any_workers: bool) -> None:
    """Change how many workers a run may have; it takes effect at the next batch."""
    if (workers is None) != any_workers:
        raise click.UsageError("give either --workers N or --any-workers")
    with connect(session.connection_string()) as connection:
        installation.require_installed(connection)
        run = runs.set_workers(connection, run_id, workers)
    most = "as many workers as come" if run.max_workers is None else f"{run.max_workers} workers at most"
    session.screen.result(run.told(), f"Run {run.run_id} may have {most}.")


@main.command("paths")
@click.argument("target", type=_ID)
@click.option("--collection", type=_ID, required=True, help="The team's collection.")
@click.option("--viewer", type=_ID, required=True, help="The user who asks.")
@click.option("--depth", type=click.IntRange(1, 6), default=2, show_default=True, help="Contacts on a path.")
@click.option("--max-paths", type=click.IntRange(1, 1000), default=25, show_default=True, help="At most so many.")
@click.option(
    "--scope", type=click.Choice(["any", "importer"]), default="any", show_default=True,
    help="importer: only the viewer's own contacts may begin a path.",
)  # fmt: skip
@click.option("--impl", type=click.Choice(["v1", "v2"]), help="By default what the collection is set to.")
@click.option(
    "--time-budget", type=click.IntRange(1, 2**31 - 1), default=1500, show_default=True, metavar="MS",
    help="Milliseconds.",
)  # fmt: skip
@click.option("--exclude", type=_ID, multiple=True, metavar="CONTACT", help="Not to be asked; may be repeated.")
@click.option("--max-edges", type=click.IntRange(1), default=paths.Question.max_edges_per_hop, show_default=True,
              help="From each contact, follow at most this many edges.")  # fmt: skip
@shared_options
@pass_session
def paths_command(
    session: Session, target: int, collection: int, viewer: int, depth: int, max_paths: int, scope: str,
    impl: str | None, time_budget: int, exclude: tuple[int, ...], max_edges: int,
) -> None:  # fmt: skip
    """Show who can introduce VIEWER to the contact TARGET."""
    question = paths.Question(
        target, collection, viewer, depth, max_paths, scope, impl, time_budget, list(exclude), max_edges
    )
    with reading(session.connection_string()) as connection:
        answer = paths.find_paths(connection, question)
        called = paths.names(connection, answer, target)
        missed = paths.members_not_counted(connection, question, answer)
    lines = [*screen.path_lines(question, answer, called), *left_out.member_lines(missed)]
    session.screen.result({**answer, **left_out.members_told(missed)}, *lines)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: one that is free.")
@click.option("--allow-remote", is_flag=True, help="Listen where others can reach it, though it has no login.")
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@shared_options
@pass_session
def serve(session: Session, host: str, port: int, allow_remote: bool, opens: bool) -> None:
    """Serve a local page to search contacts, ask for paths and see them; it only reads. Ctrl-C stops it."""
    server = extras.load("orchestrator.playground.server", "playground")
    dsn = session.connection_string()
    with server.listen(host, port, allow_remote=allow_remote) as listening:
        session.screen.result({"url": listening.url}, f"The playground is at {listening.url} (Ctrl-C stops it)")
        if opens:
            click.launch(listening.url)
        with suppress(KeyboardInterrupt):
            server.serve(dsn, listening)


def listed(kind: Any, metavar: str) -> dict[str, Any]:
    """Return what makes an option of several values in one word, with commas between them; each is of *kind*."""

    def split(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Any, ...] | None:
        if value is None:
            return None
        found = (kind.convert(word.strip(), param, ctx) for word in value.split(",") if word.strip())
        values = tuple(dict.fromkeys(found))
        if not values and value != param.get_default(ctx, call=False):
            raise click.BadParameter("names nothing", ctx, param)
        return values

    return {"callback": split, "metavar": metavar}


def edges_or_all(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    """Take a number of edges, or ``all``, which is None."""
    kind: Any = click.IntRange(min=1)
    return None if value == "all" else int(kind.convert(value, param, ctx))


objective_option = click.option(
    "--objective", "objectives", multiple=True, metavar="WHAT=LIMIT",
    help="p95=250ms, max=2s, rate=500 (answers a second), failed=0.1%; exit 3 when a cell misses it.",
)  # fmt: skip
margin_option = click.option(
    "--margin", type=Number(0, 1), default=0.05, show_default=True, metavar="SHARE",
    help="A smaller difference is none.",
)  # fmt: skip


@main.command("sweep")
@click.option(
    "--version",
    "versions",
    **listed(click.STRING, "VERSIONS"),
    default="current",
    show_default=True,
    help="v2 or v3 of deep_finder, current, legacy, find_paths, or a function SCHEMA.NAME like it.",
)
@click.option("--versus", **listed(click.STRING, "BASE,NEW"), help="Compare two versions in one run.")
@click.option("--a-a", "twice", is_flag=True, help="Compare the version with itself: what the noise is.")
@click.option("--depth", "depths", **listed(click.IntRange(1, 6), "DEPTHS"), default="1,2,3,4", show_default=True)
@click.option("--max-paths", **listed(click.IntRange(1, 1000), "NUMBERS"), default="25", show_default=True)
@click.option(
    "--scope", "scopes", **listed(click.Choice(["any", "importer"]), "SCOPES"), default="any", show_default=True
)
@click.option(
    "--collection",
    "collections",
    **listed(_ID, "IDS"),
    default="",
    help="By default the largest, a middling and a small one.",
)
@click.option(
    "--cache",
    "caches",
    **listed(click.Choice(["warm", "cold-connection"]), "STATES"),
    default="warm",
    show_default=True,
    help="cold-connection: every request makes its own connection.",
)
@click.option(
    "--targets",
    type=click.IntRange(min=1),
    default=25,
    show_default=True,
    metavar="N",
    help="Contacts asked about, of every degree and distance.",
)
@click.option("--target", "contacts", **listed(_ID, "IDS"), default="", help="These contacts instead.")
@click.option("--viewer", type=_ID, metavar="ID", help="Who asks; by default users with many and with few contacts.")
@click.option("--connections", type=click.IntRange(1, 256), default=10, show_default=True, metavar="N")
@click.option("--seconds", type=Number(min=0.1), default=10.0, show_default=True, help="Of each cell.")
@click.option(
    "--blocks",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    metavar="N",
    help="Parts of a cell; versions take turns.",
)
@click.option("--warmup", type=Number(min=0), default=1.0, show_default=True, metavar="SECONDS")
@click.option(
    "--rate",
    type=Number(min=0, min_open=True),
    metavar="PER_SECOND",
    help="Open loop: so many requests a second, timed from when each should have begun.",
)
@click.option(
    "--timeout",
    type=Number(min=0.01),
    default=1.5,
    show_default=True,
    metavar="SECONDS",
    help="What one request may take.",
)
@click.option("--max-edges-per-hop", metavar="N|all", callback=edges_or_all, default="15", show_default=True)
@objective_option
@margin_option
@click.option("--explain", is_flag=True, help="Keep the plan of every target in every cell.")
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same targets and order.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="DIR", help="Where the results go; by default sweep-DATE-TIME."
)
@shared_options
@pass_session
@click.pass_context
def sweep_command(
    ctx: click.Context, session: Session, /, objectives: tuple[str, ...], margin: float, output: Path | None,
    explain: bool, versus: tuple[str, ...] | None, versions: tuple[str, ...], seed: int, connections: int,
    seconds: float, blocks: int, warmup: float, rate: float | None, timeout: float, max_edges_per_hop: int | None,
    **asked: Any,
) -> None:  # fmt: skip
    """Measure the finders: version by depth by collection, over many connections, with a report to look at.

    Exit 3 when an objective was missed or the new version is worse, 4 when it is better here and worse there, or when
    that cannot be told.
    """
    publish = extras.load("orchestrator.sweep.publish", "sweep")
    directory = publish.new_directory(output)
    options = publish.Options(seed, connections, seconds, blocks, warmup, rate, timeout, max_edges_per_hop)
    questions = publish.Asked(
        versions=versus or versions,
        versus=versus is not None,
        explain=directory / "plans" if explain else None,
        **asked,
    )
    dsn = session.connection_string()
    with session.screen.sweeping() as progress:
        done = publish.sweep(
            dsn, questions, options, directory, objectives=objectives, margin=margin, progress=progress
        )
    session.screen.result(done.data, *(line for part in done.lines for line in part.split("\n")))
    ctx.exit(done.status)


@main.command("compare")
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("new", type=click.Path(exists=True, path_type=Path))
@objective_option
@margin_option
@shared_options
@pass_session
@click.pass_context
def compare_command(
    ctx: click.Context, session: Session, base: Path, new: Path, objectives: tuple[str, ...], margin: float
) -> None:
    """Say whether sweep NEW is better than BASE, as Markdown; exit 3 when it is worse, 4 when mixed or undecided."""
    done = extras.load("orchestrator.sweep.publish", "sweep").compare(base, new, objectives=objectives, margin=margin)
    session.screen.result(done.data, *(line for part in done.lines for line in part.split("\n")))
    ctx.exit(done.status)


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
        report_to = Path(tempfile.mkdtemp(prefix="connection_paths-sweep-"))
        last = story.tell(dsn, view, report_to, contacts=contacts, workers=workers)
        if not keep:
            view.say("", "Only the report is left behind. To keep the database and go on: orchestrator demo --keep")
            return
        options += f"--dsn={shlex.quote(text.without_secrets(dsn))} " if not options else ""
        hidden = text.without_secrets(dsn) != make_conninfo(dsn)
        view.say(
            "",
            f"Kept. Go on with{' (the password from PGPASSWORD or ~/.pgpass)' if hidden else ''}:",
            f"  orchestrator {options}paths {last.target_contact_id} --collection {last.collection_id}"
            f" --viewer {last.viewer_user_id} --depth {last.max_depth}",
            f"  orchestrator {options}status",
        )
