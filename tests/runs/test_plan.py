"""The plan of a backfill: figures equal plain counts, edges are within the interval, and nothing is written."""

from __future__ import annotations

import json
import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date, timedelta
from io import StringIO
from itertools import combinations
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from psycopg import sql
from psycopg.conninfo import make_conninfo
from rich.console import Console

from orchestrator.cli.plan import plan_lines
from orchestrator.core import embedded, sqlfiles
from orchestrator.core.database import Connection, reading
from orchestrator.core.errors import OrchestratorError
from orchestrator.host import reader as source_reader
from orchestrator.host.left_out import Details
from orchestrator.host.mapping import load as load_mapping
from orchestrator.install.installation import install
from orchestrator.runs import edge_estimate
from orchestrator.runs import plan as planning
from orchestrator.runs.edge_estimate import draw_strata, estimate_edges
from orchestrator.runs.plan import BackfillPlan, plan
from orchestrator.seed import csv_files as seed_csv
from tests.support import catalog, oracle
from tests.support.datasets import BASEBALL, needs_baseball
from tests.support.properties import repeatable
from tests.support.servers import SETTINGS, reachable_binaries, standby
from tests.support.sessions import connect
from tests.support.world import TODAY, Experience, World, colleagues, load, load_hosts, worlds

CROWD = 4_000  # contacts of a world that is larger than the sample
LOADS = "SELECT l.contact_id, l.overlaps FROM connection_paths.overlaps_by_contact() AS l"


def add_overlaps_by_contact(connection: Connection) -> None:
    connection.execute(sqlfiles.function("overlaps_by_contact"))


@pytest.fixture(scope="module")
def database(new_installed: Callable[[], str]) -> str:
    """The connection string of a database with empty host tables and the package."""
    dsn = new_installed()
    with psycopg.connect(dsn, autocommit=True) as connection:
        add_overlaps_by_contact(connection)
    return dsn


