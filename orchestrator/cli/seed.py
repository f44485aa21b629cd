"""``orchestrator seed``: demo data, from CSV files or made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from orchestrator.cli.confirmation import confirm
from orchestrator.cli.group import Group
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import ID, Number, host_schema_option, yes_option
from orchestrator.core.database import Connection, connect
from orchestrator.host import left_out
from orchestrator.seed import csv_files, loading, synthetic

_replace_option = click.option("--replace", is_flag=True, help="Empty the tables first if they hold rows.")
_MISSPELT = 0.6  # the share with --truth


def _crowds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Read NAME=SHARE, several times; a name may contain "="."""
    found = {}
    for value in values:
        name, equals, share = value.rpartition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{value!r} is not NAME=SHARE, such as Independent=0.87", ctx, param)
        found[name] = Number(0, 1, max_open=True).convert(share, param, ctx)
    return found


@click.group("seed", cls=Group)
@shared_options
def command() -> None:
    """Fill demo host tables; a table that does not exist is created."""


@command.command("csv")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@host_schema_option
@_replace_option
@yes_option
@shared_options
@pass_invocation
def csv(invocation: Invocation, directory: Path, host_schema: str, replace: bool, yes: bool) -> None:
    """Load the four tables from CSV files in DIRECTORY.

    Each table has a file TABLE.csv or TABLE.csv.gz, for example contacts.csv. The first line names the columns, in
    any order; other columns are ignored. Dates are written as 2024-12-31. An empty field is NULL.
    """
    with connect(invocation.connection_string()) as connection:
        if replace and not yes:
            _confirm_replacing(connection, host_schema)
        rows = csv_files.load(connection, host_schema, directory, replace=replace, progress=_progress(invocation))
        members = left_out.members(connection, host_schema)
    shown = [*_row_lines(rows), *left_out.member_lines(members)]
    invocation.screen.result({**rows, **left_out.members_as_json(members)}, *shown)


@command.command("synthetic")
@click.option("--contacts", type=click.IntRange(min=0), required=True, metavar="N", help="How many contacts.")
@click.option(
    "--seed",
    "number",
    type=ID,
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="The same seed gives the same data.",
)
@click.option(
    "--organizations", type=click.IntRange(1, 10_000_000), default=None, metavar="N",
    help="How many organizations; by default 17 for each hundred contacts.",
)  # fmt: skip
@click.option(
    "--misspelt", type=Number(0, 1), default=None, metavar="SHARE",
    help="Share of the work experiences with only a company name whose name means an organization that exists, as"
    " people write it. Default: 0; with --truth, 0.6.",
)  # fmt: skip
@click.option(
    "--crowd", "crowds", multiple=True, metavar="NAME=SHARE", callback=_crowds,
    help="An organization of that name that makes this share of all overlapping pairs; for example, Independent=0.87.",
)  # fmt: skip
@click.option(
    "--truth", is_flag=True, help="Also make the table seed_company_names: the organization that each name means."
)
@host_schema_option
@_replace_option
@yes_option
@shared_options
@pass_invocation
def synthetic_command(
    invocation: Invocation, contacts: int, number: int, organizations: int | None, misspelt: float | None,
    crowds: dict[str, float], truth: bool, host_schema: str, replace: bool, yes: bool,
) -> None:  # fmt: skip
    """Make up a network with the shape of a real one: careers in clusters, few large and many small organizations."""
    if misspelt is None:
        misspelt = _MISSPELT if truth else 0.0
    tables = synthetic.tables(contacts, number, synthetic.Disorder(organizations, misspelt, crowds), truth=truth)
    with connect(invocation.connection_string()) as connection:
        if replace and not yes:
            _confirm_replacing(connection, host_schema)
        rows = loading.load(connection, host_schema, tables, replace=replace, progress=_progress(invocation))
    invocation.screen.result(rows, *_row_lines(rows))


def _confirm_replacing(connection: Connection, host_schema: str) -> None:
    """Ask before tables that hold rows are emptied."""
    filled = loading.filled(connection, host_schema)
    if filled:
        shown = ", ".join(f"{table} ({count:,} rows)" for table, count in filled.items())
        confirm(f"--replace empties tables of schema {host_schema}: {shown}.")


def _progress(invocation: Invocation) -> Callable[[str, int], None]:
    screen = invocation.screen
    return lambda table, rows: screen.show_step(f"{table}: {rows:,} rows")


def _row_lines(rows: dict[str, int]) -> list[str]:
    return [f"{table}: {count:,} rows" for table, count in rows.items()]
