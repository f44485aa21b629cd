"""Each cause of a problem: doctor reports the problem and nothing else, and the command that it names repairs it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from tests.support.doctor import (
    COLUMNS,
    EDGES,
    MEMBERS,
    RULE,
    TABLE,
    check_cured,
    invalid,
    other_index,
    sole,
)
from tests.support.properties import long_if


@dataclass(frozen=True)
class Cause:
    """Statements that cause a problem, and the expected finding."""

    statements: str
    check: str
    object: str
    part: str
    severity: str = "wrong"


EXPERIENCE = "organization_id IS NOT NULL AND date_from IS NOT NULL"
NEXT = "connection_paths.contact_connections_next"
CAUSES = {
    "no index": Cause(f"DROP INDEX {MEMBERS}", "indexes", MEMBERS, "is missing on public.user_contact_collections"),
    "no walk index": Cause(
        "DROP INDEX connection_paths.idx_cc_walk_b", "indexes", "idx_cc_walk_b", f"is missing on {EDGES}"
    ),
    "an invalid index": Cause(invalid(MEMBERS), "indexes", MEMBERS, "not valid"),
    "an invalid walk index": Cause(invalid("connection_paths.idx_cc_walk_a"), "indexes", "idx_cc_walk_a", "not valid"),
    # an index must have the rule of its view, or the planner cannot use it
    "an index without the rule of the view": Cause(
        other_index(MEMBERS, f"{TABLE} {COLUMNS} WHERE source = 5 AND user_id IS NOT NULL"),
        "indexes",
        MEMBERS,
        "holds rows WHERE ((source = 5)",
    ),
    "an index of everything": Cause(
        other_index(MEMBERS, f"{TABLE} {COLUMNS}"), "indexes", MEMBERS, "holds rows WHERE true"
    ),
    "a laxer rule": Cause(
        other_index(
            "idx_experiences_by_contact",
            f"contact_work_experiences (contact_id) INCLUDE (organization_id, date_from, date_to) WHERE {EXPERIENCE}",
        ),
        "indexes",
        "idx_experiences_by_contact",
        "holds rows WHERE ((organization_id IS NOT NULL) AND (date_from IS NOT NULL)), view work_experiences shows",
    ),
    "the slow order of columns": Cause(
        other_index(MEMBERS, f"{TABLE} (contact_id, collection_id) INCLUDE (user_id) WHERE {RULE}"),
        "indexes",
        MEMBERS,
        "is btree (contact_id, collection_id) INCLUDE (user_id), not (collection_id, contact_id)",
    ),
    "a column less": Cause(
        other_index(MEMBERS, f"{TABLE} (collection_id, contact_id) WHERE {RULE}"),
        "indexes",
        MEMBERS,
        "is btree (collection_id, contact_id), not",
    ),
    "a walk in the other direction": Cause(
        other_index("connection_paths.idx_cc_walk_a", f"{EDGES} (contact_a_id, date_to, contact_b_id)"),
        "indexes",
        "idx_cc_walk_a",
        "is btree (contact_a_id, date_to, contact_b_id), not (contact_a_id, date_to DESC NULLS FIRST",
    ),
    "an expression less": Cause(
        other_index(
            "idx_experiences_by_organization",
            "contact_work_experiences (organization_id, date_to, date_from, contact_id) INCLUDE (date_to)"
            f" WHERE {EXPERIENCE} AND (date_to IS NULL OR date_to >= date_from)",
        ),
        "indexes",
        "idx_experiences_by_organization",
        "not (organization_id, (COALESCE(date_to",
    ),
    "somebody's invalid index": Cause(
        f"CREATE INDEX broken_ccnew ON {TABLE} (user_id); {invalid('broken_ccnew')}",
        "invalid indexes",
        "public.broken_ccnew",
        "no query uses it",
    ),
    "contacts without a key": Cause(
        "ALTER TABLE contacts DROP CONSTRAINT contacts_pkey", "plans", "public.contacts", "by a sequential scan"
    ),
    "a disabled trigger": Cause(
        "ALTER TABLE contacts DISABLE TRIGGER connection_paths_updated",
        "triggers",
        "public.contacts",
        "connection_paths_updated disabled",
    ),
    "a trigger for replicas only": Cause(
        "ALTER TABLE organizations ENABLE REPLICA TRIGGER connection_paths_deleted",
        "triggers",
        "public.organizations",
        "connection_paths_deleted enabled for replicas only",
    ),
    "a missing trigger": Cause(
        "DROP TRIGGER connection_paths_truncated ON contact_work_experiences",
        "triggers",
        "public.contact_work_experiences",
        "connection_paths_truncated missing",
    ),
    "no triggers": Cause(
        "; ".join(
            f"DROP TRIGGER connection_paths_{event} ON {table}"
            for event in ("inserted", "updated", "deleted", "truncated")
            for table in ("contacts", "organizations", "contact_work_experiences")
        )
        + "; UPDATE connection_paths.installation SET has_triggers = false",
        "triggers",
        "triggers",
        "left out at install",
        "advice",
    ),
    "another body": Cause(
        "CREATE OR REPLACE FUNCTION connection_paths.size_class(people double precision) RETURNS integer"
        " LANGUAGE sql IMMUTABLE AS 'SELECT NULL::integer'",
        "functions",
        "size_class",
        "functions of connection_paths are wrong; different from this package: size_class",
    ),
    "another body that is kept parsed": Cause(
        "CREATE OR REPLACE FUNCTION connection_paths.advisory_key(purpose text, id bigint) RETURNS bigint"
        " LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN id",
        "functions",
        "advisory_key",
        "different from this package: advisory_key",
    ),
    "a setting less": Cause(
        "ALTER FUNCTION connection_paths.find_paths RESET enable_seqscan", "functions", "find_paths", "find_paths"
    ),
    "no function": Cause(
        "DROP FUNCTION connection_paths.why_no_more", "functions", "why_no_more", "missing: why_no_more"
    ),
    "a migration that is pending": Cause(
        "DELETE FROM connection_paths._yoyo_migration WHERE migration_id LIKE '0005%'",
        "migrations",
        "0005_functions",
        "migrations are not applied: 0005_functions",
    ),
    "no memory of migrations": Cause(
        "DROP TABLE connection_paths._yoyo_log, connection_paths._yoyo_migration, connection_paths._yoyo_version,"
        " connection_paths.yoyo_lock",
        "migrations",
        "0001_binding_views",
        "migrations are not applied: 0001_binding_views, 0002_tables",
    ),
    "changes that wait": Cause(
        "DELETE FROM connection_paths.contact_changes;"
        " INSERT INTO connection_paths.contact_changes (contact_id, changed_at)"
        " SELECT g, now() - interval '1 hour' FROM generate_series(1, 3) AS g",
        "queue",
        "contact_changes",
        "3 changes wait, the oldest for 1:00 h; no `sync --follow` is running",
    ),
    "counts that are too old": Cause(
        "INSERT INTO connection_paths.organization_sizes VALUES (-999, 5, now() - interval '3 days')",
        "organization sizes",
        "organization_sizes",
        "the people of 1 organization have not been counted for more than two days, the oldest count is 3.0 days old",
        "advice",
    ),
    "a change that failed": Cause(
        "INSERT INTO connection_paths.contact_changes (contact_id, has_failed, error) VALUES (7, true, 'it would not')",
        "queue",
        "contact_changes",
        "for example of contact 7: it would not",
    ),
    "a run that was cancelled by hand": Cause(
        "SELECT connection_paths.create_run('rebuild');"
        " SELECT connection_paths.request_cancel(run_id) FROM connection_paths.backfill_runs",
        "runs",
        "run",
        "was cancelled, but objects that it created still exist",
    ),
    "a run that nobody works on": Cause(
        "SELECT connection_paths.create_run('in_place');"
        " UPDATE connection_paths.backfill_runs SET created_at = now() - interval '2 hours' WHERE status = 'running'",
        "runs",
        "run",
        "(in_place) is not finished and no worker is active; it began 2:00 h ago",
    ),
    "a paused run": Cause(
        "SELECT connection_paths.create_run('in_place');"
        " SELECT connection_paths.pause_run(run_id) FROM connection_paths.backfill_runs WHERE status = 'running'",
        "runs",
        "run",
        "(in_place) is paused",
    ),
    "contacts that were set aside": Cause(
        "INSERT INTO connection_paths.backfill_runs (strategy, status, phase)"
        " VALUES ('in_place', 'succeeded with exceptions', 'finished');"
        " INSERT INTO connection_paths.backfill_batches (run_id, predicted_edges, status, contact_id, error)"
        " SELECT max(run_id), 0, 'set aside', 11, 'it would not' FROM connection_paths.backfill_runs",
        "runs",
        "run",
        "has set aside 1 contacts, for example contact 11: it would not",
        "advice",
    ),
    "no backfill": Cause(
        f"TRUNCATE {EDGES}, connection_paths.backfill_runs, connection_paths.backfill_batches",
        "runs",
        "contact_connections",
        "no backfill was ever run",
    ),
    "a rebuild's table": Cause(
        f"CREATE TABLE {NEXT} (LIKE {EDGES})",
        "rebuild leftovers",
        "contact_connections_next",
        "has left contact_connections_next",
    ),
    "a rebuild's triggers": Cause(
        "".join(
            f"CREATE TRIGGER {name} AFTER {event} ON connection_paths.contact_connections_live"
            " EXECUTE FUNCTION connection_paths.record_other_kind();"
            for name, event in {
                "record_inserted": "INSERT",
                "record_updated": "UPDATE",
                "record_deleted": "DELETE",
                "refuse_truncate": "TRUNCATE",
            }.items()
        ),
        "rebuild leftovers",
        "trigger record_deleted of contact_connections_live",
        "refuse_truncate",
    ),
}


#: Causes that only `make long` repairs: most are like another one here or in another file.
LIKE_OTHERS = {
    "no walk index",
    "an invalid index",
    "an invalid walk index",
    "an index of everything",
    "a laxer rule",
    "the slow order of columns",
    "a column less",
    "a walk in the other direction",
    "an expression less",
    "a disabled trigger",
    "a trigger for replicas only",
    "a missing trigger",
    "no function",
    "another body that is kept parsed",
    "a setting less",
    "no memory of migrations",
    "a run that nobody works on",
    "a paused run",
    "contacts that were set aside",
    "a rebuild's triggers",
}


@pytest.mark.parametrize("name", long_if(LIKE_OTHERS.__contains__, CAUSES))
def test_what_is_wrong_is_found_and_repaired(db: Connection, dsn: str, name: str) -> None:
    cause = CAUSES[name]
    for statement in cause.statements.split(";"):
        db.execute(statement.encode())
    finding = sole(dsn)
    assert (finding.check, finding.severity) == (cause.check, cause.severity)
    assert finding.object.startswith(cause.object)
    assert cause.part in finding.what
    check_cured(dsn, finding)


def test_dropped_triggers_of_an_install_are_wrong(db: Connection, dsn: str) -> None:
    statements = CAUSES["no triggers"].statements.split(";")
    for statement in statements[:-1]:
        db.execute(statement.encode())
    findings = diagnose(dsn).findings
    assert {(finding.check, finding.severity) for finding in findings} == {("triggers", "wrong")}
    assert len(findings) == 3
    check_cured(dsn, findings[0])
