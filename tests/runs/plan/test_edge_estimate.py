"""The interval of a plan holds the number of edges, from a sample of bounded size."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import psycopg
import pytest

from orchestrator.core.database import Connection
from orchestrator.host import reader as source_reader
from orchestrator.install.installation import install
from orchestrator.runs import edge_estimate
from orchestrator.runs import plan as planning
from orchestrator.runs.edge_estimate import draw_strata, estimate_edges
from orchestrator.runs.plan import plan
from orchestrator.seed import csv_files as seed_csv
from tests.support.datasets import BASEBALL, needs_baseball
from tests.support.plan import add_overlaps_by_contact
from tests.support.properties import first_of
from tests.support.sessions import connect
from tests.support.world import colleagues, load

CROWD = 4_000  # contacts of a world that is larger than the sample


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
    with connect(dsn) as connection:
        reader = source_reader.installed(connection)
        return [estimate_edges(draw_strata(reader, seed, sample), seed) for seed in seeds]


@pytest.mark.parametrize("draws", first_of(2, [20, 60]))
def test_the_interval_holds_the_edges_nine_times_of_ten(database: str, skewed: int, draws: int) -> None:
    found = estimates(database, 300, range(draws))
    assert sum(each.low <= skewed <= each.high for each in found) >= 0.9 * draws
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


@pytest.fixture(scope="module")
def baseball(new_database: Callable[[], str]) -> str:
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        seed_csv.load(connection, "public", BASEBALL, replace=False)
        install(dsn)
        add_overlaps_by_contact(connection)
        connection.execute("ANALYZE")
    return dsn


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.parametrize("organizations", first_of(3, [20, 300, 2]))
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
