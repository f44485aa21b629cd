"""Why no more paths were found: every reason, every number and every sentence is held against the oracle.

The constants of find_paths and why_no_more are lowered, so that small worlds behave as large ones do.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from orchestrator.core import sqlfiles
from orchestrator.finders import reasons
from orchestrator.finders.paths import Names, Question
from orchestrator.install.installation import install
from tests.finders.test_finders import Call, Limits, Situation, enter, graph, repeatable, situations
from tests.support.oracle import Facts
from tests.support.world import Experience, Membership, World, load

CONSTANTS = {
    "find_paths": ("max_edges_per_hop",),
    "why_no_more": ("few_paths", "counted_to", "looked_through"),
}


@pytest.fixture(scope="module", params=["one kind", "two kinds"])
def lowered(request: pytest.FixtureRequest, new_database: Callable[[], str]) -> Iterator[Connection[Any]]:
    """A database whose find_paths and why_no_more read their constants from settings."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn)
        if request.param == "two kinds":
            connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
        for function, names in CONSTANTS.items():
            text = sqlfiles.function(function)
            for name in names:
                text, count = re.subn(
                    rf"\b({name} CONSTANT integer := )\d+;", rf"\1current_setting('lowered.{name}')::integer;", text
                )
                assert count == 1, name
            connection.execute(text.encode())
        yield connection


def lower(connection: Connection[Any], limits: Limits) -> None:
    for name, value in vars(limits).items():
        connection.execute("SELECT set_config(%s, %s, false)", [f"lowered.{name}", str(value)])


limits_drawn = st.builds(
    Limits,
    max_edges_per_hop=st.sampled_from((1, 1, 2, 2, 3, 4, 15)),
    few_paths=st.sampled_from((2, 5, 1000)),
    counted_to=st.sampled_from((1, 1, 2, 3, 5, 500)),
    looked_through=st.sampled_from((0, 1, 5, 10_000)),
)


@repeatable(40)
@given(situation=situations(25), limits=limits_drawn)
def test_every_reason_and_number_and_sentence_is_true(
    lowered: Connection[Any], situation: Situation, limits: Limits
) -> None:
    hold(lowered, situation, limits)


@repeatable(10)
@given(situation=situations(25, max_depth=6, max_contacts=7), limits=limits_drawn)
def test_every_reason_and_number_and_sentence_is_true_to_six_contacts(
    lowered: Connection[Any], situation: Situation, limits: Limits
) -> None:
    hold(lowered, situation, limits)


@st.composite
def refusals(draw: st.DrawFn) -> Situation:
    """A target whose few members among many edges are mostly not to be asked, by the row or by the call."""
    some = st.frozensets(st.sampled_from(range(2, 12)), max_size=10)
    others = range(20, 26)  # nobody's colleagues
    edges = [(1, contact, "2010-01-01", f"20{contact + 10}-01-01") for contact in draw(some)]
    members = [(1, contact) for contact in (*draw(some), *others)]
    refused = frozenset((1, contact) for contact in (*draw(some), *draw(some), *others[:3]))
    world = replace(graph(edges, members), do_not_ask=refused)
    excluded = tuple(draw(some))
    calls = [Call(1, max_depth=depth, excluded=each) for depth in (1, 2, 3) for each in ((), excluded)]
    return replace(world, contacts=world.contacts | {1}), calls


@repeatable(40)
@given(situation=refusals(), limits=limits_drawn)
def test_every_reason_is_true_where_most_are_not_to_be_asked(
    lowered: Connection[Any], situation: Situation, limits: Limits
) -> None:
    hold(lowered, situation, limits)


def hold(connection: Connection[Any], situation: Situation, limits: Limits) -> None:
    """Hold the answers of find_paths, under both implementations, against the oracle."""
    world, calls = situation
    has_one_kind = connection.execute(
        "SELECT cardinality(enum_range(NULL::connection_paths.connection_kind)) = 1"
    ).fetchone()
    if has_one_kind == (True,):
        world = replace(world, extra_edges={})
    loaded = enter(connection, world)
    lower(connection, limits)
    for call in calls:
        for impl in ("v1", "v2"):
            answer = loaded.find_paths(call, impl)
            said = answer.pop("why")
            assert answer == loaded.expect_paths(call, impl, limits.max_edges_per_hop), (call, impl)
            assert (said is None) == (answer["total"] == call.max_paths)
            if said is None:
                continue
            true = loaded.hold_why(said, call, answer, limits)
            for sentence in told(call, {**answer, "why": said}):
                assert is_true(sentence, true, call, answer), (sentence, said, true, call, impl)


