"""Reading the SQL files of the package, in a checkout or in an installed wheel."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import LiteralString

_PACKAGE = Path(__file__).parents[1]
_PACKAGED = _PACKAGE / "sql"
_CHECKOUT = _PACKAGE.parent / "sql"

#: The folder that holds ``functions``, ``indexes``, ``migrations`` and ``queries``.
ROOT = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


@cache
def read(*parts: str) -> LiteralString:
    """Return the text of one SQL file, named by its path below :data:`ROOT`.

    The files are part of the package, so their text is trusted like a literal in the code.
    """
    text: LiteralString = ROOT.joinpath(*parts).read_text(encoding="utf-8")
    return text


def query(name: str) -> LiteralString:
    """Return the query in ``queries/NAME.sql``; *name* is ROOM/QUERY."""
    return read("queries", f"{name}.sql")


@cache
def function_folders() -> dict[str, Path]:
    """Return the folder of each function below ``functions``, by the name of the function."""
    return {path.parent.name: path.parent for path in sorted((ROOT / "functions").rglob("*.sql"))}


def function(name: str, version: str = "v1") -> LiteralString:
    """Return the text of the file that creates a version of a function."""
    return read(str(function_folders()[name].relative_to(ROOT)), f"{version}.sql")


@cache
def distributed_functions() -> dict[str, Path]:
    """Return the file of each function of ``distributed/functions``, by the name of the function."""
    return {path.stem: path for path in sorted((ROOT / "distributed" / "functions").glob("*.sql"))}


def demo_tables(quoted_schema: str) -> LiteralString:
    """Return the statements that create the four host tables in the schema of that quoted name."""
    return _qualified("install/demo_tables", quoted_schema)


def company_names(quoted_schema: str) -> LiteralString:
    """Return the statement that creates the table of ``seed synthetic --truth`` in the schema of that quoted name."""
    return _qualified("seed/company_names", quoted_schema)


def _qualified(name: str, quoted_schema: str) -> LiteralString:
    qualified: LiteralString = query(name).replace("IF NOT EXISTS ", f"IF NOT EXISTS {quoted_schema}.")
    return qualified
