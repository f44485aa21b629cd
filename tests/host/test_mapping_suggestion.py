"""A draft for tables with random names finds each table and column, and every draft can be loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.database import Connection
from orchestrator.host.mapping import DEFAULT, bound, check
from orchestrator.host.mapping_expressions import quoted
from orchestrator.host.mapping_file import parse
from orchestrator.host.mapping_suggestion import suggest
from orchestrator.host.mapping_words import words
from tests.support.properties import repeatable
from tests.support.sessions import connect

#: How a framework writes names: of tables, and of columns.
STYLES: dict[str, Callable[[str], str]] = {
    "snake": lambda name: name.replace(" ", "_"),
    "camel": lambda name: name.split()[0] + "".join(word.capitalize() for word in name.split()[1:]),
    "blanks": lambda name: name.title(),
    "upper": lambda name: name.upper().replace(" ", "_"),
}
PEOPLE = ("contact", "person", "profile", "lead", "candidate")
COMPANIES = ("organization", "company", "employer", "firm")
JOBS = ("work experience", "position", "employment", "job", "job history")
MEMBERSHIPS = ("contact import", "membership", "import", "user contact", "collection member")
TEAMS = ("collection", "team", "workspace", "tenant")
STARTS = (
    ("start date", "end date"),
    ("started on", "ended on"),
    ("date from", "date to"),
    ("begin date", "finish date"),
)
NOISE = (
    "audit log",
    "schema migration",
    "message",
    "invoice",
    "product",
    "session",
    "tag",
    "contact email",
    "page view",
)


@dataclass(frozen=True)
class World:
    """The tables of a random application: what each is called, and how it is written."""

    style: str
    names: dict[str, str]
    days: tuple[str, str]
    key: str
    ending: str
    day: str
    has_references: bool
    has_two_names: bool
    company_name: str | None
    deleted: str | None
    noise: tuple[str, ...]

    def written(self, name: str) -> str:
        return STYLES[self.style](name)

    def statements(self) -> Iterator[str]:
        for table, columns in self.tables().items():
            lines = ", ".join(f"{quoted(self.written(name))} {kind}" for name, kind in columns.items())
            yield f"CREATE TABLE {quoted(self.written(table))} ({lines})"

    def tables(self) -> dict[str, dict[str, str]]:
        names, key = self.names, self.key
        person, company, team = names["contacts"], names["organizations"], names["collections"]
        name = {"first name": "text", "last name": "varchar"} if self.has_two_names else {"name": "varchar(80)"}
        gone = (
            {} if self.deleted is None else {self.deleted: "boolean" if self.deleted.startswith("is") else "timestamp"}
        )
        own = {"id": f"{key} PRIMARY KEY"}
        found = {each: {"id": "bigint PRIMARY KEY", "name": "text", "created at": "timestamptz"} for each in self.noise}
        found |= {
            "user": {**own, "email": "text"},
            team: {**own, "name": "text"},
            person: {**own, **name, **gone},
            company: {**own, self.company_name or f"{company} name": "text", "employee count": "integer"},
            names["contact_work_experiences"]: {
                **own, **self.reference(person), **self.reference(company), self.days[0]: self.day,
                self.days[1]: self.day, "created at": "timestamptz",
            },
            names["user_contact_collections"]: {
                **own, **self.reference("user"), **self.reference(person), **self.reference(team), "source": "text",
            },
        }  # fmt: skip
        return found

    def reference(self, table: str) -> dict[str, str]:
        target = f" REFERENCES {quoted(self.written(table))}" if self.has_references else ""
        return {f"{table} {self.ending}": f"{self.key}{target}"}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Make a random application."""
    return World(
        style=draw(st.sampled_from(list(STYLES))),
        names={
            "contacts": draw(st.sampled_from(PEOPLE)),
            "organizations": draw(st.sampled_from(COMPANIES)),
            "contact_work_experiences": draw(st.sampled_from(JOBS)),
            "user_contact_collections": draw(st.sampled_from(MEMBERSHIPS)),
            "collections": draw(st.sampled_from(TEAMS)),
            "users": "user",
        },
        days=draw(st.sampled_from(STARTS)),
        key=draw(st.sampled_from(["bigint", "integer", "uuid", "text"])),
        ending=draw(st.sampled_from(["id", "no", "number", "uuid", "key"])),
        day=draw(st.sampled_from(["date", "timestamp", "timestamptz", "text", "varchar(10)"])),
        has_references=draw(st.booleans()),
        has_two_names=draw(st.booleans()),
        company_name=draw(st.sampled_from(["name", "legal name", "title", None])),
        deleted=draw(st.sampled_from([None, "deleted at", "is deleted", "discarded at"])),
        noise=tuple(draw(st.lists(st.sampled_from(NOISE), unique=True, max_size=5))),
    )


@pytest.fixture(scope="module")
def connection(new_database: Callable[[], str]) -> Iterator[Connection]:
    with connect(new_database()) as opened:
        yield opened


def test_each_source_of_a_random_application_is_found(connection: Connection) -> None:
    @repeatable(20)
    @given(worlds())
    def find(world: World) -> None:
        with connection.transaction(force_rollback=True):
            connection.execute("CREATE SCHEMA app; SET LOCAL search_path = app")
            for statement in world.statements():
                connection.execute(statement.encode())
            connection.execute("SET LOCAL search_path = pg_catalog, pg_temp")
            found = suggest(connection, "app")
            draft = parse(found.toml, "draft.toml")
            assert found.missing == ()
            assert check(connection, draft, "app") == []
        sources = bound(draft, "app")
        assert {name: words(source.table) for name, source in sources.items()} == world.names
        jobs = sources["contact_work_experiences"].used_columns
        assert [words(jobs[key][0]) for key in ("date_from", "date_to")] == list(world.days)
        assert words(jobs["contact_id"][0]) == f"{world.names['contacts']} {world.ending}"
        rule = sources["contacts"].used_columns.get("where", ())
        assert world.deleted is None or world.deleted in [words(column) for column in rule]

    find()


