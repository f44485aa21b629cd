"""A sweep against a server: its files, what it refuses, and what remains when it ends early."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core.errors import OrchestratorError
from orchestrator.install.installation import install
from orchestrator.sweep import commands
from orchestrator.sweep.judge import objectives
from orchestrator.sweep.measure import results
from orchestrator.sweep.measure.load_generator import LoadGenerator
from orchestrator.sweep.measure.matrix import Matrix
from orchestrator.sweep.measure.sweep import sweep
from tests.support.command_line import run
from tests.support.properties import long
from tests.support.sessions import connect, value
from tests.support.sweeps import QUICK, SMALL

WRITTEN = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
#: Options of the command line for a small sweep.
FAST = ("--depth", "2", "--collection", "1", "--targets", "5", "--connections", "2", "--warmup", "0")


def test_a_sweep_writes_its_files(network: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    ran = run(
        "--dsn", network, "--json", "sweep", "--finder", "find_paths,deep_finder", "--depth", "1,2",
        "--scope", "any,importer", "--targets", "5",
        "--collection", "1", "--connections", "2", "--seconds", "0.2", "--blocks", "2",
        "--warmup", "0.1", "--output", str(output),
    )  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    data = json.loads(ran.stdout)
    assert data["directory"] == str(output)
    assert len(data["cells"]) == 2 * 2 * 2
    with (output / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["finder"] for row in rows] == [cell["finder"] for cell in data["cells"]]
    assert all(float(row["p50_ms"]) > 0 for row in rows)
    assert "| c1-any-d1-p25 | deep_finder |" in (output / "summary.md").read_text()
    assert (output / "report.html").stat().st_size > 10_000

    read = results.read(output)
    assert read.environment["server"]["settings"]["shared_buffers"]
    assert any("idx_cc_walk_a" in relation["relation"] for relation in read.environment["relations"])
    assert all(cell.server is not None and cell.server.milliseconds > 0 < cell.server.buffers for cell in read.cells)
    assert read.overhead_ms is not None
    assert read.overhead_ms > 0

    again = run("--dsn", network, "sweep", "--output", str(output))
    assert again.exit_code == 1
    assert "already holds the results of a sweep" in again.stderr


def test_a_result_is_read_as_it_was_written(network: str, tmp_path: Path) -> None:
    with connect(network) as connection:
        before = value(connection, WRITTEN), value(connection, "SELECT count(*) FROM pg_class")
    found = sweep(network, SMALL, QUICK)
    with connect(network) as connection:  # it only reads
        assert (value(connection, WRITTEN), value(connection, "SELECT count(*) FROM pg_class")) == before
    results.write(found, tmp_path)
    read = results.read(tmp_path)
    for name in ("options", "targets", "parity", "members", "finders", "environment", "overhead_ms", "versus"):
        assert getattr(read, name) == getattr(found, name)
    assert found.references.keys() == read.references.keys() == set(found.combinations)
    for reference in (*found.references.values(), *read.references.values()):  # it answers, and every time
        assert len(reference.blocks) == QUICK.blocks
        assert np.isfinite(reference.samples).all()
    for cell, again in zip(found.cells, read.cells, strict=True):
        assert np.allclose(cell.samples, again.samples, atol=0.0006)  # whole microseconds
        assert (cell.requests, cell.rate, cell.server) == (again.requests, again.rate, again.server)
    assert sum(len(samples) for samples in read.by_stratum(read.cells[0]).values()) == read.cells[0].requests


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 2, "cells": 3}'])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / results.FILE).write_text(content)
    with pytest.raises(OrchestratorError):
        results.read(tmp_path)


# Verdicts of the whole.


@pytest.mark.long
def test_a_slower_function_is_worse_and_the_reverse_is_better(network: str, tmp_path: Path) -> None:
    quick = (*FAST, "--seconds", "0.8", "--blocks", "8")
    versus = ("--versus", "deep_finder,public.slow")
    ran = run("--dsn", network, "--json", "sweep", *versus, *quick, "--output", str(tmp_path / "both"))
    assert ran.exit_code == 3, ran.stderr
    assert json.loads(ran.stdout)["comparison"]["verdict"] == "worse"
    for attempt in range(4):  # two sweeps, one after the other: a busy machine may leave their comparison undecided
        fast, slow = (str(tmp_path / f"{name}{attempt}") for name in ("fast", "slow"))
        for output, finder in ((fast, "deep_finder"), (slow, "public.slow")):
            ran = run("--dsn", network, "sweep", "--finder", finder, *quick, "--output", output)
            assert ran.exit_code == 0, ran.stderr
        ran = run("--dsn", network, "compare", fast, slow)
        if ran.exit_code != 4:
            break
    assert ran.exit_code == 3
    assert "worse" in ran.stdout
    assert run("--dsn", network, "compare", slow, fast).exit_code == 0
    ran = run("--dsn", network, "--json", "compare", fast, fast)
    assert json.loads(ran.stdout)["comparison"]["verdict"] in {"same", "inconclusive"}


def test_a_finder_against_itself_shows_the_noise(network: str, tmp_path: Path) -> None:
    quick = (*FAST, "--seconds", "0.4", "--blocks", "4", "--margin", "1")
    ran = run("--dsn", network, "sweep", "--a-a", *quick, "--output", str(tmp_path / "out"))
    assert ran.exit_code == 0, ran.stderr
    assert "deep_finder was compared with itself" in ran.stdout
    assert {cell.finder for cell in results.read(tmp_path / "out").cells} == {"deep_finder", "deep_finder-again"}


def test_objectives_are_a_gate(network: str, tmp_path: Path) -> None:
    quick = (*FAST, "--seconds", "0.3", "--blocks", "2", "--rate", "100")
    limits = ("--objective", "p95=10s", "--objective", "p95=0.001ms")
    ran = run("--dsn", network, "--json", "sweep", *quick, *limits, "--output", str(tmp_path / "out"))
    assert ran.exit_code == 3, ran.stderr
    assert [each["met"] for each in json.loads(ran.stdout)["objectives"]] == [True, False]

    found = results.read(tmp_path / "out")
    for text, met in {"p95=10s": True, "p99=10s": None, "failed=0": True, "rate=1000000": False}.items():
        assert [each.met for each in objectives.judge(found, [objectives.parse(text)])] == [met]
    for objective, status in (("p95=0.001ms", 3), ("p99=10s", 4)):
        again = run("--dsn", network, "compare", *2 * [str(tmp_path / "out")], "--objective", objective)
        assert again.exit_code == status


# What is refused before anything is timed.


def test_finders_that_disagree_are_not_timed(network: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    ran = run(
        "--dsn", network, "sweep", "--versus", "deep_finder,public.wrong", "--depth", "2", "--output", str(output)
    )
    assert ran.exit_code == 1
    assert "deep_finder and public.wrong disagree about contact" in ran.stderr
    assert "nothing was timed" in ran.stderr
    assert not output.exists()


def test_a_finder_that_fails_is_not_timed(network: str, tmp_path: Path) -> None:
    ran = run(
        "--dsn", network, "sweep", "--finder", "public.failing", "--depth", "2", "--output", str(tmp_path / "out")
    )
    assert ran.exit_code == 1
    assert "public.failing fails for contact" in ran.stderr


def test_legacy_finder_is_compared_at_its_depth(network: str) -> None:
    matrix = Matrix(finders=("deep_finder", "legacy_finder"), depths=(1, 2, 3), collections=(1,), targets=5)
    found = sweep(network, matrix, QUICK)
    assert [(cell.finder, cell.combination.depth) for cell in found.cells] == [
        ("deep_finder", 1), ("deep_finder", 2), ("legacy_finder", 2), ("deep_finder", 3),
    ]  # fmt: skip
    assert len(set(found.parity[found.cells[1].combination].digests.values())) == 1


@pytest.mark.parametrize(
    ("statement", "problem"),
    [("SELECT 1 / 0", "division by zero"), ("SELECT nothing", "does not exist"), ("SELECT pg_sleep(9)", "timeout")],
)
def test_a_reference_that_fails_is_reported(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, problem: str
) -> None:
    monkeypatch.setattr("orchestrator.sweep.measure.sweep.REFERENCE", statement)
    ran = run(
        "--dsn", network, "sweep", "--depth", "1", "--timeout", "0.2", "--targets", "2", "--output", str(tmp_path / "o")
    )
    assert ran.exit_code == 1
    assert "the reference measurement fails, nothing was timed: " in ran.stderr
    assert problem in ran.stderr
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--finder", "v3"), "there is no finder v3"),
        (("--finder", "public.nothing"), "there is no function"),
        (("--finder", 'pub"lic.x'), "there is no function"),
        (("--versus", "deep_finder"), "give two"),
        (("--finder", "find_paths,deep_finder", "--a-a"), "exactly one"),
        (("--collection", "424242"), "has no members"),
    ],
)
def test_a_sweep_that_cannot_be_done_is_refused(
    network: str, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    ran = run("--dsn", network, "sweep", *arguments, "--output", str(tmp_path / "out"))
    assert ran.exit_code == 1
    assert message in ran.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--depth", "7"), ("--depth", "1,x"), ("--scope", "everybody"), ("--rate", "0"), ("--connections", "0"),
        ("--max-edges-per-hop", "0"), ("--blocks", "0"), ("--depth", ""),
    ],
)  # fmt: skip
def test_bad_usage_is_refused(network: str, tmp_path: Path, arguments: tuple[str, str]) -> None:
    ran = run("--dsn", network, "sweep", *arguments, "--output", str(tmp_path / "out"))
    assert ran.exit_code == 2


def test_an_empty_network_has_nothing_to_measure(host: str, tmp_path: Path) -> None:
    ran = run("--dsn", host, "sweep", "--output", str(tmp_path / "out"))
    assert ran.exit_code == 1
    assert "not installed" in ran.stderr
    install(host)
    ran = run("--dsn", host, "sweep", "--output", str(tmp_path / "out"))
    assert ran.exit_code == 1
    assert "nothing to measure" in ran.stderr


# A sweep that ends early.


def before_block(monkeypatch: pytest.MonkeyPatch, at: int, work: Callable[[], None]) -> None:
    """Do something before the load generator runs its *at*-th block."""
    real, blocks = LoadGenerator.run, itertools.count(1)

    def counted(self: LoadGenerator, *arguments: Any, **named: Any) -> Any:
        if next(blocks) == at:
            work()
        return real(self, *arguments, **named)

    monkeypatch.setattr(LoadGenerator, "run", counted)


def test_an_interrupt_keeps_the_finished_cells(network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    before_block(monkeypatch, 1 + 2 * QUICK.blocks + 2, interrupt)  # the overhead, a cell with its references, and one
    done = commands.sweep(network, Matrix(depths=(1, 2), collections=(1,), targets=5), QUICK, tmp_path / "out")
    assert done.status == 1
    read = results.read(tmp_path / "out")
    assert read.interrupted
    assert [cell.combination.depth for cell in read.cells] == [1]
    assert (tmp_path / "out" / "report.html").exists()


def end_sessions(dsn: str) -> None:
    with psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
            " WHERE a.datname = %s AND a.application_name LIKE 'orchestrator%%'",
            (conninfo_to_dict(dsn)["dbname"],),
        )


def test_lost_connections_do_not_end_a_sweep(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the clients' nor the one that asks for the server's time."""
    before_block(monkeypatch, 4, lambda: end_sessions(network))
    found = sweep(network, Matrix(depths=(1, 2), collections=(1,), targets=5), QUICK)
    assert not found.interrupted
    assert [len(cell.blocks) for cell in found.cells] == [QUICK.blocks] * 2
    assert all(cell.server is not None for cell in found.cells)


