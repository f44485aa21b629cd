"""Applications with tables of their own (``tests/host/schemas``): random rows, random writes, and what they mean.

Each :class:`Application` has statements of its own for the same actions, so one test serves them all. What the rows
mean is written here a second time, in plain SQL over the application's tables, and the oracle computes the edges.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.database import Connection
from orchestrator.host import mapping_file
from orchestrator.host.mapping import SourceMapping
from tests.support import oracle
from tests.support.properties import long_if
from tests.support.world import TODAY, Edge, Experience, Pair, World, policies_of, sizes_of

FOLDER = Path(__file__).parents[1] / "host" / "schemas"

CONTACTS, ORGANIZATIONS, JOBS, MEMBERS = 16, 4, 60, 30


@dataclass(frozen=True)
class Application:
    """One application: a schema of ``tests/host/schemas``, or tables and a mapping given here.

    ``writes`` are statements by the name of an action; their parameters are ``id``, ``contact``, ``organization``,
    ``user``, ``collection``, ``start`` and ``end``. ``contacts``, ``organizations`` and ``jobs`` read what exists.
    """

    name: str
    writes: Mapping[str, str]
    contacts: str
    organizations: str
    jobs: str
    tables: str | None = None
    toml: str | None = None
    whole_months: bool = False

    def create(self, connection: Connection) -> None:
        """Create the tables, without rows."""
        connection.execute((self.tables or (FOLDER / f"{self.name}.sql").read_text()).encode())
        self.empty(connection)

    def empty(self, connection: Connection) -> None:
        """Delete the rows of every table of the database, but those of the package."""
        names = connection.execute(
            "SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class AS c WHERE c.relkind IN ('r', 'p')"
            " AND NOT c.relispartition AND c.relnamespace::regnamespace::text"
            " NOT IN ('pg_catalog', 'information_schema', 'connection_paths')"
        ).fetchall()[0][0]
        connection.execute(f"TRUNCATE {names}".encode())

    @property
    def mapping(self) -> SourceMapping:
        """The mapping of the tables."""
        if self.toml is not None:
            return mapping_file.parse(self.toml, f"{self.name}.toml")
        return mapping_file.load(FOLDER / f"{self.name}.toml")

    def fill(self, connection: Connection, chance: random.Random) -> None:
        """Insert contacts, organizations, jobs and memberships."""
        for action, number in (
            ("user", 3), ("collection", 2), ("contact", CONTACTS), ("organization", ORGANIZATIONS),
        ):  # fmt: skip
            for each in range(1, number + 1):
                if action in self.writes:
                    connection.execute(self.writes[action].encode(), {"id": each})
        for each in range(1, JOBS + 1):
            self.write(connection, chance, "job", each)
        for each in range(1, MEMBERS + 1):
            self.write(connection, chance, "member", each)

    def write(self, connection: Connection, chance: random.Random, action: str, number: int | None = None) -> None:
        """Execute the statement of an action with random values."""
        start = TODAY - timedelta(chance.randrange(-200, 4000))
        end = chance.choice([None, start + timedelta(chance.randrange(-30, 1500))])
        if self.whole_months:
            start, end = start.replace(day=1), end and end.replace(day=1)
        values = {
            "id": number or chance.randrange(1, JOBS + 1),
            "contact": chance.randrange(1, CONTACTS + 1),
            "organization": chance.choice([None, *range(1, ORGANIZATIONS + 1)] * 2),
            "user": chance.randrange(1, 4),
            "collection": chance.randrange(1, 3),
            "start": chance.choice([start] * 8 + [None]),
            "end": end,
        }
        connection.execute(self.writes[action].encode(), values)

    @property
    def actions(self) -> list[str]:
        """The actions that change rows."""
        return [
            name
            for name in self.writes
            if name not in ("user", "collection", "contact", "organization", "job", "member")
        ]

    def edges(self, connection: Connection) -> dict[Pair, Edge]:
        """Return the right edges."""
        world = World(
            contacts=frozenset(row[0] for row in connection.execute(self.contacts.encode())),
            organizations=frozenset(row[0] for row in connection.execute(self.organizations.encode())),
            experiences=tuple(
                Experience(number, *row) for number, row in enumerate(connection.execute(self.jobs.encode()), 1)
            ),
            policies=policies_of(connection),
            sizes=sizes_of(connection),
        )
        return oracle.edges(world, _today(connection))


def _today(connection: Connection) -> date:
    day: Any = connection.execute("SELECT CURRENT_DATE").fetchall()[0][0]
    assert isinstance(day, date)
    return day


_HIDDEN = {
    "hide a contact": "UPDATE {people} SET {gone} WHERE id = %(contact)s",
    "show a contact": "UPDATE {people} SET {there} WHERE id = %(contact)s",
    "hide an organization": "UPDATE {companies} SET {gone} WHERE id = %(organization)s",
    "show an organization": "UPDATE {companies} SET {there} WHERE id = %(organization)s",
}


def _hidden(people: str, companies: str, gone: str, there: str) -> dict[str, str]:
    words = {"people": people, "companies": companies, "gone": gone, "there": there}
    return {name: text.format(**words) for name, text in _HIDDEN.items()}


RAILS = Application(
    name="rails",
    writes={
        "user": "INSERT INTO users (id, email) VALUES (%(id)s, '')",
        "collection": "INSERT INTO teams (id, name) VALUES (%(id)s, '')",
        "contact": "INSERT INTO people (id, first_name, last_name) VALUES (%(id)s, 'A', 'B')",
        "organization": "INSERT INTO companies (id, name) VALUES (%(id)s, 'C')",
        "job": "INSERT INTO positions (id, person_id, company_id, started_on, ended_on)"
        " VALUES (%(id)s, %(contact)s, %(organization)s, %(start)s, %(end)s)",
        "member": "INSERT INTO team_contacts (team_id, person_id, user_id)"
        " VALUES (%(collection)s, %(contact)s, %(user)s)",
        **_hidden("people", "companies", "discarded_at = now()", "discarded_at = NULL"),
        "hide a job": "UPDATE positions SET discarded_at = now() WHERE id = %(id)s",
        "show jobs": "UPDATE positions SET discarded_at = NULL WHERE person_id = %(contact)s",
        "delete a job": "DELETE FROM positions WHERE id = %(id)s",
        "change a job": "UPDATE positions SET company_id = %(organization)s, started_on = %(start)s WHERE id = %(id)s",
        "change many jobs": "UPDATE positions SET ended_on = %(end)s WHERE company_id = %(organization)s",
        "another job": "INSERT INTO positions (person_id, company_id, started_on, ended_on)"
        " VALUES (%(contact)s + 0, %(organization)s, %(start)s, %(end)s) ON CONFLICT DO NOTHING",
    },
    contacts="SELECT id FROM people WHERE discarded_at IS NULL",
    organizations="SELECT id FROM companies WHERE discarded_at IS NULL",
    jobs="SELECT person_id, company_id, started_on, ended_on FROM positions WHERE discarded_at IS NULL",
)

DJANGO = Application(
    name="django",
    writes={
        "user": "INSERT INTO auth_user (id, username) VALUES (%(id)s, '')",
        "collection": "INSERT INTO crm_workspace VALUES (%(id)s, '')",
        "contact": "INSERT INTO crm_person VALUES (%(id)s, 'A')",
        "organization": "INSERT INTO crm_company VALUES (%(id)s, 'C')",
        "job": "INSERT INTO crm_employment (id, person_id, company_id, start_month, end_month)"
        " VALUES (%(id)s, %(contact)s, %(organization)s, COALESCE(to_char(%(start)s::date, 'YYYY-MM'), 'soon'),"
        " COALESCE(to_char(%(end)s::date, 'YYYY-MM'), ''))",
        "member": "INSERT INTO crm_contactimport (imported_by_id, person_id, workspace_id)"
        " VALUES (%(user)s, %(contact)s, %(collection)s)",
        **_hidden("crm_person", "crm_company", "is_deleted = true", "is_deleted = false"),
        "delete a job": "DELETE FROM crm_employment WHERE id = %(id)s",
        "move a job": "UPDATE crm_employment SET person_id = %(contact)s WHERE id = %(id)s",
        "change a job": "UPDATE crm_employment SET company_id = %(organization)s,"
        " start_month = COALESCE(to_char(%(start)s::date, 'YYYY-MM'), '') WHERE id = %(id)s",
        "break a date": "UPDATE crm_employment SET end_month = 'never', start_month = '2010-13' WHERE id = %(id)s",
    },
    contacts="SELECT id FROM crm_person WHERE NOT is_deleted",
    organizations="SELECT id FROM crm_company WHERE NOT is_deleted",
    jobs="SELECT person_id, company_id, CASE WHEN start_month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'"
    " THEN (start_month || '-01')::date END, CASE WHEN end_month ~ '^[0-9]{4}-' THEN (end_month || '-01')::date END"
    " FROM crm_employment",
    whole_months=True,
)

HUBSPOT = Application(
    name="hubspot",
    writes={
        "contact": """INSERT INTO hubspot."Contacts" VALUES (%(id)s::text, 'A', 'B')""",
        "organization": """INSERT INTO hubspot."Companies" VALUES (%(id)s::text, 'C')""",
        "job": """INSERT INTO hubspot."Job History" ("Record ID", "Contact ID", "Company ID", "Start Date", "End Date")
            VALUES (%(id)s::text, %(contact)s::text, %(organization)s::text,
            %(start)s::date::timestamp AT TIME ZONE 'UTC', %(end)s::date::timestamp AT TIME ZONE 'UTC')""",
        "member": """INSERT INTO hubspot."Contact Teams"
            VALUES (%(contact)s::text, %(user)s, %(collection)s, 'INTEGRATION')""",
        "hide a contact": """UPDATE hubspot."Contacts" SET "Archived" = true WHERE "Record ID" = %(contact)s::text""",
        "show a contact": """UPDATE hubspot."Contacts" SET "Archived" = NULL WHERE "Record ID" = %(contact)s::text""",
        "delete a company": """DELETE FROM hubspot."Companies" WHERE "Record ID" = %(organization)s::text""",
        "put a company back": """INSERT INTO hubspot."Companies" VALUES (COALESCE(%(organization)s, 1)::text, 'C')
            ON CONFLICT DO NOTHING""",
        "hide a company": """UPDATE hubspot."Companies" SET "Archived" = true
            WHERE "Record ID" = %(organization)s::text""",
        "move a job": """UPDATE hubspot."Job History" SET "Contact ID" = %(contact)s::text
            WHERE "Record ID" = %(id)s::text""",
        "break an id": """UPDATE hubspot."Job History" SET "Company ID" = 'none' WHERE "Record ID" = %(id)s::text""",
        "delete a job": """DELETE FROM hubspot."Job History" WHERE "Record ID" = %(id)s::text""",
    },
    contacts="""SELECT "Record ID"::bigint FROM hubspot."Contacts" WHERE "Archived" IS NOT TRUE""",
    organizations="""SELECT "Record ID"::bigint FROM hubspot."Companies" WHERE "Archived" IS NOT TRUE""",
    jobs="""SELECT "Contact ID"::bigint, NULLIF("Company ID", 'none')::bigint,
        ("Start Date" AT TIME ZONE 'UTC')::date, ("End Date" AT TIME ZONE 'UTC')::date FROM hubspot."Job History" """,
)

LINKEDIN = Application(
    name="linkedin",
    writes={
        "contact": "INSERT INTO csv.profiles VALUES (%(id)s, 'A')",
        "organization": "INSERT INTO csv.companies VALUES (%(id)s, 'C')",
        "job": "INSERT INTO csv.experiences (id, profile_id, company_id, started_on, finished_on) VALUES (%(id)s,"
        " %(contact)s, %(organization)s, to_char(%(start)s::date, 'Mon YYYY'),"
        " COALESCE(to_char(%(end)s::date, 'Mon YYYY'), 'Present'))",
        "member": "INSERT INTO csv.connections VALUES (%(user)s, %(contact)s)",
        "delete a contact": "DELETE FROM csv.profiles WHERE id = %(contact)s",
        "put a contact back": "INSERT INTO csv.profiles VALUES (%(contact)s, 'A') ON CONFLICT DO NOTHING",
        "another id": "UPDATE csv.profiles SET id = id + 100 WHERE id = %(contact)s",
        "delete a company": "DELETE FROM csv.companies WHERE id = %(organization)s",
        "put a company back": "INSERT INTO csv.companies VALUES (COALESCE(%(organization)s, 1), '')"
        " ON CONFLICT DO NOTHING",
        "change a job": "UPDATE csv.experiences SET started_on = to_char(%(start)s::date, 'Mon YYYY')"
        " WHERE id = %(id)s",
        "delete jobs": "DELETE FROM csv.experiences WHERE profile_id = %(contact)s",
        "put a job back": "INSERT INTO csv.experiences (id, profile_id, company_id, started_on) VALUES (%(id)s,"
        " %(contact)s, %(organization)s, to_char(%(start)s::date, 'Mon YYYY')) ON CONFLICT DO NOTHING",
    },
    contacts="SELECT id FROM csv.profiles",
    organizations="SELECT id FROM csv.companies",
    jobs="SELECT profile_id, company_id, to_date(started_on, 'Mon YYYY'),"
    " CASE finished_on WHEN 'Present' THEN NULL ELSE to_date(finished_on, 'Mon YYYY') END FROM csv.experiences",
    whole_months=True,
)

#: Columns with the names of variables of the trigger functions, with names that need quotes, with a type whose values
#: PostgreSQL cannot compare, and with a domain.
ODD = Application(
    name="odd",
    tables="""
        CREATE SCHEMA "My App"; CREATE SCHEMA other; CREATE DOMAIN other.key AS bigint;
        CREATE TABLE "My App"."Per""son" (
            "the id" smallint PRIMARY KEY, ids text, failure boolean NOT NULL DEFAULT false
        );
        CREATE TABLE other.organizations (id bigint PRIMARY KEY, name varchar(20));
        CREATE TABLE "My App".jobs (
            contact_ids other.key, "when" integer, failure integer, before_id date, "O""o" timestamp,
            id text PRIMARY KEY, tags json
        );
        CREATE TABLE other.links ("user" integer, contact_ids smallint, n bigint, e boolean);
        """,
    toml='''
        [contacts]
        table = """ "My App"."Per""son" """
        id = '"the id"'
        name = "ids"
        where = "NOT failure"
        [organizations]
        table = "other.organizations"
        [contact_work_experiences]
        table = '"My App".jobs'
        id = 'length(id)'
        contact_id = 'contact_ids'
        organization_id = '"when" + failure'
        date_from = 'before_id'
        date_to = """ "O""o" """
        where = "(tags ->> 'gone') IS NULL"
        [user_contact_collections]
        table = 'other.links'
        user_id = '"user"'
        contact_id = 'contact_ids'
        collection_id = 'n'
        where = 'e IS NOT FALSE'
        ''',
    writes={
        "contact": """INSERT INTO "My App"."Per""son" VALUES (%(id)s, 'A')""",
        "organization": "INSERT INTO other.organizations VALUES (%(id)s, 'C')",
        "job": """INSERT INTO "My App".jobs VALUES (%(contact)s, %(organization)s, 0, %(start)s, %(end)s, %(id)s)""",
        "member": "INSERT INTO other.links VALUES (%(user)s, %(contact)s, %(collection)s, true)",
        "hide a contact": """UPDATE "My App"."Per""son" SET failure = true WHERE "the id" = %(contact)s""",
        "show a contact": """UPDATE "My App"."Per""son" SET failure = false WHERE "the id" = %(contact)s""",
        "change a job": """UPDATE "My App".jobs SET failure = 1 - failure WHERE id = %(id)s::text""",
        "tag a job": """UPDATE "My App".jobs SET tags = '{"gone": 1}' WHERE id = %(id)s::text""",
        "show jobs": """UPDATE "My App".jobs SET tags = NULL WHERE contact_ids = %(contact)s""",
        "end a job": """UPDATE "My App".jobs SET "O""o" = %(end)s WHERE id = %(id)s::text""",
        "delete jobs": """DELETE FROM "My App".jobs WHERE contact_ids = %(contact)s""",
        "delete a company": "DELETE FROM other.organizations WHERE id = %(organization)s",
        "put a company back": "INSERT INTO other.organizations VALUES (COALESCE(%(organization)s, 1))"
        " ON CONFLICT DO NOTHING",
    },
    contacts="""SELECT "the id" FROM "My App"."Per""son" WHERE NOT failure""",
    organizations="SELECT id FROM other.organizations",
    jobs="""SELECT contact_ids, "when" + failure, before_id, "O""o"::date
        FROM "My App".jobs WHERE tags ->> 'gone' IS NULL""",
)

#: Partitioned tables, at two levels and in two schemas; one partition is written directly, too.
PARTITIONED = Application(
    name="partitioned",
    tables="""
        CREATE SCHEMA archive;
        CREATE TABLE people (id integer, name text, region integer, PRIMARY KEY (id, region))
            PARTITION BY LIST (region);
        CREATE TABLE people_1 PARTITION OF people FOR VALUES IN (1);
        CREATE TABLE people_others PARTITION OF people DEFAULT;
        CREATE TABLE organizations (id bigint PRIMARY KEY, name text);
        CREATE TABLE jobs (id bigint, contact_id bigint, company bigint, started date, ended date, gone boolean)
            PARTITION BY HASH (contact_id);
        CREATE TABLE archive.jobs_0 PARTITION OF jobs FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE jobs_1 PARTITION OF jobs FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY LIST (gone);
        CREATE TABLE jobs_1_gone PARTITION OF jobs_1 FOR VALUES IN (true);
        CREATE TABLE jobs_1_there (
            gone boolean, ended date, started date, company bigint, contact_id bigint, id bigint
        );
        ALTER TABLE jobs_1 ATTACH PARTITION jobs_1_there DEFAULT;
        CREATE TABLE links (user_id bigint, contact_id bigint, team bigint, made date) PARTITION BY RANGE (made);
        CREATE TABLE links_all PARTITION OF links DEFAULT;
        """,
    toml="""
        [contacts]
        table = "people"
        [contact_work_experiences]
        table = "jobs"
        organization_id = "company"
        date_from = "started"
        date_to = "ended"
        where = "gone IS NOT TRUE"
        [user_contact_collections]
        table = "links"
        collection_id = "team"
        """,
    writes={
        "contact": "INSERT INTO people VALUES (%(id)s, 'A', %(id)s %% 3)",
        "organization": "INSERT INTO organizations VALUES (%(id)s, 'C')",
        "job": "INSERT INTO jobs VALUES (%(id)s, %(contact)s, %(organization)s, %(start)s, %(end)s)",
        "member": "INSERT INTO links VALUES (%(user)s, %(contact)s, %(collection)s)",
        "hide jobs": "UPDATE jobs SET gone = true WHERE contact_id = %(contact)s",
        "show jobs": "UPDATE jobs SET gone = NULL WHERE contact_id = %(contact)s",
        "move a job": "UPDATE jobs SET contact_id = %(contact)s WHERE id = %(id)s",
        "write a partition": "UPDATE archive.jobs_0 SET company = %(organization)s WHERE id = %(id)s",
        "delete from a partition": "DELETE FROM jobs_1_there WHERE id = %(id)s",
        "truncate a partition": "TRUNCATE jobs_1_gone",
        "delete a contact": "DELETE FROM people WHERE id = %(contact)s",
        "put a contact back": "INSERT INTO people_others SELECT %(contact)s, 'A', 7"
        " WHERE NOT EXISTS (SELECT FROM people WHERE id = %(contact)s)",
        "move a contact": "UPDATE people SET region = 1 - region %% 2 WHERE id = %(contact)s",
    },
    contacts="SELECT DISTINCT id FROM people",
    organizations="SELECT id FROM organizations",
    jobs="SELECT contact_id, company, started, ended FROM jobs WHERE gone IS NOT TRUE",
)

#: Reserved words, identity and generated columns, an enum, a view of memberships, and triggers of the application: one
#: changes every row that is written, one skips rows, and one writes to the table itself.
RESERVED = Application(
    name="reserved",
    tables="""
        CREATE SCHEMA "Ünï App";
        CREATE DOMAIN "Ünï App"."Key" AS integer CHECK (VALUE > 0);
        CREATE TYPE "Ünï App".how AS ENUM ('Import', 'spam');
        CREATE TABLE "Ünï App"."User" (
            "Id" integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, "first" text, "last" text,
            "full" text GENERATED ALWAYS AS ("first" || ' ' || "last") STORED
        );
        CREATE TABLE "Ünï App"."Order" ("Id" smallint PRIMARY KEY, "table" text);
        CREATE TABLE "Ünï App"."Group" (
            "Id" bigint PRIMARY KEY, "user" "Ünï App"."Key", "order" integer, "from" timestamp, "to" date,
            "when" date GENERATED ALWAYS AS ("from"::date) STORED, log integer DEFAULT 0
        );
        CREATE TABLE "Ünï App".rows (
            "user" integer, "By" smallint, how "Ünï App".how, "group" integer GENERATED ALWAYS AS ("By" % 2 + 1) STORED
        );
        CREATE VIEW "Ünï App"."Members" AS SELECT * FROM "Ünï App".rows WHERE how <> 'spam';
        CREATE FUNCTION "Ünï App".change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.log := NEW.log + 1;
            IF NEW."order" = 4 THEN RETURN NULL; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER "a first" BEFORE INSERT OR UPDATE ON "Ünï App"."Group"
            FOR EACH ROW EXECUTE FUNCTION "Ünï App".change();
        CREATE FUNCTION "Ünï App".mirror() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            UPDATE "Ünï App"."Group" SET "to" = current_date WHERE "user" = OLD."user" AND "to" IS NULL;
            RETURN NULL;
        END $$;
        CREATE TRIGGER mirror AFTER DELETE ON "Ünï App"."Group"
            FOR EACH ROW EXECUTE FUNCTION "Ünï App".mirror();
        """,
    toml="""
        [contacts]
        table = '"Ünï App"."User"'
        id = '"Id"'
        name = '"full"'
        [organizations]
        table = '"Ünï App"."Order"'
        id = '"Id"'
        name = '"table"'
        [contact_work_experiences]
        table = '"Ünï App"."Group"'
        id = '"Id"'
        contact_id = '"user"'
        organization_id = '"order"'
        date_from = '"when"'
        date_to = '"to"'
        [user_contact_collections]
        table = '"Ünï App"."Members"'
        user_id = '"By"'
        contact_id = '"user"'
        collection_id = '"group"'
        source = 'how'
        where = "how = 'Import'"
        """,
    writes={
        "contact": """INSERT INTO "Ünï App"."User" VALUES (%(id)s, NULLIF(%(id)s, 3)::text, 'B')""",
        "organization": """INSERT INTO "Ünï App"."Order" VALUES (%(id)s, NULL)""",
        "job": """INSERT INTO "Ünï App"."Group" ("Id", "user", "order", "from", "to")
            VALUES (%(id)s, %(contact)s, %(organization)s, %(start)s, %(end)s)""",
        "member": """INSERT INTO "Ünï App".rows VALUES (%(contact)s, %(user)s, 'Import')""",
        "change a job": """UPDATE "Ünï App"."Group" SET "from" = %(start)s, "order" = %(organization)s
            WHERE "Id" = %(id)s""",
        "merge jobs": """MERGE INTO "Ünï App"."Group" AS g USING (SELECT %(contact)s::integer AS u) AS s
            ON g."user" = s.u WHEN MATCHED THEN UPDATE SET "to" = %(end)s""",
        "delete a job": """DELETE FROM "Ünï App"."Group" WHERE "Id" = %(id)s""",
        "delete a contact": """DELETE FROM "Ünï App"."User" WHERE "Id" = %(contact)s""",
        "put a contact back": """INSERT INTO "Ünï App"."User" VALUES (%(contact)s) ON CONFLICT DO NOTHING""",
    },
    contacts="""SELECT "Id" FROM "Ünï App"."User" """,
    organizations="""SELECT "Id" FROM "Ünï App"."Order" """,
    jobs="""SELECT "user"::integer, "order", "from"::date, "to" FROM "Ünï App"."Group" """,
)

APPLICATIONS = (RAILS, DJANGO, HUBSPOT, LINKEDIN, ODD, PARTITIONED, RESERVED)


def each_application(*always: Application) -> pytest.MarkDecorator:
    """Run a test with every application: in `make test` with these, in `make long` with the others."""
    return pytest.mark.parametrize(
        "application", long_if(lambda each: each not in always, APPLICATIONS, lambda each: each.name)
    )
