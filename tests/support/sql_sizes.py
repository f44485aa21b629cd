"""How long a function in SQL is, and how deep its statements are nested."""

from __future__ import annotations

from typing import Any

from pglast import ast

from tests.support.sql_parsing import expression, statements


def code_lines(statement: str) -> int:
    """Return the lines of a CREATE FUNCTION statement that are neither empty nor only a comment."""
    return sum(1 for line in statement.splitlines() if line.strip() and not line.strip().startswith("--"))


def select_depth(root: Any) -> int:
    """Return how deep sub-selects are nested in an SQL statement.

    Each SELECT within another counts one, wherever it stands: in FROM, as an expression, after EXISTS. The arms of
    UNION stand beside each other, and so do CTEs and the statement that uses them.
    """
    if isinstance(root, tuple):
        return max((select_depth(child) for child in root), default=0)
    if not isinstance(root, ast.Node):
        return 0
    below = max((select_depth(getattr(root, name)) for name in root), default=0)
    return below + 1 if isinstance(root, ast.SubLink | ast.RangeSubselect) else below


_BLOCKS = {
    f"PLpgSQL_stmt_{kind}"
    for kind in ("block", "if", "case", "loop", "while", "fori", "fors", "forc", "dynfors", "foreach_a")
}

#: The head of a block, such as the condition of an IF, is as deep as the block and not as its statements.
_HEADS = ("cond", "query", "t_expr", "lower", "upper", "step", "expr")


def plpgsql_depth(tree: Any, depth: int = -1) -> int:
    """Return the deepest nesting of a PL/pgSQL body.

    Each IF, CASE, loop and BEGIN within the body counts one for the statements in it, and each sub-select of a
    statement one more.
    """
    if isinstance(tree, list):
        return max((plpgsql_depth(one, depth) for one in tree), default=0)
    if not isinstance(tree, dict):
        return 0
    deepest = 0
    for key, value in tree.items():
        if key == "PLpgSQL_expr":
            stmts = statements(expression(value["query"], value["parseMode"]))
            deepest = max(deepest, max(depth, 0) + max(map(select_depth, stmts), default=0))
        elif key in _BLOCKS or key in ("PLpgSQL_if_elsif", "PLpgSQL_case_when"):
            inner = depth + (key in _BLOCKS)
            below = (plpgsql_depth(one, inner - (name in _HEADS)) for name, one in value.items())
            deepest = max(deepest, inner, *below)
        else:
            deepest = max(deepest, plpgsql_depth(value, depth))
    return deepest
