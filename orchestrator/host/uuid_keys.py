"""Ids that a person gives as uuids, where the mapping makes ids of uuids with ``connection_paths.uuid_key``."""

from __future__ import annotations

import re
from typing import Literal
from uuid import UUID

from pglast import ast

from orchestrator.core.database import Connection
from orchestrator.core.errors import OrchestratorError
from orchestrator.host.mapping_expressions import SCHEMA, function_name, nodes, read
from orchestrator.host.sources import remembered

#: What an id is the id of.
Kind = Literal["contact", "organization", "user", "collection"]

#: An id as a person gives it.
Key = int | UUID

#: The column of the mapping that makes the ids of each kind.
_COLUMNS = {
    "contact": ("contacts", "id"),
    "organization": ("organizations", "id"),
    "user": ("user_contact_collections", "user_id"),
    "collection": ("user_contact_collections", "collection_id"),
}
_NUMBER = re.compile("-?[0-9]{1,19}")
_FORM = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def uuid_of(word: str) -> UUID | None:
    """Return the uuid that a word is, in its usual form of five groups; None for another word."""
    return UUID(word) if _FORM.fullmatch(word) else None


def number_of(word: str) -> int | None:
    """Return the number that a word is; None for another word, and for a number that a bigint cannot hold."""
    number = int(word) if _NUMBER.fullmatch(word) else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


def id_of(connection: Connection, kind: Kind, given: Key) -> int:
    """Return the id of the package for an id as a person gives it; a number is one already.

    Raises :class:`OrchestratorError` for a uuid where the ids of this kind are not made of uuids.
    """
    if isinstance(given, int):
        return given
    known = remembered(connection)  # None: this role may not read the mapping
    if known is not None:
        source, column = _COLUMNS[kind]
        mapped = known.mapping.sources[source]
        expression = read(mapped.text(column), mapped.schema, mapped.table)
        if not any(function_name(call) == (SCHEMA, "uuid_key") for call in nodes(expression.tree, ast.FuncCall)):
            raise OrchestratorError(
                f"{given} is a uuid, and the mapping does not make ids of {kind}s with connection_paths.uuid_key; give"
                " the number that is the id"
            )
    row = connection.execute("SELECT connection_paths.uuid_key(%s::pg_catalog.uuid)", (str(given),)).fetchone()
    assert row is not None
    return int(row[0])
