"""The order of paths: dates that have no number of days, and what can be read back from a rank."""

from __future__ import annotations

from collections.abc import Callable

import psycopg


def test_an_edge_that_ended_at_minus_infinity_comes_last(new_installed: Callable[[], str]) -> None:
    with psycopg.connect(new_installed()) as connection:
        rows = connection.execute(
            "SELECT array_agg(d.day::text ORDER BY connection_paths.path_rank(NULL, d.day, false))"
            " FROM unnest('{-infinity, 4000-01-01 BC, 2020-01-01}'::date[]) AS d (day)"
        ).fetchall()
    assert rows == [(["2020-01-01", "4000-01-01 BC", "-infinity"],)]


def test_strength_and_recency_can_be_read_back_from_a_rank(new_installed: Callable[[], str]) -> None:
    with psycopg.connect(new_installed()) as connection:
        wrong = connection.execute(
            "SELECT s.strength, d.day, v.is_viewer"
            " FROM generate_series(0, 100) AS s (strength)"
            " CROSS JOIN unnest('{-infinity, 4713-11-24 BC, 2020-01-01, 5874897-12-31, infinity, NULL}'::date[])"
            " AS d (day)"
            " CROSS JOIN (VALUES (true), (false)) AS v (is_viewer)"
            " CROSS JOIN connection_paths.path_rank(s.strength::smallint, d.day, v.is_viewer) AS r (rank)"
            " WHERE connection_paths.rank_strength(r.rank) <> s.strength"
            " OR connection_paths.rank_recency(r.rank) IS DISTINCT FROM d.day"
        ).fetchall()
    assert wrong == []
