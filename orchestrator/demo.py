"""The whole story in a database of its own: seed, install, backfill, three worked examples, a sweep."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.core import extras, formats, sqlfiles
from orchestrator.core.database import Connection, connect
from orchestrator.core.errors import OrchestratorError
from orchestrator.finders import paths
from orchestrator.finders.paths import Question
from orchestrator.install.installation import install
from orchestrator.runs.backfill import Options, backfill
from orchestrator.runs.screen import Screen, outcome_lines, path_lines
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic

_SEED = 1
_VIEWER = 1001  # a user of collections 1, 2 and 3 in every synthetic world

#: What each example shows, its collection, scope and depth limit, and the depth its shortest path shall have.
_EXAMPLES = (
    ("A colleague brought in somebody who worked with the person you want to meet.", 1, "any", 2, 2),
    ("Nobody on a small team knows a colleague of the target; somebody knows somebody who does.", 4, "any", 4, 3),
    ("Only through people you brought in yourself (--scope importer).", 3, "importer", 4, 3),
)  # fmt: skip


@contextmanager
def demo_database(dsn: str, *, keep: bool) -> Iterator[str]:
    """Make a database beside the one of *dsn* for the length of the block, or for good if *keep*."""
    name = f"connection_paths_demo_{os.getpid()}"
    with connect(dsn) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield make_conninfo(dsn, dbname=name)
    finally:
        if not keep:
            with connect(dsn) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def tell(dsn: str, screen: Screen, report_to: Path, *, contacts: int, workers: int) -> Question:
    """Run the demo in the empty database of *dsn*; returns the last example's question, for going on.

    The sweep at its end leaves its report in the directory *report_to*.
    """
    started = time.monotonic()
    screen.say(f"1. A synthetic network of {contacts:,} contacts")
    with connect(dsn) as connection:
        rows = seed.load(connection, "public", seed_synthetic.tables(contacts, _SEED), replace=False)
    screen.say("   " + ", ".join(f"{count:,} {table}" for table, count in rows.items()))

    screen.say("2. Install: views, tables, indexes and functions in schema connection_paths")
    install(dsn, progress=lambda line: screen.say(f"   {line}"))

    screen.say(f"3. Backfill: every pair who worked at one place at one time, {workers} connections")
    with screen.backfilling() as report:
        done = backfill(dsn, Options(workers=workers, limits=None), report=report)
    screen.say(*(f"   {line}" for line in outcome_lines(done)))

    screen.say("4. Who can introduce me?")
    with connect(dsn) as connection:
        candidates = [row[0] for row in connection.execute(sqlfiles.query("finders/demo_targets"))]
        question = Question(candidates[0], 1, _VIEWER)
        for text, collection, scope, limit, depth in _EXAMPLES:
            question = _example(connection, candidates, collection, scope, limit, depth)
            answer = paths.find_paths(connection, question)
            called = paths.names(connection, answer, question.target_contact_id)
            screen.say("", f"   {text}", f"   To meet {called.contact(question.target_contact_id)}:")
            screen.say(*(f"   {line}" for line in path_lines(question, answer, called)))

    screen.say(
        "", "5. How fast? A small sweep of the finder without edges and the finder with edges, under the same load"
    )
    _sweep(dsn, screen, report_to)
    screen.say("", f"   {time.monotonic() - started:.0f} s in all.")
    return question


def _example(
    connection: Connection, candidates: list[int], collection: int, scope: str, limit: int, depth: int
) -> Question:
    """Choose a target whose shortest path has the depth the example is about, else the first candidate."""
    for target in candidates:
        question = Question(target, collection, _VIEWER, max_depth=limit, max_paths=3, seed_scope=scope)
        found = paths.find_paths(connection, question)["paths"]
        if found and found[0]["depth"] == depth:
            return question
    return Question(candidates[0], collection, _VIEWER, max_depth=limit, max_paths=3, seed_scope=scope)


def _sweep(dsn: str, screen: Screen, directory: Path) -> None:
    """Compare the finders without and with edges; leave the sweep out when its libraries are missing."""
    try:
        commands = extras.load("orchestrator.sweep.commands", "sweep")
    except OrchestratorError as error:
        screen.say(f"   Left out: {error}")
        return
    matrix = commands.Matrix(finders=("legacy_finder", "deep_finder"), depths=(2,), collections=(1,), versus=True)
    options = commands.SweepOptions(
        seed=_SEED, connections=4, seconds=2.0, blocks=4, warmup=0.2, rate=None, timeout=1.5, max_edges_per_hop=15
    )
    with screen.sweeping() as progress:
        done = commands.sweep(dsn, matrix, options, directory, progress=progress)
    for cell in done.data["cells"]:
        screen.say(
            f"   {cell['finder']} at depth {cell['depth']}: median {formats.milliseconds(cell['p50_ms'])}, 95% within"
            f" {formats.milliseconds(cell['p95_ms'])}, {cell['answers_per_second']:,.0f} answers per second"
        )
    screen.say(f"   {done.lines[-1]}")