@pytest.fixture(scope="module")
def db(database: str) -> Iterator[Connection]:
    """A connection to that database, which may write."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


# The oracle.


def shared(world: World) -> Iterator[tuple[Experience, Experience]]:
    """All pairs of overlapping experiences of different contacts, in both orders."""
    usable = [each for each in world.experiences if oracle.usable(each, world)]
    for one in usable:
        for other in usable:
            together = one.organization_id == other.organization_id and one.contact_id != other.contact_id
            both = oracle.overlap(one, other) if together else None
            if both is not None and oracle.is_long_enough(both, world, TODAY):
                yield one, other


def loads(world: World) -> dict[int, int]:
    found = {each.contact_id: 0 for each in world.experiences if oracle.usable(each, world)}
    for one, _ in shared(world):
        found[one.contact_id] += 1
    return found


def details(world: World) -> dict[str, int]:
    rows, usable = world.experiences, [each for each in world.experiences if oracle.usable(each, world)]
    strange = [each for each in world.memberships if each.contact_id not in world.contacts]
    names = [
        each.company_name or "company None" for each in rows if each.organization_id is None
    ]  # as load() names them
    return {
        "missing_organizations": len({each.organization_id for each in rows} - world.organizations - {None}),
        "missing_contacts": len({each.contact_id for each in rows} - world.contacts),
        "with_name_only": len(names),
        "company_names": len(set(names)),
        "future": sum(each.date_from is not None and each.date_from > TODAY for each in usable),
        "duplicates": len(usable) - len({each[1:5] for each in usable}),
        "memberships_of_missing_contacts": len(strange),
        "missing_members": len({each.contact_id for each in strange}),
    }


def future_pairs(world: World) -> int:
    """Count the overlaps that are not long enough today, and will be some day."""
    usable = [each for each in world.experiences if oracle.usable(each, world)]
    found = 0
    for one, other in combinations(usable, 2):
        together = one.organization_id == other.organization_id and one.contact_id != other.contact_id
        both = oracle.overlap(one, other) if together else None
        last = date.max if both is None or both.date_to is None else both.date_to
        found += (
            both is not None
            and oracle.is_long_enough(both, world, last)
            and not oracle.is_long_enough(both, world, TODAY)
        )
    return found


def largest(world: World) -> list[tuple[int, str, int, int]]:
    people: dict[int, set[int]] = defaultdict(set)
    for each in world.experiences:
        if oracle.usable(each, world):
            assert each.organization_id is not None
            people[each.organization_id].add(each.contact_id)
    pairs = Counter(one.organization_id for one, _ in shared(world))
    order = sorted(people, key=lambda each: (-len(people[each]), each))
    return [(each, f"organization {each}", len(people[each]), pairs[each] // 2) for each in order[:10]]


def check(found: BackfillPlan, world: World) -> None:
    """Check the plan of a world that is drawn completely."""
    rows = world.experiences
    usable = [each for each in rows if oracle.usable(each, world)]
    with_experiences = {each.contact_id for each in rows} & world.contacts
    without = with_experiences - {each.contact_id for each in usable}
    assert asdict(found.contacts) == {
        "total": len(world.contacts),
        "with_experiences": len(with_experiences),
        "without_usable": len(without),
        "without_usable_share": len(without) / len(with_experiences) if with_experiences else 0,
    }
    assert asdict(found.experiences) == {
        "total": len(rows),
        "usable": len(usable),
        "without_organization": sum(each.organization_id is None for each in rows),
        "without_start": sum(each.date_from is None for each in rows),
        "end_before_start": sum(
            bool(each.date_from and each.date_to and each.date_to < each.date_from) for each in rows
        ),
        "orphans": sum(
            each.organization_id is not None and each.organization_id not in world.organizations for each in rows
        ),
        "excluded": sum(
            each.organization_id in world.organizations and world.policies.get(each.organization_id, 1) is None
            for each in rows
        ),
        "of_missing_contacts": sum(each.contact_id not in world.contacts for each in rows),
        "has_rule": False,
    }
    assert asdict(found.details) == details(world)
    assert found.future_pairs == future_pairs(world)
    pairs, edges = sum(loads(world).values()) // 2, len(oracle.edges(world))
    assert [(each.id, each.name, each.people, each.pairs) for each in found.organizations] == largest(world)
    assert all(each.share_of_pairs == (each.pairs / pairs if pairs else 0) for each in found.organizations)
    assert (found.edges.pairs, found.edges.low, found.edges.estimate, found.edges.high) == (pairs, *[edges] * 3)
    assert found.edges.sampled == sum(count > 0 for count in loads(world).values())


@repeatable(40)
@given(world=worlds())
def test_the_figures_of_random_worlds(database: str, db: Connection, world: World) -> None:
    load(db, world)
    assert dict(db.execute(LOADS).fetchall()) == loads(world)
    check(plan(database), world)


@pytest.fixture(scope="module")
def bare(new_database: Callable[[], str]) -> str:
    """The connection string of a database with the host tables and without the package."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
    return dsn


@repeatable(20)
@given(world=worlds())
def test_the_figures_before_an_installation(bare: str, world: World) -> None:
    with psycopg.connect(bare) as connection:
        load_hosts(connection, world)
    found = plan(bare)
    assert not found.is_installed
    check(found, replace(world, policies={}))


def test_the_right_to_read_is_enough_before_an_installation(bare: str) -> None:
    """Without it, one line names every missing right, and the statements that grant them."""
    role = f"plan_before_{os.getpid()}"
    theirs = make_conninfo(bare, options=f"-c role={role}")
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        try:
            connection.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
            with pytest.raises(
                OrchestratorError, match=f"to plan, role {role} needs USAGE on schema public, "
            ) as refused:
                plan(theirs)
            connection.execute(str(refused.value).split("must run: ")[1].encode())
            load_hosts(connection, colleagues((1, 5, "2010-01-01", None), (2, 5, "2010-01-01", None)))
            assert plan(theirs).edges.estimate == 1
            connection.execute("ALTER TABLE contacts ENABLE ROW LEVEL SECURITY")
            with pytest.raises(OrchestratorError, match=r"may hide rows of public\.contacts from this role"):
                plan(theirs)
        finally:
            connection.execute("ALTER TABLE contacts DISABLE ROW LEVEL SECURITY")
            connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_tables_that_cannot_be_planned(bare: str, database: str) -> None:
    with pytest.raises(OrchestratorError, match=r"no table elsewhere\.contacts, elsewhere\.organ"):
        plan(bare, "elsewhere")
    with pytest.raises(OrchestratorError, match="installed here for host schema 'public'"):
        plan(database, "elsewhere")


