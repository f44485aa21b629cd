"""The order of edges and of chains: dates that have no number of days, and the parts of a rank."""

from __future__ import annotations

from collections.abc import Callable

import psycopg


def test_edges_have_the_order_of_their_last_days(new_installed: Callable[[], str]) -> None:
    """Ranks put edges in the order in which contact_edges reads them: NULL comes before infinity."""
    with psycopg.connect(new_installed()) as connection:
        rows = connection.execute(
            "SELECT array_agg(d.day::text ORDER BY connection_paths.edge_rank(NULL, d.day)),"
            " count(DISTINCT connection_paths.edge_rank(NULL, d.day))"
            " FROM unnest('{-infinity, 4713-11-24 BC, 2020-01-01, 5874897-12-31, infinity, NULL}'::date[]) AS d (day)"
        ).fetchall()
    assert rows == [([None, "infinity", "5874897-12-31", "2020-01-01", "4713-11-24 BC", "-infinity"], 6)]


def test_the_rank_of_a_chain_is_that_of_its_weakest_edge_and_its_last_day(new_installed: Callable[[], str]) -> None:
    with psycopg.connect(new_installed()) as connection:
        wrong = connection.execute(
            "WITH edges AS ("
            " SELECT s.strength, d.day, connection_paths.edge_rank(s.strength::smallint, d.day) AS rank"
            " FROM unnest('{0, 29, 30, 100, NULL}'::integer[]) AS s (strength)"
            " CROSS JOIN unnest('{-infinity, 4713-11-24 BC, 2020-01-01, 5874897-12-31, infinity, NULL}'::date[])"
            " AS d (day))"
            " SELECT a.*, b.*, r.rank"
            " FROM edges AS a"
            " JOIN edges AS b ON (a.strength IS NULL) = (b.strength IS NULL)"
            " CROSS JOIN LATERAL connection_paths.longer_rank(NULL, a.rank) AS first (rank)"
            " CROSS JOIN LATERAL connection_paths.longer_rank(first.rank, b.rank) AS r (rank)"
            " CROSS JOIN LATERAL ("
            " SELECT LEAST(GREATEST(COALESCE(a.day, 'infinity'), COALESCE(b.day, 'infinity')), current_date)"
            " ) AS expected (recency)"
            " WHERE r.rank & 4294967295 <> connection_paths.edge_rank(NULL, expected.recency)"
            " OR 100 - (r.rank >> 32) <> COALESCE(LEAST(a.strength, b.strength), 100)"
            " OR r.rank % 2 <> 1"
        ).fetchall()
    assert wrong == []
