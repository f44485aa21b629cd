"""The header of an SQL function file, the facts about its code, and the differences between the two.

Every function file begins with a comment of one form::

    -- connection_paths.NAME(PARAMETER, PARAMETER)
    --
    -- One sentence of what the function does.
    --
    -- Parameters
    --     NAME  Unit, range, what NULL means. Continued lines are indented further.
    -- Returns
    -- Errors
    --     CODE  When it is raised.
    -- Reads
    --     relation, relation
    -- Writes
    -- Used by
    --     function, trigger on TABLE, view NAME, path/of/a/file.py, applications, operators
    -- Why
    --     Optional: the measured reason for how it is done.

``header`` reads that form. ``facts`` reads the code with PostgreSQL's parser. ``problems`` compares the two and returns
a sentence for each difference. ``docs/reference/sql.md`` is made from the same headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pglast
import psycopg
from pglast import ast, enums
from pglast.stream import RawStream

from orchestrator.core import sqlfiles
from tests.support.sql_parsing import (
    SCHEMA,
    body_statements,
    dotted,
    expression,
    filled,
    inputs,
    nodes,
    options,
    outputs,
    plpgsql,
    plpgsql_items,
    statements,
    tables,
)
from tests.support.sql_sizes import code_lines, plpgsql_depth, select_depth

ROOT = sqlfiles.ROOT
PROJECT = Path(__file__).parents[2]

REQUIRED = ("Parameters", "Returns", "Errors", "Reads", "Writes", "Used by")
LABELS = (*REQUIRED, "Why")

#: Who calls a function from outside the package.
OUTSIDERS = ("applications", "operators")

MOST_CODE_LINES = 120
DEEPEST_NESTING = 4

_INDENT = "--     "


@dataclass(frozen=True)
class Header:
    """A header as written: its title, its sentence, and the lines below each label."""

    title: str
    sentence: str
    sections: dict[str, tuple[str, ...]]

    def text(self, label: str) -> str:
        """Return a section as one line; empty where it says ``none`` (a remark may follow) or is absent."""
        text = " ".join(line.strip() for line in self.sections.get(label, ()))
        return "" if re.match(r"none\b", text) else text

    def entries(self, label: str) -> list[tuple[str, str]]:
        """Return the entries of a section whose lines are a name, two blanks or more, and a text."""
        found: list[tuple[str, str]] = []
        if not self.text(label):
            return found
        for line in self.sections[label]:
            if line.startswith(" ") and found:
                name, text = found[-1]
                found[-1] = (name, f"{text} {line.strip()}")
            else:
                name, _, text = line.partition("  ")
                found.append((name, text.strip()))
        return found

    def items(self, label: str) -> list[str]:
        """Return the items of a section that is a list, separated by commas."""
        return [item.strip() for item in self.text(label).rstrip(".").split(",") if item.strip()]


@dataclass(frozen=True)
class Facts:
    """What the code of a function file does."""

    name: str
    parameters: tuple[tuple[str, str, str | None], ...]  # name, type, default
    columns: tuple[tuple[str, str], ...]  # name, type
    returns: str
    comment: str
    mentions: frozenset[str]  # relations of the package
    changes: frozenset[str]  # those that a statement inserts into, updates or deletes from
    calls: frozenset[str]  # functions of the package
    raises: frozenset[str]  # SQLSTATEs
    builds_sql: bool
    code_lines: int
    nesting: int


def leading_comment(text: str) -> str:
    """Return the comment lines that a file begins with."""
    found = re.match(r"(?:--[^\n]*\n)*", text)
    return found[0] if found else ""


def header(text: str) -> Header:
    """Read the header of a function file; raises ValueError, with the line, where it does not have the form."""
    lines = leading_comment(text).splitlines()
    title: list[str] = []
    sentence: list[str] = []
    sections: dict[str, list[str]] = {}
    label = None
    for line in lines:
        if line == "--":
            continue
        if line.startswith(_INDENT) and label is not None:
            sections[label].append(line.removeprefix(_INDENT))
        elif line.removeprefix("-- ") in LABELS:
            label = line.removeprefix("-- ")
            if label in sections:
                raise ValueError(f"the label {label} stands twice")
            sections[label] = []
        elif label is not None:
            raise ValueError(f"neither a label nor indented by four blanks: {line}")
        elif not title or not title[-1].endswith(")"):
            title.append(line.removeprefix("--").strip())
        else:
            sentence.append(line.removeprefix("--").strip())
    return Header(" ".join(title), " ".join(sentence), {name: tuple(found) for name, found in sections.items()})


# What the code does.


@cache
def relations() -> frozenset[str]:
    """Return every table and view of the package: those of migrations and views, and those that functions make."""
    found = set()
    folders = ("migrations", "views", "names", "script")
    made_outside = (path for folder in folders for path in ROOT.glob(f"{folder}/*.sql"))
    for path in [*made_outside, *function_files()]:
        stmts = statements(path.read_text())
        for stmt in [*stmts, *(body_statements(path.read_text()) if path in function_files() else ())]:
            for made in nodes(stmt, ast.CreateStmt):
                found.add(made.relation.relname)
            for made in nodes(stmt, ast.ViewStmt):
                found.add(made.view.relname)
            for made in nodes(stmt, ast.CreateTableAsStmt):
                found.add(made.into.rel.relname)
    return frozenset(found)


@cache
def sequences() -> frozenset[str]:
    """Return the sequences of the package, which a header may list, or not."""
    made = "CREATE SEQUENCE (?:IF NOT EXISTS )?connection_paths.(\\w+)"
    return frozenset(re.findall(made, "".join(path.read_text() for path in ROOT.glob("migrations/*.sql"))))


@cache
def function_files() -> list[Path]:
    """Return the files of all functions."""
    return sorted((ROOT / "functions").rglob("*.sql"))


@cache
def every() -> dict[Path, Facts]:
    """Return the facts of every function file."""
    return {path: facts(path.read_text()) for path in function_files()}


@cache
def facts(text: str) -> Facts:
    """Return what the function of a file does."""
    text = filled(text)
    function: Any = next(stmt for stmt in statements(text) if isinstance(stmt, ast.CreateFunctionStmt))
    (source,) = (one for one in pglast.split(text) if isinstance(statements(one)[0], ast.CreateFunctionStmt))
    comment = next((stmt.comment for stmt in statements(text) if isinstance(stmt, ast.CommentStmt)), "")
    inside = body_statements(text)
    is_plpgsql = options(function)["language"].sval == "plpgsql"
    tree = plpgsql(source) if is_plpgsql else None
    targets = {
        stmt.relation.relname
        for body in inside
        for kind in (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
        for stmt in nodes(body, kind)
    }
    named = {found.relname for stmt in inside for found in tables(stmt) if found.schemaname == SCHEMA}
    apart = [*inside] if tree is None else _outside_messages(tree)
    named |= {found[1] for string in _strings(apart) for found in re.finditer(rf"\b{SCHEMA}\.(\w+)", string)}
    return Facts(
        name=function.funcname[-1].sval,
        parameters=tuple(
            (one.name, RawStream()(one.argType), None if one.defexpr is None else RawStream()(one.defexpr))
            for one in inputs(function)
        ),
        columns=tuple((one.name, RawStream()(one.argType)) for one in outputs(function)),
        returns=_returns(function),
        comment=comment or "",
        mentions=frozenset(named & relations()),
        changes=frozenset(targets & relations()),
        calls=frozenset(_called(apart)),
        raises=frozenset(_raised(tree)),
        builds_sql=is_plpgsql and any(list(plpgsql_items(tree, key)) for key in _DYNAMIC),
        code_lines=code_lines(source),
        nesting=plpgsql_depth(tree) if is_plpgsql else max(map(select_depth, inside)),
    )


_DYNAMIC = ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors", "dynquery")


def _returns(function: Any) -> str:
    if any(one.mode == enums.FunctionParameterMode.FUNC_PARAM_TABLE for one in function.parameters or ()):
        return "TABLE"
    setof = "SETOF " if function.returnType.setof else ""
    return setof + str(RawStream()(function.returnType)).removeprefix("SETOF ")


def _outside_messages(tree: Any) -> list[Any]:
    """Return the parsed SQL of a PL/pgSQL body, without the options of RAISE, which only hold text for people."""
    messages = {
        one["PLpgSQL_raise_option"]["expr"]["PLpgSQL_expr"]["query"]
        for found in plpgsql_items(tree, "PLpgSQL_stmt_raise")
        for one in found.get("options", ())
    }
    expressions = [found for found in plpgsql_items(tree, "PLpgSQL_expr") if found["query"] not in messages]
    return [stmt for found in expressions for stmt in statements(expression(found["query"], found["parseMode"]))]


def _strings(inside: list[Any]) -> Iterator[str]:
    for stmt in inside:
        for constant in nodes(stmt, ast.A_Const):
            if isinstance(constant.val, ast.String):
                yield str(constant.val.sval)


def _called(inside: list[Any]) -> Iterator[str]:
    """Yield the functions of the package that statements call, in SQL or in a string that is executed."""
    for stmt in inside:
        for call in nodes(stmt, ast.FuncCall):
            name = dotted(call.funcname)
            if name.startswith(f"{SCHEMA}."):
                yield name.removeprefix(f"{SCHEMA}.")
        for trigger in nodes(stmt, ast.CreateTrigStmt):
            yield trigger.funcname[-1].sval
    for string in _strings(inside):
        yield from re.findall(rf"\b{SCHEMA}\.(\w+)\(", string)


#: Two SQLSTATEs have this name; PL/pgSQL raises the first.
_AMBIGUOUS = {"null_value_not_allowed": "22004"}


def _raised(tree: Any) -> Iterator[str]:
    """Yield the SQLSTATEs that a body raises itself; not those that a RAISE without anything raises again."""
    for found in plpgsql_items(tree, "PLpgSQL_stmt_raise"):
        if found.get("elog_level") != 21 or "message" not in found:  # 21: EXCEPTION
            continue
        given = [one["PLpgSQL_raise_option"] for one in found.get("options", ())]
        codes = [one["expr"]["PLpgSQL_expr"]["query"].strip("'") for one in given if one["opt_type"] == 0]  # 0: ERRCODE
        for code in codes or ["P0001"]:
            is_code = re.fullmatch(r"[0-9A-Z]{5}", code)
            yield code if is_code else _AMBIGUOUS.get(code) or str(psycopg.errors.lookup(code.upper()).sqlstate)


# Where a function is used.


@cache
def current() -> dict[str, Path]:
    """Return the file of the newest version of each function, by the function's name."""
    in_order = sorted(every(), key=lambda path: int(re.sub(r"\D", "", path.stem) or 0))
    return {every()[path].name: path for path in in_order}


