"""Nobody gets rows or rights through the package that the role does not have; hostile texts are only texts."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from psycopg import errors

from orchestrator.cli import main
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from tests.support.catalog import describe
from tests.support.roles import CALLS, OPERATOR, PREFIX, READER, STRANGER, Place, answers, identifiers
from tests.support.sessions import connect


def test_row_security_of_the_host_is_honoured(place: Place, superuser: Connection) -> None:
    """A policy hides one collection from a role: the role gets no path of it, and all paths of the others."""
    hidden = [call.replace("(3, 1, 7", "(3, 2, 7") for call in CALLS]
    seen = answers(superuser, CALLS)
    assert answers(superuser, hidden)[3]
    superuser.execute("ALTER TABLE user_contact_collections ENABLE ROW LEVEL SECURITY")
    theirs, everything = place.login(READER), f"{PREFIX}_owner"
    superuser.execute(
        identifiers("CREATE POLICY theirs ON user_contact_collections TO {} USING (collection_id <> 2)", theirs)
    )
    superuser.execute(
        identifiers("CREATE POLICY everything ON user_contact_collections TO {} USING (true)", everything)
    )
    try:
        with connect(place.dsn_of(READER)) as reader:
            assert answers(reader, CALLS) == seen
            for call, found in zip(hidden, answers(reader, hidden), strict=True):
                assert found[0][0]["paths"] == [] if "find_paths" in call else found == []
    finally:
        superuser.execute("DROP POLICY theirs ON user_contact_collections")
        superuser.execute("DROP POLICY everything ON user_contact_collections")
        superuser.execute("ALTER TABLE user_contact_collections DISABLE ROW LEVEL SECURITY")


def test_a_caller_without_rights_on_the_host_tables_cannot_search(place: Place, superuser: Connection) -> None:
    reader = f"{PREFIX}_reader"
    superuser.execute(identifiers("REVOKE SELECT ON user_contact_collections FROM {}", reader))
    try:
        with connect(place.dsn_of(READER)) as connection:
            for call in CALLS:
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(call.encode())
    finally:
        superuser.execute(identifiers("GRANT SELECT ON user_contact_collections TO {}", reader))


HOSTILE_TEXTS = ["", "any'; DROP TABLE connection_paths.finder_rollout; --", "ANY", 'v1" --', "$$", "%s", "\\'"]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_a_hostile_text_argument_is_refused_by_name(place: Place, text: str) -> None:
    before = describe(place.dsn)
    with connect(place.dsn_of(READER)) as reader:
        for call in (
            "SELECT connection_paths.find_paths(3, 1, 7, seed_scope => %s)",
            "SELECT connection_paths.find_paths(3, 1, 7, impl => %s)",
            "SELECT * FROM connection_paths.deep_finder(3, 1, 7, seed_scope => %s)",
            "SELECT * FROM connection_paths.legacy_finder(3, 1, 7, seed_scope => %s)",
        ):
            with pytest.raises(errors.InvalidParameterValue):
                reader.execute(call, (text,))
    with connect(place.dsn_of(OPERATOR)) as operator, pytest.raises(errors.InvalidParameterValue):
        operator.execute("SELECT connection_paths.create_run(%s)", (text,))
    assert describe(place.dsn) == before


@pytest.mark.parametrize("schema", ['a"; DROP TABLE contacts; --', "x" * 64, "", "'", "%s", "ä" * 40, "pg_temp"])
def test_a_hostile_host_schema_is_refused_in_one_line(host: str, schema: str) -> None:
    before = describe(host)
    for command in ("install", "seed synthetic --contacts 10"):
        done = CliRunner().invoke(main, ["--dsn", host, *command.split(), "--host-schema", schema])
        if command == "install":
            assert (done.exit_code, done.output.count("\n"), done.output[:7]) == (1, 1, "Error: ")
        assert done.exception is None or isinstance(done.exception, SystemExit)
    assert [line for line in describe(host) if "public." in line] == [line for line in before if "public." in line]


def test_a_host_schema_may_have_the_longest_possible_name(database: str) -> None:
    schema = 'ä"' * 21  # 63 bytes
    with connect(database) as connection:
        connection.execute(identifiers("CREATE SCHEMA {}", schema))
        connection.execute(identifiers("SET search_path = {}", schema))
        connection.execute(sqlfiles.query("install/demo_tables"))
    install(database, schema)
    assert status(database).healthy
    assert uninstall(database)


@pytest.mark.parametrize(
    "dsn",
    [
        "not a connection string", "dbname='", "host=/nowhere", "postgresql://[", "postgresql://u:s3cret@127.0.0.1:1/x",
        "port=no", "service=nowhere", "host=127.0.0.1 port=1 dbname=\"; DROP DATABASE x", "sslmode=hm", "a=b",
        "postgresql://%zz", "host=/nowhere options='-c search_path=hostile'", "dbname=$(id)",
    ],
)  # fmt: skip
def test_a_hostile_connection_string_is_one_line_of_error(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "/nowhere")
    for command in ("install", "status", "paths"):
        arguments = ["1", "--collection", "1", "--viewer", "1"] if command == "paths" else []
        done = CliRunner().invoke(main, ["--dsn", dsn, command, *arguments])
        assert (done.exit_code, done.output.count("\n")) == (1, 1), done.output
        assert done.output.startswith("Error: ")
        assert "s3cret" not in done.output


def test_a_schema_of_another_role_is_refused(place: Place, host: str) -> None:
    with connect(host) as connection:
        connection.execute(identifiers("CREATE SCHEMA connection_paths AUTHORIZATION {}", place.login(STRANGER)))
        with pytest.raises(OrchestratorError, match="owns none of the application's tables"):
            install(host)
        assert describe(host, "connection_paths")[:2] == [f"schema connection_paths owner {place.login(STRANGER)}"]
