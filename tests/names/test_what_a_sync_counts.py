"""A sync counts the changes that it takes from the queue, and nothing else that it does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.changes.queue import has_changes
from orchestrator.changes.sync import sync
from orchestrator.core.database import Connection
from orchestrator.names.propose import propose
from tests.support.changes import EXPERIENCES, drain
from tests.support.names import ask
from tests.support.sessions import value

#: What gives a sync something to do, and the least number of changes that this is.
CAUSES = {
    "nothing": ("SELECT 1", 0),
    "a capture failure": (
        "ALTER TABLE connection_paths.contact_changes RENAME contact_id TO another_name;"
        f" UPDATE {EXPERIENCES} SET date_from = date_from + 100 WHERE contact_id = 1;"
        " ALTER TABLE connection_paths.contact_changes RENAME another_name TO contact_id",
        1,  # a row for every contact
    ),
    "a refresh that is due": ("INSERT INTO connection_paths.due_changes VALUES (1, CURRENT_DATE)", 1),
    "a decision": ("INSERT INTO connection_paths.name_decisions (company_name, organization_id) VALUES ('Beta', 1)", 1),
    "a decision about a name that nobody has": (
        "INSERT INTO connection_paths.name_decisions (company_name, organization_id) VALUES ('Omega', 1)", 0,
    ),
    "a name without candidates": (
        "UPDATE connection_paths.company_names SET proposed_at = NULL WHERE company_name = 'Beta'", 0,
    ),
    "an old count": ("UPDATE connection_paths.organization_sizes SET counted_at = now() - interval '2 days'", 0),
    "a changed contact": (f"UPDATE {EXPERIENCES} SET date_from = date_from + 1 WHERE contact_id = 1", 1),
}  # fmt: skip


@pytest.fixture
def counted(db: Connection, dsn: str) -> Iterator[Connection]:
    """A database in which nothing is left to do. Its table ``taken_rows`` counts the rows that leave the queue."""
    db.execute(
        """
        DROP TABLE IF EXISTS public.taken_rows;
        CREATE TABLE public.taken_rows (rows bigint);
        CREATE OR REPLACE FUNCTION public.count_taken() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO public.taken_rows SELECT count(*) FROM taken;
            RETURN NULL;
        END
        $$;
        CREATE TRIGGER count_taken AFTER DELETE ON connection_paths.contact_changes
            REFERENCING OLD TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION public.count_taken();
        INSERT INTO public.contacts SELECT g, '' FROM generate_series(1, 5) AS g;
        """
    )
    ask(db, ["Beta"], {1: "Acme Inc."})
    db.execute(f"INSERT INTO {EXPERIENCES} VALUES (90, 2, 1, '', '2020-01-01')".encode())
    propose(dsn)
    drain(db)
    db.execute("TRUNCATE public.taken_rows")
    yield db
    db.execute("DROP TRIGGER count_taken ON connection_paths.contact_changes")


@pytest.mark.parametrize("cause", CAUSES)
def test_what_a_sync_counts(counted: Connection, dsn: str, cause: str) -> None:
    statement, least = CAUSES[cause]
    counted.execute(statement.encode())
    assert has_changes(counted) == (cause != "nothing")
    done = sync(dsn)
    assert not has_changes(counted)
    assert done.changes == value(counted, "SELECT COALESCE(sum(rows), 0) FROM public.taken_rows")
    assert (done.changes > 0) == (least > 0)
