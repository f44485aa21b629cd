"""Reads, checks and rewrites the SQL expressions of a mapping, with PostgreSQL's own parser.

Nothing here needs a server. What only the catalog knows (whether a column exists, what type an expression has, whether
a function is IMMUTABLE) is checked in :mod:`orchestrator.host.mapping_catalog`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pglast
from pglast import ast, enums
from pglast.stream import RawStream

SCHEMA = "connection_paths"

_ENDS = re.compile(r"\n|\$(?:create|do|function)\$")  # what would end a statement, or the body of a function
_LONGEST = 10_000  # characters of an expression
_DEEPEST = 100  # levels of an expression, because functions that call themselves read it
_COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")  # the parser writes != as <>
_PATTERNS = ("~", "!~", "~*", "!~*", "~~", "!~~", "~~*", "!~~*")  # ~~ is LIKE, ~~* is ILIKE
_KIND = enums.A_Expr_Kind
_LISTS = (_KIND.AEXPR_IN, _KIND.AEXPR_OP_ANY, _KIND.AEXPR_OP_ALL)
_RANGES = (_KIND.AEXPR_BETWEEN, _KIND.AEXPR_NOT_BETWEEN, _KIND.AEXPR_BETWEEN_SYM, _KIND.AEXPR_NOT_BETWEEN_SYM)
_LIKE = (_KIND.AEXPR_LIKE, _KIND.AEXPR_ILIKE, _KIND.AEXPR_SIMILAR)
_ESCAPES = ("like_escape", "similar_to_escape")  # functions that the parser writes around a pattern


class BadExpressionError(ValueError):
    """An expression that is not allowed in a mapping; the message says why, and what to write instead."""


def quoted(identifier: str) -> str:
    """Return an identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def identifier(name: str) -> str:
    """Return an identifier as a person writes it: in double quotes only where they are necessary."""
    tree = ast.ColumnRef(fields=(ast.String(sval=name),))
    return str(RawStream()(tree))


def nodes(root: Any, kind: Any) -> Iterator[Any]:
    """Yield every node of a kind below a node, the node included."""
    if isinstance(root, tuple):
        for child in root:
            yield from nodes(child, kind)
    elif isinstance(root, ast.Node):
        if isinstance(root, kind):
            yield root
        for name in root:
            yield from nodes(getattr(root, name), kind)


def replaced(root: Any, change: Callable[[Any], Any]) -> Any:
    """Return the tree with every node replaced by the result of *change* for it, the innermost nodes first."""
    if isinstance(root, tuple):
        return tuple(replaced(child, change) for child in root)
    if isinstance(root, ast.Node):
        for name in root:
            value = getattr(root, name)
            if isinstance(value, ast.Node | tuple):
                setattr(root, name, replaced(value, change))
        return change(root)
    return root


def table_name(text: str) -> tuple[str | None, str]:
    """Return the schema, or None, and the name of a table as written: ``crm.people``, ``"Person"``."""
    advice = """write table = 'people', 'crm.people' or '"Name with capitals or blanks"'"""
    try:
        (raw,) = pglast.parse_sql(f"TABLE {text}")
    except (pglast.parser.ParseError, ValueError):
        raise BadExpressionError(f"{text!r} is not the name of a table; {advice}") from None
    select: Any = raw.stmt
    if not isinstance(select, ast.SelectStmt) or select.fromClause is None or len(select.fromClause) != 1:
        raise BadExpressionError(f"{text!r} is not the name of a table; {advice}")
    if select != _plain_select(targetList=select.targetList, fromClause=select.fromClause):
        raise BadExpressionError(f"{text!r} is not the name of a table; {advice}")
    relation: Any = select.fromClause[0]
    if not isinstance(relation, ast.RangeVar) or relation.catalogname or not relation.inh or relation.alias:
        raise BadExpressionError(f"{text!r} is not the name of a table; {advice}")
    return relation.schemaname, str(relation.relname)


def _plain_select(**parts: Any) -> Any:
    """Return a SELECT with nothing but the given parts; the other fields have the values that the parser gives them."""
    no_limit, no_set = enums.LimitOption.LIMIT_OPTION_DEFAULT, enums.SetOperation.SETOP_NONE
    return ast.SelectStmt(**parts, groupDistinct=False, all=False, limitOption=no_limit, op=no_set)


