"""Every SQL function states its properties, qualifies its names and builds no SQL from strings.

A check is a function that returns sentences about what is wrong; an empty list means that nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pglast
import pytest
from pglast import ast, enums
from pglast.stream import RawStream

from orchestrator.core import sqlfiles
from tests.support.sql_parsing import (
    SCHEMA,
    body_statements,
    dotted,
    inputs,
    nodes,
    options,
    plpgsql,
    plpgsql_items,
    statements,
    tables,
)

ROOT = sqlfiles.ROOT

FUNCTIONS = sorted((ROOT / "functions").rglob("*.sql"))

#: The functions of PostgreSQL that a body may call without a schema.
_BUILT_INS = """
    aclexplode array_agg array_fill array_position array_remove array_to_string avg bool_and bool_or btrim
    cardinality ceil chr clock_timestamp count cume_dist current_setting encode enum_range floor format format_type
    dense_rank generate_series generate_subscripts has_table_privilege hashtextextended jsonb_agg jsonb_array_elements
    jsonb_array_elements_text jsonb_build_array jsonb_build_object jsonb_each jsonb_object_agg jsonb_path_query
    jsonb_populate_record lag lead left length lower make_date make_interval max min nextval
    normalize now num_nulls obj_description octet_length
    pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_backend_pid pg_blocking_pids pg_current_snapshot
    pg_current_xact_id pg_current_xact_id_if_assigned pg_get_indexdef pg_get_triggerdef pg_get_viewdef pg_notify
    pg_sleep pg_snapshot_xmax pg_snapshot_xmin pg_try_advisory_lock pg_try_advisory_xact_lock_shared quote_ident
    quote_literal rank regexp_match regexp_replace replace right round row_number rtrim set_config sqrt string_agg
    string_to_array strpos substr substring sum to_jsonb to_regclass translate unnest upper width_bucket