COLUMN = st.tuples(st.text("ab_ éÄ\"'\\.", min_size=1, max_size=5), st.sampled_from(["text", "bigint", "date", "uuid"]))


def test_a_draft_of_tables_with_any_names_can_be_loaded(connection: Connection) -> None:
    @repeatable(25)
    @given(
        st.dictionaries(
            st.sampled_from(["contacts", 'Com"pany', "job's", "im\\port", "a\nb", "position"]),
            st.lists(
                st.one_of(COLUMN, st.sampled_from([("contact_id", "uuid"), ("start\n", "text"), ("user_id", "int8")]))
            ),
            max_size=4,
        )
    )
    def load(tables: dict[str, list[tuple[str, str]]]) -> None:
        with connection.transaction(force_rollback=True):
            connection.execute("CREATE SCHEMA app")
            for table, columns in tables.items():
                lines = ", ".join(f"{quoted(name)} {kind}" for name, kind in dict(columns).items())
                connection.execute(f"CREATE TABLE app.{quoted(table)} ({lines})".encode())
            draft = parse(suggest(connection, "app").toml, "draft.toml")
            bound(draft, "app")
            check(connection, draft, "app")

    load()


def test_tables_of_one_schema_belong_together(connection: Connection) -> None:
    """Each tenant has a schema. The draft is for the host schema, or else for one of them."""
    with connection.transaction(force_rollback=True):
        for schema in ("a", "b", "c"):
            connection.execute(
                f"""
                CREATE SCHEMA {schema};
                CREATE TABLE {schema}.people (id bigint, name text);
                CREATE TABLE {schema}.companies (id bigint, name text);
                CREATE TABLE {schema}.jobs (
                    id bigint, person_id bigint, company_id bigint, start_date date, end_date date
                );
                CREATE TABLE {schema}.imports (person_id bigint, user_id bigint, team_id bigint)
            """.encode()
            )
        applications = (("b", "b"), ("public", "a"), ("public", "b"))
        for number, (host_schema, expected) in enumerate(applications):
            if number == 2:
                connection.execute("DROP TABLE a.jobs")
            text = suggest(connection, host_schema).toml
            assert ("install --map FILE --host-schema b --backfill" in text) == (host_schema == "b")
            draft = parse(text, "draft.toml")
            assert {source.schema for source in bound(draft, host_schema).values()} == {expected}
        assert set(DEFAULT.sources) == set(parse(suggest(connection, "c").toml, "f").sources)


def test_a_domain_is_read_like_the_type_below_it(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(
            """
            CREATE SCHEMA domains;
            CREATE DOMAIN domains.key AS uuid;
            CREATE DOMAIN domains.person AS domains.key NOT NULL;
            CREATE DOMAIN domains.month AS varchar(7);
            CREATE DOMAIN domains.number AS integer;
            CREATE TABLE domains.people (id domains.person PRIMARY KEY, name text);
            CREATE TABLE domains.companies (id domains.number PRIMARY KEY, name text);
            CREATE TABLE domains.jobs (
                id domains.key, person_id domains.person, company_id domains.number, start_date domains.month,
                end_date date
            );
            CREATE TABLE domains.imports (user_id domains.number, person_id domains.person, team_id domains.number)
            """
        )
        text = suggest(connection, "domains").toml
        mapping = parse(text, "draft.toml")
        assert check(connection, mapping, "domains") == []
        jobs = mapping.sources["contact_work_experiences"]
        assert mapping.sources["contacts"].columns["id"] == "connection_paths.uuid_key(id)"
        assert jobs.columns["person_id" if "person_id" in jobs.columns else "contact_id"].endswith(
            "uuid_key(person_id)"
        )
        assert jobs.columns["date_from"] == "connection_paths.to_day(start_date)"
        assert "organization_id" in jobs.columns


@pytest.mark.parametrize("people", ["Member", "Employee"])
def test_a_column_without_a_foreign_key_leads_to_the_table_of_its_name(connection: Connection, people: str) -> None:
    """A name such as Member may also mean users. The column of the work experiences decides."""
    with connection.transaction(force_rollback=True):
        connection.execute(
            f"""
            CREATE SCHEMA app;
            CREATE TABLE app."{people}" (id uuid PRIMARY KEY, "fullName" text);
            CREATE TABLE app."Org" (id uuid PRIMARY KEY, "orgName" text);
            CREATE TABLE app."WorkHistory" ("{people.lower()}Id" uuid, "orgId" uuid, id uuid, "from" date, "to" date);
            CREATE TABLE app."User" (id uuid PRIMARY KEY, email text);
            CREATE TABLE app."Acquaintance" ("userId" uuid, "{people.lower()}Id" uuid, "teamId" uuid)
            """.encode()
        )
        found = suggest(connection, "app")
        draft = parse(found.toml, "draft.toml")
        assert (found.missing, check(connection, draft, "app")) == ((), [])
    tables = {name: source.table for name, source in bound(draft, "app").items()}
    assert (tables["contacts"], tables["organizations"], tables["users"]) == (people, "Org", "User")
    assert draft.sources["user_contact_collections"].columns["user_id"] == 'connection_paths.uuid_key("userId")'
