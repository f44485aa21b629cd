"""Arguments of the functions for applications: defaults, limits, and the errors for bad ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from orchestrator.finders.question import DEEPEST, MOST_PATHS, OPTIONS, REQUIRED, Question, default_of
from tests.support.finder_calls import check, enter, graph
from tests.support.finder_options import FILTERS, LARGEST_ID, LARGEST_INTEGER, ORDERS, TESTED, Call
from tests.support.properties import first_of
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


def test_python_repeats_the_arguments_with_their_defaults(installed: Connection[Any]) -> None:
    signature = "SELECT pg_get_function_arguments(%s::regproc)"
    ((arguments,),) = installed.execute(signature, ["connection_paths.find_paths"])
    defaults = dict(re.findall(r"(\w+) [^,]+? DEFAULT ([^,]+)", arguments))
    assert defaults.keys() == OPTIONS.keys()
    for name, default in defaults.items():
        assert installed.execute(f"SELECT {default}".encode()).fetchone() == (default_of(name),), name
        assert f"{name} {OPTIONS[name].type}" in arguments
    ((arguments,),) = installed.execute(signature, ["connection_paths.deep_finder"])
    assert {each.split()[0] for each in arguments.split(", ")} == DEEP.keys()


def test_python_repeats_the_limits(installed: Connection[Any]) -> None:
    limits = "SELECT connection_paths.search_limit('deepest'), connection_paths.search_limit('most_paths')"
    assert installed.execute(limits).fetchone() == (DEEPEST, MOST_PATHS)
    for name, option in OPTIONS.items():
        assert {*option.choices} <= {*ACCEPTED[name]}, name
        if option.type == "integer":
            assert {option.least, option.most} <= {*ACCEPTED[name]}, name
            assert option.least - 1 in REFUSED[name], name


def test_truncated_counts_groups_not_users(installed: Connection[Any]) -> None:
    world = graph([(1, 2, "2010-01-01", None)], [(user, 2) for user in (1, 2, 3)])
    loaded = check(installed, world, Call(1, max_paths=1), [(1, (2, 1))])
    answer = loaded.find_paths(Call(1, max_paths=1), "v2")
    assert (answer["total"], answer["truncated"]) == (1, False)
    assert answer["paths"][0]["user_ids"] == [1, 2, 3]


# Bad arguments

FIND = vars(Question(1, 1, 1)) | {"impl": "v2"}
DEEP = {
    name: FIND[name]
    for name in (
        *(*REQUIRED, "max_depth", "max_edges_per_hop"),
        *(each.argument or name for name, each in TESTED.items() if each.is_of_rows),
    )
}
LEGACY = {name: FIND[name] for name in (*REQUIRED, "max_paths", "seed_scope")}
SIGNATURES: dict[str, dict[str, Any]] = {
    "deep_finder": DEEP,
    "legacy_finder": LEGACY,
    "find_paths": FIND,
    "backfill_contact": {"contact_id": 1},
}
REFUSED: dict[str, Sequence[Any]] = {
    **dict.fromkeys(("contact_id", *REQUIRED), (None,)),
    "max_depth": (0, 7, -1, None),
    "max_edges_per_hop": (0, -1),
    "impl": ("v9", ""),
    "time_budget_ms": (0, -1, None),
    "with_names": (None,),
    "ids_as_text": (None,),
    **{each.argument or name: each.refused for name, each in TESTED.items()},
}
ACCEPTED: dict[str, Sequence[Any]] = {
    **dict.fromkeys(("contact_id", *REQUIRED), (1, LARGEST_ID)),
    "max_depth": (1, 6),
    "max_edges_per_hop": (1, LARGEST_INTEGER, None),
    "impl": ("v1", "v2", None),
    "time_budget_ms": (1, LARGEST_INTEGER),
    "with_names": (True, False),
    "ids_as_text": (True, False),
    **{each.argument or name: each.accepted for name, each in TESTED.items()},
}


#: The options that ``orchestrator/finders/question.py`` marks as filters on edges.
EDGE_FILTERS = {name for name, option in OPTIONS.items() if option.leaves_out_edges}


def listed(value: Any) -> Any:
    """A value with lists instead of tuples, which would be rows."""
    return [listed(each) for each in value] if isinstance(value, tuple) else value


def call_by_name(connection: Connection[Any], function: str, arguments: dict[str, Any]) -> None:
    named = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(
            sql.Identifier(name),
            sql.SQL("{}::{}").format(value, sql.SQL("text[]" if name == "kinds" else "bigint[]"))
            if isinstance(value, list)
            else sql.Literal(value),
        )
        for name, value in ((name, listed(value)) for name, value in arguments.items())
    )
    connection.execute(sql.SQL("SELECT * FROM connection_paths.{}({})").format(sql.Identifier(function), named))


@pytest.mark.parametrize(
    ("function", "argument", "value"),
    [
        (function, argument, value)
        for function, signature in SIGNATURES.items()
        for argument in signature
        for value in REFUSED[argument]
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
    lists = [name for name in DEEP if name in OPTIONS and OPTIONS[name].is_list]
    assert "kinds" in lists
    for argument in lists:
        value = ["work_overlap", None] if argument == "kinds" else [1, None]
        with pytest.raises(psycopg.errors.NullValueNotAllowed, match=f"{argument} must not hold a null") as caught:
            call_by_name(installed, function, SIGNATURES[function] | {argument: value})
        assert caught.value.diag.message_hint


@pytest.mark.parametrize("function", SIGNATURES)
def test_arguments_at_their_limits_are_accepted_by_name(installed: Connection[Any], function: str) -> None:
    load(installed, graph([(1, 2, "2010-01-01", None)], [(1, 2)]))
    for argument in SIGNATURES[function]:
        for value in ACCEPTED[argument]:
            call_by_name(installed, function, SIGNATURES[function] | {argument: value})


def test_python_and_the_tests_know_the_same_filters_on_edges() -> None:
    assert {TESTED[name].argument or name for name in FILTERS} == EDGE_FILTERS


def test_a_request_says_whether_it_leaves_out_edges(installed: Connection[Any]) -> None:
    """A search without is_filtered does not look at the filters on edges at all."""
    names = "SELECT p.proargnames FROM pg_proc AS p WHERE p.oid = 'connection_paths.checked_request'::regproc"
    ((parameters,),) = installed.execute(names)
    assert EDGE_FILTERS - {*parameters} == set(), "checked_request has no parameter for these filters on edges"
    usual = {name: value for name, value in FIND.items() if name in parameters}

    def is_filtered(**given: Any) -> Any:
        arguments = usual | given
        types = {name: OPTIONS[name].type if name in OPTIONS else "bigint" for name in arguments}
        named = ", ".join(f"{name} => %({name})s::{of_sql}" for name, of_sql in types.items())
        query = f"SELECT (connection_paths.checked_request({named})).is_filtered"
        ((answer,),) = installed.execute(query.encode(), arguments)
        return answer

    assert is_filtered() is False
    for name in usual.keys() & OPTIONS.keys():
        value = next(listed(each) for each in ACCEPTED[name] if each is not None and each != usual[name])
        meant = name in EDGE_FILTERS
        assert is_filtered(**{name: value}) is meant, (
            f"checked_request computes is_filtered from a list of the filters on edges, and {name} must"
            f" {'' if meant else 'not '}be in this list"
        )


@pytest.mark.parametrize("order_by", ORDERS)
@pytest.mark.parametrize("members", first_of(2, [range(2, 252), range(2, 252, 10)]))
def test_the_greatest_limits_leave_nothing_out(installed: Connection[Any], order_by: str, members: range) -> None:
    """The target has more edges than the search reads first, so every step of the search computes with the limits."""
    edges: list[tuple[int, int, str, str | None]] = [(1, contact, "2010-01-01", None) for contact in range(2, 252)]
    edges += [(contact, contact + 10, "2011-01-01", "2012-01-01") for contact in range(2, 232, 10)]
    loaded = enter(installed, graph(edges, [(1, contact) for contact in members]))
    most = 2**31 - 1
    for depth in range(1, 5):
        for cap, per_introducer in product((None, most), repeat=2):
            call = Call(1, max_depth=depth, order_by=order_by, max_edges_per_hop=cap, max_per_introducer=per_introducer)
            assert loaded.find("deep_finder", call) == loaded.expect(call), call
            for impl in ("v1", "v2"):
                assert loaded.agrees(call, impl), (call, impl)
