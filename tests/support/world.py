"""Small worlds: the application's tables of design §1 as values; drawing, loading and reading them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any, LiteralString, NamedTuple

from hypothesis import strategies as st
from psycopg import Connection, sql

WORK_OVERLAP = "work_overlap"
FRIEND = "friend"  # a kind of the application's own; sorts after work_overlap in the enum
KINDS = (WORK_OVERLAP, FRIEND)

TODAY = date.today()  # dates are drawn around this day; the oracle gets the current date of the server
DAYS = tuple(TODAY + timedelta(days) for days in (-3000, -2000, -1999, -700, -1, 0, 1, 500))

# Some ids do not fit an integer, so that a column of the wrong type makes a test fail.
CONTACT_IDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 2**31 + 1, 2**31 + 2)
GHOST_CONTACT_IDS = (50, 2**31 + 50)  # ids that other tables contain and contacts does not
ORGANIZATION_IDS = (1, 2, 3, 4, 2**31 + 1)
ORPHAN_ORGANIZATION_ID = 60
USER_IDS = (1, 2, 3, 2**31 + 1)
COLLECTION_IDS = (1, 2**31 + 2)
MEMBER_SOURCES = (0, 1, 2, 3, 5, 10)
OTHER_SOURCES = (-1, 4, 6, 11)

Pair = tuple[int, int]  # the smaller id first


class Edge(NamedTuple):
    """One row of contact_connections, without its pair."""

    kind: str
    organization_id: int | None
    date_from: date | None
    date_to: date | None
    strength: int = 50
    shared_organizations: int | None = None
    earlier_days: int | None = None
    people: int | None = None


#: The columns of an Edge in SQL.
EDGE_COLUMNS: LiteralString = (
    "kind::text, organization_id, date_from, date_to, strength, shared_organizations, earlier_days, people"
)


class Experience(NamedTuple):
    """A row of contact_work_experiences; without a company_name, one is made up when it is loaded."""

    id: int
    contact_id: int
    organization_id: int | None
    date_from: date | None
    date_to: date | None
    company_name: str | None = None


class Membership(NamedTuple):
    """A row of user_contact_collections."""

    user_id: int | None
    contact_id: int
    collection_id: int
    source: int


class Request(NamedTuple):
    """A row of introduction_requests, with its age in days; the other columns do not count for a finder."""

    collection_id: int
    introducer_contact_id: int
    days_ago: float
    outcome: str = "pending"


class Limit(NamedTuple):
    """A row of introduction_limits."""

    collection_id: int | None
    max_requests: int
    per_days: int


@dataclass(frozen=True)
class World:
    """The four host tables, the edges that the application wrote itself, and who may be asked."""

    contacts: frozenset[int]
    organizations: frozenset[int] = frozenset()
    experiences: tuple[Experience, ...] = ()
    memberships: tuple[Membership, ...] = ()
    extra_edges: Mapping[Pair, Edge] = field(default_factory=dict)
    do_not_ask: frozenset[tuple[int | None, int]] = frozenset()  # collection (None: all), contact
    do_not_ask_users: frozenset[int] = frozenset()
    requests: tuple[Request, ...] = ()
    limits: tuple[Limit, ...] = ()
    #: organization_policy: the days that an overlap at an organization needs; None: the organization makes no edges.
    policies: Mapping[int, int | None] = field(default_factory=dict)
    sizes: Mapping[int, int] = field(default_factory=dict)  # organization_sizes: organization, size class
    resolved_names: Mapping[str, int] = field(default_factory=dict)  # the organization of each accepted company name

    @cached_property
    def users(self) -> Mapping[int, Mapping[int, set[int]]]:
        """The members of each collection, each with the users who brought it in.

        “source IN (0, 1, 2, 3, 5, 10) AND user_id IS NOT NULL”; “a user who brought a contact in
        by several sources counts once”.
        """
        found: dict[int, dict[int, set[int]]] = {}
        for user, contact, collection, source in self.memberships:
            if source in MEMBER_SOURCES and user is not None:
                found.setdefault(collection, {}).setdefault(contact, set()).add(user)
        return found

    @cached_property
    def openers(self) -> Mapping[int, Mapping[int, set[int]]]:
        """The same without “do_not_ask_users: users who open nothing”."""
        return {
            collection: {member: brought_by - self.do_not_ask_users for member, brought_by in members.items()}
            for collection, members in self.users.items()
        }


def colleagues(*jobs: tuple[int, int, date | str | None, date | str | None]) -> World:
    """A world of (contact, organization, date_from, date_to); dates may be ISO text."""

    def day(value: date | str | None) -> date | None:
        return date.fromisoformat(value) if isinstance(value, str) else value

    return World(
        contacts=frozenset(job[0] for job in jobs),
        organizations=frozenset(job[1] for job in jobs),
        experiences=tuple(
            Experience(number, contact, organization, day(start), day(end))
            for number, (contact, organization, start, end) in enumerate(jobs, 1)
        ),
    )


def office(size: int, *, organization: int = 7) -> World:
    """A world in which all contacts worked together."""
    return World(
        contacts=frozenset(range(1, size + 1)),
        organizations=frozenset({organization}),
        experiences=tuple(
            Experience(number, number, organization, TODAY - timedelta(days=1000 + number), None)
            for number in range(1, size + 1)
        ),
    )


def world_of(connection: Connection) -> World:
    """Read the host tables and, where the package is installed, organization_policy."""
    installed = connection.execute("SELECT to_regclass('connection_paths.organization_policy')").fetchone() != (None,)
    return World(
        contacts=frozenset(row[0] for row in connection.execute("SELECT id FROM public.contacts")),
        organizations=frozenset(row[0] for row in connection.execute("SELECT id FROM public.organizations")),
        experiences=tuple(
            Experience(*row)
            for row in connection.execute(
                "SELECT id, contact_id, organization_id, date_from, date_to FROM public.contact_work_experiences"
            )
        ),
        policies=policies_of(connection) if installed else {},
        sizes=sizes_of(connection) if installed else {},
    )


def policies_of(connection: Connection[Any]) -> dict[int, int | None]:
    """Read organization_policy."""
    return dict(
        connection.execute(
            "SELECT organization_id, min_overlap_days FROM connection_paths.organization_policy"
        ).fetchall()
    )


def sizes_of(connection: Connection[Any]) -> dict[int, int]:
    """Read organization_sizes."""
    return dict(
        connection.execute("SELECT organization_id, people FROM connection_paths.organization_sizes").fetchall()
    )


def load(connection: Connection[Any], world: World) -> None:
    """Load this world into the database; the only edges are those of other kinds."""
    if world.extra_edges:
        connection.execute("ALTER TYPE connection_paths.connection_kind ADD VALUE IF NOT EXISTS 'friend'")
    with connection.transaction():
        connection.execute("TRUNCATE connection_paths.contact_connections")
        load_hosts(connection, world)
        load_edges(connection, world.extra_edges)
        load_consent(connection, world)
        load_policies(connection, world)
        load_sizes(connection, world)


def load_hosts(connection: Connection[Any], world: World) -> None:
    """Load this world into the host tables; leave contact_connections as it is."""
    with connection.transaction():
        connection.execute(
            "TRUNCATE public.contacts, public.organizations, public.contact_work_experiences,"
            " public.user_contact_collections"
        )
        _copy(
            connection,
            "public.contacts (id, name)",
            ((contact, f"contact {contact}") for contact in sorted(world.contacts)),
        )
        _copy(
            connection,
            "public.organizations (id, name)",
            ((each, f"organization {each}") for each in sorted(world.organizations)),
        )
        _copy(
            connection,
            "public.contact_work_experiences (id, contact_id, organization_id, date_from, date_to, company_name)",
            ((*row[:5], row.company_name or f"company {row.organization_id}") for row in world.experiences),
        )
        _copy(
            connection,
            "public.user_contact_collections (user_id, contact_id, collection_id, source)",
            world.memberships,
        )


def with_evidence(edge: Edge) -> Edge:
    """Return the edge; one of kind work_overlap without the numbers behind its strength gets some."""
    is_ours = edge.kind == WORK_OVERLAP and edge.people is None
    return edge._replace(shared_organizations=1, earlier_days=0, people=1) if is_ours else edge


def load_edges(connection: Connection[Any], edges: Mapping[Pair, Edge]) -> None:
    """Add rows to contact_connections, with evidence."""
    _copy(
        connection,
        f"connection_paths.contact_connections (contact_a_id, contact_b_id, {', '.join(Edge._fields)})",
        ((*pair, *with_evidence(edge)) for pair, edge in edges.items()),
    )


def load_consent(connection: Connection[Any], world: World) -> None:
    """Load the tables that say who may be asked."""
    connection.execute(
        "TRUNCATE connection_paths.do_not_ask, connection_paths.do_not_ask_users,"
        " connection_paths.introduction_requests, connection_paths.introduction_limits"
    )
    _copy(connection, "connection_paths.do_not_ask (collection_id, contact_id)", world.do_not_ask)
    _copy(connection, "connection_paths.do_not_ask_users (user_id)", ((user,) for user in world.do_not_ask_users))
    _copy(connection, "connection_paths.introduction_limits (collection_id, max_requests, per_days)", world.limits)
    if world.requests:
        connection.cursor().executemany(
            "INSERT INTO connection_paths.introduction_requests"
            " (collection_id, asking_user_id, introducer_contact_id, target_contact_id, requested_at, outcome)"
            " VALUES (%s, 1, %s, 0, now() - %s * interval '1 day', %s)",
            world.requests,
        )


def load_policies(connection: Connection[Any], world: World) -> None:
    """Load organization_policy."""
    connection.execute("DELETE FROM connection_paths.organization_policy")
    _copy(
        connection,
        "connection_paths.organization_policy (organization_id, rule, min_overlap_days)",
        ((each, "none" if days is None else "long_overlaps", days) for each, days in world.policies.items()),
    )


def load_sizes(connection: Connection[Any], world: World) -> None:
    """Load organization_sizes."""
    connection.execute("DELETE FROM connection_paths.organization_sizes")
    _copy(connection, "connection_paths.organization_sizes (organization_id, people)", world.sizes.items())


def _copy(connection: Connection[Any], table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows to a table. A COPY of no rows would be four messages to the server and back."""
    rows = list(rows)
    if not rows:
        return
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} FROM STDIN").format(sql.SQL(table))) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _exactly(draw: st.DrawFn, least: int, most: int, of: st.SearchStrategy[Any]) -> list[Any]:
    """A list of any length in between with equal chance, where st.lists prefers short ones."""
    size = draw(st.sampled_from(range(least, most + 1)))
    drawn: list[Any] = draw(st.lists(of, min_size=size, max_size=size))
    return drawn


