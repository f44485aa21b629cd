"""``docs/reference/sql.md``: every function, table, view and type, from the headers and comments of the SQL files.

``python -m tests.support.sql_reference`` (``make reference``) writes the page anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pglast import ast, enums
from pglast.stream import RawStream

from tests.support import sql_headers
from tests.support.sql_headers import PROJECT, ROOT, Facts, Header
from tests.support.sql_parsing import SCHEMA, body_statements, nodes, statements

PAGE = PROJECT / "docs" / "reference" / "sql.md"

_INTRODUCTION = """\
# SQL reference

Everything is in the schema `connection_paths`. `make reference` makes this page from the headers and comments of the
SQL files. Change the SQL file, not this page: a test fails when the two differ.

* [Functions for applications](#functions-for-applications): call these from your own code.
* [Functions for operators](#functions-for-operators): call these from `psql`, or from the jobs and migrations of your
  application.
* [Internal functions](#internal-functions): these may change with every release. Do not call them.
* [Tables](#tables), [views](#views) and [types](#types).
"""

#: Every folder of sql/functions, in the order of the page.
_ROOMS = ("finders", "edges", "changes", "runs", "rebuild", "names", "host", "detaching", "core")


def page() -> str:
    """Return the whole page."""
    files = dict(sorted(sql_headers.current().items()))
    public = [name for name, path in files.items() if "public" in path.parts or _is_for("applications", path)]
    operators = [name for name, path in files.items() if name not in public and _is_for("operators", path)]
    internal = [name for name in files if name not in public and name not in operators]
    parts = [_INTRODUCTION, "## Functions for applications\n"]
    parts += [_function(files[name]) for name in sorted(public, key=_public_order)]
    parts += ["## Functions for operators\n"]
    parts += [_function(files[name]) for name in operators]
    parts += ["## Internal functions\n"]
    assert {*_ROOMS} == {_room(path) for path in files.values()}
    for room in _ROOMS:
        found = [files[name] for name in internal if _room(files[name]) == room]
        if found:
            parts.append(_index(room, found))
    parts += ["## Tables\n", *_tables(), "## Views\n", *_views(), "## Types\n", *_types()]
    return "\n".join(parts).rstrip() + "\n"


def _public_order(name: str) -> tuple[int, str]:
    first = ("find_paths", "deep_finder", "legacy_finder")
    return (first.index(name) if name in first else len(first), name)


def _is_for(outsider: str, path: Path) -> bool:
    return outsider in sql_headers.header(path.read_text()).items("Used by")


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "functions").parts[0]


def _link(path: Path) -> str:
    inside = path.relative_to(PROJECT)
    return f"[{inside}](../../{inside})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" | ".join(heads), " | ".join("---" for _ in heads), *(" | ".join(row) for row in rows)]
    return "".join(f"| {line} |\n" for line in lines)


def _function(path: Path) -> str:
    text = path.read_text()
    printed, code = sql_headers.header(text), sql_headers.facts(text)
    parts = [f"### {code.name}\n", f"{_cell(printed.sentence)}\n", f"```text\n{_signature(code)}\n```\n"]
    if code.parameters:
        meanings = dict(printed.entries("Parameters"))
        rows = [
            (
                f"`{name}`",
                f"`{kind}`",
                "required" if default is None else f"`{default}`",
                _meaning(meanings.get(name, "")),
            )
            for name, kind, default in code.parameters
        ]
        parts.append(_table(("parameter", "type", "default", "meaning"), rows))
    parts.append(_returned(printed, code))
    errors = [(f"`{name}`", _cell(meaning)) for name, meaning in printed.entries("Errors")]
    if errors:
        parts.append(_table(("SQLSTATE", "raised when"), errors))
    reads, writes, calls = printed.items("Reads"), printed.items("Writes"), sorted(code.calls)
    does = f"reads {_names(reads)}, writes {_names(writes)}, and calls {_names(calls)}"
    parts.append(f"The code of the function itself {does}. Source: {_link(path)}.\n")
    return "\n".join(parts)


def _meaning(text: str) -> str:
    return _cell(text.removesuffix(" Required."))  # a column of its own says so


def _signature(code: Facts) -> str:
    arguments = [
        f"{name} {kind}" + ("" if default is None else f" DEFAULT {default}") for name, kind, default in code.parameters
    ]
    columns = ", ".join(f"{name} {kind}" for name, kind in code.columns)
    returns = f"TABLE ({columns})" if code.columns else code.returns
    line = f"{SCHEMA}.{code.name}({', '.join(arguments)})"
    if len(line) > 100:
        line = f"{SCHEMA}.{code.name}(\n    " + ",\n    ".join(arguments) + "\n)"
    return f"{line}\nRETURNS {returns}"


def _returned(printed: Header, code: Facts) -> str:
    lines, columns = list(printed.sections.get("Returns", ())), {name for name, _ in code.columns}
    is_listed = re.compile(r"\w+  +\S" if code.returns == "jsonb" else f"(?:{'|'.join(columns) or '$.'})  ")
    first = next((number for number, line in enumerate(lines) if is_listed.match(line)), None)
    if first is not None:
        listed = Header("", "", {"Returns": tuple(lines[first:])}).entries("Returns")
        rows = [(f"`{name}`", _cell(text)) for name, text in listed]
        prose = " ".join(line.strip() for line in lines[:first])
        table = _table(("column" if columns else "key", "meaning"), rows)
        return f"**Returns.** {_cell(prose or 'A row with these columns.')}\n\n{table}"
    if any(line.startswith("  ") for line in lines):
        return "**Returns:**\n\n```text\n" + "\n".join(lines) + "\n```\n"
    return f"**Returns.** {_cell(printed.text('Returns') or 'Nothing.')}\n"


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _index(room: str, files: list[Path]) -> str:
    rows = []
    for path in files:
        text = path.read_text()
        printed, code = sql_headers.header(text), sql_headers.facts(text)
        rows.append((f"[`{code.name}`](../../{path.relative_to(PROJECT)})", _cell(printed.sentence)))
    return f"### Room {room}\n\n{_table(('function', 'what it does'), rows)}"


# Tables, views, types.


def _schema_files() -> list[Path]:
    return sorted(ROOT.glob("migrations/*.sql")) + sorted(ROOT.glob("views/*.sql"))


def _made(kind: type[Any]) -> Iterator[Any]:
    for path in _schema_files():
        if not path.name.endswith(".rollback.sql"):
            text = path.read_text()
            for stmt in [*statements(text), *body_statements(text)]:  # a type is made inside a DO block
                yield from nodes(stmt, kind)


def _comments() -> dict[str, str]:
    """Return the comments by what they are about: RELATION, RELATION.COLUMN, or the name of a type."""
    found = {}
    for stmt in _made(ast.CommentStmt):
        kinds = (enums.ObjectType.OBJECT_TABLE, enums.ObjectType.OBJECT_VIEW, enums.ObjectType.OBJECT_COLUMN)
        if stmt.objtype in kinds:
            found[".".join(name.sval for name in stmt.object[1:])] = stmt.comment
        elif stmt.objtype == enums.ObjectType.OBJECT_TYPE:
            found[stmt.object.names[-1].sval] = stmt.comment
    return found


def _sentence(text: str) -> str:
    return _cell(text if text.endswith(".") else f"{text}.") + "\n" if text else ""


def _tables() -> list[str]:
    comments, found = _comments(), []
    for made in _made(ast.CreateStmt):
        name = made.relation.relname
        keys = [one for one in nodes(made.tableElts or (), ast.Constraint) if one.keys]
        primary = {key.sval for one in keys if one.contype == enums.ConstrType.CONSTR_PRIMARY for key in one.keys}
        rows = []
        for column in nodes(made.tableElts or (), ast.ColumnDef):
            kinds = {constraint.contype for constraint in column.constraints or ()}
            required = kinds & {enums.ConstrType.CONSTR_NOTNULL, enums.ConstrType.CONSTR_PRIMARY}
            kind = str(RawStream()(column.typeName)).removeprefix(f"{SCHEMA}.")
            about = comments.get(f"{name}.{column.colname}", "")
            is_required = "not null" if required or column.colname in primary else ""
            rows.append((f"`{column.colname}`", f"`{kind}`", is_required, _cell(about)))
        columns = _table(("column", "type", "", "meaning"), rows) if rows else ""
        found.append("\n".join(part for part in (f"### {name}\n", _sentence(comments.get(name, "")), columns) if part))
    return found


def _views() -> list[str]:
    comments, found = _comments(), []
    for view in _made(ast.ViewStmt):
        name = view.view.relname
        columns = [target.name or target.val.fields[-1].sval for target in view.query.targetList]
        rows = [(f"`{column}`", _cell(comments.get(f"{name}.{column}", ""))) for column in columns]
        if any(about for _, about in rows):
            shown = _table(("column", "meaning"), rows)
        else:
            shown = f"Columns: {', '.join(column for column, _ in rows)}.\n"
        found.append("\n".join((f"### {name}\n", _sentence(comments.get(name, "")), shown)))
    return found


def _types() -> list[str]:
    comments, found = _comments(), []
    for made in _made(ast.CreateEnumStmt):
        name = made.typeName[-1].sval
        labels = ", ".join(f"`{label.sval}`" for label in made.vals)
        found.append("\n".join((f"### {name}\n", _sentence(comments.get(name, "")), f"An enum of {labels}.\n")))
    for made in _made(ast.CompositeTypeStmt):
        name = made.typevar.relname
        rows = []
        for column in made.coldeflist:
            about = _cell(comments.get(f"{name}.{column.colname}", ""))
            rows.append((f"`{column.colname}`", f"`{RawStream()(column.typeName)}`", about))
        parts = (f"### {name}\n", _sentence(comments.get(name, "")), _table(("field", "type", "meaning"), rows))
        found.append("\n".join(parts))
    return found


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
