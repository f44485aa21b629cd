"""``orchestrator demo``: in a new database, seed, install, backfill, search three times and sweep."""

from __future__ import annotations

import os
import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from psycopg import sql

from orchestrator.cli import run_lines
from orchestrator.cli.backfill import workers_option
from orchestrator.cli.invocation import Invocation, pass_invocation, shared_options
from orchestrator.cli.paths import path_lines
from orchestrator.cli.screen import Screen
from orchestrator.cli.sweep import watching
from orchestrator.core import embedded, extras, sqlfiles, text
from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.formats import duration, milliseconds
from orchestrator.core.schema import DEFAULT, schema_of, with_schema, with_values
from orchestrator.finders import paths
from orchestrator.finders.question import Question
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import loading, synthetic

_SEED = 1
_VIEWER = 1001  # a user of collections 1, 2 and 3 in every synthetic world

#: For each example: its text, collection, scope and depth limit, and the depth that its shortest path should have.
_EXAMPLES = (
    ("A teammate brought in a contact who worked with the person you want to meet.", 1, "any", 2, 2),
    ("On a small team, no contact worked with the target, but a contact worked with somebody who did.", 4, "any", 4, 3),
    ("Only through contacts that you brought in yourself (--scope importer).", 3, "importer", 4, 3),
)  # fmt: skip


@click.command("demo")
@click.option("--contacts", type=click.IntRange(min=1000), default=20_000, show_default=True, metavar="N",
              help="Contacts of the network.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep the database, to continue with it.")
@workers_option
@shared_options
@pass_invocation
@click.pass_context
def command(ctx: click.Context, invocation: Invocation, contacts: int, keep: bool, workers: int) -> None:
    """Show everything in about a minute, on a private server (or in a new database on the server of --dsn)."""
    screen = invocation.screen
    if invocation.server_given is not None or invocation.embedded is not None:
        server, options = invocation.connection_string(), ""
    else:
        directory, private = ctx.with_resource(embedded.serve_temporarily(keep=keep))
        server = with_schema(private, invocation.schema)
        options = f"--embedded={directory} "
    with demo_database(server, keep=keep) as dsn:
        report_to = Path(tempfile.mkdtemp(prefix="connection_paths-sweep-"))
        last = run(dsn, screen, report_to, contacts=contacts, workers=workers)
        if not keep:
            screen.say("", "Only the report is kept. To keep the database, too: orchestrator demo --keep")
            return
        options += f"--dsn={shlex.quote(text.without_secrets(dsn))} " if not options else ""
        options += f"--schema {schema_of(dsn)} " if schema_of(dsn) != DEFAULT else ""
        hidden = text.without_secrets(dsn) != with_values(dsn)
        screen.say(
            "",
            f"The database was kept. To continue{' (give the password by PGPASSWORD or ~/.pgpass)' if hidden else ''}:",
            f"  orchestrator {options}paths {last.target_contact_id} --collection {last.collection_id}"
            f" --viewer {last.viewer_user_id} --depth {last.max_depth}",
            f"  orchestrator {options}status",
        )


@contextmanager
def demo_database(dsn: str, *, keep: bool) -> Iterator[str]:
    """Create a database on the server of *dsn*; drop it at the end of the block unless *keep*."""
    name = f"connection_paths_demo_{os.getpid()}"
    with connect(dsn) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield with_values(dsn, dbname=name)
    finally:
        if not keep:
            with connect(dsn) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run(dsn: str, screen: Screen, report_to: Path, *, contacts: int, workers: int) -> Question:
    """Run the demo in the empty database of *dsn*; return the question of the last example.

    The sweep at the end writes its report into the directory *report_to*.
    """
    started = time.monotonic()
    screen.say(f"1. A synthetic network of {contacts:,} contacts")
    with connect(dsn) as connection:
        rows = loading.load(connection, "public", synthetic.tables(contacts, _SEED), replace=False)
    screen.say("   " + ", ".join(f"{count:,} {table}" for table, count in rows.items()))

    screen.say(f"2. Install: views, tables, indexes and functions in schema {schema_of(dsn)}")
    install(dsn, progress=lambda line: screen.say(f"   {line}"))

    screen.say(
        f"3. Backfill with {workers} connections: an edge for every two contacts who worked for the same organization"
        " at the same time"
    )
    with screen.watching(run_lines.display, run_lines.progress_line) as report:
        done = backfill(dsn, BackfillOptions(workers=workers, limits=None), report=report)
    screen.say(*(f"   {line}" for line in run_lines.outcome_lines(done)))

    screen.say("4. Who can introduce me?")
    with connect(dsn) as connection:
        candidates = [row[0] for row in connection.execute(sqlfiles.query("finders/demo_targets"))]
        question = Question(candidates[0], 1, _VIEWER)
        for title, collection, scope, limit, depth in _EXAMPLES:
            question = _example(connection, candidates, collection, scope, limit, depth)
            answer = paths.find_paths(connection, question)
            names = paths.names(connection, answer, question.target_contact_id, question=question)
            screen.say("", f"   {title}", f"   To meet {names.contact(question.target_contact_id)}:")
            screen.say(*(f"   {line}" for line in path_lines(question, answer, names)))

    screen.say("", "5. How fast? A small sweep of two finders under the same load")
    _sweep(dsn, screen, report_to)
    screen.say("", f"   {duration(time.monotonic() - started)} in all.")
    return question


def _example(
    connection: Connection, candidates: list[int], collection: int, scope: str, limit: int, depth: int
) -> Question:
    """Choose a target whose shortest path has the depth of the example; otherwise the first candidate."""
    for target in candidates:
        question = Question(target, collection, _VIEWER, max_depth=limit, max_paths=3, seed_scope=scope)
        found = paths.find_paths(connection, question)["paths"]
        if found and found[0]["depth"] == depth:
            return question
    return Question(candidates[0], collection, _VIEWER, max_depth=limit, max_paths=3, seed_scope=scope)


def _sweep(dsn: str, screen: Screen, directory: Path) -> None:
    """Compare two finders; leave the sweep out when its libraries are missing."""
    try:
        sweeps = extras.load("orchestrator.sweep.commands", "sweep")
    except OrchestratorError as error:
        screen.say(f"   Left out: {error}")
        return
    matrix = sweeps.Matrix(finders=("legacy_finder", "deep_finder"), depths=(2,), collections=(1,), versus=True)
    options = sweeps.SweepOptions(
        seed=_SEED,
        connections=4,
        seconds=2.0,
        blocks=4,
        warmup=0.2,
        rate=None,
        timeout=1.5,
        max_edges_per_hop=Question.max_edges_per_hop,
    )
    with watching(screen) as progress:
        done = sweeps.sweep(dsn, matrix, options, directory, progress=progress)
    for cell in done.data["cells"]:
        screen.say(
            f"   {cell['finder']} at depth {cell['depth']}: median {milliseconds(cell['p50_ms'])}, 95% within"
            f" {milliseconds(cell['p95_ms'])}, {cell['answers_per_second']:,.0f} answers per second"
        )
    screen.say(f"   {done.lines[-1]}")
