"""A connection string with several hosts serves all commands: writing ones use the primary, reading ones any host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core.database import HOST_TIMEOUT, connect, hosts, place, reading, resolved, stateless
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.schema import schema_of, with_schema
from tests.support import oracle
from tests.support.command_line import run
from tests.support.edges import edges_of
from tests.support.sessions import connect as session
from tests.support.sessions import value
from tests.support.standbys import Pair, pair, seed_world
from tests.support.waiting import until
from tests.support.world import world_of

IN_RECOVERY = "SELECT pg_is_in_recovery()"
NOWHERE = "/nowhere"


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    with pair() as made:
        yield made


@pytest.fixture(scope="module")
def dsn(servers: Pair) -> str:
    """The connection string of a database with edges, on the primary."""
    made = seed_world(servers.primary.dsn, "app", 80)
    assert run("--dsn", made, "backfill", "--no-throttle").exit_code == 0
    servers.catch_up()
    return made


def is_standby(connection_string: str, *, writes: bool) -> bool:
    opened = connect(connection_string) if writes else stateless(connection_string)
    with closing(opened) as connection:
        return bool(value(connection, IN_RECOVERY))


@pytest.mark.parametrize("standby_first", [False, True])
@pytest.mark.parametrize("wanted", ["", "any", "prefer-standby", "standby", "read-only", "primary", "read-write"])
def test_a_session_that_writes_finds_the_primary(servers: Pair, dsn: str, wanted: str, standby_first: bool) -> None:
    values = {"target_session_attrs": wanted} if wanted else {}
    both = servers.hosts(dsn, standby_first=standby_first, **values)
    assert not is_standby(both, writes=True)
    reads_on_standby = standby_first if wanted in ("", "any") else wanted not in ("primary", "read-write")
    assert is_standby(both, writes=False) == reads_on_standby
    with closing(connect(both)) as connection:
        again = resolved(connection)
    assert not is_standby(again, writes=True)
    assert is_standby(again, writes=False) == reads_on_standby  # the choice of hosts is kept


@pytest.mark.parametrize("way", ["variables", "service", "service by variable"])
def test_hosts_may_come_from_the_environment(
    servers: Pair, dsn: str, way: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {name: str(each) for name, each in conninfo_to_dict(servers.hosts(dsn, standby_first=True)).items()}
    if way == "variables":
        for name, each in given.items():
            monkeypatch.setenv(f"PG{'DATABASE' if name == 'dbname' else name.upper()}", each)
    else:
        service = tmp_path / "services"
        service.write_text("[app]\n" + "\n".join(f"{name}={each}" for name, each in given.items()) + "\n")
        monkeypatch.setenv("PGSERVICEFILE", str(service))
        if way == "service by variable":
            monkeypatch.setenv("PGSERVICE", "app")
    named = "service=app" if way == "service" else ""
    assert not is_standby(named, writes=True)
    assert is_standby(named, writes=False)
    with closing(connect(named)) as connection:
        again = resolved(connection)
    monkeypatch.undo()
    assert len(hosts(again)) == 2
    assert not is_standby(again, writes=True)


def test_a_resolved_string_can_keep_to_one_server(servers: Pair, dsn: str) -> None:
    both = servers.hosts(dsn, standby_first=True, target_session_attrs="prefer-standby")
    with closing(stateless(with_schema(both, "cp_team1"))) as connection:
        here = resolved(connection, same_server=True)
    assert [conninfo_to_dict(each)["host"] for each in hosts(here)] == [servers.standby.host]
    assert schema_of(here) == "cp_team1"
    assert is_standby(here, writes=False)


def test_a_string_is_split_into_its_hosts() -> None:
    split = hosts(
        with_schema("host=a,b hostaddr=1.2.3.4,5.6.7.8 port=5 dbname=d target_session_attrs=standby", "cp_team1")
    )
    assert [conninfo_to_dict(each) for each in split] == [
        {"host": "a", "hostaddr": "1.2.3.4", "port": "5", "dbname": "d"},
        {"host": "b", "hostaddr": "5.6.7.8", "port": "5", "dbname": "d"},
    ]
    assert [schema_of(each) for each in split] == ["cp_team1"] * 2
    assert [conninfo_to_dict(each).get("port") for each in hosts("host=a,b port=1,2")] == ["1", "2"]
    assert hosts("dbname=d") == ["dbname=d"]


def test_a_host_that_does_not_answer_is_given_up_soon() -> None:
    with pytest.raises(OrchestratorError):
        stateless(f"host={NOWHERE},{NOWHERE}")
    assert HOST_TIMEOUT <= 10


def test_the_error_without_a_primary_names_every_host(servers: Pair, dsn: str) -> None:
    without = make_conninfo(dsn, host=f"{NOWHERE},{servers.standby.host}")
    refused = run("--dsn", without, "sync")
    assert refused.exit_code == 1
    assert refused.output.count("\n") == 1
    assert "cannot connect to a primary, and this command writes" in refused.output
    for part in (f'"{NOWHERE}/', f'"{servers.standby.host}/', "hot standby mode"):
        assert refused.output.count(part) == 1, refused.output
    with reading(without) as connection:
        assert value(connection, IN_RECOVERY) is True


READING = (
    "status", "doctor", "plan", "verify --sample 20", "organizations list", "runs list", "runs show",
    "map --suggest", "paths 1 --collection 1 --viewer 1", "resolve review", "resolve status",
)  # fmt: skip


@pytest.mark.parametrize("command", READING)
def test_reading_commands_run_on_a_standby(servers: Pair, dsn: str, command: str) -> None:
    there = servers.hosts(dsn, target_session_attrs="standby")
    shown, expected = (run("--dsn", each, *command.split()) for each in (there, dsn))
    assert shown.exit_code in (expected.exit_code, 3), shown.output
    for word in ("Error", "read-only transaction", "recovery"):
        assert word not in shown.output, shown.output


def test_a_sweep_measures_one_of_several_hosts(servers: Pair, dsn: str, tmp_path: Path) -> None:
    """Calls on two servers would not be comparable. However hosts are chosen, the first that answers is measured."""
    asked = "SELECT sum(calls) FROM pg_stat_user_functions"
    words = ("--depth", "1", "--targets", "2", "--seconds", "0.2", "--warmup", "0", "--connections", "2")
    both = servers.hosts(dsn, standby_first=True, load_balance_hosts="random", options="-c track_functions=all")
    with session(dsn) as primary, session(servers.on_standby(dsn)) as standby:
        before = [value(each, asked) or 0 for each in (primary, standby)]
        swept = run("--dsn", both, "sweep", *words, "--output", str(tmp_path / "sweep"))
        assert swept.exit_code == 0, swept.output

        def called() -> list[bool]:
            return [(value(each, asked) or 0) > one for each, one in zip((primary, standby), before, strict=True)]

        until(lambda: any(called()))
        assert sorted(called()) == [False, True]


def test_writing_commands_ask_the_primary_of_both(servers: Pair, dsn: str) -> None:
    both = servers.hosts(dsn, standby_first=True)
    with session(dsn) as connection:
        connection.execute("UPDATE public.contact_work_experiences SET date_to = '2030-01-01' WHERE id % 5 = 0")
        right = oracle.edges(world_of(connection))
        at = place(connection)
    assert edges_of(dsn) != right
    for command in ("sync", "organizations exclude 1"):
        done = run("--dsn", both, *command.split())
        assert done.exit_code == 0, done.output
    with closing(connect(both, at=at)) as connection:
        right = oracle.edges(world_of(connection))
    servers.catch_up()
    for each in hosts(both):
        with closing(stateless(each)) as connection:
            assert place(connection) == at
    assert edges_of(dsn) == right
