"""The package on a logical subscriber of the four tables. The how-to page is run from its first line to its last."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.core import embedded, sqlfiles
from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host import subscriptions as following
from orchestrator.inspection.finding import Finding
from orchestrator.install.status import status
from tests.support import oracle, psql
from tests.support.command_line import run
from tests.support.edges import edges
from tests.support.pages import blocks, check_quotes
from tests.support.servers import SETTINGS
from tests.support.sessions import connect, value
from tests.support.waiting import eventually, until
from tests.support.world import world_of

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "sidecar.md"
NUMBERS = count(1)
#: The tables of the publisher, with the columns that tests change.
TABLES = {
    "contacts": "id",
    "organizations": "id",
    "contact_work_experiences": "id, contact_id, date_to",
    "user_contact_collections": "user_id, contact_id",
}
LOGICAL = {"wal_level": "logical", "wal_retrieve_retry_interval": "200ms", "max_sync_workers_per_subscription": "4"}
COPIED = "SELECT count(*) = %s FROM pg_subscription_rel WHERE srsubstate = 'r'"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    """The connection strings of two servers: one for publishers, and one for subscribers."""
    settings = {**SETTINGS, **LOGICAL}
    binaries = psql.binaries()
    with (
        embedded.serve_temporarily(binaries=binaries, settings=settings) as (_, there),
        embedded.serve_temporarily(binaries=binaries, settings=settings) as (_, here),
    ):
        yield there, here


@pytest.fixture
def pair(servers: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The connection strings of a publisher with rows, and of a subscriber with empty tables."""
    name = f"app_{next(NUMBERS)}"
    made = []
    for server in servers:
        with connect(server) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        made.append(make_conninfo(server, dbname=name))
        with connect(made[-1]) as connection:
            connection.execute(sqlfiles.query("install/demo_tables"))
    with connect(made[0]) as there:
        there.execute("INSERT INTO contacts SELECT i, 'c' FROM generate_series(1, 30) AS i")
        there.execute("INSERT INTO organizations SELECT i, 'o' FROM generate_series(1, 4) AS i")
        there.execute(
            "INSERT INTO contact_work_experiences"
            " SELECT i, 1 + i % 30, 1 + i * i % 4, 'x', '2010-01-01', '2012-01-01' FROM generate_series(0, 60) AS i"
        )
        there.execute("INSERT INTO user_contact_collections SELECT 7, i, 9, 0 FROM generate_series(1, 30) AS i")
    yield made[0], made[1]
    with connect(made[1]) as here:
        for (each,) in here.execute(
            "SELECT subname FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid"
            " WHERE datname = current_database()"
        ).fetchall():
            here.execute(f"ALTER SUBSCRIPTION {each} DISABLE".encode())
            here.execute(f"ALTER SUBSCRIPTION {each} SET (slot_name = NONE)".encode())
            here.execute(f"DROP SUBSCRIPTION {each}".encode())
    with connect(servers[0]) as there:
        for (slot,) in there.execute("SELECT slot_name FROM pg_replication_slots").fetchall():
            eventually(there, "SELECT NOT active FROM pg_replication_slots WHERE slot_name = %s", slot)
            there.execute("SELECT pg_drop_replication_slot(%s)", (slot,))


def publish(there_dsn: str, *tables: str) -> None:
    with connect(there_dsn) as there:
        there.execute("ALTER TABLE user_contact_collections REPLICA IDENTITY FULL")
        there.execute(f"CREATE PUBLICATION p FOR TABLE {', '.join(tables or TABLES)}".encode())


def subscribe(here_dsn: str, there_dsn: str, name: str = "s") -> None:
    with connect(here_dsn) as here:
        slot = f"{name}_{next(NUMBERS)}"
        here.execute(
            f"CREATE SUBSCRIPTION {name} CONNECTION '{there_dsn}' PUBLICATION p WITH (slot_name = {slot})".encode()
        )


def follow(there: Connection, here: Connection, here_dsn: str) -> None:
    """Wait until the rows are here, refresh, and compare the edges with those of the publisher."""
    for table, columns in TABLES.items():
        query = f"SELECT COALESCE(sum(hashtextextended(ROW({columns})::text, 0)), 0)::text FROM {table}"
        eventually(here, f"SELECT ({query}) = %s", value(there, query))
    done = run("--dsn", here_dsn, "sync")
    assert (done.exit_code, "WARNING" in done.output) == (0, False), done.output
    assert edges(here) == oracle.edges(world_of(there))


