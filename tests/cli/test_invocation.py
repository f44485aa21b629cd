"""The start of a command, and the next commands that it prints."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from orchestrator.cli.commands import main
from orchestrator.cli.invocation import DEFAULT_DIRECTORY, Invocation
from orchestrator.core import embedded
from orchestrator.core.errors import OrchestratorError
from orchestrator.install import status
from tests.support.command_line import run


@pytest.fixture
def private_server(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``--embedded`` lead to the database *host*."""

    @contextmanager
    def serve(_: Path) -> Iterator[str]:
        yield host

    monkeypatch.setattr(embedded, "serve", serve)


@pytest.mark.usefixtures("private_server")
@pytest.mark.parametrize(
    ("option", "typed"),
    [
        ("--embedded", "orchestrator --embedded install"),
        ("--embedded=/x/y z", "orchestrator --embedded='/x/y z' install"),
    ],
)
@pytest.mark.parametrize("command", ["status", "sync"])
def test_a_hint_names_the_private_server(option: str, typed: str, command: str) -> None:
    result = run(option, command)
    assert result.exit_code == 1
    assert f"run: {typed}\n" in result.output


def test_a_hint_is_unchanged_without_a_private_server(host: str) -> None:
    assert "run: orchestrator install\n" in run("--dsn", host, "status").stdout


@pytest.mark.usefixtures("private_server")
def test_only_commands_are_changed_in_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise OrchestratorError("see orchestrators, orchestrator 0.1 and `orchestrator runs show`")

    monkeypatch.setattr(status, "status", fail)
    shown = run("--embedded", "status").stderr
    assert shown == "Error: see orchestrators, orchestrator 0.1 and `orchestrator --embedded runs show`\n"


def test_a_thread_can_show_progress(capsys: pytest.CaptureFixture[str]) -> None:
    invocation = Invocation()
    invocation.embedded = DEFAULT_DIRECTORY
    with click.Context(main), ThreadPoolExecutor(1) as pool:
        pool.submit(invocation.screen.report, "run: orchestrator sync").result()
    assert capsys.readouterr().err == "run: orchestrator --embedded sync\n"


@pytest.mark.parametrize("module", ["group", "sync"])
def test_an_interrupt_while_the_libraries_are_loaded_is_one_line(module: str) -> None:
    code = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == 'orchestrator.cli.{module}':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from orchestrator.cli import main\n"
        "main(['sync'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Stopped before anything was done.\n")
