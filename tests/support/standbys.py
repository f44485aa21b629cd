"""A primary and its hot standby, of which the primary can be killed and the standby promoted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestrator.core import embedded
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from tests.support.servers import SETTINGS, reachable_binaries
from tests.support.sessions import connect, value
from tests.support.waiting import until

#: What a standby needs to know: where the WAL is replayed.
_REPLAYED = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"


@dataclass
class Node:
    """A server in a directory of its own. It stops by itself when the process of the tests has ended."""

    directory: Path
    dsn: str

    def kill(self) -> None:
        """Stop the server at once, as the loss of its machine would."""
        postmaster = int((self.directory / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(postmaster, signal.SIGQUIT)
        embedded.stop(self.directory)

    @property
    def is_running(self) -> bool:
        """Whether the server was not killed."""
        return (self.directory / "data" / "postmaster.pid").exists()

    @property
    def host(self) -> str:
        """The directory of the socket, which is a host for libpq."""
        return str(conninfo_to_dict(self.dsn)["host"])


class Pair:
    """A primary and its standby. After :meth:`fail_over`, :meth:`mend` makes another standby."""

    def __init__(self, stack: ExitStack, settings: Mapping[str, str], standby_settings: Mapping[str, str]) -> None:
        given = os.environ.get("ORCHESTRATOR_TEST_PG_BIN")
        self._stack = stack
        self._settings = settings
        self._standby_settings = standby_settings
        directory, dsn = stack.enter_context(
            embedded.serve_temporarily(binaries=Path(given) if given else None, settings=settings)
        )
        self.binaries = reachable_binaries(directory)
        if not (self.binaries / "pg_basebackup").exists():
            pytest.skip(f"no pg_basebackup in {self.binaries}")
        self.primary = Node(directory, dsn)
        self.standby = self._new_standby()

    def _new_standby(self) -> Node:
        account = embedded.server_account()
        who: dict[str, Any] = {"user": account, "extra_groups": []} if account else {}
        directory = Path(tempfile.mkdtemp(prefix="cp_standby-"))
        self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        self._stack.callback(embedded.stop, directory)
        data = directory / "data"
        data.mkdir(mode=0o700)
        if account:
            directory.chmod(0o711)
            shutil.chown(data, account, account)
        subprocess.run(
            [self.binaries / "pg_basebackup", "-d", self.primary.dsn, "-D", data, "-R", "-X", "stream", "-c", "fast",
             "--no-sync"],
            check=True, cwd="/", capture_output=True, timeout=60, **who,
        )  # fmt: skip
        settings = {**self._settings, **self._standby_settings}
        return Node(
            directory,
            self._stack.enter_context(embedded.serve(directory, binaries=self.binaries, settings=settings)),
        )

    def hosts(self, dsn: str, *, standby_first: bool = False, **values: str) -> str:
        """Return the connection string of a database with both servers as hosts."""
        nodes = (self.standby, self.primary) if standby_first else (self.primary, self.standby)
        return make_conninfo(dsn, host=",".join(node.host for node in nodes), **values)

    def on_standby(self, dsn: str) -> str:
        """Return the connection string of a database of the primary on the standby."""
        return make_conninfo(dsn, host=self.standby.host)

    def copy(self, template: str, name: str) -> str:
        """Copy a database of the primary, wait until the standby has it, and return its connection string."""
        with connect(self.primary.dsn) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        self.catch_up()
        return make_conninfo(self.primary.dsn, dbname=name)

    def catch_up(self, seconds: float = 20) -> None:
        """Wait until the standby has replayed what the primary has written so far."""
        with connect(self.primary.dsn) as primary, connect(self.standby.dsn) as standby:
            written = value(primary, "SELECT pg_current_wal_insert_lsn()::text")
            until(lambda: value(standby, _REPLAYED, written), seconds)

    def cut_off(self) -> None:
        """Let the standby receive nothing more: what the primary commits from now on is lost with it."""
        with connect(self.standby.dsn) as standby:
            standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
            standby.execute("SELECT pg_reload_conf()")
            until(lambda: value(standby, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"))
            replayed: list[str] = [""]

            def stands_still() -> bool:
                replayed.append(value(standby, "SELECT pg_last_wal_replay_lsn()::text"))
                return replayed[-1] == replayed[-2]

            until(stands_still)

    def fail_over(self) -> None:
        """Kill the primary and promote the standby."""
        self.primary.kill()
        with connect(self.standby.dsn) as standby:
            assert value(standby, "SELECT pg_promote()") is True

    def mend(self) -> None:
        """Make a new standby if the primary was killed, or if its standby was cut off."""
        if self.primary.is_running:
            with connect(self.primary.dsn) as primary:
                if value(primary, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"):
                    return
            self.standby.kill()
        else:
            self.primary = self.standby
        self.standby = self._new_standby()


@contextmanager
def pair(settings: Mapping[str, str] = SETTINGS, standby_settings: Mapping[str, str] = {}) -> Iterator[Pair]:
    """Start a primary and a standby for the length of the block."""
    with ExitStack() as stack:
        yield Pair(stack, settings, standby_settings)


def seed_world(server: str, name: str, contacts: int) -> str:
    """Make a database with careers and the package, and without edges; return its connection string."""
    with connect(server) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    dsn = make_conninfo(server, dbname=name)
    with connect(dsn) as connection:
        seed.load(connection, "public", seed_synthetic.tables(contacts, 1), replace=False)
        install(dsn)
        # tests.support.kills.check_edges compares edges of this kind with this table
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE 'friend'")
        connection.execute("CREATE TABLE public.app_friends (a_id bigint, b_id bigint, PRIMARY KEY (a_id, b_id))")
        connection.execute("VACUUM ANALYZE")
    return dsn


def books_of(connection: Connection, table: str) -> tuple[int, int]:
    """Return the edges that the done batches of run 1 have recorded, and the work_overlap rows of a table."""
    recorded = value(
        connection,
        "SELECT COALESCE(sum(b.edges_changed), 0)::bigint FROM connection_paths.backfill_batches AS b"
        " WHERE b.run_id = 1 AND b.status = 'done'",
    )
    stored = value(connection, f"SELECT count(*) FROM connection_paths.{table} WHERE kind = 'work_overlap'")
    return int(recorded), int(stored)