def test_each_finder_is_measured_in_the_orders_that_it_has(network: str) -> None:
    finders = ("find_paths", "deep_finder", "legacy_finder", "public.slow")
    orders = ("recency", "strength")
    matrix = Matrix(finders=finders, depths=(2,), orders=orders, collections=(1,), targets=3)
    found = sweep(network, matrix, replace(QUICK, blocks=1))
    by_order = {order: {cell.finder for cell in found.cells if cell.combination.order == order} for order in orders}
    assert by_order == {"recency": set(finders), "strength": {"find_paths", "deep_finder"}}
    assert all(cell.requests and not cell.errors for cell in found.cells)


@pytest.mark.parametrize(("at", "blocks"), [long(2, []), (5, [1, 1]), long(10, [2, 2, 1, 1])])
def test_a_lost_server_leaves_what_was_measured(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, blocks: list[int]
) -> None:
    name = sql.Identifier(str(conninfo_to_dict(network)["dbname"]))
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")

    def leave() -> None:
        with psycopg.connect(make_conninfo(network, dbname="postgres"), autocommit=True) as connection:
            connection.execute(allow.format(name, sql.SQL("false")))
        end_sessions(network)

    before_block(monkeypatch, at, leave)
    matrix = Matrix(finders=("deep_finder", "find_paths"), depths=(2,), max_paths=(25, 26), collections=(1,), targets=5)
    try:
        if not blocks:
            with pytest.raises(OrchestratorError, match=r"nothing was measured: .*not currently accepting connections"):
                commands.sweep(network, matrix, replace(QUICK, blocks=2), tmp_path / "out")
            return
        done = commands.sweep(network, matrix, replace(QUICK, blocks=2), tmp_path / "out")
    finally:
        with psycopg.connect(make_conninfo(network, dbname="postgres"), autocommit=True) as connection:
            connection.execute(allow.format(name, sql.SQL("true")))
    assert done.status == 1
    assert "not currently accepting connections" in done.data["problem"]
    read = results.read(tmp_path / "out")
    assert read.interrupted
    assert [len(cell.blocks) for cell in read.cells] == blocks
    assert "not currently accepting connections" in str(read.problem)
    assert any("ended early" in line for line in done.lines)
    assert (tmp_path / "out" / "report.html").exists()