"""
BUILT_INS = set(_BUILT_INS.split())

TRANSITION_TABLES = {"old_rows", "new_rows"}

BUILT_IN_TYPES = {"text", "date", "jsonb", "timestamptz", "xid8", "regclass"}  # the parser qualifies the standard's own

#: Functions that queue changes by hand. A role needs no other right to call them, so they are SECURITY DEFINER.
NOTING = {"queue_changes", "queue_everyone"}

#: Trigger functions that write nothing, so they need no rights of the package.
REFUSING = {"refuse_transition"}

#: Functions that must build SQL. ALTER TABLE takes storage parameters only as literals. Detaching stores statements,
#: which attaching executes. Functions of Citus, and of pg_trgm, exist only where these are installed.
BUILDING_SQL = {
    *("copy_storage_parameters", "attach_source", "detach_source", "redirect_searches", "require_sources"),
    *("attach_view", "index_definitions", "trigger_definitions", "similar_organizations"),
}


#: Functions that everybody may execute: those for the expressions of a mapping.
FOR_EVERYBODY = {path.parent.name for path in FUNCTIONS if path.parent.parent.name == "expressions"}


def is_whole(text: str, name: str) -> list[str]:
    """Check that a file is a header, one function that states every property, its COMMENT and its REVOKE."""
    problems = []
    if not text.startswith(f"-- {SCHEMA}.{name}("):
        problems.append("no header comment that names the function")
    made = [*statements(text)]
    if name in FOR_EVERYBODY:
        granted = made.pop()
        if not isinstance(granted, ast.GrantStmt) or not granted.is_grant:
            problems.append("no GRANT: the index of a mapping calls it, with the rights of whoever writes a row")
    if [type(stmt) for stmt in made] != [ast.CreateFunctionStmt, ast.CommentStmt, ast.GrantStmt]:
        return [*problems, "not one function, its COMMENT and its REVOKE"]
    function, comment, revoke = made
    if not function.replace or dotted(function.funcname) != f"{SCHEMA}.{name}":
        problems.append(f"not CREATE OR REPLACE FUNCTION {SCHEMA}.{name}")
    stated = options(function)
    missing = {"language", "volatility", "parallel", "security"} - stated.keys()
    problems += [f"{option} is not stated" for option in sorted(missing)]
    is_trigger = dotted(function.returnType.names) == "trigger"
    if bool(getattr(stated.get("security"), "boolval", None)) is not (
        (is_trigger and name not in REFUSING) or name in NOTING
    ):
        problems.append("SECURITY DEFINER is for functions that queue changes: writers have no rights here")
    if "\nSET enable_seqscan = off\n" in text and "\nSET jit = off\n" not in text:
        problems.append(
            "no SET jit = off: PostgreSQL 15 to 17 compile a plan with a switched-off scan, whose cost is high"
        )
    if (function.sql_body is None and not re.search(r"^AS \$[a-z]+\$$", text, re.MULTILINE)) or "$$" in text:
        problems.append("no tagged dollar quote")

    signature = [RawStream()(found.argType) for found in inputs(function)]
    revoked = revoke.objects[0]
    for what, described in (("COMMENT", comment.object), ("REVOKE", revoked)):
        found = [RawStream()(kind) for kind in described.objargs or ()]
        if dotted(described.objname) != f"{SCHEMA}.{name}" or found != signature:
            problems.append(f"{what} is of another function")
    if not comment.comment:
        problems.append("an empty COMMENT")
    everybody = [grantee.roletype for grantee in revoke.grantees] == [enums.RoleSpecType.ROLESPEC_PUBLIC]
    if revoke.is_grant or revoke.grant_option or revoke.privileges or not everybody:
        problems.append("not REVOKE ALL ... FROM PUBLIC")
    return problems


def bodies_are_qualified(text: str) -> list[str]:
    problems = []
    for stmt in body_statements(text):
        problems += [
            f"table {t.relname}"
            for t in tables(stmt)
            if t.schemaname not in (SCHEMA, "pg_catalog") and t.relname not in TRANSITION_TABLES
        ]
        for call in nodes(stmt, ast.FuncCall):
            name = dotted(call.funcname)
            if name not in BUILT_INS and not name.startswith((f"{SCHEMA}.", "pg_catalog.")):
                problems.append(f"call of {name}")
        for kind in nodes(stmt, ast.TypeName):
            name = dotted(kind.names)
            if name not in BUILT_IN_TYPES and not name.startswith((f"{SCHEMA}.", "pg_catalog.")):
                problems.append(f"type {name}")
    return problems


def builds_no_sql(text: str) -> list[str]:
    problems = []
    for one in pglast.split(text):
        if isinstance(statements(one)[0], ast.CreateFunctionStmt) and "plpgsql" in one:
            tree = plpgsql(one)
            for key in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors", "dynquery"):
                problems += [f"EXECUTE ({key})" for _ in plpgsql_items(tree, key)]
    return problems


def fixes_search_path(text: str) -> list[str]:
    """Check that the search path of the caller has no effect on a function.

    Its body is bound when it is created (``BEGIN ATOMIC``), or it sets its search path.
    """
    function = statements(text)[0]
    sets = [option.arg for option in function.options if option.defname == "set"]
    paths = [[const.val.sval for const in one.args] for one in sets if one.name == "search_path"]
    if function.sql_body is not None:
        return [] if not paths else ["it is bound already, and SET keeps it from being inlined"]
    return (
        [] if paths == [["pg_catalog", "pg_temp"]] else ["neither BEGIN ATOMIC nor search_path = pg_catalog, pg_temp"]
    )


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_function_file(path: Path) -> None:
    text, name = path.read_text(), path.parent.name
    assert re.fullmatch(r"v[1-9][0-9]*", path.stem)
    assert is_whole(text, name) == []
    assert bodies_are_qualified(text) == []
    assert name in BUILDING_SQL or builds_no_sql(text) == []
    assert fixes_search_path(text) == []


def test_every_function_that_reads_edges_for_a_search_is_redirected() -> None:
    redirecting = sqlfiles.function("redirect_searches")
    found = re.search(r"readers CONSTANT pg_catalog\.name\[\] := '\{(.*)\}'", redirecting)
    assert found
    finders = [path for path in FUNCTIONS if "finders" in path.parts]
    reading = {
        p.parent.name
        for p in finders
        if re.search(r"(FROM|JOIN) connection_paths\.contact_connections\b", p.read_text())
    }
    assert set(found[1].split(", ")) == reading


def missing_for_citus(edge_passes: str, stored_edges: str, shard_edges: str) -> list[str]:
    """Check that the functions for Citus apply every filter of edge_passes."""
    filters = set(re.findall(r"\(edge_passes\.request\)\.(\w+)", edge_passes))
    known = {
        "stored_edges does not take {} from the request": re.findall(r"THEN request\.(\w+) END", stored_edges),
        "shard_edges has no parameter {}": [found.name for found in inputs(statements(shard_edges)[0])],
        "shard_edges has no condition for {}": re.findall(r"WHEN (\w+) IS NOT NULL\s+THEN ' AND ", shard_edges),
    }
    if not filters:
        return ["edge_passes reads no field of the request"]
    return [problem.format(name) for problem, names in known.items() for name in sorted(filters - {*names})]


def test_citus_applies_every_filter_on_edges() -> None:
    passing = sqlfiles.function("edge_passes")
    stored, shard = (sqlfiles.distributed_functions()[name].read_text() for name in ("stored_edges", "shard_edges"))
    assert missing_for_citus(passing, stored, shard) == []
    # the check can fail: a filter that only edge_passes has, and one that a function for Citus lost
    more = passing.replace("SELECT (", "SELECT (edge_passes.request).least_people IS NULL AND (", 1)
    assert len(missing_for_citus(more, stored, shard)) == 3
    assert missing_for_citus(passing, stored.replace("request.ended_after", "NULL"), shard) != []
    assert missing_for_citus(passing, stored, shard.replace("WHEN ended_after IS NOT", "WHEN NULL IS NOT")) != []


# Each check can fail: a correct file, broken in one place.

PLAIN_SQL = """\
-- connection_paths.sample(contact_id)
CREATE OR REPLACE FUNCTION connection_paths.sample(contact_id bigint)
RETURNS SETOF bigint
LANGUAGE sql
STABLE
PARALLEL SAFE
SECURITY INVOKER
BEGIN ATOMIC
    SELECT c.id FROM connection_paths.live_contacts AS c WHERE c.id = sample.contact_id;
