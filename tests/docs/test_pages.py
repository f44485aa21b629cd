"""The commands and the SQL of the pages are run, and do what the pages say.

The tutorial is run from its first line to its last, on a private server. The SQL of the how-to pages is run in one
database. A block below the comment ``<!-- test: not run -->`` is not run. The runbook has a test of its own, and
``tests/lint`` checks the text of every page.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT

import pytest

from orchestrator.access.roles import DEFAULT_PREFIX
from orchestrator.core import embedded, sqlfiles
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from tests.support.pages import Block, blocks, check_quotes
from tests.support.psql import binaries
from tests.support.servers import SETTINGS
from tests.support.sessions import connect

ROOT = Path(__file__).parents[2]
HOW_TO = sorted(ROOT.glob("docs/how-to/*.md"))
TUTORIAL = ROOT / "docs" / "tutorial.md"


def is_run(block: Block, *languages: str) -> bool:
    return block.language in languages and "not run" not in block.notes


def psql(dsn: str, text: str) -> subprocess.CompletedProcess[str]:
    command = [str(binaries() / "psql"), "-X", "-v", "ON_ERROR_STOP=1", "-P", "pager=off", "-f", "-", dsn]
    return subprocess.run(command, input=text, text=True, stdout=PIPE, stderr=STDOUT, check=False)


@pytest.fixture(scope="module")
def filled() -> Iterator[str]:
    """The connection string of a database with the package and 1,000 contacts; pages make roles, so it has a server."""
    with embedded.serve_temporarily(binaries=binaries(), settings=SETTINGS) as (_, dsn):
        with connect(dsn) as connection:
            connection.execute(sqlfiles.query("install/demo_tables"))
            seed.load(connection, "public", seed_synthetic.tables(1000, 1), replace=False)
            connection.execute("CREATE ROLE app")
        install(dsn, roles=DEFAULT_PREFIX)
        backfill(dsn, BackfillOptions(workers=1, limits=None))
        yield dsn


@pytest.mark.parametrize("path", HOW_TO, ids=lambda path: path.stem)
def test_the_sql_of_a_how_to_page_works(path: Path, filled: str) -> None:
    for block in blocks(path.read_text(encoding="utf-8")):
        if is_run(block, "sql"):
            done = psql(filled, block.text)
            assert done.returncode == 0, f"line {block.line}: {done.stdout}"
            check_quotes(block, done.stdout)


@pytest.mark.long
def test_the_tutorial_does_what_it_says() -> None:
    directory = Path(tempfile.mkdtemp(prefix="connection_paths-tutorial-"))
    directory.chmod(0o755)  # the server may run as another account
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ORCHESTRATOR_"))}
    script = directory / "orchestrator"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m orchestrator "$@"\n')
    script.chmod(0o755)
    path = os.pathsep.join((str(directory), os.environ["PATH"]))
    environment = {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    try:
        with embedded.serve(directory / "try") as dsn:
            for block in blocks(TUTORIAL.read_text(encoding="utf-8")):
                if is_run(block, "sql"):
                    done = psql(dsn, block.text)
                elif is_run(block, "sh"):
                    text = block.text.replace("/tmp/try", str(directory / "try"))
                    run = ["bash", "-euo", "pipefail", "-c", text]
                    done = subprocess.run(run, stdout=PIPE, stderr=STDOUT, text=True, check=False, env=environment)
                else:
                    continue
                assert done.returncode == 0, f"line {block.line}: {done.stdout}"
                check_quotes(block, done.stdout)
    finally:
        embedded.stop(directory / "try")
        shutil.rmtree(directory, ignore_errors=True)
