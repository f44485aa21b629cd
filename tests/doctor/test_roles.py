"""What doctor says of group roles that lack rights, or have others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host.mapping import load
from orchestrator.install.installation import install
from tests.support.sessions import connect


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    given = new_database()
    with connect(given) as connection:
        connection.execute(sqlfiles.query("install/demo_tables"))
    install(given, roles="doctored")
    return given


@pytest.fixture
def db(dsn: str) -> Iterator[Connection]:
    with connect(dsn) as connection:
        yield connection


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("REVOKE SELECT ON connection_paths.contact_connections FROM doctored_reader", "lacks SELECT"),
        ("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA connection_paths FROM doctored_reader", "more differences"),
        ("GRANT DELETE ON connection_paths.contact_connections TO doctored_reader", "DELETE"),
    ],
)
def test_other_rights_of_a_role_are_one_finding(dsn: str, db: Connection, statement: str, what: str) -> None:
    assert [each for each in diagnose(dsn).findings if each.check == "roles"] == []
    db.execute(statement.encode())
    (found,) = [each for each in diagnose(dsn).findings if each.check == "roles"]
    assert what in found.what
    assert (found.severity, found.repair) == ("wrong", "orchestrator install")
    install(dsn)
    assert [each for each in diagnose(dsn).findings if each.check == "roles"] == []


@pytest.fixture
def member(db: Connection) -> Iterator[str]:
    """A role that may read the application's tables, except that of the users, and what an operator may."""
    role = f"connection_paths_{os.getpid()}_member"
    db.execute(f"CREATE ROLE {role} LOGIN IN ROLE doctored_operator".encode())
    db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}".encode())
    yield role
    db.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_an_operator_may_run_the_check_of_organizations(dsn: str, member: str) -> None:
    found = diagnose(make_conninfo(dsn, user=member))
    assert {"organizations", "organization sizes"} <= {*found.checked}
    assert [each for each in found.findings if each.check == "mapping"] == []


def test_a_mapped_table_that_may_not_be_read_is_repaired_by_grants(
    dsn: str, db: Connection, member: str, tmp_path: Path
) -> None:
    db.execute("CREATE SCHEMA crm; CREATE TABLE crm.reps (id bigint PRIMARY KEY, name text)")
    file = tmp_path / "map.toml"
    file.write_text("[users]\ntable = 'crm.reps'\n")
    install(dsn, mapping=load(file))
    poor = make_conninfo(dsn, user=member)
    (found,) = [each for each in diagnose(poor).findings if each.check == "mapping"]
    assert found.what.startswith("users.table: this role may not read crm.reps; ")
    grants = f"GRANT USAGE ON SCHEMA crm TO {member};\nGRANT SELECT ON TABLE crm.reps TO {member};"
    assert (found.severity, found.repair) == ("wrong", grants)
    db.execute(grants.encode())
    assert [each for each in diagnose(poor).findings if each.check == "mapping"] == []
