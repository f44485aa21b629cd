"""The package as one file: psql -f and CREATE EXTENSION create the same objects as install."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import errors, sql

from orchestrator.cli import main
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.migration_files import migrations
from orchestrator.install import script
from orchestrator.install.installation import LOCK_KEY, install, uninstall
from orchestrator.install.status import status
from tests.support import psql
from tests.support.catalog import describe, difference
from tests.support.index_builds import interrupted_build
from tests.support.sessions import connect

HOSTILE = "we\"ird; 'schema' -- :x \\d ü"


@pytest.fixture(scope="module")
def fresh(new_database: Callable[[], str]) -> list[str]:
    dsn = new_database()
    with connect(dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
    install(dsn)
    return describe(dsn)


def make_host(dsn: str, schema: str) -> None:
    with connect(dsn) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
        connection.execute(sqlfiles.query("install/demo_tables"))


def test_psql_makes_what_install_makes(host: str, fresh: list[str]) -> None:
    printed = CliRunner().invoke(main, ["script"])
    assert printed.exit_code == 0
    done = psql.run(host, printed.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is installed for host schema public" in done.stdout
    assert difference(fresh, describe(host)) == ""
    found = status(host)
    assert (found.healthy, found.pending) == (True, [])
    assert install(host).applied == []
    again = psql.run(host, printed.stdout)
    assert (again.returncode, again.stderr) == (0, "")
    assert difference(fresh, describe(host)) == ""
    assert uninstall(host)


@pytest.mark.parametrize("schema", ["crm", HOSTILE])
def test_psql_takes_any_host_schema(database: str, schema: str) -> None:
    make_host(database, schema)
    done = psql.run(database, script.psql(), "-v", f"host_schema={schema}")
    assert (done.returncode, done.stderr) == (0, "")
    found = status(database)
    assert (found.healthy, found.host_schema) == (True, schema)


def test_psql_can_leave_the_triggers_out(host: str) -> None:
    assert psql.run(host, script.psql(), "-v", "no_triggers=1").returncode == 0
    assert {trigger.state for trigger in status(host).triggers} == {"left out"}


def test_psql_refuses_what_install_refuses(host: str) -> None:
    before = describe(host)
    with connect(host) as connection:
        refused = psql.run(host, script.psql(), "-v", "host_schema=no'where\"")
        assert refused.returncode != 0
        assert refused.stderr.count("is missing") == 4
        with connect(host) as other:
            other.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
            refused = psql.run(host, script.psql())
            assert refused.returncode != 0
            assert "under way" in refused.stderr
        assert describe(host) == before
        make_host(host, "other")
        install(host)
        refused = psql.run(host, script.psql(), "-v", "host_schema=other")
        assert refused.returncode != 0
        assert "already installed for host schema" in refused.stderr
        connection.execute("DROP SCHEMA other CASCADE")


def test_psql_continues_where_it_was_interrupted(host: str, fresh: list[str]) -> None:
    """The last migration fails: the earlier ones stay, are recorded, and do not run again."""
    whole = script.psql()
    done = psql.run(host, whole.replace("CREATE OR REPLACE FUNCTION connection_paths.sync_changes", "CREATE NONSENSE"))
    assert done.returncode != 0
    assert status(host).pending == [path.stem for path in migrations() if path.stem >= "0007"]
    with connect(host) as connection:  # as after an interrupted build of an index
        connection.execute("DROP INDEX idx_members_by_collection")
        connection.execute("DELETE FROM connection_paths._yoyo_migration WHERE migration_id = '0004_host_indexes'")
        connection.execute("SET lock_timeout = '200ms'")
        with psycopg.connect(host) as writer:
            writer.execute("INSERT INTO user_contact_collections VALUES (1, 1, 1, 1)")
            with pytest.raises(errors.LockNotAvailable):
                connection.execute(interrupted_build())
            writer.rollback()
    assert psql.run(host, whole).returncode == 0
    assert difference(fresh, describe(host)) == ""


def test_psql_waits_for_writers_without_blocking_them(host: str) -> None:
    """Triggers need a lock that a writer's transaction holds: the script tries again until it gets the lock."""
    everything = migrations()
    assert psql.run(host, script.psql(everything[:-1])).returncode == 0
    codes: list[int] = []
    with psycopg.connect(host) as writer, connect(host, settings={"lock_timeout": "1s"}) as other:
        writer.execute("INSERT INTO organizations VALUES (1, 'x')")
        installing = threading.Thread(target=lambda: codes.append(psql.run(host, script.psql()).returncode))
        installing.start()
        deadline = time.monotonic() + 1.5
        number = 1
        while time.monotonic() < deadline:
            number += 1
            other.execute("INSERT INTO organizations VALUES (%s, 'y')", (number,))
        writer.rollback()
        installing.join()
    assert codes == [0]
    assert status(host).healthy


