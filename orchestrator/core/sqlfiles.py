"""Where the package's SQL lies, in a checkout or in an installed wheel, and how its files are read."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import LiteralString

_PACKAGE = Path(__file__).parents[1]
_PACKAGED = _PACKAGE / "sql"
_CHECKOUT = _PACKAGE.parent / "sql"

#: The folder that holds ``functions``, ``indexes``, ``migrations`` and ``queries``.
ROOT = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT

#: What stands for the schema of the host's tables in the files of views, indexes and triggers; psql fills it in itself.
HOST_SCHEMA = ':"host_schema"'


@cache
def read(*parts: str) -> LiteralString:
    """Return the text of one SQL file, named by its path below :data:`ROOT`.

    The files ship with the package, so their text is as trusted as a literal in the code.
    """
    text: LiteralString = ROOT.joinpath(*parts).read_text(encoding="utf-8")
    return text


def for_host(text: LiteralString, quoted_schema: str) -> LiteralString:
    """Return the *text* of a file with the quoted name of the host's schema where it says ``:"host_schema"``."""
    filled: LiteralString = text.replace(HOST_SCHEMA, quoted_schema)
    return filled


def query(name: str) -> LiteralString:
    """Return a query that Python asks, from ``queries/NAME.sql``; *name* is ROOM/QUERY."""
    return read("queries", f"{name}.sql")


@cache
def function_folders() -> dict[str, Path]:
    """Return the folder of each function below ``functions``, by the name of the function."""
    return {path.parent.name: path.parent for path in sorted((ROOT / "functions").rglob("*.sql"))}


def function(name: str, version: str = "v1") -> LiteralString:
    """Return the text of the file that makes a version of a function."""
    return read(str(function_folders()[name].relative_to(ROOT)), f"{version}.sql")


def demo_tables(quoted_schema: str) -> LiteralString:
    """Return what makes the host's four tables, in small, in the schema of that quoted name."""
    qualified: LiteralString = query("install/demo_tables").replace("IF NOT EXISTS ", f"IF NOT EXISTS {quoted_schema}.")
    return qualified
