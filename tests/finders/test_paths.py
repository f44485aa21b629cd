"""What `orchestrator paths` prints when it finds no path or leaves contacts out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from psycopg import Connection
from psycopg.conninfo import make_conninfo

from orchestrator.cli.commands import main
from orchestrator.cli.paths import path_lines
from orchestrator.finders import paths, reasons
from orchestrator.finders.question import OPTIONS, Question, default_of
from tests.support.finder_calls import enter, graph
from tests.support.world import Membership

#: 1 knows 2, 2 knows 3, 3 knows 4; user 1 brought 2 and 3, user 2 brought 4 and, into collection 2, 9.
WORLD = graph(
    [(1, 2, "2010-01-01", None), (2, 3, "2010-01-01", None), (3, 4, "2010-01-01", None)], [(1, 2), (1, 3), (2, 4)]
)
WORLD = replace(WORLD, memberships=(*WORLD.memberships, Membership(2, 9, 2, 0)), contacts=WORLD.contacts | {9})


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question(999, 1, 1), ["There is no contact 999."]),
        (
            Question(1, 7, 1),
            ["The collection 7 has no members: the view collection_members has no row of it."],
        ),
        (
            Question(1, 1, 9, seed_scope="importer"),
            [
                "The user 9 brought no contact into collection 1.",
                "The seed scope importer lets only user 9 open a path.",
                "Another search may find one: --scope any.",
            ],
        ),
        (
            Question(9, 1, 1),
            [
                "The target contact 9 has no edges.",
                "If the target should have edges, orchestrator verify shows how many changes wait, and why work"
                " experiences make no edge.",
            ],
        ),
        (
            Question(9, 1, 1, impl="v1"),
            [
                "No contact is known to have worked with contact 9 at the same organization at the same time.",
                "Another search may find one: --impl v2.",
            ],
        ),
        (
            Question(1, 2, 2),
            [
                "The target contact 1 has 1 edge.",
                "None of the target's edges leads to a member of collection 2, which has 1 member.",
            ],
        ),
        (
            Question(1, 1, 1, excluded_contact_ids=[2]),
            [
                "The target contact 1 has 1 edge.",
                "1 of the target's edges leads to a member of collection 1.",
                "1 of the target's edges leads to a member of collection 1 who may not be asked.",
                "No member of collection 1 who has an edge with the target may be asked.",
                "Contacts who may not be asked are in the table do_not_ask, were asked as often as introduction_limits"
                " allows, or were excluded by the call.",
            ],
        ),
        (
            Question(1, 1, 1, max_depth=1),
            [
                "The target contact 1 has 1 edge.",
                "1 of the target's edges leads to a member of collection 1.",
                "There is no path of up to 1 contact in collection 1.",
                "Paths of more than 1 contact were not looked for.",
                "Another search may find one: --depth 2.",
            ],
        ),
        (
            Question(1, 1, 2, seed_scope="importer", max_depth=3),
            [
                "The target contact 1 has 1 edge.",
                "1 of the target's edges leads to a member of collection 1.",
                "There is no path of up to 3 contacts in collection 1 that user 2 can open.",
                "Paths of more than 3 contacts were not looked for.",
                "Another search may find one: --depth 4 or --scope any.",
            ],
        ),
        (
            Question(1, 1, 2, seed_scope="importer", max_depth=3, impl="v1"),
            [
                "1 contact is known to have worked with contact 1 at the same organization at the same time.",
                "1 member of collection 1 worked with the target.",
                "By work experiences alone, there is no path of up to 2 contacts in collection 1 that user 2 can open.",
                "The implementation v1 never looks for paths of more than 2 contacts.",
                "Another search may find one: --impl v2 or --scope any.",
            ],
        ),
        (
            Question(1, 1, 2, seed_scope="importer", max_depth=5, excluded_contact_ids=[4]),
            [
                "The target contact 1 has 1 edge.",
                "1 of the target's edges leads to a member of collection 1.",
                "There is no path of any length in collection 1 that user 2 can open"
                " and that avoids the excluded contacts.",
                "Another search may find one: --scope any.",
            ],
        ),
    ],
)
def test_no_path_is_explained(installed: Connection[Any], question: Question, expected: list[str]) -> None:
    enter(installed, WORLD)
    answer = paths.find_paths(installed, question)
    assert not answer["paths"]
    target = question.target_contact_id
    assert [*path_lines(question, answer, paths.Names({}, {}))] == [
        f"No path to contact {target} was found.",
        *expected,
    ]


def test_the_answer_says_that_the_edge_limit_may_hide_paths(installed: Connection[Any]) -> None:
    """Contact 2 leads to the viewer's own contact, but that edge is not among the most recent ones."""
    others = range(10, 60)
    edges = [(2, contact, "2001-01-01", str(date(2020, 1, 1) - timedelta(contact))) for contact in others]
    members = [(9, 2), *((3 if contact == others[-1] else 9, contact) for contact in others)]
    enter(installed, graph([(1, 2, "2001-01-01", None), *edges], members))
    question = Question(1, 1, 3, max_depth=3, seed_scope="importer")
    answer = paths.find_paths(installed, question)
    assert not answer["paths"]
    assert installed.execute(
        "SELECT contact_ids FROM connection_paths.deep_finder(1, 1, 3, 3, 25, 'importer', NULL)"
    ).fetchall() == [([others[-1], 2, 1],)]
    assert reasons.sentences(question, answer, paths.Names({}, {})) == [
        "The target contact 1 has 1 edge.",
        "1 of the target's edges leads to a member of collection 1.",
        f"To find paths of 3 contacts or more, the search follows at most {question.max_edges_per_hop} edges from each"
        " contact: those that end last.",
        f"At least one contact has more than {question.max_edges_per_hop} edges to members who may be asked,"
        " so paths of 3 contacts may be missing.",
        "Paths of more than 3 contacts were not looked for.",
    ]


