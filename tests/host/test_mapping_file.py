"""A mapping file is read with the lines of its problems; every expression is checked without a server."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import OrchestratorError, SeveralProblemsError
from orchestrator.host.mapping import DEFAULT, SourceMapping, bound, load
from orchestrator.host.mapping_expressions import BadExpressionError, printed, quoted, read, table_name
from orchestrator.host.mapping_file import parse, places
from orchestrator.host.mapping_suggestion import toml_string
from orchestrator.host.mapping_types import WANTED
from tests.support import schemas
from tests.support.pages import blocks
from tests.support.properties import repeatable


def problems(text: str) -> list[str]:
    with pytest.raises(SeveralProblemsError) as raised:
        parse(text, "map.toml")
    return list(raised.value.problems)


def test_a_source_that_is_not_named_keeps_its_default() -> None:
    mapping = parse('[contacts]\ntable = "people"\n', "map.toml")
    assert set(mapping.sources) == set(DEFAULT.sources)
    assert mapping.sources["organizations"] == DEFAULT.sources["organizations"]
    assert mapping.sources["contacts"].table == "people"
    assert parse("", "map.toml") == DEFAULT


def test_the_default_mapping_is_plain_columns() -> None:
    sources = bound(DEFAULT, "App")
    for name, source in sources.items():
        assert (source.schema, source.table, source.is_default) == ("App", name, True)
        assert all(text == quoted(key) for key, text in source.columns.items())
        assert all(source.used_columns[key] == (text,) for key, text in source.columns.items())
    assert sources["user_contact_collections"].where == "source IN (0, 1, 2, 3, 5, 10)"
    assert sources["contacts"].where is None


def test_a_column_has_the_type_of_the_package() -> None:
    text = """
        [contacts]
        table = "crm.people"
        id = "number"
        name = "people.first || ' ' || crm.people.last"
        [organizations]
        headcount = "employees"
        [contact_work_experiences]
        date_from = "to_date(start_month, 'YYYY-MM')"
        date_to = "COALESCE(to_date(a, 'DD.MM.YYYY'), b)"
        [user_contact_collections]
        source = '"Kind"'
    """
    sources = bound(parse(text, "map.toml"), "app")
    people = sources["contacts"]
    assert (people.schema, people.table) == ("crm", "people")
    assert people.columns == {"id": '("number")::bigint', "name": "(first || ' ' || last)::text"}
    assert people.used_columns == {"id": ('"number"',), "name": ('"first"', '"last"')}
    assert sources["organizations"].columns["headcount"] == '("employees")::bigint'
    jobs = sources["contact_work_experiences"].columns
    assert jobs["date_from"] == "(connection_paths.to_day(start_month, 'YYYY-MM'))::date"
    assert jobs["date_to"] == "(COALESCE(connection_paths.to_day(a, 'DD.MM.YYYY'), b))::date"
    assert sources["user_contact_collections"].columns["source"] == '"Kind"'


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('user_id = "owner_id"', "source IN (0, 1, 2, 3, 5, 10)"),
        ("source = 'source'", "source IN (0, 1, 2, 3, 5, 10)"),
        ("source = 'kind'", None),
        ("table = 'imports'", None),
        ("table = 'crm.user_contact_collections'", "source IN (0, 1, 2, 3, 5, 10)"),
        ("table = 'app.user_contact_collections'\nuser_id = 'owner_id'", "source IN (0, 1, 2, 3, 5, 10)"),
        ("table = 'app.user_contact_collections'\nsource = 'kind'", None),
        ("table = 'crm.\"User_contact_collections\"'", None),
        ("where = 'not hidden'", "NOT hidden"),
    ],
)
def test_the_rule_of_members_stays_while_table_and_source_are_the_packages_own(text: str, rule: str | None) -> None:
    assert bound(parse(f"[user_contact_collections]\n{text}", "f"), "app")["user_contact_collections"].where == rule


EVERY_PROBLEM = """\
[contact]
[contacts]
tabel = "people"
name = 3
id = '''
a;
b'''
where = "id IN (SELECT 1)"

