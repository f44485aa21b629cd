"""The rights of the group roles. No role gets more than its own rights through the package."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from psycopg import errors
from psycopg.conninfo import make_conninfo

from orchestrator.access import roles
from orchestrator.access.reading import public_functions, readable
from orchestrator.cli import main
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.host import sources
from orchestrator.install.distribution import ADDED
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from tests.support.catalog import describe
from tests.support.roles import CALLS, OPERATOR, OWNER, PREFIX, READER, STRANGER, WORLD, Place, answers, identifiers
from tests.support.sessions import connect, value

#: Functions that neither a reader nor an operator may call. A new function must be in role_differences.sql, or here.
OWNERS_ALONE = {
    "copy_remaining_edges", "copy_storage_parameters", "exchange_rebuild", "record_other_kind",
    "queue_changed_experiences", "queue_added_or_removed", "queue_replicated_row", "record_capture_failure",
    "attach_source", "attach_view", "detach_source", "index_definitions", "queue_decided_names",
    "queue_policy_changes", "refuse_transition", "trigger_definitions",
}  # fmt: skip

#: Functions that every role may call. An index with the expression of a mapping calls them when a row is written.
FOR_EVERYBODY = {path.name for path in (sqlfiles.ROOT / "functions" / "host" / "expressions").iterdir()}

OPERATORS_CALLS = [
    "SELECT connection_paths.backfill_contact(1)",
    "SELECT connection_paths.write_edges('{1,2,3}')",
    "SELECT taken FROM connection_paths.sync_changes()",
]


def executable(connection: Connection, role: str) -> set[str]:
    rows = connection.execute(
        "SELECT proname FROM pg_proc"
        " WHERE pronamespace = 'connection_paths'::regnamespace AND has_function_privilege(%s, oid, 'EXECUTE')",
        (role,),
    )
    return {row[0] for row in rows}


# The roles.


def test_each_function_is_for_readers_or_operators_or_the_owner(place: Place, superuser: Connection) -> None:
    everything = executable(superuser, superuser.info.user)
    assert executable(superuser, place.login(OWNER)) == everything
    assert everything - executable(superuser, place.login(OPERATOR)) == OWNERS_ALONE
    assert executable(superuser, place.login(READER)) < executable(superuser, place.login(OPERATOR))


def test_readers_have_no_function_that_writes() -> None:
    folders = sqlfiles.function_folders()
    writes = [name for name in readable() if name in folders and writes_rows(folders[name])]
    assert writes == []
    assert set(public_functions()) < readable()


def test_readers_have_what_a_search_of_distributed_edges_needs() -> None:
    files = sqlfiles.distributed_functions()
    searching = [files[name] for name in files.keys() & readable()]
    mentioned = set(re.findall(r"(?:FROM|JOIN) connection_paths\.(\w+)", "".join(map(Path.read_text, searching))))
    assert {*ADDED, "edge_shards"} <= mentioned | {"shard_edges"} <= readable()


def writes_rows(folder: Path) -> bool:
    return any(
        re.search(r"\b(INSERT INTO|DELETE FROM|UPDATE connection_paths)\b", path.read_text())
        for path in folder.glob("*.sql")
    )


def granted_to_public(lines: list[str]) -> set[str]:
    """Return the names of the objects on which PUBLIC has a right, from a description of a schema."""
    granted = [line for line in lines if "grants to PUBLIC" in line]
    return {re.sub(r"^.*connection_paths\.(\w+).*$", r"\1", line) for line in granted}


def test_public_has_no_right(place: Place, superuser: Connection) -> None:
    assert granted_to_public(describe(place.dsn, "connection_paths")) == FOR_EVERYBODY
    assert executable(superuser, place.login(STRANGER)) == FOR_EVERYBODY
    with connect(place.dsn_of(STRANGER)) as stranger:
        for call in (*CALLS, "SELECT FROM connection_paths.contact_connections"):
            with pytest.raises(errors.InsufficientPrivilege):
                stranger.execute(call.encode())


def test_without_the_roles_public_has_no_right(installed: Connection) -> None:
    assert granted_to_public(describe(make_conninfo(installed.info.dsn), "connection_paths")) == FOR_EVERYBODY


def test_a_reader_finds_paths(place: Place) -> None:
    with connect(place.dsn) as everybody, connect(place.dsn_of(READER)) as reader:
        found = answers(reader, CALLS)
        assert found == answers(everybody, CALLS)
        assert all(found)
    done = place.run(READER, "paths", "3", "--collection", "1", "--viewer", "7")
    assert done.exit_code == 0, done.output
    assert "contact 3" in done.output


def test_a_reader_writes_nothing(place: Place, superuser: Connection) -> None:
    writable = superuser.execute(
        "SELECT c.oid::regclass::text, p.name FROM pg_class AS c"
        " CROSS JOIN unnest('{INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS p (name)"
        " WHERE c.relkind IN ('r', 'p', 'v') AND c.relnamespace::regnamespace::text IN ('connection_paths', 'public')"
        " AND has_table_privilege(%s, c.oid, p.name)",
        (place.login(READER),),
    )
    assert writable.fetchall() == []
    # A function that is neither VOLATILE nor SECURITY DEFINER cannot write: the server refuses it.
    able = superuser.execute(
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'connection_paths'::regnamespace"
        " AND has_function_privilege(%s, oid, 'EXECUTE') AND (provolatile = 'v' OR prosecdef)",
        (place.login(READER),),
    )
    assert able.fetchall() == [("connection_paths.raise_detached(text)",)]  # it only raises an error
    with connect(place.dsn_of(READER)) as reader:
        for statement in (
            "INSERT INTO connection_paths.finder_rollout VALUES (1, 'v1')",
            "DELETE FROM connection_paths.contact_connections",
            "TRUNCATE connection_paths.do_not_ask",
            "UPDATE connection_paths.backfill_runs SET status = 'cancelled'",
            "INSERT INTO connection_paths.contact_changes VALUES (1)",
            "SELECT nextval('connection_paths.backfill_worker_ids')",
            "CREATE TABLE connection_paths.mine ()",
            *OPERATORS_CALLS,
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                reader.execute(statement.encode())


def test_an_operator_may_backfill_sync_and_control_runs(place: Place, superuser: Connection) -> None:
    superuser.execute("TRUNCATE connection_paths.contact_connections")
    for command in (
        ("plan",),
        ("backfill", "--strategy", "in_place", "--workers", "2", "--no-throttle"),
        ("sync",),
        ("verify",),
        ("runs", "list"),
        ("status",),
    ):
        done = place.run(OPERATOR, *command)
        assert done.exit_code == 0, (command, done.output)
    assert superuser.execute("SELECT count(*) FROM connection_paths.contact_connections").fetchone() == (4,)
    with connect(place.dsn_of(OPERATOR)) as operator:
        answers(operator, [*CALLS, *OPERATORS_CALLS])
        row = operator.execute("SELECT connection_paths.create_run('in_place')").fetchone()
        assert row is not None
        for way in ("pause", "resume", "cancel"):
            done = place.run(OPERATOR, "runs", way, str(row[0]))
            assert done.exit_code == 0, done.output
        for statement in ("DROP TABLE connection_paths.contact_connections", "CREATE TABLE connection_paths.mine ()"):
            with pytest.raises(errors.InsufficientPrivilege):
                operator.execute(statement.encode())
    done = place.run(OPERATOR, "backfill", "--strategy", "rebuild", "--workers", "1")
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "Use the strategy in_place" in done.output


@pytest.mark.parametrize("who", [OWNER, "postgres"])
def test_after_a_rebuild_the_edges_belong_to_the_owner_role(place: Place, who: str, superuser: Connection) -> None:
    dsn = place.dsn_of(OWNER) if who == OWNER else place.dsn
    rebuild = ("backfill", "--strategy", "rebuild", "--workers", "1", "--no-throttle")
    done = CliRunner().invoke(main, ["--dsn", dsn, *rebuild])
    assert done.exit_code == 0, done.output
    found = status(place.dsn)
    assert found.roles is not None
    assert found.roles.problems == []
    with connect(place.dsn_of(READER)) as reader:
        assert all(answers(reader, CALLS))


def test_status_shows_wrong_grants_and_the_next_install_repairs_them(place: Place, superuser: Connection) -> None:
    before = describe(place.dsn)
    reader, owner = f"{PREFIX}_reader", f"{PREFIX}_owner"
    for statement in (
        identifiers("GRANT INSERT ON connection_paths.contact_connections TO {}", reader),
        identifiers("REVOKE USAGE ON SCHEMA connection_paths FROM {}", reader),
        identifiers("REVOKE EXECUTE ON FUNCTION connection_paths.pair_edges FROM {}", reader),
        identifiers("ALTER TABLE connection_paths.finder_rollout OWNER TO {}", place.login(STRANGER)),
        identifiers("GRANT EXECUTE ON FUNCTION connection_paths.sync_changes TO PUBLIC"),
    ):
        superuser.execute(statement)
    found = status(place.dsn)
    assert found.roles is not None
    assert not found.healthy
    said = "; ".join(found.roles.problems)
    for problem in (
        f"{reader} has INSERT on table connection_paths.contact_connections",
        f"{reader} lacks EXECUTE on function connection_paths.pair_edges",
        f"{reader} lacks USAGE on schema connection_paths",
        f"table connection_paths.finder_rollout belongs to {place.login(STRANGER)}",
        "PUBLIC has EXECUTE on function connection_paths.sync_changes",
    ):
        assert problem in said
    shown = place.run(OWNER, "status")
    assert shown.exit_code == 1
    assert "PUBLIC has EXECUTE" in shown.output
    assert place.login(READER) in shown.output
    assert owner in shown.output
    assert install(place.dsn).applied == []
    assert describe(place.dsn) == before
    assert status(place.dsn).healthy


def test_the_next_install_grants_a_new_function(place: Place, superuser: Connection, host: str) -> None:
    before = describe(place.dsn)
    text = sqlfiles.function("why_no_more")
    for name in re.findall(r"^DROP.*", text) or ["connection_paths.why_no_more"]:
        superuser.execute(f"DROP FUNCTION {name}".encode())
    superuser.execute(text)
    assert describe(place.dsn) != before
    install(place.dsn)
    assert describe(place.dsn) == before


def test_an_operator_resolves_company_names(place: Place, host: str) -> None:
    install(host, roles=PREFIX, names=True)
    with connect(host) as connection:
        for statement in roles.host_grants(connection, PREFIX, "public"):
            connection.execute(statement.encode())
        connection.execute(WORLD)
        connection.execute(
            "UPDATE contact_work_experiences SET organization_id = NULL, company_name = 'acme' WHERE id = 5"
        )
        operator = make_conninfo(host, user=place.login(OPERATOR))
        connection.execute("SELECT connection_paths.backfill_contact(i) FROM generate_series(1, 5) AS i")
        for forms in ("legal_forms", "legal_forms WHERE form LIKE '%a%'"):  # of another version of the library
            connection.execute(f"DELETE FROM connection_paths.{forms}".encode())
            for command in (["resolve", "propose"], ["sync"], ["verify"], ["resolve", "review", "--all"]):
                done = CliRunner().invoke(main, ["--dsn", operator, *command])
                assert done.exit_code == 0, (command, done.output)
        assert value(connection, "SELECT company_name FROM connection_paths.name_decisions") == "acme"


def test_two_databases_share_the_roles(place: Place, host: str) -> None:
    done = CliRunner().invoke(main, ["--json", "--dsn", host, "install", f"--roles={PREFIX}"])
    assert json.loads(done.stdout)["grants"][0] == f"GRANT USAGE ON SCHEMA public TO {PREFIX}_reader;"
    told = json.loads(CliRunner().invoke(main, ["--json", "--dsn", host, "status"]).stdout)["roles"]
    assert [role["name"] for role in told["roles"]] == [f"{PREFIX}_{kind}" for kind in (READER, OPERATOR, OWNER)]
    once = describe(host)
    assert install(host, roles=PREFIX).applied == []
    assert describe(host) == once
    said: list[str] = []
    uninstall(host, progress=said.append)
    assert f'DROP ROLE "{PREFIX}_reader"' in said[-1]
    assert status(place.dsn).healthy


def test_installs_in_many_databases_make_the_same_roles_at_once(
    new_database: Callable[[], str], cleaned_up: None
) -> None:
    databases = [new_database() for _ in range(4)]
    for dsn in databases:
        with connect(dsn) as connection:
            connection.execute(sqlfiles.query("install/demo_tables"))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda dsn: install(dsn, roles=f"{PREFIX}_many"), databases))
    for dsn in databases:
        assert status(dsn).healthy


def test_a_role_that_may_not_create_roles_gets_the_statements_for_a_superuser(
    place: Place, host: str, superuser: Connection
) -> None:
    prefix, deploy = f"{PREFIX} made \"by' hand", place.login("deploy")
    superuser.execute(identifiers("CREATE ROLE {} LOGIN", deploy))
    dsn = make_conninfo(host, user=deploy)
    with connect(host) as connection:
        connection.execute(identifiers("GRANT CREATE ON DATABASE {} TO {}", connection.info.dbname, deploy))
        connection.execute(identifiers("GRANT CREATE ON SCHEMA public TO {}", deploy))
        for table in sources.TABLES:
            connection.execute(identifiers("ALTER TABLE {} OWNER TO {}", table, deploy))
        done = CliRunner().invoke(main, ["--json", "--dsn", dsn, "install", f"--roles={prefix}"])
        assert done.exit_code == 0, done.output
        assert status(dsn).roles is None
        for statement in json.loads(done.stdout)["for_superuser"]:
            connection.execute(statement.encode())
    told = CliRunner().invoke(main, ["--dsn", dsn, "install", f"--roles={prefix}_2"]).output
    assert 'A superuser must run:\n  CREATE ROLE "' in told
    assert "Then run: orchestrator install '--roles=" in told or "Then run: orchestrator install --roles='" in told
    install(dsn, roles=prefix)
    found = status(dsn)
    assert found.healthy
    assert found.roles is not None
    assert [role.name for role in found.roles.roles] == [f"{prefix}_{kind}" for kind in (READER, OPERATOR, OWNER)]
    assert uninstall(dsn)


@pytest.mark.parametrize(
    "command",
    [
        "install", "backfill", "sync", "plan", "verify", "status", "paths 3 --collection 1 --viewer 7", "runs list",
        "runs pause 1", "uninstall --yes", "detach contacts", "resolve status",
    ],
)  # fmt: skip
def test_a_command_names_every_right_that_the_role_lacks(place: Place, superuser: Connection, command: str) -> None:
    """After the statements in the message, the role may run the command; an owner also needs the tables."""
    done = place.run(STRANGER, *command.split())
    level = "reader" if command.startswith(("paths", "status")) else "operator"
    level = "owner" if command.startswith(("install", "uninstall", "detach")) else level
    group = f"{PREFIX}_{level}"
    assert (done.exit_code, done.output.count("\n")) == (1, 1), done.output
    assert f"role {place.login(STRANGER)} needs membership in {group};" in done.output
    assert done.output.endswith(f"must run: GRANT {group} TO {place.login(STRANGER)};\n")


def test_rights_on_the_tables_of_the_application_are_named_too(place: Place, superuser: Connection) -> None:
    reader = f"{PREFIX}_reader"
    superuser.execute(identifiers("REVOKE SELECT ON contacts, organizations FROM {}", reader))
    try:
        done = place.run(OPERATOR, "plan")
        assert done.output.count("\n") == 1
        assert "needs SELECT on public.contacts, SELECT on public.organizations; " in done.output
        superuser.execute(done.output.split("must run: ")[1].encode())
        assert place.run(OPERATOR, "plan").exit_code == 0
    finally:
        superuser.execute(identifiers("GRANT SELECT ON contacts, organizations TO {}", reader))


def test_without_group_roles_the_first_statement_makes_them(
    installed_host: str, superuser: Connection, place: Place
) -> None:
    done = CliRunner().invoke(main, ["--dsn", make_conninfo(installed_host, user=place.login(STRANGER)), "sync"])
    assert (done.exit_code, done.output.count("\n")) == (1, 1), done.output
    assert "must run: orchestrator install --roles, and the statements that it prints; then: GRANT conn" in done.output


@pytest.mark.parametrize("prefix", ["", "x" * 55, "ä" * 28, "pg_mine", "a\0b"])
def test_an_impossible_prefix_is_refused(host: str, prefix: str, cleaned_up: None) -> None:
    with pytest.raises(OrchestratorError):
        install(host, roles=prefix)
    with connect(host) as connection:
        assert connection.execute("SELECT to_regnamespace('connection_paths')").fetchone() == (None,)


def test_an_existing_login_role_is_not_used_as_a_group(place: Place, host: str, superuser: Connection) -> None:
    superuser.execute(identifiers("CREATE ROLE {} LOGIN", f"{PREFIX}_taken_owner"))
    with pytest.raises(OrchestratorError, match="may log in"):
        install(host, roles=f"{PREFIX}_taken")


def test_a_second_prefix_is_refused(place: Place) -> None:
    with pytest.raises(OrchestratorError, match="in use"):
        install(place.dsn, roles=f"{PREFIX}_other")
