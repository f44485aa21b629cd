"""``orchestrator map``."""

from __future__ import annotations

from pathlib import Path

import click
import psycopg

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import host_schema_option
from orchestrator.core.database import connect, reading
from orchestrator.core.errors import OrchestratorError
from orchestrator.host import host_schemas, mapping
from orchestrator.host.binding import bind
from orchestrator.host.mapping_probe import LIMIT
from orchestrator.host.mapping_suggestion import Suggestion, install_command, suggest
from orchestrator.host.mapping_values import suspicious
from orchestrator.install.refusals import mapping_problems


@click.command("map")
@click.option("--suggest", "suggests", is_flag=True, help="Look at the tables of the database and draft a mapping.")
@click.option("--check", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="Compare a mapping with the database; exit status 3 when something is wrong.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the draft into a new FILE instead of standard output.")  # fmt: skip
@click.option("--look-in", "schemas", multiple=True, metavar="NAME",
              help="With --suggest: look only at this schema; may be repeated. Default: all schemas.")  # fmt: skip
@host_schema_option
@shared_options
@pass_invocation
@click.pass_context
def command(
    ctx: click.Context, invocation: Invocation, suggests: bool, file: Path | None, output: Path | None,
    schemas: tuple[str, ...], host_schema: str,
) -> None:  # fmt: skip
    """Draft or check a mapping: the file that says which of your tables are contacts, organizations and so on.

    Only reads, and works before the package is installed. Then use the file: orchestrator install --map FILE, which
    checks the file, too. --check computes each expression for at most 100,000 rows, and for at most ten seconds.
    """
    if suggests == (file is not None):
        raise click.UsageError("give either --suggest or --check FILE")
    if not suggests and (output is not None or schemas):
        raise click.UsageError("--output and --look-in belong to --suggest")
    if file is not None:
        problems, notes = _check(invocation, file, host_schema)
        shown = problems or [f"{file} fits this database", *notes]
        invocation.screen.result({"file": str(file), "problems": problems, "notes": notes}, *shown)
        if problems:
            ctx.exit(3)
        return
    with reading(invocation.connection_string(), {"statement_timeout": f"{LIMIT}s"}) as connection:
        host_schemas.require(connection, host_schema)
        for name in schemas:
            host_schemas.require(connection, name, "--look-in")
        try:
            found = suggest(connection, host_schema, schemas)
        except psycopg.errors.QueryCanceled:
            raise OrchestratorError(
                f"looking at the tables took longer than {LIMIT} s; another session may have locked a table. Try again"
                " when that session has ended, or name the schemas to look at with --look-in"
            ) from None
    _show(invocation, found, output, host_schema)


def _check(invocation: Invocation, file: Path, host_schema: str) -> tuple[list[str], list[str]]:
    """Return the problems of a mapping; where there is none, what looks wrong: see ``suspicious``."""
    wanted, of_file = mapping.load_partly(file)
    with connect(invocation.connection_string(), reads_only=True) as connection:
        binding = bind(connection, wanted, host_schema)
        problems = mapping_problems(connection, binding, of_file, slow_too=True)
        return problems, [] if problems else suspicious(connection, wanted, host_schema)


def _show(invocation: Invocation, found: Suggestion, output: Path | None, host_schema: str) -> None:
    if output is not None:
        try:
            with output.open("x", encoding="utf-8") as file:
                file.write(found.toml)
        except FileExistsError:
            raise OrchestratorError(f"{output} exists; remove it, or name another file") from None
        except OSError as error:
            raise OrchestratorError(f"cannot write {output}: {error.strerror}") from error
    data = {"mapping": found.toml, "missing": found.missing, "file": None if output is None else str(output)}
    if invocation.as_json:
        invocation.screen.result(data)
        return
    if output is None:
        click.echo(found.toml, nl=False)
    else:
        then = install_command(str(output), host_schema)
        invocation.screen.say(f"wrote {output}; {found.first_step}, then run: {then}")
    for line in found.missing:
        invocation.screen.report(line)
