"""A role that may not see every row computes no edges: it would delete the edges of the hidden rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.install.installation import install
from orchestrator.install.status import status
from tests.support.command_line import run
from tests.support.properties import first_of

TABLES = ("contacts", "organizations", "contact_work_experiences")
#: Policies for the role, and whether they may hide rows from it.
POLICIES: dict[str, tuple[str, bool]] = {
    "none": ("", True),
    "some rows": ("CREATE POLICY part ON public.{table} USING (id <= 3)", True),
    "all rows": ("CREATE POLICY every ON public.{table} USING (true)", False),
    "all rows, for this role": ("CREATE POLICY every ON public.{table} FOR SELECT TO {role} USING (true)", False),
    "all rows, for others": ("CREATE POLICY every ON public.{table} FOR SELECT TO pg_monitor USING (true)", True),
    "all rows, for writing": ("CREATE POLICY every ON public.{table} FOR UPDATE USING (true)", True),
    "all rows but": (
        "CREATE POLICY every ON public.{table} USING (true);"
        " CREATE POLICY less ON public.{table} AS RESTRICTIVE USING (id > 1)",
        True,
    ),
}
EDGES = "SELECT count(*) FROM connection_paths.contact_connections"
WRITING = (
    "SELECT connection_paths.sync_changes()",
    "SELECT connection_paths.backfill_contact(1)",
    "SELECT connection_paths.create_run('in_place')",
)


@pytest.fixture(scope="module")
def place(new_database: Callable[[], str]) -> Iterator[tuple[Connection, str, str]]:
    """The superuser's connection to a filled database, the name of an operator, and its connection string."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(sqlfiles.query("install/demo_tables"))
        db.execute("INSERT INTO public.contacts SELECT i, 'contact ' || i FROM generate_series(1, 9) AS i")
        db.execute("INSERT INTO public.organizations VALUES (1, 'one')")
        db.execute(
            "INSERT INTO public.contact_work_experiences (id, contact_id, organization_id, date_from)"
            " SELECT i, i, 1, '2020-01-01' FROM generate_series(1, 9) AS i"
        )
        prefix = f"hidden_{db.info.backend_pid}"
        install(dsn, roles=prefix)
        assert run("--dsn", dsn, "backfill", "--no-throttle").exit_code == 0
        role = f"{prefix}_login"
        db.execute(f"CREATE ROLE {role} LOGIN IN ROLE {prefix}_operator".encode())
        db.execute(
            f"GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}".encode()
        )
        yield db, role, psycopg.conninfo.make_conninfo(dsn, user=role)
        db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


@pytest.mark.parametrize("policy", first_of(3, POLICIES))
@pytest.mark.parametrize("table", first_of(3, TABLES))
def test_a_role_that_may_not_see_every_row_computes_no_edges(
    place: tuple[Connection, str, str], table: str, policy: str
) -> None:
    db, role, poor = place
    created, is_hidden = POLICIES[policy]
    before = db.execute(EDGES).fetchone()
    try:
        db.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY".encode())
        db.execute(created.format(table=table, role=role).encode())
        with psycopg.connect(poor, autocommit=True) as operator:
            assert bool(operator.execute("SELECT * FROM connection_paths.hidden_tables()").fetchall()) is is_hidden
            for call in WRITING:
                if is_hidden:
                    with pytest.raises(psycopg.Error, match="row-level security may hide rows") as caught:
                        operator.execute(call.encode())
                    assert caught.value.sqlstate == "CP012"
        hints = [each for each in status(poor).problems if "row-level security may hide rows" in each]
        assert hints == [each for each in hints if f"public.{table} from role {role}" in each]
        assert len(hints) == is_hidden
        for command in (("backfill", "--no-throttle"), ("sync",), ("plan",), ("verify", "--sample", "10")):
            if is_hidden:
                told = run("--dsn", poor, *command)
                assert told.exit_code == 1, command
                assert "row-level security may hide rows" in told.output, command
        assert db.execute(EDGES).fetchone() == before
        assert db.execute("SELECT * FROM connection_paths.hidden_tables()").fetchall() == []  # a superuser sees all
    finally:
        db.execute(f"ALTER TABLE public.{table} DISABLE ROW LEVEL SECURITY".encode())
        db.execute(f"DROP POLICY IF EXISTS part ON public.{table}".encode())
        db.execute(f"DROP POLICY IF EXISTS every ON public.{table}".encode())
        db.execute(f"DROP POLICY IF EXISTS less ON public.{table}".encode())


