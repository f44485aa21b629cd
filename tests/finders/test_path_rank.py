"""The order of paths where a date has no number of days."""

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
