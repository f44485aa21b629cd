"""What doctor says of group roles that lack rights, or have others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
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
