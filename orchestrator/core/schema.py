"""The schema of an installation. A database may hold several installations side by side, each in a schema of its own.

Every SQL file and every statement in the code has the schema name ``connection_paths``. For another schema, only this
module replaces the names, just before a statement is sent:

* :class:`Dsn` is a connection string that carries the schema. With it, :mod:`orchestrator.core.database` opens a
  :class:`SchemaConnection`, whose cursors replace the names in the text of each statement. For the default schema, it
  opens a plain :class:`Session`, and nothing is replaced.
* Parameters are never changed. So the code applies :func:`named` to a name of the package in a parameter, and
  :func:`plain` to the name of an index in a result.

What is replaced is listed at :func:`translated`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.abc import Params, Query
from psycopg.conninfo import make_conninfo

from orchestrator.core import sqlfiles
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.session import Session

DEFAULT = "connection_paths"

#: Bytes of a schema's name. The longest name that begins with it is that of an index that is being built:
#: ``NAME_idx_experiences_by_organization_new``. PostgreSQL cuts names after 63 bytes.
LONGEST = 27

_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST - 1}}}")
_RESERVED = ("public", "information_schema")

#: Names that are the schema's name with an ending: triggers on the tables, the channel of NOTIFY, and columns.
_ENDINGS = "inserted|updated|deleted|truncated|replicated|changes|sign|id"
#: The package's indexes on the application's tables. Two installations may share a table, so they need other names.
_HOST_INDEXES = "|".join(
    path.stem
    for folder in ("indexes", "names")
    for path in sorted((sqlfiles.ROOT / folder).glob("idx_*.sql"))
    if re.search(r"ON :\w+\.table", path.read_text(encoding="utf-8"))
)
_BUILDING = r"_connection_paths_(?=(?:new|old)(?!\w))"
_NAMES = re.compile(
    rf"(?P<building>{_BUILDING})"
    rf'|(?<![\w"])(?P<schema>{DEFAULT})(?=_(?:{_ENDINGS})(?!\w)|_?(?!\w))'
    rf"|(?<!\w)(?P<index>{_HOST_INDEXES})(?=(?:_connection_paths)?_(?:new|old)(?!\w)|(?!\w))"
    r"|(?<=THEN )(?P<lock>2544[124])(?!\w)",
    re.ASCII,
)
_INDEX = re.compile(rf"(?:\w+_)?(?P<index>{_HOST_INDEXES})", re.ASCII)
_LOCKS = (25441, 25442, 25444)  # the purposes of advisory_key


class Dsn(str):
    """A connection string for an installation in another schema than the default. It is an ordinary string otherwise.

    A string that is computed from it loses the schema. Use :func:`with_values`, which keeps the schema.
    """

    __slots__ = ("schema",)
    schema: str

    def __new__(cls, dsn: str, schema: str) -> Self:  # noqa: D102 (as for __init__)
        made = super().__new__(cls, dsn)
        made.schema = checked(schema)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Dsn, (str(self), self.schema)


def with_schema(dsn: str, schema: str) -> str:
    """Return the connection string *dsn* for the installation in *schema*.

    Raises :class:`OrchestratorError` when *schema* cannot be the schema of an installation.
    """
    return str(dsn) if schema == DEFAULT else Dsn(dsn, schema)


def with_values(dsn: str, **values: Any) -> str:
    """Return the connection string *dsn* with other *values* and its schema, which ``make_conninfo`` would lose."""
    return with_schema(make_conninfo(dsn, **values), schema_of(dsn))


def schema_of(where: str | psycopg.Connection[Any]) -> str:
    """Return the schema of a connection string or a connection."""
    return getattr(where, "schema", DEFAULT)


def checked(name: str) -> str:
    """Return *name*; raise :class:`OrchestratorError` when it cannot be the schema of an installation."""
    if name == DEFAULT:
        return name
    if not _NAME.fullmatch(name) or name.startswith("pg_") or name in _RESERVED:
        raise OrchestratorError(
            f"{name!r} cannot be the schema of an installation: a name has 1 to {LONGEST} lower-case letters, digits or"
            " _, begins with a letter, and is not public, information_schema or pg_..."
        )
    if DEFAULT in name or name in _words():
        raise OrchestratorError(
            f"{name!r} cannot be the schema of an installation, because the package's own SQL has this word; choose"
            " another name, for example cp_team1"
        )
    return name


@cache
def _words() -> frozenset[str]:
    """Return every word of the SQL files. The name of a schema must differ from all aliases, columns and keywords."""
    files = (path for path in sqlfiles.ROOT.rglob("*") if path.suffix in (".sql", ".template"))
    codes = (re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8")) for path in files)
    return frozenset(word for code in codes for word in re.findall(r"\w+", code.lower()))


def translated(text: str, schema: str) -> str:
    """Return the *text* of statements for the installation in *schema*, in place of ``connection_paths``.

    Replaced are: the word ``connection_paths``, also in literals and comments, unless it is in double quotes; the names
    of triggers, settings and the channel that begin with it; the names of the package's indexes on the application's
    tables, which get the schema in front; and the numbers of ``advisory_key``. The suffixes ``_connection_paths_new``
    and ``_connection_paths_old`` of such an index become ``_new`` and ``_old``. No other name is touched, such as that
    of a table ``my_connection_paths`` of the application.
    """
    return text if schema == DEFAULT else _translated(text, schema)


@lru_cache(maxsize=512)
def _translated(text: str, schema: str) -> str:
    def other(found: re.Match[str]) -> str:
        if found["building"]:
            return "_"
        if found["schema"]:
            return schema
        if found["index"]:
            return f"{schema}_{found['index']}"
        return str(_lock_numbers(schema)[int(found["lock"])])

    return _NAMES.sub(other, text)


def original(text: str, schema: str) -> str:
    """Return the source of a function in *schema* as it is in the default schema: undo :func:`translated`."""
    if schema == DEFAULT:
        return text
    numbers = {str(number): str(lock) for lock, number in _lock_numbers(schema).items()}
    text = re.sub(rf"(?<!\w){schema}_(?=(?:{_HOST_INDEXES})(?!\w))", "", text, flags=re.ASCII)
    text = re.sub(rf"(?<!\w){schema}(?=_(?:{_ENDINGS})(?!\w)|_?(?!\w))", DEFAULT, text, flags=re.ASCII)
    return re.sub(rf"(?<=THEN )(?:{'|'.join(numbers)})(?!\w)", lambda found: numbers[found[0]], text)


def named(where: str | psycopg.Connection[Any], name: str) -> str:
    """Return the name that an object of the SQL files (an index, a trigger, a setting) has in an installation."""
    return translated(name, schema_of(where))


def all_named(where: str | psycopg.Connection[Any], names: Iterable[str]) -> list[str]:
    """Return :func:`named` of each of the *names*."""
    return [named(where, name) for name in names]


def not_installed(schema: str) -> str:
    """Return the message about a database that has no installation in *schema*."""
    place = "this database" if schema == DEFAULT else f"schema {schema} of this database"
    return f"connection_paths is not installed in {place}; run: orchestrator install"


def plain(name: str) -> str:
    """Return the name that an index has in the SQL files; in the database, the name may begin with a schema."""
    found = _INDEX.fullmatch(name)
    return name if found is None else found["index"]


def _hashed(schema: str, purpose: object) -> int:
    return int.from_bytes(sha256(f"{schema} {purpose}".encode()).digest()[:8], "big") >> 1


@cache
def _lock_numbers(schema: str) -> dict[int, int]:
    """Return the number of each purpose of ``advisory_key``, by its number in the default schema.

    For about one of a few thousand pairs of schemas, two numbers are equal. Then one installation sometimes waits a
    little for the other, or takes a worker of the other for its own. No data is at risk, because no lock protects data.
    """
    numbers: dict[int, int] = {}
    for lock in _LOCKS:
        number = _hashed(schema, lock) % _LOCKS[0]
        while number in numbers.values():
            number = (number + 1) % _LOCKS[0]
        numbers[lock] = number
    return numbers


def lock_key(schema: str, default: int) -> int:
    """Return the key of an advisory lock of the installation in *schema*. *default*: the key in the default schema."""
    return default if schema == DEFAULT else _hashed(schema, default)


class Verbatim(bytes):
    """A statement that the server composed from names of roles; nothing in it is replaced."""


class SchemaCursor(psycopg.Cursor[Any]):
    """A cursor that replaces the names in each statement by those of the schema of its connection."""

    def _here(self, query: Query) -> bytes:
        if isinstance(query, Verbatim):
            return query
        if isinstance(query, bytes):
            query = query.decode()
        elif isinstance(query, sql.Composable):
            query = query.as_string(self)
        assert isinstance(query, str)  # the code has no template strings
        return translated(query, schema_of(self.connection)).encode()

    def execute(
        self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        """Execute a statement."""
        return super().execute(self._here(query), params, prepare=prepare, binary=binary)

    def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        """Execute a statement with each of several sets of parameters."""
        super().executemany(self._here(query), params_seq, returning=returning)

    def stream(
        self, query: Query, params: Params | None = None, *, binary: bool | None = None, size: int = 1
    ) -> Iterator[Any]:
        """Execute a query and yield its rows as they come."""
        return super().stream(self._here(query), params, binary=binary, size=size)

    @contextmanager
    def copy(self, statement: Query, params: Params | None = None, **options: Any) -> Iterator[psycopg.Copy]:
        """Begin a COPY."""
        with super().copy(self._here(statement), params, **options) as copy:
            yield copy


class SchemaConnection(Session):
    """A connection for an installation in another schema than the default."""

    schema: str = DEFAULT