def told(call: Call, answer: dict[str, Any]) -> list[str]:
    question = Question(
        call.target,
        call.collection,
        call.viewer,
        call.max_depth,
        call.max_paths,
        call.seed_scope,
        excluded_contact_ids=list(call.excluded),
    )
    return reasons.sentences(question, answer, Names({}, {}))


#: What each sentence asserts. In its pattern N is a count, C the collection, T the target and V the viewer.
Truth = Callable[[Facts, str], bool]  # of the facts, and of the number in the sentence
ASSERTED: dict[str, Truth] = {
    "There is no contact T.": lambda true, _: not true.is_known,
    "The collection C has no members: the view connection_paths.collection_members has no row of it.": (
        lambda true, _: true.entries == 0
    ),
    "The user V brought no contact into collection C.": lambda true, _: not true.viewer_brought,
    "The seed scope importer lets only user V open a path.": lambda true, _: True,
    "No contact is known to have worked with contact T at the same organization at the same time.": (
        lambda true, _: true.target_edges == 0
    ),
    "The target contact T has no edges.": lambda true, _: true.target_edges == 0,
    "The command orchestrator status shows about how many edges there are.": lambda true, _: True,
    "N contact(?:s are| is) known to have worked with contact T at the same organization at the same time.": (
        lambda true, number: fits(number, true.target_edges)
    ),
    "The target contact T has N edges?.": lambda true, number: fits(number, true.target_edges),
    "None of the contacts known to have worked with contact T is a member of collection C, which has N members?.": (
        lambda true, number: true.target_edges_to_members == 0 and fits(number, true.members)
    ),
    "None of the target's edges leads to a member of collection C, which has N members?.": (
        lambda true, number: true.target_edges_to_members == 0 and fits(number, true.members)
    ),
    "N of the target's edges lead(?:s to a member| to members) of collection C.": (
        lambda true, number: fits(number, true.target_edges_to_members)
    ),
    "N members? of collection C worked with the target.": (
        lambda true, number: fits(number, true.target_edges_to_members)
    ),
    "N of the target's edges lead(?:s to a member| to members) of collection C who may not be asked.": (
        lambda true, number: fits(number, true.target_edges_to_excluded)
    ),
    "N members? of collection C who may not be asked worked with the target.": (
        lambda true, number: fits(number, true.target_edges_to_excluded)
    ),
    "No member of collection C who (?:worked|has an edge) with the target may be asked.": (
        lambda true, _: true.target_edges_to_members == true.target_edges_to_excluded
    ),
    "Contacts who may not be asked are in connection_paths.do_not_ask, or were excluded by the call.": (
        lambda true, _: True
    ),
    "None of the target's edges leads to a member of collection C who may be asked.": (
        lambda true, _: true.target_edges_to_members == true.target_edges_to_excluded
    ),
    "From each contact, the search follows edges to at most N members? who may be asked, most recent edges first.": (
        lambda true, number: int(number) == true.max_edges_per_hop
    ),
    "At least one contact has N or more edges to members who may be asked, so paths of up to [1-6] contacts?"
    " may be missing.": lambda true, number: true.is_cut and int(number) == true.max_edges_per_hop,
    "Paths of more than N contacts? were not looked for.": lambda true, number: int(number) == true.max_depth,
    "The implementation v1 never looks for paths of more than 2 contacts.": lambda true, _: True,
    "(?:By work experiences alone, there|There) is no (?:other )?path of up to N contacts? in collection C.*": (
        lambda true, number: int(number) == true.max_depth and not true.is_cut
    ),
    "There is no (?:other )?path of any length in collection C.*": (
        lambda true, _: not true.is_cut and true.level_reached < true.max_depth
    ),
}


def is_true(sentence: str, true: Facts, call: Call, answer: dict[str, Any]) -> bool:
    """Whether a sentence says what one of the patterns does, and that is so."""
    stands_for = {
        "C": str(call.collection),
        "T": str(call.target),
        "V": str(call.viewer),
        "N": r"((?:[Aa]t least )?[\d,]+(?: or more)?)",
    }
    for pattern, truth in ASSERTED.items():
        match = re.fullmatch(re.sub(r"\b[CTVN]\b", lambda letter: stands_for[letter[0]], pattern), sentence)
        if match is not None:
            is_so = truth(true, match[1] if match.groups() else "")
            return is_so and (" path of " not in sentence or denies_what_there_is_none_of(sentence, true, call, answer))
    return False


