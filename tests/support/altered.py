"""The plain tables of a world, with other types, partitions and rules, each with the mapping that reads it.

The rows mean the same in each of them. So a test that compares what a statement reads needs no other oracle than the
plain tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from orchestrator.core.database import Connection
from orchestrator.host import mapping_file
from orchestrator.host.mapping import SourceMapping
from orchestrator.install.installation import install

_COMMON = """
    [contacts]
    table = "app.people"
    {contacts}
    [organizations]
    table = "app.companies"
    {organizations}
    [contact_work_experiences]
    table = "app.jobs"
    {jobs}
    [user_contact_collections]
    table = "app.links"
    {links}
    [users]
    table = "app.users"
    {users}
    [collections]
    table = "app.teams"
    {users}
"""


#: Contacts or organizations that nothing refers to, below and above the others. A plan that reads a table reads them.
#: With many fewer, the planner may rightly read them all for a contact with many employers.
_OTHERS = "SELECT n * 1000, 'Other ' || n FROM generate_series(-20000, 20000) AS n WHERE abs(n) > 100"


@dataclass(frozen=True)
class Altered:
    """Tables in the schema ``app``, made from the plain tables in ``public``, which are dropped.

    Each ``id`` is the expression of an id of that kind, as the table has it. ``dates`` are the columns of dates,
    ``extra`` more columns of every table. ``partitions``: the clause PARTITION BY and the partitions of each table;
    ``{p}`` is the name of the table. The other fields are lines of the mapping, for each source.
    """

    name: str
    contact_id: str = "{}"
    referring_id: str = "{}"
    organization_id: str = "{}"
    user_id: str = "{}"
    collection_id: str = "{}"
    dates: str = "{}"
    extra: str = ""
    partitions: tuple[tuple[str, str, str], ...] = ()
    contacts: str = ""
    organizations: str = ""
    jobs: str = ""
    links: str = ""
    users: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def mapping(self) -> SourceMapping:
        """The mapping of the tables."""
        return mapping_file.parse(_COMMON.format(**vars(self)), f"{self.name}.toml")

    def make(self, dsn: str) -> None:
        """Move the rows of an installation over the plain tables into these ones, whose ids and edges are the same."""
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA app")
            for name, query, key in self._tables():
                self._make(connection, name, query, key)
            install(dsn, mapping=self.mapping)
            connection.execute(
                "DROP TABLE public.contacts, public.organizations, public.contact_work_experiences,"
                " public.user_contact_collections"
            )
            sizes = "INSERT INTO connection_paths.organization_sizes SELECT o.n, 1"
            connection.execute(f"{sizes} FROM ({_OTHERS}) AS o (n, name)".encode())
            connection.execute("VACUUM (ANALYZE)")

    def _tables(self) -> tuple[tuple[str, str, str | None], ...]:
        """The name of each table, the query of its rows, and its primary key."""
        contact, user = self.referring_id.format("contact_id"), self.user_id
        key, organization = self.contact_id.format("id"), self.organization_id.format("id")
        user_key, team_key = user.format("n"), self.collection_id.format("n")
        dates = f"{self.dates.format('date_from')} AS date_from, {self.dates.format('date_to')} AS date_to"
        employer = self.organization_id.format("organization_id")
        return (
            ("people", f"SELECT {key} AS id, name FROM (TABLE public.contacts UNION ALL {_OTHERS}) AS c", "id"),
            (
                "companies",
                f"SELECT {organization} AS id, name FROM (TABLE public.organizations UNION ALL {_OTHERS}) AS o",
                "id",
            ),
            (
                "jobs",
                f"SELECT id, {contact} AS contact_id, {employer} AS organization_id, {dates}, date_from AS made"
                " FROM public.contact_work_experiences",
                None,
            ),
            (
                "links",
                f"SELECT {user.format('user_id')} AS user_id, {contact} AS contact_id,"
                f" {self.collection_id.format('collection_id')} AS collection_id, source"
                " FROM public.user_contact_collections WHERE source IN (0, 1, 2, 3, 5, 10)",
                None,
            ),
            (
                "users",
                f"SELECT {user_key} AS id, 'User ' || n AS name FROM generate_series(1, bigint '20000') AS n",
                "id",
            ),
            (
                "teams",
                f"SELECT {team_key} AS id, 'Team ' || n AS name FROM generate_series(1, bigint '20000') AS n",
                "id",
            ),
        )

    def _make(self, connection: Connection, name: str, query: str, key: str | None) -> None:
        clauses = {table: (by, parts) for table, by, parts in self.partitions}
        rows = f"SELECT r.*{self.extra} FROM ({query}) AS r"
        if name not in clauses:
            connection.execute(f"CREATE TABLE app.{name} AS {rows}".encode())
        else:
            by, parts = clauses[name]
            connection.execute(f"CREATE TABLE app.plain_{name} AS {rows}".encode())
            connection.execute(f"CREATE TABLE app.{name} (LIKE app.plain_{name}) PARTITION BY {by}".encode())
            for part in parts.split(";"):
                connection.execute(part.format(p=f"app.{name}").encode())
            connection.execute(f"INSERT INTO app.{name} SELECT * FROM app.plain_{name}".encode())
            connection.execute(f"DROP TABLE app.plain_{name}".encode())
        if key is not None:
            connection.execute(f"ALTER TABLE app.{name} ADD PRIMARY KEY ({key})".encode())


def _hashed(by: str) -> tuple[str, str]:
    parts = ";".join(
        f"CREATE TABLE {{p}}_{number} PARTITION OF {{p}} FOR VALUES WITH (MODULUS 4, REMAINDER {number})"
        for number in range(4)
    )
    return f"HASH ({by})", parts


def _ranges(by: str, *bounds: str) -> tuple[str, str]:
    pairs = zip(("MINVALUE", *bounds), (*bounds, "MAXVALUE"), strict=True)
    parts = ";".join(
        f"CREATE TABLE {{p}}_{number} PARTITION OF {{p}} FOR VALUES FROM ({first}) TO ({last})"
        for number, (first, last) in enumerate(pairs)
    )
    return f"RANGE ({by})", f"{parts};CREATE TABLE {{p}}_rest PARTITION OF {{p}} DEFAULT"


_HASHED = (
    ("people", *_hashed("id")), ("companies", *_hashed("id")), ("jobs", *_hashed("contact_id")),
    ("links", *_hashed("contact_id")),
)  # fmt: skip
_RANGES = (
    ("people", *_ranges("id", "1000", "2000")), ("jobs", *_ranges("made", "'2010-01-01'", "'2018-01-01'")),
    ("links", *_ranges("collection_id", "2", "3")),
)  # fmt: skip
_SOFT = ", NULL::timestamptz AS deleted_at, repeat('x', 20) AS note"
_THERE = 'where = "deleted_at IS NULL"'
_MONTHS = 'date_from = "connection_paths.to_day(date_from)"\ndate_to = "connection_paths.to_day(date_to)"'
_INTEGERS: dict[str, Any] = {
    name: "{}::integer" for name in ("contact_id", "referring_id", "organization_id", "user_id", "collection_id")
}
_TEXTS: dict[str, Any] = {
    name: "{}::text" for name in ("contact_id", "referring_id", "organization_id", "user_id", "collection_id")
}
_TO_ID = "connection_paths.to_id({0})"

PLAIN = Altered("bigint ids")
#: Every other one.
ALTERED = (
    Altered("integer ids", **_INTEGERS),
    Altered(
        "ids of several types", organization_id="{}::integer", referring_id="{}::integer", user_id="{}::integer",
        collection_id="{}::smallint",
    ),
    Altered("hash partitions", partitions=_HASHED),
    Altered("hash partitions with integer ids", **_INTEGERS, partitions=_HASHED),
    Altered(
        "range partitions with soft deletes and text dates", dates="{}::text", extra=_SOFT, partitions=_RANGES,
        contacts=_THERE, organizations=_THERE, jobs=f"{_THERE}\n{_MONTHS}", links=_THERE, users=_THERE,
    ),
    Altered(
        "text ids in partitions", dates="{}::text", extra=_SOFT, partitions=_RANGES[1:2], **_TEXTS,
        contacts=f'id = "{_TO_ID.format("id")}"\n{_THERE}', organizations=f'id = "{_TO_ID.format("id")}"',
        jobs='contact_id = "connection_paths.to_id(contact_id)"\n'
        f'organization_id = "connection_paths.to_id(organization_id)"\n{_MONTHS}\n{_THERE}',
        links='contact_id = "connection_paths.to_id(contact_id)"\nuser_id = "connection_paths.to_id(user_id)"\n'
        f'collection_id = "connection_paths.to_id(collection_id)"\n{_THERE}',
        users=f'id = "{_TO_ID.format("id")}"',
    ),
)  # fmt: skip
