"""What depends on contact_connections (views, grants, policies, indexes, settings) is the same after a rebuild."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from orchestrator.core.database import Connection
from tests.support import oracle
from tests.support.runs import INDEXES, LEFT_THERE, NEXT_INDEXES, PARTITIONS, WRITE, begin, create, end, stages, work
from tests.support.sessions import connect, dsn_of, value
from tests.support.world import FRIEND, TODAY, WORK_OVERLAP, Edge, office


def test_a_rebuild_is_refused_where_a_foreign_key_refers_to_edges(own: Connection) -> None:
    begin(own, office(4), oracle.edges(office(4)))
    own.execute(
        "CREATE TABLE public.app_notes (a bigint, b bigint, kind connection_paths.connection_kind,"
        " FOREIGN KEY (a, b, kind) REFERENCES connection_paths.contact_connections)"
    )
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        create(own, "rebuild")
    run_id = create(own, "in_place")
    work(own, run_id)
    assert end(own, run_id, "in_place") == "succeeded"


def test_objects_that_depend_on_the_edges_survive_a_rebuild(own: Connection, application: str) -> None:
    world = replace(office(6), extra_edges={(1, 6): Edge(FRIEND, None, None, None)})
    begin(own, world, {(1, 2): Edge(WORK_OVERLAP, 3, TODAY, None, 50, 1, 0, 1)})
    role = sql.Identifier(application)
    own.execute(
        """
        CREATE VIEW public.app_degrees AS
            SELECT contact_a_id, count(*) AS degree FROM connection_paths.contact_connections GROUP BY 1;
        CREATE INDEX app_by_organization ON connection_paths.contact_connections (organization_id, date_from DESC);
        CREATE UNIQUE INDEX "App's ""own"" index" ON connection_paths.contact_connections
            (contact_b_id, contact_a_id, kind) INCLUDE (date_to);
        CREATE INDEX app_partial ON connection_paths.contact_connections ((contact_a_id + 1))
            WHERE kind = 'work_overlap' AND date_to IS NULL;
        CREATE FUNCTION public.app_edges() RETURNS bigint LANGUAGE plpgsql STABLE AS
            'BEGIN RETURN (SELECT count(*) FROM connection_paths.contact_connections); END';
        CREATE TABLE public.app_log (contact_a_id bigint);
        CREATE FUNCTION public.app_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
            'BEGIN INSERT INTO public.app_log VALUES (NEW.contact_a_id); RETURN NULL; END';
        CREATE TRIGGER app_note AFTER INSERT ON connection_paths.contact_connections
            FOR EACH ROW WHEN (NEW.kind <> 'work_overlap') EXECUTE FUNCTION public.app_note();
        ALTER TABLE connection_paths.contact_connections ENABLE ROW LEVEL SECURITY;
        CREATE POLICY app_policy ON connection_paths.contact_connections USING (contact_a_id <> 2);
        GRANT USAGE ON SCHEMA public TO PUBLIC;
        """
    )
    own.execute(sql.SQL("GRANT SELECT ON public.app_degrees TO {}").format(role))
    there = [row for row in own.execute(LEFT_THERE).fetchall() if row[0] != "i"]
    rights = value(
        own, "SELECT relacl::text FROM pg_class WHERE oid = 'connection_paths.contact_connections'::regclass"
    )
    count = "SELECT count(*) FROM connection_paths.contact_connections"
    with connect(make_conninfo(dsn_of(own), user=application)) as app, connect(dsn_of(own)) as session:
        session.execute("SET plan_cache_mode = force_generic_plan")

        def seen() -> tuple[Any, ...]:
            return (
                session.execute(count.encode(), prepare=True).fetchone(),
                session.execute("SELECT public.app_edges()", prepare=True).fetchone(),
                session.execute("SELECT sum(degree)::bigint FROM public.app_degrees", prepare=True).fetchone(),
                app.execute(count.encode(), prepare=True).fetchone(),
            )

        assert seen() == ((2,), (2,), (2,), (2,))
        for _ in range(2):  # the second rebuild starts from the objects of the first
            run_id = create(own, "rebuild", 5)
            work(own, run_id)
            assert end(own, run_id, "rebuild") == "succeeded"
            assert seen() == ((16,), (16,), (16,), (16 - 4,))
            assert own.execute(PARTITIONS).fetchall() == [("connection_paths.contact_connections_live",)]
            indexes: dict[str, bool] = dict(own.execute(INDEXES).fetchall())
            assert len(indexes) == 8
            assert all(indexes.values()), indexes
            assert [row for row in own.execute(LEFT_THERE).fetchall() if row[0] != "i"] == there
        app.execute(WRITE.encode(), (3, 9, FRIEND, None))
        with pytest.raises(errors.InsufficientPrivilege):
            app.execute(WRITE.encode(), (2, 9, FRIEND, None))
        assert own.execute("SELECT * FROM public.app_log").fetchall() == [(3,)]
    assert rights == value(
        own, "SELECT relacl::text FROM pg_class WHERE oid = 'connection_paths.contact_connections'::regclass"
    )
    with pytest.raises(errors.UniqueViolation):
        own.execute(WRITE.encode(), (3, 9, FRIEND, None))
    own.execute("DROP VIEW public.app_degrees")


def test_indexes_with_similar_names_are_all_copied(own: Connection) -> None:
    begin(own, office(4), oracle.edges(office(4)))
    own.execute(
        "CREATE INDEX idx_contact_connections_organization_id_date_from"
        " ON connection_paths.contact_connections (organization_id, date_from);"
        "CREATE INDEX idx_contact_connections_organization_id_date_to"
        " ON connection_paths.contact_connections (organization_id, date_to);"
        f'CREATE INDEX "{"ж" * 30}a" ON connection_paths.contact_connections (date_to);'
        f'CREATE INDEX "{"ж" * 30}b" ON connection_paths.contact_connections (date_from)'.encode()
    )
    run_id = create(own, "rebuild")
    work(own, run_id)
    assert end(own, run_id, "rebuild") == "succeeded"
    indexes: dict[str, bool] = dict(own.execute(INDEXES).fetchall())
    assert len(indexes) == 9
    assert all(indexes.values()), indexes


STORAGE = "SELECT reloptions FROM pg_class WHERE oid = to_regclass('connection_paths.contact_connections_{}')"


@pytest.mark.parametrize(
    ("before", "meanwhile", "after"),
    [
        ("", "", None),
        ("SET (fillfactor = 70)", "", ["fillfactor=70"]),
        (
            "SET (autovacuum_vacuum_scale_factor = 0.02, parallel_workers = 3, autovacuum_enabled = off)",
            "",
            ["autovacuum_vacuum_scale_factor=0.02", "parallel_workers=3", "autovacuum_enabled=off"],
        ),
        ("SET (autovacuum_enabled = true)", "", ["autovacuum_enabled=true"]),
        (
            "SET (fillfactor = 70, parallel_workers = 3)",
            "RESET (fillfactor), SET (autovacuum_enabled = off, vacuum_truncate = false)",
            ["parallel_workers=3", "autovacuum_enabled=off", "vacuum_truncate=false"],
        ),
    ],
)
def test_storage_parameters_are_copied(own: Connection, before: str, meanwhile: str, after: list[str] | None) -> None:
    begin(own, office(4), oracle.edges(office(4)))
    alter = "ALTER TABLE connection_paths.contact_connections_live"
    own.execute("CREATE INDEX app_roomy ON connection_paths.contact_connections (date_to) WITH (fillfactor = 60)")
    if before:
        own.execute(f"{alter} {before}".encode())
    run_id = create(own, "rebuild")
    live, filling = (set(value(own, STORAGE.format(name)) or ()) for name in ("live", "next"))
    kept = {each for each in live if not each.startswith("autovacuum_enabled")}
    assert filling == {*kept, "autovacuum_enabled=false"}
    if meanwhile:
        own.execute(f"{alter} {meanwhile}".encode())
    work(own, run_id)
    assert end(own, run_id, "rebuild") == "succeeded"
    assert value(own, STORAGE.format("live")) == after
    assert value(
        own,
        "SELECT c.reloptions FROM pg_class AS c JOIN pg_inherits AS i ON i.inhrelid = c.oid"
        " WHERE i.inhparent = 'connection_paths.app_roomy'::regclass",
    ) == ["fillfactor=60"]


def test_a_unique_constraint_of_the_application_is_copied(own: Connection) -> None:
    begin(own, office(4), oracle.edges(office(4)))
    own.execute(
        "ALTER TABLE connection_paths.contact_connections ADD CONSTRAINT app_unique"
        " UNIQUE (contact_b_id, contact_a_id, kind)"
    )
    for _ in range(2):
        run_id = create(own, "rebuild")
        for _ in stages(own, run_id):
            pass
        before = value(own, NEXT_INDEXES, "connection_paths.contact_connections_next")
        assert end(own, run_id, "rebuild") == "succeeded"
        # no index was built under the lock of the exchange
        assert value(own, NEXT_INDEXES, "connection_paths.contact_connections_live") == before
        indexes: dict[str, bool] = dict(own.execute(INDEXES).fetchall())
        assert len(indexes) == 6
        assert all(indexes.values()), indexes
