"""What a mapping is made of: which table each source is, which expression each column is, and which rows count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

#: The kind of a column. ``any``: the package takes every type.
Kind = Literal["id", "day", "name", "number", "any"]

#: The type that each kind of column has in the binding views.
TYPES: Mapping[Kind, str] = {"id": "bigint", "day": "date", "name": "text", "number": "bigint"}

#: The types of whole numbers.
WHOLE = ("smallint", "integer", "bigint")

#: The kinds of relations (``pg_class.relkind``) that can have the package's triggers and indexes.
TABLES = ("r", "p")


@dataclass(frozen=True)
class Column:
    """A column that the package reads. An optional one is read only where the mapping names it."""

    kind: Kind
    optional: bool = False


@dataclass(frozen=True)
class Wanted:
    """A source as the package needs it: its binding view, its columns, and the rule of the default table.

    ``is_captured``: triggers on the table capture its changes.
    """

    view: str
    columns: Mapping[str, Column]
    optional: bool = False
    is_captured: bool = False
    where: str | None = None


_ID = Column("id")
_NAME = Column("name")

#: Every source that a mapping may name, in the order of the documents.
WANTED: Mapping[str, Wanted] = MappingProxyType({
    "contacts": Wanted("live_contacts", {"id": _ID, "name": _NAME}, is_captured=True),
    "organizations": Wanted(
        "known_organizations",
        {"id": _ID, "name": _NAME, "headcount": Column("number", optional=True)},
        is_captured=True,
    ),
    "contact_work_experiences": Wanted(
        "work_experiences",
        {
            "id": _ID, "contact_id": _ID, "organization_id": _ID, "date_from": Column("day"), "date_to": Column("day"),
            "company_name": Column("name", optional=True),
        },
        is_captured=True,
    ),
    "user_contact_collections": Wanted(
        "collection_members",
        {"user_id": _ID, "contact_id": _ID, "collection_id": _ID, "source": Column("any", optional=True)},
        where="source IN (0, 1, 2, 3, 5, 10)",
    ),
    "users": Wanted("live_users", {"id": _ID, "name": _NAME}, optional=True),
    "collections": Wanted("live_collections", {"id": _ID, "name": _NAME}, optional=True),
})  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One source as a person wrote it: only the columns that the file names, each with its expression.

    ``schema`` None: the schema of ``--host-schema``. ``where`` None: the file has no rule.
    """

    name: str
    schema: str | None
    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None

    @property
    def is_default(self) -> bool:
        """Whether the table, its columns and its rule are the default ones."""
        renamed = any(text not in (key, f'"{key}"') for key, text in self.columns.items())
        return self.schema is None and self.table == self.name and not renamed and self.where is None

    @property
    def has_own_rule(self) -> bool:
        """Whether the default rule is replaced.

        The default rule reads codes of the column ``source``. So it stays only while the name of the table, in any
        schema, and that column are the default ones and the file has no ``where``.
        """
        has_source = self.columns.get("source", "source") in ("source", '"source"')
        return self.where is not None or self.table != self.name or not has_source

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that are read, and ``where`` if there is a rule."""
        wanted = WANTED[self.name]
        keys = [key for key, column in wanted.columns.items() if key in self.columns or not column.optional]
        has_rule = self.where is not None or (wanted.where is not None and not self.has_own_rule)
        return (*keys, *(["where"] if has_rule else []))

    def text(self, key: str) -> str:
        """The expression of one of :attr:`keys`: as the file has it, otherwise the default."""
        if key == "where":
            return self.where or WANTED[self.name].where or "true"
        return self.columns.get(key, f'"{key}"')


#: A place in the file: a source, and a key in it or None for the line that begins the source.
Place = tuple[str, str | None]


@dataclass(frozen=True)
class SourceMapping:
    """All sources as a person wrote them. ``file`` and ``lines`` say where; they are no part of the mapping itself.

    ``unread`` has the places of the file with a problem. A mapping with such places can be checked, not installed.
    """

    sources: Mapping[str, Source]
    file: str | None = field(default=None, compare=False)
    lines: Mapping[Place, int] = field(default_factory=dict, compare=False, repr=False)
    unread: frozenset[Place] = field(default_factory=frozenset, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the mapping as it is kept in the database."""
        return {
            name: {
                "schema": source.schema,
                "table": source.table,
                "columns": dict(source.columns),
                "where": source.where,
            }
            for name, source in self.sources.items()
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SourceMapping:
        """Return the mapping that :meth:`as_json` gave."""
        return cls({
            name: Source(name, kept["schema"], kept["table"], dict(kept["columns"]), kept["where"])
            for name, kept in data.items()
        })  # fmt: skip

    def line(self, name: str, key: str | None = None) -> int:
        """The line of a key of a source, or of the source; 0 if it is not known."""
        return self.lines.get((name, key)) or self.lines.get((name, None)) or 0

    def at(self, name: str, key: str | None = None) -> str:
        """Return ``FILE:LINE: `` of a source or of a key of it; the name of the source when the line is not known."""
        line = self.line(name, key)
        if self.file is None or not line:
            return f"{name}.{key}: " if key else f"{name}: "
        return f"{self.file}:{line}: "


#: The mapping without a file: the four tables of the package's own names, in the host schema.
DEFAULT = SourceMapping({name: Source(name, None, name) for name, wanted in WANTED.items() if not wanted.optional})


@dataclass(frozen=True)
class BoundSource:
    """One source with everything that its view, its indexes and its triggers need.

    ``columns`` holds SQL expressions over the columns of the table, without qualification. Each gives exactly the
    package's type: an id bigint, a day date, a name text, a headcount bigint; ``source`` has its own type. For a
    default source each is the quoted name of the column, and nothing is cast. An optional column that the mapping does
    not name is absent. ``used_columns`` holds the quoted columns of the table that each expression reads, and those of
    ``where`` under the key ``where``. ``where`` is the mapping's rule, None where every row counts; the rules that the
    package always has (an organization is present, a user is present) are not part of it.
    """

    name: str
    view: str
    schema: str
    table: str
    columns: Mapping[str, str]
    used_columns: Mapping[str, tuple[str, ...]]
    where: str | None
    is_default: bool
