"""A rebuild keeps publications, tablespaces, indexes, partitions and settings of the edge table, or is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from orchestrator.core.database import Connection
from orchestrator.runs import runs
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.application_rule import wrong
from tests.support.changes import drain
from tests.support.runs import INDEXES, PARTITIONS, begin, claimed, create, do, end, friends, work
from tests.support.sessions import dsn_of, set_for_database, value
from tests.support.world import Edge, load_edges, office

PUBLICATIONS = ("FOR ALL TABLES", "FOR TABLES IN SCHEMA connection_paths")
STAGES = ("before", "created", "half done", "filled", "indexed", "swapped")


@pytest.mark.parametrize(("stage", "publication"), list(zip(STAGES, 3 * PUBLICATIONS, strict=True)))
@pytest.mark.parametrize("ends", ["finished", "cancelled"])
def test_a_publication_stops_nothing(db: Connection, publication: str, stage: str, ends: str) -> None:
    begin(db, office(6), {(1, 2): Edge("friend", None, None, None)})
    steps: list[tuple[str, Callable[[int], Any]]] = [
        ("half done", lambda run_id: do(db, run_id, claimed(db, run_id))),
        ("filled", lambda run_id: work(db, run_id)),
        ("indexed", lambda run_id: _index(db, run_id)),
        ("swapped", lambda run_id: db.execute("SELECT connection_paths.exchange_rebuild(%s)", (run_id,))),
    ]
    try:
        if stage == "before":
            db.execute(f"CREATE PUBLICATION app {publication}".encode())
        run_id = create(db, "rebuild", 6)
        if stage == "created":
            db.execute(f"CREATE PUBLICATION app {publication}".encode())
        for name, step in steps:
            if ends == "cancelled" and STAGES.index(name) > STAGES.index(stage) > 0:
                break
            step(run_id)
            db.execute("UPDATE connection_paths.contact_connections SET computed_at = now() WHERE kind = 'friend'")
            db.execute("SELECT connection_paths.backfill_contact(2)")
            if name == stage:
                db.execute(f"CREATE PUBLICATION app {publication}".encode())
        if ends == "cancelled":
            assert value(db, "SELECT connection_paths.cancel_run(%s)", run_id) is True
        else:
            assert end(db, run_id, "rebuild") == "succeeded"
        db.execute("INSERT INTO connection_paths.contact_changes (contact_id) SELECT generate_series(1, 6)")
        drain(db)
        assert (wrong(db, 6), len(friends(db))) == ({}, 1)
        assert value(db, "SELECT relreplident FROM pg_class WHERE relname = 'contact_connections_live'") == "d"
    finally:
        db.execute("DROP PUBLICATION IF EXISTS app")


def _index(connection: Connection, run_id: int) -> None:
    connection.execute("SELECT connection_paths.copy_remaining_edges(%s)", (run_id,))
    missing = "SELECT statement FROM connection_paths.missing_rebuild_indexes(%s)"
    while statements := connection.execute(missing, (run_id,)).fetchall():
        for (statement,) in statements:
            connection.execute(statement.encode())


@pytest.fixture
def tablespaces(own: Connection) -> Iterator[list[str]]:
    """Three tablespaces, with names that need quotes."""
    names = [f"{own.info.dbname} {word}" for word in ("edges", 'in"dexes', "other")]
    own.execute("SET allow_in_place_tablespaces = on")
    for name in names:
        own.execute(sql.SQL("CREATE TABLESPACE {} LOCATION ''").format(sql.Identifier(name)))
    yield names
    own.execute("DROP SCHEMA connection_paths CASCADE")
    for name in names:
        own.execute(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(name)))


PLACES = """
SELECT p.relname, t.spcname
FROM pg_inherits AS h
JOIN pg_class AS p ON p.oid = h.inhparent
JOIN pg_class AS c ON c.oid = h.inhrelid
LEFT JOIN pg_tablespace AS t ON t.oid = c.reltablespace
WHERE p.relnamespace = 'connection_paths'::regnamespace
ORDER BY 1
"""


def test_a_rebuild_stays_where_the_edges_are(own: Connection, tablespaces: list[str]) -> None:
    """The table and each index keep their tablespaces, for any default_tablespace of the database."""
    begin(own, office(4))
    own.execute("CREATE INDEX app ON connection_paths.contact_connections (date_to) WHERE date_to IS NOT NULL")
    set_for_database(own, "default_tablespace", tablespaces[2])
    edges, indexes = (sql.Identifier(name) for name in tablespaces[:2])
    for elsewhere in (False, True):
        if elsewhere:
            own.execute(
                sql.SQL("ALTER TABLE connection_paths.contact_connections_live SET TABLESPACE {}").format(edges)
            )
            for row in own.execute(INDEXES).fetchall()[1:]:
                child = value(
                    own, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", row[0]
                )
                own.execute(sql.SQL("ALTER INDEX {} SET TABLESPACE {}").format(sql.SQL(child), indexes))
        before = own.execute(PLACES).fetchall()
        assert ({row[1] for row in before} == {None}) is not elsewhere
        for _ in range(2):
            assert backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None)).run.status == "succeeded"
            assert own.execute(PLACES).fetchall() == before
    own.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(own.info.dbname)))


#: Index definitions whose names, expressions or predicates contain words such as ON and WHERE.
DEFINITIONS = (
    'CREATE INDEX "my USING idx" ON connection_paths.contact_connections (date_from)',
    'CREATE INDEX "a ON connection_paths.x USING b" ON connection_paths.contact_connections (date_to)',
    'CREATE INDEX "quoted "" WHERE x" ON connection_paths.contact_connections (organization_id) WHERE date_to IS NULL',
    "CREATE INDEX app_case ON connection_paths.contact_connections ((CASE WHEN kind = 'friend' THEN 1 ELSE 2 END))"
    " INCLUDE (date_to) WITH (fillfactor = 70)"
    " WHERE CASE WHEN kind = 'friend' THEN date_to > '2020-01-01' ELSE ' WHERE '::text <> ' USING ' END",
    "CREATE UNIQUE INDEX app_unique ON connection_paths.contact_connections"
    " USING btree (contact_b_id DESC NULLS LAST, contact_a_id, kind) NULLS NOT DISTINCT",
    'CREATE INDEX "ÜBER\nlines" ON connection_paths.contact_connections USING brin (computed_at)',
)
DEFINED = """
SELECT regexp_replace(p.relname, '_r[0-9]+$', ''), replace(replace(
    pg_get_indexdef(i.inhrelid), quote_ident(l.relname), '-'), quote_ident(p.relname), '-')
