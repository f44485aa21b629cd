"""The files of the migrations, and the steps that each contains."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yoyo

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError

FOLDER = sqlfiles.ROOT / "migrations"


def migrations() -> list[Path]:
    """Return the files of the migrations, in order."""
    found = FOLDER.glob("[0-9]*.*")
    return sorted(path for path in found if path.suffix in (".sql", ".py") and ".rollback" not in path.suffixes)


@cache
def loaded() -> yoyo.migrations.MigrationList:
    """Return the migrations as yoyo reads them. Raises :class:`OrchestratorError` when there are none."""
    found = yoyo.read_migrations(str(FOLDER))
    if not found:
        raise OrchestratorError(f"no migrations in {FOLDER}: the package is damaged")
    return found


def migration_steps(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the steps of a migration: the name and the arguments of each; for an SQL file, one step with its name."""
    if path.suffix == ".sql":
        yield "migration", path.name
        return
    for line in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call):
            yield ast.unparse(line.value.func), *(ast.literal_eval(argument) for argument in line.value.args)
