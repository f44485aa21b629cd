"""A check of a mapping ends although an expression, a table or a lock takes very long, and says which one it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.host import mapping_probe, mapping_values
from orchestrator.host.mapping import SourceMapping, check
from orchestrator.host.mapping_file import parse
from orchestrator.host.mapping_values import failing, suspicious
from orchestrator.install.installation import install
from tests.support.command_line import run
from tests.support.properties import first_of
from tests.support.sessions import connect

FUNCTIONS = """
CREATE FUNCTION public.late(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1 FROM pg_sleep(99)';
CREATE FUNCTION public.late(text) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT $1 FROM pg_sleep(99)';
CREATE FUNCTION public.is_late(bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
    AS 'BEGIN PERFORM pg_sleep(99); RETURN true; END';
CREATE VIEW public.slow_people AS SELECT c.* FROM public.contacts AS c, pg_sleep(99);
"""
#: Slow expressions: a column that is indexed, others that are not, and rules.
SLOW = [
    ("contacts", "id", "public.late(id)"),
    ("contacts", "name", "public.late(name)"),
    ("contacts", "where", "public.is_late(id)"),
    ("organizations", "name", "name || pg_sleep(99)::text"),
    ("contact_work_experiences", "company_name", "public.late(company_name)"),
    ("user_contact_collections", "where", "public.is_late(user_id) AND source = 1"),
]


@pytest.fixture
def tables(new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    for module in (mapping_probe, mapping_values):
        monkeypatch.setattr(module, "LIMIT", 1)
    with connect(new_database()) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute(FUNCTIONS)
        connection.execute("INSERT INTO contacts VALUES (1, 'Ana'), (2, NULL)")
        connection.execute("INSERT INTO organizations VALUES (1, 'Acme')")
        connection.execute("INSERT INTO contact_work_experiences VALUES (1, 1, 1, 'Acme', '2020-01-01')")
        connection.execute("INSERT INTO user_contact_collections VALUES (1, 1, 1, 1)")
        yield connection


def mapped(source: str, key: str, text: str) -> SourceMapping:
    return parse(f'[{source}]\n{key} = "{text}"\n', "map.toml")


@pytest.mark.parametrize("slow", first_of(3, SLOW))
def test_a_slow_expression_is_a_problem(tables: Connection, slow: tuple[str, str, str]) -> None:
    source, key, text = slow
    wanted = mapped(source, key, text)
    assert check(tables, wanted, "public") == []
    ((place, problem),) = failing(tables, wanted, "public", slow_too=True)
    assert place == (source, key)
    assert problem.startswith(f"map.toml:2: {key} = {text} takes longer than 1 s for at most 100,000 rows")
    assert failing(tables, wanted, "public") == []  # a busy server must not prevent an installation
    (note,) = suspicious(tables, wanted, "public")
    assert note.startswith(
        f"{source}: computing its expressions for at most 100,000 rows of public.{source} takes longer"
    )
    assert tables.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_only_the_slow_one_of_several_expressions_is_a_problem(tables: Connection) -> None:
    wanted = parse(
        '[contacts]\nid = "id + 0"\nname = "public.late(name)"\n[organizations]\nid = "1 / (id - 1)"\n', "map.toml"
    )
    found = [problem for _, problem in failing(tables, wanted, "public", slow_too=True)]
    assert [problem.split(" = ")[0] for problem in found] == ["map.toml:3: name", "map.toml:5: id"]


def test_a_slow_view_is_no_problem(tables: Connection) -> None:
    wanted = parse("[contacts]\ntable = 'slow_people'\nname = 'upper(name)'\n", "map.toml")
    assert failing(tables, wanted, "public", slow_too=True) == []
    (note,) = suspicious(tables, wanted, "public")
    assert "rows of public.slow_people takes longer than 1 s, so their values were not checked" in note


def test_a_constant_that_takes_long_before_a_row_is_read(tables: Connection) -> None:
    (problem,) = check(tables, mapped("contacts", "where", "id > public.late(7)"), "public")
    assert "takes longer than 1 s, even without a row" in problem


def test_a_locked_table(tables: Connection, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text("[contacts]\nname = 'upper(name)'\n")
    with connect(tables.info.dsn, autocommit=False) as other:
        other.execute("LOCK TABLE contacts")
        with pytest.raises(OrchestratorError, match=r"another session has locked table public\.contacts for more"):
            failing(tables, mapped("contacts", "name", "upper(name)"), "public")
        done = run("map", "--check", str(tmp_path / "map.toml"), "--dsn", tables.info.dsn)
        assert (done.exit_code, "locked table public.contacts" in done.stderr) == (1, True)


def test_the_command_and_an_installation(tables: Connection, tmp_path: Path) -> None:
    file, dsn = tmp_path / "map.toml", tables.info.dsn
    file.write_text('[contacts]\nname = "public.late(name)"\n')
    done = run("map", "--check", str(file), "--dsn", dsn)
    assert done.exit_code == 3
    assert f"{file}:2: name = public.late(name) takes longer than 1 s" in done.stdout
    installed = install(dsn, mapping=parse(file.read_text(), "map.toml"))
    assert [note.split(" for ")[0] for note in installed.notes] == ["contacts: computing its expressions"]
