"""Synthetic data is the same on every machine, and has the distributions that make real data hard."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from orchestrator.cli.commands import main
from orchestrator.core.errors import OrchestratorError
from orchestrator.seed import company_names
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from orchestrator.seed.hashing import mixed
from orchestrator.seed.synthetic import Disorder
from tests.support.sessions import connect

CONTACTS = 20_000
LIVE = 3_400

#: Of 2,000 contacts drawn from seed 7. A change of it changes every demo.
FINGERPRINT = "f9f05ff8d5d31af7db020098527ea358fa902b022a2c14be2278ac2c54bfa875"

DISORDER = Disorder(organizations=2000, misspelt=0.6, crowds={"Self-employed": 0.5, "Globex \\ Ünion": 0.3})
#: Of the same 2,000 contacts with this disorder, and with the truth.
DISORDERED = "bece45113735bbffd045bb2747d649a3de32bfc47315fe9bce85b2055f53bd94"


class Experience(NamedTuple):
    contact: int
    organization: int | None
    company: str | None
    date_from: str | None
    date_to: str | None


class Member(NamedTuple):
    user: int | None
    contact: int
    collection: int
    source: int

    @property
    def qualifies(self) -> bool:
        return self.user is not None and self.source in (0, 1, 2, 3, 5, 10)


def fields(contacts: int, table: str, seed_: int = 1) -> list[list[str | None]]:
    return fields_of(seed_synthetic.tables(contacts, seed_), table)


def fields_of(tables: seed.Tables, table: str) -> list[list[str | None]]:
    rows = [line.split("\t") for line in b"".join(tables[table]()).decode().splitlines()]
    return [[None if field == r"\N" else field for field in row] for row in rows]


def integer(field: str | None) -> int:
    assert field is not None
    return int(field)


@pytest.fixture(scope="module")
def experiences() -> list[Experience]:
    rows = fields(CONTACTS, "contact_work_experiences")
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    return [Experience(integer(row[1]), None if row[2] is None else int(row[2]), *row[3:]) for row in rows]


@pytest.fixture(scope="module")
def members() -> list[Member]:
    return [
        Member(None if user is None else int(user), integer(c), integer(n), integer(s))
        for user, c, n, s in fields(CONTACTS, "user_contact_collections")
    ]


def fingerprint(contacts: int, seed_: int, disorder: Disorder | None = None) -> str:
    digest = hashlib.sha256()
    for rows in seed_synthetic.tables(contacts, seed_, disorder, truth=disorder is not None).values():
        for block in rows():
            digest.update(block)
    return digest.hexdigest()


def share(flags: Iterable[bool]) -> float:
    return statistics.fmean(flags)


def test_same_seed_gives_the_same_bytes() -> None:
    assert fingerprint(2000, 7) == FINGERPRINT
    assert fingerprint(2000, 8) != FINGERPRINT
    assert fingerprint(2000, -7) != FINGERPRINT
    assert fingerprint(2000, 7, DISORDER) == DISORDERED


def test_another_process_and_hash_seed_change_nothing() -> None:
    code = f"import tests.seed.{Path(__file__).stem} as here; print(here.fingerprint(2000, 7))"
    environment = {**os.environ, "PYTHONHASHSEED": "99", "TZ": "Pacific/Kiritimati"}
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == FINGERPRINT


def test_tables_can_be_read_in_any_order_and_again() -> None:
    tables = seed_synthetic.tables(300, 3)
    backwards = {table: b"".join(tables[table]()) for table in reversed(list(tables))}
    assert backwards == {table: b"".join(tables[table]()) for table in tables}


def test_contacts_and_organizations_are_numbered_and_named() -> None:
    for table, count in (("contacts", CONTACTS), ("organizations", LIVE)):
        rows = fields(CONTACTS, table)
        assert [row[0] for row in rows] == [str(number) for number in range(1, count + 1)]
        names = [row[1] for row in rows]
        assert all(name and " " in name for name in names)
        assert len(set(names)) > count / 2


def test_careers_are_skewed(experiences: list[Experience]) -> None:
    counts = Counter(experience.contact for experience in experiences)
    assert set(counts) == set(range(1, CONTACTS + 1))
    assert 7.8 < statistics.fmean(counts.values()) < 8.8
    assert 0.5 < share(count <= 5 for count in counts.values()) < 0.65
    assert 0.01 < share(count > 35 for count in counts.values()) < 0.05
    heavy = {contact for contact, count in counts.items() if count > 60}
    assert heavy == {1000, 6000, 11000, 16000}
    assert all(90 <= counts[contact] < 110 for contact in heavy)


def test_experiences_without_a_live_organization(experiences: list[Experience]) -> None:
    linked = [e.organization for e in experiences if e.organization is not None]
    assert 0.10 < 1 - len(linked) / len(experiences) < 0.12
    assert all((e.organization is None) == (e.company is not None) for e in experiences)
    orphans = Counter(organization for organization in linked if organization > LIVE)
    assert 0.48 < orphans.total() / len(linked) < 0.52
    assert share(count == 1 for count in orphans.values()) > 0.55


def test_organizations_follow_a_power_law(experiences: list[Experience]) -> None:
    sizes = sorted(live_sizes(experiences).values(), reverse=True)
    assert len(sizes) > 0.95 * LIVE
    assert sizes[0] > 100 * statistics.median(sizes)
    assert sum(sizes[: LIVE // 100]) > 0.2 * sum(sizes)
    top = [number for number, _ in live_sizes(experiences).most_common(20)]
    for contact in (1000, 6000, 11000, 16000):
        assert len({e.organization for e in experiences if e.contact == contact} & set(top)) >= 3


def live_sizes(experiences: list[Experience]) -> Counter[int]:
    return Counter(e.organization for e in experiences if e.organization and e.organization <= LIVE)


def test_colleagues_tend_to_share_a_second_employer(experiences: list[Experience]) -> None:
    live = [e for e in experiences if e.organization and e.organization <= LIVE]
    organizations = [e.organization for e in live]
    random.Random(1).shuffle(organizations)
    shuffled = [e._replace(organization=o) for e, o in zip(live, organizations, strict=True)]
    assert twice_met(live) > 3 * twice_met(shuffled)


def twice_met(experiences: list[Experience]) -> float:
    """Return the share of pairs of colleagues who met at two organizations or more."""
    return share(times > 1 for times in colleague_pairs(experiences).values())


def colleague_pairs(experiences: list[Experience]) -> Counter[tuple[int, int]]:
    """Count the organizations of moderate size that pairs of contacts have both seen."""
    sizes = live_sizes(experiences)
    people: dict[int, set[int]] = defaultdict(set)
    for e in experiences:
        if e.organization and 0 < sizes[e.organization] <= 60:
            people[e.organization].add(e.contact)
    return Counter(pair for group in people.values() for pair in combinations(sorted(group), 2))


def test_dates(experiences: list[Experience]) -> None:
    starts = [e.date_from for e in experiences if e.date_from]
    assert min(starts) >= "1975-01-01"
    horizon = seed_synthetic.HORIZON.isoformat()
    assert max(starts) <= horizon
    assert max(e.date_to for e in experiences if e.date_to) <= horizon
    assert 0.015 < 1 - len(starts) / len(experiences) < 0.025
    both = [(e.date_from, e.date_to) for e in experiences if e.date_from and e.date_to]
    assert 0.001 < share(first > last for first, last in both) < 0.003
    years = [int(last[:4]) - int(first[:4]) for first, last in both]
    assert 2.5 < statistics.fmean(years) < 3.5
    assert share(start.endswith("-01") for start in starts) > 0.8
    assert share(start.endswith("-01-01") for start in starts) > 0.25


def test_careers_are_sequences(experiences: list[Experience]) -> None:
    last: dict[int, Experience] = {e.contact: e for e in experiences}
    assert 0.68 < share(e.date_to is None for e in last.values()) < 0.72
    following = [
        (a, b) for a, b in pairwise(experiences) if a.contact == b.contact and a.date_from and a.date_to and b.date_from
    ]
    assert share(a.date_from <= b.date_from for a, b in following if a.date_from and b.date_from) > 0.9
    overlapping = share(b.date_from < a.date_to for a, b in following if b.date_from and a.date_to)
    assert 0.2 < overlapping < 0.6
    stints = Counter((e.contact, e.organization) for e in experiences if e.organization)
    assert 0.005 < share(times > 1 for times in stints.values()) < 0.15


def test_large_collections(members: list[Member]) -> None:
    for number, expected in enumerate(seed_synthetic.LARGE_COLLECTIONS, start=1):
        inside = {m.contact for m in members if m.collection == number and m.qualifies}
        slack = 4 * (expected * CONTACTS) ** 0.5  # standard deviations
        assert abs(len(inside) - expected * CONTACTS) < slack
    assert {m.collection for m in members if m.user == 1001} == {1, 2, 3}
    of_users = Counter(m.user for m in members if m.collection == 1 and m.qualifies)
    assert len(of_users) == 40
    assert of_users.most_common(1)[0][0] == 1001
    assert of_users[1001] > 5 * statistics.median(of_users.values())


def test_small_collections(members: list[Member]) -> None:
    inside: dict[int, set[int]] = defaultdict(set)
    for m in members:
        if m.collection > len(seed_synthetic.LARGE_COLLECTIONS) and m.qualifies:
            inside[m.collection].add(m.contact)
    sizes = sorted(len(contacts) for contacts in inside.values())
    assert len(sizes) == CONTACTS // 200
    assert sizes[0] >= 5
    assert sizes[-1] <= 300
    assert sizes[-1] > 8 * statistics.median(sizes)


def test_membership_rows_that_do_not_count(members: list[Member]) -> None:
    assert 0.04 < share(m.source in (4, 6, 7, 8, 9) for m in members) < 0.06
    assert 0.02 < share(m.user is None for m in members) < 0.04
    assert {m.source for m in members} <= set(range(11))
    assert len(members) == pytest.approx(len(set(members)), rel=0.01)
    brought = defaultdict(list)
    for m in members:
        if m.qualifies:
            brought[m.contact, m.collection].append(m)
    several = [rows for rows in brought.values() if len(rows) > 1]
    assert 0.08 < len(several) / len(brought) < 0.2
    assert {len({m.user for m in rows}) for rows in several} == {1, 2, 3}


def test_members_lean_toward_some_clusters(members: list[Member], experiences: list[Experience]) -> None:
    """A colleague of a member is a member more often than other contacts are."""
    inside = {m.contact for m in members if m.collection == 2 and m.qualifies}
    colleagues = colleague_pairs(experiences)
    either = [b in inside for a, b in colleagues if a in inside]
    assert share(either) > 1.3 * len(inside) / CONTACTS


def test_edges_are_many_but_not_too_many(experiences: list[Experience]) -> None:
    stays: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    for e in experiences:
        if e.organization and e.organization <= LIVE and e.date_from:
            last = e.date_to or "infinity"
            if e.date_from <= last:
                stays[e.organization].append((e.date_from, last, e.contact))
    # A tenth of the people is sample enough, at an offset that misses the few very heavy ones.
    neighbours: dict[int, set[int]] = defaultdict(set)
    for group in stays.values():
        for first, last, contact in group:
            if contact % 10 == 3:
                neighbours[contact].update(c for f, t, c in group if f <= last and first <= t)
    degrees = [len(found - {contact}) for contact, found in neighbours.items()]
    edges = sum(degrees) * 10 / 2
    assert 800_000 < edges < 1_500_000
    assert max(degrees) > 10 * statistics.median(degrees)


@pytest.mark.parametrize("contacts", [0, 1, 999, 1000])
def test_small_worlds_load(database: str, contacts: int) -> None:
    with connect(database) as connection:
        rows = seed.load(connection, "small", seed_synthetic.tables(contacts, 1), replace=False)
        heaviest = connection.execute(
            "SELECT count(*) FROM small.contact_work_experiences GROUP BY contact_id ORDER BY count(*) DESC LIMIT 1"
        ).fetchone()
    assert rows["contacts"] == contacts
    assert (heaviest is not None and heaviest[0] >= 90) == (contacts >= 1000)
    assert all(rows.values()) == (contacts > 0)


def test_negative_world() -> None:
    with pytest.raises(OrchestratorError, match="-1 contacts"):
        seed_synthetic.tables(-1, 1)


# Disorder: misspelt company names, and organizations with most of the pairs.


@pytest.fixture(scope="module")
def disordered() -> seed.Tables:
    return seed_synthetic.tables(2000, 7, DISORDER, truth=True)


def test_disorder_changes_no_career(disordered: seed.Tables) -> None:
    """Experiences of the same world without disorder are there, with other company names."""
    plain = seed_synthetic.tables(2000, 7, Disorder(organizations=2000))
    rows = [
        [contact, organization, date_from, date_to]
        for _, contact, organization, _, date_from, date_to in fields_of(disordered, "contact_work_experiences")
        if organization is None or not 2000 < int(organization) <= 2002
    ]
    assert [[row[0], row[2], row[3]] for row in rows] == [
        [row[1], row[4], row[5]] for row in fields_of(plain, "contact_work_experiences")
    ]


def test_the_truth_about_every_company_name(disordered: seed.Tables) -> None:
    names = {integer(row[0]): row[1] or "" for row in fields_of(disordered, "organizations")}
    assert len(set(names.values())) == len(names) == 2002
    truth: dict[str, set[str | None]] = defaultdict(set)
    for name, organization in fields_of(disordered, "seed_company_names"):
        assert name is not None
        assert organization not in truth[name]
        truth[name].add(organization)
    written = [row[3] for row in fields_of(disordered, "contact_work_experiences") if row[2] is None]
    assert set(written) == set(truth)
    meant = [truth[name or ""] for name in written]
    assert 0.55 < share(None not in each for each in meant) < 0.65
    assert share(name in company_names.JUNK for name in written) == pytest.approx(0.12, abs=0.03)
    assert all(truth[name or ""] == {None} for name in written if name in company_names.JUNK)
    assert sum(len(each) > 1 for each in truth.values()) < 0.01 * len(truth)
    right = [names[int(each)] for found in truth.values() for each in found if each is not None]
    wrong = [name for name, found in truth.items() if found != {None}]
    assert share(name in right for name in wrong) < 0.5  # most are written otherwise


def test_people_write_a_name_in_many_ways() -> None:
    """Nine in ten are the same letters but for case, accents, punctuation and a legal form."""
    kept, written = [], set()
    for number in range(2000):
        official = company_names.organization(number, 3)
        core = letters(company_names.organization(number, 3).removesuffix(official.split()[-1]))
        name = company_names.as_people_write(number, 3, mixed(number))
        written.add(name)
        kept.append(letters(name).removeprefix("the").startswith(core))
    assert 0.85 < share(kept) < 0.97
    for way in (
        r"^The ",
        r" & Co$",
        r"  ",
        r"^[^a-z]+$",
        r"^[^A-Z]+$",
        r"\(.+\)$",
        r" office$",
        r"Intl|Grp|Tech$",
        r", \w+",
    ):
        assert any(re.search(way, name) for name in written), way


def letters(name: str) -> str:
    plain = unicodedata.normalize("NFD", name.replace("ß", "ss").replace("ø", "o").replace("Ø", "O"))
    return re.sub("[^a-z]", "", plain.lower().replace(" and ", ""))


@pytest.mark.parametrize(
    "disorder",
    [
        Disorder(crowds={"Independent": 0.87}),
        Disorder(organizations=5000, crowds={"Self-employed": 0.57, "Globex International": 0.4}),
    ],
)
def test_crowds_make_their_share_of_the_pairs(disorder: Disorder) -> None:
    tables = seed_synthetic.tables(5000, 1, disorder)
    organizations = {integer(row[0]): row[1] for row in fields_of(tables, "organizations")}
    pairs: Counter[str | None] = Counter()
    stays: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for _, _, organization, _, date_from, date_to in fields_of(tables, "contact_work_experiences"):
        if date_from and organization and int(organization) in organizations:
            stays[int(organization)].append((date_from, date_to or "infinity"))
    for number_of, found in stays.items():
        ends = sorted(last for _, last in found)
        pairs[organizations[number_of]] += sum(
            number - bisect_left(ends, first) for number, (first, _) in enumerate(sorted(found))
        )
    for name, wanted in disorder.crowds.items():
        assert pairs[name] / pairs.total() == pytest.approx(wanted, abs=0.03)


def test_crowds_that_are_not_possible() -> None:
    with pytest.raises(OrchestratorError, match="100 contacts cannot make 99% of all pairs at 'Independent'"):
        seed_synthetic.tables(100, 1, Disorder(crowds={"Independent": 0.99}))
    with pytest.raises(OrchestratorError, match="leave some"):
        seed_synthetic.tables(100, 1, Disorder(crowds={"Independent": 0.6, "Freelance": 0.4}))


def test_the_truth_is_a_table_of_the_last_world(database: str) -> None:
    command = ("--dsn", database, "--json", "seed", "synthetic", "--contacts", "300", "--replace", "--yes")
    done = CliRunner().invoke(main, [*command, "--truth", "--crowd", "Self-employed=0.5"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    with connect(database) as connection:
        found = connection.execute("SELECT count(*) FROM public.seed_company_names").fetchone()
        assert found == (rows["seed_company_names"],) > (100,)
        unknown = connection.execute(
            "SELECT count(*) FROM public.contact_work_experiences AS e WHERE e.organization_id IS NULL"
            " AND NOT EXISTS (SELECT FROM public.seed_company_names AS n WHERE n.company_name = e.company_name)"
        ).fetchone()
        assert unknown == (0,)
        assert "seed_company_names" not in json.loads(CliRunner().invoke(main, command).stdout)
        assert connection.execute("SELECT count(*) FROM public.seed_company_names").fetchone() == (0,)


@pytest.mark.parametrize("given", ["Independent", "=0.5", "Independent=1", "Independent=x", "Independent=-1"])
def test_a_crowd_is_a_name_and_a_share(given: str) -> None:
    done = CliRunner().invoke(main, ["seed", "synthetic", "--contacts", "10", "--crowd", given])
    assert done.exit_code == 2, done.output