@cache
def trigger_functions() -> dict[str, set[str]]:
    """Return the tables that each trigger function is on."""
    found: dict[str, set[str]] = {}
    made_outside = (path for where in ("triggers/**", "names", "migrations") for path in ROOT.glob(f"{where}/*.sql"))
    for path in [*made_outside, *function_files()]:
        text = path.read_text()
        stmts = body_statements(text) if path in function_files() else statements(text)
        for stmt in stmts:
            for trigger in nodes(stmt, ast.CreateTrigStmt):
                found.setdefault(trigger.funcname[-1].sval, set()).add(trigger.relation.relname)
    return found


@cache
def view_functions() -> dict[str, set[str]]:
    """Return the views that call each function."""
    found: dict[str, set[str]] = {}
    for path in [*ROOT.glob("views/*.sql"), *ROOT.glob("migrations/*.sql")]:
        for stmt in statements(path.read_text()):
            for view in nodes(stmt, ast.ViewStmt):
                for called in _called([view]):
                    found.setdefault(called, set()).add(view.view.relname)
    return found


def users_of(name: str) -> set[str]:
    """Return what the SQL of the package really uses a function for, in the words of ``Used by``."""
    users = {other for other, path in current().items() if name in every()[path].calls and other != name}
    users |= {f"trigger on {table}" for table in trigger_functions().get(name, ())}
    return users | {f"view {view}" for view in view_functions().get(name, ())}


