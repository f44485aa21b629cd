"""Names of invented companies, the ways in which people write them, and junk names.

Everything is computed from integers, so the same numbers give the same names on every machine. The names of two
organizations differ, but some differ only in their legal form, as in a real register.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from math import prod

from orchestrator.seed.hashing import mixed


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Junk names, as people write them.
JUNK = (
    *("Self-employed", "Self Employed", "self employed", "SELF-EMPLOYED", "Self-Employed Consultant", "Selfemployed"),
    *("Freelance", "freelance", "Freelancer", "Freelance Consultant", "Freelance Designer", "Freelance Developer"),
    *("Independent", "Independent Consultant", "Independent Contractor", "independent", "Indépendant", "Contractor"),
    *("Stealth Startup", "Stealth", "Stealth Mode Startup", "stealth startup", "Startup (Stealth)"),
    *("Unemployed", "Looking for new opportunities", "Open to work", "Career Break", "In transition", "Sabbatical"),
    *("Retired", "retired", "Student", "Homemaker", "Stay-at-home parent", "Volunteer", "Private", "Confidential"),
    *("N/A", "n/a", "-", ".", "None", "Various", "Own Business", "Various clients", "Myself", "Private practice"),
    *(
        "Selbständig",
        "Freiberuflich",
        "Autónomo",
        "Autônomo",
        "Zelfstandig",
        "Libero professionista",
        "Auto-entrepreneur",
    ),
)

_PLAIN_FIRST = _words(
    """Alder Amber Anchor Apex Arbor Atlas Aurora Basalt Beacon Birch Boreal Bright Canyon Cedar Central Clear Cobalt
    Compass Copper Coral Crest Delta Eastern Ember Evergreen Falcon Granite Harbor Harvest Highland Horizon Iron Juniper
    Keystone Lakeside Lantern Maple Meridian Metro Northern Oak Orchid Pacific Pine Pioneer Prairie Quartz Redwood River
    Sable Silver Sierra Southern Sterling Summit Sunrise Timber Union Valley Vector Western Willow"""
)
_FOUNDERS = _words(
    """Abbott Adeyemi Åkerlund Almeida Andersen Araújo Baker Bächler Bauer Becker Bennett Böhm Bianchi Brandt Brooks
    Carter Castro Céspedes Clarke Cohen Côté Cruz Dahl Delgado Díaz Dubois Eklund Ellis Evans Fernández Fischer Fleming
    Fontaine Foster Fröhlich Gómez Grant Guérin Hansen Hayes Heller Hoffmann Højgaard Hughes Ibáñez Ito Ivanov Jansen
    Johnson Kapoor Kaya Keller Kim Kovač Kühne Lambert Larsen Lefèvre Lindgren López Lund Maier Martínez Meyer Mills
    Moreau Morgan Müller Nakamura Nguyễn Nilsen Novák Núñez Olsen Ørsted Ortiz Park Patel Pereira Petrov Quinn Ramos
    Reed Ricci Rossi Ruiz Sánchez Schäfer Schmidt Şahin Sharma Silva Smith Stein Suzuki Tanaka Torres Vargas Vogel
    Wagner Walsh Weiß Wolf Young Zhang Zimmermann"""
)
_STARTS = _words(
    """Ac Al Am An Ar Av Bel Bo Bri Cal Cel Cor Da Del Di Do El Em En Fe Fi Flo Ga Gen Gra Hel Ho In Ja Ka Ki La Le Lu
    Ma Me Mi Mo Na Ne No Om Or Pa Pe Pri Qua Ra Re Ro Sa Se So Sta Ta Te Ti Tra Ur Va Ve Vi Wa Xe Ya Ze Zo"""
)
_MIDDLES = _words(
    "ba be bri ca ce cu da di do fa fo ga ge go ka ke la le li lo ma mi mo na ne ni no pa po ra re ri ro sa"
)
_ENDS = _words(
    "bit dex dia don fex gen gon lia lis lon lux mar mont nex nia nova pex pia ra rex ria rix ros tek tis tor va ven"
)
_TRADES = _words(
    """Advisory Aerospace Analytics Architects Bank Biotech Brewing Capital Chemicals Clinics Construction Consulting
    Dynamics Education Electric Energy Engineering Fabrics Foods Foundry Freight Gaming Health Hotels Insurance
    Interiors Labs Law Logistics Management Manufacturing Marine Media Mining Mobility Motors Networks Optics Packaging
    Partners Pharma Power Press Properties Rail Research Retail Robotics Security Semiconductors Shipping Software Solar
    Solutions Steel Studios Systems Technologies Telecom Textiles Travel Ventures"""
)
_TAILS = ("", "Group", "International", "Services", "Holdings", "Global", "Europe")
_LETTERS = tuple("ABCDEFGHIKLMNOPRSTUVWX")
_PLACES = _words(
    """Berlin Boston Chicago Dallas Denver Dublin Geneva Hamburg Houston Lagos Leeds Lisbon London Lyon Madrid Malmö
    Manchester Melbourne Miami Milan Mumbai Munich Oslo Paris Porto Prague Rome Seattle Seoul Sydney Tokyo Toronto Turin
    Utrecht Vienna Warsaw Zürich"""
)
_COUNTRIES = ("UK", "US", "USA", "Germany", "France", "India", "Canada", "Australia", "España", "Nederland")

#: Each legal form with other ways to write the same one.
_FORMS: tuple[tuple[str, ...], ...] = (
    ("Inc.", "Inc", "Incorporated", "INC", "Corp."),
    ("LLC", "L.L.C.", "llc", "LLC."),
    ("Ltd", "Ltd.", "Limited", "LTD", "Ltd."),
    ("Corp.", "Corporation", "Corp", "Inc."),
    ("GmbH", "G.m.b.H.", "gmbh", "GmbH & Co. KG"),
    ("AG", "A.G.", "SE"),
    ("S.A.", "SA", "S.A"),
    ("SAS", "S.A.S.", "S.A.S"),
    ("SARL", "S.A.R.L.", "Sàrl"),
    ("B.V.", "BV", "B.V"),
    ("AB", "Aktiebolag", "A.B."),
    ("A/S", "AS", "ApS"),
    ("Oy", "OY", "Oyj"),
    ("PLC", "plc", "P.L.C."),
    ("S.p.A.", "SpA", "S.r.l."),
    ("Pty Ltd", "Pty. Ltd.", "Pty Limited"),
)
_ABBREVIATIONS = {
    "International": "Intl",
    "Engineering": "Eng.",
    "Technologies": "Tech",
    "Services": "Svcs",
    "Management": "Mgmt",
    "Manufacturing": "Mfg.",
    "Construction": "Constr.",
    "Systems": "Sys",
    "Solutions": "Soln",
    "Holdings": "Hldgs",
    "Group": "Grp",
    "Insurance": "Ins.",
    "Laboratories": "Labs",
    "Security": "Sec.",
}
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "Ø": "O", "Ö": "Oe", "Ü": "Ue"})
_NO_DECOMPOSITION = str.maketrans({"ß": "ss", "ø": "o", "Ø": "O"})

_PRIME = 2_147_483_647  # divides the number of names of no pattern, so multiplying by it permutes them

#: The patterns of names: each part is chosen from a list, and parts of a word are joined by "+".
_COINED = (_STARTS, "+", _MIDDLES, "+", _ENDS)
_PATTERNS: tuple[tuple[tuple[str, ...] | str, ...], ...] = (
    (*_COINED, _TRADES, _TAILS),
    _COINED,
    (_PLAIN_FIRST, _TRADES, _TAILS, _PLACES),
    (_FOUNDERS, _TRADES, _TAILS),
    (_FOUNDERS, ("& Söhne", "& Fils", "& Sons", "& Partners", "Brothers", "& Associates"), _TRADES),
    (_LETTERS, "+", _LETTERS, "+", _LETTERS, _TRADES, _TAILS),
)
_USES = (0, 0, 0, 0, 1, 2, 2, 3, 4, 5)  # ten organizations in a row have names of these patterns
_TWINS = 100  # one organization in so many has a name that differs from the one before only in its legal form


def organization(number: int, salt: int) -> str:
    """Return the name of the organization *number* (from 0), with its legal form if it has one.

    One in a hundred has the name of the one before it with another legal form. Otherwise no two have the same name.
    """
    core, forms = _parts(number, salt)
    return f"{core} {forms[0]}" if forms else core


def junk(bits: int) -> str:
    """Return a junk name, chosen by *bits*."""
    return JUNK[bits % len(JUNK)]


def as_people_write(number: int, salt: int, bits: int) -> str:
    """Return a name that people write for the organization *number*; *bits* choose the way."""
    core, forms = _parts(number, salt)
    bits, way = divmod(bits, 100)
    name = _with_some_form(core, forms, bits)
    bits >>= 8
    if way < 60:
        return _dressed(name, bits)
    if way < 90:
        return _PUNCTUATED[bits % len(_PUNCTUATED)](name)
    if way < 94:
        return _branch(core, bits)
    if way < 96:
        return _abbreviated(core)
    return _mistyped(name, bits)


def _parts(number: int, salt: int) -> tuple[str, tuple[str, ...]]:
    """Return the name without a legal form, and the ways to write its legal form; none if it has none."""
    draw = mixed(number ^ salt)
    forms = _FORMS[draw % len(_FORMS)]
    if number % _TWINS == _TWINS - 1:
        others = [each for each in _FORMS if each != _FORMS[mixed(number - 1 ^ salt) % len(_FORMS)]]
        return _core(number - 1, salt), others[draw % len(others)]
    has_form = number % _TWINS == _TWINS - 2 or draw >> 32 & 1
    return _core(number, salt), forms if has_form else ()


def _core(number: int, salt: int) -> str:
    """Return the name of an organization without its legal form; another number has another name."""
    tens, place = divmod(number, len(_USES))
    kind = _USES[place]
    pattern = _PATTERNS[kind]
    space = prod(len(part) for part in pattern if not isinstance(part, str))
    again, number = divmod(tens * _USES.count(kind) + _USES[:place].count(kind), space)
    number = (number * _PRIME + salt) % space
    name = ""
    for part in pattern:
        if isinstance(part, str):  # "+": the next part continues the word
            name = name[:-1]
            continue
        number, place = divmod(number, len(part))
        name += f"{part[place]} " if part[place] else ""
    return f"{name}{again + 1}" if again else name[:-1]


# The ways to write a name. A way that would change nothing returns the name as it is.


def _with_some_form(core: str, forms: tuple[str, ...], bits: int) -> str:
    """Keep the legal form, write it in another way, leave it out, or add one that the company does not have."""
    way = bits & 15
    if not forms:
        return f"{core} {_FORMS[(bits >> 4) % len(_FORMS)][0]}" if way < 2 else core
    if way < 7:
        return core
    return f"{core} {forms[0 if way < 12 else (bits >> 4) % len(forms)]}"


def _dressed(name: str, bits: int) -> str:
    """Change the case or leave the accents out."""
    match bits & 7:
        case 0:
            return name.upper()
        case 1:
            return name.lower()
        case 2 | 3:
            return _without_accents(name)
        case 4:
            return name.translate(_GERMAN)
        case _:
            return name


def _without_accents(name: str) -> str:
    plain = unicodedata.normalize("NFD", name.translate(_NO_DECOMPOSITION))
    return "".join(each for each in plain if not unicodedata.combining(each))


def _comma(name: str) -> str:
    head, _, tail = name.rpartition(" ")
    return f"{head}, {tail}" if head else name


_PUNCTUATED: tuple[Callable[[str], str], ...] = (
    _comma,
    lambda name: name.replace(" & ", " and ") if " & " in name else f"{name}.",
    lambda name: name.replace(" ", "  ", 1),
    lambda name: f" {name} ",
    lambda name: f"The {name}",
    lambda name: name.replace(".", ""),
    lambda name: name.replace(" ", "-", 1),
    lambda name: f'"{name}"',
    lambda name: name if "&" in name else f"{name} & Co",
)


def _branch(core: str, bits: int) -> str:
    """Add a branch: a city or a country."""
    place = (_PLACES + _COUNTRIES)[(bits >> 2) % (len(_PLACES) + len(_COUNTRIES))]
    return (f"{core} {place}", f"{core} ({place})", f"{core} - {place}", f"{core}, {place} office")[bits & 3]


def _abbreviated(core: str) -> str:
    """Shorten words that people shorten; without such a word, leave out the last word of three or more."""
    words = core.split()
    short = [_ABBREVIATIONS.get(word, word) for word in words]
    return " ".join(short if short != words or len(words) < 3 else words[:-1])


def _mistyped(name: str, bits: int) -> str:
    """Make one mistake of typing: two letters exchanged, a letter left out, or a letter twice."""
    place = 1 + (bits >> 2) % max(1, len(name) - 2)
    first, second, rest = name[:place], name[place : place + 1], name[place + 1 :]
    match bits & 3:
        case 0:
            return first + rest[:1] + second + rest[1:]
        case 1:
            return first + rest
        case _:
            return first + second + second + rest
