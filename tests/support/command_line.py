"""Runs the command line in the test or in another process, and checks the form of its failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from orchestrator import cli

#: A backfill of the differences, in small batches.
IN_PLACE = ("backfill", "--strategy", "in_place", "--no-throttle", "--batch-edges", "500")
#: A question about the world of the fixture ``small``.
ASK = ("paths", "2", "--collection", "9", "--viewer", "7")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start the command line in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name != "ORCHESTRATOR_DSN"}
    return subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**kept, **environment},
    )


def finish(process: subprocess.Popen[str], timeout: float = 60) -> tuple[int, str, str]:
    """Wait for a process; returns its exit status, standard output and standard error."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, out, err


def check_error(code: int, out: str, err: str, *parts: str) -> None:
    """Check for status 1 and one line of error that contains all *parts*."""
    assert (code, out, err.count("\n")) == (1, "", 1), err
    assert err.startswith("Error: ")
    for part in parts:
        assert part in err


def check_failed(result: Result, *parts: str) -> None:
    check_error(result.exit_code, result.stdout, result.stderr, *parts)


def processes_of(directory: Path) -> list[str]:
    """Return the command lines that mention a directory: its keeper and its server."""
    shown = subprocess.run(["ps", "-ww", "-eo", "command="], capture_output=True, text=True, check=True).stdout
    return [line for line in shown.splitlines() if str(directory) in line]
