"""``orchestrator script``."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.options import map_option
from orchestrator.host.mapping import DEFAULT, SourceMapping
from orchestrator.install import script


@click.command("script")
@click.option("--extension", "directory", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Write the files of CREATE EXTENSION connection_paths into DIR instead.")  # fmt: skip
@click.option("--names", is_flag=True, help="Let resolved company names make edges, as install --names does.")
@map_option
@shared_options
@pass_invocation
def command(invocation: Invocation, directory: Path | None, names: bool, mapping: SourceMapping | None) -> None:
    """Print the whole package as one file for psql -f. Needs no server.

    The file does what install does: psql -v host_schema=app -f FILE. An extension is installed in one transaction,
    which blocks writes to the host tables until it commits, and is backfilled in place only.
    """
    if directory is None:
        click.echo(script.psql(mapping=mapping or DEFAULT, schema=invocation.schema, names=names), nl=False)
        return
    if invocation.schema != script.EXTENSION:
        raise click.UsageError("an extension can only be in the schema connection_paths; leave out --schema")
    if names:
        raise click.UsageError("--extension and --names exclude each other: an extension resolves no company names")
    if mapping is not None:
        raise click.UsageError(
            "--extension and --map exclude each other: an extension reads tables of the default names"
        )
    files = [str(path) for path in script.extension(directory)]
    invocation.screen.result({"files": files}, *files)