def test_a_colleague_of_a_hub_is_found_whatever_the_edge_limit(installed: Connection[Any]) -> None:
    colleagues = range(10, 60)
    edges = [(1, contact, "2001-01-01", str(date(2020, 1, 1) - timedelta(contact))) for contact in colleagues]
    members = [(3 if contact == colleagues[-1] else 9, contact) for contact in colleagues]
    enter(installed, graph(edges, members))
    answer = paths.find_paths(installed, Question(1, 1, 3, seed_scope="importer"))
    assert [path["contact_ids"] for path in answer["paths"]] == [[colleagues[-1], 1]]


def test_a_full_answer_is_not_explained(installed: Connection[Any]) -> None:
    enter(installed, WORLD)
    question = Question(1, 1, 1)
    answer = paths.find_paths(installed, question)
    assert [line.strip() for line in path_lines(question, answer, paths.Names({}, {}))] == [
        "1. you → contact 2 → contact 1  (strong, 100)",
        "contact 2 and contact 1 have overlapped at organization 101 since 2010 (17 years, about 2 people):"
        " strong, 100",
        "There is no other path of up to 2 contacts in collection 1."
        " Paths of more than 2 contacts were not looked for.",
    ]


def test_fewer_paths_than_asked_for_are_explained_in_one_line(installed: Connection[Any]) -> None:
    """The line is there for each reason, and not in an answer with as many paths as were asked for."""
    enter(installed, WORLD)

    def last_line(**more: Any) -> str:
        question = Question(1, 1, 1, **more)
        answer = paths.find_paths(installed, question)
        assert answer["paths"]
        return [*path_lines(question, answer, paths.Names({}, {}))][-1]

    assert last_line(max_depth=5) == "There is no other path of any length in collection 1."
    assert "There is no other path of up to 2 contacts in collection 1" in last_line(max_depth=2)
    limited = "The call asks for at most 1 path with the same contact before the target. More such paths exist."
    assert limited == last_line(max_depth=3, max_per_introducer=1)
    enter(installed, replace(WORLD, memberships=(*WORLD.memberships, Membership(1, 1, 1, 0), Membership(1, 9, 1, 0))))
    no_edge = Question(9, 1, 1)
    answer = paths.find_paths(installed, no_edge)
    assert [path["depth"] for path in answer["paths"]] == [1]
    assert [*path_lines(no_edge, answer, paths.Names({}, {}))][1:] == ["The target contact 9 has no edges."]
    nobody = "No member of collection 1 who has an edge with the target may be asked."
    assert last_line(excluded_contact_ids=[2]) == nobody
    assert last_line(max_depth=3, max_paths=1).startswith("There are more than this path")


def test_paths_with_the_same_introducer_stand_together(installed: Connection[Any]) -> None:
    """In the order of the best path of each; the numbers are the places in the answer."""
    ends = {(1, 2): "2020-01-01", (2, 4): "2020-01-01", (1, 3): "2019-01-01", (2, 5): "2018-01-01"}
    world = graph([(*pair, "2010-01-01", end) for pair, end in ends.items()], [(1, 1), (2, 2), (1, 3), (1, 4), (2, 5)])
    enter(installed, world)
    question = Question(1, 1, 1, max_depth=3)
    lines = [*path_lines(question, paths.find_paths(installed, question), paths.Names({1: "Ann", 2: "Bob"}, {}))]
    assert [line.split("  (")[0].split(" overlapped")[0] for line in lines] == [
        "  1. you → Ann",
        "3 paths through Bob",
        "     Bob and Ann",
        "  2. user 2 → Bob → Ann",
        "  4. you → contact 4 → Bob → Ann",
        "       contact 4 and Bob",
        "  5. user 2 → contact 5 → Bob → Ann",
        "       contact 5 and Bob",
        "  3. you → contact 3 → Ann",
        "       contact 3 and Ann",
        "There is no other path of up to 3 contacts in collection 1."
        " Paths of more than 3 contacts were not looked for.",
    ]


