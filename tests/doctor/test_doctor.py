"""What doctor says of several problems, of indexes, of the queue and of a missing installation."""

from __future__ import annotations

import json
from datetime import timedelta

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.doctor import diagnosis, index_use, plans, runs
from orchestrator.doctor.diagnosis import Diagnosis, diagnose
from orchestrator.host import binding
from orchestrator.inspection import indexes
from orchestrator.install.installation import install
from tests.support.command_line import run
from tests.support.doctor import (
    COLUMNS,
    EDGES,
    HOSTILE,
    MEMBERS,
    TABLE,
    advise,
    analyse,
    check_cured,
    keep,
    other_index,
    repair,
    restore,
    sole,
)
from tests.support.properties import first_of
from tests.support.sessions import value


def test_a_changed_view_is_reported_with_its_index(db: Connection, dsn: str) -> None:
    db.execute(
        "CREATE OR REPLACE VIEW connection_paths.collection_members WITH (security_invoker = true) AS"
        " SELECT x.collection_id, x.contact_id, x.user_id FROM user_contact_collections AS x"
        " WHERE x.source IN (0, 1, 2, 3, 5, 10, 11) AND x.user_id IS NOT NULL"
    )
    view, index, *others = diagnose(dsn).findings
    assert (view.check, view.object) == ("views", "connection_paths.collection_members")
    assert "11" in view.what
    assert (index.check, index.object, index.repair) == ("indexes", MEMBERS, view.repair)
    assert "5, 10])) AND" in index.what
    assert "5, 10, 11])) AND" in index.what
    assert others == []
    check_cured(dsn, index)


def test_a_dropped_view_is_reported_with_the_objects_that_need_it(installed_host: str) -> None:
    with psycopg.connect(installed_host, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.DependentObjectsStillExist, match="work_overlaps"):
            connection.execute("DROP VIEW connection_paths.live_contacts")
        connection.execute("DROP VIEW connection_paths.live_contacts CASCADE")
    wrong = {
        finding.check: finding.what for finding in diagnose(installed_host).findings if finding.severity == "wrong"
    }
    assert "live_contacts is missing" in wrong["views"]
    assert "missing: " in wrong["functions"]
    assert "work_overlaps" in wrong["functions"]


def test_an_index_that_is_cheaper_than_ours(db: Connection, dsn: str) -> None:
    """After many deletes, our index has one level more than it needs, so the planner chooses a wider index."""
    keep(db)
    db.execute(f"INSERT INTO {TABLE} SELECT 1, g, 1, 1 FROM generate_series(10000, 250000) AS g")
    db.execute(f"DELETE FROM {TABLE} WHERE contact_id % 100 <> 0")
    db.execute(f"VACUUM {TABLE}")
    db.execute(f"CREATE INDEX wide ON {TABLE} (collection_id, contact_id) INCLUDE (user_id, source)")
    db.execute(f"VACUUM (ANALYZE) {TABLE}")
    try:
        finding = sole(dsn)
        assert (finding.check, finding.object) == ("plans", MEMBERS)
        assert "by index wide instead of index idx_members_by_collection" in finding.what
        for finder in ("find_paths", "deep_finder", "legacy_finder"):
            assert finder in finding.what
        check_cured(dsn, finding)
    finally:
        db.execute("DROP INDEX wide")
        restore(db)


