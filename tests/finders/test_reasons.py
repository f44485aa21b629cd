"""Why no more paths were found: every reason, every number and every sentence is compared with the oracle.

The constants of why_no_more are lowered, so that small data causes what large data does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from orchestrator.core import sqlfiles
from orchestrator.finders import reasons
from orchestrator.finders.paths import Names
from orchestrator.finders.question import Question
from tests.support.finder_calls import Limits, enter, graph, star
from tests.support.finder_options import Call
from tests.support.oracle_reasons import Facts
from tests.support.properties import repeatable
from tests.support.random_calls import Situation, situations
from tests.support.world import FRIEND, Edge, Limit, Request, World


@pytest.fixture(scope="module", params=["one kind", "two kinds"])
def lowered(request: pytest.FixtureRequest, new_installed: Callable[[], str]) -> Iterator[Connection[Any]]:
    """A database whose limits of why_no_more are settings of the session."""
    dsn = new_installed()
    with psycopg.connect(dsn, autocommit=True) as connection:
        if request.param == "two kinds":
            connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
        text, count = re.subn("IMMUTABLE", "STABLE", sqlfiles.function("search_limit"))
        assert count == 1
        for name in vars(Limits()):
            text, count = re.subn(rf"('{name}' THEN) \d+", rf"\1 current_setting('lowered.{name}')::integer", text)
            assert count == 1, name
        connection.execute(text.encode())
        yield connection


def lower(connection: Connection[Any], limits: Limits) -> None:
    for name, value in vars(limits).items():
        connection.execute("SELECT set_config(%s, %s, false)", [f"lowered.{name}", str(value)])


limits_drawn = st.builds(
    Limits,
    few_paths=st.sampled_from((2, 5, 1000)),
    counted_to=st.sampled_from((1, 1, 2, 3, 5, 500)),
    looked_through=st.sampled_from((0, 1, 5, 10_000)),
)


@repeatable(20)
@given(situation=situations(25), limits=limits_drawn)
def test_every_reason_and_number_and_sentence_is_true(
    lowered: Connection[Any], situation: Situation, limits: Limits
) -> None:
    hold(lowered, situation, limits)


@repeatable(5)
@given(situation=situations(25, max_depth=6, max_contacts=7), limits=limits_drawn)
def test_every_reason_and_number_and_sentence_is_true_to_six_contacts(
    lowered: Connection[Any], situation: Situation, limits: Limits
) -> None:
    hold(lowered, situation, limits)


@st.composite
def refusals(draw: st.DrawFn) -> Situation:
    """A target with many edges and few members, most of whom may not be asked: by do_not_ask or by the call."""
    some = st.frozensets(st.sampled_from(range(2, 12)), max_size=10)
    others = range(20, 26)  # contacts without edges
    edges = [(1, contact, "2010-01-01", f"20{contact + 10}-01-01") for contact in draw(some)]
    members = [(1, contact) for contact in (*draw(some), *others)]
    refused = frozenset((1, contact) for contact in (*draw(some), *draw(some), *others[:3]))
    world = replace(graph(edges, members), do_not_ask=refused)
    excluded = tuple(draw(some))
    calls = [Call(1, max_depth=depth, excluded=each) for depth in (1, 2, 3) for each in ((), excluded)]
    return replace(world, contacts=world.contacts | {1}), calls


@repeatable(20)
@given(situation=refusals(), limits=limits_drawn)
def test_every_reason_is_true_when_most_members_may_not_be_asked(
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
            assert answer == loaded.expect_paths(call, impl), (call, impl)
            assert (said is None) == (answer["total"] == call.max_paths)
            if said is None:
                continue
            true = loaded.hold_why(said, call, answer, limits)
            for sentence in printed(call, {**answer, "why": said}):
                assert is_true(sentence, true, call, answer), (sentence, said, true, call, impl)


def printed(call: Call, answer: dict[str, Any]) -> list[str]:
    question = Question(call.target, call.collection, call.viewer, **call.arguments(lambda _: True))
    return reasons.sentences(question, answer, Names({}, {}))


#: What each sentence asserts. In its pattern N is a count, C the collection, T the target and V the viewer.
Truth = Callable[[Facts, str], bool]  # of the facts, and of the number in the sentence
ASSERTED: dict[str, Truth] = {
    "There is no contact T.": lambda true, _: not true.is_known,
    "The collection C has no members: the view collection_members has no row of it.": (
        lambda true, _: true.entries == 0
    ),
    "The user V brought no contact into collection C.": lambda true, _: not true.openers_brought,
    "The users in opener_user_ids do not include user V.": lambda true, _: not true.viewer_is_opener,
    "No user in opener_user_ids brought a contact into collection C.": lambda true, _: not true.openers_brought,
    "The filters of the call leave out all of them.": (
        lambda true, _: true.target_edges > 0 and not true.target_edges_passing
    ),
    "The filters of the call keep N of them.": lambda true, number: fits(number, true.target_edges_passing),
    "The call asks for at most N paths? with the same contact before the target.": lambda true, _: true.is_limited,
    "More such paths exist.": lambda true, _: true.is_limited,
    "The user V opens no path: the table do_not_ask_users has a row of this user.": (
        lambda true, _: not true.viewer_opens
    ),
    "The seed scope importer lets only user V open a path.": lambda true, _: True,
    "No contact is known to have worked with contact T at the same organization at the same time.": (
        lambda true, _: true.target_edges == 0
    ),
    "The target contact T has no edges.": lambda true, _: true.target_edges == 0,
    "The target has N work experiences? with a company name for which no organization was decided.": (
        lambda true, number: fits(number, true.experiences_unresolved or 0)
    ),
    "The command orchestrator resolve finds the organizations that company names mean.": lambda true, _: True,
    "The target has N work experiences? at organizations that make no edges, by the table organization_policy.": (
        lambda true, number: fits(number, true.experiences_excluded)
    ),
    "The command orchestrator organizations list shows these organizations.": lambda true, _: True,
    "If the target should have edges, orchestrator verify shows how many changes wait, and why work experiences make no"
    " edge.": lambda true, _: not true.target_edges,
    "N contact(?:s are| is) known to have worked with contact T at the same organization at the same time.": (
        lambda true, number: fits(number, true.target_edges)
    ),
    "The target contact T has N edges?.": lambda true, number: fits(number, true.target_edges),
    "None of the contacts known to have worked with contact T(?: in a way that passes the filters)? is a member of"
    " collection C, which has N members?.": (
        lambda true, number: true.target_edges_to_members == 0 and fits(number, true.members)
    ),
    "None of the target's edges(?: that pass the filters)? leads to a member of collection C, which has N members?.": (
        lambda true, number: true.target_edges_to_members == 0 and fits(number, true.members)
    ),
    "N of the target's edges(?: that pass the filters)? lead(?:s to a member| to members) of collection C.": (
        lambda true, number: fits(number, true.target_edges_to_members)
    ),
    "N members? of collection C worked with the target(?: in a way that passes the filters)?.": (
        lambda true, number: fits(number, true.target_edges_to_members)
    ),
    "N of the target's edges(?: that pass the filters)? lead(?:s to a member| to members) of collection C who may not"
    " be asked.": (lambda true, number: fits(number, true.target_edges_to_excluded)),
    "N members? of collection C who may not be asked worked with the target(?: in a way that passes the filters)?.": (
        lambda true, number: fits(number, true.target_edges_to_excluded)
    ),
    "No member of collection C who (?:worked|has an edge) with the target"
    "(?: in a way that passes the filters| that passes the filters)? may be asked.": (
        lambda true, _: true.target_edges_to_members == true.target_edges_to_excluded
    ),
    "Contacts who may not be asked are in the table do_not_ask, were asked as often as introduction_limits allows, or"
    " were excluded by the call.": lambda true, _: True,
    "None of the target's edges(?: that pass the filters)? leads to a member of collection C who may be asked.": (
        lambda true, _: true.target_edges_to_members == true.target_edges_to_excluded
    ),
    "To find paths of 3 contacts or more, the search follows at most N edges? from each contact:"
    " (?:those that end last|the strongest).": (lambda true, number: int(number) == true.max_edges_per_hop),
    "At least one contact has more than N edges? to members who may be asked, so paths of 3(?: to [4-6])? contacts"
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
    """Whether a sentence has the form of one of the patterns, and is true."""
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
    """Whether “There is no other path …” is true, and names the openers and the paths that it excludes."""
    found = {tuple(path["contact_ids"]) for path in answer["paths"]}
    return (
        found == true.paths
        and ("other" in sentence) == bool(found)
        and (f"that user {call.viewer} can open" in sentence) == (call.seed_scope == "importer")
        and ("avoids the excluded contacts" in sentence) == bool(call.excluded)
        and ("whose edges pass the filters" in sentence) == bool(call.filters)
        and ("in opener_user_ids" in sentence) == (call.openers is not None and call.seed_scope == "any")
    )


def fits(number: str, truth: int) -> bool:
    """Whether a number as it is shown, ``3``, ``at least 3`` or ``3 or more``, fits the truth."""
    value = int(re.sub(r"\D", "", number))
    return truth >= value if "least" in number or "more" in number else truth == value


# Why no more were found

FAR = graph(
    [(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None), (3, 4, "2010-01-01", None)], [(1, 2), (1, 3), (2, 4)]
)


DIAMOND = graph(
    [(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None), (2, 4, "2010-01-01", None)], [(1, 2), (1, 3), (1, 4)]
)


def crowded(size: int, stranger: int | None = None) -> World:
    """A target 1 with so many edges, and as many other members. Contact 700 is a member with the oldest edge."""
    edges = [(1, 1000 + number, "2010-01-01", None) for number in range(size - 1)]
    members = [(1, 3000 + number) for number in range(size - 1)]
    return graph([*edges, (1, 700, "2010-01-01", "2011-01-01")], members if stranger == 700 else [*members, (1, 700)])


@pytest.mark.parametrize(
    ("world", "call", "reason"),
    [
        (FAR, Call(999), "unknown_target"),
        (FAR, Call(1, collection=999), "empty_collection"),
        (FAR, Call(1, viewer=9, seed_scope="importer"), "viewer_brought_nobody"),
        (
            replace(FAR, do_not_ask_users=frozenset({2})),
            Call(1, viewer=2, seed_scope="importer"),
            "viewer_opens_nothing",
        ),
        (replace(FAR, contacts=FAR.contacts | {5}), Call(5), "target_has_no_edges"),
        (graph([(1, 2, "2010-01-01", None)], [(1, 3)]), Call(1), "no_edge_to_a_member"),
        (replace(FAR, do_not_ask=frozenset({(1, 2)})), Call(1), "all_excluded"),
        (replace(FAR, do_not_ask=frozenset({(None, 2)})), Call(1), "all_excluded"),
        (replace(FAR, limits=(Limit(1, 1, 7),), requests=(Request(1, 2, 1),)), Call(1), "all_excluded"),
        (FAR, Call(1, excluded=(2,)), "all_excluded"),
        (crowded(600), Call(1, viewer=9, seed_scope="importer"), "viewer_brought_nobody"),
        (replace(crowded(600), do_not_ask=frozenset({(1, 700)})), Call(1, max_depth=2), "all_excluded"),
        (crowded(600, stranger=700), Call(1, max_depth=2), "no_edge_to_a_member"),
        (replace(crowded(600, stranger=700), limits=(Limit(1, 1, 7),)), Call(1, max_depth=2), "nobody_to_ask"),
        (FAR, Call(1, max_depth=1), "depth_limit"),
        (FAR, Call(1, max_depth=3), "depth_limit"),
        (FAR, Call(1, viewer=2, max_depth=3, seed_scope="importer"), "depth_limit"),
        (FAR, Call(1, max_depth=5), "exhausted"),
        (FAR, Call(1, seed_scope="importer", openers=(2,)), "viewer_is_no_opener"),
        (FAR, Call(1, openers=(8, 9)), "openers_brought_nobody"),
        (FAR, Call(1, via_organization_ids=(999,), ended_after=date(2011, 1, 1)), "no_edge_passes"),
        (FAR, Call(1, via_organization_ids=(101,)), "exhausted"),
        (DIAMOND, Call(1, max_depth=3, max_per_introducer=1), "introducer_limit"),
        (DIAMOND, Call(1, max_depth=4, max_per_introducer=1), "introducer_limit"),
        (star(range(2, 20)), Call(1, max_edges_per_hop=17), "edge_limit"),
        (star(range(2, 20)), Call(1, max_edges_per_hop=18), "exhausted"),
        (star(range(2, 20)), Call(1, max_depth=2, max_edges_per_hop=17), "depth_limit"),
    ],
)
def test_the_reason_for_each_situation(installed: Connection[Any], world: World, call: Call, reason: str) -> None:
    loaded = enter(installed, world)
    assert loaded.find_paths(call, "v2")["why"]["reason"] == reason
    for impl in ("v1", "v2"):
        assert loaded.agrees(call, impl)


def test_a_large_collection_is_not_read_for_a_reason(installed: Connection[Any]) -> None:
    """At most 10,000 entries are searched for a contact of the viewer."""
    loaded = enter(installed, crowded(600))
    call = Call(1, viewer=9, max_depth=2, seed_scope="importer")
    for more, reason in ((9_400, "viewer_brought_nobody"), (1, "depth_limit")):
        installed.execute(
            "INSERT INTO public.user_contact_collections SELECT 1, 5000 + n, 1, 0 FROM generate_series(1, %s) AS n",
            [more],
        )
        assert loaded.find_paths(call, "v2")["why"]["reason"] == reason


def test_a_full_answer_has_no_reason(installed: Connection[Any]) -> None:
    loaded = enter(installed, star(range(2, 10)))
    for impl in ("v1", "v2"):
        for wanted in (1, 7, 8):
            assert loaded.find_paths(Call(1, max_paths=wanted), impl)["why"] is None
        assert loaded.find_paths(Call(1, max_paths=9), impl)["why"] is not None


def test_the_counts_of_a_reason(installed: Connection[Any]) -> None:
    friends = {(1, 2): Edge(FRIEND, None, None, None)}  # another edge between contacts who have one already
    world = replace(star([2, 3, 4, 30], [(1, 3), (1, 30), (2, 4)]), extra_edges=friends)
    loaded = enter(installed, world)
    assert loaded.find_paths(Call(1, max_edges_per_hop=15, excluded=(4, 31)), "v2")["why"] == {
        "reason": "exhausted",
        "collection_members": 4,
        "target_edges": 19,
        "target_edges_passing": None,
        "target_edges_to_members": 4,
        "target_edges_to_excluded": 2,
        "target_experiences_unresolved": None,
        "target_experiences_excluded": None,
        "excluded": 4,
        "level_reached": 2,
        "caps_hit": False,
        "max_edges_per_hop": 15,
        "counted_to": 500,
        "counts_are_exact": True,
    }
