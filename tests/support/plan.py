"""The figures that the plan of a backfill must have, by plain counts, and its text in a terminal."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from io import StringIO
from itertools import combinations

from rich.console import Console

from orchestrator.cli.plan import plan_lines
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.runs.plan import BackfillPlan
from tests.support import oracle
from tests.support.world import TODAY, Experience, World

LOADS = "SELECT l.contact_id, l.overlaps FROM connection_paths.overlaps_by_contact() AS l"


def add_overlaps_by_contact(connection: Connection) -> None:
    connection.execute(sqlfiles.function("counted_overlaps"))
    connection.execute(sqlfiles.function("overlaps_by_contact"))


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
        "left_out_by_rule": 0,
    }
    assert asdict(found.details) == details(world)
    assert found.future_pairs == future_pairs(world)
    pairs, edges = sum(loads(world).values()) // 2, len(oracle.edges(world))
    assert [(each.id, each.name, each.people, each.pairs) for each in found.organizations] == largest(world)
    assert all(each.share_of_pairs == (each.pairs / pairs if pairs else 0) for each in found.organizations)
    assert (found.edges.pairs, found.edges.low, found.edges.estimate, found.edges.high) == (pairs, *[edges] * 3)
    assert found.edges.sampled == sum(count > 0 for count in loads(world).values())


def printed(found: BackfillPlan) -> str:
    """Return the plan as a terminal of 100 columns shows it."""
    console = Console(width=100, highlight=False, file=StringIO(), record=True)
    for line in plan_lines(found):
        console.print(line)
    return console.export_text()
