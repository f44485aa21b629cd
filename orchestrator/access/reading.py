"""Computes what the reader role is granted: the public finders, and everything that they call and read.

PostgreSQL records what a view and a function with a SQL-standard body depend on, but not what a PL/pgSQL function
calls. So the names are found in the SQL files: ``connection_paths.NAME`` outside comments and string literals.
"""

from __future__ import annotations

import re
from functools import cache

from orchestrator.core import sqlfiles
from orchestrator.host.binding import VIEW_OF

#: What the view employments reads while company names are resolved.
_OF_NAMES = ("named_experiences", "name_decisions")
#: What read-only commands need besides the finders: names, the state of the installation, the capture of changes.
_OF_COMMANDS = (
    *(*VIEW_OF.values(), *_OF_NAMES),
    *("installation", "_yoyo_migration", "capture_failures", "capture_works", "hidden_tables"),
)
#: What an application calls to show an edge that it has read itself.
_OF_EDGES = ("strength_tier", "overlap_days", "edge_strength")
#: What the binding view of a detached table calls; it only raises an error.
_OF_DETACHED_VIEWS = "raise_detached"

_COMMENT_OR_LITERAL = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_NAME = re.compile(r"\bconnection_paths\.(\w+)")
_VIEW = re.compile(r"\bCREATE OR REPLACE VIEW connection_paths\.(\w+)\b.*?;", re.DOTALL)


@cache
def readable() -> frozenset[str]:
    """Return the names of the functions, tables and views that a reader needs."""
    texts = _texts()
    needed: set[str] = set()
    new = {*public_functions(), *_OF_COMMANDS, *_OF_EDGES}
    while new:
        needed |= new
        mentioned = {name for each in new for name in _NAME.findall(texts.get(each, ""))}
        new = mentioned - needed
    return frozenset({*needed, _OF_DETACHED_VIEWS})


def public_functions() -> tuple[str, ...]:
    """Return the names of the functions that applications call: the folders of ``sql/functions/finders/public``."""
    return tuple(name for name, folder in sqlfiles.function_folders().items() if folder.parent.name == "public")


def _texts() -> dict[str, str]:
    """Return the code of each function and view, by its name."""
    found: dict[str, str] = {}
    for name, folder in sqlfiles.function_folders().items():
        found[name] = "".join(_code(path.read_text(encoding="utf-8")) for path in folder.glob("*.sql"))
    for name, path in sqlfiles.distributed_functions().items():  # other functions, or other texts of the same
        found[name] = found.get(name, "") + _code(path.read_text(encoding="utf-8"))
    for path in (sqlfiles.ROOT / "migrations").glob("*.sql"):
        for view in _VIEW.finditer(_code(path.read_text(encoding="utf-8"))):
            found[view[1]] = view[0]
    return found


def _code(text: str) -> str:
    return _COMMENT_OR_LITERAL.sub("", text)