SCHEMAS = sorted((Path(__file__).parents[1] / "host" / "schemas").glob("*.toml"))


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.stem)
def test_tables_of_other_applications_before_an_installation(file: Path, new_database: Callable[[], str]) -> None:
    dsn = new_database()
    mapping = load_mapping(file)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(file.with_suffix(".sql").read_bytes())
        before = catalog.describe(dsn)
        found = plan(dsn, mapping=mapping)
        assert catalog.describe(dsn) == before
        assert (found.contacts.total, found.edges.pairs, found.edges.estimate) == (4, 3, 3)
        assert (found.experiences.usable, found.experiences.of_missing_contacts) == (6, 1)
        assert len([*planned_lines(found)]) > 20
        if file.stem == "hubspot":  # its expressions call functions of the package
            assert found.details.with_name_only == 1
            install(dsn, mapping=mapping)
            assert replace(plan(dsn), is_installed=False, storage=found.storage) == replace(
                found, connections_free=plan(dsn).connections_free
            )


def planned_lines(found: BackfillPlan) -> list[str]:
    text = printed(found)
    assert "Counted are the sources" not in text
    return text.splitlines()


def test_company_names_are_not_needed(new_database: Callable[[], str]) -> None:
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        load_hosts(connection, colleagues((1, 5, "2010-01-01", None), (2, 5, "2010-01-01", None)))
        connection.execute("UPDATE contact_work_experiences SET organization_id = NULL, company_name = id::text")
        connection.execute("INSERT INTO contact_work_experiences VALUES (8, 1, NULL, ' '), (9, 1, NULL, NULL)")
        found = plan(dsn)
        assert (found.details.with_name_only, found.details.company_names) == (2, 2)
        connection.execute("ALTER TABLE contact_work_experiences DROP COLUMN company_name")
    found = plan(dsn)
    assert (found.experiences.without_organization, found.details.with_name_only) == (4, 0)


