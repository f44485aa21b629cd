"""The header of every SQL function has the fixed form and agrees with the code; functions are short and flat.

``tests/support/sql_headers.py`` defines the form, what is compared, and how lines and nesting are counted.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import sql_headers, sql_reference

FILES = sql_headers.function_files()

each_function = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(sql_headers.ROOT)))


@each_function
def test_the_header_agrees_with_the_code(path: Path) -> None:
    assert sql_headers.problems(path.read_text()) == []


@each_function
def test_the_function_is_short_and_flat(path: Path) -> None:
    assert sql_headers.limit_problems(path.read_text()) == []


def test_the_reference_is_up_to_date() -> None:
    assert sql_reference.PAGE.read_text(encoding="utf-8") == sql_reference.page(), "run make reference"


# Each check can fail: a correct file, broken in one place.

SAMPLE = """\
-- connection_paths.sample(contact_id, most)
--
-- Returns some edges of a contact and forgets that it is not to be asked.
--
-- Parameters
--     contact_id  The contact. Required.
--     most        How many edges, 1 or more.
--                 NULL means all.
-- Returns
--     One row per edge: neighbour_id is the other contact, date_to is NULL for an edge that goes on.
-- Errors
--     22023  most is less than 1.
-- Reads
--     contact_connections
-- Writes
--     do_not_ask
-- Used by
--     applications
CREATE OR REPLACE FUNCTION connection_paths.sample(contact_id bigint, most integer DEFAULT NULL)
RETURNS TABLE (neighbour_id bigint, date_to date)
LANGUAGE plpgsql
AS $function$
BEGIN
    IF most < 1 THEN
        RAISE EXCEPTION 'most must be 1 or more'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'See connection_paths.backfill_runs.';
    END IF;
    DELETE FROM connection_paths.do_not_ask AS d WHERE d.contact_id = sample.contact_id;
    RETURN QUERY SELECT c.contact_b_id, c.date_to FROM connection_paths.contact_connections AS c LIMIT most;
END
$function$;
"""

BROKEN = [
    ("sample(contact_id, most)\n", "sample(contact_id)\n"),
    ("sample(contact_id, most)\n", "sample(...)\n"),
    ("to be asked.\n", "to be asked\n"),
    ("to be asked.\n", "to be asked. It has two sentences.\n"),
    ("-- Returns some", "-- returns some"),
    ("-- Errors\n--     22023  most is less than 1.\n", ""),
    ("-- Errors\n", "-- Raises\n"),
    ("--     do_not_ask\n", ""),
    ("--     most        How many edges, 1 or more.\n--                 NULL means all.\n", ""),
    ("date_to is NULL", "date is NULL"),
    ("22023  most", "22024  most"),
    ("--     22023  most", "--     Raises an error: most"),
    ("--     contact_connections\n", "--     none\n"),
    ("--     contact_connections\n", "--     contact_connections, contact_edges\n"),
    ("--     contact_connections\n", "--     contact_connections, due_changes\n"),
    ("--     do_not_ask\n", "--     none\n"),
    ("--     applications\n", "--     none\n"),
    ("sample", "do_batch"),
    ("--     applications\n", "--     find_paths\n"),
    ("--     applications\n", "--     orchestrator/nowhere.py\n"),
    ("--     applications\n", "--     orchestrator/core/text.py\n"),
]


@pytest.mark.parametrize(("old", "new"), BROKEN)
def test_a_wrong_header_is_noticed(old: str, new: str) -> None:
    assert old in SAMPLE
    assert sql_headers.problems(SAMPLE) == []
    assert sql_headers.problems(SAMPLE.replace(old, new)) != []


def test_lines_and_nesting_are_counted() -> None:
    code = sql_headers.facts(SAMPLE)
    assert (code.code_lines, code.nesting) == (13, 1)
    deeper = SAMPLE.replace(
        "    IF most < 1 THEN\n",
        "    FOR i IN 1..2 LOOP\n        -- why\n        PERFORM 1 WHERE EXISTS (SELECT FROM (SELECT 1) AS x);\n"
        "    END LOOP;\n"
        "    IF most < 1 THEN\n",
    )
    code = sql_headers.facts(deeper)
    assert (code.code_lines, code.nesting) == (16, 3)
    assert sql_headers.limit_problems(deeper) == []
    assert len(sql_headers.limit_problems(deeper.replace("        -- why\n", "        PERFORM 1;\n" * 120))) == 1