[organizations]
table = "contacts"
[users]
table = "my users"
id = ""
name = "name AS n"
[contact_work_experiences]
date_from = "to_date(a, 'HH24')"
date_to = "jobs.ended"
"""


def test_one_message_has_every_problem_with_its_line() -> None:
    found = problems(EVERY_PROBLEM)
    starts = [
        "map.toml:1: there is no source 'contact'; did you mean contacts?",
        "map.toml:3: contacts has no key 'tabel'; did you mean table?",
        'map.toml:4: name is not a string; write name = "3"',
        "map.toml:5: id = a; b is not an SQL expression",
        "map.toml:8: where = id IN (SELECT 1) has a subquery;",
        "map.toml:11: contacts and organizations read the same table contacts;",
        "map.toml:13: 'my users' is not the name of a table; write",
        "map.toml:17: date_from = to_date(a, 'HH24') has the date format 'HH24'; it may have",
        "map.toml:18: date_to = jobs.ended names jobs.ended; only columns of contact_work_experiences",
    ]
    assert [line.startswith(start) for line, start in zip(found, starts, strict=True)] == [True] * len(starts), found


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("[contacts]\nname = \n", 2, "Invalid value"),
        ("[contacts]\n[contacts]\n", 2, "twice"),
        ("[contacts]\nname = 'a'\nname = 'b'\n", 3, "Cannot overwrite"),
        ('[contacts]\nname = """a', 2, "Unterminated"),
    ],
)
def test_what_is_not_toml_has_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(OrchestratorError) as raised:
        parse(text, "map.toml")
    assert str(raised.value).startswith(f"map.toml:{line}: is not TOML")
    assert reason in str(raised.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin1.toml").write_bytes("name = 'é'".encode("latin-1"))
    for path, reason in (
        (tmp_path / "none.toml", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / "latin1.toml", "UTF-8"),
    ):
        with pytest.raises(OrchestratorError, match=reason):
            load(path)


def test_lines_of_keys() -> None:
    text = "# x\n[ contacts ]\n'id' = 'a'\nname = '''\nwhere = 1\n'''\nwhere = 'b'\n\n[\"users\"] # y\n\"name\" = 'c'\n"
    assert places(text) == {
        ("contacts", None): 2, ("contacts", "id"): 3, ("contacts", "name"): 4, ("contacts", "where"): 7,
        ("users", None): 9, ("users", "name"): 10,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-- nothing", "a;", "a; DROP TABLE b", "a, b", "(a, b)", "a) , (b", "a) FROM t WHERE (b", "a AS b",
        "*", "people.*", "(SELECT 1)", "a IN (SELECT b FROM c)", "EXISTS (SELECT)", "count(*)", "count(DISTINCT a)",
        "sum(a) OVER ()", "array_agg(a ORDER BY b)", "sum(a) FILTER (WHERE b)", "$1", "DEFAULT", "other.a",
        "x.people.a",
        "a) UNION SELECT (b", "a) LIMIT (1", "a) ORDER BY (b", "'a", "a COLLATE", "to_date(a, b)",
        "to_date(a, 'Q YYYY')",
        "to_date(a, 'MM')", "to_date(a, 'YYYY YY')", "x" * 10_001, "a <> '\n'", "a <> ';\n\n'", "a <> '$function$'",
    ],
)  # fmt: skip
def test_what_is_not_one_expression_over_the_table(text: str) -> None:
    with pytest.raises(BadExpressionError):
        read(text, "crm", "people")


@pytest.mark.parametrize(
    "text", ["", "a b", "a.b.c", "a, b", "a AS b", "a; b", "a WHERE b", "ONLY a", "a LIMIT 1", "f()", "1"]
)
def test_what_is_not_a_table(text: str) -> None:
    with pytest.raises(BadExpressionError):
        table_name(text)


