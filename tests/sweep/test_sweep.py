"""Sweeps against a real server: what is counted, what is refused, and that it can be done again."""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from click.testing import CliRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.cli import main
from orchestrator.core.database import NEUTRAL, known
from orchestrator.core.errors import OrchestratorError
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from orchestrator.sweep import objectives, publish, results, targets
from orchestrator.sweep.client import MEASURED, Order, Prepare, Session
from orchestrator.sweep.load import Fleet, arrival_times, fleet
from orchestrator.sweep.matrix import Request
from orchestrator.sweep.results import Options, Results
from orchestrator.sweep.statistics import percentile
from orchestrator.sweep.sweep import Asked, sweep
from tests.support.sessions import connect

QUICK = Options(
    seed=1, connections=2, seconds=0.4, blocks=4, warmup=0, rate=None, timeout=5, max_edges_per_hop=15
)  # fmt: skip
SMALL = Asked(versions=("v3",), depths=(2,), collections=(1,), targets=6)


@pytest.fixture(scope="module")
def network(new_database: Callable[[], str]) -> str:
    """A database with a synthetic network and its edges, which no test of this file changes."""
    dsn = new_database()
    with connect(dsn) as connection:
        seed.load(connection, "public", seed_synthetic.tables(1500, 1), replace=False)
        install(dsn)
        backfill(dsn, BackfillOptions(workers=2, limits=None))
        connection.execute("VACUUM (ANALYZE)")
        for name, body in {
            "slow": "SELECT d.* FROM connection_paths.deep_finder_v3($1, $2, $3, $4, $5, $6, $7) AS d, pg_sleep(0.05)",
            "wrong": "SELECT * FROM connection_paths.deep_finder_v3($1, $2, $3, $4, $5, $6, $7) OFFSET 1",
            "failing": "SELECT * FROM connection_paths.deep_finder_v3($1, $2, $3, 0, $5, $6, $7)",
        }.items():
            connection.execute(
                f"CREATE FUNCTION public.{name}(bigint, bigint, bigint, integer, integer, text, integer)"
                " RETURNS TABLE (depth integer, user_id bigint, contact_ids bigint[], organization_ids bigint[],"
                f" date_froms date[], date_tos date[], recency date) LANGUAGE sql STABLE AS $body${body}$body$"
            )
    return dsn