OVERLAPS: dict[str, tuple[World, dict[int, int]]] = {
    "one day in common": (
        colleagues((1, 5, "2010-01-01", "2015-01-01"), (2, 5, "2015-01-01", None)),
        {1: 1, 2: 1},
    ),
    "the day after": (colleagues((1, 5, "2010-01-01", "2015-01-01"), (2, 5, "2015-01-02", None)), {1: 0, 2: 0}),
    "one day each, the same": (
        colleagues(*((contact, 5, "2010-01-01", "2010-01-01") for contact in (1, 2, 3))),
        {1: 2, 2: 2, 3: 2},
    ),
    "twice at once is nothing alone": (colleagues((1, 5, "2010-01-01", None), (1, 5, "2010-01-01", None)), {1: 0}),
    "three times at once, twice": (
        colleagues(*((contact, 5, "2010-01-01", None) for contact in (1, 1, 1, 2, 2))),
        {1: 6, 2: 6},
    ),
    "a stint within a stint, and one after": (
        colleagues(
            (1, 5, "2000-01-01", "2020-01-01"),
            (1, 5, "2005-01-01", "2006-01-01"),
            (1, 5, "2010-01-01", "2011-01-01"),
            (2, 5, "2010-06-01", None),
        ),
        {1: 2, 2: 2},
    ),
    "an orphan organization": (replace(colleagues((1, 5, None, None)), organizations=frozenset()), {}),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_examples_of_overlaps(db: Connection, name: str) -> None:
    world, expected = OVERLAPS[name]
    assert loads(world) == expected
    load(db, world)
    assert dict(db.execute(LOADS).fetchall()) == expected


def test_infinity_is_an_open_end(db: Connection) -> None:
    load(db, colleagues((1, 5, "2010-01-01", None), (2, 5, "2012-01-01", None), (2, 5, "2012-01-01", None)))
    db.execute("UPDATE public.contact_work_experiences SET date_to = 'infinity' WHERE contact_id = 1")
    db.execute("UPDATE public.contact_work_experiences SET date_from = '-infinity' WHERE contact_id = 1")
    assert dict(db.execute(LOADS).fetchall()) == {1: 2, 2: 2}


def test_empty_tables(database: str, db: Connection) -> None:
    load(db, World(frozenset()))
    found = plan(database)
    check(found, World(frozenset()))
    assert {each.seconds for each in found.durations} == {0}
    assert found.storage.bytes == 0
    assert printed(found)


def test_rows_without_a_contact_are_of_a_missing_one(database: str, db: Connection) -> None:
    load(db, colleagues((1, 5, "2010-01-01", None)))
    db.execute("ALTER TABLE public.contact_work_experiences ALTER contact_id DROP NOT NULL")
    db.execute("INSERT INTO public.contact_work_experiences VALUES (9, NULL, 5, NULL, '2010-01-01', NULL)")
    found = plan(database)
    db.execute("DELETE FROM public.contact_work_experiences WHERE id = 9")
    assert (found.experiences.total, found.experiences.usable, found.experiences.of_missing_contacts) == (2, 1, 1)
    assert (found.contacts.with_experiences, found.contacts.without_usable) == (1, 0)


def test_another_host_schema_whose_name_needs_quotes(new_database: Callable[[], str]) -> None:
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "the ""host"""')
        connection.execute('SET search_path = "the ""host"""')
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn, 'the "host"')
        add_overlaps_by_contact(connection)
        connection.execute("INSERT INTO contact_work_experiences VALUES (1, 1, NULL, 'Acme', NULL, NULL)")
    assert plan(dsn).experiences.without_organization == 1


# The interval.


@pytest.fixture(scope="module")
def skewed(db: Connection) -> int:
    """Load a world larger than the sample, in which few contacts have many overlaps per edge; returns its edges."""
    chance = random.Random(1)
    rows: list[tuple[int, int, date, date]] = []
    for contact in range(1, CROWD + 1):
        organization, start = int(60 * chance.random() ** 2), date(2000, 1, 1) + timedelta(chance.randrange(3000))
        repeats = 5 if contact % 100 == 0 else 1  # worked there five times
        rows += [
            (contact, organization, day, day + timedelta(300))
            for day in (start + timedelta(100 * number) for number in range(repeats))
        ]
        if contact % 20 == 0:  # changed employers at the same time as others
            rows.append((contact, 100 + organization, start, start + timedelta(1000)))
    load(db, colleagues(*rows))
    db.execute("ANALYZE")
    row = db.execute("SELECT count(*) / 2 FROM public.contacts AS c, connection_paths.work_overlaps(c.id)").fetchone()
    assert row is not None
    edges: int = row[0]
    return edges


def estimates(dsn: str, sample: int, seeds: range) -> list[edge_estimate.EdgeEstimate]:
    with connect(dsn, settings=planning.SETTINGS) as connection:
        reader = source_reader.installed(connection)
        return [estimate_edges(draw_strata(reader, seed, sample), seed) for seed in seeds]


def test_the_interval_holds_the_edges_nine_times_of_ten(database: str, skewed: int) -> None:
    found = estimates(database, 300, range(60))
    assert sum(each.low <= skewed <= each.high for each in found) >= 54
    assert all(each.low < each.estimate < each.high <= each.pairs for each in found)
    assert all(each.sampled <= 320 for each in found)
    assert skewed < found[0].pairs * 0.95  # so there is something to estimate
    mean = sum(each.estimate for each in found) / len(found)
    width = sum(each.high - each.low for each in found) / len(found)
    assert width < 0.15 * skewed
    assert abs(mean - skewed) < 0.3 * width  # the estimate has no bias


