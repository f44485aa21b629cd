"""Parsed SQL files: statements, the SQL inside function bodies, the relations that a statement names.

PostgreSQL's own parser (pglast) does the work, so no server is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pglast
from pglast import ast, enums

from orchestrator.host import binding

SCHEMA = "connection_paths"


def without_placeholders(text: str) -> str:
    """Return the text with NULL for each psycopg parameter."""
    return re.sub(r"%\(\w+\)s|%s", "NULL", text).replace("%%", "%")


@cache
def filled(text: str) -> str:
    """Return the text of a file with its placeholders filled for the default tables in the schema ``host``."""
    return binding.default("host").fill(text)


@cache
def statements(text: str) -> tuple[Any, ...]:
    """Return the parsed statements of a text."""
    return tuple(raw.stmt for raw in pglast.parse_sql(filled(text)))


def parses(text: str) -> list[str]:
    """Return the error of the parser; empty where the text is at least one correct statement."""
    try:
        return [] if statements(without_placeholders(text)) else ["no statement"]
    except pglast.parser.ParseError as error:
        return [str(error)]


def nodes(root: Any, kind: type[Any] = object) -> Iterator[Any]:
    """Yield every node of a kind below a statement, the statement included."""
    if isinstance(root, tuple):
        for child in root:
            yield from nodes(child, kind)
    elif isinstance(root, ast.Node):
        if isinstance(root, kind):
            yield root
        for name in root:
            yield from nodes(getattr(root, name), kind)


def options(function: Any) -> dict[str, Any]:
    """Return the options of a CREATE FUNCTION by name, such as language and volatility."""
    return {option.defname: option.arg for option in function.options}


def dotted(names: Any) -> str:
    """Return a parsed name as text, its parts separated by dots."""
    return ".".join(name.sval for name in names)


def inputs(function: Any) -> list[Any]:
    """Return the IN parameters of a CREATE FUNCTION."""
    results = (enums.FunctionParameterMode.FUNC_PARAM_TABLE, enums.FunctionParameterMode.FUNC_PARAM_OUT)
    return [found for found in function.parameters or () if found.mode not in results]


def outputs(function: Any) -> list[Any]:
    """Return the OUT parameters and the RETURNS TABLE columns of a CREATE FUNCTION."""
    return [found for found in function.parameters or () if found not in inputs(function)]


def plpgsql(statement: str) -> Any:
    """Return the tree that PostgreSQL's PL/pgSQL parser makes of one CREATE FUNCTION or DO statement.

    The parser does not know the types of a schema, so those in the signature and in the declarations are replaced.
    """
    own_type = rf"\b{SCHEMA}\.\w+(\[\])?(?=\s*(?:[,;\n]|:=|DEFAULT|NOT NULL))"
    head, begin, rest = filled(statement).partition("\nBEGIN\n")
    signature, declare, declarations = head.partition("\nDECLARE\n")
    parts = (re.sub(own_type, "text", signature), declare, re.sub(own_type, "record", declarations), begin, rest)
    return pglast.parse_plpgsql("".join(parts))


def plpgsql_items(tree: Any, key: str) -> Iterator[Any]:
    """Yield every value under a key, anywhere in what :func:`plpgsql` returns."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name == key:
                yield value
            yield from plpgsql_items(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from plpgsql_items(value, key)


def expression(query: str, mode: int) -> str:
    """Return a statement that holds an SQL expression of PL/pgSQL; modes are those of RawParseMode."""
    if mode == 0:
        return query
    if mode == 2:
        return f"SELECT {query}"
    assert mode in (3, 4, 5), f"an expression of an unknown mode: {query}"
    return f"SELECT {re.split(r':?=', query, maxsplit=1)[1]}"


@cache
def body_statements(text: str) -> tuple[Any, ...]:
    """Return the parsed SQL inside the functions and DO blocks of a file."""
    inside: list[Any] = []
    for one in pglast.split(filled(text)):
        (stmt,) = statements(one)
        if isinstance(stmt, ast.CreateFunctionStmt) and stmt.sql_body is not None:
            inside += [stmt.sql_body]
        elif isinstance(stmt, ast.CreateFunctionStmt) and options(stmt)["language"].sval == "sql":
            inside += statements(options(stmt)["as"][0].sval)
        elif isinstance(stmt, ast.CreateFunctionStmt | ast.DoStmt):
            for found in plpgsql_items(plpgsql(one), "PLpgSQL_expr"):
                inside += statements(expression(found["query"], found["parseMode"]))
    return tuple(inside)


def tables(stmt: Any) -> list[Any]:
    """Return the relations that a statement names, without its CTEs and the aliases after FOR UPDATE OF."""
    ctes = {cte.ctename for cte in nodes(stmt, ast.CommonTableExpr)}
    ctes |= {found.relname for lock in nodes(stmt, ast.LockingClause) for found in lock.lockedRels or ()}
    return [found for found in nodes(stmt, ast.RangeVar) if found.schemaname or found.relname not in ctes]
