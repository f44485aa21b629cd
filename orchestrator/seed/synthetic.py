"""Made-up rows with the shape of real ones: a few long careers, huge employers, orphaned ids, wrong dates.

The same seed gives the same bytes with every version of Python and on every day. So randomness comes only from
``Random.random`` and from an integer hash, which never change, and is shaped only by arithmetic that IEEE 754 rounds
exactly (``+ - * /`` and ``sqrt``). The results of ``pow`` and ``exp`` differ between C libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from math import sqrt
from random import Random

from orchestrator.core.errors import OrchestratorError
from orchestrator.seed import company_names, crowds, loading
from orchestrator.seed.hashing import mixed

#: No date is later than this day.
HORIZON = date(2026, 1, 1)

#: The share of contacts that the network sources bring into collections 1, 2, ...
LARGE_COLLECTIONS = (0.97, 0.12, 0.03, 0.005, 0.001)

#: Sources of memberships that count, with likelier ones repeated; and sources of memberships that do not count.
NETWORK_SOURCES = (5, 5, 5, 0, 0, 1, 2, 3, 10)
OTHER_SOURCES = (4, 6, 7, 8, 9)

_CONTACTS_PER_CLUSTER = 1000
_HEAVY_EVERY, _HEAVY_AT = 5000, 1000  # contacts 1,000, 6,000, ... have about a hundred experiences

_FIRST_DAY = date(1970, 1, 1)
_EARLIEST_START = (date(1975, 1, 1) - _FIRST_DAY).days
_LAST_DAY = (HORIZON - _FIRST_DAY).days
_SHORTEST_CAREER = (HORIZON - date(2023, 12, 31)).days

_LARGE_USERS = (40, 16, 8, 4, 2)  # users per large collection
_FIRST_USER = 1001  # the busiest one of collections 1, 2 and 3
_SMALL_USERS = 1_000_000  # the first id of the users of small collections

_NULL = r"\N"  # as COPY reads it
_SPREAD = 2_147_483_647  # a prime beyond any count of organizations, so multiplying by it permutes them


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST_NAMES = _words(
    """Aaron Ada Aisha Akira Alan Alba Alice Amara Amir Ana Andre Anika Anna Anton Arjun Astrid Ayo
    Beatrix Ben Bruno Camila Carl Carmen Chen Clara Colin Dalia Dana Daniel David Diego Dora
    Edgar Elena Elias Elif Emil Emma Erik Esther Eva Farid Fatima Felix Fiona Frida Gabriel
    Grace Greta Hana Hannah Hassan Helen Henry Hugo Ida Igor Ines Ingrid Isaac Ivan Jack James
    Jana Javier Joan Jonas Julia Jun Kai Karim Kate Kenji Lars Laura Leila Leo Lin Linda Louis
    Lucas Lucia Maja Marco Maria Martin Mateo Maya Mei Mila Miriam Mona Nadia Naomi Nia Nils
    Nina Noah Nora Olga Oliver Omar Oscar Paula Pedro Petra Priya Rafael Ravi Rosa Ruth Samir
    Sara Simon Sofia Stefan Tara Tariq Theo Thomas Tomas Uma Vera Victor Wanda Wei Yara Yusuf
    Zoe"""
)
_LAST_NAMES = _words(
    """Abbott Adeyemi Ahmed Almeida Andersen Araujo Baker Banerjee Bauer Becker Bennett Berg Bianchi
    Brandt Brooks Carter Castro Chan Chowdhury Clarke Cohen Costa Cruz Dahl Das Delgado Diaz
    Dubois Eklund Ellis Endo Evans Farrell Fernandez Fischer Fleming Fontaine Foster Fuchs
    Garcia Ghosh Gomez Grant Haas Hall Hansen Haruki Hayes Heller Hoffman Holm Hughes Hussain
    Ibrahim Ito Ivanov Jansen Jensen Johnson Kapoor Kaya Keller Khan Kim Klein Kovac Kruger
    Kumar Lambert Larsen Lee Lehmann Lindgren Lopez Lund Maier Marino Martens Meyer Mills
    Mishra Moreau Morgan Moser Murphy Nakamura Nguyen Nilsen Novak Obi Ochoa Okafor Olsen Ortiz
    Osman Park Patel Pereira Petrov Popescu Quinn Ramos Rao Reed Reyes Ricci Rossi Roy Ruiz
    Sato Schmidt Sharma Silva Singh Smith Sokolov Stein Suzuki Takeda Tanaka Torres Usman
    Vargas Vogel Wagner Walsh Wang Weber Wolf Wong Yamada Yilmaz Young Zhang Zimmer"""
)
_COMPANY_FIRST = _words(
    """Alder Amber Anchor Apex Arbor Atlas Aurora Basalt Beacon Birch Blue Boreal Bright Canyon
    Cedar Central Clear Cobalt Compass Copper Coral Crest Delta Eastern Ember Evergreen Falcon First
    Granite Harbor Harvest Highland Horizon Iron Juniper Keystone Lakeside Lantern Maple
    Meridian Metro Northern Oak Orchid Pacific Pine Pioneer Prairie Quartz Redwood River Sable
    Silver Sierra Southern Sterling Summit Sunrise Timber Union Valley Vector Western Willow"""
)
_COMPANY_TRADE = _words(
    """Advisory Aerospace Analytics Architects Bank Biotech Brewing Capital Chemicals Clinics
    Construction Consulting Dynamics Education Electric Energy Engineering Fabrics Foods
    Foundry Freight Gaming Health Hotels Insurance Interiors Labs Law Logistics Marine Media
    Mining Mobility Motors Networks Optics Packaging Partners Pharma Power Press Properties
    Rail Research Retail Robotics Security Semiconductors Shipping Software Solar Steel Studios
    Systems Telecom Textiles Travel Ventures Water Works"""
)
_COMPANY_LAST = (
    "",
    "",
    "",
    " Group",
    " International",
    " Services",
    " Holdings",
    " Europe",
    " Asia",
)


@dataclass(frozen=True)
class Disorder:
    """Options that make invented data more like the worst real data. By default, none of this is added.

    ``organizations``: how many there are; None: 17 for each hundred contacts.
    ``misspelt``: the share of the work experiences with only a company name whose name means an organization, as people
    write it. If it is not 0, there are more forms of company names, and three in ten of the other names are junk names,
    such as "Freelance".
    ``crowds``: names of organizations, each with the share of all overlapping pairs of experiences that it makes.
    """

    organizations: int | None = None
    misspelt: float = 0.0
    crowds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _World:
    contacts: int
    seed: int
    organizations: int  # rows of the table; work experiences also have larger ids, of organizations that do not exist
    clusters: int  # of people and organizations: an industry in a region
    misspelt: float = 0.0
    crowds: tuple[tuple[str, float], ...] = ()  # name, share of contacts; their ids follow those of the others


def tables(contacts: int, seed: int, disorder: Disorder | None = None, *, truth: bool = False) -> loading.Tables:
    """Return the rows of a world of *contacts* people, drawn from *seed*, for each host table.

    Contacts have the ids 1 to *contacts*; organizations come at 17 to a hundred contacts. With *truth*, there are also
    rows of ``seed_company_names``: each company name of an experience without an organization, with the organization
    that it means. Memory does not grow with the world, except with *truth*.

    Raises :class:`OrchestratorError` when *contacts* is negative, or too small for the crowds.
    """
    if contacts < 0:
        raise OrchestratorError(f"a world cannot have {contacts} contacts")
    disorder = disorder or Disorder()
    organizations = (17 * contacts + 99) // 100 if disorder.organizations is None else disorder.organizations
    world = _World(
        contacts=contacts,
        seed=mixed(seed),
        organizations=organizations,
        clusters=max(1, contacts // _CONTACTS_PER_CLUSTER),
        misspelt=disorder.misspelt,
        crowds=crowds.sizes(contacts, organizations, disorder.crowds),
    )
    generators: dict[str, Callable[[_World], Iterator[str]]] = {
        "contacts": _contacts,
        "organizations": _organizations,
        "contact_work_experiences": _experiences,
        "user_contact_collections": _collections,
    }
    if truth:
        generators[loading.TRUTH] = _truth

    def rows_of(generate: Callable[[_World], Iterator[str]]) -> Callable[[], loading.Blocks]:
        return lambda: loading.blocks(generate(world))

    return {table: rows_of(generate) for table, generate in generators.items()}


def _home(world: _World, contact: int) -> int:
    """Return the cluster of *contact*: a hash, so careers and collections agree without a table."""
    return mixed(world.seed + contact) % world.clusters


def _contacts(world: _World) -> Iterator[str]:
    for contact in range(1, world.contacts + 1):
        bits = mixed(world.seed ^ contact << 1)
        first = _FIRST_NAMES[bits % len(_FIRST_NAMES)]
        last = _LAST_NAMES[(bits >> 32) % len(_LAST_NAMES)]
        yield f"{contact}\t{first} {last}\n"


def _organizations(world: _World) -> Iterator[str]:
    for organization in range(1, world.organizations + 1):
        if world.misspelt:
            name = company_names.organization(organization - 1, world.seed)
        else:
            name = _company(mixed(world.seed ^ organization << 1))
        yield f"{organization}\t{name}\n"
    for number, (name, _) in enumerate(world.crowds, start=1):
        yield f"{world.organizations + number}\t{name.translate(loading.COPY_ESCAPES)}\n"


def _company(bits: int) -> str:
    first = _COMPANY_FIRST[bits % len(_COMPANY_FIRST)]
    trade = _COMPANY_TRADE[(bits >> 16) % len(_COMPANY_TRADE)]
    return f"{first} {trade}{_COMPANY_LAST[(bits >> 32) % len(_COMPANY_LAST)]}"


# Work experiences.


@cache
def _days() -> tuple[list[str], list[str], list[str]]:
    """Return each day since 1970 as text three times: itself, the first of its month, the first of its year."""
    days = [_FIRST_DAY + timedelta(days=number) for number in range(_LAST_DAY + 1)]
    return (
        [day.isoformat() for day in days],
        [f"{day.year}-{day.month:02}-01" for day in days],
        [f"{day.year}-01-01" for day in days],
    )


def _experiences(world: _World) -> Iterator[str]:
    for number, (contact, organization, name, _, date_from, date_to) in enumerate(_careers(world), start=1):
        yield f"{number}\t{contact}\t{organization or _NULL}\t{name or _NULL}\t{date_from}\t{date_to}\n"


def _truth(world: _World) -> Iterator[str]:
    """Yield each company name of experiences without an organization once, for each organization that it means."""
    known: set[tuple[str, int]] = set()
    for _, organization, name, meant, _, _ in _careers(world):
        if not organization and (name, meant) not in known:
            known.add((name, meant))
            yield f"{name}\t{meant or _NULL}\n"


def _careers(world: _World) -> Iterator[tuple[int, int, str, int, str, str]]:
    """Yield the experiences: contact, organization, company name, organization that the name means, first, last day.

    An organization is 0 where there is none, and a name is empty. Dates are as COPY reads them.
    """
    roll = Random(mixed(world.seed ^ 1)).random
    employer = _employers(world, roll)
    exact, by_month, by_year = _days()
    for contact in range(1, world.contacts + 1):
        heavy = contact % _HEAVY_EVERY == _HEAVY_AT
        skew = roll()
        jobs = 90 + int(20 * skew) if heavy else 1 + int(4.75 * skew / (1.1 - skew))
        ongoing = roll() < 0.7
        end = _LAST_DAY if ongoing else _LAST_DAY - int(4000 * roll() * roll())
        start = max(_EARLIEST_START, end - _SHORTEST_CAREER - int(jobs * 1300 * (0.35 + 1.3 * roll())))
        pace = (end - start) / jobs
        stretch = 8 * pace if heavy else pace  # a hundred jobs are mandates, several at a time
        past: list[int] = []
        home = _home(world, contact)
        for job in range(jobs):
            first = start + int(pace * (job + 0.5 * roll()))
            last = min(end, first + int(stretch * (0.15 + 1.9 * roll())))
            cut = roll()
            text = by_month if cut < 0.6 else by_year if cut < 0.85 else exact
            date_from = text[first]
            date_to = _NULL if ongoing and job == jobs - 1 else text[last]
            blemish = roll()
            if blemish < 0.02:
                date_from = _NULL
            elif blemish < 0.022:
                date_to = text[first - 400]  # more than a year, or cutting to years would hide it
            organization = employer(home, past, heavy)
            name, meant = ("", 0) if organization else _named_only(world, home, int(roll() * (1 << 48)))
            yield contact, organization, name, meant, date_from, date_to
        for number, (_, share) in enumerate(world.crowds, start=1):
            draw = mixed(world.seed + contact ^ number << 40)
            if draw < share * 2**64:
                first, until = crowds.stay(mixed(draw), _LAST_DAY)
                date_to = _NULL if until is None else by_month[until]
                yield contact, world.organizations + number, "", 0, by_month[first], date_to


def _named_only(world: _World, home: int, bits: int) -> tuple[str, int]:
    """Return the company name of an experience without an organization, and the organization that it means."""
    if not world.misspelt:
        return _company(bits), 0
    draws = [mixed(bits + number << 8 ^ world.seed) for number in range(4)]
    kind, where, skew = (draw / 2**64 for draw in draws[:3])
    if kind < world.misspelt and world.organizations:
        number = _place(world, home, where, skew) * _SPREAD % world.organizations
        return company_names.as_people_write(number, world.seed, draws[3]), number + 1
    if (kind - world.misspelt) < 0.3 * (1 - world.misspelt):
        return company_names.junk(draws[3]), 0
    strange = world.organizations + draws[1] % (100 + world.contacts)
    return company_names.as_people_write(strange, world.seed, draws[3]), 0


def _place(world: _World, home: int, where: float, skew: float) -> int:
    """Return the number of an organization, most likely a large one, and most likely one of the cluster *home*."""
    live, clusters = world.organizations, world.clusters
    rank = skew * skew * skew * sqrt(sqrt(skew))
    if where < 0.75:
        return home + clusters * int((live - home + clusters - 1) // clusters * rank)
    return int(live * rank)


def _employers(world: _World, roll: Callable[[], float]) -> Callable[[int, list[int], bool], int]:
    """Return the function that draws the organization of the next job; 0 is no organization.

    Organization number n (from 0) belongs to cluster ``n % clusters``, and small numbers are large
    employers, in the world as in their cluster. Drawing ``size * u ** 3.25`` gives rank r a weight
    of ``r ** -0.69``.
    """
    live = world.organizations
    taken = live + len(world.crowds)
    orphans = 0  # ids of organizations that do not exist, so far

    def employer(home: int, past: list[int], heavy: bool) -> int:
        nonlocal orphans
        kind = roll()
        if kind < 0.11:
            return 0
        if kind < 0.555:
            # An organization that does not exist: often a new id, otherwise most likely one of the first.
            skew = roll()
            if skew < 0.45 or not orphans:
                orphans += 1
                return taken + orphans
            skew = roll()
            return taken + 1 + int(orphans * skew * skew * skew)
        skew = roll()
        if past and skew < 0.08:
            return past[int(roll() * len(past))]
        where, skew = roll(), roll()
        number = int(min(20, live) * skew) if heavy and where < 0.3 else _place(world, home, where, skew)
        organization = 1 + number * _SPREAD % live  # so that an id does not depend on the size
        past.append(organization)
        return organization

    return employer


# Collections.


def _collections(world: _World) -> Iterator[str]:
    roll = Random(mixed(world.seed ^ 2)).random
    for collection, share in enumerate(LARGE_COLLECTIONS, start=1):
        yield from _large_collection(world, roll, collection, share)
    for number in range(world.contacts // 200):
        collection = len(LARGE_COLLECTIONS) + 1 + number
        size = min(world.contacts, int(5 / (1 - roll() * (1 - 5 / 300))))
        users = range(_SMALL_USERS + 3 * number, _SMALL_USERS + 3 * number + 1 + int(3 * roll()))
        members: set[int] = set()
        while len(members) < size:
            members.add(1 + int(world.contacts * roll()))
        for contact in sorted(members):
            yield from _member(roll, users, contact, collection)


def _large_collection(world: _World, roll: Callable[[], float], collection: int, share: float) -> Iterator[str]:
    users: list[int] = [
        _FIRST_USER + 1000 * (collection - 1) + number for number in range(_LARGE_USERS[collection - 1])
    ]
    if collection <= 3:
        users[0] = _FIRST_USER
    leanings = _leanings(world, collection)
    for contact in range(1, world.contacts + 1):
        chance = share * leanings[_home(world, contact)]
        drawn = roll()
        if drawn < chance:
            yield from _member(roll, users, contact, collection)
        elif drawn < 1.05 * chance:  # in the collection, by a source that does not count
            yield _outsider(roll, users, contact, collection)


def _leanings(world: _World, collection: int) -> list[float]:
    """Return, for each cluster, the likelihood of its contacts to be members, relative to the average."""
    if collection == 1:
        return [1.0] * world.clusters
    weights = [10 if (cluster + collection) % 3 == 0 else 1 for cluster in range(world.clusters)]
    return [weight * world.clusters / sum(weights) for weight in weights]


def _member(roll: Callable[[], float], users: list[int] | range, contact: int, collection: int) -> Iterator[str]:
    """Yield the rows that make *contact* a member: one, or more by other users or sources."""
    skew = roll()
    user = int(len(users) * skew * skew * skew)
    source = int(len(NETWORK_SOURCES) * roll())
    yield f"{users[user]}\t{contact}\t{collection}\t{NETWORK_SOURCES[source]}\n"
    more = roll()
    if more < 0.1:
        for other in range(1, min(len(users), 2 if more < 0.08 else 3)):
            again = NETWORK_SOURCES[int(len(NETWORK_SOURCES) * roll())]
            yield f"{users[(user + other) % len(users)]}\t{contact}\t{collection}\t{again}\n"
    elif more < 0.13:
        again = next(s for s in NETWORK_SOURCES if s != NETWORK_SOURCES[source])
        yield f"{users[user]}\t{contact}\t{collection}\t{again}\n"
    if roll() < 0.06:
        yield _outsider(roll, users, contact, collection)


def _outsider(roll: Callable[[], float], users: list[int] | range, contact: int, collection: int) -> str:
    """Return a row that does not count as a membership, because of its source or because it has no user."""
    if roll() < 0.625:
        user = users[int(len(users) * roll())]
        return f"{user}\t{contact}\t{collection}\t{OTHER_SOURCES[int(len(OTHER_SOURCES) * roll())]}\n"
    return f"\\N\t{contact}\t{collection}\t{NETWORK_SOURCES[int(len(NETWORK_SOURCES) * roll())]}\n"
