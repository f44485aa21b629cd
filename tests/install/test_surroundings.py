"""Every command in one surrounding after another: exit statuses, edges, and the objects that are left at the end.

`make test` tests the one with most settings, `make long` a few that together cover most settings, and
``CONNECTION_PATHS_SURROUNDINGS=all`` every one.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from orchestrator import cli
from tests.support import oracle, surroundings
from tests.support.properties import long_if
from tests.support.surroundings import Surrounding
from tests.support.world import Experience, Membership, World, load_hosts

EDGES = """
SELECT contact_a_id, contact_b_id, organization_id, date_from, date_to
FROM connection_paths.contact_connections WHERE kind = 'work_overlap' ORDER BY 1, 2
"""
IN_PLACE = ("backfill", "--no-throttle", "--workers", "2", "--strategy", "in_place")
REBUILD = ("backfill", "--no-throttle", "--workers", "2", "--strategy", "rebuild")
CONTACTS = 60


def a_world(seed: int) -> World:
    """A world of a few dozen contacts whose careers overlap."""
    chance = random.Random(seed)
    day = date(2010, 1, 1)
    experiences = []
    for number in range(1, 4 * CONTACTS):
        start = day + timedelta(chance.randrange(4000))
        end = None if chance.random() < 0.3 else start + timedelta(chance.randrange(-20, 900))
        experiences.append(Experience(number, chance.randrange(1, CONTACTS + 3), chance.randrange(1, 9), start, end))
    return World(
        contacts=frozenset(range(1, CONTACTS + 1)),
        organizations=frozenset(range(1, 8)),
        experiences=tuple(experiences),
        memberships=tuple(Membership(1 + contact % 3, contact, 1, 0) for contact in range(1, CONTACTS, 2)),
    )


def expected(world: World) -> list[tuple[Any, ...]]:
    """The edges of a world, as the query returns them."""
    return sorted((*pair, *edge[1:4]) for pair, edge in oracle.edges(world).items())


class Life:
    """One installation: runs commands through the command line, and reads the edges as an administrator."""

    def __init__(self, server: str, surrounding: Surrounding) -> None:
        self.surrounding = surrounding
        self.admin, self.dsn = surroundings.make(server, surrounding)
        self.calls = 0

    def run(self, *command: str, exits: tuple[int, ...] = (0,), **environment: str) -> Result:
        """Run a command; it must exit so, without a traceback."""
        self.calls += 1
        given: Mapping[str, str] = {**self.surrounding.environment, **environment, "ORCHESTRATOR_DSN": self.dsn}
        result = CliRunner().invoke(cli.main, command, env=given)
        said = f"{command}: exit {result.exit_code}\n{result.output}"
        assert result.exception is None or isinstance(result.exception, SystemExit), (said, result.exc_info)
        assert result.exit_code in exits, said
        return result

    def edges(self) -> list[tuple[Any, ...]]:
        """Return the edges in the database."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            return connection.execute(EDGES).fetchall()

    def load(self, world: World) -> None:
        """Let the application's tables hold *world*."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            load_hosts(connection, world)

    def execute(self, statement: str) -> None:
        """Run a statement as the administrator."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(statement.encode())


def live(life: Life) -> None:
    """Run every command of operators once."""
    first, second, third = (a_world(seed) for seed in (1, 2, 3))
    life.load(first)
    life.run("install")
    if life.surrounding.after:
        life.execute(life.surrounding.after)
    assert "nothing to do" in life.run("install").output
    life.run("status")
    life.run("plan")
    life.run(*REBUILD)
    assert life.edges() == expected(first)
    life.load(second)
    life.run("sync")
    assert life.edges() == expected(second)
    life.run(*REBUILD)
    assert life.edges() == expected(second)
    life.load(third)
    life.run(*IN_PLACE)
    assert life.edges() == expected(third)
    life.run("sync")
    life.run("verify")
    life.run("doctor", exits=life.surrounding.doctor)
    answer = json.loads(life.run("--json", "paths", "2", "--collection", "1", "--viewer", "1").stdout)
    assert answer["complete"]
    assert answer["paths"]
    life.run("paths", "2", "--collection", "1", "--viewer", "1")
    life.run("runs", "list")
    life.run("runs", "show")
    life.run("runs", "pause", "1", exits=(1,))  # it is over
    life.run("uninstall", "--yes")
    with psycopg.connect(life.admin, autocommit=True) as connection:
        assert connection.execute("SELECT to_regnamespace('connection_paths')").fetchone() == (None,)
        assert connection.execute("SELECT count(*) FROM public.contacts").fetchone() == (CONTACTS,)
    life.run("status", exits=(1,))


@pytest.fixture
def life(server: str, surrounding: Surrounding) -> Iterator[Life]:
    with psycopg.connect(server) as connection:
        if connection.info.server_version < surrounding.since * 10_000:
            pytest.skip(f"a setting of PostgreSQL {surrounding.since} and later")
    made = Life(server, surrounding)
    yield made
    name = psycopg.conninfo.conninfo_to_dict(made.admin)["dbname"]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


CHOSEN = surroundings.everything() if os.environ.get("CONNECTION_PATHS_SURROUNDINGS") == "all" else surroundings.SHORT


@pytest.mark.parametrize(
    "surrounding", long_if(lambda each: each.name != "every odd setting", CHOSEN, lambda each: each.name)
)
def test_the_whole_life(life: Life) -> None:
    live(life)