@st.composite
def worlds(draw: st.DrawFn, max_contacts: int = len(CONTACT_IDS)) -> World:
    """Worlds small enough for the oracle, and crowded enough for ties, cycles and cliques."""
    contacts = CONTACT_IDS[-draw(st.sampled_from(range(2, max_contacts + 1))) :]
    organizations = ORGANIZATION_IDS[-draw(st.sampled_from(range(1, len(ORGANIZATION_IDS) + 1))) :]
    anyone = st.sampled_from((*contacts * 5, *GHOST_CONTACT_IDS))
    jobs = _exactly(
        draw,
        len(contacts),
        4 * len(contacts),
        st.tuples(
            anyone,
            st.sampled_from((*organizations * 5, ORPHAN_ORGANIZATION_ID, None)),
            st.sampled_from((*DAYS[:3] * 4, *DAYS, None)),  # mostly begun already
            st.sampled_from((*DAYS * 2, None, None, None)),  # some end before they begin
        ),
    )
    memberships = _exactly(
        draw,
        len(contacts),
        5 * len(contacts),
        st.builds(
            Membership,
            st.sampled_from((*USER_IDS * 3, None)),
            anyone,
            st.sampled_from((*COLLECTION_IDS, COLLECTION_IDS[0])),
            st.sampled_from((*MEMBER_SOURCES * 2, *OTHER_SOURCES)),
        ),
    )
    extra_edges = draw(
        st.dictionaries(
            st.tuples(st.sampled_from(contacts), st.sampled_from(contacts)).filter(lambda pair: pair[0] < pair[1]),
            st.builds(
                Edge,
                st.just(FRIEND),
                st.sampled_from((*organizations, None)),
                st.sampled_from((*DAYS[:2], None)),
                st.sampled_from((*DAYS[2:], None)),
                strength=st.sampled_from((0, 30, 50, 75, 100)),
                shared_organizations=st.none(),
                earlier_days=st.none(),
                people=st.none(),
            ),
            max_size=5,
        )
    )
    collections = st.sampled_from((*COLLECTION_IDS, None, 999))
    do_not_ask = draw(st.frozensets(st.tuples(collections, anyone), max_size=draw(st.sampled_from((0, 4)))))
    return World(
        contacts=frozenset(contacts),
        organizations=frozenset(organizations),
        experiences=tuple(Experience(number, *job) for number, job in enumerate(jobs, 1)),
        memberships=tuple(memberships),
        extra_edges=extra_edges,
        do_not_ask=do_not_ask,
        do_not_ask_users=draw(st.frozensets(st.sampled_from(USER_IDS), max_size=draw(st.sampled_from((0, 0, 2))))),
        **draw(st.one_of(st.just({}), requests(contacts))),
        policies=draw(st.one_of(st.just({}), policies(organizations))),
    )


