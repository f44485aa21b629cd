"""What the SQL files promise, read off them by PostgreSQL's own parser: no server needed, so it is part of lint.

A check is a function from text (or a parsed file) to sentences about what is wrong; none means that all is well.
The last test breaks a file for each check and sees it complain.
"""

from __future__ import annotations

import ast as python
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pglast
import pytest
import sqlparse
from pglast import ast, enums
from pglast.stream import RawStream

from orchestrator.core import sqlfiles
from orchestrator.install import script
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
    without_placeholders,
)

ROOT = sqlfiles.ROOT
HOST_TABLES = {"contacts", "organizations", "contact_work_experiences", "user_contact_collections"}

FILES = sorted(ROOT.rglob("*.sql"))
EVERYTHING = sorted(path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc")
FUNCTIONS = sorted((ROOT / "functions").rglob("*.sql"))
INDEXES = sorted((ROOT / "indexes").glob("*.sql"))
TRIGGERS = sorted((ROOT / "triggers").rglob("*.sql"))
MIGRATIONS = sorted(
    path
    for path in (ROOT / "migrations").glob("[0-9]*.*")
    if path.suffix in (".sql", ".py") and not path.name.endswith(".rollback.sql")
)
VIEWS = sorted((ROOT / "views").glob("*.sql"))

#: The only files that may name a host table.
HOST_FILES = {
    *VIEWS,
    *TRIGGERS,
    ROOT / "queries" / "install" / "demo_tables.sql",
    *(path for path in INDEXES if path.name.startswith(("idx_members_", "idx_experiences_"))),
}

#: What function bodies may call without a schema. `format` is not here: it builds SQL from strings.
_BUILT_INS = """
    aclexplode array_agg array_fill array_position array_remove avg bool_or cardinality ceil clock_timestamp count
    cume_dist current_setting enum_range floor format_type generate_series generate_subscripts has_table_privilege
    jsonb_agg jsonb_array_elements_text jsonb_build_array jsonb_build_object jsonb_each jsonb_object_agg lag lead
    make_interval max min nextval now obj_description pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_backend_pid
    pg_blocking_pids pg_current_snapshot pg_current_xact_id pg_current_xact_id_if_assigned pg_get_indexdef
    pg_get_triggerdef pg_get_viewdef pg_notify pg_sleep pg_snapshot_xmax pg_snapshot_xmin pg_try_advisory_lock
    pg_try_advisory_xact_lock_shared quote_ident quote_literal rank regexp_replace round row_number string_agg
    substring sum to_jsonb to_regclass unnest width_bucket
"""
BUILT_INS = set(_BUILT_INS.split())
TRANSITION_TABLES = {"old_rows", "new_rows"}
BUILT_IN_TYPES = {"text", "date", "jsonb", "timestamptz", "xid8", "regclass"}  # the parser qualifies the standard's own

#: What an application may be allowed to call without any other right.
NOTING = {"queue_changes", "queue_everyone"}

#: Triggers that write nothing.
REFUSING = {"refuse_transition"}

#: ALTER TABLE takes storage parameters only as literals; detaching stores statements and attaching executes them; Citus
#: may be missing.
BUILDING_SQL = {
    *("copy_storage_parameters", "attach_source", "detach_source", "require_sources"),
    *("attached_definition", "index_definitions", "trigger_definitions"),
}


def by_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


# The checks.


def parses(text: str) -> list[str]:
    try:
        return [] if statements(without_placeholders(text)) else ["no statement"]
    except pglast.parser.ParseError as error:
        return [str(error)]


def names_no_host_table(text: str) -> list[str]:
    everything = statements(without_placeholders(text)) + body_statements(without_placeholders(text))
    named = {found.relname for stmt in everything for found in tables(stmt)}
    return [f"names {table}" for table in sorted(named & HOST_TABLES)]


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
    problems = [
        "calls format"
        for stmt in body_statements(text)
        for call in nodes(stmt, ast.FuncCall)
        if call.funcname[-1].sval == "format"
    ]
    for one in pglast.split(text):
        if isinstance(statements(one)[0], ast.CreateFunctionStmt) and "plpgsql" in one:
            tree = plpgsql(one)
            for key in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors", "dynquery"):
                problems += [f"EXECUTE ({key})" for _ in plpgsql_items(tree, key)]
    return problems


def made_by(path: Path) -> str:
    """The name of the function that a file makes, as `steps.function` has it."""
    return path.parent.name


def is_whole(text: str, name: str) -> list[str]:
    """A function file: header, one function that states everything, COMMENT, REVOKE, in that order."""
    problems = []
    if not text.startswith(f"-- {SCHEMA}.{name}("):
        problems.append("no header comment that names the function")
    made = statements(text)
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
        problems.append("SECURITY DEFINER is for what notes changes: who writes need have no rights of ours")
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


def fixes_search_path(text: str) -> list[str]:
    """No name in a function is looked up where its caller says.

    The body is bound when the function is made (``BEGIN ATOMIC``), or the function sets its search path.
    """
    function = statements(text)[0]
    sets = [option.arg for option in function.options if option.defname == "set"]
    paths = [[const.val.sval for const in one.args] for one in sets if one.name == "search_path"]
    if function.sql_body is not None:
        return [] if not paths else ["it is bound already, and SET keeps it from being inlined"]
    return (
        [] if paths == [["pg_catalog", "pg_temp"]] else ["neither BEGIN ATOMIC nor search_path = pg_catalog, pg_temp"]
    )


def is_ascii(text: str) -> list[str]:
    """Databases have encodings; ASCII is in all of them."""
    found = sorted({character for character in text if not character.isascii()})
    return [f"holds {' '.join(found)}"] if found else []


def comments_are_short(text: str) -> list[str]:
    """Lines that are nothing but a comment have at most 120 characters."""
    return [
        f"line {number}: {len(line)} characters"
        for number, line in enumerate(text.splitlines(), 1)
        if line.lstrip().startswith("--") and len(line) > 120
    ]


def keeps_the_path_closed(text: str) -> list[str]:
    """A file of SQL or for psql: it sets no search path but those in which nobody else can make anything.

    The server looks into ``pg_catalog`` first wherever a path does not name it.
    """
    code = re.sub(r"--[^\n]*", "", text)
    closed = r"(\bRESET search_path;|\bSET (LOCAL )?search_path = (pg_catalog|connection_paths), pg_temp\b)"
    return ["sets another search path"] if "search_path" in re.sub(closed, "", code) else []


def begins_with_a_closed_path(text: str) -> list[str]:
    """A script for psql: it evaluates nothing before it has set its search path."""
    code = re.sub(r"^\s*\\[^\n]*$", "", text, flags=re.MULTILINE).split("SELECT", maxsplit=1)[0]
    sets = [stmt for stmt in statements(code) if isinstance(stmt, ast.VariableSetStmt)]
    if len(sets) != len(statements(code)) or "search_path" not in [stmt.name for stmt in sets]:
        return ["a statement comes before SET search_path"]
    return []


#: The search paths that Python may set: of every session, and of the one that migrates.
CLOSED_PATHS = {"SEARCH_PATH", "f'{SCHEMA}, pg_temp'"}


def python_keeps_the_path_closed(text: str) -> list[str]:
    """Python: the words ``search_path`` are the key of one of the two paths, and stand in no other string."""
    tree = python.parse(text)
    allowed = {id(line.value) for line in python.walk(tree) if isinstance(line, python.Expr)}  # docstrings
    for node in python.walk(tree):
        if isinstance(node, python.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            allowed |= {id(key) for key, value in pairs if python.unparse(value) in CLOSED_PATHS}
    return [
        f"line {node.lineno}: sets a search path"
        for node in python.walk(tree)
        if isinstance(node, python.Constant) and "search_path" in str(node.value) and id(node) not in allowed
    ]


#: What speaks of the search paths of the application's functions, and sets none.
ADVISING = {"doctor/policies.py", "policies.sql"}

#: Modules that open connections. The embedded server is only asked whether it answers.
CONNECTING = {"core/database.py", "core/embedded.py"}


def opens_no_connection(text: str) -> list[str]:
    """Python: connections come from ``database.py``, which sets the search path first."""
    calls = (python.unparse(node.func) for node in python.walk(python.parse(text)) if isinstance(node, python.Call))
    return [
        f"calls {call}" for call in calls if call.endswith(("psycopg.connect", "Connection.connect", "PGconn.connect"))
    ]


def splits_alike(text: str) -> list[str]:
    """An .sql migration: yoyo's splitter cuts it where PostgreSQL does."""
    pieces = [piece for piece in sqlparse.split(text) if piece.strip()]
    problems = []
    if len(pieces) != len(pglast.split(text)):
        problems.append(f"yoyo sees {len(pieces)} statements, PostgreSQL {len(pglast.split(text))}")
    return problems + [f"not a statement: {piece[:60]}" for piece in pieces if parses(piece)]


def directives_come_first(text: str) -> list[str]:
    """yoyo ignores, in silence, a directive that is behind a statement or spelled otherwise."""
    leading = re.match(r"(?:\s*--[^\n]*\n|\s+)*", text)
    assert leading is not None
    directive = re.compile(r"^\s*--\s*(depends|transactional)\s*:", re.MULTILINE | re.IGNORECASE)
    problems = [f"{found[1]} behind a statement" for found in directive.finditer(text, leading.end())]
    spelled = {found[1] for found in directive.finditer(leading[0])}
    return problems + [f"{name} is not lower case" for name in sorted(spelled) if name != name.lower()]


def depends_on(path: Path, text: str) -> set[str]:
    if path.suffix == ".sql":
        found = re.search(r"^--\s*depends:([^\n]*)$", text, re.MULTILINE)
        return set(found[1].split()) if found else set()
    return set(assigned(text, "__depends__") or ())


def assigned(text: str, name: str) -> Any:
    """The literal that a Python file assigns to a name at its top level, or None."""
    for line in python.parse(text).body:
        if isinstance(line, python.Assign) and python.unparse(line.targets[0]) == name:
            return python.literal_eval(line.value)
    return None


def chained(migrations: list[tuple[Path, str]]) -> list[str]:
    first, *_ = migrations
    problems = [f"{first[0].name} depends on something"] if depends_on(*first) else []
    return problems + [
        f"{path.name} is not chained to {before.stem}"
        for (before, _), (path, text) in pairwise(migrations)
        if depends_on(path, text) != {before.stem}
    ]


def calls_in(text: str) -> list[tuple[str, ...]]:
    """The top-level calls of a Python migration: function name and its literal arguments."""
    lines = (line.value for line in python.parse(text).body if isinstance(line, python.Expr))
    return [
        (python.unparse(call.func), *(python.literal_eval(argument) for argument in call.args))
        for call in lines
        if isinstance(call, python.Call)
    ]


def installed_once(migrations: list[str], expected: set[tuple[str, ...]]) -> list[str]:
    """Each file by one line, and no line without its file."""
    lines = Counter(call for text in migrations for call in calls_in(text))
    wrong = {call for call in lines.keys() | expected if lines[call] != 1 or call not in expected}
    return [f"{call[0]}{call[1:]}: {lines[call]} lines" for call in sorted(wrong)]


def host_indexes_leave_writers_alone(text: str) -> list[str]:
    concurrent = any(call[0] == "host_index" for call in calls_in(text))
    if concurrent and assigned(text, "__transactional__") is not False:
        return ["host_index inside a transaction"]
    return []


def is_index(text: str, name: str) -> list[str]:
    found = list(nodes(tuple(statements(text)), ast.IndexStmt))
    if len(found) != 1:
        return ["not one CREATE INDEX"]
    (index,) = found
    problems = [] if index.idxname == name else [f"makes {index.idxname}"]
    if index.relation.relname in HOST_TABLES:
        if not index.concurrent:
            problems.append("blocks the host's writers")
        if [type(each) for each in statements(text)] != [ast.IndexStmt, ast.CommentStmt]:
            problems.append("not a CREATE INDEX and the COMMENT that marks it")
        elif not text.count(f"{name} IS 'connection_paths: "):
            problems.append("no mark")
    elif index.concurrent or index.relation.schemaname != SCHEMA:
        problems.append("of our own table: qualified, not CONCURRENTLY")
    return problems


def rule(where: Any) -> str:
    """A condition as text, whatever alias its columns were written with."""
    for column in nodes(where, ast.ColumnRef):
        column.fields = column.fields[-1:]
    return "" if where is None else str(RawStream()(where))


def follows_its_view(text: str, views: str) -> list[str]:
    """A host index: partial under the very rule of the view of its table."""
    rules = {
        stmt.query.fromClause[0].relname: rule(stmt.query.whereClause)
        for stmt in nodes(tuple(statements(views)), ast.ViewStmt)
    }
    (index,) = nodes(tuple(statements(text)), ast.IndexStmt)
    expected, found = rules.get(index.relation.relname, ""), rule(index.whereClause)
    return [] if found == expected else [f"WHERE {found}, the view has WHERE {expected}"]


def every_view() -> str:
    return "\n".join(path.read_text() for path in VIEWS)


def holds_no_sql(text: str) -> list[str]:
    """Python: SQL of a line or two at most; a rough check of what starts like SQL."""
    begins = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|CREATE|ALTER|DROP|VALUES|COPY|DO|SET)\b")
    problems = []
    for node in python.walk(python.parse(text)):
        if isinstance(node, python.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, python.Constant)]
            value = "".join(map(str, parts))
        elif isinstance(node, python.Constant) and isinstance(node.value, str):
            value = node.value
        else:
            continue
        lines = max((node.end_lineno or node.lineno) - node.lineno, value.strip().count("\n")) + 1
        if begins.match(value) and (lines > 2 or len(value) > 220):
            problems.append(f"line {node.lineno}: {lines} lines of SQL, {len(value)} characters")
    return problems


