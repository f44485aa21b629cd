"""``orchestrator demo``: the files that it leaves, and the next commands that it prints."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.cli import demo
from orchestrator.finders.question import Question
from tests.support.command_line import finish, processes_of, run, start
from tests.support.sessions import connect


def test_the_demo_leaves_only_its_report_behind(directory: Path) -> None:
    code, out, err = finish(start("demo", "--contacts", "1000", TMPDIR=str(directory)), 120)
    assert code == 0, err
    assert "→" in out
    assert [path.name for path in directory.rglob("*.html")] == ["report.html"]
    assert f"Report: {next(directory.rglob('*.html'))}" in out
    assert len(list(directory.iterdir())) == 1
    assert processes_of(directory) == []


MARKER = "s3cretMarker"


@pytest.mark.parametrize("form", ["words", "uri"])
def test_the_demo_prints_the_next_commands_without_a_password(
    server: str, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    given = {name: str(value) for name, value in conninfo_to_dict(server).items()}
    monkeypatch.setattr(demo, "run", lambda *_, **__: Question(1, 2, 3))
    with connect(server) as connection:
        before = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        dsn = make_conninfo(server, password=MARKER, application_name="it's")
        if form == "uri":
            server_of_it = f"host={given['host']}&port={given['port']}"
            dsn = f"postgresql://{given.get('user', 'postgres')}:{MARKER}@/postgres?{server_of_it}"
        result = run("--dsn", dsn, "demo", "--keep")
        made = {row[0] for row in connection.execute("SELECT datname FROM pg_database")} - before
        for name in made:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    assert (result.exit_code, MARKER in result.output, len(made)) == (0, False, 1), result.output
    (line,) = (line for line in result.stdout.splitlines() if line.endswith(" status"))
    words = shlex.split(line)
    assert words[0] == "orchestrator"
    assert conninfo_to_dict(words[1].removeprefix("--dsn="))["dbname"] in made