def test_a_seed_determines_the_sample(database: str, skewed: int) -> None:
    one, same, other = estimates(database, 300, range(1, 2)) * 2 + estimates(database, 300, range(2, 3))
    assert one == same
    assert estimates(database, 300, range(1, 2)) == [one]
    assert replace(other, seed=1) != one


def test_drawing_every_contact_is_exact(database: str, skewed: int) -> None:
    (found,) = estimates(database, CROWD, range(1))
    assert (found.low, found.estimate, found.high) == (skewed, skewed, skewed)


def test_a_loss_too_rare_to_be_drawn_is_in_the_interval(database: str, db: Connection) -> None:
    """No drawn contact has lost an overlap, but others may have: the interval is not empty."""
    stratum = edge_estimate.Stratum(1, contacts=10_000, overlaps=1_000_000, sampled=100, mean_loss=0, loss_variance=0)
    found = estimate_edges([stratum], 1)
    assert (found.estimate, found.high) == (500_000, 500_000)
    assert 485_000 < found.low < 495_000


# A real data set, with known answers.


@pytest.fixture(scope="module")
def baseball(new_database: Callable[[], str]) -> str:
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        seed_csv.load(connection, "public", BASEBALL, replace=False)
        install(dsn)
        add_overlaps_by_contact(connection)
        connection.execute("ANALYZE")
    return dsn


@needs_baseball
def test_baseball(baseball: str) -> None:
    found = plan(baseball)
    assert found.contacts == planning.ContactCounts(20_982, 20_982, 0, 0.0)
    assert (found.experiences.total, found.experiences.usable) == (54_015, 54_015)
    assert found.edges.pairs == 1_559_018
    assert found.edges.low <= 1_468_551 <= found.edges.high
    assert found.edges.high - found.edges.low < 0.01 * 1_468_551
    assert [each.people for each in found.organizations[:3]] == [2_248, 2_222, 2_193]
    assert found.edges.sampled <= 2_020


@needs_baseball
def test_work_experiences_of_a_player_at_a_club_do_not_overlap(baseball: str) -> None:
    """So all pairs of the known answers are pairs of different players."""
    with psycopg.connect(baseball) as connection:
        row = connection.execute(
            "SELECT count(*) FROM connection_paths.work_experiences AS a JOIN connection_paths.work_experiences AS b"
            " USING (contact_id, organization_id) WHERE a.id < b.id AND daterange(a.date_from, a.date_to, '[]')"
            " && daterange(b.date_from, b.date_to, '[]')"
        ).fetchone()
    assert row == (0,)


# Bytes, time, connections.


def test_bytes_are_measured_when_there_are_enough_edges(database: str, db: Connection) -> None:
    load(db, World(frozenset({1, 2})))
    db.execute("VACUUM ANALYZE connection_paths.contact_connections")
    before = plan(database).storage
    assert (before.measured, before.bytes_per_edge, before.edges_now) == (False, 234, 0)
    db.execute(
        "INSERT INTO connection_paths.contact_connections (contact_a_id, contact_b_id, kind, organization_id,"
        " date_from, shared_organizations, earlier_days, people)"
        " SELECT n, n + 1, 'work_overlap', 1, '2000-01-01', 1, 0, 2 FROM generate_series(1, 12000) AS n"
    )
    db.execute("VACUUM ANALYZE connection_paths.contact_connections")
    after = plan(database).storage
    db.execute("TRUNCATE connection_paths.contact_connections")
    assert (after.measured, after.edges_now) == (True, 12_000)
    assert after.bytes_now > before.bytes_now
    assert after.bytes_per_edge == after.bytes_now / 12_000
    assert 100 < after.bytes_per_edge < 400