# What the project's files must satisfy.

each_file = pytest.mark.parametrize("path", FILES, ids=by_path)
each_function = pytest.mark.parametrize("path", FUNCTIONS, ids=by_path)
each_index = pytest.mark.parametrize("path", INDEXES, ids=by_path)
each_migration = pytest.mark.parametrize("path", MIGRATIONS, ids=by_path)


def test_there_is_something_to_check() -> None:
    assert len(FUNCTIONS) >= 16
    assert len(INDEXES) >= 5
    assert len(MIGRATIONS) >= 5
    assert all(path.exists() for path in HOST_FILES)


@each_file
def test_parses(path: Path) -> None:
    assert parses(path.read_text()) == []


@pytest.mark.parametrize("path", EVERYTHING, ids=by_path)
def test_is_ascii(path: Path) -> None:
    assert is_ascii(path.read_text()) == []


@pytest.mark.parametrize("path", EVERYTHING, ids=by_path)
def test_comments_are_short(path: Path) -> None:
    assert comments_are_short(path.read_text()) == []


@pytest.mark.parametrize("path", [path for path in FILES if path not in HOST_FILES], ids=by_path)
def test_names_no_host_table(path: Path) -> None:
    assert names_no_host_table(path.read_text()) == []


@each_function
def test_function_file(path: Path) -> None:
    text, name = path.read_text(), made_by(path)
    assert re.fullmatch(r"v[1-9][0-9]*", path.stem)
    assert is_whole(text, name) == []
    assert bodies_are_qualified(text) == []
    assert name in BUILDING_SQL or builds_no_sql(text) == []
    assert fixes_search_path(text) == []