def test_names_of_tables() -> None:
    assert table_name("People") == (None, "people")
    assert table_name('crm."My ""People"""') == ("crm", 'My "People"')


@pytest.mark.parametrize("name", schemas.NAMES)
def test_a_mapping_is_kept_as_json(name: str) -> None:
    mapping = schemas.mapping(name)
    kept = json.loads(json.dumps(mapping.as_json()))
    assert SourceMapping.from_json(kept) == mapping
    assert bound(SourceMapping.from_json(kept), "app") == bound(mapping, "app")


@pytest.mark.parametrize("name", sorted(set(schemas.NAMES) - {"plain"}))
def test_the_page_shows_the_mapping(name: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "map-your-tables.md"
    shown = [block.text for block in blocks(page.read_text(encoding="utf-8")) if block.language == "toml"]
    assert (schemas.FOLDER / f"{name}.toml").read_text(encoding="utf-8") in shown
    assert all(parse(text, "page.toml") for text in shown)


# Random mappings.

NAME = st.text("aB_ 7é\"'\\%$", min_size=1, max_size=6)
COLUMN = NAME.map(quoted)
LITERAL = st.one_of(st.integers(-9, 9).map(str), NAME.map(lambda text: "'" + text.replace("'", "''") + "'"))


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(st.sampled_from(["+", "||", "=", "<", "AND", "OR", "->>", "IS DISTINCT FROM"]), pair).map(
            lambda each: f"({each[1][0]} {each[0]} {each[1][1]})"
        ),
        st.tuples(st.sampled_from(["lower", "coalesce", "public.f", "concat_ws", "nullif"]), pair).map(
            lambda each: f"{each[0]}({each[1][0]}, {each[1][1]})" if each[0] != "lower" else f"lower({each[1][0]})"
        ),
        inner.map(lambda text: f"({text})::bigint"),
        inner.map(lambda text: f"CASE WHEN {text} IS NULL THEN {text} ELSE to_date({text}, 'YYYY-MM') END"),
        inner.map(lambda text: f"{text} AT TIME ZONE 'UTC'"),
        inner.map(lambda text: f"NOT ({text})"),
    )


EXPRESSION = st.recursive(st.one_of(COLUMN, LITERAL), _combined, max_leaves=6)


@st.composite
def files(draw: st.DrawFn) -> dict[str, dict[str, str]]:
    """Make the content of a mapping file: some sources, each with some keys."""
    sources: dict[str, dict[str, str]] = {}
    for number, name in enumerate(draw(st.lists(st.sampled_from(list(WANTED)), unique=True))):
        keys = draw(st.lists(st.sampled_from([*WANTED[name].columns, "where"]), unique=True))
        sources[name] = {key: draw(EXPRESSION) for key in keys}
        sources[name]["table"] = f"{quoted(draw(NAME))}.{quoted(f'{number}{draw(NAME)}')}"
    return sources


@repeatable(40)
@given(files())
def test_a_random_mapping_is_read_and_bound(data: dict[str, dict[str, str]]) -> None:
    text = "\n".join(
        "\n".join([f"[{name}]", *(f"{key} = {toml_string(value)}" for key, value in source.items())])
        for name, source in data.items()
    )
    assert tomllib.loads(text) == data
    mapping = parse(text, "map.toml")
    sources = bound(mapping, "app")
    for name, keys in data.items():
        source: Any = sources[name]
        wanted = {key for key, column in WANTED[name].columns.items() if not column.optional}
        assert set(source.columns) == wanted | (set(keys) - {"table", "where"})
        assert not source.is_default
        for written in source.columns.values():  # a view can be made of it, and it means the same when it is read again
            again = read(written, source.schema, source.table)
            assert printed(again.tree) == printed(read(again.sql, source.schema, source.table).tree)
            assert "to_date" not in written
    assert SourceMapping.from_json(json.loads(json.dumps(mapping.as_json()))) == mapping