@st.composite
def requests(draw: st.DrawFn, contacts: Iterable[int]) -> dict[str, Any]:
    """Limits of a collection or of all, and requests of which about half reach them."""
    limits = st.builds(
        Limit, st.sampled_from((*COLLECTION_IDS, None, 999)), st.sampled_from((1, 1, 2, 3)), st.sampled_from((1, 7, 30))
    )
    asked = st.builds(
        Request,
        st.sampled_from((*COLLECTION_IDS, 999)),
        st.sampled_from(list(contacts)),
        st.sampled_from((-0.5, 0.5, 0.5, 6.5, 7.5, 29.5, 30.5)),
        st.sampled_from(("pending", "introduced", "declined", "unanswered", "withdrawn")),
    )
    return {
        "limits": tuple(draw(st.lists(limits, max_size=2, unique_by=lambda limit: limit.collection_id))),
        "requests": tuple(draw(st.lists(asked, max_size=12))),
    }


@st.composite
def sized_worlds(draw: st.DrawFn) -> World:
    """Worlds with size classes that differ from the number of people. A backfill and a sync would correct them."""
    classes = st.sampled_from((1, 2, 5, 10, 200, 20_000))
    return replace(draw(worlds()), sizes=draw(st.dictionaries(st.sampled_from(ORGANIZATION_IDS), classes, max_size=3)))


def policies(organizations: Iterable[int]) -> st.SearchStrategy[dict[int, int | None]]:
    """Policies of some organizations; the days are about the lengths of overlaps that DAYS make."""
    days = st.sampled_from((None, None, 1, 2, 3, 501, 700, 701, 702, 1001, 1002, 1300, 1301, 2001, 3001))
    return st.dictionaries(st.sampled_from((*organizations, ORPHAN_ORGANIZATION_ID)), days, max_size=3)
