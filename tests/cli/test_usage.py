"""Help, completion and usage errors of every command."""

from __future__ import annotations

import json
import re

import click
import pytest
from click.testing import CliRunner

from orchestrator import cli
from tests.support.command_line import run

COMMANDS = (
    *("install", "uninstall", "status", "seed", "seed csv", "seed synthetic", "backfill", "paths", "demo"),
    *("plan", "sync", "verify", "doctor", "runs", "runs list", "runs show", "runs pause", "runs resume"),
    *("runs cancel", "runs set", "sweep", "compare", "serve", "script", "detach", "attach", "map"),
    *("organizations", "organizations list", "organizations exclude", "organizations limit", "organizations allow"),
    *("resolve", "resolve propose", "resolve review", "resolve accept", "resolve reject", "resolve undo"),
    *("resolve export", "resolve import", "resolve status"),
)


@pytest.mark.parametrize("group", ["", "runs", "seed", "--json", "--embedded", "runs --json", "seed --embedded"])
def test_a_group_without_a_command_shows_its_help(group: str) -> None:
    result = run(*group.split())
    assert (result.exit_code, result.exception.__class__) in ((0, type(None)), (2, SystemExit))
    assert "Usage: " in result.output or "usage" in result.output
    if not group.endswith(("json", "embedded")):
        assert "Commands:" in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "incomplete", "expected"),
    [
        ("", "", ["backfill", "runs", "status"]),
        ("", "ru", ["runs"]),
        ("--json", "st", ["status"]),
        ("--embedded", "st", ["status"]),
        ("--embedded=/x", "ins", ["install"]),
        ("--dsn x", "unin", ["uninstall"]),
        ("runs", "", ["list", "show", "pause", "resume", "cancel", "set"]),
        ("runs --json", "sh", ["show"]),
        ("seed", "", ["csv", "synthetic"]),
        ("seed csv", "--rep", ["--replace"]),
        ("paths 1", "--de", ["--depth"]),
        ("paths 1 --scope", "", ["any", "importer"]),
        ("backfill --strategy", "in", ["in_place"]),
        ("runs set 1", "--any", ["--any-workers"]),
        ("status", "--em", ["--embedded"]),
    ],
)
def test_a_shell_completes(shell: str, words: str, incomplete: str, expected: list[str]) -> None:
    typed = ["orchestrator", *words.split(), incomplete]
    position = incomplete if shell == "fish" else str(len(typed) - 1)
    asked = {"_ORCHESTRATOR_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(typed), "COMP_CWORD": position}
    result = CliRunner().invoke(cli.main, [], env=asked, prog_name="orchestrator")
    assert (result.exit_code, result.stderr) == (0, "")
    offered = re.split(r"[\n,\t]", result.stdout)
    assert set(expected) <= set(offered)
    assert not {name for name in cli.main.commands if not name.startswith(incomplete)} & set(offered)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_completion_script(shell: str) -> None:
    asked = {"_ORCHESTRATOR_COMPLETE": f"{shell}_source"}
    result = CliRunner().invoke(cli.main, [], env=asked, prog_name="orchestrator")
    assert (result.exit_code, "_orchestrator_completion" in result.stdout) == (0, True)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command: str) -> None:
    for option in ("--help", "-h"):
        result = run(*command.split(), option)
        assert result.exit_code == 0
        assert all(shared in result.stdout for shared in ("--dsn", "--embedded", "--json"))


def test_the_list_of_commands_here_is_whole() -> None:
    groups = {name: group for name, group in cli.main.commands.items() if isinstance(group, click.Group)}
    nested = [f"{name} {command}" for name, group in groups.items() for command in group.commands]
    assert sorted([*cli.main.commands, *nested]) == sorted(COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        "--nonsense",
        "nonsense",
        "status --nonsense",
        "status surplus",
        "--dsn x --embedded status",
        "--dsn x status --embedded",
        "--embedded=x status --dsn x",
        "status --dsn",
        "seed csv",
        "seed csv /nonexistent",
        "seed synthetic",
        "seed synthetic --contacts many",
        "seed synthetic --contacts -1",
        "backfill --workers 0",
        "paths",
        "paths one --collection 1 --viewer 1",
        "demo --contacts 10",
        "backfill --batch-timeout nan",
        "backfill --slowdown inf",
        "verify --objective nan",
        "plan --seed 9223372036854775808",
        "runs show 0",
        "runs cancel 9223372036854775808",
        "paths 9223372036854775808 --collection 1 --viewer 1",
        *(
            f"paths 1 --collection 1 --viewer 1 {wrong}"
            for wrong in (
                "--depth 0",
                "--depth 9",
                "--max-paths 0",
                "--max-paths 1001",
                "--scope team",
                "--impl v3",
                "--time-budget 0",
                "--time-budget 2147483648",
                "--exclude x",
                "--max-edges-per-hop 0",
                "--max-edges-per-hop 2147483648",
                "--viewer 9223372036854775808",
            )
        ),
    ],
)
def test_usage_errors_are_status_2(arguments: str) -> None:
    result = run(*arguments.split())
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr


def test_json_may_stand_between_a_group_and_its_command(database: str) -> None:
    result = run("seed", "--json", "synthetic", "--contacts", "10", "--dsn", database)
    assert json.loads(result.stdout)["contacts"] == 10
