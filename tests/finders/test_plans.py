"""Finders use the intended indexes, under custom and generic plans, also in a session with earlier plans.

The plans are those of the statements inside the functions, as ``auto_explain`` reports them: what callers get.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from bench import generations
from orchestrator.core import sqlfiles
from orchestrator.core.database import Connection
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.install.installation import install
from orchestrator.runs.backfill import BackfillOptions, backfill
from orchestrator.seed import loading as seed
from orchestrator.seed import synthetic as seed_synthetic
from tests.support.altered import ALTERED, PLAIN, Altered
from tests.support.properties import first_of

CONTACTS = 4_000
HEAVY = "SELECT contact_id FROM connection_paths.work_experiences GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"

HUB = (
    "SELECT contact_id FROM (SELECT contact_a_id AS contact_id FROM connection_paths.contact_connections"
    " UNION ALL SELECT contact_b_id FROM connection_paths.contact_connections) AS e"
    " GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
)

STRONG_EDGES = (
    "SELECT contact_a_id AS contact_id FROM connection_paths.contact_connections WHERE strength >= 30"
    " UNION ALL SELECT contact_b_id FROM connection_paths.contact_connections WHERE strength >= 30"
)

EDGES_OF = (
    "SELECT FROM connection_paths.contact_connections WHERE contact_a_id = {contact}"
    " UNION ALL SELECT FROM connection_paths.contact_connections WHERE contact_b_id = {contact}"
)

MEMBERS = "idx_members_by_collection"
REFUSED = "do_not_ask_once"
WALK = {"idx_cc_walk_a", "idx_cc_walk_b"}
STRONG = {"idx_cc_strong_a", "idx_cc_strong_b"}
EXPERIENCES = {"idx_experiences_by_contact", "idx_experiences_by_organization"}
KEYS = {
    *("contact_connections_pkey", "contacts_pkey", "organizations_pkey", "finder_rollout_pkey", "do_not_ask_once"),
    *("do_not_ask_users_pkey", "do_not_ask_by_collection", "introduction_limits_once", "organization_sizes_pkey"),
    *("backfill_runs_one_active", "detached_sources_pkey", "organization_policy_pkey", "organization_policy_by_rule"),
    *("pg_class_relname_nsp_index", "pg_namespace_oid_index", "pg_namespace_nspname_index"),
    *("pg_class_oid_index", "pg_depend_depender_index", "pg_rewrite_rel_rulename_index"),
}
#: Tables of some rows or none.
OF_A_FEW_ROWS = {"detached_sources", "installation", "organization_policy"}

CALLS = {
    "deep_finder": ("SELECT * FROM connection_paths.deep_finder({t}, 1, 1001, 4)", {MEMBERS, *WALK}),
    "depth 2": ("SELECT * FROM connection_paths.deep_finder({t}, 1, 1001, 2)", {MEMBERS, *WALK}),
    "small collection": ("SELECT * FROM connection_paths.deep_finder({t}, 3, 1001, 4)", {MEMBERS, *WALK}),
    "importer": ("SELECT * FROM connection_paths.deep_finder({t}, 3, 1001, 4, 25, 'importer')", {MEMBERS, *WALK}),
    "no cap": ("SELECT * FROM connection_paths.deep_finder({t}, 3, 1001, 3, 25, 'any', NULL)", {MEMBERS, *WALK}),
    "strength": (
        "SELECT * FROM connection_paths.deep_finder({t}, 1, 1001, 4, order_by => 'strength')",
        {MEMBERS, *STRONG},
    ),
    "strength with a filter": (
        "SELECT * FROM connection_paths.deep_finder({t}, 1, 1001, 4, order_by => 'strength', min_strength => 1)",
        {MEMBERS, *STRONG},
    ),
    "strength in a small collection": (
        "SELECT * FROM connection_paths.deep_finder({t}, 3, 1001, 4, 1000, order_by => 'strength')",
        {MEMBERS, *STRONG, *WALK},
    ),
    "filters": (
        "SELECT * FROM connection_paths.deep_finder({t}, 1, 1001, 4, min_strength => 10, kinds => '{{work_overlap}}')",
        {MEMBERS, *WALK},
    ),
    "legacy_finder": ("SELECT * FROM connection_paths.legacy_finder({t}, 1, 1001)", {MEMBERS, *EXPERIENCES}),
    "find_paths v2": ("SELECT connection_paths.find_paths({t}, 1, 1001, 3)", {MEMBERS, *WALK}),
    "find_paths v1": ("SELECT connection_paths.find_paths({t}, 1, 1001, 2, impl => 'v1')", {MEMBERS, *EXPERIENCES}),
    "backfill_contact": ("SELECT connection_paths.backfill_contact({t})", EXPERIENCES),
}


@pytest.fixture(scope="module")
def world(new_database: Callable[[], str]) -> str:
    """A database with a synthetic world and all its edges."""
    dsn = new_database()
    with psycopg.connect(dsn, autocommit=True) as connection:
        seed.load(connection, "public", seed_synthetic.tables(CONTACTS, 1), replace=False)
    install(dsn)
    backfill(dsn, BackfillOptions(workers=2, limits=None))
    return dsn


@pytest.fixture
def session(world: str) -> Iterator[tuple[Connection, list[dict[str, Any]]]]:
    with watched(world) as watching:
        yield watching


@contextmanager
def watched(dsn: str) -> Iterator[tuple[Connection, list[dict[str, Any]]]]:
    """Open a new session, and keep the plans of the statements it runs, also inside functions."""
    plans: list[dict[str, Any]] = []
    with psycopg.connect(dsn, autocommit=True) as connection:

        def keep(diagnostic: psycopg.errors.Diagnostic) -> None:
            text = diagnostic.message_primary or ""
            if "plan:" in text:
                plans.append(json.loads(text.split("plan:", 1)[1]))

        connection.add_notice_handler(keep)
        try:
            connection.execute("LOAD 'auto_explain'")
        except psycopg.errors.InsufficientPrivilege:
            pytest.skip("auto_explain needs a superuser")
        connection.execute("SET auto_explain.log_nested_statements = on")
        connection.execute("SET auto_explain.log_analyze = on")
        connection.execute("SET auto_explain.log_timing = off")
        connection.execute("SET auto_explain.log_format = json")
        connection.execute("SET auto_explain.log_min_duration = 0")
        connection.execute("SET client_min_messages = log")
        yield connection, plans


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan that was run."""
    if plan.get("Actual Loops", 1):
        yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def all_nodes(plans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every node. An index of a partition gets the name that it has on the whole table."""
    found = [node for plan in plans for node in nodes(plan["Plan"])]
    for node in found:
        if "Index Name" in node:
            node["Index Name"] = re.sub(r"_r\d+$|_part_[0-9a-f]{8}_\d+$", "", node["Index Name"])
    return found


def one(connection: Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("call", CALLS)
def test_finders_use_the_intended_indexes(
    session: tuple[Connection, list[dict[str, Any]]], call: str, mode: str
) -> None:
    connection, plans = session
    target = one(connection, HEAVY)
    connection.execute("SELECT set_config('plan_cache_mode', %s, false)", (mode,))
    plans.clear()
    query, expected = CALLS[call]
    connection.execute(query.format(t=target).encode())
    found = all_nodes(plans)
    assert found, "auto_explain reported nothing"
    used = {node["Index Name"] for node in found if "Index Name" in node}
    assert expected <= used
    assert used <= {MEMBERS, *WALK, *STRONG, *EXPERIENCES, *KEYS}
    scanned = {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"}
    assert scanned <= OF_A_FEW_ROWS


# The same plans on tables of other types, partitions and rules.

SYNC = "SELECT taken, contacts, failed FROM connection_paths.sync_changes()"
#: What is written before some of READS, with other plans.
BEFORE = {
    "sync of a contact": "INSERT INTO connection_paths.contact_changes (contact_id) VALUES ({t})",
    "sync of an organization": "INSERT INTO connection_paths.contact_changes (organization_id) VALUES (40)",
}
#: What sync, a backfill and the playground read, besides CALLS.
READS = {
    "names": "SELECT connection_paths.find_paths({t}, 1, 1001, 3, with_names => true)",
    "known_people": "SELECT connection_paths.known_people(1)",
    "own_stints": "SELECT s::text FROM connection_paths.own_stints({t}) AS s ORDER BY 1",
    "contacts_to_refresh": "SELECT c.contact_id FROM connection_paths.contacts_to_refresh(100, 120) AS c ORDER BY 1",
    "refresh_range": "SELECT connection_paths.refresh_range(100, 120)",
    "rebuilt_edges": "SELECT e::text FROM connection_paths.rebuilt_edges(100, 120) AS e ORDER BY 1",
    "sync of a contact": SYNC,
    "sync of an organization": SYNC,
    "names of a contact": sqlfiles.query("playground/contact") % {"contact_id": "{t}", "longest": "50"},
    "names of a team": sqlfiles.query("host/team_names")
    % {"user_ids": "'{{1001}}'", "collection_ids": "'{{1}}'", "longest": "50"},
    "collections": sqlfiles.query("finders/collections") % {"most": "5", "counted_to": "100"},
    "users": sqlfiles.query("finders/users") % {"collection_id": "1", "rows_read": "100", "most": "5"},
} | {name: query for name, (query, _) in CALLS.items()}
#: Tables of the package that are empty here.
EMPTY = {"rebuild_missing_contacts", "contact_changes", "due_changes", "capture_failures", "rebuild_replays"}


@pytest.fixture(scope="module")
def make_altered(world: str, create_database: Callable[[str], str]) -> Callable[[Altered], str]:
    """A maker of databases with altered tables."""

    def make(altered: Altered) -> str:
        dsn = create_database(str(conninfo_to_dict(world)["dbname"]))
        altered.make(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for finding in diagnose(dsn).findings:
                if finding.check == "names":  # the package puts no index on tables of users and collections
                    connection.execute(str(finding.repair).encode())
            connection.execute("DELETE FROM connection_paths.contact_changes")  # the new mapping queued everyone
        return dsn

    return make


@pytest.fixture(scope="module")
def plain(make_altered: Callable[[Altered], str]) -> Iterator[Mapping[str, tuple[Any, Counter[str]]]]:
    """For each of READS, the answer on the plain tables, and how many rows are read."""
    with watched(make_altered(PLAIN)) as watching:
        yield {each: answer_and_reads(watching, each) for each in READS}


@pytest.fixture(scope="module", params=first_of(len(ALTERED), ALTERED, str))
def altered(
    request: pytest.FixtureRequest, make_altered: Callable[[Altered], str]
) -> Iterator[tuple[Connection, list[dict[str, Any]]]]:
    with watched(make_altered(request.param)) as watching:
        yield watching


def answer_and_reads(watching: tuple[Connection, list[dict[str, Any]]], call: str) -> tuple[Any, Counter[str]]:
    """Return the answer of one of READS, and how many rows are read from each table and sorted; nothing is changed."""
    connection, plans = watching
    target = one(connection, HEAVY)
    with connection.transaction(force_rollback=True):
        if call in BEFORE:
            connection.execute(BEFORE[call].format(t=target).encode())
        plans.clear()
        answer = connection.execute(READS[call].format(t=target).encode()).fetchall()
        found = all_nodes(plans)
    assert found, "auto_explain reported nothing"
    reads: Counter[str] = Counter()
    for node in found:
        rows = node["Actual Rows"] + sum(node[key] for key in node if key.startswith("Rows Removed by"))
        if "Relation Name" in node:
            table = re.sub(r"_(\d+|rest)$", "", node["Relation Name"])
            reads[table] += rows * node["Actual Loops"]
            if node["Node Type"] == "Seq Scan" and table not in OF_A_FEW_ROWS | EMPTY:
                reads[f"{table} as a whole"] += 1000
        elif node["Node Type"] == "Sort":
            reads["sorted"] += rows * node["Actual Loops"]
    return answer, reads


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_other_tables_are_read_like_the_plain_ones(
    plain: Mapping[str, tuple[Any, Counter[str]]], altered: tuple[Connection, list[dict[str, Any]]], mode: str
) -> None:
    """The answer is the same, and no more rows are read: no cast hides an index, and no partition is read whole."""
    altered[0].execute("SELECT set_config('plan_cache_mode', %s, false)", (mode,))
    too_many: dict[str, dict[str, float]] = {}
    for call, (wanted, most) in plain.items():
        answer, reads = answer_and_reads(altered, call)
        assert answer == wanted, call
        # PostgreSQL 15 to 17 report rows for each loop in whole numbers
        too_many[call] = {table: rows for table, rows in reads.items() if rows > 1.1 * most[table] + 100}
    assert {call: tables for call, tables in too_many.items() if tables} == {}


def test_the_limit_of_strong_edges_is_the_same_in_the_search_and_in_the_indexes() -> None:
    texts = [sqlfiles.read("indexes", f"{name}.sql") for name in sorted(STRONG)]
    texts += [sqlfiles.function("search_limit"), sqlfiles.read("distributed", "functions", "shard_edges.sql")]
    limits = [re.findall(r"(?:strength >=|'strong' THEN) (\d+)", text) for text in texts]
    assert all(limits)
    assert len({limit for found in limits for limit in found}) == 1


def test_strong_edges_are_read_in_order_from_their_indexes_alone(
    session: tuple[Connection, list[dict[str, Any]]],
) -> None:
    """The answer needs few edges of the hub, and no more are read; nothing is sorted."""
    connection, plans = session
    hub = one(connection, f"SELECT contact_id FROM ({STRONG_EDGES}) AS e GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
    plans.clear()
    connection.execute("SELECT * FROM connection_paths.deep_finder(%s, 1, 1001, 2, 5, order_by => 'strength')", (hub,))
    read = [node for node in all_nodes(plans) if node.get("Index Name") in STRONG]
    assert {node["Node Type"] for node in read} == {"Index Only Scan"}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in read) <= 102


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_few_edges_beyond_the_cap_are_read(session: tuple[Connection, list[dict[str, Any]]], mode: str) -> None:
    """All edges of the target are read. Of every other contact, few more edges are read than the cap allows."""
    connection, plans = session
    hub = one(connection, HUB)
    edges = one(connection, f"SELECT count(*) FROM ({EDGES_OF.format(contact=hub)}) AS e")
    generations.install(connection)
    fronts, chains = connection.execute(
        "SELECT count(DISTINCT (w.depth, w.contact_ids[1])), count(*) FROM generations.walk(%s, 1, 3, 15, false) AS w",
        (hub,),
    ).fetchone() or (0, 0)
    assert fronts < chains  # some contacts begin several chains of a level
    connection.execute("SELECT set_config('plan_cache_mode', %s, false)", (mode,))
    plans.clear()
    nobody = 999  # opens no path, so that the search goes to its last level
    connection.execute("SELECT * FROM connection_paths.deep_finder(%s, 1, %s, 4, 25, 'importer')", (hub, nobody))
    walked = [node for node in all_nodes(plans) if node.get("Index Name") in WALK]
    assert {node["Node Type"] for node in walked} == {"Index Only Scan"}
    # two indexes per contact; when the first edges have too few members, more are read once
    assert sum(node["Actual Loops"] for node in walked) <= 4 * fronts + 10
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in walked) < edges + fronts * 60


@pytest.mark.parametrize("depth", [3, 4])
def test_after_its_deadline_a_search_reads_no_more_edges(
    session: tuple[Connection, list[dict[str, Any]]], depth: int
) -> None:
    """Planning the first search of a session takes a millisecond, so only the edges of the target are read."""
    connection, plans = session
    hub = one(connection, HUB)
    edges = one(connection, f"SELECT count(*) FROM ({EDGES_OF.format(contact=hub)}) AS e")
    plans.clear()
    nobody = 999  # opens no path, so that the search does not end before its last level
    answer = one(
        connection,
        f"SELECT connection_paths.find_paths({hub}, 1, {nobody}, {depth}, 25, 'importer', time_budget_ms => 1)",
    )
    assert answer["complete"] is False
    walked = [node for node in all_nodes(plans) if node.get("Index Name") in WALK]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in walked) <= edges


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_a_small_collection_around_a_hub_is_hashed(session: tuple[Connection, list[dict[str, Any]]], mode: str) -> None:
    """Its members are too few among a hub's edges to look each of them up."""
    connection, plans = session
    hub = one(connection, HUB)
    small = one(connection, "SELECT max(m.collection_id) FROM connection_paths.collection_members AS m")
    connection.execute("SELECT set_config('plan_cache_mode', %s, false)", (mode,))
    plans.clear()
    connection.execute("SELECT * FROM connection_paths.deep_finder(%s, %s, 1001, 4)", (hub, small))
    found = all_nodes(plans)
    read = sum(node["Actual Rows"] * node["Actual Loops"] for node in found if node.get("Index Name") in WALK)
    looked_up = sum(node["Actual Loops"] for node in found if node.get("Index Name") == MEMBERS)
    assert read > 600
    assert looked_up < 700  # twice 300 before the search knows that there are few members


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_backfill_bounds_its_reading_by_date(session: tuple[Connection, list[dict[str, Any]]], mode: str) -> None:
    """Both the organization and the date are conditions of the index, not filters after it."""
    connection, plans = session
    target = one(connection, HEAVY)
    connection.execute("SELECT set_config('plan_cache_mode', %s, false)", (mode,))
    plans.clear()
    connection.execute("SELECT connection_paths.backfill_contact(%s)", (target,))
    conditions = {
        node["Index Cond"] for node in all_nodes(plans) if node.get("Index Name") == "idx_experiences_by_organization"
    }
    assert conditions
    assert all("organization_id" in text and "COALESCE" in text for text in conditions)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_do_not_ask_is_looked_up_for_members_only(
    session: tuple[Connection, list[dict[str, Any]]], world: str, mode: str
) -> None:
    """do_not_ask is read by contact, not as a whole, and not at all where it has no row of the collection."""
    connection, plans = session
    hub = one(connection, HUB)
    connection.execute("SELECT set_config('plan_cache_mode', %s, false)", (mode,))
    finders = [f"SELECT * FROM connection_paths.deep_finder({hub}, 1, 1001, {depth})" for depth in (2, 4)]
    finders.append(f"SELECT connection_paths.find_paths({hub}, 1, 1001, 3)")
    connection.execute("INSERT INTO connection_paths.do_not_ask SELECT 2, n FROM generate_series(1, 20000) AS n")
    for finder in finders:
        plans.clear()
        connection.execute(finder.encode())
        looked_up = sum(node["Actual Loops"] for node in all_nodes(plans) if node.get("Index Name") == REFUSED)
        assert looked_up == 0, finder
    # contacts without edges, so that the answers stay the same
    connection.execute(
        "INSERT INTO connection_paths.do_not_ask SELECT 1, n FROM generate_series(9000001, 9005000) AS n"
    )
    for finder in finders:
        plans.clear()
        connection.execute(finder.encode())
        nodes = all_nodes(plans)
        found = [node for node in nodes if node.get("Index Name") == REFUSED]
        members = sum(n["Actual Rows"] * n["Actual Loops"] for n in nodes if n.get("Index Name") == MEMBERS)
        assert found, finder
        assert not [
            node for node in nodes if node.get("Relation Name") == "do_not_ask" and node["Node Type"] == "Seq Scan"
        ]
        assert sum(node["Actual Rows"] * node["Actual Loops"] for node in found) <= 501, finder
        assert sum(node["Actual Loops"] for node in found) <= members + 10, finder
    connection.execute("TRUNCATE connection_paths.do_not_ask")


FINDERS = (
    "SELECT * FROM connection_paths.deep_finder(3000, 1, 1001, 2)",
    "SELECT * FROM connection_paths.deep_finder(3000, 1, 1001, 3)",
    "SELECT * FROM connection_paths.deep_finder(3000, 1, 1002, 3, 25, 'importer')",
    "SELECT connection_paths.find_paths(3000, 1, 1001, 3)",
)


def test_plans_made_on_empty_tables_still_use_indexes(new_installed: Callable[[], str]) -> None:
    """A session keeps plans that it made for empty tables. They must not read whole tables later."""
    dsn = new_installed()
    with psycopg.connect(dsn, autocommit=True) as connection:
        with psycopg.connect(dsn, autocommit=True) as other:  # a little, so that every statement is planned
            other.execute("INSERT INTO contacts (id, name) SELECT n, 'x' FROM generate_series(2998, 3002) AS n")
            other.execute(
                "INSERT INTO connection_paths.contact_connections"
                " SELECT a, a + 1, 'work_overlap', 50, 1, 1, '2020-01-01', NULL, 0, 2"
                " FROM generate_series(2998, 3001) AS a"
            )
            other.execute(
                "INSERT INTO user_contact_collections (user_id, contact_id, collection_id, source)"
                " SELECT 1001 + n % 2, n, 1, 0 FROM generate_series(2998, 3002) AS n"
            )
        for _ in range(7):
            connection.execute("SELECT connection_paths.backfill_contact(1)")
            for finder in FINDERS:
                connection.execute(finder.encode())
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute(
                "INSERT INTO connection_paths.contact_connections"
                " SELECT a, a + d, 'work_overlap', 50, 1, 1, '2020-01-01', NULL, 0, 2"
                " FROM generate_series(1, 4000) AS a, generate_series(1, 20) AS d ON CONFLICT DO NOTHING"
            )
            other.execute(
                "INSERT INTO user_contact_collections (user_id, contact_id, collection_id, source)"
                " SELECT 1001 + n % 2, n, 1, 0 FROM generate_series(1, 100000) AS n"
            )
            if other.info.server_version < 170000:  # PostgreSQL 15 and 16: docs/adr/0013-members-by-look-up.md
                other.execute("ANALYZE user_contact_collections")
        before, members = _scans(connection), _members_read(connection)
        connection.execute("SELECT connection_paths.backfill_contact(2)")
        for finder in FINDERS:
            connection.execute(finder.encode())
        assert _scans(connection) == before
        assert _members_read(connection) - members < 20_000  # a fifth of the collection


def _members_read(connection: Connection) -> int:
    """Entries of the membership index read so far."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    return int(one(connection, f"SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = '{MEMBERS}'"))


def _scans(connection: Connection) -> int:
    """Sequential scans of the edges and of the members so far."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    scans = one(
        connection,
        "SELECT sum(seq_scan) FROM pg_stat_user_tables"
        " WHERE relname IN ('contact_connections', 'user_contact_collections')",
    )
    return int(scans)
