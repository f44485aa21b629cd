"""The programs of the page about applications: each prints the same cards, run as they stand on the page.

A client that is not on this machine, and that cannot be installed, is skipped with the reason.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.pages import blocks
from tests.support.sessions import connect

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "call-from-an-application.md"
PROGRAMS = [block for block in blocks(PAGE.read_text(encoding="utf-8")) if "run by test_applications" in block.notes]
WORLD = """
INSERT INTO contacts VALUES (42, 'Cleo Target'), (2, 'Ana "A" Silva'), (3, 'Ben O''Ode'), (4, NULL);
INSERT INTO organizations VALUES (1, 'Acme'), (2, 'Œuvre & Söhne');
INSERT INTO contact_work_experiences VALUES (1, 42, 1, '', '2010-01-01', '2019-12-31'),
    (2, 3, 1, '', '2010-01-01', '2019-12-31'), (3, 4, 1, '', '2019-06-01', '2019-12-31'),
    (4, 2, 2, '', '2001-01-01', '2002-12-31'), (5, 3, 2, '', '2001-01-01', '2001-12-31');
INSERT INTO user_contact_collections VALUES (1001, 42, 1, 1), (1001, 2, 1, 1), (1001, 3, 1, 1), (1002, 4, 1, 1);
"""


@pytest.fixture(scope="module")
def database(new_installed: Callable[[], str]) -> str:
    """A database of a small team, in which contact 42 is the target."""
    dsn = new_installed()
    with connect(dsn) as connection:
        connection.execute(WORLD)
        connection.execute("SELECT connection_paths.backfill_contact(c.id) FROM contacts AS c")
    return dsn


def address(dsn: str) -> dict[str, str]:
    """Return the environment that leads every client to a database: ActiveRecord takes no socket from an address."""
    parts: Mapping[str, Any] = conninfo_to_dict(dsn)
    return {
        "DATABASE_URL": f"postgresql:///{parts['dbname']}",
        **{f"PG{name.upper()}": str(parts[name]) for name in ("host", "port", "user")},
    }


def cards(dsn: str) -> list[str]:
    """Compute the lines that every program should print."""
    query = (
        "SELECT connection_paths.find_paths(42, 1, 1001, 3, order_by => 'strength', max_per_introducer => 3,"
        " with_names => true)"
    )
    with connect(dsn) as connection:
        answer = connection.execute(query).fetchall()[0][0]
    lines = []
    for path in answer["paths"]:
        why = f"{path['tier']}, {path['hops'][-1]['organization_name']}" if path["hops"] else "a contact of a colleague"
        lines.append(f"{' → '.join(name or 'a contact' for name in path['contact_names'])}: {why}")
    return lines


def run(command: list[str], program: str, dsn: str, **environment: str) -> list[str]:
    done = subprocess.run(
        command, input=program, text=True, encoding="utf-8", capture_output=True, timeout=60, check=False,
        env={**os.environ, **address(dsn), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def program(language: str, word: str) -> str:
    (found,) = (block.text for block in PROGRAMS if block.language == language and word in block.text)
    return found


def test_the_page_has_four_programs(database: str) -> None:
    assert [block.language for block in PROGRAMS] == ["python", "python", "js", "ruby"]
    found = cards(database)
    assert found[0] == "Cleo Target: a contact of a colleague"
    assert any(line.startswith('Ana "A" Silva → Ben O\'Ode → Cleo Target: ') for line in found), found
    assert any(line.startswith("a contact → Cleo Target: ") for line in found), found


@pytest.mark.parametrize("module", ["psycopg", "sqlalchemy"])
def test_python(database: str, module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    text = program("python", "import psycopg\n" if module == "psycopg" else "from sqlalchemy")
    assert run([sys.executable, "-"], text, database, PYTHONUTF8="1") == cards(database)


def test_node_postgres(database: str, tmp_path: Path) -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        pytest.skip("node is not installed")
    if run([node, "-"], "try { require('pg'); console.log('found') } catch { console.log('missing') }", database) != [
        "found"
    ]:
        if npm is None:
            pytest.skip("the package pg is not installed, and there is no npm to install it")
        install = [npm, "install", "--no-audit", "--no-fund", "--no-save", "--prefix", str(tmp_path), "pg@8"]
        done = subprocess.run(install, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install the package pg: {done.stderr.strip().splitlines()[-1:]}")
    text = program("js", 'require("pg")')
    assert run([node, "-"], text, database, NODE_PATH=str(tmp_path / "node_modules")) == cards(database)


def test_active_record(database: str) -> None:
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.skip("ruby is not installed")
    found = subprocess.run([ruby, "-e", "require 'active_record'; require 'pg'"], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip("the gems activerecord and pg are not installed")
    assert run([ruby, "-"], program("ruby", "active_record"), database, LANG="C.UTF-8") == cards(database)
