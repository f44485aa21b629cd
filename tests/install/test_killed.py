"""``install --map`` and ``resolve propose`` killed at any moment: the same command, run again, completes the work."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.database import Connection
from orchestrator.host.mapping import load
from orchestrator.install.installation import install
from orchestrator.install.status import status
from orchestrator.names.propose import propose
from tests.support.catalog import describe
from tests.support.command_line import start
from tests.support.edges import edges
from tests.support.mapped import FOLDER, RAILS
from tests.support.properties import first_of
from tests.support.sessions import connect, value

NAMES = 6_000
#: What a call of propose leaves, without times and numbers of batches.
RESULTS = (
    "SELECT n.organization_id, n.name, n.words, n.short_key FROM connection_paths.organization_names AS n ORDER BY 1",
    "SELECT k.key, k.organization_id FROM connection_paths.organization_keys AS k ORDER BY 1, 2",
    "SELECT c.company_name, c.short_key, c.proposed_at IS NULL FROM connection_paths.company_names AS c ORDER BY 1",
    "SELECT p.company_name, p.organization_id, p.score, p.reason FROM connection_paths.name_proposals AS p"
    " ORDER BY 1, 2",
    "SELECT d.company_name, d.organization_id FROM connection_paths.name_decisions AS d ORDER BY 1",
)


def kill_after(process: subprocess.Popen[str], lines: int, seconds: float) -> None:
    """Kill a process some time after it has printed some lines of progress."""
    assert process.stderr is not None
    for _ in range(lines):
        process.stderr.readline()
    time.sleep(seconds)
    process.kill()
    process.communicate()


@pytest.mark.long
def test_an_install_with_another_mapping(new_database: Callable[[], str], tmp_path: Path) -> None:
    """The second mapping reads other rows and another table, so views, indexes and triggers change."""
    chance = random.Random(3)
    file = tmp_path / "map.toml"
    first = (FOLDER / "rails.toml").read_text()
    second = first.replace('table = "positions"', 'table = "jobs"').replace(
        'where = "discarded_at IS NULL"', 'where = "discarded_at IS NULL AND id > 2"', 1
    )
    dsn, whole = new_database(), new_database()
    for each in (whole, dsn):
        with connect(each) as connection:
            RAILS.create(connection)
            RAILS.fill(connection, random.Random(3))
            connection.execute("CREATE TABLE jobs (LIKE positions INCLUDING ALL); INSERT INTO jobs TABLE positions")
    for text in (first, second):
        file.write_text(text)
        install(whole, mapping=load(file))
        for lines in chance.sample(range(10), k=3):
            kill_after(start("--dsn", dsn, "install", "--map", str(file)), lines, chance.uniform(0, 0.1))
        install(dsn, mapping=load(file))
        assert status(dsn).healthy
        assert describe(dsn) == describe(whole)
    with connect(dsn) as connection:
        queued = "SELECT count(*) FROM connection_paths.contact_changes AS c WHERE c.contact_id IS NULL"
        assert value(connection, queued) > 0
        assert edges(connection) == {}


def fill(connection: Connection) -> None:
    """Insert organizations, and experiences whose company names are like theirs, or like no other."""
    connection.execute("INSERT INTO contacts SELECT g, '' FROM generate_series(1, 50) AS g")
    connection.execute(
        "INSERT INTO organizations SELECT g, 'Company ' || md5(g::text) || ' Ltd' FROM generate_series(1, %s) AS g",
        (NAMES // 2,),
    )
    connection.execute(
        "INSERT INTO contact_work_experiences SELECT g, g %% 50 + 1, NULL,"
        " 'company ' || md5((g / 2)::text) || CASE g %% 3 WHEN 0 THEN ' inc.' WHEN 1 THEN 'x' ELSE '' END, '2020-01-01'"
        " FROM generate_series(1, %s) AS g",
        (NAMES,),
    )


@pytest.mark.parametrize("seconds", first_of(2, [0.6, 1.2]))
def test_a_search_for_organizations_of_names(
    new_installed: Callable[[], str], results: list[object], seconds: float
) -> None:
    dsn = new_installed()
    with connect(dsn) as connection:
        fill(connection)
        kill_after(start("--dsn", dsn, "resolve", "propose"), 0, seconds)
        propose(dsn)
        assert [connection.execute(query.encode()).fetchall() for query in RESULTS] == results
        assert propose(dsn).taken == 0
    assert status(dsn).healthy


@pytest.fixture(scope="module")
def results(new_installed: Callable[[], str]) -> list[object]:
    """The results of a call without interruption."""
    dsn = new_installed()
    with connect(dsn) as connection:
        fill(connection)
        propose(dsn)
        return [connection.execute(query.encode()).fetchall() for query in RESULTS]
