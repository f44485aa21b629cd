"""Installations that read the same tables: they share them, and are made and removed while others work."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from psycopg import sql

from orchestrator.changes.sync import sync
from orchestrator.core import database, schema, sqlfiles
from orchestrator.core.schema import with_schema
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.host.mapping_file import parse
from orchestrator.install.installation import install, uninstall
from orchestrator.install.status import status
from orchestrator.runs.backfill import BackfillOptions, backfill
from tests.support.catalog import describe
from tests.support.edges import edges, edges_of, right_edges
from tests.support.sessions import connect, value
from tests.support.world import load_hosts, office

#: Two installations and the default one.
SCHEMAS = ("cp_t1", "cp_t2", schema.DEFAULT)


@pytest.mark.long
def test_tenants_share_organizations(host: str) -> None:
    """Each tenant has its own tables but the organizations; one has partitions, and a name of the greatest length."""
    longest = "cp_" + "x" * (schema.LONGEST - 3)
    hosts = {"cp_t1": "one", longest: "two"}
    mapping = parse("[organizations]\ntable = 'public.organizations'\n", "shared.toml")
    with connect(host) as connection:
        load_hosts(connection, office(6))
        for name in hosts.values():
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
            connection.execute(sqlfiles.demo_tables(name))
            connection.execute(f"DROP TABLE {name}.organizations".encode())
        connection.execute("DROP TABLE two.contact_work_experiences")
        connection.execute(
            "CREATE TABLE two.contact_work_experiences (LIKE public.contact_work_experiences) PARTITION BY HASH (id);"
            "CREATE TABLE two.even PARTITION OF two.contact_work_experiences FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
            "CREATE TABLE two.odd PARTITION OF two.contact_work_experiences FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
        )
        for name, most in (("one", 3), ("two", 5)):
            for table, column in (("contacts", "id"), ("contact_work_experiences", "contact_id")):
                copied = f"INSERT INTO {name}.{table} SELECT * FROM public.{table} AS t WHERE t.{column} <= {most}"
                connection.execute(copied.encode())
    dsns = {name: with_schema(host, name) for name in hosts}

    def check(expected: dict[str, int]) -> None:
        for name, dsn in dsns.items():
            sync(dsn)
            assert len(edges_of(dsn)) == expected[name]
            assert (status(dsn).healthy, install(dsn).repaired) == (True, [])
            assert [each.what for each in diagnose(dsn).findings if each.severity == "wrong"] == []

    for name, dsn in dsns.items():
        install(dsn, hosts[name], mapping=mapping)
        backfill(dsn, BackfillOptions(workers=1, limits=None))
    check({"cp_t1": 3, longest: 10})
    with connect(host) as connection:
        connection.execute("DELETE FROM two.even")
        left = value(connection, "SELECT count(*) FROM two.odd")
    check({"cp_t1": 3, longest: left * (left - 1) // 2})
    with connect(host) as connection:
        connection.execute("DELETE FROM public.organizations")
    check(dict.fromkeys(hosts, 0))
    uninstall(dsns[longest])
    assert status(dsns["cp_t1"]).healthy
    uninstall(dsns["cp_t1"])
    assert [line for line in describe(host, "one", "two", "public") if re.search("idx_|_part_|trigger", line)] == []


def test_installs_for_shared_tables_run_at_once(host: str) -> None:
    together = threading.Barrier(3, timeout=60)

    def install_and_remove(name: str) -> list[Any]:
        dsn = with_schema(host, name)
        together.wait()
        install(dsn)
        found = [status(dsn).healthy]
        together.wait()
        return [*found, uninstall(dsn) != []]

    with ThreadPoolExecutor(3) as pool:
        assert [*pool.map(install_and_remove, ("cp_t1", "cp_t2", schema.DEFAULT))] == [[True, True]] * 3
    assert [line for line in describe(host, *SCHEMAS, "public") if re.search("idx_|cp_t|trigger", line)] == []


@pytest.mark.long
def test_a_tenant_is_removed_while_another_works(host: str) -> None:
    """Both read the same tables. One is removed, installed and removed while writers and syncs of the other go on."""
    staying, leaving = with_schema(host, "cp_t1"), with_schema(host, "cp_t2")
    with connect(host) as connection:
        load_hosts(connection, office(8))
    for dsn in (staying, leaving):
        install(dsn)
        backfill(dsn, BackfillOptions(workers=1, limits=None))
    stop = threading.Event()

    def write() -> int:
        """Change experiences until the end, without an error; return how often."""
        for number in count():
            if stop.is_set():
                return number
            with connect(host) as writer:
                writer.execute("SET lock_timeout = '30s'")
                writer.execute(
                    "UPDATE contact_work_experiences SET date_from = date '2010-01-01' + %s WHERE contact_id = %s",
                    (number % 700, number % 8 + 1),
                )
                writer.execute("DELETE FROM contact_work_experiences WHERE contact_id = 8")
        raise AssertionError

    def work() -> int:
        return sum(sync(staying).changes for _ in iter(stop.is_set, True))

    with ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(write), pool.submit(work)]
        try:
            uninstall(leaving)
            install(leaving)
            uninstall(leaving)
        finally:
            stop.set()
        assert all(each.result(60) > 0 for each in busy)
    sync(staying)
    with closing(database.connect(staying)) as connection:
        assert edges(connection) == right_edges(connection) != {}
    assert (status(staying).healthy, install(staying).repaired) == (True, [])
    assert [line for line in describe(host, "cp_t2", "public") if "cp_t2" in line] == []