def denies_what_there_is_none_of(sentence: str, true: Facts, call: Call, answer: dict[str, Any]) -> bool:
    """Whether “There is no other path …” is so, and says whose and which paths it means."""
    found = {tuple(path["contact_ids"]) for path in answer["paths"]}
    return (
        found == true.paths
        and ("other" in sentence) == bool(found)
        and (f"that user {call.viewer} can open" in sentence) == (call.seed_scope == "importer")
        and ("avoids the excluded contacts" in sentence) == bool(call.excluded)
    )


def fits(number: str, truth: int) -> bool:
    """Whether a number as it is told, ``3``, ``at least 3`` or ``3 or more``, fits the truth."""
    value = int(re.sub(r"\D", "", number))
    return truth >= value if "least" in number or "more" in number else truth == value


# The time budget of v1

COLLEAGUES = range(2, 902)
EMPLOYERS = range(1, 13)  # of each of them, all at once, so that every two overlap twelve times over


@pytest.fixture(scope="module")
def crowd(new_database: Callable[[], str]) -> Iterator[tuple[Connection[Any], float]]:
    """A target with so many colleagues that v1 takes many milliseconds, and how many it takes."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(dsn)
        jobs = [
            Experience(
                contact * len(EMPLOYERS) + employer,
                contact,
                employer,
                date(2001, 1, 1) + timedelta(employer),
                date(2010, 1, 1 + contact % 9),
            )
            for contact in (1, *COLLEAGUES)
            for employer in EMPLOYERS
        ]
        members = [Membership(1 + n % 3, contact, 1, 0) for n, contact in enumerate((1, *COLLEAGUES))]
        load(connection, World(frozenset((1, *COLLEAGUES)), frozenset(EMPLOYERS), tuple(jobs), tuple(members)))
        connection.execute("VACUUM (ANALYZE)")
        for _ in range(3):  # the first plans
            begun = time.monotonic()
            ask_v1(connection, 600_000, 2, 1000, "any")
        yield connection, 1000 * (time.monotonic() - begun)


def ask_v1(connection: Connection[Any], budget: int, depth: int, most: int, scope: str) -> dict[str, Any]:
    row = connection.execute(
        "SELECT connection_paths.find_paths(1, 1, 2, %s, %s, %s, 'v1', %s)", [depth, most, scope, budget]
    ).fetchone()
    assert row is not None
    answer: dict[str, Any] = row[0]
    return answer


@pytest.mark.parametrize("scope", ["any", "importer"])
@pytest.mark.parametrize(("depth", "most"), [(1, 25), (2, 25), (2, 1000), (5, 1000)])
def test_v1_calls_complete_only_what_is(
    crowd: tuple[Connection[Any], float], depth: int, most: int, scope: str
) -> None:
    connection, usual = crowd
    whole = ask_v1(connection, 600_000, depth, most, scope)
    everything = ask_v1(connection, 600_000, depth, 1000, scope)
    assert whole["complete"]
    assert not everything["truncated"]
    # the search has two thirds of its budget: some of these end before the overlaps, some among the colleagues
    shares = [round(1.5 * usual * share) for share in (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2)]
    for budget in (1, 2, 5, 10, 20, *shares):
        answer = ask_v1(connection, max(1, budget), depth, most, scope)
        if answer["complete"]:
            assert answer == whole
            continue
        assert answer["paths"] == [path for path in everything["paths"] if path in answer["paths"]]
        assert [path for path in answer["paths"] if path["depth"] == 1] == whole["paths"][: scope == "any"]
        if answer["why"] is not None:
            assert answer["why"]["reason"] == "time_budget"
            assert answer["why"]["level_reached"] >= max((path["depth"] for path in answer["paths"]), default=1)


def test_a_budget_that_v1_cannot_keep_is_told(crowd: tuple[Connection[Any], float]) -> None:
    """Some 10,000 pairs of stints take more than the two thirds of a millisecond that the search has."""
    connection, _ = crowd
    for scope in ("any", "importer"):
        answer = ask_v1(connection, 1, 2, 1000, scope)
        assert not answer["complete"]
        assert answer["why"]["reason"] == "time_budget"