@cache
def callers() -> dict[str, str]:
    """Return the text of every file outside of the functions that may call one, by its path."""
    found = [*PROJECT.glob("orchestrator/**/*.py"), *ROOT.glob("queries/**/*.sql"), *ROOT.glob("script/*")]
    return {str(path.relative_to(PROJECT)): path.read_text() for path in found}


# The comparison.


def problems(text: str) -> list[str]:
    """Return what is wrong with the header of a function file; empty where it is true and complete."""
    code = facts(text)
    try:
        shown = header(text)
    except ValueError as error:
        return [str(error)]
    return [
        *_form_problems(shown, code),
        *_parameter_problems(shown, code),
        *_error_problems(shown, code),
        *_relation_problems(shown, code),
        *_user_problems(shown, code),
    ]


def limit_problems(text: str) -> list[str]:
    """Return in what a function is too long or nested too deep."""
    code = facts(text)
    found = []
    if code.code_lines > MOST_CODE_LINES:
        found.append(f"{code.code_lines} lines of code; the limit is {MOST_CODE_LINES}")
    if code.nesting > DEEPEST_NESTING:
        found.append(f"nested {code.nesting} deep; the limit is {DEEPEST_NESTING}")
    return found


def _form_problems(shown: Header, code: Facts) -> Iterator[str]:
    names = ", ".join(name for name, *_ in code.parameters)
    if shown.title not in (f"{SCHEMA}.{code.name}({names})", f"{SCHEMA}.{code.name}(...)"):
        yield f"the title is not {SCHEMA}.{code.name}({names})"
    elif shown.title.endswith("(...)") and len(f"-- {SCHEMA}.{code.name}({names})") <= 100:
        yield "the title says (...) although its parameters fit in a line"
    if not re.fullmatch(r"[A-Z].*\.", shown.sentence) or re.search(r"\. [A-Z]", shown.sentence):
        yield "between the title and Parameters there is not one sentence that says what the function does"
    labels = [label for label in shown.sections if label != "Why"]
    if labels != list(REQUIRED) or list(shown.sections)[len(REQUIRED) :] not in ([], ["Why"]):
        yield f"the labels are {', '.join(shown.sections)}; they must be {', '.join(REQUIRED)} and, if wanted, Why"
    for label, lines in shown.sections.items():
        if not any(line.strip() for line in lines):
            yield f"nothing below {label}: write none"


