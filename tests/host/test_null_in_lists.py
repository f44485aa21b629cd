"""NULL in a list, a range, a pattern or a CASE of a mapping is refused, wherever it stands; other values are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import OrchestratorError
from orchestrator.host.mapping_expressions import BadExpressionError, read
from orchestrator.host.mapping_file import parse
from tests.support.command_line import run
from tests.support.properties import repeatable

#: Conditions over a list; the first place takes an operand, the second one the list.
LISTS = (
    "{0} IN ({1})", "{0} NOT IN ({1})", "{0} = ANY (ARRAY[{1}])", "{0} <> ALL (ARRAY[{1}]::bigint[])",
    "{0} = SOME (ARRAY[[{1}], [{1}]])", "{0} OPERATOR(pg_catalog.>=) ANY ((ARRAY[{1}]))",
    "(id, {0}) IN ((1, 2), ({1}, 3))",
    "id IN (7, 8) AND NOT ({0} IN ({1}))", "COALESCE({0} IN ({1}), true)", "ROW(id) IN (ROW({1}))",
)  # fmt: skip
NULLS = ("NULL", "null", "(NULL)", "NULL::bigint", "CAST(NULL AS bigint)", "(null::text)::bigint")
VALUES = ("1", "-2", "kind_id", "NULLIF(kind_id, NULL)", "CASE WHEN id > 1 THEN NULL ELSE 3 END", "'NULL'")


@pytest.mark.hypothesis
def test_a_list_with_null_is_refused_and_one_without_is_not() -> None:
    @repeatable(80)
    @given(
        form=st.sampled_from(LISTS),
        values=st.lists(st.sampled_from(VALUES), max_size=3),
        null=st.sampled_from(NULLS),
        place=st.integers(0, 3),
    )
    def check(form: str, values: list[str], null: str, place: int) -> None:
        if values and "ROW" not in form and "(id, " not in form:
            assert read(form.format("kind_id", ", ".join(values)), None, "people").sql
        row = [*values[:place], null, *values[place:]]
        with pytest.raises(BadExpressionError, match="NULL in a list"):
            read(form.format("kind_id", ", ".join(row)), None, "people")

    check()


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("kind = ANY ('{1,NULL}')", True),
        ("kind <> ALL ('{ null }'::bigint[])", True),
        ("kind = ANY ('{{1,2},{3,Null}}')", True),
        ("kind = ANY (NULL::bigint[])", True),
        ("NULL IN (kind, 2)", True),
        ("kind LIKE ANY (ARRAY['a%', NULL])", True),
        ("""kind = ANY ('{"NULL",a}')""", False),
        ("""kind = ANY ('{"a\\" , NULL, ",b}')""", False),
        ("kind = ANY ('{NULLABLE,a}')", False),
        ("kind IN ('{NULL}', 'NULL')", False),
        ("kind = '{NULL}'", False),
        ("kind = ANY (kinds)", False),
        ("kind = ANY (string_to_array(kinds, ',', NULL))", False),
        ("kinds <@ ARRAY[1, NULL]", False),
    ],
)
def test_lists_in_other_forms(text: str, is_refused: bool) -> None:
    if not is_refused:
        assert read(text, None, "people").sql
        return
    with pytest.raises(BadExpressionError, match="NULL in a list"):
        read(text, None, "people")


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("id BETWEEN NULL AND 3", True),
        ("id NOT BETWEEN SYMMETRIC 1 AND NULL::bigint", True),
        ("name LIKE NULL", True),
        ("name NOT ILIKE NULL::text ESCAPE '!'", True),
        ("name LIKE 'a' ESCAPE NULL", True),
        ("name SIMILAR TO NULL", True),
        ("name !~* NULL", True),
        ("(id, kind) = (1, NULL)", True),
        ("CASE kind WHEN 1 THEN true WHEN NULL THEN false END", True),
        ("id BETWEEN 1 AND 3", False),
        ("name LIKE 'NULL' ESCAPE '!'", False),
        ("CASE kind WHEN 1 THEN NULL ELSE true END", False),
        ("CASE WHEN kind IS NULL THEN NULL ELSE true END", False),
    ],
)
def test_other_comparisons(text: str, is_refused: bool) -> None:
    if not is_refused:
        assert read(text, None, "people").sql
        return
    with pytest.raises(BadExpressionError, match="IS NULL"):
        read(text, None, "people")


def test_the_line_of_a_rule_and_of_a_column() -> None:
    for key, written in (("where", "id NOT IN (1, NULL)"), ("name", "CASE WHEN id IN (NULL) THEN name END")):
        with pytest.raises(OrchestratorError) as raised:
            parse(f'[contacts]\n\n{key} = "{written}"\n', "map.toml")
        assert str(raised.value).startswith(f"map.toml:3: {key} = {written} has NULL in a list")


def test_the_check_fails(host: str, tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text("[contacts]\nwhere = 'id NOT IN (1, NULL)'\n")
    for command, code in (("map", "--check"), 3), (("install", "--map"), 1), (("plan", "--map"), 1):
        result = run(*command, str(file), "--dsn", host)
        assert result.exit_code == code, result.output
        assert f"{file}:2: where = id NOT IN (1, NULL) has NULL in a list" in result.output
