"""The environment of a sweep: what its figures depend on besides the code."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection

_COMMIT = ("git", "describe", "--always", "--dirty", "--abbrev=12")


def environment(connection: Connection) -> dict[str, Any]:
    """Return what is known of the server, of this client, and of the tables and indexes that finders read."""
    row = connection.execute(sqlfiles.query("sweep/server")).fetchone()
    assert row is not None
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        relations = cursor.execute(sqlfiles.query("sweep/relations")).fetchall()
    return {"server": row[0], "client": _client(connection), "relations": relations}


def _client(connection: Connection) -> dict[str, Any]:
    return {
        "package": version("connection-paths"),
        "commit": _commit(),
        "python": platform.python_version(),
        "psycopg": f"{psycopg.__version__} ({psycopg.pq.__impl__}), libpq {psycopg.pq.version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_before": round(os.getloadavg()[0], 2),
        "reaches_server_by": "socket" if connection.info.host.startswith("/") else "network",
    }


def _commit() -> str | None:
    """Return the commit of the checkout, None in an installed package."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(_COMMIT, cwd=here, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """Return the processor's name from Linux, else from Python."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
