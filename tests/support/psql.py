"""Runs psql, from the same binaries as the server of the tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from orchestrator.core.embedded import embedded_binaries


def binaries() -> Path:
    given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    return Path(given) if given else embedded_binaries()


def run(dsn: str, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Have psql execute a script from its standard input."""
    return subprocess.run(
        [binaries() / "psql", "--no-psqlrc", "--quiet", "--dbname", dsn, *options, "--file", "-"],
        input=text, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
