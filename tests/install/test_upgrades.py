"""Released files do not change, a golden file shows changes of the schema, and an upgrade equals a new install."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.migration_files import migrations
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.inspection import versions
from orchestrator.install import script
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from tests.support import frozen, psql
from tests.support.catalog import GOLDEN, REGENERATE, bodies, describe, difference, golden
from tests.support.properties import first_of, long
from tests.support.sessions import connect

RELEASED = sorted(frozen.RELEASES.glob("*.sql"))


@pytest.fixture(scope="module")
def fresh(new_database: Callable[[], str]) -> list[str]:
    """The catalog after an install into an empty database."""
    dsn = new_database()
    with connect(dsn) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
    install(dsn)
    return describe(dsn)


@pytest.fixture
def roles(host: str) -> Iterator[str]:
    """The prefix of the roles of a test, which are dropped at its end."""
    prefix = f"connection_paths_golden_{os.getpid()}"
    yield prefix
    with connect(host) as connection:
        for kind in ("reader", "operator", "owner"):
            role = sql.Identifier(f"{prefix}_{kind}")
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE; DROP ROLE {}").format(role, role))


def test_the_schema_equals_the_golden_file(host: str, roles: str) -> None:
    changed = difference(GOLDEN.read_text().splitlines(), golden(host, roles), str(GOLDEN.name), "installed")
    assert not changed, f"the schema has changed:\n{changed}\nIf that is meant: {REGENERATE}"


def test_the_bodies_are_those_that_doctor_expects(installed_host: str) -> None:
    assert bodies(installed_host) == versions.bodies(), f"if that is meant: {REGENERATE}"


def test_a_dump_writes_every_body_as_it_is(installed_host: str) -> None:
    """The text that PostgreSQL writes of a parsed body creates the same body again."""
    with connect(installed_host, settings={"search_path": "pg_catalog"}) as connection:
        rows = connection.execute(
            "SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p"
            " WHERE p.pronamespace = 'connection_paths'::regnamespace AND p.prosqlbody IS NOT NULL"
        )
        for (written,) in rows.fetchall():
            connection.execute(written)
    assert bodies(installed_host) == versions.bodies()


def upgraded(dsn: str, earlier: str) -> list[str]:
    """Bring a database to an earlier state and upgrade it; return its catalog."""
    done = psql.run(dsn, earlier)
    assert done.returncode == 0, done.stderr
    install(dsn)
    assert status(dsn).healthy
    return describe(dsn)


def test_every_release_upgraded_is_a_fresh_install(new_database: Callable[[], str], fresh: list[str]) -> None:
    for path in RELEASED:
        dsn = new_database()
        with connect(dsn) as connection:
            connection.execute(sqlfiles.query("install/demo_tables"))
        assert difference(fresh, upgraded(dsn, path.read_text()), "fresh", path.stem) == ""


@pytest.mark.parametrize("applied", first_of(2, [0, 1, 4, 6, -1]))
def test_a_made_up_earlier_state_upgraded_is_a_fresh_install(host: str, fresh: list[str], applied: int) -> None:
    """The earlier state has only the first migrations. It tests upgrades while there is no release."""
    earlier = script.psql(migrations()[:applied])
    assert difference(fresh, upgraded(host, earlier)) == ""


def test_an_edited_released_file_is_not_an_upgrade(host: str, fresh: list[str]) -> None:
    """The comparison finds a difference from a release that no migration removes."""
    earlier = script.psql().replace("max_paths integer DEFAULT 25", "max_paths integer DEFAULT 24", 1)
    changed = difference(fresh, upgraded(host, earlier))
    assert "DEFAULT 24" in changed


def test_no_released_file_has_changed() -> None:
    assert frozen.problems(sqlfiles.ROOT, frozen.CHECKSUMS) == []
    assert bool(frozen.listed(frozen.CHECKSUMS)) == bool(RELEASED)


def test_a_frozen_file_that_changes_or_goes_is_noticed(tmp_path: Path) -> None:
    root, checksums = tmp_path / "sql", tmp_path / "CHECKSUMS"
    shutil.copytree(sqlfiles.ROOT, root)
    added = frozen.freeze(root, checksums)
    assert "functions/finders/public/deep_finder/v1.sql" in added
    assert "migrations/0005_functions.py" in added
    assert "indexes/idx_cc_walk_a.sql" in added
    assert frozen.freeze(root, checksums) == []
    assert frozen.problems(root, checksums) == []
    (root / "functions" / "finders" / "public" / "deep_finder" / "v2.sql").write_text("-- not released\n")
    assert frozen.problems(root, checksums) == []
    (root / "functions" / "finders" / "public" / "deep_finder" / "v1.sql").write_text("-- edited\n")
    (root / "migrations" / "0002_tables.sql").unlink()
    assert [problem.split()[0] for problem in frozen.problems(root, checksums)] == [
        "functions/finders/public/deep_finder/v1.sql",
        "migrations/0002_tables.sql",
    ]
    assert frozen.freeze(root, checksums) == ["functions/finders/public/deep_finder/v2.sql"]  # and hides no change
    assert len(frozen.problems(root, checksums)) == 2


@pytest.mark.parametrize(
    ("dropped", "lacking"),
    [
        (("TABLE contact_connections", "strength", "people"), "contact_connections has no column strength, people"),
        (("TYPE edge_details", "earlier_days"), "edge_details has no column earlier_days"),
        long(("TABLE introduction_requests", "outcome"), "introduction_requests has no column outcome"),
        long(("TABLE backfill_runs", "receipt"), "backfill_runs has no column receipt"),
    ],
)
def test_a_table_of_a_version_that_was_never_released_is_refused(
    installed_host: str, dropped: tuple[str, ...], lacking: str
) -> None:
    kind, *columns = dropped
    of_rows = "ATTRIBUTE" if kind.startswith("TYPE") else "COLUMN"
    with connect(installed_host) as connection:
        for column in columns:
            statement = f"ALTER {kind.replace(' ', ' connection_paths.')} DROP {of_rows} {column} CASCADE"
            connection.execute(statement.encode())
        connection.execute(  # such a version also had functions that this one does not know
            "CREATE FUNCTION connection_paths.earlier(strength smallint) RETURNS text"
            " BEGIN ATOMIC SELECT connection_paths.strength_tier(earlier.strength); END"
        )
    for command in (install, uninstall):
        with pytest.raises(
            OrchestratorError, match=f"{lacking}.*DROP SCHEMA connection_paths CASCADE, then orch"
        ) as error:
            command(installed_host)
        assert "do_not_ask" in str(error.value)
    assert any(lacking in problem for problem in status(installed_host).problems)
    found = [each for each in diagnose(installed_host).findings if lacking in each.what]
    assert [str(each.repair).splitlines()[0] for each in found] == ["DROP SCHEMA connection_paths CASCADE"]
    with connect(installed_host) as connection:
        connection.execute("DROP SCHEMA connection_paths CASCADE")
    install(installed_host)
    assert not status(installed_host).problems


def test_the_description_sees_what_a_dba_would(installed_host: str) -> None:
    before = describe(installed_host)
    with connect(installed_host) as connection:
        for statement in (
            "COMMENT ON TABLE connection_paths.do_not_ask IS 'x'",
            "ALTER TABLE connection_paths.finder_rollout DROP CONSTRAINT finder_rollout_impl",
            "ALTER TABLE connection_paths.do_not_ask ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY p ON connection_paths.do_not_ask",
            "ALTER FUNCTION connection_paths.search RESET search_path",
            "ALTER FUNCTION connection_paths.search COST 7",
            "GRANT EXECUTE ON FUNCTION connection_paths.search TO PUBLIC",
            "ALTER TYPE connection_paths.connection_kind ADD VALUE 'x'",
            "ALTER SEQUENCE connection_paths.backfill_worker_ids NO CYCLE",
            "DROP INDEX connection_paths.backfill_runs_one_active",
            "ALTER TABLE contacts DISABLE TRIGGER connection_paths_inserted",
            "CREATE OR REPLACE VIEW connection_paths.live_contacts WITH (security_invoker = true) AS"
            " SELECT id, name FROM contacts WHERE id > 0",
            "ALTER VIEW connection_paths.live_contacts RESET (security_invoker)",
            "ALTER TABLE connection_paths.contact_changes ALTER COLUMN failures SET DEFAULT 1",
        ):
            connection.execute(statement.encode())
            after = describe(installed_host)
            assert difference(before, after), statement
            before = after
