"""A mapping is compared with the catalog: the examples fit, and each kind of mistake is found with its line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.host.left_out import experience_lines
from orchestrator.host.mapping import DEFAULT, bound, check, completed, load
from orchestrator.host.mapping_expressions import BadExpressionError, read
from orchestrator.host.mapping_file import parse
from orchestrator.host.mapping_suggestion import suggest
from orchestrator.host.mapping_values import failing, suspicious
from orchestrator.runs.plan import plan
from tests.support import schemas
from tests.support.command_line import run
from tests.support.sessions import connect


@pytest.fixture(scope="module")
def applications(new_database: Callable[[], str]) -> Iterator[Connection]:
    """A connection to a database with the tables of every application in a schema of its name; nothing is installed."""
    with connect(new_database()) as connection:
        for name in schemas.NAMES:
            schemas.make(connection, name, name)
        connection.execute("SET search_path = pg_catalog, pg_temp")
        yield connection


def relations(connection: Connection) -> list[tuple[str, str]]:
    query = "SELECT relnamespace::regnamespace::text, relname::text FROM pg_class ORDER BY 1, 2"
    return connection.execute(query).fetchall()


@pytest.mark.parametrize("name", schemas.NAMES)
def test_the_mapping_of_an_application_fits(applications: Connection, name: str) -> None:
    before = relations(applications)
    assert check(applications, schemas.mapping(name), name) == []
    assert relations(applications) == before


@pytest.mark.parametrize("name", sorted(set(schemas.NAMES) - {"plain"}))
def test_the_default_does_not_fit_other_tables(applications: Connection, name: str) -> None:
    found = check(applications, DEFAULT, name)
    assert [line.split(": ")[0] for line in found] == [f"{source}.table" for source in DEFAULT.sources]
    assert all("orchestrator map --suggest proposes one" in line for line in found)


RAILS = """\
[contacts]
table = "peple"
[organizations]
table = "companies"
id = "max(id)"
name = "nam"
headcount = "created_at"
where = "discarded_at"
[contact_work_experiences]
table = "positions"
contact_id = "title"
organization_id = "title::bigint"
date_from = "created_at::text"
date_to = "make_date(2000, company_id::int, 1)"
company_name = "public.no_such(title)"
where = "created_at < now()"
[user_contact_collections]
table = "team_contacts"
user_id = "generate_series(1, 2)"
contact_id = "connection_paths.to_id(person_id)"
collection_id = "row_number"
[users]
id = "nullif(id, 0)"
name = "concat_ws(' ', first_name, last_name)"
[collections]
table = "rails.Teams"
"""


def test_each_mistake_has_its_line(applications: Connection) -> None:
    found = check(applications, parse(RAILS, "map.toml"), "rails")
    parts = {
        2: "there is no table rails.peple; did you mean table = 'people'?",
        5: "aggregate functions are not allowed",
        6: "rails.companies has no column nam; did you mean name?",
        7: "is timestamp without time zone; write an expression that gives a whole number",
        8: "is timestamp without time zone; write a condition",
        11: "is character varying; write connection_paths.to_id(title)",
        12: "raises an error for text of another form, also in an INSERT; write connection_paths.to_id(...)",
        13: "is text; write to_date(CAST(created_at AS text), 'YYYY-MM')",
        14: "raises an error for a month 0, also in an INSERT; write connection_paths.first_day(year, month)",
        15: "function public.no_such(character varying) does not exist",
        16: "depends on the time or on settings, so no index can contain it",
        19: "set-returning functions are not allowed",
        20: "function connection_paths.to_id(bigint) does not exist",
        21: "rails.team_contacts has no column row_number; it has id, team_id, person_id, user_id, origin, created_at",
    }
    lines = [int(line.split(":")[1]) for line in found]
    assert lines == list(parts)
    for line, part in zip(found, parts.values(), strict=True):
        assert part in line


@pytest.mark.parametrize(("text", "is_date"), [("31/12/2020", True), ("12.2020", True), ("Present", False)])
def test_texts_in_another_format_have_advice(applications: Connection, text: str, is_date: bool) -> None:
    with applications.transaction(force_rollback=True):
        applications.execute("UPDATE csv.experiences SET finished_on = %s", (text,))
        (found,) = suspicious(applications, schemas.mapping("linkedin"), "csv")
    assert ("write their format, for example to_date(column, 'DD/MM/YYYY')" in found) == is_date


@pytest.mark.parametrize("text", ["id > 1 AND", "NOT (id > 1) OR", "("])
def test_an_expression_that_ends_too_early_has_no_parenthesis_of_ours(text: str) -> None:
    with pytest.raises(BadExpressionError) as raised:
        read(text, "app", "people")
    assert "at or near" not in str(raised.value)


@pytest.mark.parametrize(
    ("schema", "column", "text", "advice"),
    [
        ("uuids", "contacts.id", "id", "is uuid; write connection_paths.uuid_key(id)"),
        ("hubspot", "contacts.id", '"Record ID"', 'is text; write connection_paths.to_id("Record ID")'),
        (
            "hubspot",
            "contact_work_experiences.date_from",
            '"Start Date"',
            """such as "Start Date" AT TIME ZONE 'UTC'""",
        ),
        ("hubspot", "contact_work_experiences.date_to", '"Contact ID"', "write to_date"),
        ("rails", "contact_work_experiences.date_from", "id", "write connection_paths.first_day(id, month)"),
        (
            "rails",
            "contact_work_experiences.date_from",
            "discarded_at IS NULL",
            "is boolean; write an expression that gives",
        ),
        ("rails", "contacts.where", "to_char(created_at, 'YYYY') > '2000'", "not IMMUTABLE"),
        ("rails", "contacts.where", "id", "is bigint; write a condition"),
    ],
)
def test_the_message_says_what_to_write(
    applications: Connection, schema: str, column: str, text: str, advice: str
) -> None:
    source, key = column.split(".")
    mapping = schemas.mapping(schema)
    written = mapping.sources[source]
    columns = {**written.columns, **({} if key == "where" else {key: text})}
    changed = type(written)(source, written.schema, written.table, columns, text if key == "where" else written.where)
    found = check(applications, type(mapping)({**mapping.sources, source: changed}), schema)
    assert len(found) == 1
    assert found[0].startswith(f"{source}.{key}: {key} = ")
    assert advice in found[0]


def test_texts_that_are_no_dates_are_shown(applications: Connection) -> None:
    assert suspicious(applications, schemas.mapping("linkedin"), "csv") == [
        "contact_work_experiences.date_to: rows with a text that is no date: 1; they count as going on; most frequent:"
        " 'Present' (1)"
    ]
    assert suspicious(applications, schemas.mapping("django"), "django") == [
        "contact_work_experiences.date_from: rows with a text that is no date: 1; they make no edge; most frequent:"
        " 'soon' (1)"
    ]
    assert suspicious(applications, schemas.mapping("rails"), "rails") == []
    assert suspicious(applications, schemas.mapping("hubspot"), "hubspot") == []


@pytest.mark.parametrize(
    ("rule", "is_shown"),
    [
        ("discarded_at IS NOT NULL AND discarded_at IS NULL", True),
        ("id < 0", True),
        ("discarded_at IS NULL", False),
        ("false OR true", False),
    ],
)
def test_a_rule_that_no_row_passes_is_shown(applications: Connection, rule: str, is_shown: bool) -> None:
    mapping = schemas.mapping("rails")
    for name, source in mapping.sources.items():
        if source.where is not None:
            found = suspicious(
                applications, replace(mapping, sources={**mapping.sources, name: replace(source, where=rule)}), "rails"
            )
            assert [each.partition(" = ")[0] for each in found] == [f"{name}.where"] * is_shown
            assert all("is true for none of the" in each for each in found)


@pytest.mark.parametrize("operator", ["=", "<>", "!=", "<", ">", "<=", ">=", "OPERATOR(pg_catalog.=)"])
@pytest.mark.parametrize("form", ["{0} {1} NULL", "null {1} {0}", "id > 0 AND NOT ({0} {1} (NULL::date))"])
def test_a_comparison_with_null_is_refused(operator: str, form: str) -> None:
    """It is never true, in a rule and inside an expression of a column."""
    text = form.format("ended_on", operator)
    for key, written in (("where", text), ("date_to", f"CASE WHEN {text} THEN ended_on END")):
        with pytest.raises(OrchestratorError) as raised:
            parse(f"[contact_work_experiences]\n{key} = '{written}'\n", "map.toml")
        assert str(raised.value).startswith(f"map.toml:2: {key} = ")
        assert str(raised.value).endswith("write IS NULL or IS NOT NULL")


@pytest.mark.parametrize(
    "text",
    [
        "ended_on IS NOT DISTINCT FROM NULL", "ended_on IS DISTINCT FROM NULL", "NULLIF(ended_on, NULL) IS NULL",
        "COALESCE(ended_on, NULL) = started_on", "(ended_on IS NULL) = true", "note = 'NULL'",
    ],
)  # fmt: skip
def test_null_in_another_place_is_allowed(text: str) -> None:
    assert read(text, None, "positions").sql


def test_a_comparison_with_null_fails_the_check(applications: Connection, tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text("[contacts]\ntable = 'people'\nwhere = 'discarded_at = NULL'\n")
    for arguments, code in (("map", "--check"), 3), (("install", "--map"), 1), (("plan", "--map"), 1):
        result = run(*arguments, str(file), "--host-schema", "rails", "--dsn", applications.info.dsn)
        assert result.exit_code == code, result.output
        assert f"{file}:3: where = discarded_at = NULL has a comparison with NULL" in result.output


def test_a_plan_shows_what_a_check_shows(applications: Connection, tmp_path: Path) -> None:
    """And an edge is missing for a reason that the message names: the rule leaves out every row."""
    file, dsn = tmp_path / "map.toml", applications.info.dsn
    file.write_text("[contact_work_experiences]\ntable = 'plain.contact_work_experiences'\nwhere = 'contact_id < 0'\n")
    where = ("--host-schema", "plain", "--dsn", dsn)
    checked = run("map", "--check", str(file), *where)
    (_, note) = checked.stdout.splitlines()
    assert "is true for none of the" in note
    planned = run("plan", "--map", str(file), *where)
    assert (planned.exit_code, note in planned.stdout) == (0, True), planned.output
    rows = applications.execute("SELECT count(*) FROM plain.contact_work_experiences").fetchone()
    assert rows is not None
    experiences = plan(dsn, "plain", load(file)).experiences
    (line,) = experience_lines(experiences)
    assert f"leaves out all {rows[0]:,} rows" in line


# A host schema that does not exist.


def test_a_misspelt_host_schema_is_one_problem(applications: Connection, tmp_path: Path) -> None:
    file, dsn = tmp_path / "map.toml", applications.info.dsn
    file.write_text("[contacts]\ntable = 'people'\n[users]\ntable = 'rails.userz'\n")
    checked = run("map", "--check", str(file), "--host-schema", "rials", "--dsn", dsn)
    first, second = checked.stdout.splitlines()
    assert (checked.exit_code, first) == (3, "there is no schema rials (--host-schema); did you mean rails?")
    assert second.startswith(f"{file}:4: there is no table rails.userz")
    drafted = run("map", "--suggest", "--host-schema", "rials", "--dsn", dsn)
    assert (drafted.exit_code, drafted.stdout, drafted.stderr) == (1, "", f"Error: {first}\n")
    refused = run("install", "--host-schema", "plian", "--dsn", dsn)
    assert refused.exit_code == 1
    assert "there is no such schema (did you mean plain?). Nothing was installed." in refused.stderr


@pytest.mark.parametrize(
    ("key", "text", "line", "error"),
    [
        ("headcount", "'100 / founded'", 4, "division by zero"),
        ("where", "'odd.checked(founded) > 0'", 4, "the year 0 is none"),
        ("id", "'id * 9000000000000000000'", 4, "bigint out of range"),
        ("name", "'repeat(name, founded - 1)::int::text'", 4, "invalid input syntax for type integer"),
        ("headcount", "'100 / nullif(founded, 0)'", None, ""),
        ("headcount", "'CASE WHEN founded > 0 THEN odd.checked(founded) END'", None, ""),
    ],
)
def test_an_expression_that_raises_an_error_for_a_row(
    applications: Connection, key: str, text: str, line: int | None, error: str
) -> None:
    with applications.transaction(force_rollback=True):
        applications.execute("""
            CREATE SCHEMA odd;
            CREATE TABLE odd.companies (id bigint PRIMARY KEY, name text, founded integer);
            INSERT INTO odd.companies VALUES (1, 'A', 2000), (2, 'B', 0), (3, 'C', NULL);
            CREATE FUNCTION odd.checked(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE STRICT AS
            $$ BEGIN IF $1 = 0 THEN RAISE 'the year % is none', $1; END IF; RETURN $1; END $$
        """)
        wanted = parse(f"[organizations]\n\ntable = 'odd.companies'\n{key} = {text}\n", "map.toml")
        others = {name: source for name, source in wanted.sources.items() if name == "organizations"}
        wanted = replace(wanted, sources=others)
        assert check(applications, wanted, "plain") == []
        found = [problem for _, problem in failing(applications, wanted, "plain")]
        assert [each.split(": ")[0] for each in found] == ([] if line is None else [f"map.toml:{line}"])
        assert all(error in each and "with NULLIF or CASE" in each for each in found)


def test_views_need_no_immutable_expressions(applications: Connection) -> None:
    applications.execute("CREATE VIEW rails.jobs AS SELECT * FROM rails.positions")
    try:
        text = "[contact_work_experiences]\ntable = 'jobs'\nwhere = 'created_at <= now()'"
        rest = (
            "contact_id = 'person_id'\norganization_id = 'company_id'\ndate_from = 'started_on'\ndate_to = 'ended_on'"
        )
        found = check(applications, parse(f"{text}\n{rest}", "f"), "rails")
        assert [line for line in found if "contact_work_experiences" in line or line.startswith("f:")] == []
    finally:
        applications.execute("DROP VIEW rails.jobs")


def test_tables_of_the_packages_names_with_other_types(applications: Connection) -> None:
    with applications.transaction(force_rollback=True):
        applications.execute("""
            CREATE SCHEMA small;
            CREATE TABLE small.contacts (id integer PRIMARY KEY, name varchar(80));
            CREATE TABLE small.organizations (id bigint PRIMARY KEY, name text, headcount integer);
            CREATE TABLE small.contact_work_experiences (
                id integer, contact_id integer, organization_id bigint, date_from date, date_to timestamp,
                company_name text
            );
            CREATE TABLE small.user_contact_collections (
                user_id bigint, contact_id integer, collection_id bigint, source integer
            )
        """)
        assert check(applications, DEFAULT, "small") == []
        sources = bound(completed(applications, DEFAULT, "small"), "small")
        assert sources["contacts"].columns["id"].endswith("::bigint")
        assert sources["contact_work_experiences"].columns["date_to"].endswith("::date")
        assert sources["contact_work_experiences"].columns["company_name"] == '("company_name")::text'
        assert sources["organizations"].is_default
        assert sources["organizations"].columns["headcount"] == '("headcount")::bigint'
        assert sources["user_contact_collections"].where == "source IN (0, 1, 2, 3, 5, 10)"
        assert completed(applications, completed(applications, DEFAULT, "small"), "small") == completed(
            applications, DEFAULT, "small"
        )


def test_the_plain_tables_stay_default(applications: Connection) -> None:
    sources = bound(completed(applications, DEFAULT, "plain"), "plain")
    assert all(source.is_default for source in sources.values())
    assert sources["contact_work_experiences"].columns["company_name"] == '"company_name"'


def test_one_table_for_two_captured_sources(applications: Connection) -> None:
    text = "[contacts]\ntable = 'rails.people'\nname = 'email'\n[organizations]\ntable = 'people'\nname = 'email'\n"
    found = check(applications, parse(text, "map.toml"), "rails")
    assert (
        "map.toml:5: contacts and organizations read the same table; write a view as the table of one of them" in found
    )


def test_a_table_that_is_not_the_applications(applications: Connection) -> None:
    found = check(applications, parse("[users]\ntable = 'pg_catalog.pg_class'\nname = 'relname'", "map.toml"), "plain")
    assert found == [
        "map.toml:2: pg_catalog.pg_class is no table of an application; write the name of a table of yours"
    ]


def test_a_role_that_may_not_read(applications: Connection) -> None:
    role = f"connection_paths_{os.getpid()}_nobody"
    applications.execute(f"CREATE ROLE {role} LOGIN".encode())
    try:
        with connect(f"{applications.info.dsn} user={role}") as connection:
            found = check(connection, schemas.mapping("rails"), "rails")
        assert len(found) == 6
        assert all("this role may not read rails." in line for line in found)
    finally:
        applications.execute(f"DROP ROLE {role}".encode())


def test_a_read_only_server_checks_names(applications: Connection) -> None:
    with connect(applications.info.dsn) as connection:
        connection.execute("SET default_transaction_read_only = on")
        lines = [int(line.split(":")[1]) for line in check(connection, parse(RAILS, "map.toml"), "rails")]
        assert lines == [2, 6, 21]


# Drafts.


@pytest.mark.parametrize("name", schemas.NAMES)
def test_the_draft_of_an_application_is_its_mapping(applications: Connection, name: str) -> None:
    """The draft reads the same tables and columns as the mapping that a person wrote, apart from rules and names."""
    schema = schemas.OWN_SCHEMAS.get(name, name)
    found = suggest(applications, name, [schema])
    assert found.missing == ()
    draft = parse(found.toml, "draft.toml")
    assert check(applications, draft, name) == []
    drafted, wanted = bound(draft, name), bound(completed(applications, schemas.mapping(name), name), name)
    assert list(drafted) == list(wanted)
    for source, expected in wanted.items():
        assert (drafted[source].schema, drafted[source].table) == (expected.schema, expected.table)
        for key, used in expected.used_columns.items():
            if key != "where" and not (source == "users" and key == "name"):
                assert set(drafted[source].used_columns[key]) == set(used), (source, key)
    if name == "plain":
        assert drafted == wanted


@pytest.mark.parametrize(
    ("schema", "type", "rule"),
    [("drafted", "integer", True), ("drafted", "text", False), ("plain", None, False)],
)
def test_the_draft_says_which_memberships_count(
    applications: Connection, schema: str, type: str | None, rule: bool
) -> None:
    with applications.transaction(force_rollback=True):
        source = "" if type is None else f", source {type}"
        applications.execute(
            "CREATE SCHEMA drafted; CREATE TABLE drafted.user_contact_collections"
            f" (user_id bigint, contact_id bigint, collection_id bigint{source})".encode()
        )
        found = suggest(applications, schema, ["drafted"])
        wanted = parse(found.toml, "draft.toml")
        sources = {"user_contact_collections": wanted.sources["user_contact_collections"]}
        assert check(applications, replace(wanted, sources=sources), schema) == []
        where = bound(wanted, schema)["user_contact_collections"].where
        assert where == ("source IN (0, 1, 2, 3, 5, 10)" if rule else "TRUE")


def test_the_draft_of_an_empty_schema_says_what_to_fill_in(applications: Connection) -> None:
    found = suggest(applications, "public", ["nowhere"])
    assert len(found.missing) == 4
    assert parse(found.toml, "draft.toml") == DEFAULT
    assert '# date_from = ""' in found.toml
    assert "First fill in what was not found in 4 sections, then run:" in found.toml
    assert found.first_step == "first fill in what was not found in 4 sections"


def test_the_command(applications: Connection, tmp_path: Path) -> None:
    dsn, file = applications.info.dsn, tmp_path / "map.toml"
    shown = run("map", "--suggest", "--look-in", "rails", "--host-schema", "rails", "--dsn", dsn)
    assert shown.exit_code == 0
    written = run(
        "map", "--suggest", "--look-in", "rails", "--host-schema", "rails", "--output", str(file), "--dsn", dsn
    )
    assert written.exit_code == 0
    assert file.read_text() == shown.stdout
    again = run("map", "--suggest", "--output", str(file), "--dsn", dsn)
    assert (again.exit_code, again.stderr) == (1, f"Error: {file} exists; remove it, or name another file\n")
    right = run("map", "--check", str(file), "--host-schema", "rails", "--dsn", dsn)
    assert (right.exit_code, right.stdout) == (0, f"{file} fits this database\n")
    file.write_text(RAILS)
    wrong = run("map", "--check", str(file), "--host-schema", "rails", "--dsn", dsn)
    assert wrong.exit_code == 3
    assert wrong.stdout.count(f"{file}:") == 14
    file.write_text("[contact]\n[user]")
    broken = run("map", "--check", str(file), "--host-schema", "plain", "--dsn", dsn)
    assert (broken.exit_code, broken.stdout.count("\n")) == (3, 2)
    file.write_text("[contacts")
    assert run("map", "--check", str(file), "--dsn", dsn).exit_code == 1
    assert run("map").exit_code == 2
    assert run("map", "--check", str(file), "--output", "x").exit_code == 2


def test_install_shows_each_problem_in_a_line(applications: Connection, tmp_path: Path) -> None:
    file = tmp_path / "map.toml"
    file.write_text(RAILS)
    refused = run("install", "--map", str(file), "--host-schema", "rails", "--dsn", applications.info.dsn)
    lines = refused.stderr.splitlines()
    assert (refused.exit_code, len(lines), lines[-1]) == (1, 15, "Nothing was installed.")
    assert all(line.removeprefix("Error: ").startswith(f"{file}:") for line in lines[:-1])