def test_bytes_of_all_partitions(db: Connection) -> None:
    """The size of the edge table is that of its partitions, with their indexes."""
    with db.transaction(force_rollback=True):
        db.execute("ALTER TABLE connection_paths.contact_connections RENAME TO was")
        db.execute("CREATE TABLE connection_paths.contact_connections (id integer) PARTITION BY RANGE (id)")
        for part, bounds in (("lower", "(1) TO (2001)"), ("upper", "(2001) TO (5001)")):
            db.execute(
                f"CREATE TABLE connection_paths.{part} PARTITION OF connection_paths.contact_connections"
                f" FOR VALUES FROM {bounds}".encode()
            )
        db.execute("CREATE INDEX ON connection_paths.contact_connections (id)")
        db.execute("INSERT INTO connection_paths.contact_connections SELECT generate_series(1, 5000)")
        db.execute("ANALYZE connection_paths.contact_connections")
        row = db.execute(sqlfiles.query("runs/edge_table_size")).fetchone()
        expected = db.execute(
            "SELECT sum(pg_table_size(r) + pg_indexes_size(r)) FROM unnest(%s::regclass[]) AS r",
            [["connection_paths.lower", "connection_paths.upper"]],
        ).fetchone()
    assert row is not None
    assert expected is not None
    assert row[:2] == (5_000, expected[0])


def test_durations_and_connections(database: str, db: Connection) -> None:
    load(db, World(frozenset({1, 2})))
    found = plan(database)
    assert {each.workers for each in found.durations if each.strategy == "rebuild"} == {1, 2, 4, 8, 16}
    assert {each.workers for each in found.durations if each.strategy == "in_place"} == {1, 2, 4, 8, 16}
    with psycopg.connect(database), psycopg.connect(database):
        assert plan(database).connections_free <= found.connections_free - 1  # other sessions may start and end
    seconds = {(each.strategy, each.workers): each.seconds for each in planning.predicted_times(60_000_000)}
    assert seconds["rebuild", 1] == 60_000_000 / 500_000 + 3 * 60_000_000 / 1_750_000
    assert seconds["rebuild", 2] == 60_000_000 / 1_000_000 + 2 * 60_000_000 / 1_750_000
    assert seconds["rebuild", 4] == 60_000_000 / 2_000_000 + 60_000_000 / 1_750_000
    assert seconds["in_place", 4] == 60_000_000 / 280_000
    assert "idle cores" in found.assumption


# How it is shown.


def printed(found: BackfillPlan) -> str:
    """Return the plan as a terminal of 100 columns shows it."""
    console = Console(width=100, highlight=False, file=StringIO(), record=True)
    for line in plan_lines(found):
        console.print(line)
    return console.export_text()


def test_a_plan_is_json_and_fits_a_hundred_columns(database: str, db: Connection) -> None:
    world = colleagues(*((contact, 5, "2010-01-01", None) for contact in range(1, 6)))
    load(db, world)
    db.execute("UPDATE public.organizations SET name = repeat('Very Long Name ', 10)")
    found = plan(database)
    assert json.loads(json.dumps(asdict(found)))["edges"]["estimate"] == 10
    text = printed(replace(found, connections_free=3))
    assert max(map(len, text.splitlines())) <= 100
    assert "not installed" not in text
    told = printed(
        replace(found, is_installed=False, future_pairs=1234, details=Details(331_952, 4, 182_016, 125_471, 7, 8, 9, 3))
    )
    assert max(map(len, told.splitlines())) <= 100
    for part in (
        "after an installation for these tables",
        "organizations that do not exist: 331,952.",
        "contacts that do not exist: 4.",
        "only a company name: 182,016; different names: 125,471.",
        "dates of another row: 8.",
        "start after today: 7; overlapping pairs that make an edge later: 1,234.",
        "Memberships of contacts that do not exist: 9; different contacts: 3.",
    ):
        assert part in told.replace("\n", " ")
    for part in (
        "5 contacts",
        "Overlapping pairs: 10",
        "Edges: about 10",
        "Very Long Name",
        "more than the connections",
    ):
        assert part in text


# It writes nothing.