FROM pg_inherits AS i
JOIN pg_class AS p ON p.oid = i.inhparent
JOIN pg_index AS x ON x.indexrelid = i.inhrelid
JOIN pg_class AS l ON l.oid = i.inhrelid
WHERE x.indrelid = 'connection_paths.contact_connections_live'::regclass AND x.indisvalid
ORDER BY 1
"""


def test_indexes_with_any_name_are_copied(own: Connection) -> None:
    begin(own, office(4))
    for definition in DEFINITIONS:
        own.execute(definition.encode())
    before = own.execute(DEFINED).fetchall()
    assert len(before) == 5 + len(DEFINITIONS)
    for setting, to in (("search_path", "connection_paths, public"), ("quote_all_identifiers", "on")):
        own.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(own.info.dbname)))
        set_for_database(own, setting, to)
        assert backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None)).run.status == "succeeded"
        assert own.execute(DEFINED).fetchall() == before


KNOWS = """
CREATE TABLE public.knows (LIKE connection_paths.contact_connections INCLUDING ALL);
INSERT INTO public.knows (contact_a_id, contact_b_id, kind, date_to) VALUES (1, 2, 'friend', '2020-01-01');
"""
ATTACH = "ALTER TABLE connection_paths.contact_connections ATTACH PARTITION public.knows FOR VALUES IN ({})"


@pytest.mark.parametrize("attached", ["before", "meanwhile"])
def test_a_partition_of_the_application_stays(own: Connection, attached: str) -> None:
    for stage, ends in (
        ("created", "cancelled"),
        ("half done", "finished"),
        ("filled", "cancelled"),
        ("indexed", "finished"),
    ):
        begin(own, office(6))
        own.execute(KNOWS)
        if attached == "before":
            own.execute(ATTACH.format("'friend'").encode())
        else:
            load_edges(own, {(3, 4): Edge("friend", None, None, None)})
        run_id = create(own, "rebuild", 6)
        if stage != "created":
            do(own, run_id, claimed(own, run_id))
        if stage in ("filled", "indexed"):
            work(own, run_id)
        if stage == "indexed":
            _index(own, run_id)
        if attached == "meanwhile":
            own.execute(
                "WITH moved AS (DELETE FROM connection_paths.contact_connections WHERE kind = 'friend' RETURNING *)"
                " INSERT INTO public.knows SELECT * FROM moved"
            )
            own.execute(ATTACH.format("'friend'").encode())
        own.execute("INSERT INTO connection_paths.contact_connections VALUES (5, 6, 'friend')")
        there = friends(own)
        if ends == "cancelled":
            own.execute("SELECT connection_paths.cancel_run(%s)", (run_id,))
        own.execute("SELECT pg_advisory_unlock_all()")
        assert backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None)).run.status == "succeeded"
        assert (friends(own), wrong(own, 6)) == (there, {})
        assert value(own, "SELECT count(*) FROM public.knows") == len(there) == (2 if attached == "before" else 3)
        assert len(own.execute(PARTITIONS).fetchall()) == 2
        own.execute("DROP TABLE public.knows")


LIVE = "connection_paths.contact_connections_live"
LIKE = "CREATE TABLE public.taken (LIKE connection_paths.contact_connections INCLUDING ALL);"
TAKES = "ALTER TABLE connection_paths.contact_connections ATTACH PARTITION public.taken FOR VALUES IN ({})"
#: What prevents a rebuild, the message, and how the cause is removed.
HINDRANCES = (
    (f"CREATE VIEW public.edges AS SELECT * FROM {LIVE}", "view", "DROP VIEW public.edges"),
    (f"CREATE MATERIALIZED VIEW edges AS SELECT * FROM {LIVE}", "materialized view", "DROP MATERIALIZED VIEW edges"),
    (
        f"CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM {LIVE}; END",
        "function public.f|function f",
        "DROP FUNCTION public.f",
    ),
    (
        "CREATE TABLE public.about (a bigint, b bigint, k connection_paths.connection_kind,"
        f" FOREIGN KEY (a, b, k) REFERENCES {LIVE})",
        "foreign key",
        "DROP TABLE public.about",
    ),
    (LIKE + TAKES.format("'work_overlap'"), "taken is the partition of the kind work_overlap", "DROP TABLE taken"),
    (LIKE + TAKES.format("'friend', 'work_overlap'"), "taken is the partition", "DROP TABLE taken"),
)


def test_a_rebuild_that_would_break_something_is_refused(own: Connection) -> None:
    for hindrance, named, removed in HINDRANCES:
        begin(own, office(4))
        own.execute(hindrance.encode())
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=named):
            backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None))
        assert runs.listed(own) == []
        assert backfill(dsn_of(own), BackfillOptions(1, "in_place", limits=None)).run.status == "succeeded"
        assert wrong(own, 4) == {}
        own.execute(removed.encode())


def test_settings_of_the_edge_table_are_copied(own: Connection) -> None:
    begin(own, office(4))
    own.execute(
        "ALTER TABLE connection_paths.contact_connections_live ALTER contact_a_id SET STATISTICS 700,"
        " ALTER organization_id SET (n_distinct = -0.1),"
        " ALTER contact_b_id SET (n_distinct_inherited = 70), REPLICA IDENTITY FULL"
    )
    set_there = (
        "SELECT attname, attstattarget, relreplident, (SELECT array_agg(o) FROM unnest(attoptions) AS o"
        " WHERE o LIKE 'n\\_distinct%') FROM pg_attribute JOIN pg_class ON oid = attrelid"
        " WHERE relname = 'contact_connections_live' AND attnum > 0 ORDER BY attnum"
    )
    before = own.execute(set_there).fetchall()
    backfill(dsn_of(own), BackfillOptions(2, "rebuild", limits=None))
    assert own.execute(set_there).fetchall() == before