@pytest.fixture
def clients(database: str) -> Iterator[Fleet]:
    """Four clients of an empty database with a sequence and a table to lock."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE calls")
        connection.execute("CREATE TABLE stalled (id integer)")
    with fleet(database, 4, timeout=3.0) as started:
        yield started


# What is counted.


def test_every_request_is_counted_once(clients: Fleet, database: str) -> None:
    clients.prepare(["SELECT nextval('public.calls')"], types=())
    answers = clients.ask(0, [()], seed="1", first=0, seconds=0.5)
    assert _scalar(database, "SELECT last_value FROM calls") == len(answers.milliseconds)
    assert np.isfinite(answers.milliseconds).all()
    assert len(answers.milliseconds) - 4 <= answers.answered <= len(answers.milliseconds)  # one in flight per client
    assert answers.timeouts == answers.errors == 0

    answers = clients.ask(0, [()], seed="1", first=0, seconds=0.5, rate=200)
    assert len(answers.milliseconds) == len(arrival_times(200, 0.5, "1 0"))


def test_failures_are_counted_apart_and_stay_in_the_denominator(clients: Fleet) -> None:
    clients.prepare(["SELECT 1 / $1"], types=(23,))
    answers = clients.ask(0, [(b"1",), (b"1",), (b"1",), (b"0",)], seed="1", first=0, seconds=0.8)
    requests = len(answers.milliseconds)
    assert answers.errors == np.isinf(answers.milliseconds).sum()
    assert abs(answers.errors - requests / 4) <= 4  # the order is a shuffled deck, which the last may break off
    assert answers.failures == {"division by zero": answers.errors}
    cell = results.Cell(Request(1, "any", 1, 25, "warm"), "one", [answers])
    assert cell.percentile(95) == math.inf
    assert cell.percentile(50) < math.inf  # type: ignore[operator]
    assert objectives.parse("failed=10%").judge(cell).met is False
    assert objectives.parse("p95=1s").judge(cell).met is False


def test_what_takes_too_long_has_timed_out(database: str) -> None:
    with fleet(database, 2, timeout=0.2) as clients:
        clients.prepare(["SELECT pg_sleep($1)"], types=(701,))
        answers = clients.ask(0, [(b"0",), (b"5",)], seed="1", first=0, seconds=1.0)
    assert answers.timeouts > 0
    assert answers.errors == 0
    assert answers.failures == {"statement timeout": answers.timeouts}
    assert np.isinf(answers.milliseconds).sum() == answers.timeouts


def test_a_server_that_says_nothing_is_given_up(database: str) -> None:
    with fleet(database, 2, timeout=0.2) as clients:
        clients.prepare(["SELECT set_config('statement_timeout', '0', false)", "SELECT pg_sleep(20)"], types=())
        assert clients.ask(0, [()], seed="1", first=0, seconds=0.1).timeouts == 0
        began = time.monotonic()
        answers = clients.ask(1, [()], seed="1", first=0, seconds=0.2)
        assert time.monotonic() - began < 15
    assert answers.timeouts == len(answers.milliseconds) == 2
    assert answers.failures == {"no answer": 2}


def test_lost_connections_are_errors_and_the_clients_go_on(clients: Fleet, database: str) -> None:
    clients.prepare(["SELECT pg_sleep(0.01)"], types=())

    def terminate() -> None:
        time.sleep(0.4)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'orchestrator sweep' AND datname = current_database()"
            )

    with _beside(terminate):
        answers = clients.ask(0, [()], seed="1", first=0, seconds=1.5)
    assert 1 <= answers.errors <= 8
    assert np.isfinite(answers.milliseconds[-10:]).all()


def test_an_open_loop_tells_a_stall_to_every_request_it_kept_waiting(clients: Fleet, database: str) -> None:
    clients.prepare(["SELECT count(*) FROM public.stalled"], types=())
    with _beside(lambda: _stall(database, after=1.0)):
        answers = clients.ask(0, [()], seed="1", first=0, seconds=3.0, rate=100)
    arrivals = np.array(arrival_times(100, 3.0, "1 0")) / 1e9
    kept_waiting = int(((arrivals > 1.1) & (arrivals < 1.7)).sum())
    assert kept_waiting > 30
    assert (answers.milliseconds > 200).sum() >= kept_waiting
    assert answers.milliseconds.max() > 800
    assert percentile(answers.milliseconds, 90) > 400


def test_a_closed_loop_tells_a_stall_once_per_client(clients: Fleet, database: str) -> None:
    clients.prepare(["SELECT count(*) FROM public.stalled"], types=())
    with _beside(lambda: _stall(database, after=1.0)):
        answers = clients.ask(0, [()], seed="1", first=0, seconds=3.0)
    assert (answers.milliseconds > 500).sum() == clients.size
    assert percentile(answers.milliseconds, 90) < 100


def test_requests_an_open_loop_never_came_to_have_timed_out(database: str) -> None:
    with fleet(database, 1, timeout=0.3) as clients:
        clients.prepare(["SELECT pg_sleep(0.1)"], types=())
        answers = clients.ask(0, [()], seed="1", first=0, seconds=0.5, rate=100)
    assert len(answers.milliseconds) == len(arrival_times(100, 0.5, "1 0"))
    assert answers.timeouts > 20
    assert answers.failures["never begun: too late"] == answers.timeouts


def test_a_connection_of_its_own_for_every_request(clients: Fleet, database: str) -> None:
    clients.prepare(["SELECT nextval('public.calls'), pg_backend_pid()"], types=())
    answers = clients.ask(0, [()], seed="1", first=0, seconds=0.5, connects=True)
    assert answers.connecting is not None
    assert (answers.connecting > 0).all()
    assert (answers.milliseconds > answers.connecting).all()
    assert _scalar(database, "SELECT last_value FROM calls") == len(answers.milliseconds)


def test_a_client_that_cannot_connect_says_so() -> None:
    with fleet("host=127.0.0.1 port=1 user=nobody", 1, timeout=1) as clients:
        clients.prepare(["SELECT 1"], types=())
        with pytest.raises(OrchestratorError, match="cannot go on"):
            clients.ask(0, [()], seed="1", first=0, seconds=0.2)


# That it can be done again.


def test_the_same_seed_asks_for_the_same_targets_in_the_same_order(network: str) -> None:
    found = []
    for number in (5, 5, 6):
        with connect(network) as connection:
            contacts = targets.Contacts(connection, number)
            viewers = targets.viewers(connection, 1)
            found.append(contacts.targets(viewers, 20, str(number), targets.distance_in(connection, 1, "any", 3)))
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == 20
    order = [Order("5 1 any", 20)[number] for number in range(60)]
    assert order == [Order("5 1 any", 20)[number] for number in range(60)]
    assert Counter(order[:20]) == Counter(order[20:40]) == Counter(range(20))
    assert order[:20] != order[20:40]
    assert [Order("5 1 any", 20)[number] for number in range(45, 60)] == order[45:]
    assert arrival_times(50, 2, "5") == arrival_times(50, 2, "5") != arrival_times(50, 2, "6")


def test_targets_are_of_every_kind(network: str) -> None:
    with connect(network) as connection:
        contacts = targets.Contacts(connection, 1)
        drawn = contacts.targets(
            targets.viewers(connection, 1), 25, "1", targets.distance_in(connection, 1, "importer", 3)
        )
        degrees = {target.degree for target in drawn}
        assert {"few", "typical", "many", "hub"} <= degrees
        assert None in {target.distance for target in drawn}
        assert {1, 2} <= {target.distance for target in drawn}
        for target in drawn:
            row = connection.execute(
                "SELECT count(*) FROM connection_paths.contact_connections WHERE %s IN (contact_a_id, contact_b_id)",
                (target.contact,),
            ).fetchone()
            assert row == (target.edges,)


def test_a_result_is_read_as_it_was_written(network: str, tmp_path: Path) -> None:
    found = sweep(network, SMALL, QUICK)
    results.write(found, tmp_path)
    read = results.read(tmp_path)
    assert read.options == found.options
    assert read.targets == found.targets
    assert read.parity == found.parity
    assert read.environment["relations"] == found.environment["relations"]
    assert found.references.keys() == read.references.keys() == set(found.requests)
    for reference in (*found.references.values(), *read.references.values()):  # it answers, and every time
        assert len(reference.blocks) == QUICK.blocks
        assert np.isfinite(reference.samples).all()
    for cell, again in zip(found.cells, read.cells, strict=True):
        assert np.allclose(cell.samples, again.samples, atol=0.0006)  # whole microseconds
        assert (cell.requests, cell.rate, cell.counters, cell.executions) == (
            again.requests, again.rate, again.counters, again.executions,
        )  # fmt: skip
    assert sum(len(samples) for samples in read.by_stratum(read.cells[0]).values()) == read.cells[0].requests


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 1, "cells": 3}'])
def test_what_is_no_result_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / results.FILE).write_text(content)
    with pytest.raises(OrchestratorError):
        results.read(tmp_path)


# What is refused, and what is called worse.


def test_versions_that_disagree_are_not_timed(network: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    ran = _invoke(network, "sweep", "--versus", "v3,public.wrong", "--depth", "2", "--output", str(output))
    assert ran.exit_code == 1
    assert "v3 and public.wrong disagree about contact" in ran.stderr
    assert "nothing was timed" in ran.stderr
    assert not output.exists()


def test_a_version_that_fails_is_not_timed(network: str, tmp_path: Path) -> None:
    ran = _invoke(network, "sweep", "--version", "public.failing", "--depth", "2", "--output", str(tmp_path / "out"))
    assert ran.exit_code == 1
    assert "public.failing fails for contact" in ran.stderr


@pytest.mark.parametrize(
    ("statement", "problem"),
    [("SELECT 1 / 0", "division by zero"), ("SELECT nothing", "does not exist"), ("SELECT pg_sleep(9)", "timeout")],
)
def test_a_reference_that_fails_is_said_before_anything_is_timed(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, problem: str
) -> None:
    monkeypatch.setattr("orchestrator.sweep.sweep._REFERENCE", statement)
    ran = _invoke(network, "sweep", "--depth", "1", "--timeout", "0.5", "--output", str(tmp_path / "out"))
    assert ran.exit_code == 1
    assert "the reference measurement fails, nothing was timed: " in ran.stderr
    assert problem in ran.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("version", ["v99", "nonsense", "public.nothing", 'pub"lic.x', "v3,v3,v2,v99"])
def test_a_version_that_is_not_there_is_refused(network: str, tmp_path: Path, version: str) -> None:
    ran = _invoke(network, "sweep", "--version", version, "--output", str(tmp_path / "out"))
    assert ran.exit_code == 1
    assert "there is no" in ran.stderr


def test_legacy_is_compared_where_it_returns_the_same_rows(network: str) -> None:
    found = sweep(
        network,
        Asked(versions=("v3", "legacy"), depths=(1, 2, 3), collections=(1,), targets=5),
        Options(**{**vars(QUICK), "max_edges_per_hop": None}),
    )
    assert [(cell.version, cell.request.depth) for cell in found.cells] == [
        ("v3", 1), ("v3", 2), ("legacy", 2), ("v3", 3),
    ]  # fmt: skip


def test_a_slower_function_is_worse_and_the_reverse_is_better(network: str, tmp_path: Path) -> None:
    quick = ("--depth", "2", "--collection", "1", "--targets", "6", "--connections", "2", "--seconds", "1.6",
             "--blocks", "8", "--warmup", "0")  # fmt: skip
    for name, versus, verdict, status in (
        ("worse", "v3,public.slow", "worse", 3),
        ("better", "public.slow,v3", "better", 0),
    ):
        ran = _invoke(network, "--json", "sweep", "--versus", versus, *quick, "--output", str(tmp_path / name))
        assert ran.exit_code == status, ran.stderr
        assert json.loads(ran.stdout)["comparison"]["verdict"] == verdict

    for name in ("fast", "slow"):
        version = {"fast": "v3", "slow": "public.slow"}[name]
        ran = _invoke(network, "sweep", "--version", version, *quick, "--output", str(tmp_path / name))
        assert ran.exit_code == 0, ran.stderr
    ran = _invoke(network, "compare", str(tmp_path / "fast"), str(tmp_path / "slow"))
    assert ran.exit_code == 3
    assert "worse" in ran.stdout
    ran = _invoke(network, "compare", str(tmp_path / "slow"), str(tmp_path / "fast"))
    assert ran.exit_code == 0
    ran = _invoke(network, "--json", "compare", str(tmp_path / "fast"), str(tmp_path / "fast"))
    assert json.loads(ran.stdout)["comparison"]["verdict"] in {"same", "inconclusive"}


def test_a_version_against_itself_tells_the_noise(network: str, tmp_path: Path) -> None:
    ran = _invoke(
        network, "sweep", "--version", "v3", "--a-a", "--depth", "1", "--collection", "1", "--targets", "5",
        "--seconds", "0.8", "--blocks", "4", "--warmup", "0", "--connections", "2", "--margin", "1",
        "--output", str(tmp_path / "out"),
    )  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    assert "Noise floor" in ran.stdout
    assert {cell.version for cell in results.read(tmp_path / "out").cells} == {"v3", "v3-again"}


def test_objectives_are_a_gate(network: str, tmp_path: Path) -> None:
    quick = ("--depth", "1", "--collection", "1", "--targets", "5", "--seconds", "0.4", "--blocks", "2", "--warmup",
             "0", "--connections", "2", "--rate", "100")  # fmt: skip
    missed = ("--objective", "p95=10s", "--objective", "p95=0.001ms")
    ran = _invoke(network, "--json", "sweep", *quick, *missed, "--output", str(tmp_path / "out"))
    assert ran.exit_code == 3, ran.stderr
    assert [each["met"] for each in json.loads(ran.stdout)["objectives"]] == [True, False]

    found = results.read(tmp_path / "out")
    for text, met in {"p95=10s": True, "p99=10s": None, "failed=0": True, "rate=1000000": False}.items():
        assert [each.met for each in objectives.judge(found, [objectives.parse(text)])] == [met]
    for objective, status in (("p95=0.001ms", 3), ("p99=10s", 4)):
        again = _invoke(network, "compare", *2 * [str(tmp_path / "out")], "--objective", objective)
        assert again.exit_code == status


@pytest.mark.parametrize("text", ["p95", "p95=250", "p97=1s", "rate=10%", "speed=1ms", "p95=-1ms", ""])
def test_an_objective_that_states_nothing_is_refused(text: str) -> None:
    with pytest.raises(OrchestratorError, match="no objective"):
        objectives.parse(text)


# What a connection string, a role and a database may have set; what must not get out; what is lost on the way.

SET = {
    "statement_timeout": "500ms", "lock_timeout": "1ms", "idle_session_timeout": "500ms",
    "idle_in_transaction_session_timeout": "500ms", "transaction_timeout": "500ms", "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard", "bytea_output": "escape", "search_path": "nowhere",
    "default_transaction_read_only": "on", "default_transaction_isolation": "serializable",
    "quote_all_identifiers": "on", "jit": "on", "jit_above_cost": "0", "plan_cache_mode": "force_custom_plan",
    "app.secret": "MARKER",
}  # fmt: skip


@pytest.fixture(scope="module")
def sweeper(network: str) -> Iterator[str]:
    """The connection string of a superuser for whom everything is set otherwise."""
    with psycopg.connect(network, autocommit=True) as connection:
        connection.execute("CREATE ROLE sweeper LOGIN SUPERUSER")
        for name, value in known(SET, connection.info.server_version).items():
            connection.execute(f"ALTER ROLE sweeper SET {name} = '{value}'".encode())
        yield make_conninfo(network, user="sweeper")
        connection.execute("DROP ROLE sweeper")


def test_what_a_role_and_a_connection_string_set_changes_nothing(network: str, sweeper: str) -> None:
    given = make_conninfo(
        sweeper, application_name="mine", options=r"-c DateStyle=German -c app.name=two\ words -c statement_timeout=700"
    )
    asked = Asked(versions=("v3", "find_paths"), depths=(2,), collections=(1,), targets=6)
    plain, odd = (sweep(dsn, asked, QUICK) for dsn in (network, given))
    assert [cell.errors + cell.timeouts for cell in odd.cells] == [0, 0]
    assert list(odd.parity.values()) == list(plain.parity.values())
    names = [relation["relation"] for relation in odd.environment["relations"]]
    assert names == [relation["relation"] for relation in plain.environment["relations"]]
    session = Session(given, 1.5)
    expected = {**NEUTRAL, **MEASURED, "statement_timeout": "1500ms", "app.name": "two words",
                "application_name": "orchestrator sweep"}  # fmt: skip
    with psycopg.connect(network) as connection:
        expected = known(expected, connection.info.server_version)
    columns = ", ".join(f"current_setting('{name}')" for name in expected)
    session.prepare(Prepare([f"SELECT {columns}"], types=()))
    result = session.call(0, ())
    session.close()
    found = dict(zip(expected, (result.get_value(0, column) for column in range(result.nfields)), strict=True))
    assert found == {name: value.encode() for name, value in expected.items()}


@pytest.fixture(scope="module")
def secretive(network: str) -> Iterator[None]:
    """A server in whose settings, all of which a superuser may read, there are secrets."""
    with psycopg.connect(network, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET primary_conninfo = 'host=elsewhere password=MARKER'")
        connection.execute("ALTER SYSTEM SET restore_command = 'fetch --password MARKER'")
        connection.execute("SELECT pg_reload_conf()")
        yield
        connection.execute("ALTER SYSTEM RESET primary_conninfo")
        connection.execute("ALTER SYSTEM RESET restore_command")
        connection.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize(
    ("place", "fails"),
    [("connection string", False), ("service file", False), ("environment", True), ("service file", True)],
)
def test_no_secret_gets_out(
    sweeper: str, secretive: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, fails: bool
) -> None:
    given = {name: str(value) for name, value in conninfo_to_dict(sweeper).items()}
    secrets = {"password": "MARKER % 1", "sslpassword": "MARKER", "options": "-c app.secret=MARKER"}
    if fails:
        secrets["options"] = "-c statement_timeout=MARKER"
    environment = {**os.environ, "PGPASSFILE": str(tmp_path / "passwords"), "ORCHESTRATOR_DSN": sweeper}
    (tmp_path / "passwords").write_text("*:*:*:*:MARKER\n")
    (tmp_path / "passwords").chmod(0o600)
    if place == "connection string":
        environment["ORCHESTRATOR_DSN"] = make_conninfo(sweeper, **secrets)
    elif place == "environment":
        environment |= {"PGPASSWORD": secrets["password"], "PGOPTIONS": secrets["options"]}
    else:
        lines = (f"{name}={value}" for name, value in {**given, **secrets}.items())
        (tmp_path / "services").write_text("\n".join(["[here]", *lines, ""]))
        environment |= {"ORCHESTRATOR_DSN": "service=here", "PGSERVICEFILE": str(tmp_path / "services")}
    command = [sys.executable, "-m", "orchestrator", "sweep", "--version", "v3", "--depth", "2", "--collection", "1",
               "--targets", "3", "--seconds", "0.4", "--blocks", "2", "--connections", "2", "--warmup", "0",
               "--explain", "--output", str(tmp_path / "out")]  # fmt: skip
    titles = set()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        while process.poll() is None:
            for title in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    titles.add(title.read_bytes())
            time.sleep(0.05)
        assert process.stdout is not None
        told = process.stdout.read()
    assert process.returncode == (1 if fails else 0), told
    assert "MARKER" not in told
    assert not any(b"MARKER" in title for title in titles)
    assert any(b"orchestrator sweep" in title or b"spawn_main" in title for title in titles) is not fails
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert bool(written) is not fails
    assert not [path for path in written if b"MARKER" in path.read_bytes()]


def _end(dsn: str, whose: str) -> None:
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
            " WHERE a.datname = %s AND a.application_name LIKE %s",
            (conninfo_to_dict(dsn)["dbname"], whose),
        )


@pytest.mark.parametrize("at", [4, 11])
def test_the_control_connection_is_lost(network: str, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    _on_ask(monkeypatch, at, lambda: _end(network, "orchestrator"))
    found = sweep(network, Asked(versions=("v3",), depths=(1, 2), collections=(1,), targets=5), QUICK)
    assert not found.interrupted
    assert [len(cell.blocks) for cell in found.cells] == [QUICK.blocks] * 2
    assert all(cell.executions is not None for cell in found.cells)


@pytest.mark.parametrize(("at", "blocks"), [(2, []), (6, [1]), (13, [4, 1])])
def test_a_server_that_is_lost_leaves_what_was_measured(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, blocks: list[int]
) -> None:
    name = sql.Identifier(str(conninfo_to_dict(network)["dbname"]))
    admits = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")

    def leave() -> None:
        with psycopg.connect(make_conninfo(network, dbname="postgres"), autocommit=True) as connection:
            connection.execute(admits.format(name, sql.SQL("false")))
        _end(network, "orchestrator%")

    _on_ask(monkeypatch, at, leave)
    asked = Asked(versions=("v3", "v2"), depths=(2,), max_paths=(25, 26), collections=(1,), targets=5)
    try:
        if not blocks:
            with pytest.raises(OrchestratorError, match=r"nothing was measured: .*not currently accepting connections"):
                publish.sweep(network, asked, replace(QUICK, blocks=2), tmp_path / "out")
            return
        done = publish.sweep(network, asked, replace(QUICK, blocks=2), tmp_path / "out")
    finally:
        with psycopg.connect(make_conninfo(network, dbname="postgres"), autocommit=True) as connection:
            connection.execute(admits.format(name, sql.SQL("true")))
    assert done.status == 1
    assert "not currently accepting connections" in done.data["problem"]
    read = results.read(tmp_path / "out")
    assert read.interrupted
    assert "not currently accepting connections" in str(read.problem)
    assert any("ended early" in line for line in done.lines)
    assert (tmp_path / "out" / "report.html").exists()


def _on_ask(monkeypatch: pytest.MonkeyPatch, at: int, work: Callable[[], None]) -> None:
    """Do something before the clients are asked for the *at*-th time."""
    real, asked = Fleet.ask, itertools.count(1)

    def ask(self: Fleet, *arguments: Any, **named: Any) -> Any:
        if next(asked) == at:
            work()
        return real(self, *arguments, **named)

    monkeypatch.setattr(Fleet, "ask", ask)


# The whole.


def test_a_sweep_leaves_its_files(network: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    ran = _invoke(
        network, "--json", "sweep", "--version", "v2,v3", "--depth", "1,2", "--scope", "any,importer", "--targets", "5",
        "--cache", "warm,cold-connection", "--collection", "1", "--connections", "2", "--seconds", "0.2", "--blocks",
        "2", "--warmup", "0", "--explain", "--output", str(output),
    )  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["directory"] == str(output)
    assert len(told["cells"]) == 2 * 2 * 2 * 2
    with (output / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["version"] for row in rows] == [cell["version"] for cell in told["cells"]]
    assert all(float(row["p50_ms"]) > 0 for row in rows)
    assert {row["cache"] for row in rows if row["connecting_p50_ms"]} == {"cold-connection"}
    assert "| c1-any-d1-p25 | v2 |" in (output / "summary.md").read_text()
    assert (output / "report.html").stat().st_size > 10_000
    plans = list((output / "plans").rglob("*.txt"))
    assert len(plans) == 16 * 5
    assert all("Execution Time" in plan.read_text() for plan in plans)
    assert any("idx_cc_walk_" in plan.read_text() for plan in plans)  # of the statements inside

    read = results.read(output)
    server = read.environment["server"]
    assert server["settings"]["shared_buffers"]
    assert any("idx_cc_walk_a" in relation["relation"] for relation in read.environment["relations"])
    assert all(found.digests["v2"] == found.digests["v3"] for found in read.parity.values())
    assert all(cell.executions is not None and cell.executions.milliseconds > 0 for cell in read.cells)
    assert all(cell.counters.hits > 0 for cell in read.cells)

    again = _invoke(network, "sweep", "--output", str(output))
    assert again.exit_code == 1
    assert "holds the results of a sweep already" in again.stderr


def test_an_interrupt_keeps_what_is_finished(network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Fleet.ask
    asked = 0

    def interrupted(self: Fleet, *args: Any, **named: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked > 2 + 2 * QUICK.blocks + 1:  # two that do nothing, a cell and its reference, and one block more
            raise KeyboardInterrupt
        return real(self, *args, **named)

    monkeypatch.setattr(Fleet, "ask", interrupted)
    done = publish.sweep(network, Asked(versions=("v3",), depths=(1, 2), collections=(1,), targets=5), QUICK,
                         tmp_path / "out")  # fmt: skip
    assert done.status == 1
    read: Results = results.read(tmp_path / "out")
    assert read.interrupted
    assert [cell.request.depth for cell in read.cells] == [1]
    assert (tmp_path / "out" / "report.html").exists()


def test_given_targets_are_asked_about(network: str) -> None:
    found = sweep(
        network, Asked(versions=("v3",), depths=(2,), collections=(1,), contacts=(3, 99999999), viewer=7), QUICK
    )
    assert [(target.contact, target.viewer) for target in found.targets[1, "any"]] == [(3, 7), (99999999, 7)]
    assert found.targets[1, "any"][1].edges == 0


def test_a_sweep_writes_nothing(network: str) -> None:
    written = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
    relations = "SELECT count(*) FROM pg_class"
    before = _scalar(network, written), _scalar(network, relations)
    sweep(network, SMALL, QUICK)
    assert (_scalar(network, written), _scalar(network, relations)) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("--depth", "7"), ("--depth", "1,x"), ("--scope", "everybody"), ("--cache", "hot"), ("--rate", "0"),
        ("--connections", "0"), ("--max-edges-per-hop", "0"), ("--blocks", "0"), ("--depth", ""),
    ],
)  # fmt: skip
def test_bad_usage_is_refused(network: str, tmp_path: Path, arguments: tuple[str, str]) -> None:
    ran = _invoke(network, "sweep", *arguments, "--output", str(tmp_path / "out"))
    assert ran.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--versus", "v3"), "name two"),
        (("--version", "v2,v3", "--a-a"), "name one"),
        (("--collection", "424242"), "has no members"),
    ],
)
def test_what_cannot_be_swept_is_told(network: str, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    ran = _invoke(network, "sweep", *arguments, "--output", str(tmp_path / "out"))
    assert ran.exit_code == 1
    assert told in ran.stderr


def test_an_empty_network_has_nothing_to_measure(host: str, tmp_path: Path) -> None:
    ran = _invoke(host, "sweep", "--output", str(tmp_path / "out"))
    assert ran.exit_code == 1
    assert "not installed" in ran.stderr
    install(host)
    ran = _invoke(host, "sweep", "--output", str(tmp_path / "out"))
    assert ran.exit_code == 1
    assert "nothing to measure" in ran.stderr


def _invoke(dsn: str, *arguments: str) -> Any:
    return CliRunner().invoke(main, ["--dsn", dsn, *arguments])


def _scalar(dsn: str, query: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


class _beside:
    """Do something in a thread while the block runs, and wait for it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def _stall(dsn: str, after: float) -> None:
    """Hold a lock for a second, that every reader of the table waits for."""
    time.sleep(after)
    with psycopg.connect(dsn) as connection:
        connection.execute("LOCK TABLE stalled IN ACCESS EXCLUSIVE MODE")
        time.sleep(1.0)
