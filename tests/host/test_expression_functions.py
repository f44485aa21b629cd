"""The functions for the expressions of a mapping: right, without errors, usable in an index by anybody."""

from __future__ import annotations

import os
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.database import Connection
from tests.support.properties import repeatable
from tests.support.sessions import connect

FORMATS = (
    "YYYY-MM-DD", "YYYYMMDD", "DD.MM.YYYY", "MM/DD/YYYY", "DD-Mon-YYYY", "Month DD, YYYY", "FMDD/FMMM/YYYY", "YYYY/MM",
    "Mon YYYY", "YYYY", "DD.MM.YY",
)  # fmt: skip

DAYS = st.dates(date(1950, 1, 1), date(2049, 12, 31))
TEXTS = st.one_of(
    st.text(max_size=12),
    st.text("0123456789-/. TtZ:", max_size=20),
    st.tuples(st.integers(0, 10_000), st.integers(0, 99), st.integers(0, 99)).map(
        lambda d: "{:04}-{:02}-{:02}".format(*d)
    ),
    st.sampled_from(["May 2019", "Foo 2019", "Feb 30, 2019", "2019-02-29", "infinity", "now", "0000-01-01", "Present"]),
).filter(lambda text: "\x00" not in text)


def test_every_day_is_read_in_every_format(installed: Connection) -> None:
    """``to_char`` writes 3,653 days in each format; days that the format does not have are the first of the month."""
    for form in FORMATS:
        wrong = installed.execute(
            """
            SELECT d.day, d.written, d.found
            FROM (
                SELECT
                    s.day::date AS day,
                    to_char(s.day, %(form)s) AS written,
                    connection_paths.to_day(to_char(s.day, %(form)s), replace(%(form)s, 'FM', '')) AS found,
                    date_trunc(
                        CASE WHEN %(form)s ~ 'DD' THEN 'day' WHEN %(form)s ~ 'M' THEN 'month' ELSE 'year' END, s.day
                    )::date AS expected
                FROM generate_series('1980-01-01'::timestamp, '2029-12-31', '5 days') AS s (day)
            ) AS d
            WHERE d.found IS DISTINCT FROM d.expected
            LIMIT 3
            """,
            {"form": form},
        ).fetchall()
        assert wrong == [], form


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2019", "2019-01-01"), (" 2019 ", "2019-01-01"), ("2019-8", "2019-08-01"), ("2019-08", "2019-08-01"),
        ("2019-08-31", "2019-08-31"), ("2020-02-29", "2020-02-29"), ("2019-02-29", None),
        ("2019-08-15T23:59:59Z", "2019-08-15"),
        ("2019-08-15 23:59:59.5+02", "2019-08-15"), ("Aug 2019", "2019-08-01"), ("August 2019", "2019-08-01"),
        ("sept. 3, 2019", "2019-09-03"), ("Foo 2019", None), ("Present", None), ("", None), ("2019-13", None),
        ("20190815", None), ("15.8.2019", None), ("2019-08-15x", None), ("infinity", None), ("٢٠١٩", None),
        ("0000", None), (None, None),
    ],
)  # fmt: skip
def test_text_without_a_format(installed: Connection, text: str | None, day: str | None) -> None:
    row = installed.execute("SELECT connection_paths.to_day(%s::text)::text", (text,)).fetchone()
    assert row == (day,)


def test_text_is_never_an_error(installed: Connection) -> None:
    @repeatable(8)
    @given(st.lists(st.tuples(TEXTS, st.sampled_from([None, *FORMATS, "", "x", "MM", "((("])), max_size=60))
    def check(given: list[tuple[str, str | None]]) -> None:
        found = installed.execute(
            "SELECT g.value, g.format, connection_paths.to_day(g.value, g.format), connection_paths.to_id(g.value)"
            " FROM unnest(%s::text[], %s::text[]) AS g (value, format)",
            ([text for text, _ in given], [form for _, form in given]),
        ).fetchall()
        for text, form, day, number in found:
            assert day is None or str(day.year) in text or form == "DD.MM.YY"
            assert number is None or number == int(text)

    check()


def test_other_functions(installed: Connection) -> None:
    row = installed.execute("""
        SELECT
            connection_paths.first_day(2019, 8)::text, connection_paths.first_day(2019, NULL)::text,
            connection_paths.first_day(2019, 0), connection_paths.first_day(0, 1), connection_paths.first_day(NULL, 1),
            connection_paths.first_day(10000, 1),
            connection_paths.to_id(' -12 '), connection_paths.to_id('1.5'),
            connection_paths.to_id('9999999999999999999'),
            connection_paths.uuid_key(NULL),
            connection_paths.uuid_key('00000000-0000-4000-8000-000000000001')
                = connection_paths.uuid_key('00000000-0000-4000-8000-000000000001'::text::uuid)
    """).fetchone()
    assert row == ("2019-08-01", "2019-01-01", None, None, None, None, -12, None, None, None, True)


def test_uuids_rarely_have_the_same_id(installed: Connection) -> None:
    row = installed.execute("""
        SELECT count(DISTINCT connection_paths.uuid_key(('00000000-0000-1000-8000-' || lpad(to_hex(i), 12, '0'))::uuid))
        FROM generate_series(1, 50000) AS i
    """).fetchone()
    assert row == (50_000,)


@pytest.mark.parametrize("style", ["SQL, DMY", "German", "Postgres, MDY"])
def test_settings_have_no_effect(installed: Connection, style: str) -> None:
    with installed.transaction():
        installed.execute(
            "SELECT set_config('DateStyle', %s, true), set_config('TimeZone', 'Asia/Tokyo', true)", (style,)
        )
        row = installed.execute(
            "SELECT connection_paths.to_day('2019-08-15 23:00Z') = make_date(2019, 8, 15),"
            " connection_paths.to_day('03/04/2019', 'DD/MM/YYYY') = make_date(2019, 4, 3)"
        ).fetchone()
    assert row == (True, True)


def test_a_role_without_rights_writes_into_a_table_with_such_an_index(installed: Connection) -> None:
    role = f"connection_paths_writer_{os.getpid()}"
    installed.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        installed.execute("""
            CREATE SCHEMA written;
            CREATE TABLE written.jobs (started text, year integer, number text, key uuid);
            CREATE INDEX ON written.jobs (
                (connection_paths.to_day(started)), (connection_paths.to_day(started, 'MM.YYYY')),
                (connection_paths.first_day(year, 1)), (connection_paths.to_id(number)),
                (connection_paths.uuid_key(key))
            )
        """)
        installed.execute(f"GRANT USAGE ON SCHEMA written TO {role}; GRANT INSERT ON written.jobs TO {role}".encode())
        with connect(f"{installed.info.dsn} user={role}") as writer:
            writer.execute(
                "INSERT INTO written.jobs VALUES ('2019-08', 2019, '7', gen_random_uuid()), ('soon', 0, 'x', NULL)"
            )
    finally:
        installed.execute(f"DROP SCHEMA IF EXISTS written CASCADE; DROP ROLE {role}".encode())
