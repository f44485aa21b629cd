"""Every command with an option for a schema of the application proposes the schema that is probably meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core import sqlfiles
from orchestrator.install.installation import install
from tests.support.command_line import run
from tests.support.sessions import connect

MAPPED = "".join(
    f"[{source}]\ntable = '{{schema}}{source}'\n"
    for source in ("contacts", "organizations", "contact_work_experiences", "user_contact_collections")
)


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    given = new_database()
    with connect(given) as connection:
        connection.execute('CREATE SCHEMA crm; CREATE SCHEMA "Sales Team"; CREATE SCHEMA empty')
        for schema in ("crm", '"Sales Team"'):
            connection.execute(sqlfiles.demo_tables(schema))
    return given


@pytest.mark.parametrize(
    ("misspelt", "advice"),
    [
        ("crmm", "did you mean crm?"),
        ("CRM", "did you mean crm?"),
        ("sales team", 'did you mean "Sales Team"?'),
        ("nowhere", "write the schema of your tables"),
        ("", "write the schema of your tables"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "plan --map", "map --check", "map --suggest", "map --look-in"])
def test_a_misspelt_schema(dsn: str, tmp_path: Path, command: str, misspelt: str, advice: str) -> None:
    (tmp_path / "map.toml").write_text(MAPPED.format(schema=""))
    words, option = command.split(), "--host-schema"
    if words[-1] in ("--map", "--check"):
        words.append(str(tmp_path / "map.toml"))
    elif words[-1] == "--look-in":
        words, option = ["map", "--suggest"], "--look-in"
    done = run(*words, option, misspelt, "--dsn", dsn)
    assert done.exit_code == (3 if "--check" in words else 1)
    said = f"{done.stdout}{done.stderr}"
    assert said.count("there is no schema ") == 1
    assert said.endswith(f" ({option}); {advice}\n"), said


def test_install_proposes_the_same(dsn: str) -> None:
    done = run("install", "--host-schema", "crmm", "--dsn", dsn)
    assert (done.exit_code, "(did you mean crm?)" in done.stderr) == (1, True)


def test_a_schema_that_no_table_needs_is_not_looked_at(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(MAPPED.format(schema="crm."))
    done = run("plan", "--map", str(tmp_path / "map.toml"), "--host-schema", "nowhere", "--dsn", dsn)
    assert done.exit_code == 0, done.output


def test_a_plan_beside_an_installation(new_database: Callable[[], str]) -> None:
    given = new_database()
    with connect(given) as connection:
        connection.execute("CREATE SCHEMA crm")
        connection.execute(sqlfiles.demo_tables("crm"))
        connection.execute("CREATE SCHEMA empty")
        install(given, host_schema="crm")
    misspelt, another = (run("plan", "--host-schema", name, "--dsn", given) for name in ("crmm", "empty"))
    assert (misspelt.exit_code, another.exit_code) == (1, 1)
    assert "there is no schema crmm (--host-schema); did you mean crm?" in misspelt.stderr
    assert "installed here for host schema 'crm'" in another.stderr
    assert run("plan", "--host-schema", "crm", "--dsn", given).exit_code == 0