class Expression:
    """An expression over the columns of one table. ``columns`` are the names of those that it reads."""

    def __init__(self, tree: Any, columns: tuple[str, ...]) -> None:
        self.tree = tree
        self.columns = columns

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that the expression reads, quoted."""
        return tuple(quoted(name) for name in self.columns)

    @property
    def is_column(self) -> bool:
        """Whether the expression is a column and nothing else."""
        return isinstance(self.tree, ast.ColumnRef)

    @property
    def sql(self) -> str:
        """The expression as SQL; a column alone is in double quotes."""
        return quoted(self.columns[0]) if self.is_column else printed(self.tree)


def printed(tree: Any) -> str:
    """Return a tree as SQL. Raises :class:`BadExpressionError` if it would not be read as the same tree again."""
    text = str(RawStream()(tree))
    if _parsed(text) != tree:
        raise BadExpressionError("the expression cannot be rewritten; write it in a simpler way, or put it into a view")
    if _ENDS.search(text):
        raise BadExpressionError("has a line break or $function$ inside quotes; put the expression into a view")
    return text


def read(text: str, schema: str | None, table: str) -> Expression:
    """Read an expression over one table. A column may be qualified by the name of that table.

    Raises :class:`BadExpressionError`.
    """
    if not text.strip() or len(text) > _LONGEST:
        raise BadExpressionError("is empty; write a column or an SQL expression" if not text.strip() else "is too long")
    try:
        tree = _parsed(text)
        is_deep = _is_deep(tree)
    except RecursionError:
        is_deep = True
    if is_deep:
        raise BadExpressionError(f"has more than {_DEEPEST} levels, one inside the other; put it into a view")
    _refuse(tree)
    tree = replaced(tree, lambda node: _unqualified(node, schema, table))
    printed(tree)  # refuses what cannot be printed
    columns = tuple(dict.fromkeys(node.fields[0].sval for node in nodes(tree, ast.ColumnRef)))
    return Expression(tree, columns)


def _is_deep(tree: Any) -> bool:
    """Return whether a tree has more levels of nodes than are allowed."""
    level = [tree]
    for _ in range(_DEEPEST):
        inner = [getattr(node, name) for node in level for name in node]
        level = []
        while inner:
            value = inner.pop()
            if isinstance(value, tuple):
                inner += value
            elif isinstance(value, ast.Node):
                level.append(value)
        if not level:
            return False
    return True


def _parsed(text: str) -> Any:
    before, after = "SELECT (\n", "\n)"
    try:
        statements = pglast.parse_sql(before + text + after)
    except (pglast.parser.ParseError, ValueError) as error:
        reason = str(error.args[0] if error.args else error)
        if error.args[1:] == (len(f"{before}{text}{after}") - 1,):
            reason = "syntax error at the end"  # at the parenthesis that is not part of the text
        raise BadExpressionError(f"is not an SQL expression ({reason}); {_ADVICE}") from None
    select: Any = statements[0].stmt
    targets: Any = (select.targetList if isinstance(select, ast.SelectStmt) else None) or ()
    if len(statements) != 1 or len(targets) != 1 or select != _plain_select(targetList=targets):
        raise BadExpressionError(f"is not one expression; {_ADVICE}")
    (target,) = targets
    if target.name is not None or target.indirection or isinstance(target.val, ast.RowExpr):
        raise BadExpressionError(f"is not one expression; {_ADVICE}")
    return target.val


_ADVICE = "write one column or one expression over the columns of the table, without a semicolon"


def _refuse(tree: Any) -> None:
    """Raise :class:`BadExpressionError` for what neither a view with its indexes nor a trigger can compute."""
    for node in nodes(tree, ast.Node):
        if isinstance(node, ast.SubLink):
            raise BadExpressionError("has a subquery; only columns of this table can be used, or put it into a view")
        if isinstance(node, ast.ParamRef):
            raise BadExpressionError("has a parameter ($1); write the value itself")
        if isinstance(node, ast.FuncCall) and node.over is not None:
            raise BadExpressionError("has a window function; use one row's own columns, or put it into a view")
        if isinstance(node, ast.FuncCall) and (
            node.agg_star or node.agg_distinct or node.agg_order or node.agg_filter or node.agg_within_group
        ):
            raise BadExpressionError("has an aggregate; use one row's own columns, or put it into a view")
        if isinstance(node, ast.FuncCall):
            _refuse_format(node)
        if isinstance(node, ast.SetToDefault | ast.CurrentOfExpr | ast.GroupingFunc):
            raise BadExpressionError(f"is not one expression; {_ADVICE}")
        if isinstance(node, ast.A_Expr):
            _refuse_null(node)
        if isinstance(node, ast.CaseExpr) and node.arg is not None and any(_is_null(n.expr) for n in node.args or ()):
            raise BadExpressionError("has CASE ... WHEN NULL, which never holds; write CASE WHEN ... IS NULL")


def _refuse_null(node: Any) -> None:
    """Refuse a comparison with the constant NULL, with or without a cast: ``=``, ``<``, ``LIKE``, ``BETWEEN``, a list.

    ``IS NOT DISTINCT FROM NULL`` and ``NULLIF(x, NULL)`` are other kinds of nodes, and allowed.
    """
    compares = node.name[-1].sval in (*_COMPARISONS, *_PATTERNS)
    if node.kind in _LISTS:
        if compares and any(_is_null(each) for each in (node.lexpr, node.rexpr, *_listed(node.rexpr))):
            raise BadExpressionError(
                "has NULL in a list, and no value is equal to NULL; leave NULL out of the list, and write IS NULL or"
                " IS NOT NULL beside it"
            )
    elif (node.kind == _KIND.AEXPR_OP and compares) or node.kind in (*_RANGES, *_LIKE):
        sides = (node.lexpr, *(node.rexpr if isinstance(node.rexpr, tuple) else (node.rexpr,)))
        members = [each for side in sides if isinstance(side, ast.RowExpr) for each in side.args or ()]
        if any(_is_null(each) for each in (*sides, *members)):
            raise BadExpressionError("has a comparison with NULL, which is never true; write IS NULL or IS NOT NULL")


def _listed(values: Any) -> Iterator[Any]:
    """Yield the members of a list: of ``(1, NULL)``, of ``ARRAY[1, NULL]``, and of rows in them.

    For a text such as ``'{1,NULL}'``, yield one NULL, if it has any.
    """
    values = _without_casts(values)
    if isinstance(values, tuple):
        members: Any = values
    elif isinstance(values, ast.A_ArrayExpr):
        members = values.elements or ()
    elif isinstance(values, ast.RowExpr):
        members = values.args or ()
    else:
        if isinstance(values, ast.A_Const) and isinstance(values.val, ast.String):
            text = re.sub(r'"(?:[^"\\]|\\.)*"', "", str(values.val.sval))  # "NULL" in quotes is a text
            if re.search(r"[{,]\s*NULL\s*[,}]", text, re.IGNORECASE):
                yield ast.A_Const(isnull=True)
        return
    for member in members:
        yield member
        yield from _listed(member) if not isinstance(_without_casts(member), ast.A_Const) else ()


def _is_null(node: Any) -> bool:
    node = _without_casts(node)
    if isinstance(node, ast.FuncCall) and function_name(node)[-1] in _ESCAPES:
        return any(_is_null(each) for each in node.args or ())
    return isinstance(node, ast.A_Const) and bool(node.isnull)


def _without_casts(node: Any) -> Any:
    while isinstance(node, ast.TypeCast):
        node = node.arg
    return node


def _unqualified(node: Any, schema: str | None, table: str) -> Any:
    if not isinstance(node, ast.ColumnRef):
        return node
    fields: Any = node.fields
    names = [str(field.sval) if isinstance(field, ast.String) else "*" for field in fields]
    if "*" in names:
        raise BadExpressionError("has a star; name the column")
    qualifiers = names[:-1]
    if qualifiers not in ([], [table], [schema, table]):
        raise BadExpressionError(
            f"names {'.'.join(names)}; only columns of {table} can be used, or put the join into a view"
        )
    return ast.ColumnRef(fields=fields[-1:])


# Dates.


def with_safe_dates(tree: Any) -> Any:
    """Return the tree with ``to_date(text, format)`` replaced by ``connection_paths.to_day(text, format)``.

    ``to_date`` is not IMMUTABLE, so no index can use it. It also raises an error for text that is not a date, and an
    error in the expression of an index would make a statement of the application fail.
    """
    return replaced(tree, _safe_date)


def _safe_date(node: Any) -> Any:
    if not isinstance(node, ast.FuncCall) or function_name(node) not in (("to_date",), ("pg_catalog", "to_date")):
        return node
    node.funcname = (ast.String(sval=SCHEMA), ast.String(sval="to_day"))
    return node


def function_name(call: Any) -> tuple[str, ...]:
    """Return the name of the function that a call calls, with its schema if it has one."""
    return tuple(part.sval for part in call.funcname)


_DATES = {("to_date",), ("pg_catalog", "to_date"), (SCHEMA, "to_day")}
_FORMAT = re.compile(r"(?:(YYYY|YY)|(MONTH|MON|MM)|(DD)|[^A-Z0-9])*", re.IGNORECASE)


def _refuse_format(call: Any) -> None:
    if function_name(call) not in _DATES or len(call.args or ()) < 2:
        return
    given = call.args[1]
    text = given.val.sval if isinstance(given, ast.A_Const) and isinstance(given.val, ast.String) else None
    if text is None:
        raise BadExpressionError("has a date format that is not a literal; write it as text, such as 'YYYY-MM'")
    parts = [len(re.findall(part, text, re.IGNORECASE)) for part in ("YYYY|YY", "MONTH|MON|MM", "DD")]
    if not _FORMAT.fullmatch(text) or parts[0] != 1 or max(parts) > 1:
        raise BadExpressionError(
            f"has the date format {text!r}; it may have YYYY or YY, MM or MON or MONTH, DD, and signs between them"
        )
