"""Run every command of docs/runbook.md, in its order, on a server with a standby, and compare the output.

bash runs the ``sh`` blocks and psql the ``sql`` blocks, each by itself and until the first error. ``ruby`` and
``python`` blocks are migrations: psql runs the SQL in their quotes, in one transaction. ``ini`` blocks are files of the
reader.
``tests/support/pages.py`` says how the page quotes output. Notes in a comment ``<!-- test: … -->`` above a block:

    setup = NAME         first call a function of ``SETUPS``, which makes the situation that the block is about
    expect exit N        the exit status, instead of 0
    in the background    continue once a batch is done; the setup "the run ends" checks the output
    ends by interrupt    send Ctrl-C once the queue is empty and the listener waits
    do what it prints    run what doctor prints below each WRONG; doctor must then find nothing wrong
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.changes.sync import sync
from orchestrator.core import embedded
from orchestrator.core.database import Connection
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.runs.plan import predicted_times
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from tests.support.pages import Block, blocks, check_quotes, pattern
from tests.support.pooler import pooler
from tests.support.servers import SETTINGS, reachable_binaries, standby
from tests.support.sessions import connect
from tests.support.waiting import until

RUNBOOK = Path(__file__).parents[2] / "docs" / "runbook.md"
CONTACTS = 1200  # with this seed, contact 42 and user 1001 are in collection 1, and there are about 50,000 edges


def test_a_quote_is_a_pattern() -> None:
    line = "Run 12 succeeded: 49,712 edges made in 1:09 min; 0 failures, 9.4 MB"
    assert re.search(pattern("Run 1 succeeded: 3 edges made in 12 s; 0 failures, 88 kB"), line)
    assert re.search(pattern("Run 1 … 9 edges"), line)
    assert not re.search(pattern("0 edges made"), line)
    assert not re.search(pattern("Run 1 failed"), line)
    assert not re.search(pattern("0 rows"), "10 rows")


@dataclass
class Site:
    """Where the commands run: a primary, a standby, a directory, and the commands in the background."""

    dsn: str
    directory: Path
    environment: dict[str, str]
    db: Connection
    standby: Connection
    stack: ExitStack
    background: list[tuple[Block, subprocess.Popen[bytes], Path]] = field(default_factory=list)

    def start(self, block: Block) -> tuple[subprocess.Popen[bytes], Path]:
        suffix = block.language
        script = self.directory / f"line-{block.line}.{suffix}"
        script.write_text(block.text)
        output = script.with_suffix(".out")
        psql = ["psql", "-X", "-v", "ON_ERROR_STOP=1", "-P", "pager=off", "-f", str(script), self.dsn]
        process = subprocess.Popen(
            psql if suffix == "sql" else ["bash", "-euo", "pipefail", str(script)],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=output.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.stack.callback(end, process)
        return process, output

    def run(self, block: Block) -> str:
        """Run a block, check its exit status and its output, and return the output."""
        if block.setup is not None:
            SETUPS[block.setup](self)
        self.catch_up()
        process, output = self.start(block)
        if "in the background" in block.notes:
            self.background.append((block, process, output))
            until(lambda: self.one("SELECT sum(batches_done) > 0 FROM connection_paths.backfill_progress"))
            return ""
        if "ends by interrupt" in block.notes:
            waiting = "SELECT count(*) = 0 FROM connection_paths.contact_changes"
            sleeping = "SELECT count(*) > 0 FROM connection_paths.lock_holders('listener')"
            until(lambda: self.one(waiting) and self.one(sleeping))
            os.killpg(process.pid, signal.SIGINT)
        status, printed = process.wait(timeout=60), output.read_text()
        assert status == block.status, f"line {block.line}: exit {status}, not {block.status}:\n{block.text}\n{printed}"
        check_quotes(block, printed)
        if "do what it prints" in block.notes:
            self.do_what(printed)
        return printed

    def do_what(self, printed: str) -> None:
        """Run the commands that doctor prints below each WRONG."""
        typed, wrong = [], False
        for line in printed.splitlines():
            if not line.startswith("    "):
                wrong = line.startswith("WRONG")
            elif wrong:
                typed.append(line.strip())
        assert typed
        self.run(Block(0, "sh" if typed[0].startswith("orchestrator") else "sql", "\n".join(typed) + "\n", ()))
        self.run(Block(0, "sh", "orchestrator doctor\n", ()))

    def catch_up(self) -> None:
        """Wait until the standby has replayed everything that the primary has written."""
        self.one("SELECT pg_logical_emit_message(true, '', '')")  # its commit also flushes the WAL of earlier commits
        now = self.one("SELECT pg_current_wal_flush_lsn()::text")
        query = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        until(lambda: self.standby.execute(query, (now,)).fetchone() == (True,))

    def one(self, query: str) -> Any:
        row = self.db.execute(query.encode()).fetchone()
        return row and row[0]


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


# What makes the situations that blocks are about.


def slow_batches(site: Site) -> None:
    site.db.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.7); RETURN NEW; END $$;"
        "CREATE TRIGGER dawdle BEFORE UPDATE ON connection_paths.backfill_batches"
        " FOR EACH ROW WHEN (NEW.status = 'done') EXECUTE FUNCTION dawdle()"
    )


def the_run_ends(site: Site) -> None:
    processes = "SELECT count(*) FROM connection_paths.backfill_progress, jsonb_object_keys(processes)"
    until(lambda: site.one(processes) == len(site.background))
    site.db.execute(
        "CREATE OR REPLACE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
    )
    for block, process, output in site.background:
        assert process.wait(timeout=60) == 0, output.read_text()
        check_quotes(block, output.read_text())
    site.db.execute("DROP FUNCTION dawdle() CASCADE")
    changes(site)


def changes(site: Site) -> None:
    site.db.execute("UPDATE contact_work_experiences SET date_from = date_from - 1 WHERE contact_id <= 30")


def interrupted(site: Site) -> None:
    half(site, "in_place", 3)


def half_a_rebuild(site: Site) -> None:
    half(site, "rebuild", 1)


def half(site: Site, strategy: str, batches: int) -> None:
    """Create a run, do some batches, claim another, and end the session."""
    with connect(site.dsn) as connection:
        row = connection.execute("SELECT connection_paths.create_run(%s)", (strategy,)).fetchone()
        assert row is not None
        claim = "SELECT batch_id, attempt FROM connection_paths.claim_batch(%s)"
        for _ in range(batches):
            batch = connection.execute(claim, row).fetchall()[0]
            connection.execute("SELECT connection_paths.do_batch(%s, %s, %s)", (*row, *batch))
        connection.execute(claim, row)


def drifted_index(site: Site) -> None:
    site.db.execute("DROP INDEX idx_members_by_collection")
    site.db.execute(
        "CREATE INDEX idx_members_by_collection ON user_contact_collections (collection_id, contact_id)"
        " INCLUDE (user_id) WHERE source = 5"
    )
    site.db.execute("COMMENT ON INDEX idx_members_by_collection IS 'connection_paths: as it was a year ago'")


def invalid_index(site: Site) -> None:
    site.db.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.idx_members_by_collection'::regclass"
    )


def a_long_reader(site: Site) -> None:
    reader = site.stack.enter_context(psycopg.connect(site.dsn, application_name="nightly report"))
    reader.execute("SELECT count(*) FROM connection_paths.contact_connections")
    site.stack.callback(reader.close)


def poison(site: Site) -> None:
    site.db.execute("DELETE FROM connection_paths.contact_connections WHERE contact_a_id = 42")
    site.db.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON connection_paths.contact_connections"
        " FOR EACH ROW WHEN (NEW.contact_a_id = 42) EXECUTE FUNCTION refuse()"
    )


def poisoned_contact(site: Site) -> None:
    poison(site)
    backfill(site.dsn, BackfillOptions(workers=2, strategy="in_place", limits=None))


def failed_contact(site: Site) -> None:
    poison(site)
    site.db.execute("INSERT INTO connection_paths.contact_changes (contact_id) VALUES (42)")
    assert sync(site.dsn).failed == 1


def repaired(site: Site) -> None:
    site.db.execute("DROP FUNCTION refuse() CASCADE")


def wrong_edges(site: Site) -> None:
    site.db.execute("DELETE FROM connection_paths.contact_connections WHERE (contact_a_id + contact_b_id) % 8 = 0")


def a_pooler(site: Site) -> None:
    site.environment["POOLED"] = site.stack.enter_context(pooler(site.dsn))


SETUPS: dict[str, Callable[[Site], None]] = {
    "slow batches": slow_batches,
    "the run ends": the_run_ends,
    "changes": changes,
    "interrupted": interrupted,
    "half a rebuild": half_a_rebuild,
    "drifted index": drifted_index,
    "invalid index": invalid_index,
    "a long reader": a_long_reader,
    "poisoned contact": poisoned_contact,
    "failed contact": failed_contact,
    "repaired": repaired,
    "wrong edges": wrong_edges,
    "pooler": a_pooler,
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    settings = {**SETTINGS, "shared_preload_libraries": "pg_stat_statements"}
    with ExitStack() as stack:
        directory, dsn = stack.enter_context(
            embedded.serve_temporarily(binaries=Path(given) if given else None, settings=settings)
        )
        binaries = reachable_binaries(directory)
        if not (binaries / "pg_basebackup").exists():
            pytest.skip(f"no pg_basebackup in {binaries}")
        with connect(dsn) as db:
            db.execute("CREATE ROLE app")
            db.execute("CREATE ROLE owner LOGIN CREATEROLE IN ROLE pg_monitor, pg_signal_backend")
            db.execute("CREATE DATABASE app OWNER owner")
        superuser, owner = make_conninfo(dsn, dbname="app"), make_conninfo(dsn, dbname="app", user="owner")
        with connect(owner) as db:
            seed.load(db, "public", seed_synthetic.tables(CONTACTS, 1), replace=False)
        db = stack.enter_context(connect(superuser))
        db.execute("CREATE EXTENSION pg_stat_statements")
        db.execute("CREATE EXTENSION pg_prewarm")
        replica = stack.enter_context(standby(superuser, binaries))
        asking = stack.enter_context(connect(replica))
        replica = make_conninfo(replica, user="owner")
        (tmp_path / "connection_paths.env").write_text(f"ORCHESTRATOR_DSN='{owner}'\nREPLICA='{replica}'\n")
        path = (str(Path(sys.executable).parent), str(embedded.embedded_binaries()), os.environ["PATH"])
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ORCHESTRATOR_"))}
        environment = {
            **kept,
            "PATH": os.pathsep.join(path),
            "COLUMNS": "160",
            "PSQLRC": os.devnull,
            "ORCHESTRATOR_DSN": owner,
            "REPLICA": replica,
        }
        yield Site(owner, tmp_path, environment, db, asking, stack)


@pytest.mark.long
def test_the_runbook_does_what_it_says(site: Site) -> None:
    for block in blocks(RUNBOOK.read_text(encoding="utf-8")):
        if block.language in ("ruby", "python"):
            statements = re.findall(r'"((?:SET|SELECT) [^"]*)"', block.text)
            text = ";\n".join(["BEGIN", *statements, "COMMIT;\n"])
            block = Block(block.line, "sql", text, block.notes, block.quotes)  # noqa: PLW2901
        if block.language in ("sh", "sql"):
            began = time.monotonic()
            site.run(block)
            print(f"line {block.line}: {time.monotonic() - began:.1f} s")
    assert site.one("SELECT to_regnamespace('connection_paths') IS NULL")
    assert site.one("SELECT count(*) = 0 FROM pg_roles WHERE starts_with(rolname, 'connection_paths')")


def test_the_runbook_holds_only_what_this_test_understands() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    found = blocks(text)
    assert {block.language for block in found} == {"sh", "sql", "ini", "ruby", "python"}
    known = ("in the background", "ends by interrupt", "do what it prints")
    for block in found:
        for note in block.notes:
            assert note in known or re.fullmatch(r"expect exit \d", note) or block.setup in SETUPS, note
        assert block.language != "ini" or not block.quotes, block.line
    assert {block.setup for block in found} - {None} == set(SETUPS)
    assert text.count("<!--") == sum(1 for block in found if block.notes)


def test_the_sizing_table_follows_from_its_rates() -> None:
    """The times follow from the rates, except for rounding; the rates are those of the plan."""
    text = RUNBOOK.read_text(encoding="utf-8")
    told = " ".join(text.split())
    filling, indexes, in_place, disk, wal, throttled = (
        float(found[1].replace(",", "")) if (found := re.search(rate, told)) else 0.0
        for rate in (
            *(r"([\d,]+) edges/s a worker while filling", r"([\d,]+) a worker for each", r"([\d,]+) a worker in place"),
            *(r"rebuild's: (\d+) and \d+ bytes", r"rebuild's: \d+ and (\d+) bytes", r"that is ([\d,]+) edges/s"),
        )
    )
    units = {"s": 1, "min": 60, "h": 3600, "GB": 1e9, "M": 1e6}
    rows = re.findall(r"^\| [\d,.]+(?: M)? \| ([\d.]+ M) \| (.*) \|$", text, flags=re.MULTILINE)
    assert len(rows) == 4

    def value(cell: str) -> float:
        number, unit = cell.strip("* ").split(" ")
        return sum(float(part) for part in number.split("–")) / len(number.split("–")) * units[unit]

    for size, others in rows:
        edges = value(size)
        expected = [edges * disk, edges * wal]
        planned = {(each.strategy, each.workers): each.seconds for each in predicted_times(round(edges))}
        expected += [planned[strategy, workers] for strategy in ("rebuild", "in_place") for workers in (1, 2, 4, 8)]
        assert planned["rebuild", 1] == pytest.approx(edges / filling + 5 * edges / indexes)
        assert planned["in_place", 1] == pytest.approx(edges / in_place)
        expected += [edges / throttled + 2.5 * edges / indexes]
        shown = [value(cell) for cell in others.split("|")]
        assert shown == pytest.approx(expected, rel=0.12), size