@each_index
def test_index_file(path: Path) -> None:
    text = path.read_text()
    assert is_index(text, path.stem) == []
    assert follows_its_view(text, every_view()) == []


@each_migration
def test_migration(path: Path) -> None:
    text = path.read_text()
    if path.suffix == ".sql":
        rollback = path.with_suffix(".rollback.sql").read_text()
        assert splits_alike(text) == []
        assert splits_alike(rollback) == []
        assert directives_come_first(text) == []
        assert directives_come_first(rollback) == []
    else:
        assert host_indexes_leave_writers_alone(text) == []


def test_migrations_are_chained() -> None:
    assert chained([(path, path.read_text()) for path in MIGRATIONS]) == []


def test_every_file_is_installed_by_one_line() -> None:
    files: set[tuple[str, ...]] = {("function", path.parent.name, path.stem) for path in FUNCTIONS}
    for path in INDEXES:
        (found,) = nodes(tuple(statements(path.read_text())), ast.IndexStmt)
        files.add(("host_index" if found.relation.relname in HOST_TABLES else "index", path.stem))
    files |= {("host_triggers", path.stem) for path in TRIGGERS} | {("view", path.stem) for path in VIEWS}
    texts = [path.read_text() for path in MIGRATIONS if path.suffix == ".py"]
    assert installed_once(texts, files) == []


