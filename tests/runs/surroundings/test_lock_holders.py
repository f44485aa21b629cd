"""Advisory locks of a role without privileges neither block a run nor count as a worker's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from orchestrator.core.database import Connection, connect
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.application_rule import wrong
from tests.support.command_line import run
from tests.support.runs import WAITING, begin, claimed, create
from tests.support.sessions import dsn_of, terminate, value
from tests.support.waiting import in_the_background, until
from tests.support.world import office


@pytest.fixture
def role(db: Connection) -> Iterator[Callable[..., str]]:
    """A function that makes roles that may connect, with more privileges; all roles are dropped at the end."""
    made: list[sql.Identifier] = []

    def make(*grants: str, **names: str) -> str:
        name = f"{db.info.dbname}_role_{len(made)}"
        made.append(sql.Identifier(name))
        db.execute(sql.SQL("CREATE ROLE {} LOGIN").format(made[-1]))
        for each in grants:
            quoted = {key: sql.Identifier(other) for key, other in names.items()}
            db.execute(sql.SQL(each).format(role=made[-1], **quoted))
        return name

    yield make
    for name in reversed(made):
        db.execute(sql.SQL("DROP OWNED BY {}").format(name))
        db.execute(sql.SQL("DROP ROLE {}").format(name))


def log_in(own: Connection, role: str) -> Connection:
    return psycopg.connect(make_conninfo(dsn_of(own), user=role), autocommit=True)


#: Takes the advisory locks of every purpose, old ones too, for the next ids.
TAKE = """
SELECT pg_try_advisory_{lock}(purpose * (1::bigint << 48) + id)
FROM unnest('{{25441,25443,25444,25445}}'::bigint[]) AS purpose
CROSS JOIN (
    SELECT generate_series(s.last_value, s.last_value + 150) FROM connection_paths.backfill_worker_ids AS s
    UNION ALL SELECT r.last_value + n FROM connection_paths.backfill_runs_run_id_seq AS r, generate_series(0, 20) AS n
    UNION ALL SELECT 0
) AS i (id)
"""


@pytest.mark.parametrize(
    ("strategy", "lock"), [("in_place", "lock"), ("rebuild", "xact_lock"), ("rebuild", "lock_shared")]
)
def test_a_role_without_rights_cannot_block_a_run(
    db: Connection, role: Callable[..., str], strategy: str, lock: str
) -> None:
    begin(db, office(10))
    reads = role(
        "GRANT USAGE ON SCHEMA connection_paths TO {role}",
        "GRANT SELECT ON ALL SEQUENCES IN SCHEMA connection_paths TO {role}",
    )
    with log_in(db, reads) as intruder, intruder.transaction():
        intruder.execute(TAKE.format(lock=lock).encode())
        done = backfill(dsn_of(db), BackfillOptions(2, strategy, batch_edges=9, limits=None))
        assert (done.run.status, wrong(db, 10)) == ("succeeded", {})
        run_id = create(db, "rebuild")
        cancelled = run("--dsn", dsn_of(db), "runs", "cancel", str(run_id))
        assert cancelled.stdout == f"Run {run_id} is cancelled.\n"


def test_a_role_without_rights_cannot_keep_a_dead_worker_alive(db: Connection, role: Callable[..., str]) -> None:
    begin(db, office(4))
    run_id = create(db, "in_place")
    db.execute("SELECT connection_paths.set_max_workers(run_id, 1) FROM connection_paths.backfill_runs")
    with connect(dsn_of(db)) as doomed, log_in(db, role()) as intruder:
        old = claimed(doomed, run_id)
        worker = value(doomed, "SELECT connection_paths.register_worker()")
        db.execute("UPDATE connection_paths.backfill_runs SET finishing_worker_id = %s", (worker,))
        key = value(db, "SELECT connection_paths.advisory_key('worker', %s)", worker)
        with in_the_background(lambda: intruder.execute("SELECT pg_advisory_lock(%s)", (key,))) as waiting:
            until(lambda: value(db, WAITING) == 1)
            terminate(db, doomed)
            waiting.result()
        assert claimed(db, run_id) == old._replace(attempt=2)
        assert value(db, "SELECT connection_paths.claim_finish(%s)", run_id) is True


MEMBER = "GRANT {group} TO {role}"
GRANTS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "reads": ("GRANT SELECT ON ALL TABLES IN SCHEMA connection_paths TO {role}",),
    "uses the schema": ("GRANT USAGE ON SCHEMA connection_paths TO {role}",),
    "writes": ("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA connection_paths TO {role}",),
    "superuser": ("ALTER ROLE {role} SUPERUSER",),
    "writes all": ("GRANT pg_write_all_data TO {role}",),
}


def test_which_roles_count_as_lock_holders(db: Connection, role: Callable[..., str]) -> None:
    """For each purpose and privilege, the role has the privilege itself, or by a membership, inherited or not."""
    expected, found = set(), set()
    for grants, statements in GRANTS.items():
        group = role(*statements)
        members = {"itself": group}
        if grants != "superuser":  # that attribute is not inherited
            members["inherits"] = role(MEMBER, group=group)
            members["does not inherit"] = role("ALTER ROLE {role} NOINHERIT", MEMBER, group=group)
        for member, name in members.items():
            with log_in(db, name) as session:
                for purpose in ("worker", "refresh", "listener"):
                    if grants in ("writes", "writes all", "superuser"):
                        expected.add((purpose, grants, member))
                    key = value(db, "SELECT connection_paths.advisory_key(%s, 7)", purpose)
                    session.execute("SELECT pg_advisory_lock_shared(%s)", (key,))
                    held = db.execute("SELECT id, pid FROM connection_paths.lock_holders(%s)", (purpose,)).fetchall()
                    if (7, session.info.backend_pid) in held:
                        found.add((purpose, grants, member))
    assert found == expected


def test_a_caller_of_a_security_definer_function_counts_as_a_holder(db: Connection, role: Callable[..., str]) -> None:
    """A SECURITY DEFINER function of the application, called by a role without privileges."""
    name = role()
    db.execute(
        "CREATE OR REPLACE FUNCTION public.recompute() RETURNS void LANGUAGE sql SECURITY DEFINER AS"
        " 'LOCK TABLE connection_paths.contact_connections IN ROW EXCLUSIVE MODE;"
        "  SELECT connection_paths.begin_refresh()'"
    )
    with log_in(db, name) as session, session.transaction():
        session.execute("SELECT public.recompute()")
        held = db.execute("SELECT pid FROM connection_paths.lock_holders('refresh')").fetchall()
        assert held == [(session.info.backend_pid,)]


def test_a_worker_whose_lock_would_not_count_gets_an_error(db: Connection, role: Callable[..., str]) -> None:
    name = role()
    db.execute(
        "CREATE OR REPLACE FUNCTION public.register() RETURNS integer LANGUAGE sql SECURITY DEFINER AS"
        " 'SELECT connection_paths.register_worker()'"
    )
    with log_in(db, name) as session, pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not write"):
        session.execute("SELECT public.register()")