def test_the_connection_of_a_plan_cannot_write(database: str) -> None:
    for statement in ("CREATE TABLE public.t ()", "TRUNCATE public.contacts", "DELETE FROM public.contacts"):
        with (
            pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
            reading(database, planning.SETTINGS) as connection,
        ):
            connection.execute(statement.encode())
    with reading(database, planning.SETTINGS, isolation=psycopg.IsolationLevel.REPEATABLE_READ) as connection:
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)


@contextmanager
def reader(db: Connection) -> Iterator[str]:
    """A role that may read the host's tables and the package, and call its functions."""
    name = f"plan_reader_{os.getpid()}"
    role = sql.Identifier(name)
    db.execute(sql.SQL("CREATE ROLE {}").format(role))
    try:
        for right in (
            "USAGE ON SCHEMA connection_paths",
            "SELECT ON ALL TABLES IN SCHEMA public",
            "SELECT ON ALL TABLES IN SCHEMA connection_paths",
            "EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths",
        ):
            db.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(right), role))
        yield name
    finally:
        db.execute(sql.SQL("DROP OWNED BY {}").format(role))
        db.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_reader_can_plan(database: str, db: Connection) -> None:
    world = colleagues((1, 5, "2010-01-01", None), (2, 5, "2010-01-01", None))
    load(db, world)
    with reader(db) as role:
        check(plan(make_conninfo(database, options=f"-c role={role}")), world)


def test_a_hot_standby_gives_the_same_plan() -> None:
    given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    with embedded.serve_temporarily(binaries=Path(given) if given else None, settings=SETTINGS) as (directory, dsn):
        binaries = reachable_binaries(directory)
        if not (binaries / "pg_basebackup").exists():
            pytest.skip(f"no pg_basebackup in {binaries}")
        world = colleagues(*((contact, 5, date(2000 + contact, 1, 1), None) for contact in range(1, 20)))
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sqlfiles.query("install/demo_tables"))
            install(dsn)
            add_overlaps_by_contact(connection)
            load_hosts(connection, world)
        with standby(dsn, binaries) as replica:
            with psycopg.connect(replica) as connection:
                assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
            found = plan(replica)
            check(found, world)
            assert replace(found, connections_free=0) == replace(plan(dsn), connections_free=0)


@pytest.mark.parametrize("organizations", [300, 20, 2])
def test_fewer_contacts_are_drawn_when_they_have_many_overlaps(
    database: str, db: Connection, monkeypatch: pytest.MonkeyPatch, organizations: int
) -> None:
    """The time of a plan is bounded by overlaps, however few organizations all contacts share."""
    people = range(1, 1501)
    load(db, colleagues(*((person, person % organizations + 1, "2010-01-01", None) for person in people)))
    monkeypatch.setattr(edge_estimate, "_MOST_OVERLAPS", 20_000)
    found = plan(database, sample=1000)
    each = len(people) // organizations - 1
    most = min(1000, max(40, 20_000 // each))
    assert most - 20 < found.edges.sampled <= most  # whole strata are drawn
    assert found.edges.pairs == len(people) * each // 2
    assert found.edges.low <= found.edges.pairs <= found.edges.high


@pytest.mark.parametrize("table", ["contacts", "organizations"])
def test_duplicate_ids_are_reported(new_database: Callable[[], str], table: str) -> None:
    dsn = new_database()
    with connect(dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey".encode())
        install(dsn)
        assert plan(dsn).duplicates == ()
        connection.execute(f"INSERT INTO {table} VALUES (3), (5), (5), (5), (7), (7), (8)".encode())
        assert [asdict(each) for each in plan(dsn).duplicates] == [{"table": f"public.{table}", "ids": 2, "example": 5}]
        assert f"2 ids are more than once in public.{table}, 5 for instance" in printed(plan(dsn))
        connection.execute(f"CREATE INDEX ON {table} (id)".encode())
        connection.execute(f"CREATE UNIQUE INDEX ON {table} (id, name)".encode())
        connection.execute(f"CREATE UNIQUE INDEX ON {table} (id) WHERE id < 4".encode())
        assert len(plan(dsn).duplicates) == 1  # none of these indexes prevents a duplicate id