PACKAGE = Path(sqlfiles.__file__).parents[1]
PYTHON = sorted(path for where in ("*.py", "doctor/*.py") for path in PACKAGE.glob(where))


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_python_holds_no_sql(path: Path) -> None:
    assert holds_no_sql(path.read_text()) == []


@pytest.mark.parametrize(
    "path",
    [path for path in EVERYTHING if path not in FUNCTIONS and path.suffix != ".py" and path.name not in ADVISING],
    ids=by_path,
)
def test_the_search_path_stays_closed(path: Path) -> None:
    assert keeps_the_path_closed(path.read_text()) == []


def test_python_keeps_the_search_path_closed() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        if str(path.relative_to(PACKAGE)) not in ADVISING:
            assert python_keeps_the_path_closed(path.read_text()) == [], path
        assert str(path.relative_to(PACKAGE)) in CONNECTING or opens_no_connection(path.read_text()) == [], path


def test_the_script_begins_with_a_closed_path() -> None:
    assert begins_with_a_closed_path(script.psql()) == []


# Each check can fail: files of the project, broken in one place.

FINISH = "functions/runs/finish_run/v1.sql"
OVERLAPS = "functions/edges/work_overlaps/v1.sql"
NEIGHBOUR = "live_contacts AS c WHERE c.id = b"
BEGIN = "script/begin.template"
MEMBERS = "indexes/idx_members_by_collection.sql"
TABLES = "migrations/0002_tables.sql"
HOST = "migrations/0004_host_indexes.py"
LATER = "migrations/0005_functions.py"