END;

COMMENT ON FUNCTION connection_paths.sample(bigint) IS 'A sample';

REVOKE ALL ON FUNCTION connection_paths.sample(bigint) FROM PUBLIC;
"""

PLPGSQL = """\
-- connection_paths.sample(contact_id)
CREATE OR REPLACE FUNCTION connection_paths.sample(contact_id bigint)
RETURNS SETOF bigint
LANGUAGE plpgsql
STABLE
PARALLEL SAFE
SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    PERFORM connection_paths.require_sources();
    RETURN QUERY
    SELECT NULL::bigint FROM connection_paths.live_contacts AS c WHERE c.id = sample.contact_id;
END
$function$;

COMMENT ON FUNCTION connection_paths.sample(bigint) IS 'A sample';

REVOKE ALL ON FUNCTION connection_paths.sample(bigint) FROM PUBLIC;
"""


def whole(text: str) -> list[str]:
    return is_whole(text, "sample")


BROKEN: list[tuple[Callable[[str], list[str]], str, str, str]] = [
    (bodies_are_qualified, PLAIN_SQL, "connection_paths.live_contacts", "live_contacts"),
    (bodies_are_qualified, PLAIN_SQL, "SELECT c.id", "SELECT contact_edges(c.id)"),
    (bodies_are_qualified, PLPGSQL, "PERFORM connection_paths.", "PERFORM "),
    (bodies_are_qualified, PLPGSQL, "connection_paths.live_contacts", "live_contacts"),
    (bodies_are_qualified, PLPGSQL, "NULL::bigint", "NULL::connection_kind"),
    (builds_no_sql, PLPGSQL, "RETURN QUERY\n", "EXECUTE 'SELECT 1'; RETURN QUERY\n"),
    (builds_no_sql, PLPGSQL, "RETURN QUERY\n", "RETURN QUERY EXECUTE 'SELECT 1'; RETURN QUERY\n"),
    (whole, PLPGSQL, "-- connection_paths.sample(", "-- connection_paths.samples("),
    (whole, PLPGSQL, "CREATE OR REPLACE", "CREATE"),
    (whole, PLPGSQL, "FUNCTION connection_paths.sample(contact_id", "FUNCTION sample(contact_id"),
    (whole, PLPGSQL, "STABLE\n", ""),
    (whole, PLPGSQL, "PARALLEL SAFE\n", ""),
    (whole, PLPGSQL, "SECURITY INVOKER\n", ""),
    (whole, PLPGSQL, "SECURITY INVOKER\n", "SECURITY DEFINER\n"),
    (whole, PLPGSQL, "$function$", "$$"),
    (
        whole,
        PLPGSQL,
        "ON FUNCTION connection_paths.sample(bigint) IS",
        "ON FUNCTION connection_paths.f(int) IS",
    ),
    (
        whole,
        PLPGSQL,
        "ALL ON FUNCTION connection_paths.sample(bigint",
        "ALL ON FUNCTION connection_paths.sample(int",
    ),
    (whole, PLPGSQL, "IS 'A sample'", "IS ''"),
    (whole, PLPGSQL, "REVOKE ALL", "REVOKE GRANT OPTION FOR ALL"),
    (whole, PLPGSQL, "FROM PUBLIC", "FROM postgres"),
    (fixes_search_path, PLPGSQL, "SET search_path = pg_catalog, pg_temp\n", ""),
    (fixes_search_path, PLPGSQL, "pg_catalog, pg_temp", "pg_catalog, public"),
    (fixes_search_path, PLAIN_SQL, "BEGIN ATOMIC\n", "SET search_path = pg_catalog, pg_temp\nBEGIN ATOMIC\n"),
    (
        fixes_search_path,
        PLAIN_SQL,
        "BEGIN ATOMIC\n    SELECT c.id FROM connection_paths.live_contacts AS c WHERE c.id = sample.contact_id;\nEND;",
        "AS $function$SELECT 1$function$;",
    ),
]


@pytest.mark.parametrize(("check", "text", "old", "new"), BROKEN)
def test_a_broken_function_is_noticed(check: Callable[[str], list[str]], text: str, old: str, new: str) -> None:
    assert old in text
    assert check(text) == []
    assert check(text.replace(old, new)) != []
