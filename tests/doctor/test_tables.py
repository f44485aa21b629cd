"""Findings about tables: no statistics, old statistics, no autovacuum, a visibility map with many gaps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.core.database import Connection
from orchestrator.doctor import tables
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.inspection.finding import Finding
from tests.support.doctor import EDGES, TABLE, check_cured, keep, repair, restore, sole
from tests.support.properties import long


@pytest.fixture
def quiet(db: Connection) -> Iterator[Connection]:
    """Autovacuum is off for a table, which is a finding too."""
    keep(db)
    db.execute(f"ALTER TABLE {TABLE} SET (autovacuum_enabled = false)")
    yield db
    db.execute(f"ALTER TABLE {TABLE} RESET (autovacuum_enabled)")
    restore(db)


def other_than_autovacuum(dsn: str) -> list[Finding]:
    told = diagnose(dsn).findings
    assert any("autovacuum leaves public.user_contact_collections out" in finding.what for finding in told)
    return [finding for finding in told if "autovacuum leaves" not in finding.what]


def test_a_table_that_autovacuum_leaves_out(quiet: Connection, dsn: str) -> None:
    finding = sole(dsn)
    assert (finding.check, finding.severity) == ("statistics", "wrong")
    check_cured(dsn, finding)


def test_edges_that_autovacuum_leaves_out(db: Connection, dsn: str) -> None:
    db.execute("ALTER TABLE connection_paths.contact_connections_live SET (autovacuum_enabled = off)")
    finding = sole(dsn)
    assert finding.object == EDGES
    check_cured(dsn, finding)


@pytest.mark.parametrize(
    "cause",
    [
        f"TRUNCATE {TABLE}; INSERT INTO {TABLE} SELECT * FROM kept",
        # as after the build of an index: the rows are counted, but there are no statistics of columns
        f"DELETE FROM pg_statistic WHERE starelid = '{TABLE}'::regclass",
    ],
)
def test_a_table_that_was_never_analysed(quiet: Connection, dsn: str, cause: str) -> None:
    quiet.execute(cause.encode())
    (finding,) = other_than_autovacuum(dsn)
    assert (finding.check, finding.severity, finding.object) == ("statistics", "wrong", f"public.{TABLE}")
    assert "was never analysed" in finding.what
    repair(dsn, finding)
    assert other_than_autovacuum(dsn) == []


@pytest.mark.parametrize(("share", "severity"), [(30, "advice"), long(60, "wrong")])
def test_a_table_that_has_changed(quiet: Connection, dsn: str, share: int, severity: str) -> None:
    quiet.execute(f"UPDATE {TABLE} SET source = source WHERE contact_id %% 100 < {share}".replace("%%", "%"))
    quiet.execute("SELECT pg_stat_force_next_flush()")
    (finding,) = other_than_autovacuum(dsn)
    assert (finding.check, finding.severity, finding.object) == ("statistics", severity, f"public.{TABLE}")
    repair(dsn, finding)
    assert other_than_autovacuum(dsn) == []


@pytest.mark.parametrize(("share", "severity"), [(2, "advice"), (6, "wrong")])
def test_a_visibility_map_with_many_gaps(
    quiet: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch, share: int, severity: str
) -> None:
    quiet.execute(
        f"UPDATE {TABLE} SET source = source WHERE ctid < (SELECT ctid FROM {TABLE} OFFSET {share * 3000} LIMIT 1)"
    )
    quiet.execute("SELECT pg_stat_force_next_flush()")
    quiet.execute(f"ANALYZE {TABLE}")
    assert other_than_autovacuum(dsn) == []  # the table is too small to be reported
    monkeypatch.setattr(tables, "WITH_MAP", 100)
    (finding,) = other_than_autovacuum(dsn)
    assert (finding.check, finding.severity, finding.object) == ("visibility map", severity, f"public.{TABLE}")
    repair(dsn, finding)
    assert other_than_autovacuum(dsn) == []
