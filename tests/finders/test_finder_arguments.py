"""Arguments of the functions for applications: defaults, limits, and the errors for bad ones."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from orchestrator.finders.paths import DEEPEST, MOST_PATHS, Question
from tests.support.finder_calls import Call, check, enter, graph
from tests.support.sql_headers import PROJECT
from tests.support.world import load


def test_the_defaults(installed: Connection[Any]) -> None:
    edges = [(1, contact, "2010-01-01", None) for contact in range(2, 32)]
    world = graph(edges, [(user, contact) for user in (1, 2) for contact in range(2, 32)])
    loaded = enter(installed, world)
    defaults = Call(1, max_depth=2, max_paths=25, max_edges_per_hop=Question.max_edges_per_hop)
    for function, expected in (
        ("deep_finder", loaded.expect(defaults)),
        ("legacy_finder", loaded.expect_legacy(defaults)),
    ):
        query = sql.SQL("SELECT * FROM connection_paths.{}(1, 1, 1)")
        rows = installed.execute(query.format(sql.Identifier(function))).fetchall()
        assert rows == expected
    found = installed.execute("SELECT connection_paths.find_paths(1, 1, 1)").fetchone()
    assert found is not None
    assert found[0] == loaded.find_paths(defaults, None)
    assert loaded.agrees(defaults, None, "v2")


def test_python_and_the_documentation_repeat_the_defaults_and_limits(installed: Connection[Any]) -> None:
    found = installed.execute(
        "SELECT pg_get_function_arguments('connection_paths.find_paths'::regproc),"
        " connection_paths.search_limit('deepest'), connection_paths.search_limit('most_paths')"
    ).fetchone()
    assert found is not None
    arguments, *limits = found
    assert limits == [DEEPEST, MOST_PATHS]
    question = vars(Question(1, 1, 1))
    defaults = dict(re.findall(r"(\w+) [^,]+? DEFAULT ([^,]+)", arguments))
    assert defaults.keys() == question.keys() - {"target_contact_id", "collection_id", "viewer_user_id"}
    page = (PROJECT / "docs" / "reference" / "settings.md").read_text()
    for name, default in defaults.items():
        value = installed.execute(f"SELECT {default}".encode()).fetchone()
        assert value == (question[name],), name
        if type(question[name]) is int:
            assert re.search(rf"^\| `{name}`[^|]*\| {question[name]:,} \|", page, re.MULTILINE), name


def test_truncated_counts_groups_not_users(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None)], [(user, 2) for user in (1, 2, 3)])
    loaded = check(installed, world, Call(1, max_paths=1), [(1, (2, 1))])
    answer = loaded.find_paths(Call(1, max_paths=1), "v2")
    assert (answer["total"], answer["truncated"]) == (1, False)
    assert answer["paths"][0]["user_ids"] == [1, 2, 3]


# Bad arguments

DEEP: dict[str, Any] = {
    "target_contact_id": 1,
    "collection_id": 1,
    "viewer_user_id": 1,
    "max_depth": 2,
    "max_paths": 25,
    "seed_scope": "any",
    "max_edges_per_hop": 15,
    "order_by": "recency",
    "kinds": None,
    "min_strength": None,
    "ended_after": None,
    "via_organization_ids": None,
    "not_via_organization_ids": None,
    "opener_user_ids": None,
    "max_per_introducer": None,
}
LEGACY = {
    name: DEEP[name] for name in ("target_contact_id", "collection_id", "viewer_user_id", "max_paths", "seed_scope")
}
FIND = DEEP | {
    "impl": "v2",
    "time_budget_ms": 1500,
    "excluded_contact_ids": [],
    "with_names": False,
    "ids_as_text": False,
}
CONTACT = {"contact_id": 1}
SIGNATURES: dict[str, dict[str, Any]] = {
    "deep_finder": DEEP,
    "legacy_finder": LEGACY,
    "find_paths": FIND,
    "backfill_contact": CONTACT,
}
FILTERS = (
    *("kinds", "min_strength", "ended_after", "via_organization_ids", "not_via_organization_ids", "opener_user_ids"),
    "max_per_introducer",
)
MAY_BE_NULL = ("max_edges_per_hop", "impl", *FILTERS)
OUT_OF_RANGE: dict[str, tuple[Any, ...]] = {
    "max_depth": (0, 7, -1),
    "max_paths": (0, 1001),
    "seed_scope": ("x", "", "ANY"),
    "max_edges_per_hop": (0, -1),
    "impl": ("v9", ""),
    "time_budget_ms": (0, -1),
    "excluded_contact_ids": ([1] * 10_001, list(range(10_001))),
    "order_by": ("x", "", "STRENGTH"),
    "kinds": ([], ["x"], ["work_overlap", "x"], [["work_overlap"], ["x"]]),
    "min_strength": (-1, 101),
    "via_organization_ids": ([], [1] * 1001),
    "not_via_organization_ids": ([1] * 1001,),
    "opener_user_ids": ([], [1] * 1001),
    "max_per_introducer": (0, -1),
}


def call_by_name(connection: Connection[Any], function: str, arguments: dict[str, Any]) -> None:
    named = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(
            sql.Identifier(name),
            sql.SQL("{}::{}").format(value, sql.SQL("text[]" if name == "kinds" else "bigint[]"))
            if isinstance(value, list)
            else sql.Literal(value),
        )
        for name, value in arguments.items()
    )
    connection.execute(sql.SQL("SELECT * FROM connection_paths.{}({})").format(sql.Identifier(function), named))


@pytest.mark.parametrize(
    ("function", "argument", "value"),
    [
        (function, argument, value)
        for function, signature in SIGNATURES.items()
        for argument in signature
        for value in (
            *([] if argument in MAY_BE_NULL else [None]),
            *OUT_OF_RANGE.get(argument, ()),
        )
    ],
)
def test_the_error_for_a_bad_argument_names_it_and_has_a_hint(
    installed: Connection[Any], function: str, argument: str, value: Any
) -> None:
    load(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2)]))
    with pytest.raises(psycopg.Error) as caught:
        call_by_name(installed, function, SIGNATURES[function] | {argument: value})
    diagnosis = caught.value.diag
    assert diagnosis.sqlstate == ("22004" if value is None else "22023")
    assert argument in (diagnosis.message_primary or "")
    assert diagnosis.message_hint


@pytest.mark.parametrize("function", ["deep_finder", "find_paths"])
def test_a_list_must_not_hold_a_null(installed: Connection[Any], function: str) -> None:
    for argument in ("kinds", "via_organization_ids", "not_via_organization_ids", "opener_user_ids"):
        value = ["work_overlap", None] if argument == "kinds" else [1, None]
        with pytest.raises(psycopg.errors.NullValueNotAllowed, match=f"{argument} must not hold a null") as caught:
            call_by_name(installed, function, SIGNATURES[function] | {argument: value})
        assert caught.value.diag.message_hint


@pytest.mark.parametrize("function", SIGNATURES)
def test_arguments_at_their_limits_are_accepted_by_name(installed: Connection[Any], function: str) -> None:
    load(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2)]))
    limits = {
        "max_depth": (1, 6),
        "max_paths": (1, 1000),
        "seed_scope": ("any", "importer"),
        "max_edges_per_hop": (1, 2**31 - 1, None),
        "impl": ("v1", "v2", None),
        "time_budget_ms": (1, 2**31 - 1),
        "excluded_contact_ids": ([], [2**63 - 1, -(2**63), 2**63 - 1], list(range(10_000)), [1] * 10_000),
        "order_by": ("recency", "strength"),
        "kinds": (None, ["work_overlap"], ["work_overlap"] * 2, [["work_overlap"], ["work_overlap"]]),
        "min_strength": (None, 0, 100),
        "ended_after": (None, "-infinity", "infinity", "2020-01-01"),
        "via_organization_ids": (None, [2**63 - 1], [1] * 1000),
        "not_via_organization_ids": (None, [], [2**63 - 1], [1] * 1000),
        "opener_user_ids": (None, [2**63 - 1], [1] * 1000),
        "max_per_introducer": (None, 1, 2**31 - 1),
        "with_names": (True, False),
        "ids_as_text": (True, False),
    }
    for argument in SIGNATURES[function]:
        for value in limits.get(argument, (1, 2**63 - 1)):
            call_by_name(installed, function, SIGNATURES[function] | {argument: value})
