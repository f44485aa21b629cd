"""The text of every page: its commands exist, its blocks are well formed, its links lead somewhere, its names are real.

Of commands in a shell only the syntax and the options are checked. ``tests/docs`` runs the blocks.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from orchestrator import cli
from orchestrator.core import sqlfiles
from tests.support import sql_headers
from tests.support.pages import blocks
from tests.support.sql_parsing import statements

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("sql/**/README.md")])
RUNBOOK = ROOT / "docs" / "runbook.md"

each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def prose(path: Path) -> str:
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@each_page
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@each_page
def test_files_in_the_text_exist(path: Path) -> None:
    for name in re.findall(r"`((?:bench|sql|tests|docs|orchestrator)/[\w/.-]+)`", prose(path)):
        is_pattern = re.search(r"[A-Z]{4}", name) is not None  # sql/functions/ROOM/NAME/v1.sql
        assert is_pattern or (ROOT / name).exists(), name


def commands(text: str) -> Iterator[list[str]]:
    """Yield the calls of the orchestrator in a shell script, as words."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        for part in re.split(r"\s(?:\||&&|>|<<)\s?|;", line.split("   #")[0]):
            if re.match(r"\s*orchestrator\s", part):
                yield shlex.split(part, comments=True)[1:]


def check_command(words: list[str]) -> None:
    """Raise what click would, for words that the command line does not take."""
    command: click.Command | None = cli.main
    context: click.Context | None = None
    while command is not None:
        try:
            context = command.make_context(command.name, words, parent=context)
        except click.BadParameter as error:
            if "does not exist" not in error.message:  # a file that the reader has
                raise
            return
        words = [*context._protected_args, *context.args]
        if not isinstance(command, click.Group) or not words:
            return
        _, command, words = command.resolve_command(context, words)


@each_page
def test_commands_in_the_text_exist(path: Path) -> None:
    for written in re.findall(r"`orchestrator ([^`]*)`", prose(path)):
        command: click.Command = cli.main
        for word in written.split():
            if isinstance(command, click.Group) and re.match(r"[a-z]", word):
                assert word in command.commands, written
                command = command.commands[word]
            elif word.startswith("--"):
                options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
                assert word.split("=")[0] in options | {"--help"}, written


@each_page
def test_blocks_are_well_formed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ORCHESTRATOR_DSN", "PGDATABASE"):
        monkeypatch.delenv(name, raising=False)
    for block in blocks(path.read_text(encoding="utf-8")):
        where = f"line {block.line}"
        if block.language == "sh":
            assert subprocess.run(["bash", "-n"], input=block.text, text=True, check=False).returncode == 0, where
            for words in commands(block.text):
                if "-h" not in words and "--help" not in words:
                    check_command(list(words))
        elif block.language == "sql":
            text = re.sub(r"^\\.*$|\\gexec", ";", block.text, flags=re.MULTILINE)
            assert statements(re.sub(r":'(\w+)'", "NULL", text)), where
        elif block.language == "python" and path != RUNBOOK:
            compile(block.text, where, "exec")
        else:
            assert block.language in ("text", "ini", "js", "json", "mermaid", "toml", "ruby", "python", ""), where


def known_names() -> set[str]:
    """Return what may follow ``connection_paths.`` in a document."""
    names = set(sql_headers.current()) | sql_headers.relations() | sql_headers.sequences()
    names |= {path.stem for path in (sqlfiles.ROOT / "indexes").glob("*.sql")}
    types = re.findall(r"CREATE TYPE connection_paths\.(\w+)", "".join(map(Path.read_text, migrations())))
    return names | set(types) | {"host_schema", "edge_shards"}


def migrations() -> list[Path]:
    return sorted((sqlfiles.ROOT / "migrations").glob("*.sql"))


@each_page
def test_names_of_the_schema_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = set(re.findall(r"\bconnection_paths\.(\w+)", text)) - {"env", "sql"}
    assert sorted(found - known_names()) == []


def test_every_error_of_the_package_is_documented() -> None:
    raised = {code for facts in sql_headers.every().values() for code in facts.raises if code.startswith("CP")}
    raised |= {
        code
        for path in sqlfiles.distributed_functions().values()
        for code in re.findall(r"ERRCODE = '(CP\d+)'", path.read_text(encoding="utf-8"))
    }
    page = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(CP\d+)`", page, re.MULTILINE)) == raised


def test_every_reason_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "reasons.md").read_text(encoding="utf-8")
    source = "".join(path.read_text() for path in (ROOT / "orchestrator" / "finders").glob("*.py"))
    _, *reasons = re.findall(r"^\| `(\w+)`", page.split("## The numbers")[0], re.MULTILINE)
    assert len(reasons) == 18
    assert all(f'"{reason}"' in source for reason in reasons)


def test_every_decision_is_listed() -> None:
    page = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
    assert set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", page)) == pages


@pytest.mark.parametrize("room", sorted(path for path in (sqlfiles.ROOT / "functions").iterdir()), ids=lambda p: p.name)
def test_every_room_has_a_readme_that_names_its_functions(room: Path) -> None:
    text = (room / "README.md").read_text(encoding="utf-8")
    assert 10 <= len(text.splitlines()) <= 45
    functions = {path.parent.name for path in room.rglob("*.sql")}
    named = set(re.findall(r"\w+", text))
    assert sorted(functions - named) == []


def test_a_wrong_command_is_noticed() -> None:
    check_command(["backfill", "--workers", "4"])
    check_command(["--embedded=/nowhere", "runs", "set", "1", "--workers", "2"])
    for words in (["backfil"], ["backfill", "--worker-count", "4"], ["paths", "42", "--collection", "x"]):
        with pytest.raises(click.UsageError):
            check_command(words)
    assert list(commands("export X=1\norchestrator --json plan   # why\norchestrator script > x.sql\n")) == [
        ["--json", "plan"],
        ["script"],
    ]