def check_follows(there_dsn: str, here_dsn: str) -> None:
    with connect(there_dsn) as there, connect(here_dsn) as here:
        follow(there, here, here_dsn)
        there.execute("UPDATE contact_work_experiences SET date_to = '2034-01-01' WHERE id < 9")
        there.execute("DELETE FROM user_contact_collections WHERE contact_id = 5")
        follow(there, here, here_dsn)
        there.execute("DELETE FROM contacts WHERE id = 3")
        there.execute("INSERT INTO contacts VALUES (99, 'c')")
        there.execute("INSERT INTO contact_work_experiences VALUES (1000, 99, 3, 'x', '2001-01-01', '2035-01-01')")
        follow(there, here, here_dsn)
        assert edges(here)


def findings(dsn: str) -> list[Finding]:
    return [each for each in diagnose(dsn).findings if each.check == "subscriptions"]


@pytest.mark.long
def test_the_how_to_page_works(pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    there_dsn, here_dsn = pair
    monkeypatch.setenv("ORCHESTRATOR_DSN", here_dsn)
    run_blocks = 0
    for block in blocks(PAGE.read_text(encoding="utf-8")):
        where = f"line {block.line}"
        if block.language == "sql":
            text = block.text.replace("host=db.example dbname=app user=replicator", there_dsn)
            done = psql.run(there_dsn if "publisher" in block.notes else here_dsn, text, "-v", "ON_ERROR_STOP=1")
            assert done.returncode == 0, f"{where}: {done.stderr}"
            if "copied" in block.notes:
                with connect(here_dsn) as here:
                    eventually(here, COPIED, 4)
        elif "subscriber" in block.notes:
            printed = ""
            for line in block.text.splitlines():
                done_here = run(*line.split()[1:])
                allowed = (0, 3) if line.endswith("doctor") else (0,)
                assert done_here.exit_code in allowed, f"{where}: {done_here.output}"
                printed += done_here.output
            check_quotes(block, printed)
        else:
            continue
        run_blocks += 1
    assert run_blocks == 8
    check_follows(there_dsn, here_dsn)
    assert findings(here_dsn) == []


def test_the_initial_copy_counts_as_a_change(pair: tuple[str, str]) -> None:
    there_dsn, here_dsn = pair
    publish(there_dsn)
    assert run("--dsn", here_dsn, "install", "--replicated").exit_code == 0
    subscribe(here_dsn, there_dsn)
    with connect(here_dsn) as here:
        eventually(here, COPIED, 4)
    check_follows(there_dsn, here_dsn)


def test_an_upgrade_keeps_following(pair: tuple[str, str]) -> None:
    there_dsn, here_dsn = pair
    publish(there_dsn)
    subscribe(here_dsn, there_dsn)
    assert run("--dsn", here_dsn, "install", "--replicated").exit_code == 0
    with connect(here_dsn) as here:  # as an older version may have left it
        here.execute("DROP TRIGGER connection_paths_replicated ON contacts")
        here.execute("DROP FUNCTION connection_paths.queue_replicated_row() CASCADE")
        assert run("--dsn", here_dsn, "install").exit_code == 0
        enabled = here.execute(
            "SELECT DISTINCT tgenabled::text FROM pg_trigger WHERE tgname = 'connection_paths_replicated'"
        ).fetchall()
        assert enabled == [("R",)]
        here.execute("SELECT connection_paths.queue_everyone()")
        eventually(here, COPIED, 4)
    check_follows(there_dsn, here_dsn)


def test_without_the_option_an_install_says_that_changes_are_missed(pair: tuple[str, str]) -> None:
    there_dsn, here_dsn = pair
    publish(there_dsn)
    subscribe(here_dsn, there_dsn)
    assert run("--dsn", here_dsn, "install").exit_code == 0
    found = run("--dsn", here_dsn, "status")
    assert found.exit_code == 1
    assert "run orchestrator install --replicated" in " ".join(found.output.split())


def test_a_new_column_of_the_publisher_stops_replication_until_it_is_here(pair: tuple[str, str]) -> None:
    there_dsn, here_dsn = pair
    publish(there_dsn)
    subscribe(here_dsn, there_dsn)
    assert run("--dsn", here_dsn, "install", "--replicated").exit_code == 0
    with connect(there_dsn) as there, connect(here_dsn) as here:
        eventually(here, COPIED, 4)
        there.execute("ALTER TABLE contacts ADD COLUMN email text")
        there.execute("INSERT INTO contacts VALUES (200, 'c', 'x@example.com')")
        until(lambda: any("has failed" in each.what for each in findings(here_dsn)))
        assert "error" in run("--dsn", here_dsn, "status").output
        here.execute("ALTER TABLE contacts ADD COLUMN email text")
        eventually(here, "SELECT EXISTS (SELECT FROM contacts WHERE id = 200)")
        (finding,) = findings(here_dsn)
        assert (finding.severity, finding.object) == ("advice", "s")
        here.execute((finding.repair or "").encode())
        assert findings(here_dsn) == []
        there.execute("ALTER TABLE contacts DROP COLUMN email")
        there.execute("INSERT INTO contacts VALUES (201, 'c')")
        eventually(here, "SELECT EXISTS (SELECT FROM contacts WHERE id = 201)")


def test_the_states_of_a_subscription(pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    there_dsn, here_dsn = pair
    publish(there_dsn)
    subscribe(here_dsn, there_dsn)
    assert run("--dsn", here_dsn, "install", "--replicated").exit_code == 0

    def state() -> str:
        (found,) = status(here_dsn).subscriptions
        return found.state

    with connect(here_dsn) as here, connect(there_dsn) as there:
        eventually(here, COPIED, 4)
        until(lambda: state() == "following")
        assert findings(here_dsn) == []
        with monkeypatch.context() as patch:
            patch.setattr(following, "SILENT", 0.0)
            assert state() == "silent"
            (finding,) = findings(here_dsn)
            assert "has heard nothing from its publisher for" in finding.what
        here.execute("ALTER SUBSCRIPTION s DISABLE")
        until(lambda: state() == "disabled")
        (finding,) = findings(here_dsn)
        assert (finding.severity, finding.repair) == ("wrong", "ALTER SUBSCRIPTION s ENABLE;")
        here.execute("ALTER SUBSCRIPTION s ENABLE")
        until(lambda: state() == "following")
        # a table whose copy cannot begin
        there.execute("CREATE TABLE later (id bigint PRIMARY KEY)")
        there.execute("INSERT INTO later VALUES (1)")
        there.execute("ALTER PUBLICATION p ADD TABLE later")
        here.execute("CREATE TABLE later (id bigint PRIMARY KEY CHECK (id > 1))")
        here.execute("ALTER SUBSCRIPTION s REFRESH PUBLICATION")
        until(lambda: state() == "copying")
        assert any("has not yet copied the rows of public.later" in each.what for each in findings(here_dsn))
        here.execute("ALTER TABLE later DROP CONSTRAINT later_id_check")
        until(lambda: state() == "following")
        # no worker: the publisher is gone
        here.execute("ALTER SUBSCRIPTION s CONNECTION 'host=/nowhere'")
        until(lambda: state() == "no worker")
        until(lambda: any("no worker of subscription s runs" in each.what for each in findings(here_dsn)))
    shown = run("--dsn", here_dsn, "status")
    assert "subscription s: " in shown.output


def test_a_subscription_of_other_tables_is_none_of_ours(pair: tuple[str, str]) -> None:
    there_dsn, here_dsn = pair
    assert run("--dsn", here_dsn, "install").exit_code == 0
    with connect(there_dsn) as there, connect(here_dsn) as here:
        for each in (there, here):
            each.execute("CREATE TABLE other (id bigint PRIMARY KEY)")
        there.execute("CREATE PUBLICATION p FOR TABLE other")
        subscribe(here_dsn, there_dsn)
        here.execute("ALTER SUBSCRIPTION s DISABLE")
    assert (status(here_dsn).subscriptions, findings(here_dsn)) == ([], [])
