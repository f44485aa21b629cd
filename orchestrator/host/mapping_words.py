"""The names that applications give to tables and columns, for :mod:`orchestrator.host.mapping_suggestion`.

All names have the form that :func:`words` returns: lower case, singular, one blank between two words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SINGULAR = {"people": "person", "persons": "person", "staff": "employee"}


def words(name: str) -> str:
    """Return a name in one form: ``CRM_People``, ``crmPerson`` and ``"Crm person"`` are all ``crm person``."""
    apart = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3 \2\4", name)
    return " ".join(_singular(word) for word in re.findall(r"[^\W_]+", apart.lower()))


def _singular(word: str) -> str:
    if word in _SINGULAR:
        return _SINGULAR[word]
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith(("ss", "us", "is")):
            return word.removesuffix(ending) + instead
    return word


#: The names of the table of each source, the clearest names first.
TABLES: Mapping[str, tuple[str, ...]] = {
    "contacts": (
        "contact", "person", "profile", "connection profile", "lead", "candidate", "prospect", "individual", "party",
    ),
    "organizations": (
        "organization", "organisation", "company", "employer", "firm", "business", "account", "institution",
        "org",
    ),
    "contact_work_experiences": (
        "contact work experience", "work experience", "experience", "position", "employment", "job", "job history",
        "work history", "career", "employment history", "role", "affiliation",
        "stint",
    ),
    "user_contact_collections": (
        "user contact collection", "contact import", "import", "collection contact", "team contact", "contact team",
        "membership", "collection member", "list member", "list contact", "contact list", "connection", "contact owner",
        "ownership", "user contact", "relationship",
    ),
    "users": ("user", "auth user", "app user", "owner", "member", "employee", "account", "profile", "seat"),
    "collections": (
        "collection", "team", "workspace", "contact list", "list", "group", "tenant", "account", "organization",
        "space",
    ),
}  # fmt: skip

#: What follows the name of a source in the name of a column that refers to it.
KEY_ENDINGS = ("id", "uuid", "key", "no", "number", "nr", "code")

#: The names of columns that refer to a row of each source; one of ``KEY_ENDINGS`` follows.
REFERENCES: Mapping[str, tuple[str, ...]] = {
    "contacts": (*TABLES["contacts"], "employee", "member"),
    "organizations": TABLES["organizations"],
    "users": (
        "user", "owner", "imported by", "importer", "added by", "created by", "creator", "auth user", "account",
        "employee", "member", "seat", "profile",
    ),
    "collections": TABLES["collections"],
}  # fmt: skip

_BEGIN = ("start", "started", "begin", "began", "from", "joined", "hired", "since", "valid from", "first")
_END = ("end", "ended", "finish", "finished", "to", "left", "until", "terminated", "valid to", "last")

#: The names of each other column, the clearest names first.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "record id", "uuid", "key", "pk", "urn"),
    "name": (
        "name", "full name", "fullname", "display name", "company name", "organization name", "account name",
        "legal name", "title", "label", "display", "username", "login", "email",
    ),
    "headcount": (
        "headcount", "employee count", "number of employee", "employee number", "num employee", "employee",
        "staff count", "size", "company size",
    ),
    "company_name": (
        "company name", "employer name", "organization name", "organisation name", "company", "employer",
        "organization",
    ),
    "source": ("source", "original source", "origin", "kind", "provider", "channel", "type", "via"),
}  # fmt: skip

FIRST_NAMES = ("first name", "given name", "forename", "firstname")
LAST_NAMES = ("last name", "family name", "surname", "lastname")

#: Columns that are set when a row is deleted, and flags that are true then.
DELETED_AT = ("deleted at", "discarded at", "archived at", "removed at", "deleted on", "archived on")
DELETED = ("is deleted", "deleted", "archived", "is archived", "is discarded", "is removed", "removed")


def day_names(key: str) -> tuple[str, ...]:
    """Return the names of columns with the day when an experience began (``date_from``) or ended (``date_to``)."""
    starts = _BEGIN if key == "date_from" else _END
    suffixes = ("date", "on", "at", "day", "month", "")
    found = [f"{start} {suffix}".strip() for suffix in suffixes for start in starts]
    return (f"date {'from' if key == 'date_from' else 'to'}", *found)