Check = Callable[[str], list[str]]


def whole(text: str) -> list[str]:
    return is_whole(text, "finish_run")


def members(text: str) -> list[str]:
    return is_index(text, "idx_members_by_collection")


def members_rule(text: str) -> list[str]:
    return follows_its_view(text, every_view())


def chain(text: str) -> list[str]:
    return chained([(ROOT / TABLES, "-- depends:\n"), (ROOT / LATER, text)])


def host_lines(text: str) -> list[str]:
    return installed_once([text], {call for call in calls_in((ROOT / HOST).read_text())})


def body_of(file: str) -> str:
    found = re.search(r"^BEGIN ATOMIC$.*^END;$", (ROOT / file).read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


BROKEN: list[tuple[Check, str, str, str]] = [
    (parses, OVERLAPS, "CREATE OR REPLACE", "CREATE AND REPLACE"),
    (
        names_no_host_table,
        OVERLAPS,
        NEIGHBOUR,
        "live_contacts AS c, public.contacts AS x WHERE c.id = b",
    ),
    (
        names_no_host_table,
        OVERLAPS,
        NEIGHBOUR,
        "live_contacts AS c, contacts AS x WHERE c.id = b",
    ),
    (names_no_host_table, TABLES, "DO $type$\nBEGIN", "DO $type$\nBEGIN\nPERFORM 1 FROM contacts;"),
    (bodies_are_qualified, OVERLAPS, "FROM connection_paths.possible_overlaps(", "FROM possible_overlaps("),
    (bodies_are_qualified, OVERLAPS, "best.date_to\n", "best.date_to, NULL::connection_kind\n"),
    (bodies_are_qualified, FINISH, "PERFORM connection_paths.", "PERFORM "),
    (
        bodies_are_qualified,
        OVERLAPS,
        NEIGHBOUR,
        "live_contacts AS c, finder_rollout AS r WHERE c.id = b",
    ),
    (builds_no_sql, FINISH, "BEGIN\n", "BEGIN\nEXECUTE 'SELECT 1';\n"),
    (builds_no_sql, FINISH, "BEGIN\n", "BEGIN\nFOR run IN EXECUTE 'SELECT 1' LOOP END LOOP;\n"),
    (builds_no_sql, OVERLAPS, "best.neighbour_id,", "format('%s', best.neighbour_id)::bigint,"),
    (whole, FINISH, "-- connection_paths.finish_run(", "-- connection_paths.finish("),
    (whole, FINISH, "CREATE OR REPLACE", "CREATE"),
    (whole, FINISH, "FUNCTION connection_paths.finish_run(run_id", "FUNCTION finish_run(run_id"),
    (whole, FINISH, "VOLATILE\n", ""),
    (whole, FINISH, "PARALLEL UNSAFE\n", ""),
    (whole, FINISH, "SECURITY INVOKER\n", ""),
    (whole, FINISH, "SECURITY INVOKER\n", "SECURITY DEFINER\n"),
    (whole, FINISH, "$function$", "$$"),
    (
        whole,
        FINISH,
        "COMMENT ON FUNCTION connection_paths.finish_run(bigint, ",
        "COMMENT ON FUNCTION connection_paths.f(",
    ),
    (
        whole,
        FINISH,
        "ALL ON FUNCTION connection_paths.finish_run(bigint",
        "ALL ON FUNCTION connection_paths.finish_run(text",
    ),
    (whole, FINISH, "REVOKE ALL", "REVOKE GRANT OPTION FOR ALL"),
    (whole, FINISH, "FROM PUBLIC", "FROM postgres"),
    (fixes_search_path, FINISH, "SET search_path = pg_catalog, pg_temp\n", ""),
    (fixes_search_path, FINISH, "pg_catalog, pg_temp", "pg_catalog, public"),
    (fixes_search_path, OVERLAPS, body_of(OVERLAPS), "AS $function$SELECT 1$function$;"),
    (fixes_search_path, OVERLAPS, "BEGIN ATOMIC\n", "SET search_path = pg_catalog, pg_temp\nBEGIN ATOMIC\n"),
    (comments_are_short, OVERLAPS, "-- Parameters", f"-- {'x' * 120}\n-- Parameters"),
    (is_ascii, OVERLAPS, "-- Parameters", "-- \N{MULTIPLICATION SIGN} Parameters"),
    (keeps_the_path_closed, BEGIN, "search_path = pg_catalog,", "search_path = public, pg_catalog,"),
    (keeps_the_path_closed, BEGIN, "SET search_path = pg_catalog, pg_temp;", "SET search_path = pg_catalog;"),
    (begins_with_a_closed_path, BEGIN, "SET search_path = pg_catalog, pg_temp;", ""),
    (begins_with_a_closed_path, BEGIN, "SELECT count(set_config", "DROP TABLE t;\nSELECT count(set_config"),
    (python_keeps_the_path_closed, HOST, "__transactional__ = False", "x = {'search_path': 'public'}"),
    (python_keeps_the_path_closed, HOST, "__transactional__ = False", "x = 'SET search_path TO x'"),
    (python_keeps_the_path_closed, HOST, "__transactional__ = False", "x = f'SET search_path TO {y}'"),
    (opens_no_connection, HOST, "__transactional__ = False", "psycopg.connect('')"),
    (splits_alike, TABLES, "COMMENT ON TYPE", "CREATE TABLE t (declare int);\nCOMMENT ON TYPE"),
    (directives_come_first, TABLES, "COMMENT ON TYPE", "-- transactional: false\nCOMMENT ON TYPE"),
    (directives_come_first, TABLES, "-- depends:", "-- Depends:"),
    (chain, LATER, "0004_host_indexes", "0003_walk_indexes"),
    (chain, LATER, "__depends__", "__depend__"),
    (host_lines, HOST, 'host_index("idx_members_by_collection")\n', ""),
    (host_lines, HOST, '"idx_experiences_by_contact"', '"idx_members_by_collection"'),
    (host_indexes_leave_writers_alone, HOST, "__transactional__ = False", ""),
    (members, MEMBERS, "idx_members_by_collection", "idx_members"),
    (members, MEMBERS, "CONCURRENTLY ", ""),
    (members_rule, MEMBERS, "5, 10", "5, 11"),
    (members_rule, MEMBERS, "\n    WHERE source IN (0, 1, 2, 3, 5, 10) AND user_id IS NOT NULL", ""),
    (holds_no_sql, HOST, '"""Indexes', 'Q = """SELECT 1,\n2,\n3"""\n"""'),
    (holds_no_sql, HOST, '"""Indexes', 'Q = ("SELECT 1,"\n"2,"\nf"{3}")\n"""'),
]


@pytest.mark.parametrize(
    ("check", "file", "old", "new"), BROKEN, ids=[f"{check.__name__}-{n}" for n, (check, *_) in enumerate(BROKEN)]
)
def test_a_broken_file_is_noticed(check: Check, file: str, old: str, new: str) -> None:
    text = (ROOT / file).read_text()
    assert old in text
    if check is not chain:
        assert check(text) == []
    assert check(text.replace(old, new)) != []