@pytest.mark.parametrize("index", first_of(4, sorted({name for probe in plans.PROBES for name in probe.expected})))
def test_each_statement_shows_that_its_index_is_lost(
    db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    """The check of plans finds each index that is lost, also without the check of the indexes themselves."""
    monkeypatch.setattr(indexes, "broken", lambda _: set())
    oids = "SELECT i.indexrelid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE c.relname LIKE %s"
    lost = [row[0] for row in db.execute(oids, (f"{index}%",)).fetchall()]
    db.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = ANY (%s)", (lost,))
    try:
        users = {
            function
            for probe in plans.PROBES
            if index in probe.expected
            for function in probe.functions
            if function in ("find_paths", "deep_finder", "legacy_finder")
        }
        found = [each for each in diagnose(dsn).findings if (each.check, each.object) == ("plans", index)]
        named = [each.what.removeprefix("for ").partition(", the planner reads ")[0] for each in found]
        assert {name for each in named for name in each.split(", ")} == users
    finally:
        db.execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = ANY (%s)", (lost,))
    assert diagnose(dsn).findings == []


def test_a_broken_index_is_reported_once(db: Connection, dsn: str) -> None:
    """A plan that needs the missing index is still checked for other problems."""
    db.execute("ALTER TABLE organizations DROP CONSTRAINT organizations_pkey")
    db.execute("DROP INDEX idx_experiences_by_contact")
    index, plan, *others = diagnose(dsn).findings
    assert (index.object, plan.object, others) == ("idx_experiences_by_contact", "public.organizations", [])
    repair(dsn, index)
    repair(dsn, plan)
    # The new index is not unique, as the key was. PostgreSQL 15 then prefers another index of another table.
    assert plan.object not in {finding.object for finding in diagnose(dsn).findings}


@pytest.mark.parametrize("exact", first_of(2, [True, False]))
def test_a_bloated_index(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
    if exact:
        if not db.execute("SELECT FROM pg_available_extensions WHERE name = 'pgstattuple'").rowcount:
            pytest.skip("pgstattuple is not there")
        db.execute("CREATE SCHEMA ext; CREATE EXTENSION pgstattuple SCHEMA ext")
    keep(db)
    db.execute(f"DELETE FROM {TABLE} WHERE contact_id % 6 <> 0")
    db.execute(f"VACUUM (ANALYZE) {TABLE}")
    try:
        assert diagnose(dsn).findings == []  # the index is too small to be reported
        monkeypatch.setattr(index_use, "BLOATED", (100_000, 2.0))
        finding = sole(dsn)
        assert (finding.check, finding.severity, finding.object) == ("index sizes", "wrong", f"public.{MEMBERS}")
        assert ("leaves are" if exact else "estimate") in finding.what
        check_cured(dsn, finding)
    finally:
        restore(db)
        if exact:
            db.execute("DROP SCHEMA ext CASCADE")


def test_pgstattuple_overrides_the_estimate_of_bloat(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """pgstattuple shows that the index is not bloated, although the estimate says so."""
    if not db.execute("SELECT FROM pg_available_extensions WHERE name = 'pgstattuple'").rowcount:
        pytest.skip("pgstattuple is not there")
    monkeypatch.setattr(index_use, "BLOATED", (100_000, 2.0))
    db.execute("UPDATE pg_class SET reltuples = 10 WHERE relname = %s", (MEMBERS,))
    assert sole(dsn).object == f"public.{MEMBERS}"
    db.execute("CREATE EXTENSION pgstattuple")
    try:
        assert diagnose(dsn).findings == []
    finally:
        db.execute("DROP EXTENSION pgstattuple")
        analyse(db)


def test_equally_good_indexes_may_have_been_made_in_any_order(db: Connection, dsn: str) -> None:
    """For weak edges, the primary key and a walk index cost the same, and the planner takes the older one."""
    key = "CONSTRAINT contact_connections_pkey"
    db.execute(f"ALTER TABLE {EDGES} DROP {key}, ADD {key} PRIMARY KEY (contact_a_id, contact_b_id, kind)".encode())
    db.execute(f"VACUUM (ANALYZE) {EDGES}".encode())
    assert diagnose(dsn).findings == []
    definition = value(db, "SELECT pg_get_indexdef('connection_paths.idx_cc_walk_a'::regclass)")
    db.execute("DROP INDEX connection_paths.idx_cc_walk_a")
    db.execute(definition.replace(" ON ONLY ", " ON ").encode())
    db.execute(f"VACUUM (ANALYZE) {EDGES}".encode())
    assert diagnose(dsn).findings == []


def test_indexes_that_nobody_uses(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    db.execute("SELECT pg_stat_reset()")
    assert diagnose(dsn).findings == []  # no index has been unused for a week yet
    monkeypatch.setattr(index_use, "UNUSED", timedelta())
    found = diagnose(dsn)
    assert found.ok
    assert {(finding.check, finding.severity) for finding in found.findings} == {("index use", "advice")}
    by_strength = {"idx_cc_strong_a", "idx_cc_strong_b"}  # a team may never ask for this order
    assert {finding.object for finding in found.findings} == set(
        indexes.wanted_indexes(binding.default())
    ) - by_strength
    check_cured(dsn, found.findings[0])


def test_a_migration_of_a_later_version_is_reported(db: Connection, dsn: str) -> None:
    db.execute(
        "INSERT INTO connection_paths._yoyo_migration (migration_hash, migration_id) VALUES ('x', '0099_better')"
    )
    db.execute("DROP FUNCTION connection_paths.why_no_more")  # a later version may have dropped it
    try:
        finding = sole(dsn)
        assert (finding.check, finding.repair) == ("migrations", "pip install --upgrade connection-paths")
        assert "0099_better" in finding.what
    finally:
        db.execute("DELETE FROM connection_paths._yoyo_migration WHERE migration_hash = 'x'")
    check_cured(dsn, sole(dsn))


def test_a_queue_that_is_long_or_followed(db: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_MANY", 2)
    db.execute("INSERT INTO connection_paths.contact_changes (contact_id) SELECT generate_series(1, 3)")
    finding = sole(dsn)
    assert (finding.check, finding.severity, finding.repair) == ("queue", "advice", "orchestrator sync --follow")
    db.execute("SELECT pg_advisory_lock(connection_paths.advisory_key('listener', 0))")
    finding = sole(dsn)
    assert "`sync --follow` is running but does not take them" in finding.what
    assert finding.repair == "orchestrator sync"
    db.execute("SELECT pg_advisory_unlock_all()")
    check_cured(dsn, finding)


def test_a_run_with_a_working_process_is_no_finding(db: Connection, dsn: str) -> None:
    db.execute("SELECT connection_paths.create_run('in_place')")
    try:
        assert diagnose(dsn).findings == []  # the run has just begun, so it may still wait for a worker
        db.execute("UPDATE connection_paths.backfill_runs SET created_at = '2020-01-01' WHERE status = 'running'")
        assert len(diagnose(dsn).findings) == 1
        for take in (
            "SELECT connection_paths.register_worker()",
            "UPDATE connection_paths.backfill_runs SET status = status,"
            " processes = jsonb_build_object('p', jsonb_build_object('at', now())) WHERE status = 'running'",
        ):
            db.execute(take.encode())
            assert diagnose(dsn).findings == []
            db.execute("SELECT pg_advisory_unlock_all()")
    finally:
        db.execute("SELECT connection_paths.cancel_run(run_id) FROM connection_paths.backfill_runs")


def test_a_table_that_is_gone_is_a_finding(db: Connection, dsn: str) -> None:
    db.execute("ALTER TABLE connection_paths.contact_changes RENAME TO mislaid")
    try:
        found = diagnose(dsn)
        assert {(finding.check, finding.severity) for finding in found.findings} >= {
            ("queue", "wrong"),
            ("installation", "wrong"),
        }
        assert all("contact_changes" in finding.what for finding in found.findings)
    finally:
        db.execute("ALTER TABLE connection_paths.mislaid RENAME TO contact_changes")


def test_an_empty_install_has_no_findings(installed_host: str) -> None:
    with psycopg.connect(installed_host, autocommit=True) as connection:
        advise(connection)
    assert diagnose(installed_host).findings == []
    with psycopg.connect(installed_host, autocommit=True) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
        connection.execute(f"DROP INDEX {MEMBERS}, connection_paths.idx_cc_walk_a")
    assert {finding.object for finding in diagnose(installed_host).findings} == {MEMBERS, "idx_cc_walk_a"}
    for finding in diagnose(installed_host).findings:
        repair(installed_host, finding)
    assert diagnose(installed_host).findings == []


def test_a_host_schema_may_have_any_name(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(HOSTILE)))
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(HOSTILE)))
        connection.execute(sqlfiles.query("install/demo_tables"))
        install(database, HOSTILE)
        advise(connection)
        assert diagnose(database).findings == []
        connection.execute(other_index(MEMBERS, f"{TABLE} {COLUMNS}"))
        connection.execute("DROP TRIGGER connection_paths_inserted ON contacts")
        connection.execute("ALTER TABLE organizations DISABLE TRIGGER connection_paths_inserted")
        connection.execute("DROP VIEW connection_paths.live_contacts CASCADE")
        connection.execute("ALTER TABLE organizations DROP CONSTRAINT organizations_pkey")
    for _ in range(5):
        found = diagnose(database).findings
        if found:
            repair(database, found[0])
    assert diagnose(database).findings == []


def test_a_missing_install_is_reported(host: str, dsn: str) -> None:
    for given in (host, make_conninfo(dsn, dbname="postgres")):
        result = run("--dsn", given, "doctor")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert "orchestrator install" in result.stderr


def test_the_command_prints_findings_and_exits_3(db: Connection, dsn: str) -> None:
    well = run("--dsn", dsn, "doctor")
    assert (well.exit_code, well.stdout) == (0, "No problems found.\n")
    db.execute("SELECT set_config('lock_timeout', '5s', false)")
    db.execute(f"DROP INDEX {MEMBERS}")
    db.execute(f"ALTER DATABASE {db.info.dbname} SET jit = on".encode())
    try:
        result = run("--dsn", dsn, "doctor")
        assert result.exit_code == 3
        first, *lines = result.stdout.splitlines()
        assert first == f"WRONG: {MEMBERS} is missing on public.{TABLE}"
        assert lines[0] == "    orchestrator install"
        assert any(line.startswith("ADVICE: jit is on: ") for line in lines)
        assert lines[-1] == "2 findings."
        told = json.loads(run("--dsn", dsn, "--json", "doctor").stdout)
        assert (told["ok"], told["standby"], told["skipped"]) == (False, False, [])
        assert told["checked"] == [check.name for check in diagnosis._CHECKS]
        assert [finding["severity"] for finding in told["findings"]] == ["wrong", "advice"]
        assert told["findings"][0]["repair"] == "orchestrator install"
        assert run("--dsn", dsn, "install").exit_code == 0
        result = run("--dsn", dsn, "doctor")
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 finding.")  # advice is not a failure
    finally:
        db.execute(f"ALTER DATABASE {db.info.dbname} SET jit = off".encode())


def test_the_expected_objects_come_from_the_installed_files() -> None:
    """The expected indexes and tables are those of the files that install executes."""
    wanted = indexes.wanted_indexes(binding.default())
    by_id = {"idx_contacts_by_id", "idx_organizations_by_id"}
    assert {*wanted, *by_id} == {path.stem for path in (sqlfiles.ROOT / "indexes").glob("*.sql")}
    assert {index.view for index in wanted.values()} == {
        *("collection_members", "work_experiences", "contact_connections"),
    }
    assert {*binding.VIEW_OF.values()} == {path.stem for path in (sqlfiles.ROOT / "views").glob("*.sql")}
    expected = {name for probe in plans.PROBES for name in probe.expected}
    assert expected == set(wanted)
    assert Diagnosis([], [], [], standby=False, seconds=0).ok