def _parameter_problems(shown: Header, code: Facts) -> Iterator[str]:
    described = shown.entries("Parameters")
    names = [name for name, *_ in code.parameters]
    if [name for name, _ in described] != names:
        yield f"Parameters describes {[name for name, _ in described]}, the function has {names}"
    yield from (f"Parameters: {name} is not described" for name, text in described if not text)
    if not shown.text("Returns") and "Returns" in shown.sections and code.returns not in ("void", "trigger"):
        yield "Returns says none"
    for name, _ in code.columns:
        if not re.search(rf"\b{name}\b", shown.text("Returns")):
            yield f"Returns does not name the column {name}"


def _error_problems(shown: Header, code: Facts) -> Iterator[str]:
    described = shown.entries("Errors")
    for name, text in described:
        if not re.fullmatch(r"[0-9A-Z]{5}(, [0-9A-Z]{5})*", name) or not text:
            yield f"Errors: not a SQLSTATE, two blanks and a text: {name}  {text}"
    listed = {one for name, _ in described for one in name.split(", ")}
    yield from (f"Errors does not list {one}, which the function raises" for one in sorted(code.raises - listed))


def _relation_problems(shown: Header, code: Facts) -> Iterator[str]:
    reads, writes = set(shown.items("Reads")), set(shown.items("Writes"))
    yield from (
        f"{name} is no table or view of {SCHEMA}" for name in sorted((reads | writes) - relations() - sequences())
    )
    yield from (f"Writes does not list {name}" for name in sorted(code.changes - writes))
    yield from (
        f"neither Reads nor Writes lists {name}" for name in sorted(code.mentions - reads - writes - code.changes)
    )
    if not code.builds_sql:
        unused = ((reads | writes) & relations()) - code.mentions
        yield from (f"Reads or Writes lists {name}, which the code does not mention" for name in sorted(unused))


def _user_problems(shown: Header, code: Facts) -> Iterator[str]:
    listed, users = shown.items("Used by"), users_of(code.name)
    if "Used by" in shown.sections and not listed:
        yield "Used by says none: a function that nobody uses is to be deleted"
    yield from (f"Used by lists {item} twice" for item in sorted({one for one in listed if listed.count(one) > 1}))
    calling = {path for path, text in callers().items() if re.search(rf"\b{SCHEMA}\.{code.name}\(", text)}
    yield from (f"Used by does not list {user}" for user in sorted((users | calling) - set(listed)))
    for item in listed:
        if item in users or item in OUTSIDERS:
            continue
        path = PROJECT / item
        if "/" not in item or not path.is_file():
            yield f"Used by lists {item}, which does not use it"
        elif not re.search(rf"\b{code.name}\b", path.read_text()):
            yield f"Used by lists {item}, which does not mention it"
