"""The wheel contains the SQL and runs without the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
SOURCES = ("orchestrator", "sql", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")

Run = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout, so that building writes nothing into the checkout."""
    copy, built = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("built")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *SOURCES], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, copy / name)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index",
         "--disable-pip-version-check", "-w", built, "."],
        cwd=copy, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (made,) = built.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture
def run(unpacked: Path, tmp_path: Path) -> Run:
    """Run Python in another folder with the unpacked wheel first on its path; return its standard output."""

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(unpacked)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_wheel_holds_every_sql_file_and_nothing_of_the_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(["git", "ls-files", "sql"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    files = {f"orchestrator/{name}" for name in listed.stdout.split()}
    assert files
    assert files <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"orchestrator"}


def test_the_unpacked_wheel_works_by_itself(run: Run, unpacked: Path, host: str) -> None:
    root = run("-c", "from orchestrator.core import sqlfiles; print(sqlfiles.ROOT)")
    assert Path(root.strip()) == unpacked / "orchestrator" / "sql"

    def ask(*command: str) -> Any:
        return json.loads(run("-m", "orchestrator", "--dsn", host, "--json", *command))

    assert len(ask("install")["applied"]) > 0
    assert ask("status")["healthy"] is True
    assert ask("paths", "2", "--collection", "1", "--viewer", "1")["paths"] == []