SAID = {
    "target_edges": 500,
    "target_edges_passing": None,
    "target_edges_to_members": 7,
    "target_edges_to_excluded": 0,
    "target_experiences_unresolved": None,
    "target_experiences_excluded": 0,
    "collection_members": 500,
    "excluded": 0,
    "level_reached": 1,
    "caps_hit": False,
    "max_edges_per_hop": 15,
    "counted_to": 500,
    "counts_are_exact": False,
}


def test_an_unfinished_count_is_shown_as_a_lower_bound() -> None:
    answer = {"impl": "v2", "paths": [], "why": {**SAID, "reason": "depth_limit"}}
    shown = reasons.sentences(Question(1, 2, 3, max_depth=1), answer, paths.Names({1: "Ana"}, {}))
    assert shown[:2] == [
        "The target Ana has 500 or more edges.",
        "At least 7 of the target's edges lead to members of collection 2.",
    ]
    assert [value for _, value in reasons.figures(answer)] == ["500 or more", "500 or more", "at least 7", "1"]
    exact = {"impl": "v2", "paths": [], "why": {**SAID, "reason": "depth_limit", "counts_are_exact": True}}
    assert reasons.figures(exact)[2] == (reasons.FIGURES["target_edges_to_members"], "7")


def test_an_answer_cut_by_time_says_how_far_the_search_got() -> None:
    counts = dict.fromkeys((name for name in SAID if "edges" in name or "count" in name), None)
    answer = {"impl": "v2", "paths": [], "why": {**SAID, **counts, "reason": "time_budget", "level_reached": 3}}
    shown = reasons.sentences(Question(1, 2, 3, max_depth=6), answer, paths.Names({}, {}))
    assert shown == [
        "The time budget of 1,500 ms ended the search, so paths may be missing.",
        "By then the search had looked at paths of at least 3 contacts.",
    ]


def test_a_collection_and_a_viewer_are_found_where_there_is_no_choice(
    installed: Connection[Any],
) -> None:
    def ask(*more: str) -> Result:
        return CliRunner().invoke(main, ["--dsn", make_conninfo(installed.info.dsn), "paths", "1", *more])

    enter(installed, replace(WORLD, memberships=()))
    assert "no collection has members" in ask().stderr
    enter(installed, WORLD)  # collection 1 of the users 1 and 2, and collection 2 of user 2
    done = ask()
    assert done.exit_code == 2
    assert "Choose a collection with --collection: 1 (3 contacts), 2 (1 contact)." in done.stderr
    done = ask("--collection", "1")
    assert done.exit_code == 2
    assert "Choose the user who asks with --viewer: 1, 2." in done.stderr
    assert "collection 3 has no members" in ask("--collection", "3").stderr
    assert "None of the target's edges leads to a member of collection 2" in ask("--collection", "2").stdout
    only = tuple(row for row in WORLD.memberships if row.user_id == 1)
    enter(installed, replace(WORLD, memberships=(*only, *(Membership(1, 100 + n, 1, 0) for n in range(2100)))))
    assert "1. you → contact 2 → contact 1" in ask().stdout
    for last in (True, False):  # another user is found wherever his contact stands
        more = (Membership(2, 9999 if last else 3, 1, 0), *(Membership(1, 100 + n, 1, 0) for n in range(2100)))
        enter(installed, replace(WORLD, memberships=(*only, *more)))
        assert "Choose the user who asks with --viewer: 1, 2." in ask().stderr
    users = tuple(Membership(user, 2, collection, 0) for user in range(12) for collection in range(1, 13))
    enter(installed, replace(WORLD, memberships=users))
    assert "10 (1 contact) and others." in ask().stderr
    assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and others." in ask("--collection", "1").stderr


def test_every_option_reaches_find_paths(installed: Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    enter(installed, WORLD)
    asked: list[Question] = []
    real = paths.find_paths

    def find_paths(connection: Connection[Any], question: Question) -> dict[str, Any]:
        asked.append(question)
        return real(connection, question)

    monkeypatch.setattr(paths, "find_paths", find_paths)
    given: dict[str, Any] = {}
    command = ["paths", "1", "--collection", "1", "--viewer", "2"]
    for name, option in OPTIONS.items():
        if option.flag is None:
            continue
        value = {
            "integer": option.least + 2,
            "text": max(option.choices, default=""),
            "date": date(2020, 2, 29),
            "text[]": ["work_overlap"],
            "bigint[]": [101, 102],
        }[option.type]
        assert value != default_of(name), name
        given[name] = value
        for each in value if isinstance(value, list) else [value]:
            command += [option.flag, str(each)]
    dsn = make_conninfo(installed.info.dsn)
    for more, changed in (([], {}), (["--max-edges-per-hop", "all"], {"max_edges_per_hop": None})):
        done = CliRunner().invoke(main, ["--dsn", dsn, *command, *more])
        assert done.exit_code == 0, done.output
        assert asked.pop() == Question(1, 1, 2, **given | changed)
