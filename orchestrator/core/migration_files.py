"""The files of the migrations, and the steps that each contains."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError

if TYPE_CHECKING:
    import yoyo

FOLDER = sqlfiles.ROOT / "migrations"


@cache
def migrations() -> tuple[Path, ...]:
    """Return the files of the migrations, in order."""
    found = FOLDER.glob("[0-9]*.*")
    return tuple(sorted(path for path in found if path.suffix in (".sql", ".py") and ".rollback" not in path.suffixes))


@cache
def loaded() -> yoyo.migrations.MigrationList:
    """Return the migrations as yoyo reads them. Raises :class:`OrchestratorError` when there are none."""
    import yoyo  # noqa: PLC0415  loading it takes longer than most commands that list migrations

    found = yoyo.read_migrations(str(FOLDER))
    if not found:
        raise OrchestratorError(f"no migrations in {FOLDER}: the package is damaged")
    return found


@cache
def migration_steps(path: Path) -> tuple[tuple[str, ...], ...]:
    """Return the steps of a migration: the name and the arguments of each; for an SQL file, one step with its name."""
    if path.suffix == ".sql":
        return (("migration", path.name),)
    return tuple(
        (ast.unparse(line.value.func), *(ast.literal_eval(argument) for argument in line.value.args))
        for line in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call)
    )