# CREATE EXTENSION.

#: What a dump of an extension leaves out: CREATE EXTENSION writes it, it is empty between commands, or it is about the
#: names of companies, which an extension does not resolve.
WRITTEN_ANEW = {
    *("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock", "installation"),
    *("detached_sources", "rebuild_replays", "rebuild_missing_contacts", "rebuild_other_kinds"),
    *("legal_forms", "organization_names", "organization_keys", "organization_words", "company_names"),
    *(
        "name_proposals",
        "proposal_settings",
        "name_decisions",
        "name_decision_history",
        "name_decision_history_change_id_seq",
    ),
    *("name_batch_ids", "name_changes"),
}


@pytest.fixture
def prepare(server: str) -> Iterator[Callable[[Connection], None]]:
    """Put the files where the server finds extensions; return the options that a session needs for it."""
    if os.environ.get("ORCHESTRATOR_DSN"):
        pytest.skip("the files must be on the server's machine")
    with connect(server) as connection:
        has_path = connection.info.server_version >= 180_000
        row = connection.execute("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'").fetchone()
    assert row is not None
    if not has_path and not os.access(Path(row[0]) / "extension", os.W_OK):
        pytest.skip(f"before 18 extensions are in {row[0]}/extension alone, which is not ours to write")
    folder = Path(tempfile.mkdtemp(prefix="connection_paths-")) if has_path else Path(row[0])

    def set_path(connection: Connection) -> None:
        if has_path:
            connection.execute("SELECT set_config('extension_control_path', %s, false)", (f"{folder}:$system",))

    if has_path:
        folder.chmod(0o755)  # the server may run under another account
        script.extension(folder / "extension")
        yield set_path
        shutil.rmtree(folder)
        return
    with (Path(tempfile.gettempdir()) / "connection_paths-extension.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # all test processes share the folder
        files = script.extension(folder / "extension")
        yield set_path
        for path in files:
            path.unlink()


def test_an_extension_makes_what_install_makes(
    host: str, fresh: list[str], prepare: Callable[[Connection], None]
) -> None:
    before = describe(host, "public")
    with connect(host) as connection:
        prepare(connection)
        connection.execute("CREATE EXTENSION connection_paths")
        assert difference(fresh, describe(host)) == ""
        assert status(host).healthy
        for call in (install, uninstall):
            with pytest.raises(OrchestratorError, match="is an extension here: ALTER EXTENSION"):
                call(host)
        refused = psql.run(host, script.psql())
        assert (refused.returncode != 0, "is an extension" in refused.stderr) == (True, True)
        connection.execute("DROP EXTENSION connection_paths")
        connection.execute("DROP SCHEMA connection_paths")
    assert describe(host, "public") == before


def test_an_extension_is_used_like_an_install(database: str, prepare: Callable[[Connection], None]) -> None:
    make_host(database, HOSTILE)
    with connect(database) as connection:
        prepare(connection)
        with pytest.raises(errors.RaiseException, match="is missing"):
            connection.execute("CREATE EXTENSION connection_paths")
        connection.execute("SELECT set_config('connection_paths.host_schema', %s, false)", (HOSTILE,))
        connection.execute("CREATE EXTENSION connection_paths")
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(HOSTILE)))
        connection.execute("INSERT INTO contacts VALUES (1, 'a'), (2, 'b'); INSERT INTO organizations VALUES (1, 'o')")
        connection.execute(
            "INSERT INTO contact_work_experiences VALUES (1, 1, 1, '', '2020-01-01'), (2, 2, 1, '', '2020-01-01')"
        )
        connection.execute("INSERT INTO user_contact_collections VALUES (7, 1, 9, 1)")
        refused = CliRunner().invoke(main, ["--dsn", database, "backfill", "--strategy", "rebuild"])
        assert (refused.exit_code, "Use the strategy in_place" in refused.output) == (1, True)
        filled = CliRunner().invoke(main, ["--dsn", database, "backfill", "--strategy", "in_place", "--no-throttle"])
        assert filled.exit_code == 0, filled.output
        rows = connection.execute("SELECT user_id, contact_ids FROM connection_paths.deep_finder(2, 9, 7)")
        assert rows.fetchall() == [(7, [1, 2])]
        not_dumped = connection.execute(
            "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'connection_paths'::regnamespace"
            " AND c.relkind IN ('r', 'S') AND NOT EXISTS ("
            "SELECT FROM pg_extension AS e WHERE e.extname = 'connection_paths' AND c.oid = ANY (e.extconfig))"
        )
        assert {row[0] for row in not_dumped} == WRITTEN_ANEW


def test_an_error_of_writing_the_extension_files_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(main, ["script", "--extension", str(tmp_path / "file" / "below")])
    assert (done.exit_code, done.output.count("\n"), done.output[:7]) == (1, 1, "Error: ")
