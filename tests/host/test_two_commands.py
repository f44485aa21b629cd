"""From the tables of an application to a path in two commands: ``install --backfill`` and ``paths``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import schemas
from tests.support.command_line import run
from tests.support.properties import first_of
from tests.support.sessions import connect


@pytest.mark.parametrize("name", first_of(2, ["linkedin", "plain"]))
def test_two_commands_and_the_drafted_file(new_database: Callable[[], str], tmp_path: Path, name: str) -> None:
    dsn, file = new_database(), tmp_path / "map.toml"
    with connect(dsn) as connection:
        schemas.make(connection, name, schemas.OWN_SCHEMAS.get(name, "public"))
    options = ["--dsn", dsn]
    if name != "plain":
        drafted = run("map", "--suggest", "--output", str(file), *options)
        assert drafted.exit_code == 0, drafted.output
        options += ["--map", str(file)]
    installed = run("install", "--backfill", *options)
    assert installed.exit_code == 0, installed.output
    assert "Installed: " in installed.stdout
    assert "Run 1 succeeded: 3 edges made" in installed.stdout
    assert ("a text that is no date: 1" in installed.stdout) == (name == "linkedin")
    found = run("paths", "3", "--collection", "1", "--viewer", "7", "--depth", "4", "--dsn", dsn)
    assert found.exit_code == 0
    assert "1. user 8 → " in found.stdout