VIEWS = ("live_contacts", "collection_members", "backfill_progress")


@pytest.mark.parametrize("view", first_of(3, VIEWS))
def test_a_view_that_lost_the_rights_of_its_caller_is_repaired(place: tuple[Connection, str, str], view: str) -> None:
    db, _, _ = place
    dsn = psycopg.conninfo.make_conninfo(db.info.dsn)
    db.execute(f"ALTER VIEW connection_paths.{view} RESET (security_invoker)".encode())
    assert any("security_invoker" in problem for problem in status(dsn).problems)
    assert any("security_invoker" in sentence for sentence in install(dsn).repaired)
    assert status(dsn).problems == []


def test_a_detached_partition_is_attached_again(place: tuple[Connection, str, str]) -> None:
    db, _, _ = place
    dsn = psycopg.conninfo.make_conninfo(db.info.dsn)
    before = db.execute(EDGES).fetchone()
    live = "connection_paths.contact_connections_live"
    db.execute(f"ALTER TABLE connection_paths.contact_connections DETACH PARTITION {live}".encode())
    assert db.execute(EDGES).fetchone() == (0,)
    assert any("is not a partition" in problem for problem in status(dsn).problems)
    assert any("is not a partition" in sentence for sentence in install(dsn).repaired)
    assert db.execute(EDGES).fetchone() == before
    assert status(dsn).problems == []


CASTS = """
CREATE TYPE mood AS ENUM ('happy');
CREATE TABLE called (by_whom text);
CREATE FUNCTION of_mood(m mood) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO public.called VALUES (current_user) RETURNING 1::bigint
$$;
CREATE CAST (mood AS bigint) WITH FUNCTION of_mood(mood) AS {context};
GRANT INSERT, SELECT ON called TO PUBLIC;
"""
WRITES = (
    ("contacts", "id", "INSERT INTO public.contacts (id) VALUES ('happy')"),
    ("organizations", "id", "INSERT INTO public.organizations (id) VALUES ('happy')"),
    (
        "contact_work_experiences",
        "contact_id",
        "INSERT INTO public.contact_work_experiences (id, contact_id) VALUES (1, 'happy')",
    ),
)


@pytest.mark.parametrize("replica", [False, True])
@pytest.mark.parametrize("context", first_of(2, ["ASSIGNMENT", "IMPLICIT"]))
def test_a_trigger_calls_no_cast_of_the_owner_of_a_table(
    new_database: Callable[[], str], context: str, replica: bool
) -> None:
    """The triggers run with the rights of the package's owner, here a superuser, and the table is another role's."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(sqlfiles.query("install/demo_tables"))
        install(dsn, replicated=replica)
        if replica:
            db.execute("SET session_replication_role = replica")
        db.execute(CASTS.format(context=context).encode())
        for table, column, write in WRITES:
            db.execute(f"ALTER TABLE public.{table} RENAME {column} TO before".encode())
            db.execute(f"ALTER TABLE public.{table} ALTER before SET DEFAULT 1, ADD {column} mood".encode())
            for step in (write, f"UPDATE public.{table} SET {column} = NULL", f"DELETE FROM public.{table}"):
                db.execute(step.encode())
        assert db.execute("SELECT * FROM public.called").fetchall() == []
        failed = db.execute("SELECT count(DISTINCT table_name) FROM connection_paths.capture_failures").fetchone()
        assert failed == (len(WRITES),)
