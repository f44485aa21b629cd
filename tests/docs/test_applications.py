"""The programs of the page about applications: each prints the same cards, run as they stand on the page.

They are run a second time for another viewer, whose id takes the place of the one on the page.

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

from orchestrator.host.mapping import load
from orchestrator.install.installation import install
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
INSERT INTO contacts VALUES (5, 'Dora Old'), (6, 'Emil Gone');
INSERT INTO organizations VALUES (3, NULL);
INSERT INTO contact_work_experiences VALUES (6, 42, 3, '', '2015-01-01', '2015-12-31'),
    (7, 6, 3, '', '2015-01-01', '2015-12-31');
INSERT INTO user_contact_collections VALUES (1001, 5, 1, 1), (1001, 6, 1, 1);
CREATE TABLE users (id bigint PRIMARY KEY, name text);
INSERT INTO users VALUES (1001, 'Olga Bennett');
"""
#: An edge of the application's own kind, which has no organization.
OLD_FRIENDS = """
INSERT INTO connection_paths.contact_connections (contact_a_id, contact_b_id, kind, strength)
VALUES (5, 42, 'old_friends', 90);
"""
#: The first user brought contact 42 into the collection. The second one did not, and has no name.
VIEWERS = (1001, 1002)


@pytest.fixture(scope="module")
def database(new_installed: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of a small team with a table of users, in which contact 42 is the target."""
    dsn = new_installed()
    mapping = tmp_path_factory.mktemp("mapping") / "map.toml"
    mapping.write_text('[users]\ntable = "users"\n')
    with connect(dsn) as connection:
        connection.execute(WORLD)
        install(dsn, mapping=load(mapping))
        connection.execute("SELECT connection_paths.backfill_contact(c.id) FROM contacts AS c")
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'old_friends'")
        connection.execute(OLD_FRIENDS)
    return dsn


def address(dsn: str) -> dict[str, str]:
    """Return the environment that leads every client to a database: ActiveRecord takes no socket from an address."""
    parts: Mapping[str, Any] = conninfo_to_dict(dsn)
    return {
        "DATABASE_URL": f"postgresql:///{parts['dbname']}",
        **{f"PG{name.upper()}": str(parts[name]) for name in ("host", "port", "user")},
    }


def cards(dsn: str, viewer: int) -> list[str]:
    """Compute the lines that every program should print."""
    query = (
        "SELECT connection_paths.find_paths(42, 1, %s, 3, order_by => 'strength', max_per_introducer => 3,"
        " with_names => true)"
    )
    with connect(dsn) as connection:
        answer = connection.execute(query, [viewer]).fetchall()[0][0]
    lines = []
    for path in answer["paths"]:
        opener = {1001: "Olga Bennett", viewer: "You"}.get(path["user_ids"][0], f"User {path['user_ids'][0]}")
        if path["hops"]:
            last = path["hops"][-1]
            why = f"{path['tier']}, {last['organization_name'] or last['kind'].replace('_', ' ')}"
        else:
            why = "your own contact" if opener == "You" else "a contact of a colleague"
        lines.append(f"{' → '.join([opener, *(name or 'a contact' for name in path['contact_names'])])}: {why}")
    return lines


def run(command: list[str], program: str, dsn: str, **environment: str) -> list[str]:
    done = subprocess.run(
        command, input=program, text=True, encoding="utf-8", capture_output=True, timeout=60, check=False,
        env={**os.environ, **address(dsn), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def holds(command: list[str], program: str, dsn: str, **environment: str) -> None:
    """Check what a program prints for the viewer on the page, and for the other one."""
    for viewer in VIEWERS:
        assert program.count("1001") == 1
        assert run(command, program.replace("1001", str(viewer)), dsn, **environment) == cards(dsn, viewer), viewer


def program(language: str, word: str) -> str:
    (found,) = (block.text for block in PROGRAMS if block.language == language and word in block.text)
    return found


def test_the_page_has_four_programs() -> None:
    assert [block.language for block in PROGRAMS] == ["python", "python", "js", "ruby"]


def test_a_card_says_who_opens_the_path(database: str) -> None:
    own, other = (cards(database, viewer) for viewer in VIEWERS)
    assert own[0] == "You → Cleo Target: your own contact"
    assert any(line.startswith('You → Ana "A" Silva → Ben O\'Ode → Cleo Target: ') for line in own), own
    assert any(line.startswith("User 1002 → a contact → Cleo Target: ") for line in own), own
    assert "You → Dora Old → Cleo Target: strong, old friends" in own  # an edge without an organization
    assert any(line.startswith("You → Emil Gone → Cleo Target: ") and "work overlap" in line for line in own), own
    assert not any("None" in line for line in (*own, *other))
    assert other[0] == "Olga Bennett → Cleo Target: a contact of a colleague"
    assert any(line.startswith("You → a contact → Cleo Target: ") for line in other), other


@pytest.mark.parametrize("module", ["psycopg", "sqlalchemy"])
def test_python(database: str, module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    text = program("python", "import psycopg\n" if module == "psycopg" else "from sqlalchemy")
    holds([sys.executable, "-"], text, database, PYTHONUTF8="1")


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
    holds([node, "-"], text, database, NODE_PATH=str(tmp_path / "node_modules"))


def test_active_record(database: str) -> None:
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.skip("ruby is not installed")
    found = subprocess.run([ruby, "-e", "require 'active_record'; require 'pg'"], capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip("the gems activerecord and pg are not installed")
    holds([ruby, "-"], program("ruby", "active_record"), database, LANG="C.UTF-8")
